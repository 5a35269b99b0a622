//! Limits of what requests and connections may take, so that none takes from all others.

use std::time::Duration;

use anyhow::ensure;

use super::settings::Resolved;

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
    /// Requests that are answered at once.
    pub requests: usize,
    /// Requests that wait at once for a connection to the database.
    pub waiting: usize,
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
    /// What holds without any setting.
    fn default() -> Self {
        super::Config::default().limits
    }
}

const MIB: usize = 1024 * 1024;

impl Limits {
    /// Checks settings; `max_body` is the largest body of one request.
    pub(super) fn from_settings(settings: &Resolved, max_body: usize) -> anyhow::Result<Self> {
        let seconds = |name: &str, seconds: u64| {
            ensure!((1..=3600).contains(&seconds), "{name} is between 1 and 3600 seconds");
            Ok(Duration::from_secs(seconds))
        };
        let rows = settings.max_rows;
        ensure!((1..=1_000_000).contains(&rows), "DOCTYPED_MAX_ROWS is between 1 and 1000000");
        let body_memory = settings.body_memory.saturating_mul(MIB);
        ensure!(
            (max_body..=64 * 1024 * MIB).contains(&body_memory),
            "DOCTYPED_BODY_MEMORY is between {} and 65536 MiB: one request alone may take as much as the least",
            max_body / MIB
        );
        let connections = settings.max_connections;
        ensure!(connections > 0, "DOCTYPED_MAX_CONNECTIONS is at least 1");
        let connections_per_address = match settings.max_connections_per_address {
            Some(0) => None,
            Some(given) => Some(given),
            None if settings.trusted_proxies > 0 => None,
            None => Some(200),
        };
        ensure!(settings.max_requests > 0, "DOCTYPED_MAX_REQUESTS is at least 1");
        ensure!(settings.max_waiting > 0, "DOCTYPED_MAX_WAITING is at least 1");
        Ok(Self {
            rows,
            body_memory,
            connections,
            connections_per_address,
            requests: settings.max_requests,
            waiting: settings.max_waiting,
            header_timeout: seconds("DOCTYPED_HEADER_TIMEOUT", settings.header_timeout)?,
            stall_timeout: seconds("DOCTYPED_STALL_TIMEOUT", settings.stall_timeout)?,
            body_rate: 1024,
            idle_timeout: Duration::from_secs(75),
        })
    }
}
