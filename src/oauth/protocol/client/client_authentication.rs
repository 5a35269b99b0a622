//! How a client says and proves who it is (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8705 §2).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::client_certificates::CertificateCheck;
use crate::oauth::protocol::error::{Error, Result};
use crate::oauth::protocol::request::{Parameters, decode};

/// The only kind of assertion that authenticates a client (RFC 7523 §2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a form-encoded text keeps as it is.
const FORM_ENCODE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// A way to authenticate at the token endpoint (RFC 7591 §2, OpenID Connect Core §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Id and secret in the header `Authorization: Basic`.
    ClientSecretBasic,
    /// Id and secret in the body.
    ClientSecretPost,
    /// Only the id: a public client.
    None,
    /// A JWT signed with the client's private key.
    PrivateKeyJwt,
    /// A JWT signed with the client's secret.
    ClientSecretJwt,
    /// A certificate with a name that is the client's, from an authority that counts (RFC 8705 §2.1).
    TlsClientAuth,
    /// A certificate with a key that is the client's (RFC 8705 §2.2).
    SelfSignedTlsClientAuth,
}

impl Method {
    /// Every method, in the order in which metadata lists them.
    pub const ALL: [Self; 7] = [
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::None,
        Self::PrivateKeyJwt,
        Self::ClientSecretJwt,
        Self::TlsClientAuth,
        Self::SelfSignedTlsClientAuth,
    ];

    /// Whether the method works here, where a proxy passes on these certificates.
    ///
    /// A name proves something only if somebody has checked who gave it; a self-signed certificate reaches us only if
    /// nobody does.
    pub fn is_offered(self, certificates: Option<CertificateCheck>) -> bool {
        match self {
            Self::TlsClientAuth => certificates == Some(CertificateCheck::Verified),
            Self::SelfSignedTlsClientAuth => certificates == Some(CertificateCheck::Any),
            _ => true,
        }
    }

    /// The value of `token_endpoint_auth_method`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
        }
    }

    /// The method of that value.
    pub fn parse(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == value)
    }

    /// The option of the field Token Endpoint Auth Method.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "Client Secret Basic",
            Self::ClientSecretPost => "Client Secret Post",
            Self::None => "None",
            Self::PrivateKeyJwt => "Private Key JWT",
            Self::ClientSecretJwt => "Client Secret JWT",
            Self::TlsClientAuth => "TLS Client Auth",
            Self::SelfSignedTlsClientAuth => "Self-Signed TLS Client Auth",
        }
    }

    /// The method of that option.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.label() == label)
    }

    /// Whether the client has a secret.
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost | Self::ClientSecretJwt)
    }

    /// Whether the client can keep something to itself.
    pub const fn is_confidential(self) -> bool {
        !matches!(self, Self::None)
    }
}

/// What a request says about its client; nothing of it is proven yet.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    client_id: Option<String>,
    presented: Presented,
}

#[derive(Clone, PartialEq, Eq)]
enum Presented {
    Basic(String),
    Post(String),
    Nothing,
    Assertion(String),
}

/// What has to be checked before the client is who it says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof<'a> {
    /// A secret, to be compared with the stored digest.
    Secret(&'a str),
    /// A JWT, to be verified by [`crate::oauth::protocol::client::assertion`].
    Assertion(&'a str),
    /// The certificate of the connection, to be checked by [`crate::oauth::protocol::client::certificate`].
    Certificate,
    /// Nothing: a public client.
    Nothing,
}

impl Credentials {
    /// Reads header and body. More than one way of authenticating is an error, as is no client at all.
    pub(crate) fn parse(authorization: Option<&str>, body: &Parameters) -> Result<Self> {
        let basic = authorization.map(parse_basic).transpose()?;
        let client_id = body.get("client_id");
        let secret = body.get("client_secret");
        let assertion = body.get("client_assertion");
        let assertion_type = body.get("client_assertion_type");
        let ways = [basic.is_some(), secret.is_some(), assertion.is_some() || assertion_type.is_some()];
        if ways.into_iter().filter(|way| *way).count() > 1 {
            return Err(Error::invalid_request(
                "Authenticate in one way only: Basic, client_secret or client_assertion",
            ));
        }
        if let Some((id, secret)) = basic {
            if client_id.is_some_and(|other| other != id) {
                return Err(Error::invalid_request("client_id differs from the one in the Authorization header"));
            }
            return Ok(Self { client_id: Some(id), presented: Presented::Basic(secret) });
        }
        let client_id = client_id.map(str::to_owned);
        if let Some(secret) = secret {
            if client_id.is_none() {
                return Err(Error::invalid_request("client_id is missing"));
            }
            return Ok(Self { client_id, presented: Presented::Post(secret.to_owned()) });
        }
        match (assertion, assertion_type) {
            (Some(assertion), Some(ASSERTION_TYPE)) => {
                Ok(Self { client_id, presented: Presented::Assertion(assertion.to_owned()) })
            }
            (Some(_), _) => Err(Error::invalid_request(format!("client_assertion_type must be {ASSERTION_TYPE}"))),
            (None, Some(_)) => Err(Error::invalid_request("client_assertion is missing")),
            (None, None) if client_id.is_some() => Ok(Self { client_id, presented: Presented::Nothing }),
            (None, None) => Err(Error::invalid_client().because(anyhow::anyhow!("the request names no client"))),
        }
    }

    /// The client that the request names. With an assertion it may be missing: its `sub` says it then.
    pub(crate) fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// The assertion, if that is how the client authenticates.
    pub(crate) fn assertion(&self) -> Option<&str> {
        match &self.presented {
            Presented::Assertion(assertion) => Some(assertion),
            _ => None,
        }
    }

    /// What to check, if the client uses exactly the method that is registered for it.
    pub(crate) fn proof_for(&self, registered: Method) -> Result<Proof<'_>> {
        match (&self.presented, registered) {
            (Presented::Basic(secret), Method::ClientSecretBasic)
            | (Presented::Post(secret), Method::ClientSecretPost) => Ok(Proof::Secret(secret)),
            (Presented::Assertion(assertion), Method::PrivateKeyJwt | Method::ClientSecretJwt) => {
                Ok(Proof::Assertion(assertion))
            }
            (Presented::Nothing, Method::TlsClientAuth | Method::SelfSignedTlsClientAuth) => Ok(Proof::Certificate),
            (Presented::Nothing, Method::None) => Ok(Proof::Nothing),
            _ => Err(Error::invalid_client()
                .because(anyhow::anyhow!("the client must authenticate by {}", registered.as_str()))),
        }
    }
}

/// Shows who and how, never the secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.presented {
            Presented::Basic(_) => "basic",
            Presented::Post(_) => "post",
            Presented::Nothing => "none",
            Presented::Assertion(_) => "assertion",
        };
        f.debug_struct("Credentials").field("client_id", &self.client_id).field("way", &way).finish()
    }
}

/// Whether a header is meant for client authentication at all, and not a bearer token or an API key.
pub(crate) fn is_basic(authorization: &str) -> bool {
    authorization.split_once(' ').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("Basic"))
}

/// Id and secret of `Authorization: Basic`: each is form-encoded before both are joined (RFC 6749 §2.3.1).
fn parse_basic(authorization: &str) -> Result<(String, String)> {
    let refuse = |reason: &'static str| Error::invalid_client().because(anyhow::anyhow!(reason));
    if !is_basic(authorization) {
        return Err(refuse("the Authorization header is not Basic"));
    }
    let (_, encoded) = authorization.split_once(' ').unwrap_or_default();
    let bytes = STANDARD.decode(encoded.trim()).map_err(|_| refuse("the Basic credentials are not base64"))?;
    let text = String::from_utf8(bytes).map_err(|_| refuse("the Basic credentials are not UTF-8"))?;
    let (id, secret) = text.split_once(':').ok_or_else(|| refuse("the Basic credentials have no colon"))?;
    let decoded = |part: &str| decode(part).map(std::borrow::Cow::into_owned).map_err(|_| refuse("not UTF-8"));
    let (id, secret) = (decoded(id)?, decoded(secret)?);
    if id.is_empty() { Err(refuse("the Basic credentials name no client")) } else { Ok((id, secret)) }
}

/// The header with which we authenticate as a client elsewhere.
pub fn basic_header(client_id: &str, secret: &str) -> String {
    let encode = |text: &str| utf8_percent_encode(text, FORM_ENCODE).to_string();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(client_id), encode(secret))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oauth::protocol::error::ErrorCode;

    fn parse(authorization: Option<&str>, body: &str) -> Result<Credentials> {
        Credentials::parse(authorization, &Parameters::parse(body).unwrap())
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    fn is_secret(credentials: &Credentials, method: Method, secret: &str) -> bool {
        matches!(credentials.proof_for(method), Ok(Proof::Secret(given)) if given == secret)
    }

    #[test]
    fn basic_is_form_decoded() {
        let credentials = parse(Some(&basic("a%3Ab:s%20e+c%25:ret")), "").unwrap();
        assert_eq!(credentials.client_id(), Some("a:b"));
        assert!(is_secret(&credentials, Method::ClientSecretBasic, "s e c%:ret"));
    }

    #[test]
    fn the_secret_in_the_body_is_read() {
        let credentials = parse(None, "client_id=a&client_secret=s").unwrap();
        assert!(is_secret(&credentials, Method::ClientSecretPost, "s"));
    }

    #[test]
    fn a_secret_is_never_ignored_and_never_optional() {
        let post = parse(None, "client_id=a&client_secret=s").unwrap();
        let none = parse(None, "client_id=a").unwrap();
        let by_header = parse(Some(&basic("a:s")), "").unwrap();
        for (credentials, only) in
            [(&post, Method::ClientSecretPost), (&none, Method::None), (&by_header, Method::ClientSecretBasic)]
        {
            for method in Method::ALL {
                let proof = credentials.proof_for(method);
                // Without a secret the certificate is what has to be checked.
                let is_enough = proof.is_ok_and(|proof| proof != Proof::Certificate);
                assert_eq!(is_enough, method == only, "{credentials:?} {method:?}");
            }
        }
        assert_eq!(none.proof_for(Method::ClientSecretBasic).err().unwrap().code(), ErrorCode::InvalidClient);
    }

    #[test]
    fn a_certificate_is_needed_where_it_is_registered_and_counts_nowhere_else() {
        let (none, post) = (parse(None, "client_id=a").unwrap(), parse(None, "client_id=a&client_secret=s").unwrap());
        for method in [Method::TlsClientAuth, Method::SelfSignedTlsClientAuth] {
            assert!(matches!(none.proof_for(method), Ok(Proof::Certificate)));
            assert!(post.proof_for(method).is_err());
            assert!(method.is_confidential() && !method.has_secret());
        }
        assert!(matches!(none.proof_for(Method::None), Ok(Proof::Nothing)));
    }

    #[test]
    fn an_empty_secret_in_the_body_is_none() {
        let credentials = parse(None, "client_id=a&client_secret=").unwrap();
        assert!(matches!(credentials.proof_for(Method::None), Ok(Proof::Nothing)));
        assert!(credentials.proof_for(Method::ClientSecretPost).is_err());
    }

    #[test]
    fn two_ways_at_once_are_refused() {
        let header = basic("a:s");
        let assertion = format!("client_assertion=x&client_assertion_type={ASSERTION_TYPE}");
        for (header, body) in [
            (Some(&*header), "client_secret=s".to_owned()),
            (Some(&*header), assertion.clone()),
            (None, format!("client_id=a&client_secret=s&{assertion}")),
            (Some(&*header), "client_id=other".to_owned()),
        ] {
            assert_eq!(parse(header, &body).unwrap_err().code(), ErrorCode::InvalidRequest, "{body}");
        }
        assert!(parse(Some(&header), "client_id=a").is_ok());
    }

    #[test]
    fn an_assertion_needs_its_type_and_may_leave_the_client_out() {
        let credentials = parse(None, &format!("client_assertion=x&client_assertion_type={ASSERTION_TYPE}")).unwrap();
        assert_eq!((credentials.client_id(), credentials.assertion()), (None, Some("x")));
        assert!(matches!(credentials.proof_for(Method::PrivateKeyJwt), Ok(Proof::Assertion("x"))));
        assert!(parse(None, "client_id=a&client_assertion=x").is_err());
        assert!(parse(None, "client_id=a&client_assertion=x&client_assertion_type=saml").is_err());
        assert!(parse(None, &format!("client_id=a&client_assertion_type={ASSERTION_TYPE}")).is_err());
    }

    #[test]
    fn a_request_without_a_client_or_with_a_broken_header_is_invalid_client() {
        for header in [
            None,
            Some("Basic"),
            Some("Basic !!!"),
            Some("Bearer x"),
            Some("token key:secret"),
            Some(&*basic("nocolon")),
            Some(&*basic(":s")),
            Some(&*basic("%FF:s")),
            Some(&*format!("Basic {}", STANDARD.encode([0xFF, b':']))),
        ] {
            assert_eq!(parse(header, "").unwrap_err().code(), ErrorCode::InvalidClient, "{header:?}");
        }
        assert_eq!(parse(None, "client_secret=s").unwrap_err().code(), ErrorCode::InvalidRequest);
    }

    #[test]
    fn unknown_clients_and_wrong_methods_get_the_same_words() {
        let wrong = parse(None, "client_id=a").unwrap().proof_for(Method::PrivateKeyJwt).err().unwrap();
        assert_eq!(wrong.body(), Error::invalid_client().body());
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", parse(Some(&basic("a:hunter2")), "").unwrap()).contains("hunter2"));
    }

    #[test]
    fn methods_have_values_and_labels() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str()), Some(method));
            assert_eq!(Method::from_label(method.label()), Some(method));
        }
    }

    proptest! {
        #[test]
        fn every_id_and_secret_survive_basic(id in "[^\\x00]{1,20}", secret in "[^\\x00]{0,20}") {
            let credentials = parse(Some(&basic_header(&id, &secret)), "").unwrap();
            prop_assert_eq!(credentials.client_id(), Some(&*id));
            prop_assert!(is_secret(&credentials, Method::ClientSecretBasic, &secret));
        }

        #[test]
        fn basic_never_means_two_things(text in "[a-z%+:0-9A-F]{0,12}:[a-z%+:0-9A-F]{0,12}") {
            // Whatever is accepted reads the same when it is written properly.
            if let Ok((id, secret)) = parse_basic(&basic(&text)) {
                prop_assert_eq!(parse_basic(&basic_header(&id, &secret)).unwrap(), (id, secret));
            }
        }

        #[test]
        fn no_header_panics(header in ".*", body in ".*") {
            if let Ok(parameters) = Parameters::parse(&body) {
                let _ = Credentials::parse(Some(&header), &parameters);
            }
        }

        #[test]
        fn no_basic_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(Some(&format!("Basic {}", STANDARD.encode(bytes))), "");
        }
    }
}
