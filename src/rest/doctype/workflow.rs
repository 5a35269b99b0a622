//! Workflow: an active one can work, and is the only one of its DocType.

use async_trait::async_trait;
use serde_json::json;

use crate::document::workflow::{WORKFLOW, of_document};
use crate::document::{Controller, ListRequest, Work};
use crate::error::{FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{Document, Value};

/// The behaviour of Workflow.
pub(super) struct Workflow;

#[async_trait]
impl Controller for Workflow {
    async fn validate(&self, work: &mut Work<'_>, workflow: &mut Document, _: Option<&Document>) -> Result<()> {
        let Some(doctype) = work.registry().get(workflow.text("document_type")).cloned() else { return Ok(()) };
        if !workflow.check("is_active") {
            return Ok(());
        }
        let mut invalid = Invalid::default();
        let problem = |field: &str, message: String| {
            let label = workflow.doctype.field(field).map_or(field, |field| field.label.as_str());
            FieldProblem::at(ProblemKind::Validation, field, label, message)
        };
        if doctype.workflow.is_some() {
            let message = format!("The file of {} says its workflow: change it there", doctype.name);
            invalid.push(problem("is_active", message));
        }
        for found in of_document(workflow).check(&doctype) {
            invalid.push(match found.row {
                None => problem(found.key, found.message),
                Some((list, row)) => {
                    let rows = workflow.rows(list).first();
                    let label = rows.and_then(|row| row.doctype.field(found.key)).map_or("", |field| &field.label);
                    FieldProblem::at(ProblemKind::Validation, found.key, label, found.message).in_row(list, row + 1)
                }
            });
        }
        invalid.into_result()
    }

    async fn on_update(&self, work: &mut Work<'_>, workflow: &Document, _: Option<&Document>) -> Result<()> {
        if !workflow.check("is_active") {
            return Ok(());
        }
        let others = json!([
            ["document_type", "=", workflow.text("document_type")],
            ["is_active", "=", 1],
            ["name", "!=", workflow.name()],
        ]);
        let caller = work.become_system();
        let ended = end(work, &ListRequest::new(WORKFLOW).filters(others).all()).await;
        work.session = caller;
        ended
    }
}

/// Ends the workflows that there were before.
async fn end(work: &mut Work<'_>, others: &ListRequest) -> Result<()> {
    let list = work.list(others).await?;
    for row in 0..list.rows.len() {
        work.set_values(WORKFLOW, list.text(row, "name"), &[("is_active", Value::Int(0))]).await?;
    }
    Ok(())
}
