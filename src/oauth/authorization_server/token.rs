//! The token endpoint: authenticates the client, and hands the request to its grant.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use poem::Response;
use poem::http::StatusCode;

use super::Server;
use super::client_authentication::{authenticate, find_client};
use super::client_certificate;
use super::endpoint::{Result, json, read_form, respond_to};
use super::grant::{authorization_code, client_credentials, device_code, jwt_bearer, refresh_token, token_exchange};
use super::signed_tokens::Signing;
use crate::error::Result as SiteResult;
use crate::oauth::dpop;
use crate::oauth::protocol::request::TokenRequest;
use crate::oauth::protocol::token::TokenResponse;
use crate::oauth::protocol::{Error, ErrorCode};
use crate::oauth::site_scopes::SiteScopes;
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::permissions::UserAccess;
use crate::web::{Exchange, RequestContext, Site};

/// An authenticated client that asks for tokens, and what its grant needs to decide.
pub struct Asking {
    /// The server.
    pub server: Arc<Server>,
    /// The site.
    pub site: Site,
    /// The request.
    pub context: RequestContext,
    /// The settings in force.
    pub settings: OAuthSettings,
    /// Who asks.
    pub client: OAuthClient,
    /// When.
    pub now: DateTime<Utc>,
    /// What its tokens are signed with.
    pub signing: Signing,
    /// The thumbprint of the key of a verified DPoP proof.
    pub dpop_jkt: Option<String>,
    /// The thumbprint of the certificate that came with the request.
    pub certificate: Option<String>,
}

impl Asking {
    /// Fails unless the user may still log in and use the client.
    pub async fn check_user(&self, user: &str) -> Result<Arc<UserAccess>> {
        self.admitted(user).await?.ok_or_else(|| {
            Error::invalid_grant("The account behind this grant may not use this client any more").into()
        })
    }

    /// The scopes of the site.
    pub async fn scopes(&self) -> SiteResult<SiteScopes<'_>> {
        SiteScopes::now(&self.site, &self.server.catalogue, &self.settings).await
    }

    /// The user, if they may still log in and use the client.
    pub async fn admitted(&self, user: &str) -> SiteResult<Option<Arc<UserAccess>>> {
        Ok(self.site.documents.access(user).await?.filter(|access| self.client.admits(access)))
    }
}

/// Answers `POST …get_token`.
pub async fn get_token(mut exchange: Exchange, server: Arc<Server>) -> SiteResult<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let mut client = None;
    let result = answer(&mut exchange, &server, &settings, &mut client).await;
    let result = result.map(|tokens| json(StatusCode::OK, &tokens));
    let mut response = respond_to(&exchange, &settings, client.as_ref(), result);
    dpop::offer_nonce(&exchange.site.documents, &settings, &mut response);
    Ok(response)
}

async fn answer(
    exchange: &mut Exchange,
    server: &Arc<Server>,
    settings: &OAuthSettings,
    known: &mut Option<OAuthClient>,
) -> Result<TokenResponse> {
    let parameters = read_form(exchange).await?;
    if let Some(client_id) = parameters.get("client_id") {
        *known = find_client(exchange, server, client_id).await?;
    }
    let client = authenticate(exchange, server, &parameters).await?;
    *known = Some(client.clone());
    let request = TokenRequest::parse(&parameters)?;
    if !settings.offers(request.grant_type()) {
        let message = format!("The grant {} is not offered here", request.grant_type().as_str());
        return Err(Error::new(ErrorCode::UnsupportedGrantType, message).into());
    }
    if !client.may_use(request.grant_type()) {
        let message = format!("This client may not use the grant {}", request.grant_type().as_str());
        return Err(Error::new(ErrorCode::UnauthorizedClient, message).into());
    }
    let documents = &exchange.site.documents;
    let proof = dpop::prove(documents, settings, &exchange.request).await??;
    if proof.is_none() && client.require_dpop {
        let message = "This client must prove that it holds its key: send the header DPoP (RFC 9449)";
        return Err(Error::new(ErrorCode::InvalidDpopProof, message).into());
    }
    let certificate = certificate(exchange, &client)?;
    let now = exchange.site.documents.clock().now();
    let signing = Signing::of(&server.keys, &exchange.site.documents, settings, &client, now).await?;
    let asking = Asking {
        server: Arc::clone(server),
        site: exchange.site.clone(),
        context: exchange.context.clone(),
        settings: settings.clone(),
        client,
        now,
        signing,
        dpop_jkt: proof.map(|proof| proof.jkt),
        certificate,
    };
    match request {
        TokenRequest::AuthorizationCode { code, redirect_uri, code_verifier, resource } => {
            let sent = authorization_code::Sent { code, redirect_uri, code_verifier, resource };
            authorization_code::exchange(&asking, &sent).await
        }
        TokenRequest::RefreshToken { refresh_token, scope, resource } => {
            refresh_token::exchange(&asking, &refresh_token, scope.as_deref(), &resource).await
        }
        TokenRequest::ClientCredentials { scope, resource } => {
            client_credentials::exchange(&asking, scope.as_deref(), &resource).await
        }
        TokenRequest::DeviceCode { device_code } => device_code::exchange(&asking, &device_code).await,
        TokenRequest::TokenExchange(sent) => token_exchange::exchange(&asking, &sent).await,
        TokenRequest::JwtBearer { assertion, scope, resource } => {
            // On the heap: the others do not need the space of an outgoing request.
            Box::pin(jwt_bearer::exchange(&asking, &assertion, scope.as_deref(), &resource)).await
        }
    }
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
