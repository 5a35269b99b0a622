//! TLS that ends at this server: which files, and which certificates of clients it takes.

use std::path::PathBuf;

use anyhow::{bail, ensure};

use super::client_certificates::CertificateCheck;
use super::settings::Resolved;

/// The files from which the server speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and those between it and its authority, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// Which certificates clients may prove themselves with; `None`: they are not asked for any.
    pub clients: Option<ClientsOfTls>,
}

/// Which certificates of clients are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientsOfTls {
    /// Those of the authorities in this file.
    Verified(PathBuf),
    /// Any whose key the client holds.
    Any,
}

impl ClientsOfTls {
    /// What is checked of a certificate.
    pub fn check(&self) -> CertificateCheck {
        match self {
            Self::Verified(_) => CertificateCheck::Verified,
            Self::Any => CertificateCheck::Any,
        }
    }
}

impl Tls {
    /// Reads the settings; `None` if no certificate is named. The files are read when the server starts.
    pub(super) fn from_settings(settings: &Resolved) -> anyhow::Result<Option<Self>> {
        let (certificate, key) = match (settings.tls_certificate.clone(), settings.tls_key.clone()) {
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => bail!("DOCTYPED_TLS_KEY is missing: name the file with the key of the certificate"),
            (None, Some(_)) => {
                bail!("DOCTYPED_TLS_CERTIFICATE is missing: name the file with the certificate of the key")
            }
            (None, None) => {
                let alone = "needs TLS at this server: set DOCTYPED_TLS_CERTIFICATE and DOCTYPED_TLS_KEY as well";
                ensure!(settings.tls_client_authorities.is_none(), "DOCTYPED_TLS_CLIENT_AUTHORITIES {alone}");
                ensure!(settings.redirect_listen.is_none(), "DOCTYPED_REDIRECT_LISTEN {alone}");
                return Ok(None);
            }
        };
        // Whoever names a header has a proxy that asks for certificates, and what is to be checked is said of that one.
        let of_proxy = settings.client_certificate_header.is_some();
        let clients = match (settings.tls_client_authorities.clone(), settings.client_certificates) {
            (Some(_), _) if of_proxy => bail!(
                "DOCTYPED_TLS_CLIENT_AUTHORITIES and DOCTYPED_CLIENT_CERTIFICATE_HEADER exclude each other: certificates of \
                 clients come to this server or to a proxy"
            ),
            (Some(_), Some(CertificateCheck::Any)) => {
                bail!(
                    "DOCTYPED_CLIENT_CERTIFICATES=any takes every certificate: leave out DOCTYPED_TLS_CLIENT_AUTHORITIES"
                )
            }
            (Some(authorities), _) => Some(ClientsOfTls::Verified(authorities)),
            (None, _) if of_proxy => None,
            (None, Some(CertificateCheck::Any)) => Some(ClientsOfTls::Any),
            (None, Some(CertificateCheck::Verified)) => bail!(
                "DOCTYPED_TLS_CLIENT_AUTHORITIES is missing: name the file with the authorities whose certificates are taken"
            ),
            (None, None) => None,
        };
        Ok(Some(Self { certificate, key, clients }))
    }
}
