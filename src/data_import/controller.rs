//! Behaviour of Data Import: what may be imported by whom, starting and stopping, and that nothing changes once it has begun.

use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};

use super::import::{DATA_IMPORT, DataImport, ImportStatus};
use super::run::JOB;
use crate::document::queue::{BACKGROUND_JOB, JobStatus, NewJob, Queue};
use crate::document::view::FieldValue as _;
use crate::document::{Controller, ListRequest, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{Document, Value};
use crate::permissions::Session;
use crate::secret::random_name;
use crate::web::job::ended;

/// What the site alone writes.
const OWN_FIELDS: [&str; 4] = ["status", "payload_count", "done_with", "import_error"];
/// What is fixed once an import has begun.
const FIXED: [&str; 6] =
    ["import_file", "template_options", "date_format", "number_format", "import_type", "submit_after_import"];

/// Behaviour of the DocType Data Import.
pub(super) struct DataImportController;

#[async_trait]
impl Controller for DataImportController {
    async fn autoname(&self, _: &mut Work<'_>, document: &mut Document) -> Result<()> {
        // No other import ever has this name: what the log says of one is not taken for another's.
        let name = format!("{} Import {}", document.text("reference_doctype"), random_name());
        document.set_name(name);
        Ok(())
    }

    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        if work.session.is_system() || work.is_restoring() {
            return Ok(());
        }
        let fresh = work.new_document(DATA_IMPORT)?;
        let then = before.unwrap_or(&fresh);
        let is_kept = |field: &&str| {
            let (now, then) = (document.get(field), then.get(field));
            now == then || !now.is_truthy() && !then.is_truthy()
        };
        if let Some(field) = OWN_FIELDS.into_iter().find(|field| !is_kept(field)) {
            return Err(at(field, "Where an import stands, the site alone says: leave this out"));
        }
        if let Some(before) = before {
            let has_begun = ImportStatus::read(before, "status") != ImportStatus::Pending;
            let changed = FIXED.into_iter().find(|field| document.get(field) != before.get(field));
            if let Some(field) = changed.filter(|_| has_begun) {
                return Err(at(field, "This import has begun, and stays as it was: make a new one"));
            }
            if changed.is_some() {
                document.set("payload_count", Value::from(0));
            }
        }
        let import = DataImport::from(&*document);
        check_template_options(&import)?;
        let documents = work.documents;
        if before.is_none() {
            import.check_rights(documents, &work.session)?;
        }
        Ok(())
    }

    async fn on_trash(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        if work.session.is_system() || ImportStatus::read(document, "status") != ImportStatus::InProgress {
            return Ok(());
        }
        Err(Error::misuse("This import is under way: stop it first"))
    }

    async fn call(
        &self,
        work: &mut Work<'_>,
        document: &mut Document,
        method: &str,
        _: &Map<String, Json>,
    ) -> Option<Result<Json>> {
        match method {
            "start_import" => Some(start(work, document).await),
            "stop_import" => Some(stop(work, document).await),
            _ => None,
        }
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("start_import", "Starts the import as a job, or goes on with one that was stopped"),
            ("stop_import", "Stops the import behind the document that it is at; what is imported stays"),
        ]
    }
}

fn at(field: &'static str, message: &'static str) -> Error {
    let problem = FieldProblem::at(ProblemKind::Validation, field, "", message);
    Error::Validation(Invalid { problems: vec![problem] })
}

fn check_template_options(import: &DataImport) -> Result<()> {
    let Some(text) = &import.template_options else { return Ok(()) };
    let options: Json = serde_json::from_str(text).unwrap_or_default();
    let map = &options["column_to_field_map"];
    let is_sound = map.is_null()
        || map.as_object().is_some_and(|map| map.iter().all(|(at, key)| at.parse::<u32>().is_ok() && key.is_string()));
    if options.is_object() && is_sound {
        return Ok(());
    }
    Err(at(
        "template_options",
        "Template Options are JSON such as {\"column_to_field_map\": {\"0\": \"name\", \"1\": \"Don't Import\"}}",
    ))
}

async fn start(work: &mut Work<'_>, document: &Document) -> Result<Json> {
    let import = DataImport::from(document);
    match import.status {
        ImportStatus::Success | ImportStatus::PartialSuccess => {
            return Err(Error::misuse(
                "This import is over: make a new one, for example with the file of its refused rows",
            ));
        }
        // One that is under way without a job was left by it: whoever took the job out of the queue did not ask here.
        ImportStatus::Pending | ImportStatus::InProgress | ImportStatus::Cancelled | ImportStatus::Error => {}
    }
    // The job knows the person, and not what the credentials were limited to.
    work.documents.check_unlimited(&work.session, "start an import")?;
    import.check_rights(work.documents, &work.session)?;
    if import.import_file.is_none() {
        return Err(at("import_file", "Choose a file first"));
    }
    let arguments = Map::from_iter([("data_import".to_owned(), json!(import.name))]);
    let job = NewJob::new(JOB)
        .arguments(arguments)
        .queue(Queue::Long)
        .job_id(format!("data-import:{}", import.name))
        .about(DATA_IMPORT, &import.name);
    work.enqueue(job).await?.ok_or_else(|| Error::misuse("This import is under way already"))?;
    let values = [("status", ImportStatus::InProgress.to_value()), ("import_error", Value::Null)];
    work.set_values(DATA_IMPORT, &import.name, &values).await?;
    Ok(json!("The import has started"))
}

async fn stop(work: &mut Work<'_>, document: &Document) -> Result<Json> {
    let import = DataImport::from(document);
    if import.status != ImportStatus::InProgress {
        return Err(Error::misuse("This import is not under way"));
    }
    let caller = work.become_system();
    let stopped = stop_job(work, &import).await;
    work.session = caller;
    stopped
}

async fn stop_job(work: &mut Work<'_>, import: &DataImport) -> Result<Json> {
    let request = ListRequest::new(BACKGROUND_JOB).fields(&["name", "status"]).filters(json!([
        ["reference_doctype", "=", DATA_IMPORT],
        ["reference_name", "=", import.name],
        ["status", "in", ["Queued", "Started"]]
    ]));
    let jobs = work.list(&request).await?;
    let mut is_running = false;
    for row in 0..jobs.rows.len() {
        let name = jobs.text(row, "name").to_owned();
        if jobs.text(row, "status") == "Started" {
            is_running = true;
            work.set_values(BACKGROUND_JOB, &name, &[("cancel_requested", Value::from(true))]).await?;
        } else {
            let values = ended(JobStatus::Cancelled, work.documents, "", "");
            work.set_values(BACKGROUND_JOB, &name, &values).await?;
        }
    }
    if is_running {
        return Ok(json!("The import is asked to stop"));
    }
    work.set_values(DATA_IMPORT, &import.name, &[("status", ImportStatus::Cancelled.to_value())]).await?;
    Ok(json!("The import is stopped"))
}

/// The job of an import, for people: how far it is, and what it is at.
pub(super) async fn job_of(documents: &crate::document::Documents, import: &str) -> Result<Option<Json>> {
    let request = ListRequest::new(BACKGROUND_JOB)
        .fields(&["name", "status", "progress", "progress_message", "error"])
        .filters(json!({"reference_doctype": DATA_IMPORT, "reference_name": import}))
        .order_by("creation desc");
    let list = documents.list(&Session::system(), &request).await?;
    Ok(list.to_json().into_iter().next().map(Json::Object))
}
