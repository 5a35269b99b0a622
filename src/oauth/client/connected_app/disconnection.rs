//! The end of a connection: what is deleted here is revoked at the provider.

use std::sync::Arc;

use async_trait::async_trait;

use crate::document::view::filled;
use crate::document::{Controller, Documents, Work};
use crate::error::Result;
use crate::meta::Document;
use crate::oauth::client::Providers;
use crate::oauth::client::connected_app::app;
use crate::oauth::client::connected_app::app::ConnectedApp;
use crate::oauth::client::connected_app::token_cache::Connection;
use crate::oauth::client::token_endpoint::ProviderClient;

/// Behaviour of the DocType Token Cache: what is ended here is ended at the provider.
pub(crate) struct TokenCacheController {
    providers: Arc<Providers>,
}

impl TokenCacheController {
    /// With what the site knows of providers.
    pub(crate) fn new(providers: Arc<Providers>) -> Self {
        Self { providers }
    }
}

#[async_trait]
impl Controller for TokenCacheController {
    async fn on_trash(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        let name = document.name();
        let caller = work.become_system();
        let ending = ending(work, document).await;
        work.session = caller;
        let Some(ending) = ending.unwrap_or_else(|error| {
            // A secret that does not open must not keep anybody from deleting the connection.
            tracing::warn!(%error, connection = name, "the token is deleted without being revoked");
            None
        }) else {
            return Ok(());
        };
        let (providers, documents) = (Arc::clone(&self.providers), work.documents.clone());
        work.after_commit(move || {
            tokio::spawn(async move { ending.revoke(&providers, &documents).await });
        });
        Ok(())
    }
}

/// Everything needed to tell a provider that a connection is over.
pub(crate) struct Ending {
    /// The connection, for the log.
    pub name: String,
    /// This site as the provider's client.
    pub client: ProviderClient,
    /// The revocation endpoint.
    pub endpoint: String,
    /// The refresh token, with which the whole grant ends, else the access token.
    pub token: (String, &'static str),
}

impl Ending {
    /// Tells the provider; that it fails is logged and stops nothing.
    pub(crate) async fn revoke(self, providers: &Providers, documents: &Documents) {
        let (token, hint) = self.token;
        if let Err(error) = self.client.revoke((&providers.outgoing, documents), &self.endpoint, token, hint).await {
            tracing::warn!(%error, connection = self.name, "the provider could not be told that a token is revoked");
        }
    }
}

async fn ending(work: &mut Work<'_>, document: &Document) -> Result<Option<Ending>> {
    let (Some(app), user) = (filled(document, "connected_app"), document.text("user").to_owned()) else {
        return Ok(None);
    };
    let Some(app) = work.find(app::DOCTYPE, app).await? else { return Ok(None) };
    let app = ConnectedApp::from(&app);
    let Some(endpoint) = app.revocation_uri.clone().filter(|_| app.revoke_on_delete) else { return Ok(None) };
    let Some(connection) = Connection::find_in(work, &app.name, &user).await? else { return Ok(None) };
    let token = match (connection.refresh_token, connection.access_token) {
        (Some(token), _) => (token, "refresh_token"),
        (None, Some(token)) => (token, "access_token"),
        (None, None) => return Ok(None),
    };
    match app.client_in(work).await? {
        Ok(client) => Ok(Some(Ending { name: document.name(), client, endpoint, token })),
        Err(error) => {
            tracing::warn!(%error, connection = document.name(), "the token is deleted without being revoked");
            Ok(None)
        }
    }
}
