//! Fields that decide who somebody is or what they may do: limited credentials leave them as they are.

use crate::document::work::Work;
use crate::document::{defaults, password, validate};
use crate::error::Result;
use crate::meta::{DocField, DocType, Document, Fieldtype};

impl Work<'_> {
    /// Refuses credentials that are limited if guarded fields would change; `before` is the stored document, on updates.
    ///
    /// Whoever can set the password, the roles or the login of an account has whatever its owner has, so that no scope
    /// for its DocType can stand for that.
    pub(super) fn check_guarded(&self, document: &Document, before: Option<&Document>) -> Result<()> {
        let doctype = &document.doctype;
        if self.session.limit.is_none() || !doctype.fields.iter().any(|field| field.guarded) {
            return Ok(());
        }
        let changed = match before {
            Some(before) => changed(document, before),
            None => changed(document, &defaults::new_document(doctype, &self.surroundings())),
        };
        if changed.is_empty() {
            return Ok(());
        }
        let verb = if before.is_some() { "change" } else { "set" };
        let what = format!("{verb} {} of a {}", changed.join(" and "), doctype.name);
        self.documents.check_unlimited(&self.session, &what)
    }
}

/// The labels of guarded fields in which the documents differ.
fn changed<'d>(document: &'d Document, before: &Document) -> Vec<&'d str> {
    changes(document, before).filter(|field| field.guarded).map(|field| field.label.as_str()).collect()
}

/// The fields in which a document differs from its stored state; stars in a Password are no change.
pub(crate) fn changes<'d, 'b>(
    document: &'d Document,
    before: &'b Document,
) -> impl Iterator<Item = &'d DocField> + use<'d, 'b> {
    let doctype: &DocType = &document.doctype;
    let columns = doctype.columns.iter().enumerate().filter_map(|(index, column)| {
        let field = column.field.map(|field| &doctype.fields[field])?;
        let (now, then) = (&document.values[index], &before.values[index]);
        let is_kept = field.fieldtype == Fieldtype::Password && password::is_stars(&now.to_string());
        (!is_kept && !validate::same(now, then)).then_some(field)
    });
    let tables = doctype.table_fields().enumerate();
    let tables = tables.filter(|(table, _)| !same_rows(&document.tables[*table], &before.tables[*table]));
    columns.chain(tables.map(|(_, field)| field))
}

/// Whether rows say the same in the same order, under whatever names.
fn same_rows(rows: &[Document], before: &[Document]) -> bool {
    rows.len() == before.len()
        && rows.iter().zip(before).all(|(row, old)| {
            let mut fields = row.doctype.columns.iter().enumerate().filter(|(_, column)| column.field.is_some());
            fields.all(|(index, _)| validate::same(&row.values[index], &old.values[index]))
        })
}
