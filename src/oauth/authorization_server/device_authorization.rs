//! The device authorization endpoint: a device gets a code for itself and one to show (RFC 8628 §3.1).

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;

use super::client_authentication::authenticate;
use super::endpoint::{Result, json, read_form, respond_to};
use super::tokens::new_family;
use super::{DEVICE, Server};
use crate::error::{Error as SiteError, Result as SiteResult};
use crate::meta::Value;
use crate::oauth::credentials;
use crate::oauth::protocol::device::{DeviceAuthorizationResponse, INTERVAL, LIFETIME, UserCode};
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::token::TokenKind;
use crate::oauth::protocol::{Error, ErrorCode, ScopeSet, dpop};
use crate::oauth::scope_catalogue::ScopeCatalogue;
use crate::oauth::site_scopes::SiteScopes;
use crate::oauth::views::fields::{lines_value, text_value, time_value};
use crate::oauth::views::oauth_device_code::OAUTH_DEVICE_CODE;
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::permissions::Session;
use crate::web::Exchange;

/// How often a new user code is drawn if the one before is already waiting.
const DRAWS: usize = 5;

/// Answers `POST …device_authorization`.
pub async fn device_authorization(mut exchange: Exchange, server: Arc<Server>) -> SiteResult<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let mut client = None;
    let result = answer(&mut exchange, &server, &settings, &mut client).await;
    Ok(respond_to(&exchange, &settings, client.as_ref(), result.map(|codes| json(StatusCode::OK, &codes))))
}

async fn answer(
    exchange: &mut Exchange,
    server: &Server,
    settings: &OAuthSettings,
    known: &mut Option<OAuthClient>,
) -> Result<DeviceAuthorizationResponse> {
    let parameters = read_form(exchange).await?;
    let client = authenticate(exchange, server, &parameters).await?;
    *known = Some(client.clone());
    let now = exchange.site.documents.clock().now();
    server.device_codes.count(exchange.context.ip, settings.request_rate_limit, now)?;
    let resources = parameters.all("resource");
    let scope = parameters.get("scope");
    let asked = Asked::check(exchange, &server.catalogue, settings, &client, scope, resources).await?;
    open(exchange, &client, &asked, dpop::thumbprint(&parameters)?.as_deref()).await
}

/// What a device asks for, and may.
pub struct Asked {
    scopes: ScopeSet,
    resources: Vec<String>,
}

impl Asked {
    /// Checks what a client asks for.
    pub async fn check<'a>(
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
pub fn not_offered() -> Error {
    Error::new(ErrorCode::UnsupportedGrantType, "The device grant is not offered here")
}

/// Makes the codes and the document that stands for them; the tokens are to be bound to the key of `dpop_jkt`.
pub async fn open(
    exchange: &Exchange,
    client: &OAuthClient,
    asked: &Asked,
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
    let mut document = work.new_document(OAUTH_DEVICE_CODE)?;
    let values = [
        ("client", Value::from(client.name.as_str())),
        ("scopes", Value::from(asked.scopes.to_string())),
        ("resource", lines_value(&asked.resources)),
        ("status", Value::from("Pending")),
        ("expires_at", time_value(documents.clock().now() + LIFETIME)),
        ("interval", Value::from(i64::from(INTERVAL))),
        ("ip_address", Value::from(exchange.context.ip.to_string())),
        ("dpop_jkt", text_value(dpop_jkt)),
        ("family", Value::from(new_family())),
        ("device_code_digest", Value::from(credentials::digest(documents, &device_code))),
        ("user_code_digest", Value::from(user_code_digest)),
    ];
    for (fieldname, value) in values {
        document.set(fieldname, value);
    }
    work.insert(document).await?;
    work.commit().await?;
    let verification_uri = format!("{}{DEVICE}", documents.site_url());
    Ok(DeviceAuthorizationResponse::new(device_code, &user_code, &verification_uri))
}
