//! Id tokens: the ones we issue, and how the ones that others issue are checked (OpenID Connect Core §2, §3.1.3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::oauth::protocol::jose::jwt::{Algorithm, Claims, JwtError, LEEWAY, Verified};
use crate::secret::{self, SigningAlgorithm};

/// How old an ID token may be: it was made for this very request.
const MAX_AGE: Duration = Duration::minutes(15);

/// The `typ` of id tokens.
pub(crate) const TYPE: &str = "JWT";
/// An id token says who logged in; it is not a session, so it need not live long.
pub(crate) const LIFETIME: Duration = Duration::hours(1);

/// The algorithm where nothing else was chosen.
pub(crate) const DEFAULT_ALG: SigningAlgorithm = SigningAlgorithm::Es256;

/// The assurance of a login by password: level 1 of ISO/IEC 29115.
pub(crate) const ACR: &str = "1";
/// That of a login by password and a second factor: level 2.
pub(crate) const ACR_MFA: &str = "2";

/// The claims of an id token of ours.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct IdTokenClaims {
    /// Our issuer.
    pub iss: String,
    /// The person: the stable subject identifier, never empty.
    pub sub: String,
    /// The client.
    pub aud: String,
    /// When it ends, in seconds.
    pub exp: i64,
    /// When it was made, in seconds.
    pub iat: i64,
    /// When the person logged in, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The client again: who asked for it.
    pub azp: String,
    /// The `nonce` of the authorization request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Half the digest of the access token beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// The session, by which a logout names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// How strongly the person proved who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// By what means (RFC 8176).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// What the granted scopes add.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The algorithm that signs what a client is told of its people, ID tokens and logout tokens alike (OpenID Connect
/// Back-Channel Logout §2.4): the one `registered` for it, or else the default of the site.
pub(crate) fn signing_alg(registered: Option<&str>, default: &str) -> Algorithm {
    Algorithm::parse(registered.unwrap_or(default)).unwrap_or(Algorithm::Asymmetric(DEFAULT_ALG))
}

/// Whether an algorithm may sign id tokens of a client (OpenID Connect Core §10.1).
///
/// HS256 needs a secret that both know, of at least 256 bits, and the administrator's leave.
pub(crate) fn may_use_hs256(client_is_confidential: bool, secret: &str, allowed: bool) -> bool {
    allowed && client_is_confidential && secret.len() >= crate::oauth::protocol::jose::jwt::MIN_HS256_SECRET
}

/// `at_hash` and `c_hash`: the left half of the digest that belongs to the signature's algorithm.
pub fn half_hash(algorithm: Algorithm, token: &str) -> String {
    match algorithm {
        // Ed25519 hashes with SHA-512.
        Algorithm::Asymmetric(
            SigningAlgorithm::EdDsa | SigningAlgorithm::Es512 | SigningAlgorithm::Rs512 | SigningAlgorithm::Ps512,
        ) => URL_SAFE_NO_PAD.encode(&secret::sha512(token)[..32]),
        Algorithm::Asymmetric(SigningAlgorithm::Es384 | SigningAlgorithm::Rs384 | SigningAlgorithm::Ps384) => {
            URL_SAFE_NO_PAD.encode(&secret::sha384(token)[..24])
        }
        Algorithm::Asymmetric(SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256)
        | Algorithm::Hs256 => URL_SAFE_NO_PAD.encode(&secret::sha256(token)[..16]),
    }
}

/// What an ID token has to fit: our own request, and the access token that came along.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// This site, as the provider knows it.
    pub client_id: &'a str,
    /// What the request asked to have repeated.
    pub nonce: &'a str,
    /// The access token that came along.
    pub access_token: &'a str,
}

/// Checks an ID token that came with the answer to our own request (OpenID Connect Core §3.1.3.7).
pub(crate) fn check(token: &Verified, expected: &Expected<'_>, now: DateTime<Utc>) -> Result<(), JwtError> {
    // The type is not required; a token that says it is of another kind is not for this (RFC 8725 §3.11).
    if !matches!(token.header.typ.as_deref(), None | Some("jwt" | "id_token+jwt")) {
        return Err(JwtError::Type);
    }
    let claims = &token.claims;
    claims.require_issuer(expected.issuer)?;
    claims.require_audience(expected.client_id)?;
    // With several audiences, or where it is there at all, `azp` has to be us.
    match claims.get("azp") {
        Some(party) if *party != *expected.client_id => return Err(JwtError::Claim("azp")),
        None if claims.audience().len() > 1 => return Err(JwtError::Claim("azp")),
        _ => {}
    }
    // §3.1.3.8: the access token is the one that belongs to it.
    if claims.get("at_hash").is_some_and(|hash| *hash != *half_hash(token.header.alg, expected.access_token)) {
        return Err(JwtError::Claim("at_hash"));
    }
    claims.require_current(now)?;
    let issued_at = claims.time("iat").ok_or(JwtError::Claim("iat"))?;
    if now - issued_at > MAX_AGE + LEEWAY {
        return Err(JwtError::Claim("iat"));
    }
    let repeated = claims.require_text("nonce")?;
    if !secret::constant_time_eq(repeated, expected.nonce) {
        return Err(JwtError::Claim("nonce"));
    }
    claims.require_text("sub").map(|_| ())
}

/// The subject of an id token of ours that a client sends as a hint: it may have expired (RP-Initiated Logout §2).
pub(crate) fn check_hint<'a>(claims: &'a Claims, issuer: &str, client_id: Option<&str>) -> Result<&'a str, JwtError> {
    claims.require_issuer(issuer)?;
    if let Some(client_id) = client_id {
        claims.require_audience(client_id)?;
    }
    claims.require_text("sub")
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::oauth::protocol::jose::jwt::Header;

    fn checked(change: impl FnOnce(&mut Json)) -> Result<(), JwtError> {
        let now = Utc.timestamp_opt(1_700_000_000, 0).unwrap();
        let mut claims = json!({
            "iss": "https://a.example", "aud": "me", "sub": "alice", "nonce": "n",
            "iat": 1_700_000_000, "exp": 1_700_000_300,
        });
        change(&mut claims);
        let typ = claims.as_object_mut().unwrap().remove("typ").map(|typ| typ.as_str().unwrap().to_owned());
        let alg = Algorithm::Asymmetric(SigningAlgorithm::Es256);
        let header = Header { alg, typ, kid: None, jwk: None };
        let token = Verified { header, claims: Claims(claims.as_object().unwrap().clone()) };
        let expected = Expected { issuer: "https://a.example", client_id: "me", nonce: "n", access_token: "at" };
        check(&token, &expected, now)
    }

    #[test]
    fn a_token_for_this_request_passes() {
        assert_eq!(checked(|_| {}), Ok(()));
        assert_eq!(checked(|claims| claims["aud"] = json!(["me"])), Ok(()));
        assert_eq!(
            checked(|claims| {
                claims["aud"] = json!(["me", "other"]);
                claims["azp"] = json!("me");
            }),
            Ok(())
        );
        for void in [json!(null), json!(""), json!([])] {
            for name in ["azp", "at_hash", "nbf"] {
                assert_eq!(checked(|claims| claims[name] = void.clone()), Ok(()), "{name}: {void}");
            }
        }
        let hash = half_hash(Algorithm::Asymmetric(SigningAlgorithm::Es256), "at");
        assert_eq!(checked(|claims| claims["at_hash"] = json!(hash)), Ok(()));
        assert_eq!(checked(|claims| claims["exp"] = json!("1700000300.5")), Ok(()));
        assert_eq!(checked(|claims| claims["typ"] = json!("jwt")), Ok(()));
        // Clocks differ a little.
        assert_eq!(checked(|claims| claims["iat"] = json!(1_700_000_020)), Ok(()));
        assert_eq!(checked(|claims| claims["exp"] = json!(1_699_999_980)), Ok(()));
    }

    #[test]
    fn every_other_token_is_refused() {
        for (name, value, expected) in [
            ("iss", json!("https://a.example/"), JwtError::Claim("iss")),
            ("iss", json!("https://evil.example"), JwtError::Claim("iss")),
            ("aud", json!("somebody else"), JwtError::Claim("aud")),
            ("aud", json!([]), JwtError::Claim("aud")),
            ("aud", json!(["me", "other"]), JwtError::Claim("azp")),
            ("azp", json!("other"), JwtError::Claim("azp")),
            ("azp", json!(["me"]), JwtError::Claim("azp")),
            ("azp", json!({"me": true}), JwtError::Claim("azp")),
            ("at_hash", json!("bm90IHRoZSBvbmUgaXQgaXM"), JwtError::Claim("at_hash")),
            ("at_hash", json!(7), JwtError::Claim("at_hash")),
            ("typ", json!("at+jwt"), JwtError::Type),
            ("typ", json!("logout+jwt"), JwtError::Type),
            ("nonce", json!("other"), JwtError::Claim("nonce")),
            ("nonce", json!(null), JwtError::Claim("nonce")),
            ("sub", json!(""), JwtError::Claim("sub")),
            ("sub", json!(7), JwtError::Claim("sub")),
            ("exp", json!(1_699_999_000), JwtError::Expired),
            ("exp", json!(null), JwtError::Claim("exp")),
            ("iat", json!(1_700_000_100), JwtError::NotYetValid),
            ("iat", json!(1_699_990_000), JwtError::Claim("iat")),
            ("nbf", json!(1_700_000_100), JwtError::NotYetValid),
        ] {
            assert_eq!(checked(|claims| claims[name] = value.clone()), Err(expected), "{name}: {value}");
        }
    }

    #[test]
    fn the_half_hash_of_the_specification_comes_out() {
        // OpenID Connect Core appendix A.3 (RS256).
        let rs256 = Algorithm::Asymmetric(SigningAlgorithm::Rs256);
        assert_eq!(half_hash(rs256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(half_hash(Algorithm::Asymmetric(SigningAlgorithm::EdDsa), "x").len(), 43);
        assert_eq!(half_hash(Algorithm::Asymmetric(SigningAlgorithm::Es384), "x").len(), 32);
    }

    #[test]
    fn claims_are_written_without_nulls() {
        let claims = IdTokenClaims {
            iss: "https://site.example".to_owned(),
            sub: "u".to_owned(),
            aud: "app".to_owned(),
            exp: 2,
            iat: 1,
            auth_time: Some(0),
            azp: "app".to_owned(),
            nonce: None,
            at_hash: None,
            sid: None,
            acr: None,
            amr: vec![],
            extra: Map::new(),
        };
        assert_eq!(
            serde_json::to_string(&claims).unwrap(),
            r#"{"iss":"https://site.example","sub":"u","aud":"app","exp":2,"iat":1,"auth_time":0,"azp":"app"}"#
        );
    }

    #[test]
    fn hs256_needs_a_long_secret_a_confidential_client_and_leave() {
        let secret = "x".repeat(32);
        assert!(may_use_hs256(true, &secret, true));
        assert!(!may_use_hs256(true, "0123456789", true));
        assert!(!may_use_hs256(false, &secret, true) && !may_use_hs256(true, &secret, false));
    }

    #[test]
    fn a_hint_may_have_expired_but_must_be_ours() {
        let old = json!({"iss": "https://idp.example", "sub": "alice", "aud": "app", "exp": 1});
        let old = Claims(old.as_object().unwrap().clone());
        assert!(check_hint(&old, "https://idp.example", Some("app")).is_ok());
        assert!(check_hint(&old, "https://idp.example", Some("other")).is_err());
        assert!(check_hint(&old, "https://other.example", None).is_err());
    }
}
