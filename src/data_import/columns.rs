//! The columns of a table of documents: the fields of a DocType and of its rows, what they are called, and which heading
//! means which. No input or output.

use std::collections::HashMap;
use std::sync::Arc;

use crate::meta::doctype::slot;
use crate::meta::fieldtype::ColumnType;
use crate::meta::{DocField, DocType, Fieldtype, Registry};
use crate::permissions::Grant;

/// What the column of names is called.
pub(super) const ID: &str = "ID";
/// What a column of the refused rows is called that says why; imports leave it out.
pub(super) const REASON: &str = "Reason for Refusal";

/// One column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// The table field whose rows hold it: its fieldname and label; `None` for the document's own.
    pub table: Option<(String, String)>,
    /// The DocType that has the field.
    pub doctype: Arc<DocType>,
    /// Its index among the columns there.
    pub index: usize,
    /// Whoever imports may change it.
    pub is_writable: bool,
    /// Whoever asks sees it masked.
    pub is_masked: bool,
}

impl Column {
    /// Its field; `None` for the name.
    pub(super) fn field(&self) -> Option<&DocField> {
        self.doctype.column_field(self.index)
    }

    /// `title`, or of a row `items.qty`, as Frappe writes a mapping.
    pub(super) fn key(&self) -> String {
        let name = &self.doctype.columns[self.index].name;
        self.table.as_ref().map_or_else(|| name.clone(), |(table, _)| format!("{table}.{name}"))
    }

    /// The fieldname, or `name`.
    pub(super) fn fieldname(&self) -> &str {
        &self.doctype.columns[self.index].name
    }

    /// Its type.
    pub(super) fn column_type(&self) -> ColumnType {
        self.doctype.columns[self.index].column_type
    }

    /// Holds the name of the document or of a row.
    pub(super) fn is_name(&self) -> bool {
        self.index == slot::NAME
    }

    /// `Title`, whether of the document or of a row.
    pub(super) fn own_label(&self) -> &str {
        self.field().map_or(ID, |field| if field.label.is_empty() { &field.fieldname } else { &field.label })
    }

    /// `Title`, or of a row `Quantity (Items)`.
    pub(super) fn label(&self) -> String {
        let own = self.own_label();
        self.table.as_ref().map_or_else(|| own.to_owned(), |(_, table)| format!("{own} ({table})"))
    }

    /// Whether a new document, or a new row, needs a value in the file.
    pub(super) fn is_required(&self) -> bool {
        self.field().is_some_and(|field| {
            let comes_by_itself = field.default.as_deref().is_some_and(|default| !default.is_empty())
                || field.fetch_from.is_some()
                || field.fieldtype.is_never_null();
            field.reqd && !comes_by_itself
        })
    }
}

/// Every column that the grant reads, in the order of the form: own fields first, then those of each table.
pub(super) fn all(registry: &Registry, doctype: &Arc<DocType>, grant: &Grant, is_administrator: bool) -> Vec<Column> {
    let reads = |level: u8| is_administrator || level == 0 || grant.reads_level(level);
    let writes = |level: u8| is_administrator || grant.writes_level(level);
    let mut columns = vec![Column {
        table: None,
        doctype: Arc::clone(doctype),
        index: slot::NAME,
        is_writable: true,
        is_masked: false,
    }];
    let mut add = |of: &Arc<DocType>, table: Option<(&DocField, bool)>| {
        let place = table.map(|(field, _)| {
            let label = if field.label.is_empty() { &field.fieldname } else { &field.label };
            (field.fieldname.clone(), label.clone())
        });
        let writes_table = table.is_none_or(|(_, writes)| writes);
        if table.is_some() {
            columns.push(Column {
                table: place.clone(),
                doctype: Arc::clone(of),
                index: slot::NAME,
                is_writable: writes_table,
                is_masked: false,
            });
        }
        for field in of.fields.iter().filter(|field| is_exchanged(field) && reads(field.permlevel)) {
            let Some(index) = of.column(&field.fieldname) else { continue };
            columns.push(Column {
                table: place.clone(),
                doctype: Arc::clone(of),
                index,
                is_writable: writes_table && writes(field.permlevel),
                is_masked: !is_administrator && grant.masks(field),
            });
        }
    };
    add(doctype, None);
    for table in doctype.table_fields().filter(|table| reads(table.permlevel)) {
        if let Some(child) = registry.get(table.options.trim()).filter(|child| child.has_table()) {
            add(child, Some((table, writes(table.permlevel))));
        }
    }
    columns
}

/// Fields whose values go into a table and out of it: those with a column, but for secrets.
fn is_exchanged(field: &DocField) -> bool {
    field.has_column() && !field.secret && field.fieldtype != Fieldtype::Password
}

/// The columns that a key list names, in its order; `None` for keys that there are not.
pub(super) fn chosen(all: &[Column], keys: &[String]) -> Result<Vec<Column>, String> {
    keys.iter().map(|key| all.iter().find(|column| column.key() == *key).cloned().ok_or_else(|| key.clone())).collect()
}

/// What the columns are called in a file, each differently: the label, or the fieldname where the label is taken.
pub(super) fn headings(columns: &[Column]) -> Vec<String> {
    let mut headings: Vec<String> = Vec::with_capacity(columns.len());
    for column in columns {
        let label = column.label();
        let is_taken = headings.contains(&label);
        headings.push(if is_taken { column.key() } else { label });
    }
    headings
}

/// Which column each heading means, as Frappe reads them: `Title`, `title`, `Title (title)`, of rows `Quantity (Items)`,
/// `items.qty`, `ID (Items)`; also in other capitals. What two headings mean, the first one does.
pub(super) fn guess(columns: &[Column], headings: &[String]) -> Vec<Option<usize>> {
    let mut by_text: HashMap<String, usize> = HashMap::new();
    let own_labels = |column: &Column| match &column.table {
        None => vec![column.own_label().to_owned(), format!("{} ({})", column.own_label(), column.fieldname())],
        Some((table, label)) => {
            let own = column.own_label();
            vec![format!("{own} ({label})"), format!("{own} ({table})"), format!("{} ({label})", column.fieldname())]
        }
    };
    // Exact names first, so that nobody's label hides a fieldname.
    for (index, column) in columns.iter().enumerate() {
        by_text.entry(column.key()).or_insert(index);
    }
    for (index, column) in columns.iter().enumerate() {
        for text in own_labels(column) {
            by_text.entry(text).or_insert(index);
        }
    }
    let mut by_folded: HashMap<String, usize> = HashMap::new();
    for (index, column) in columns.iter().enumerate() {
        for text in own_labels(column).into_iter().chain([column.key()]) {
            by_folded.entry(text.to_lowercase()).or_insert(index);
        }
    }
    let mut taken = vec![false; columns.len()];
    let mut meant = |heading: &String| {
        let text = heading.trim();
        let found = by_text.get(text).or_else(|| by_folded.get(&text.to_lowercase())).copied()?;
        (!std::mem::replace(&mut taken[found], true)).then_some(found)
    };
    headings.iter().map(&mut meant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::load::{Source, load};

    fn columns() -> Vec<Column> {
        let texts = [
            "name: Item\nistable: 1\nfields:\n- {fieldname: qty, label: Quantity, fieldtype: Int}\n- {fieldname: title, label: Title}\n",
            "name: Order\nfields:\n- {fieldname: title, label: Title}\n- {fieldname: other, label: Title}\n- {fieldname: pin, fieldtype: Password}\n- {fieldname: items, label: Lines, fieldtype: Table, options: Item}\n",
        ];
        let source = |(number, text): (usize, &str)| Source { path: format!("{number}.yaml"), text: text.to_owned() };
        let sources: Vec<Source> = texts.into_iter().enumerate().map(source).collect();
        let registry = Registry::new(load(&sources).doctypes, 1);
        let order = registry.get("Order").unwrap().clone();
        all(&registry, &order, &Grant::default(), true)
    }

    #[test]
    fn every_heading_is_another_one_and_leads_back() {
        let columns = columns();
        let headings = headings(&columns);
        assert_eq!(headings, ["ID", "Title", "other", "ID (Lines)", "Quantity (Lines)", "Title (Lines)"]);
        let all: Vec<_> = (0..columns.len()).map(Some).collect();
        assert_eq!(guess(&columns, &headings), all);
        let keys: Vec<String> = columns.iter().map(Column::key).collect();
        assert_eq!(guess(&columns, &keys), all);
    }

    #[test]
    fn headings_are_read_as_people_write_them() {
        let headings = ["name", "title", "TITLE", "quantity (lines)", "items.qty", "Nothing", "", "Title (items)"];
        let meant = guess(&columns(), &headings.map(str::to_owned));
        assert_eq!(meant, [Some(0), Some(1), None, Some(4), None, None, None, Some(5)]);
    }
}
