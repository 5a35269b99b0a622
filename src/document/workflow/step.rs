//! What a save does to the state of a document: nothing, or a step along its workflow.

use std::sync::Arc;

use crate::document::Work;
use crate::document::guard::changes;
use crate::document::workflow::in_force::InForce;
use crate::document::workflow::standing::{no_way, refused};
use crate::error::{Error, FieldProblem, ProblemKind, Result};
use crate::meta::doctype::slot;
use crate::meta::workflow::{Transition, value_of};
use crate::meta::{Document, Value};

/// A step along a workflow, to be taken once all that may refuse it was asked.
pub(in crate::document) struct Step {
    /// Where it leads.
    to: String,
    /// The role that may go there.
    pub(super) role: String,
    /// What it sets.
    values: Vec<(String, Value)>,
}

impl Step {
    /// Sets state and values.
    pub(in crate::document) fn take(&self, document: &mut Document) {
        for (fieldname, value) in &self.values {
            document.set(fieldname, value.clone());
        }
    }
}

impl Work<'_> {
    /// A new document begins in the first state of its workflow, as a draft.
    pub(in crate::document) async fn begin_workflow(
        &mut self,
        document: &mut Document,
        problems: &mut Vec<FieldProblem>,
    ) -> Result<()> {
        let Some(workflow) = self.workflow(&document.doctype.name).await? else { return Ok(()) };
        let fieldname = &workflow.declared.workflow_state_field;
        let wanted = document.text(fieldname).to_owned();
        // The program itself, and what comes back from the bin, bring a state along.
        if self.session.is_system() || self.is_restoring() {
            if wanted.is_empty()
                && let Some(state) = workflow.declared.first_with(document.docstatus())
            {
                document.set(fieldname, state);
            }
            return Ok(());
        }
        let Some(first) = workflow.declared.first() else { return Ok(()) };
        let doctype = &document.doctype;
        if !wanted.is_empty() && wanted != first.state {
            let label = doctype.field(fieldname).map_or(fieldname.as_str(), |field| field.label.as_str());
            let message =
                format!("A new {} is {}: other states are reached by its workflow", doctype.name, first.state);
            problems.push(FieldProblem::at(ProblemKind::WorkflowTransition, fieldname, label, message));
        } else if document.docstatus() == 1 && workflow.leads_to(1) {
            let message = format!("A new {} is a draft: its workflow submits it", doctype.name);
            problems.push(FieldProblem::general(ProblemKind::WorkflowTransition, message));
        }
        document.set(fieldname, first.state.as_str());
        Ok(())
    }

    /// Holds a save to the workflow: who may change the document in its state, and whether the state or the docstatus that
    /// is wanted can be reached. The docstatus becomes that of the new state.
    pub(in crate::document) async fn follow_workflow(
        &mut self,
        document: &mut Document,
        before: &Document,
    ) -> Result<Option<Step>> {
        if self.session.is_system() || before.is_new || before.docstatus() == 2 {
            return Ok(None);
        }
        let Some(workflow) = self.workflow(&document.doctype.name).await? else { return Ok(None) };
        let fieldname = workflow.declared.workflow_state_field.clone();
        let current = workflow.declared.current(before).to_owned();
        let wanted = Some(document.text(&fieldname)).filter(|wanted| !wanted.is_empty()).unwrap_or(&current).to_owned();
        let (from, to) = (before.docstatus(), document.docstatus());
        // What the step itself changes is set when it is taken.
        document.set(&fieldname, before.get(&fieldname).clone());
        let changed = changes(document, before).next().map(|field| field.label.clone());
        if wanted == current && (from == to || !workflow.leads_to(to)) {
            if changed.is_some() {
                self.check_editor(&workflow, before)?;
            }
            if to == 0 {
                document.set(&fieldname, current);
            }
            return Ok(None);
        }
        let transition = self.way(&workflow, before, (&current, &wanted), to)?;
        if let Some(label) = changed {
            let message = format!("{label} was changed: save the document first, then {}", transition.action);
            return Err(Error::invalid(ProblemKind::WorkflowTransition, message));
        }
        let step = step(&workflow, transition, &fieldname, document);
        if let Some(next) = workflow.declared.state(&transition.next_state) {
            document.values[slot::DOCSTATUS] = Value::Int(next.doc_status);
        }
        Ok(Some(step))
    }

    /// The way that leads to the wanted state, or, where no other state is wanted, to the wanted docstatus.
    fn way<'a>(
        &self,
        workflow: &'a Arc<InForce>,
        before: &Document,
        (current, wanted): (&str, &str),
        docstatus: i64,
    ) -> Result<&'a Transition> {
        let fits = |transition: &Transition| {
            let reached = workflow.declared.state(&transition.next_state).map(|state| state.doc_status);
            if wanted == current { reached == Some(docstatus) } else { transition.next_state == wanted }
        };
        let ways = workflow.ways(&self.session, before, self.documents.site_zone(), self.now());
        let ways: Vec<_> = ways.into_iter().filter(|(transition, _)| fits(transition)).collect();
        let mut open: Vec<&Transition> = Vec::new();
        for (transition, refusal) in &ways {
            if refusal.is_none() && open.iter().all(|known| known.next_state != transition.next_state) {
                open.push(transition);
            }
        }
        match open.as_slice() {
            [] if ways.is_empty() => {
                let towards = if wanted == current { "so".to_owned() } else { format!("to {wanted}") };
                Err(no_way(workflow, before, &towards))
            }
            [] => Err(refused(&ways)),
            [transition] => {
                let reached =
                    workflow.declared.state(&transition.next_state).map_or(docstatus, |state| state.doc_status);
                if docstatus != before.docstatus() && docstatus != reached {
                    let message = format!("In the state {} documents have docstatus {reached}", transition.next_state);
                    return Err(Error::invalid(ProblemKind::WorkflowTransition, message));
                }
                Ok(transition)
            }
            several => {
                let actions: Vec<&str> = several.iter().map(|transition| transition.action.as_str()).collect();
                let message = format!("Several ways lead there: choose one of {}", actions.join(", "));
                Err(Error::invalid(ProblemKind::WorkflowTransition, message))
            }
        }
    }

    /// Fails for whoever may not change a document in its state.
    pub(in crate::document) fn check_editor(&self, workflow: &InForce, document: &Document) -> Result<()> {
        workflow.keeps_from_changing(&self.session, document).map_or(Ok(()), |why| Err(Error::Permission(why)))
    }

    /// Notes on the document in which state it is now.
    pub(in crate::document) async fn note_step(&mut self, document: &Document, step: &Step) -> Result<()> {
        let values = [
            ("comment_type", Value::from("Workflow")),
            ("reference_doctype", Value::from(document.doctype.name.as_str())),
            ("reference_name", Value::from(document.name())),
            ("comment_email", Value::from(self.session.user())),
            ("content", Value::from(step.to.as_str())),
        ];
        self.insert_log("Comment", &values).await
    }
}

fn step(workflow: &InForce, transition: &Transition, fieldname: &str, document: &Document) -> Step {
    let to = transition.next_state.clone();
    let mut values = vec![(fieldname.to_owned(), Value::from(to.as_str()))];
    if let Some(state) = workflow.declared.state(&to)
        && let Some(field) = document.doctype.field(&state.update_field)
        && let Ok(value) = value_of(field, &state.update_value)
    {
        values.push((field.fieldname.clone(), value));
    }
    Step { to, role: transition.allowed.clone(), values }
}
