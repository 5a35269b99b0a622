//! Makes pairs of access and refresh tokens and the documents that stand for them.

use chrono::{DateTime, Duration, Utc};

use crate::document::{Documents, Work};
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::oauth::credentials::digest;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::serve::challenge::TokenScheme;
use crate::oauth::protocol::token::introspection::Confirmation;
use crate::oauth::protocol::token::kind::{TokenKind, TokenResponse};
use crate::oauth::protocol::token::refresh;
use crate::oauth::protocol::token::token_exchange::ACCESS_TOKEN;
use crate::oauth::token::grant::claims;
use crate::oauth::token::grant::context::TokenContext;
use crate::oauth::token::grant::new_tokens::NewTokens;
use crate::oauth::views::fields::{lines_value, parse_time, text_value, time_value};
use crate::oauth::views::oauth_bearer_token::{ACTIVE, OAUTH_BEARER_TOKEN, act_value};
use crate::oauth::views::{BearerToken, oauth_grant};
use crate::secret;

/// Makes a pair: inserts its document, and returns what the client is told. Nothing is valid before the commit.
///
/// The work acts as the site itself.
pub(super) async fn issue(
    work: &mut Work<'_>,
    context: &TokenContext,
    grant_type: GrantType,
    new: NewTokens,
) -> Result<TokenResponse> {
    let (documents, settings, client) = (work.documents, &context.settings, &context.client);
    let now = parse_time(work.now()).unwrap_or_else(|| documents.clock().now());
    let exchanged = new.exchanged.as_ref();
    let lifetime = client.access_token_lifetime(settings);
    let lifetime = exchanged.map_or(lifetime, |subject| lifetime.min(subject.expires_at - now));
    let name = secret::random_name() + &secret::random_name();
    let needs_certificate = client.require_certificate || exchanged.is_some_and(|subject| subject.needs_certificate);
    let certificate = context.certificate.as_deref().filter(|_| needs_certificate);
    let dpop_jkt = context.dpop_jkt.as_deref();
    let cnf = Confirmation::of(dpop_jkt, certificate);
    let access_token = match claims::access_token(work, context, &new, &name, cnf, now, now + lifetime).await? {
        Some(signed) => signed,
        None => TokenKind::AccessToken.generate(),
    };
    let id_token =
        if grant_type.is_sign_in() { claims::id_token(work, context, &new, &access_token, now).await? } else { None };
    let refresh_token = new.renewable.as_ref().map(|_| TokenKind::RefreshToken.generate());
    let scheme = if dpop_jkt.is_some() { TokenScheme::Dpop } else { TokenScheme::Bearer };
    let mut document = work.new_document(OAUTH_BEARER_TOKEN)?;
    document.set_name(name);
    let values = [
        ("client", Value::from(client.name.as_str())),
        ("user", Value::from(new.user.as_str())),
        ("scopes", Value::from(new.scopes.to_string())),
        ("resource", lines_value(&new.resources)),
        ("access_token", Value::from(digest(documents, &access_token))),
        ("token_type", Value::from(scheme.as_str())),
        ("grant_type", Value::from(grant_type.label())),
        ("grant", text_value(new.grant.as_deref())),
        ("issued_at", time_value(now)),
        ("expiration_time", time_value(now + lifetime)),
        ("expires_in", Value::from(lifetime.num_seconds())),
        ("status", Value::from(ACTIVE)),
        ("family", Value::from(new.family.as_str())),
        ("previous_token", text_value(new.previous.as_deref())),
        ("dpop_jkt", text_value(dpop_jkt)),
        ("x5t_s256", text_value(certificate)),
        ("subject_token", text_value(exchanged.map(|subject| &*subject.name))),
        ("act", exchanged.and_then(|subject| subject.act.as_ref()).map_or(Value::Null, act_value)),
    ];
    for (fieldname, value) in values.into_iter().chain(new.sign_in.values()) {
        document.set(fieldname, value);
    }
    if let (Some(renewable), Some(refresh_token)) = (&new.renewable, &refresh_token) {
        let expires_at = refresh::expiry(now, settings.refresh_idle, renewable.family_expires_at);
        document.set("renewable_scopes", renewable.scopes.to_string());
        document.set("renewable_resource", lines_value(&renewable.resources));
        document.set("refresh_token", digest(documents, refresh_token));
        document.set("refresh_expiration_time", time_value(expires_at));
        document.set("family_expiration_time", time_value(renewable.family_expires_at));
    }
    let seconds = u64::try_from(lifetime.num_seconds()).unwrap_or(0);
    let answer = TokenResponse {
        refresh_token,
        id_token,
        issued_token_type: exchanged.map(|_| ACCESS_TOKEN.to_owned()),
        ..TokenResponse::new(access_token, scheme, seconds, &new.scopes)
    };
    if new.previous.is_some() && settings.replay_grace > Duration::zero() {
        document.set("sealed_answer", seal_answer(documents, &document.name(), &answer)?);
        document.set("repeatable_until", time_value(now + settings.replay_grace));
    }
    work.insert(document).await?;
    if let Some(grant) = &new.grant {
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
pub(super) fn repeat_answer(documents: &Documents, token: &BearerToken, now: DateTime<Utc>) -> Option<TokenResponse> {
    let opened = documents.site_key().open(token.sealed_answer.as_deref()?, &answer_place(&token.name)).ok()?;
    let answer: TokenResponse = serde_json::from_slice(&opened).ok()?;
    let left = token.expires_at.map_or(0, |at| (at - now).num_seconds());
    Some(TokenResponse { expires_in: u64::try_from(left).unwrap_or(0), ..answer })
}

fn answer_place(name: &str) -> String {
    format!("{OAUTH_BEARER_TOKEN}\u{1f}{name}\u{1f}sealed_answer")
}
