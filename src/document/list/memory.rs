//! Lists of documents that are in no table: Singles and virtual DocTypes, filtered, sorted and cut in memory.

use std::cmp::Ordering;

use crate::database::query::{ColumnRef, Condition, Expression, Function, Select};
use crate::error::{Error, ProblemKind, Result};
use crate::meta::doctype::Order;
use crate::meta::{Document, Value};

/// The documents that a query finds, in its order, paging aside.
pub(super) fn filter<'d>(select: &Select<'_>, documents: &'d [Document]) -> Result<Vec<&'d Document>> {
    if !select.joins.is_empty() {
        return Err(misuse(select, "has no table that fields of others could be joined to"));
    }
    let mut found = Vec::with_capacity(documents.len());
    for document in documents {
        if holds(select, &select.condition, document)? {
            found.push(document);
        }
    }
    let mut keys = Vec::with_capacity(select.order_by.len());
    for (key, order) in &select.order_by {
        match key {
            Expression::Column(column) => keys.push((column.name, *order)),
            Expression::CountAll | Expression::Function(..) => {}
        }
    }
    found.sort_by(|one, two| {
        keys.iter().fold(Ordering::Equal, |so_far, (name, order)| {
            so_far.then_with(|| {
                let ordering = compare_with_null(one.get(name), two.get(name));
                if *order == Order::Desc { ordering.reverse() } else { ordering }
            })
        })
    });
    Ok(found)
}

/// The rows of a query over such documents: one value for every item.
pub(super) fn rows(select: &Select<'_>, documents: &[&Document]) -> Result<Vec<Vec<Value>>> {
    if !select.group_by.is_empty() {
        return Err(misuse(select, "cannot be grouped"));
    }
    if select.items.iter().any(Expression::is_aggregate) {
        return Ok(vec![select.items.iter().map(|item| aggregate(item, documents)).collect()]);
    }
    let value = |item: &Expression<'_>, document: &Document| match item {
        Expression::Column(column) => document.get(column.name).clone(),
        Expression::CountAll | Expression::Function(..) => Value::Null,
    };
    Ok(documents.iter().map(|document| select.items.iter().map(|item| value(item, document)).collect()).collect())
}

/// The order of two values of one column; `None` where one is NULL.
pub(super) fn compare(one: &Value, two: &Value) -> Option<Ordering> {
    #[expect(clippy::cast_precision_loss, reason = "floats are compared as floats")]
    match (one, two) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Int(one), Value::Int(two)) => Some(one.cmp(two)),
        (Value::Int(one), Value::Float(two)) => (*one as f64).partial_cmp(two),
        (Value::Float(one), Value::Int(two)) => one.partial_cmp(&(*two as f64)),
        (Value::Float(one), Value::Float(two)) => one.partial_cmp(two),
        (Value::Text(one), Value::Text(two)) => Some(one.cmp(two)),
        (one, two) => Some(one.to_string().cmp(&two.to_string())),
    }
}

fn compare_with_null(one: &Value, two: &Value) -> Ordering {
    compare(one, two).unwrap_or_else(|| (!matches!(one, Value::Null)).cmp(&!matches!(two, Value::Null)))
}

fn holds(select: &Select<'_>, condition: &Condition<'_>, document: &Document) -> Result<bool> {
    let value = |column: &ColumnRef<'_>| document.get(column.name);
    Ok(match condition {
        Condition::All(all) => {
            for condition in all {
                if !holds(select, condition, document)? {
                    return Ok(false);
                }
            }
            true
        }
        Condition::Any(any) => {
            for condition in any {
                if holds(select, condition, document)? {
                    return Ok(true);
                }
            }
            false
        }
        Condition::Compare { column, comparison, value: wanted, or_null } => {
            compare(value(column), wanted).map_or(*or_null, |ordering| comparison.holds(ordering))
        }
        Condition::OneOf { column, values, negated, or_null } => match value(column) {
            Value::Null => *or_null || *negated && values.is_empty(),
            present => values.iter().any(|wanted| compare(present, wanted) == Some(Ordering::Equal)) != *negated,
        },
        Condition::Between { column, low, high } => {
            compare(value(column), low).is_some_and(Ordering::is_ge)
                && compare(value(column), high).is_some_and(Ordering::is_le)
        }
        Condition::IsNull { column, null } => matches!(value(column), Value::Null) == *null,
        Condition::IsSet { column, set } => value(column).is_blank() != *set,
        Condition::Like { column, pattern, negated, or_null } => match value(column) {
            Value::Null => *or_null,
            present => like(&present.to_string(), pattern) != *negated,
        },
        Condition::Matches { column, pattern } => {
            let pattern = regex::RegexBuilder::new(pattern).case_insensitive(true).build();
            pattern.is_ok_and(|pattern| pattern.is_match(&value(column).to_string()))
        }
        Condition::Shared { .. } => false,
        Condition::HasRow { field, condition, some, .. } => {
            for row in document.rows(&field.fieldname) {
                if holds(select, condition, row)? {
                    return Ok(*some);
                }
            }
            !*some
        }
        Condition::Tree { .. } | Condition::Names { .. } => {
            return Err(misuse(select, "has no table in which relatives could be looked up"));
        }
    })
}

fn aggregate(item: &Expression<'_>, documents: &[&Document]) -> Value {
    let count = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let (function, column) = match item {
        Expression::CountAll => return count(documents.len()),
        Expression::Column(_) => return Value::Null,
        Expression::Function(function, column) => (*function, column),
    };
    let mut values: Vec<&Value> =
        documents.iter().map(|document| document.get(column.name)).filter(|value| **value != Value::Null).collect();
    values.sort_by(|one, two| compare_with_null(one, two));
    #[expect(clippy::cast_precision_loss, reason = "sums and means are floats")]
    let sum = || {
        let number = |value: &&Value| match value {
            Value::Int(n) => *n as f64,
            Value::Float(x) => *x,
            Value::Null | Value::Text(_) => 0.0,
        };
        values.iter().map(number).sum::<f64>()
    };
    match function {
        Function::Count => count(values.len()),
        Function::CountDistinct => {
            values.dedup();
            count(values.len())
        }
        Function::Min => values.first().map_or(Value::Null, |value| (*value).clone()),
        Function::Max => values.last().map_or(Value::Null, |value| (*value).clone()),
        Function::Sum | Function::Avg if values.is_empty() => Value::Null,
        Function::Sum => Value::Float(sum()),
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 documents in memory")]
        Function::Avg => Value::Float(sum() / values.len() as f64),
    }
}

/// LIKE without regard to case: `%` is any text, `_` any character.
fn like(text: &str, pattern: &str) -> bool {
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    let (text, pattern) = (lower(text), lower(pattern));
    let (mut at, mut wanted) = (0, 0);
    // Where the last % stands, and how much text it has swallowed.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(wanted) {
            Some('%') => {
                star = Some((wanted, at));
                wanted += 1;
            }
            Some(letter) if *letter == '_' || *letter == text[at] => {
                at += 1;
                wanted += 1;
            }
            _ => match star {
                Some((percent, swallowed)) => {
                    star = Some((percent, swallowed + 1));
                    at = swallowed + 1;
                    wanted = percent + 1;
                }
                None => return false,
            },
        }
    }
    pattern[wanted..].iter().all(|letter| *letter == '%')
}

fn misuse(select: &Select<'_>, what: &str) -> Error {
    Error::invalid(ProblemKind::Validation, format!("{} {what}", select.from.name))
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn like_matches_whole_texts_without_case() {
        assert!(like("Straße", "%RASS%") == like("strasse", "nothing"));
        assert!(like("Ärger", "ä%"));
        assert!(like("abc", "a_c") && like("abc", "%") && like("", "%") && like("aXbXc", "a%x%c"));
        assert!(!like("abc", "ab") && !like("abc", "_") && !like("", "_"));
    }
}
