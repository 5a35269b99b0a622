//! A device asks whether the person has answered, and gets its tokens once they said yes (RFC 8628 §3.4).

use serde_json::json;

use crate::document::Work;
use crate::error::Error as SiteError;
use crate::meta::Value;
use crate::oauth::authorization_server::endpoint::Result;
use crate::oauth::authorization_server::token::Asking;
use crate::oauth::authorization_server::tokens::{LoginFacts, NewTokens, Renewable, issue};
use crate::oauth::credentials;
use crate::oauth::protocol::Error;
use crate::oauth::protocol::device::{PollDecision, decide_poll};
use crate::oauth::protocol::token::{TokenKind, TokenResponse};
use crate::oauth::views::fields::time_value;
use crate::oauth::views::oauth_bearer_token::revoke_all;
use crate::oauth::views::oauth_client::note_use;
use crate::oauth::views::oauth_device_code::{DeviceCode, OAUTH_DEVICE_CODE};
use crate::permissions::Session;
use crate::web::{SecurityEvent, Severity};

/// Answers one question of a device; questions about one code go one after the other.
pub async fn exchange(asking: &Asking, device_code: &str) -> Result<TokenResponse> {
    let documents = &asking.site.documents;
    let kind = TokenKind::DeviceCode;
    let found = credentials::find(documents, kind, OAUTH_DEVICE_CODE, "device_code_digest", device_code).await?;
    let code = DeviceCode::from(&*found.ok_or_else(unknown)?);
    if code.client != asking.client.name {
        return Err(unknown().because(anyhow::anyhow!("the device code belongs to another client")).into());
    }
    if code.dpop_jkt.is_some() && code.dpop_jkt != asking.dpop_jkt {
        return Err(Error::invalid_grant("The device code is bound to another DPoP key").into());
    }
    let mut work = documents.begin(&Session::system()).await?;
    // Read again under the lock: what the cache has may be a moment old.
    let code = match work.get_for_update(OAUTH_DEVICE_CODE, &code.name).await {
        Ok(document) => DeviceCode::from(&document),
        Err(SiteError::DoesNotExist { .. }) => return Err(unknown().into()),
        Err(error) => return Err(error.into()),
    };
    let now = documents.clock().now();
    let decision = decide_poll(&code.state, now);
    let noted = match decision {
        PollDecision::Issue => return redeem(asking, work, &code).await,
        PollDecision::Reused => return reused(asking, work, &code).await,
        PollDecision::Pending => vec![("last_polled", time_value(now))],
        PollDecision::SlowDown { interval } => {
            vec![("last_polled", time_value(now)), ("interval", Value::from(i64::from(interval)))]
        }
        PollDecision::Expired => vec![("status", Value::from("Expired"))],
        PollDecision::Denied => Vec::new(),
    };
    if !noted.is_empty() {
        work.set_values(OAUTH_DEVICE_CODE, &code.name, &noted).await?;
        work.commit().await?;
    }
    Err(decision.error().unwrap_or_else(unknown).into())
}

async fn redeem(asking: &Asking, mut work: Work<'_>, code: &DeviceCode) -> Result<TokenResponse> {
    asking.check_user(&code.user).await?;
    let approved = Value::from("Approved");
    let used = [("status", Value::from("Used")), ("last_polled", time_value(asking.now))];
    if !work.set_values_if(OAUTH_DEVICE_CODE, &code.name, ("status", &approved), &used).await? {
        return Err(unknown().because(anyhow::anyhow!("another request was first")).into());
    }
    note_use(&mut work, &asking.client, asking.now).await?;
    let new = NewTokens {
        client: &asking.client,
        user: &code.user,
        scopes: &code.scopes,
        resources: &code.resources,
        renewable: asking.client.allows_refresh.then(|| Renewable {
            scopes: &code.scopes,
            resources: &code.resources,
            family_expires_at: asking.now + asking.settings.refresh_lifetime,
        }),
        grant_type: "Device Code",
        grant: code.grant.as_deref(),
        family: &code.family,
        previous: None,
        login: LoginFacts {
            sid: code.sid.as_deref(),
            auth_time: code.auth_time,
            acr: code.acr.as_deref(),
            amr: code.amr.as_deref(),
            nonce: None,
        },
        dpop_jkt: asking.dpop_jkt.as_deref(),
        is_sign_in: true,
        exchanged: None,
    };
    let tokens = issue(&mut work, asking, new).await?;
    work.commit().await?;
    Ok(tokens)
}

/// A code that comes a second time was copied, or its tokens were: all of them end.
async fn reused(asking: &Asking, mut work: Work<'_>, code: &DeviceCode) -> Result<TokenResponse> {
    if revoke_all(&mut work, json!({"family": code.family})).await? > 0 {
        SecurityEvent::new("Device Code Reused", Severity::Critical)
            .user(code.user.as_str())
            .client(asking.client.client_id.as_str())
            .during(&asking.context)
            .record_in(&mut work)
            .await?;
        work.commit().await?;
    }
    Err(unknown().because(anyhow::anyhow!("the device code was used before")).into())
}

/// The one answer for a code that is unknown, another client's or used.
fn unknown() -> Error {
    Error::invalid_grant("The device code is invalid: start again")
}
