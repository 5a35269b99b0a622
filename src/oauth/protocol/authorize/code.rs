//! What an authorization code is bound to, and whether a token request fits it (RFC 6749 §4.1.3).

use chrono::{DateTime, Utc};

use crate::oauth::protocol::authorize::pkce;
use crate::oauth::protocol::authorize::pkce::CodeChallenge;
use crate::oauth::protocol::client::redirect_uri::VerifiedRedirectUri;
use crate::oauth::protocol::error::{Error, Result};
use crate::secret;

/// What a code was issued for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodeBinding {
    /// The client.
    pub client_id: String,
    /// Where the code went.
    pub redirect_uri: VerifiedRedirectUri,
    /// The PKCE challenge.
    pub code_challenge: Option<CodeChallenge>,
    /// The key to which it was bound at the request (RFC 9449 §10).
    pub dpop_jkt: Option<String>,
    /// Until when it may be exchanged.
    pub expires_at: DateTime<Utc>,
    /// Whether it was exchanged before.
    pub used: bool,
}

/// What a token request brings along with the code.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Redemption<'a> {
    /// The authenticated client.
    pub client_id: &'a str,
    /// The parameter.
    pub redirect_uri: Option<&'a str>,
    /// The parameter.
    pub code_verifier: Option<&'a str>,
    /// The thumbprint of the key of a verified DPoP proof.
    pub dpop_jkt: Option<&'a str>,
}

/// What becomes of the code.
#[derive(Debug)]
pub(crate) enum CodeDecision {
    /// Mark it used (atomically: only who marks it may go on) and issue tokens.
    Redeem,
    /// It was used before: revoke every token that came from it, log a security event, answer `invalid_grant`.
    Reused,
    /// Answer this; the code stays as it is.
    Refuse(Error),
}

/// Whether the code may be exchanged now.
///
/// A stranger with a used code learns nothing and revokes nothing: the client is compared first.
pub(crate) fn decide(code: &CodeBinding, request: &Redemption<'_>, now: DateTime<Utc>) -> CodeDecision {
    if !secret::constant_time_eq(&code.client_id, request.client_id) {
        return CodeDecision::Refuse(unknown_code().because(anyhow::anyhow!("the code belongs to another client")));
    }
    if code.used {
        return CodeDecision::Reused;
    }
    match check(code, request, now) {
        Ok(()) => CodeDecision::Redeem,
        Err(error) => CodeDecision::Refuse(error),
    }
}

/// The one answer for a code that is unknown, another client's or used.
pub(crate) fn unknown_code() -> Error {
    Error::invalid_grant("The code is invalid: start a new authorization request")
}

fn check(code: &CodeBinding, request: &Redemption<'_>, now: DateTime<Utc>) -> Result<()> {
    if now >= code.expires_at {
        return Err(Error::invalid_grant("The code has expired: start a new authorization request"));
    }
    pkce::verify(code.code_challenge.as_ref(), request.code_verifier)?;
    code.redirect_uri.check_token_request(request.redirect_uri, code.code_challenge.is_some())?;
    match (code.dpop_jkt.as_deref(), request.dpop_jkt) {
        (Some(bound), Some(given)) if bound == given => Ok(()),
        (Some(_), _) => Err(Error::invalid_grant("The code is bound to another DPoP key")),
        (None, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::{Duration, TimeZone as _};

    use super::*;
    use crate::oauth::protocol::authorize::pkce::PkceRule;
    use crate::oauth::protocol::error::ErrorCode;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn now() -> DateTime<Utc> {
        Utc.timestamp_opt(1_800_000_000, 0).unwrap()
    }

    fn code() -> CodeBinding {
        CodeBinding {
            client_id: "app".to_owned(),
            redirect_uri: VerifiedRedirectUri::for_tests("https://app.example/cb"),
            code_challenge: CodeChallenge::from_request(Some(CHALLENGE), Some("S256"), PkceRule::Required).unwrap(),
            dpop_jkt: None,
            expires_at: now() + Duration::seconds(60),
            used: false,
        }
    }

    fn request() -> Redemption<'static> {
        Redemption {
            client_id: "app",
            redirect_uri: Some("https://app.example/cb"),
            code_verifier: Some(VERIFIER),
            dpop_jkt: None,
        }
    }

    #[track_caller]
    fn refused(code: &CodeBinding, request: &Redemption<'_>, now: DateTime<Utc>) {
        match decide(code, request, now) {
            CodeDecision::Refuse(error) => assert_eq!(error.code(), ErrorCode::InvalidGrant),
            other => panic!("expected a refusal: {other:?}"),
        }
    }

    #[test]
    fn a_code_is_exchanged_by_whom_it_was_issued_for() {
        assert!(matches!(decide(&code(), &request(), now()), CodeDecision::Redeem));
    }

    #[test]
    fn a_code_expires() {
        assert!(matches!(decide(&code(), &request(), now() + Duration::seconds(59)), CodeDecision::Redeem));
        refused(&code(), &request(), now() + Duration::seconds(60));
    }

    #[test]
    fn a_used_code_is_noticed_but_only_for_its_own_client() {
        let used = CodeBinding { used: true, ..code() };
        assert!(matches!(decide(&used, &request(), now()), CodeDecision::Reused));
        refused(&used, &Redemption { client_id: "other", ..request() }, now());
    }

    #[test]
    fn another_client_redirect_uri_or_verifier_does_not_fit() {
        refused(&code(), &Redemption { client_id: "other", ..request() }, now());
        refused(&code(), &Redemption { redirect_uri: Some("https://app.example/other"), ..request() }, now());
        refused(&code(), &Redemption { code_verifier: None, ..request() }, now());
        refused(&code(), &Redemption { code_verifier: Some(CHALLENGE), ..request() }, now());
        refused(&CodeBinding { code_challenge: None, ..code() }, &request(), now());
    }

    #[test]
    fn a_code_bound_to_a_key_needs_that_key() {
        let bound = CodeBinding { dpop_jkt: Some("key".to_owned()), ..code() };
        refused(&bound, &request(), now());
        refused(&bound, &Redemption { dpop_jkt: Some("other"), ..request() }, now());
        let fits = Redemption { dpop_jkt: Some("key"), ..request() };
        assert!(matches!(decide(&bound, &fits, now()), CodeDecision::Redeem));
        assert!(matches!(decide(&code(), &fits, now()), CodeDecision::Redeem));
    }
}
