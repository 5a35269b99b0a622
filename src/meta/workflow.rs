//! A workflow: in which states documents of a DocType stand, and who may move them from one to another. Under Frappe's
//! names, whether a DocType file says it (`workflow:`) or a Workflow.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value as Json, json};

use crate::meta::docfield::DocField;
use crate::meta::doctype::DocType;
use crate::meta::document::Document;
use crate::meta::fieldtype::Fieldtype;
use crate::meta::jinja::{Condition, Names};
use crate::meta::keys::Property;

/// The field that holds the state, if nothing else is said.
pub(crate) const STATE_FIELD: &str = "workflow_state";

/// A workflow.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "Frappe's names")]
pub struct Workflow {
    /// The field that holds the state.
    #[serde(default = "state_field")]
    pub workflow_state_field: String,
    /// The states; a document begins in the first. One may stand here several times, each for another role.
    pub states: Vec<State>,
    /// The ways from one to another.
    pub transitions: Vec<Transition>,
}

/// A state.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "Frappe's names")]
pub struct State {
    /// What it is called.
    pub state: String,
    /// The docstatus of documents in it.
    #[serde(default, deserialize_with = "whole")]
    pub doc_status: i64,
    /// The role that may change documents in it.
    pub allow_edit: String,
    /// A field that is set on the way into it.
    #[serde(default)]
    pub update_field: String,
    /// To what.
    #[serde(default)]
    pub update_value: String,
    /// Nobody is told that documents could come here.
    #[serde(default, deserialize_with = "flag")]
    pub is_optional_state: bool,
    /// How the desk shows it: `Primary`, `Info`, `Success`, `Warning`, `Danger`, `Inverse`.
    #[serde(default)]
    pub style: String,
    /// What whoever opens a document in it is told.
    #[serde(default)]
    pub message: String,
}

/// A way from one state to another.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// From where.
    pub state: String,
    /// What it is called: the button.
    pub action: String,
    /// Where it leads.
    pub next_state: String,
    /// The role that may go it.
    pub allowed: String,
    /// Whoever made the document may go it, too.
    #[serde(default = "yes", deserialize_with = "flag")]
    pub allow_self_approval: bool,
    /// What must be true of the document, in Jinja.
    #[serde(default)]
    pub condition: String,
}

fn state_field() -> String {
    STATE_FIELD.to_owned()
}

fn yes() -> bool {
    true
}

/// `true`, or `1` as Frappe writes it.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Json::deserialize(deserializer)? {
        Json::Bool(on) => Ok(on),
        Json::Number(number) if number.as_i64().is_some_and(|number| number == 0 || number == 1) => {
            Ok(number.as_i64() == Some(1))
        }
        other => Err(serde::de::Error::custom(format!("{other} is neither true nor false"))),
    }
}

/// A number, or its digits as Frappe writes it.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let value = Json::deserialize(deserializer)?;
    let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    number.ok_or_else(|| serde::de::Error::custom(format!("doc_status is 0, 1 or 2, not {value}")))
}

impl Property for Option<Arc<Workflow>> {
    fn read(value: Option<&Json>) -> Self {
        value.and_then(|value| serde_json::from_value(value.clone()).ok()).map(Arc::new)
    }

    fn write(&self) -> Json {
        json!(self.as_deref())
    }
}

/// What is wrong with a workflow: which list and row of it (from 0), which member, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// `states` or `transitions` with the row; without, it concerns the workflow as a whole.
    pub row: Option<(&'static str, usize)>,
    /// The member.
    pub key: &'static str,
    /// A sentence.
    pub message: String,
}

impl Workflow {
    /// The state in which documents begin.
    pub(crate) fn first(&self) -> Option<&State> {
        self.states.first()
    }

    /// The state of that name.
    pub(crate) fn state(&self, name: &str) -> Option<&State> {
        self.states.iter().find(|state| state.state == name)
    }

    /// The state of a stored document. One from before there was a workflow stands in the first with its docstatus.
    pub(crate) fn current<'a>(&'a self, document: &'a Document) -> &'a str {
        let stored = document.text(&self.workflow_state_field);
        if stored.is_empty() { self.first_with(document.docstatus()).unwrap_or_default() } else { stored }
    }

    /// The first state with a docstatus.
    pub(crate) fn first_with(&self, docstatus: i64) -> Option<&str> {
        self.states.iter().find(|state| state.doc_status == docstatus).map(|state| state.state.as_str())
    }

    /// Whether somebody with these roles may change documents in a state; where nothing is known of the state, anybody.
    pub(crate) fn may_edit(&self, state: &str, has_role: impl Fn(&str) -> bool) -> bool {
        let mut rows = self.states.iter().filter(|row| row.state == state).peekable();
        rows.peek().is_none() || rows.any(|row| has_role(&row.allow_edit))
    }

    /// The roles that may change documents in a state.
    pub(crate) fn editors(&self, state: &str) -> Vec<&str> {
        self.states.iter().filter(|row| row.state == state).map(|row| row.allow_edit.as_str()).collect()
    }

    /// The field that holds the state in a DocType whose file has a workflow and no such field.
    pub(in crate::meta) fn field(&self) -> DocField {
        let mut names: Vec<&str> = Vec::new();
        for state in &self.states {
            if !names.contains(&state.state.as_str()) {
                names.push(&state.state);
            }
        }
        DocField {
            fieldname: self.workflow_state_field.clone(),
            label: "Workflow State".to_owned(),
            fieldtype: Fieldtype::Select,
            options: names.join("\n"),
            description: "Where the document stands in its workflow.".to_owned(),
            read_only: true,
            no_copy: true,
            allow_on_submit: true,
            in_list_view: true,
            in_standard_filter: true,
            ..DocField::default()
        }
    }

    /// Everything that keeps it from working for a DocType.
    pub(crate) fn check(&self, doctype: &DocType) -> Vec<Problem> {
        let mut check = Check { workflow: self, doctype, problems: Vec::new() };
        check.field();
        for (index, state) in self.states.iter().enumerate() {
            check.state(index, state);
        }
        for (index, transition) in self.transitions.iter().enumerate() {
            check.transition(index, transition);
        }
        check.problems
    }
}

struct Check<'a> {
    workflow: &'a Workflow,
    doctype: &'a DocType,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn problem(&mut self, row: Option<(&'static str, usize)>, key: &'static str, message: String) {
        self.problems.push(Problem { row, key, message });
    }

    fn field(&mut self) {
        const KEY: &str = "workflow_state_field";
        let (name, fieldname) = (&self.doctype.name, self.workflow.workflow_state_field.as_str());
        if self.doctype.issingle || self.doctype.istable || self.doctype.is_virtual {
            let message = format!("{name} has no documents that could be in a state");
            return self.problem(None, "document_type", message);
        }
        let Some(field) = self.doctype.field(fieldname) else {
            let message = format!(
                "{name} has no field `{fieldname}`: add a Select or Link to Workflow State with No Copy and Allow on Submit"
            );
            return self.problem(None, KEY, message);
        };
        if !matches!(field.fieldtype, Fieldtype::Select | Fieldtype::Link | Fieldtype::Data) || !field.has_column() {
            return self.problem(None, KEY, format!("`{fieldname}` must be a Select, a Link or Data"));
        }
        if !field.no_copy {
            self.problem(None, KEY, format!("`{fieldname}` must have No Copy, for a copy begins in the first state"));
        }
        if field.unique || field.set_only_once {
            self.problem(None, KEY, format!("`{fieldname}` must not be unique, nor set only once"));
        }
        if self.workflow.states.is_empty() {
            self.problem(None, "states", "A workflow needs at least one state".to_owned());
        }
        if field.fieldtype == Fieldtype::Select {
            for (index, state) in self.workflow.states.iter().enumerate() {
                if !field.options.lines().any(|option| option.trim() == state.state) {
                    let message = format!("`{}` is not among the options of `{fieldname}`", state.state);
                    self.problem(Some(("states", index)), "state", message);
                }
            }
        }
    }

    fn state(&mut self, index: usize, state: &State) {
        let row = Some(("states", index));
        if state.state.is_empty() {
            self.problem(row, "state", "A state needs a name".to_owned());
        }
        if state.allow_edit.is_empty() {
            self.problem(row, "allow_edit", "Say which role may change documents in this state".to_owned());
        }
        let problem = match state.doc_status {
            1 | 2 if !self.doctype.is_submittable => {
                Some(format!("{} is not submittable: Doc Status is 0 in every state", self.doctype.name))
            }
            1 | 2 if index == 0 => Some("Documents begin as drafts: Doc Status of the first state is 0".to_owned()),
            0..=2 => None,
            other => Some(format!("Doc Status is 0, 1 or 2, not {other}")),
        };
        let first = self.workflow.state(&state.state);
        let problem = problem.or_else(|| {
            let differs = first.is_some_and(|first| first.doc_status != state.doc_status);
            differs.then(|| format!("`{}` has another Doc Status in an earlier row", state.state))
        });
        if let Some(message) = problem {
            self.problem(row, "doc_status", message);
        }
        if state.update_field.is_empty() {
            return;
        }
        let fieldname = state.update_field.as_str();
        let problem = match self.doctype.field(fieldname) {
            None => Some(format!("{} has no field `{fieldname}`", self.doctype.name)),
            Some(_) if fieldname == self.workflow.workflow_state_field => {
                Some("The state itself is set by the workflow".to_owned())
            }
            Some(field) if !field.has_column() || field.secret || field.fieldtype == Fieldtype::Password => {
                Some(format!("`{fieldname}` cannot be set by a workflow"))
            }
            Some(field) if field.formula.is_some() => Some(format!("`{fieldname}` is computed by its formula")),
            Some(field) if field.guarded || field.set_only_once => {
                Some(format!("`{fieldname}` is not for everybody to set"))
            }
            Some(field) => value_of(field, &state.update_value).err(),
        };
        if let Some(message) = problem {
            self.problem(row, "update_field", message);
        }
    }

    fn transition(&mut self, index: usize, transition: &Transition) {
        let row = Some(("transitions", index));
        let names = [("state", &transition.state), ("next_state", &transition.next_state)];
        for (key, name) in names {
            if self.workflow.state(name).is_none() {
                self.problem(row, key, format!("`{name}` is not among the states"));
            }
        }
        for (key, value) in [("action", &transition.action), ("allowed", &transition.allowed)] {
            if value.is_empty() {
                self.problem(row, key, "A transition needs an action and a role".to_owned());
            }
        }
        let docstatus = |name: &str| self.workflow.state(name).map(|state| state.doc_status);
        let message = match (docstatus(&transition.state), docstatus(&transition.next_state)) {
            (Some(2), Some(_)) => Some("A cancelled document stays in its state: amend it"),
            (Some(1), Some(0)) => Some("A submitted document cannot become a draft again"),
            (Some(0), Some(2)) => Some("A draft cannot be cancelled: submit it first"),
            _ => None,
        };
        if let Some(message) = message {
            self.problem(row, "next_state", message.to_owned());
        }
        if docstatus(&transition.state) == Some(1) && docstatus(&transition.next_state) == Some(1) {
            let next = self.workflow.state(&transition.next_state).map_or("", |state| state.update_field.as_str());
            for fieldname in [self.workflow.workflow_state_field.as_str(), next] {
                if self.doctype.field(fieldname).is_some_and(|field| !field.allow_on_submit) {
                    let message = format!("`{fieldname}` must have Allow on Submit: both states are submitted");
                    self.problem(row, "next_state", message);
                }
            }
        }
        if let Err(message) = condition(transition, self.doctype) {
            self.problem(row, "condition", message);
        }
    }
}

/// The condition of a transition, if it has one.
pub(crate) fn condition(transition: &Transition, doctype: &DocType) -> Result<Option<Condition>, String> {
    let text = transition.condition.trim();
    (!text.is_empty()).then(|| Condition::parse(text, &Names::of(doctype))).transpose()
}

/// A value as a field holds it.
pub(crate) fn value_of(field: &DocField, text: &str) -> Result<crate::meta::Value, String> {
    let column_type = field.fieldtype.column_type(field).ok_or_else(|| "it holds nothing".to_owned())?;
    crate::meta::fieldtype::parse_text_in(crate::clock::Zone::UTC, field, column_type, text)
        .map_err(|(_, problem)| format!("`{}`: {problem}", field.label))
}
