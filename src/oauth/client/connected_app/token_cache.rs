//! Token Cache: a typed view of a person's connection to a Connected App, and what is stored when a provider gave tokens.

use chrono::{DateTime, Duration, Utc};

use crate::document::view::{FieldValue as _, Fields as _, View as _, options, view};
use crate::document::{Documents, Work};
use crate::error::{Error, Result};
use crate::meta::{Document, Value};
use crate::oauth::client::connected_app::app::{ConnectedApp, ScopeRow};
use crate::oauth::client::token_endpoint::TokenAnswer;
use crate::permissions::Session;

/// The DocType.
pub(crate) const TOKEN_CACHE: &str = "Token Cache";

options! {
    /// How a connection is.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum ConnectionStatus {
        /// Nobody has come back from the provider.
        #[default]
        NotConnected = "Not Connected",
        /// The provider gave tokens.
        Connected = "Connected",
        /// The provider said that the grant is gone.
        Expired = "Expired",
        /// The last renewal failed.
        Failed = "Failed",
    }
}

view! {
    /// A connection as it is stored, without its tokens.
    #[derive(Clone, Debug, Default)]
    pub struct TokenCache of TOKEN_CACHE {
        /// The person; that of the app itself has none.
        pub user: Option<String>,
        /// The Connected App.
        pub connected_app: String,
        /// The account at the provider.
        pub account: Option<String>,
        /// How it is.
        pub status: ConnectionStatus,
        /// Until when the access token works, if the provider said so.
        pub expires_at: Option<DateTime<Utc>>,
        /// For how many seconds it worked when it was given.
        pub expires_in: Option<i64>,
        /// When the provider gave tokens last.
        pub last_refresh: Option<DateTime<Utc>>,
        /// Why it could not be renewed.
        pub last_error: Option<String>,
        /// When somebody began to renew it.
        pub refresh_started_at: Option<DateTime<Utc>>,
        /// Frappe's; always empty.
        pub state: Option<String>,
        /// Where the person returned to.
        pub success_uri: Option<String>,
        /// `Bearer`.
        pub token_type: String,
        /// The granted scopes.
        pub scopes: Vec<ScopeRow> = rows,
        /// There is a refresh token.
        pub is_renewable: bool = ["refresh_token", "access_token"] as is_renewable,
    }
}

fn is_renewable(document: &Document) -> bool {
    !document.get("refresh_token").is_blank()
}

/// How long before its end an access token is renewed, at most.
const MARGIN: Duration = Duration::seconds(60);

/// A connection with its tokens in the clear; never leaves this site but to its provider.
#[derive(Clone)]
pub struct Connection {
    /// The stored document, with stars in place of the tokens.
    pub document: Document,
    /// The same as a type.
    pub stored: TokenCache,
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

    /// The same within a transaction of the site itself, with the row locked.
    pub async fn find_in(work: &mut Work<'_>, app: &str, user: &str) -> Result<Option<Self>> {
        let name = Self::name_of(app, user);
        let document = match work.get_for_update(TOKEN_CACHE, &name).await {
            Ok(document) => document,
            Err(Error::DoesNotExist { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let access_token = work.get_password(TOKEN_CACHE, &name, "access_token").await?;
        let refresh_token = work.get_password(TOKEN_CACHE, &name, "refresh_token").await?;
        let stored = TokenCache::from(&document);
        Ok(Some(Self { document, stored, access_token, refresh_token }))
    }

    /// The access token still works.
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.access_token.is_some() && self.stored.expires_at.is_none_or(|at| at > now)
    }

    /// The access token works for a while, so that nothing need be done. Short-lived ones count as fresh for half their life.
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        let lifetime = Duration::seconds(self.stored.expires_in.unwrap_or_default());
        let margin = if lifetime > Duration::zero() { MARGIN.min(lifetime / 2) } else { MARGIN };
        self.access_token.is_some() && self.stored.expires_at.is_none_or(|at| at > now + margin)
    }

    /// The provider said that the grant is gone.
    pub fn is_over(&self) -> bool {
        self.stored.status == ConnectionStatus::Expired
    }
}

/// Stores what a provider gave; a refresh token that it does not replace is kept.
///
/// `fresh`: it begins a connection, in which case nothing of an older one stays.
pub(crate) async fn store(
    work: &mut Work<'_>,
    app: &ConnectedApp,
    user: &str,
    answer: &TokenAnswer,
    fresh: Option<Fresh<'_>>,
) -> Result<()> {
    let now = work.documents.clock().now();
    let name = Connection::name_of(&app.name, user);
    let found = Connection::find_in(work, &app.name, user).await?;
    let is_new = found.is_none();
    let (mut document, stored) = if let Some(found) = found {
        (found.document, found.stored)
    } else {
        let mut document = work.new_document(TOKEN_CACHE)?;
        document.set_name(name.as_str());
        (document, TokenCache::default())
    };
    let mut stored = TokenCache {
        connected_app: app.name.clone(),
        user: Some(user.to_owned()),
        expires_in: answer.expires_in,
        expires_at: answer.expires_in.map(|seconds| now + Duration::seconds(seconds)),
        token_type: "Bearer".to_owned(),
        status: ConnectionStatus::Connected,
        last_refresh: Some(now),
        last_error: None,
        refresh_started_at: None,
        state: None,
        ..stored
    };
    if let Some(fresh) = fresh {
        stored.account = fresh.account.map(str::to_owned);
        stored.success_uri = fresh.success_uri.map(str::to_owned);
    }
    for (fieldname, value) in stored.values() {
        document.set(fieldname, value);
    }
    document.set("access_token", answer.access_token.as_str());
    if fresh.is_some() || answer.refresh_token.is_some() {
        document.set("refresh_token", answer.refresh_token.as_deref());
    }
    if fresh.is_some() || answer.scope.is_some() {
        set_scopes(work, &mut document, app, answer.scope.as_deref())?;
    }
    if !is_new {
        work.save(document).await?;
        return Ok(());
    }
    work.insert(document).await?;
    if !user.is_empty() {
        // The connection is the person's own: that is what lets them see and end it.
        work.set_values(TOKEN_CACHE, &name, &[("owner", Value::from(user))]).await?;
    }
    Ok(())
}

/// What is known about a connection when it begins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fresh<'a> {
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
        None => app.scopes(),
    };
    let mut rows = Vec::with_capacity(granted.len());
    for scope in granted.into_iter().take(200) {
        let mut row = work.new_document(ScopeRow::DOCTYPE)?;
        row.set("scope", scope.chars().take(500).collect::<String>());
        rows.push(row);
    }
    if let Some(table) = document.rows_mut("scopes") {
        *table = rows;
    }
    Ok(())
}

/// Notes that a renewal failed.
pub(crate) async fn note_failure(work: &mut Work<'_>, name: &str, status: ConnectionStatus, error: &str) -> Result<()> {
    let values =
        [("status", status.to_value()), ("last_error", Value::from(error)), ("refresh_started_at", Value::Null)];
    match work.set_values(TOKEN_CACHE, name, &values).await {
        // The connection was ended meanwhile.
        Ok(()) | Err(Error::DoesNotExist { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
