//! Limits of what requests and connections may take, so that none takes from all others.

use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use serde::Deserialize;

/// What requests and connections may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Child rows of a document, and of all documents in one request.
    pub rows: usize,
    /// Bytes of request bodies that are in memory at once, of all requests together.
    pub body_memory: usize,
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address; `None`: as many as there are.
    pub connections_per_address: Option<usize>,
    /// How long the head of a request may take, from the opening of the connection or from its first byte.
    pub header_timeout: Duration,
    /// How long a connection may wait for the other end to take something, or to send more of a body.
    pub stall_timeout: Duration,
    /// Bytes a second that a body comes with at least, once it is slower than [`Limits::stall_timeout`].
    pub body_rate: usize,
    /// How long a connection without a request is kept.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows: 10_000,
            body_memory: 64 * MIB,
            connections: 1_000,
            connections_per_address: Some(200),
            header_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            body_rate: 1024,
            idle_timeout: Duration::from_secs(75),
        }
    }
}

const MIB: usize = 1024 * 1024;

/// The settings of limits, all optional.
#[derive(Args, Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// How many child rows a document may have, and a request may bring
    ///
    /// Documents that have more already stay as they are. [default: 10000]
    #[arg(long, global = true, env = "DOCTYPED_MAX_ROWS", value_name = "NUMBER")]
    max_rows: Option<usize>,

    /// How many MiB of request bodies are held in memory at once
    ///
    /// Further requests with a body are answered 503 until there is room. Files that are uploaded as multipart forms do
    /// not count: they go to disk. [default: 64]
    #[arg(long, global = true, env = "DOCTYPED_BODY_MEMORY", value_name = "MIB")]
    body_memory: Option<usize>,

    /// How many connections are open at once
    ///
    /// Further ones are answered 503 and closed. [default: 1000]
    #[arg(long, global = true, env = "DOCTYPED_MAX_CONNECTIONS", value_name = "NUMBER")]
    max_connections: Option<usize>,

    /// How many connections are open at once from one address; 0 for any number
    ///
    /// Further ones are answered 503 and closed. Behind proxies every connection comes from a proxy, so that there is no
    /// such limit unless you set it. [default: 200; with trusted proxies 0]
    #[arg(long, global = true, env = "DOCTYPED_MAX_CONNECTIONS_PER_ADDRESS", value_name = "NUMBER")]
    max_connections_per_address: Option<usize>,

    /// How many seconds the head of a request may take [default: 10]
    #[arg(long, global = true, env = "DOCTYPED_HEADER_TIMEOUT", value_name = "SECONDS")]
    header_timeout: Option<u64>,

    /// How many seconds a connection may stand still while a body is sent or an answer is taken [default: 30]
    #[arg(long, global = true, env = "DOCTYPED_STALL_TIMEOUT", value_name = "SECONDS")]
    stall_timeout: Option<u64>,
}

impl LimitSettings {
    /// The keys in a `doctyped.toml`.
    pub(super) const KEYS: [&'static str; 6] = [
        "max_rows",
        "body_memory",
        "max_connections",
        "max_connections_per_address",
        "header_timeout",
        "stall_timeout",
    ];

    /// These, and those of `other` where nothing is said.
    #[must_use]
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            max_rows: self.max_rows.or(other.max_rows),
            body_memory: self.body_memory.or(other.body_memory),
            max_connections: self.max_connections.or(other.max_connections),
            max_connections_per_address: self.max_connections_per_address.or(other.max_connections_per_address),
            header_timeout: self.header_timeout.or(other.header_timeout),
            stall_timeout: self.stall_timeout.or(other.stall_timeout),
        }
    }
}

impl Limits {
    /// Checks settings and fills in the defaults; `max_body` is the largest body of one request.
    pub(super) fn from_settings(
        settings: &LimitSettings,
        trusted_proxies: usize,
        max_body: usize,
    ) -> anyhow::Result<Self> {
        let default = Self::default();
        let seconds = |name: &str, given: Option<u64>, default: Duration| {
            let seconds = given.unwrap_or(default.as_secs());
            ensure!((1..=3600).contains(&seconds), "{name} is between 1 and 3600 seconds");
            Ok(Duration::from_secs(seconds))
        };
        let rows = settings.max_rows.unwrap_or(default.rows);
        ensure!((1..=1_000_000).contains(&rows), "DOCTYPED_MAX_ROWS is between 1 and 1000000");
        let body_memory = settings.body_memory.map_or(default.body_memory, |mib| mib.saturating_mul(MIB));
        ensure!(
            (max_body..=64 * 1024 * MIB).contains(&body_memory),
            "DOCTYPED_BODY_MEMORY is between {} and 65536 MiB: one request alone may take as much as the least",
            max_body / MIB
        );
        let connections = settings.max_connections.unwrap_or(default.connections);
        ensure!(connections > 0, "DOCTYPED_MAX_CONNECTIONS is at least 1");
        let connections_per_address = match settings.max_connections_per_address {
            Some(0) => None,
            Some(given) => Some(given),
            None if trusted_proxies > 0 => None,
            None => default.connections_per_address,
        };
        Ok(Self {
            rows,
            body_memory,
            connections,
            connections_per_address,
            header_timeout: seconds("DOCTYPED_HEADER_TIMEOUT", settings.header_timeout, default.header_timeout)?,
            stall_timeout: seconds("DOCTYPED_STALL_TIMEOUT", settings.stall_timeout, default.stall_timeout)?,
            ..default
        })
    }
}
