//! Rows of a Frappe site as rows of this one, table by table, in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use serde_json::Value as Json;

use crate::app::backup::archive::{self, Content, Counting};
use crate::app::backup::write_rows;
use crate::app::import_frappe::adapt::Adapting;
use crate::app::import_frappe::fate::Fates;
use crate::app::import_frappe::report::Report;
use crate::clock::Zone;
use crate::database::Transaction;
use crate::database::frappe_source::FrappeSource;
use crate::database::schema::names;
use crate::database::schema::wanted::value_for_null;
use crate::database::transfer::{self, Table};
use crate::document::defaults::fill_static;
use crate::meta::doctype::slot;
use crate::meta::fieldtype::{self, Shape};
use crate::meta::naming_rule::NamingRule;
use crate::meta::{ColumnType, DocType, Document, Registry, Value};

/// Rows on their way.
pub(super) struct Rows<'a, 'f> {
    /// From here.
    pub source: &'a mut FrappeSource,
    /// To here.
    pub transaction: &'a Transaction,
    /// What moves.
    pub fates: &'a Fates,
    /// What they become.
    pub adapting: Adapting<'a, 'f>,
    /// What is told.
    pub report: &'a mut Report,
    /// What was written, by table.
    pub written: BTreeMap<String, Content>,
}

/// Which rows of a child table come along.
#[derive(Default)]
struct Kept {
    /// The names of those whose document is gone.
    lost: BTreeSet<String>,
    /// The DocTypes whose documents do not move, with the number of rows.
    left: BTreeMap<String, u64>,
}

impl Rows<'_, '_> {
    /// Writes rows that are ready.
    pub(super) async fn write(&mut self, table: &Table, mut rows: Vec<Vec<Value>>) -> anyhow::Result<()> {
        let mut counting = Counting::default();
        for row in &rows {
            counting.add(&archive::to_line(row));
        }
        write_rows(self.transaction, table, &mut rows).await?;
        self.written.insert(table.name.clone(), counting.content());
        Ok(())
    }

    /// The rows of a DocType's table.
    pub(super) async fn documents(&mut self, table: &Table, doctype: &Arc<DocType>) -> anyhow::Result<()> {
        let present: Vec<String> = self.source.columns(&table.name).to_vec();
        let columns: Vec<&str> =
            present.iter().map(String::as_str).filter(|name| doctype.column(name).is_some()).collect();
        let places: Vec<usize> = columns.iter().filter_map(|name| doctype.column(name)).collect();
        let mut kept = if doctype.istable { self.lost_rows(&table.name).await? } else { Kept::default() };
        let mut blank = Document::new(Arc::clone(doctype));
        fill_static(&mut blank);
        let mut counting = Counting::default();
        let mut misfits: BTreeMap<&str, (u64, String)> = BTreeMap::new();
        let (mut moved, mut last) = (0, 0);
        let mut rows = self.source.rows(&table.name, &columns).chunks(transfer::rows_at_once(table));
        while let Some(chunk) = rows.next().await {
            let mut ready = Vec::with_capacity(chunk.len());
            for cells in chunk {
                let mut document = blank.clone();
                for (place, cell) in places.iter().zip(cells.with_context(|| format!("read {}", table.name))?) {
                    let (value, fits) = value(doctype, *place, cell, self.adapting.zone);
                    document.values[*place] = value;
                    if !fits {
                        let misfit = misfits.entry(&doctype.columns[*place].name).or_default();
                        misfit.0 += 1;
                        misfit.1 = document.name();
                    }
                }
                if doctype.istable && !kept.keeps(&document, self.adapting.registry, self.fates) {
                    continue;
                }
                self.adapting.adapt(&mut document, self.report)?;
                let values = shaped(doctype, document.values);
                last = last.max(values[slot::NAME].as_int().unwrap_or(0));
                counting.add(&archive::to_line(&values));
                ready.push(values);
                moved += 1;
            }
            write_rows(self.transaction, table, &mut ready).await?;
        }
        drop(rows);
        for (column, (rows, name)) in misfits {
            self.report.blemish(format!(
                "{}: {column} has values that do not fit its type in {rows} rows, such as {name}: they are left out or cut here",
                doctype.name
            ));
        }
        for (parent, rows) in kept.left {
            let why = if self.fates.moves(&parent) { "has no such rows here" } else { "does not move" };
            self.report.left(&doctype.name, rows, &format!("they belong to {parent}, which {why}"));
        }
        if doctype.naming_rule == NamingRule::Autoincrement {
            let next = self.source.next_number(&names::sequence(&doctype.name)).await?;
            transfer::set_counter(self.transaction, table, next.map_or(last, |next| last.max(next - 1))).await?;
        }
        self.report.moved.insert(doctype.name.clone(), moved);
        self.written.insert(table.name.clone(), counting.content());
        Ok(())
    }

    async fn lost_rows(&mut self, table: &str) -> anyhow::Result<Kept> {
        let mut kept = Kept::default();
        for parent in self.source.distinct(table, "parenttype").await? {
            let parent_table = format!("tab{parent}");
            if self.source.columns(&parent_table).is_empty() {
                continue;
            }
            let orphans = self.source.orphans(table, &parent_table).await?;
            kept.lost.extend(orphans.into_iter().filter_map(|mut row| row.swap_remove(0)));
        }
        Ok(kept)
    }

    /// The rows of `tabSingles`.
    pub(super) async fn singles(&mut self, table: &Table) -> anyhow::Result<()> {
        let mut by_doctype: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for row in self.source.all("tabSingles", &["doctype", "field", "value"], &["doctype", "field"]).await? {
            if let [Some(doctype), Some(field), Some(value)] = row.as_slice() {
                by_doctype.entry(doctype.clone()).or_default().push((field.clone(), value.clone()));
            }
        }
        let mut rows = Vec::new();
        let registry = self.adapting.registry;
        for doctype in registry.iter().filter(|doctype| doctype.issingle && self.fates.moves(&doctype.name)) {
            let Some(cells) = by_doctype.remove(&doctype.name) else { continue };
            let mut document = Document::new(Arc::clone(doctype));
            fill_static(&mut document);
            for (field, cell) in cells {
                let Some(place) = doctype.column(&field) else { continue };
                let (value, fits) = value(doctype, place, Some(cell), self.adapting.zone);
                let of_field = doctype.column_field(place);
                let is_valid = of_field
                    .is_none_or(|field| fieldtype::validate(field, doctype.columns[place].column_type, &value).is_ok());
                if fits && is_valid {
                    document.values[place] = value;
                } else {
                    self.report
                        .blemish(format!("{}: {field} holds what is not valid here; it has its default", doctype.name));
                }
            }
            document.set_name(doctype.name.as_str());
            for (column, value) in doctype.columns.iter().zip(document.values) {
                let text = if value == Value::Null { Value::Null } else { Value::Text(value.to_string()) };
                rows.push(vec![Value::from(doctype.name.as_str()), Value::from(column.name.as_str()), text]);
            }
            self.report.moved.insert(doctype.name.clone(), 1);
        }
        self.write(table, rows).await
    }

    /// The counters of series.
    pub(super) async fn series(&mut self, table: &Table) -> anyhow::Result<()> {
        let found = self.source.all("tabSeries", &["name", "current"], &["name"]).await?;
        let row = |mut row: Vec<Option<String>>| {
            let current = row.pop().flatten().and_then(|current| current.parse::<i64>().ok()).unwrap_or(0);
            vec![Value::from(row.pop().flatten().unwrap_or_default()), Value::Int(current)]
        };
        self.write(table, found.into_iter().map(row).collect()).await
    }
}

impl Kept {
    fn keeps(&mut self, row: &Document, registry: &Registry, fates: &Fates) -> bool {
        if self.lost.contains(&row.name()) {
            return false;
        }
        let parent = row.text("parenttype");
        let has_table = registry.get(parent).is_some_and(|parent| parent.table(row.text("parentfield")).is_some());
        if fates.moves(parent) && has_table {
            return true;
        }
        *self.left.entry(parent.to_owned()).or_default() += 1;
        false
    }
}

/// A cell as the value of a column; false if it is none, so that something of it is lost.
fn value(doctype: &DocType, place: usize, cell: Option<String>, zone: Zone) -> (Value, bool) {
    let column = &doctype.columns[place];
    let nothing = || value_for_null(doctype, place).unwrap_or_default();
    let Some(text) = cell else { return (nothing(), true) };
    let is_unique = doctype.column_field(place).is_some_and(|field| field.unique);
    match column.column_type {
        ColumnType::Varchar(_) | ColumnType::Text | ColumnType::LongText if text.is_empty() && is_unique => {
            (Value::Null, true)
        }
        ColumnType::Varchar(most) if text.chars().count() > usize::from(most) => {
            (Value::Text(text.chars().take(most.into()).collect()), false)
        }
        // PostgreSQL stores no NUL.
        ColumnType::Varchar(_) | ColumnType::Text | ColumnType::LongText if text.contains('\0') => {
            (Value::Text(text.replace('\0', "")), false)
        }
        ColumnType::Varchar(_) | ColumnType::Text | ColumnType::LongText => (Value::Text(text), true),
        _ if text.is_empty() => (nothing(), true),
        column_type => match fieldtype::parse_for_column(column_type, &Json::String(text), zone) {
            Ok(Value::Null) => (nothing(), true),
            Ok(value) => (value, true),
            Err(_) => (nothing(), false),
        },
    }
}

/// The values in the shapes of their columns, as the database gives them back.
fn shaped(doctype: &DocType, mut values: Vec<Value>) -> Vec<Value> {
    for (index, (column, value)) in doctype.columns.iter().zip(&mut values).enumerate() {
        if *value == Value::Null
            && let Some(empty) = value_for_null(doctype, index)
        {
            *value = empty;
        }
        #[expect(clippy::cast_precision_loss, reason = "a Float column holds 15 digits anyway")]
        if let (Shape::Float, Value::Int(number)) = (column.column_type.shape(), &*value) {
            *value = Value::Float(*number as f64);
        }
    }
    values
}
