//! OAuth Bearer Token: a typed view, and how tokens, families and everything of a user or a grant are revoked.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value as Json, json};

use crate::document::view::{FieldValue, options, view};
use crate::document::{ListRequest, Work};
use crate::error::Result;
use crate::meta::{Document, Value};
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::serve::challenge::TokenScheme;
use crate::oauth::protocol::token::token_exchange::Actor;
use crate::oauth::views::sign_in::SignIn;

/// The name of the DocType.
pub(crate) const OAUTH_BEARER_TOKEN: &str = "OAuth Bearer Token";

options! {
    /// What of a pair still works.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum TokenStatus {
        /// Both tokens.
        Active = "Active",
        /// The access token: the refresh token was exchanged.
        Renewed = "Renewed",
        /// Nothing.
        #[default]
        Revoked = "Revoked",
    }
}

/// The status of a pair whose tokens both work.
pub(crate) const ACTIVE: &str = TokenStatus::Active.as_str();
/// The status of a pair whose refresh token was exchanged.
pub(crate) const RENEWED: &str = TokenStatus::Renewed.as_str();

/// How stale `last_used` may be.
const TOUCH_AFTER: Duration = Duration::minutes(5);

view! {
    /// A pair of access and refresh token as it is stored: everything but the tokens themselves.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct BearerToken of OAUTH_BEARER_TOKEN {
        /// The document.
        pub name: String = name,
        /// The OAuth Client that holds it.
        pub client: String,
        /// For whom the client acts.
        pub user: String,
        /// What the access token allows.
        pub scopes: ScopeSet,
        /// Where the access token may be used (RFC 8707); empty: everywhere here.
        pub resources: Vec<String> = "resource",
        /// What the refresh token may ask for; empty: what the access token allows. See [`Self::renewable_scopes`].
        pub stored_renewable_scopes: ScopeSet = "renewable_scopes",
        /// For which resources the refresh token may ask, where its scopes are not empty.
        pub stored_renewable_resources: Vec<String> = "renewable_resource",
        /// The keyed digest of the access token.
        pub access_token: String,
        /// The keyed digest of the refresh token, if there is one.
        pub refresh_token: Option<String>,
        /// How the access token is presented.
        pub token_type: TokenScheme,
        /// What of the pair still works.
        pub status: TokenStatus,
        /// How it came about, by the option of the field.
        pub grant_type: String,
        /// The consent behind it.
        pub grant: Option<String>,
        /// When it was made.
        pub issued_at: Option<DateTime<Utc>>,
        /// Until when the access token holds.
        pub expires_at: Option<DateTime<Utc>> = "expiration_time",
        /// For how many seconds from the start.
        pub expires_in: i64,
        /// When the access token was last used, as far as it is written down.
        pub last_used: Option<DateTime<Utc>>,
        /// Until when the refresh token may be used.
        pub refresh_expires_at: Option<DateTime<Utc>> = "refresh_expiration_time",
        /// Until when the family lives.
        pub family_expires_at: Option<DateTime<Utc>> = "family_expiration_time",
        /// When the refresh token was exchanged.
        pub rotated_at: Option<DateTime<Utc>>,
        /// The pair that was renewed to make this one.
        pub previous: Option<String> = "previous_token",
        /// The answer with this pair in it, sealed, for whoever repeats the renewal that made it.
        pub sealed_answer: Option<String>,
        /// Until when that answer may be had once more.
        pub repeatable_until: Option<DateTime<Utc>>,
        /// What all tokens of one sign-in share.
        pub family: String,
        /// The sign-in behind it.
        pub sign_in: SignIn = group,
        /// The thumbprint of the key it is bound to (RFC 9449).
        pub dpop_jkt: Option<String>,
        /// The thumbprint of the certificate it is bound to (RFC 8705).
        pub x5t_s256: Option<String>,
        /// The token that it was exchanged for (RFC 8693).
        pub subject_token: Option<String>,
        /// Who acts for the user (RFC 8693 §4.1).
        pub act: Option<Actor>,
    }
}

/// How an access token is presented; without an option, as a Bearer token.
impl FieldValue for TokenScheme {
    fn read(document: &Document, fieldname: &str) -> Self {
        if document.text(fieldname) == Self::Dpop.as_str() { Self::Dpop } else { Self::Bearer }
    }

    fn to_value(&self) -> Value {
        Value::from(self.as_str())
    }
}

/// Who acts, as JSON.
impl FieldValue for Option<Actor> {
    fn read(document: &Document, fieldname: &str) -> Self {
        serde_json::from_str(document.text(fieldname)).ok()
    }

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, |act| Value::from(json!(act).to_string()))
    }
}

impl BearerToken {
    /// It was neither revoked nor renewed.
    pub(crate) fn is_active(&self) -> bool {
        self.status == TokenStatus::Active
    }

    /// Neither of the pair opens anything.
    pub(crate) fn is_revoked(&self) -> bool {
        self.status == TokenStatus::Revoked
    }

    /// What the refresh token may ask for.
    pub(crate) fn renewable_scopes(&self) -> &ScopeSet {
        if self.stored_renewable_scopes.is_empty() { &self.scopes } else { &self.stored_renewable_scopes }
    }

    /// For which resources the refresh token may ask.
    pub(crate) fn renewable_resources(&self) -> &[String] {
        if self.stored_renewable_scopes.is_empty() { &self.resources } else { &self.stored_renewable_resources }
    }

    /// Whether the access token holds at that moment, as far as the token itself says. Renewing a pair does not end its
    /// access token: requests that are on their way with it are answered.
    pub(crate) fn is_usable(&self, now: DateTime<Utc>) -> bool {
        !self.is_revoked() && self.expires_at.is_some_and(|at| at > now)
    }

    /// Whether the refresh token could be exchanged at that moment.
    pub(crate) fn is_renewable(&self, now: DateTime<Utc>) -> bool {
        let lives = |until: Option<DateTime<Utc>>| until.is_none_or(|at| at > now);
        self.is_active()
            && self.refresh_token.is_some()
            && self.rotated_at.is_none()
            && lives(self.refresh_expires_at)
            && lives(self.family_expires_at)
    }

    /// Whether the client acts for itself and not for a person.
    pub(crate) fn acts_for_client(&self) -> bool {
        self.grant_type == GrantType::ClientCredentials.label()
    }

    /// Whether its use was written down a short while ago.
    pub(crate) fn is_in_use(&self, now: DateTime<Utc>) -> bool {
        self.last_used.is_some_and(|at| now - at < TOUCH_AFTER)
    }
}

/// Revokes one pair.
pub(crate) async fn revoke(work: &mut Work<'_>, name: &str) -> Result<()> {
    work.set_values(OAUTH_BEARER_TOKEN, name, &[("status", TokenStatus::Revoked.to_value())]).await
}

/// Revokes every active pair that the filters name; says how many there were.
///
/// Acts as the site itself: who may ask for it was decided before.
pub(crate) async fn revoke_all(work: &mut Work<'_>, filters: Json) -> Result<usize> {
    let caller = work.become_system();
    let revoked = revoke_all_as_system(work, filters).await;
    work.session = caller;
    revoked
}

async fn revoke_all_as_system(work: &mut Work<'_>, mut filters: Json) -> Result<usize> {
    // Of a pair that was renewed, only the access token may still open something.
    filters["status"] = json!(["in", [ACTIVE, RENEWED]]);
    let mut request = ListRequest::new(OAUTH_BEARER_TOKEN).filters(filters).all();
    request.or_filters = json!([["status", "=", ACTIVE], ["expiration_time", ">", work.now()]]);
    let list = work.list(&request).await?;
    for row in 0..list.rows.len() {
        revoke(work, list.text(row, "name")).await?;
    }
    Ok(list.rows.len())
}
