//! What a node counts of itself. To count is to add to an atomic number: no lock and no allocation for a request.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The upper ends of the classes in which times are counted, in microseconds; what takes longer is in one more.
pub(crate) const CLASSES: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];
/// The HTTP methods that are told apart; whatever else is sent is the last.
pub(crate) const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];
/// The classes of statuses that are told apart.
pub(crate) const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// How many slow statements are remembered.
const SLOW_STATEMENTS: usize = 50;

/// Everything that a node counts of itself.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    routes: OnceLock<Vec<RouteMetrics>>,
    /// Requests under way.
    pub requests: Gauge,
    /// Reads that run or wait for a connection.
    pub reads: Gauge,
    /// Transactions that are about to begin.
    pub begins: Gauge,
    /// Transactions that have begun.
    pub transactions: Gauge,
    /// Statements, and how long they took.
    pub statements: Times,
    /// Documents that were found in the cache.
    pub cache_hits: Counter,
    /// Documents that were not.
    pub cache_misses: Counter,
    /// How often definitions were put in force.
    pub reloads: Counter,
    /// Access tokens issued, by grant.
    pub tokens: Labelled,
    /// What was refused: logins that failed or were locked, requests beyond a limit, or while there was too much to do.
    pub refused: Labelled,
    /// Attempts at jobs, by what came of them.
    pub jobs: Labelled,
    /// Statements that took long.
    pub slow_statements: Counter,
    slow: Mutex<VecDeque<SlowStatement>>,
}

/// Something that is counted.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

/// How many are at something now. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Gauged(Gauge);

/// How often something happened, by a label of few values; for what is seldom enough for a lock.
#[derive(Debug, Default)]
pub(crate) struct Labelled(Mutex<BTreeMap<&'static str, u64>>);

/// How often something happened, and how long it took.
#[derive(Debug, Default)]
pub(crate) struct Times {
    classes: [AtomicU64; CLASSES.len() + 1],
    microseconds: AtomicU64,
}

/// The same at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimesNow {
    /// How often, by class of [`CLASSES`].
    pub classes: [u64; CLASSES.len() + 1],
    /// How long in all.
    pub microseconds: u64,
}

/// What is counted of the requests to one route.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    /// Its pattern, never what was asked for.
    pub template: String,
    /// How often, by method and class of status.
    pub answers: [[AtomicU64; STATUSES.len()]; METHODS.len()],
    /// How long the answers took.
    pub times: Times,
}

/// A statement that took long.
#[derive(Clone, Debug)]
pub(crate) struct SlowStatement {
    /// When it ended.
    pub at: Instant,
    /// The text, with placeholders for values.
    pub sql: Arc<str>,
    /// How long it took.
    pub time: Duration,
    /// How many rows it returned or changed.
    pub rows: u64,
    /// The shape of its plan; empty if the database did not say.
    pub plan: String,
}

impl Counter {
    /// One more.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// One more, as long as the value lives.
    pub(crate) fn one_more(&self) -> Gauged {
        self.one_more_than().1
    }

    /// The same, and how many there were before.
    pub(crate) fn one_more_than(&self) -> (usize, Gauged) {
        (self.0.fetch_add(1, Ordering::Relaxed), Gauged(self.clone()))
    }

    /// How many there are.
    pub(crate) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Gauged {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Labelled {
    /// One more with that label.
    pub(crate) fn count(&self, label: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(label).or_default() += 1;
    }

    /// How many there were, by label.
    pub(crate) fn now(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Times {
    /// One more, that took so long.
    pub(crate) fn count(&self, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let class = CLASSES.partition_point(|end| *end < microseconds);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// What was counted.
    pub(crate) fn now(&self) -> TimesNow {
        TimesNow {
            classes: std::array::from_fn(|class| self.classes[class].load(Ordering::Relaxed)),
            microseconds: self.microseconds.load(Ordering::Relaxed),
        }
    }
}

impl TimesNow {
    /// How often it happened.
    pub(crate) fn count(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// What came after a moment before.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            classes: std::array::from_fn(|class| self.classes[class].saturating_sub(before.classes[class])),
            microseconds: self.microseconds.saturating_sub(before.microseconds),
        }
    }

    /// Both together.
    pub(crate) fn add(&mut self, other: &Self) {
        self.classes.iter_mut().zip(other.classes).for_each(|(own, other)| *own += other);
        self.microseconds += other.microseconds;
    }

    /// In how many microseconds so many of a thousand were done, as if those of a class were spread evenly; `None`: there
    /// were none.
    pub(crate) fn quantile(&self, of_thousand: u64) -> Option<u64> {
        let count = self.count();
        let wanted = (count * of_thousand).div_ceil(1000).max(1);
        let mut before = 0;
        for (class, here) in self.classes.iter().enumerate() {
            if before + here >= wanted {
                let start = class.checked_sub(1).map_or(0, |class| CLASSES[class]);
                let end = CLASSES.get(class).copied().unwrap_or(start);
                return Some(start + (end - start) * (wanted - before) / here);
            }
            before += here;
        }
        None
    }
}

impl Metrics {
    /// The routes that are told apart, in the order in which [`Metrics::routes`] has them. Only the first call counts.
    pub(crate) fn set_routes(&self, templates: impl Iterator<Item = String>) {
        let route = |template| RouteMetrics { template, answers: Default::default(), times: Times::default() };
        let _ = self.routes.set(templates.map(route).collect());
    }

    /// What is counted of every route.
    pub(crate) fn routes(&self) -> &[RouteMetrics] {
        self.routes.get().map_or(&[], Vec::as_slice)
    }

    /// Counts an answer: of which route, and with which status.
    pub(crate) fn answered(&self, route: usize, method: &str, status: u16, time: Duration) {
        let Some(route) = self.routes().get(route) else { return };
        let method = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1);
        let class = usize::from(status / 100).clamp(1, STATUSES.len()) - 1;
        route.answers[method][class].fetch_add(1, Ordering::Relaxed);
        route.times.count(time);
    }

    /// The pattern of a route.
    pub(crate) fn template(&self, route: usize) -> Option<&str> {
        self.routes().get(route).map(|route| route.template.as_str())
    }

    /// Remembers a slow statement.
    pub(crate) fn note_slow(&self, statement: SlowStatement) {
        let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        if slow.len() == SLOW_STATEMENTS {
            slow.pop_front();
        }
        slow.push_back(statement);
    }

    /// The slow statements that are remembered, the last first.
    pub(crate) fn slow(&self) -> Vec<SlowStatement> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn times_are_counted_in_classes_and_quantiles_lie_within_them() {
        let times = Times::default();
        assert_eq!(times.now().quantile(500), None);
        (0..98).for_each(|_| times.count(milliseconds(2)));
        times.count(milliseconds(400));
        times.count(milliseconds(60_000));
        let now = times.now();
        assert_eq!((now.count(), now.microseconds), (100, 98 * 2_000 + 400_000 + 60_000_000));
        let within = |quantile: u64, from: u64, to: u64| {
            let found = now.quantile(quantile).unwrap();
            assert!((from..=to).contains(&found), "{quantile}: {found}");
        };
        within(500, 1_000, 2_500);
        within(990, 250_000, 500_000);
        within(1000, 10_000_000, 10_000_000);
        times.count(milliseconds(2));
        assert_eq!(times.now().since(&now).count(), 1);
    }

    #[test]
    fn answers_are_counted_by_route_method_and_class() {
        let metrics = Metrics::default();
        metrics.set_routes(["none".to_owned(), "/app/:slug".to_owned()].into_iter());
        metrics.answered(1, "BREW", 418, milliseconds(1));
        metrics.answered(7, "GET", 200, milliseconds(1));
        let route = &metrics.routes()[1];
        assert_eq!(route.answers[7][3].load(Ordering::Relaxed), 1);
        assert_eq!(metrics.routes()[0].times.now().count(), 0);
    }

    #[test]
    fn what_is_gauged_goes_when_it_is_dropped() {
        let gauge = Gauge::default();
        let held = (gauge.one_more(), gauge.one_more());
        assert_eq!(gauge.now(), 2);
        drop(held);
        assert_eq!(gauge.now(), 0);
    }
}
