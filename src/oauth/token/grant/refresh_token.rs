//! A refresh token becomes a new pair, and is worth nothing afterwards (RFC 6749 §6, RFC 9700 §4.14).

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use crate::document::view::FieldValue as _;
use crate::document::view::time_value;
use crate::document::{ListRequest, Work};
use crate::error::Result as SiteResult;
use crate::meta::Value;
use crate::oauth::credentials;
use crate::oauth::http::endpoint::Result;
use crate::oauth::protocol::Parameters;
use crate::oauth::protocol::token::kind::{TokenKind, TokenResponse};
use crate::oauth::protocol::token::refresh::{RefreshDecision, RefreshState, decide_refresh, refused};
use crate::oauth::token::grant::context::TokenContext;
use crate::oauth::token::grant::issue::repeat_answer;
use crate::oauth::token::grant::new_tokens::{Issue, NewTokens, Renewable};
use crate::oauth::views::BearerToken;
use crate::oauth::views::oauth_bearer_token::{OAUTH_BEARER_TOKEN, TokenStatus};

/// What becomes of a refresh token.
pub(super) enum Renewal<'w> {
    /// It was exchanged for a new pair.
    Issue(Box<Issue<'w>>),
    /// Its answer got lost on the way: the same pair again.
    Repeat(Box<TokenResponse>),
}

/// Exchanges a refresh token.
pub(super) async fn grant<'c>(context: &'c TokenContext, sent: &Parameters) -> Result<Renewal<'c>> {
    let documents = &context.site.documents;
    let kind = TokenKind::RefreshToken;
    let found =
        credentials::find(documents, kind, OAUTH_BEARER_TOKEN, "refresh_token", sent.require("refresh_token")?).await?;
    let token = BearerToken::from(&*found.ok_or_else(refused)?);
    if token.client != context.client.name {
        return Err(refused().because(anyhow::anyhow!("the refresh token belongs to another client")).into());
    }
    // A confidential client proves who it is, so that it may change its key (RFC 9449 §5).
    if context.client.is_public() && token.dpop_jkt.is_some() && token.dpop_jkt != context.dpop_jkt {
        return Err(refused().because(anyhow::anyhow!("the refresh token is bound to another key")).into());
    }
    if context.client.is_public() && token.x5t_s256.is_some() && token.x5t_s256 != context.certificate {
        return Err(refused().because(anyhow::anyhow!("the refresh token is bound to another certificate")).into());
    }
    context.check_user(&token.user).await?;
    let known = context.scopes().await?;
    let scopes = known.ceiling(&context.client).renewed(token.renewable_scopes(), sent.get("scope"), &known)?;
    let resources = context.resources().narrow(token.renewable_resources(), sent.all("resource"))?;

    let mut work = context.begin().await?;
    // Read again under the lock: what the cache has may be a moment old.
    let token = BearerToken::from(&work.get_for_update(OAUTH_BEARER_TOKEN, &token.name).await?);
    let now = documents.clock().now();
    let successors = successors(&mut work, &token).await?;
    let state = RefreshState {
        revoked: !token.is_active() && token.rotated_at.is_none(),
        expires_at: token.refresh_expires_at.unwrap_or_default(),
        family_expires_at: token.family_expires_at.unwrap_or(DateTime::<Utc>::MAX_UTC),
        rotated_at: token.rotated_at,
        successor_rotated: successors.iter().any(|next| next.rotated_at.is_some()),
    };
    // Without any grace, not even the same instant counts as a repetition.
    let grace = Some(context.settings.replay_grace).filter(|grace| !grace.is_zero()).unwrap_or(Duration::MIN);
    match decide_refresh(&state, now, grace) {
        RefreshDecision::Rotate => {
            // Nobody needs the answer any more in which it was handed out.
            let rotated = [
                ("rotated_at", time_value(now)),
                ("status", TokenStatus::Renewed.to_value()),
                ("sealed_answer", Value::Null),
                ("repeatable_until", Value::Null),
            ];
            if !work.set_values_if(OAUTH_BEARER_TOKEN, &token.name, ("rotated_at", &Value::Null), &rotated).await? {
                return Err(refused().because(anyhow::anyhow!("another request was first")).into());
            }
        }
        RefreshDecision::Repeat => return repeat(context, &successors, now),
        RefreshDecision::ReuseDetected => {
            return context.reused(work, "Refresh Token Reused", (&token.user, &token.family), refused()).await;
        }
        RefreshDecision::Expired => return Err(refused().because(anyhow::anyhow!("it has expired")).into()),
        RefreshDecision::Revoked => return Err(refused().because(anyhow::anyhow!("it was revoked")).into()),
    }
    let family_expires_at = token.family_expires_at.unwrap_or(context.now + context.settings.refresh_lifetime);
    let tokens = NewTokens {
        renewable: Some(Renewable {
            scopes: token.renewable_scopes().clone(),
            resources: token.renewable_resources().to_vec(),
            family_expires_at,
        }),
        grant: token.grant,
        family: token.family,
        previous: Some(token.name),
        // Without the nonce: it belongs to the request that began the sign-in (OpenID Connect Core §12.2).
        sign_in: token.sign_in,
        ..NewTokens::new(token.user, scopes, resources)
    };
    Ok(Renewal::Issue(Box::new(Issue { work, tokens, event: None })))
}

/// The same pair again: bound to what the first answer bound it to, so of no use to a key that is another.
fn repeat<'w>(context: &TokenContext, successors: &[BearerToken], now: DateTime<Utc>) -> Result<Renewal<'w>> {
    let Some(successor) = successors.iter().find(|next| next.is_active()) else {
        return Err(refused().because(anyhow::anyhow!("the family was revoked")).into());
    };
    if successor.dpop_jkt != context.dpop_jkt
        || (successor.x5t_s256.is_some() && successor.x5t_s256 != context.certificate)
    {
        return Err(refused().because(anyhow::anyhow!("its successor is bound to another key")).into());
    }
    let answer = repeat_answer(&context.site.documents, successor, now);
    let answer = answer.ok_or_else(|| refused().because(anyhow::anyhow!("its successor cannot be given again")))?;
    Ok(Renewal::Repeat(Box::new(answer)))
}

/// The pair that replaced this one; older clients may have left more than one.
async fn successors(work: &mut Work<'_>, token: &BearerToken) -> SiteResult<Vec<BearerToken>> {
    if token.rotated_at.is_none() {
        return Ok(Vec::new());
    }
    let request = ListRequest::new(OAUTH_BEARER_TOKEN).filters(json!({"previous_token": token.name})).all();
    let list = work.list(&request).await?;
    let mut successors = Vec::with_capacity(list.rows.len());
    for row in 0..list.rows.len() {
        successors.push(BearerToken::from(&work.get(OAUTH_BEARER_TOKEN, list.text(row, "name")).await?));
    }
    Ok(successors)
}
