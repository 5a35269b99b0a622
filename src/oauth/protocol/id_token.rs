//! Id tokens: the ones we issue, and how the ones that others issue are checked (OpenID Connect Core §2, §3.1.3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::jwt::{Algorithm, Claims, JwtError, LEEWAY};
use crate::secret::{self, SigningAlgorithm};

/// The `typ` of id tokens.
pub const TYPE: &str = "JWT";
/// An id token says who logged in; it is not a session, so it need not live long.
pub const LIFETIME: Duration = Duration::hours(1);

/// The algorithm where nothing else was chosen.
pub const DEFAULT_ALG: SigningAlgorithm = SigningAlgorithm::Es256;

/// The assurance of a login by password: level 1 of ISO/IEC 29115.
pub const ACR: &str = "1";

/// The claims of an id token of ours.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IdTokenClaims {
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
pub fn signing_alg(registered: Option<&str>, default: &str) -> Algorithm {
    Algorithm::parse(registered.unwrap_or(default)).unwrap_or(Algorithm::Asymmetric(DEFAULT_ALG))
}

/// Whether an algorithm may sign id tokens of a client (OpenID Connect Core §10.1).
///
/// HS256 needs a secret that both know, of at least 256 bits, and the administrator's leave.
pub fn may_use_hs256(client_is_confidential: bool, secret: &str, allowed: bool) -> bool {
    allowed && client_is_confidential && secret.len() >= super::jwt::MIN_HS256_SECRET
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

/// What an id token from a provider must say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The provider's issuer.
    pub issuer: &'a str,
    /// Our client id there.
    pub client_id: &'a str,
    /// The nonce that we sent.
    pub nonce: Option<&'a str>,
    /// The access token that came along.
    pub access_token: Option<&'a str>,
    /// How old the login may be.
    pub max_age: Option<Duration>,
}

/// Checks the claims of an id token whose signature was verified; returns the subject.
pub fn check<'a>(
    claims: &'a Claims,
    algorithm: Algorithm,
    expected: &Expected<'_>,
    now: DateTime<Utc>,
) -> Result<&'a str, JwtError> {
    claims.require_issuer(expected.issuer)?;
    claims.require_audience(expected.client_id)?;
    // A token for several parties says who asked for it; a token that somebody else asked for is not for us.
    match claims.text("azp") {
        Some(azp) if azp != expected.client_id => return Err(JwtError::Claim("azp")),
        None if claims.audience().len() > 1 => return Err(JwtError::Claim("azp")),
        _ => {}
    }
    claims.require_current(now)?;
    claims.time("iat").ok_or(JwtError::Claim("iat"))?;
    if let Some(nonce) = expected.nonce {
        let given = claims.text("nonce").unwrap_or_default();
        if !secret::constant_time_eq(given, nonce) {
            return Err(JwtError::Claim("nonce"));
        }
    }
    if let (Some(given), Some(token)) = (claims.text("at_hash"), expected.access_token)
        && given != half_hash(algorithm, token)
    {
        return Err(JwtError::Claim("at_hash"));
    }
    if let Some(max_age) = expected.max_age {
        let auth_time = claims.time("auth_time").ok_or(JwtError::Claim("auth_time"))?;
        if now - auth_time > max_age + LEEWAY {
            return Err(JwtError::Claim("auth_time"));
        }
    }
    claims.require_text("sub")
}

/// The subject of an id token of ours that a client sends as a hint: it may have expired (RP-Initiated Logout §2).
pub fn check_hint<'a>(claims: &'a Claims, issuer: &str, client_id: Option<&str>) -> Result<&'a str, JwtError> {
    claims.require_issuer(issuer)?;
    if let Some(client_id) = client_id {
        claims.require_audience(client_id)?;
    }
    claims.require_text("sub")
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use serde_json::json;

    use super::*;

    const ES256: Algorithm = Algorithm::Asymmetric(SigningAlgorithm::Es256);

    fn now() -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000, 0).unwrap()
    }

    fn expected() -> Expected<'static> {
        Expected {
            issuer: "https://idp.example",
            client_id: "app",
            nonce: Some("n"),
            access_token: None,
            max_age: None,
        }
    }

    fn claims(changes: &Value) -> Claims {
        let mut claims = json!({
            "iss": "https://idp.example", "sub": "248289761001", "aud": "app", "nonce": "n",
            "exp": 1_800_000_060, "iat": 1_800_000_000, "auth_time": 1_799_999_000,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        Claims(claims.as_object().unwrap().clone())
    }

    fn checked(changes: &Value, expected: &Expected<'_>) -> Result<String, JwtError> {
        check(&claims(changes), ES256, expected, now()).map(str::to_owned)
    }

    #[test]
    fn a_proper_token_tells_the_subject() {
        assert_eq!(checked(&json!({}), &expected()).unwrap(), "248289761001");
        assert!(checked(&json!({ "aud": ["app", "other"], "azp": "app" }), &expected()).is_ok());
    }

    #[test]
    fn a_token_of_another_issuer_for_another_client_or_login_is_refused() {
        for (changes, claim) in [
            (json!({ "iss": "https://evil.example" }), "iss"),
            (json!({ "iss": "https://idp.example/" }), "iss"),
            (json!({ "aud": "other" }), "aud"),
            (json!({ "aud": ["app", "other"] }), "azp"),
            (json!({ "azp": "other" }), "azp"),
            (json!({ "nonce": "other" }), "nonce"),
            (json!({ "nonce": null }), "nonce"),
            (json!({ "sub": "" }), "sub"),
            (json!({ "sub": null }), "sub"),
            (json!({ "iat": null }), "iat"),
        ] {
            assert_eq!(checked(&changes, &expected()), Err(JwtError::Claim(claim)), "{changes}");
        }
        assert_eq!(checked(&json!({ "exp": 1_799_999_000 }), &expected()), Err(JwtError::Expired));
    }

    #[test]
    fn the_age_of_the_login_is_checked_if_it_was_limited() {
        let limited = |seconds| Expected { max_age: Some(Duration::seconds(seconds)), ..expected() };
        assert!(checked(&json!({}), &limited(1000)).is_ok());
        assert_eq!(checked(&json!({}), &limited(900)), Err(JwtError::Claim("auth_time")));
        assert_eq!(checked(&json!({ "auth_time": null }), &limited(1000)), Err(JwtError::Claim("auth_time")));
    }

    #[test]
    fn the_access_token_must_be_the_one_that_came_along() {
        let with_token = Expected { access_token: Some("token"), ..expected() };
        assert!(checked(&json!({ "at_hash": half_hash(ES256, "token") }), &with_token).is_ok());
        let other = checked(&json!({ "at_hash": half_hash(ES256, "other") }), &with_token);
        assert_eq!(other, Err(JwtError::Claim("at_hash")));
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
        let old = claims(&json!({ "exp": 1 }));
        assert!(check_hint(&old, "https://idp.example", Some("app")).is_ok());
        assert!(check_hint(&old, "https://idp.example", Some("other")).is_err());
        assert!(check_hint(&old, "https://other.example", None).is_err());
    }
}
