//! Clients whose id is the address of a page about them: the page is fetched, checked, and kept as an OAuth Client.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use poem::http::header::{ACCEPT, CACHE_CONTROL};
use poem::http::{Method, StatusCode};
use serde_json::json;

use crate::document::Documents;
use crate::document::view::time_value;
use crate::error::Result as SiteResult;
use crate::oauth::protocol::Error;
use crate::oauth::protocol::client::cimd;
use crate::oauth::protocol::client::cimd::ClientIdUrl;
use crate::oauth::protocol::client::registration::{ClientMetadata, RegistrationPolicy};
use crate::oauth::registration::Terms;
use crate::oauth::server::Server;
use crate::oauth::server::metadata_documents::{Failure, Unused};
use crate::oauth::server::registrations::NewClient;
use crate::oauth::views::oauth_client::{OAUTH_CLIENT, RegisteredBy};
use crate::oauth::views::{OAuthClient, OAuthSettings, oauth_client_metadata};
use crate::outgoing::OutgoingError;
use crate::permissions::Session;
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::web::{Exchange, SecurityEvent, Severity};

/// For how long a document is still used whose server cannot be reached: an outage there signs nobody out here.
const STALE: Duration = Duration::hours(24);
/// The error for the person in front of the browser: whoever manages the site reads the reason.
pub(crate) fn explain(session: &Session, error: Error) -> Error {
    match error.cause().and_then(|cause| cause.downcast_ref()) {
        Some(Unused(reason)) if session.has_role(ROLE_SYSTEM_MANAGER) => Error::new(error.code(), reason.clone()),
        _ => error,
    }
}

/// The client that an address describes, or why there is none, in words for strangers; see [`explain`].
pub(crate) async fn find(
    exchange: &Exchange,
    server: &Server,
    client_id: &str,
) -> SiteResult<std::result::Result<Arc<OAuthClient>, Error>> {
    let documents = &exchange.site.documents;
    let settings = OAuthSettings::load(documents).await?;
    if let Err(error) = settings.check_metadata_document(client_id) {
        return Ok(Err(error));
    }
    let url = match ClientIdUrl::parse(client_id) {
        Ok(url) => url,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(answer) = known(documents, server, &url).await? {
        return Ok(answer);
    }
    let gate = server.metadata_documents.gates.get_with(url.as_str().to_owned(), Arc::default);
    let _turn = gate.lock().await;
    // Whoever was first has found it, or failed, meanwhile.
    if let Some(answer) = known(documents, server, &url).await? {
        return Ok(answer);
    }
    let before = OAuthClient::find(documents, client_id).await?;
    if before.is_none() {
        // Each address that nobody has heard of costs a request and a document.
        server.registrations.count(exchange, &settings).await?;
    }
    match fetch(exchange, server, &settings, &url).await? {
        Ok((metadata, expires_at)) => match before {
            Some(before) => renew(documents, before, metadata, expires_at).await.map(Ok),
            None => store(exchange, server, &settings, &url, &metadata, expires_at).await,
        },
        Err(failure) => {
            tracing::info!(client_id, reason = failure.reason, "a client metadata document is not used");
            let failure = Arc::new(failure);
            server.metadata_documents.failures.insert(url.as_str().to_owned(), Arc::clone(&failure));
            let answer = after_failure(before, &failure, documents.clock().now());
            if answer.is_err() {
                SecurityEvent::new("Client Metadata Refused", Severity::Info)
                    .client(client_id)
                    .during(&exchange.context)
                    .details(json!({"reason": failure.reason}))
                    .record(documents)
                    .await;
            }
            Ok(answer)
        }
    }
}

/// What is known without a request: a document that has not expired, or that fetching it failed a moment ago.
async fn known(
    documents: &Documents,
    server: &Server,
    url: &ClientIdUrl,
) -> SiteResult<Option<std::result::Result<Arc<OAuthClient>, Error>>> {
    let now = documents.clock().now();
    let client = OAuthClient::find(documents, url.as_str()).await?;
    if let Some(client) = &client
        && (!client.enabled
            || client.registered_by != RegisteredBy::MetadataDocument
            || client.metadata_expires_at.is_some_and(|at| at > now))
    {
        return Ok(Some(Ok(client.clone())));
    }
    let failure = server.metadata_documents.failures.get(url.as_str()).filter(|failure| failure.until > now);
    Ok(failure.map(|failure| after_failure(client, &failure, now)))
}

fn after_failure(
    client: Option<Arc<OAuthClient>>,
    failure: &Failure,
    now: DateTime<Utc>,
) -> std::result::Result<Arc<OAuthClient>, Error> {
    let is_usable = |client: &Arc<OAuthClient>| {
        failure.is_temporary && client.metadata_expires_at.is_some_and(|expired_at| now < expired_at + STALE)
    };
    client.filter(is_usable).ok_or_else(|| failure.error())
}

type Fetched = std::result::Result<(ClientMetadata, DateTime<Utc>), Failure>;

/// Fetches and checks a document; says until when it holds.
async fn fetch(
    exchange: &Exchange,
    server: &Server,
    settings: &OAuthSettings,
    url: &ClientIdUrl,
) -> SiteResult<Fetched> {
    let documents = &exchange.site.documents;
    let now = documents.clock().now();
    let read = async {
        let answer = server
            .providers
            .outgoing
            .send(documents, Method::GET, url.as_str(), cimd::TIMEOUT, |get| get.header(ACCEPT, "application/json"))
            .await?;
        let (host, status) = (answer.host.clone(), answer.status);
        if status.is_redirection() {
            return Err(OutgoingError::Redirect(host));
        }
        if status != StatusCode::OK {
            return Err(OutgoingError::Status { host, status: status.as_u16() });
        }
        let lifetime = cimd::cache_lifetime(answer.headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()));
        Ok((answer.read(cimd::MAX_BYTES).await?, lifetime))
    };
    let (body, lifetime) = match read.await {
        Ok(read) => read,
        Err(error) => {
            let may_pass = error.is_temporary() || matches!(error, OutgoingError::UnknownHost(_));
            return Ok(Err(Failure::out_of_reach(url.as_str(), &error.to_string(), may_pass, now)));
        }
    };
    let document = match url.read_document(&body) {
        Ok(document) => document,
        Err(error) => return Ok(Err(Failure::out_of_reach(url.as_str(), error.description(), false, now))),
    };
    let terms = Terms::of(exchange, server, settings).await?;
    let checked = url.check_document(document, &RegistrationPolicy { is_for_all_servers: true, ..terms.policy() });
    Ok(checked
        .map(|metadata| (metadata, now + lifetime))
        .map_err(|error| Failure::mistaken(url.as_str(), error.description(), now)))
}

/// Keeps a client that nobody had heard of.
async fn store(
    exchange: &Exchange,
    server: &Server,
    settings: &OAuthSettings,
    url: &ClientIdUrl,
    metadata: &ClientMetadata,
    expires_at: DateTime<Utc>,
) -> SiteResult<std::result::Result<Arc<OAuthClient>, Error>> {
    let values = vec![("client_id", url.as_str().into()), ("metadata_expires_at", time_value(expires_at))];
    let new = NewClient { metadata, registered_by: "Metadata Document", values };
    match server.registrations.store(exchange, settings, new).await {
        Ok(saved) => Ok(Ok(Arc::new(OAuthClient::from(&saved)))),
        // Another node may have been first.
        Err(refusal) => match OAuthClient::find(&exchange.site.documents, url.as_str()).await? {
            Some(found) => Ok(Ok(found)),
            None => Ok(Err(refusal.into_error())),
        },
    }
}

/// Keeps what a known client says of itself now, but for scopes that an administrator chose.
async fn renew(
    documents: &Documents,
    before: Arc<OAuthClient>,
    mut metadata: ClientMetadata,
    expires_at: DateTime<Utc>,
) -> SiteResult<Arc<OAuthClient>> {
    let mut work = documents.begin(&Session::system()).await?;
    let mut document = work.get_for_update(OAUTH_CLIENT, &before.name).await?;
    if before.scopes_are_decided() {
        metadata.scope = before.scopes.clone();
    }
    document.set("metadata_expires_at", time_value(expires_at));
    let stored = oauth_client_metadata::read(&document);
    oauth_client_metadata::write(&metadata, &mut document);
    // A document that says what it said before leaves no trace but the new time.
    if oauth_client_metadata::read(&document) == stored {
        work.set_values(OAUTH_CLIENT, &before.name, &[("metadata_expires_at", time_value(expires_at))]).await?;
    } else {
        document = work.save(document).await?;
    }
    work.commit().await?;
    Ok(Arc::new(OAuthClient::from(&document)))
}
