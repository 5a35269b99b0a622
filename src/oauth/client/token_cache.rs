//! Token Cache: a person's connection to a Connected App; its typed view, what is stored, and its end at the provider.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{Duration, NaiveDateTime};

use crate::clock::format_datetime;
use crate::document::{Controller, Documents, Work};
use crate::error::{Error, Result};
use crate::meta::{Document, Value};
use crate::oauth::client::Providers;
use crate::oauth::client::connected_app::{self, ConnectedApp};
use crate::oauth::client::token_endpoint::{ProviderClient, TokenAnswer};
use crate::oauth::views::View;
use crate::oauth::views::reading::{datetime, filled};
use crate::permissions::Session;

/// The DocType.
pub const DOCTYPE: &str = "Token Cache";

/// What this file reads and writes.
pub const VIEW: View = View {
    doctype: DOCTYPE,
    fields: &[
        "user",
        "connected_app",
        "account",
        "status",
        "expires_at",
        "last_refresh",
        "last_error",
        "access_token",
        "refresh_token",
        "expires_in",
        "state",
        "scopes",
        "success_uri",
        "token_type",
        "refresh_started_at",
    ],
};
/// How long before its end an access token is renewed, at most.
const MARGIN: Duration = Duration::seconds(60);

/// A connection with its tokens in the clear; never leaves this site but to its provider.
#[derive(Clone)]
pub struct Connection {
    /// The stored document, with stars in place of the tokens.
    pub document: Document,
    /// The access token.
    pub access_token: Option<String>,
    /// The refresh token.
    pub refresh_token: Option<String>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("name", &self.document.name()).finish_non_exhaustive()
    }
}

impl Connection {
    /// The name of a person's connection to an app; that of the app itself has no person.
    pub fn name_of(app: &str, user: &str) -> String {
        format!("{app}-{user}")
    }

    /// The connection, if there is one.
    pub async fn find(documents: &Documents, app: &str, user: &str) -> Result<Option<Self>> {
        Self::find_in(&mut documents.reading(&Session::system()), app, user).await
    }

    /// The same within a transaction of the program itself, with the row locked.
    pub async fn find_in(work: &mut Work<'_>, app: &str, user: &str) -> Result<Option<Self>> {
        let name = Self::name_of(app, user);
        let document = match work.get_for_update(DOCTYPE, &name).await {
            Ok(document) => document,
            Err(Error::DoesNotExist { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let access_token = work.get_password(DOCTYPE, &name, "access_token").await?;
        let refresh_token = work.get_password(DOCTYPE, &name, "refresh_token").await?;
        Ok(Some(Self { document, access_token, refresh_token }))
    }

    /// Until when the access token works, if the provider said so.
    pub fn expires_at(&self) -> Option<NaiveDateTime> {
        datetime(&self.document, "expires_at")
    }

    /// The access token still works.
    pub fn is_valid(&self, now: NaiveDateTime) -> bool {
        self.access_token.is_some() && self.expires_at().is_none_or(|at| at > now)
    }

    /// The access token works for a while, so that nothing need be done. Short-lived ones count as fresh for half their life.
    pub fn is_fresh(&self, now: NaiveDateTime) -> bool {
        let lifetime = Duration::seconds(self.document.int("expires_in"));
        let margin = if lifetime > Duration::zero() { MARGIN.min(lifetime / 2) } else { MARGIN };
        self.access_token.is_some() && self.expires_at().is_none_or(|at| at > now + margin)
    }

    /// The provider said that the grant is gone.
    pub fn is_over(&self) -> bool {
        self.document.text("status") == "Expired"
    }
}

/// Stores what a provider gave; a refresh token that it does not replace is kept.
///
/// `fresh`: it begins a connection, in which case nothing of an older one stays.
pub async fn store(
    work: &mut Work<'_>,
    app: &ConnectedApp,
    user: &str,
    answer: &TokenAnswer,
    fresh: Option<Fresh<'_>>,
) -> Result<()> {
    let now = work.documents.clock().now_naive();
    let name = Connection::name_of(&app.name, user);
    let found = Connection::find_in(work, &app.name, user).await?;
    let is_new = found.is_none();
    let mut document = if let Some(found) = found {
        found.document
    } else {
        let mut document = work.new_document(DOCTYPE)?;
        document.set_name(name.as_str());
        document
    };
    document.set("connected_app", app.name.as_str());
    document.set("user", Some(user).filter(|user| !user.is_empty()));
    document.set("access_token", answer.access_token.as_str());
    if fresh.is_some() || answer.refresh_token.is_some() {
        document.set("refresh_token", answer.refresh_token.as_deref());
    }
    document.set("expires_in", answer.expires_in);
    let expires_at = answer.expires_in.map(|seconds| format_datetime(now + Duration::seconds(seconds)));
    document.set("expires_at", expires_at);
    document.set("token_type", "Bearer");
    document.set("status", "Connected");
    document.set("last_refresh", format_datetime(now));
    document.set("last_error", Value::Null);
    document.set("refresh_started_at", Value::Null);
    document.set("state", Value::Null);
    if fresh.is_some() || answer.scope.is_some() {
        set_scopes(work, &mut document, app, answer.scope.as_deref())?;
    }
    if let Some(fresh) = fresh {
        document.set("account", fresh.account);
        document.set("success_uri", fresh.success_uri);
    }
    if !is_new {
        work.save(document).await?;
        return Ok(());
    }
    work.insert(document).await?;
    if !user.is_empty() {
        // The connection is the person's own: that is what lets them see and end it.
        work.set_values(DOCTYPE, &name, &[("owner", Value::from(user))]).await?;
    }
    Ok(())
}

/// What is known about a connection when it begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fresh<'a> {
    /// The account at the provider.
    pub account: Option<&'a str>,
    /// Where the person returned to.
    pub success_uri: Option<&'a str>,
}

/// RFC 6749 §5.1: a scope that is not named is the one asked for.
fn set_scopes(work: &Work<'_>, document: &mut Document, app: &ConnectedApp, granted: Option<&str>) -> Result<()> {
    // Some providers separate scopes by commas.
    let granted: Vec<&str> = match granted {
        Some(text) => text.split([' ', ',']).filter(|scope| !scope.is_empty()).collect(),
        None => app.scopes.iter().map(String::as_str).collect(),
    };
    let mut rows = Vec::with_capacity(granted.len());
    for scope in granted.into_iter().take(200) {
        let mut row = work.new_document("OAuth Scope")?;
        row.set("scope", scope.chars().take(500).collect::<String>());
        rows.push(row);
    }
    if let Some(table) = document.rows_mut("scopes") {
        *table = rows;
    }
    Ok(())
}

/// Notes that a renewal failed.
pub async fn note_failure(work: &mut Work<'_>, name: &str, status: &str, error: &str) -> Result<()> {
    let values =
        [("status", Value::from(status)), ("last_error", Value::from(error)), ("refresh_started_at", Value::Null)];
    match work.set_values(DOCTYPE, name, &values).await {
        // The connection was ended meanwhile.
        Ok(()) | Err(Error::DoesNotExist { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Behaviour of the DocType Token Cache: what is ended here is ended at the provider.
pub struct TokenCacheController {
    providers: Arc<Providers>,
}

impl TokenCacheController {
    /// With what the site knows of providers.
    pub fn new(providers: Arc<Providers>) -> Self {
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
pub struct Ending {
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
    pub async fn revoke(self, providers: &Providers, documents: &Documents) {
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
    let Some(app) = work.find(connected_app::DOCTYPE, &app).await? else { return Ok(None) };
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
