//! The endpoints that clients authenticate at: tokens, their introspection and revocation, device codes, pushed requests.
#![expect(clippy::unused_async, reason = "the macro wants every operation to be async")]

use poem_openapi::param::Header;
use poem_openapi::payload::{Json, PlainText};
use poem_openapi::{ApiResponse, Object, OpenApi, ResponseContent};

use super::browser::AuthorizationParameters;
use super::parts::{Client, ClientFields, FormOf, Refused, Tag, answered_elsewhere};
use crate::oauth::protocol::device::DeviceAuthorizationResponse;
use crate::oauth::protocol::introspection::ActiveToken;
use crate::oauth::protocol::par::PushedResponse;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::token::TokenResponse;

/// A request for tokens (RFC 6749 section 4). Which fields are needed depends on the grant.
#[derive(Object)]
#[oai(rename = "OAuthTokenRequest")]
struct TokenRequest {
    /// How the client comes by the tokens.
    grant_type: GrantType,
    /// `authorization_code`: the code.
    code: Option<String>,
    /// `authorization_code`: where the code went, if the authorization request said so.
    redirect_uri: Option<String>,
    /// `authorization_code`: what the challenge was made of (RFC 7636).
    code_verifier: Option<String>,
    /// `refresh_token`: the refresh token.
    refresh_token: Option<String>,
    /// The device grant: the device code (RFC 8628).
    device_code: Option<String>,
    /// Token exchange: the access token that is exchanged (RFC 8693).
    subject_token: Option<String>,
    /// Token exchange: `urn:ietf:params:oauth:token-type:access_token`.
    subject_token_type: Option<String>,
    /// Token exchange: an access token of who acts for the person.
    actor_token: Option<String>,
    /// Token exchange, with `actor_token`: `urn:ietf:params:oauth:token-type:access_token`.
    actor_token_type: Option<String>,
    /// Token exchange: `urn:ietf:params:oauth:token-type:access_token`, which is what comes if it is left out.
    requested_token_type: Option<String>,
    /// Token exchange: the same as `resource`.
    audience: Option<Vec<String>>,
    /// JWT bearer: what a trusted server signed about a person (RFC 7523 section 2.1).
    assertion: Option<String>,
    /// All but `authorization_code` and the device grant: fewer scopes than may be granted, separated by spaces.
    scope: Option<String>,
    /// For which resources the token is meant (RFC 8707).
    resource: Option<Vec<String>>,
    #[oai(flatten)]
    client: ClientFields,
}

/// A token to ask about or to give back.
#[derive(Object)]
#[oai(rename = "OAuthPresentedToken")]
struct PresentedToken {
    /// The access token or refresh token.
    token: String,
    /// Not needed: the token itself says what it is.
    token_type_hint: Option<String>,
    #[oai(flatten)]
    client: ClientFields,
}

/// A device's request for codes (RFC 8628 section 3.1).
#[derive(Object)]
#[oai(rename = "OAuthDeviceAuthorizationRequest")]
struct DeviceAuthorizationRequest {
    /// What is asked for, separated by spaces.
    scope: Option<String>,
    /// For which resources the token is meant (RFC 8707).
    resource: Option<Vec<String>>,
    /// The thumbprint of the key to which the code shall be bound (RFC 9449).
    dpop_jkt: Option<String>,
    #[oai(flatten)]
    client: ClientFields,
}

/// An authorization request that the client hands in itself.
#[derive(Object)]
#[oai(rename = "OAuthPushedAuthorizationRequest")]
struct PushedAuthorizationRequest {
    #[oai(flatten)]
    parameters: AuthorizationParameters,
    #[oai(flatten)]
    client: ClientFields,
}

/// What is known of a token (RFC 7662 section 2.2).
#[derive(Object)]
#[oai(rename = "OAuthIntrospection")]
struct Introspection {
    /// Whether the token opens anything now. If not, this is all that is told.
    active: bool,
    #[oai(flatten)]
    token: ActiveToken,
}

/// Nothing more is said.
#[derive(Object)]
#[oai(rename = "OAuthDone")]
struct Done {}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum Issued {
    /// The tokens.
    #[oai(
        status = 200,
        header(
            name = "DPoP-Nonce",
            ty = "Option<String>",
            description = "What the next proof must contain, if OAuth Settings asks for it (RFC 9449 section 8)"
        )
    )]
    Tokens(Json<TokenResponse>),
}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum Revoked {
    /// The token opens nothing any more, or never did.
    #[oai(status = 200)]
    Done(Json<Done>),
}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum Introspected {
    /// What is known of the token, as far as it is the client's business.
    #[oai(status = 200)]
    Known(Told),
}

#[derive(ResponseContent)]
#[expect(dead_code, clippy::large_enum_variant, reason = "the handlers answer; this describes them")]
enum Told {
    /// As it is.
    Plain(Json<Introspection>),
    /// As a JWT for the client that asks (RFC 9701), with `Accept: application/token-introspection+jwt`.
    #[oai(content_type = "application/token-introspection+jwt")]
    Signed(PlainText<String>),
}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum DeviceAuthorized {
    /// One code for the device, one for the person.
    #[oai(status = 200)]
    Codes(Json<DeviceAuthorizationResponse>),
}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum Pushed {
    /// What stands for the request from now on.
    #[oai(status = 201)]
    Kept(Json<PushedResponse>),
}

/// The endpoints.
pub(super) struct Tokens;

#[OpenApi(tag = "Tag::OAuth")]
impl Tokens {
    /// Get tokens.
    #[oai(path = "/api/method/frappe.integrations.oauth2.get_token", method = "post", operation_id = "get_token")]
    async fn get_token(
        &self,
        _client: Client,
        /// A proof that the client holds the key to which the tokens are to be bound (RFC 9449).
        #[oai(name = "DPoP")]
        _proof: Header<Option<String>>,
        _form: FormOf<TokenRequest>,
    ) -> Result<Issued, Refused> {
        answered_elsewhere()
    }

    /// Give a token back (RFC 7009). With a refresh token go all tokens that came of it.
    #[oai(path = "/api/method/frappe.integrations.oauth2.revoke_token", method = "post", operation_id = "revoke_token")]
    async fn revoke_token(&self, _client: Client, _form: FormOf<PresentedToken>) -> Result<Revoked, Refused> {
        answered_elsewhere()
    }

    /// Ask about a token (RFC 7662); for clients that prove who they are. The answer comes signed for whom asks so (RFC 9701).
    #[oai(
        path = "/api/method/frappe.integrations.oauth2.introspect_token",
        method = "post",
        operation_id = "introspect_token"
    )]
    async fn introspect_token(&self, _client: Client, _form: FormOf<PresentedToken>) -> Result<Introspected, Refused> {
        answered_elsewhere()
    }

    /// Get a code for a device and one to show to a person (RFC 8628).
    #[oai(
        path = "/api/method/frappe.integrations.oauth2.device_authorization",
        method = "post",
        operation_id = "device_authorization"
    )]
    async fn device_authorization(
        &self,
        _client: Client,
        _form: FormOf<DeviceAuthorizationRequest>,
    ) -> Result<DeviceAuthorized, Refused> {
        answered_elsewhere()
    }

    /// Hand an authorization request in directly (RFC 9126).
    #[oai(path = "/api/method/frappe.integrations.oauth2.par", method = "post", operation_id = "par")]
    async fn par(&self, _client: Client, _form: FormOf<PushedAuthorizationRequest>) -> Result<Pushed, Refused> {
        answered_elsewhere()
    }
}
