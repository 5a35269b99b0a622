//! Every endpoint of the authorization server, a row each: routes, metadata, CORS, what OAuth Settings switches off and
//! the OpenAPI document follow from it.

use std::future::Future;
use std::sync::Arc;

use poem::http::Method;

use crate::error::Result;
use crate::oauth::authorization::interaction::{authorize, device, end_session};
use crate::oauth::authorization::{device_authorization, jwks, metadata, par};
use crate::oauth::http::endpoint::Origins;
use crate::oauth::openapi::{forms, responses};
use crate::oauth::protocol::authorize::device::DeviceAuthorizationResponse;
use crate::oauth::protocol::authorize::par::PushedResponse;
use crate::oauth::protocol::serve::metadata::{
    APPROVE, AUTHORIZE, DEVICE, DEVICE_AUTHORIZATION, END_SESSION, INTROSPECT, PAR, REGISTER, REVOKE, ResourceMetadata,
    ServerMetadata, TOKEN, USERINFO, WELL_KNOWN_JWKS, WELL_KNOWN_OPENID, WELL_KNOWN_RESOURCE, WELL_KNOWN_SERVER,
    endpoint,
};
use crate::oauth::protocol::token::introspection::SIGNED;
use crate::oauth::protocol::token::kind::TokenResponse;
use crate::oauth::registration;
use crate::oauth::registration::client_configuration;
use crate::oauth::server::{Caller, Endpoint, Operation, Request, Server};
use crate::oauth::token;
use crate::oauth::token::{introspect, revoke, userinfo};
use crate::oauth::views::OAuthSettings;
use crate::oauth::views::oauth_settings::Registration;
use crate::web::openapi::{Response, Schema};
use crate::web::{Exchange, Param};

/// The endpoints, in the order in which metadata names them.
#[expect(clippy::too_many_lines, reason = "a table of one row an endpoint")]
pub(crate) fn endpoints() -> Vec<Arc<Endpoint>> {
    let rows = vec![
        Endpoint::new(AUTHORIZE)
            .advertised_as("authorization_endpoint", "Where people allow or refuse access")
            .on(get(authorize::authorize)
                .described("authorize", "Ask a person for access; opened in their browser", Caller::Person)
                .takes(Request::Query(AUTHORIZATION.to_vec()))
                .answers(responses::authorization()))
            .on(post(authorize::authorize)
                .described("authorize_by_form", "The same by a form, for long requests", Caller::Person)
                .takes(form("OAuthAuthorizationRequest", AUTHORIZATION.to_vec()))
                .answers(responses::authorization())),
        Endpoint::new(APPROVE).on(get(authorize::resume)).on(post(authorize::approve)),
        Endpoint::new(TOKEN).advertised_as("token_endpoint", "Where clients get tokens").open_to(Origins::Client).on(
            post(token::get_token)
                .described("get_token", "Get tokens", Caller::Client)
                .reads(forms::TOKEN_PROOF)
                .takes(client_form("OAuthTokenRequest", forms::TOKEN_REQUEST))
                .answers(
                    [Response::json(200, "The tokens", Schema::of::<TokenResponse>()).with(responses::TOKEN_NONCE)],
                )
                .answers(responses::refusals()),
        ),
        Endpoint::new(USERINFO)
            .advertised_as("userinfo_endpoint", "Where clients learn who logged in")
            .open_to(Origins::Client)
            .on(get(userinfo::openid_profile)
                .described(
                    "openid_profile",
                    "Learn who the person behind a token is (OpenID Connect Core section 5.3)",
                    Caller::TokenHolder,
                )
                .reads(forms::ACCESS_PROOF)
                .answers(responses::claims()))
            .on(post(userinfo::openid_profile)
                .described("openid_profile_by_post", "The same by POST", Caller::TokenHolder)
                .reads(forms::ACCESS_PROOF)
                .answers(responses::claims())),
        Endpoint::new(WELL_KNOWN_JWKS).advertised_as("jwks_uri", "Where the public keys are").open_to(Origins::All).on(
            get(jwks::jwks)
                .described("well_known_jwks", "The public keys of the site", Caller::Anybody)
                .answers([responses::keys()]),
        ),
        Endpoint::new(endpoint!("jwks")).open_to(Origins::All).on(get(jwks::jwks)
            .described("jwks", "The same at the address of the other endpoints", Caller::Anybody)
            .answers([responses::keys()])),
        Endpoint::new(REGISTER)
            .advertised_as("registration_endpoint", "Where applications register")
            .switched_by(|settings| settings.registration != Registration::Off)
            .open_to(Origins::Listed)
            .on(post(registration::register_client)
                .described("register_client", "Register an application (RFC 7591)", Caller::Registrant)
                .takes(Request::Json(Schema::Named("OAuthClientMetadata")))
                .answers(responses::registration())),
        Endpoint::new(concat!(endpoint!("register_client"), "/:client_id"))
            .open_to(Origins::Listed)
            .on(get(client_configuration::manage)
                .described(
                    "read_registered_client",
                    "Read the registration of an application (RFC 7592)",
                    Caller::Registered,
                )
                .answers([registered()])
                .answers(responses::registration_refusals()))
            .on(Operation::new(Method::PUT, client_configuration::manage)
                .described(
                    "update_registered_client",
                    "Change the registration of an application (RFC 7592)",
                    Caller::Registered,
                )
                .takes(Request::Json(Schema::Named("OAuthClientUpdate")))
                .answers([registered(), responses::invalid_metadata()])
                .answers(responses::registration_refusals()))
            .on(Operation::new(Method::DELETE, client_configuration::manage)
                .described("delete_registered_client", "Remove an application (RFC 7592)", Caller::Registered)
                .answers([Response::new(204, "The client is gone, and with it its tokens, codes and consents")])
                .answers(responses::registration_refusals())),
        Endpoint::new(REVOKE)
            .advertised_as("revocation_endpoint", "Where clients revoke tokens")
            .open_to(Origins::Client)
            .on(post(revoke::revoke_token)
                .described(
                    "revoke_token",
                    "Revoke a token (RFC 7009), with a refresh token all tokens that came of it",
                    Caller::Client,
                )
                .takes(client_form("OAuthPresentedToken", forms::PRESENTED_TOKEN))
                .answers([Response::json(
                    200,
                    "The token opens nothing any more, or never did",
                    Schema::Object("OAuthDone", Vec::new()),
                )])
                .answers(responses::refusals())),
        Endpoint::new(INTROSPECT)
            .advertised_as("introspection_endpoint", "Where resource servers ask about tokens")
            .on(post(introspect::introspect_token)
                .described(
                    "introspect_token",
                    "Ask about a token (RFC 7662), as a client that authenticates; signed on request (RFC 9701)",
                    Caller::Client,
                )
                .takes(client_form("OAuthPresentedToken", forms::PRESENTED_TOKEN))
                .answers([Response::json(
                    200,
                    "What is known of the token, as far as the client may know it; with `Accept: \
                     application/token-introspection+jwt` a JWT for the client (RFC 9701)",
                    Schema::Named("OAuthIntrospection"),
                )
                .or(SIGNED, Schema::Text)])
                .answers(responses::refusals())),
        Endpoint::new(PAR)
            .advertised_as("pushed_authorization_request_endpoint", "Where clients push authorization requests")
            .open_to(Origins::Client)
            .on(post(par::par)
                .described("par", "Push an authorization request (RFC 9126)", Caller::Client)
                .takes(client_form("OAuthPushedAuthorizationRequest", forms::AUTHORIZATION_PARAMETERS))
                .answers([Response::json(
                    201,
                    "What stands for the request from now on",
                    Schema::of::<PushedResponse>(),
                )])
                .answers(responses::refusals())),
        Endpoint::new(DEVICE_AUTHORIZATION)
            .advertised_as("device_authorization_endpoint", "Where devices get their codes")
            .switched_by(device_grant)
            .open_to(Origins::Client)
            .on(post(device_authorization::device_authorization)
                .described(
                    "device_authorization",
                    "Get a code for a device and one to show to a person (RFC 8628)",
                    Caller::Client,
                )
                .takes(client_form("OAuthDeviceAuthorizationRequest", forms::DEVICE_AUTHORIZATION_REQUEST))
                .answers([Response::json(
                    200,
                    "One code for the device, one for the person",
                    Schema::of::<DeviceAuthorizationResponse>(),
                )])
                .answers(responses::refusals())),
        device_page(DEVICE),
        device_page(endpoint!("device")),
        Endpoint::new(END_SESSION)
            .advertised_as("end_session_endpoint", "Where people log out")
            .on(get(end_session::end_session)
                .described(
                    "end_session",
                    "Log a person out, who is asked unless the hint is of their very session; opened in their browser",
                    Caller::Person,
                )
                .takes(Request::Query(vec![forms::END_SESSION_REQUEST]))
                .answers(responses::end_of_session()))
            .on(post(end_session::end_session)
                .described(
                    "end_session_by_form",
                    "The same by a form, which keeps the ID token out of the address",
                    Caller::Person,
                )
                .takes(form("OAuthEndSessionRequest", vec![forms::END_SESSION_REQUEST]))
                .answers(responses::end_of_session())),
        server_metadata(
            WELL_KNOWN_SERVER,
            "authorization_server_metadata",
            "What the authorization server offers (RFC 8414)",
        ),
        server_metadata(
            WELL_KNOWN_OPENID,
            "openid_configuration",
            "The same for OpenID Connect (OpenID Connect Discovery)",
        ),
        Endpoint::new(WELL_KNOWN_RESOURCE).switched_by(resource_metadata).open_to(Origins::All).on(Operation::new(
            Method::GET,
            metadata::protected_resource,
        )
        .described(
            "protected_resource_metadata",
            "What the site says of itself as a resource (RFC 9728)",
            Caller::Anybody,
        )
        .answers([Response::json(200, "The metadata", Schema::of::<ResourceMetadata>())])),
        Endpoint::new("/.well-known/oauth-protected-resource/*path")
            .switched_by(resource_metadata)
            .open_to(Origins::All)
            .on(get(metadata::protected_resource)
                .described(
                    "protected_resource_metadata_of_path",
                    "What a resource below the site says of itself (RFC 9728 section 3.1)",
                    Caller::Anybody,
                )
                .answers([
                    Response::json(200, "The metadata", Schema::of::<ResourceMetadata>()),
                    Response::page(404, "There is no resource at this address")
                        .or("application/json", Schema::Named("Error")),
                ])),
    ];
    rows.into_iter().map(Arc::new).collect()
}

/// An authorization request in an address or a form.
const AUTHORIZATION: [&[Param]; 2] = [forms::AUTHORIZATION_REQUEST, forms::AUTHORIZATION_PARAMETERS];

fn get<F, Fut>(handler: F) -> Operation
where
    F: Fn(Exchange, Arc<Server>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<poem::Response>> + Send + 'static,
{
    Operation::new(Method::GET, handler)
}

fn post<F, Fut>(handler: F) -> Operation
where
    F: Fn(Exchange, Arc<Server>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<poem::Response>> + Send + 'static,
{
    Operation::new(Method::POST, handler)
}

/// A form of these members, in which the client may say who it is.
fn client_form(name: &'static str, members: &'static [Param]) -> Request {
    form(name, vec![members, forms::CLIENT_AUTHENTICATION])
}

/// A form of these members.
fn form(name: &'static str, members: Vec<&'static [Param]>) -> Request {
    Request::Form(Schema::Object(name, members))
}

fn device_grant(settings: &OAuthSettings) -> bool {
    settings.device_grant
}

fn resource_metadata(settings: &OAuthSettings) -> bool {
    settings.show_protected_resource_metadata
}

fn registered() -> Response {
    Response::json(200, "The registration as it is now", Schema::Named("OAuthClientInformation"))
}

fn device_page(path: &'static str) -> Endpoint {
    Endpoint::new(path).switched_by(device_grant).on(get(device::ask)).on(post(device::post))
}

fn server_metadata(path: &'static str, id: &'static str, summary: &'static str) -> Endpoint {
    Endpoint::new(path).switched_by(|settings| settings.show_auth_server_metadata).open_to(Origins::All).on(get(
        metadata::authorization_server,
    )
    .described(id, summary, Caller::Anybody)
    .answers([Response::json(200, "The metadata", Schema::of::<ServerMetadata>())]))
}
