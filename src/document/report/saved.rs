//! Reports that are kept as documents of the DocType Report.

use std::sync::Arc;

use crate::document::Documents;
use crate::document::report::{REPORT, REPORT_BUILDER, Report};
use crate::error::{Error, Result};
use crate::meta::Document;
use crate::permissions::Session;

impl Documents {
    /// A report that the session may look at, as it was saved. Nothing of it has been made yet, and whether the session has the
    /// right `report` on its DocType is asked when it is.
    pub(crate) async fn saved_report(&self, session: &Session, name: &str) -> Result<(Arc<Document>, Report)> {
        let document = self.get(session, REPORT, name).await?;
        if document.check("disabled") {
            return Err(Error::misuse(format!("The report {name} is disabled")));
        }
        check_runs(&document)?;
        let report = Report::parse(document.text("ref_doctype"), document.text("json"))?;
        Ok((document, report))
    }
}

/// Refuses reports of the types that run programs.
pub(crate) fn check_runs(document: &Document) -> Result<()> {
    match document.text("report_type") {
        REPORT_BUILDER => Ok(()),
        other => Err(Error::misuse(format!(
            "{} is a {other}: only reports of the type {REPORT_BUILDER} run here",
            document.name()
        ))),
    }
}
