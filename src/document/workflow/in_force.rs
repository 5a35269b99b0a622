//! The workflow of each DocType, kept in memory with its conditions read.

use std::collections::HashMap;
use std::sync::Arc;

use moka::sync::Cache;
use serde_json::{Value as Json, json};

use crate::clock::Zone;
use crate::document::kept::Kept;
use crate::document::workflow::{WORKFLOW, WORKFLOW_STATE};
use crate::document::{Documents, ListRequest, Work};
use crate::error::Result;
use crate::meta::jinja::{Condition, Facts};
use crate::meta::workflow::{State, Transition, Workflow, condition};
use crate::meta::{DocType, Document, View};
use crate::permissions::Session;

/// The one key under which all of them are kept.
const ALL: &str = "";

/// Those of all DocTypes; kept until a Workflow, a Workflow State or the definitions change.
pub(crate) struct Workflows(Kept<Arc<ByDocType>>);

/// The workflow of each DocType that has one.
struct ByDocType {
    /// The number of the definitions they were read with.
    generation: u64,
    workflows: HashMap<String, Arc<InForce>>,
}

impl Default for Workflows {
    fn default() -> Self {
        Self(Kept::new(Cache::new(1)))
    }
}

impl Workflows {
    /// Something that they are made of has changed.
    pub(crate) fn forget(&self) {
        self.0.clear();
    }
}

/// A workflow that holds documents of its DocType.
pub(crate) struct InForce {
    /// What was declared.
    pub declared: Arc<Workflow>,
    /// The condition of each transition; an error where it cannot be used (any more).
    conditions: Vec<Result<Option<Condition>, String>>,
}

impl InForce {
    fn new(declared: Arc<Workflow>, doctype: &DocType) -> Self {
        let conditions = declared.transitions.iter().map(|transition| condition(transition, doctype)).collect();
        Self { declared, conditions }
    }

    /// The ways out of a state, each with what keeps somebody from going it; `None`: nothing.
    pub(super) fn ways<'a>(
        &'a self,
        session: &Session,
        document: &Document,
        zone: Zone,
        now: &str,
    ) -> Vec<(&'a Transition, Option<String>)> {
        let current = self.declared.current(document);
        let facts = || {
            let doc = Json::Object(document.to_json(View { zone, ..View::WHOLE }));
            Facts::new(&doc, Some(&doc), "workflow", session.user(), &zone.shown(now))
        };
        let mut made = None;
        let transitions = self.declared.transitions.iter().zip(&self.conditions);
        let from_here = transitions.filter(|(transition, _)| transition.state == current);
        from_here
            .map(|(transition, condition)| {
                let action = &transition.action;
                if !session.has_role(&transition.allowed) {
                    return (transition, Some(format!("{action} is for the role {}", transition.allowed)));
                }
                if !transition.allow_self_approval && session.owns(document) && !session.is_administrator() {
                    let who_else = format!("{action} is not for the person who made the document");
                    return (transition, Some(who_else));
                }
                let held = match condition {
                    Ok(None) => Ok(true),
                    Ok(Some(condition)) => condition.holds(made.get_or_insert_with(facts)),
                    Err(error) => Err(error.clone()),
                };
                let refusal = match held {
                    Ok(true) => None,
                    Ok(false) => Some(format!("{action} takes that {}", transition.condition.trim())),
                    Err(error) => Some(format!("The condition of {action} cannot be evaluated: {error}")),
                };
                (transition, refusal)
            })
            .collect()
    }

    /// Why somebody may not change a document in its state; `None`: they may.
    pub(super) fn keeps_from_changing(&self, session: &Session, document: &Document) -> Option<String> {
        let state = self.declared.current(document);
        if self.declared.may_edit(state, |role| session.has_role(role)) {
            return None;
        }
        let (doctype, name) = (&document.doctype.name, document.name());
        let editors = self.declared.editors(state).join(", ");
        Some(format!("{doctype} {name} is {state}: only the role {editors} may change it"))
    }

    /// Whether a transition leads to documents of that docstatus: then no other way does.
    pub(crate) fn leads_to(&self, docstatus: i64) -> bool {
        let states = self.declared.transitions.iter().filter_map(|way| self.declared.state(&way.next_state));
        states.into_iter().any(|state| state.doc_status == docstatus)
    }
}

impl Work<'_> {
    /// The workflow that holds documents of a DocType.
    pub(crate) async fn workflow(&mut self, doctype: &str) -> Result<Option<Arc<InForce>>> {
        let documents = self.documents;
        if let Some(kept) = documents.kept_workflows() {
            return Ok(kept.workflows.get(doctype).cloned());
        }
        let ticket = documents.workflows().0.ticket(ALL);
        let caller = self.become_system();
        let read = read(self).await;
        self.session = caller;
        let read = Arc::new(read?);
        // What this very transaction has changed is not in force yet.
        if !self.has_written(WORKFLOW) && !self.has_written(WORKFLOW_STATE) {
            documents.workflows().0.keep(ticket, ALL, Arc::clone(&read));
        }
        Ok(read.workflows.get(doctype).cloned())
    }
}

impl Documents {
    /// The workflow that holds documents of a DocType.
    pub(crate) async fn workflow(&self, doctype: &str) -> Result<Option<Arc<InForce>>> {
        match self.kept_workflows() {
            Some(kept) => Ok(kept.workflows.get(doctype).cloned()),
            None => self.reading(&Session::system()).workflow(doctype).await,
        }
    }

    fn kept_workflows(&self) -> Option<Arc<ByDocType>> {
        let generation = self.registry().generation;
        self.workflows().0.get(self, ALL).filter(|kept| kept.generation == generation)
    }
}

async fn read(work: &mut Work<'_>) -> Result<ByDocType> {
    let registry = Arc::clone(work.registry());
    let mut workflows: HashMap<String, Arc<InForce>> = HashMap::new();
    if registry.get(WORKFLOW).is_some() {
        let request = ListRequest::new(WORKFLOW).filters(json!({"is_active": 1})).order_by("modified asc");
        let list = work.list(&request.all()).await?;
        for row in 0..list.rows.len() {
            let Some(document) = work.find(WORKFLOW, list.text(row, "name")).await? else { continue };
            // A DocType that is gone has no documents either.
            let Some(doctype) = registry.get(document.text("document_type")) else { continue };
            let mut workflow = of_document(&document);
            style(work, &mut workflow).await?;
            workflows.insert(doctype.name.clone(), Arc::new(InForce::new(Arc::new(workflow), doctype)));
        }
    }
    // A file counts more: what it says is checked with the DocType.
    for doctype in registry.iter() {
        if let Some(workflow) = &doctype.workflow {
            workflows.insert(doctype.name.clone(), Arc::new(InForce::new(Arc::clone(workflow), doctype)));
        }
    }
    Ok(ByDocType { generation: registry.generation, workflows })
}

/// What a Workflow says.
pub(crate) fn of_document(document: &Document) -> Workflow {
    let text = |row: &Document, fieldname: &str| row.get(fieldname).to_string().trim().to_owned();
    let state = |row: &Document| State {
        state: text(row, "state"),
        doc_status: text(row, "doc_status").parse().unwrap_or(0),
        allow_edit: text(row, "allow_edit"),
        update_field: text(row, "update_field"),
        update_value: text(row, "update_value"),
        is_optional_state: row.check("is_optional_state"),
        style: String::new(),
        message: text(row, "message"),
    };
    let transition = |row: &Document| Transition {
        state: text(row, "state"),
        action: text(row, "action"),
        next_state: text(row, "next_state"),
        allowed: text(row, "allowed"),
        allow_self_approval: row.check("allow_self_approval"),
        condition: text(row, "condition"),
    };
    Workflow {
        workflow_state_field: text(document, "workflow_state_field"),
        states: document.rows("states").iter().map(state).collect(),
        transitions: document.rows("transitions").iter().map(transition).collect(),
    }
}

/// How states are shown is said by what they are called.
async fn style(work: &mut Work<'_>, workflow: &mut Workflow) -> Result<()> {
    for state in &mut workflow.states {
        if let Some(document) = work.find(WORKFLOW_STATE, &state.state).await? {
            document.text("style").clone_into(&mut state.style);
        }
    }
    Ok(())
}
