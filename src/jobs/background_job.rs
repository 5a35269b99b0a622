//! What administrators do with a Background Job: cancel it, retry it, delete it when it is over. Nobody changes it.

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use crate::document::guard::changes;
use crate::document::queue::{BACKGROUND_JOB, BackgroundJob, JobStatus};
use crate::document::view::{FieldValue as _, text_value, time_value};
use crate::document::{Controller, Work};
use crate::error::{Error, Result};
use crate::meta::{Document, Value};
use crate::web::job::ended;

/// Behaviour of the DocType Background Job.
pub(super) struct BackgroundJobController;

#[async_trait]
impl Controller for BackgroundJobController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        if work.session.is_system() || before.is_some_and(|before| changes(document, before).next().is_none()) {
            return Ok(());
        }
        Err(Error::Permission("Jobs are made and changed by the site alone: retry, cancel or delete one".to_owned()))
    }

    async fn on_trash(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        if work.session.is_system() || BackgroundJob::from(document).status != JobStatus::Started {
            return Ok(());
        }
        Err(Error::misuse("This job is running: cancel it first, and delete it once it has ended"))
    }

    async fn call(
        &self,
        work: &mut Work<'_>,
        document: &mut Document,
        method: &str,
        _: &Map<String, Json>,
    ) -> Option<Result<Json>> {
        let job = BackgroundJob::from(&*document);
        match method {
            "stop_job" => Some(stop(work, &job).await),
            "retry" => Some(retry(work, &job).await),
            _ => None,
        }
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("stop_job", "Takes a job out of the queue; one that has started is asked to end"),
            ("retry", "Puts a job that has failed or was cancelled into the queue again, with all its attempts"),
        ]
    }
}

async fn stop(work: &mut Work<'_>, job: &BackgroundJob) -> Result<Json> {
    let (values, message) = match job.status {
        JobStatus::Queued => (ended(JobStatus::Cancelled, work.documents, "", ""), "The job is cancelled"),
        JobStatus::Started => (vec![("cancel_requested", Value::from(true))], "The job is asked to end"),
        _ => return Err(Error::misuse("This job is over already")),
    };
    work.set_values(BACKGROUND_JOB, &job.name, &values).await?;
    Ok(Json::from(message))
}

async fn retry(work: &mut Work<'_>, job: &BackgroundJob) -> Result<Json> {
    if !matches!(job.status, JobStatus::Failed | JobStatus::Cancelled) {
        return Err(Error::misuse("Only a job that has failed or was cancelled can be tried again"));
    }
    let values = [
        ("status", JobStatus::Queued.to_value()),
        ("run_after", time_value(work.documents.clock().now())),
        ("ended_at", Value::Null),
        ("max_attempts", Value::from(0)),
        ("cancel_requested", Value::from(false)),
        ("progress", Value::Float(0.0)),
        ("progress_message", Value::Null),
        ("unique_key", text_value(job.job_id.as_deref())),
    ];
    match work.set_values(BACKGROUND_JOB, &job.name, &values).await {
        Err(Error::Validation(_)) => Err(Error::misuse(format!(
            "Another job with the id {} waits or runs already: this one is not needed",
            job.job_id.as_deref().unwrap_or_default()
        ))),
        other => other.map(|()| Json::from("The job is in the queue again")),
    }
}
