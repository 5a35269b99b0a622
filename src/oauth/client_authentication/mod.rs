//! Who a client is, proven in exactly the way that is registered for it.

pub(crate) mod client_certificate;
pub(crate) mod client_keys;

use std::sync::Arc;

use poem::http::header;

use crate::error::Result as SiteResult;
use crate::oauth::client_authentication::client_keys::check_signed;
use crate::oauth::http::endpoint::{Refusal, Result, read_form};
use crate::oauth::protocol::authorize::authorization_request::unknown_client;
use crate::oauth::protocol::client::assertion::{ClientAssertion, ClientKey};
use crate::oauth::protocol::client::cimd::ClientIdUrl;
use crate::oauth::protocol::client::client_authentication::{Credentials, Method, Proof, is_basic};
use crate::oauth::protocol::jose::jwk::JwkSet;
use crate::oauth::protocol::jose::jwt::JwtError;
use crate::oauth::protocol::{Error, ErrorCode, Parameters};
use crate::oauth::registration::metadata_document;
use crate::oauth::server::{GET_TOKEN, Server};
use crate::oauth::views::client_secret::is_client_secret;
use crate::oauth::views::oauth_replay_guard::{Purpose, remember};
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::web::attempts::Subject;
use crate::web::{Exchange, SecurityEvent, Severity};

/// A client that goes by an id, enabled or not, or why there is none.
type ClientLookup = std::result::Result<Arc<OAuthClient>, Error>;

/// Who sends a request to an endpoint for clients.
pub(crate) struct ClientCall {
    /// The client that the parameter `client_id` names, or that has proved itself: its pages may read the answer.
    pub client: Option<Arc<OAuthClient>>,
    /// The authenticated client with its parameters, or why there are none.
    pub request: Result<(Arc<OAuthClient>, Parameters)>,
}

impl ClientCall {
    /// Reads the form of a request and authenticates its client.
    pub(crate) async fn of(exchange: &mut Exchange, server: &Server) -> Self {
        let mut client = None;
        let request = Self::authenticate(exchange, server, &mut client).await;
        Self { client, request }
    }

    async fn authenticate(
        exchange: &mut Exchange,
        server: &Server,
        client: &mut Option<Arc<OAuthClient>>,
    ) -> Result<(Arc<OAuthClient>, Parameters)> {
        let parameters = read_form(exchange).await?;
        let named = match parameters.get("client_id") {
            Some(client_id) => Some(look_up(exchange, server, client_id).await?),
            None => None,
        };
        *client = named.as_ref().and_then(|found| found.as_ref().ok().cloned());
        let proven = authenticate(exchange, server, &parameters, named).await?;
        Ok((client.insert(proven).clone(), parameters))
    }
}

/// Finds the client that goes by an id.
pub(crate) async fn look_up(exchange: &Exchange, server: &Server, client_id: &str) -> SiteResult<ClientLookup> {
    if ClientIdUrl::looks_like(client_id) {
        // On the heap: most requests do not need the space of an outgoing one.
        return Box::pin(metadata_document::find(exchange, server, client_id)).await;
    }
    let found = OAuthClient::find(&exchange.site.documents, client_id).await?;
    Ok(found.ok_or_else(unknown_client))
}

/// The client of a request, authenticated. A public client is one as well: it names itself and proves nothing.
///
/// `named` is what was found by the parameter `client_id`. Unknown, disabled and impostor get the same answer.
async fn authenticate(
    exchange: &Exchange,
    server: &Server,
    parameters: &Parameters,
    named: Option<ClientLookup>,
) -> Result<Arc<OAuthClient>> {
    let authorization = exchange.header(header::AUTHORIZATION.as_str());
    let sent_basic = authorization.is_some_and(is_basic);
    let proven = async {
        let credentials = Credentials::parse(authorization, parameters)?;
        let parse = |text| ClientAssertion::parse(text, credentials.client_id());
        let assertion = credentials.assertion().map(parse).transpose();
        // An assertion names its client itself; one that cannot be read names nobody.
        let client_id = match &assertion {
            Ok(Some(assertion)) => assertion.client_id().to_owned(),
            _ => credentials.client_id().unwrap_or_default().to_owned(),
        };
        let found = match named {
            Some(found) => found,
            None => look_up(exchange, server, &client_id).await?,
        };
        let found = match found {
            // What is wrong with the page about a client is told as far as everybody may know it.
            Err(error) if ClientIdUrl::looks_like(&client_id) => return Err(error.into()),
            found => found.ok().filter(|client| client.enabled),
        };
        if let Some(client) = &found
            && let Ok(Proof::Nothing) = credentials.proof_for(client.auth_method)
        {
            return Ok(client.clone());
        }
        let is_weak = found.as_ref().is_some_and(|client| client.has_weak_secret());
        let prove = async {
            let Some(client) = found else {
                // The same work as for a client that exists.
                is_client_secret(exchange.site.documents.site_key(), "", "");
                return Err(refused("no such client"));
            };
            match (credentials.proof_for(client.auth_method)?, assertion?) {
                (Proof::Secret(secret), _) => check_secret(exchange, &client, secret)?,
                (Proof::Certificate, _) => Box::pin(client_certificate::check(exchange, server, &client)).await?,
                (Proof::Assertion(_), Some(assertion)) if assertion.fits(client.auth_method) => {
                    Box::pin(check_assertion(exchange, server, &client, assertion)).await?;
                }
                _ => return Err(refused("the assertion is signed in another way than is registered")),
            }
            Ok(client)
        };
        if is_weak { locking(exchange, &client_id, prove).await } else { noting(exchange, server, prove).await }
    };
    proven.await.map_err(|refusal: Refusal| refusal.with_basic(sent_basic))
}

/// How many failed proofs of one network address are noted in a minute; more are answered shortly.
const FAILURES_A_MINUTE: i64 = 120;

/// Notes a failed proof. A key, or a secret of 256 bits, is not found by guessing: whoever has it gets in however often
/// others failed in its name, and so no guess can lock a client out.
async fn noting(
    exchange: &Exchange,
    server: &Server,
    prove: impl Future<Output = Result<Arc<OAuthClient>>>,
) -> Result<Arc<OAuthClient>> {
    let proven = prove.await;
    if let Err(refusal) = &proven
        && refusal.code() == ErrorCode::InvalidClient
    {
        let (documents, context) = (&exchange.site.documents, &exchange.context);
        server.failed_clients.count_at_all_nodes(documents, context.ip, FAILURES_A_MINUTE).await?;
        SecurityEvent::new("Client Authentication Failed", Severity::Info).during(context).record(documents).await;
    }
    proven
}

/// Counts a failed proof of a client whose secret may be guessed, and refuses whoever has failed too often.
async fn locking(
    exchange: &Exchange,
    client_id: &str,
    prove: impl Future<Output = Result<Arc<OAuthClient>>>,
) -> Result<Arc<OAuthClient>> {
    let (site, context) = (&exchange.site, &exchange.context);
    // By client and address together: nobody can lock a client out from elsewhere.
    let id: String = client_id.chars().take(100).collect();
    let attempt = site.attempts.begin(&site.documents, vec![Subject::Client(format!("{id} {}", context.ip))]).await?;
    let proven = prove.await;
    match &proven {
        Ok(_) => attempt.succeeded(&site.documents).await?,
        Err(refusal) if refusal.code() == ErrorCode::InvalidClient => {
            attempt.failed(&site.documents, context, "Client Authentication Failed").await?;
        }
        Err(_) => {}
    }
    proven
}

fn check_secret(exchange: &Exchange, client: &OAuthClient, secret: &str) -> Result<()> {
    let documents = &exchange.site.documents;
    if client.is_secret(documents.site_key(), secret, documents.clock().now()) {
        Ok(())
    } else {
        Err(refused("wrong secret"))
    }
}

/// Verifies an assertion with the client's keys or with its secrets, and uses it up.
async fn check_assertion(
    exchange: &Exchange,
    server: &Server,
    client: &OAuthClient,
    assertion: ClientAssertion,
) -> Result<()> {
    let documents = &exchange.site.documents;
    let longest = OAuthSettings::load(documents).await?.client_assertion_lifetime;
    let (now, issuer) = (documents.clock().now(), documents.site_url());
    let (token_endpoint, here) = (format!("{issuer}{GET_TOKEN}"), format!("{issuer}{}", exchange.request.uri().path()));
    let audiences = [issuer, token_endpoint.as_str(), here.as_str()];
    let refuse = |error| Error::invalid_client().because(error);
    let verified = if client.auth_method == Method::ClientSecretJwt {
        let secrets = client.signing_secrets(documents.site_key(), now);
        let check = |secret: &String| assertion.clone().verify(ClientKey::Secret(secret), &audiences, longest, now);
        let verified = secrets.iter().map(check).reduce(std::result::Result::or);
        verified.unwrap_or(Err(JwtError::UnknownKey)).map_err(refuse)?
    } else {
        let check = |keys: &JwkSet| assertion.clone().verify(ClientKey::Public(keys), &audiences, longest, now);
        let verified = check_signed(documents, server, client, check).await;
        verified.map_err(|unproven| unproven.into_error(refuse))?
    };
    let purpose = Purpose::ClientAssertion;
    if remember(documents, purpose, &client.client_id, &verified.jti, verified.expires_at).await? {
        Ok(())
    } else {
        Err(refused("the assertion was used before"))
    }
}

/// The one answer to whoever did not prove who they are; the cause is for the log.
pub(crate) fn refused(cause: &'static str) -> Refusal {
    Error::invalid_client().because(anyhow::anyhow!(cause)).into()
}
