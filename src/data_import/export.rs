//! Documents as a table that can be imported again: one line for each, and one more for each further row of its tables.

use std::sync::Arc;

use poem::Response;
use serde_json::{Map, Value as Json};

use super::cell;
use super::columns::{self, Column};
use super::describe::describe;
use crate::document::{Cell as Listed, ListRequest};
use crate::error::{Error, Result};
use crate::meta::{DocType, Right};
use crate::permissions::Session;
use crate::spreadsheet::{Cell, Format};
use crate::web::Site;
use crate::web::download::TableDownload;

/// Which documents go into a table.
pub(super) enum Records {
    /// None: a template to fill in.
    None,
    /// Those that a list has.
    Of(Box<ListRequest>),
}

/// A table to be made.
pub(super) struct Export {
    /// The DocType.
    pub doctype: Arc<DocType>,
    /// The keys of the columns; `None`: all, or for a template those that people fill in.
    pub keys: Option<Vec<String>>,
    /// The documents.
    pub records: Records,
    /// The kind of file.
    pub format: Format,
}

/// Refuses DocTypes that have no documents to exchange.
pub(super) fn check_exchanged(doctype: &DocType) -> Result<()> {
    if doctype.issingle || doctype.istable || !doctype.has_table() {
        return Err(Error::misuse(format!("{} has no documents of its own to export or import", doctype.name)));
    }
    Ok(())
}

/// Makes the file. Whether the session may export, and what of each document, is checked here.
pub(super) async fn write(site: &Site, session: &Session, export: Export) -> Result<Response> {
    let documents = &site.documents;
    let Export { doctype, keys, records, format } = export;
    check_exchanged(&doctype)?;
    let grant = documents.grant(session, &doctype);
    match records {
        Records::Of(_) => documents.check_permission(session, &doctype, None, Right::Export)?,
        // What it tells is what whoever fills it in has to know.
        Records::None if grant.may(Right::Create) || grant.may(Right::Write) || grant.may(Right::Export) => {}
        Records::None => documents.check_permission(session, &doctype, None, Right::Create)?,
    }
    let all = columns::all(&documents.registry(), &doctype, &grant, session.is_administrator());
    let chosen = match keys {
        Some(keys) => columns::chosen(&all, &keys)
            .map_err(|key| Error::misuse(format!("{} has no column {key} that you may read", doctype.name)))?,
        None if matches!(records, Records::None) => all.into_iter().filter(is_filled_in).collect(),
        None => all,
    };
    if chosen.is_empty() {
        return Err(Error::misuse("Choose at least one column"));
    }
    let zone = documents.zone(session).name().to_owned();
    let texts: Vec<String> = chosen.iter().map(|column| describe(column, &zone)).collect();
    let headings = columns::headings(&chosen);
    let title = doctype.name.clone();
    let mut table = TableDownload::new(site, format, &title)?;
    let is_template = matches!(records, Records::None);
    table.head(&headings, if is_template { &texts } else { &[] })?;
    if let Records::Of(mut request) = records {
        request.fields = fields(&chosen);
        request.also = vec![Right::Export];
        documents
            .list_in_parts(session, &request, |list| {
                let keys: Vec<Option<usize>> = chosen
                    .iter()
                    .map(|column| {
                        let key = column.table.as_ref().map_or(column.fieldname(), |(table, _)| table);
                        list.keys.iter().position(|known| known == key)
                    })
                    .collect();
                list.rows.iter().try_for_each(|row| write_document(&chosen, &keys, row, &mut table))
            })
            .await?;
    }
    if is_template {
        let rows: Vec<Vec<String>> = chosen
            .iter()
            .zip(headings.iter().zip(&texts))
            .map(|(column, (heading, text))| vec![heading.clone(), text.clone(), column.key()])
            .collect();
        table.writer.help("Help", &["Column", "What it takes", "Fieldname"], &rows)?;
    }
    table.finish(&title)
}

/// The columns of a template that nobody chose: what people fill in by the form.
fn is_filled_in(column: &Column) -> bool {
    column.is_writable
        && !column.is_masked
        && column.field().map_or(column.table.is_none(), |field| !field.read_only && (!field.hidden || field.reqd))
}

/// What a list is asked for: own columns, and of each table those of its rows.
fn fields(chosen: &[Column]) -> Json {
    let mut fields = vec![Json::from("name")];
    let mut tables: Vec<(&str, Vec<Json>)> = Vec::new();
    for column in chosen {
        let fieldname = Json::from(column.fieldname());
        match &column.table {
            None if column.is_name() => {}
            None => fields.push(fieldname),
            Some((table, _)) => match tables.iter_mut().find(|(known, _)| known == table) {
                Some((_, names)) => names.push(fieldname),
                None => tables.push((table, vec![fieldname])),
            },
        }
    }
    fields.extend(
        tables.into_iter().map(|(table, names)| Json::Object(Map::from_iter([(table.to_owned(), Json::from(names))]))),
    );
    Json::Array(fields)
}

fn write_document(chosen: &[Column], keys: &[Option<usize>], row: &[Listed], table: &mut TableDownload) -> Result<()> {
    const NULL: &Json = &Json::Null;
    let values: Vec<Json> = keys.iter().map(|key| key.map_or(Json::Null, |key| row[key].to_json())).collect();
    let lines = values.iter().map(|value| value.as_array().map_or(0, Vec::len)).max().unwrap_or(0).max(1);
    for line in 0..lines {
        let cells: Vec<Cell> = chosen
            .iter()
            .zip(&values)
            .map(|(column, value)| match &column.table {
                None if line == 0 => cell::of_json(column, value),
                None => Cell::Empty,
                Some(_) => {
                    cell::of_json(column, value.get(line).and_then(|row| row.get(column.fieldname())).unwrap_or(NULL))
                }
            })
            .collect();
        table.row(&cells)?;
    }
    Ok(())
}
