//! Pushed authorization requests (RFC 9126).

use poem_openapi::Object;
use serde::Serialize;

use crate::oauth::protocol::error::{Error, ErrorCode, Result};
use crate::oauth::protocol::request::Parameters;
use crate::secret;

/// What every `request_uri` of ours begins with (RFC 9126 §2.2).
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// How long a pushed request waits for the browser, in seconds.
pub(crate) const LIFETIME: u32 = 90;

/// A reference to a pushed request: random, used once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestUri(String);

/// A pushed request (RFC 9126 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "OAuthPushedRequest")]
pub(crate) struct PushedResponse {
    /// The reference that stands for it at the authorization endpoint, once.
    pub request_uri: String,
    /// For how many seconds it holds.
    pub expires_in: u32,
}

impl RequestUri {
    /// A new reference.
    pub(crate) fn generate() -> Self {
        Self(secret::random_id())
    }

    /// Reads the parameter `request_uri`. References to somewhere else are never fetched.
    pub(crate) fn parse(value: &str) -> Result<Self> {
        match value.strip_prefix(PREFIX) {
            Some(id) if !id.is_empty() => Ok(Self(id.to_owned())),
            Some(_) => Err(unknown_request_uri()),
            None => Err(Error::new(
                ErrorCode::RequestUriNotSupported,
                "request_uri must come from the pushed authorization request endpoint",
            )),
        }
    }

    /// The random part, under whose digest the request is stored.
    pub(crate) fn id(&self) -> &str {
        &self.0
    }

    /// The answer that tells the client.
    pub(crate) fn response(&self) -> PushedResponse {
        PushedResponse { request_uri: format!("{PREFIX}{}", self.0), expires_in: LIFETIME }
    }
}

/// What is said of a reference that we never gave this client, that is too old or that was used.
pub(crate) fn unknown_request_uri() -> Error {
    let message = "This request has expired or was used: go back to the application and start again";
    Error::new(ErrorCode::InvalidRequestUri, message)
}

/// A pushed request may not itself refer to another one (RFC 9126 §2.1).
pub(crate) fn check_pushed(parameters: &Parameters) -> Result<()> {
    parameters.refuse_repeated()?;
    match parameters.get("request_uri") {
        Some(_) => Err(Error::invalid_request("A pushed request may not contain request_uri")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_random_and_reads_back() {
        let reference = RequestUri::generate();
        let response = reference.response();
        assert!(response.request_uri.starts_with("urn:ietf:params:oauth:request_uri:"));
        assert_eq!(response.expires_in, 90);
        assert_eq!(RequestUri::parse(&response.request_uri).unwrap(), reference);
        assert_ne!(RequestUri::generate(), reference);
    }

    #[test]
    fn a_foreign_reference_is_never_fetched() {
        let code = |value: &str| RequestUri::parse(value).unwrap_err().code();
        assert_eq!(code("https://evil.example/request.jwt"), ErrorCode::RequestUriNotSupported);
        assert_eq!(code("urn:ietf:params:oauth:request_uri:"), ErrorCode::InvalidRequestUri);
    }

    #[test]
    fn a_pushed_request_contains_no_reference() {
        assert!(check_pushed(&Parameters::parse("client_id=a&request_uri=urn:x").unwrap()).is_err());
        assert!(check_pushed(&Parameters::parse("client_id=a&state=1&state=2").unwrap()).is_err());
        assert!(check_pushed(&Parameters::parse("client_id=a").unwrap()).is_ok());
    }
}
