//! [`History`]: what a node counted in each minute of the last hour, for people who look; forgotten when it stops.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::metrics::{Metrics, STATUSES, TimesNow};
use crate::web::site::Site;

/// How often it is written down what was counted.
const EVERY: Duration = Duration::from_mins(1);
/// For how many minutes that is kept.
const MINUTES: usize = 60;

/// What was counted by the end of each minute.
#[derive(Debug)]
pub struct History {
    /// Since when.
    pub began: DateTime<Utc>,
    samples: Mutex<VecDeque<Arc<Sample>>>,
}

/// What was counted until a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Answers by class of status.
    pub statuses: [u64; STATUSES.len()],
    /// How long all of them took.
    pub times: TimesNow,
    /// How long those of each route took that was used, by its place.
    pub routes: Vec<(usize, TimesNow)>,
    /// Documents that were found in the cache, and those that were not.
    pub cache: [u64; 2],
    /// Statements of the database.
    pub statements: TimesNow,
    /// What was refused.
    pub refused: u64,
}

impl Sample {
    /// What is counted now.
    fn of(metrics: &Metrics) -> Self {
        let mut sample = Self {
            cache: [metrics.cache_hits.now(), metrics.cache_misses.now()],
            statements: metrics.statements.now(),
            refused: metrics.refused.now().values().sum(),
            ..Self::default()
        };
        for (place, route) in metrics.routes().iter().enumerate() {
            let times = route.times.now();
            if times.count() > 0 {
                sample.times.add(&times);
                sample.routes.push((place, times));
            }
            for method in &route.answers {
                sample.statuses.iter_mut().zip(method).for_each(|(sum, one)| *sum += one.load(Ordering::Relaxed));
            }
        }
        sample
    }

    /// What was counted after a moment before.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let route = |(place, times): &(usize, TimesNow)| {
            let before = before.routes.iter().find(|(known, _)| known == place).map(|(_, times)| times);
            (*place, before.map_or_else(|| times.clone(), |before| times.since(before)))
        };
        Self {
            statuses: std::array::from_fn(|class| {
                self.statuses[class] - before.statuses[class].min(self.statuses[class])
            }),
            times: self.times.since(&before.times),
            routes: self.routes.iter().map(route).filter(|(_, times)| times.count() > 0).collect(),
            cache: std::array::from_fn(|at| self.cache[at].saturating_sub(before.cache[at])),
            statements: self.statements.since(&before.statements),
            refused: self.refused.saturating_sub(before.refused),
        }
    }
}

impl History {
    /// That begins now, with nothing.
    pub(crate) fn new(began: DateTime<Utc>) -> Self {
        Self { began, samples: Mutex::new(VecDeque::from([Arc::default()])) }
    }

    /// Ends a minute.
    fn note(&self, metrics: &Metrics) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == MINUTES {
            samples.pop_front();
        }
        samples.push_back(Arc::new(Sample::of(metrics)));
    }

    /// What was counted in each minute, the one under way last, and in all of them together.
    pub(crate) fn minutes(&self, metrics: &Metrics) -> (Vec<Sample>, Sample) {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = Arc::new(Sample::of(metrics));
        let first = samples.front().cloned().unwrap_or_default();
        let ends: Vec<Arc<Sample>> = samples.into_iter().chain([Arc::clone(&now)]).collect();
        (ends.windows(2).map(|pair| pair[1].since(&pair[0])).collect(), now.since(&first))
    }
}

/// Ends one minute after the other until `stop` turns true.
pub(crate) fn keep(site: Site, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut minutes = tokio::time::interval(EVERY);
        minutes.tick().await;
        loop {
            tokio::select! {
                _ = minutes.tick() => site.history.note(site.documents.database().metrics()),
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_minute_by_minute_and_the_minute_under_way() {
        let metrics = Metrics::default();
        metrics.set_routes(["none".to_owned(), "/app".to_owned()].into_iter());
        let history = History::new(DateTime::UNIX_EPOCH);
        let answer = |times: usize, status: u16| {
            (0..times).for_each(|_| metrics.answered(1, "GET", status, Duration::from_millis(3)));
        };
        for _ in 0..70 {
            answer(2, 200);
            history.note(&metrics);
        }
        answer(1, 503);
        let (minutes, hour) = history.minutes(&metrics);
        assert_eq!(minutes.len(), MINUTES);
        assert_eq!((minutes[0].statuses, minutes[59].statuses), ([0, 2, 0, 0, 0], [0, 0, 0, 0, 1]));
        assert_eq!((hour.statuses, hour.times.count()), ([0, 118, 0, 0, 1], 119));
        assert_eq!(hour.routes.iter().map(|(place, times)| (*place, times.count())).collect::<Vec<_>>(), [(1, 119)]);
    }
}
