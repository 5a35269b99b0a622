//! What OAuth endpoints answer when something is wrong: the code and a text for the client, the cause for the log.

use std::borrow::Cow;
use std::fmt;

use poem_openapi::{Enum, Object};
use serde::Serialize;

use crate::oauth::protocol::authorize::authorization_response::{AuthorizationResponse, ResponseTarget};

/// The result of a protocol rule.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Every error code that is sent, here or by redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "OAuthErrorCode", rename_all = "snake_case")]
pub enum ErrorCode {
    /// A parameter is missing, repeated or malformed (RFC 6749 §4.1.2.1, §5.2; RFC 6750 §3.1).
    InvalidRequest,
    /// The client is unknown or did not prove who it is (RFC 6749 §5.2).
    InvalidClient,
    /// The code, refresh token or verifier is wrong, expired, used or another client's (RFC 6749 §5.2).
    InvalidGrant,
    /// The client may not use this grant (RFC 6749 §4.1.2.1, §5.2).
    UnauthorizedClient,
    /// We do not know the grant type (RFC 6749 §5.2).
    UnsupportedGrantType,
    /// A scope is unknown, malformed or more than allowed (RFC 6749 §4.1.2.1, §5.2).
    InvalidScope,
    /// The person or the server said no (RFC 6749 §4.1.2.1).
    AccessDenied,
    /// We do not know the response type (RFC 6749 §4.1.2.1).
    UnsupportedResponseType,
    /// Our own fault, told by redirect (RFC 6749 §4.1.2.1).
    ServerError,
    /// Overloaded or in maintenance, told by redirect (RFC 6749 §4.1.2.1).
    TemporarilyUnavailable,
    /// The access token is unknown, expired or revoked (RFC 6750 §3.1).
    InvalidToken,
    /// The access token's scope does not cover the request (RFC 6750 §3.1).
    InsufficientScope,
    /// This kind of token cannot be revoked here (RFC 7009 §2.2.1).
    UnsupportedTokenType,
    /// A redirect URI cannot be registered (RFC 7591 §3.2.2).
    InvalidRedirectUri,
    /// A field of the registration is not acceptable (RFC 7591 §3.2.2).
    InvalidClientMetadata,
    /// The software statement does not verify (RFC 7591 §3.2.2).
    InvalidSoftwareStatement,
    /// The software statement's issuer is not trusted (RFC 7591 §3.2.2).
    UnapprovedSoftwareStatement,
    /// The person has not answered yet (RFC 8628 §3.5).
    AuthorizationPending,
    /// As above, and the device asks too often (RFC 8628 §3.5).
    SlowDown,
    /// The device code is too old (RFC 8628 §3.5).
    ExpiredToken,
    /// The resource is unknown or malformed (RFC 8707 §2).
    InvalidTarget,
    /// The `request_uri` is unknown or expired (RFC 9101 §7, RFC 9126).
    InvalidRequestUri,
    /// The request object does not verify (RFC 9101 §7).
    InvalidRequestObject,
    /// Request objects are not accepted (OpenID Connect Core §3.1.2.6).
    RequestNotSupported,
    /// References to request objects are not accepted (OpenID Connect Core §3.1.2.6).
    RequestUriNotSupported,
    /// `registration` is not accepted (OpenID Connect Core §3.1.2.6).
    RegistrationNotSupported,
    /// A page would be needed, but `prompt=none` (OpenID Connect Core §3.1.2.6).
    InteractionRequired,
    /// A login would be needed, but `prompt=none` (OpenID Connect Core §3.1.2.6).
    LoginRequired,
    /// A choice of account would be needed, but `prompt=none` (OpenID Connect Core §3.1.2.6).
    AccountSelectionRequired,
    /// Consent would be needed, but `prompt=none` (OpenID Connect Core §3.1.2.6).
    ConsentRequired,
    /// The proof of possession is missing or wrong (RFC 9449 §5).
    InvalidDpopProof,
    /// The proof needs the nonce that the answer carries (RFC 9449 §8).
    UseDpopNonce,
    /// The login behind the token is too old or too weak (RFC 9470 §3).
    InsufficientUserAuthentication,
}

impl ErrorCode {
    /// The code as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidSoftwareStatement => "invalid_software_statement",
            Self::UnapprovedSoftwareStatement => "unapproved_software_statement",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::InvalidRequestObject => "invalid_request_object",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::InteractionRequired => "interaction_required",
            Self::LoginRequired => "login_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::ConsentRequired => "consent_required",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
        }
    }

    /// The HTTP status of a direct answer (errors that travel by redirect have none of their own).
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidToken | Self::InsufficientUserAuthentication => 401,
            Self::InsufficientScope => 403,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            _ => 400,
        }
    }
}

/// An error with its two audiences: the description goes to the client that asked, the cause to the log.
#[derive(Debug)]
pub struct Error {
    code: ErrorCode,
    description: Cow<'static, str>,
    cause: Option<anyhow::Error>,
}

/// What is wrong (RFC 6749 section 5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "OAuthError")]
pub struct ErrorBody {
    /// The code, for clients.
    pub error: ErrorCode,
    /// What is wrong and how to fix it, for people.
    pub error_description: String,
}

impl Error {
    /// An error whose description says what is wrong and how to fix it.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self { code, description: printable(description.into()), cause: None }
    }

    /// Adds what only the log may see.
    #[must_use]
    pub fn because(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The description, in the characters that RFC 6749 §5.2 allows.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The cause, for the log.
    pub fn cause(&self) -> Option<&anyhow::Error> {
        self.cause.as_ref()
    }

    /// The JSON body.
    pub fn body(&self) -> ErrorBody {
        ErrorBody { error: self.code, error_description: self.description.to_string() }
    }

    /// Shorthand for the most frequent code.
    pub fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// Shorthand: the grant does not hold.
    pub fn invalid_grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }

    /// The one answer to every failed client authentication, so that it does not tell whether the client exists.
    pub fn invalid_client() -> Self {
        Self::new(ErrorCode::InvalidClient, "Client authentication failed")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.description)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(AsRef::as_ref)
    }
}

/// An error at the authorization endpoint; the type decides whether it may travel to the redirect URI.
#[derive(Debug)]
pub(crate) enum AuthorizeError {
    /// Client or redirect URI are not to be trusted: show a page with status 400, redirect nowhere.
    Page(Error),
    /// The redirect URI is the client's own: tell the client there.
    Redirect(Box<RedirectedError>),
}

/// An error on its way to a verified redirect URI.
#[derive(Debug)]
pub(crate) struct RedirectedError {
    /// Where it goes.
    pub target: ResponseTarget,
    /// What it says.
    pub error: Error,
}

impl AuthorizeError {
    /// An error for the client at a verified target.
    pub(crate) fn redirect(target: ResponseTarget, error: Error) -> Self {
        Self::Redirect(Box::new(RedirectedError { target, error }))
    }

    /// The error itself, for who is told directly (RFC 9126 §2.3).
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Page(error) => error,
            Self::Redirect(redirected) => redirected.error,
        }
    }
}

impl RedirectedError {
    /// The answer of RFC 6749 §4.1.2.1, with `state` and `iss`.
    pub(crate) fn response(&self) -> AuthorizationResponse {
        self.target.error(&self.error)
    }
}

/// Replaces what `error_description` may not contain: anything but `%x20-21 / %x23-5B / %x5D-7E`.
fn printable(text: Cow<'static, str>) -> Cow<'static, str> {
    let allowed = |letter: char| matches!(letter, ' '..='!' | '#'..='[' | ']'..='~');
    if text.chars().all(allowed) {
        return text;
    }
    let replaced = text.chars().map(|letter| match letter {
        '"' => '\'',
        '\\' => '/',
        letter if allowed(letter) => letter,
        _ => '?',
    });
    Cow::Owned(replaced.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_keeps_to_the_characters_that_the_rfc_allows() {
        let error = Error::invalid_request("\"Bücher\"\r\nSet-Cookie: \\x");
        assert_eq!(error.description(), "'B?cher'??Set-Cookie: /x");
    }

    #[test]
    fn a_failed_client_authentication_is_401_and_the_rest_of_the_token_endpoint_400() {
        assert_eq!(ErrorCode::InvalidClient.status(), 401);
        for code in [ErrorCode::InvalidGrant, ErrorCode::InvalidScope, ErrorCode::UnsupportedGrantType] {
            assert_eq!(code.status(), 400, "{}", code.as_str());
        }
        assert_eq!(ErrorCode::InsufficientScope.status(), 403);
    }

    #[test]
    fn the_body_has_code_and_description_but_not_the_cause() {
        let error = Error::invalid_grant("The code has expired").because(anyhow::anyhow!("code of user a@example.com"));
        let body = serde_json::to_string(&error.body()).unwrap();
        assert_eq!(body, r#"{"error":"invalid_grant","error_description":"The code has expired"}"#);
        assert!(error.cause().is_some());
        assert!(!error.to_string().contains("a@example.com"));
    }
}
