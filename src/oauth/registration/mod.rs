//! Dynamic client registration (RFC 7591): a client introduces itself and gets a client id.

pub(crate) mod client_configuration;
pub(crate) mod metadata_document;
pub(crate) mod oauth_client;
pub(crate) mod oauth_client_checks;
pub(crate) mod unused_clients;

use std::sync::Arc;

use poem::Response;
use poem::http::{StatusCode, header};
use serde_json::Value as Json;
use url::Url;

use crate::config::Config;
use crate::config::client_certificates::CertificateCheck;
use crate::document::view::parse_time;
use crate::error::Result as SiteResult;
use crate::meta::{Document, Value};
use crate::oauth::client::Providers;
use crate::oauth::credentials;
use crate::oauth::http::endpoint::{Refusal, Result, json as json_response, read_client_metadata, respond_to};
use crate::oauth::protocol::client::client_name::UNNAMED;
use crate::oauth::protocol::client::registration::{ClientInformation, ClientMetadata, RegistrationPolicy};
use crate::oauth::protocol::serve::challenge::Challenge;
use crate::oauth::protocol::serve::scope_offer::Ceiling;
use crate::oauth::protocol::token::kind::{TokenKind, from_authorization};
use crate::oauth::protocol::{Error, ErrorCode};
use crate::oauth::scopes::site_scopes::SiteScopes;
use crate::oauth::server::registrations::NewClient;
use crate::oauth::server::{REGISTER_CLIENT, Server};
use crate::oauth::views::oauth_client::OAUTH_CLIENT;
use crate::oauth::views::oauth_settings::{OAUTH_SETTINGS, Registration};
use crate::oauth::views::{OAuthSettings, oauth_client_metadata};
use crate::permissions::Session;
use crate::secret;
use crate::web::Plugins;
use crate::web::attempts::Subject;
use crate::web::{Exchange, LoginSettings};

/// Registers the controller of OAuth Client, and what its documents need at the start.
pub(crate) fn register(plugins: &mut Plugins, config: &Config, providers: &Arc<Providers>) {
    let client = oauth_client::OAuthClientController {
        providers: Arc::clone(providers),
        certificates: config.certificate_check(),
    };
    plugins.controller(OAUTH_CLIENT, client);
    plugins.sealed.extend(crate::oauth::views::client_secret::SEALED);
    plugins.at_start(async |site| {
        let digested = oauth_client::digest_plain_secrets(&site.documents).await?;
        if digested > 0 {
            tracing::info!(digested, "client secrets in the clear were replaced by their digests");
        }
        Ok(())
    });
}

/// Answers `POST …register_client`.
pub(crate) async fn register_client(mut exchange: Exchange, server: Arc<Server>) -> SiteResult<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let result = answer(&mut exchange, &server, &settings).await;
    let created = result.map(|information| json_response(StatusCode::CREATED, &information));
    Ok(respond_to(&exchange, &settings, None, created))
}

async fn answer(exchange: &mut Exchange, server: &Server, settings: &OAuthSettings) -> Result<ClientInformation> {
    match settings.registration {
        Registration::InitialAccessToken => check_initial_access_token(exchange).await?,
        Registration::Open | Registration::Off => {}
    }
    let request = read_client_metadata(&mut exchange.request).await?;
    let mut metadata = read(exchange, server, settings, &request).await?;
    metadata.name_if_unnamed(UNNAMED);
    server.registrations.count(exchange, settings).await?;
    let documents = &exchange.site.documents;
    let token = TokenKind::RegistrationAccessToken.generate();
    let new = NewClient {
        metadata: &metadata,
        registered_by: "Dynamic Registration",
        values: vec![("registration_access_token", Value::from(credentials::digest(documents, &token)))],
    };
    let saved = server.registrations.store(exchange, settings, new).await?;
    Ok(information(documents.site_url(), &saved, token))
}

/// Reads and checks metadata by the rules of the site.
pub(crate) async fn read(
    exchange: &Exchange,
    server: &Server,
    settings: &OAuthSettings,
    request: &Json,
) -> Result<ClientMetadata> {
    let terms = Terms::of(exchange, server, settings).await?;
    Ok(ClientMetadata::parse(request, &terms.policy())?)
}

/// What a client may say of itself here, and what that goes by.
pub(crate) struct Terms<'s> {
    settings: &'s OAuthSettings,
    certificates: Option<CertificateCheck>,
    scopes: SiteScopes<'s>,
    offered: Ceiling,
    /// How people know the site: no client may take such a name.
    site_names: Vec<String>,
}

impl<'s> Terms<'s> {
    /// Those of this moment.
    pub(crate) async fn of(exchange: &Exchange, server: &Server, settings: &'s OAuthSettings) -> SiteResult<Self> {
        let (site, documents) = (&exchange.site, &exchange.site.documents);
        let scopes = SiteScopes::now(site, &server.catalogue, settings).await?;
        let host = Url::parse(documents.site_url()).ok().and_then(|url| url.host_str().map(str::to_owned));
        let app_name = LoginSettings::load(documents).await?.app_name;
        let site_names = settings.resource_name.iter().cloned().chain(host).chain([app_name]).collect();
        let certificates = site.config.certificate_check();
        Ok(Self { settings, certificates, offered: scopes.offered(), scopes, site_names })
    }

    /// The rules by which metadata is read.
    pub(crate) fn policy(&self) -> RegistrationPolicy<'_> {
        RegistrationPolicy {
            default_scopes: &self.settings.default_scopes,
            ceiling: &self.offered,
            known_scopes: &self.scopes,
            is_for_all_servers: false,
            site_names: &self.site_names,
            allow_hs256: self.settings.allow_hs256,
            redirect_schemes: &self.settings.private_use_redirect_schemes,
            allow_device_code: self.settings.device_grant,
            certificates: self.certificates,
        }
    }
}

/// What the client is told of its client. A secret is in it if this very save made one.
pub(crate) fn information(site_url: &str, saved: &Document, registration_access_token: String) -> ClientInformation {
    let client_secret =
        saved.revealed.iter().find(|(name, _)| *name == "client_secret").map(|(_, secret)| secret.clone());
    let client_id = saved.name();
    ClientInformation {
        client_id_issued_at: parse_time(saved.text("client_id_issued_at")).map_or(0, |at| at.timestamp()),
        client_secret_expires_at: client_secret.is_some().then_some(0),
        client_secret,
        registration_access_token: Some(registration_access_token),
        registration_client_uri: Some(format!("{site_url}{REGISTER_CLIENT}/{client_id}")),
        client_id,
        metadata: oauth_client_metadata::read(saved),
    }
}

/// Fails unless the request carries the token that OAuth Settings asks for. Who guesses is locked out.
async fn check_initial_access_token(exchange: &Exchange) -> Result<()> {
    let (site, context) = (&exchange.site, &exchange.context);
    let presented = exchange.header(header::AUTHORIZATION.as_str()).and_then(from_authorization);
    let Some((_, presented)) = presented else {
        let error = Error::new(ErrorCode::InvalidToken, "Registering here takes an initial access token");
        return Err(Refusal::from(error).with_challenge(Challenge::without_token(None, None).to_string()));
    };
    let subject = Subject::Client(format!("registration {}", context.ip));
    let attempt = site.attempts.begin(&site.documents, vec![subject]).await?;
    let mut work = site.documents.begin(&Session::system()).await?;
    let expected = work.get_password(OAUTH_SETTINGS, OAUTH_SETTINGS, "initial_access_token").await?;
    drop(work);
    if expected.is_some_and(|expected| !expected.is_empty() && secret::constant_time_eq(&expected, presented)) {
        attempt.succeeded(&site.documents).await?;
        return Ok(());
    }
    attempt.failed(&site.documents, context, "Client Authentication Failed").await?;
    let error = Error::new(ErrorCode::InvalidToken, "This is not the initial access token of this site");
    let challenge = Challenge::invalid_token(None, &error).to_string();
    Err(Refusal::from(error).with_challenge(challenge))
}
