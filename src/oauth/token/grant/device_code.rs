//! A device asks whether the person has answered, and gets its tokens once they said yes (RFC 8628 §3.4).

use crate::document::Work;
use crate::document::view::FieldValue as _;
use crate::document::view::time_value;
use crate::error::Error as SiteError;
use crate::meta::Value;
use crate::oauth::credentials;
use crate::oauth::http::endpoint::Result;
use crate::oauth::protocol::authorize::device::DeviceStatus;
use crate::oauth::protocol::authorize::device::{PollDecision, decide_poll};
use crate::oauth::protocol::token::kind::TokenKind;
use crate::oauth::protocol::{Error, Parameters};
use crate::oauth::token::grant::context::TokenContext;
use crate::oauth::token::grant::new_tokens::{Issue, NewTokens};
use crate::oauth::views::oauth_device_code::{DeviceCode, OAUTH_DEVICE_CODE};

/// Answers one question of a device; questions about one code go one after the other.
pub(super) async fn grant<'c>(context: &'c TokenContext, sent: &Parameters) -> Result<Issue<'c>> {
    let documents = &context.site.documents;
    let kind = TokenKind::DeviceCode;
    let found =
        credentials::find(documents, kind, OAUTH_DEVICE_CODE, "device_code_digest", sent.require("device_code")?)
            .await?;
    let code = DeviceCode::from(&*found.ok_or_else(unknown)?);
    if code.client != context.client.name {
        return Err(unknown().because(anyhow::anyhow!("the device code belongs to another client")).into());
    }
    if code.dpop_jkt.is_some() && code.dpop_jkt != context.dpop_jkt {
        return Err(Error::invalid_grant("The device code is bound to another DPoP key").into());
    }
    let mut work = context.begin().await?;
    // Read again under the lock: what the cache has may be a moment old.
    let code = match work.get_for_update(OAUTH_DEVICE_CODE, &code.name).await {
        Ok(document) => DeviceCode::from(&document),
        Err(SiteError::DoesNotExist { .. }) => return Err(unknown().into()),
        Err(error) => return Err(error.into()),
    };
    let now = documents.clock().now();
    let decision = decide_poll(&code.state(), now);
    let noted = match decision {
        PollDecision::Issue => return redeem(context, work, code).await,
        PollDecision::Reused => {
            return context.reused(work, "Device Code Reused", (&code.user, &code.family), unknown()).await;
        }
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

async fn redeem<'c>(context: &'c TokenContext, mut work: Work<'c>, code: DeviceCode) -> Result<Issue<'c>> {
    context.check_user(&code.user).await?;
    let approved = DeviceStatus::Approved.to_value();
    let used = [("status", DeviceStatus::Used.to_value()), ("last_polled", time_value(context.now))];
    if !work.set_values_if(OAUTH_DEVICE_CODE, &code.name, ("status", &approved), &used).await? {
        return Err(unknown().because(anyhow::anyhow!("another request was first")).into());
    }
    let tokens = NewTokens {
        renewable: context.renewable(&code.scopes, &code.resources),
        grant: code.grant,
        family: code.family,
        sign_in: code.sign_in,
        ..NewTokens::new(code.user, code.scopes, code.resources)
    };
    Ok(Issue { work, tokens, event: None })
}

/// The one answer for a code that is unknown, another client's or used.
fn unknown() -> Error {
    Error::invalid_grant("The device code is invalid: start again")
}
