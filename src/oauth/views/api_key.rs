//! API Key: a typed view, and how all keys of a user are revoked.

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};
use ipnet::IpNet;
use serde_json::json;

use crate::document::view::{lines, view};
use crate::document::{ListRequest, Work};
use crate::error::Result;
use crate::meta::Value;
use crate::oauth::protocol::ScopeSet;

/// The name of the DocType.
pub(crate) const API_KEY: &str = "API Key";
/// What names of API Keys begin with, which are their ids; the keys in User documents do not.
pub(crate) const ID_PREFIX: &str = "key_";
/// How stale it may be when and from where a key was last used.
const TOUCH_AFTER: Duration = Duration::minutes(5);

view! {
    /// A key as it is stored: everything but its secrets.
    #[derive(Clone, Debug)]
    pub(crate) struct ApiKey of API_KEY {
        /// The document, and the id that programs send.
        pub name: String = name,
        /// What it is for.
        pub title: String,
        /// For whom programs with it act.
        pub user: String,
        /// It was not switched off.
        pub enabled: bool,
        /// What it may do; `None`: whatever its user may.
        pub scopes: Option<ScopeSet> as scopes,
        /// From where it may be used, one address or network a line; none: from everywhere.
        pub addresses: Vec<String> = "allowed_addresses" as lines,
        /// Until when it works.
        pub expires_at: Option<DateTime<Utc>>,
        /// When it was ended for good.
        pub revoked_at: Option<DateTime<Utc>>,
        /// The digest of the newest secret.
        pub secret_digest: String,
        /// The digest of the secret before the last roll.
        pub previous_secret_digest: String,
        /// Until when that one works.
        pub previous_secret_expires_at: Option<DateTime<Utc>>,
        /// When either secret was last used, as far as it is written down.
        pub last_used: Option<DateTime<Utc>>,
        /// From where.
        pub last_used_from: Option<String>,
        /// When the secret before the last roll was last used, as far as it is written down.
        pub previous_last_used: Option<DateTime<Utc>>,
    }
}

/// The scopes in a field. A text without any that can be read allows nothing; only no text allows everything.
fn scopes(document: &crate::meta::Document, field: &str) -> Option<ScopeSet> {
    let text = document.text(field).trim();
    (!text.is_empty()).then(|| ScopeSet::from_stored(text))
}

/// Which of its secrets a program came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The newest.
    Newest,
    /// The one before the last roll.
    Previous,
}

impl ApiKey {
    /// Whether the secret before the last roll still works.
    pub(crate) fn has_previous(&self, now: DateTime<Utc>) -> bool {
        !self.previous_secret_digest.is_empty() && self.previous_secret_expires_at.is_some_and(|end| now < end)
    }

    /// Why it opens nothing at that moment, whoever asks from wherever; `None`: it does.
    pub(crate) fn ended(&self, now: DateTime<Utc>) -> Option<&'static str> {
        if self.revoked_at.is_some() {
            return Some("This API key was revoked");
        }
        if !self.enabled {
            return Some("This API key is disabled");
        }
        self.expires_at.is_some_and(|end| end <= now).then_some("This API key has expired")
    }

    /// Whether it may be used from an address. Lines that are no addresses allow none.
    pub(crate) fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.addresses.is_empty()
            || self
                .addresses
                .iter()
                .filter_map(|line| parse_network(line).ok())
                .any(|network| network.contains(&address))
    }

    /// It works for some time or from some addresses only: with it, nobody gets a key that outlives or outreaches it.
    pub(crate) fn is_bound(&self) -> bool {
        self.expires_at.is_some() || !self.addresses.is_empty()
    }

    /// Whether its use is worth writing down.
    pub(crate) fn is_use_news(&self, which: Which, now: DateTime<Utc>) -> bool {
        let is_old = |at: Option<DateTime<Utc>>| at.is_none_or(|at| now - at >= TOUCH_AFTER);
        is_old(self.last_used) || which == Which::Previous && is_old(self.previous_last_used)
    }
}

/// An address (`203.0.113.7`, `2001:db8::1`) or a network (`10.0.0.0/8`), in canonical form; else what is wrong with it.
pub(crate) fn parse_network(text: &str) -> std::result::Result<IpNet, String> {
    let wrong =
        || format!("{text} is not an address such as 203.0.113.7, nor a network such as 10.0.0.0/8 or 2001:db8::/32");
    let network = if text.contains('/') {
        text.parse::<IpNet>().map_err(|_| wrong())?
    } else {
        IpNet::from(text.parse::<IpAddr>().map_err(|_| wrong())?)
    };
    if let IpNet::V6(mapped) = network
        && mapped.addr().to_ipv4_mapped().is_some()
    {
        return Err(format!("{text} is an address of IPv4 in the form of IPv6: write it as 203.0.113.7 or 10.0.0.0/8"));
    }
    if network.addr() != network.network() {
        return Err(format!("{text} is an address within a network: write {} for the network", network.trunc()));
    }
    Ok(network)
}

/// Ends one key for good: its digests go as well.
pub(crate) async fn revoke(work: &mut Work<'_>, name: &str) -> Result<()> {
    let values = [
        ("revoked_at", Value::from(work.now())),
        ("enabled", Value::from(false)),
        ("secret_digest", Value::Null),
        ("previous_secret_digest", Value::Null),
        ("previous_secret_expires_at", Value::Null),
    ];
    work.set_values(API_KEY, name, &values).await
}

/// Ends all keys of a user for good.
pub(crate) async fn revoke_all(work: &mut Work<'_>, user: &str) -> Result<()> {
    let caller = work.become_system();
    let ended = async {
        let filters = json!({"user": user, "revoked_at": ["is", "not set"]});
        let list = work.list(&ListRequest::new(API_KEY).filters(filters).all()).await?;
        for row in 0..list.rows.len() {
            revoke(work, list.text(row, "name")).await?;
        }
        Ok(())
    };
    let ended = ended.await;
    work.session = caller;
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_read_strictly() {
        for (text, expected) in [
            ("203.0.113.7", Ok("203.0.113.7/32")),
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("2001:db8::1", Ok("2001:db8::1/128")),
            ("2001:DB8:0::/32", Ok("2001:db8::/32")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("10.0.0.5/8", Err("write 10.0.0.0/8 for the network")),
            ("10.0.0.0/33", Err("is not an address")),
            ("10.0.0", Err("is not an address")),
            ("010.0.0.1", Err("is not an address")),
            ("10.0.0.0/8/8", Err("is not an address")),
            ("10.0.0.0/", Err("is not an address")),
            ("fe80::1%eth0", Err("is not an address")),
            ("::ffff:10.0.0.1", Err("write it as")),
            ("::ffff:0:0/96", Err("write it as")),
            ("office.example", Err("is not an address")),
            ("*", Err("is not an address")),
        ] {
            match (parse_network(text), expected) {
                (Ok(network), Ok(expected)) => assert_eq!(network.to_string(), expected),
                (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }
}
