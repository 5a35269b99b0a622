//! The `filters` and `or_filters` parameters in all of Frappe's shapes.

use serde_json::Value as Json;

use crate::database::query::{Comparison, Condition};
use crate::document::list::Here;
use crate::document::list::operator::{self, Operator};
use crate::document::list::scope::{Scope, shown};
use crate::document::list::visible::Purpose;
use crate::error::{Error, Result};
use crate::meta::Value;

/// Conditions at most: databases limit how deep an expression nests, and a chain of `and` nests too.
const MAX_CONDITIONS: usize = 400;
/// Groups inside groups.
const MAX_DEPTH: usize = 30;

/// What lies between conditions where nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connector {
    And,
    Or,
}

/// Reads filters; one for both parameters, so that their conditions are counted together.
#[derive(Debug)]
pub(super) struct Filters<'s, 'a> {
    /// The tables.
    pub scope: &'s mut Scope<'a>,
    /// When and where.
    pub here: Here,
    conditions: usize,
}

impl<'s, 'a> Filters<'s, 'a> {
    /// A reader that has read nothing.
    pub(super) fn new(scope: &'s mut Scope<'a>, here: Here) -> Self {
        Self { scope, here, conditions: 0 }
    }

    /// The condition for a whole parameter: `{f: v}`, `{f: [op, v]}`, `[[f, v], [f, op, v], [dt, f, op, v]]`, nested
    /// `[c, "or", [c, "and", c]]`, or a list of names; also as the text of JSON.
    pub(super) fn parse(&mut self, filters: &Json, connector: Connector) -> Result<Condition<'a>> {
        self.parse_at(filters, connector, 0)
    }

    fn parse_at(&mut self, filters: &Json, connector: Connector, depth: usize) -> Result<Condition<'a>> {
        if depth > MAX_DEPTH {
            return Err(Error::misuse(format!("Filters may be nested {MAX_DEPTH} levels deep")));
        }
        match filters {
            Json::Null => Ok(Condition::ALWAYS),
            Json::String(text) if text.trim().is_empty() => Ok(Condition::ALWAYS),
            Json::String(text) => match serde_json::from_str(text) {
                Ok(parsed @ (Json::Object(_) | Json::Array(_) | Json::Null)) => {
                    self.parse_at(&parsed, connector, depth + 1)
                }
                _ => Err(Error::misuse("Filters must be a JSON object or list, such as {\"status\": \"Open\"}")),
            },
            Json::Object(fields) => {
                let conditions = fields.iter().map(|(field, value)| self.pair(field, value));
                Ok(joined(conditions.collect::<Result<_>>()?, connector))
            }
            Json::Array(items) => self.list(items, connector, depth),
            Json::Bool(_) | Json::Number(_) => {
                Err(Error::misuse("Filters must be a JSON object or list, such as {\"status\": \"Open\"}"))
            }
        }
    }

    fn list(&mut self, items: &[Json], connector: Connector, depth: usize) -> Result<Condition<'a>> {
        if items.is_empty() {
            return Ok(Condition::ALWAYS);
        }
        if self.is_flat(items) {
            return self.triple(items);
        }
        if items.iter().all(|item| item.is_string() || item.is_number()) {
            return self.add("name", Operator::In { negated: false }, &Json::Array(items.to_vec()));
        }
        let mut group = Vec::new();
        let mut group_connector = connector;
        let mut next = None;
        let mut changes = depth;
        for item in items {
            let condition = match item {
                Json::String(word) => {
                    let word = parse_connector(word)?;
                    if group.is_empty() || next.is_some() {
                        return Err(Error::misuse("In filters, `and` and `or` belong between two conditions"));
                    }
                    next = Some(word);
                    continue;
                }
                Json::Array(inner) if inner.is_empty() => continue,
                Json::Array(inner) if inner[0].is_array() || inner[0].is_object() => {
                    self.parse_at(item, Connector::And, depth + 1)?
                }
                Json::Array(inner) => self.triple(inner)?,
                Json::Object(_) => self.parse_at(item, Connector::And, depth + 1)?,
                Json::Null | Json::Bool(_) | Json::Number(_) => {
                    return Err(Error::misuse("A filter in a list must be [field, operator, value]"));
                }
            };
            let wanted = next.take().unwrap_or(connector);
            // Read from left to right: a changed connector takes what came before as one condition.
            if group.len() > 1 && wanted != group_connector {
                group = vec![joined(group, group_connector)];
                changes += 1;
                if changes > MAX_DEPTH {
                    return Err(Error::misuse(format!(
                        "Filters may alternate between `and` and `or` {MAX_DEPTH} times"
                    )));
                }
            }
            group_connector = wanted;
            group.push(condition);
        }
        if next.is_some() {
            return Err(Error::misuse("In filters, `and` and `or` belong between two conditions"));
        }
        if depth == 0 && connector == Connector::And && group_connector == Connector::And {
            group = merge_equals(group);
        }
        Ok(joined(group, group_connector))
    }

    /// Whether a list is one condition rather than a list of conditions or names.
    fn is_flat(&mut self, items: &[Json]) -> bool {
        let text = |index: usize| items.get(index).and_then(Json::as_str);
        let (field, operator) = match items.len() {
            3 => (text(0), text(1)),
            4 | 5 => (text(1), text(2)),
            _ => return false,
        };
        let (Some(field), Some(operator)) = (field, operator.and_then(Operator::parse)) else { return false };
        operator.is_sign() || items.iter().any(|item| !item.is_string()) || {
            self.scope.find(field, Purpose::Filter).is_ok()
        }
    }

    /// `{field: value}` or `{field: [operator, value]}`.
    fn pair(&mut self, field: &str, value: &Json) -> Result<Condition<'a>> {
        match value {
            Json::Array(pair) => match pair.as_slice() {
                [Json::String(operator), value] => self.add(field, Operator::get(operator)?, value),
                _ => Err(Error::misuse(format!("Filter {}: send a value or [operator, value]", shown(field)))),
            },
            Json::Object(_) => {
                Err(Error::misuse(format!("Filter {}: send a value or [operator, value]", shown(field))))
            }
            scalar => self.add(field, Operator::Compare(Comparison::Equal), scalar),
        }
    }

    /// `[field, value]`, `[field, operator, value]`, `[doctype, field, operator, value]`, and a fifth that means nothing.
    fn triple(&mut self, items: &[Json]) -> Result<Condition<'a>> {
        let wrong = || {
            Error::misuse("A filter in a list must be [field, operator, value] or [doctype, field, operator, value]")
        };
        match items {
            [Json::String(field), value] => self.pair(field, value),
            [Json::String(field), Json::String(operator), value] => self.add(field, Operator::get(operator)?, value),
            [table, Json::String(field), Json::String(operator), value]
            | [table, Json::String(field), Json::String(operator), value, _] => {
                let operator = Operator::get(operator)?;
                match table {
                    Json::Null => self.add(field, operator, value),
                    Json::String(table) if table.is_empty() || *table == self.scope.doctype.name => {
                        self.add(field, operator, value)
                    }
                    Json::String(table) => self.add(&format!("`tab{table}`.`{field}`"), operator, value),
                    _ => Err(wrong()),
                }
            }
            _ => Err(wrong()),
        }
    }

    fn add(&mut self, field: &str, operator: Operator, value: &Json) -> Result<Condition<'a>> {
        self.conditions += 1;
        if self.conditions > MAX_CONDITIONS {
            return Err(Error::misuse(format!("A list takes at most {MAX_CONDITIONS} filters")));
        }
        let found = self.scope.column(field, Purpose::Filter)?;
        operator::condition(self.scope, found, operator, value, self.here)
    }
}

fn parse_connector(word: &str) -> Result<Connector> {
    match word.trim() {
        word if word.eq_ignore_ascii_case("and") => Ok(Connector::And),
        word if word.eq_ignore_ascii_case("or") => Ok(Connector::Or),
        other => Err(Error::misuse(format!("Expected `and` or `or` between filters, found {}", shown(other)))),
    }
}

fn joined(mut conditions: Vec<Condition<'_>>, connector: Connector) -> Condition<'_> {
    match (conditions.len(), connector) {
        (0, _) => Condition::ALWAYS,
        (1, _) => conditions.remove(0),
        (_, Connector::And) => Condition::All(conditions),
        (_, Connector::Or) => Condition::Any(conditions),
    }
}

/// Several `=` on one column mean one of the values.
fn merge_equals(conditions: Vec<Condition<'_>>) -> Vec<Condition<'_>> {
    let mut merged: Vec<Condition<'_>> = Vec::with_capacity(conditions.len());
    for condition in conditions {
        if let Condition::Compare { column, comparison: Comparison::Equal, value, or_null: false } = &condition {
            let same = merged.iter_mut().find_map(|known| match known {
                Condition::Compare { column: other, comparison: Comparison::Equal, or_null: false, .. }
                | Condition::OneOf { column: other, negated: false, or_null: false, .. }
                    if other == column =>
                {
                    Some(known)
                }
                _ => None,
            });
            if let Some(known) = same {
                let mut values = values_of(known);
                values.push(value.clone());
                *known = Condition::OneOf { column: *column, values, negated: false, or_null: false };
                continue;
            }
        }
        merged.push(condition);
    }
    merged
}

fn values_of(condition: &mut Condition<'_>) -> Vec<Value> {
    match condition {
        Condition::Compare { value, .. } => vec![std::mem::take(value)],
        Condition::OneOf { values, .. } => std::mem::take(values),
        _ => Vec::new(),
    }
}
