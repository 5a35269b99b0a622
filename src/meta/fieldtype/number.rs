//! Numbers: Check, Int, Long Int, Float, Currency, Percent, Rating.

use serde_json::Value as Json;

use super::{ColumnType, Fault, Fieldtype, quote_json};
use crate::error::ProblemKind;
use crate::meta::decimal;
use crate::meta::docfield::DocField;
use crate::meta::value::Value;

/// decimal(21,9) has 12 digits before the point.
const DECIMAL_LIMIT: f64 = 1e12;
/// f64 holds every whole number below this one.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// On or off, in the words of JSON, forms and people.
pub(super) fn parse_check(input: &Json) -> Result<Value, Fault> {
    let on = match input {
        Json::Null => Some(false),
        Json::Bool(on) => Some(*on),
        Json::Number(number) => number.as_f64().map(|number| number != 0.0),
        Json::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "" | "0" | "false" | "off" | "no" => Some(false),
            "1" | "true" | "on" | "yes" => Some(true),
            other => written(other).map(|number| number != 0.0),
        },
        Json::Array(_) | Json::Object(_) => None,
    };
    on.map(Value::from).ok_or_else(|| (ProblemKind::Type, format!("must be 0 or 1, not {}", quote_json(input))))
}

/// A whole number; `12.0` and `"12"` count as 12.
pub(super) fn parse_int(input: &Json) -> Result<Value, Fault> {
    let refused = || (ProblemKind::Type, format!("must be a whole number such as 12, not {}", quote_json(input)));
    let number = match input {
        Json::Bool(on) => return Ok(Value::from(*on)),
        Json::Number(number) => match number.as_i64() {
            Some(number) => return Ok(Value::Int(number)),
            None => number.as_f64().ok_or_else(refused)?,
        },
        Json::String(text) => {
            let text = text.trim();
            if text.is_empty() {
                return Ok(Value::Int(0));
            }
            check_commas(text)?;
            match text.parse::<i64>() {
                Ok(number) => return Ok(Value::Int(number)),
                Err(_) => written(text).ok_or_else(refused)?,
            }
        }
        Json::Null | Json::Array(_) | Json::Object(_) => return Err(refused()),
    };
    if number.fract() != 0.0 {
        return Err(refused());
    }
    if number.abs() >= EXACT {
        return Err(too_large("a whole number", "9,223,372,036,854,775,807"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    Ok(Value::Int(number as i64))
}

/// A number, rounded to the nine places that a decimal column keeps.
pub(super) fn parse_float(input: &Json) -> Result<Value, Fault> {
    parse_number(input).map(|number| Value::Float(round(number, 9)))
}

/// A share of the stars: 0 to 1, clamped as Frappe does, kept to two places.
pub(super) fn parse_rating(input: &Json) -> Result<Value, Fault> {
    parse_number(input).map(|number| Value::Float(round(number.clamp(0.0, 1.0), 2)))
}

/// Any finite number.
pub(super) fn parse_number(input: &Json) -> Result<f64, Fault> {
    let number = match input {
        Json::Bool(on) => Some(f64::from(u8::from(*on))),
        Json::Number(number) => number.as_f64().filter(|number| number.is_finite()),
        Json::String(text) if text.trim().is_empty() => Some(0.0),
        Json::String(text) => {
            check_commas(text.trim())?;
            written(text.trim())
        }
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    };
    number.ok_or_else(|| (ProblemKind::Type, format!("must be a number such as 1200.5, not {}", quote_json(input))))
}

/// Ranges of the column, and `non_negative`.
pub(super) fn validate(field: &DocField, column_type: ColumnType, value: &Value) -> Result<(), Fault> {
    let (number, whole) = match value {
        #[expect(clippy::cast_precision_loss, reason = "only the sign and the magnitude matter")]
        Value::Int(number) => (*number as f64, Some(*number)),
        Value::Float(number) => (*number, None),
        Value::Null | Value::Text(_) => return Ok(()),
    };
    if !number.is_finite() {
        return Err((ProblemKind::Type, "must be a number such as 1200.5".to_owned()));
    }
    let counts = matches!(
        field.fieldtype,
        Fieldtype::Int | Fieldtype::LongInt | Fieldtype::Float | Fieldtype::Currency | Fieldtype::Percent
    );
    if field.non_negative && counts && number < 0.0 {
        return Err((ProblemKind::NonNegative, "cannot be negative".to_owned()));
    }
    match (column_type, whole) {
        (ColumnType::Int, Some(whole)) if i32::try_from(whole).is_err() => {
            Err(too_large("a whole number", "2,147,483,647"))
        }
        (ColumnType::SmallInt, Some(whole)) if i16::try_from(whole).is_err() => {
            Err(too_large("a whole number", "32,767"))
        }
        (ColumnType::Decimal, _) if number.abs() >= DECIMAL_LIMIT => Err(too_large("a number", "999,999,999,999")),
        (ColumnType::Rating, _) if !(0.0..=1.0).contains(&number) => {
            Err((ProblemKind::Validation, "must be from 0 to 1".to_owned()))
        }
        _ => Ok(()),
    }
}

/// Without trailing zeros, to `precision` places if the field says so.
pub(super) fn display(field: &DocField, value: &Value) -> String {
    match (value, field.precision) {
        (Value::Float(number), Some(places)) => round(*number, places).to_string(),
        (Value::Float(number), None) => round(*number, 9).to_string(),
        _ => value.to_string(),
    }
}

/// `3/5`: the stars out of as many as `options` says, five if it does not.
pub(super) fn display_rating(field: &DocField, value: &Value) -> String {
    let stars: f64 = field.options.trim().parse().unwrap_or(5.0);
    match value {
        Value::Float(share) => format!("{}/{stars}", round(share * stars, 1)),
        #[expect(clippy::cast_precision_loss, reason = "0 or 1")]
        Value::Int(share) => format!("{}/{stars}", *share as f64 * stars),
        Value::Null | Value::Text(_) => value.to_string(),
    }
}

/// Rounds the written decimal, not the binary approximation of it, so that rounding twice changes nothing.
pub(super) fn round(number: f64, places: u8) -> f64 {
    // Adding 0 also turns -0 into 0, which databases cannot tell apart.
    if number.fract() == 0.0 { number + 0.0 } else { decimal::round(number, i32::from(places)) }
}

/// A decimal number as people and JSON write it: no `inf`, no `nan`, nothing but digits, sign, point and exponent.
fn written(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    let number: f64 = plain.then(|| text.parse().ok()).flatten()?;
    number.is_finite().then_some(number)
}

fn check_commas(text: &str) -> Result<(), Fault> {
    if text.contains(',') && text.chars().any(|c| c.is_ascii_digit()) {
        let message = format!(
            "must be written without commas, such as 1200.5, not {}: the point separates decimals, nothing separates thousands",
            super::quote(text)
        );
        return Err((ProblemKind::Type, message));
    }
    Ok(())
}

fn too_large(what: &str, limit: &str) -> Fault {
    (ProblemKind::CharacterLengthExceeded, format!("must be {what} between -{limit} and {limit}"))
}
