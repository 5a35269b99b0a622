//! The job of an import: documents one after the other, each noted in the transaction that writes it.
//!
//! The transaction that writes documents also says how far the file is done with, and what became of each of them (Data
//! Import Log). So an attempt that follows one that ended anywhere goes on behind it, and writes no document twice.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::import::{DATA_IMPORT, DATA_IMPORT_LOG, DataImport, ImportStatus, blocking, keeps_names};
use super::payload::{Assembler, ImportType, Payload, Plan, Problem, Said};
use crate::document::view::FieldValue as _;
use crate::document::{Children, Documents, ListRequest, Work};
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::permissions::Session;
use crate::spreadsheet;
use crate::web::job::Asked;
use crate::web::{RunningJob, Site};

/// What the queue calls it.
pub(super) const JOB: &str = "import data";
/// How many documents share a transaction as long as all goes well.
const GROUP: usize = 25;
/// How many groups wait for their turn.
const WAITING: usize = 2;

/// How far an import is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// How many documents are imported.
    pub imported: u64,
    /// How many were refused.
    pub refused: u64,
}

/// Counts what became of the documents of an import.
pub(super) async fn tally(documents: &Documents, import: &str) -> Result<Tally> {
    let count = async |success: u8| {
        let request = ListRequest::new(DATA_IMPORT_LOG).filters(json!({"data_import": import, "success": success}));
        documents.count(&Session::system(), &request).await
    };
    Ok(Tally { imported: count(1).await?, refused: count(0).await? })
}

/// One attempt.
pub(super) async fn run(site: Site, job: RunningJob) -> Result<String> {
    let arguments = job.arguments()?;
    let name = arguments.get("data_import").and_then(Json::as_str).unwrap_or_default().to_owned();
    let system = Session::system();
    let import = match DataImport::load(&site.documents, &system, &name).await {
        Ok(import) => import,
        Err(Error::DoesNotExist { .. }) => return Ok("The import was deleted".to_owned()),
        Err(error) => return Err(error),
    };
    if import.status != ImportStatus::InProgress {
        return Ok("The import was stopped".to_owned());
    }
    let result = Box::pin(work_through(&site, &job, &import)).await;
    let Err(error) = result else { return result };
    let outcome = match (job.asked(), &error) {
        (Asked::Cancel, _) => (ImportStatus::Cancelled, String::new()),
        // The file, or the rights: another attempt changes nothing.
        (Asked::GoOn, error) if !error.is_failure() => (ImportStatus::Error, error.to_string()),
        (Asked::GoOn, _) if job.is_last_attempt() => {
            (ImportStatus::Error, "The server could not go on: start the import again to continue".to_owned())
        }
        _ => return Err(error),
    };
    let mut work = site.documents.begin(&system).await?;
    let message = crate::document::view::text_value(Some(&outcome.1));
    work.set_values(DATA_IMPORT, &name, &[("status", outcome.0.to_value()), ("import_error", message)]).await?;
    if outcome.0 == ImportStatus::Error && !error.is_failure() {
        job.finish_in(&mut work, &outcome.1).await?;
        work.commit().await?;
        return Ok(outcome.1);
    }
    work.commit().await?;
    Err(error)
}

/// What writes documents.
struct Writing<'r> {
    documents: &'r Documents,
    session: Session,
    job: &'r RunningJob,
    import: &'r DataImport,
    plan: Arc<Plan>,
    keeps_names: bool,
    total: u64,
}

async fn work_through(site: &Site, job: &RunningJob, import: &DataImport) -> Result<String> {
    let session = job.session().await?;
    let plan = import.open(site, &session).await?.plan;
    let total = match u64::try_from(import.payload_count) {
        Ok(total) if total > 0 => total,
        _ => {
            job.progress(0, "Counting rows").await?;
            let file = import.open_file(site, &session).await?;
            let counted = Arc::clone(&plan);
            let total = blocking(move || count(file, counted)).await?;
            let mut work = site.documents.begin(&Session::system()).await?;
            let value = Value::from(i64::try_from(total).unwrap_or(i64::MAX));
            work.set_values(DATA_IMPORT, &import.name, &[("payload_count", value)]).await?;
            work.commit().await?;
            total
        }
    };
    let done = u64::try_from(import.done_with).unwrap_or(0);
    let file = import.open_file(site, &session).await?;
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let read = Arc::clone(&plan);
    let reader = tokio::task::spawn_blocking(move || groups(file, read, done, &sender));
    let keeps_names = keeps_names(&site.documents, &plan.doctype);
    let documents = &site.documents;
    let writing = Writing { documents, session, job, import, plan, keeps_names, total };
    while let Some(group) = receiver.recv().await {
        job.check()?;
        Box::pin(writing.group(&group)).await?;
    }
    reader.await.map_err(Error::internal)??;
    writing.finish().await
}

/// How many documents a file has.
fn count(file: File, plan: Arc<Plan>) -> Result<u64> {
    let mut assembler = Assembler::new(plan);
    spreadsheet::read(file, &mut |row| {
        assembler.push(row);
        ControlFlow::Continue(())
    })?;
    Ok(assembler.count())
}

/// Reads the file to its end and hands over its documents, but for the first ones, which are done with.
fn groups(file: File, plan: Arc<Plan>, done: u64, to: &mpsc::Sender<Vec<Payload>>) -> Result<()> {
    let mut assembler = Assembler::new(plan);
    let mut group = Vec::with_capacity(GROUP);
    // `None` is the end.
    let mut hand_over = |payload: Option<Payload>| {
        let is_end = payload.is_none();
        group.extend(payload.filter(|payload| payload.index > done));
        if group.len() == GROUP || is_end {
            let full = std::mem::replace(&mut group, Vec::with_capacity(GROUP));
            return full.is_empty() || to.blocking_send(full).is_ok();
        }
        true
    };
    spreadsheet::read(file, &mut |row| {
        let is_gone = assembler.push(row).is_some_and(|payload| !hand_over(Some(payload)));
        if is_gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(payload) = assembler.finish() {
        hand_over(Some(payload));
    }
    hand_over(None);
    Ok(())
}

impl Writing<'_> {
    /// Writes some documents: together, and each by itself if one of them is refused.
    async fn group(&self, group: &[Payload]) -> Result<()> {
        let said: Vec<Said> = group.iter().map(|payload| self.plan.said(payload)).collect();
        if said.iter().all(|said| said.problems.is_empty()) && group.len() > 1 {
            match self.together(group, &said).await {
                Ok(()) => return Ok(()),
                Err(error) => self.check_goes_on(error)?,
            }
        }
        for (payload, said) in group.iter().zip(&said) {
            self.job.check()?;
            let problems = if said.problems.is_empty() {
                match self.together(std::slice::from_ref(payload), std::slice::from_ref(said)).await {
                    Ok(()) => continue,
                    Err(error) => {
                        let problems = self.problems_of(payload, &error);
                        self.check_goes_on(error)?;
                        problems
                    }
                }
            } else {
                said.problems.clone()
            };
            let mut work = self.documents.begin(&self.session).await?;
            self.note(&mut work, payload, None, &problems).await?;
            self.progress(&mut work, payload.index).await?;
            work.commit().await?;
        }
        Ok(())
    }

    /// Fails with what has to do with none of the documents.
    fn check_goes_on(&self, error: Error) -> Result<()> {
        self.job.check()?;
        match error {
            Error::Internal(cause) => {
                tracing::error!(cause = ?cause, import = self.import.name, "a document could not be imported");
                Ok(())
            }
            error if error.is_failure() => Err(error),
            _ => Ok(()),
        }
    }

    async fn together(&self, group: &[Payload], said: &[Said]) -> Result<()> {
        let mut work = self.documents.begin(&self.session).await?;
        for (payload, said) in group.iter().zip(said) {
            let name = Box::pin(self.write(&mut work, said)).await?;
            self.note(&mut work, payload, Some(&name), &[]).await?;
        }
        self.progress(&mut work, group.last().map_or(0, |payload| payload.index)).await?;
        work.commit().await
    }

    /// Writes a document as the person who started the import; returns its name.
    async fn write(&self, work: &mut Work<'_>, said: &Said) -> Result<String> {
        let (doctype, name) = (&self.plan.doctype, said.name());
        let is_update = match self.plan.import_type {
            ImportType::Insert => false,
            ImportType::Update if name.is_empty() => {
                return Err(Error::misuse("The ID is missing: updates need it"));
            }
            ImportType::Update => true,
            ImportType::InsertOrUpdate if name.is_empty() => false,
            ImportType::InsertOrUpdate => match work.find(&doctype.name, name).await {
                Ok(found) => found.is_some(),
                // Whoever sees some documents only is not told whether there is one.
                Err(Error::Permission(_)) => false,
                Err(error) => return Err(error),
            },
        };
        if is_update {
            let values = said.of_stored();
            work.update_json_if_changed(&doctype.name, name, &values, Children::Replace).await?;
            return Ok(name.to_owned());
        }
        let mut values = said.of_new();
        if !self.keeps_names {
            values.remove("name");
        }
        if self.import.submit_after_import && doctype.is_submittable {
            values.insert("docstatus".to_owned(), json!(1));
        }
        Ok(work.insert_json(doctype, &values, self.keeps_names).await?.name())
    }

    /// Writes down what became of a document of the file.
    async fn note(
        &self,
        work: &mut Work<'_>,
        payload: &Payload,
        name: Option<&str>,
        problems: &[Problem],
    ) -> Result<()> {
        let rows: Vec<u64> = payload.rows.iter().map(|row| row.number).collect();
        let values = [
            ("data_import", Value::from(self.import.name.as_str())),
            ("log_index", Value::from(i64::try_from(payload.index).unwrap_or(i64::MAX))),
            ("row_indexes", Value::from(json!(rows).to_string())),
            ("success", Value::from(name.is_some())),
            ("docname", name.map_or(Value::Null, Value::from)),
            ("messages", if problems.is_empty() { Value::Null } else { Value::from(json!(problems).to_string()) }),
        ];
        work.insert_log(DATA_IMPORT_LOG, &values).await
    }

    async fn progress(&self, work: &mut Work<'_>, index: u64) -> Result<()> {
        let percent = (index * 100).checked_div(self.total).unwrap_or(0).min(99);
        let message = format!("{index} of {}", self.total);
        let done = Value::from(i64::try_from(index).unwrap_or(i64::MAX));
        work.set_values(DATA_IMPORT, &self.import.name, &[("done_with", done)]).await?;
        self.job.progress_in(work, u8::try_from(percent).unwrap_or(99), &message).await
    }

    /// Why the engine refused a document, where that is in the file.
    fn problems_of(&self, payload: &Payload, error: &Error) -> Vec<Problem> {
        let plan = &self.plan;
        if let Error::Validation(invalid) = error
            && !invalid.problems.is_empty()
        {
            let mut told = BTreeSet::new();
            let found = invalid.problems.iter().map(|problem| {
                let (row, column) = plan.place(payload, problem.field.as_deref(), problem.row.as_ref());
                plan.problem(row, column, problem.message.as_ref())
            });
            return found.filter(|problem| told.insert((problem.row, problem.message.clone()))).collect();
        }
        let row = payload.rows.first().map_or(0, |row| row.number);
        vec![plan.problem(row, None, error.to_string())]
    }

    /// Ends the import together with its job.
    async fn finish(&self) -> Result<String> {
        let Tally { imported, refused } = tally(self.documents, &self.import.name).await?;
        let status = match (imported, refused) {
            (_, 0) => ImportStatus::Success,
            (0, _) => ImportStatus::Error,
            _ => ImportStatus::PartialSuccess,
        };
        let text = format!("Imported {imported} of {} documents, {refused} were refused", imported + refused);
        let mut work = self.documents.begin(&Session::system()).await?;
        work.set_values(
            DATA_IMPORT,
            &self.import.name,
            &[("status", status.to_value()), ("import_error", Value::Null)],
        )
        .await?;
        self.job.finish_in(&mut work, &text).await?;
        work.commit().await?;
        Ok(text)
    }
}
