//! Clients that prove who they are by signing: `private_key_jwt` and `client_secret_jwt`.

use chrono::Duration;
use doctyped::testing::assertion::sign;
use doctyped::testing::jwk::JwkSet;
use doctyped::testing::jwt::{SigningKey, sign_hs256};
use doctyped::testing::secret::SigningAlgorithm;
use serde_json::{Value as Json, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::registration_rfc7591::settings;
use super::support::{BASE, Program};
use crate::support::TestSite;
use crate::support::client::Response;

/// A request that gets as far as its grant once the client is authenticated.
const RENEWAL: [(&str, &str); 2] = [("grant_type", "refresh_token"), ("refresh_token", "dt_rt_x")];

fn key() -> SigningKey {
    SigningKey::generate(SigningAlgorithm::Es256)
}

/// A good assertion for the issuer, as claims, with changes; null leaves one out.
fn claims(site: &TestSite, program: &Program, changes: &Json) -> Json {
    let now = site.clock.now().timestamp();
    let mut claims = json!({
        "iss": program.id, "sub": program.id, "aud": site.documents().site_url(), "jti": doctyped::testing::secret::random_id(),
        "iat": now, "exp": now + 60,
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

/// Renews with a token that does not exist: `invalid_grant` says that the client is who it says, `invalid_client` not.
async fn renew(program: &Program, assertion: &str) -> Response {
    program.post_signed("get_token", assertion, &RENEWAL).await
}

/// Nobody is locked out, however often an assertion fails.
async fn without_lock(site: &TestSite) {
    let off = json!({"allow_consecutive_login_attempts": 0});
    site.db_update("System Settings", "System Settings", off).await;
}

#[tokio::test]
async fn a_client_that_signs_gets_a_token_and_may_ask_and_revoke() {
    let site = TestSite::new().await;
    site.db_user("robot@example.com", json!({})).await;
    for algorithm in
        [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::Ps256, SigningAlgorithm::EdDsa]
    {
        let key = SigningKey::generate(algorithm);
        let values = json!({"allow_client_credentials": 1, "user": "robot@example.com"});
        let program = Program::with_key(&site, &key, values).await;
        assert!(program.secret.is_empty(), "a client with keys has no secret");
        let post = async |endpoint: &str, fields: &[(&str, &str)]| {
            let assertion = key.sign("JWT", &claims(&site, &program, &json!({})));
            program.post_signed(endpoint, &assertion, fields).await.status(200).json()
        };
        let tokens = post("get_token", &[("grant_type", "client_credentials"), ("scope", "read")]).await;
        let token = tokens["access_token"].as_str().unwrap();
        assert_eq!(post("introspect_token", &[("token", token)]).await["active"], true);
        post("revoke_token", &[("token", token)]).await;
        assert_eq!(post("introspect_token", &[("token", token)]).await, json!({"active": false}));
    }
}

#[tokio::test]
async fn an_assertion_is_for_the_issuer_the_token_endpoint_or_the_endpoint_it_is_sent_to() {
    let (site, key) = (TestSite::new().await, key());
    without_lock(&site).await;
    let program = Program::with_key(&site, &key, json!({})).await;
    let issuer = site.documents().site_url();
    let at = |endpoint: &str| format!("{issuer}{BASE}{endpoint}");
    for (endpoint, audience, is_accepted) in [
        ("get_token", json!(issuer), true),
        ("get_token", json!([issuer]), true),
        ("get_token", json!(at("get_token")), true),
        ("get_token", json!(at("revoke_token")), false),
        ("get_token", json!([issuer, "https://other.example"]), false),
        ("get_token", json!(format!("{issuer}/")), false),
        ("get_token", json!("https://other.example"), false),
        ("get_token", Json::Null, false),
        ("revoke_token", json!(at("get_token")), true),
        ("revoke_token", json!(at("revoke_token")), true),
    ] {
        let assertion = key.sign("JWT", &claims(&site, &program, &json!({"aud": audience})));
        let fields = [RENEWAL[0], RENEWAL[1], ("token", "x")];
        let answer = program.post_signed(endpoint, &assertion, &fields).await;
        assert_eq!(answer.status != 401, is_accepted, "{endpoint} {audience} {}", answer.body);
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_an_assertion_the_answer_is_that_of_a_wrong_secret() {
    let (site, key) = (TestSite::new().await, key());
    without_lock(&site).await;
    let program = Program::with_key(&site, &key, json!({})).await;
    let now = site.clock.now().timestamp();
    let good = || claims(&site, &program, &json!({}));
    let unsigned = {
        let signed = key.sign("JWT", &good());
        let mut parts = signed.split('.');
        // {"alg":"none"}
        format!("eyJhbGciOiJub25lIn0.{}.", parts.nth(1).unwrap())
    };
    let public = JwkSet { keys: vec![key.jwk()] }.to_value().to_string();
    let mut refused = vec![
        ("another key", SigningKey::generate(SigningAlgorithm::Es256).sign("JWT", &good())),
        ("no signature", unsigned),
        ("the public key as a secret", sign_hs256(public.as_bytes(), "JWT", &good())),
        ("no assertion", "nonsense".to_owned()),
    ];
    for (what, changes) in [
        ("another issuer", json!({"iss": "other"})),
        ("another client", json!({"iss": "other", "sub": "other"})),
        ("no name", json!({"jti": null})),
        ("expired", json!({"exp": now - 31})),
        ("no end", json!({"exp": null})),
        ("more than an hour", json!({"exp": now + 3660})),
        ("not yet", json!({"nbf": now + 60})),
        ("from the future", json!({"iat": now + 60})),
    ] {
        refused.push((what, key.sign("JWT", &claims(&site, &program, &changes))));
    }
    let confidential = Program::new(&site, json!({})).await;
    let wrong = [RENEWAL[0], RENEWAL[1], ("client_id", confidential.id.as_str()), ("client_secret", "wrong")];
    let expected = site.guest().form(&format!("{BASE}get_token"), &wrong).await.oauth_error(401, "invalid_client").body;
    for (what, assertion) in refused {
        let answer = renew(&program, &assertion).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (401, &expected), "{what}");
    }
    renew(&program, &key.sign("JWT", &good())).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_client_uses_the_method_that_is_registered_for_it_and_no_other() {
    let (site, key) = (TestSite::new().await, key());
    without_lock(&site).await;
    let signing = Program::with_key(&site, &key, json!({})).await;
    let by_secret = Program::new(&site, json!({"token_endpoint_auth_method": "Client Secret JWT"})).await;
    let basic = Program::new(&site, json!({})).await;
    // By id alone.
    signing.post("get_token", &RENEWAL).await.oauth_error(401, "invalid_client");
    // The secret itself, where it should only sign; and a signature where the secret itself is expected.
    by_secret.post("get_token", &RENEWAL).await.oauth_error(401, "invalid_client");
    let assertion = sign_hs256(basic.secret.as_bytes(), "JWT", &claims(&site, &basic, &json!({})));
    renew(&basic, &assertion).await.oauth_error(401, "invalid_client");
    // The assertion of one client with the id of another, and beside a second way.
    let assertion = key.sign("JWT", &claims(&site, &signing, &json!({})));
    let fields = [RENEWAL[0], RENEWAL[1], ("client_id", basic.id.as_str())];
    signing.post_signed("get_token", &assertion, &fields).await.oauth_error(401, "invalid_client");
    let fields = [RENEWAL[0], RENEWAL[1], ("client_secret", "x")];
    signing.post_signed("get_token", &assertion, &fields).await.oauth_error(400, "invalid_request");
    let fields = [RENEWAL[0], RENEWAL[1], ("client_id", signing.id.as_str())];
    signing.post_signed("get_token", &assertion, &fields).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn of_a_hundred_uses_of_one_assertion_at_once_exactly_one_passes() {
    let (site, key) = (TestSite::new().await, key());
    without_lock(&site).await;
    let program = Program::with_key(&site, &key, json!({})).await;
    let assertion = sign(&key, &program.id, site.documents().site_url(), site.clock.now());
    let answers = futures_util::future::join_all((0..100).map(|_| renew(&program, &assertion))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 400).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 99);
}

#[tokio::test]
async fn an_assertion_that_failed_for_another_reason_is_still_used_up_and_two_clients_share_no_names() {
    let (site, key) = (TestSite::new().await, key());
    let (one, two) = (Program::with_key(&site, &key, json!({})).await, Program::with_key(&site, &key, json!({})).await);
    for program in [&one, &two] {
        let assertion = key.sign("JWT", &claims(&site, program, &json!({"jti": "1"})));
        renew(program, &assertion).await.oauth_error(400, "invalid_grant");
        renew(program, &assertion).await.oauth_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn an_assertion_may_live_as_long_as_the_settings_say_and_is_remembered_that_long() {
    let (site, key) = (TestSite::new().await, key());
    let program = Program::with_key(&site, &key, json!({})).await;
    let until = site.clock.now().timestamp() + 3600;
    let assertion = key.sign("JWT", &claims(&site, &program, &json!({"exp": until})));
    renew(&program, &assertion).await.oauth_error(400, "invalid_grant");
    site.clock.advance(chrono::Duration::minutes(59));
    doctyped::testing::jobs::remove_expired(site.documents()).await.unwrap();
    renew(&program, &assertion).await.oauth_error(401, "invalid_client");
    settings(&site, json!({"client_assertion_lifetime": 60})).await;
    let now = site.clock.now().timestamp();
    for (lives, status, code) in [(60, 400, "invalid_grant"), (120, 401, "invalid_client")] {
        let assertion = key.sign("JWT", &claims(&site, &program, &json!({"exp": now + lives})));
        renew(&program, &assertion).await.oauth_error(status, code);
    }
}

#[tokio::test]
async fn who_has_the_key_gets_in_however_often_others_fail_in_its_name() {
    let (site, key) = (TestSite::new().await, key());
    let program = Program::with_key(&site, &key, json!({})).await;
    let impostor = SigningKey::generate(SigningAlgorithm::Es256);
    for _ in 0..10 {
        let assertion = impostor.sign("JWT", &claims(&site, &program, &json!({})));
        renew(&program, &assertion).await.oauth_error(401, "invalid_client");
    }
    let used = key.sign("JWT", &claims(&site, &program, &json!({})));
    renew(&program, &used).await.oauth_error(400, "invalid_grant");
    for _ in 0..10 {
        renew(&program, &used).await.oauth_error(401, "invalid_client");
    }
    let assertion = key.sign("JWT", &claims(&site, &program, &json!({})));
    renew(&program, &assertion).await.oauth_error(400, "invalid_grant");
    assert_eq!(site.db_names("Security Event", json!({"event": "Client Authentication Failed"})).await.len(), 20);
    assert!(site.db_names("Login Attempt", json!({})).await.is_empty());
}

#[tokio::test]
async fn a_secret_that_signs_is_shown_once_kept_sealed_and_rotates_with_an_overlap() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({"token_endpoint_auth_method": "Client Secret JWT"})).await;
    let signed = |secret: &str| sign_hs256(secret.as_bytes(), "JWT", &claims(&site, &program, &json!({})));
    renew(&program, &signed(&program.secret)).await.oauth_error(400, "invalid_grant");
    let administrator = site.administrator().await;
    let shown = administrator.read("OAuth Client", &program.id).await;
    assert!(shown.json()["data"].get("client_secret").is_none());
    let system = doctyped::testing::permissions::Session::system();
    let stored = site.documents().get(&system, "OAuth Client", &program.id).await.unwrap();
    assert!(stored.text("client_secret").starts_with("sealed1."), "{}", stored.text("client_secret"));

    let uri = format!("/api/v2/document/OAuth%20Client/{}/method/rotate_client_secret", program.id);
    let made = administrator.post(&uri, json!({})).await.ok();
    let new = made["client_secret"].as_str().unwrap();
    renew(&program, &signed(new)).await.oauth_error(400, "invalid_grant");
    renew(&program, &signed(&program.secret)).await.oauth_error(400, "invalid_grant");
    site.clock.advance(Duration::days(8));
    renew(&program, &signed(&program.secret)).await.oauth_error(401, "invalid_client");
    renew(&program, &signed(new)).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn who_changes_to_a_secret_that_signs_gets_a_new_one_because_a_digest_cannot_sign() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({})).await;
    let administrator = site.administrator().await;
    let change = json!({"token_endpoint_auth_method": "Client Secret JWT"});
    let changed = administrator.update("OAuth Client", &program.id, change).await.ok();
    let new = changed["client_secret"].as_str().unwrap();
    assert_ne!(new, program.secret);
    let signed = |secret: &str| sign_hs256(secret.as_bytes(), "JWT", &claims(&site, &program, &json!({})));
    renew(&program, &signed(new)).await.oauth_error(400, "invalid_grant");
    renew(&program, &signed(&program.secret)).await.oauth_error(401, "invalid_client");
}

/// Publishes keys; they are to be fetched that often.
async fn publish(server: &MockServer, answer: ResponseTemplate, times: u64) {
    server.reset().await;
    Mock::given(method("GET")).and(path("/jwks")).respond_with(answer).expect(times).mount(server).await;
}

fn keys(keys: &[&SigningKey]) -> ResponseTemplate {
    let jwks = JwkSet { keys: keys.iter().map(|key| key.jwk()).collect() }.to_value();
    ResponseTemplate::new(200).set_body_json(jwks)
}

#[tokio::test]
async fn published_keys_are_fetched_once_and_again_when_the_client_has_renewed_them() {
    let site = TestSite::new().with_config(|config| config.development = true).await;
    without_lock(&site).await;
    let (server, old, new) = (MockServer::start().await, key(), key());
    let values = json!({"jwks": null, "jwks_uri": format!("{}/jwks", server.uri())});
    let program = Program::with_key(&site, &old, values).await;
    let signed = |key: &SigningKey| key.sign("JWT", &claims(&site, &program, &json!({})));
    publish(&server, keys(&[&old]), 1).await;
    for _ in 0..3 {
        renew(&program, &signed(&old)).await.oauth_error(400, "invalid_grant");
    }
    server.verify().await;
    // Not yet: whoever invents keys must not make us ask all the time.
    publish(&server, keys(&[&new]), 0).await;
    renew(&program, &signed(&new)).await.oauth_error(401, "invalid_client");
    server.verify().await;
    site.clock.advance(Duration::seconds(11));
    publish(&server, keys(&[&new]), 1).await;
    let assertions: Vec<String> = (0..20).map(|_| signed(&new)).collect();
    for answer in futures_util::future::join_all(assertions.iter().map(|assertion| renew(&program, assertion))).await {
        answer.oauth_error(400, "invalid_grant");
    }
    renew(&program, &signed(&old)).await.oauth_error(401, "invalid_client");
    server.verify().await;
}

#[tokio::test]
async fn a_client_whose_keys_are_out_of_reach_is_told_to_try_again_and_its_server_is_left_alone() {
    let site = TestSite::new().with_config(|config| config.development = true).await;
    let (server, key) = (MockServer::start().await, key());
    let values = json!({"jwks": null, "jwks_uri": format!("{}/jwks", server.uri())});
    let program = Program::with_key(&site, &key, values).await;
    let signed = || key.sign("JWT", &claims(&site, &program, &json!({})));
    publish(&server, ResponseTemplate::new(500), 1).await;
    for _ in 0..10 {
        renew(&program, &signed()).await.oauth_error(503, "temporarily_unavailable");
    }
    server.verify().await;
    publish(&server, keys(&[&key]), 1).await;
    site.clock.advance(Duration::seconds(11));
    renew(&program, &signed()).await.oauth_error(400, "invalid_grant");
    server.verify().await;
}

#[tokio::test]
async fn nobody_reads_from_a_refusal_why_a_clients_keys_are_out_of_reach() {
    let (site, key) = (TestSite::new().await, key());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    settings(&site, json!({"allowed_private_hosts": format!("localhost:{closed}\nlocalhost:9")})).await;
    let mut programs = Vec::new();
    for address in [&*format!("https://localhost:{closed}/jwks"), "https://localhost:9/jwks", "https://nobody.invalid/"]
    {
        programs.push(Program::with_key(&site, &key, json!({"jwks": null, "jwks_uri": address})).await);
    }
    // One of them is not to be called any more.
    settings(&site, json!({"allowed_private_hosts": format!("localhost:{closed}")})).await;
    let mut told = std::collections::BTreeSet::new();
    for program in &programs {
        let refused = renew(program, &key.sign("JWT", &claims(&site, program, &json!({})))).await;
        told.insert(refused.oauth_error(503, "temporarily_unavailable").body);
    }
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn an_address_from_which_keys_would_not_be_fetched_cannot_be_saved() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    for address in ["http://app.example/jwks", "https://127.0.0.1/jwks", "https://a:b@app.example/jwks", "jwks"] {
        let client = json!({
            "app_name": "Planner", "default_redirect_uri": super::support::REDIRECT_URI,
            "token_endpoint_auth_method": "Private Key JWT", "jwks_uri": address,
        });
        let refused = administrator.create("OAuth Client", client).await.error(417, "ValidationError");
        assert_eq!(refused["problems"][0]["field"], "jwks_uri", "{address} {refused}");
    }
}

#[tokio::test]
async fn metadata_names_the_methods_and_their_algorithms() {
    let site = TestSite::new().await;
    let metadata = site.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
    for endpoint in ["token", "revocation", "introspection"] {
        let methods = metadata[format!("{endpoint}_endpoint_auth_methods_supported")].as_array().unwrap().clone();
        assert!(methods.contains(&json!("private_key_jwt")) && methods.contains(&json!("client_secret_jwt")));
        let algorithms = &metadata[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
        assert_eq!(*algorithms, json!(["ES256", "RS256", "PS256", "EdDSA", "HS256"]));
    }
}
