//! Proof Key for Code Exchange, method S256 only (RFC 7636; RFC 9700 §2.1.1).

use serde::{Deserialize, Serialize};

use crate::oauth::protocol::error::{Error, Result};
use crate::secret;

/// A verified `code_challenge`: 43 characters of base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct CodeChallenge(String);

/// Must this client send a challenge?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PkceRule {
    /// Always: every public client, and every other one unless it was exempted.
    Required,
    /// An administrator exempted this confidential client.
    Optional,
}

impl PkceRule {
    /// The rule for a client: an exemption counts only for confidential clients.
    pub(crate) fn of(client_is_public: bool, require_pkce: bool) -> Self {
        if client_is_public || require_pkce { Self::Required } else { Self::Optional }
    }
}

impl CodeChallenge {
    /// Reads `code_challenge` and `code_challenge_method` of an authorization request.
    pub(crate) fn from_request(challenge: Option<&str>, method: Option<&str>, rule: PkceRule) -> Result<Option<Self>> {
        let Some(challenge) = challenge else {
            return match (method, rule) {
                (Some(_), _) => Err(Error::invalid_request("code_challenge is missing, only its method was sent")),
                (None, PkceRule::Required) => {
                    Err(Error::invalid_request("code_challenge is missing: this client must use PKCE with S256"))
                }
                (None, PkceRule::Optional) => Ok(None),
            };
        };
        // Without a method the RFC means `plain`, which protects nothing once the request leaks.
        if method != Some("S256") {
            return Err(Error::invalid_request("code_challenge_method must be S256"));
        }
        if challenge.len() != 43 || !challenge.bytes().all(is_base64url) {
            return Err(Error::invalid_request("code_challenge must be 43 characters of base64url"));
        }
        Ok(Some(Self(challenge.to_owned())))
    }

    /// Reads a stored challenge; an empty text is none.
    pub(crate) fn from_stored(challenge: &str) -> Option<Self> {
        (!challenge.is_empty()).then(|| Self(challenge.to_owned()))
    }

    /// The challenge as text, to be stored.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The challenge that belongs to a verifier: for our own requests as a client.
pub fn challenge_of(verifier: &str) -> String {
    secret::digest(verifier)
}

/// A fresh verifier: for our own requests as a client.
pub(crate) fn new_verifier() -> String {
    secret::random_id()
}

/// Does the verifier of the token request fit what the code was bound to?
///
/// A verifier without a stored challenge is refused as well, or else an attacker could strip the challenge from the
/// authorization request (RFC 9700 §4.8.2).
pub(crate) fn verify(stored: Option<&CodeChallenge>, verifier: Option<&str>) -> Result<()> {
    match (stored, verifier) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(Error::invalid_grant("code_verifier was sent, but the code was requested without PKCE")),
        (Some(_), None) => Err(Error::invalid_grant("code_verifier is missing")),
        (Some(challenge), Some(verifier)) => {
            if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(is_unreserved) {
                return Err(Error::invalid_grant("code_verifier must be 43 to 128 unreserved characters"));
            }
            if secret::constant_time_eq(challenge_of(verifier), &challenge.0) {
                Ok(())
            } else {
                Err(Error::invalid_grant("code_verifier does not fit the code_challenge"))
            }
        }
    }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::protocol::error::ErrorCode;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn challenge() -> CodeChallenge {
        CodeChallenge::from_request(Some(CHALLENGE), Some("S256"), PkceRule::Required).unwrap().unwrap()
    }

    #[test]
    fn the_example_of_the_rfc_verifies() {
        assert!(verify(Some(&challenge()), Some(VERIFIER)).is_ok());
        assert_eq!(challenge_of(VERIFIER), CHALLENGE);
    }

    #[test]
    fn a_fresh_verifier_is_valid() {
        let verifier = new_verifier();
        let challenge =
            CodeChallenge::from_request(Some(&challenge_of(&verifier)), Some("S256"), PkceRule::Required).unwrap();
        assert!(verify(challenge.as_ref(), Some(&verifier)).is_ok());
    }

    #[test]
    fn plain_and_a_missing_method_are_refused() {
        for method in [None, Some("plain"), Some("s256"), Some("")] {
            let error = CodeChallenge::from_request(Some(CHALLENGE), method, PkceRule::Optional).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{method:?}");
        }
    }

    #[test]
    fn a_challenge_of_the_wrong_length_or_letters_is_refused() {
        for text in ["short", &CHALLENGE[1..], &format!("{CHALLENGE}A"), &format!("{}=", &CHALLENGE[1..])] {
            assert!(CodeChallenge::from_request(Some(text), Some("S256"), PkceRule::Required).is_err(), "{text}");
        }
    }

    #[test]
    fn public_clients_cannot_be_exempted() {
        assert_eq!(PkceRule::of(true, false), PkceRule::Required);
        assert_eq!(PkceRule::of(false, true), PkceRule::Required);
        assert_eq!(PkceRule::of(false, false), PkceRule::Optional);
        assert!(CodeChallenge::from_request(None, None, PkceRule::Required).is_err());
        assert_eq!(CodeChallenge::from_request(None, None, PkceRule::Optional).unwrap(), None);
        assert!(CodeChallenge::from_request(None, Some("S256"), PkceRule::Optional).is_err());
    }

    #[test]
    fn a_verifier_without_a_stored_challenge_is_refused() {
        assert_eq!(verify(None, Some(VERIFIER)).unwrap_err().code(), ErrorCode::InvalidGrant);
        assert!(verify(None, None).is_ok());
    }

    #[test]
    fn a_missing_wrong_short_or_long_verifier_is_refused() {
        let challenge = challenge();
        for verifier in [None, Some("short"), Some(&*"a".repeat(43)), Some(&*"a".repeat(129)), Some(&*"ä".repeat(30))]
        {
            assert_eq!(verify(Some(&challenge), verifier).unwrap_err().code(), ErrorCode::InvalidGrant, "{verifier:?}");
        }
    }
}
