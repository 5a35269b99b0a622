//! OAuth Bearer Token: a typed view, and how tokens, families and everything of a user or a grant are revoked.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value as Json, json};

use crate::document::{ListRequest, Work};
use crate::error::Result;
use crate::meta::{Document, Value};
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::serve::challenge::TokenScheme;
use crate::oauth::protocol::token::token_exchange::Actor;
use crate::oauth::views::fields::{Fields, View};
use crate::oauth::views::sign_in::SignIn;

/// The name of the DocType.
pub(crate) const OAUTH_BEARER_TOKEN: &str = "OAuth Bearer Token";

/// The status of a pair whose tokens both work.
pub(crate) const ACTIVE: &str = "Active";
/// The status of a pair whose refresh token was exchanged.
pub(crate) const RENEWED: &str = "Renewed";

/// How stale `last_used` may be.
const TOUCH_AFTER: Duration = Duration::minutes(5);

/// What is read and written.
pub(crate) const VIEW: View = View {
    doctype: OAUTH_BEARER_TOKEN,
    fields: &[
        "client",
        "user",
        "scopes",
        "resource",
        "renewable_scopes",
        "renewable_resource",
        "access_token",
        "refresh_token",
        "token_type",
        "grant_type",
        "grant",
        "issued_at",
        "expiration_time",
        "expires_in",
        "last_used",
        "auth_time",
        "status",
        "refresh_expiration_time",
        "family_expiration_time",
        "rotated_at",
        "family",
        "previous_token",
        "sealed_answer",
        "repeatable_until",
        "sid",
        "dpop_jkt",
        "x5t_s256",
        "acr",
        "amr",
        "subject_token",
        "act",
    ],
};

/// A pair of access and refresh token as it is stored: everything but the tokens themselves.
#[derive(Clone, Debug)]
pub(crate) struct BearerToken {
    /// The document.
    pub name: String,
    /// The OAuth Client that holds it.
    pub client: String,
    /// For whom the client acts.
    pub user: String,
    /// What the access token allows.
    pub scopes: ScopeSet,
    /// Where the access token may be used; empty: everywhere here.
    pub resources: Vec<String>,
    /// What the refresh token may ask for.
    pub renewable_scopes: ScopeSet,
    /// For which resources the refresh token may ask.
    pub renewable_resources: Vec<String>,
    /// It was neither revoked nor renewed.
    pub is_active: bool,
    /// It was revoked: neither of the pair opens anything.
    pub is_revoked: bool,
    /// There is a refresh token.
    pub has_refresh_token: bool,
    /// How it came about, by the option of the field.
    pub grant_type: String,
    /// The consent behind it.
    pub grant: Option<String>,
    /// When it was made.
    pub issued_at: Option<DateTime<Utc>>,
    /// Until when the access token holds.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the access token was last used, as far as it is written down.
    pub last_used: Option<DateTime<Utc>>,
    /// Until when the refresh token may be used.
    pub refresh_expires_at: Option<DateTime<Utc>>,
    /// Until when the family lives.
    pub family_expires_at: Option<DateTime<Utc>>,
    /// When the refresh token was exchanged.
    pub rotated_at: Option<DateTime<Utc>>,
    /// The answer with this pair in it, sealed, for whoever repeats the renewal that made it.
    pub sealed_answer: Option<String>,
    /// What all tokens of one sign-in share.
    pub family: String,
    /// The sign-in behind it.
    pub sign_in: SignIn,
    /// The key it is bound to.
    pub dpop_jkt: Option<String>,
    /// The certificate it is bound to.
    pub x5t_s256: Option<String>,
    /// The token that it was exchanged for.
    pub subject_token: Option<String>,
    /// Who acts for the user.
    pub act: Option<Actor>,
}

impl From<&Document> for BearerToken {
    fn from(document: &Document) -> Self {
        let fields = Fields::new(document, &VIEW);
        let scopes = fields.scopes("scopes");
        let resources = fields.words("resource");
        let renewable_scopes = fields.scopes("renewable_scopes");
        Self {
            name: document.name(),
            client: fields.text("client").to_owned(),
            user: fields.text("user").to_owned(),
            renewable_resources: if renewable_scopes.is_empty() {
                resources.clone()
            } else {
                fields.words("renewable_resource")
            },
            renewable_scopes: if renewable_scopes.is_empty() { scopes.clone() } else { renewable_scopes },
            scopes,
            resources,
            is_active: fields.text("status") == ACTIVE,
            is_revoked: !matches!(fields.text("status"), ACTIVE | RENEWED),
            has_refresh_token: !fields.text("refresh_token").is_empty(),
            grant_type: fields.text("grant_type").to_owned(),
            grant: fields.optional("grant"),
            issued_at: fields.time("issued_at"),
            expires_at: fields.time("expiration_time"),
            last_used: fields.time("last_used"),
            refresh_expires_at: fields.time("refresh_expiration_time"),
            family_expires_at: fields.time("family_expiration_time"),
            rotated_at: fields.time("rotated_at"),
            sealed_answer: fields.optional("sealed_answer"),
            family: fields.text("family").to_owned(),
            sign_in: SignIn::read(fields),
            dpop_jkt: fields.optional("dpop_jkt"),
            x5t_s256: fields.optional("x5t_s256"),
            subject_token: fields.optional("subject_token"),
            act: fields.optional("act").and_then(|text| serde_json::from_str(&text).ok()),
        }
    }
}

impl BearerToken {
    /// Whether the access token holds at that moment, as far as the token itself says. Renewing a pair does not end its
    /// access token: requests that are on their way with it are answered.
    pub(crate) fn is_usable(&self, now: DateTime<Utc>) -> bool {
        !self.is_revoked && self.expires_at.is_some_and(|at| at > now)
    }

    /// Whether the refresh token could be exchanged at that moment.
    pub(crate) fn is_renewable(&self, now: DateTime<Utc>) -> bool {
        let lives = |until: Option<DateTime<Utc>>| until.is_none_or(|at| at > now);
        self.is_active
            && self.has_refresh_token
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

    /// How the token is presented.
    pub(crate) fn token_type(&self) -> TokenScheme {
        if self.dpop_jkt.is_some() { TokenScheme::Dpop } else { TokenScheme::Bearer }
    }
}

/// Who acts, to be stored.
pub(crate) fn act_value(act: &Actor) -> Value {
    Value::from(json!(act).to_string())
}

/// Revokes one pair.
pub(crate) async fn revoke(work: &mut Work<'_>, name: &str) -> Result<()> {
    work.set_values(OAUTH_BEARER_TOKEN, name, &[("status", Value::from("Revoked"))]).await
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
