//! What a condition (`depends_on`, …) sees of a document.

use crate::meta::expression::Scope;
use crate::meta::{Document, Value};
use crate::permissions::Session;

/// A document, or a row with its parent, as the scope of conditions.
pub(crate) struct DocumentScope<'a> {
    /// The document or row.
    pub document: &'a Document,
    /// The parent, for rows.
    pub parent: Option<&'a Document>,
    /// Who asks.
    pub session: &'a Session,
}

impl Scope for DocumentScope<'_> {
    fn value(&self, fieldname: &str) -> Value {
        self.document.get(fieldname).clone()
    }

    fn rows(&self, fieldname: &str) -> Option<usize> {
        self.document.doctype.table(fieldname).map(|table| self.document.tables[table].len())
    }

    fn parent_value(&self, fieldname: &str) -> Value {
        self.parent.map_or(Value::Null, |parent| parent.get(fieldname).clone())
    }

    fn is_new(&self) -> bool {
        self.parent.unwrap_or(self.document).is_new
    }

    fn user(&self) -> &str {
        self.session.user()
    }

    fn has_role(&self, role: &str) -> bool {
        self.session.has_role(role)
    }
}
