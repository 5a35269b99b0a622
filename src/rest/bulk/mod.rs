//! Bulk Change: one change of many documents, each by itself, as a job with a result for each; and Frappe's methods for some
//! hundred at once.

mod act;
mod change;
mod methods;
mod panel;
mod run;

pub(super) use methods::{delete_named, update_named};

use std::time::Duration;

use crate::rest::bulk::change::{BULK_CHANGE, BULK_CHANGE_LOG, BulkChange, BulkChangeController};
use crate::web::{JobKind, Plugins};

/// Registers everything about it.
pub(super) fn register(plugins: &mut Plugins) {
    plugins.controllers.needs_fields_of::<BulkChange>();
    plugins
        .controllers
        .needs_fields(BULK_CHANGE_LOG, &["bulk_change", "reference_doctype", "docname", "success", "message"]);
    plugins.controller(BULK_CHANGE, BulkChangeController);
    plugins.panels(BULK_CHANGE, panel::ProgressPanel);
    plugins.log(BULK_CHANGE_LOG, 90);
    plugins.log(BULK_CHANGE, 90);
    methods::register(plugins);
    plugins.job_kind(JobKind::new(run::JOB, run::run).timeout(Duration::from_hours(12)));
}
