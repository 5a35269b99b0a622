//! The authorization server: its addresses, and what answers there.

pub mod authorize;
pub mod back_channel_logout;
pub mod client_authentication;
pub mod client_certificate;
pub mod client_configuration;
pub mod client_keys;
pub mod consent;
pub mod device;
pub mod device_authorization;
pub mod doctype;
pub mod end_session;
pub mod endpoint;
pub mod grant;
pub mod introspect;
pub mod jwks;
pub mod metadata;
pub mod metadata_document;
pub mod other_account;
pub mod par;
pub mod programs_with_access;
pub mod rate_limit;
pub mod registration;
pub mod request_object;
pub mod revoke;
pub mod signed_tokens;
pub mod token;
pub mod tokens;
pub mod userinfo;

use std::sync::Arc;

use poem::http::Method;

use crate::oauth::authorization_server::metadata_document::MetadataDocuments;
use crate::oauth::authorization_server::rate_limit::RateLimit;
use crate::oauth::authorization_server::registration::Registrations;
use crate::oauth::client::Providers;
pub use crate::oauth::protocol::metadata::{
    APPROVE, AUTHORIZE, DEVICE, DEVICE_AUTHORIZATION, INTROSPECT as INTROSPECT_TOKEN, REGISTER as REGISTER_CLIENT,
    REVOKE as REVOKE_TOKEN, TOKEN as GET_TOKEN, USERINFO as OPENID_PROFILE,
};
use crate::oauth::protocol::metadata::{END_SESSION, JWKS, WELL_KNOWN_JWKS};
use crate::oauth::resource_server::BearerAuthenticator;
use crate::oauth::scope_catalogue::ScopeCatalogue;
use crate::oauth::signing_keys::SigningKeys;
use crate::web::{Exchange, Plugins, Route};

/// What the endpoints share.
pub struct Server {
    /// What the scopes of this site mean.
    pub catalogue: ScopeCatalogue,
    /// Who opens requests with our own tokens.
    pub tokens: Arc<BearerAuthenticator>,
    /// The one way out to other servers, and what is known of them.
    pub providers: Arc<Providers>,
    /// What the site signs with.
    pub keys: SigningKeys,
    /// The registrations of the last minute.
    pub registrations: Registrations,
    /// The requests that were pushed in the last minute.
    pub pushed_requests: RateLimit,
    /// The device codes of the last minute.
    pub device_codes: RateLimit,
    /// The clients of the last minute that did not prove who they are.
    pub failed_clients: RateLimit,
    /// What is known of the addresses that are client ids.
    pub metadata_documents: MetadataDocuments,
}

/// A handler that shares the server.
pub fn with<F, A>(server: &Arc<Server>, handler: F) -> impl Fn(Exchange) -> A + Send + Sync + 'static
where
    F: Fn(Exchange, Arc<Server>) -> A + Send + Sync + 'static,
{
    let server = Arc::clone(server);
    move |exchange| handler(exchange, Arc::clone(&server))
}

/// Registers the endpoints.
pub fn register(plugins: &mut Plugins, server: &Arc<Server>) {
    plugins.route(
        Route::new(AUTHORIZE)
            .get(with(server, authorize::authorize))
            .post(with(server, authorize::authorize))
            .takes_foreign_forms(),
    );
    plugins.route(Route::new(APPROVE).get(with(server, authorize::resume)).post(with(server, consent::answer)));
    let preflight = async |exchange| Ok(endpoint::preflight(&exchange, "POST, OPTIONS"));
    plugins.route(
        Route::new(GET_TOKEN).post(with(server, token::get_token)).on(Method::OPTIONS, preflight).reads_credentials(),
    );
    plugins.route(
        Route::new(REVOKE_TOKEN)
            .post(with(server, revoke::revoke_token))
            .on(Method::OPTIONS, preflight)
            .reads_credentials(),
    );
    plugins.route(Route::new(INTROSPECT_TOKEN).post(with(server, introspect::introspect_token)).reads_credentials());
    plugins.route(
        Route::new(OPENID_PROFILE)
            .get(with(server, userinfo::openid_profile))
            .post(with(server, userinfo::openid_profile))
            .on(Method::OPTIONS, async |exchange| Ok(endpoint::preflight(&exchange, "GET, POST, OPTIONS"))),
    );
    for path in [JWKS, WELL_KNOWN_JWKS] {
        plugins.route(
            Route::new(path)
                .get(with(server, jwks::jwks))
                .on(Method::OPTIONS, async |exchange| Ok(endpoint::preflight(&exchange, "GET, HEAD, OPTIONS"))),
        );
    }
    par::register(plugins, server);
    registration::register(plugins, server);
    client_configuration::register(plugins, server);
    plugins.route(
        Route::new(END_SESSION)
            .get(with(server, end_session::end_session))
            .post(with(server, end_session::end_session))
            .takes_foreign_forms(),
    );
    back_channel_logout::register(plugins, server);
    programs_with_access::register(plugins, server);
    device_authorization::register(plugins, server);
    device::register(plugins, server);
    // Last: it advertises what is registered.
    metadata::register(plugins, server);
}
