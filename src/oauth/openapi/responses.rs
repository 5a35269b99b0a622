//! What the endpoints answer, where several answer alike.

use crate::oauth::openapi::forms;
use crate::oauth::protocol::error::ErrorBody;
use crate::oauth::protocol::token::userinfo::UserInfo;
use crate::web::openapi::{Header, Response, Schema};

/// The nonce of the token endpoint.
pub(crate) const TOKEN_NONCE: Header = (
    "DPoP-Nonce",
    false,
    "string",
    "What the next proof must contain, if OAuth Settings asks for it (RFC 9449 section 8)",
);
const RESOURCE_NONCE: Header = (
    "DPoP-Nonce",
    false,
    "string",
    "What the next proof must contain, if OAuth Settings asks for it (RFC 9449 section 9)",
);
const RETRY_AFTER: Header = ("Retry-After", true, "integer", "After how many seconds to try again");
const LOCATION: Header = ("Location", true, "string", "Where to");
const BEARER: Header = ("WWW-Authenticate", true, "string", "`Bearer`, and what is wrong with the token");

/// How the authorization endpoint answers.
pub(crate) fn authorization() -> [Response; 3] {
    [
        Response::page(200, "A page that posts the response to the client, with `response_mode` `form_post`"),
        Response::new(
            303,
            "To the login, to the consent page, or back to the client with `code` or `error`, `state` and `iss`",
        )
        .with(LOCATION),
        Response::page(400, "A page: the client or the redirect URI cannot be trusted, so nobody is sent anywhere"),
    ]
}

/// How the end session endpoint answers.
pub(crate) fn end_of_session() -> [Response; 3] {
    [
        Response::page(200, "A page that asks the person, says that they are logged out, or leads on"),
        Response::new(303, "Back to the client, or to the logout of the provider that the person had logged in with")
            .with(LOCATION),
        Response::page(400, "A page: something about the request is wrong, so nobody is sent anywhere"),
    ]
}

/// How the endpoints that clients authenticate at refuse.
pub(crate) fn refusals() -> [Response; 6] {
    [
        error(400, "The request is wrong: `error` says how"),
        error(401, "The client is unknown or did not authenticate").with((
            "WWW-Authenticate",
            false,
            "string",
            "`Basic`, if the client came with it",
        )),
        too_large(),
        error(429, "The client has failed to authenticate, or has asked, too often").with(RETRY_AFTER),
        failed(),
        error(503, "Try again in a moment"),
    ]
}

/// How the userinfo endpoint answers.
pub(crate) fn claims() -> [Response; 3] {
    [
        Response::json(200, "What the scopes of the token tell about the person", Schema::of::<UserInfo>()),
        Response::json(401, "The access token is missing or not valid", Schema::Named("Error"))
            .with((
                "WWW-Authenticate",
                true,
                "string",
                "`Bearer` and `DPoP`, each with what is wrong and where the resource describes itself",
            ))
            .with(RESOURCE_NONCE),
        error(403, "The token is valid, but does not have the scope `openid`").with((
            "WWW-Authenticate",
            true,
            "string",
            "The scheme of the token, with the scope needed",
        )),
    ]
}

/// How the registration endpoint answers.
pub(crate) fn registration() -> [Response; 7] {
    [
        Response::json(201, "The application is registered", Schema::Named("OAuthClientInformation")),
        invalid_metadata(),
        error(401, "The initial access token is missing or wrong").with(BEARER),
        error(403, "There are as many registered applications as OAuth Settings allows"),
        too_large(),
        error(429, "Too many registrations from this network address").with(RETRY_AFTER),
        failed(),
    ]
}

/// How a registration is kept from those who may not manage it.
pub(crate) fn registration_refusals() -> [Response; 3] {
    [
        error(401, "The token is missing, or is not the one of this client, which may not exist any more").with(BEARER),
        error(403, "An administrator has disabled the client"),
        failed(),
    ]
}

/// How metadata is refused.
pub(crate) fn invalid_metadata() -> Response {
    error(400, "The metadata is not acceptable: `error` says why")
}

/// The public keys.
pub(crate) fn keys() -> Response {
    Response::new(200, "The keys").or("application/jwk-set+json", Schema::Object("OAuthKeySet", vec![forms::KEY_SET]))
}

fn error(status: u16, description: &'static str) -> Response {
    Response::json(status, description, Schema::of::<ErrorBody>())
}

fn failed() -> Response {
    error(500, "Something went wrong here")
}

fn too_large() -> Response {
    Response::json(413, "The body is far too large", Schema::Named("Error"))
}
