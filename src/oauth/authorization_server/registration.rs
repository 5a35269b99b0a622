//! Dynamic client registration (RFC 7591): a program introduces itself and gets a client id.

use std::sync::Arc;

use poem::Response;
use poem::http::{StatusCode, header};
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;
use url::Url;

use crate::clock::format_datetime;
use crate::config::client_certificates::CertificateCheck;
use crate::document::{ListRequest, Work};
use crate::error::{Error as SiteError, Result as SiteResult};
use crate::meta::{Document, Value};
use crate::oauth::authorization_server::endpoint::{
    Refusal, Result, json as json_response, read_client_metadata, respond_to,
};
use crate::oauth::authorization_server::interaction::pending;
use crate::oauth::authorization_server::rate_limit::{RateLimit, subscriber};
use crate::oauth::authorization_server::{REGISTER_CLIENT, Server};
use crate::oauth::credentials;
use crate::oauth::protocol::challenge::Challenge;
use crate::oauth::protocol::client_name::UNNAMED;
use crate::oauth::protocol::registration::{ClientInformation, ClientMetadata, RegistrationPolicy, new_client_id};
use crate::oauth::protocol::scope_offer::Ceiling;
use crate::oauth::protocol::token::{TokenKind, from_authorization};
use crate::oauth::protocol::{Error, ErrorCode};
use crate::oauth::site_scopes::SiteScopes;
use crate::oauth::views::fields::parse_time;
use crate::oauth::views::oauth_client::OAUTH_CLIENT;
use crate::oauth::views::oauth_settings::{OAUTH_SETTINGS, Registration};
use crate::oauth::views::{OAuthSettings, oauth_client_metadata};
use crate::permissions::Session;
use crate::secret;
use crate::web::attempts::Subject;
use crate::web::{Exchange, LoginSettings, SecurityEvent, Severity};

/// Keeps the number of clients that came by themselves within bounds.
#[derive(Default)]
pub(crate) struct Registrations {
    limit: RateLimit,
    gate: Mutex<()>,
}

impl Registrations {
    /// Counts one more for the sender's address; `RateLimited` if there were too many within a minute.
    pub(crate) fn count(&self, exchange: &Exchange, settings: &OAuthSettings) -> SiteResult<()> {
        let now = exchange.site.documents.clock().now();
        self.limit.count(exchange.context.ip, settings.registration_rate_limit, now)
    }

    /// Stores a client that came by itself, unless there are too many already. One at a time, so that the number holds.
    pub(crate) async fn store(
        &self,
        exchange: &Exchange,
        settings: &OAuthSettings,
        new: NewClient<'_>,
    ) -> Result<Document> {
        let _turn = self.gate.lock().await;
        let mut work = exchange.site.documents.begin(&Session::system()).await?;
        let address = subscriber(exchange.context.ip).to_string();
        let came_by_itself = json!(["registered_by", "!=", "Administrator"]);
        for (most, filters) in [
            (settings.max_clients_per_address, json!([came_by_itself, ["registered_from", "=", address]])),
            (settings.max_registered_clients, json!([came_by_itself])),
        ] {
            make_room(&mut work, most, filters).await?;
        }
        let mut document = work.new_document(OAUTH_CLIENT)?;
        oauth_client_metadata::write(new.metadata, &mut document);
        document.set("registered_by", new.registered_by);
        document.set("registered_from", address);
        for (fieldname, value) in new.values {
            document.set(fieldname, value);
        }
        document.set_name(new_client_id());
        let saved = work.insert(document).await.map_err(refuse_document)?;
        SecurityEvent::new("Client Registered", Severity::Info)
            .client(saved.text("client_id"))
            .during(&exchange.context)
            .details(json!({
                "app_name": saved.text("app_name"),
                "registered_by": new.registered_by,
                "redirect_uris": saved.text("redirect_uris"),
            }))
            .record_in(&mut work)
            .await?;
        work.commit().await?;
        Ok(saved)
    }
}

/// Makes room for one more among the clients of these filters, `most` of which there may be; 0: any number. The oldest
/// one that nobody ever used gives way, unless a person may just be answering it.
async fn make_room(work: &mut Work<'_>, most: i64, filters: Json) -> Result<()> {
    let count = work.count(&ListRequest::new(OAUTH_CLIENT).filters(filters.clone())).await?;
    if most <= 0 || i64::try_from(count).unwrap_or(i64::MAX) < most {
        return Ok(());
    }
    let before = format_datetime(work.documents.clock().now_naive() - pending::LIFETIME);
    let mut unused = filters.as_array().cloned().unwrap_or_default();
    unused.extend([
        json!(["last_used", "is", "not set"]),
        json!(["trusted", "=", 0]),
        json!(["client_id_issued_at", "<", before]),
    ]);
    let mut oldest = ListRequest::new(OAUTH_CLIENT).filters(Json::Array(unused)).order_by("creation asc");
    oldest.limit = Some(1);
    let list = work.list(&oldest).await?;
    if list.rows.is_empty() {
        tracing::warn!(count, "no more clients may register: see Dynamic Client Registration in OAuth Settings");
        let message = "This site has as many registered applications as it allows: ask its administrator";
        let error = Error::new(ErrorCode::TemporarilyUnavailable, message);
        return Err(Refusal::from(error).with_status(StatusCode::FORBIDDEN));
    }
    let name = list.text(0, "name").to_owned();
    Ok(work.delete(OAUTH_CLIENT, &name).await?)
}

/// A client that came by itself.
pub(crate) struct NewClient<'m> {
    /// What it says of itself.
    pub metadata: &'m ClientMetadata,
    /// How it came: an option of the field.
    pub registered_by: &'static str,
    /// What else is stored.
    pub values: Vec<(&'static str, Value)>,
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
    server.registrations.count(exchange, settings)?;
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

/// What a program may say of itself here, and what that goes by.
pub(crate) struct Terms<'s> {
    settings: &'s OAuthSettings,
    certificates: Option<CertificateCheck>,
    scopes: SiteScopes<'s>,
    offered: Ceiling,
    /// How people know the site: no program may take such a name.
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
        let certificates = site.config.client_certificates.as_ref().map(|certificates| certificates.check);
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

/// What the program is told of its client. A secret is in it if this very save made one.
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

/// Problems of the document are problems of the metadata that it was made from.
pub(crate) fn refuse_document(error: SiteError) -> Refusal {
    let SiteError::Validation(invalid) = error else { return error.into() };
    let is_redirect = |field: &str| matches!(field, "default_redirect_uri" | "redirect_uris");
    let code = if invalid.problems.iter().any(|problem| problem.field.as_deref().is_some_and(is_redirect)) {
        ErrorCode::InvalidRedirectUri
    } else {
        ErrorCode::InvalidClientMetadata
    };
    Error::new(code, invalid.to_string().replace('\n', "; ")).into()
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
