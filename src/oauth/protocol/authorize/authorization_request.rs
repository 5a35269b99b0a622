//! The authorization request: read, checked in the right order, and typed (RFC 6749 §4.1.1).

use serde::{Deserialize, Serialize};

use crate::oauth::protocol::authorize::authorization_response::{ResponseMode, ResponseTarget};
use crate::oauth::protocol::authorize::pkce::{CodeChallenge, PkceRule};
use crate::oauth::protocol::authorize::prompt::LoginRules;
use crate::oauth::protocol::client::redirect_uri::RedirectUris;
use crate::oauth::protocol::error::{AuthorizeError, Error, ErrorCode, Result};
use crate::oauth::protocol::request::Parameters;
use crate::oauth::protocol::serve::resource::KnownResources;
use crate::oauth::protocol::serve::scope::ScopeSet;
use crate::oauth::protocol::serve::scope_offer::{Ceiling, KnownScopes};
use crate::oauth::protocol::token::dpop;

/// What the checks need to know about the client.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in OAuth Client")]
pub(crate) struct ClientRules<'a> {
    /// Its id.
    pub client_id: &'a str,
    /// Where it may be answered.
    pub redirect_uris: &'a RedirectUris,
    /// The most it may ask for.
    pub ceiling: &'a Ceiling,
    /// Whether it cannot keep a secret.
    pub is_public: bool,
    /// Whether it may use the authorization code grant.
    pub may_use_code: bool,
    /// Whether it must use PKCE.
    pub require_pkce: bool,
    /// Whether it must push its requests.
    pub require_pushed: bool,
    /// Whether it must sign its requests.
    pub require_signed: bool,
}

/// What the checks need to know about the site.
#[derive(Clone, Copy)]
pub(crate) struct ServerRules<'a> {
    /// Our issuer.
    pub issuer: &'a str,
    /// The scopes of a request that names none.
    pub default_scopes: &'a ScopeSet,
    /// The scopes that there are.
    pub known_scopes: &'a dyn KnownScopes,
    /// The resources that a request may name.
    pub resources: &'a KnownResources,
    /// Whether every client must push its requests.
    pub require_pushed: bool,
}

/// How the parameters came here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestOrigin {
    /// Directly from the client (RFC 9126).
    pub pushed: bool,
    /// Signed by the client (RFC 9101); the parameters are those of the request object.
    pub signed: bool,
}

/// A request that passed every check: what may be stored, shown on the consent page, and turned into a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AuthorizationRequest {
    /// The client.
    pub client_id: String,
    /// Where and how the answer goes.
    pub target: ResponseTarget,
    /// The scopes it may be granted.
    pub scopes: ScopeSet,
    /// The resources it is for; empty if it names none.
    #[serde(default)]
    pub resources: Vec<String>,
    /// The PKCE challenge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<CodeChallenge>,
    /// Returned in the id token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// What it asks of the login.
    #[serde(default)]
    pub login: LoginRules,
    /// Whom the client expects to log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// An id token of that person, not verified yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_hint: Option<String>,
    /// The assurance it would like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr_values: Option<String>,
    /// The languages it would like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui_locales: Option<String>,
    /// The thumbprint of the key to which the code shall be bound (RFC 9449 §10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<String>,
}

impl AuthorizationRequest {
    /// Reads and checks the request of a client that was found by [`client_id`].
    ///
    /// The order matters: only once the redirect URI is known to be the client's own may errors travel there.
    pub(crate) fn parse(
        parameters: &Parameters,
        origin: RequestOrigin,
        client: &ClientRules<'_>,
        server: &ServerRules<'_>,
    ) -> Result<Self, AuthorizeError> {
        let target = response_target(parameters, client, server)?;
        Self::parse_trusted(parameters, origin, client, server, target.clone())
            .map_err(|error| AuthorizeError::redirect(target, error))
    }

    /// The error for a request whose parameters could not be had, since they are in a request object or were pushed.
    ///
    /// It travels only if a redirect URI of the client's own stands beside; nothing else there counts (RFC 9101 §6.3).
    pub(crate) fn refuse(
        parameters: &Parameters,
        client: &ClientRules<'_>,
        server: &ServerRules<'_>,
        error: Error,
    ) -> AuthorizeError {
        if parameters.get("redirect_uri").is_none() {
            return AuthorizeError::Page(error);
        }
        match response_target(parameters, client, server) {
            Ok(target) => AuthorizeError::redirect(target, error),
            Err(untrusted) => untrusted,
        }
    }

    /// Checks everything that may be told to the client.
    fn parse_trusted(
        parameters: &Parameters,
        origin: RequestOrigin,
        client: &ClientRules<'_>,
        server: &ServerRules<'_>,
        target: ResponseTarget,
    ) -> Result<Self> {
        parameters.refuse_repeated()?;
        check_origin(parameters, origin, client, server)?;
        ResponseMode::parse(parameters.get("response_mode"))?;
        check_response_type(parameters, client)?;
        let code_challenge = CodeChallenge::from_request(
            parameters.get("code_challenge"),
            parameters.get("code_challenge_method"),
            PkceRule::of(client.is_public, client.require_pkce),
        )?;
        let scopes =
            ScopeSet::grantable(parameters.get("scope"), client.ceiling, server.default_scopes, server.known_scopes)?;
        let resources = server.resources.check(parameters.all("resource"))?;
        let text = |name: &str| parameters.get(name).map(str::to_owned);
        let dpop_jkt = dpop::thumbprint(parameters)?;
        Ok(Self {
            client_id: client.client_id.to_owned(),
            target,
            scopes,
            resources,
            code_challenge,
            nonce: text("nonce"),
            login: LoginRules::parse(parameters.get("prompt"), parameters.get("max_age"))?,
            login_hint: text("login_hint"),
            id_token_hint: text("id_token_hint"),
            acr_values: text("acr_values"),
            ui_locales: text("ui_locales"),
            dpop_jkt,
        })
    }
}

/// The client that a request names; it must be found before anything else is checked.
pub(crate) fn client_id(parameters: &Parameters) -> Result<&str, AuthorizeError> {
    if parameters.is_repeated("client_id") {
        return Err(AuthorizeError::Page(Error::invalid_request("client_id was sent more than once")));
    }
    parameters.require("client_id").map_err(AuthorizeError::Page)
}

/// What is said of a client that we do not know or that is disabled.
pub(crate) fn unknown_client() -> Error {
    Error::new(ErrorCode::InvalidClient, "No such client: register it first")
}

/// Where the answer goes, verified.
fn response_target(
    parameters: &Parameters,
    client: &ClientRules<'_>,
    server: &ServerRules<'_>,
) -> Result<ResponseTarget, AuthorizeError> {
    client_id(parameters)?;
    if parameters.is_repeated("redirect_uri") {
        return Err(AuthorizeError::Page(Error::invalid_request("redirect_uri was sent more than once")));
    }
    let openid =
        parameters.get("scope").is_some_and(|scope| scope.split_ascii_whitespace().any(|word| word == "openid"));
    let redirect_uri =
        client.redirect_uris.resolve(parameters.get("redirect_uri"), openid).map_err(AuthorizeError::Page)?;
    // Two states: we cannot know which one the client will recognise, so the answer carries none.
    let state = if parameters.is_repeated("state") { None } else { parameters.get("state").map(str::to_owned) };
    let response_mode = if parameters.is_repeated("response_mode") {
        ResponseMode::default()
    } else {
        ResponseMode::parse(parameters.get("response_mode")).unwrap_or_default()
    };
    Ok(ResponseTarget { redirect_uri, state, response_mode, issuer: server.issuer.to_owned() })
}

fn check_origin(
    parameters: &Parameters,
    origin: RequestOrigin,
    client: &ClientRules<'_>,
    server: &ServerRules<'_>,
) -> Result<()> {
    if parameters.get("request").is_some() {
        return Err(Error::new(ErrorCode::RequestNotSupported, "A request object is not expected here"));
    }
    if parameters.get("request_uri").is_some() {
        return Err(Error::new(ErrorCode::RequestUriNotSupported, "request_uri is not expected here"));
    }
    if parameters.get("registration").is_some() {
        return Err(Error::new(ErrorCode::RegistrationNotSupported, "Register at the registration endpoint"));
    }
    if (client.require_pushed || server.require_pushed) && !origin.pushed {
        return Err(Error::invalid_request("This client must push its request first (RFC 9126)"));
    }
    if client.require_signed && !origin.signed {
        return Err(Error::invalid_request("This client must sign its request (RFC 9101)"));
    }
    Ok(())
}

fn check_response_type(parameters: &Parameters, client: &ClientRules<'_>) -> Result<()> {
    if parameters.require("response_type")? != "code" {
        return Err(Error::new(ErrorCode::UnsupportedResponseType, "response_type must be code"));
    }
    if !client.may_use_code {
        return Err(Error::new(ErrorCode::UnauthorizedClient, "This client may not use the authorization code grant"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "authorization_request_tests.rs"]
mod tests;
