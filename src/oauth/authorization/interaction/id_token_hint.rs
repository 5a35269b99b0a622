//! `id_token_hint`: an ID token of this site by which a client says whom it means (OpenID Connect Core §3.1.2.1).

use crate::oauth::authorization::interaction::stop::Result;
use crate::oauth::protocol::Error;
use crate::oauth::protocol::authorize::authorization_request::AuthorizationRequest;
use crate::oauth::protocol::authorize::logout::Hint;
use crate::oauth::protocol::jose::jwt::{Algorithm, JwtError, Unverified, Verified};
use crate::oauth::server::Server;
use crate::oauth::signing_keys::ALGORITHMS;
use crate::oauth::views::OAuthClient;
use crate::web::Exchange;

/// Whom the client's hint is about. The token may have expired, but it must be one that we gave this client.
pub(super) async fn hinted_subject(
    exchange: &Exchange,
    server: &Server,
    client: &OAuthClient,
    request: &AuthorizationRequest,
) -> Result<Option<String>> {
    let Some(hint) = &request.id_token_hint else { return Ok(None) };
    let refused = |cause| refused("id_token_hint is not an id token of this client", cause);
    let verified = verify(exchange, server, hint, refused).await?;
    let hint = Hint::of(&verified, exchange.site.documents.site_url()).map_err(refused)?;
    if hint.client_id != client.client_id {
        return Err(refused(JwtError::Claim("aud")).into());
    }
    Ok(Some(hint.subject.to_owned()))
}

/// The error for a hint that proves nothing.
pub(super) fn refused(message: &'static str, cause: JwtError) -> Error {
    Error::invalid_request(message).because(anyhow::Error::new(cause))
}

/// Verifies the signature of a hint: with the keys that are published, retired ones too, or with the client's secret.
pub(super) async fn verify(
    exchange: &Exchange,
    server: &Server,
    token: &str,
    refused: impl Fn(JwtError) -> Error,
) -> Result<Verified> {
    let documents = &exchange.site.documents;
    let unverified = Unverified::parse(token).map_err(&refused)?;
    if unverified.header.alg != Algorithm::Hs256 {
        let keys = server.keys.published(documents).await?;
        return Ok(unverified.verify(&keys, &ALGORITHMS).map_err(refused)?);
    }
    let audience = unverified.unverified_claims().audience().first().map(|audience| (*audience).to_owned());
    // A client may have a secret at hand for its assertions; that does not make it a signer of id tokens.
    let client = OAuthClient::find(documents, &audience.unwrap_or_default()).await?;
    let client = client.filter(|client| client.id_token_alg.as_deref() == Some(Algorithm::Hs256.as_str()));
    let now = documents.clock().now();
    let secrets = client.map(|client| client.signing_secrets(documents.site_key(), now)).unwrap_or_default();
    let verified =
        secrets.iter().find_map(|secret| Unverified::parse(token).ok()?.verify_hs256(secret.as_bytes()).ok());
    Ok(verified.ok_or_else(|| refused(JwtError::Signature))?)
}
