//! The answer to an authorization request, as the browser brings it back from the provider (RFC 6749 §4.1.2, RFC 9207).

use crate::error::{Error, Result};
use crate::oauth::provider_error::ProviderError;

/// What a provider sends back through the browser.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callback {
    /// `code`.
    pub code: Option<String>,
    /// `state`.
    pub state: Option<String>,
    /// `iss` (RFC 9207).
    pub iss: Option<String>,
    /// `error`.
    pub error: Option<String>,
    /// `error_description`.
    pub error_description: Option<String>,
}

impl Callback {
    /// Reads a query; a parameter that comes twice means two things at once and is refused (RFC 6749 §3.1).
    pub(crate) fn parse(query: Vec<(String, String)>) -> Result<Self> {
        let mut callback = Self::default();
        for (name, value) in query {
            let slot = match name.as_str() {
                "code" => &mut callback.code,
                "state" => &mut callback.state,
                "iss" => &mut callback.iss,
                "error" => &mut callback.error,
                "error_description" => &mut callback.error_description,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(Error::BadRequest(format!("The parameter {name} comes twice")));
            }
        }
        Ok(callback)
    }
}

/// RFC 9207 §2.4: the issuer in the answer has to be the one that was asked.
pub(crate) fn check_issuer(
    sent: Option<&str>,
    expected: Option<&str>,
    promised: bool,
    host: &str,
) -> Result<(), ProviderError> {
    match (sent, expected) {
        (Some(sent), Some(expected)) if sent != expected => {
            Err(ProviderError::bad_answer(host, "it comes from another server than the one that was asked".to_owned()))
        }
        (None, _) if promised => {
            Err(ProviderError::bad_answer(host, "it does not say from which server it comes (iss)".to_owned()))
        }
        _ => Ok(()),
    }
}
