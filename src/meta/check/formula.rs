//! Rules of formulas and validations: they can be parsed, read what is there, show nobody what is hidden, and do not go round
//! in circles.

use super::{At, Checker};
use crate::meta::docfield::DocField;
use crate::meta::doctype::DocType;
use crate::meta::expression::{Expression, Read, Through, Type, infer};
use crate::meta::fieldtype::Fieldtype;
use crate::meta::formula::{Fit, Formulas};
use crate::meta::keys::{nearest, suggestion};
use crate::meta::validation::{self, On};

/// Whose result people see.
#[derive(Clone, Copy)]
struct Reader<'a> {
    key: &'a str,
    /// The field with the formula; `None` for validations.
    field: Option<&'a DocField>,
}

/// The formula of a field.
pub(super) fn check_field(checker: &mut Checker<'_, '_>, index: usize) {
    let doctype = checker.doctype;
    let field = &doctype.fields[index];
    let Some(formula) = &field.formula else { return };
    let at = At::Field(index, Some("formula"));
    let Some(fit) = Fit::of(field) else {
        checker.error(at, format!("a {} cannot be computed: remove `formula`", field.fieldtype.as_str()));
        return;
    };
    if field.fetch_from.is_some() {
        checker.error(at, "has both `fetch_from` and `formula`: remove one of the two");
    }
    if field.secret || field.guarded {
        checker.error(at, "a field that is `secret` or `guarded` cannot be computed: remove `formula`");
    }
    let result = check_expression(checker, at, Reader { key: "formula", field: Some(field) }, &formula.0);
    let fits = match fit {
        Fit::Number(_) | Fit::Share | Fit::Whole => !matches!(result, Some(Type::Text | Type::Moment | Type::List)),
        Fit::Date | Fit::Datetime | Fit::Time => !matches!(result, Some(Type::Number | Type::Flag | Type::List)),
        Fit::Text => result != Some(Type::List),
        Fit::Flag => true,
    };
    if let Some(kind) = result.filter(|_| !fits) {
        let kind = match kind {
            Type::Number | Type::Flag => "a number",
            Type::Text => "a text",
            Type::Moment => "a date",
            Type::List => "a list",
        };
        checker.error(at, format!("`formula` gives {kind}, which a {} cannot hold", field.fieldtype.as_str()));
    }
}

/// The validations of a DocType, and circles among its formulas.
pub(super) fn check_doctype(checker: &mut Checker<'_, '_>) {
    let (doctype, by_name) = (checker.doctype, checker.by_name);
    let at = At::Key("validations");
    let raw = doctype.raw.get("validations").and_then(serde_json::Value::as_array);
    for (index, row) in raw.into_iter().flatten().filter_map(serde_json::Value::as_object).enumerate() {
        let number = index + 1;
        for key in row.keys().filter(|key| !validation::KEYS.contains(&key.as_str())) {
            let near = suggestion(nearest(key, validation::KEYS));
            checker.error(at, format!("validation {number} has the unknown key `{key}`{near}"));
        }
        for name in validation::names(row.get("on")) {
            if !On::ALL.iter().any(|(_, known)| *known == name) {
                let near = suggestion(nearest(&name, On::ALL.map(|(_, name)| name)));
                let message =
                    format!("`on` of validation {number} must be save, submit, cancel or delete, not `{name}`{near}");
                checker.error(at, message);
            }
        }
    }
    for (index, validation) in doctype.validations.iter().enumerate() {
        let number = index + 1;
        if validation.message.is_empty() {
            checker.error(at, format!("validation {number} needs a `message` that says what to do"));
        }
        let key = format!("when (validation {number})");
        check_expression(checker, at, Reader { key: &key, field: None }, &validation.when);
        if let Some(name) = validation.field.as_deref().filter(|name| doctype.field(name).is_none()) {
            let near = checker.nearest_field(name);
            checker.error(at, format!("`field` of validation {number} names `{name}`, which is not there{near}"));
        }
        for name in validation.places() {
            let known = doctype.field(name);
            let hides = |field: &DocField| {
                field.secret || field.mask || field.permlevel > 0 || field.fieldtype == Fieldtype::Password
            };
            if known.is_some_and(hides) {
                checker.error(
                    at,
                    format!("the message of validation {number} would show `{name}`, which not everybody may read"),
                );
            } else if doctype.column(name).is_none() && known.is_none() {
                let near = checker.nearest_field(name);
                checker.error(
                    at,
                    format!("the message of validation {number} names `{name}`, which is not a field{near}"),
                );
            }
        }
    }
    if let Err(circle) = Formulas::of(doctype, &|name| by_name.get(name).copied()) {
        let first = circle.split(" → ").next().unwrap_or_default();
        let index = doctype.fields.iter().position(|field| field.fieldname == first);
        let at = index.map_or(At::DocType, |index| At::Field(index, Some("formula")));
        checker.error(at, format!("the formulas go round in a circle: {circle}"));
    }
}

/// Checks an expression; gives the kind of its result.
fn check_expression(
    checker: &mut Checker<'_, '_>,
    at: At<'_>,
    reader: Reader<'_>,
    expression: &Expression,
) -> Option<Type> {
    let key = reader.key;
    if let Some(reason) = &expression.unparsed {
        checker.error(at, format!("`{key}` cannot be computed: {reason}"));
        return None;
    }
    let doctype = checker.doctype;
    for read in expression.reads() {
        check_read(checker, at, reader, doctype, &read);
    }
    if reader.field.is_some_and(|field| field.is_virtual) && expression.reads().contains(&Read::Person) {
        checker.error(at, "is computed on reading, and may not depend on who reads: remove `is_virtual`, or the user");
    }
    let by_name = checker.by_name;
    let mut faults = Vec::new();
    let look_up = |read: &Read<'_>| match read {
        Read::Doc(name) => kind(doctype, name),
        Read::Linked(Through::Doc(link), name) => {
            kind(by_name.get(doctype.field(link)?.options.as_str()).copied()?, name)
        }
        Read::Linked(Through::Single(single), name) => kind(by_name.get(single.as_str()).copied()?, name),
        Read::OfRows(table, read) => match **read {
            Read::Doc(name) => kind(by_name.get(doctype.field(table)?.options.as_str()).copied()?, name),
            _ => None,
        },
        _ => None,
    };
    let result = infer(expression, &look_up, &mut faults);
    for fault in faults {
        checker.error(at, format!("in `{key}` {fault}"));
    }
    result
}

fn check_read(checker: &mut Checker<'_, '_>, at: At<'_>, reader: Reader<'_>, doctype: &DocType, read: &Read<'_>) {
    let key = reader.key;
    let whose = if doctype.name == checker.doctype.name { String::new() } else { format!(" of {}", doctype.name) };
    match read {
        Read::Doc(name) => check_value(checker, at, reader, doctype, name),
        Read::Parent(name) => check_parent(checker, at, key, doctype, name),
        Read::Linked(Through::Parent(link), _) => check_parent(checker, at, key, doctype, link),
        Read::Linked(Through::Doc(link), name) => match doctype.field(link) {
            Some(field) if field.fieldtype == Fieldtype::DynamicLink => {}
            Some(field) if field.fieldtype == Fieldtype::Link => {
                match checker.by_name.get(field.options.as_str()).copied() {
                    Some(target) => check_value(checker, at, reader, target, name),
                    None => {
                        checker.error(at, format!("`{key}` reads `{name}` of {}, which is not loaded", field.options));
                    }
                }
            }
            Some(field) if field.fieldtype.is_table() => {
                let message = format!(
                    "`{key}` reads `{link}.{name}` of many rows: write `sum({link}.{name})` or `count({link})`"
                );
                checker.error(at, message);
            }
            Some(_) => checker.error(at, format!("`{key}` reads `{link}.{name}`, and `{link}`{whose} is not a Link")),
            None => missing(checker, at, key, doctype, link),
        },
        Read::Linked(Through::Single(single), name) => match checker.by_name.get(single.as_str()).copied() {
            Some(target) if target.issingle => check_value(checker, at, reader, target, name),
            Some(_) => checker.error(at, format!("`{key}` reads {single}, which is not a Single")),
            None => checker.error(at, format!("`{key}` reads {single}, which is not loaded")),
        },
        Read::Rows(table) => match doctype.field(table) {
            Some(field) if field.fieldtype.is_table() => {}
            Some(_) => checker.error(at, format!("`{key}` reads the rows of `{table}`{whose}, which is not a table")),
            None => missing(checker, at, key, doctype, table),
        },
        Read::OfRows(table, read) => {
            let child = doctype.field(table).and_then(|field| checker.by_name.get(field.options.as_str()).copied());
            if let Some(child) = child {
                check_read(checker, at, reader, child, read);
            }
        }
        Read::Person | Read::Time => {}
    }
}

/// A field whose value is read: it is there, and its readers are those of the result.
fn check_value(checker: &mut Checker<'_, '_>, at: At<'_>, reader: Reader<'_>, doctype: &DocType, name: &str) {
    let key = reader.key;
    let Some(field) = doctype.field(name) else {
        if doctype.column(name).is_none() && name != "doctype" {
            missing(checker, at, key, doctype, name);
        }
        return;
    };
    if field.secret || field.fieldtype == Fieldtype::Password {
        checker.error(at, format!("`{key}` reads `{name}`, which is secret"));
    } else if field.is_virtual && (field.formula.is_none() || doctype.name != checker.doctype.name && !doctype.istable)
    {
        checker.error(at, format!("`{key}` reads `{name}` of {}, which has no stored value", doctype.name));
    } else if let Some(result) = reader.field {
        if field.mask && !result.mask {
            checker.error(at, format!("`{key}` reads `{name}`, which is masked: set `mask` here as well"));
        } else if field.permlevel > result.permlevel {
            let message = format!(
                "`{key}` reads `{name}` of permission level {}, so that whoever reads this field of level {} learns of it",
                field.permlevel, result.permlevel
            );
            checker.warn(at, message);
        }
    }
}

/// A field of the document around a row: one of the DocTypes with such rows has it.
fn check_parent(checker: &mut Checker<'_, '_>, at: At<'_>, key: &str, doctype: &DocType, name: &str) {
    if !doctype.istable {
        checker.error(at, format!("`{key}` reads `parent.{name}`, and only rows have a parent"));
        return;
    }
    let is_around = |around: &&DocType| around.table_fields().any(|table| table.options == doctype.name);
    let mut around = checker.by_name.values().copied().filter(is_around).peekable();
    let has = |around: &DocType| around.column(name).is_some() || around.field(name).is_some();
    if around.peek().is_some() && !around.any(has) {
        checker.error(at, format!("`{key}` reads `parent.{name}`, which no DocType with such rows has"));
    }
}

fn missing(checker: &mut Checker<'_, '_>, at: At<'_>, key: &str, doctype: &DocType, name: &str) {
    let among = doctype.fields.iter().filter(|field| !field.fieldtype.is_layout());
    let near = suggestion(nearest(name, among.map(|field| field.fieldname.as_str())));
    let whose = if doctype.name == checker.doctype.name { String::new() } else { format!(" of {}", doctype.name) };
    checker.error(at, format!("`{key}` reads the field `{name}`{whose}, which is not there{near}"));
}

/// What kind of value a field holds; `None` for texts that may be numbers or dates as well.
fn kind(doctype: &DocType, name: &str) -> Option<Type> {
    use Fieldtype as F;
    let Some(field) = doctype.field(name) else {
        return match name {
            "docstatus" | "idx" => Some(Type::Number),
            "creation" | "modified" => Some(Type::Moment),
            _ => None,
        };
    };
    Some(match field.fieldtype {
        F::Int | F::LongInt | F::Float | F::Currency | F::Percent | F::Check | F::Duration | F::Rating => Type::Number,
        F::Date | F::Datetime | F::Time => Type::Moment,
        F::SmallText | F::Text | F::LongText | F::TextEditor | F::MarkdownEditor | F::HtmlEditor | F::Code => {
            Type::Text
        }
        F::Table | F::TableMultiSelect => Type::List,
        _ => return None,
    })
}
