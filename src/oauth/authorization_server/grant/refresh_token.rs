//! A refresh token becomes a new pair, and is worth nothing afterwards (RFC 6749 §6, RFC 9700 §4.14).

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use crate::document::{ListRequest, Work};
use crate::error::Result as SiteResult;
use crate::meta::Value;
use crate::oauth::authorization_server::endpoint::Result;
use crate::oauth::authorization_server::token::Asking;
use crate::oauth::authorization_server::tokens::{LoginFacts, NewTokens, Previous, Renewable, issue, repeat_answer};
use crate::oauth::credentials;
use crate::oauth::protocol::refresh::{RefreshDecision, RefreshState, decide_refresh, refused};
use crate::oauth::protocol::token::{TokenKind, TokenResponse};
use crate::oauth::views::BearerToken;
use crate::oauth::views::fields::time_value;
use crate::oauth::views::oauth_bearer_token::{OAUTH_BEARER_TOKEN, RENEWED, revoke_all};
use crate::oauth::views::oauth_client::note_use;
use crate::permissions::Session;
use crate::web::{SecurityEvent, Severity};

/// Exchanges a refresh token.
pub async fn exchange(
    asking: &Asking,
    refresh_token: &str,
    scope: Option<&str>,
    resource: &[String],
) -> Result<TokenResponse> {
    let documents = &asking.site.documents;
    let kind = TokenKind::RefreshToken;
    let found = credentials::find(documents, kind, OAUTH_BEARER_TOKEN, "refresh_token", refresh_token).await?;
    let token = BearerToken::from(&*found.ok_or_else(refused)?);
    if token.client != asking.client.name {
        return Err(refused().because(anyhow::anyhow!("the refresh token belongs to another client")).into());
    }
    // A confidential client proves who it is, so that it may change its key (RFC 9449 §5).
    if asking.client.is_public() && token.dpop_jkt.is_some() && token.dpop_jkt != asking.dpop_jkt {
        return Err(refused().because(anyhow::anyhow!("the refresh token is bound to another key")).into());
    }
    if asking.client.is_public() && token.x5t_s256.is_some() && token.x5t_s256 != asking.certificate {
        return Err(refused().because(anyhow::anyhow!("the refresh token is bound to another certificate")).into());
    }
    asking.check_user(&token.user).await?;
    let known = asking.scopes().await?;
    let scopes = known.ceiling(&asking.client).renewed(&token.renewable_scopes, scope, &known)?;
    let known = asking.settings.resources(documents.site_url());
    let resources = known.narrow(&token.renewable_resources, resource.iter().map(String::as_str))?;

    let mut work = documents.begin(&Session::system()).await?;
    // Read again under the lock: what the cache has may be a moment old.
    let token = BearerToken::from(&work.get_for_update(OAUTH_BEARER_TOKEN, &token.name).await?);
    let now = documents.clock().now();
    let successors = successors(&mut work, &token).await?;
    let state = RefreshState {
        revoked: !token.is_active && token.rotated_at.is_none(),
        expires_at: token.refresh_expires_at.unwrap_or_default(),
        family_expires_at: token.family_expires_at.unwrap_or(DateTime::<Utc>::MAX_UTC),
        rotated_at: token.rotated_at,
        successor_rotated: successors.iter().any(|next| next.rotated_at.is_some()),
    };
    // Without any grace, not even the same instant counts as a repetition.
    let grace = Some(asking.settings.replay_grace).filter(|grace| !grace.is_zero()).unwrap_or(Duration::MIN);
    match decide_refresh(&state, now, grace) {
        RefreshDecision::Rotate => {
            // Nobody needs the answer any more in which it was handed out.
            let rotated = [
                ("rotated_at", time_value(now)),
                ("status", Value::from(RENEWED)),
                ("sealed_answer", Value::Null),
                ("repeatable_until", Value::Null),
            ];
            if !work.set_values_if(OAUTH_BEARER_TOKEN, &token.name, ("rotated_at", &Value::Null), &rotated).await? {
                return Err(refused().because(anyhow::anyhow!("another request was first")).into());
            }
        }
        RefreshDecision::Repeat => return repeat(asking, &successors, now),
        RefreshDecision::ReuseDetected => return reused(asking, work, &token).await,
        RefreshDecision::Expired => return Err(refused().because(anyhow::anyhow!("it has expired")).into()),
        RefreshDecision::Revoked => return Err(refused().because(anyhow::anyhow!("it was revoked")).into()),
    }
    note_use(&mut work, &asking.client, asking.now).await?;
    let new = NewTokens {
        client: &asking.client,
        user: &token.user,
        scopes: &scopes,
        resources: &resources,
        renewable: Some(Renewable {
            scopes: &token.renewable_scopes,
            resources: &token.renewable_resources,
            family_expires_at: token.family_expires_at.unwrap_or(asking.now + asking.settings.refresh_lifetime),
        }),
        grant_type: "Refresh Token",
        grant: token.grant.as_deref(),
        family: &token.family,
        previous: Some(Previous { name: &token.name, grace: asking.settings.replay_grace }),
        login: LoginFacts {
            // It belongs to the request that began the sign-in (OpenID Connect Core §12.2).
            nonce: None,
            sid: token.sid.as_deref(),
            auth_time: token.auth_time,
            acr: token.acr.as_deref(),
            amr: token.amr.as_deref(),
        },
        dpop_jkt: asking.dpop_jkt.as_deref(),
        is_sign_in: true,
        exchanged: None,
    };
    let tokens = issue(&mut work, asking, new).await?;
    work.commit().await?;
    Ok(tokens)
}

/// The same pair again: bound to what the first answer bound it to, so of no use to a key that is another.
fn repeat(asking: &Asking, successors: &[BearerToken], now: DateTime<Utc>) -> Result<TokenResponse> {
    let Some(successor) = successors.iter().find(|next| next.is_active) else {
        return Err(refused().because(anyhow::anyhow!("the family was revoked")).into());
    };
    if successor.dpop_jkt != asking.dpop_jkt
        || (successor.x5t_s256.is_some() && successor.x5t_s256 != asking.certificate)
    {
        return Err(refused().because(anyhow::anyhow!("its successor is bound to another key")).into());
    }
    let answer = repeat_answer(&asking.site.documents, successor, now);
    Ok(answer.ok_or_else(|| refused().because(anyhow::anyhow!("its successor cannot be given again")))?)
}

/// The pair that replaced this one; older programs may have left more than one.
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

/// Somebody else has the token: everything that came from this sign-in ends.
async fn reused(asking: &Asking, mut work: Work<'_>, token: &BearerToken) -> Result<TokenResponse> {
    if revoke_all(&mut work, json!({"family": token.family})).await? > 0 {
        SecurityEvent::new("Refresh Token Reused", Severity::Critical)
            .user(token.user.as_str())
            .client(asking.client.client_id.as_str())
            .during(&asking.context)
            .record_in(&mut work)
            .await?;
        work.commit().await?;
    }
    Err(refused().because(anyhow::anyhow!("the refresh token was used before")).into())
}
