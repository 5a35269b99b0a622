//! Pushed authorization requests: a client hands its request in directly, and the browser carries a reference (RFC 9126).

use std::sync::Arc;

use chrono::Duration;
use poem::Response;
use poem::http::StatusCode;

use super::client_authentication::{authenticate, find_client};
use super::endpoint::{Result, json, read_form, respond_to};
use super::{Server, request_object};
use crate::document::Documents;
use crate::error::{Error as SiteError, Result as SiteResult};
use crate::oauth::credentials;
use crate::oauth::dpop;
use crate::oauth::protocol::authorization_request::{AuthorizationRequest, RequestOrigin};
use crate::oauth::protocol::dpop::bound_key;
use crate::oauth::protocol::par::{LIFETIME, PushedResponse, RequestUri, check_pushed};
use crate::oauth::protocol::{AuthorizeError, Parameters};
use crate::oauth::site_scopes::SiteScopes;
use crate::oauth::views::oauth_authorization_request::{OAUTH_AUTHORIZATION_REQUEST, keep};
use crate::oauth::views::{OAuthClient, OAuthSettings, StoredRequest};
use crate::permissions::Session;
use crate::web::Exchange;

/// What the field `kind` says of a pushed request.
const PUSHED: &str = "Pushed";

/// Answers `POST …par`.
pub async fn par(mut exchange: Exchange, server: Arc<Server>) -> SiteResult<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let mut client = None;
    let result = answer(&mut exchange, &server, &settings, &mut client).await;
    let result = result.map(|pushed| json(StatusCode::CREATED, &pushed));
    let mut response = respond_to(&exchange, &settings, client.as_ref(), result);
    dpop::offer_nonce(&exchange.site.documents, &settings, &mut response);
    Ok(response)
}

/// Everything is checked now, so that the client learns of a mistake before a person does.
async fn answer(
    exchange: &mut Exchange,
    server: &Server,
    settings: &OAuthSettings,
    known: &mut Option<OAuthClient>,
) -> Result<PushedResponse> {
    let parameters = read_form(exchange).await?;
    if let Some(client_id) = parameters.get("client_id") {
        *known = find_client(exchange, server, client_id).await?;
    }
    let client = &*known.insert(authenticate(exchange, server, &parameters).await?);
    let documents = &exchange.site.documents;
    server.pushed_requests.count(exchange.context.ip, settings.request_rate_limit, documents.clock().now())?;
    check_pushed(&parameters)?;
    let proof = dpop::prove(documents, settings, &exchange.request).await??;
    let (parameters, origin) = request_object::read(documents, server, client, &parameters).await??;
    let resources = settings.resources(documents.site_url());
    let scopes = SiteScopes::now(&exchange.site, &server.catalogue, settings).await?;
    let (ceiling, rules) = (scopes.ceiling(client), settings.rules(documents.site_url(), &resources, &scopes));
    let origin = RequestOrigin { pushed: true, ..origin };
    let mut request =
        AuthorizationRequest::parse(&of_client(parameters, client), origin, &client.rules(&ceiling), &rules)
            .map_err(AuthorizeError::into_error)?;
    request.dpop_jkt = bound_key(request.dpop_jkt, proof.as_ref())?;
    let uri = RequestUri::generate();
    keep(documents, PUSHED, &client.name, &request, uri.id(), Duration::seconds(LIFETIME.into())).await?;
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
pub async fn take(
    documents: &Documents,
    client: &OAuthClient,
    uri: &RequestUri,
) -> SiteResult<Option<AuthorizationRequest>> {
    let found = credentials::find_digest(documents, OAUTH_AUTHORIZATION_REQUEST, "request_digest", uri.id()).await?;
    let is_own = |kind: &str, of: &str| kind == PUSHED && of == client.name;
    let Some(document) = found.filter(|found| is_own(found.text("kind"), found.text("client"))) else {
        return Ok(None);
    };
    let stored = StoredRequest::try_from(&*document)?;
    let mut work = documents.begin(&Session::system()).await?;
    match work.delete(OAUTH_AUTHORIZATION_REQUEST, &stored.name).await {
        Ok(()) => work.commit().await?,
        Err(SiteError::DoesNotExist { .. }) => return Ok(None),
        Err(error) => return Err(error),
    }
    let is_live = stored.expires_at.is_some_and(|at| at > documents.clock().now());
    // The redirect URI must still be the client's own.
    let still_fits = client.redirect_uris.resolve(Some(stored.request.target.redirect_uri.as_str()), false).is_ok();
    Ok((is_live && still_fits).then_some(stored.request))
}
