//! Access tokens as JWT, for resource servers that check them on their own (RFC 9068).

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::oauth::protocol::jose::jwt::{JwtError, Verified};
use crate::oauth::protocol::serve::resource;
use crate::oauth::protocol::serve::scope::ScopeSet;
use crate::oauth::protocol::token::introspection::Confirmation;
use crate::oauth::protocol::token::token_exchange::Actor;

/// The `typ` that keeps access tokens and id tokens apart.
pub const TYPE: &str = "at+jwt";

/// The claims of an access token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccessTokenClaims {
    /// Our issuer.
    pub iss: String,
    /// The subject identifier of the person, or of the service user.
    pub sub: String,
    /// The resources it is meant for; the root of the site if none was named.
    pub aud: Vec<String>,
    /// When it ends, in seconds.
    pub exp: i64,
    /// When it was made, in seconds.
    pub iat: i64,
    /// Its name: the one of the OAuth Bearer Token, so that it can be revoked.
    pub jti: String,
    /// The client that holds it.
    pub client_id: String,
    /// What it allows.
    pub scope: String,
    /// When the person logged in, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// How strongly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// By what means.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// What it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Who acts for the subject (RFC 8693 §4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
}

/// What a verified access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The subject identifier.
    pub subject: String,
    /// The client that holds it.
    pub client_id: String,
    /// What it allows.
    pub scopes: ScopeSet,
    /// Its name.
    pub jti: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// What it is bound to.
    pub cnf: Option<Confirmation>,
}

/// Checks an access token whose signature was verified, at a resource.
pub fn check(token: &Verified, issuer: &str, at: &str, now: DateTime<Utc>) -> Result<AccessToken, JwtError> {
    token.require_type(TYPE)?;
    let claims = &token.claims;
    claims.require_issuer(issuer)?;
    let audience: Vec<String> = claims.audience().into_iter().map(str::to_owned).collect();
    if audience.is_empty() || !resource::covers(&audience, at) {
        return Err(JwtError::Claim("aud"));
    }
    let expires_at = claims.require_current(now)?;
    let cnf = match claims.0.get("cnf") {
        Some(cnf) => {
            let text = |name: &str| cnf.get(name).and_then(|value| value.as_str());
            // A token that is bound to something we do not understand is not a bearer token.
            Some(Confirmation::of(text("jkt"), text("x5t#S256")).ok_or(JwtError::Claim("cnf"))?)
        }
        None => None,
    };
    Ok(AccessToken {
        subject: claims.require_text("sub")?.to_owned(),
        client_id: claims.require_text("client_id")?.to_owned(),
        scopes: ScopeSet::from_stored(claims.text("scope").unwrap_or_default()),
        jti: claims.require_text("jti")?.to_owned(),
        expires_at,
        cnf,
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use serde_json::json;

    use super::*;
    use crate::oauth::protocol::jose::jwk::JwkSet;
    use crate::oauth::protocol::jose::jwt::{SigningKey, Unverified};
    use crate::secret::SigningAlgorithm;

    const ISSUER: &str = "https://site.example";

    fn now() -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000, 0).unwrap()
    }

    fn claims() -> AccessTokenClaims {
        AccessTokenClaims {
            iss: ISSUER.to_owned(),
            sub: "u".to_owned(),
            aud: vec!["https://site.example/api".to_owned()],
            exp: now().timestamp() + 60,
            iat: now().timestamp(),
            jti: "abc".to_owned(),
            client_id: "app".to_owned(),
            scope: "openid doctype:Book:read".to_owned(),
            auth_time: None,
            acr: None,
            amr: vec![],
            cnf: None,
            act: None,
        }
    }

    fn verified(typ: &str, claims: &impl Serialize) -> Verified {
        let key = SigningKey::generate(SigningAlgorithm::Es256);
        let keys = JwkSet { keys: vec![key.jwk()] };
        Unverified::parse(&key.sign(typ, claims)).unwrap().verify(&keys, &[SigningAlgorithm::Es256]).unwrap()
    }

    #[test]
    fn an_access_token_is_read_at_its_resource() {
        let token = check(&verified(TYPE, &claims()), ISSUER, "https://site.example/api/resource/Book", now()).unwrap();
        assert_eq!(token.scopes.to_string(), "openid doctype:Book:read");
        assert_eq!((token.subject.as_str(), token.client_id.as_str(), token.cnf), ("u", "app", None));
    }

    #[test]
    fn an_id_token_is_no_access_token() {
        let error = check(&verified("JWT", &claims()), ISSUER, "https://site.example/api", now());
        assert_eq!(error, Err(JwtError::Type));
    }

    #[test]
    fn elsewhere_and_later_it_is_refused() {
        let token = verified(TYPE, &claims());
        assert_eq!(check(&token, ISSUER, "https://site.example/mcp", now()), Err(JwtError::Claim("aud")));
        assert_eq!(check(&token, "https://x.example", "https://site.example/api", now()), Err(JwtError::Claim("iss")));
        let later = now() + chrono::Duration::hours(1);
        assert_eq!(check(&token, ISSUER, "https://site.example/api", later), Err(JwtError::Expired));
        let nowhere = verified(TYPE, &AccessTokenClaims { aud: vec![], ..claims() });
        assert_eq!(check(&nowhere, ISSUER, "https://site.example/api", now()), Err(JwtError::Claim("aud")));
    }

    #[test]
    fn a_bound_token_tells_its_key_and_never_passes_as_unbound() {
        for cnf in [Confirmation::of(Some("key"), None), Confirmation::of(None, Some("certificate"))] {
            let bound = AccessTokenClaims { cnf: cnf.clone(), ..claims() };
            let token = check(&verified(TYPE, &bound), ISSUER, "https://site.example/api", now()).unwrap();
            assert_eq!(token.cnf, cnf);
        }
        let mut strange = serde_json::to_value(claims()).unwrap();
        strange["cnf"] = json!({ "kid": "abc" });
        let error = check(&verified(TYPE, &strange), ISSUER, "https://site.example/api", now());
        assert_eq!(error, Err(JwtError::Claim("cnf")));
    }
}
