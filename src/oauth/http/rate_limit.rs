//! [`RateLimit`]: how often one network address may do something in a minute.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration as StdDuration;

use chrono::{DateTime, Duration, Utc};
use moka::sync::Cache;

use crate::document::Documents;
use crate::error::{Error, Result};

/// How long something counts.
const WINDOW: Duration = Duration::minutes(1);
/// How many addresses are remembered.
const CAPACITY: u64 = 10_000;
/// The part of an IPv6 address that names a subscriber; the rest they choose themselves.
const SUBSCRIBER_BITS: u32 = 64;

/// Counts by network address: at each node in a window that slides, forgotten with a restart, for a minute is short; and at
/// all nodes of a PostgreSQL together in minutes that begin with the first.
pub(crate) struct RateLimit {
    /// What is counted.
    what: &'static str,
    seen: Cache<IpAddr, Arc<Mutex<VecDeque<DateTime<Utc>>>>>,
}

impl RateLimit {
    /// Of something.
    pub(crate) fn of(what: &'static str) -> Self {
        Self { what, seen: Cache::builder().max_capacity(CAPACITY).time_to_idle(StdDuration::from_mins(2)).build() }
    }

    /// Counts one more; `RateLimited` if there were `limit` within the last minute already. 0 is no limit.
    pub(crate) async fn count(&self, documents: &Documents, address: IpAddr, limit: i64) -> Result<()> {
        self.count_here(address, limit, documents.clock().now())?;
        if limit <= 0 {
            return Ok(());
        }
        documents.count_at_all_nodes(&format!("{} {}", self.what, subscriber(address)), limit).await
    }

    fn count_here(&self, address: IpAddr, limit: i64, now: DateTime<Utc>) -> Result<()> {
        let Some(limit) = usize::try_from(limit).ok().filter(|limit| *limit > 0) else { return Ok(()) };
        let times = self.seen.get_with(subscriber(address), Arc::default);
        let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
        while times.front().is_some_and(|first| now - *first >= WINDOW) {
            times.pop_front();
        }
        if let (true, Some(oldest)) = (times.len() >= limit, times.front()) {
            let left = (*oldest + WINDOW - now).num_seconds() + 1;
            return Err(Error::RateLimited { retry_after: u64::try_from(left).unwrap_or(1) });
        }
        times.push_back(now);
        Ok(())
    }
}

/// The address under which somebody is counted: of IPv6, the part that they cannot choose.
pub(crate) fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - SUBSCRIBER_BITS);
            Ipv6Addr::from(u128::from(address) & mask).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000 + seconds, 0).unwrap()
    }

    fn retry_after(result: &Result<()>) -> Option<u64> {
        match result {
            Err(Error::RateLimited { retry_after }) => Some(*retry_after),
            _ => None,
        }
    }

    #[test]
    fn what_is_more_than_the_limit_in_a_minute_waits_for_the_oldest_to_pass() {
        let (limit, address) = (RateLimit::of("tests"), "203.0.113.7".parse().unwrap());
        assert!(limit.count_here(address, 2, at(0)).is_ok());
        assert!(limit.count_here(address, 2, at(50)).is_ok());
        assert_eq!(retry_after(&limit.count_here(address, 2, at(55))), Some(6));
        assert!(limit.count_here(address, 2, at(60)).is_ok());
        assert_eq!(retry_after(&limit.count_here(address, 2, at(61))), Some(50));
    }

    #[test]
    fn addresses_are_counted_apart_and_those_of_one_subscriber_together() {
        let limit = RateLimit::of("tests");
        let count = |address: &str| limit.count_here(address.parse().unwrap(), 1, at(0)).is_ok();
        assert!(count("203.0.113.7"));
        assert!(count("203.0.113.8"));
        assert!(!count("::ffff:203.0.113.7"));
        assert!(count("2001:db8:1:1::1"));
        assert!(!count("2001:db8:1:1:ffff::2"));
        assert!(count("2001:db8:1:2::1"));
    }

    #[test]
    fn zero_is_no_limit() {
        let (limit, address) = (RateLimit::of("tests"), "203.0.113.7".parse().unwrap());
        assert!((0..1000).all(|_| limit.count_here(address, 0, at(0)).is_ok()));
    }
}
