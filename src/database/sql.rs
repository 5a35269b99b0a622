//! Writes statements: text and parameters together, in the dialect of the database.

use std::fmt::Write;

use crate::database::connect::Backend;
use crate::database::row::Param;
use crate::meta::Value;
use crate::meta::fieldtype::ColumnType;

/// How many names one statement takes.
pub(super) const NAMES_AT_ONCE: usize = 256;

/// A statement being written.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    /// Whose dialect.
    pub backend: Backend,
    /// The text so far.
    pub text: String,
    /// The parameters so far, in order.
    pub params: Vec<Param>,
}

impl Sql {
    /// Starts a statement.
    pub(crate) fn new(backend: Backend) -> Self {
        Self { backend, text: String::with_capacity(256), params: Vec::new() }
    }

    /// Adds text that this program wrote; never input.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a quoted identifier.
    pub(crate) fn ident(&mut self, name: &str) -> &mut Self {
        push_ident(&mut self.text, name);
        self
    }

    /// Adds `"alias"."name"`, or the name alone.
    pub(crate) fn column(&mut self, alias: &str, name: &str) -> &mut Self {
        push_column(&mut self.text, alias, name);
        self
    }

    /// Adds a parameter of a column's type.
    pub(crate) fn bind(&mut self, column_type: ColumnType, value: impl Into<Value>) -> &mut Self {
        self.params.push(Param::new(column_type.shape(), value.into()));
        push_placeholder(&mut self.text, self.backend, self.params.len(), column_type);
        self
    }

    /// Adds a text parameter.
    pub(crate) fn bind_text(&mut self, value: impl Into<String>) -> &mut Self {
        self.bind(ColumnType::Text, Value::Text(value.into()))
    }

    /// Adds an integer parameter.
    pub(crate) fn bind_int(&mut self, value: i64) -> &mut Self {
        self.bind(ColumnType::BigInt, Value::Int(value))
    }
}

/// The `n`th placeholder (1-based) for a value of that type, cast where PostgreSQL would not guess.
pub(super) fn push_placeholder(text: &mut String, backend: Backend, n: usize, column_type: ColumnType) {
    let cast = match (backend, column_type) {
        (Backend::Sqlite, _) => return text.push('?'),
        (Backend::Postgres, ColumnType::Varchar(_) | ColumnType::Text | ColumnType::LongText) => "",
        (Backend::Postgres, ColumnType::Int | ColumnType::BigInt | ColumnType::SmallInt) => "bigint",
        (Backend::Postgres, ColumnType::Decimal | ColumnType::Rating) => "float8",
        (Backend::Postgres, ColumnType::Date) => "date",
        (Backend::Postgres, ColumnType::Datetime) => "timestamp",
        (Backend::Postgres, ColumnType::Time) => "time",
        (Backend::Postgres, ColumnType::Json) => "json",
    };
    // Through text where the value travels as text.
    let _ = match cast {
        "" => write!(text, "CAST(${n} AS text)"),
        "bigint" | "float8" => write!(text, "CAST(${n} AS {cast})"),
        _ => write!(text, "CAST(CAST(${n} AS text) AS {cast})"),
    };
}

/// A column in a select list, as the shape it is decoded by.
pub(super) fn push_select(text: &mut String, backend: Backend, alias: &str, name: &str, column_type: ColumnType) {
    let mut column = String::new();
    push_column(&mut column, alias, name);
    push_select_expression(text, backend, &column, column_type);
}

/// An expression in a select list, as the shape it is decoded by.
pub(super) fn push_select_expression(text: &mut String, backend: Backend, column: &str, column_type: ColumnType) {
    let _ = match (backend, column_type) {
        (Backend::Sqlite, _) => write!(text, "{column}"),
        (Backend::Postgres, ColumnType::Int | ColumnType::BigInt | ColumnType::SmallInt) => {
            write!(text, "CAST({column} AS bigint)")
        }
        (Backend::Postgres, ColumnType::Decimal | ColumnType::Rating) => write!(text, "CAST({column} AS float8)"),
        (Backend::Postgres, ColumnType::Datetime) => write!(text, "to_char({column}, 'YYYY-MM-DD HH24:MI:SS.US')"),
        (Backend::Postgres, ColumnType::Date) => write!(text, "to_char({column}, 'YYYY-MM-DD')"),
        // Canonical times have six digits behind the seconds or none; PostgreSQL's own text has as many as it needs.
        (Backend::Postgres, ColumnType::Time) => {
            write!(text, "replace(to_char({column}, 'HH24:MI:SS.US'), '.000000', '')")
        }
        // Text too: a prepared statement fails for good once a column's type or length has changed under it.
        (Backend::Postgres, ColumnType::Varchar(_) | ColumnType::Text | ColumnType::LongText | ColumnType::Json) => {
            write!(text, "CAST({column} AS text)")
        }
    };
}

/// Adds an identifier in double quotes; a quote inside is doubled.
pub(super) fn push_ident(text: &mut String, name: &str) {
    text.push('"');
    text.push_str(&name.replace('"', "\"\""));
    text.push('"');
}

/// Adds `"alias"."name"`, or the name alone.
pub(super) fn push_column(text: &mut String, alias: &str, name: &str) {
    if !alias.is_empty() {
        push_ident(text, alias);
        text.push('.');
    }
    push_ident(text, name);
}

/// An identifier in double quotes.
pub(crate) fn quote(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    push_ident(&mut text, name);
    text
}

/// Names for `IN (`, with the bracket at the end. The last is repeated up to a power of two, so that there are few
/// different statements.
pub(super) fn push_names(sql: &mut Sql, column_type: ColumnType, names: &[String]) {
    let Some(last) = names.last() else { return };
    for index in 0..names.len().next_power_of_two() {
        if index > 0 {
            sql.push(",");
        }
        sql.bind(column_type, names.get(index).unwrap_or(last).as_str());
    }
    sql.push(")");
}
