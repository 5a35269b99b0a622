//! The device authorization endpoint: a device gets a code for itself and one to show (RFC 8628 §3.1).

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;

use crate::document::view::View as _;
use crate::error::{Error as SiteError, Result as SiteResult};
use crate::oauth::client_authentication::ClientCall;
use crate::oauth::credentials;
use crate::oauth::http::endpoint::{Result, json, respond_to};
use crate::oauth::protocol::authorize::device::DeviceStatus;
use crate::oauth::protocol::authorize::device::{DeviceAuthorizationResponse, INTERVAL, LIFETIME, UserCode};
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::token::dpop;
use crate::oauth::protocol::token::kind::TokenKind;
use crate::oauth::protocol::{Error, ErrorCode, Parameters, ScopeSet};
use crate::oauth::scopes::scope_catalogue::ScopeCatalogue;
use crate::oauth::scopes::site_scopes::SiteScopes;
use crate::oauth::server::{DEVICE, Server};
use crate::oauth::token::grant::new_tokens::new_family;
use crate::oauth::views::oauth_device_code::DeviceCode;
use crate::oauth::views::oauth_device_code::OAUTH_DEVICE_CODE;
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::permissions::Session;
use crate::web::Exchange;

/// How often a new user code is drawn if the one before is already waiting.
const DRAWS: usize = 5;

/// Answers `POST …device_authorization`.
pub(crate) async fn device_authorization(mut exchange: Exchange, server: Arc<Server>) -> SiteResult<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let ClientCall { client, request } = ClientCall::of(&mut exchange, &server).await;
    let result = match request {
        Ok((client, parameters)) => answer(&exchange, &server, &settings, &client, &parameters).await,
        Err(refusal) => Err(refusal),
    };
    Ok(respond_to(&exchange, &settings, client.as_deref(), result.map(|codes| json(StatusCode::OK, &codes))))
}

async fn answer(
    exchange: &Exchange,
    server: &Server,
    settings: &OAuthSettings,
    client: &OAuthClient,
    parameters: &Parameters,
) -> Result<DeviceAuthorizationResponse> {
    server
        .device_codes
        .count_at_all_nodes(&exchange.site.documents, exchange.context.ip, settings.request_rate_limit)
        .await?;
    let resources = parameters.all("resource");
    let scope = parameters.get("scope");
    let request = DeviceRequest::check(exchange, &server.catalogue, settings, client, scope, resources).await?;
    issue_codes(exchange, client, &request, dpop::thumbprint(parameters)?.as_deref()).await
}

/// What a device asks for, and may.
pub(crate) struct DeviceRequest {
    scopes: ScopeSet,
    resources: Vec<String>,
}

impl DeviceRequest {
    /// Checks what a client asks for.
    pub(crate) async fn check<'a>(
        exchange: &Exchange,
        catalogue: &ScopeCatalogue,
        settings: &OAuthSettings,
        client: &OAuthClient,
        scope: Option<&str>,
        resources: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        if !settings.device_grant {
            return Err(not_offered().into());
        }
        if !client.may_use(GrantType::DeviceCode) {
            let message = "This client may not use the device grant: Allow Device Code in the OAuth Client";
            return Err(Error::new(ErrorCode::UnauthorizedClient, message).into());
        }
        let known = SiteScopes::now(&exchange.site, catalogue, settings).await?;
        let scopes = ScopeSet::grantable(scope, &known.ceiling(client), &settings.default_scopes, &known)?;
        let known = settings.resources(exchange.site.documents.site_url());
        Ok(Self { scopes, resources: known.check(resources)? })
    }
}

/// The error where the settings switch the grant off.
pub(crate) fn not_offered() -> Error {
    Error::new(ErrorCode::UnsupportedGrantType, "The device grant is not offered here")
}

/// Makes the codes and the document that stands for them; the tokens are to be bound to the key of `dpop_jkt`.
pub(crate) async fn issue_codes(
    exchange: &Exchange,
    client: &OAuthClient,
    request: &DeviceRequest,
    dpop_jkt: Option<&str>,
) -> Result<DeviceAuthorizationResponse> {
    let documents = &exchange.site.documents;
    let mut work = documents.begin(&Session::system()).await?;
    let mut free = None;
    for _ in 0..DRAWS {
        let drawn = UserCode::generate();
        let digest = credentials::digest(documents, drawn.as_str());
        if work.find_by(OAUTH_DEVICE_CODE, "user_code_digest", &digest).await?.is_none() {
            free = Some((drawn, digest));
            break;
        }
    }
    let (user_code, user_code_digest) = free
        .ok_or_else(|| SiteError::Unavailable("Too many devices are waiting: try again in a few minutes".to_owned()))?;
    let device_code = TokenKind::DeviceCode.generate();
    let stored = DeviceCode {
        client: client.name.clone(),
        scopes: request.scopes.clone(),
        resources: request.resources.clone(),
        status: DeviceStatus::Pending,
        expires_at: documents.clock().now() + LIFETIME,
        interval: INTERVAL.into(),
        ip_address: Some(exchange.context.ip.to_string()),
        dpop_jkt: dpop_jkt.map(str::to_owned),
        family: new_family(),
        device_digest: credentials::digest(documents, &device_code),
        user_digest: user_code_digest,
        ..DeviceCode::default()
    };
    let document = stored.new_document(&work)?;
    work.insert(document).await?;
    work.commit().await?;
    let verification_uri = format!("{}{DEVICE}", documents.site_url());
    Ok(DeviceAuthorizationResponse::new(device_code, &user_code, &verification_uri))
}
