//! Token introspection (RFC 7662, RFC 9701): only for clients that prove who they are, and only about what is their
//! business.

use std::sync::Arc;

use poem::Response;
use poem::http::{StatusCode, header};

use crate::error::Result as SiteResult;
use crate::oauth::client_authentication::ClientCall;
use crate::oauth::credentials;
use crate::oauth::http::endpoint::{Result, json as json_response, respond};
use crate::oauth::protocol::token::introspection::{
    ActiveToken, Asker, Confirmation, IntrospectionResponse, OwnClaims, SIGNED, SignedIntrospection, TYPE, wants_signed,
};
use crate::oauth::protocol::token::kind::TokenKind;
use crate::oauth::protocol::{Error, Scope};
use crate::oauth::resource::bearer::{holder, standing};
use crate::oauth::server::Server;
use crate::oauth::subject::subject_of;
use crate::oauth::views::oauth_bearer_token::OAUTH_BEARER_TOKEN;
use crate::oauth::views::{BearerToken, OAuthClient};
use crate::permissions::{Session, UserAccess};
use crate::web::Exchange;

/// Answers `POST …introspect_token`.
pub(crate) async fn introspect_token(mut exchange: Exchange, server: Arc<Server>) -> SiteResult<Response> {
    let context = exchange.context.clone();
    let result = answer(&mut exchange, &server).await;
    Ok(respond(result, &context))
}

async fn answer(exchange: &mut Exchange, server: &Server) -> Result<Response> {
    let (client, parameters) = ClientCall::of(exchange, server).await.request?;
    if client.is_public() {
        let cause = anyhow::anyhow!("a public client may not introspect");
        return Err(Error::invalid_client().because(cause).into());
    }
    let presented = parameters.require("token")?;
    let told = match describe(exchange, server, &client, presented).await? {
        Some(token) => IntrospectionResponse::Active(Box::new(token)),
        None => IntrospectionResponse::Inactive,
    };
    let accepted = exchange.request.headers().get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if wants_signed(&accepted.collect::<Vec<_>>().join(",")) {
        signed(exchange, server, &client, &told).await
    } else {
        Ok(json_response(StatusCode::OK, &told))
    }
}

/// The answer as a JWT for the client that asks, which can show it to others (RFC 9701 §5).
async fn signed(
    exchange: &Exchange,
    server: &Server,
    client: &OAuthClient,
    told: &IntrospectionResponse,
) -> Result<Response> {
    let documents = &exchange.site.documents;
    let key = server.keys.current(documents, client.introspection_alg).await?;
    let claims = SignedIntrospection {
        iss: documents.site_url(),
        aud: &client.client_id,
        iat: documents.clock().now().timestamp(),
        token_introspection: told,
    };
    Ok(Response::builder().content_type(SIGNED).header(header::CACHE_CONTROL, "no-store").body(key.sign(TYPE, &claims)))
}

/// What the asker may know about a token that opens something now.
async fn describe(
    exchange: &Exchange,
    server: &Server,
    asker: &OAuthClient,
    presented: &str,
) -> Result<Option<ActiveToken>> {
    let documents = &exchange.site.documents;
    let Some(kind) = credentials::kind_of(presented) else { return Ok(None) };
    let token = match kind {
        // What opens requests knows it without a look into the database.
        TokenKind::AccessToken => server.tokens.token(documents, presented).await?,
        TokenKind::RefreshToken => {
            let found = credentials::find(documents, kind, OAUTH_BEARER_TOKEN, "refresh_token", presented).await?;
            found.map(|document| BearerToken::from(&*document))
        }
        _ => None,
    };
    let Some(token) = token else { return Ok(None) };
    let now = documents.clock().now();
    let asks = Asker {
        client_id: &asker.name,
        is_confidential: !asker.is_public(),
        may_introspect_all: asker.can_introspect,
        resources: &asker.own_resources,
    };
    if !asks.may_see(&token.client, &token.resources) {
        return Ok(None);
    }
    let (is_live, expires_at) = match kind {
        TokenKind::AccessToken => (standing(documents, &token, now).await?.is_ok(), token.expires_at),
        _ => (token.is_renewable(now), token.refresh_expires_at),
    };
    let (true, Ok((holder, access))) = (is_live, holder(documents, &token).await?) else { return Ok(None) };
    let is_own = token.client == asker.name && token.scopes.contains(&Scope::OpenId);
    let own = if is_own { claims(exchange, &token, &holder, &access).await? } else { OwnClaims::default() };
    Ok(Some(ActiveToken {
        scope: token.scopes.to_string(),
        client_id: holder.client_id.clone(),
        username: Some(token.user.clone()),
        token_type: (kind == TokenKind::AccessToken).then_some(token.token_type),
        exp: expires_at.map_or(0, |at| at.timestamp()),
        iat: token.issued_at.map_or(0, |at| at.timestamp()),
        sub: subject_of(documents, &token.user).await?,
        aud: token.resources,
        iss: documents.site_url().to_owned(),
        cnf: Confirmation::of(token.dpop_jkt.as_deref(), token.x5t_s256.as_deref()),
        auth_time: token.sign_in.auth_time.map(|at| at.timestamp()),
        acr: token.sign_in.acr,
        act: token.act,
        own,
    }))
}

/// What the token's own client may know of the person, as Frappe tells it here.
async fn claims(
    exchange: &Exchange,
    token: &BearerToken,
    holder: &OAuthClient,
    access: &UserAccess,
) -> Result<OwnClaims> {
    let mut claims = OwnClaims { trusted_client: Some(u8::from(holder.skip_authorization)), ..OwnClaims::default() };
    if token.scopes.contains(&Scope::Profile) {
        claims.name = Some(access.full_name.clone());
    }
    if token.scopes.contains(&Scope::Email) {
        let user = exchange.site.documents.get(&Session::system(), "User", &token.user).await?;
        claims.email = Some(user.text("email").to_owned());
    }
    if token.scopes.contains(&Scope::Roles) {
        claims.roles = Some(access.roles.iter().cloned().collect());
    }
    Ok(claims)
}
