//! This site as a client of other servers: Connected Apps that people connect, and logins with accounts elsewhere.

pub mod connected_app;
pub mod connected_app_methods;
pub mod connected_app_pages;
pub mod discovery;
pub mod oauth_client_state;
pub mod private_key;
pub mod provider_answer;
pub mod renewal;
pub mod social;
pub mod token_cache;
pub mod token_endpoint;
pub mod use_connection;
pub mod web_application_flow;

use std::sync::Arc;

use crate::config::Config;
use crate::oauth::client::discovery::Discoveries;
use crate::oauth::client::renewal::Renewals;
use crate::oauth::client::social::provider::SecretPlaces;
use crate::oauth::client::social::resource::Paused;
use crate::oauth::client::use_connection::RefusedTokens;
use crate::oauth::published_keys::KeySets;
use crate::oauth::scope_catalogue::ScopeCatalogue;
use crate::oauth::views::View;
use crate::outgoing::Outgoing;
use crate::web::Plugins;

/// Where providers send people back to, as Frappe has it; the app's name follows.
pub const CALLBACK: &str = "/api/method/frappe.integrations.doctype.connected_app.connected_app.callback";
/// The module under which Frappe has the methods of Connected App.
pub const MODULE: &str = "frappe.integrations.doctype.connected_app.connected_app";

/// Every view of this role.
pub const VIEWS: &[&View] = &[
    &connected_app::VIEW,
    &oauth_client_state::VIEW,
    &social::social_login_key::VIEW,
    &social::social_login_key::MAPPING_VIEW,
    &token_cache::VIEW,
];

/// What a site knows of providers, and its one way out to them.
pub struct Providers {
    /// The guarded client.
    pub outgoing: Outgoing,
    /// What providers say about themselves.
    pub discoveries: Discoveries,
    /// The public keys of providers and of clients.
    pub keys: KeySets,
    /// Where providers of logins take the secret.
    pub places: SecretPlaces,
    /// The renewals under way.
    pub renewals: Renewals,
    /// The tokens that were renewed in vain.
    pub refused_tokens: RefusedTokens,
    /// The providers whose tokens are not accepted for a moment.
    pub paused: Paused,
}

impl Providers {
    fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            outgoing: Outgoing::new(config)?,
            discoveries: Discoveries::default(),
            keys: KeySets::default(),
            places: SecretPlaces::default(),
            renewals: Renewals::default(),
            refused_tokens: RefusedTokens::default(),
            paused: Paused::default(),
        })
    }
}

/// Registers the client side: controllers, pages, methods, callbacks and jobs. What it returns is the one way out, for
/// other roles that fetch documents.
pub fn register(plugins: &mut Plugins, config: &Config, catalogue: &ScopeCatalogue) -> anyhow::Result<Arc<Providers>> {
    let providers = Arc::new(Providers::new(config)?);
    plugins.controller(connected_app::DOCTYPE, connected_app::ConnectedAppController::new(Arc::clone(&providers)));
    plugins.controller(token_cache::DOCTYPE, token_cache::TokenCacheController::new(Arc::clone(&providers)));
    oauth_client_state::register(plugins);
    connected_app_pages::register(plugins, &providers);
    use_connection::register(plugins, &providers);
    social::register(plugins, &providers, catalogue);
    Ok(providers)
}
