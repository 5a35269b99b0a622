//! What the descriptions of the endpoints have in common: forms, refusals, ways for a client to say who it is.

use std::marker::PhantomData;

use poem::{Request, RequestBody};
use poem_openapi::auth::{Basic, Bearer};
use poem_openapi::payload::{Json, ParsePayload, Payload};
use poem_openapi::registry::{MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object, SecurityScheme, Tags, impl_apirequest_for_payload};

use crate::oauth::protocol::error::ErrorBody;

/// Stands where the described operations would answer: the handlers of `authorization_server` do that, and nothing
/// routes to the operations.
pub(super) fn answered_elsewhere<T>() -> T {
    unreachable!("the operations are described here, never routed to")
}

#[derive(Tags)]
pub(super) enum Tag {
    /// Access for programs: tokens, and what is to be known about them. What OAuth Settings switches off is left out
    /// here, as it is from the metadata.
    #[oai(rename = "OAuth")]
    OAuth,
}

/// A form of these fields. It reads nothing: the handlers do, more strictly than a type could.
pub(super) struct FormOf<T>(PhantomData<T>);

impl<T: Type> Payload for FormOf<T> {
    const CONTENT_TYPE: &'static str = "application/x-www-form-urlencoded";

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type> ParsePayload for FormOf<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(_: &Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self(PhantomData))
    }
}

impl_apirequest_for_payload!(FormOf<T>, T: Type);

/// How a client says in a form who it is, unless it does so in the header.
#[derive(Object)]
#[oai(rename = "OAuthClientAuthentication")]
#[expect(clippy::struct_field_names, reason = "the names are those of the RFCs")]
pub(super) struct ClientFields {
    /// The client. It may be left out where the header or the assertion names it.
    client_id: Option<String>,
    /// Its secret, with `client_secret_post`.
    client_secret: Option<String>,
    /// With `private_key_jwt` and `client_secret_jwt`: `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
    /// With them: a signed statement of who the client is (RFC 7523 section 2.2).
    client_assertion: Option<String>,
}

/// Client id and client secret, each form-encoded (RFC 6749 section 2.3.1).
#[derive(SecurityScheme)]
#[oai(ty = "basic", rename = "client_secret_basic")]
#[expect(dead_code, reason = "it is described, not read")]
pub(super) struct ClientSecretBasic(Basic);

/// How a client may authenticate.
#[derive(SecurityScheme)]
#[expect(dead_code, reason = "it is described, not read")]
pub(super) enum Client {
    Basic(ClientSecretBasic),
    /// With the fields of the form, or by name alone if it is public.
    #[oai(fallback)]
    InForm,
}

/// The initial access token that OAuth Settings holds (RFC 7591 section 3).
#[derive(SecurityScheme)]
#[oai(ty = "bearer", rename = "initial_access_token")]
#[expect(dead_code, reason = "it is described, not read")]
pub(super) struct InitialAccessToken(Bearer);

/// The token that came with the registration of a client (RFC 7592).
#[derive(SecurityScheme)]
#[oai(ty = "bearer", rename = "registration_access_token")]
#[expect(dead_code, reason = "it is described, not read")]
pub(super) struct RegistrationAccessToken(Bearer);

/// An OAuth access token.
#[derive(SecurityScheme)]
#[oai(ty = "bearer", rename = "bearer")]
#[expect(dead_code, reason = "it is described, not read")]
pub(super) struct AccessToken(Bearer);

/// An error of the rest of the API, whose own schema of this name replaces this one.
#[derive(Object)]
#[oai(rename = "Error")]
pub(super) struct SiteError {
    /// The class of the error.
    exc_type: String,
}

/// How the endpoints that clients authenticate at say no.
#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
pub(super) enum Refused {
    /// The request is wrong: `error` says how.
    #[oai(status = 400)]
    Invalid(Json<ErrorBody>),
    /// The client is unknown or did not prove who it is.
    #[oai(
        status = 401,
        header(name = "WWW-Authenticate", ty = "Option<String>", description = "`Basic`, if the client came with it")
    )]
    NotAuthenticated(Json<ErrorBody>),
    /// The body is far too large.
    #[oai(status = 413)]
    TooLarge(Json<SiteError>),
    /// The client has failed to authenticate, or has asked, too often.
    #[oai(status = 429, header(name = "Retry-After", ty = "u64", description = "After how many seconds to try again"))]
    TooOften(Json<ErrorBody>),
    /// Something went wrong here.
    #[oai(status = 500)]
    Failed(Json<ErrorBody>),
    /// Try again in a moment.
    #[oai(status = 503)]
    Unavailable(Json<ErrorBody>),
}
