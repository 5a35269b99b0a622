//! What has to hold of an ID token beside its signature (OpenID Connect Core §3.1.3.7).

use chrono::{DateTime, Duration, Utc};

use crate::oauth::protocol::id_token::half_hash;
use crate::oauth::protocol::jwt::{JwtError, LEEWAY, Verified};
use crate::secret;

/// How old an ID token may be: it was made for this very request.
const MAX_AGE: Duration = Duration::minutes(15);

/// What an ID token has to fit: our own request, and the access token that came along.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// This site, as the provider knows it.
    pub client_id: &'a str,
    /// What the request asked to have repeated.
    pub nonce: &'a str,
    /// The access token that came along.
    pub access_token: &'a str,
}

/// Checks an ID token that came with the answer to our own request.
pub fn check(token: &Verified, expected: &Expected<'_>, now: DateTime<Utc>) -> Result<(), JwtError> {
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

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::oauth::protocol::jwt::{Algorithm, Claims, Header};
    use crate::secret::SigningAlgorithm;

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
}
