//! [`RateLimit`]: how often somebody may do something per minute; the minute begins with the first time.
//!
//! Each node counts in memory. On PostgreSQL the nodes agree by the table `__Rate`: before the answer
//! ([`RateLimit::count_at_all_nodes`]), or behind it ([`RateLimit::count_soon_at_all_nodes`]). There a node tells the others
//! once a tenth of the limit is untold, and at least every second; so all nodes together go beyond the limit by at most a
//! tenth of it for each further node, and by what comes in during one message to the database.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use poem::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Notify;

use crate::database::rate::{self, Count};
use crate::document::Documents;
use crate::error::{Error, Result};
use crate::secret;

/// How long something counts, in seconds.
const WINDOW: i64 = 60;
/// How many keys are remembered.
const CAPACITY: u64 = 100_000;
/// The part of a limit that a node counts without telling the others.
const UNTOLD: i64 = 10;
/// How long it does at most.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How many keys are told of in one message.
const TOLD_AT_ONCE: usize = 1000;
/// The longest key in the table.
const LONGEST_KEY: usize = 140;
/// The part of an IPv6 address that names a subscriber; the rest they choose themselves.
const SUBSCRIBER_BITS: u32 = 64;

/// Counts something. Cheap to clone; clones share the counts.
#[derive(Clone)]
pub(crate) struct RateLimit(Arc<Counts>);

struct Counts {
    /// What is counted.
    what: &'static str,
    seen: Cache<String, Arc<Counter>>,
    untold: Mutex<Untold>,
    /// Somebody has counted so much that the others should be told.
    is_much: Notify,
}

/// What other nodes are still to be told.
#[derive(Default)]
struct Untold {
    counters: Vec<Arc<Counter>>,
    /// Somebody is about to tell them.
    is_under_way: bool,
}

struct Counter {
    key: String,
    minute: Mutex<Minute>,
}

/// How often something happened in its minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Minute {
    /// When it ends, in seconds since 1970.
    ends: i64,
    /// How often here.
    here: i64,
    /// How many of these the other nodes were told of.
    told: i64,
    /// How often elsewhere, when it was last asked.
    elsewhere: i64,
}

/// How somebody stands to a limit once a request of theirs was counted, or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How often is allowed per minute.
    pub limit: i64,
    /// How often is left of it.
    pub left: i64,
    /// When the minute ends, in seconds from now.
    pub resets: u64,
    /// It was too often.
    pub is_refused: bool,
}

impl Minute {
    /// Counts so many more, unless there would be more than `limit`.
    fn count(&mut self, times: i64, limit: i64, now: i64) -> Standing {
        // A clock that goes back leaves nobody with a long minute.
        if now >= self.ends || self.ends > now + WINDOW {
            *self = Self { ends: now + WINDOW, ..Self::default() };
        }
        let is_refused = self.here + self.elsewhere + times > limit;
        if !is_refused {
            self.here += times;
        }
        self.standing(limit, now, is_refused)
    }

    fn standing(&self, limit: i64, now: i64, is_refused: bool) -> Standing {
        let left = (limit - self.here - self.elsewhere).max(0);
        Standing { limit, left, resets: u64::try_from(self.ends - now).unwrap_or(0).max(1), is_refused }
    }

    fn untold(&self) -> i64 {
        self.here - self.told
    }

    /// What is to be told; it counts as told until [`Minute::untell`] says otherwise.
    fn tell(&mut self, now: i64) -> Option<Count> {
        let times = self.untold();
        self.told = self.here;
        (times > 0 && now < self.ends).then(|| Count { key: String::new(), ends: self.ends, times })
    }

    /// What was told in that minute has not arrived.
    fn untell(&mut self, told: &Count) {
        if self.ends == told.ends {
            self.told -= told.times;
        }
    }

    /// Takes over what was answered to what was told: how often it was at all nodes, and when their minute ends.
    fn agree(&mut self, told: &Count, all: &Count, now: i64) {
        if self.ends == told.ends {
            self.elsewhere = (all.times - self.told).max(0);
            if all.ends > now {
                self.ends = all.ends.min(now + WINDOW);
            }
        }
    }
}

impl Counter {
    fn minute(&self) -> MutexGuard<'_, Minute> {
        self.minute.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RateLimit {
    /// Of something.
    pub(crate) fn of(what: &'static str) -> Self {
        let seen = Cache::builder().max_capacity(CAPACITY).time_to_idle(Duration::from_mins(2)).build();
        Self(Arc::new(Counts { what, seen, untold: Mutex::default(), is_much: Notify::new() }))
    }

    /// Counts one more of an address; `RateLimited` if there were `limit` within its minute already, at all nodes together.
    /// 0: no limit.
    pub(crate) async fn count_at_all_nodes(&self, documents: &Documents, address: IpAddr, limit: i64) -> Result<()> {
        if limit <= 0 {
            return Ok(());
        }
        let now = documents.clock().now().timestamp();
        let (counter, standing, _) = self.count(&subscriber(address).to_string(), 1, limit, now);
        let refused = &documents.database().metrics().refused;
        if standing.is_refused {
            refused.count(self.0.what);
        }
        standing.check()?;
        if !documents.database().is_shared() {
            return Ok(());
        }
        match self.tell(documents, vec![counter]).await?.first() {
            Some(all) if all.times > limit => {
                refused.count(self.0.what);
                Err(Error::RateLimited { retry_after: u64::try_from(all.ends - now).unwrap_or(0).max(1) })
            }
            _ => Ok(()),
        }
    }

    /// Counts so many more of somebody, without waiting for anybody. A limit of 0 is none.
    pub(crate) fn count_soon_at_all_nodes(
        &self,
        documents: &Documents,
        who: &str,
        times: i64,
        limit: i64,
    ) -> Option<Standing> {
        if limit <= 0 {
            return None;
        }
        let (counter, standing, untold) = self.count(who, times, limit, documents.clock().now().timestamp());
        if standing.is_refused {
            documents.database().metrics().refused.count(self.0.what);
        } else if documents.database().is_shared() {
            if untold == times {
                self.tell_soon(documents, counter);
            }
            let much = (limit / UNTOLD).max(1);
            if untold - times < much && untold >= much {
                self.0.is_much.notify_one();
            }
        }
        Some(standing)
    }

    /// Counts so many more here; says besides how many the other nodes are still to be told.
    fn count(&self, who: &str, times: i64, limit: i64, now: i64) -> (Arc<Counter>, Standing, i64) {
        let counter = self.0.seen.get(who).unwrap_or_else(|| {
            let key = format!("{} {who}", self.0.what);
            let key = if key.len() > LONGEST_KEY { secret::digest(key) } else { key };
            self.0.seen.get_with(who.to_owned(), || Arc::new(Counter { key, minute: Mutex::default() }))
        });
        let mut minute = counter.minute();
        let (standing, untold) = (minute.count(times, limit, now), minute.untold());
        drop(minute);
        (counter, standing, untold)
    }

    fn untold(&self) -> MutexGuard<'_, Untold> {
        self.0.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the other nodes told, by one task at a time, which ends when nothing is left to be told.
    fn tell_soon(&self, documents: &Documents, counter: Arc<Counter>) {
        let mut untold = self.untold();
        untold.counters.push(counter);
        if std::mem::replace(&mut untold.is_under_way, true) {
            return;
        }
        drop(untold);
        let (limit, documents) = (self.clone(), documents.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = limit.keep_telling(&documents) => {}
                () = documents.database().closing() => {}
            }
        });
    }

    async fn keep_telling(&self, documents: &Documents) {
        loop {
            drop(tokio::time::timeout(TELL_EVERY, self.0.is_much.notified()).await);
            let counters = {
                let mut untold = self.untold();
                let most = untold.counters.len().min(TOLD_AT_ONCE);
                let counters: Vec<Arc<Counter>> = untold.counters.drain(..most).collect();
                untold.is_under_way = !counters.is_empty();
                counters
            };
            if counters.is_empty() {
                return;
            }
            if let Err(error) = self.tell(documents, counters.clone()).await {
                tracing::debug!(%error, what = self.0.what, "the other nodes are not told how often");
                let now = documents.clock().now().timestamp();
                let still = counters.into_iter().filter(|counter| counter.minute().ends > now);
                self.untold().counters.extend(still);
            }
        }
    }

    /// Tells the other nodes what was counted here, and takes over what they counted.
    async fn tell(&self, documents: &Documents, mut counters: Vec<Arc<Counter>>) -> Result<Vec<Count>> {
        let now = documents.clock().now().timestamp();
        counters.sort_by(|a, b| a.key.cmp(&b.key));
        counters.dedup_by(|a, b| a.key == b.key);
        let told: Vec<(Arc<Counter>, Count)> = counters
            .into_iter()
            .filter_map(|counter| {
                let told = counter.minute().tell(now)?;
                let key = counter.key.clone();
                Some((counter, Count { key, ..told }))
            })
            .collect();
        if told.is_empty() {
            return Ok(Vec::new());
        }
        let counts: Vec<Count> = told.iter().map(|(_, count)| count.clone()).collect();
        let answered = rate::add(documents.database(), &counts, now).await;
        for (counter, count) in &told {
            match &answered {
                Err(_) => counter.minute().untell(count),
                Ok(all) => {
                    if let Some(all) = all.iter().find(|all| all.key == count.key) {
                        counter.minute().agree(count, all, now);
                    }
                }
            }
        }
        Ok(answered?)
    }
}

impl Standing {
    /// `RateLimited` if it was too often.
    pub(crate) fn check(self) -> Result<()> {
        if self.is_refused { Err(Error::RateLimited { retry_after: self.resets }) } else { Ok(()) }
    }

    /// Says so in an answer: by `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), and as Frappe
    /// does (`docs/frappe/rest.md`: Limits).
    pub(crate) fn tell(self, policy: &'static str, headers: &mut HeaderMap) {
        let Self { limit, left, resets, .. } = self;
        for (name, value) in [
            ("ratelimit-policy", format!("\"{policy}\";q={limit};w={WINDOW}")),
            ("ratelimit", format!("\"{policy}\";r={left};t={resets}")),
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-remaining", left.to_string()),
            ("x-ratelimit-reset", resets.to_string()),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
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
    use super::*;

    fn left(standing: Standing) -> Option<i64> {
        (!standing.is_refused).then_some(standing.left)
    }

    #[test]
    fn what_is_more_than_the_limit_in_a_minute_waits_for_its_end() {
        let (limit, now) = (RateLimit::of("tests"), 1_800_000_000);
        let count = |at: i64| limit.count("203.0.113.7", 1, 2, now + at).1;
        assert_eq!((left(count(0)), left(count(50))), (Some(1), Some(0)));
        assert_eq!((left(count(55)), count(55).resets), (None, 5));
        assert_eq!(left(count(60)), Some(1));
        assert_eq!(left(limit.count("203.0.113.8", 1, 2, now).1), Some(1), "others are counted apart");
        assert_eq!(left(count(-500)), Some(1), "a clock that goes back locks nobody out");
        let several = |times: i64| limit.count("203.0.113.9", times, 10, now).1;
        assert_eq!((left(several(7)), left(several(4)), left(several(3))), (Some(3), None, Some(0)), "all or nothing");
    }

    #[test]
    fn what_other_nodes_counted_is_taken_over_with_their_minute() {
        let now = 1_800_000_000;
        let mut minute = Minute::default();
        minute.count(1, 10, now);
        minute.count(1, 10, now);
        let told = minute.tell(now + 1).unwrap();
        assert_eq!((told.times, told.ends), (2, now + 60));
        minute.count(1, 10, now + 1);
        minute.agree(&told, &Count { key: String::new(), ends: now + 30, times: 9 }, now + 1);
        let standing = minute.count(1, 10, now + 2);
        assert_eq!((standing.is_refused, standing.left, standing.resets), (true, 0, 28));
        // What did not arrive is told again, unless its minute is over.
        let again = minute.tell(now + 2).unwrap();
        minute.untell(&again);
        assert_eq!(minute.tell(now + 3).unwrap().times, 1);
        assert!(!minute.count(1, 10, now + 30).is_refused);
        minute.untell(&again);
        assert_eq!(minute.untold(), 1);
    }

    #[test]
    fn addresses_of_one_subscriber_are_one() {
        let one = |a: &str, b: &str| subscriber(a.parse().unwrap()) == subscriber(b.parse().unwrap());
        assert!(one("203.0.113.7", "::ffff:203.0.113.7"));
        assert!(!one("203.0.113.7", "203.0.113.8"));
        assert!(one("2001:db8:1:1::1", "2001:db8:1:1:ffff::2"));
        assert!(!one("2001:db8:1:1::1", "2001:db8:1:2::1"));
    }
}
