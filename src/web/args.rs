//! [`Args`]: arguments read by type; what does not fit is a 417 that names the argument.

use serde_json::{Map, Value as Json};

use crate::error::{Error, ProblemKind, Result};

/// The arguments of a request by name; made where they are read.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a>(pub &'a Map<String, Json>);

impl<'a> Args<'a> {
    /// The argument; Null counts as left out.
    pub fn get(self, name: &str) -> Option<&'a Json> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Text; numbers count, as names may be numbers. Empty text counts as left out.
    pub fn text(self, name: &str) -> Result<Option<String>> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::String(text)) if text.is_empty() => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.clone())),
            Some(Json::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(wrong_type(name, "text")),
        }
    }

    /// Text that must be there.
    pub fn required(self, name: &str) -> Result<String> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// A whole number.
    pub fn integer(self, name: &str) -> Result<Option<i64>> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Json::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Json::String(text)) => text.trim().parse().ok(),
            Some(Json::Number(number)) => number.as_i64(),
            Some(_) => None,
        };
        number.map(Some).ok_or_else(|| wrong_type(name, "a whole number"))
    }

    /// A whole number that is not below 0.
    pub fn count(self, name: &str) -> Result<Option<u64>> {
        match self.integer(name)? {
            None => Ok(None),
            Some(number) => u64::try_from(number).map(Some).map_err(|_| wrong_type(name, "0 or more")),
        }
    }

    /// On or off: `1`, `true`, `"true"` and `0`, `false`, `"false"`.
    pub fn flag(self, name: &str) -> Result<Option<bool>> {
        let text = match self.get(name) {
            None => return Ok(None),
            Some(Json::Bool(on)) => return Ok(Some(*on)),
            Some(Json::Number(number)) => number.to_string(),
            Some(Json::String(text)) => text.trim().to_ascii_lowercase(),
            Some(_) => return Err(wrong_type(name, "0 or 1")),
        };
        match text.as_str() {
            "" => Ok(None),
            "1" | "true" | "yes" | "on" => Ok(Some(true)),
            "0" | "false" | "no" | "off" | "none" | "null" => Ok(Some(false)),
            _ => Err(wrong_type(name, "0 or 1")),
        }
    }

    /// JSON, sent as such or as text that holds it. `None` if left out; an error if text does not parse.
    pub fn json(self, name: &str) -> Result<Option<Json>> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Json::String(text)) => match serde_json::from_str(text) {
                Ok(Json::Null) => Ok(None),
                Ok(parsed) => Ok(Some(parsed)),
                Err(error) => Err(Error::invalid(ProblemKind::Data, format!("{name} is not valid JSON: {error}"))),
            },
            Some(other) => Ok(Some(other.clone())),
        }
    }

    /// A JSON object that must be there.
    pub fn object(self, name: &str) -> Result<Map<String, Json>> {
        match self.json(name)? {
            Some(Json::Object(object)) => Ok(object),
            Some(_) => Err(wrong_type(name, "a JSON object")),
            None => Err(missing(name)),
        }
    }

    /// A JSON list that must be there.
    pub fn list(self, name: &str) -> Result<Vec<Json>> {
        match self.json(name)? {
            Some(Json::Array(list)) => Ok(list),
            Some(_) => Err(wrong_type(name, "a JSON list")),
            None => Err(missing(name)),
        }
    }

    /// Fieldnames: a JSON list, a JSON string, or words separated by commas.
    pub fn names(self, name: &str) -> Result<Option<Vec<String>>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let list = match loose_json(value) {
            Json::Array(list) => list,
            Json::String(text) => text.split(',').map(|word| Json::from(word.trim())).collect(),
            Json::Null => return Ok(None),
            _ => return Err(wrong_type(name, "a list of fieldnames")),
        };
        let names: Option<Vec<String>> = list
            .into_iter()
            .filter(|name| name.as_str() != Some(""))
            .map(|name| if let Json::String(name) = name { Some(name) } else { None })
            .collect();
        names.map(Some).ok_or_else(|| wrong_type(name, "a list of fieldnames"))
    }

    /// The documents to delete, insert, …: at most `most`.
    pub fn at_most(self, name: &str, most: usize) -> Result<Vec<Json>> {
        let list = self.list(name)?;
        if list.len() > most {
            let message = format!("Only {most} {name} are allowed in one request: send them in parts");
            return Err(Error::invalid(ProblemKind::Validation, message));
        }
        Ok(list)
    }
}

/// What an argument that is needed and absent is answered with.
pub(crate) fn missing(name: &str) -> Error {
    Error::invalid(ProblemKind::Type, format!("{name} is missing: send it with the request"))
}

/// What an argument of the wrong type is answered with.
pub(crate) fn wrong_type(name: &str, expected: &str) -> Error {
    Error::invalid(ProblemKind::Type, format!("{name} must be {expected}"))
}

/// Text as the JSON that it holds; text that holds none stays text, empty text is Null.
pub(crate) fn loose_json(value: &Json) -> Json {
    match value {
        Json::String(text) if text.trim().is_empty() => Json::Null,
        Json::String(text) => serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone())),
        other => other.clone(),
    }
}
