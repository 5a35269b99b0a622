//! Runs the jobs of the features at their intervals, and says in the log what they did.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::web::{Job, Site};

/// How long after the start the first job runs; the others follow one by one, so that the start is not slowed down.
const FIRST: Duration = Duration::from_secs(5);

/// Starts a task for every job; they end when `stop` turns true, and a run under way is finished.
pub fn run(site: &Site, jobs: Vec<Job>, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
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

/// Runs a job and logs how it went; a failure waits for the next time.
pub async fn run_once(site: &Site, job: &Job) {
    let started = Instant::now();
    let result = (job.run)(site.clone()).await;
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match result {
        Ok(done) if done.is_empty() => tracing::debug!(job = job.name, milliseconds, "job: nothing to do"),
        Ok(done) => tracing::info!(job = job.name, milliseconds, done, "job done"),
        Err(error) => tracing::error!(job = job.name, milliseconds, cause = ?error, "job failed"),
    }
}
