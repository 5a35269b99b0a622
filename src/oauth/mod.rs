//! OAuth 2 and OpenID Connect in all three roles: authorization server, resource server, client.

pub(crate) mod access;
pub(crate) mod access_end;
pub(crate) mod authorization_server;
pub(crate) mod client;
pub(crate) mod client_form;
pub(crate) mod credentials;
pub(crate) mod dpop;
pub(crate) mod jobs;
pub(crate) mod openapi;
pub(crate) mod protocol;
pub(crate) mod provider_error;
pub(crate) mod published_keys;
pub(crate) mod resource_server;
pub(crate) mod scope_catalogue;
pub(crate) mod scope_limit;
pub(crate) mod session_end;
pub(crate) mod signing_keys;
pub(crate) mod site_scopes;
pub(crate) mod subject;
pub(crate) mod table;
pub(crate) mod unused_clients;
pub(crate) mod views;

use std::sync::Arc;

use crate::config::Config;
use crate::oauth::scope_catalogue::{ScopeCatalogue, ScopeDefinitionController};
use crate::oauth::signing_keys::SigningKeys;
use crate::oauth::views::oauth_scope_definition::OAUTH_SCOPE_DEFINITION;
use crate::web::Plugins;

/// Registers the feature.
pub(crate) fn register(plugins: &mut Plugins, config: &Config) -> anyhow::Result<()> {
    plugins.small_bodies.extend(["/api/method/frappe.integrations.oauth2", "/oauth/", "/device"]);
    views::register(&mut plugins.controllers);
    let catalogue = ScopeCatalogue::default();
    let keys = SigningKeys::default();
    plugins.controller(OAUTH_SCOPE_DEFINITION, ScopeDefinitionController { catalogue: catalogue.clone() });
    plugins.controller("Security Event", access_end::EndsTokens);
    plugins.at_start(async |site| views::check_views(&site.documents.registry()));
    let tokens = Arc::new(resource_server::BearerAuthenticator::new(catalogue.clone(), keys.clone()));
    // Before our own tokens: it leaves alone whatever is not of a provider that is listed here.
    let providers = client::register(plugins, config, &catalogue)?;
    authorization_server::doctype::register(plugins, config, &keys, &providers);
    signing_keys::register(plugins, &keys);
    let server = Arc::new(authorization_server::Server {
        endpoints: table::endpoints(),
        catalogue: catalogue.clone(),
        tokens: Arc::clone(&tokens),
        providers,
        keys,
        registrations: authorization_server::registration::Registrations::default(),
        pushed_requests: authorization_server::rate_limit::RateLimit::default(),
        device_codes: authorization_server::rate_limit::RateLimit::default(),
        failed_clients: authorization_server::rate_limit::RateLimit::default(),
        metadata_documents: authorization_server::metadata_document::MetadataDocuments::default(),
        try_out_uri: client_form::try_it::sign_in::redirect_uri,
    });
    plugins.controller("Session", session_end::EndsSignIns { server: Arc::clone(&server) });
    authorization_server::register(plugins, &server);
    authorization_server::back_channel_logout::register(plugins, &server);
    authorization_server::programs_with_access::register(plugins, &server);
    openapi::register(plugins, &server);
    client_form::register(plugins, &server);
    plugins.middleware.push(Arc::new(access::Access { tokens: Arc::clone(&tokens), catalogue }));
    plugins.authenticators.push(Arc::new(dpop::DpopAuthenticator::new(Arc::clone(&tokens))));
    plugins.authenticators.push(tokens);
    jobs::register(plugins);
    Ok(())
}
