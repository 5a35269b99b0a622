//! What a condition (`depends_on`, `formula`, …) sees of a document.

use std::collections::HashMap;

use chrono::NaiveDateTime;

use crate::clock::{Clock, Zone};
use crate::meta::expression::Scope;
use crate::meta::{ColumnType, Document, Fieldtype, Value};
use crate::permissions::Session;

/// What there is beside a document.
pub(crate) struct Around<'a> {
    /// Who asks.
    pub session: &'a Session,
    /// When.
    pub clock: &'a Clock,
    /// The site's zone, in which datetimes are seen.
    pub zone: Zone,
    /// Documents that are read through links.
    pub linked: &'a Linked,
}

/// Documents that formulas read, by DocType and name: whoever writes, what the definition shows of them is the same.
#[derive(Default)]
pub(crate) struct Linked(pub(super) HashMap<(String, String), Option<Document>>);

impl Linked {
    fn value(&self, key: &(String, String), fieldname: &str, zone: Zone) -> Value {
        let Some(document) = self.0.get(key).and_then(Option::as_ref) else { return Value::Null };
        let field = document.doctype.field(fieldname);
        // A Dynamic Link may lead to what no definition would be allowed to show.
        let is_hidden = field.is_some_and(|field| field.secret || field.mask || field.fieldtype == Fieldtype::Password);
        if is_hidden { Value::Null } else { seen(document, fieldname, zone) }
    }
}

/// The DocType and name that a Link or Dynamic Link of a document points at; `None` if it is empty.
pub(super) fn target(document: &Document, link: &str) -> Option<(String, String)> {
    let field = document.doctype.field(link)?;
    let name = document.get(link).to_string();
    let doctype = match field.fieldtype {
        Fieldtype::Link => field.options.trim().to_owned(),
        Fieldtype::DynamicLink => document.text(field.options.trim()).to_owned(),
        _ => return None,
    };
    (!name.is_empty() && !doctype.is_empty()).then_some((doctype, name))
}

/// A value, of datetimes as the clocks of the zone show them.
fn seen(document: &Document, fieldname: &str, zone: Zone) -> Value {
    let value = document.get(fieldname);
    match (document.doctype.column(fieldname), value) {
        (Some(column), Value::Text(text)) if !zone.is_utc() => match document.doctype.columns[column].column_type {
            ColumnType::Datetime => Value::Text(zone.shown(text)),
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

/// A document, or a row with its parent, as the scope of conditions.
#[derive(Clone, Copy)]
pub(crate) struct DocumentScope<'a> {
    /// The document or row.
    pub document: &'a Document,
    /// The parent, for rows.
    pub parent: Option<&'a Document>,
    /// Beside them.
    pub around: &'a Around<'a>,
}

impl DocumentScope<'_> {
    fn through(&self, document: Option<&Document>, link: &str, fieldname: &str) -> Value {
        let key = document.and_then(|document| target(document, link));
        key.map_or(Value::Null, |key| self.around.linked.value(&key, fieldname, self.around.zone))
    }
}

impl Scope for DocumentScope<'_> {
    fn value(&self, fieldname: &str) -> Value {
        seen(self.document, fieldname, self.around.zone)
    }

    fn rows(&self, fieldname: &str) -> Option<usize> {
        self.document.doctype.table(fieldname).map(|table| self.document.tables[table].len())
    }

    fn parent_value(&self, fieldname: &str) -> Value {
        self.parent.map_or(Value::Null, |parent| seen(parent, fieldname, self.around.zone))
    }

    fn each_row(&self, fieldname: &str, visit: &mut dyn FnMut(&dyn Scope)) {
        for row in self.document.rows(fieldname) {
            visit(&Self { document: row, parent: Some(self.document), around: self.around });
        }
    }

    fn linked(&self, link: &str, fieldname: &str) -> Value {
        self.through(Some(self.document), link, fieldname)
    }

    fn parent_linked(&self, link: &str, fieldname: &str) -> Value {
        self.through(self.parent, link, fieldname)
    }

    fn single(&self, doctype: &str, fieldname: &str) -> Value {
        self.around.linked.value(&(doctype.to_owned(), doctype.to_owned()), fieldname, self.around.zone)
    }

    fn now(&self) -> NaiveDateTime {
        self.around.clock.now_in(self.around.zone)
    }

    fn is_new(&self) -> bool {
        self.parent.unwrap_or(self.document).is_new
    }

    fn user(&self) -> &str {
        self.around.session.user()
    }

    fn has_role(&self, role: &str) -> bool {
        self.around.session.has_role(role)
    }
}
