//! Where a client that registered itself reads, changes and removes its registration (RFC 7592).

use std::sync::Arc;

use poem::Response;
use poem::http::{Method as HttpMethod, StatusCode, header};

use crate::error::Result as SiteResult;
use crate::oauth::http::endpoint::{Refusal, Result, json as json_response, read_client_metadata, respond_to};
use crate::oauth::protocol::client::registration::check_update;
use crate::oauth::protocol::serve::challenge::Challenge;
use crate::oauth::protocol::token::kind::{TokenKind, from_authorization};
use crate::oauth::protocol::{Error, ErrorCode};
use crate::oauth::registration::{information, read};
use crate::oauth::server::Server;
use crate::oauth::server::registrations::refuse_document;
use crate::oauth::views::oauth_client::{OAUTH_CLIENT, RegisteredBy};
use crate::oauth::views::{OAuthClient, OAuthSettings, oauth_client_metadata};
use crate::permissions::Session;
use crate::web::Exchange;

/// Answers GET, PUT and DELETE of `…register_client/<client id>`.
pub(crate) async fn manage(mut exchange: Exchange, server: Arc<Server>) -> SiteResult<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let result = answer(&mut exchange, &server, &settings).await;
    Ok(respond_to(&exchange, &settings, None, result))
}

async fn answer(exchange: &mut Exchange, server: &Server, settings: &OAuthSettings) -> Result<Response> {
    let (client, token) = authenticate(exchange).await?;
    match *exchange.verb() {
        HttpMethod::PUT => update(exchange, server, settings, &client, token).await,
        HttpMethod::DELETE => remove(exchange, &client).await,
        _ => {
            let documents = &exchange.site.documents;
            let document = documents.get(&Session::system(), OAUTH_CLIENT, &client.name).await?;
            Ok(json_response(StatusCode::OK, &information(documents.site_url(), &document, token)))
        }
    }
}

/// The client of the path, if the request carries its registration access token; and that token.
///
/// Unknown, removed and foreign clients get one answer (RFC 7592 §2.1).
async fn authenticate(exchange: &Exchange) -> Result<(Arc<OAuthClient>, String)> {
    let documents = &exchange.site.documents;
    let presented = exchange.header(header::AUTHORIZATION.as_str()).and_then(from_authorization);
    let Some((_, token)) = presented else {
        let error = Error::new(ErrorCode::InvalidToken, "Send the registration access token as a bearer token");
        return Err(Refusal::from(error).with_challenge(Challenge::without_token(None, None).to_string()));
    };
    let found = match TokenKind::recognise(token) {
        Some(TokenKind::RegistrationAccessToken) => {
            OAuthClient::find_by_name(documents, exchange.param("client_id")).await?
        }
        _ => None,
    };
    let is_own = |client: &Arc<OAuthClient>| {
        client.registered_by == RegisteredBy::DynamicRegistration
            && client.is_registration_access_token(documents.site_key(), token)
    };
    let Some(client) = found.filter(is_own) else {
        let error = Error::new(ErrorCode::InvalidToken, "The registration access token is not valid for this client");
        let challenge = Challenge::invalid_token(None, &error).to_string();
        return Err(Refusal::from(error).with_challenge(challenge));
    };
    if !client.enabled {
        let error = Error::new(ErrorCode::AccessDenied, "This client was disabled by an administrator");
        return Err(Refusal::from(error).with_status(StatusCode::FORBIDDEN));
    }
    Ok((client, token.to_owned()))
}

async fn update(
    exchange: &mut Exchange,
    server: &Server,
    settings: &OAuthSettings,
    client: &OAuthClient,
    token: String,
) -> Result<Response> {
    let request = read_client_metadata(&mut exchange.request).await?;
    let documents = &exchange.site.documents;
    let now = documents.clock().now();
    check_update(&request, &client.client_id, |secret| client.is_secret(documents.site_key(), secret, now))?;
    let mut metadata = read(exchange, server, settings, &request).await?;
    metadata.name_if_unnamed(&client.app_name);
    if client.scopes_are_decided() {
        metadata.scope = client.scopes.clone();
    }
    let mut work = documents.begin(&Session::system()).await?;
    let mut document = work.get_for_update(OAUTH_CLIENT, &client.name).await?;
    oauth_client_metadata::write(&metadata, &mut document);
    let saved = work.save(document).await.map_err(refuse_document)?;
    work.commit().await?;
    Ok(json_response(StatusCode::OK, &information(documents.site_url(), &saved, token)))
}

/// Removes the client; its tokens, codes and consents go along.
async fn remove(exchange: &Exchange, client: &OAuthClient) -> Result<Response> {
    exchange.site.documents.delete(&Session::system(), OAUTH_CLIENT, &client.name).await?;
    Ok(Response::builder().status(StatusCode::NO_CONTENT).header(header::CACHE_CONTROL, "no-store").finish())
}
