//! Workflow Actions: documents that wait, and for whom.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use crate::document::workflow::in_force::InForce;
use crate::document::workflow::step::Step;
use crate::document::{ListRequest, Work};
use crate::error::Result;
use crate::meta::{Document, Value};
use crate::permissions::Session;

/// The DocType.
const WORKFLOW_ACTION: &str = "Workflow Action";

impl Work<'_> {
    /// A document has come into a state: what waited for the one before is completed, and whoever may take the next step finds it.
    pub(in crate::document) async fn note_waiting(&mut self, document: &Document, step: Option<&Step>) -> Result<()> {
        let Some(workflow) = self.workflow(&document.doctype.name).await? else { return Ok(()) };
        if self.registry().get(WORKFLOW_ACTION).is_none() {
            return Ok(());
        }
        let caller = self.become_system();
        let noted = self.renew_waiting(&workflow, document, step, &caller).await;
        self.session = caller;
        noted
    }

    async fn renew_waiting(
        &mut self,
        workflow: &InForce,
        document: &Document,
        step: Option<&Step>,
        caller: &Session,
    ) -> Result<()> {
        if let Some(step) = step {
            let done = [
                ("status", Value::from("Completed")),
                ("completed_by", Value::from(caller.user())),
                ("completed_by_role", Value::from(step.role.as_str())),
            ];
            for name in self.waiting(document, json!([["status", "=", "Open"]])).await? {
                self.set_values(WORKFLOW_ACTION, &name, &done).await?;
            }
        }
        let is_optional = |state: &str| workflow.declared.state(state).is_some_and(|state| state.is_optional_state);
        // As the program itself every role may go; what is left are conditions.
        let ways = workflow.ways(&self.session, document, self.documents.site_zone(), self.now());
        let open = ways.iter().filter(|(way, refusal)| refusal.is_none() && !is_optional(&way.next_state));
        let roles: BTreeSet<&str> = open.map(|(way, _)| way.allowed.as_str()).collect();
        if roles.is_empty() {
            return Ok(());
        }
        let rows: Vec<Json> = roles.into_iter().map(|role| json!({ "role": role })).collect();
        let values = Map::from_iter([
            ("status".to_owned(), json!("Open")),
            ("reference_doctype".to_owned(), json!(document.doctype.name)),
            ("reference_name".to_owned(), json!(document.name())),
            ("workflow_state".to_owned(), json!(workflow.declared.current(document))),
            ("permitted_roles".to_owned(), Json::Array(rows)),
        ]);
        let doctype = self.doctype(WORKFLOW_ACTION)?;
        Box::pin(self.insert_json(&doctype, &values, false)).await.map(drop)
    }

    /// A document is deleted: nothing waits any more.
    pub(in crate::document) async fn forget_waiting(&mut self, document: &Document) -> Result<()> {
        if self.workflow(&document.doctype.name).await?.is_none() || self.registry().get(WORKFLOW_ACTION).is_none() {
            return Ok(());
        }
        let caller = self.become_system();
        let forgotten = self.delete_waiting(document).await;
        self.session = caller;
        forgotten
    }

    async fn delete_waiting(&mut self, document: &Document) -> Result<()> {
        for name in self.waiting(document, json!([])).await? {
            Box::pin(self.delete(WORKFLOW_ACTION, &name)).await?;
        }
        Ok(())
    }

    /// The Workflow Actions of a document.
    async fn waiting(&mut self, document: &Document, mut filters: Json) -> Result<Vec<String>> {
        if let Json::Array(filters) = &mut filters {
            filters.push(json!(["reference_doctype", "=", document.doctype.name]));
            filters.push(json!(["reference_name", "=", document.name()]));
        }
        let list = self.list(&ListRequest::new(WORKFLOW_ACTION).filters(filters).all()).await?;
        Ok((0..list.rows.len()).map(|row| list.text(row, "name").to_owned()).collect())
    }
}
