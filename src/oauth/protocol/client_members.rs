//! The members of client metadata as they come: read one by one, each with a message that names it.

use serde_json::{Map, Value};

use super::error::{Error, ErrorCode, Result};

/// The longest text in any field.
const MAX_TEXT: usize = 500;

/// The members of the request, `null` counting as left out.
pub(super) struct Members<'a>(pub &'a Map<String, Value>);

impl Members<'_> {
    /// A member, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether it is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A text, if it is there and not empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(checked_text(name, text)?).filter(|text| !text.is_empty())),
            Some(_) => Err(invalid(format!("{name} must be a text"))),
        }
    }

    /// A text of which nothing is checked yet.
    pub(super) fn raw_text(&self, name: &str) -> Result<Option<&str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(invalid(format!("{name} must be a text"))),
        }
    }

    /// A list of texts, if it is there.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>> {
        let not_a_list = || invalid(format!("{name} must be a list of texts"));
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(values)) => values
                .iter()
                .map(|value| value.as_str().ok_or_else(not_a_list).and_then(|text| checked_text(name, text)))
                .collect::<Result<Vec<_>>>()
                .map(Some),
            Some(_) => Err(not_a_list()),
        }
    }

    /// A switch, off where it is left out.
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(invalid(format!("{name} must be true or false"))),
        }
    }

    /// An address that people may open from our pages.
    pub(super) fn web_address(&self, name: &str) -> Result<Option<String>> {
        self.address(name, |scheme| scheme == "https" || scheme == "http")
    }

    /// An address that we call ourselves.
    pub(super) fn https_address(&self, name: &str) -> Result<Option<String>> {
        self.address(name, |scheme| scheme == "https")
    }

    fn address(&self, name: &str, accepts: impl Fn(&str) -> bool) -> Result<Option<String>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let fits = url::Url::parse(&text).is_ok_and(|url| {
            accepts(url.scheme()) && url.host_str().is_some() && url.username().is_empty() && url.password().is_none()
        });
        if fits && !text.contains('#') { Ok(Some(text)) } else { Err(invalid(format!("{name} must be a web address"))) }
    }
}

/// A text that is short enough and holds no control characters.
pub(super) fn checked_text(name: &str, text: &str) -> Result<String> {
    // Redirect URIs have a limit and an error of their own.
    if name != "redirect_uris" && (text.len() > MAX_TEXT || text.contains(char::is_control)) {
        // A scope may be long: it lists DocTypes.
        if name != "scope" || text.len() > 10 * MAX_TEXT {
            return Err(invalid(format!("{name} is too long or contains control characters")));
        }
    }
    Ok(text.to_owned())
}

/// The error for metadata that is wrong.
pub(super) fn invalid(description: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidClientMetadata, description)
}
