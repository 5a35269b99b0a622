//! This site as a client of other servers: Connected Apps that people connect, and logins with accounts elsewhere.

pub(crate) mod callback;
pub(crate) mod connected_app;
pub(crate) mod discovery;
pub(crate) mod oauth_client_state;
pub(crate) mod pages;
pub(crate) mod private_key;
pub(crate) mod social;
pub(crate) mod token_endpoint;

use std::sync::Arc;

use crate::config::Config;
use crate::meta::Document;
use crate::oauth::client::connected_app::renewal::Renewals;
use crate::oauth::client::connected_app::use_connection::RefusedTokens;
use crate::oauth::client::discovery::Discoveries;
use crate::oauth::client::social::provider::SecretPlaces;
use crate::oauth::client::social::resource::Paused;
use crate::oauth::published_keys::KeySets;
use crate::oauth::scopes::scope_catalogue::ScopeCatalogue;
use crate::outgoing::Outgoing;
use crate::web::Plugins;

/// What a site knows of providers, and its one way out to them.
pub(crate) struct Providers {
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

/// Parameters of the authorization request that this site sets itself.
pub(crate) const OWN_PARAMETERS: [&str; 10] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_type",
    "state",
];

/// Whether a secret that is stored stays: the field holds its stars, and nothing that somebody typed.
pub(crate) fn is_kept(document: &Document, fieldname: &str) -> bool {
    let text = document.text(fieldname);
    !document.is_new && !text.is_empty() && text.chars().all(|c| c == '*')
}

/// Registers the client side: controllers, pages, methods, callbacks and jobs. What it returns is the one way out, for
/// other roles that fetch documents.
pub(crate) fn register(
    plugins: &mut Plugins,
    config: &Config,
    catalogue: &ScopeCatalogue,
) -> anyhow::Result<Arc<Providers>> {
    let providers = Arc::new(Providers::new(config)?);
    oauth_client_state::register(plugins);
    connected_app::register(plugins, &providers);
    social::register(plugins, &providers, catalogue);
    Ok(providers)
}
