//! Pushed authorization requests: a client hands its request in directly, and the browser carries a reference (RFC 9126).

use std::sync::Arc;

use chrono::Duration;
use poem::Response;
use poem::http::StatusCode;

use crate::document::Documents;
use crate::error::{Error as SiteError, Result as SiteResult};
use crate::oauth::authorization::interaction::pending::NewRequest;
use crate::oauth::authorization::request_object;
use crate::oauth::client_authentication::ClientCall;
use crate::oauth::credentials;
use crate::oauth::http::endpoint::{Result, json, respond_to};
use crate::oauth::protocol::authorize::authorization_request::{AuthorizationRequest, RequestOrigin};
use crate::oauth::protocol::authorize::par::{LIFETIME, PushedResponse, RequestUri, check_pushed};
use crate::oauth::protocol::token::dpop::bound_key;
use crate::oauth::protocol::{AuthorizeError, Parameters};
use crate::oauth::resource::dpop;
use crate::oauth::scopes::site_scopes::SiteScopes;
use crate::oauth::server::Server;
use crate::oauth::views::oauth_authorization_request::OAUTH_AUTHORIZATION_REQUEST;
use crate::oauth::views::{OAuthClient, OAuthSettings, StoredRequest};
use crate::permissions::Session;
use crate::web::Exchange;

/// What the field `kind` says of a pushed request.
const PUSHED: &str = "Pushed";

/// Answers `POST …par`.
pub(crate) async fn par(mut exchange: Exchange, server: Arc<Server>) -> SiteResult<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let ClientCall { client, request } = ClientCall::of(&mut exchange, &server).await;
    let result = match request {
        Ok((client, parameters)) => answer(&exchange, &server, &settings, &client, &parameters).await,
        Err(refusal) => Err(refusal),
    };
    let result = result.map(|pushed| json(StatusCode::CREATED, &pushed));
    let mut response = respond_to(&exchange, &settings, client.as_deref(), result);
    dpop::offer_nonce(&exchange.site.documents, &settings, &mut response);
    Ok(response)
}

/// Everything is checked now, so that the client learns of a mistake before a person does.
async fn answer(
    exchange: &Exchange,
    server: &Server,
    settings: &OAuthSettings,
    client: &OAuthClient,
    parameters: &Parameters,
) -> Result<PushedResponse> {
    let documents = &exchange.site.documents;
    server.pushed_requests.count_at_all_nodes(documents, exchange.context.ip, settings.request_rate_limit).await?;
    check_pushed(parameters)?;
    let proof = dpop::prove(documents, settings, &exchange.request).await??;
    let (parameters, origin) = request_object::read(documents, server, client, parameters).await??;
    let resources = settings.resources(documents.site_url());
    let scopes = SiteScopes::now(&exchange.site, &server.catalogue, settings).await?;
    let (ceiling, rules) = (scopes.ceiling(client), settings.rules(documents.site_url(), &resources, &scopes));
    let origin = RequestOrigin { pushed: true, ..origin };
    let mut request =
        AuthorizationRequest::parse(&of_client(parameters, client), origin, &client.rules(&ceiling), &rules)
            .map_err(AuthorizeError::into_error)?;
    request.dpop_jkt = bound_key(request.dpop_jkt, proof.as_ref())?;
    let uri = RequestUri::generate();
    let new = NewRequest {
        kind: PUSHED,
        client: &client.name,
        parameters: serde_json::to_string(&request).map_err(SiteError::internal)?,
        expires_at: documents.clock().now() + Duration::seconds(LIFETIME.into()),
        person: None,
    };
    new.keep(documents, uri.id()).await?;
    Ok(uri.response())
}

/// The parameters with the client's id, which it may leave out where it authenticates in another way than by its id.
fn of_client(parameters: Parameters, client: &OAuthClient) -> Parameters {
    if parameters.get("client_id").is_some() {
        return parameters;
    }
    let named = parameters.iter().chain([("client_id", client.client_id.as_str())]);
    Parameters::from_pairs(named.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

/// Takes the request that a client pushed and nobody has used yet; of many who come with one reference, one gets it.
///
/// What another client pushed stays where it is.
pub(crate) async fn take(
    documents: &Documents,
    client: &OAuthClient,
    uri: &RequestUri,
) -> SiteResult<Option<AuthorizationRequest>> {
    let found = credentials::find_digest(documents, OAUTH_AUTHORIZATION_REQUEST, "request_digest", uri.id()).await?;
    let is_own = |stored: &StoredRequest| stored.kind == PUSHED && stored.client == client.name;
    let stored = found.map(|document| StoredRequest::from(&*document)).filter(is_own);
    let Some(stored) = stored else { return Ok(None) };
    let request = stored.request()?;
    let mut work = documents.begin(&Session::system()).await?;
    match work.delete(OAUTH_AUTHORIZATION_REQUEST, &stored.name).await {
        Ok(()) => work.commit().await?,
        Err(SiteError::DoesNotExist { .. }) => return Ok(None),
        Err(error) => return Err(error),
    }
    let is_live = stored.expires_at.is_some_and(|at| at > documents.clock().now());
    // The redirect URI must still be the client's own.
    let still_fits = client.redirect_uris.resolve(Some(request.target.redirect_uri.as_str()), false).is_ok();
    Ok((is_live && still_fits).then_some(request))
}
