//! Certificates of clients: what they say, and whether that is what was registered (RFC 8705).

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

use crate::oauth::protocol::client::distinguished_name::DistinguishedName;
use crate::oauth::protocol::jose::jwk::JwkSet;
use crate::secret::{self, Curve, PublicKey};

/// A certificate that was read. Who issued it was checked by whoever passed it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
}

/// Why a certificate proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not a certificate.
    #[error("the certificate cannot be read")]
    Malformed,
    /// Before its time, or after it.
    #[error("the certificate has expired or is not valid yet")]
    NotCurrent,
}

impl Certificate {
    /// Reads DER.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        let parsed = x509_cert::Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
        Ok(Self { der: der.to_vec(), parsed })
    }

    /// Fails unless the certificate is valid at that moment.
    pub fn check_current(&self, now: DateTime<Utc>) -> Result<(), CertificateError> {
        let validity = self.parsed.tbs_certificate().validity();
        let seconds = |time: &Time| time.to_unix_duration().as_secs();
        let is_current = u64::try_from(now.timestamp())
            .is_ok_and(|now| (seconds(&validity.not_before)..=seconds(&validity.not_after)).contains(&now));
        if is_current { Ok(()) } else { Err(CertificateError::NotCurrent) }
    }

    /// The thumbprint to which tokens are bound, `x5t#S256` (RFC 8705 §3.1).
    pub fn thumbprint(&self) -> String {
        thumbprint(&self.der)
    }

    /// Whether one of these keys stands for the certificate (RFC 8705 §2.2.2): a key that names its certificate for that
    /// very one, another for every certificate with this key.
    pub fn is_among(&self, keys: &JwkSet) -> bool {
        let own = self.public_key();
        keys.keys.iter().any(|key| match &key.certificate {
            Some(certificate) => *certificate == self.der,
            None => own.as_ref() == Some(&key.key),
        })
    }

    fn public_key(&self) -> Option<PublicKey> {
        let info = self.parsed.tbs_certificate().subject_public_key_info();
        let bits = info.subject_public_key.as_bytes()?;
        match info.algorithm.oid.to_string().as_str() {
            "1.2.840.113549.1.1.1" => PublicKey::from_pkcs1(bits),
            "1.2.840.10045.2.1" => {
                let parameters = info.algorithm.parameters.as_ref()?;
                let curve =
                    match parameters.decode_as::<x509_cert::der::asn1::ObjectIdentifier>().ok()?.to_string().as_str() {
                        "1.2.840.10045.3.1.7" => Curve::P256,
                        "1.3.132.0.34" => Curve::P384,
                        "1.3.132.0.35" => Curve::P521,
                        _ => return None,
                    };
                let point = bits.strip_prefix(&[4])?;
                let (x, y) = point.split_at_checked(curve.coordinate_length())?;
                (x.len() == y.len()).then(|| PublicKey::Ec { curve, x: x.to_vec(), y: y.to_vec() })
            }
            "1.3.101.112" if bits.len() == 32 => Some(PublicKey::Ed25519 { x: bits.to_vec() }),
            _ => None,
        }
    }

    /// The alternative names of its subject; none if they cannot be read.
    fn alternative_names(&self) -> Vec<GeneralName> {
        match self.parsed.tbs_certificate().get_extension::<SubjectAltName>() {
            Ok(Some((_, names))) => names.0,
            _ => Vec::new(),
        }
    }
}

/// The thumbprint of a certificate as DER; see [`Certificate::thumbprint`].
pub fn thumbprint(der: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(secret::sha256(der))
}

/// Which name of a certificate is the client's (RFC 8705 §2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// The distinguished name of the subject.
    SubjectDn,
    /// A domain.
    SanDns,
    /// A URI.
    SanUri,
    /// A network address.
    SanIp,
    /// An email address.
    SanEmail,
}

impl NameKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::SubjectDn, Self::SanDns, Self::SanUri, Self::SanIp, Self::SanEmail];

    /// The member of client metadata, and the field of OAuth Client.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SubjectDn => "tls_client_auth_subject_dn",
            Self::SanDns => "tls_client_auth_san_dns",
            Self::SanUri => "tls_client_auth_san_uri",
            Self::SanIp => "tls_client_auth_san_ip",
            Self::SanEmail => "tls_client_auth_san_email",
        }
    }
}

/// The name that the certificates of a client must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateName {
    /// Which name.
    pub kind: NameKind,
    /// As it was registered.
    pub text: String,
}

/// Why a name cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// More than one, or none.
    #[error("fill in exactly one of {}", NameKind::ALL.map(NameKind::as_str).join(", "))]
    NotOne,
    /// It could not stand in a certificate.
    #[error("{0}")]
    Invalid(String),
}

impl CertificateName {
    /// The one name among these; `NotOne` if there are more or none.
    pub fn only(texts: impl Fn(NameKind) -> Option<String>) -> Result<Self, NameError> {
        let mut given = NameKind::ALL.into_iter().filter_map(|kind| Some(Self { kind, text: texts(kind)? }));
        match (given.next(), given.next()) {
            (Some(name), None) => Ok(name),
            _ => Err(NameError::NotOne),
        }
    }

    /// Fails if no certificate could have this name.
    pub fn check(&self) -> Result<(), NameError> {
        let text = &self.text;
        let invalid = |message: String| Err(NameError::Invalid(message));
        match self.kind {
            NameKind::SubjectDn => {
                DistinguishedName::parse(text).map(|_| ()).map_err(|error| NameError::Invalid(error.to_string()))
            }
            NameKind::SanIp if text.parse::<IpAddr>().is_err() => {
                invalid(format!("{text} is not a network address such as 203.0.113.7"))
            }
            NameKind::SanUri if url::Url::parse(text).is_err() => {
                invalid(format!("{text} is not a URI such as urn:example:planner"))
            }
            NameKind::SanEmail if !text.contains('@') => invalid(format!("{text} is not an email address")),
            NameKind::SanDns if text.contains(['*', ' ', '/', '@']) || !text.is_ascii() => {
                invalid(format!("{text} is not a domain such as planner.example.com, in ASCII and without a star"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a certificate has this name.
    pub fn is_of(&self, certificate: &Certificate) -> bool {
        let text = self.text.as_str();
        if self.kind == NameKind::SubjectDn {
            let own = DistinguishedName::of(certificate.parsed.tbs_certificate().subject());
            return own.is_some_and(|own| DistinguishedName::parse(text).is_ok_and(|expected| expected == own));
        }
        certificate.alternative_names().iter().any(|name| match (self.kind, name) {
            (NameKind::SanDns, GeneralName::DnsName(name)) => name.as_str().eq_ignore_ascii_case(text),
            (NameKind::SanUri, GeneralName::UniformResourceIdentifier(name))
            | (NameKind::SanEmail, GeneralName::Rfc822Name(name)) => name.as_str() == text,
            (NameKind::SanIp, GeneralName::IpAddress(bytes)) => match text.parse() {
                Ok(IpAddr::V4(address)) => bytes.as_bytes() == address.octets(),
                Ok(IpAddr::V6(address)) => bytes.as_bytes() == address.octets(),
                Err(_) => false,
            },
            _ => false,
        })
    }
}

/// As a member of client metadata.
impl Serialize for CertificateName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.kind.as_str(), &self.text)])
    }
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
