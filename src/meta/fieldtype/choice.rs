//! Select: one of the lines of `options`.

use serde_json::Value as Json;

use super::{Fault, quote, text};
use crate::error::ProblemKind;
use crate::meta::docfield::DocField;
use crate::meta::value::Value;

/// How many lines a message lists.
const LISTED: usize = 12;

/// The text without space around it.
pub(super) fn parse(input: &Json) -> Result<Value, Fault> {
    Ok(match text::parse(input)? {
        Value::Text(text) if text.trim().len() != text.len() => Value::Text(text.trim().to_owned()),
        value => value,
    })
}

/// Whether the text is one of the lines. A Select without lines is filled by its form, `naming_series` by its series.
pub(super) fn validate(field: &DocField, text: &str) -> Result<(), Fault> {
    let anything_goes = field.options.trim().is_empty() || field.fieldname == "naming_series";
    if anything_goes || text.is_empty() || field.select_options().any(|option| option == text) {
        return Ok(());
    }
    let options: Vec<&str> = field.select_options().filter(|option| !option.is_empty()).collect();
    let mut listed = options.iter().take(LISTED).copied().collect::<Vec<&str>>().join(", ");
    if options.len() > LISTED {
        listed.push_str(", …");
    }
    Err((ProblemKind::Validation, format!("must be one of {listed}, not {}", quote(text))))
}
