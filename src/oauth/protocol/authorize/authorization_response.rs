//! The answer of the authorization endpoint to a verified redirect URI (RFC 6749 §4.1.2, RFC 9207).

use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use crate::oauth::protocol::client::redirect_uri::VerifiedRedirectUri;
use crate::oauth::protocol::error::{Error, Result};

/// How the parameters of the answer travel (OAuth 2.0 Multiple Response Types §2.1, Form Post §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResponseMode {
    /// In the query of the redirect URI.
    #[default]
    Query,
    /// By a form that the browser posts.
    FormPost,
}

/// Where an answer goes, and what each answer carries: `state` and `iss`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResponseTarget {
    /// The verified address.
    pub redirect_uri: VerifiedRedirectUri,
    /// The client's `state`, returned as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// How the parameters travel.
    #[serde(default)]
    pub response_mode: ResponseMode,
    /// Our issuer (RFC 9207 §2).
    pub issuer: String,
}

/// What the browser is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthorizationResponse {
    /// `303 See Other` to this address.
    Redirect(String),
    /// A page whose form posts these fields to this address by itself.
    FormPost {
        /// The form's action.
        action: String,
        /// Its hidden fields, in order.
        fields: Vec<(String, String)>,
    },
}

impl ResponseMode {
    /// Every mode, for metadata.
    pub(crate) const ALL: [Self; 2] = [Self::Query, Self::FormPost];

    /// The name in requests and metadata.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::FormPost => "form_post",
        }
    }

    /// Reads the parameter `response_mode`; without it, the query.
    pub(crate) fn parse(value: Option<&str>) -> Result<Self> {
        let Some(value) = value else { return Ok(Self::Query) };
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == value)
            .ok_or_else(|| Error::invalid_request("This response_mode is not supported: use query or form_post"))
    }
}

impl ResponseTarget {
    /// The answer that brings a code.
    pub(crate) fn code(&self, code: &str) -> AuthorizationResponse {
        self.respond(&[("code", code)])
    }

    /// The answer that brings an error.
    pub(crate) fn error(&self, error: &Error) -> AuthorizationResponse {
        self.respond(&[("error", error.code().as_str()), ("error_description", error.description())])
    }

    fn respond(&self, parameters: &[(&str, &str)]) -> AuthorizationResponse {
        let mut fields: Vec<(String, String)> =
            parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        if let Some(state) = &self.state {
            fields.push(("state".to_owned(), state.clone()));
        }
        fields.push(("iss".to_owned(), self.issuer.clone()));
        match self.response_mode {
            ResponseMode::Query => AuthorizationResponse::Redirect(append_query(self.redirect_uri.as_str(), &fields)),
            ResponseMode::FormPost => {
                AuthorizationResponse::FormPost { action: self.redirect_uri.as_str().to_owned(), fields }
            }
        }
    }
}

/// Adds parameters to an address without fragment, keeping the query that it has (RFC 6749 §3.1.2).
pub(crate) fn append_query<K: AsRef<str>, V: AsRef<str>>(uri: &str, parameters: &[(K, V)]) -> String {
    let mut out = uri.to_owned();
    match uri.split_once('?') {
        None => out.push('?'),
        Some((_, query)) if !query.is_empty() && !query.ends_with('&') => out.push('&'),
        Some(_) => {}
    }
    let start = out.len();
    form_urlencoded::Serializer::for_suffix(out, start).extend_pairs(parameters).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::protocol::error::ErrorCode;

    fn target(uri: &str, state: Option<&str>) -> ResponseTarget {
        ResponseTarget {
            redirect_uri: VerifiedRedirectUri::for_tests(uri),
            state: state.map(str::to_owned),
            response_mode: ResponseMode::Query,
            issuer: "https://site.example".to_owned(),
        }
    }

    fn location(response: AuthorizationResponse) -> String {
        match response {
            AuthorizationResponse::Redirect(location) => location,
            AuthorizationResponse::FormPost { .. } => panic!("expected a redirect"),
        }
    }

    #[test]
    fn an_answer_carries_state_and_issuer() {
        assert_eq!(
            location(target("https://app.example/cb", Some("a b&c")).code("dt_ac_x")),
            "https://app.example/cb?code=dt_ac_x&state=a+b%26c&iss=https%3A%2F%2Fsite.example"
        );
    }

    #[test]
    fn a_denial_keeps_state_and_the_query_of_the_redirect_uri() {
        let denied = Error::new(ErrorCode::AccessDenied, "The person refused");
        let answer = target("https://app.example/cb?tenant=1", Some("xyz")).error(&denied);
        assert_eq!(
            location(answer),
            "https://app.example/cb?tenant=1&error=access_denied&error_description=The+person+refused&state=xyz\
             &iss=https%3A%2F%2Fsite.example"
        );
    }

    #[test]
    fn an_empty_query_and_a_private_scheme_are_extended_correctly() {
        assert!(
            location(target("https://app.example/cb?", None).code("c")).starts_with("https://app.example/cb?code=c")
        );
        assert!(location(target("https://app.example/cb?a=1&", None).code("c")).contains("?a=1&code=c"));
        assert!(location(target("com.example.app:/cb", None).code("c")).starts_with("com.example.app:/cb?code=c"));
    }

    #[test]
    fn form_post_keeps_the_parameters_out_of_the_address() {
        let target = ResponseTarget { response_mode: ResponseMode::FormPost, ..target("https://app.example/cb", None) };
        let AuthorizationResponse::FormPost { action, fields } = target.code("secret") else { panic!() };
        assert_eq!(action, "https://app.example/cb");
        assert_eq!(fields[0], ("code".to_owned(), "secret".to_owned()));
        assert_eq!(fields[1].0, "iss");
    }

    #[test]
    fn fragment_is_no_response_mode() {
        assert!(ResponseMode::parse(Some("fragment")).is_err());
        assert_eq!(ResponseMode::parse(None).unwrap(), ResponseMode::Query);
    }
}
