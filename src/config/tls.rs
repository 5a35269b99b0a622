//! TLS that ends at this server: where its certificate comes from, and which certificates of clients it takes.

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use url::Url;

use super::client_certificates::CertificateCheck;
use super::settings::Resolved;

/// The directory of Let's Encrypt.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// With what the server speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Where its certificate comes from.
    pub source: Source,
    /// Which certificates clients may prove themselves with; `None`: they are not asked for any.
    pub clients: Option<ClientsOfTls>,
}

/// Where the certificate of the server comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From files.
    Files {
        /// The certificate and those between it and its authority, in PEM.
        certificate: PathBuf,
        /// Its key, in PEM.
        key: PathBuf,
    },
    /// From an authority that is asked for it (RFC 8555).
    Acme(Acme),
}

/// What is asked of which authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The address of its directory.
    pub directory: Url,
    /// Whom it writes to when a certificate is about to expire.
    pub contact: Option<String>,
    /// The host of the site's public URL.
    pub domain: String,
}

impl Acme {
    fn from_settings(directory: &str, settings: &Resolved) -> anyhow::Result<Self> {
        let known = if directory == "letsencrypt" { LETS_ENCRYPT } else { directory };
        let directory = Url::parse(known).ok().filter(|url| url.scheme() == "https").with_context(|| {
            format!(
                "DOCTYPED_ACME: {directory} is neither letsencrypt nor the https address of an authority's directory"
            )
        })?;
        let site = settings.site_url.as_deref().and_then(|url| Url::parse(url).ok());
        let domain = match site.as_ref().and_then(Url::host) {
            Some(url::Host::Domain(domain)) => domain.to_owned(),
            _ => bail!("DOCTYPED_ACME needs DOCTYPED_SITE_URL with the name that the certificate is for"),
        };
        Ok(Self { directory, contact: settings.acme_contact.clone(), domain })
    }
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
        let source = match (settings.tls_certificate.clone(), settings.tls_key.clone()) {
            (None, None) if settings.acme.is_some() => {
                Source::Acme(Acme::from_settings(settings.acme.as_deref().unwrap_or_default(), settings)?)
            }
            _ if settings.acme.is_some() => {
                bail!(
                    "DOCTYPED_ACME and DOCTYPED_TLS_CERTIFICATE exclude each other: the certificate is asked for, or given"
                )
            }
            (Some(certificate), Some(key)) => Source::Files { certificate, key },
            (Some(_), None) => bail!("DOCTYPED_TLS_KEY is missing: name the file with the key of the certificate"),
            (None, Some(_)) => {
                bail!("DOCTYPED_TLS_CERTIFICATE is missing: name the file with the certificate of the key")
            }
            (None, None) => {
                let alone = "needs TLS at this server: set DOCTYPED_TLS_CERTIFICATE and DOCTYPED_TLS_KEY, or DOCTYPED_ACME, as well";
                ensure!(settings.acme_contact.is_none(), "DOCTYPED_ACME_CONTACT is of use with DOCTYPED_ACME alone");
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
        Ok(Some(Self { source, clients }))
    }
}
