//! JSON in a field: JSON, Geolocation, and Code that says it is JSON. Stored as text.

use serde_json::Value as Json;

use super::{Fault, text};
use crate::error::ProblemKind;
use crate::meta::docfield::DocField;
use crate::meta::value::Value;

/// Text stays as it came; anything else becomes its compact text. The empty text is nothing.
pub(super) fn parse_json(input: &Json) -> Result<Value, Fault> {
    match input {
        Json::Null => Ok(Value::Null),
        Json::String(text) if text.trim().is_empty() => Ok(Value::Null),
        Json::String(text) => {
            validate_json(text)?;
            text::parse(input)
        }
        _ => Ok(Value::Text(input.to_string())),
    }
}

/// As [`parse_json`], but empty text stays and broken JSON is found by `validate`, as with other Code.
pub(super) fn parse_json_code(input: &Json) -> Result<Value, Fault> {
    match input {
        Json::Array(_) | Json::Object(_) => Ok(Value::Text(input.to_string())),
        _ => text::parse(input),
    }
}

/// Whether a Code field holds JSON.
pub(super) fn is_json_code(field: &DocField) -> bool {
    field.options.trim().eq_ignore_ascii_case("json")
}

/// Whether the text is JSON that the reader here can read (nesting is limited to 128 levels).
pub(super) fn validate_json(text: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Ok(());
    }
    match serde_json::from_str::<Json>(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let message = format!("must be valid JSON: line {}, column {} is not", error.line(), error.column());
            Err((ProblemKind::Validation, message))
        }
    }
}
