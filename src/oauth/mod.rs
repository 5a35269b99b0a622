//! OAuth 2 and OpenID Connect in all three roles: authorization server, resource server, client.

pub(crate) mod access_end;
pub(crate) mod api_keys;
pub(crate) mod authorization;
pub(crate) mod client;
pub(crate) mod client_authentication;
pub(crate) mod client_form;
pub(crate) mod credentials;
pub(crate) mod http;
pub(crate) mod jobs;
pub(crate) mod openapi;
pub(crate) mod protocol;
pub(crate) mod provider_error;
pub(crate) mod published_keys;
pub(crate) mod registration;
pub(crate) mod resource;
pub(crate) mod scopes;
pub(crate) mod server;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
pub(crate) mod subject;
pub(crate) mod table;
pub(crate) mod token;
pub(crate) mod views;

use std::sync::Arc;

use crate::config::Config;
use crate::oauth::resource::bearer::BearerAuthenticator;
use crate::oauth::scopes::scope_catalogue::{ScopeCatalogue, ScopeDefinitionController};
use crate::oauth::server::Server;
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
    let tokens = Arc::new(BearerAuthenticator::new(catalogue.clone(), keys.clone()));
    // Before our own tokens: it leaves alone whatever is not of a provider that is listed here.
    let providers = client::register(plugins, config, &catalogue)?;
    signing_keys::register(plugins, &keys);
    registration::register(plugins, config, &providers);
    token::register(plugins);
    let try_out_uri = client_form::try_it::sign_in::redirect_uri;
    let server = Server::new(table::endpoints(), catalogue, tokens, providers, keys, try_out_uri);
    server::register(plugins, &server);
    sessions::register(plugins, &server);
    authorization::applications_with_access::register(plugins, &server);
    openapi::register(plugins, &server);
    client_form::register(plugins, &server);
    api_keys::register(plugins, &server.catalogue);
    resource::register(plugins, &server.tokens, &server.catalogue);
    jobs::register(plugins);
    Ok(())
}
