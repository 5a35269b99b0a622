//! The job of a Bulk Change: one document after the other, each noted in the transaction that changes it.
//!
//! What became of a document (Bulk Change Log) is durable together with the change, so that an attempt that follows one that
//! ended anywhere leaves out what is noted, and nothing is done twice.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use super::act::Act;
use super::change::{BULK_CHANGE, BULK_CHANGE_LOG, BulkChange, ChangeStatus};
use crate::document::view::{FieldValue as _, text_value};
use crate::document::{Documents, ListRequest, Work};
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::permissions::Session;
use crate::web::job::{Asked, shortened};
use crate::web::{RunningJob, Site};

/// What the queue calls it.
pub(super) const JOB: &str = "change many documents";

/// How many documents of a change were changed, and how many refused.
pub(super) async fn tally(documents: &Documents, change: &str) -> Result<(u64, u64)> {
    let count = async |success: u8| {
        let request = ListRequest::new(BULK_CHANGE_LOG).filters(json!({"bulk_change": change, "success": success}));
        documents.count(&Session::system(), &request).await
    };
    Ok((count(1).await?, count(0).await?))
}

/// One attempt.
pub(super) async fn run(site: Site, job: RunningJob) -> Result<String> {
    let arguments = job.arguments()?;
    let name = arguments.get("bulk_change").and_then(Json::as_str).unwrap_or_default().to_owned();
    let documents = &site.documents;
    let change = match documents.get_uncached(&Session::system(), BULK_CHANGE, &name).await {
        Ok(document) => BulkChange::from(&document),
        Err(Error::DoesNotExist { .. }) => return Ok("The change was deleted".to_owned()),
        Err(error) => return Err(error),
    };
    if change.status != ChangeStatus::InProgress {
        return Ok("The change was stopped".to_owned());
    }
    let (status, problem) = match Box::pin(work_through(documents, &job, &change)).await {
        Ok(()) => (None, String::new()),
        Err(error) => match job.asked() {
            Asked::Cancel => (Some(ChangeStatus::Cancelled), String::new()),
            Asked::GoOn if !error.is_failure() => (Some(ChangeStatus::Error), error.to_string()),
            Asked::GoOn if job.is_last_attempt() => {
                (Some(ChangeStatus::Error), "The server could not go on: start another change".to_owned())
            }
            _ => return Err(error),
        },
    };
    finish(documents, &job, &change, status, &problem).await
}

async fn work_through(documents: &Documents, job: &RunningJob, change: &BulkChange) -> Result<()> {
    let session = change.session(job.session().await?);
    let doctype = documents.doctype(&change.reference_doctype)?;
    let act = change.act(&doctype)?;
    let noted = ListRequest::new(BULK_CHANGE_LOG).fields(&["docname"]).filters(json!({"bulk_change": change.name}));
    let noted = documents.list(&Session::system(), &noted.all()).await?;
    let done: HashSet<&str> = (0..noted.rows.len()).map(|row| noted.text(row, "docname")).collect();
    let names = change.names()?;
    let running = Running { documents, session, job, change, act, total: names.len() };
    for (number, name) in names.iter().enumerate().filter(|(_, name)| !done.contains(name.as_str())) {
        job.check()?;
        Box::pin(running.one(number + 1, name)).await?;
    }
    Ok(())
}

/// What changes documents.
struct Running<'r> {
    documents: &'r Documents,
    session: Session,
    job: &'r RunningJob,
    change: &'r BulkChange,
    act: Act,
    total: usize,
}

impl Running<'_> {
    async fn one(&self, number: usize, name: &str) -> Result<()> {
        let mut work = self.documents.begin(&self.session).await?;
        let refusal = match self.act.apply(&mut work, &self.change.reference_doctype, name).await {
            Ok(()) => {
                self.note(&mut work, number, name, None).await?;
                match work.commit().await {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                }
            }
            Err(error) => {
                drop(work);
                error
            }
        };
        self.job.check()?;
        let message = match &refusal {
            Error::Internal(cause) => {
                tracing::error!(cause = ?cause, change = self.change.name, "a document could not be changed");
                refusal.to_string()
            }
            error if error.is_failure() => return Err(refusal),
            error => error.to_string(),
        };
        let mut work = self.documents.begin(&self.session).await?;
        self.note(&mut work, number, name, Some(&message)).await?;
        work.commit().await
    }

    /// Writes down what became of a document, and how far the change is.
    async fn note(&self, work: &mut Work<'_>, number: usize, name: &str, refusal: Option<&str>) -> Result<()> {
        let values = [
            ("bulk_change", Value::from(self.change.name.as_str())),
            ("reference_doctype", Value::from(self.change.reference_doctype.as_str())),
            ("docname", Value::from(name)),
            ("success", Value::from(refusal.is_none())),
            ("message", text_value(refusal.map(|text| shortened(text, 500)).as_deref())),
        ];
        work.insert_log(BULK_CHANGE_LOG, &values).await?;
        let percent = (number * 100).checked_div(self.total).unwrap_or(0).min(99);
        let message = format!("{number} of {}", self.total);
        self.job.progress_in(work, u8::try_from(percent).unwrap_or(99), &message).await
    }
}

/// Ends the change together with its job.
async fn finish(
    documents: &Documents,
    job: &RunningJob,
    change: &BulkChange,
    status: Option<ChangeStatus>,
    problem: &str,
) -> Result<String> {
    let (succeeded, refused) = tally(documents, &change.name).await?;
    let status = status.unwrap_or(match (succeeded, refused) {
        (_, 0) => ChangeStatus::Success,
        (0, _) => ChangeStatus::Error,
        _ => ChangeStatus::PartialSuccess,
    });
    let number = |count: u64| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
    let values = [
        ("status", status.to_value()),
        ("succeeded", number(succeeded)),
        ("refused", number(refused)),
        ("problem", text_value(Some(problem).filter(|problem| !problem.is_empty()))),
    ];
    let text = format!("Changed {succeeded} of {} documents, {refused} refused", change.total);
    let mut work = documents.begin(&Session::system()).await?;
    work.set_values(BULK_CHANGE, &change.name, &values).await?;
    if status == ChangeStatus::Cancelled {
        work.commit().await?;
        return Err(Error::Unavailable("The job was cancelled".to_owned()));
    }
    job.finish_in(&mut work, &text).await?;
    work.commit().await?;
    Ok(text)
}
