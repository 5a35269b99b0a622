//! Token revocation (RFC 7009).

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;
use serde_json::json;

use crate::error::Result as SiteResult;
use crate::oauth::client_authentication::ClientCall;
use crate::oauth::credentials;
use crate::oauth::http::endpoint::{Result, json as json_response, respond_to};
use crate::oauth::protocol::token::kind::TokenKind;
use crate::oauth::protocol::{Error, ErrorCode, Parameters};
use crate::oauth::server::Server;
use crate::oauth::views::oauth_bearer_token::{OAUTH_BEARER_TOKEN, revoke_all};
use crate::oauth::views::{BearerToken, OAuthClient, OAuthSettings};
use crate::permissions::Session;
use crate::web::{Exchange, SecurityEvent, Severity};

/// Answers `POST …revoke_token`.
pub(crate) async fn revoke_token(mut exchange: Exchange, server: Arc<Server>) -> SiteResult<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let ClientCall { client, request } = ClientCall::of(&mut exchange, &server).await;
    let result = match request {
        Ok((client, parameters)) => answer(&exchange, &client, &parameters).await,
        Err(refusal) => Err(refusal),
    };
    Ok(respond_to(&exchange, &settings, client.as_deref(), result.map(|()| json_response(StatusCode::OK, &json!({})))))
}

async fn answer(exchange: &Exchange, client: &OAuthClient, parameters: &Parameters) -> Result<()> {
    let presented = parameters.require("token")?;
    let documents = &exchange.site.documents;
    // Its form says what it is: the hint (RFC 7009 §2.1) need not.
    let (kind, fieldname) = match credentials::kind_of(presented) {
        Some(kind @ TokenKind::AccessToken) => (kind, "access_token"),
        Some(kind @ TokenKind::RefreshToken) => (kind, "refresh_token"),
        Some(_) => {
            let message = "Only access and refresh tokens can be revoked here";
            return Err(Error::new(ErrorCode::UnsupportedTokenType, message).into());
        }
        None => return Ok(()),
    };
    let Some(found) = credentials::find(documents, kind, OAUTH_BEARER_TOKEN, fieldname, presented).await? else {
        return Ok(());
    };
    let token = BearerToken::from(&*found);
    // Another client's token is as good as unknown.
    if token.client != client.name {
        return Ok(());
    }
    let mut work = documents.begin(&Session::system()).await?;
    let which = match kind {
        TokenKind::RefreshToken => json!({"family": token.family}),
        _ => json!({"name": token.name}),
    };
    if revoke_all(&mut work, which).await? > 0 {
        SecurityEvent::new("Token Revoked", Severity::Info)
            .user(token.user)
            .client(client.client_id.as_str())
            .during(&exchange.context)
            .record_in(&mut work)
            .await?;
    }
    work.commit().await?;
    Ok(())
}
