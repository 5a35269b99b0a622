//! The filters that people put together: rows of field, operator and value in the form, one JSON parameter in the address.

use serde_json::{Value as Json, json};

use super::params::{FILTERS, filterable};
use crate::desk::form::control::label;
use crate::desk::form::view::Choice;
use crate::document::report::{MOST_AGGREGATES, MOST_GROUPS};
use crate::meta::doctype::unscrub;
use crate::meta::{DocType, Fieldtype};
use crate::permissions::Grant;

/// What a filter can ask, as people read it.
const OPERATORS: [(&str, &str); 16] = [
    ("=", "is"),
    ("!=", "is not"),
    ("like", "contains"),
    ("not like", "does not contain"),
    (">", "is more than"),
    ("<", "is less than"),
    (">=", "is at least"),
    ("<=", "is at most"),
    ("in", "is one of"),
    ("not in", "is none of"),
    ("between", "is between"),
    ("timespan", "is within"),
    ("set", "is set"),
    ("not set", "is empty"),
    ("descendants of", "is below"),
    ("ancestors of", "is above"),
];
/// Columns that every document has.
const STANDARD: [(&str, &str); 7] = [
    ("name", "Name"),
    ("owner", "Created By"),
    ("creation", "Created"),
    ("modified_by", "Changed By"),
    ("modified", "Changed"),
    ("_user_tags", "Tags"),
    ("_assign", "Assigned To"),
];
/// The parameters of a row begin so; its number follows.
const ROW: &str = "where.";
/// Of several fields to sort by.
const SORT: &str = "sort.";
/// A column that was ticked.
const COLUMN: &str = "column";
/// Of the fields that a report puts documents together by.
const GROUP: &str = "group.";
/// Of what a report computes.
const AGGREGATE: &str = "aggregate.";

/// One filter as people wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Where {
    pub(super) field: String,
    pub(super) operator: String,
    pub(super) value: String,
    /// It begins another group: one of the groups has to hold.
    pub(super) or: bool,
}

/// The filters of the address as rows; `None` for what rows cannot say.
pub(super) fn read(filters: &str) -> Option<Vec<Where>> {
    let Json::Array(items) = serde_json::from_str(filters).ok()? else { return None };
    if !items.iter().any(Json::is_string) {
        return items.iter().map(|item| row(item, false)).collect();
    }
    let mut rows = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match item {
            Json::String(word) if at % 2 == 1 && word.eq_ignore_ascii_case("or") => {}
            Json::Array(group) if at % 2 == 0 && !group.is_empty() => {
                for (number, item) in group.iter().enumerate() {
                    rows.push(row(item, at > 0 && number == 0)?);
                }
            }
            _ => return None,
        }
    }
    Some(rows)
}

fn row(item: &Json, or: bool) -> Option<Where> {
    let parts = item.as_array()?;
    let [Json::String(field), Json::String(operator), value] = parts.as_slice() else { return None };
    let text = |value: &Json| match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let (operator, value) = match (operator.as_str(), value) {
        ("is", value) => (value.as_str()?.to_owned(), String::new()),
        ("in" | "not in" | "between", Json::Array(values)) => {
            (operator.clone(), values.iter().map(text).collect::<Option<Vec<_>>>()?.join(", "))
        }
        ("like" | "not like", value) => {
            let pattern = value.as_str()?;
            let inner = pattern.strip_prefix('%').and_then(|rest| rest.strip_suffix('%'));
            (operator.clone(), inner.filter(|inner| !inner.contains('%')).unwrap_or(pattern).to_owned())
        }
        (_, value) => (operator.clone(), text(value)?),
    };
    let is_known = OPERATORS.iter().any(|(known, _)| *known == operator);
    is_known.then(|| Where { field: field.clone(), operator, value, or })
}

/// Rows as the filters of the address.
pub(super) fn to_json(rows: &[Where]) -> String {
    let mut groups: Vec<Vec<Json>> = vec![Vec::new()];
    for row in rows {
        if row.or && groups.last().is_some_and(|group| !group.is_empty()) {
            groups.push(Vec::new());
        }
        let list = || row.value.split(',').map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>();
        let (operator, value) = match row.operator.as_str() {
            "set" | "not set" => ("is", json!(row.operator)),
            operator @ ("in" | "not in" | "between") => (operator, json!(list())),
            operator @ ("like" | "not like") if !row.value.contains('%') => {
                (operator, json!(format!("%{}%", row.value)))
            }
            operator => (operator, json!(row.value)),
        };
        if let Some(group) = groups.last_mut() {
            group.push(json!([row.field, operator, value]));
        }
    }
    let mut groups: Vec<Json> = groups.into_iter().map(Json::from).collect();
    if groups.len() == 1 {
        return groups.remove(0).to_string();
    }
    let mut all = Vec::new();
    for group in groups {
        if !all.is_empty() {
            all.push(json!("or"));
        }
        all.push(group);
    }
    Json::from(all).to_string()
}

/// The address that a form of filters, columns and orders means; `None` if the address is one already.
pub(super) fn settled(query: &[(String, String)]) -> Option<Vec<(String, String)>> {
    let is_of_form = |name: &str| {
        name == COLUMN || [ROW, SORT, GROUP, AGGREGATE].iter().any(|beginning| name.starts_with(beginning))
    };
    if !query.iter().any(|(name, _)| is_of_form(name)) {
        return None;
    }
    let get = |name: String| query.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.trim());
    let mut numbers: Vec<usize> =
        query.iter().filter_map(|(name, _)| name.strip_prefix(ROW)?.split_once('.')?.0.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let rows: Vec<Where> = numbers
        .into_iter()
        .map(|number| Where {
            field: get(format!("{ROW}{number}.field")).to_owned(),
            operator: get(format!("{ROW}{number}.operator")).to_owned(),
            value: get(format!("{ROW}{number}.value")).to_owned(),
            or: get(format!("{ROW}{number}.join")) == "or",
        })
        .filter(|row| !row.field.is_empty() && (!row.value.is_empty() || row.operator.ends_with("set")))
        .collect();
    let orders: Vec<String> = (0..3)
        .map(|number| (get(format!("{SORT}{number}.field")), get(format!("{SORT}{number}.order"))))
        .filter(|(field, _)| !field.is_empty())
        .map(|(field, order)| format!("{field} {}", if order == "desc" { "desc" } else { "asc" }))
        .collect();
    let columns: Vec<&str> =
        query.iter().filter(|(name, value)| name == COLUMN && !value.is_empty()).map(|(_, value)| &**value).collect();
    let mut settled: Vec<(String, String)> =
        query.iter().filter(|(name, value)| !is_of_form(name) && !value.trim().is_empty()).cloned().collect();
    let has_sort = query.iter().any(|(name, _)| name.starts_with(SORT));
    if has_sort {
        settled.retain(|(name, _)| name != "order_by");
    }
    if query.iter().any(|(name, _)| name == COLUMN) {
        settled.retain(|(name, _)| name != "columns");
    }
    let groups: Vec<&str> =
        (0..MOST_GROUPS).map(|number| get(format!("{GROUP}{number}"))).filter(|field| !field.is_empty()).collect();
    let aggregates: Vec<String> = (0..MOST_AGGREGATES)
        .map(|number| (get(format!("{AGGREGATE}{number}.function")), get(format!("{AGGREGATE}{number}.field"))))
        .filter(|(function, field)| !function.is_empty() && !field.is_empty())
        .map(|(function, field)| format!("{function}({field})"))
        .collect();
    for (name, value) in [
        ("group_by", groups.join(",")),
        ("aggregates", aggregates.join(",")),
        (FILTERS, if rows.is_empty() { String::new() } else { to_json(&rows) }),
        ("order_by", orders.join(", ")),
        ("columns", columns.join(",")),
    ] {
        if !value.is_empty() {
            settled.push((name.to_owned(), value));
        }
    }
    Some(settled)
}

/// The fields that filters and orders may name, with their labels.
pub(super) fn fields(doctype: &DocType, grant: &Grant) -> Vec<(String, String)> {
    let own = doctype.fields.iter().filter(|field| filterable(doctype, grant, &field.fieldname));
    let own = own.map(|field| (field.fieldname.clone(), label(field)));
    let standard = STANDARD.into_iter().filter(|(name, _)| doctype.column(name).is_some());
    let status = doctype.is_submittable.then(|| ("docstatus".to_owned(), "Document Status".to_owned()));
    own.chain(status).chain(standard.map(|(name, label)| (name.to_owned(), label.to_owned()))).collect()
}

/// What may be chosen, with what is.
pub(super) fn choices<'a>(all: impl Iterator<Item = (&'a str, &'a str)>, chosen: &str) -> Vec<Choice> {
    all.map(|(value, label)| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        chosen: value == chosen,
        id: String::new(),
    })
    .collect()
}

/// The operators, with the one that is chosen; those of trees where a field leads into one.
pub(super) fn operators(chosen: &str) -> Vec<Choice> {
    choices(OPERATORS.into_iter(), chosen)
}

/// How the label of a field is found again for one that is no field of the DocType.
pub(super) fn label_of(doctype: &DocType, name: &str) -> String {
    let standard = STANDARD.iter().find(|(known, _)| *known == name).map(|(_, label)| (*label).to_owned());
    doctype.field(name).map(label).or(standard).unwrap_or_else(|| unscrub(name))
}

/// Whether a value of the field is written by people in one line, so that many documents can get it at once.
pub(super) fn is_plain(fieldtype: Fieldtype) -> bool {
    use Fieldtype as F;
    !fieldtype.is_table()
        && !matches!(fieldtype, F::Password | F::Attach | F::AttachImage | F::Signature | F::Geolocation | F::ReadOnly)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_rows_say_is_read_back_from_the_address() {
        let row = |field: &str, operator: &str, value: &str, or| Where {
            field: field.to_owned(),
            operator: operator.to_owned(),
            value: value.to_owned(),
            or,
        };
        let rows = [
            row("title", "like", "Dune", false),
            row("days", "between", "1, 5", false),
            row("kind", "in", "Novel, Essay", true),
            row("reader", "not set", "", true),
        ];
        assert_eq!(
            to_json(&rows),
            r#"[[["title","like","%Dune%"],["days","between",["1","5"]]],"or",[["kind","in",["Novel","Essay"]]],"or",[["reader","is","not set"]]]"#
        );
        assert_eq!(read(&to_json(&rows)).unwrap(), rows);
        assert_eq!(read(&to_json(&rows[..2])).unwrap(), rows[..2]);
        assert_eq!(read(r#"[["a","=",1],"or",["b","=",2]]"#), None, "only groups of rows are rows");
        assert_eq!(read(r#"{"a":1}"#), None);
    }

    #[test]
    fn a_form_becomes_a_short_address() {
        assert_eq!(settled(&pairs(&[("q", "x"), ("page_length", "50")])), None);
        let sent = pairs(&[
            ("q", ""),
            ("kind", "Novel"),
            ("where.0.field", "days"),
            ("where.0.operator", ">"),
            ("where.0.value", "3"),
            ("where.1.field", ""),
            ("where.1.operator", "="),
            ("where.1.value", ""),
            ("sort.0.field", "days"),
            ("sort.0.order", "desc"),
            ("sort.1.field", "title"),
            ("sort.1.order", "asc"),
            ("column", ""),
            ("column", "days"),
            ("column", "kind"),
            ("order_by", "modified asc"),
        ]);
        let expected = pairs(&[
            ("kind", "Novel"),
            ("filters", r#"[["days",">","3"]]"#),
            ("order_by", "days desc, title asc"),
            ("columns", "days,kind"),
        ]);
        assert_eq!(settled(&sent), Some(expected));
    }
}
