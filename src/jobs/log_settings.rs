//! Log Settings: how long logs are kept, and the job that removes what is older.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::Duration;
use serde_json::{Map, Value as Json, json};

use crate::clock::format_datetime;
use crate::document::view::view;
use crate::document::{Children, Controller, Documents, ListRequest, Work};
use crate::error::{FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{DocType, Document};
use crate::permissions::Session;
use crate::web::plugin::Log;
use crate::web::{RunningJob, Site};

/// The name of the DocType and of its one document.
pub(super) const LOG_SETTINGS: &str = "Log Settings";
/// How many entries go in one transaction, so that others get their turn in between.
const BATCH: u64 = 100;
/// A century.
const MOST_DAYS: i64 = 36_500;

view! {
    /// How long one log is kept.
    #[derive(Clone, Debug, Default)]
    pub(super) struct LogToClear of "Logs To Clear" {
        /// The DocType.
        pub ref_doctype: String,
        /// For how many days.
        pub days: i64,
    }
}

/// What the program knows of logs; DocTypes of one's own are logs if their `document_type` says so.
#[derive(Clone)]
pub(super) struct Logs(pub Arc<Vec<Log>>);

impl Logs {
    /// What of a log is over at a moment, and what may go: filters, each of them by itself. `None` if it is no log.
    fn over(&self, doctype: &DocType, cutoff: &str) -> Option<Vec<Json>> {
        if let Some(log) = self.0.iter().find(|log| log.doctype == doctype.name) {
            return Some((log.over)(cutoff));
        }
        let is_log = doctype.document_type() == Some("Log") && doctype.has_table() && !doctype.istable;
        is_log.then(|| vec![json!([["creation", "<", cutoff]])])
    }

    /// Lists the logs that are not known to the settings yet, with their defaults. Of those that may have been there before
    /// the settings noted which they know, only what nobody can miss: logs without an entry.
    pub(super) async fn ensure(&self, documents: &Documents) -> Result<()> {
        let mut work = documents.begin(&Session::system()).await?;
        let stored = work.get_for_update(LOG_SETTINGS, LOG_SETTINGS).await?;
        let known: BTreeSet<String> = stored.text("known_logs").lines().map(str::to_owned).collect();
        let mut rows: Vec<LogToClear> = stored.rows("logs_to_clear").iter().map(LogToClear::from).collect();
        let is_listed = |rows: &[LogToClear], doctype: &str| rows.iter().any(|row| row.ref_doctype == doctype);
        let new = self.0.iter().filter(|log| log.days > 0 && !known.contains(log.doctype));
        let new: Vec<(&str, i64)> = new.map(|log| (log.doctype, log.days)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let may_miss = !stored.is_new && known.is_empty();
        let mut all = known.clone();
        for (doctype, days) in new {
            all.insert(doctype.to_owned());
            let has_entries = may_miss && work.count(&ListRequest::new(doctype)).await? > 0;
            if !is_listed(&rows, doctype) && !has_entries {
                rows.push(LogToClear { ref_doctype: doctype.to_owned(), days });
            }
        }
        let rows: Vec<_> = rows.iter().map(|row| json!({"ref_doctype": row.ref_doctype, "days": row.days})).collect();
        let known = all.into_iter().collect::<Vec<_>>().join("\n");
        let values =
            Map::from_iter([("logs_to_clear".to_owned(), json!(rows)), ("known_logs".to_owned(), json!(known))]);
        work.update_json(LOG_SETTINGS, LOG_SETTINGS, &values, Children::Replace).await?;
        work.commit().await
    }

    /// Removes what is older than the settings say; tells how much of what.
    pub(super) async fn clear(&self, site: &Site, job: &RunningJob) -> Result<String> {
        let documents = &site.documents;
        let settings = documents.get(&Session::system(), LOG_SETTINGS, LOG_SETTINGS).await?;
        let rows: Vec<LogToClear> = settings.rows("logs_to_clear").iter().map(LogToClear::from).collect();
        let mut told = Vec::new();
        for (done, row) in rows.iter().enumerate() {
            let Ok(doctype) = documents.doctype(&row.ref_doctype) else { continue };
            let cutoff = documents.clock().now_naive() - Duration::days(row.days.clamp(1, MOST_DAYS));
            let percent = u8::try_from(done * 100 / rows.len()).unwrap_or(100);
            let mut removed = 0;
            for filters in self.over(&doctype, &format_datetime(cutoff)).unwrap_or_default() {
                removed += remove(documents, job, &doctype, filters, percent).await?;
            }
            if removed > 0 {
                tracing::info!(doctype = doctype.name, removed, days = row.days, "old entries of a log are removed");
                told.push(format!("{removed} of {}", doctype.name));
            }
        }
        Ok(if told.is_empty() { String::new() } else { format!("Removed: {}", told.join(", ")) })
    }
}

/// Removes everything that fits, one short transaction after another.
async fn remove(documents: &Documents, job: &RunningJob, doctype: &DocType, filters: Json, percent: u8) -> Result<u64> {
    let mut request = ListRequest::new(&doctype.name).filters(filters);
    request.limit = Some(BATCH);
    let mut removed = 0;
    loop {
        job.check()?;
        let mut work = documents.begin(&Session::system()).await?;
        let list = work.list(&request).await?;
        for row in 0..list.rows.len() {
            work.delete(&doctype.name, list.text(row, "name")).await?;
        }
        removed += list.rows.len() as u64;
        if removed > 0 {
            job.progress_in(&mut work, percent, &format!("{}: {removed} removed", doctype.name)).await?;
        }
        work.commit().await?;
        if (list.rows.len() as u64) < BATCH {
            return Ok(removed);
        }
    }
}

/// Behaviour of the DocType Log Settings.
pub(super) struct LogSettingsController(pub Logs);

#[async_trait]
impl Controller for LogSettingsController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, _: Option<&Document>) -> Result<()> {
        let mut invalid = Invalid::default();
        let mut seen = BTreeSet::new();
        for (index, row) in document.rows("logs_to_clear").iter().map(LogToClear::from).enumerate() {
            let mut problem = |field: &str, label: &str, message: String| {
                let mut problem = FieldProblem::at(ProblemKind::Validation, field, label, message);
                problem.row = Some(("logs_to_clear".to_owned(), index + 1));
                invalid.push(problem);
            };
            // A name that is none is told of as a link.
            if let Ok(doctype) = work.doctype(&row.ref_doctype)
                && self.0.over(&doctype, "").is_none()
            {
                let known: Vec<&str> = self.0.0.iter().map(|log| log.doctype).collect();
                let known = known.join(", ");
                let message =
                    format!("{} is not a log: only {known} and DocTypes of the kind Log are cleared", doctype.name);
                problem("ref_doctype", "Log DocType", message);
            }
            if !(1..=MOST_DAYS).contains(&row.days) {
                let message =
                    format!("Keep entries for 1 to {MOST_DAYS} days, or remove the line to keep them for ever");
                problem("days", "Clear Logs After (Days)", message);
            }
            if !seen.insert(row.ref_doctype.clone()) {
                problem("ref_doctype", "Log DocType", format!("{} is listed twice", row.ref_doctype));
            }
        }
        invalid.into_result()
    }
}
