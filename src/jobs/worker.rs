//! The worker of a node: takes jobs from the queue as soon as their turn comes, runs them, and writes down what came of it.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration as StdDuration;

use chrono::Duration;
use futures_util::FutureExt as _;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tracing::Instrument as _;

use crate::document::queue::{BACKGROUND_JOB, BackgroundJob, JobStatus, Queue, Turns};
use crate::document::view::{FieldValue as _, text_value, time_value};
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::jobs::schedule;
use crate::meta::Value;
use crate::permissions::Session;
use crate::secret;
use crate::traces;
use crate::web::Site;
use crate::web::job::{Asked, JobKind, RunningJob, ended, shortened};

/// For how long a job is left to a node that was last heard of.
pub(crate) const LEASE: Duration = Duration::minutes(1);
/// How often a node renews its leases.
const BEAT: StdDuration = StdDuration::from_secs(15);
/// How often it looks into the queue if nothing tells it to: it is told, so this is for what got lost.
const LOOK: StdDuration = StdDuration::from_secs(30);
/// How long it waits at least: what another node is just taking still seems to have its turn.
const AT_LEAST: StdDuration = StdDuration::from_millis(20);
/// How long it waits after the database failed.
const AGAIN: StdDuration = StdDuration::from_secs(2);
/// How long jobs may go on once the server was asked to stop.
const GRACE: StdDuration = StdDuration::from_secs(15);
/// The pause after the first failed attempt; each further one is four times as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::seconds(15);
const LONGEST_PAUSE: Duration = Duration::hours(1);
/// How much is kept of an error.
const MOST_SAID: usize = 10_000;

/// The queues in the order of their turn, the long one last.
const QUEUES: [&str; 3] = [Queue::Short.as_str(), Queue::Default.as_str(), Queue::Long.as_str()];

/// Works on jobs until `stop` turns true. What is under way then may end, or is given back.
pub fn run(site: Site, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        if site.config.parallel_jobs == 0 {
            return;
        }
        let mut changes = site.documents.jobs_changed();
        let mut worker = Worker::new(site);
        let mut is_failing = false;
        while !*stop.borrow() {
            let pause = match worker.turn().await {
                Ok(pause) => {
                    is_failing = false;
                    pause
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::warn!(cause = ?error, "jobs wait: the queue cannot be read");
                    }
                    AGAIN
                }
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                _ = changes.changed() => {}
                () = worker.one_ended() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        worker.stop().await;
    })
}

/// Runs whatever has its turn now, and what that puts into the queue, to its end: for tests.
pub async fn run_due(site: &Site) -> Result<()> {
    let mut worker = Worker::new(site.clone());
    loop {
        worker.take_all().await?;
        if !worker.running.is_empty() {
            worker.one_ended().await;
        } else if worker.until_next().await?.is_some_and(|pause| pause.is_zero()) {
            // Whatever still locks the next one, such as a request that was refused, is about to let go of it.
            tokio::time::sleep(AT_LEAST).await;
        } else {
            return Ok(());
        }
    }
}

/// Puts into the queue what is due by the clock: for tests.
pub async fn schedule_due(site: &Site) -> Result<()> {
    schedule::enqueue_due(site).await.map(drop)
}

/// What this node works on.
struct Worker {
    site: Site,
    methods: Vec<&'static str>,
    running: HashMap<String, Attempt>,
    tasks: JoinSet<String>,
    last_beat: StdDuration,
}

/// One attempt under way.
struct Attempt {
    job: BackgroundJob,
    asked: watch::Sender<Asked>,
    task: AbortHandle,
}

impl Worker {
    fn new(site: Site) -> Self {
        let methods = site.job_kinds.keys().copied().collect();
        let last_beat = site.documents.clock().monotonic();
        Self { site, methods, running: HashMap::new(), tasks: JoinSet::new(), last_beat }
    }

    /// Does what is to be done now; says for how long there is nothing more.
    async fn turn(&mut self) -> Result<StdDuration> {
        self.look_after_running().await?;
        if self.site.documents.site_key().lacking().is_some() {
            // What a job seals, the others could not open.
            return Ok(AGAIN);
        }
        let by_clock = schedule::enqueue_due(&self.site).await?;
        self.take_all().await?;
        let until_beat = (!self.running.is_empty()).then_some(BEAT);
        let until_next = self.until_next().await?;
        let until_clock = by_clock.map(|at| (at - self.site.documents.clock().now()).to_std().unwrap_or_default());
        Ok([until_beat, until_next, until_clock].into_iter().flatten().fold(LOOK, StdDuration::min).max(AT_LEAST))
    }

    /// The queues of which a job can be taken now: long ones leave a place for others.
    fn queues(&self) -> &'static [&'static str] {
        let (places, long) = (self.site.config.parallel_jobs.max(1), Queue::Long);
        let long_ones = self.running.values().filter(|attempt| attempt.job.queue == long).count();
        if self.running.len() >= places {
            &[]
        } else if places > 1 && long_ones + 1 >= places {
            &QUEUES[..QUEUES.len() - 1]
        } else {
            &QUEUES
        }
    }

    async fn until_next(&self) -> Result<Option<StdDuration>> {
        let turns = Turns { methods: &self.methods, queues: self.queues() };
        if turns.queues.is_empty() || turns.methods.is_empty() {
            return Ok(None);
        }
        let next = turns.next(&self.site.documents).await?;
        Ok(next.map(|next| (next - self.site.documents.clock().now()).to_std().unwrap_or_default()))
    }

    /// Takes jobs for as long as there is a place and a job whose turn has come.
    async fn take_all(&mut self) -> Result<()> {
        // Looking first costs no transaction.
        while self.until_next().await?.is_some_and(|pause| pause.is_zero()) {
            let turns = Turns { methods: &self.methods, queues: self.queues() };
            let mut work = self.site.documents.begin(&Session::system()).await?;
            let Some(mut job) = work.take_job(&turns, LEASE).await? else { return Ok(()) };
            let Some(kind) = self.site.job_kinds.get(job.method.as_str()).cloned() else { return Ok(()) };
            if job.max_attempts == 0 {
                job.max_attempts = job.attempts - 1 + kind.attempts;
                work.set_started_job(&job, &[("max_attempts", Value::from(job.max_attempts))]).await?;
            }
            // Whoever worked on it has ended without a word each time.
            if job.attempts > job.max_attempts {
                let error = "Every node that worked on it has ended meanwhile";
                work.set_started_job(&job, &ended(JobStatus::Failed, work.documents, "", error)).await?;
                work.commit().await?;
                tracing::error!(job = job.method, name = job.name, "job failed: {error}");
                continue;
            }
            work.commit().await?;
            self.start(kind, job);
        }
        Ok(())
    }

    fn start(&mut self, kind: JobKind, job: BackgroundJob) {
        let (asked, asks) = watch::channel(if job.cancel_requested { Asked::Cancel } else { Asked::GoOn });
        let running = RunningJob::new(self.site.documents.clone(), job.clone(), asks);
        let site = self.site.clone();
        let task = self.tasks.spawn(async move {
            let name = running.name().to_owned();
            attempt(site, kind, running).await;
            name
        });
        self.running.insert(job.name.clone(), Attempt { job, asked, task });
    }

    /// Waits until one attempt is over; for ever if there is none.
    async fn one_ended(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(name)) => drop(self.running.remove(&name)),
            // Only what was aborted ends otherwise.
            Some(Err(_)) => self.running.retain(|_, attempt| !attempt.task.is_finished()),
            None => std::future::pending().await,
        }
    }

    /// Renews the leases, and passes on what somebody has cancelled.
    async fn look_after_running(&mut self) -> Result<()> {
        if self.running.is_empty() {
            return Ok(());
        }
        let documents = &self.site.documents;
        let cancelled =
            ListRequest::new(BACKGROUND_JOB).filters(json!({"status": "Started", "cancel_requested": 1})).all();
        let cancelled = documents.list(&Session::system(), &cancelled).await?;
        for row in 0..cancelled.rows.len() {
            if let Some(attempt) = self.running.get(cancelled.text(row, "name")) {
                attempt.asked.send_replace(Asked::Cancel);
            }
        }
        let now = documents.clock().monotonic();
        if now.saturating_sub(self.last_beat) < BEAT {
            return Ok(());
        }
        self.last_beat = now;
        let mut work = documents.begin(&Session::system()).await?;
        for attempt in self.running.values() {
            let until = time_value(documents.clock().now() + LEASE);
            if !work.set_started_job(&attempt.job, &[("lease_until", until)]).await? {
                attempt.asked.send_replace(Asked::GiveBack);
            }
        }
        work.commit().await
    }

    /// Lets what is under way end for a while, then gives it back.
    async fn stop(mut self) {
        for attempt in self.running.values() {
            attempt.asked.send_if_modified(|asked| {
                *asked == Asked::GoOn && {
                    *asked = Asked::GiveBack;
                    true
                }
            });
        }
        let all_ended = async {
            while !self.running.is_empty() {
                self.one_ended().await;
            }
        };
        if tokio::time::timeout(GRACE, all_ended).await.is_ok() {
            return;
        }
        self.tasks.shutdown().await;
        for attempt in self.running.values() {
            tracing::info!(job = attempt.job.method, name = attempt.job.name, "a job is given back unfinished");
            if let Err(error) = give_back(&self.site.documents, &attempt.job).await {
                tracing::warn!(cause = ?error, name = attempt.job.name, "a job is taken over once its lease is over");
            }
        }
    }
}

/// One attempt at a job, and what came of it.
async fn attempt(site: Site, kind: JobKind, running: RunningJob) {
    let documents = site.documents.clone();
    let began = documents.clock().monotonic();
    let span = traces::job(&running.job().method, running.name(), running.job().attempts);
    let run = AssertUnwindSafe((kind.run)(site, running.clone())).catch_unwind().instrument(span.clone());
    let result = match tokio::time::timeout(kind.timeout, run).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Error::internal(anyhow::anyhow!("the job panicked"))),
        Err(_) => Err(Error::Unavailable(format!("It took longer than {} seconds", kind.timeout.as_secs()))),
    };
    if result.is_err() {
        traces::failed(&span);
    }
    let milliseconds =
        u64::try_from(documents.clock().monotonic().saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
    let job = running.job();
    if running.is_finished() {
        documents.database().metrics().jobs.count("done");
        tracing::info!(job = job.method, name = job.name, milliseconds, "job done");
        return;
    }
    // What came of it is worth a few attempts of its own; after that the lease ends, and the job is run again.
    for pause in [1, 4, 16, 0] {
        match settle(&documents, &kind, &running, &result, milliseconds).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(cause = ?error, job = job.method, name = job.name, "what came of a job is not stored");
            }
        }
        tokio::time::sleep(StdDuration::from_secs(pause)).await;
    }
}

/// Writes down what came of an attempt, unless somebody else has the job by now.
async fn settle(
    documents: &Documents,
    kind: &JobKind,
    running: &RunningJob,
    result: &Result<String>,
    milliseconds: u64,
) -> Result<()> {
    let job = running.job();
    let (method, name, attempt) = (&job.method, &job.name, job.attempts);
    let error = match result {
        Ok(done) => {
            documents.database().metrics().jobs.count("done");
            if !finish(documents, kind, job, done).await? {
                tracing::warn!(
                    job = method,
                    name,
                    attempt,
                    "a job ended that is somebody else's by now: it does not count"
                );
            } else if done.is_empty() {
                tracing::debug!(job = method, name, milliseconds, "job done");
            } else {
                tracing::info!(job = method, name, milliseconds, done, "job done");
            }
            return Ok(());
        }
        Err(error) => error,
    };
    let said = match error {
        Error::Internal(_) => "Internal error: the log of the server says more".to_owned(),
        error => error.to_string(),
    };
    let outcomes = &documents.database().metrics().jobs;
    let is_ours = match running.asked() {
        Asked::Cancel => {
            outcomes.count("cancelled");
            tracing::info!(job = method, name, milliseconds, "job cancelled");
            set(documents, job, &ended(JobStatus::Cancelled, documents, "", &said)).await?
        }
        Asked::GiveBack => return give_back(documents, job).await,
        Asked::GoOn if attempt >= job.max_attempts => {
            outcomes.count("failed");
            tracing::error!(job = method, name, attempt, milliseconds, cause = ?error, "job failed");
            fail(documents, kind, job, &ended(JobStatus::Failed, documents, "", &said), &said).await?
        }
        Asked::GoOn => {
            outcomes.count("to be tried again");
            tracing::warn!(job = method, name, attempt, milliseconds, cause = ?error, "job failed: it is tried again");
            // Those before a retry by hand do not count.
            let failures = kind.attempts - (job.max_attempts - attempt);
            let mut values = queued_again(documents, pause_after(failures, secret::random_bytes()));
            values.push(("error", text_value(Some(&shortened(&said, MOST_SAID)))));
            fail(documents, kind, job, &values, &said).await?
        }
    };
    if !is_ours {
        tracing::warn!(job = method, name, attempt, "a job failed that is somebody else's by now");
    }
    Ok(())
}

/// Ends a job that is done. One that ran by the clock is noted in the log; if there was nothing to do, nothing stays of it.
async fn finish(documents: &Documents, kind: &JobKind, job: &BackgroundJob, done: &str) -> Result<bool> {
    let mut work = documents.begin(&Session::system()).await?;
    let is_ours = work.set_started_job(job, &ended(JobStatus::Finished, documents, done, "")).await?;
    if is_ours && kind.schedule.is_some() {
        if done.is_empty() {
            work.delete(BACKGROUND_JOB, &job.name).await?;
        } else {
            schedule::note(&mut work, kind.method, "Complete", done).await?;
        }
    }
    work.commit().await?;
    Ok(is_ours)
}

/// Writes down that an attempt has failed.
async fn fail(
    documents: &Documents,
    kind: &JobKind,
    job: &BackgroundJob,
    values: &[(&str, Value)],
    said: &str,
) -> Result<bool> {
    let mut work = documents.begin(&Session::system()).await?;
    let is_ours = work.set_started_job(job, values).await?;
    if is_ours && kind.schedule.is_some() {
        schedule::note(&mut work, kind.method, "Failed", said).await?;
    }
    work.commit().await?;
    Ok(is_ours)
}

async fn set(documents: &Documents, job: &BackgroundJob, values: &[(&str, Value)]) -> Result<bool> {
    let mut work = documents.begin(&Session::system()).await?;
    let is_ours = work.set_started_job(job, values).await?;
    work.commit().await?;
    Ok(is_ours)
}

/// Into the queue again as if this attempt had not been.
async fn give_back(documents: &Documents, job: &BackgroundJob) -> Result<()> {
    let mut values = queued_again(documents, Duration::zero());
    values.push(("max_attempts", Value::from(job.max_attempts + 1)));
    set(documents, job, &values).await.map(drop)
}

fn queued_again(documents: &Documents, pause: Duration) -> Vec<(&'static str, Value)> {
    let run_after = time_value(documents.clock().now() + pause);
    vec![("status", JobStatus::Queued.to_value()), ("run_after", run_after), ("lease_until", Value::Null)]
}

/// The pause after so many failed attempts; up to a quarter longer by chance, so that not all come back at once.
fn pause_after(failures: i64, chance: [u8; 1]) -> Duration {
    let exponent = u32::try_from(failures.max(1) - 1).unwrap_or(u32::MAX).min(8);
    let pause = (FIRST_PAUSE * 4_i32.pow(exponent)).min(LONGEST_PAUSE);
    pause + pause * i32::from(chance[0]) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour_and_are_spread() {
        let seconds = |failures, chance| pause_after(failures, [chance]).num_seconds();
        assert_eq!([1, 2, 3, 4, 5, 50].map(|attempt| seconds(attempt, 0)), [15, 60, 240, 960, 3600, 3600]);
        assert!((3600 + 890..=3600 + 900).contains(&seconds(9, 255)));
    }
}
