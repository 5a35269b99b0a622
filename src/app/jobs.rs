//! Runs the jobs of the features at their intervals, and notes what they did: in the log, and as Scheduled Job Log.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::format_datetime;
use crate::document::{Documents, ListRequest};
use crate::error::Result;
use crate::permissions::Session;
use crate::web::{Job, Site};

/// Where administrators see what was done.
const SCHEDULED_JOB_LOG: &str = "Scheduled Job Log";
/// How long they see it.
const KEEP: TimeDelta = TimeDelta::days(90);
/// How many old lines go with each new one.
const OLD_AT_ONCE: u64 = 20;

/// How long after the start the first job runs; the others follow one by one, so that the start is not slowed down.
const FIRST: Duration = Duration::from_secs(5);

/// Starts a task for every job; they end when `stop` turns true, and a run under way is finished.
pub(crate) fn run(site: &Site, jobs: Vec<Job>, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let tasks = jobs.into_iter().zip(1_u32..);
    tasks.map(|(job, position)| tokio::spawn(repeat(site.clone(), job, FIRST * position, stop.clone()))).collect()
}

async fn repeat(site: Site, job: Job, first: Duration, mut stop: watch::Receiver<bool>) {
    let mut pause = first;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        run_once(&site, &job).await;
        pause = job.every;
    }
}

/// Runs a job and notes how it went; a failure waits for the next time.
pub async fn run_once(site: &Site, job: &Job) {
    let started = Instant::now();
    let result = (job.run)(site.clone()).await;
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (status, details) = match result {
        Ok(done) if done.is_empty() => {
            tracing::debug!(job = job.name, milliseconds, "job: nothing to do");
            return;
        }
        Ok(done) => {
            tracing::info!(job = job.name, milliseconds, done, "job done");
            ("Complete", done)
        }
        Err(error) => {
            tracing::error!(job = job.name, milliseconds, cause = ?error, "job failed");
            ("Failed", error.to_string())
        }
    };
    if let Err(error) = note(&site.documents, job.name, status, details).await {
        tracing::error!(job = job.name, cause = ?error, "how a job went could not be noted");
    }
}

/// Adds a line to the Scheduled Job Log, and takes out those that are old.
async fn note(documents: &Documents, job: &str, status: &str, details: String) -> Result<()> {
    let mut work = documents.begin(&Session::system()).await?;
    let mut line = work.new_document(SCHEDULED_JOB_LOG)?;
    line.set("scheduled_job_type", job);
    line.set("status", status);
    line.set("details", details);
    work.insert(line).await?;
    let before = format_datetime(documents.clock().now_naive() - KEEP);
    let mut old = ListRequest::new(SCHEDULED_JOB_LOG).filters(json!({"creation": ["<", before]}));
    old.limit = Some(OLD_AT_ONCE);
    let old = work.list(&old).await?;
    for row in 0..old.rows.len() {
        work.delete(SCHEDULED_JOB_LOG, old.text(row, "name")).await?;
    }
    work.commit().await
}
