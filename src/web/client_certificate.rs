//! The certificate with which a client proved itself: to this server, or to a proxy that ends TLS and passes it on.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use poem::Request;
use poem::http::HeaderValue;

use crate::config::client_certificates::ClientCertificates;

/// The lines around a certificate in PEM (RFC 7468 §5).
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificate of the client of a request, as DER. Whoever has it in hand must still read it: it may be no
/// certificate at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientCertificate(Arc<[u8]>);

impl ClientCertificate {
    /// The certificate of a request; `None` if none came, or nobody who may say so passed it on.
    pub(crate) fn of(request: &Request) -> Option<&Self> {
        request.data::<Self>()
    }

    /// The one with which a client proved itself to this server.
    pub(super) fn presented(der: &[u8]) -> Self {
        Self(der.into())
    }

    /// Its bytes.
    pub(crate) fn der(&self) -> &[u8] {
        &self.0
    }
}

/// Takes the header off a request, and keeps what it says if it comes from a proxy of ours.
///
/// A header that comes twice or cannot be read says nothing: whoever needs a certificate is refused then.
pub(crate) fn take(request: &mut Request, peer: IpAddr, certificates: &ClientCertificates) {
    let sent: Vec<HeaderValue> = request.headers().get_all(&certificates.header).iter().cloned().collect();
    if sent.is_empty() {
        return;
    }
    request.headers_mut().remove(&certificates.header);
    if !certificates.trusts(peer) {
        tracing::warn!(%peer, header = certificates.header, "a certificate from elsewhere than a trusted proxy is ignored");
        return;
    }
    let [value] = sent.as_slice() else {
        tracing::warn!(
            header = certificates.header,
            "the proxy passes on what clients send: it must set the header alone"
        );
        return;
    };
    let text = value.to_str().unwrap_or_default().trim();
    // How proxies write that there is none.
    if matches!(text, "" | "-") {
        return;
    }
    if let Some(der) = decode(text) {
        request.extensions_mut().insert(ClientCertificate(der.into()));
    } else {
        tracing::warn!(header = certificates.header, "the certificate from the proxy cannot be read");
    }
}

/// The DER in what proxies write: a byte sequence (RFC 9440 §2.2), PEM with percent signs (nginx), or plain base64.
fn decode(text: &str) -> Option<Vec<u8>> {
    let base64 = if let Some(rest) = text.strip_prefix(':') {
        rest.strip_suffix(':')?.to_owned()
    } else {
        let text = percent_decode_str(text).decode_utf8().ok()?;
        match text.trim().strip_prefix(BEGIN) {
            Some(rest) => rest.strip_suffix(END)?.split_ascii_whitespace().collect(),
            None => text.into_owned(),
        }
    };
    STANDARD.decode(base64).ok().filter(|der| !der.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::client_certificates::CertificateCheck;

    fn taken(headers: &[&str], peer: &str) -> Option<Vec<u8>> {
        let certificates = ClientCertificates {
            header: "client-cert".to_owned(),
            proxies: vec!["10.0.0.0/8".parse().unwrap()],
            check: CertificateCheck::Verified,
        };
        let mut request = Request::builder().finish();
        for value in headers {
            request.headers_mut().append("client-cert", HeaderValue::from_str(value).unwrap());
        }
        take(&mut request, peer.parse().unwrap(), &certificates);
        assert!(!request.headers().contains_key("client-cert"), "it reaches nobody as a header");
        ClientCertificate::of(&request).map(|certificate| certificate.der().to_vec())
    }

    #[test]
    fn a_certificate_is_read_in_every_way_that_proxies_write_it() {
        let pem = "-----BEGIN%20CERTIFICATE-----%0AQUJD%0AREU%3D%0A-----END%20CERTIFICATE-----%0A";
        for value in [":QUJDREU=:", pem, "QUJDREU=", "QUJDREU%3D"] {
            assert_eq!(taken(&[value], "10.0.0.1").as_deref(), Some(&b"ABCDE"[..]), "{value}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_says_what_certificate_there_was() {
        assert!(taken(&[":QUJDREU=:"], "10.255.0.1").is_some());
        assert_eq!(taken(&[":QUJDREU=:"], "192.0.2.1"), None);
        assert_eq!(taken(&[":QUJDREU=:"], "127.0.0.1"), None);
    }

    #[test]
    fn none_several_and_nonsense_are_none() {
        for headers in [
            &[][..],
            &[""],
            &["-"],
            &[":QUJDREU=:", ":QUJDREU=:"],
            &[":QUJDREU=:, :QUJDREU=:"],
            &["::"],
            &[":QUJDREU="],
            &["QUJD REU="],
            &["%FF"],
            &["-----BEGIN%20CERTIFICATE-----%0AQUJD"],
        ] {
            assert_eq!(taken(headers, "10.0.0.1"), None, "{headers:?}");
        }
    }
}
