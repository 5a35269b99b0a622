//! Proof of possession: a token that works only together with a key (RFC 9449).

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use url::Url;

use crate::oauth::protocol::error::{Error, ErrorCode, Result};
use crate::oauth::protocol::jose::jwk::{Jwk, JwkSet};
use crate::oauth::protocol::jose::jwt::{JwtError, LEEWAY, SigningKey, Unverified};
use crate::oauth::protocol::request::Parameters;
use crate::secret::{self, SigningAlgorithm};

/// The `typ` of proofs.
pub const TYPE: &str = "dpop+jwt";
/// The algorithms that we accept.
pub(crate) const ALGORITHMS: [SigningAlgorithm; 4] =
    [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256, SigningAlgorithm::Ps256];
/// The same as challenges name them.
pub(crate) const ALGS: &str = "ES256 EdDSA RS256 PS256";
/// How old a proof may be: until then its `jti` is remembered.
pub(crate) const MAX_AGE: Duration = Duration::minutes(5);

/// What the proof must be about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expected<'a> {
    /// The method of the request, in upper case.
    pub method: &'a str,
    /// The public address of the request; query and fragment are not compared.
    pub uri: &'a str,
    /// The access token beside it, at a resource server.
    pub access_token: Option<&'a str>,
    /// The nonces that we tell clients to use, one of which must come back; none: no nonce is asked for.
    pub nonces: &'a [String],
}

/// A proof that holds, if it has not been used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The thumbprint of its key.
    pub jkt: String,
    /// Its name: remember the pair of key and name until it expires, and refuse it a second time.
    pub jti: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// Checks the header `DPoP`; the request must carry exactly one.
pub(crate) fn check(proof: &str, expected: &Expected<'_>, now: DateTime<Utc>) -> Result<Proof> {
    let unverified = Unverified::parse(proof).map_err(refuse)?;
    let embedded = unverified.header.jwk.as_ref().ok_or_else(|| wrong("the DPoP proof carries no key"))?;
    let jwk = Jwk::parse(embedded).map_err(|error| wrong("the key of the DPoP proof cannot be used").because(error))?;
    let jkt = jwk.thumbprint();
    // The key is the one that came along, whatever name the header gives it.
    let keys = JwkSet { keys: vec![Jwk { kid: None, alg: None, ..jwk }] };
    let verified = unverified.verify(&keys, &ALGORITHMS).map_err(refuse)?;
    verified.require_type(TYPE).map_err(refuse)?;
    let claims = &verified.claims;
    let jti = claims.require_text("jti").map_err(refuse)?.to_owned();
    if claims.text("htm") != Some(expected.method) {
        return Err(wrong("htm is not the method of this request"));
    }
    let htu = claims.require_text("htu").map_err(refuse)?;
    if without_query(htu).is_none_or(|htu| without_query(expected.uri) != Some(htu)) {
        return Err(wrong("htu is not the address of this request"));
    }
    let issued_at = claims.time("iat").ok_or_else(|| refuse(JwtError::Claim("iat")))?;
    if issued_at > now + LEEWAY || now - issued_at > MAX_AGE {
        return Err(wrong("the DPoP proof is too old or from the future: compare the clocks"));
    }
    let sent = claims.text("nonce").unwrap_or_default();
    if !expected.nonces.is_empty() && !expected.nonces.iter().any(|nonce| secret::constant_time_eq(sent, nonce)) {
        return Err(Error::new(ErrorCode::UseDpopNonce, "Use the nonce of the header DPoP-Nonce"));
    }
    if let Some(token) = expected.access_token
        && claims.text("ath") != Some(&secret::digest(token))
    {
        return Err(wrong("ath is not the digest of the access token"));
    }
    Ok(Proof { jkt, jti, expires_at: issued_at + MAX_AGE + LEEWAY })
}

/// The parameter `dpop_jkt`: the thumbprint of the key to which the tokens are to be bound (RFC 9449 §10).
pub(crate) fn thumbprint(parameters: &Parameters) -> Result<Option<String>> {
    let Some(jkt) = parameters.get("dpop_jkt") else { return Ok(None) };
    let is_thumbprint =
        jkt.len() == 43 && jkt.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !is_thumbprint {
        return Err(Error::invalid_request("dpop_jkt must be a SHA-256 thumbprint in base64url"));
    }
    Ok(Some(jkt.to_owned()))
}

/// The key to which the code of a pushed request is bound: the one that was proved when it was pushed. A `dpop_jkt` beside
/// it must say the same (RFC 9449 §10.1).
pub(crate) fn bound_key(dpop_jkt: Option<String>, proof: Option<&Proof>) -> Result<Option<String>> {
    match (dpop_jkt, proof) {
        (Some(jkt), Some(proof)) if jkt != proof.jkt => {
            Err(Error::invalid_request("dpop_jkt is not the thumbprint of the key in the header DPoP"))
        }
        (jkt, proof) => Ok(jkt.or_else(|| proof.map(|proof| proof.jkt.clone()))),
    }
}

/// A proof of ours, for a server where we are the client.
pub fn sign(key: &SigningKey, method: &str, uri: &str, access_token: Option<&str>, now: DateTime<Utc>) -> String {
    let mut claims = json!({ "jti": secret::random_id(), "htm": method, "htu": uri, "iat": now.timestamp() });
    if let Some(token) = access_token {
        claims["ath"] = json!(secret::digest(token));
    }
    key.sign_with_embedded_key(TYPE, &claims)
}

fn refuse(cause: JwtError) -> Error {
    wrong("the DPoP proof does not verify").because(cause)
}

fn wrong(reason: &'static str) -> Error {
    Error::new(ErrorCode::InvalidDpopProof, reason)
}

/// The address in normal form, without query and fragment (RFC 9449 §4.3).
fn without_query(uri: &str) -> Option<Url> {
    let mut url = Url::parse(uri).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use serde_json::Value;

    use super::*;

    const URI: &str = "https://site.example/token";

    fn now() -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000, 0).unwrap()
    }

    fn expected() -> Expected<'static> {
        Expected { method: "POST", uri: URI, ..Expected::default() }
    }

    fn key() -> SigningKey {
        SigningKey::generate(SigningAlgorithm::Es256)
    }

    fn code(proof: &str, expected: &Expected<'_>) -> Option<ErrorCode> {
        check(proof, expected, now()).err().map(|error| error.code())
    }

    #[test]
    fn challenges_name_every_algorithm() {
        assert_eq!(ALGORITHMS.map(SigningAlgorithm::as_str).join(" "), ALGS);
    }

    #[test]
    fn a_proof_tells_the_thumbprint_of_its_key() {
        let key = key();
        let proof = check(&sign(&key, "POST", URI, None, now()), &expected(), now()).unwrap();
        assert_eq!(proof.jkt, key.jwk().thumbprint());
        assert!(proof.expires_at > now() + MAX_AGE);
    }

    #[test]
    fn query_and_fragment_of_the_address_do_not_matter_but_the_rest_does() {
        let key = key();
        let at = |uri: &str| code(&sign(&key, "POST", uri, None, now()), &expected());
        assert_eq!(at("HTTPS://site.example:443/token?x=1#y"), None);
        for uri in ["https://site.example/other", "https://evil.example/token", "http://site.example/token", "token"] {
            assert_eq!(at(uri), Some(ErrorCode::InvalidDpopProof), "{uri}");
        }
        assert_eq!(code(&sign(&key, "GET", URI, None, now()), &expected()), Some(ErrorCode::InvalidDpopProof));
    }

    #[test]
    fn an_old_or_future_proof_is_refused() {
        let key = key();
        for (seconds, ok) in [(0, true), (-300, true), (-301, false), (30, true), (31, false)] {
            let proof = sign(&key, "POST", URI, None, now() + Duration::seconds(seconds));
            assert_eq!(code(&proof, &expected()).is_none(), ok, "{seconds}");
        }
    }

    #[test]
    fn at_a_resource_the_proof_is_for_this_token() {
        let key = key();
        let expected = Expected { access_token: Some("dt_at_x"), ..expected() };
        assert_eq!(code(&sign(&key, "POST", URI, Some("dt_at_x"), now()), &expected), None);
        let invalid = Some(ErrorCode::InvalidDpopProof);
        assert_eq!(code(&sign(&key, "POST", URI, Some("dt_at_y"), now()), &expected), invalid);
        assert_eq!(code(&sign(&key, "POST", URI, None, now()), &expected), invalid);
    }

    #[test]
    fn a_nonce_is_asked_for() {
        let key = key();
        let nonces = ["m".to_owned(), "n".to_owned()];
        let expected = Expected { nonces: &nonces, ..expected() };
        assert_eq!(code(&sign(&key, "POST", URI, None, now()), &expected), Some(ErrorCode::UseDpopNonce));
        let claims = json!({ "jti": "1", "htm": "POST", "htu": URI, "iat": now().timestamp(), "nonce": "n" });
        assert_eq!(code(&key.sign_with_embedded_key(TYPE, &claims), &expected), None);
    }

    #[test]
    fn a_proof_of_another_type_without_key_or_with_another_key_is_refused() {
        let (key, other) = (key(), key());
        let claims = json!({ "jti": "1", "htm": "POST", "htu": URI, "iat": now().timestamp() });
        let invalid = Some(ErrorCode::InvalidDpopProof);
        assert_eq!(code(&key.sign_with_embedded_key("JWT", &claims), &expected()), invalid);
        assert_eq!(code(&key.sign(TYPE, &claims), &expected()), invalid);
        assert_eq!(code("garbage", &expected()), invalid);
        // The header of one proof on the signature of another.
        let (a, b) = (key.sign_with_embedded_key(TYPE, &claims), other.sign_with_embedded_key(TYPE, &claims));
        let mixed = format!("{}.{}", a.rsplit_once('.').unwrap().0, b.rsplit_once('.').unwrap().1);
        assert_eq!(code(&mixed, &expected()), invalid);
        let mut without: Value = claims;
        without["jti"] = json!("");
        assert_eq!(code(&key.sign_with_embedded_key(TYPE, &without), &expected()), invalid);
    }

    #[test]
    fn what_is_pushed_is_bound_to_the_key_that_was_proved_and_must_not_name_another() {
        let proof = Proof { jkt: "key".to_owned(), jti: "a".to_owned(), expires_at: DateTime::UNIX_EPOCH };
        let bound = |jkt: Option<&str>, proof| bound_key(jkt.map(str::to_owned), proof);
        assert_eq!(bound(None, Some(&proof)).unwrap().as_deref(), Some("key"));
        assert_eq!(bound(Some("key"), Some(&proof)).unwrap().as_deref(), Some("key"));
        assert_eq!(bound(Some("other"), None).unwrap().as_deref(), Some("other"));
        assert_eq!(bound(None, None).unwrap(), None);
        assert!(bound(Some("other"), Some(&proof)).is_err());
    }
}
