//! One filter: a column, an operator and a value become a condition, with Frappe's idea of what an empty value is.

use std::cmp::Ordering;

use chrono::NaiveDate;
use serde_json::Value as Json;

use crate::clock::Zone;
use crate::database::query::{Comparison, Condition, Relation, Tree};
use crate::document::list::Here;
use crate::document::list::memory::compare;
use crate::document::list::scope::{FoundColumn, Scope, shown};
use crate::document::list::timespan;
use crate::error::{Error, Result};
use crate::meta::doctype::unscrub;
use crate::meta::fieldtype::{self, ColumnType, Fieldtype, Shape};
use crate::meta::{DocType, Value};

/// Characters at most in a pattern: databases limit them.
const MAX_PATTERN: usize = 1000;

/// What a filter can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Compare(Comparison),
    Like { negated: bool },
    In { negated: bool },
    Is,
    Between,
    Timespan,
    Previous,
    Next,
    Regex,
    Tree { relation: Relation, negated: bool },
}

/// Every operator with its name; the first of several names is the one that messages show.
const OPERATORS: [(&str, Operator); 26] = [
    ("=", Operator::Compare(Comparison::Equal)),
    ("!=", Operator::Compare(Comparison::NotEqual)),
    (">", Operator::Compare(Comparison::Greater)),
    ("<", Operator::Compare(Comparison::Less)),
    (">=", Operator::Compare(Comparison::GreaterOrEqual)),
    ("<=", Operator::Compare(Comparison::LessOrEqual)),
    ("like", Operator::Like { negated: false }),
    ("not like", Operator::Like { negated: true }),
    ("in", Operator::In { negated: false }),
    ("not in", Operator::In { negated: true }),
    ("is", Operator::Is),
    ("between", Operator::Between),
    ("timespan", Operator::Timespan),
    ("previous", Operator::Previous),
    ("next", Operator::Next),
    ("regex", Operator::Regex),
    ("ancestors of", Operator::Tree { relation: Relation::Ancestors, negated: false }),
    ("descendants of", Operator::Tree { relation: Relation::Descendants, negated: false }),
    ("not ancestors of", Operator::Tree { relation: Relation::Ancestors, negated: true }),
    ("not descendants of", Operator::Tree { relation: Relation::Descendants, negated: true }),
    ("descendants of (inclusive)", Operator::Tree { relation: Relation::DescendantsAndSelf, negated: false }),
    ("==", Operator::Compare(Comparison::Equal)),
    ("<>", Operator::Compare(Comparison::NotEqual)),
    ("=>", Operator::Compare(Comparison::GreaterOrEqual)),
    ("=<", Operator::Compare(Comparison::LessOrEqual)),
    ("equals", Operator::Compare(Comparison::Equal)),
];
/// How many of them messages show.
const SHOWN: usize = 21;

impl Operator {
    /// The operator of that name, in any case.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let name = name.trim();
        OPERATORS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, operator)| *operator)
    }

    /// Whether it is written in signs, so that it can be no document's name.
    pub(super) fn is_sign(self) -> bool {
        matches!(self, Self::Compare(_))
    }

    /// The operator of that name, or what there is to choose from.
    pub(super) fn get(name: &str) -> Result<Self> {
        Self::parse(name).ok_or_else(|| {
            let known = OPERATORS[..SHOWN].iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            Error::misuse(format!("Operator must be one of {known}, not {}", shown(name)))
        })
    }
}

/// The condition for one filter.
pub(super) fn condition<'a>(
    scope: &Scope<'a>,
    found: FoundColumn<'a>,
    operator: Operator,
    value: &Json,
    here: Here,
) -> Result<Condition<'a>> {
    let column = found.column;
    match operator {
        Operator::Compare(comparison) => compared(found, comparison, value, here.zone),
        Operator::Like { negated } => {
            let pattern = pattern(found, value)?;
            // NULL counts as the empty text, which only `%` matches.
            let or_null = negated && column.nullable && !pattern.chars().all(|letter| letter == '%');
            Ok(Condition::Like { column, pattern, negated, or_null })
        }
        Operator::In { negated } => one_of(found, value, negated, here.zone),
        Operator::Is => match value.as_str().map(|word| word.trim().to_ascii_lowercase()).as_deref() {
            Some("set") => Ok(Condition::IsSet { column, set: true }),
            Some("not set") => Ok(Condition::IsSet { column, set: false }),
            _ => Err(Error::misuse(format!("Filter {}: is takes set or not set", label(found)))),
        },
        Operator::Between => between(found, value, here),
        Operator::Timespan | Operator::Previous | Operator::Next => span(found, operator, value, here),
        Operator::Regex => {
            let pattern = pattern(found, value)?;
            regex::RegexBuilder::new(&pattern).case_insensitive(true).build().map_err(|error| {
                let first = error.to_string();
                let reason = first.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Error::misuse(format!(
                    "Filter {}: {} is not a regular expression: {reason}",
                    label(found),
                    shown(&pattern)
                ))
            })?;
            Ok(Condition::Matches { column, pattern })
        }
        Operator::Tree { relation, negated } => {
            let tree = Tree { relation, ..tree(scope, found)? };
            let node = text(found, value)?;
            Ok(Condition::Tree { column, tree, node, negated, or_null: negated && column.nullable })
        }
    }
}

fn compared<'a>(found: FoundColumn<'a>, comparison: Comparison, value: &Json, zone: Zone) -> Result<Condition<'a>> {
    let column = found.column;
    let parsed = parse(found, value, zone)?;
    let is_empty = parsed.is_blank();
    match comparison {
        Comparison::Equal if is_empty => return Ok(Condition::IsSet { column, set: false }),
        Comparison::NotEqual if is_empty => return Ok(Condition::IsSet { column, set: true }),
        _ if matches!(parsed, Value::Null) => {
            return Err(Error::misuse(format!("Filter {}: this operator needs a value", label(found))));
        }
        _ => {}
    }
    let or_null = column.nullable && compare(&empty(column.column_type), &parsed).is_some_and(|o| comparison.holds(o));
    Ok(Condition::Compare { column, comparison, value: parsed, or_null })
}

fn one_of<'a>(found: FoundColumn<'a>, value: &Json, negated: bool, zone: Zone) -> Result<Condition<'a>> {
    let column = found.column;
    let mut values = Vec::new();
    let mut add = |item: &Json| -> Result<()> {
        let parsed = match item {
            Json::String(text) => parse(found, &Json::String(text.trim().to_owned()), zone)?,
            item => parse(found, item, zone)?,
        };
        values.push(if matches!(parsed, Value::Null) { empty(column.column_type) } else { parsed });
        Ok(())
    };
    match value {
        Json::Array(items) => items.iter().try_for_each(&mut add)?,
        Json::String(text) => text.split(',').try_for_each(|item| add(&Json::String(item.to_owned())))?,
        Json::Object(_) => {
            return Err(Error::misuse(format!("Filter {}: in takes a list of values", label(found))));
        }
        scalar => add(scalar)?,
    }
    let empty = empty(column.column_type);
    let has_empty = values.iter().any(|value| compare(value, &empty) == Some(Ordering::Equal));
    let or_null = column.nullable && has_empty != negated;
    Ok(Condition::OneOf { column, values, negated, or_null })
}

/// A span of days may leave out its last day, or both: then it ends, or is, today (Frappe's `get_between_date_filter`).
fn between<'a>(found: FoundColumn<'a>, value: &Json, here: Here) -> Result<Condition<'a>> {
    let Here { today, zone } = here;
    let column = found.column;
    let filled;
    let value = if matches!(column.column_type, ColumnType::Date | ColumnType::Datetime) {
        filled = with_today(value, today);
        &filled
    } else {
        value
    };
    let wrong = || Error::misuse(format!("Filter {}: between takes two values, the first and the last", label(found)));
    let split: Vec<Json>;
    let ends: &[Json] = match value {
        Json::Array(ends) => ends,
        Json::String(text) => {
            split = text.split(',').map(|end| Json::String(end.trim().to_owned())).collect();
            &split
        }
        _ => return Err(wrong()),
    };
    let [low, high] = ends else { return Err(wrong()) };
    let low = parse(found, low, zone)?;
    let mut end = parse(found, high, zone)?;
    // A date stands for its first moment; the last day of a span counts as a whole.
    if column.column_type == ColumnType::Datetime && high.as_str().is_some_and(|text| text.trim().len() == 10) {
        let day = zone.shown(end.text());
        end = Value::Text(zone.stored(&format!("{} 23:59:59.999999", day.get(..10).unwrap_or_default())));
    }
    if matches!(low, Value::Null) || matches!(end, Value::Null) {
        return Err(wrong());
    }
    Ok(Condition::Between { column, low, high: end })
}

fn with_today(value: &Json, today: NaiveDate) -> Json {
    let mut ends: Vec<Json> = match value {
        Json::Array(ends) => ends.clone(),
        Json::String(text) => text.split(',').map(|end| Json::from(end.trim())).collect(),
        _ => Vec::new(),
    };
    if ends.len() < 2 {
        ends.resize(2, Json::Null);
    }
    for end in ends.iter_mut().filter(|end| end.is_null() || end.as_str() == Some("")) {
        *end = Json::from(today.to_string());
    }
    Json::Array(ends)
}

fn span<'a>(found: FoundColumn<'a>, operator: Operator, value: &Json, here: Here) -> Result<Condition<'a>> {
    let Here { today, zone } = here;
    let column = found.column;
    let name = value.as_str().unwrap_or_default();
    let days = match operator {
        Operator::Previous => timespan::period("last", name, today),
        Operator::Next => timespan::period("next", name, today),
        _ => timespan::span(name, today),
    };
    let (first, last) = days.ok_or_else(|| {
        let choice = match operator {
            Operator::Timespan => timespan::TIMESPANS.join(", "),
            _ => "1 week, 1 month, 3 months, 6 months, 1 year".to_owned(),
        };
        Error::misuse(format!("Filter {}: the span must be one of {choice}", label(found)))
    })?;
    match column.column_type {
        ColumnType::Date => {
            let (low, high) = (Value::Text(first.to_string()), Value::Text(last.to_string()));
            Ok(Condition::Between { column, low, high })
        }
        ColumnType::Datetime => {
            let low = Value::Text(zone.stored(&format!("{first} 00:00:00.000000")));
            let high = Value::Text(zone.stored(&format!("{last} 23:59:59.999999")));
            Ok(Condition::Between { column, low, high })
        }
        _ => Err(Error::misuse(format!("Filter {}: spans of time need a Date or Datetime field", label(found)))),
    }
}

/// The tree that a filter walks: the column's own DocType for `name`, or the target of a Link.
fn tree<'a>(scope: &Scope<'a>, found: FoundColumn<'a>) -> Result<Tree<'a>> {
    let doctype: Option<&'a DocType> = match found.field {
        None if found.column.name == "name" => Some(found.doctype),
        Some(field) if field.fieldtype == Fieldtype::Link => {
            field.link_target().and_then(|target| scope.registry.get(target)).map(|doctype| &**doctype)
        }
        _ => None,
    };
    let parent = doctype.and_then(|doctype| Some((doctype, doctype.tree_parent_field()?.fieldname.as_str())));
    match parent {
        Some((doctype, parent_field)) => Ok(Tree { doctype, parent_field, relation: Relation::Descendants }),
        None => Err(Error::misuse(format!(
            "Filter {}: only DocTypes that are trees have ancestors and descendants",
            label(found)
        ))),
    }
}

/// The value in the type of the column.
fn parse(found: FoundColumn<'_>, value: &Json, zone: Zone) -> Result<Value> {
    let column_type = match found.column.column_type {
        // Part of a JSON text is not JSON.
        ColumnType::Json => ColumnType::LongText,
        other => other,
    };
    let number_left_out =
        column_type.shape() != Shape::Text && value.as_str().is_some_and(|text| text.trim().is_empty());
    if number_left_out && found.column.nullable {
        return Ok(Value::Null);
    }
    fieldtype::parse_for_column(column_type, value, zone)
        .map_err(|message| Error::misuse(format!("Filter {}: {}", label(found), message.trim_start_matches("Value "))))
}

fn pattern(found: FoundColumn<'_>, value: &Json) -> Result<String> {
    let pattern = text(found, value)?;
    if pattern.chars().count() > MAX_PATTERN {
        let name = label(found);
        return Err(Error::misuse(format!("Filter {name}: a pattern has at most {MAX_PATTERN} characters")));
    }
    Ok(pattern)
}

fn text(found: FoundColumn<'_>, value: &Json) -> Result<String> {
    match fieldtype::parse_for_column(ColumnType::LongText, value, Zone::UTC) {
        Ok(value) => Ok(value.to_string()),
        Err(message) => {
            Err(Error::misuse(format!("Filter {}: {}", label(found), message.trim_start_matches("Value "))))
        }
    }
}

/// What NULL counts as in comparisons.
fn empty(column_type: ColumnType) -> Value {
    match (column_type, column_type.shape()) {
        (ColumnType::Date, _) => Value::from("0001-01-01"),
        (ColumnType::Datetime, _) => Value::from("0001-01-01 00:00:00.000000"),
        (ColumnType::Time, _) => Value::from("00:00:00"),
        (_, Shape::Int) => Value::Int(0),
        (_, Shape::Float) => Value::Float(0.0),
        (_, Shape::Text) => Value::from(""),
    }
}

/// What people call the column.
fn label(found: FoundColumn<'_>) -> String {
    match found.field {
        Some(field) if !field.label.is_empty() => field.label.clone(),
        _ => unscrub(found.column.name),
    }
}
