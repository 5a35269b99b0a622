//! Identity assertions: another server vouches for a person, and a client gets a token for them without asking anybody.
//!
//! The JWT bearer grant (RFC 7523 §2.1) in the profile of the Identity Assertion Authorization Grant, ID-JAG
//! (draft-ietf-oauth-identity-assertion-authz-grant). It is what enterprises manage the access of assistants with.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use crate::oauth::protocol::error::{Error, ErrorCode, Result};
use crate::oauth::protocol::jose::jwt::{JwtError, LEEWAY, Verified};
use crate::oauth::protocol::serve::resource::KnownResources;
use crate::oauth::protocol::serve::scope::ScopeSet;
use crate::oauth::protocol::serve::scope_offer::{Ceiling, KnownScopes};

/// The `typ` that keeps these assertions apart from id tokens of the same issuer.
pub const TYPE: &str = "oauth-id-jag+jwt";
/// The profile, as metadata name it (`authorization_grant_profiles_supported`).
pub const PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";
/// An assertion that lives longer is refused: it would outlast what its issuer knows.
pub(crate) const MAX_LIFETIME: Duration = Duration::hours(1);

/// What an assertion has to be for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// Who signed it.
    pub issuer: &'a str,
    /// Our issuer.
    pub audience: &'a str,
    /// The client that presents it, after authentication.
    pub client_id: &'a str,
    /// The key that the client has just proved to hold.
    pub jkt: Option<&'a str>,
}

/// What an assertion says that holds, if it has not been used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdentityAssertion {
    /// Its name: remember the pair of issuer and name until it expires, and refuse it a second time.
    pub jti: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// What the issuer lets the client do; `None`: it does not say.
    pub scopes: Option<ScopeSet>,
    /// Where; empty: it does not say.
    pub resources: Vec<String>,
    /// When the person logged in there.
    pub auth_time: Option<DateTime<Utc>>,
}

/// Checks an assertion whose signature was verified with the keys of the expected issuer.
pub(crate) fn check(
    token: &Verified,
    expected: &Expected<'_>,
    now: DateTime<Utc>,
) -> Result<IdentityAssertion, JwtError> {
    token.require_type(TYPE)?;
    let claims = &token.claims;
    claims.require_issuer(expected.issuer)?;
    // For us alone: one that is also for somebody else could be replayed by them.
    let is_for_us = match claims.0.get("aud") {
        Some(Value::String(one)) => one == expected.audience,
        Some(Value::Array(several)) => several.as_slice() == [Value::from(expected.audience)],
        _ => false,
    };
    if !is_for_us {
        return Err(JwtError::Claim("aud"));
    }
    claims.require_text("sub")?;
    if claims.require_text("client_id")? != expected.client_id {
        return Err(JwtError::Claim("client_id"));
    }
    let expires_at = claims.require_current(now)?;
    if expires_at > now + MAX_LIFETIME + LEEWAY {
        return Err(JwtError::Claim("exp"));
    }
    claims.time("iat").ok_or(JwtError::Claim("iat"))?;
    if let Some(cnf) = claims.0.get("cnf") {
        let jkt = cnf.get("jkt").and_then(Value::as_str).ok_or(JwtError::Claim("cnf"))?;
        if expected.jkt != Some(jkt) {
            return Err(JwtError::Claim("cnf"));
        }
    }
    // Who is meant would depend on something that the account here does not have.
    if claims.0.contains_key("tenant") {
        return Err(JwtError::Claim("tenant"));
    }
    // To leave out who acts would make it look as if the person did.
    if claims.0.contains_key("act") {
        return Err(JwtError::Claim("act"));
    }
    let scopes = match claims.0.get("scope") {
        Some(Value::String(text)) => Some(ScopeSet::from_stored(text)),
        Some(_) => return Err(JwtError::Claim("scope")),
        // What it grants stands in a form that is not understood here, so that of it nothing is left.
        None => claims.0.contains_key("authorization_details").then(ScopeSet::default),
    };
    let resources = match claims.0.get("resource") {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) if !several.is_empty() => {
            let texts = several.iter().map(|uri| uri.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or(JwtError::Claim("resource"))?
        }
        Some(_) => return Err(JwtError::Claim("resource")),
    };
    Ok(IdentityAssertion {
        jti: claims.require_text("jti")?.to_owned(),
        expires_at,
        scopes,
        resources,
        auth_time: claims.time("auth_time").filter(|at| *at <= now + LEEWAY),
    })
}

impl IdentityAssertion {
    /// The scopes of the token: those that the issuer vouched for and the client registered, or fewer if asked for.
    ///
    /// Where the issuer named none, it is as if the person were asked: the request names them, or the default holds.
    pub(crate) fn grant(
        &self,
        requested: Option<&str>,
        registered: &ScopeSet,
        default: &ScopeSet,
        known: &dyn KnownScopes,
    ) -> Result<ScopeSet> {
        let Some(vouched) = &self.scopes else {
            let ceiling = Ceiling::decided(registered.clone());
            return Ok(ScopeSet::grantable(requested, &ceiling, default, known)?.without_renewal());
        };
        let shared = vouched.defined(known).shared_with_client(registered);
        let granted = match requested {
            None => shared,
            Some(text) => shared.narrowed(Some(&ScopeSet::parse(text)?.without_renewal().to_string()), known)?,
        };
        if granted.is_empty() {
            let message = "The assertion grants no scope that this client may have: see the client's scopes";
            return Err(Error::new(ErrorCode::InvalidScope, message));
        }
        Ok(granted)
    }

    /// The resources of the token: those of the assertion that are of this site, or fewer if asked for.
    pub(crate) fn resources<'a>(
        &self,
        known: &KnownResources,
        requested: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<String>> {
        let vouched: Vec<&str> = self.resources.iter().filter_map(|uri| known.find(uri)).collect();
        if vouched.is_empty() && !self.resources.is_empty() {
            let message = "The assertion is for no resource of this site: see its resource metadata";
            return Err(Error::new(ErrorCode::InvalidTarget, message));
        }
        known.narrow(&known.check(vouched)?, requested)
    }
}

/// The answer for an assertion that does not hold: whoever signs them wants to know why.
pub(crate) fn refused(error: &JwtError) -> Error {
    Error::invalid_grant(format!("The assertion is refused: {error}"))
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::oauth::protocol::jose::jwk::JwkSet;
    use crate::oauth::protocol::jose::jwt::{SigningKey, Unverified};
    use crate::oauth::protocol::serve::scope::tests::any_set;
    use crate::oauth::protocol::serve::scope_offer::tests::Everything;
    use crate::secret::SigningAlgorithm;

    const THEIRS: &str = "https://login.example";
    const OURS: &str = "https://site.example";

    fn now() -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000, 0).unwrap()
    }

    fn scopes(text: &str) -> ScopeSet {
        ScopeSet::parse(text).unwrap()
    }

    fn checked_as(typ: &str, jkt: Option<&str>, changes: &Value) -> Result<IdentityAssertion, JwtError> {
        let mut claims = json!({
            "iss": THEIRS, "sub": "alice-there", "aud": OURS, "client_id": "app", "jti": "1",
            "iat": now().timestamp(), "exp": now().timestamp() + 300, "scope": "read openid",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            }
        }
        let key = SigningKey::generate(SigningAlgorithm::Es256);
        let keys = JwkSet { keys: vec![key.jwk()] };
        let token = Unverified::parse(&key.sign(typ, &claims)).unwrap();
        let verified = token.verify(&keys, &[SigningAlgorithm::Es256]).unwrap();
        check(&verified, &Expected { issuer: THEIRS, audience: OURS, client_id: "app", jkt }, now())
    }

    fn checked(changes: &Value) -> Result<IdentityAssertion, JwtError> {
        checked_as(TYPE, None, changes)
    }

    #[test]
    fn an_assertion_says_what_its_issuer_allows_and_until_when() {
        let read = checked(&json!({"resource": "https://site.example/api", "auth_time": 1_799_999_000})).unwrap();
        assert_eq!((read.jti.as_str(), read.scopes.clone()), ("1", Some(scopes("read openid"))));
        assert_eq!(read.expires_at, now() + Duration::minutes(5));
        assert_eq!(read.resources, ["https://site.example/api"]);
        assert_eq!(read.auth_time, Some(now() - Duration::seconds(1000)));
        assert_eq!(checked(&json!({"aud": [OURS]})).unwrap().resources, Vec::<String>::new());
        assert_eq!(checked(&json!({"scope": null})).unwrap().scopes, None);
        assert_eq!(checked(&json!({"auth_time": now().timestamp() + 3600})).unwrap().auth_time, None);
    }

    #[test]
    fn every_other_assertion_is_refused() {
        let at = |seconds: i64| now().timestamp() + seconds;
        for (name, value, expected) in [
            ("iss", json!("https://evil.example"), JwtError::Claim("iss")),
            ("aud", json!("https://site.example/"), JwtError::Claim("aud")),
            ("aud", json!([OURS, "https://other.example"]), JwtError::Claim("aud")),
            ("aud", json!([OURS, OURS]), JwtError::Claim("aud")),
            ("aud", json!([OURS, 7]), JwtError::Claim("aud")),
            ("aud", json!([]), JwtError::Claim("aud")),
            ("aud", json!(null), JwtError::Claim("aud")),
            ("client_id", json!("another"), JwtError::Claim("client_id")),
            ("client_id", json!(null), JwtError::Claim("client_id")),
            ("sub", json!(""), JwtError::Claim("sub")),
            ("jti", json!(null), JwtError::Claim("jti")),
            ("exp", json!(at(-60)), JwtError::Expired),
            ("exp", json!(at(2 * 3600)), JwtError::Claim("exp")),
            ("exp", json!(null), JwtError::Claim("exp")),
            ("iat", json!(null), JwtError::Claim("iat")),
            ("iat", json!(at(120)), JwtError::NotYetValid),
            ("nbf", json!(at(120)), JwtError::NotYetValid),
            ("scope", json!(["read"]), JwtError::Claim("scope")),
            ("resource", json!([]), JwtError::Claim("resource")),
            ("resource", json!([7]), JwtError::Claim("resource")),
            ("tenant", json!("acme"), JwtError::Claim("tenant")),
            ("act", json!({"sub": "robot"}), JwtError::Claim("act")),
        ] {
            assert_eq!(checked(&json!({name: value})), Err(expected), "{name}: {value}");
        }
        for typ in ["JWT", "at+jwt", "logout+jwt"] {
            assert_eq!(checked_as(typ, None, &json!({})), Err(JwtError::Type), "{typ}");
        }
    }

    #[test]
    fn a_bound_assertion_is_used_by_who_holds_its_key() {
        let bound = json!({"cnf": {"jkt": "key"}});
        assert!(checked_as(TYPE, Some("key"), &bound).is_ok());
        assert_eq!(checked_as(TYPE, Some("other"), &bound), Err(JwtError::Claim("cnf")));
        assert_eq!(checked(&bound), Err(JwtError::Claim("cnf")));
        assert_eq!(checked_as(TYPE, Some("key"), &json!({"cnf": {"x5t#S256": "abc"}})), Err(JwtError::Claim("cnf")));
        assert!(checked_as(TYPE, Some("key"), &json!({})).is_ok());
    }

    #[test]
    fn scopes_are_those_that_issuer_and_client_share_or_fewer() {
        let (registered, default) = (scopes("doctype:Book:write all"), scopes("openid"));
        let read = checked(&json!({"scope": "read offline_access email openid"})).unwrap();
        assert_eq!(read.grant(None, &registered, &default, &()).unwrap().to_string(), "read openid");
        let asked = read.grant(Some("doctype:Book:read offline_access"), &registered, &default, &()).unwrap();
        assert_eq!(asked.to_string(), "doctype:Book:read");
        for beyond in ["all", "doctype:Book:write", "email"] {
            let error = read.grant(Some(beyond), &registered, &default, &()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidScope, "{beyond}");
        }
        let nothing = checked(&json!({"scope": "email"})).unwrap();
        assert_eq!(nothing.grant(None, &registered, &default, &()).unwrap_err().code(), ErrorCode::InvalidScope);
        let details = checked(&json!({"scope": null, "authorization_details": [{"type": "x"}]})).unwrap();
        assert_eq!(details.grant(None, &registered, &default, &()).unwrap_err().code(), ErrorCode::InvalidScope);
    }

    #[test]
    fn an_assertion_without_scopes_gives_what_the_client_may_ask_a_person_for() {
        let read = checked(&json!({"scope": null})).unwrap();
        let (registered, default) = (scopes("read openid"), scopes("openid"));
        assert_eq!(read.grant(None, &registered, &default, &()).unwrap().to_string(), "openid");
        assert_eq!(read.grant(Some("read"), &registered, &default, &()).unwrap().to_string(), "read");
        assert_eq!(read.grant(Some("all"), &registered, &default, &()).unwrap_err().code(), ErrorCode::InvalidScope);
    }

    #[test]
    fn resources_are_those_of_the_assertion_or_fewer() {
        let known = KnownResources::new(OURS, ["https://tools.example/mcp"]);
        let read = |resource: Value| checked(&json!({"resource": resource})).unwrap();
        let tools = read(json!(["https://elsewhere.example", "https://Tools.example/mcp/"]));
        assert_eq!(tools.resources(&known, []).unwrap(), ["https://tools.example/mcp"]);
        let code = |result: Result<Vec<String>>| result.unwrap_err().code();
        assert_eq!(code(tools.resources(&known, ["https://site.example/api"])), ErrorCode::InvalidTarget);
        let elsewhere = read(json!("https://elsewhere.example"));
        assert_eq!(code(elsewhere.resources(&known, [])), ErrorCode::InvalidTarget);
        let silent = read(json!(null));
        assert!(silent.resources(&known, []).unwrap().is_empty());
        assert_eq!(silent.resources(&known, ["https://site.example/api"]).unwrap(), ["https://site.example/api"]);
    }

    proptest! {
        #[test]
        fn no_assertion_gives_more_than_issuer_and_client_allow(
            vouched in any_set(), registered in any_set(), requested in proptest::option::of(any_set()),
        ) {
            let assertion = IdentityAssertion {
                jti: "1".to_owned(), expires_at: now(), scopes: Some(vouched.clone()), resources: vec![], auth_time: None,
            };
            let requested = requested.map(|set| set.to_string());
            if let Ok(granted) = assertion.grant(requested.as_deref(), &registered, &vouched, &Everything) {
                prop_assert!(granted.is_subset_of(&vouched) && !granted.is_empty());
                prop_assert!(granted.is_subset_of(&registered.union(&scopes("openid profile"))));
            }
        }
    }
}
