//! Basic OP: requests that come as a JWT. A signed one counts and an unsigned one does not; nothing is fetched.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doctyped::testing::jar::TYPE;
use doctyped::testing::jwt::SigningKey;
use doctyped::testing::secret::SigningAlgorithm;
use serde_json::{Value as Json, json};
use wiremock::MockServer;

use super::basic::{ALICE, Basic, NONCE, error};
use crate::oauth::support::{Program, REDIRECT_URI, parameter};

/// A request object that nobody signed.
fn unsigned(claims: &Json) -> String {
    let part = |json: &Json| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.", part(&json!({"alg": "none"})), part(claims))
}

/// The claims of a good request.
fn claims(basic: &Basic) -> Json {
    let now = basic.site.clock.now().timestamp();
    json!({
        "iss": basic.program.id, "aud": basic.site.documents().site_url(), "exp": now + 60,
        "client_id": basic.program.id, "response_type": "code", "redirect_uri": REDIRECT_URI, "scope": "openid",
        "state": "the state", "nonce": NONCE,
    })
}

async fn algorithms(basic: &Basic) -> Vec<Json> {
    let metadata = basic.site.guest().get("/.well-known/openid-configuration").await.status(200).json();
    assert_eq!(metadata["request_parameter_supported"], true);
    metadata["request_object_signing_alg_values_supported"].as_array().unwrap().clone()
}

#[tokio::test]
async fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported_it_is_rejected() {
    let basic = Basic::new().await;
    assert!(!algorithms(&basic).await.contains(&json!("none")));
    let request = unsigned(&claims(&basic));
    let answered = basic.alice.get(&basic.request(&[("request", &request)])).await.redirect();
    assert_eq!(error(&answered), "invalid_request_object");
}

#[tokio::test]
async fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported_it_is_rejected_and_not_fetched() {
    let basic = Basic::new().await;
    let metadata = basic.site.guest().get("/.well-known/openid-configuration").await.status(200).json();
    assert_eq!(metadata["request_uri_parameter_supported"], false);
    let elsewhere = MockServer::start().await;
    let request_uri = format!("{}/request.jwt#fragment", elsewhere.uri());
    let answered = basic.alice.get(&basic.request(&[("request_uri", &request_uri)])).await.redirect();
    assert_eq!(error(&answered), "request_uri_not_supported");
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn oidcc_ensure_request_object_with_redirect_uri_the_one_inside_counts_if_it_is_signed() {
    let mut basic = Basic::new().await;
    let key = SigningKey::generate(SigningAlgorithm::Es256);
    let request = unsigned(&claims(&basic));
    // With an address beside it that is not the program's, even the refusal goes nowhere.
    let beside = [("request", &*request), ("redirect_uri", "https://evil.example/")];
    assert_eq!(basic.alice.get(&basic.request(&beside)).await.status(400).header("location"), "");
    basic.program = Program::with_key(&basic.site, &key, json!({"require_pkce": 0})).await;
    let request = key.sign(TYPE, &claims(&basic));
    let beside = [("request", &*request), ("redirect_uri", "https://evil.example/")];
    let answered = basic.authorize(&beside).await;
    assert!(answered.starts_with(&format!("{REDIRECT_URI}?")), "{answered}");
    assert!(parameter(&answered, "code").is_some(), "{ALICE} has allowed it: {answered}");
}

#[tokio::test]
async fn a_request_with_the_parameter_registration_is_refused_with_its_own_error() {
    let basic = Basic::new().await;
    let answered = basic.alice.get(&basic.request(&[("registration", "{}")])).await.redirect();
    assert_eq!(error(&answered), "registration_not_supported");
}
