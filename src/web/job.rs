//! Jobs: what runs beside requests, taken from the queue in the database ([`crate::document::queue`]).

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value as Json};
use tokio::sync::watch;

use crate::document::queue::{BackgroundJob, JobStatus};
use crate::document::view::{FieldValue as _, text_value, time_value};
use crate::document::{Documents, Work};
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::permissions::Session;
use crate::web::site::Site;

/// How much is kept of what a job says.
const MOST_SAID: usize = 10_000;

/// The pattern of what runs at every full hour.
pub(crate) const HOURLY: &str = "0 * * * *";
/// The pattern of what runs at midnight.
pub(crate) const DAILY: &str = "0 0 * * *";

/// A kind of job.
#[derive(Clone)]
pub struct JobKind {
    /// What the queue calls it.
    pub method: &'static str,
    /// How often it is tried before it has failed.
    pub attempts: i64,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// When it runs by itself, as a cron pattern on the clocks of the site, unless administrators say otherwise: [`HOURLY`].
    /// Its runs are noted in the Scheduled Job Log, and those that did nothing leave no trace.
    pub schedule: Option<&'static str>,
    /// What it does; the text says what was done (empty: nothing to say).
    ///
    /// It runs at least once: an attempt may end anywhere, and the next begins anew. What must happen once belongs into one
    /// transaction with [`RunningJob::finish_in`].
    pub run: Arc<dyn Fn(Site, RunningJob) -> BoxFuture<'static, Result<String>> + Send + Sync>,
}

impl JobKind {
    /// A kind of job that is tried five times, for up to an hour each.
    pub fn new<F, Fut>(method: &'static str, run: F) -> Self
    where
        F: Fn(Site, RunningJob) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String>> + Send + 'static,
    {
        let run = Arc::new(move |site, job| -> BoxFuture<'static, Result<String>> { Box::pin(run(site, job)) });
        Self { method, attempts: 5, timeout: Duration::from_hours(1), schedule: None, run }
    }

    /// Tried that often.
    #[must_use]
    pub fn attempts(mut self, attempts: i64) -> Self {
        self.attempts = attempts;
        self
    }

    /// By the clock as well, and tried three times.
    #[must_use]
    pub fn scheduled(mut self, pattern: &'static str) -> Self {
        self.schedule = Some(pattern);
        self.attempts(3)
    }

    /// For so long at most.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// The kinds of jobs that a site knows, by method.
pub(crate) type JobKinds = BTreeMap<&'static str, JobKind>;

/// What whoever works on a job is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing.
    #[default]
    GoOn,
    /// Somebody cancelled the job.
    Cancel,
    /// The process is about to stop, or somebody else works on it: end this attempt.
    GiveBack,
}

/// A job that this node works on; cheap to clone.
#[derive(Clone)]
pub struct RunningJob {
    documents: Documents,
    job: Arc<BackgroundJob>,
    asked: watch::Receiver<Asked>,
    is_finished: Arc<AtomicBool>,
}

impl RunningJob {
    /// One attempt at a job.
    pub(crate) fn new(documents: Documents, job: BackgroundJob, asked: watch::Receiver<Asked>) -> Self {
        Self { documents, job: Arc::new(job), asked, is_finished: Arc::default() }
    }

    /// The job as it was taken.
    pub(crate) fn job(&self) -> &BackgroundJob {
        &self.job
    }

    /// The name of the Background Job.
    pub fn name(&self) -> &str {
        &self.job.name
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> i64 {
        self.job.attempts
    }

    /// Whether it has failed for good if this attempt fails.
    pub fn is_last_attempt(&self) -> bool {
        self.job.attempts >= self.job.max_attempts
    }

    /// What it works on.
    pub fn arguments(&self) -> Result<Map<String, Json>> {
        if self.job.arguments.is_empty() {
            return Ok(Map::new());
        }
        serde_json::from_str(&self.job.arguments).map_err(Error::internal)
    }

    /// The session of the user who caused it, as far as that account goes now.
    pub async fn session(&self) -> Result<Session> {
        let access = self.documents.access(&self.job.user).await?;
        access.map(Session::of).ok_or_else(|| Error::Permission(format!("{} is disabled or gone", self.job.user)))
    }

    /// Fails once the job should end: to be asked wherever it can end without harm, and its error passed on.
    pub fn check(&self) -> Result<()> {
        match *self.asked.borrow() {
            Asked::GoOn => Ok(()),
            Asked::Cancel => Err(Error::Unavailable("The job was cancelled".to_owned())),
            Asked::GiveBack => Err(Error::Unavailable("The job is given back".to_owned())),
        }
    }

    /// Waits until the job should end.
    pub async fn asked_to_end(&self) {
        // Whoever asks lives as long as the attempt.
        drop(self.asked.clone().wait_for(|asked| *asked != Asked::GoOn).await);
    }

    pub(crate) fn asked(&self) -> Asked {
        *self.asked.borrow()
    }

    /// Notes how far the job is, in percent, and what it is at; for people who look. Also a chance to end, as [`Self::check`].
    pub async fn progress(&self, percent: u8, message: &str) -> Result<()> {
        self.check()?;
        let mut work = self.documents.begin(&Session::system()).await?;
        self.progress_in(&mut work, percent, message).await?;
        work.commit().await
    }

    /// The same within a transaction, which fails if the job is no longer this node's: so that of two that hold each other
    /// for dead only one commits.
    pub async fn progress_in(&self, work: &mut Work<'_>, percent: u8, message: &str) -> Result<()> {
        let values = [
            ("progress", Value::Float(f64::from(percent.min(100)))),
            ("progress_message", text_value(Some(&shortened(message, 500)))),
        ];
        self.set_in(work, &values).await
    }

    /// Ends the job within a transaction: what the transaction does and that the job is done are durable together or not at
    /// all, however often the job is started. Nothing of the job may follow.
    pub async fn finish_in(&self, work: &mut Work<'_>, result: &str) -> Result<()> {
        self.set_in(work, &ended(JobStatus::Finished, work.documents, result, "")).await?;
        let is_finished = Arc::clone(&self.is_finished);
        work.after_commit(move || is_finished.store(true, Ordering::SeqCst));
        Ok(())
    }

    /// Whether [`Self::finish_in`] is committed.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished.load(Ordering::SeqCst)
    }

    async fn set_in(&self, work: &mut Work<'_>, values: &[(&str, Value)]) -> Result<()> {
        if work.set_started_job(&self.job, values).await? {
            return Ok(());
        }
        Err(Error::Unavailable("The job has been taken over or taken back meanwhile".to_owned()))
    }
}

/// What is written of a job that is over.
pub(crate) fn ended(status: JobStatus, documents: &Documents, result: &str, error: &str) -> Vec<(&'static str, Value)> {
    let mut values = vec![
        ("status", status.to_value()),
        ("ended_at", time_value(documents.clock().now())),
        ("lease_until", Value::Null),
        ("unique_key", Value::Null),
        ("result", text_value(Some(&shortened(result, MOST_SAID)))),
        ("error", text_value(Some(&shortened(error, MOST_SAID)))),
    ];
    if status == JobStatus::Finished {
        values.push(("progress", Value::Float(100.0)));
    }
    values
}

/// At most so many characters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
