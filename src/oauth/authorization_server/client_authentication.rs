//! Who a program is, proven in exactly the way that is registered for it.

use poem::http::header;

use super::Server;
use super::endpoint::{Refusal, Result};
use crate::error::Result as SiteResult;
use crate::oauth::credentials::is_client_secret;
use crate::oauth::doctype::OAuthClient;
use crate::oauth::protocol::client_authentication::{Credentials, Proof, is_basic};
use crate::oauth::protocol::{Error, Parameters};
use crate::web::Exchange;
use crate::web::attempts::Subject;

/// The client that goes by an id.
pub async fn find_client(exchange: &Exchange, _: &Server, client_id: &str) -> SiteResult<Option<OAuthClient>> {
    OAuthClient::find(&exchange.site.documents, client_id).await
}

/// The client of a request, authenticated. A public client is one as well: it names itself and proves nothing.
///
/// Unknown, disabled and impostor get the same answer after the same work; failures are counted by client and address.
pub async fn authenticate(exchange: &Exchange, server: &Server, parameters: &Parameters) -> Result<OAuthClient> {
    let authorization = exchange.header(header::AUTHORIZATION.as_str());
    let sent_basic = authorization.is_some_and(is_basic);
    let refuse = |error: Error| Refusal::from(error).with_basic(sent_basic);
    let credentials = Credentials::parse(authorization, parameters).map_err(refuse)?;
    let client_id = credentials.client_id().unwrap_or_default();
    let found = find_client(exchange, server, client_id).await?.filter(|client| client.enabled);
    let proof = match &found {
        Some(client) => credentials.proof_for(client.auth_method),
        None => Err(Error::invalid_client().because(anyhow::anyhow!("no such client"))),
    };
    match (found, proof) {
        (Some(client), Ok(Proof::Nothing)) => Ok(client),
        (Some(client), Ok(Proof::Secret(secret))) => {
            check_secret(exchange, client_id, Some(client), secret).await.map_err(|error| error.with_basic(sent_basic))
        }
        (_, Ok(Proof::Assertion(_))) => {
            Err(refuse(Error::invalid_client().because(anyhow::anyhow!("client assertions are not accepted here"))))
        }
        _ => check_secret(exchange, client_id, None, "").await.map_err(|error| error.with_basic(sent_basic)),
    }
}

/// Compares a secret; with no client, spends the same time and fails.
async fn check_secret(
    exchange: &Exchange,
    client_id: &str,
    client: Option<OAuthClient>,
    secret: &str,
) -> Result<OAuthClient> {
    let (site, context) = (&exchange.site, &exchange.context);
    // By client and address together: nobody can lock a client out from elsewhere.
    let id: String = client_id.chars().take(100).collect();
    let attempt = site.attempts.begin(&site.documents, vec![Subject::Client(format!("{id} {}", context.ip))]).await?;
    let (site_key, now) = (site.documents.site_key(), site.documents.clock().now());
    let is_right = match &client {
        Some(client) => client.is_secret(site_key, secret, now),
        None => is_client_secret(site_key, "", secret),
    };
    match client {
        Some(client) if is_right => {
            attempt.succeeded(&site.documents).await?;
            Ok(client)
        }
        _ => {
            attempt.failed(&site.documents, context, "Client Authentication Failed").await?;
            let cause = anyhow::anyhow!("client {id} did not prove who it is");
            Err(Error::invalid_client().because(cause).into())
        }
    }
}
