//! Makes pairs of access and refresh tokens and the documents that stand for them.

use chrono::{DateTime, Duration, Utc};

use crate::document::reseal::SealedField;
use crate::document::view::{View as _, parse_time};
use crate::document::{Documents, Work};
use crate::error::{Error, Result};
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
use crate::oauth::views::oauth_bearer_token::{OAUTH_BEARER_TOKEN, TokenStatus};
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
    let mut token = BearerToken {
        client: client.name.clone(),
        user: new.user,
        scopes: new.scopes,
        resources: new.resources,
        access_token: digest(documents, &access_token),
        token_type: scheme,
        status: TokenStatus::Active,
        grant_type: grant_type.label().to_owned(),
        grant: new.grant,
        issued_at: Some(now),
        expires_at: Some(now + lifetime),
        expires_in: lifetime.num_seconds(),
        previous: new.previous,
        family: new.family,
        sign_in: new.sign_in,
        dpop_jkt: context.dpop_jkt.clone(),
        x5t_s256: certificate.map(str::to_owned),
        subject_token: exchanged.map(|subject| subject.name.clone()),
        act: exchanged.and_then(|subject| subject.act.clone()),
        ..BearerToken::default()
    };
    if let (Some(renewable), Some(refresh_token)) = (new.renewable, &refresh_token) {
        token.refresh_token = Some(digest(documents, refresh_token));
        token.refresh_expires_at = Some(refresh::expiry(now, settings.refresh_idle, renewable.family_expires_at));
        token.family_expires_at = Some(renewable.family_expires_at);
        token.stored_renewable_scopes = renewable.scopes;
        token.stored_renewable_resources = renewable.resources;
    }
    let seconds = u64::try_from(lifetime.num_seconds()).unwrap_or(0);
    let answer = TokenResponse {
        refresh_token,
        id_token,
        issued_token_type: exchanged.map(|_| ACCESS_TOKEN.to_owned()),
        ..TokenResponse::new(access_token, scheme, seconds, &token.scopes)
    };
    if token.previous.is_some() && settings.replay_grace > Duration::zero() {
        token.sealed_answer = Some(seal_answer(documents, &name, &answer)?);
        token.repeatable_until = Some(now + settings.replay_grace);
    }
    let mut document = token.new_document(work)?;
    document.set_name(name);
    work.insert(document).await?;
    documents.database().metrics().tokens.count(grant_type.label());
    if let Some(grant) = &token.grant {
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

/// Where such answers are sealed.
pub(crate) const SEALED: SealedField =
    SealedField { doctype: OAUTH_BEARER_TOKEN, fieldname: "sealed_answer", in_auth: false, place: answer_place };

fn answer_place(name: &str) -> String {
    format!("{OAUTH_BEARER_TOKEN}\u{1f}{name}\u{1f}sealed_answer")
}
