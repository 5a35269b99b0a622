//! What an import would do, before it does anything: the first documents of its file, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value as Json, json};

use super::columns::Column;
use super::import::{DataImport, LOOKED_AT, Opened};
use super::payload::{Assembler, ImportType, Payload, Problem};
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::meta::{DocField, Fieldtype};
use crate::permissions::Session;
use crate::web::Site;

/// How many rows a preview shows.
const SHOWN: usize = 10;
/// How many problems it tells.
const MOST_PROBLEMS: usize = 200;
/// How many names are looked up at once.
const AT_ONCE: usize = 400;
/// How much of a cell is shown.
const LONGEST_CELL: usize = 100;

/// What the preview answers, in Frappe's words where it has them.
pub(super) async fn preview(site: &Site, session: &Session, import: &DataImport) -> Result<Json> {
    let opened = import.open(site, session).await?;
    let mut assembler = Assembler::new(std::sync::Arc::clone(&opened.plan));
    let is_whole = opened.first.len() < LOOKED_AT;
    let mut payloads: Vec<Payload> = opened.first.iter().filter_map(|row| assembler.push(row.clone())).collect();
    // The last one may go on behind the rows that were looked at.
    payloads.extend(assembler.finish().filter(|_| is_whole));
    let mut problems = check(&site.documents, session, &opened, &payloads).await?;
    let unmapped = opened.plan.unmapped(&opened.all);
    let is_bad_whole = !unmapped.is_empty();
    problems.extend(unmapped);
    problems.sort_by_key(|problem| (problem.row, problem.column));
    let refused: BTreeSet<u64> = problems.iter().map(|problem| problem.row).collect();
    let count = problems.len();
    problems.truncate(MOST_PROBLEMS);
    let is_bad = |payload: &&Payload| is_bad_whole || payload.rows.iter().any(|row| refused.contains(&row.number));
    let plan = &opened.plan;
    Ok(json!({
        "columns": plan.headings.iter().zip(&opened.meanings).enumerate().map(|(at, (heading, meaning))| json!({
            "index": at,
            "header_title": heading,
            "map_to_field": meaning.key,
            "skip_import": plan.columns[at].is_none(),
            "note": meaning.note,
        })).collect::<Json>(),
        "fields": opened.all.iter().map(|column| json!({
            "value": column.key(), "label": column.label(), "required": column.is_required(),
        })).collect::<Json>(),
        "data": opened.first.iter().take(SHOWN).map(|row| json!({
            "row_number": row.number,
            "cells": (0..plan.headings.len()).map(|at| row.cells.get(at).map(|cell| shortened(&cell.text())).unwrap_or_default())
                .collect::<Json>(),
        })).collect::<Json>(),
        "warnings": problems,
        "total_number_of_warnings": count,
        "number_of_documents": payloads.len(),
        "number_of_bad_documents": payloads.iter().filter(is_bad).count(),
        "max_rows_exceeded": !is_whole,
        "max_rows_in_preview": LOOKED_AT,
        "kind": opened.source.kind,
        "note": opened.source.note,
        "rows_in_preview": opened.first.len(),
    }))
}

fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST_CELL).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// Everything that is wrong with documents of a file and can be told without writing.
async fn check(
    documents: &Documents,
    session: &Session,
    opened: &Opened,
    payloads: &[Payload],
) -> Result<Vec<Problem>> {
    let plan = &opened.plan;
    let mut problems = Vec::new();
    let mut names: HashMap<String, u64> = HashMap::new();
    let mut links = Links::default();
    let existing = existing(documents, session, opened, payloads).await?;
    for payload in payloads {
        let said = plan.said(payload);
        let Some(first) = payload.rows.first() else { continue };
        let name = said.name().to_owned();
        let name_column = plan.columns.iter().flatten().any(|column| column.is_name() && column.table.is_none());
        let at_name = plan
            .columns
            .iter()
            .position(|column| column.as_ref().is_some_and(|column| column.is_name() && column.table.is_none()));
        let is_there = !name.is_empty() && existing.contains(&name);
        if !name.is_empty()
            && let Some(other) = names.insert(name.clone(), first.number)
        {
            problems.push(plan.problem(first.number, at_name, format!("Row {other} has the ID {name} as well")));
        }
        match plan.import_type {
            ImportType::Insert if is_there => {
                let message = format!("{} {name} is there already: update it instead", plan.doctype.name);
                problems.push(plan.problem(first.number, at_name, message));
            }
            ImportType::Update if name.is_empty() && name_column => {
                problems.push(plan.problem(first.number, at_name, "The ID is missing: updates need it"));
            }
            ImportType::Update if !name.is_empty() && !is_there => {
                let message = format!("There is no {} {name} that you may read", plan.doctype.name);
                problems.push(plan.problem(first.number, at_name, message));
            }
            _ => {}
        }
        let is_new =
            plan.import_type == ImportType::Insert || plan.import_type == ImportType::InsertOrUpdate && !is_there;
        problems.extend(said.problems);
        problems.extend(plan.check(payload, is_new));
        links.collect(opened, payload);
    }
    if plan.import_type == ImportType::Update
        && !plan.columns.iter().flatten().any(|c| c.is_name() && c.table.is_none())
    {
        problems.push(plan.problem(0, None, "No column is mapped to ID: updates find their documents by it"));
    }
    links.check(documents, session, opened, &mut problems).await?;
    Ok(problems)
}

/// Which of the names in a file there are.
async fn existing(
    documents: &Documents,
    session: &Session,
    opened: &Opened,
    payloads: &[Payload],
) -> Result<BTreeSet<String>> {
    let names: BTreeSet<String> = payloads
        .iter()
        .map(|payload| opened.plan.said(payload).name().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    Ok(found(documents, session, &opened.plan.doctype.name, &names).await?.unwrap_or_default())
}

/// Which of these names documents have that the session may read; `None` where it may read none.
async fn found(
    documents: &Documents,
    session: &Session,
    doctype: &str,
    names: &BTreeSet<String>,
) -> Result<Option<BTreeSet<String>>> {
    let mut all = BTreeSet::new();
    let names: Vec<&String> = names.iter().collect();
    for part in names.chunks(AT_ONCE) {
        let request = ListRequest::new(doctype).filters(json!([["name", "in", part]])).all();
        match documents.list(session, &request).await {
            Ok(list) => all.extend(list.to_json().into_iter().map(|row| match &row["name"] {
                Json::String(name) => name.clone(),
                other => other.to_string(),
            })),
            Err(error) if error.is_failure() => return Err(error),
            Err(Error::Validation(_) | Error::BadRequest(_)) => {}
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(all))
}

/// The links of a file, to be looked up together: target, and value with where it stands.
#[derive(Default)]
struct Links(BTreeMap<String, BTreeMap<String, Vec<(u64, usize)>>>);

impl Links {
    fn collect(&mut self, opened: &Opened, payload: &Payload) {
        for row in &payload.rows {
            for (at, column) in opened.plan.columns.iter().enumerate() {
                let Some((target, cell)) = column.as_ref().and_then(link_target).zip(row.cells.get(at)) else {
                    continue;
                };
                let name = cell.text();
                if !name.trim().is_empty() {
                    let places = self.0.entry(target.to_owned()).or_default().entry(name).or_default();
                    places.push((row.number, at));
                }
            }
        }
    }

    async fn check(
        self,
        documents: &Documents,
        session: &Session,
        opened: &Opened,
        problems: &mut Vec<Problem>,
    ) -> Result<()> {
        let plan = &opened.plan;
        for (target, values) in self.0 {
            let names = values.keys().cloned().collect();
            // Links to documents of the same kind may point at what the file brings.
            let Some(known) = found(documents, session, &target, &names).await? else { continue };
            let brings = target == plan.doctype.name && plan.import_type != ImportType::Update;
            for (name, places) in values {
                if known.contains(&name) || brings {
                    continue;
                }
                let message = format!("There is no {target} called {name}");
                problems.extend(places.iter().map(|(row, at)| plan.problem(*row, Some(*at), message.clone())));
            }
        }
        Ok(())
    }
}

/// The DocType that a Link of this column points at, where it has to be there and be readable.
fn link_target(column: &Column) -> Option<&str> {
    let is_asked = |field: &&DocField| field.fieldtype == Fieldtype::Link && !field.ignore_permissions;
    let target = column.field().filter(is_asked)?.link_target()?;
    (target != "DocType").then_some(target)
}
