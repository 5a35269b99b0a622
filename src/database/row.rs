//! Between rows of a database and [`Value`]s: every column travels as an integer, a float or text.

use sea_orm::{DbErr, QueryResult};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::meta::Value;
use crate::meta::fieldtype::Shape;

/// A parameter: a value in the shape of its column.
///
/// PostgreSQL fixes a prepared statement's parameter types when it first sees it, so a null must be as typed as a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Param(pub(super) sea_orm::Value);

impl Param {
    /// The value in that shape; what cannot take it becomes null.
    pub fn new(shape: Shape, value: Value) -> Self {
        Self(match shape {
            Shape::Int => sea_orm::Value::BigInt(value.as_int()),
            Shape::Float => sea_orm::Value::Double(match value {
                Value::Float(x) => Some(x),
                #[expect(clippy::cast_precision_loss, reason = "a Float column holds 15 digits anyway")]
                Value::Int(n) => Some(n as f64),
                Value::Text(text) => text.trim().parse().ok(),
                Value::Null => None,
            }),
            Shape::Text => sea_orm::Value::String(match value {
                Value::Null => None,
                Value::Text(text) => Some(text),
                number => Some(number.to_string()),
            }),
        })
    }

    /// A text parameter.
    pub fn text(text: impl Into<String>) -> Self {
        Self(sea_orm::Value::String(Some(text.into())))
    }

    /// An integer parameter.
    pub fn int(n: i64) -> Self {
        Self(sea_orm::Value::BigInt(Some(n)))
    }
}

/// Decodes one row by position. On PostgreSQL the select list has cast every column to its shape.
pub(super) fn decode(row: &QueryResult, shapes: &[Shape]) -> Result<Vec<Value>, DbErr> {
    if let Some(row) = row.try_as_sqlite_row() {
        return decode_sqlite(row, shapes);
    }
    let row = row.try_as_pg_row().ok_or_else(|| DbErr::Type("a row of an unknown database".to_owned()))?;
    let value = |(index, shape): (usize, &Shape)| match shape {
        Shape::Int => row.try_get::<Option<i64>, _>(index).map(Value::from),
        Shape::Float => row.try_get::<Option<f64>, _>(index).map(Value::from),
        Shape::Text => row.try_get::<Option<String>, _>(index).map(Value::from),
    };
    shapes.iter().enumerate().map(value).collect::<Result<_, _>>().map_err(|error| failed(&error))
}

/// The same of SQLite. Unchecked: it converts between its storage classes, which is what old or foreign rows need.
pub(super) fn decode_sqlite(row: &SqliteRow, shapes: &[Shape]) -> Result<Vec<Value>, DbErr> {
    let value = |(index, shape): (usize, &Shape)| match shape {
        Shape::Int => row.try_get_unchecked::<Option<i64>, _>(index).map(Value::from),
        Shape::Float => row.try_get_unchecked::<Option<f64>, _>(index).map(Value::from),
        Shape::Text => row.try_get_unchecked::<Option<String>, _>(index).map(Value::from),
    };
    shapes.iter().enumerate().map(value).collect::<Result<_, _>>().map_err(|error| failed(&error))
}

fn failed(error: &sqlx::Error) -> DbErr {
    DbErr::Type(format!("a column does not decode: {error}"))
}
