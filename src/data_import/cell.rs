//! Between cells of a table and values of fields. No input or output.

use serde_json::Value as Json;

use super::columns::Column;
use super::formats::{Formats, clock, iso_date, moment_text, plain_number};
use crate::meta::fieldtype::{self, ColumnType, Shape};
use crate::meta::{Fieldtype, Value};
use crate::spreadsheet::Cell;

/// From which size on a float cannot tell whole numbers apart, so that they are written as text.
const EXACT: f64 = 9e15;

/// The cell of a value as the engine answers it: what [`to_json`] reads as the same value.
pub(super) fn of_json(column: &Column, value: &Json) -> Cell {
    let fieldtype = column.field().map(|field| field.fieldtype);
    match value {
        Json::Null => Cell::Empty,
        Json::Bool(on) => Cell::Flag(*on),
        Json::Number(number) => match number.as_f64() {
            Some(float) if fieldtype == Some(Fieldtype::Duration) => span(column, float),
            Some(float) if float.abs() < EXACT => Cell::Number(float),
            _ => Cell::Text(number.to_string()),
        },
        Json::String(text) if text.is_empty() => Cell::Empty,
        Json::String(text) => moment(column.column_type(), text).unwrap_or_else(|| Cell::Text(text.clone())),
        other => Cell::Text(other.to_string()),
    }
}

/// `1d 2h` where that says all of it, else the seconds.
fn span(column: &Column, seconds: f64) -> Cell {
    match column.field() {
        Some(field) if seconds.fract() == 0.0 => Cell::Text(fieldtype::display(field, &Value::Float(seconds))),
        _ => Cell::Number(seconds),
    }
}

fn moment(column_type: ColumnType, text: &str) -> Option<Cell> {
    match column_type {
        ColumnType::Date => text.parse().ok().map(Cell::Date),
        ColumnType::Datetime => text.replacen(' ', "T", 1).parse().ok().map(Cell::Moment),
        _ => None,
    }
}

/// What a cell says, as JSON that the engine reads; or what is wrong with it, without the field's label.
pub(super) fn to_json(column: &Column, cell: &Cell, formats: Formats) -> Result<Json, String> {
    if column.is_name() {
        return Ok(match cell {
            Cell::Empty => Json::Null,
            Cell::Number(number) => Json::from(number.to_string()),
            other => Json::from(other.text().trim()),
        });
    }
    let column_type = column.column_type();
    Ok(match (cell, column_type) {
        (Cell::Empty, _) => Json::Null,
        (Cell::Fault(fault), _) => return Err(format!("the formula in this cell failed with {fault}")),
        (Cell::Flag(on), ColumnType::SmallInt) => Json::from(*on),
        (Cell::Number(number), _) if column_type.shape() != Shape::Text => number_json(*number),
        (Cell::Span(seconds), ColumnType::Decimal) => number_json(*seconds),
        (Cell::Span(seconds), ColumnType::Time) => Json::from(time_of(*seconds).ok_or("a day has 24 hours")?),
        (Cell::Date(day), ColumnType::Datetime) => Json::from(day.format("%Y-%m-%d 00:00:00").to_string()),
        (Cell::Moment(moment), ColumnType::Date) => Json::from(moment.date().format("%Y-%m-%d").to_string()),
        (Cell::Moment(moment), ColumnType::Time) => Json::from(moment.time().format("%H:%M:%S%.f").to_string()),
        (Cell::Moment(moment), _) => Json::from(moment_text(*moment)),
        (Cell::Text(text), ColumnType::Date | ColumnType::Datetime) => Json::from(iso_date(text, formats.date)?),
        (Cell::Text(text), ColumnType::Time) => Json::from(clock(text).unwrap_or_else(|| text.clone())),
        (Cell::Text(text), ColumnType::Int | ColumnType::BigInt | ColumnType::Decimal | ColumnType::Rating) => {
            Json::from(plain_number_unless_span(column, text, formats)?)
        }
        (other, _) => Json::from(other.text()),
    })
}

/// A Duration may be `1d 2h`.
fn plain_number_unless_span(column: &Column, text: &str, formats: Formats) -> Result<String, String> {
    let is_span = column.field().is_some_and(|field| field.fieldtype == Fieldtype::Duration)
        && text.contains(|letter: char| "dhmsDHMS".contains(letter));
    if is_span { Ok(text.to_owned()) } else { plain_number(text, formats.number) }
}

fn number_json(number: f64) -> Json {
    serde_json::Number::from_f64(number).map_or(Json::Null, Json::Number)
}

fn time_of(seconds: f64) -> Option<String> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within a day")]
    let whole = (0.0..86_400.0).contains(&seconds).then(|| seconds.round() as u32)?;
    chrono::NaiveTime::from_num_seconds_from_midnight_opt(whole, 0).map(|time| time.format("%H:%M:%S").to_string())
}

/// Everything that is wrong with a value by its field alone.
pub(super) fn check(column: &Column, value: &Json) -> Result<(), String> {
    let Some(field) = column.field() else { return Ok(()) };
    let column_type = column.column_type();
    let parsed = fieldtype::parse(field, column_type, value).map_err(|(_, message)| message)?;
    fieldtype::validate(field, column_type, &parsed).map_err(|(_, message)| message)
}

/// Notes what a cell tells of the formats of a file.
pub(super) fn see(column: &Column, cell: &Cell, guess: &mut super::formats::Guess) {
    let Cell::Text(text) = cell else { return };
    match column.column_type() {
        ColumnType::Date | ColumnType::Datetime => guess.see_date(text),
        ColumnType::Decimal | ColumnType::Int | ColumnType::BigInt => guess.see_number(text),
        _ => {}
    }
}

/// The formats that were chosen, and for the others those that were guessed.
pub(super) fn settled(chosen: Formats, guessed: Formats) -> Formats {
    Formats { date: chosen.date.or(guessed.date), number: chosen.number.or(guessed.number) }
}
