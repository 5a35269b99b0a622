//! One document or row as its form shows it: what was typed, else what is stored; also the scope of its conditions.

use std::borrow::Cow;

use chrono::NaiveDateTime;

use crate::desk::form::posted::{Posted, Typed};
use crate::meta::expression::Scope;
use crate::meta::{DocField, Document, Fieldtype, Value, fieldtype};
use crate::permissions::Session;

/// What is typed, over what is stored.
#[derive(Clone, Copy)]
pub(crate) struct Draft<'a> {
    /// The stored document, or an empty one.
    pub document: &'a Document,
    /// What was typed into its form, if it comes back with problems.
    pub typed: Option<&'a Typed>,
    /// The whole form that came, for the tables.
    pub posted: Option<&'a Posted>,
    /// Of a row: the document around it.
    pub parent: Option<&'a Draft<'a>>,
    /// Who looks.
    pub session: &'a Session,
    /// What the clocks of the site show.
    pub now: NaiveDateTime,
}

impl Draft<'_> {
    /// The text to edit.
    pub(crate) fn text(&self, field: &DocField) -> Cow<'_, str> {
        match self.typed.and_then(|typed| typed.get(&field.fieldname)) {
            Some(text) => Cow::Borrowed(text),
            None => match self.document.get(&field.fieldname) {
                Value::Text(text) => Cow::Borrowed(text),
                Value::Null => Cow::Borrowed(""),
                value @ Value::Float(_) if field.fieldtype == Fieldtype::Duration => {
                    Cow::Owned(fieldtype::display(field, value))
                }
                value => Cow::Owned(value.to_string()),
            },
        }
    }

    /// The value that conditions see.
    pub(crate) fn value(&self, fieldname: &str) -> Value {
        let doctype = &self.document.doctype;
        if let Some(text) = self.typed.and_then(|typed| typed.get(fieldname))
            && let Some(field) = doctype.field(fieldname)
            && let Some(column_type) = field.fieldtype.column_type(field)
            && field.fieldtype != Fieldtype::Password
        {
            // What does not parse is still something.
            return fieldtype::parse_text(field, column_type, text).unwrap_or_else(|_| Value::from(text.as_str()));
        }
        self.document.get(fieldname).clone()
    }
}

impl Scope for Draft<'_> {
    fn value(&self, fieldname: &str) -> Value {
        Draft::value(self, fieldname)
    }

    fn rows(&self, fieldname: &str) -> Option<usize> {
        let table = self.document.doctype.table(fieldname)?;
        let posted = self.posted.and_then(|posted| posted.tables.get(fieldname));
        Some(posted.map_or(self.document.tables[table].len(), Vec::len))
    }

    fn parent_value(&self, fieldname: &str) -> Value {
        self.parent.map_or(Value::Null, |parent| Draft::value(parent, fieldname))
    }

    fn now(&self) -> NaiveDateTime {
        self.now
    }

    fn is_new(&self) -> bool {
        self.document.is_new
    }

    fn user(&self) -> &str {
        self.session.user()
    }

    fn has_role(&self, role: &str) -> bool {
        self.session.has_role(role)
    }
}
