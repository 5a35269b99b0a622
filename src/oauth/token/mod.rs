//! The token endpoint: authenticates the client, and hands the request to its grant.

pub(crate) mod grant;
pub(crate) mod introspect;
pub(crate) mod oauth_bearer_token;
pub(crate) mod oauth_grant;
pub(crate) mod revoke;
pub(crate) mod signed_tokens;
pub(crate) mod userinfo;

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;

use crate::error::Result as SiteResult;
use crate::oauth::client_authentication::ClientCall;
use crate::oauth::client_authentication::client_certificate;
use crate::oauth::http::endpoint::{Result, json, respond_to};
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::token::kind::TokenResponse;
use crate::oauth::protocol::{Error, ErrorCode, Parameters};
use crate::oauth::resource::dpop;
use crate::oauth::server::Server;
use crate::oauth::token::grant::context::TokenContext;
use crate::oauth::views::oauth_bearer_token::OAUTH_BEARER_TOKEN;
use crate::oauth::views::oauth_grant::OAUTH_GRANT;
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::web::Exchange;
use crate::web::Plugins;

/// Registers the controllers of what is issued.
pub(crate) fn register(plugins: &mut Plugins) {
    plugins.controller(OAUTH_BEARER_TOKEN, oauth_bearer_token::BearerTokenController);
    plugins.controller(OAUTH_GRANT, oauth_grant::GrantController);
    plugins.sealed.push(grant::issue::SEALED);
}

/// Answers `POST …get_token`.
pub(crate) async fn get_token(mut exchange: Exchange, server: Arc<Server>) -> SiteResult<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let ClientCall { client, request } = ClientCall::of(&mut exchange, &server).await;
    let result = match request {
        Ok((client, parameters)) => answer(&exchange, &server, &settings, client, &parameters).await,
        Err(refusal) => Err(refusal),
    };
    let result = result.map(|tokens| json(StatusCode::OK, &tokens));
    let mut response = respond_to(&exchange, &settings, client.as_deref(), result);
    dpop::offer_nonce(&exchange.site.documents, &settings, &mut response);
    Ok(response)
}

async fn answer(
    exchange: &Exchange,
    server: &Arc<Server>,
    settings: &Arc<OAuthSettings>,
    client: Arc<OAuthClient>,
    parameters: &Parameters,
) -> Result<TokenResponse> {
    let grant_type = GrantType::of(parameters)?;
    if !settings.offers(grant_type) {
        let message = format!("The grant {} is not offered here", grant_type.as_str());
        return Err(Error::new(ErrorCode::UnsupportedGrantType, message).into());
    }
    if !client.may_use(grant_type) {
        let message = format!("This client may not use the grant {}", grant_type.as_str());
        return Err(Error::new(ErrorCode::UnauthorizedClient, message).into());
    }
    let proof = dpop::prove(&exchange.site.documents, settings, &exchange.request).await??;
    if proof.is_none() && client.require_dpop {
        let message = "This client must prove that it holds its key: send the header DPoP (RFC 9449)";
        return Err(Error::new(ErrorCode::InvalidDpopProof, message).into());
    }
    let certificate = certificate(exchange, &client)?;
    let context = TokenContext {
        dpop_jkt: proof.map(|proof| proof.jkt),
        certificate,
        ..TokenContext::new(exchange, server, Arc::clone(settings), client).await?
    };
    grant::tokens(&context, grant_type, parameters).await
}

/// The thumbprint of the certificate of the request, which a client whose tokens are bound to it must have.
fn certificate(exchange: &Exchange, client: &OAuthClient) -> Result<Option<String>> {
    let invalid = |text: String| Error::invalid_request(text);
    match client_certificate::presented(exchange) {
        Ok(Some(certificate)) => Ok(Some(certificate.thumbprint())),
        // Of no interest to a client that needs none.
        Ok(None) | Err(_) if !client.require_certificate => Ok(None),
        Ok(None) => {
            let text = "The tokens of this client are bound to its certificate: connect with one (RFC 8705)";
            Err(invalid(text.to_owned()).into())
        }
        Err(error) => {
            Err(invalid(format!("The tokens of this client are bound to its certificate, but {error}")).into())
        }
    }
}
