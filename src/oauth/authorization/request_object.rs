//! Requests that the client signed: their parameters are those of the request object (RFC 9101).

use crate::document::Documents;
use crate::error::Result;
use crate::oauth::client_authentication::client_keys::check_signed;
use crate::oauth::protocol::authorize::authorization_request::RequestOrigin;
use crate::oauth::protocol::authorize::jar;
use crate::oauth::protocol::jose::jwt::JwtError;
use crate::oauth::protocol::{Error, Parameters};
use crate::oauth::server::Server;
use crate::oauth::views::OAuthClient;
use crate::oauth::views::oauth_replay_guard::{Purpose, remember};

/// The parameters of a request and how they came: signed, if it has the parameter `request`.
///
/// A request object that has a name (`jti`) is used once.
pub(crate) async fn read(
    documents: &Documents,
    server: &Server,
    client: &OAuthClient,
    parameters: &Parameters,
) -> Result<Result<(Parameters, RequestOrigin), Error>> {
    let Some(request) = parameters.get("request") else {
        return Ok(Ok((parameters.clone(), RequestOrigin::default())));
    };
    if parameters.is_repeated("request") {
        return Ok(Err(Error::invalid_request("request was sent more than once")));
    }
    let (client_id, issuer, now) = (&client.client_id, documents.site_url(), documents.clock().now());
    let verify = |keys: &_| jar::verify(request, client_id, keys, issuer, now);
    let object = match check_signed(documents, server, client, verify).await {
        Ok(object) => object,
        Err(unproven) => return Ok(Err(unproven.into_error(jar::refused))),
    };
    if let Some(jti) = &object.jti
        && !remember(documents, Purpose::RequestObject, client_id, jti, object.expires_at).await?
    {
        return Ok(Err(jar::refused(JwtError::Claim("jti"))));
    }
    Ok(Ok((object.parameters, RequestOrigin { signed: true, ..RequestOrigin::default() })))
}
