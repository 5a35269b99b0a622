//! Proofs of possession at this site: checked against the request that carries them, and used once (RFC 9449).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use poem::http::{HeaderName, HeaderValue};
use poem::{Request, Response};

use crate::document::Documents;
use crate::error::{AuthenticationError, Error as SiteError, Result as SiteResult};
use crate::oauth::protocol::jose::jwt::LEEWAY;
use crate::oauth::protocol::token::dpop::{Expected, MAX_AGE, Proof, check};
use crate::oauth::protocol::{Error, ErrorCode, Result};
use crate::oauth::resource::bearer::{BearerAuthenticator, Presented};
use crate::oauth::views::OAuthSettings;
use crate::oauth::views::oauth_replay_guard::{Purpose, remember};
use crate::secret;
use crate::secret::Purpose as KeyPurpose;
use crate::web::{Authenticated, Authenticator, ClientCertificate, Credentials, RequestContext, Site, asked_path};

/// The header that carries a proof.
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The header that carries a nonce to a client.
pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// What nonces are derived for.
const NONCE: KeyPurpose = KeyPurpose::new("dpop-nonce");
/// For how long the newest nonce is handed out; it is accepted as long again.
const NONCE_SECONDS: i64 = 300;
/// How many proofs of reading requests are remembered in each of two spans: 16 bytes each.
const CAPACITY: usize = 1_000_000;

/// The nonce of now: it follows from the site key and the time, so that every node tells the same and none stores it.
pub(crate) fn nonce(documents: &Documents, now: DateTime<Utc>) -> String {
    nonce_of(documents, now.timestamp() / NONCE_SECONDS)
}

fn nonce_of(documents: &Documents, span: i64) -> String {
    documents.site_key().digest(NONCE, span.to_string())
}

/// Every nonce that was or is handed out in a span: under each key, for another node may use another one for a moment.
fn nonces_of(documents: &Documents, span: i64) -> Vec<String> {
    documents.site_key().digests(NONCE, &span.to_string())
}

/// Checks the proof that a request carries, if it carries one; whether it was used before is a question of its own.
pub(crate) fn verify(
    documents: &Documents,
    settings: &OAuthSettings,
    request: &Request,
    access_token: Option<&str>,
) -> Result<Option<Proof>> {
    let mut headers = request.headers().get_all(&DPOP).iter();
    let (Some(header), further) = (headers.next(), headers.next()) else { return Ok(None) };
    let invalid = |text: &'static str| Error::new(ErrorCode::InvalidDpopProof, text);
    if further.is_some() {
        return Err(invalid("send exactly one DPoP header"));
    }
    let text = header.to_str().map_err(|_| invalid("the DPoP header is not a JWT"))?;
    let now = documents.clock().now();
    let uri = format!("{}{}", documents.site_url(), asked_path(request));
    let span = now.timestamp() / NONCE_SECONDS;
    let nonces = [nonces_of(documents, span), nonces_of(documents, span - 1)].concat();
    let expected = Expected {
        method: request.method().as_str(),
        uri: &uri,
        access_token,
        nonces: if settings.require_dpop_nonce { &nonces } else { &[] },
    };
    check(text, &expected, now).map(Some)
}

/// Checks the proof of a request to an endpoint for clients, and uses it up, whatever comes of the request: another node
/// must not take the same proof.
pub(crate) async fn prove(
    documents: &Documents,
    settings: &OAuthSettings,
    request: &Request,
) -> SiteResult<Result<Option<Proof>>> {
    match verify(documents, settings, request, None) {
        Ok(Some(proof)) if !spend(documents, &proof).await? => Ok(Err(repeated())),
        verified => Ok(verified),
    }
}

/// Hands the newest nonce to a client, where OAuth Settings asks for nonces.
pub(crate) fn offer_nonce(documents: &Documents, settings: &OAuthSettings, response: &mut Response) {
    if settings.require_dpop_nonce
        && let Ok(nonce) = HeaderValue::try_from(nonce(documents, documents.clock().now()))
    {
        response.headers_mut().insert(DPOP_NONCE, nonce);
    }
}

/// Uses up a proof for good: in the database, before anything that it opens happens.
pub(crate) async fn spend(documents: &Documents, proof: &Proof) -> SiteResult<bool> {
    remember(documents, Purpose::DpopProof, &proof.jkt, &proof.jti, proof.expires_at).await
}

/// The error for a proof that comes a second time.
pub(crate) fn repeated() -> Error {
    Error::new(ErrorCode::InvalidDpopProof, "the DPoP proof was used before: sign a new one for each request")
}

/// The proofs of requests that only read, used in this process.
///
/// Two spans, each as long as a proof may live, so that the older one can be dropped whole.
#[derive(Default)]
pub(crate) struct SeenProofs(Mutex<Spans>);

#[derive(Default)]
struct Spans {
    began: DateTime<Utc>,
    current: HashSet<[u8; 16]>,
    previous: HashSet<[u8; 16]>,
}

impl SeenProofs {
    /// Notes that a proof was used; false if it was before. With too many at once nothing is let through unnoted.
    pub(crate) fn spend(&self, proof: &Proof, now: DateTime<Utc>) -> SiteResult<bool> {
        self.spend_within(proof, now, CAPACITY)
    }

    fn spend_within(&self, proof: &Proof, now: DateTime<Utc>, capacity: usize) -> SiteResult<bool> {
        let digest = secret::sha256(format!("{}:{}", proof.jkt, proof.jti));
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        let life: Duration = MAX_AGE + LEEWAY + LEEWAY;
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now - spans.began;
        if age >= life {
            let last = std::mem::take(&mut spans.current);
            spans.previous = if age < life * 2 { last } else { HashSet::new() };
            spans.began = now;
        }
        if spans.previous.contains(&short) || spans.current.contains(&short) {
            return Ok(false);
        }
        if spans.current.len() >= capacity {
            return Err(SiteError::Unavailable("Too many requests with DPoP proofs: try again in a minute".to_owned()));
        }
        spans.current.insert(short);
        Ok(true)
    }
}

/// Turns `Authorization: DPoP` with its proof into a session.
pub(crate) struct DpopAuthenticator {
    tokens: Arc<BearerAuthenticator>,
    seen: SeenProofs,
}

impl DpopAuthenticator {
    /// An authenticator for the tokens of this site.
    pub(crate) fn new(tokens: Arc<BearerAuthenticator>) -> Self {
        Self { tokens, seen: SeenProofs::default() }
    }
}

/// The refusal of a request whose proof does not hold.
pub(crate) fn refused(error: &Error) -> SiteError {
    SiteError::Authentication(AuthenticationError::BadProof {
        error: error.code().as_str(),
        message: error.description().to_owned(),
    })
}

#[async_trait]
impl Authenticator for DpopAuthenticator {
    fn scheme(&self) -> &'static str {
        "dpop"
    }

    async fn authenticate(
        &self,
        site: &Site,
        request: &Request,
        _: &RequestContext,
        value: &str,
    ) -> SiteResult<Option<Authenticated>> {
        let documents = &site.documents;
        let settings = OAuthSettings::load(documents).await?;
        let proof = verify(documents, &settings, request, Some(value)).map_err(|error| refused(&error))?;
        let missing = || Error::new(ErrorCode::InvalidDpopProof, "the header DPoP with the proof is missing");
        let proof = proof.ok_or_else(|| refused(&missing()))?;
        // The token first: only who holds one can fill what is remembered.
        let certificate = ClientCertificate::of(request);
        let presented = Presented { token: value, jkt: Some(&proof.jkt), certificate };
        let (session, token) = self.tokens.session(site, presented, request.uri().path()).await?;
        let is_new = if request.method().is_safe() {
            self.seen.spend(&proof, documents.clock().now())?
        } else {
            spend(documents, &proof).await?
        };
        if !is_new {
            return Err(refused(&repeated()));
        }
        Ok(Some(Authenticated {
            session,
            credentials: Credentials::Bearer,
            client: Some(token.client.into()),
            key: None,
        }))
    }

    /// The proof was held against the token when the request came.
    async fn again(
        &self,
        site: &Site,
        request: &Request,
        _: &RequestContext,
        value: &str,
    ) -> SiteResult<Option<Authenticated>> {
        let Some(token) = self.tokens.token(&site.documents, value).await? else { return Ok(None) };
        let certificate = ClientCertificate::of(request);
        let presented = Presented { token: value, jkt: token.dpop_jkt.as_deref(), certificate };
        let (session, token) = self.tokens.session(site, presented, request.uri().path()).await?;
        let client = Some(token.client.into());
        Ok(Some(Authenticated { session, credentials: Credentials::Bearer, client, key: None }))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000 + seconds, 0).unwrap()
    }

    fn proof(jti: &str) -> Proof {
        Proof { jkt: "key".to_owned(), jti: jti.to_owned(), expires_at: at(0) }
    }

    #[test]
    fn a_proof_is_used_once_for_as_long_as_it_could_be_sent_again() {
        let seen = SeenProofs::default();
        assert!(seen.spend(&proof("a"), at(0)).unwrap());
        for seconds in [0, 1, 359, 361, 700] {
            assert!(!seen.spend(&proof("a"), at(seconds)).unwrap(), "{seconds}");
        }
        assert!(seen.spend(&proof("b"), at(700)).unwrap());
        assert!(!seen.spend(&proof("b"), at(1050)).unwrap());
    }

    #[test]
    fn what_cannot_be_remembered_is_not_let_through() {
        let seen = SeenProofs::default();
        assert!(seen.spend_within(&proof("a"), at(0), 1).unwrap());
        assert!(seen.spend_within(&proof("b"), at(0), 1).is_err());
        assert!(!seen.spend_within(&proof("a"), at(0), 1).unwrap());
        assert!(seen.spend_within(&proof("b"), at(400), 1).unwrap());
    }
}
