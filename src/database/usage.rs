//! How the connections of a site are used: by what runs, and by what waits for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many are at something now.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauge(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Gauged(Gauge);

impl Gauge {
    /// One more, as long as the value lives.
    pub(super) fn one_more(&self) -> Gauged {
        self.0.fetch_add(1, Ordering::Relaxed);
        Gauged(self.clone())
    }

    /// How many there are.
    pub(super) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Gauged {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who uses the connections, or waits for one.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Reads that run or wait for a connection.
    pub reads: Gauge,
    /// Transactions that are about to begin.
    pub begins: Gauge,
    /// Transactions that have begun.
    pub transactions: Gauge,
}
