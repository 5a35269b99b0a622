//! Tokens that verify, and the many that must not.

use chrono::TimeZone as _;
use proptest::prelude::*;

use super::*;

fn now() -> DateTime<Utc> {
    Utc.timestamp_opt(1_800_000_000, 0).unwrap()
}

fn es256() -> SigningKey {
    SigningKey::generate(SigningAlgorithm::Es256)
}

fn set(key: &SigningKey) -> JwkSet {
    JwkSet { keys: vec![key.jwk()] }
}

fn raw(header: &Value, claims: &str, signature: &[u8]) -> String {
    [header.to_string().as_bytes(), claims.as_bytes(), signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

#[test]
fn what_was_signed_verifies_with_every_algorithm() {
    for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa] {
        let key = SigningKey::generate(algorithm);
        let token = key.sign("JWT", &json!({ "sub": "alice" }));
        let verified = Unverified::parse(&token).unwrap().verify(&set(&key), &[algorithm]).unwrap();
        assert_eq!(verified.claims.text("sub"), Some("alice"));
        assert_eq!(verified.header.kid.as_deref(), Some(key.kid()));
    }
}

#[test]
fn the_hs256_example_of_the_rfc_verifies() {
    // RFC 7515 appendix A.1.
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                 cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let key = URL_SAFE_NO_PAD
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let verified = Unverified::parse(token).unwrap().verify_hs256(&key).unwrap();
    assert_eq!(verified.claims.text("iss"), Some("joe"));
}

#[test]
fn the_es256_example_of_the_rfc_verifies() {
    // RFC 7515 appendix A.3.
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290\
                 Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let keys = json!({ "keys": [{
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    }] });
    let keys = JwkSet::parse(&keys).unwrap();
    assert!(Unverified::parse(token).unwrap().verify(&keys, &[SigningAlgorithm::Es256]).is_ok());
}

#[test]
fn no_algorithm_is_none() {
    let token = raw(&json!({ "alg": "none" }), r#"{"sub":"admin"}"#, b"");
    assert_eq!(Unverified::parse(&token), Err(JwtError::Algorithm));
}

#[test]
fn a_public_key_is_no_hmac_secret() {
    let key = SigningKey::generate(SigningAlgorithm::Rs256);
    let public = key.jwk().to_value().to_string();
    let forged = sign_hs256(public.as_bytes(), "JWT", &json!({ "sub": "admin" }));
    let verify = |accepted: &[SigningAlgorithm]| Unverified::parse(&forged).unwrap().verify(&set(&key), accepted);
    assert_eq!(verify(&SigningAlgorithm::ALL), Err(JwtError::Algorithm));
}

#[test]
fn an_algorithm_that_was_not_asked_for_is_refused() {
    let key = es256();
    let token = Unverified::parse(&key.sign("JWT", &json!({}))).unwrap();
    assert_eq!(token.verify(&set(&key), &[SigningAlgorithm::Rs256]), Err(JwtError::Algorithm));
}

#[test]
fn a_foreign_key_or_a_changed_claim_does_not_verify() {
    let (key, other) = (es256(), es256());
    let token = key.sign("JWT", &json!({ "sub": "alice" }));
    let verify = |token: &str, keys: &JwkSet| Unverified::parse(token)?.verify(keys, &[SigningAlgorithm::Es256]);
    assert_eq!(verify(&token, &set(&other)), Err(JwtError::UnknownKey));
    let unnamed = JwkSet { keys: vec![Jwk { kid: None, ..other.jwk() }] };
    assert_eq!(verify(&token, &unnamed), Err(JwtError::Signature));
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts[1] = URL_SAFE_NO_PAD.encode(r#"{"sub":"admin"}"#);
    assert_eq!(verify(&parts.join("."), &set(&key)), Err(JwtError::Signature));
    assert_eq!(verify(&token, &JwkSet::default()), Err(JwtError::UnknownKey));
}

#[test]
fn critical_headers_repeated_members_and_garbage_are_refused() {
    let critical = raw(&json!({ "alg": "ES256", "crit": ["b64"], "b64": false }), "{}", b"x");
    assert_eq!(Unverified::parse(&critical), Err(JwtError::Critical));
    let repeated = raw(&json!({ "alg": "ES256" }), r#"{"sub":"a","sub":"b"}"#, b"x");
    assert_eq!(Unverified::parse(&repeated), Err(JwtError::Malformed));
    let array = raw(&json!({ "alg": "ES256" }), "[]", b"x");
    assert_eq!(Unverified::parse(&array), Err(JwtError::Malformed));
    for token in ["", "a", "a.b", "a.b.c", "a.b.c.d", "..", &"a".repeat(20_000)] {
        assert_eq!(Unverified::parse(token), Err(JwtError::Malformed));
    }
}

#[test]
fn a_short_secret_verifies_nothing() {
    let token = sign_hs256(b"0123456789", "JWT", &json!({}));
    assert_eq!(Unverified::parse(&token).unwrap().verify_hs256(b"0123456789"), Err(JwtError::Algorithm));
}

#[test]
fn times_are_checked_with_a_little_leeway() {
    let check = |claims: Value| Claims(claims.as_object().unwrap().clone()).require_current(now()).map(|_| ());
    let at = |seconds: i64| 1_800_000_000 + seconds;
    assert_eq!(check(json!({ "exp": at(60), "iat": at(0), "nbf": at(0) })), Ok(()));
    assert_eq!(check(json!({ "exp": at(-29) })), Ok(()));
    assert_eq!(check(json!({ "exp": at(-30) })), Err(JwtError::Expired));
    assert_eq!(check(json!({ "exp": at(60), "nbf": at(31) })), Err(JwtError::NotYetValid));
    assert_eq!(check(json!({ "exp": at(60), "iat": at(31) })), Err(JwtError::NotYetValid));
    assert_eq!(check(json!({ "exp": at(60), "iat": "now" })), Err(JwtError::Claim("iat")));
    assert_eq!(check(json!({})), Err(JwtError::Claim("exp")));
    assert_eq!(check(json!({ "exp": "never" })), Err(JwtError::Claim("exp")));
    assert_eq!(check(json!({ "exp": 1e300 })), Err(JwtError::Claim("exp")));
}

#[test]
fn issuer_and_audience_are_compared_exactly() {
    let claims = Claims(json!({ "iss": "https://a.example", "aud": ["x", "y"] }).as_object().unwrap().clone());
    assert!(claims.require_issuer("https://a.example").is_ok());
    assert!(claims.require_issuer("https://a.example/").is_err());
    assert!(claims.require_audience("y").is_ok() && claims.require_audience("z").is_err());
}

#[test]
fn the_type_is_compared_without_its_media_prefix() {
    let key = es256();
    let token = Unverified::parse(&key.sign("application/AT+JWT", &json!({}))).unwrap();
    let verified = token.verify(&set(&key), &[SigningAlgorithm::Es256]).unwrap();
    assert!(verified.require_type("at+jwt").is_ok());
    assert_eq!(verified.require_type("jwt"), Err(JwtError::Type));
}

proptest! {
    #[test]
    fn nothing_panics(token in ".{0,80}") {
        let _ = Unverified::parse(&token);
    }

    #[test]
    fn every_flipped_character_is_noticed(at in 0_usize..100) {
        let key = es256();
        let token = key.sign("JWT", &json!({ "sub": "alice" }));
        let at = at % token.len();
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let result = Unverified::parse(&changed).and_then(|token| token.verify(&set(&key), &[SigningAlgorithm::Es256]));
        prop_assert!(result.is_err());
    }
}
