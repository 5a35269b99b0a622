//! The only source of time: everything else asks a [`Clock`].

pub(crate) mod zone;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration as StdDuration, Instant};

use chrono::{DateTime, Datelike, Duration, NaiveDateTime, Utc};

pub use zone::Zone;

/// The format of datetimes in documents and JSON: microseconds, no offset, UTC.
pub(crate) const DATETIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.6f";

/// Tells the time; in tests it can be moved forward.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Microseconds added to the system's time.
    offset: Arc<AtomicI64>,
    /// Microseconds that tests have let pass: those of [`Clock::advance`] that lead forward.
    waited: Arc<AtomicI64>,
}

/// When this process first asked how long it has been running.
static STARTED: OnceLock<Instant> = OnceLock::new();

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// Now, in UTC.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clock")]
    pub fn now(&self) -> DateTime<Utc> {
        Utc::now() + Duration::microseconds(self.offset.load(Ordering::Relaxed))
    }

    /// Now, as documents store it: microseconds, no offset.
    pub fn now_naive(&self) -> NaiveDateTime {
        self.now().naive_utc()
    }

    /// Now as text, `YYYY-MM-DD HH:MM:SS.ffffff`.
    pub fn now_text(&self) -> String {
        format_datetime(self.now_naive())
    }

    /// What the clocks of a zone show now.
    pub fn now_in(&self, zone: Zone) -> NaiveDateTime {
        zone.to_local(self.now_naive())
    }

    /// The year of today.
    pub fn year(&self) -> i32 {
        self.now().year()
    }

    /// A moment that only ever grows, however the system's clock is set: for waits within this process.
    pub fn monotonic(&self) -> StdDuration {
        let waited = u64::try_from(self.waited.load(Ordering::Relaxed)).unwrap_or(0);
        STARTED.get_or_init(Instant::now).elapsed() + StdDuration::from_micros(waited)
    }

    /// Moves this clock, and every clone of it: for tests that wait for something to expire. Backwards it is as when
    /// somebody sets the system's clock: no time passes.
    pub fn advance(&self, by: Duration) {
        let microseconds = by.num_microseconds().unwrap_or(0);
        self.offset.fetch_add(microseconds, Ordering::Relaxed);
        self.waited.fetch_add(microseconds.max(0), Ordering::Relaxed);
    }
}

/// The moment after one that a document stores; the same text if it is none.
pub(crate) fn just_after(stored: &str) -> String {
    let at = NaiveDateTime::parse_from_str(stored, DATETIME_FORMAT);
    at.map_or_else(|_| stored.to_owned(), |at| format_datetime(at + Duration::microseconds(1)))
}

/// A datetime as documents store it.
pub fn format_datetime(at: NaiveDateTime) -> String {
    at.format(DATETIME_FORMAT).to_string()
}
