//! The `fields` parameter: columns, aggregates, and child rows, each under a key of the answer.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::database::query::{ColumnRef, Expression, Function, MAIN};
use crate::document::list::scope::{FoundColumn, Missing, Scope, refuse, shown, split};
use crate::document::list::term::{self, Meaning, Term};
use crate::document::list::visible::{self, Purpose, Visible};
use crate::error::{Error, Result};
use crate::meta::doctype::slot;
use crate::meta::fieldtype::Fieldtype;
use crate::meta::{DocField, DocType};

/// Fields at most: databases limit how many columns a row has.
const MAX_FIELDS: usize = 500;

/// What a list shows.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    /// What the query selects.
    pub items: Vec<Expression<'a>>,
    /// The keys of a row, in order.
    pub outputs: Vec<Output<'a>>,
}

/// One key of a row.
#[derive(Debug)]
pub(super) struct Output<'a> {
    /// The key.
    pub key: String,
    /// Whether the key was asked for with `as`.
    pub is_alias: bool,
    /// Where its value comes from.
    pub source: Source<'a>,
}

/// Where a value comes from.
#[derive(Debug)]
pub(super) enum Source<'a> {
    /// That item of the query.
    Item(usize),
    /// The same, as stars.
    Stars(usize),
    /// The same, masked as the field is.
    Masked(usize, &'a DocField),
    /// Child rows, fetched by a query of their own.
    Children(ChildRows<'a>),
}

/// The rows of one table field, with some of their columns.
#[derive(Debug)]
pub(super) struct ChildRows<'a> {
    /// The table field.
    pub field: &'a DocField,
    /// Its DocType.
    pub child: &'a Arc<DocType>,
    /// The columns, in order, with their keys.
    pub columns: Vec<(usize, String)>,
    /// Whose values are shown masked.
    pub visible: Visible,
}

/// Reads fields.
#[derive(Debug)]
pub(super) struct FieldsReader<'s, 'a> {
    /// The tables.
    pub scope: &'s mut Scope<'a>,
    /// Unknown fields are left out instead of refused.
    pub lenient: bool,
    /// What was found.
    pub fields: Fields<'a>,
}

impl<'a> FieldsReader<'_, 'a> {
    /// The whole parameter: a list, or text that is a list in JSON, `*`, or names with commas between.
    pub(super) fn read(&mut self, fields: &Json) -> Result<()> {
        match fields {
            Json::Null => self.text("name"),
            Json::String(text) => match serde_json::from_str(text) {
                Ok(parsed @ (Json::Array(_) | Json::Object(_) | Json::String(_) | Json::Null)) if *fields != parsed => {
                    self.read(&parsed)
                }
                _ => term::split_commas(text).filter(|field| !field.is_empty()).try_for_each(|field| self.text(field)),
            },
            Json::Array(list) => list.iter().try_for_each(|field| match field {
                Json::String(text) => self.text(text),
                Json::Object(map) => self.object(map),
                other => Err(Error::misuse(format!("fields holds names, not {}", shown(&other.to_string())))),
            }),
            Json::Object(map) => self.object(map),
            Json::Bool(_) | Json::Number(_) => Err(Error::misuse("fields must be a list of names, such as [\"name\"]")),
        }
    }

    /// Adds a column of the main table unless it is there; returns the item.
    pub(super) fn ensure(&mut self, column: ColumnRef<'a>) -> usize {
        self.item(Expression::Column(column))
    }

    fn item(&mut self, wanted: Expression<'a>) -> usize {
        self.fields.items.iter().position(|item| *item == wanted).unwrap_or_else(|| {
            self.fields.items.push(wanted);
            self.fields.items.len() - 1
        })
    }

    fn text(&mut self, text: &str) -> Result<()> {
        let (text, alias) = term::split_alias(text)?;
        if text == "*" || text.ends_with(".*") {
            let table = split(text).0;
            match self.scope.star(table) {
                Ok(columns) => {
                    for found in columns {
                        self.push(Expression::Column(found.column), Some(found), None, table)?;
                    }
                    return Ok(());
                }
                Err(missing) => return self.missing(missing, text),
            }
        }
        self.term(term::parse(text)?, text, alias)
    }

    fn term(&mut self, term: Term<'_>, text: &str, alias: Option<&str>) -> Result<()> {
        match term.find(self.scope, Purpose::Select) {
            Ok(Meaning::Expression(expression, found)) => {
                term::check_function(expression, found.as_ref())?;
                if term.function.is_some() {
                    return self.push(expression, None, alias.or(Some(text)).map(|key| (key, alias.is_some())), None);
                }
                let table = split(term.name).0;
                self.push(expression, found, alias.map(|key| (key, true)), table)
            }
            Ok(Meaning::Table(field)) => self.children(field, &Json::from("*"), alias),
            Err(missing) => self.missing(missing, term.name),
        }
    }

    /// `{"COUNT": "name", "as": "n"}` or `{"items": ["a", "b"]}`.
    fn object(&mut self, map: &Map<String, Json>) -> Result<()> {
        let alias = match map.get("as") {
            None | Some(Json::Null) => None,
            Some(Json::String(alias)) => Some(term::parse_alias(alias)?),
            Some(_) => return Err(Error::misuse("as takes the name of a field")),
        };
        for (key, value) in map.iter().filter(|(key, _)| *key != "as") {
            if let Some(field) = self.scope.doctype.field(key).filter(|field| field.fieldtype.is_table()) {
                match self.scope.find(key, Purpose::Select) {
                    Ok(_) => self.children(field, value, alias)?,
                    Err(missing) => self.missing(missing, key)?,
                }
                continue;
            }
            let Some(function) = term::function(key) else {
                if key.chars().all(|letter| letter.is_ascii_uppercase()) {
                    let name = shown(key);
                    return Err(term::not_permitted(format!(
                        "Function {name} is not available in lists: use COUNT, SUM, AVG, MIN or MAX"
                    )));
                }
                self.missing(Missing::Unknown, key)?;
                continue;
            };
            let name = match value {
                Json::String(name) => name.as_str(),
                Json::Null if function == Function::Count => "*",
                _ => return Err(Error::misuse(format!("{key} takes the name of a field"))),
            };
            let text = format!("{key}({name})");
            self.term(Term { function: Some(function), name }, &text, alias)?;
        }
        Ok(())
    }

    fn children(&mut self, field: &'a DocField, columns: &Json, alias: Option<&str>) -> Result<()> {
        let visible = self.scope.visible;
        let Some(child) = self.scope.registry.get(field.options.trim()) else {
            return self.missing(Missing::Hidden, &field.fieldname);
        };
        let mut chosen: Vec<(usize, String)> = Vec::new();
        let mut add = |column: usize| {
            let key = &child.columns[column].name;
            if !chosen.iter().any(|(known, _)| *known == column) {
                chosen.push((column, key.clone()));
            }
        };
        let single;
        let names = match columns {
            Json::Array(names) => names.as_slice(),
            Json::String(_) => {
                single = [columns.clone()];
                &single
            }
            _ => return Err(Error::misuse(format!("{} takes a list of the fields of its rows", field.fieldname))),
        };
        for name in names {
            match name.as_str().map(|name| split(name).1) {
                Some("*") => visible.star(child).for_each(&mut add),
                Some(name) => match child.column(name) {
                    Some(column) if visible.column(child, column, Purpose::Select) => add(column),
                    Some(_) => {}
                    None if self.lenient => {}
                    None => return Err(refuse(Missing::Unknown, name)),
                },
                None => {
                    return Err(Error::misuse(format!("{} takes a list of the fields of its rows", field.fieldname)));
                }
            }
        }
        let key = self.free_key(alias.unwrap_or(&field.fieldname), Some(&field.fieldname));
        let source = Source::Children(ChildRows { field, child, columns: chosen, visible });
        self.output(key, alias.is_some(), source)
    }

    fn push(
        &mut self,
        expression: Expression<'a>,
        found: Option<FoundColumn<'a>>,
        alias: Option<(&str, bool)>,
        table: Option<&str>,
    ) -> Result<()> {
        let (key, is_alias) = match (alias, expression) {
            (Some((key, is_alias)), _) => (key.to_owned(), is_alias),
            (None, Expression::Column(column)) => {
                // The same column twice is the same key.
                let is_repeated = self.fields.items.contains(&expression)
                    && self.fields.outputs.iter().any(|output| output.key == column.name);
                if is_repeated {
                    return Ok(());
                }
                (self.free_key(column.name, table), false)
            }
            (None, _) => (String::new(), false),
        };
        let is_password =
            found.and_then(|found| found.field).is_some_and(|field| field.fieldtype == Fieldtype::Password);
        let item = self.item(expression);
        let source = match found.and_then(|found| found.field.filter(|_| found.masked)) {
            Some(field) => Source::Masked(item, field),
            None if is_password => Source::Stars(item),
            None => Source::Item(item),
        };
        self.output(key, is_alias, source)
    }

    fn output(&mut self, key: String, is_alias: bool, source: Source<'a>) -> Result<()> {
        let shown = self.fields.outputs.len().max(self.fields.items.len());
        if shown > MAX_FIELDS.max(self.scope.doctype.columns.len()) {
            return Err(Error::misuse(format!("A list shows at most {MAX_FIELDS} fields")));
        }
        match self.fields.outputs.iter_mut().find(|output| output.key == key) {
            // The last one counts, as in a JSON object.
            Some(output) => *output = Output { key, is_alias, source },
            None => self.fields.outputs.push(Output { key, is_alias, source }),
        }
        Ok(())
    }

    /// The column's name, or `table.name` if another table's column has that already.
    fn free_key(&self, name: &str, table: Option<&str>) -> String {
        match table {
            Some(table) if self.fields.outputs.iter().any(|output| output.key == name) => format!("{table}.{name}"),
            _ => name.to_owned(),
        }
    }

    /// Fields that exist but may not be seen are left out, as in Frappe.
    fn missing(&self, missing: Missing, text: &str) -> Result<()> {
        match missing {
            Missing::Hidden => Ok(()),
            Missing::Unknown if self.lenient => Ok(()),
            missing => Err(refuse(missing, text)),
        }
    }
}

/// The name of the main table's documents.
pub(super) fn name_column(doctype: &DocType) -> ColumnRef<'_> {
    visible::column_ref(MAIN, doctype, slot::NAME)
}
