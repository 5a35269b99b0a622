//! A document in memory: the values of one DocType's columns and its child rows. Its life is `document/`.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::clock::Zone;
use crate::meta::docfield::DocField;
use crate::meta::doctype::{DocType, slot};
use crate::meta::fieldtype::{ColumnType, masked};
use crate::meta::value::Value;
use crate::pace;

/// What of a document somebody may see, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Bit n: fields of permlevel n.
    pub levels: u16,
    /// Bit n: masked fields of permlevel n as they are.
    pub unmasked: u16,
    /// The zone of its datetimes.
    pub zone: Zone,
}

impl View {
    /// Everything, as it is stored.
    pub const WHOLE: Self = Self { levels: u16::MAX, unmasked: u16::MAX, zone: Zone::UTC };

    /// Every level, with masks where fields are masked for anybody.
    pub const MASKED: Self = Self { unmasked: 0, ..Self::WHOLE };

    fn reads(self, permlevel: u8) -> bool {
        self.levels & (1 << permlevel.min(9)) != 0
    }

    fn masks(self, field: Option<&DocField>) -> bool {
        field.is_some_and(|field| field.mask && self.unmasked & (1 << field.permlevel.min(9)) == 0)
    }

    /// A stored value as it is seen.
    pub fn value<'v>(self, value: &'v Value, column_type: ColumnType, field: Option<&DocField>) -> Cow<'v, Value> {
        match value {
            value if self.masks(field) => Cow::Owned(field.map_or(Value::Null, |field| masked(field, value))),
            Value::Text(text) if column_type == ColumnType::Datetime && !self.zone.is_utc() => {
                Cow::Owned(Value::Text(self.zone.shown(text)))
            }
            value => Cow::Borrowed(value),
        }
    }
}

/// One document, or one child row.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its DocType.
    pub doctype: Arc<DocType>,
    /// One value for every column, in the order of [`DocType::columns`].
    pub values: Vec<Value>,
    /// The rows of every table field, in the order of [`DocType::tables`].
    pub tables: Vec<Vec<Document>>,
    /// Not stored yet.
    pub is_new: bool,
    /// Secrets that this very save has made, by name: they go out with its answer, once, and are stored nowhere.
    pub revealed: Vec<(&'static str, String)>,
    /// The values of fields that are computed on reading, by fieldname.
    pub computed: Vec<(String, Value)>,
}

impl Document {
    /// An empty document; no defaults yet.
    pub fn new(doctype: Arc<DocType>) -> Self {
        let mut values = vec![Value::Null; doctype.columns.len()];
        values[slot::DOCSTATUS] = Value::Int(0);
        values[slot::IDX] = Value::Int(0);
        let tables = vec![Vec::new(); doctype.tables.len()];
        Self { doctype, values, tables, is_new: true, revealed: Vec::new(), computed: Vec::new() }
    }

    /// A document as read from its table.
    pub fn from_row(doctype: Arc<DocType>, values: Vec<Value>) -> Self {
        debug_assert_eq!(values.len(), doctype.columns.len());
        let tables = vec![Vec::new(); doctype.tables.len()];
        Self { doctype, values, tables, is_new: false, revealed: Vec::new(), computed: Vec::new() }
    }

    /// The name as text; empty before naming.
    pub fn name(&self) -> String {
        self.values[slot::NAME].to_string()
    }

    /// Sets the name, as a number where the DocType is named by autoincrement.
    pub fn set_name(&mut self, name: impl Into<Value>) {
        self.values[slot::NAME] = name.into();
    }

    /// Who made it.
    pub fn owner(&self) -> &str {
        self.values[slot::OWNER].text()
    }

    /// When it was last saved.
    pub fn modified(&self) -> &str {
        self.values[slot::MODIFIED].text()
    }

    /// 0 draft, 1 submitted, 2 cancelled.
    pub fn docstatus(&self) -> i64 {
        self.values[slot::DOCSTATUS].as_int().unwrap_or(0)
    }

    /// The value of a column, or of a field that is computed on reading; Null for names that have none.
    pub fn get(&self, fieldname: &str) -> &Value {
        const NULL: &Value = &Value::Null;
        let computed = || self.computed.iter().find(|(known, _)| known == fieldname).map(|(_, value)| value);
        match self.doctype.column(fieldname) {
            Some(column) => &self.values[column],
            None => computed().unwrap_or(NULL),
        }
    }

    /// The text of a column, empty if it holds none.
    pub fn text(&self, fieldname: &str) -> &str {
        self.get(fieldname).text()
    }

    /// Whether a Check is on.
    pub fn check(&self, fieldname: &str) -> bool {
        self.get(fieldname).is_truthy()
    }

    /// The whole number in a column, 0 if it holds none.
    pub fn int(&self, fieldname: &str) -> i64 {
        self.get(fieldname).as_int().unwrap_or(0)
    }

    /// Sets a column's value as it stands, without parsing. Unknown names are ignored, as in Frappe.
    pub fn set(&mut self, fieldname: &str, value: impl Into<Value>) {
        if let Some(column) = self.doctype.column(fieldname) {
            self.values[column] = value.into();
        }
    }

    /// Sets what a formula gave, in its column or beside the columns.
    pub(crate) fn set_computed(&mut self, fieldname: &str, value: Value) {
        match self.doctype.column(fieldname) {
            Some(column) => self.values[column] = value,
            None => match self.computed.iter_mut().find(|(known, _)| known == fieldname) {
                Some((_, known)) => *known = value,
                None => self.computed.push((fieldname.to_owned(), value)),
            },
        }
    }

    /// How many rows it has, in all its table fields.
    pub fn count_rows(&self) -> usize {
        self.tables.iter().map(Vec::len).sum()
    }

    /// Whether it has so many rows that going through them is long work.
    pub fn has_many_rows(&self) -> bool {
        self.count_rows() > pace::MANY_ROWS
    }

    /// The rows of a table field.
    pub fn rows(&self, fieldname: &str) -> &[Document] {
        self.doctype.table(fieldname).map_or(&[], |table| &self.tables[table])
    }

    /// The rows of a table field, to change.
    pub fn rows_mut(&mut self, fieldname: &str) -> Option<&mut Vec<Document>> {
        let table = self.doctype.table(fieldname)?;
        self.tables.get_mut(table)
    }

    /// Whether some of its fields, or of its rows', are masked for anybody.
    pub fn has_masks(&self) -> bool {
        let masks = |document: &Self| document.doctype.fields.iter().any(|field| field.mask);
        masks(self) || self.tables.iter().filter_map(|rows| rows.first()).any(masks)
    }

    /// The title: the title field's value, or the name.
    pub fn title(&self) -> String {
        self.doctype
            .title_field
            .as_deref()
            .map(|field| self.get(field).to_string())
            .filter(|title| !title.is_empty())
            .unwrap_or_else(|| self.name())
    }

    /// As REST sends it (`docs/frappe/rest.md`: Documents in JSON): standard columns, fields in form order, `doctype`, child arrays.
    ///
    /// The view decides; fields of levels that are not in it are left out. Secret fields are left out always;
    /// Password values are stars of their length; the standard columns `_user_tags`, … appear only if set. What the save
    /// that made this document reveals comes last.
    pub fn to_json(&self, view: View) -> Map<String, Json> {
        let mut out = Map::with_capacity(self.values.len() + self.tables.len() + 1);
        let mut trailing = Vec::new();
        for (column, value) in self.doctype.columns.iter().zip(&self.values) {
            let field = column.field.map(|index| &self.doctype.fields[index]);
            match field {
                Some(field) if field.secret || !view.reads(field.permlevel) => {}
                None if column.name.starts_with('_') => {
                    if !value.is_blank() {
                        trailing.push((column.name.clone(), value.to_json()));
                    }
                }
                Some(_) | None => {
                    out.insert(column.name.clone(), view.value(value, column.column_type, field).to_json());
                }
            }
        }
        for (fieldname, value) in &self.computed {
            let Some(field) = self.doctype.field(fieldname).filter(|field| view.reads(field.permlevel)) else {
                continue;
            };
            if let Some(column_type) = field.fieldtype.column_type(field) {
                out.insert(fieldname.clone(), view.value(value, column_type, Some(field)).to_json());
            }
        }
        out.insert("doctype".to_owned(), Json::String(self.doctype.name.clone()));
        out.extend(trailing);
        for (field, rows) in self.doctype.table_fields().zip(&self.tables) {
            if view.reads(field.permlevel) {
                let rows = rows.iter().map(|row| Json::Object(row.to_json(view))).collect();
                out.insert(field.fieldname.clone(), Json::Array(rows));
            }
        }
        out.extend(self.revealed.iter().map(|(name, secret)| ((*name).to_owned(), Json::String(secret.clone()))));
        out
    }

    /// Everything, for internal use and for people who may read every level.
    pub fn to_json_whole(&self) -> Map<String, Json> {
        self.to_json(View::WHOLE)
    }

    /// The same document, rows included, with masked values and with datetimes as clocks in the zone show them: to be shown,
    /// not stored. Fields of every level are still there.
    #[must_use]
    pub fn seen(mut self, view: View) -> Self {
        for (column, value) in self.doctype.columns.iter().zip(&mut self.values) {
            let field = column.field.map(|index| &self.doctype.fields[index]);
            if let Cow::Owned(shown) = view.value(value, column.column_type, field) {
                *value = shown;
            }
        }
        for (fieldname, value) in &mut self.computed {
            let field = self.doctype.field(fieldname);
            if let Some(column_type) = field.and_then(|field| field.fieldtype.column_type(field))
                && let Cow::Owned(shown) = view.value(value, column_type, field)
            {
                *value = shown;
            }
        }
        for rows in &mut self.tables {
            *rows = std::mem::take(rows).into_iter().map(|row| row.seen(view)).collect();
        }
        self
    }
}
