//! The certificate that came with a request, and whether it proves who the client is (RFC 8705 §2).

use crate::oauth::client_authentication::client_keys::check_signed;
use crate::oauth::client_authentication::refused;
use crate::oauth::http::endpoint::Result;
use crate::oauth::protocol::Error;
use crate::oauth::protocol::client::certificate::{Certificate, CertificateError};
use crate::oauth::protocol::client::client_authentication::Method;
use crate::oauth::protocol::jose::jwk::JwkSet;
use crate::oauth::protocol::jose::jwt::JwtError;
use crate::oauth::server::Server;
use crate::oauth::views::OAuthClient;
use crate::web::{ClientCertificate, Exchange};

/// The certificate of a request, if one came; an error if it holds no longer, or not yet.
pub(crate) fn presented(exchange: &Exchange) -> Result<Option<Certificate>, CertificateError> {
    let Some(sent) = ClientCertificate::of(&exchange.request) else { return Ok(None) };
    let certificate = Certificate::parse(sent.der())?;
    certificate.check_current(exchange.site.documents.clock().now())?;
    Ok(Some(certificate))
}

/// Fails unless the certificate of the request is one of the client's.
pub(crate) async fn check(exchange: &Exchange, server: &Server, client: &OAuthClient) -> Result<()> {
    let offered = exchange.site.config.certificate_check();
    if !client.auth_method.is_offered(offered) {
        return Err(refused("no such certificates are asked for here or at a proxy"));
    }
    let certificate = presented(exchange).map_err(|error| Error::invalid_client().because(error))?;
    let certificate = certificate.ok_or_else(|| refused("no certificate came with the request"))?;
    if client.auth_method == Method::TlsClientAuth {
        let is_own = client.certificate_name.as_ref().is_some_and(|name| name.is_of(&certificate));
        return if is_own { Ok(()) } else { Err(refused("the certificate has another name")) };
    }
    let check = |keys: &JwkSet| if certificate.is_among(keys) { Ok(()) } else { Err(JwtError::UnknownKey) };
    let checked = check_signed(&exchange.site.documents, server, client, check).await;
    let refuse = |_| Error::invalid_client().because(anyhow::anyhow!("the certificate is none of the client's keys"));
    checked.map_err(|unproven| unproven.into_error(refuse).into())
}
