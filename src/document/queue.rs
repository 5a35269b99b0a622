//! Background Job: work that is put into the queue inside the transaction that causes it, and taken from there by nodes.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use serde_json::{Map, Value as Json, json};
use tokio::sync::watch;

use crate::clock::format_datetime;
use crate::database::queue::{Takes, insert_unless_there};
use crate::database::{Database, documents};
use crate::document::view::{View as _, options, parse_time, time_value, view};
use crate::document::{Documents, ListRequest, Work, input};
use crate::error::Result;
use crate::meta::{DocType, Value};
use crate::permissions::Session;
use crate::secret;

/// The name of the DocType.
pub(crate) const BACKGROUND_JOB: &str = "Background Job";

/// The DocType of what is put into the queue by the clock.
pub(crate) const SCHEDULED_JOB_TYPE: &str = "Scheduled Job Type";

options! {
    /// Where a job stands.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum JobStatus {
        /// It waits for its turn.
        #[default]
        Queued = "Queued",
        /// A node works on it.
        Started = "Started",
        /// It is done.
        Finished = "Finished",
        /// It has failed for good.
        Failed = "Failed",
        /// Somebody took it back.
        Cancelled = "Cancelled",
    }
}

options! {
    /// Whose turn comes first.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Queue {
        /// Somebody waits for it.
        Short = "short",
        /// The usual one.
        #[default]
        Default = "default",
        /// It takes minutes; others are let by.
        Long = "long",
    }
}

view! {
    /// A job in the queue.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct BackgroundJob of BACKGROUND_JOB {
        /// The document.
        pub name: String = name,
        /// What it does: the kind of job.
        pub method: String,
        /// What it works on: an object.
        pub arguments: String,
        /// The User who caused it.
        pub user: String,
        /// Whose turn comes first.
        pub queue: Queue,
        /// Where it stands.
        pub status: JobStatus,
        /// While one with this id waits or runs, there is no second one.
        pub job_id: Option<String>,
        /// The same while it waits or runs, and nothing after that.
        pub unique_key: Option<String>,
        /// The DocType of what it is about.
        pub reference_doctype: Option<String>,
        /// What it is about.
        pub reference_name: Option<String>,
        /// How often it was started. It only grows, so that it tells one attempt from every other.
        pub attempts: i64,
        /// After how many attempts it has failed; 0 until the first.
        pub max_attempts: i64,
        /// Somebody wants it to end.
        pub cancel_requested: bool,
        /// When it may start.
        pub run_after: Option<DateTime<Utc>>,
        /// When the last attempt began.
        pub started_at: Option<DateTime<Utc>>,
        /// When it was over.
        pub ended_at: Option<DateTime<Utc>>,
        /// Until when whoever works on it is left alone with it.
        pub lease_until: Option<DateTime<Utc>>,
        /// What it is at.
        pub progress_message: Option<String>,
        /// What was done.
        pub result: Option<String>,
        /// Why the last attempt failed.
        pub error: Option<String>,
    }
}

/// A job to be put into the queue.
#[derive(Clone, Debug)]
pub struct NewJob(BackgroundJob);

impl NewJob {
    /// A job of that kind, to be run at once by the usual queue.
    pub fn new(method: &str) -> Self {
        Self(BackgroundJob { method: method.to_owned(), ..BackgroundJob::default() })
    }

    /// What it works on. It is stored and shown as it is: no secrets.
    #[must_use]
    pub fn arguments(mut self, arguments: Map<String, Json>) -> Self {
        self.0.arguments = Json::Object(arguments).to_string();
        self
    }

    /// In that queue.
    #[must_use]
    pub fn queue(mut self, queue: Queue) -> Self {
        self.0.queue = queue;
        self
    }

    /// Not before that time.
    #[must_use]
    pub fn run_after(mut self, at: DateTime<Utc>) -> Self {
        self.0.run_after = Some(at);
        self
    }

    /// Only if no job with this id, of at most 140 characters, waits or runs.
    #[must_use]
    pub fn job_id(mut self, id: impl Into<String>) -> Self {
        let id = id.into();
        self.0.unique_key = Some(id.clone());
        self.0.job_id = Some(id);
        self
    }

    /// About that document.
    #[must_use]
    pub fn about(mut self, doctype: &str, name: &str) -> Self {
        self.0.reference_doctype = Some(doctype.to_owned());
        self.0.reference_name = Some(name.to_owned());
        self
    }
}

impl Work<'_> {
    /// Puts a job into the queue: it is there once this work is committed, and not if it is rolled back. Returns its name;
    /// `None` if one with its job id is there already.
    ///
    /// Whether the session may have done what the job does is to be checked before: a job knows the user, but not what its
    /// credentials were limited to.
    pub async fn enqueue(&mut self, job: NewJob) -> Result<Option<String>> {
        let NewJob(mut job) = job;
        self.session.user().clone_into(&mut job.user);
        job.run_after.get_or_insert_with(|| self.documents.clock().now());
        let mut document = job.new_document(self)?;
        document.set_name(secret::random_name());
        self.stamp_new(&mut document);
        input::normalise(&mut document);
        if !insert_unless_there(self.executor(), &document, "unique_key").await? {
            return Ok(None);
        }
        self.touch(BACKGROUND_JOB, &document.name());
        Ok(Some(document.name()))
    }

    /// Lets a job that waits under this id start at once, whatever time it was put off to.
    pub(crate) async fn hasten(&mut self, job_id: &str) -> Result<()> {
        let session = self.become_system();
        let found = self.find_by(BACKGROUND_JOB, "unique_key", job_id).await;
        self.session = session;
        let waiting = found?.filter(|job| BackgroundJob::from(job).status == JobStatus::Queued);
        let Some(job) = waiting else { return Ok(()) };
        let now = time_value(self.documents.clock().now());
        let queued = Value::from(JobStatus::Queued.as_str());
        self.set_values_if(BACKGROUND_JOB, &job.name(), ("status", &queued), &[("run_after", now)]).await.map(drop)
    }

    /// Takes the job whose turn it is, for `lease` from now.
    pub(crate) async fn take_job(&mut self, takes: &Turns<'_>, lease: Duration) -> Result<Option<BackgroundJob>> {
        let (doctype, now) = (self.doctype(BACKGROUND_JOB)?, self.documents.clock().now());
        let (now, until) = (format_datetime(now.naive_utc()), format_datetime((now + lease).naive_utc()));
        let found = takes.statements(&doctype).take(self.executor(), &now, &until).await?;
        let Some(name) = found else { return Ok(None) };
        self.touch(BACKGROUND_JOB, &name);
        Ok(self.find_row(BACKGROUND_JOB, &name).await?.map(|job| BackgroundJob::from(&job)))
    }

    /// Writes fields of a job that is started, if this is still its attempt; says whether it is.
    ///
    /// Whoever has lost the lease, because nothing was heard of it, cannot end a job that somebody else has taken over.
    pub(crate) async fn set_started_job(&mut self, job: &BackgroundJob, values: &[(&str, Value)]) -> Result<bool> {
        let doctype = self.doctype(BACKGROUND_JOB)?;
        let (started, attempt) = (Value::from(JobStatus::Started.as_str()), Value::from(job.attempts));
        let expected = [("status", &started), ("attempts", &attempt)];
        let mut values = values.to_vec();
        values.push(("modified", Value::from(self.now())));
        let is_ours = documents::set_if(self.executor(), &doctype, &job.name, &expected, &values).await?;
        self.touch(BACKGROUND_JOB, &job.name);
        Ok(is_ours)
    }
}

/// Which jobs are taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turns<'a> {
    /// Their methods.
    pub methods: &'a [&'static str],
    /// Their queues, the first one first.
    pub queues: &'a [&'static str],
}

impl Turns<'_> {
    fn statements<'s>(&'s self, doctype: &'s Arc<DocType>) -> Takes<'s> {
        Takes { doctype, methods: self.methods, queues: self.queues }
    }

    /// When the turn of the next job comes; `None` if nothing waits.
    pub(crate) async fn next(&self, documents: &Documents) -> Result<Option<DateTime<Utc>>> {
        let doctype = documents.doctype(BACKGROUND_JOB)?;
        let database: &Database = documents.database();
        Ok(self.statements(&doctype).next_turn(database).await?.as_deref().and_then(parse_time))
    }
}

impl Documents {
    /// How many jobs wait, run and have failed for good: the status as people read it, and the number.
    pub(crate) async fn jobs_by_status(&self) -> Result<Vec<(&'static str, u64)>> {
        let mut counts = Vec::new();
        for status in ["Queued", "Started", "Failed"] {
            let request = ListRequest::new(BACKGROUND_JOB).filters(json!({ "status": status }));
            counts.push((status, self.count(&Session::system(), &request).await?));
        }
        Ok(counts)
    }

    /// Changes whenever a job or a schedule was made or changed, here or at another node.
    pub(crate) fn jobs_changed(&self) -> watch::Receiver<()> {
        self.0.jobs.subscribe()
    }
}
