//! `validations`: what a document must not be, with what people are told then.

use serde_json::{Map, Value as Json, json};

use crate::language::{Pattern, fill};
use crate::meta::document::Document;
use crate::meta::expression::Expression;
use crate::meta::fieldtype;
use crate::meta::keys::Property;

/// The keys of a validation.
pub(crate) const KEYS: [&str; 4] = ["when", "message", "field", "on"];

/// When a validation counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// Whenever the document is saved or submitted.
    Save,
    /// When it is submitted.
    Submit,
    /// When it is cancelled.
    Cancel,
    /// When it is deleted.
    Delete,
}

impl On {
    /// Each with its name.
    pub(crate) const ALL: [(Self, &str); 4] =
        [(Self::Save, "save"), (Self::Submit, "submit"), (Self::Cancel, "cancel"), (Self::Delete, "delete")];

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(on, _)| *on)
    }
}

/// One validation.
#[derive(Clone, Debug)]
pub struct Validation {
    /// The document is refused if this holds.
    pub when: Expression,
    /// What people read then, with `{fieldname}` for values.
    pub message: String,
    /// The field at which the form shows it.
    pub field: Option<String>,
    /// What somebody is about to do.
    pub(crate) on: Vec<On>,
}

impl Validation {
    /// What people read about this document.
    pub(crate) fn told(&self, document: &Document) -> String {
        let value = |name: &str| {
            let value = document.get(name);
            document.doctype.field(name).map_or_else(|| value.to_string(), |field| fieldtype::display(field, value))
        };
        let values: Vec<_> = self.places().into_iter().map(|name| (name, value(name).into())).collect();
        fill(&self.message, &values)
    }

    /// The fieldnames in the message.
    pub(crate) fn places(&self) -> Vec<&str> {
        Pattern::names_in(&self.message).collect()
    }
}

impl Property for Vec<Validation> {
    fn read(value: Option<&Json>) -> Self {
        let rows = value.and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        rows.iter().filter_map(Json::as_object).map(read).collect()
    }

    fn write(&self) -> Json {
        let row = |validation: &Validation| {
            let on = validation.on.iter().filter_map(|on| On::ALL.iter().find(|(known, _)| known == on));
            json!({
                "when": validation.when.source,
                "message": validation.message,
                "field": validation.field,
                "on": on.map(|(_, name)| *name).collect::<Vec<_>>().join(", "),
            })
        };
        self.iter().map(row).collect()
    }
}

fn read(row: &Map<String, Json>) -> Validation {
    let on: Vec<On> = names(row.get("on")).iter().filter_map(|name| On::parse(name)).collect();
    Validation {
        when: Expression::parse_formula(&String::read(row.get("when"))),
        message: String::read(row.get("message")).trim().to_owned(),
        field: Option::<String>::read(row.get("field")),
        on: if on.is_empty() { vec![On::Save] } else { on },
    }
}

/// What `on` names: a text with commas, or a list.
pub(crate) fn names(on: Option<&Json>) -> Vec<String> {
    match on {
        Some(Json::Array(names)) => names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect(),
        on => Vec::<String>::read(on),
    }
}
