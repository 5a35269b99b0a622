//! Signed authorization requests: the parameters come in a JWT that the client signed (RFC 9101).

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use crate::oauth::protocol::error::{Error, ErrorCode};
use crate::oauth::protocol::jose::jwk::JwkSet;
use crate::oauth::protocol::jose::jwt::{JwtError, LEEWAY, Unverified};
use crate::oauth::protocol::request::Parameters;
use crate::secret::SigningAlgorithm;

/// The `typ` that a request object should have.
pub const TYPE: &str = "oauth-authz-req+jwt";
/// The algorithms that we accept; never `none`.
pub(crate) const ALGORITHMS: [SigningAlgorithm; 4] =
    [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::Ps256, SigningAlgorithm::EdDsa];
/// A request object that lives longer is refused.
const MAX_LIFETIME: Duration = Duration::hours(1);
/// Claims about the token itself, which are not parameters.
const TOKEN_CLAIMS: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// A request object that holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RequestObject {
    /// The parameters: those of the object and no others (RFC 9101 §6.3).
    pub parameters: Parameters,
    /// Its name, if it has one: remember it until it expires, and refuse it a second time.
    pub jti: Option<String>,
    /// Until when it holds.
    pub expires_at: DateTime<Utc>,
}

/// Verifies the parameter `request` of a client with its keys. [`refused`] says what the client reads of a refusal.
pub(crate) fn verify(
    request: &str,
    client_id: &str,
    keys: &JwkSet,
    issuer: &str,
    now: DateTime<Utc>,
) -> Result<RequestObject, JwtError> {
    let verified = Unverified::parse(request)?.verify(keys, &ALGORITHMS)?;
    // An id token or assertion of the same client must not pass for a request; many libraries leave the type out.
    if !matches!(verified.header.typ.as_deref(), None | Some("jwt" | TYPE)) {
        return Err(JwtError::Type);
    }
    let claims = &verified.claims;
    claims.require_issuer(client_id)?;
    if claims.text("client_id") != Some(client_id) {
        return Err(JwtError::Claim("client_id"));
    }
    // A client assertion has a subject; a request object has none (RFC 9101 §10.8).
    if claims.0.contains_key("sub") {
        return Err(JwtError::Claim("sub"));
    }
    claims.require_audience(issuer)?;
    let expires_at = claims.require_current(now)?;
    if expires_at > now + MAX_LIFETIME + LEEWAY {
        return Err(JwtError::Claim("exp"));
    }
    if claims.0.contains_key("request") || claims.0.contains_key("request_uri") {
        return Err(JwtError::Claim("request"));
    }
    let parameters = claims
        .0
        .iter()
        .filter(|(name, _)| !TOKEN_CLAIMS.contains(&name.as_str()))
        .flat_map(|(name, value)| as_parameters(name, value));
    Ok(RequestObject {
        parameters: Parameters::from_pairs(parameters),
        jti: claims.text("jti").map(str::to_owned),
        expires_at,
    })
}

/// The answer to a request object that does not hold.
pub(crate) fn refused(cause: JwtError) -> Error {
    Error::new(ErrorCode::InvalidRequestObject, format!("The request object is refused: {cause}")).because(cause)
}

/// A claim as parameters: texts and numbers as they are, a list as a repeated parameter, an object as its JSON.
fn as_parameters(name: &str, value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![(name.to_owned(), text.clone())],
        Value::Array(values) => values.iter().flat_map(|value| as_parameters(name, value)).collect(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => vec![(name.to_owned(), value.to_string())],
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use serde_json::json;

    use super::*;
    use crate::oauth::protocol::jose::jwt::SigningKey;

    const ISSUER: &str = "https://site.example";

    fn now() -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000, 0).unwrap()
    }

    fn claims(changes: &Value) -> Value {
        let mut claims = json!({
            "iss": "app", "aud": ISSUER, "exp": now().timestamp() + 60, "client_id": "app", "response_type": "code",
            "scope": "openid", "max_age": 60, "resource": ["https://site.example/api", "https://site.example/mcp"],
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn verified(typ: &str, claims: &Value) -> Result<RequestObject, JwtError> {
        let key = SigningKey::generate(SigningAlgorithm::Es256);
        let keys = JwkSet { keys: vec![key.jwk()] };
        verify(&key.sign(typ, claims), "app", &keys, ISSUER, now())
    }

    #[test]
    fn the_parameters_are_those_of_the_object() {
        let object = verified(TYPE, &claims(&json!({ "jti": "1" }))).unwrap();
        assert_eq!(object.parameters.get("scope"), Some("openid"));
        assert_eq!(object.parameters.get("max_age"), Some("60"));
        assert_eq!(object.parameters.all("resource").count(), 2);
        assert_eq!(object.parameters.get("exp"), None);
        assert_eq!(object.jti.as_deref(), Some("1"));
        assert!(verified("JWT", &claims(&json!({}))).is_ok());
    }

    #[test]
    fn a_wrong_object_is_refused() {
        let at = |seconds: i64| now().timestamp() + seconds;
        for changes in [
            json!({ "iss": "other" }),
            json!({ "client_id": "other" }),
            json!({ "client_id": null }),
            json!({ "aud": "https://other.example" }),
            json!({ "exp": null }),
            json!({ "exp": at(-60) }),
            json!({ "exp": at(100_000) }),
            json!({ "sub": "app" }),
            json!({ "request_uri": "urn:x" }),
        ] {
            let error = refused(verified(TYPE, &claims(&changes)).unwrap_err());
            assert_eq!(error.code(), ErrorCode::InvalidRequestObject, "{changes}");
        }
        assert!(verified("at+jwt", &claims(&json!({}))).is_err());
    }

    #[test]
    fn an_unsigned_or_foreign_object_is_refused() {
        let other = SigningKey::generate(SigningAlgorithm::Es256);
        let keys = JwkSet { keys: vec![SigningKey::generate(SigningAlgorithm::Es256).jwk()] };
        assert!(verify(&other.sign(TYPE, &claims(&json!({}))), "app", &keys, ISSUER, now()).is_err());
        assert!(verify("eyJhbGciOiJub25lIn0.e30.", "app", &keys, ISSUER, now()).is_err());
    }
}
