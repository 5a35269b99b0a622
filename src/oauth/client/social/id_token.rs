//! What has to hold of an ID token beside its signature (OpenID Connect Core §3.1.3.7).

use chrono::{DateTime, Duration, Utc};

use crate::oauth::protocol::jwt::{Claims, JwtError, LEEWAY};
use crate::secret;

/// How old an ID token may be: it was made for this very request.
const MAX_AGE: Duration = Duration::minutes(15);

/// Checks the claims of an ID token that came with the answer to our own request.
pub fn check(claims: &Claims, issuer: &str, client_id: &str, nonce: &str, now: DateTime<Utc>) -> Result<(), JwtError> {
    claims.require_issuer(issuer)?;
    claims.require_audience(client_id)?;
    // With several audiences, or where it is there at all, `azp` has to be us.
    let authorized_party = claims.text("azp");
    if authorized_party.is_some_and(|party| party != client_id)
        || (claims.audience().len() > 1 && authorized_party.is_none())
    {
        return Err(JwtError::Claim("azp"));
    }
    claims.require_current(now)?;
    let issued_at = claims.time("iat").ok_or(JwtError::Claim("iat"))?;
    if now - issued_at > MAX_AGE + LEEWAY {
        return Err(JwtError::Claim("iat"));
    }
    let repeated = claims.require_text("nonce")?;
    if !secret::constant_time_eq(repeated, nonce) {
        return Err(JwtError::Claim("nonce"));
    }
    claims.require_text("sub").map(|_| ())
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use serde_json::{Value as Json, json};

    use super::*;

    fn checked(change: impl FnOnce(&mut Json)) -> Result<(), JwtError> {
        let now = Utc.timestamp_opt(1_700_000_000, 0).unwrap();
        let mut claims = json!({
            "iss": "https://a.example", "aud": "me", "sub": "alice", "nonce": "n",
            "iat": 1_700_000_000, "exp": 1_700_000_300,
        });
        change(&mut claims);
        check(&Claims(claims.as_object().unwrap().clone()), "https://a.example", "me", "n", now)
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
