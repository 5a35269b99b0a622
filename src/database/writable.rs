//! Whether something can be stored just now: tried on the real database, so that readiness tells before people notice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sea_orm::DbErr;
use tokio::sync::watch;

use crate::database::connect::Database;
use crate::database::fault::{Fault, fault};
use crate::database::state;

/// For how long a write that succeeded speaks for those after it.
const GOOD_FOR: Duration = Duration::from_secs(2);
/// How long whoever asks waits for a try that is under way; then what was found before holds.
const WAIT: Duration = Duration::from_secs(1);
/// The key under which it is tried.
const KEY: &str = "writable";
/// How much is written after a failure: a few bytes may still find room where no document does.
const MUCH: usize = 64 * 1024;

/// What is known about writing.
#[derive(Debug)]
pub(crate) struct Writable {
    found: watch::Sender<Found>,
    is_trying: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Found {
    fault: Option<Fault>,
    at: Option<Instant>,
}

impl Default for Writable {
    fn default() -> Self {
        Self { found: watch::Sender::new(Found::default()), is_trying: AtomicBool::new(false) }
    }
}

impl Writable {
    /// A write failed for a reason that concerns every other.
    pub(super) fn note(&self, fault: Fault) {
        self.found.send_modify(|found| found.fault = Some(fault));
    }
}

impl Database {
    /// Why nothing can be stored just now; `None`: it can.
    ///
    /// Tried again after a failure whenever somebody asks, else every few seconds, and by one at a time.
    pub async fn why_not_writable(&self) -> Option<Fault> {
        if self.outage.is_down() {
            return Some(Fault::Gone);
        }
        let mut watched = self.writable.found.subscribe();
        let found = *watched.borrow_and_update();
        if found.fault.is_none() && found.at.is_some_and(|at| at.elapsed() < GOOD_FOR) {
            return None;
        }
        if !self.writable.is_trying.swap(true, Ordering::AcqRel) {
            let database = self.clone();
            tokio::spawn(async move {
                let failed = database.try_writing(found.fault.is_some()).await.err();
                if let Some(error) = &failed {
                    tracing::error!(cause = %error, "nothing can be stored");
                }
                let fault = failed.map(|error| fault(&error).unwrap_or(Fault::Gone));
                database.writable.found.send_replace(Found { fault, at: Some(Instant::now()) });
                database.writable.is_trying.store(false, Ordering::Release);
            });
        }
        // That it takes long is no answer; the one before stands.
        drop(tokio::time::timeout(WAIT, watched.changed()).await);
        watched.borrow().fault
    }

    async fn try_writing(&self, failed_before: bool) -> Result<(), DbErr> {
        if failed_before {
            let transaction = self.begin().await?;
            // Not of one letter, which would be stored in no space.
            let text = crate::secret::random_text(b"abcdefghijklmnopqrstuvwxyz0123456789", MUCH);
            state::set(&transaction, KEY, &text).await?;
            transaction.commit().await?;
        }
        let transaction = self.begin().await?;
        state::set(&transaction, KEY, "yes").await?;
        transaction.commit().await
    }
}
