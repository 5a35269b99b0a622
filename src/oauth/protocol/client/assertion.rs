//! Clients that authenticate by a signed JWT: `private_key_jwt` and `client_secret_jwt` (RFC 7523 §2.2, §3).

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use crate::oauth::protocol::client::client_authentication::Method;
use crate::oauth::protocol::error::{Error, Result};
use crate::oauth::protocol::jose::jwk::JwkSet;
use crate::oauth::protocol::jose::jwt::{Algorithm, Claims, JwtError, LEEWAY, SigningKey, Unverified};
use crate::secret::{self, SigningAlgorithm};

/// The algorithms that we accept from clients.
pub(crate) const ALGORITHMS: [SigningAlgorithm; 4] =
    [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::Ps256, SigningAlgorithm::EdDsa];

/// An assertion that was taken apart: it says whose it is, but proves nothing yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClientAssertion {
    client_id: String,
    jwt: Unverified,
}

/// What the client's signature is verified with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ClientKey<'a> {
    /// `private_key_jwt`: its public keys.
    Public(&'a JwkSet),
    /// `client_secret_jwt`: its secret.
    Secret(&'a str),
}

/// An assertion that holds, if it has not been used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VerifiedAssertion {
    /// The client.
    pub client_id: String,
    /// Its name: remember the pair of client and name until it expires, and refuse it a second time.
    pub jti: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

impl ClientAssertion {
    /// Takes an assertion apart. `client_id` is the parameter, which may be missing but must not contradict.
    pub(crate) fn parse(assertion: &str, client_id: Option<&str>) -> Result<Self> {
        let jwt = Unverified::parse(assertion).map_err(refuse)?;
        let claims = jwt.unverified_claims();
        let subject = claims.require_text("sub").map_err(refuse)?.to_owned();
        if claims.text("iss") != Some(&subject) {
            return Err(refuse(JwtError::Claim("iss")));
        }
        if client_id.is_some_and(|given| given != subject) {
            return Err(refuse(JwtError::Claim("sub")));
        }
        Ok(Self { client_id: subject, jwt })
    }

    /// The client that it is said to come from.
    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Whether the signature is of the kind that is registered for the client.
    pub(crate) fn fits(&self, method: Method) -> bool {
        match self.jwt.header.alg {
            Algorithm::Asymmetric(_) => method == Method::PrivateKeyJwt,
            Algorithm::Hs256 => method == Method::ClientSecretJwt,
        }
    }

    /// Verifies signature, audience and times. `audiences` are our names: issuer, token endpoint, this endpoint. One that
    /// lives longer than `longest` is refused: whoever finds one in a log should find it expired.
    ///
    /// The cause is for the log; the client reads [`Error::invalid_client`] whatever it is.
    pub(crate) fn verify(
        self,
        key: ClientKey<'_>,
        audiences: &[&str],
        longest: Duration,
        now: DateTime<Utc>,
    ) -> Result<VerifiedAssertion, JwtError> {
        let verified = match key {
            ClientKey::Public(keys) => self.jwt.verify(keys, &ALGORITHMS),
            ClientKey::Secret(secret) => self.jwt.verify_hs256(secret.as_bytes()),
        }?;
        let expires_at = check(&verified.claims, audiences, longest, now)?;
        let jti = verified.claims.require_text("jti")?.to_owned();
        Ok(VerifiedAssertion { client_id: self.client_id, jti, expires_at })
    }
}

fn check(
    claims: &Claims,
    audiences: &[&str],
    longest: Duration,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, JwtError> {
    // Every audience must be us: an assertion that is also for somebody else could be replayed by them.
    let named = claims.audience();
    if named.is_empty() || !named.iter().all(|audience| audiences.contains(audience)) {
        return Err(JwtError::Claim("aud"));
    }
    let expires_at = claims.require_current(now)?;
    if expires_at > now + longest + LEEWAY {
        return Err(JwtError::Claim("exp"));
    }
    Ok(expires_at)
}

fn refuse(cause: JwtError) -> Error {
    Error::invalid_client().because(cause)
}

/// An assertion of ours, for a server where we are the client.
pub fn sign(key: &SigningKey, client_id: &str, audience: &str, now: DateTime<Utc>) -> String {
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": secret::random_id(),
        "iat": now.timestamp(),
        "exp": (now + Duration::minutes(1)).timestamp(),
    });
    key.sign("JWT", &claims)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use serde_json::Value;

    use super::*;
    use crate::oauth::protocol::error::ErrorCode;
    use crate::oauth::protocol::jose::jwt::sign_hs256;

    const ISSUER: &str = "https://site.example";
    const TOKEN: &str = "https://site.example/token";
    const SECRET: &str = "dt_cs_0123456789012345678901234567890123456789";

    fn now() -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000, 0).unwrap()
    }

    fn claims(changes: &Value) -> Value {
        let mut claims = json!({
            "iss": "app", "sub": "app", "aud": ISSUER, "jti": "1", "exp": now().timestamp() + 60, "iat": now().timestamp(),
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn verify(assertion: &str, key: ClientKey<'_>) -> Result<VerifiedAssertion> {
        ClientAssertion::parse(assertion, None)?
            .verify(key, &[ISSUER, TOKEN], Duration::minutes(5), now())
            .map_err(refuse)
    }

    #[test]
    fn what_we_sign_elsewhere_is_what_we_accept_here() {
        let key = SigningKey::generate(SigningAlgorithm::Es256);
        let keys = JwkSet { keys: vec![key.jwk()] };
        let assertion = sign(&key, "app", TOKEN, now());
        let verified = verify(&assertion, ClientKey::Public(&keys)).unwrap();
        assert_eq!(verified.client_id, "app");
        assert_eq!(verified.expires_at, now() + Duration::minutes(1));
        assert_ne!(sign(&key, "app", TOKEN, now()), assertion);
    }

    #[test]
    fn a_secret_signs_too_but_not_for_a_client_with_keys() {
        let assertion = sign_hs256(SECRET.as_bytes(), "JWT", &claims(&json!({})));
        assert!(verify(&assertion, ClientKey::Secret(SECRET)).is_ok());
        assert!(verify(&assertion, ClientKey::Secret(&SECRET.replace('0', "1"))).is_err());
        let parsed = ClientAssertion::parse(&assertion, None).unwrap();
        assert!(parsed.fits(Method::ClientSecretJwt) && !parsed.fits(Method::PrivateKeyJwt));
        let key = SigningKey::generate(SigningAlgorithm::Es256);
        assert!(verify(&assertion, ClientKey::Public(&JwkSet { keys: vec![key.jwk()] })).is_err());
    }

    #[test]
    fn a_wrong_claim_is_invalid_client() {
        let key = SigningKey::generate(SigningAlgorithm::Es256);
        let keys = JwkSet { keys: vec![key.jwk()] };
        let at = |seconds: i64| now().timestamp() + seconds;
        for changes in [
            json!({ "iss": "other" }),
            json!({ "sub": null }),
            json!({ "aud": "https://other.example" }),
            json!({ "aud": [ISSUER, "https://other.example"] }),
            json!({ "aud": [] }),
            json!({ "jti": null }),
            json!({ "exp": at(-60) }),
            json!({ "exp": at(3600) }),
            json!({ "exp": null }),
            json!({ "nbf": at(120) }),
        ] {
            let error = verify(&key.sign("JWT", &claims(&changes)), ClientKey::Public(&keys)).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidClient, "{changes}");
            assert_eq!(error.body(), Error::invalid_client().body());
        }
        assert!(verify(&key.sign("JWT", &claims(&json!({ "aud": [ISSUER] }))), ClientKey::Public(&keys)).is_ok());
    }

    #[test]
    fn the_parameter_must_not_contradict() {
        let key = SigningKey::generate(SigningAlgorithm::Es256);
        let assertion = sign(&key, "app", ISSUER, now());
        assert!(ClientAssertion::parse(&assertion, Some("app")).is_ok());
        assert!(ClientAssertion::parse(&assertion, Some("other")).is_err());
        assert!(ClientAssertion::parse("garbage", None).is_err());
    }
}
