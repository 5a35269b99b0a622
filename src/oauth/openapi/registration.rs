//! Programs that register themselves, and manage their registration (RFC 7591, RFC 7592).
#![expect(clippy::unused_async, reason = "the macro wants every operation to be async")]

use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi, SecurityScheme};
use serde_json::Value;

use super::parts::{InitialAccessToken, RegistrationAccessToken, SiteError, Tag, answered_elsewhere};
use crate::oauth::protocol::client_authentication::Method;
use crate::oauth::protocol::error::ErrorBody;
use crate::oauth::protocol::redirect_uri::ApplicationType;

/// A program, as it describes itself (RFC 7591 section 2). What is not known here is left out of the answer.
#[derive(Object)]
#[oai(rename = "OAuthClientMetadata")]
struct ClientMetadata {
    /// The name that people read.
    client_name: Option<String>,
    /// Where answers may go, exactly. Needed for the grant `authorization_code`.
    redirect_uris: Option<Vec<String>>,
    /// How it proves who it is; `client_secret_basic` if left out. Programs that register themselves cannot use
    /// `client_secret_jwt`.
    token_endpoint_auth_method: Option<Method>,
    /// How it gets tokens; `authorization_code` if left out.
    grant_types: Option<Vec<String>>,
    /// `code`.
    response_types: Option<Vec<String>>,
    /// Whether it runs in a browser or is installed on a device.
    application_type: Option<ApplicationType>,
    /// The most it may ask for, separated by spaces.
    scope: Option<String>,
    /// Its home page.
    client_uri: Option<String>,
    /// Its picture.
    logo_uri: Option<String>,
    /// Its terms of service.
    tos_uri: Option<String>,
    /// Its privacy policy.
    policy_uri: Option<String>,
    /// The people behind it.
    contacts: Option<Vec<String>>,
    /// Its maker's name for it.
    software_id: Option<String>,
    /// Its version.
    software_version: Option<String>,
    /// Where its public keys are.
    jwks_uri: Option<String>,
    /// Its public keys, as a JSON Web Key Set (RFC 7517), in place of `jwks_uri`.
    jwks: Option<Value>,
    /// The subject of its certificates (RFC 4514), with `tls_client_auth`: this or one of the four names below.
    tls_client_auth_subject_dn: Option<String>,
    /// A domain in its certificates.
    tls_client_auth_san_dns: Option<String>,
    /// A URI in its certificates.
    tls_client_auth_san_uri: Option<String>,
    /// A network address in its certificates.
    tls_client_auth_san_ip: Option<String>,
    /// An email address in its certificates.
    tls_client_auth_san_email: Option<String>,
    /// How its id tokens are signed.
    id_token_signed_response_alg: Option<String>,
    /// How what it is told about tokens is signed, if it asks for that; `RS256` if left out (RFC 9701).
    introspection_signed_response_alg: Option<String>,
    /// Where it may send people after a logout.
    post_logout_redirect_uris: Option<Vec<String>>,
    /// Where it is told of logouts.
    backchannel_logout_uri: Option<String>,
    /// Whether its tokens are always bound to a key (RFC 9449).
    dpop_bound_access_tokens: Option<bool>,
    /// Whether its tokens are always bound to its certificate (RFC 8705).
    tls_client_certificate_bound_access_tokens: Option<bool>,
    /// Whether it always pushes its requests (RFC 9126).
    require_pushed_authorization_requests: Option<bool>,
    /// Whether it always signs its requests (RFC 9101).
    require_signed_request_object: Option<bool>,
}

/// A registered program (RFC 7591 section 3.2.1).
#[derive(Object)]
#[oai(rename = "OAuthClientInformation")]
struct ClientInformation {
    /// The client id.
    client_id: String,
    /// When it was registered, in seconds since 1970.
    client_id_issued_at: i64,
    /// The secret, shown only in the answer that makes it.
    client_secret: Option<String>,
    /// When the secret ends; 0 is never. There whenever the secret is.
    client_secret_expires_at: Option<i64>,
    /// The token to manage the registration with.
    registration_access_token: Option<String>,
    /// Where to manage it.
    registration_client_uri: Option<String>,
    #[oai(flatten)]
    metadata: ClientMetadata,
}

/// A changed description (RFC 7592 section 2.2): it replaces the one there is, so what is left out is gone.
#[derive(Object)]
#[oai(rename = "OAuthClientUpdate")]
struct ClientUpdate {
    /// The client id, the same as in the path.
    client_id: String,
    /// The secret there is; another one is refused.
    client_secret: Option<String>,
    #[oai(flatten)]
    metadata: ClientMetadata,
}

/// Who may register: it depends on OAuth Settings.
#[derive(SecurityScheme)]
#[expect(dead_code, reason = "it is described, not read")]
enum Registrant {
    WithToken(InitialAccessToken),
    #[oai(fallback)]
    Anybody,
}

#[derive(ApiResponse)]
#[expect(dead_code, clippy::large_enum_variant, reason = "the handlers answer; this describes them")]
enum Registered {
    /// The program is registered.
    #[oai(status = 201)]
    Created(Json<ClientInformation>),
    /// The description is not acceptable: `error` says why.
    #[oai(status = 400)]
    Invalid(Json<ErrorBody>),
    /// The initial access token is missing or wrong.
    #[oai(
        status = 401,
        header(name = "WWW-Authenticate", ty = "String", description = "`Bearer`, and what is wrong with the token")
    )]
    NoToken(Json<ErrorBody>),
    /// There are as many registered programs as OAuth Settings allows.
    #[oai(status = 403)]
    Full(Json<ErrorBody>),
    /// The body is far too large.
    #[oai(status = 413)]
    TooLarge(Json<SiteError>),
    /// Too many registrations from this network address.
    #[oai(status = 429, header(name = "Retry-After", ty = "u64", description = "After how many seconds to try again"))]
    TooOften(Json<ErrorBody>),
    /// Something went wrong here.
    #[oai(status = 500)]
    Failed(Json<ErrorBody>),
}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum Known {
    /// The registration as it is now.
    #[oai(status = 200)]
    Read(Json<ClientInformation>),
}

#[derive(ApiResponse)]
#[expect(dead_code, clippy::large_enum_variant, reason = "the handlers answer; this describes them")]
enum Changed {
    /// The registration as it is now.
    #[oai(status = 200)]
    Changed(Json<ClientInformation>),
    /// The description is not acceptable: `error` says why.
    #[oai(status = 400)]
    Invalid(Json<ErrorBody>),
}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum Removed {
    /// The client is gone, and with it its tokens, codes and consents.
    #[oai(status = 204)]
    Gone,
}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum NotYours {
    /// The token is missing, or is not the one of this client, which may not exist any more.
    #[oai(
        status = 401,
        header(name = "WWW-Authenticate", ty = "String", description = "`Bearer`, and what is wrong with the token")
    )]
    NoToken(Json<ErrorBody>),
    /// An administrator has disabled the client.
    #[oai(status = 403)]
    Disabled(Json<ErrorBody>),
    /// Something went wrong here.
    #[oai(status = 500)]
    Failed(Json<ErrorBody>),
}

/// The endpoints.
pub(super) struct Registration;

#[OpenApi(tag = "Tag::OAuth")]
impl Registration {
    /// Register a program (RFC 7591).
    #[oai(
        path = "/api/method/frappe.integrations.oauth2.register_client",
        method = "post",
        operation_id = "register_client"
    )]
    async fn register_client(&self, _by: Registrant, _metadata: Json<ClientMetadata>) -> Registered {
        answered_elsewhere()
    }

    /// Read the registration of a program (RFC 7592).
    #[oai(
        path = "/api/method/frappe.integrations.oauth2.register_client/:client_id",
        method = "get",
        operation_id = "read_registered_client"
    )]
    async fn read(&self, _token: RegistrationAccessToken, client_id: Path<String>) -> Result<Known, NotYours> {
        let _ = client_id;
        answered_elsewhere()
    }

    /// Change the registration of a program (RFC 7592).
    #[oai(
        path = "/api/method/frappe.integrations.oauth2.register_client/:client_id",
        method = "put",
        operation_id = "update_registered_client"
    )]
    async fn update(
        &self,
        _token: RegistrationAccessToken,
        client_id: Path<String>,
        _metadata: Json<ClientUpdate>,
    ) -> Result<Changed, NotYours> {
        let _ = client_id;
        answered_elsewhere()
    }

    /// Remove a program (RFC 7592).
    #[oai(
        path = "/api/method/frappe.integrations.oauth2.register_client/:client_id",
        method = "delete",
        operation_id = "delete_registered_client"
    )]
    async fn remove(&self, _token: RegistrationAccessToken, client_id: Path<String>) -> Result<Removed, NotYours> {
        let _ = client_id;
        answered_elsewhere()
    }
}
