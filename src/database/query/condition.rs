//! Conditions as SQL.

use crate::database::connect::Backend;
use crate::database::query::{ColumnRef, Comparison, Condition, pattern, tree, write};
use crate::database::sql::{Sql, push_select_expression};
use crate::meta::Value;
use crate::meta::fieldtype::{ColumnType, Shape};

/// Longer lists of values travel as one JSON parameter: databases limit the number of parameters.
const MAX_INLINE_VALUES: usize = 50;

/// Adds a condition. What is not a single test is put in parentheses where `nested`.
pub(super) fn push(sql: &mut Sql, condition: &Condition<'_>, nested: bool) {
    match condition {
        Condition::All(all) => push_joined(sql, all, (" AND ", "1 = 1"), nested),
        Condition::Any(any) => push_joined(sql, any, (" OR ", "1 = 0"), nested),
        Condition::Compare { column, comparison, value, or_null } => with_null(sql, column, *or_null, |sql| {
            write::push_column(sql, column);
            sql.push(match comparison {
                Comparison::Equal => " = ",
                Comparison::NotEqual => " <> ",
                Comparison::Less => " < ",
                Comparison::LessOrEqual => " <= ",
                Comparison::Greater => " > ",
                Comparison::GreaterOrEqual => " >= ",
            });
            sql.bind(compared_type(column), value.clone());
        }),
        Condition::OneOf { values, negated: false, or_null: false, .. } if values.is_empty() => {
            sql.push("1 = 0");
        }
        Condition::OneOf { values, negated: true, .. } if values.is_empty() => {
            sql.push("1 = 1");
        }
        Condition::OneOf { column, values, negated, or_null } => with_null(sql, column, *or_null, |sql| {
            write::push_column(sql, column);
            sql.push(if *negated { " NOT IN (" } else { " IN (" });
            push_values(sql, compared_type(column), values);
            sql.push(")");
        }),
        Condition::Between { column, low, high } => {
            write::push_column(sql, column);
            sql.push(" BETWEEN ").bind(compared_type(column), low.clone());
            sql.push(" AND ").bind(compared_type(column), high.clone());
        }
        Condition::IsNull { column, null } => {
            write::push_column(sql, column);
            sql.push(if *null { " IS NULL" } else { " IS NOT NULL" });
        }
        Condition::IsSet { column, set } => push_is_set(sql, column, *set),
        Condition::Like { column, pattern, negated, or_null } => with_null(sql, column, *or_null, |sql| {
            push_like(sql, column, pattern, *negated);
        }),
        Condition::Matches { column, pattern } => {
            push_text(sql, column);
            match sql.backend {
                Backend::Sqlite => sql.push(" REGEXP ").bind_text(format!("(?i){pattern}")),
                Backend::Postgres => sql.push(" ~* ").bind_text(pattern),
            };
        }
        Condition::Tree { column, tree, node, negated, or_null } => with_null(sql, column, *or_null, |sql| {
            push_name_as_text(sql, column);
            sql.push(if *negated { " NOT IN (" } else { " IN (" });
            tree::push_relatives(sql, tree, node);
            sql.push(")");
        }),
        Condition::Shared { name, doctype, user, everyone } => {
            push_name_as_text(sql, name);
            sql.push(" IN (");
            push_shares(sql, doctype, user, *everyone);
            sql.push(")");
        }
        Condition::Names { column, doctype, table, condition } => {
            write::push_column(sql, column);
            sql.push(" IN (SELECT ");
            let is_number = doctype.columns[0].column_type.shape() == Shape::Int;
            if is_number && column.column_type.shape() == Shape::Text {
                sql.push("CAST(").column(&write::alias(*table), "name").push(" AS text)");
            } else {
                sql.column(&write::alias(*table), "name");
            }
            sql.push(" FROM ").ident(&doctype.table_name()).push(" AS ").ident(&write::alias(*table)).push(" WHERE ");
            push(sql, condition, false);
            sql.push(")");
        }
        Condition::HasRow { name, parent, field, rows, condition, some } => {
            let alias = write::alias(rows.table);
            sql.push(if *some { "EXISTS (" } else { "NOT EXISTS (" });
            sql.push("SELECT 1 FROM ").ident(&rows.doctype.table_name()).push(" AS ").ident(&alias);
            sql.push(" WHERE ").column(&alias, "parent").push(" = ");
            push_name_as_text(sql, name);
            sql.push(" AND ").column(&alias, "parenttype").push(" = ").bind_text(parent.name.as_str());
            sql.push(" AND ").column(&alias, "parentfield").push(" = ").bind_text(field.fieldname.as_str());
            sql.push(" AND ");
            push(sql, condition, true);
            sql.push(")");
        }
    }
}

/// Adds the query for the names of the documents of a DocType that are shared with a user.
pub(super) fn push_shares(sql: &mut Sql, doctype: &str, user: &str, everyone: bool) {
    sql.push("SELECT \"share_name\" FROM \"tabDocShare\" WHERE \"share_doctype\" = ").bind_text(doctype);
    sql.push(" AND \"read\" = 1 AND ");
    if everyone {
        sql.push("(\"user\" = ").bind_text(user).push(" OR \"everyone\" = 1)");
    } else {
        sql.push("\"user\" = ").bind_text(user);
    }
}

fn push_joined(
    sql: &mut Sql,
    conditions: &[Condition<'_>],
    (between, without): (&'static str, &'static str),
    nested: bool,
) {
    match conditions {
        [] => {
            sql.push(without);
        }
        [one] => push(sql, one, nested),
        several => {
            if nested {
                sql.push("(");
            }
            for (index, condition) in several.iter().enumerate() {
                if index > 0 {
                    sql.push(between);
                }
                push(sql, condition, true);
            }
            if nested {
                sql.push(")");
            }
        }
    }
}

fn with_null(sql: &mut Sql, column: &ColumnRef<'_>, or_null: bool, test: impl FnOnce(&mut Sql)) {
    if or_null {
        sql.push("(");
        test(sql);
        sql.push(" OR ");
        write::push_column(sql, column);
        sql.push(" IS NULL)");
    } else {
        test(sql);
    }
}

/// JSON columns are compared as the text that they hold.
fn compared_type(column: &ColumnRef<'_>) -> ColumnType {
    if column.column_type == ColumnType::Json { ColumnType::LongText } else { column.column_type }
}

fn push_values(sql: &mut Sql, column_type: ColumnType, values: &[Value]) {
    if values.len() <= MAX_INLINE_VALUES {
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                sql.push(", ");
            }
            sql.bind(column_type, value.clone());
        }
        return;
    }
    let list = serde_json::Value::Array(values.iter().map(Value::to_json).collect()).to_string();
    match sql.backend {
        Backend::Sqlite => {
            sql.push("SELECT \"value\" FROM json_each(").bind_text(list).push(")");
        }
        Backend::Postgres => {
            let cast = match column_type {
                ColumnType::Int | ColumnType::BigInt | ColumnType::SmallInt => "bigint",
                ColumnType::Decimal | ColumnType::Rating => "float8",
                ColumnType::Date => "date",
                ColumnType::Datetime => "timestamp",
                ColumnType::Time => "time",
                ColumnType::Varchar(_) | ColumnType::Text | ColumnType::LongText | ColumnType::Json => "text",
            };
            sql.push("SELECT CAST(\"value\" AS ").push(cast).push(") FROM json_array_elements_text(CAST(");
            sql.bind_text(list).push(" AS json)) AS \"list\" (\"value\")");
        }
    }
}

fn push_is_set(sql: &mut Sql, column: &ColumnRef<'_>, set: bool) {
    let is_text = matches!(
        column.column_type,
        ColumnType::Varchar(_) | ColumnType::Text | ColumnType::LongText | ColumnType::Json
    );
    match (is_text, set) {
        (true, true) => {
            write::push_column(sql, column);
            sql.push(" <> ''");
        }
        (true, false) => {
            sql.push("(");
            write::push_column(sql, column);
            sql.push(" = '' OR ");
            write::push_column(sql, column);
            sql.push(" IS NULL)");
        }
        (false, set) => {
            write::push_column(sql, column);
            sql.push(if set { " IS NOT NULL" } else { " IS NULL" });
        }
    }
}

/// A backslash in a pattern is a backslash, as in Frappe.
fn push_like(sql: &mut Sql, column: &ColumnRef<'_>, like: &str, negated: bool) {
    match (sql.backend, pattern::glob(like).filter(|_| sql.backend == Backend::Sqlite)) {
        (Backend::Sqlite, Some(glob)) => {
            write::push_column(sql, column);
            sql.push(if negated { " NOT GLOB " } else { " GLOB " }).bind_text(glob);
        }
        (Backend::Sqlite, None) => {
            write::push_column(sql, column);
            sql.push(if negated { " NOT LIKE " } else { " LIKE " }).bind_text(like);
        }
        (Backend::Postgres, _) => {
            push_text(sql, column);
            sql.push(if negated { " NOT ILIKE " } else { " ILIKE " }).bind_text(like).push(" ESCAPE ''");
        }
    }
}

/// The column as the text that people see.
fn push_text(sql: &mut Sql, column: &ColumnRef<'_>) {
    let mut plain = String::new();
    write::column_text(&mut plain, column);
    match column.column_type {
        ColumnType::Varchar(_) | ColumnType::Text | ColumnType::LongText => {
            sql.push(&plain);
        }
        ColumnType::Date | ColumnType::Datetime | ColumnType::Time => {
            push_select_expression(&mut sql.text, sql.backend, &plain, column.column_type);
        }
        _ => {
            sql.push("CAST(").push(&plain).push(" AS text)");
        }
    }
}

/// A name, or a Link, as the text that Links and shares hold.
fn push_name_as_text(sql: &mut Sql, column: &ColumnRef<'_>) {
    if column.column_type.shape() == Shape::Int {
        sql.push("CAST(");
        write::push_column(sql, column);
        sql.push(" AS text)");
    } else {
        write::push_column(sql, column);
    }
}
