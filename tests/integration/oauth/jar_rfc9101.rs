//! Requests that the client signed: nothing else in the address counts, and nobody else's signature does.

use doctyped::testing::jar::TYPE;
use doctyped::testing::jwt::{SigningKey, sign_hs256};
use doctyped::testing::pkce::challenge_of;
use doctyped::testing::secret::SigningAlgorithm;
use serde_json::{Value as Json, json};

use super::support::{BASE, Program, REDIRECT_URI, VERIFIER, answer, parameter};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

fn key() -> SigningKey {
    SigningKey::generate(SigningAlgorithm::Es256)
}

/// The claims of a good request object, with changes; null leaves one out.
fn claims(site: &TestSite, program: &Program, changes: &Json) -> Json {
    let now = site.clock.now().timestamp();
    let mut claims = json!({
        "iss": program.id, "aud": site.documents().site_url(), "iat": now, "exp": now + 60, "client_id": program.id,
        "response_type": "code", "redirect_uri": REDIRECT_URI, "scope": "openid read", "state": "signed",
        "code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256",
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

async fn authorize(person: &Client, fields: &[(&str, &str)]) -> Response {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    person.get(&format!("{BASE}authorize?{query}")).await
}

#[tokio::test]
async fn a_signed_request_leads_to_tokens_and_nothing_beside_it_counts() {
    let (site, key) = (TestSite::new().await, key());
    let alice = site.user("alice@example.com", &[]).await;
    let values = json!({"redirect_uris": "https://app.example/other", "require_signed_request_object": 1});
    let program = Program::with_key(&site, &key, values).await;
    let request = key.sign(TYPE, &claims(&site, &program, &json!({})));
    let beside = [
        ("client_id", program.id.as_str()),
        ("request", &request),
        ("redirect_uri", "https://app.example/other"),
        ("scope", "all"),
        ("state", "unsigned"),
        ("response_type", "token"),
        ("prompt", "none"),
    ];
    let page = alice.get(&authorize(&alice, &beside).await.redirect()).await.status(200);
    let back = answer(&alice, &page, "allow").await.redirect();
    assert!(back.starts_with(&format!("{REDIRECT_URI}?")), "{back}");
    assert_eq!(parameter(&back, "state").unwrap(), "signed");
    let code = parameter(&back, "code").unwrap();
    let assertion =
        doctyped::testing::assertion::sign(&key, &program.id, site.documents().site_url(), site.clock.now());
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let tokens = program.post_signed("get_token", &assertion, &fields).await.status(200).json();
    assert_eq!(tokens["scope"], "openid read");
}

#[tokio::test]
async fn a_request_object_that_does_not_hold_is_refused() {
    let (site, key) = (TestSite::new().await, key());
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::with_key(&site, &key, json!({})).await;
    let now = site.clock.now().timestamp();
    let signed = key.sign(TYPE, &claims(&site, &program, &json!({})));
    let payload = signed.split('.').nth(1).unwrap();
    let jwks = doctyped::testing::jwk::JwkSet { keys: vec![key.jwk()] }.to_value().to_string();
    let mut refused = vec![
        // {"alg":"none"}
        ("unsigned", format!("eyJhbGciOiJub25lIn0.{payload}.")),
        ("another key", SigningKey::generate(SigningAlgorithm::Es256).sign(TYPE, &claims(&site, &program, &json!({})))),
        ("the public key as a secret", sign_hs256(jwks.as_bytes(), TYPE, &claims(&site, &program, &json!({})))),
        ("another type", key.sign("at+jwt", &claims(&site, &program, &json!({})))),
        ("no request object", "nonsense".to_owned()),
    ];
    for (what, changes) in [
        ("another client", json!({"client_id": "other"})),
        ("another issuer", json!({"iss": "other"})),
        ("another audience", json!({"aud": "https://other.example"})),
        ("expired", json!({"exp": now - 60})),
        ("no end", json!({"exp": null})),
        ("an assertion", json!({"sub": program.id})),
        ("a reference inside", json!({"request_uri": "https://app.example/request"})),
    ] {
        refused.push((what, key.sign(TYPE, &claims(&site, &program, &changes))));
    }
    for (what, request) in refused {
        let mut fields = vec![("client_id", program.id.as_str()), ("request", &request)];
        // Without an address of the client's own beside it, there is only the person to tell.
        let page = authorize(&alice, &fields).await.status(400);
        assert!(page.body.contains("invalid_request_object"), "{what} {}", page.body);
        fields.extend([("redirect_uri", REDIRECT_URI), ("state", "outside")]);
        let back = authorize(&alice, &fields).await.redirect();
        assert!(back.starts_with(REDIRECT_URI), "{what} {back}");
        assert_eq!(parameter(&back, "error").unwrap(), "invalid_request_object", "{what}");
        assert_eq!(parameter(&back, "state").unwrap(), "outside");
        fields[2].1 = "https://evil.example/";
        authorize(&alice, &fields).await.status(400);
    }
}

#[tokio::test]
async fn a_redirect_uri_inside_must_be_the_clients_own() {
    let (site, key) = (TestSite::new().await, key());
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::with_key(&site, &key, json!({})).await;
    let request = key.sign(TYPE, &claims(&site, &program, &json!({"redirect_uri": "https://evil.example/"})));
    authorize(&alice, &[("client_id", &program.id), ("request", &request)]).await.status(400);
}

#[tokio::test]
async fn a_named_request_object_is_used_once() {
    let (site, key) = (TestSite::new().await, key());
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::with_key(&site, &key, json!({})).await;
    let request = key.sign(TYPE, &claims(&site, &program, &json!({"jti": "1"})));
    let fields = [("client_id", program.id.as_str()), ("request", &request)];
    let uses = futures_util::future::join_all((0..100).map(|_| authorize(&alice, &fields))).await;
    assert_eq!(uses.iter().filter(|answer| answer.status == 303).count(), 1);
    // One without a name may come again: a browser's reload.
    let request = key.sign(TYPE, &claims(&site, &program, &json!({})));
    for _ in 0..2 {
        authorize(&alice, &[("client_id", &program.id), ("request", &request)]).await.redirect();
    }
}

#[tokio::test]
async fn a_client_may_be_bound_to_sign_also_what_it_pushes() {
    let (site, key) = (TestSite::new().await, key());
    let alice = site.user("alice@example.com", &[]).await;
    let jwks = doctyped::testing::jwk::JwkSet { keys: vec![key.jwk()] }.to_value().to_string();
    let program = Program::new(&site, json!({"jwks": jwks, "require_signed_request_object": 1})).await;
    let back = alice.get(&program.authorize_uri(&[])).await.redirect();
    assert_eq!(parameter(&back, "error").unwrap(), "invalid_request");
    let challenge = challenge_of(VERIFIER);
    let unsigned = [
        ("response_type", "code"),
        ("redirect_uri", REDIRECT_URI),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    program.post("par", &unsigned).await.oauth_error(400, "invalid_request");
    let request = key.sign(TYPE, &claims(&site, &program, &json!({})));
    let pushed = program.post("par", &[("request", &request), ("state", "outside")]).await.status(201).json();
    let fields = [("client_id", program.id.as_str()), ("request_uri", pushed["request_uri"].as_str().unwrap())];
    let page = alice.get(&authorize(&alice, &fields).await.redirect()).await.status(200);
    let back = answer(&alice, &page, "allow").await.redirect();
    assert_eq!(parameter(&back, "state").unwrap(), "signed");
    program.exchange(&parameter(&back, "code").unwrap()).await.status(200);
}

#[tokio::test]
async fn references_to_elsewhere_are_never_fetched() {
    let site = TestSite::new().with_config(|config| config.development = true).await;
    let server = wiremock::MockServer::start().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::new(&site, json!({})).await;
    let elsewhere = format!("{}/request.jwt", server.uri());
    let back = alice.get(&program.authorize_uri(&[("request_uri", &elsewhere)])).await.redirect();
    assert_eq!(parameter(&back, "error").unwrap(), "request_uri_not_supported");
    let fields = [("client_id", program.id.as_str()), ("request_uri", &elsewhere)];
    let page = authorize(&alice, &fields).await.status(400);
    assert!(page.body.contains("request_uri_not_supported"), "{}", page.body);
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_request_and_a_reference_together_are_refused() {
    let (site, key) = (TestSite::new().await, key());
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::with_key(&site, &key, json!({})).await;
    let request = key.sign(TYPE, &claims(&site, &program, &json!({})));
    let both = [("request", request.as_str()), ("request_uri", "urn:ietf:params:oauth:request_uri:x")];
    let back = alice.get(&program.authorize_uri(&both)).await.redirect();
    assert_eq!(parameter(&back, "error").unwrap(), "invalid_request");
}

#[tokio::test]
async fn metadata_says_how_requests_may_be_signed() {
    let site = TestSite::new().await;
    let metadata = site.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
    let algorithms = json!(["ES256", "RS256", "PS256", "EdDSA"]);
    assert_eq!(metadata["request_object_signing_alg_values_supported"], algorithms);
    assert_eq!(metadata["request_parameter_supported"], true);
    assert_eq!(metadata["request_uri_parameter_supported"], false);
    assert_eq!(metadata["require_signed_request_object"], false);
}
