//! A code becomes tokens, once (RFC 6749 §4.1.3).

use serde_json::json;

use crate::meta::Value;
use crate::oauth::authorization_server::endpoint::Result;
use crate::oauth::authorization_server::token::Asking;
use crate::oauth::authorization_server::tokens::{LoginFacts, NewTokens, Renewable, issue};
use crate::oauth::credentials;
use crate::oauth::protocol::code::{CodeBinding, CodeDecision, Redemption, decide, unknown_code};
use crate::oauth::protocol::token::{TokenKind, TokenResponse};
use crate::oauth::views::AuthorizationCode;
use crate::oauth::views::oauth_authorization_code::OAUTH_AUTHORIZATION_CODE;
use crate::oauth::views::oauth_bearer_token::revoke_all;
use crate::oauth::views::oauth_client::note_use;
use crate::permissions::Session;
use crate::web::{SecurityEvent, Severity};

/// The parameters of the request.
pub struct Sent {
    /// The code.
    pub code: String,
    /// Where the code went.
    pub redirect_uri: Option<String>,
    /// The PKCE verifier.
    pub code_verifier: Option<String>,
    /// For which resources.
    pub resource: Vec<String>,
}

/// Exchanges a code.
pub async fn exchange(asking: &Asking, sent: &Sent) -> Result<TokenResponse> {
    let documents = &asking.site.documents;
    let kind = TokenKind::AuthorizationCode;
    let found = credentials::find(documents, kind, OAUTH_AUTHORIZATION_CODE, "authorization_code", &sent.code).await?;
    let code = AuthorizationCode::from(&*found.ok_or_else(unknown_code)?);
    let binding = CodeBinding {
        client_id: code.client.clone(),
        redirect_uri: code.redirect_uri.clone(),
        code_challenge: code.code_challenge.clone(),
        dpop_jkt: code.dpop_jkt.clone(),
        expires_at: code.expires_at.unwrap_or_default(),
        used: code.is_used,
    };
    let redemption = Redemption {
        client_id: &asking.client.name,
        redirect_uri: sent.redirect_uri.as_deref(),
        code_verifier: sent.code_verifier.as_deref(),
        dpop_jkt: asking.dpop_jkt.as_deref(),
    };
    match decide(&binding, &redemption, asking.now) {
        CodeDecision::Redeem => {}
        CodeDecision::Refuse(error) => return Err(error.into()),
        CodeDecision::Reused => return reused(asking, &code).await,
    }
    asking.check_user(&code.user).await?;
    let known = asking.settings.resources(documents.site_url());
    let resources = known.narrow(&code.resources, sent.resource.iter().map(String::as_str))?;
    let mut work = documents.begin(&Session::system()).await?;
    let used = [("used_at", Value::from(work.now())), ("validity", Value::from("Invalid"))];
    let valid = Value::from("Valid");
    // Of many requests with one code, the database lets one alone pass here.
    if !work.set_values_if(OAUTH_AUTHORIZATION_CODE, &code.name, ("validity", &valid), &used).await? {
        drop(work);
        return reused(asking, &code).await;
    }
    note_use(&mut work, &asking.client, asking.now).await?;
    let new = NewTokens {
        client: &asking.client,
        user: &code.user,
        scopes: &code.scopes,
        resources: &resources,
        renewable: asking.client.allows_refresh.then(|| Renewable {
            scopes: &code.scopes,
            resources: &code.resources,
            family_expires_at: asking.now + asking.settings.refresh_lifetime,
        }),
        grant_type: "Authorization Code",
        grant: code.grant.as_deref(),
        family: &code.family,
        previous: None,
        login: LoginFacts {
            nonce: code.nonce.as_deref(),
            sid: code.sid.as_deref(),
            auth_time: code.auth_time,
            acr: code.acr.as_deref(),
            amr: code.amr.as_deref(),
        },
        dpop_jkt: asking.dpop_jkt.as_deref(),
        is_sign_in: true,
        exchanged: None,
    };
    let tokens = issue(&mut work, asking, new).await?;
    work.commit().await?;
    Ok(tokens)
}

/// A code that comes a second time has been stolen, or its tokens have: all of them end (RFC 6749 §4.1.2).
async fn reused(asking: &Asking, code: &AuthorizationCode) -> Result<TokenResponse> {
    let mut work = asking.site.documents.begin(&Session::system()).await?;
    if revoke_all(&mut work, json!({"family": code.family})).await? > 0 {
        SecurityEvent::new("Authorization Code Reused", Severity::Critical)
            .user(code.user.as_str())
            .client(asking.client.client_id.as_str())
            .during(&asking.context)
            .record_in(&mut work)
            .await?;
        work.commit().await?;
    }
    Err(unknown_code().because(anyhow::anyhow!("the code was used before")).into())
}
