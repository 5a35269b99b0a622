//! What everybody may know: metadata and public keys.
#![expect(clippy::unused_async, reason = "the macro wants every operation to be async")]

use poem_openapi::param::Path;
use poem_openapi::payload::{Html, Json};
use poem_openapi::{ApiResponse, Object, OpenApi, ResponseContent};

use super::parts::{SiteError, Tag, answered_elsewhere};
use crate::oauth::protocol::metadata::{ResourceMetadata, ServerMetadata};

/// The public keys that this site signs with (RFC 7517 section 5).
#[derive(Object)]
#[oai(rename = "OAuthKeySet")]
struct KeySet {
    /// The keys: those that sign now, those that come next, and older ones whose signatures may still be about.
    keys: Vec<Key>,
}

/// A public key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037).
#[derive(Object)]
#[oai(rename = "OAuthKey")]
struct Key {
    /// `EC`, `RSA` or `OKP`.
    kty: String,
    /// Its name: the thumbprint (RFC 7638).
    kid: String,
    /// The algorithm that it signs with.
    alg: String,
    /// `sig`.
    #[oai(rename = "use")]
    usage: String,
    /// `EC` and `OKP`: the curve.
    crv: Option<String>,
    /// `EC` and `OKP`: the x coordinate, or the key itself.
    x: Option<String>,
    /// `EC`: the y coordinate.
    y: Option<String>,
    /// `RSA`: the modulus.
    n: Option<String>,
    /// `RSA`: the exponent.
    e: Option<String>,
}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum Server {
    /// The metadata.
    #[oai(status = 200)]
    Metadata(Json<ServerMetadata>),
}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum Resource {
    /// The metadata.
    #[oai(status = 200)]
    Metadata(Json<ResourceMetadata>),
}

#[derive(ResponseContent)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum Nothing {
    /// For people.
    Page(Html<String>),
    /// With `Accept: application/json`.
    Error(Json<SiteError>),
}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum NoResource {
    /// There is no resource of that address here.
    #[oai(status = 404)]
    Unknown(Nothing),
}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum Keys {
    /// The keys.
    #[oai(status = 200, content_type = "application/jwk-set+json")]
    Set(Json<KeySet>),
}

/// The documents.
pub(super) struct Discovery;

#[OpenApi(tag = "Tag::OAuth")]
impl Discovery {
    /// What the authorization server offers (RFC 8414).
    #[oai(
        path = "/.well-known/oauth-authorization-server",
        method = "get",
        operation_id = "authorization_server_metadata"
    )]
    async fn authorization_server(&self) -> Server {
        answered_elsewhere()
    }

    /// The same for OpenID Connect (OpenID Connect Discovery).
    #[oai(path = "/.well-known/openid-configuration", method = "get", operation_id = "openid_configuration")]
    async fn openid_configuration(&self) -> Server {
        answered_elsewhere()
    }

    /// What the site says of itself as a resource (RFC 9728).
    #[oai(path = "/.well-known/oauth-protected-resource", method = "get", operation_id = "protected_resource_metadata")]
    async fn protected_resource(&self) -> Resource {
        answered_elsewhere()
    }

    /// What a resource below the site says of itself (RFC 9728 section 3.1).
    #[oai(
        path = "/.well-known/oauth-protected-resource/:path",
        method = "get",
        operation_id = "protected_resource_metadata_of_path"
    )]
    async fn protected_resource_of_path(
        &self,
        /// The path of the resource, such as `api`; it may hold `/`.
        path: Path<String>,
    ) -> Result<Resource, NoResource> {
        let _ = path;
        answered_elsewhere()
    }

    /// The public keys of the site.
    #[oai(path = "/.well-known/jwks.json", method = "get", operation_id = "well_known_jwks")]
    async fn well_known_jwks(&self) -> Keys {
        answered_elsewhere()
    }

    /// The same at the address of the other endpoints.
    #[oai(path = "/api/method/frappe.integrations.oauth2.jwks", method = "get", operation_id = "jwks")]
    async fn jwks(&self) -> Keys {
        answered_elsewhere()
    }
}
