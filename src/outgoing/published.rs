//! What others publish at an address: fetched by one request at a time, kept for an hour, and left alone for a while after
//! a failure that strangers could repeat.

use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::outgoing::{OutgoingError, host_in};

/// How long what was fetched is believed, so that nothing that its owner withdraws holds for ever.
const KEEP: Duration = Duration::from_hours(1);
/// How long an address that gave nothing is left alone when it is strangers who make us ask.
const REST: Duration = Duration::from_secs(10);

/// An address, and who makes us ask it. One that gave nothing to a stranger is left alone for a while.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The address.
    pub address: &'a str,
    by_stranger: bool,
}

impl<'a> Asked<'a> {
    /// For what the other server itself just answered us.
    pub(crate) fn by_us(address: &'a str) -> Self {
        Self { address, by_stranger: false }
    }

    /// For what anybody may have sent or begun.
    pub(crate) fn by_stranger(address: &'a str) -> Self {
        Self { address, by_stranger: true }
    }
}

/// What was fetched.
pub(crate) struct Known<T> {
    /// What was read of the answer.
    pub value: T,
    /// When it was asked for, on the clock that only grows.
    pub at: Duration,
}

impl<T> Deref for Known<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// What is published at addresses, by a key that names the address and what else the answer depends on.
pub(crate) struct Published<K, T> {
    known: Cache<K, Arc<Known<T>>>,
    /// One fetch of an address at a time; inside, when the last one failed.
    gates: Cache<K, Arc<Mutex<Option<Duration>>>>,
}

impl<K: Hash + Eq + Send + Sync + 'static, T: Send + Sync + 'static> Default for Published<K, T> {
    fn default() -> Self {
        Self {
            known: Cache::builder().max_capacity(1000).time_to_live(KEEP).build(),
            gates: Cache::builder().max_capacity(1000).time_to_idle(KEEP).build(),
        }
    }
}

impl<K: Clone + Hash + Eq + Send + Sync + 'static, T: Send + Sync + 'static> Published<K, T> {
    /// What is known already.
    pub(crate) fn known(&self, key: &K) -> Option<Arc<Known<T>>> {
        self.known.get(key)
    }

    /// Forgets that an address gave nothing: an administrator may have fixed it.
    pub(crate) fn forget_failure(&self, key: &K) {
        self.gates.invalidate(key);
    }

    /// Fetches what is published, unless somebody else has meanwhile: all who wait for something newer than what is known
    /// since `newer_than` share it.
    pub(crate) async fn fetch<E: From<OutgoingError>>(
        &self,
        clock: &Clock,
        key: &K,
        asked: Asked<'_>,
        newer_than: Option<Duration>,
        fetching: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<Known<T>>, E> {
        let gate = self.gates.get_with(key.clone(), Arc::default);
        let mut failed_at = gate.lock().await;
        if let Some(known) = self.known.get(key).filter(|known| newer_than.is_none_or(|at| known.at > at)) {
            return Ok(known);
        }
        let at = clock.monotonic();
        if asked.by_stranger && failed_at.is_some_and(|failed_at| at.saturating_sub(failed_at) < REST) {
            return Err(OutgoingError::Resting(host_in(asked.address)).into());
        }
        // Until the answer is here, so that whoever goes away before it cannot make us ask again at once.
        *failed_at = Some(at);
        let fetched = fetching.await;
        *failed_at = fetched.is_err().then(|| clock.monotonic());
        let known = Arc::new(Known { value: fetched?, at });
        self.known.insert(key.clone(), Arc::clone(&known));
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const ADDRESS: &str = "https://login.example/keys";

    async fn ask(
        published: &Published<String, u8>,
        clock: &Clock,
        asked: Asked<'_>,
        takes: TimeDelta,
        answer: Option<u8>,
    ) -> Option<u8> {
        let fetching = async {
            clock.advance(takes);
            answer.ok_or_else(|| OutgoingError::Timeout("login.example".to_owned()))
        };
        published.fetch(clock, &ADDRESS.to_owned(), asked, None, fetching).await.ok().map(|known| known.value)
    }

    #[tokio::test]
    async fn strangers_wait_after_a_failure_however_long_it_took() {
        let (published, clock) = (Published::default(), Clock::system());
        let (stranger, us) = (Asked::by_stranger(ADDRESS), Asked::by_us(ADDRESS));
        let (none, long) = (TimeDelta::zero(), TimeDelta::seconds(15));
        assert_eq!(ask(&published, &clock, stranger, long, None).await, None);
        assert_eq!(ask(&published, &clock, stranger, none, Some(1)).await, None, "a moment later");
        clock.advance(TimeDelta::seconds(11));
        assert_eq!(ask(&published, &clock, stranger, none, Some(1)).await, Some(1));
        assert_eq!(ask(&published, &clock, us, none, Some(2)).await, Some(1), "it is known");

        let published = Published::default();
        assert_eq!(ask(&published, &clock, us, none, None).await, None);
        assert_eq!(ask(&published, &clock, us, none, Some(3)).await, Some(3), "we may ask again at once");
    }
}
