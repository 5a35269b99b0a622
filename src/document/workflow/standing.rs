//! What a document's workflow opens to somebody: what they may do next, and whether they may change it.

use std::sync::Arc;

use crate::document::json::check_latest;
use crate::document::workflow::in_force::InForce;
use crate::document::{Documents, Work};
use crate::error::{Error, ProblemKind, Result};
use crate::meta::workflow::Transition;
use crate::meta::{Document, Right};
use crate::permissions::Session;

/// Where a document stands for somebody.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Its state.
    pub state: String,
    /// How the state is shown: `Success`, `Danger`, …
    pub style: String,
    /// What whoever opens it is told.
    pub message: String,
    /// What they may do, in the order of the workflow.
    pub ways: Vec<Way>,
}

/// Something that somebody may do with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// What it is called.
    pub action: String,
    /// Where it leads.
    pub next_state: String,
    /// How that state is shown.
    pub style: String,
    /// The role that may.
    pub allowed: String,
}

impl Documents {
    /// Where a stored document stands for the session; `None`: its DocType has no workflow.
    pub(crate) async fn standing(&self, session: &Session, document: &Document) -> Result<Option<Standing>> {
        let Some(workflow) = self.workflow(&document.doctype.name).await? else { return Ok(None) };
        let state = workflow.declared.current(document).to_owned();
        let found = workflow.declared.state(&state);
        let of_state =
            |text: fn(&crate::meta::workflow::State) -> &String| found.map(text).cloned().unwrap_or_default();
        Ok(Some(Standing {
            style: of_state(|state| &state.style),
            message: of_state(|state| &state.message),
            ways: self.open_ways(&workflow, session, document),
            state,
        }))
    }

    /// What the session may do with a stored document by its workflow, each action once.
    fn open_ways(&self, workflow: &Arc<InForce>, session: &Session, document: &Document) -> Vec<Way> {
        let mut open: Vec<Way> = Vec::new();
        for (transition, refusal) in workflow.ways(session, document, self.site_zone(), &self.clock().now_text()) {
            if refusal.is_none() && open.iter().all(|way| way.action != transition.action) {
                let Transition { action, next_state, allowed, .. } = transition.clone();
                let style = workflow.declared.state(&next_state).map(|state| state.style.clone()).unwrap_or_default();
                open.push(Way { action, next_state, style, allowed });
            }
        }
        open
    }

    /// Why its workflow keeps somebody from changing, submitting or cancelling a stored document; `None`: it does not.
    pub(in crate::document) async fn workflow_refusal(
        &self,
        session: &Session,
        document: &Document,
        right: Right,
    ) -> Result<Option<String>> {
        let Some(workflow) = self.workflow(&document.doctype.name).await? else { return Ok(None) };
        let towards = match (right, document.docstatus()) {
            (Right::Submit, 0) => 1,
            (Right::Cancel, 1) => 2,
            (Right::Write, _) => return Ok(workflow.keeps_from_changing(session, document)),
            _ => return Ok(None),
        };
        if !workflow.leads_to(towards) {
            return Ok(None);
        }
        let reaches = |transition: &Transition| {
            workflow.declared.state(&transition.next_state).is_some_and(|state| state.doc_status == towards)
        };
        let mut ways = workflow.ways(session, document, self.site_zone(), &self.clock().now_text());
        ways.retain(|(transition, _)| reaches(transition));
        if ways.iter().any(|(_, refusal)| refusal.is_none()) {
            return Ok(None);
        }
        let error = if ways.is_empty() { no_way(&workflow, document, "so") } else { refused(&ways) };
        Ok(Some(error.to_string()))
    }

    /// Leads a document from its state to another by an action of its workflow, with docstatus and whatever the new
    /// state sets (Frappe's `apply_workflow`). `modified` switches the optimistic lock on.
    pub(crate) async fn apply_workflow(
        &self,
        session: &Session,
        doctype: &str,
        name: &str,
        action: &str,
        modified: Option<&str>,
    ) -> Result<Document> {
        let mut work = self.begin(session).await?;
        let document = work.apply_workflow(doctype, name, action, modified).await?;
        work.commit().await?;
        Ok(document)
    }
}

impl Work<'_> {
    /// The same in a work that does more.
    pub(crate) async fn apply_workflow(
        &mut self,
        doctype: &str,
        name: &str,
        action: &str,
        modified: Option<&str>,
    ) -> Result<Document> {
        let found = self.load(doctype, name, true).await?;
        let before = self.readable(doctype, name, found, Right::Write).await?;
        let Some(workflow) = self.workflow(&before.doctype.name).await? else {
            return Err(Error::misuse(format!("{doctype} has no workflow")));
        };
        check_latest(&before, modified, self.documents.zone(&self.session))?;
        let next = self.next_state(&workflow, &before, action)?;
        let mut document = before.clone();
        document.set(&workflow.declared.workflow_state_field, next);
        self.save_over(document, &before).await
    }

    /// Where an action leads, if it is open to the session.
    fn next_state(&self, workflow: &InForce, before: &Document, action: &str) -> Result<String> {
        let mut ways = workflow.ways(&self.session, before, self.documents.site_zone(), self.now());
        ways.retain(|(transition, _)| transition.action == action);
        if ways.is_empty() {
            return Err(no_way(workflow, before, &format!("by {action}")));
        }
        match ways.iter().find(|(_, refusal)| refusal.is_none()) {
            Some((transition, _)) => Ok(transition.next_state.clone()),
            None => Err(refused(&ways)),
        }
    }
}

/// Why none of the ways that lead there is open.
pub(super) fn refused(ways: &[(&Transition, Option<String>)]) -> Error {
    let reasons: Vec<&str> = ways.iter().filter_map(|(_, refusal)| refusal.as_deref()).collect();
    let reasons = reasons.join("; ");
    Error::Permission(reasons)
}

/// A workflow knows no such way out of the state of a document.
pub(super) fn no_way(workflow: &InForce, document: &Document, wanted: &str) -> Error {
    let current = workflow.declared.current(document);
    let mut actions: Vec<&str> = Vec::new();
    for transition in workflow.declared.transitions.iter().filter(|transition| transition.state == current) {
        if !actions.contains(&transition.action.as_str()) {
            actions.push(&transition.action);
        }
    }
    let (doctype, name) = (&document.doctype.name, document.name());
    let message = if actions.is_empty() {
        format!("{doctype} {name} is {current}, where its workflow ends")
    } else {
        format!("{doctype} {name} is {current} and cannot go on {wanted}: possible are {}", actions.join(", "))
    };
    Error::invalid(ProblemKind::WorkflowTransition, message)
}
