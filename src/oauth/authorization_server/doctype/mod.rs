//! Behaviour of the DocTypes of the authorization server, one file each.

pub(crate) mod oauth_bearer_token;
pub(crate) mod oauth_client;
pub(crate) mod oauth_client_checks;
pub(crate) mod oauth_grant;
pub(crate) mod oauth_settings;
pub(crate) mod oauth_signing_key;

use std::sync::Arc;

use crate::config::Config;
use crate::oauth::client::Providers;
use crate::oauth::signing_keys::SigningKeys;
use crate::oauth::views::oauth_bearer_token::OAUTH_BEARER_TOKEN;
use crate::oauth::views::oauth_client::OAUTH_CLIENT;
use crate::oauth::views::oauth_grant::OAUTH_GRANT;
use crate::oauth::views::oauth_settings::OAUTH_SETTINGS;
use crate::oauth::views::oauth_signing_key::OAUTH_SIGNING_KEY;
use crate::web::Plugins;

/// Registers the controllers.
pub(crate) fn register(plugins: &mut Plugins, config: &Config, keys: &SigningKeys, providers: &Arc<Providers>) {
    plugins.controllers.needs_fields(OAUTH_SETTINGS, &["allowed_private_hosts", "initial_access_token"]);
    plugins.controller(OAUTH_SETTINGS, oauth_settings::OAuthSettingsController { keys: keys.clone() });
    plugins.controller(OAUTH_SIGNING_KEY, oauth_signing_key::SigningKeyController { keys: keys.clone() });
    plugins.controller(OAUTH_BEARER_TOKEN, oauth_bearer_token::BearerTokenController);
    plugins.controller(OAUTH_GRANT, oauth_grant::GrantController);
    let client = oauth_client::OAuthClientController {
        providers: Arc::clone(providers),
        certificates: config.client_certificates.as_ref().map(|configured| configured.check),
    };
    plugins.controller(OAUTH_CLIENT, client);
    plugins.at_start(async |site| {
        let digested = oauth_client::digest_plain_secrets(&site.documents).await?;
        if digested > 0 {
            tracing::info!(digested, "client secrets in the clear were replaced by their digests");
        }
        Ok(())
    });
}
