//! Report: whoever keeps one may report on its DocType, and its JSON can be read; and the way from its form to what it shows.

use async_trait::async_trait;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::document::report::{REPORT_BUILDER, Report as Settings};
use crate::document::{Controller, Work};
use crate::error::Result;
use crate::meta::{Document, Right};
use crate::permissions::Session;
use crate::web::Site;
use crate::web::panel::{Panel, Panels};

/// The behaviour of Report.
pub(super) struct Report;

#[async_trait]
impl Controller for Report {
    async fn validate(&self, work: &mut Work<'_>, report: &mut Document, before: Option<&Document>) -> Result<()> {
        if report.text("report_type") == REPORT_BUILDER {
            Settings::parse(report.text("ref_doctype"), report.text("json"))?;
        }
        let of_another = before.is_none_or(|before| before.text("ref_doctype") != report.text("ref_doctype"));
        let Some(doctype) = work.registry().get(report.text("ref_doctype")).cloned() else { return Ok(()) };
        if of_another && !work.session.is_system() && !work.is_restoring() {
            work.documents.check_permission(&work.session, &doctype, None, Right::Report)?;
        }
        Ok(())
    }
}

/// The panel beside its form.
pub(super) struct ShowPanel;

#[async_trait]
impl Panels for ShowPanel {
    async fn panels(&self, _: &Site, _: &Session, report: &Document) -> Result<Vec<Panel>> {
        let title = "What It Shows".to_owned();
        if report.text("report_type") != REPORT_BUILDER {
            let help = format!("A {} is kept as it is. It does not run here.", report.text("report_type"));
            return Ok(vec![Panel { title, help, ..Panel::default() }]);
        }
        let name = utf8_percent_encode(&report.name(), NON_ALPHANUMERIC).to_string();
        Ok(vec![Panel {
            title,
            help: "Its rows, groups, sums and chart, as far as you may read the documents. There it is changed, too."
                .to_owned(),
            links: vec![("Show report".to_owned(), format!("/app/query-report/{name}"))],
            ..Panel::default()
        }])
    }
}
