//! A Bulk Change as the program reads it, and its behaviour: which documents it is about, that it starts as soon as it is
//! there, that nobody changes it afterwards, and that it can be stopped.

use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};

use super::act::{Act, Action};
use super::run::JOB;
use crate::document::guard::changes;
use crate::document::queue::{BACKGROUND_JOB, JobStatus, NewJob, Queue};
use crate::document::view::{FieldValue as _, options, view};
use crate::document::{Controller, ListRequest, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{DocType, Document, Value};
use crate::permissions::{Session, TimesIn};
use crate::web::job::ended;

/// The DocType.
pub(super) const BULK_CHANGE: &str = "Bulk Change";
/// The DocType of what became of each document.
pub(super) const BULK_CHANGE_LOG: &str = "Bulk Change Log";
/// How many documents one change is about at most.
pub(super) const MOST: usize = 10_000;

options! {
    /// Where a change stands.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) enum ChangeStatus {
        /// It has not been asked for by anybody.
        #[default]
        Pending = "Pending",
        /// It waits for its turn, or runs.
        InProgress = "In Progress",
        /// All are changed.
        Success = "Success",
        /// Some refused.
        PartialSuccess = "Partial Success",
        /// All refused, or it could not go on.
        Error = "Error",
        /// Somebody stopped it.
        Cancelled = "Cancelled",
    }
}

view! {
    /// A change of many documents.
    #[derive(Clone, Debug, Default)]
    pub(super) struct BulkChange of BULK_CHANGE {
        /// The document.
        pub name: String = name,
        /// The DocType of the documents.
        pub reference_doctype: String,
        /// What is done.
        pub action: Action,
        /// What the action needs: an object in JSON.
        pub data: Option<String>,
        /// Which documents, as filters in JSON.
        pub filters: Option<String>,
        /// Filters of which one must hold.
        pub or_filters: Option<String>,
        /// Their names: a list in JSON.
        pub docnames: Option<String>,
        /// Where it stands.
        pub status: ChangeStatus,
        /// How many documents it is about.
        pub total: i64,
        /// How many were changed.
        pub succeeded: i64,
        /// How many refused.
        pub refused: i64,
        /// What stopped it as a whole.
        pub problem: Option<String>,
        /// Times in the data are those of the person.
        pub own_times: bool,
    }
}

impl BulkChange {
    /// What is done with each document.
    pub(super) fn act(&self, doctype: &DocType) -> Result<Act> {
        Act::new(doctype, self.action, object("data", self.data.as_deref())?)
    }

    /// The names of the documents.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let list = json_of("docnames", self.docnames.as_deref())?;
        let names = list.as_array().cloned().unwrap_or_default().into_iter().map(|name| match name {
            Json::String(name) => Some(name),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        });
        let mut names: Vec<String> =
            names.collect::<Option<_>>().ok_or_else(|| at("docnames", "Names are a JSON list of texts"))?;
        // Whoever is named twice is changed once.
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        Ok(names)
    }

    /// The session that the job runs with: the person, who wrote times in this zone.
    pub(super) fn session(&self, session: Session) -> Session {
        session.with_times_in(if self.own_times { TimesIn::Own } else { TimesIn::Site })
    }

    /// The names of all that match the filters now.
    async fn matching(&self, work: &mut Work<'_>) -> Result<Vec<String>> {
        let mut request = ListRequest::new(&self.reference_doctype).fields(&["name"]).order_by("name asc");
        request.filters = json_of("filters", self.filters.as_deref())?;
        request.or_filters = json_of("or_filters", self.or_filters.as_deref())?;
        request.limit = Some(MOST as u64 + 1);
        let list = work.list(&request).await?;
        Ok((0..list.rows.len()).map(|row| list.text(row, "name").to_owned()).collect())
    }
}

fn at(field: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::Validation(Invalid { problems: vec![FieldProblem::at(ProblemKind::Validation, field, "", message)] })
}

fn json_of(field: &'static str, text: Option<&str>) -> Result<Json> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(Json::Null) };
    serde_json::from_str(text).map_err(|error| at(field, format!("This is not JSON: {error}")))
}

fn object(field: &'static str, text: Option<&str>) -> Result<Map<String, Json>> {
    match json_of(field, text)? {
        Json::Null => Ok(Map::new()),
        Json::Object(object) => Ok(object),
        _ => Err(at(field, "This is an object in JSON, such as {\"status\": \"Closed\"}")),
    }
}

/// Behaviour of the DocType Bulk Change.
pub(super) struct BulkChangeController;

#[async_trait]
impl Controller for BulkChangeController {
    async fn before_insert(&self, work: &mut Work<'_>, document: &mut Document) -> Result<()> {
        if work.session.is_system() || work.is_restoring() {
            return Ok(());
        }
        // The job knows the person, and not what the credentials were limited to.
        work.documents.check_unlimited(&work.session, "start a bulk change")?;
        let change = BulkChange::from(&*document);
        let doctype = work.doctype(&change.reference_doctype)?;
        if doctype.issingle || doctype.istable || !doctype.has_table() {
            return Err(at("reference_doctype", format!("{} has no documents of its own to change", doctype.name)));
        }
        change.act(&doctype)?.check(work.documents, &work.session, &doctype)?;
        let given = change.names()?;
        let names = if given.is_empty() { change.matching(work).await? } else { given };
        if names.is_empty() {
            return Err(Error::misuse(format!("No {} matches: there is nothing to change", doctype.name)));
        }
        if names.len() > MOST {
            return Err(Error::misuse(format!("More than {MOST} documents match: narrow the filters")));
        }
        document.set("total", i64::try_from(names.len()).unwrap_or(i64::MAX));
        document.set("docnames", json!(names).to_string());
        document.set("status", ChangeStatus::InProgress.as_str());
        document.set("succeeded", 0);
        document.set("refused", 0);
        document.set("problem", Value::Null);
        document.set("own_times", work.session.times_in == TimesIn::Own);
        Ok(())
    }

    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        if work.session.is_system() || before.is_none_or(|before| changes(document, before).next().is_none()) {
            return Ok(());
        }
        Err(Error::misuse("A bulk change stays as it was asked for: make another one"))
    }

    async fn after_insert(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        if work.session.is_system() || work.is_restoring() {
            return Ok(());
        }
        let name = document.name();
        let arguments = Map::from_iter([("bulk_change".to_owned(), json!(name))]);
        let job = NewJob::new(JOB)
            .arguments(arguments)
            .queue(Queue::Long)
            .job_id(format!("bulk-change:{name}"))
            .about(BULK_CHANGE, &name);
        work.enqueue(job).await.map(drop)
    }

    async fn on_trash(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        if work.session.is_system() || BulkChange::from(document).status != ChangeStatus::InProgress {
            return Ok(());
        }
        Err(Error::misuse("This change is under way: stop it first"))
    }

    async fn call(
        &self,
        work: &mut Work<'_>,
        document: &mut Document,
        method: &str,
        _: &Map<String, Json>,
    ) -> Option<Result<Json>> {
        if method != "stop_change" {
            return None;
        }
        let change = BulkChange::from(&*document);
        if change.status != ChangeStatus::InProgress {
            return Some(Err(Error::misuse("This change is not under way")));
        }
        let caller = work.become_system();
        let stopped = stop(work, &change.name).await;
        work.session = caller;
        Some(stopped)
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![("stop_change", "Stops the change behind the document that it is at; what is changed stays so")]
    }
}

async fn stop(work: &mut Work<'_>, change: &str) -> Result<Json> {
    let request = ListRequest::new(BACKGROUND_JOB).fields(&["name", "status"]).filters(json!([
        ["reference_doctype", "=", BULK_CHANGE],
        ["reference_name", "=", change],
        ["status", "in", ["Queued", "Started"]]
    ]));
    let jobs = work.list(&request).await?;
    let mut is_running = false;
    for row in 0..jobs.rows.len() {
        let is_started = jobs.text(row, "status") == "Started";
        is_running |= is_started;
        let values = if is_started {
            vec![("cancel_requested", Value::from(true))]
        } else {
            ended(JobStatus::Cancelled, work.documents, "", "")
        };
        work.set_values(BACKGROUND_JOB, jobs.text(row, "name"), &values).await?;
    }
    if is_running {
        return Ok(json!("The change is asked to stop"));
    }
    work.set_values(BULK_CHANGE, change, &[("status", ChangeStatus::Cancelled.to_value())]).await?;
    Ok(json!("The change is stopped"))
}
