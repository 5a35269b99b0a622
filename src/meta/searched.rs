//! Where documents are searched: the columns with an index of trigrams, and those with an index of words.

use crate::meta::docfield::DocField;
use crate::meta::doctype::{Column, DocType, slot};
use crate::meta::fieldtype::{ColumnType, Fieldtype};

impl DocType {
    /// The columns in which the quick search of a list, the search over everything and link pickers look for a part of a text:
    /// the name, unless it is opaque, the title and the search fields, as far as they hold text.
    pub(crate) fn searched_columns(&self) -> Vec<&Column> {
        let name = (!self.naming_rule.is_opaque() || !self.has_table()).then_some("name");
        let named = name.into_iter().chain(self.title_field.as_deref());
        let mut found: Vec<&Column> = Vec::new();
        for name in named.chain(self.search_fields.iter().map(String::as_str)) {
            let Some(index) = self.column(name) else { continue };
            let column = &self.columns[index];
            let is_text =
                matches!(column.column_type, ColumnType::Varchar(_) | ColumnType::Text | ColumnType::LongText);
            let is_hidden =
                self.column_field(index).is_some_and(|field| field.secret || field.fieldtype == Fieldtype::Password);
            if is_text && !is_hidden && !found.iter().any(|known| known.name == column.name) {
                found.push(column);
            }
        }
        found
    }

    /// Those of the searched columns that have an index of trigrams, which every write pays for: all or none. What only the
    /// program writes (`in_create`), such as logs, has none; nor has what holds texts of any length, of which a few megabytes
    /// would keep every other writer of SQLite waiting.
    pub(crate) fn trigram_columns(&self) -> Vec<&Column> {
        let columns = self.searched_columns();
        let is_short = columns.iter().all(|column| matches!(column.column_type, ColumnType::Varchar(_)));
        if is_short && self.has_table() && !self.istable && !self.in_create { columns } else { Vec::new() }
    }

    /// The columns whose words the search over everything finds: what names a document (the name and the title), and the texts
    /// of fields with `in_global_search`. What not every reader of the DocType may see is never among them. None of either
    /// where nothing but an opaque name could be found.
    pub(crate) fn word_columns(&self) -> (Vec<&Column>, Vec<&Column>) {
        if !self.is_found() {
            return (Vec::new(), Vec::new());
        }
        let is_open = |field: &DocField| {
            field.permlevel == 0 && !field.mask && !field.secret && field.fieldtype != Fieldtype::Password
        };
        let is_text = |column: &&Column| {
            matches!(column.column_type, ColumnType::Varchar(_) | ColumnType::Text | ColumnType::LongText)
        };
        let title = self.title_field.as_deref().filter(|title| *title != "name");
        let open = |column: &&Column| is_text(column) && column.field.is_some_and(|index| is_open(&self.fields[index]));
        let named = title.and_then(|title| self.column(title)).map(|index| &self.columns[index]).filter(open);
        let is_further = |column: &&Column| {
            let field = column.field.map(|index| &self.fields[index]);
            field.is_some_and(|field| field.in_global_search) && title != Some(&column.name)
        };
        let heads: Vec<&Column> = std::iter::once(&self.columns[slot::NAME]).chain(named).collect();
        let further: Vec<&Column> = self.columns.iter().filter(open).filter(is_further).collect();
        let tells_nothing = heads.len() == 1 && further.is_empty() && self.naming_rule.is_opaque();
        if tells_nothing { (Vec::new(), Vec::new()) } else { (heads, further) }
    }

    /// Whether the search over everything finds its documents: those of people, not what the program writes for itself.
    pub(crate) fn is_found(&self) -> bool {
        let is_plumbing = matches!(self.document_type(), Some("System" | "Log")) || self.in_create;
        self.has_table() && !self.istable && !is_plumbing
    }
}
