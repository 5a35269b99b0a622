//! Makes pairs of access and refresh tokens and the documents that stand for them.

use chrono::{DateTime, Duration, Utc};

use super::token::Asking;
use crate::document::{Documents, Work};
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::oauth::credentials::digest;
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::challenge::TokenScheme;
use crate::oauth::protocol::introspection::Confirmation;
use crate::oauth::protocol::refresh;
use crate::oauth::protocol::token::{TokenKind, TokenResponse};
use crate::oauth::protocol::token_exchange::Actor;
use crate::oauth::views::fields::{lines_value, parse_time, text_value, time_value};
use crate::oauth::views::oauth_bearer_token::{ACTIVE, OAUTH_BEARER_TOKEN, act_value};
use crate::oauth::views::{BearerToken, OAuthClient, oauth_grant};
use crate::secret;

/// A pair to be made.
#[derive(Clone, Debug)]
pub struct NewTokens<'a> {
    /// For whom.
    pub client: &'a OAuthClient,
    /// Who is behind it.
    pub user: &'a str,
    /// What the access token allows.
    pub scopes: &'a ScopeSet,
    /// Where the access token may be used.
    pub resources: &'a [String],
    /// What the refresh token may ask for; `None`: there is none.
    pub renewable: Option<Renewable<'a>>,
    /// How it came about: an option of the field.
    pub grant_type: &'static str,
    /// The consent behind it.
    pub grant: Option<&'a str>,
    /// What all tokens of one sign-in share.
    pub family: &'a str,
    /// The pair that this one replaces.
    pub previous: Option<Previous<'a>>,
    /// What is known of the login.
    pub login: LoginFacts<'a>,
    /// The key that it is bound to.
    pub dpop_jkt: Option<&'a str>,
    /// Somebody logged in for it here: with `openid` there is an id token.
    pub is_sign_in: bool,
    /// What it was exchanged for, if it was.
    pub exchanged: Option<FromSubject<'a>>,
}

/// The pair that a renewal replaces.
#[derive(Clone, Copy, Debug)]
pub struct Previous<'a> {
    /// Its document.
    pub name: &'a str,
    /// For how long its refresh token gets the same answer again.
    pub grace: Duration,
}

/// Where an exchanged token comes from (RFC 8693).
#[derive(Clone, Copy, Debug)]
pub struct FromSubject<'a> {
    /// The token that it was exchanged for; it ends with this one.
    pub subject_token: &'a str,
    /// That one is bound to the certificate with which the client has connected.
    pub needs_certificate: bool,
    /// When that one ends.
    pub expires_at: DateTime<Utc>,
    /// Who acts.
    pub act: Option<&'a Actor>,
}

/// What a refresh token may ask for, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Renewable<'a> {
    /// These scopes.
    pub scopes: &'a ScopeSet,
    /// These resources.
    pub resources: &'a [String],
    /// Until when the family lives.
    pub family_expires_at: DateTime<Utc>,
}

/// What is known of the login behind a token.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoginFacts<'a> {
    /// What the program sent along, for the id token that comes first.
    pub nonce: Option<&'a str>,
    /// The browser session.
    pub sid: Option<&'a str>,
    /// When the person proved who they are.
    pub auth_time: Option<DateTime<Utc>>,
    /// How strongly.
    pub acr: Option<&'a str>,
    /// By what means.
    pub amr: Option<&'a str>,
}

/// The name of a new family.
pub fn new_family() -> String {
    secret::random_name() + &secret::random_name()
}

/// Makes a pair: inserts its document, and returns what the client is told. Nothing is valid before the commit.
///
/// The work acts as the program itself.
pub async fn issue(work: &mut Work<'_>, asking: &Asking, new: NewTokens<'_>) -> Result<TokenResponse> {
    let (documents, settings) = (work.documents, &asking.settings);
    let now = parse_time(work.now()).unwrap_or_else(|| documents.clock().now());
    let lifetime = new.client.access_token_lifetime(settings);
    let lifetime = new.exchanged.map_or(lifetime, |from| lifetime.min(from.expires_at - now));
    let name = secret::random_name() + &secret::random_name();
    let needs_certificate =
        new.client.require_certificate || new.exchanged.is_some_and(|subject| subject.needs_certificate);
    let certificate = asking.certificate.as_deref().filter(|_| needs_certificate);
    let cnf = Confirmation::of(new.dpop_jkt, certificate);
    let access_token = match asking.signing.access_token(work, &new, &name, cnf, now, now + lifetime).await? {
        Some(signed) => signed,
        None => TokenKind::AccessToken.generate(),
    };
    let id_token =
        if new.is_sign_in { asking.signing.id_token(work, asking, &new, &access_token, now).await? } else { None };
    let refresh_token = new.renewable.map(|_| TokenKind::RefreshToken.generate());
    let mut document = work.new_document(OAUTH_BEARER_TOKEN)?;
    document.set_name(name);
    let values = [
        ("client", Value::from(new.client.name.as_str())),
        ("user", Value::from(new.user)),
        ("scopes", Value::from(new.scopes.to_string())),
        ("resource", lines_value(new.resources)),
        ("access_token", Value::from(digest(documents, &access_token))),
        ("token_type", Value::from(if new.dpop_jkt.is_some() { "DPoP" } else { "Bearer" })),
        ("grant_type", Value::from(new.grant_type)),
        ("grant", text_value(new.grant)),
        ("issued_at", time_value(now)),
        ("expiration_time", time_value(now + lifetime)),
        ("expires_in", Value::from(lifetime.num_seconds())),
        ("status", Value::from(ACTIVE)),
        ("family", Value::from(new.family)),
        ("previous_token", text_value(new.previous.map(|previous| previous.name))),
        ("sid", text_value(new.login.sid)),
        ("auth_time", new.login.auth_time.map_or(Value::Null, time_value)),
        ("acr", text_value(new.login.acr)),
        ("amr", text_value(new.login.amr)),
        ("dpop_jkt", text_value(new.dpop_jkt)),
        ("x5t_s256", text_value(certificate)),
        ("subject_token", text_value(new.exchanged.map(|from| from.subject_token))),
        ("act", new.exchanged.and_then(|from| from.act).map_or(Value::Null, act_value)),
    ];
    for (fieldname, value) in values {
        document.set(fieldname, value);
    }
    if let (Some(renewable), Some(refresh_token)) = (new.renewable, &refresh_token) {
        let expires_at = refresh::expiry(now, settings.refresh_idle, renewable.family_expires_at);
        document.set("renewable_scopes", renewable.scopes.to_string());
        document.set("renewable_resource", lines_value(renewable.resources));
        document.set("refresh_token", digest(documents, refresh_token));
        document.set("refresh_expiration_time", time_value(expires_at));
        document.set("family_expiration_time", time_value(renewable.family_expires_at));
    }
    let scheme = if new.dpop_jkt.is_some() { TokenScheme::Dpop } else { TokenScheme::Bearer };
    let seconds = u64::try_from(lifetime.num_seconds()).unwrap_or(0);
    let answer =
        TokenResponse { refresh_token, id_token, ..TokenResponse::new(access_token, scheme, seconds, new.scopes) };
    if let Some(previous) = new.previous.filter(|previous| previous.grace > Duration::zero()) {
        document.set("sealed_answer", seal_answer(documents, &document.name(), &answer)?);
        document.set("repeatable_until", time_value(now + previous.grace));
    }
    work.insert(document).await?;
    if let Some(grant) = new.grant {
        oauth_grant::note_use(work, grant, now).await?;
    }
    Ok(answer)
}

/// The answer to a renewal, kept for whoever repeats it: only with the site's key can it be read, and only from this
/// document.
fn seal_answer(documents: &Documents, name: &str, answer: &TokenResponse) -> Result<String> {
    let answer = serde_json::to_vec(answer).map_err(|error| Error::Internal(error.into()))?;
    Ok(documents.site_key().seal(answer, &answer_place(name)))
}

/// The same answer once more, if it is still kept; the access token has lived on meanwhile.
pub fn repeat_answer(documents: &Documents, token: &BearerToken, now: DateTime<Utc>) -> Option<TokenResponse> {
    let opened = documents.site_key().open(token.sealed_answer.as_deref()?, &answer_place(&token.name)).ok()?;
    let answer: TokenResponse = serde_json::from_slice(&opened).ok()?;
    let left = token.expires_at.map_or(0, |at| (at - now).num_seconds());
    Some(TokenResponse { expires_in: u64::try_from(left).unwrap_or(0), ..answer })
}

fn answer_place(name: &str) -> String {
    format!("{OAUTH_BEARER_TOKEN}\u{1f}{name}\u{1f}sealed_answer")
}
