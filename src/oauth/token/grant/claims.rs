//! What signed tokens say: the ID token, and the access token of clients that want it as JWT.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::document::Work;
use crate::error::Result;
use crate::oauth::protocol::Scope;
use crate::oauth::protocol::token::access_token;
use crate::oauth::protocol::token::access_token::AccessTokenClaims;
use crate::oauth::protocol::token::id_token;
use crate::oauth::protocol::token::id_token::{IdTokenClaims, half_hash};
use crate::oauth::protocol::token::introspection::Confirmation;
use crate::oauth::subject::subject_in;
use crate::oauth::token::grant::context::TokenContext;
use crate::oauth::token::grant::new_tokens::NewTokens;
use crate::oauth::token::userinfo;

/// The access token as JWT, if the client gets it so (RFC 9068). `name` is the one of its document, `cnf` is what it is
/// bound to.
pub(super) async fn access_token(
    work: &mut Work<'_>,
    context: &TokenContext,
    new: &NewTokens,
    name: &str,
    cnf: Option<Confirmation>,
    issued_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<Option<String>> {
    let Some(key) = &context.signing.access else { return Ok(None) };
    let issuer = work.documents.site_url().to_owned();
    let aud = if new.resources.is_empty() { vec![issuer.clone()] } else { new.resources.clone() };
    let claims = AccessTokenClaims {
        sub: subject_in(work, &new.user).await?,
        aud,
        iss: issuer,
        exp: expires_at.timestamp(),
        iat: issued_at.timestamp(),
        jti: name.to_owned(),
        client_id: context.client.client_id.clone(),
        scope: new.scopes.to_string(),
        auth_time: new.sign_in.auth_time.map(|at| at.timestamp()),
        acr: new.sign_in.acr.clone(),
        amr: words(new.sign_in.amr.as_deref()),
        cnf,
        act: new.exchanged.as_ref().and_then(|subject| subject.act.clone()),
    };
    Ok(Some(key.sign(access_token::TYPE, &claims)))
}

/// The ID token beside an access token, if `openid` was granted (OpenID Connect Core §2, §12.2).
pub(super) async fn id_token(
    work: &mut Work<'_>,
    context: &TokenContext,
    new: &NewTokens,
    access_token: &str,
    issued_at: DateTime<Utc>,
) -> Result<Option<String>> {
    if !new.scopes.contains(&Scope::OpenId) {
        return Ok(None);
    }
    let (client, settings, signer) = (&context.client, &context.settings, &context.signing.id);
    let told = json!(userinfo::claims(&context.site, settings, &new.user, &new.scopes).await?);
    let names_person = settings.id_token_includes_claims && client.id_token_includes_claims;
    let may_tell = |claim: &str| claim == "roles" || (names_person && claim != "sub");
    let extra = told.as_object().into_iter().flatten().filter(|(claim, _)| may_tell(claim));
    let extra = extra.map(|(claim, value)| (claim.clone(), value.clone())).collect();
    let claims = IdTokenClaims {
        iss: work.documents.site_url().to_owned(),
        sub: subject_in(work, &new.user).await?,
        aud: client.client_id.clone(),
        exp: (issued_at + id_token::LIFETIME).timestamp(),
        iat: issued_at.timestamp(),
        auth_time: new.sign_in.auth_time.map(|at| at.timestamp()),
        azp: client.client_id.clone(),
        nonce: new.nonce.clone(),
        at_hash: Some(half_hash(signer.algorithm(), access_token)),
        sid: new.sign_in.sid.clone(),
        acr: new.sign_in.acr.clone(),
        amr: words(new.sign_in.amr.as_deref()),
        extra,
    };
    Ok(Some(signer.sign(id_token::TYPE, &claims)))
}

fn words(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}
