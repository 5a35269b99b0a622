//! Export of documents as files, and Data Import: documents from files.
//!
//! `columns`, `cell`, `formats`, `payload` and `describe` are the rules, without input or output: what a column is called,
//! what a cell says, which rows are a document. `export`, `preview`, `run` and `refused` do it; the pages are the desk's.

mod cell;
mod columns;
mod controller;
mod describe;
mod export;
mod formats;
mod import;
mod methods;
mod panel;
mod payload;
mod preview;
mod refused;
mod run;

use std::time::Duration;

use crate::data_import::import::{DATA_IMPORT, DATA_IMPORT_LOG, DataImport};
use crate::web::{JobKind, Plugins};

/// Registers the feature.
pub(crate) fn register(plugins: &mut Plugins) {
    plugins.controllers.needs_fields_of::<DataImport>();
    plugins
        .controllers
        .needs_fields(DATA_IMPORT_LOG, &["data_import", "log_index", "row_indexes", "success", "docname", "messages"]);
    plugins.controller(DATA_IMPORT, controller::DataImportController);
    plugins.panels(DATA_IMPORT, panel::StepsPanel);
    plugins.log(DATA_IMPORT_LOG, 90);
    methods::register(plugins);
    // A million documents take hours.
    plugins.job_kind(JobKind::new(run::JOB, run::run).timeout(Duration::from_hours(48)));
}
