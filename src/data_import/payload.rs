//! Rows of a table as documents: which rows belong together, what they say, and what is wrong with them. No input or output.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::cell;
use super::columns::Column;
use super::formats::Formats;
use crate::meta::DocType;
use crate::spreadsheet::{Cell, Row};

/// What is to be done with the documents of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ImportType {
    /// Every one is new.
    Insert,
    /// Every one is there.
    Update,
    /// Those that are there are updated, the others are new.
    InsertOrUpdate,
}

impl ImportType {
    /// As the form says it.
    pub(super) fn parse(option: &str) -> Option<Self> {
        match option {
            "Insert New Records" => Some(Self::Insert),
            "Update Existing Records" => Some(Self::Update),
            "Insert or Update Records" => Some(Self::InsertOrUpdate),
            _ => None,
        }
    }
}

/// How the rows of a file are read.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The DocType.
    pub doctype: Arc<DocType>,
    /// What is to be done.
    pub import_type: ImportType,
    /// The row with the headings.
    pub head: u64,
    /// What the columns of the file are called there.
    pub headings: Vec<String>,
    /// What they mean; `None`: they are left out.
    pub columns: Vec<Option<Column>>,
    /// How days and numbers are written.
    pub formats: Formats,
}

/// One document of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Payload {
    /// Which one of the file, from 1.
    pub index: u64,
    /// Its rows: its own, and those that go on with rows of its tables.
    pub rows: Vec<Row>,
}

/// Something that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Problem {
    /// The row, as a spreadsheet numbers it.
    pub row: u64,
    /// The column, from 1; 0: the row as a whole.
    pub column: usize,
    /// What the column is called.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub heading: String,
    /// What is wrong.
    pub message: String,
}

/// What a file says of one document.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// Its values, as REST takes them.
    pub values: Map<String, Json>,
    /// What cannot be read.
    pub problems: Vec<Problem>,
}

impl Said {
    /// The name that the file gives; empty for none.
    pub(super) fn name(&self) -> &str {
        self.values.get("name").and_then(Json::as_str).unwrap_or_default()
    }

    /// The values of a new document: what was left empty gets its default.
    pub(super) fn of_new(&self) -> Map<String, Json> {
        let filled = self.values.iter().filter(|(_, value)| !value.is_null());
        filled.map(|(key, value)| (key.clone(), with_new_rows(value))).collect()
    }

    /// The values of a document that is there: what was left empty is emptied, but in new rows.
    pub(super) fn of_stored(&self) -> Map<String, Json> {
        let values = self.values.iter().filter(|(key, _)| *key != "name");
        values.map(|(key, value)| (key.clone(), with_new_rows(value))).collect()
    }
}

/// A value; of rows, those that are new without what was left empty.
fn with_new_rows(value: &Json) -> Json {
    let Json::Array(rows) = value else { return value.clone() };
    let row = |row: &Json| match row {
        Json::Object(values) if !values.contains_key("name") => {
            let filled = values.iter().filter(|(_, value)| !value.is_null());
            Json::Object(filled.map(|(key, value)| (key.clone(), value.clone())).collect())
        }
        other => other.clone(),
    };
    rows.iter().map(row).collect()
}

impl Plan {
    fn mapped<'p>(&'p self, row: &'p Row) -> impl Iterator<Item = (usize, &'p Column, &'p Cell)> + 'p {
        const NOTHING: &Cell = &Cell::Empty;
        let columns = self.columns.iter().enumerate();
        columns.filter_map(|(at, column)| Some((at, column.as_ref()?, row.cells.get(at).unwrap_or(NOTHING))))
    }

    /// Nothing stands in the columns that are imported; nor are the headings a document.
    fn is_empty(&self, row: &Row) -> bool {
        row.number <= self.head || self.mapped(row).all(|(_, _, cell)| cell.is_blank())
    }

    /// Only rows of tables stand there: it goes on with the document above.
    fn goes_on(&self, row: &Row) -> bool {
        self.mapped(row).all(|(_, column, cell)| column.table.is_some() || cell.is_blank())
    }

    pub(super) fn problem(&self, row: u64, column: Option<usize>, message: impl Into<String>) -> Problem {
        let heading = column.and_then(|at| self.headings.get(at)).cloned().unwrap_or_default();
        Problem { row, column: column.map_or(0, |at| at + 1), heading, message: message.into() }
    }

    /// What the rows of a document say.
    pub(super) fn said(&self, payload: &Payload) -> Said {
        let mut said = Said::default();
        let mut tables: Vec<(&str, Vec<Json>)> = Vec::new();
        for (index, row) in payload.rows.iter().enumerate() {
            let mut rows: Vec<(&str, Map<String, Json>, bool)> = Vec::new();
            for (at, column, cell) in self.mapped(row) {
                if column.table.is_none() && index > 0 {
                    continue;
                }
                let value = cell::to_json(column, cell, self.formats).unwrap_or_else(|message| {
                    said.problems.push(self.problem(row.number, Some(at), message));
                    Json::Null
                });
                match &column.table {
                    None if column.is_name() && cell.is_blank() => {}
                    None => drop(said.values.insert(column.fieldname().to_owned(), value)),
                    Some((table, _)) => {
                        let known = rows.iter().position(|(known, ..)| known == table);
                        let place = known.unwrap_or_else(|| {
                            rows.push((table, Map::new(), false));
                            rows.len() - 1
                        });
                        rows[place].2 |= !cell.is_blank();
                        if !(column.is_name() && cell.is_blank()) {
                            rows[place].1.insert(column.fieldname().to_owned(), value);
                        }
                    }
                }
            }
            for (table, values, is_filled) in rows {
                if is_filled {
                    match tables.iter_mut().find(|(known, _)| *known == table) {
                        Some((_, rows)) => rows.push(Json::Object(values)),
                        None => tables.push((table, vec![Json::Object(values)])),
                    }
                }
            }
        }
        // A document without any row of a table says nothing of that table.
        for (table, rows) in tables {
            said.values.insert(table.to_owned(), Json::Array(rows));
        }
        said
    }

    /// Everything that is wrong by the fields alone: values, and what is required of a new document.
    pub(super) fn check(&self, payload: &Payload, is_new: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, row) in payload.rows.iter().enumerate() {
            for (at, column, cell) in self.mapped(row) {
                if column.table.is_none() && index > 0 || cell.is_blank() || column.is_name() {
                    continue;
                }
                // What cannot be read is told by `said`.
                let Ok(value) = cell::to_json(column, cell, self.formats) else { continue };
                if let Err(message) = cell::check(column, &value) {
                    problems.push(self.problem(row.number, Some(at), message));
                }
            }
            for (table, is_filled, has_name) in self.tables_of(row) {
                if is_filled && !has_name {
                    self.check_required(row, Some(table), &mut problems);
                }
            }
            if index == 0 && is_new {
                self.check_required(row, None, &mut problems);
            }
        }
        problems
    }

    /// The tables of which a row holds something: whether it does, and whether it names a row that is there.
    fn tables_of<'p>(&'p self, row: &'p Row) -> Vec<(&'p str, bool, bool)> {
        let mut tables: Vec<(&str, bool, bool)> = Vec::new();
        for (_, column, cell) in self.mapped(row) {
            let Some((table, _)) = &column.table else { continue };
            let filled = !cell.is_blank();
            match tables.iter_mut().find(|(known, ..)| known == table) {
                Some(known) => {
                    known.1 |= filled;
                    known.2 |= filled && column.is_name();
                }
                None => tables.push((table, filled, filled && column.is_name())),
            }
        }
        tables
    }

    fn check_required(&self, row: &Row, table: Option<&str>, problems: &mut Vec<Problem>) {
        let of_table = |column: &Column| column.table.as_ref().map(|(table, _)| table.as_str()) == table;
        for (at, column, cell) in self.mapped(row).filter(|(_, column, _)| of_table(column)) {
            if column.is_required() && cell.is_blank() {
                problems.push(self.problem(row.number, Some(at), format!("{} is required", column.label())));
            }
        }
    }

    /// What new documents need, and new rows of the tables that the file has, and no column is mapped to.
    pub(super) fn unmapped(&self, all: &[Column]) -> Vec<Problem> {
        let mapped = || self.columns.iter().flatten();
        let is_new = self.import_type == ImportType::Insert;
        let is_needed = |column: &&Column| match &column.table {
            None => is_new,
            Some(_) => mapped().any(|known| known.table == column.table) && is_new,
        };
        let missing = all.iter().filter(|column| {
            column.is_required() && is_needed(column) && !mapped().any(|known| known.key() == column.key())
        });
        missing
            .map(|column| {
                self.problem(0, None, format!("{} is required, and no column is mapped to it", column.label()))
            })
            .collect()
    }

    /// The file's row and column of a problem that the engine found at a field, or at one of a row of a table.
    pub(super) fn place(
        &self,
        payload: &Payload,
        field: Option<&str>,
        row: Option<&(String, usize)>,
    ) -> (u64, Option<usize>) {
        let table = row.map(|(table, _)| table.as_str());
        let column = field.and_then(|field| {
            self.columns.iter().position(|column| {
                column.as_ref().is_some_and(|column| {
                    column.fieldname() == field && column.table.as_ref().map(|(table, _)| table.as_str()) == table
                })
            })
        });
        let mut of_table = payload.rows.iter().filter(|candidate| match table {
            None => true,
            Some(table) => self.tables_of(candidate).iter().any(|(known, is_filled, _)| *known == table && *is_filled),
        });
        let nth = row.map_or(0, |(_, idx)| idx.saturating_sub(1));
        let found = of_table.nth(nth).or(payload.rows.first());
        (found.map_or(0, |row| row.number), column)
    }
}

/// Puts rows together to documents.
#[derive(Debug)]
pub(super) struct Assembler {
    plan: Arc<Plan>,
    current: Option<Payload>,
    count: u64,
}

impl Assembler {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self { plan, current: None, count: 0 }
    }

    /// Takes a row; gives the document that is complete with it.
    pub(super) fn push(&mut self, row: Row) -> Option<Payload> {
        if self.plan.is_empty(&row) {
            return None;
        }
        if let Some(current) = &mut self.current
            && self.plan.goes_on(&row)
        {
            current.rows.push(row);
            return None;
        }
        self.count += 1;
        self.current.replace(Payload { index: self.count, rows: vec![row] })
    }

    /// The last document.
    pub(super) fn finish(&mut self) -> Option<Payload> {
        self.current.take()
    }

    /// How many documents there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}
