//! Introspection: who may ask, about what, and what is told.

use chrono::Duration;
use doctyped::testing::jwk::JwkSet;
use doctyped::testing::jwt::{Unverified, Verified};
use doctyped::testing::secret::SigningAlgorithm;
use serde_json::json;

use super::registration_rfc7591::register;
use super::support::{Program, bearer};
use crate::support::TestSite;

#[tokio::test]
async fn a_client_asks_about_its_own_tokens_and_learns_nothing_of_others() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::new(&site, json!({})).await;
    let other = Program::new(&site, json!({})).await;
    let tokens = program.tokens(&alice).await;
    let access = tokens["access_token"].as_str().unwrap();
    let answer = program.post("introspect_token", &[("token", access)]).await.status(200).json();
    assert_eq!(answer["active"], true);
    assert_eq!(answer["scope"], "openid all");
    assert_eq!(answer["client_id"], program.id.as_str());
    assert_eq!(answer["username"], "alice@example.com");
    assert_eq!(answer["iss"], site.documents().site_url());
    assert!(answer["sub"].as_str().is_some_and(|sub| !sub.is_empty() && sub != "alice@example.com"));
    assert!(answer["exp"].as_i64().unwrap() > answer["iat"].as_i64().unwrap());
    let foreign = other.post("introspect_token", &[("token", access)]).await.status(200).json();
    assert_eq!(foreign, json!({"active": false}));
    let server = Program::new(&site, json!({"can_introspect": 1})).await;
    let seen = server.post("introspect_token", &[("token", access)]).await.status(200).json();
    assert_eq!(seen["active"], true);
}

#[tokio::test]
async fn nobody_asks_without_proving_who_they_are() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let public = Program::public(&site).await;
    let tokens = public.tokens(&alice).await;
    let access = tokens["access_token"].as_str().unwrap();
    public.post("introspect_token", &[("token", access)]).await.oauth_error(401, "invalid_client");
    let guest = site.guest();
    let uri = format!("{}introspect_token", super::support::BASE);
    guest.form(&uri, &[("token", access)]).await.oauth_error(401, "invalid_client");
    bearer(&site, &tokens).form(&uri, &[("token", access)]).await.oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn what_no_longer_opens_anything_is_inactive_and_nothing_else_is_said() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::new(&site, json!({})).await;
    let tokens = program.tokens(&alice).await;
    site.clock.advance(Duration::seconds(3601));
    for token in [tokens["access_token"].as_str().unwrap(), "garbage", "dt_at_garbage"] {
        let answer = program.post("introspect_token", &[("token", token)]).await.status(200);
        assert_eq!(answer.body, "{\"active\":false}");
    }
}

/// Asks for a signed answer (RFC 9701), and verifies it with the published keys.
async fn signed(site: &TestSite, program: &Program, token: &str, algorithm: SigningAlgorithm) -> Verified {
    let asking = program.with_header("accept", "application/token-introspection+jwt");
    let answer = asking.post("introspect_token", &[("token", token)]).await.status(200);
    assert_eq!(answer.header("content-type"), "application/token-introspection+jwt");
    assert_eq!(answer.header("cache-control"), "no-store");
    let keys = JwkSet::parse(&site.guest().get("/.well-known/jwks.json").await.status(200).json()).unwrap();
    Unverified::parse(&answer.body).unwrap().verify(&keys, &[algorithm]).unwrap()
}

#[tokio::test]
async fn whoever_asks_for_it_gets_a_signed_answer_that_is_for_nobody_else() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::new(&site, json!({"introspection_signed_response_alg": "ES256"})).await;
    let tokens = program.tokens(&alice).await;
    let access = tokens["access_token"].as_str().unwrap();
    let plain = program.post("introspect_token", &[("token", access)]).await.status(200).json();
    let token = signed(&site, &program, access, SigningAlgorithm::Es256).await;
    assert_eq!(token.header.typ.as_deref(), Some("token-introspection+jwt"));
    let now = site.clock.now().timestamp();
    let issued_at = token.claims.seconds("iat").unwrap();
    assert!((now - 5..=now).contains(&issued_at), "{issued_at}");
    let expected = json!({
        "iss": site.documents().site_url(), "aud": program.id, "iat": issued_at, "token_introspection": plain,
    });
    assert_eq!(serde_json::Value::Object(token.claims.0), expected);
    // What says of a token that it holds is none itself.
    let asking = program.with_header("accept", "application/token-introspection+jwt");
    let answer = asking.post("introspect_token", &[("token", access)]).await.status(200).body;
    let with_answer = site.guest().with_header("authorization", &format!("Bearer {answer}"));
    with_answer.get("/api/method/frappe.auth.get_logged_user").await.status(401);
    let about_itself = program.post("introspect_token", &[("token", &answer)]).await.status(200);
    assert_eq!(about_itself.body, "{\"active\":false}");
}

#[tokio::test]
async fn a_signed_answer_tells_no_more_than_a_plain_one_and_errors_stay_plain() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let (program, other) = (Program::new(&site, json!({})).await, Program::new(&site, json!({})).await);
    let tokens = program.tokens(&alice).await;
    // RS256, where nothing was registered.
    let foreign = signed(&site, &other, tokens["access_token"].as_str().unwrap(), SigningAlgorithm::Rs256).await;
    assert_eq!(foreign.claims.0["token_introspection"], json!({"active": false}));
    assert_eq!(foreign.claims.0["aud"], other.id.as_str());
    let asking = program.with_header("accept", "application/token-introspection+jwt");
    let refused = asking.post("introspect_token", &[]).await.oauth_error(400, "invalid_request");
    assert!(refused.header("content-type").starts_with("application/json"));
    let public = Program::public(&site).await.with_header("accept", "application/token-introspection+jwt");
    public.post("introspect_token", &[("token", "x")]).await.oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn metadata_and_registration_name_the_signature_of_answers() {
    let site = TestSite::new().await;
    let metadata = site.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
    assert_eq!(metadata["introspection_signing_alg_values_supported"], json!(["ES256", "RS256", "EdDSA"]));
    let registration = |alg: &str| json!({"redirect_uris": ["https://app.example/callback"], "introspection_signed_response_alg": alg});
    let made = register(&site.guest(), registration("EdDSA")).await.status(201).json();
    assert_eq!(made["introspection_signed_response_alg"], "EdDSA");
    let program = Program::registered(&site, &made, "openid");
    let answer = signed(&site, &program, "dt_at_garbage", SigningAlgorithm::EdDsa).await;
    assert_eq!(answer.claims.0["token_introspection"], json!({"active": false}));
    register(&site.guest(), registration("HS256")).await.oauth_error(400, "invalid_client_metadata");
}
