//! A code becomes tokens, once (RFC 6749 §4.1.3).

use crate::document::view::FieldValue as _;
use crate::meta::Value;
use crate::oauth::credentials;
use crate::oauth::http::endpoint::Result;
use crate::oauth::protocol::Parameters;
use crate::oauth::protocol::authorize::code::{CodeBinding, CodeDecision, Redemption, decide, unknown_code};
use crate::oauth::protocol::token::kind::TokenKind;
use crate::oauth::token::grant::context::TokenContext;
use crate::oauth::token::grant::new_tokens::{Issue, NewTokens};
use crate::oauth::views::AuthorizationCode;
use crate::oauth::views::oauth_authorization_code::OAUTH_AUTHORIZATION_CODE;
use crate::oauth::views::oauth_authorization_code::Validity;

/// Exchanges a code.
pub(super) async fn grant<'c>(context: &'c TokenContext, sent: &Parameters) -> Result<Issue<'c>> {
    let documents = &context.site.documents;
    let kind = TokenKind::AuthorizationCode;
    let found =
        credentials::find(documents, kind, OAUTH_AUTHORIZATION_CODE, "authorization_code", sent.require("code")?)
            .await?;
    let code = AuthorizationCode::from(&*found.ok_or_else(unknown_code)?);
    let binding = CodeBinding {
        client_id: code.client.clone(),
        redirect_uri: code.redirect_uri(),
        code_challenge: code.code_challenge.clone(),
        dpop_jkt: code.dpop_jkt.clone(),
        expires_at: code.expires_at.unwrap_or_default(),
        used: code.is_used(),
    };
    let redemption = Redemption {
        client_id: &context.client.name,
        redirect_uri: sent.get("redirect_uri"),
        code_verifier: sent.get("code_verifier"),
        dpop_jkt: context.dpop_jkt.as_deref(),
    };
    match decide(&binding, &redemption, context.now) {
        CodeDecision::Redeem => {}
        CodeDecision::Refuse(error) => return Err(error.into()),
        CodeDecision::Reused => return reused(context, &code).await,
    }
    context.check_user(&code.user).await?;
    let resources = context.resources().narrow(&code.resources, sent.all("resource"))?;
    let mut work = context.begin().await?;
    let used = [("used_at", Value::from(work.now())), ("validity", Validity::Invalid.to_value())];
    let valid = Validity::Valid.to_value();
    // Of many requests with one code, the database lets one alone pass here.
    if !work.set_values_if(OAUTH_AUTHORIZATION_CODE, &code.name, ("validity", &valid), &used).await? {
        drop(work);
        return reused(context, &code).await;
    }
    let tokens = NewTokens {
        renewable: context.renewable(&code.scopes, &code.resources),
        grant: code.grant,
        family: code.family,
        sign_in: code.sign_in,
        nonce: code.nonce,
        ..NewTokens::new(code.user, code.scopes, resources)
    };
    Ok(Issue { work, tokens, event: None })
}

async fn reused<T>(context: &TokenContext, code: &AuthorizationCode) -> Result<T> {
    let work = context.begin().await?;
    context.reused(work, "Authorization Code Reused", (&code.user, &code.family), unknown_code()).await
}
