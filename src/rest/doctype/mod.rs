//! DocTypes with behaviour of their own: Comment, DocShare, File, Report, ToDo, Workflow, with what attaches files to documents, and those that
//! show the definitions of DocTypes.

mod attach;
pub(super) mod comment;
mod file;
mod report;
pub(super) mod share;
mod shown;
pub(super) mod todo;
mod workflow;

use crate::document::report::REPORT;
use crate::document::workflow::WORKFLOW;
use crate::files::Files;
use crate::web::Plugins;

/// Registers the controllers.
pub(super) fn register(plugins: &mut Plugins, files: &Files) {
    plugins.controller("File", file::File::new(files.clone()));
    plugins.controllers.add_doc_events(attach::Attach);
    plugins.controller("Comment", comment::Comment);
    plugins.controller("DocShare", share::DocShare);
    plugins.controller(REPORT, report::Report);
    plugins.panels(REPORT, report::ShowPanel);
    plugins.controllers.needs_fields(REPORT, &["ref_doctype", "report_type", "json", "disabled", "roles"]);
    plugins.controller("ToDo", todo::ToDo);
    plugins.controller(WORKFLOW, workflow::Workflow);
    plugins
        .controllers
        .needs_fields(WORKFLOW, &["document_type", "is_active", "workflow_state_field", "states", "transitions"]);
    plugins.controller("DocType", shown::DocTypes);
    plugins.controller("DocField", shown::DocFields);
    plugins.controller("DocPerm", shown::DocPerms);
}
