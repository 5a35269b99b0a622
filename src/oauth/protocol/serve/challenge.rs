//! The header `WWW-Authenticate` (RFC 6750 §3, RFC 9728 §5.1, RFC 9449 §7.1, RFC 9470 §3).

use std::fmt;

use poem_openapi::Enum;
use serde::{Deserialize, Serialize};

use crate::oauth::protocol::error::{Error, ErrorCode};

/// The challenge of a client that used Basic and was refused (RFC 6749 §5.2).
pub(crate) const BASIC: &str = "Basic realm=\"OAuth\", charset=\"UTF-8\"";

/// How an access token is presented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[oai(rename = "OAuthTokenType")]
pub(crate) enum TokenScheme {
    /// RFC 6750.
    #[default]
    Bearer,
    /// RFC 9449.
    #[serde(rename = "DPoP")]
    #[oai(rename = "DPoP")]
    Dpop,
}

impl TokenScheme {
    /// The name in headers and answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// What a resource server answers to a request that it refuses for its token.
///
/// Without a token there is no `error`: the request was not wrong, it was only not authenticated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Challenge<'a> {
    /// The scheme.
    pub scheme: TokenScheme,
    /// Where the resource server describes itself: an absolute address.
    pub resource_metadata: Option<&'a str>,
    /// All scopes that the operation needs, separated by spaces.
    pub scope: Option<&'a str>,
    /// What was wrong with the token.
    pub error: Option<ErrorCode>,
    /// The same in words.
    pub error_description: Option<&'a str>,
    /// How old the login may be, in seconds (RFC 9470).
    pub max_age: Option<u64>,
    /// The algorithms for DPoP proofs, separated by spaces.
    pub algs: Option<&'a str>,
}

impl<'a> Challenge<'a> {
    /// 401: no token was sent.
    pub(crate) fn without_token(resource_metadata: Option<&'a str>, scope: Option<&'a str>) -> Self {
        Self { resource_metadata, scope, ..Self::default() }
    }

    /// 401: the token does not hold.
    pub(crate) fn invalid_token(resource_metadata: Option<&'a str>, error: &'a Error) -> Self {
        Self {
            resource_metadata,
            error: Some(error.code()),
            error_description: Some(error.description()),
            ..Self::default()
        }
    }

    /// 403: the token holds, but its scope does not cover the request.
    pub(crate) fn insufficient_scope(
        resource_metadata: Option<&'a str>,
        scope: Option<&'a str>,
        description: &'a str,
    ) -> Self {
        Self {
            resource_metadata,
            scope,
            error: Some(ErrorCode::InsufficientScope),
            error_description: Some(description),
            ..Self::default()
        }
    }
}

impl fmt::Display for Challenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme.as_str())?;
        let max_age = self.max_age.map(|seconds| seconds.to_string());
        let parameters = [
            ("error", self.error.map(ErrorCode::as_str)),
            ("error_description", self.error_description),
            ("scope", self.scope),
            ("max_age", max_age.as_deref()),
            ("algs", self.algs),
            ("resource_metadata", self.resource_metadata),
        ];
        let mut separator = " ";
        for (name, value) in parameters.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            write!(f, "{separator}{name}=\"{}\"", quoted(value))?;
            separator = ", ";
        }
        Ok(())
    }
}

/// The inside of a quoted string: quotes and backslashes escaped, nothing that could end the header.
fn quoted(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            ' '..='~' => out.push(letter),
            _ => out.push('?'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: Option<&str> = Some("https://site.example/.well-known/oauth-protected-resource");

    #[test]
    fn without_a_token_the_challenge_names_metadata_and_scope_but_no_error() {
        assert_eq!(
            Challenge::without_token(METADATA, Some("openid")).to_string(),
            "Bearer scope=\"openid\", resource_metadata=\"https://site.example/.well-known/oauth-protected-resource\""
        );
        assert_eq!(Challenge::without_token(None, None).to_string(), "Bearer");
    }

    #[test]
    fn a_bad_token_is_named_as_such() {
        let error = Error::new(ErrorCode::InvalidToken, "The access token has expired");
        assert_eq!(
            Challenge::invalid_token(None, &error).to_string(),
            "Bearer error=\"invalid_token\", error_description=\"The access token has expired\""
        );
    }

    #[test]
    fn a_missing_scope_is_named() {
        assert_eq!(
            Challenge::insufficient_scope(None, Some("doctype:Book:write"), "The token may not write Book").to_string(),
            "Bearer error=\"insufficient_scope\", error_description=\"The token may not write Book\", \
             scope=\"doctype:Book:write\""
        );
    }

    #[test]
    fn nothing_breaks_out_of_the_header() {
        let challenge = Challenge { error_description: Some("a\"b\\c\r\nSet-Cookie: x ü"), ..Challenge::default() };
        assert_eq!(challenge.to_string(), "Bearer error_description=\"a\\\"b\\\\c??Set-Cookie: x ?\"");
    }

    #[test]
    fn a_step_up_names_the_age_of_the_login() {
        let challenge = Challenge {
            scheme: TokenScheme::Dpop,
            error: Some(ErrorCode::InsufficientUserAuthentication),
            max_age: Some(300),
            algs: Some("ES256"),
            ..Challenge::default()
        };
        assert_eq!(
            challenge.to_string(),
            "DPoP error=\"insufficient_user_authentication\", max_age=\"300\", algs=\"ES256\""
        );
    }
}
