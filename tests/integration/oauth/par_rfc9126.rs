//! Pushed authorization requests: checked at once, referred to once, by their own client.

use chrono::Duration;
use doctyped::testing::assertion::sign;
use doctyped::testing::client_authentication::basic_header;
use doctyped::testing::jwt::SigningKey;
use doctyped::testing::pkce::challenge_of;
use doctyped::testing::secret::SigningAlgorithm;
use poem::http::Method;
use serde_json::json;

use super::dpop_rfc9449::Holder;
use super::support::{BASE, Program, REDIRECT_URI, VERIFIER, answer, parameter};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

/// Pushes a good request, with changes; an empty value leaves a parameter out.
async fn push(program: &Program, changes: &[(&str, &str)]) -> Response {
    program.post("par", &fields(&challenge_of(VERIFIER), changes)).await
}

fn fields<'a>(challenge: &'a str, changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("response_type", "code"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "openid all"),
        ("state", "the state"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ];
    for change in changes {
        fields.retain(|(known, _)| *known != change.0);
        if !change.1.is_empty() {
            fields.push(*change);
        }
    }
    fields
}

/// The reference to a request that was pushed.
async fn pushed(program: &Program) -> String {
    push(program, &[]).await.status(201).json()["request_uri"].as_str().unwrap().to_owned()
}

/// Goes to the authorization endpoint with a client id and a reference.
async fn authorize(person: &Client, client_id: &str, request_uri: &str, more: &[(&str, &str)]) -> Response {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("client_id", client_id), ("request_uri", request_uri)])
        .extend_pairs(more)
        .finish();
    person.get(&format!("{BASE}authorize?{query}")).await
}

#[tokio::test]
async fn a_pushed_request_leads_through_consent_to_tokens() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    for program in [Program::new(&site, json!({})).await, Program::public(&site).await] {
        let made = push(&program, &[]).await.status(201);
        assert!(made.header("cache-control").contains("no-store"));
        let body = made.json();
        let lifetime = body["expires_in"].as_i64().unwrap();
        assert!((60..=90).contains(&lifetime), "{lifetime}");
        let uri = body["request_uri"].as_str().unwrap();
        assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:") && uri.len() > 70, "{uri}");
        let page = alice.get(&authorize(&alice, &program.id, uri, &[]).await.redirect()).await.status(200);
        let back = answer(&alice, &page, "allow").await.redirect();
        assert_eq!(parameter(&back, "state").unwrap(), "the state");
        program.exchange(&parameter(&back, "code").unwrap()).await.status(200);
    }
}

#[tokio::test]
async fn somebody_who_logs_in_first_still_gets_to_the_pushed_request() {
    let site = TestSite::new().await;
    site.db_user("alice@example.com", json!({})).await;
    let program = Program::new(&site, json!({})).await;
    let browser = site.guest();
    let login = authorize(&browser, &program.id, &pushed(&program).await, &[]).await.redirect();
    browser.log_in("alice@example.com", crate::support::PASSWORD).await.ok();
    // However long the login took.
    site.clock.advance(Duration::seconds(120));
    let back = parameter(&format!("http://x{login}"), "redirect-to").unwrap();
    let page = browser.get(&back).await.status(200);
    assert!(answer(&browser, &page, "allow").await.redirect().contains("code="));
}

#[tokio::test]
async fn only_what_was_pushed_counts_whatever_stands_beside_the_reference() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::new(&site, json!({"redirect_uris": "https://app.example/other"})).await;
    let more = [
        ("redirect_uri", "https://app.example/other"),
        ("state", "another"),
        ("scope", "read"),
        ("response_mode", "form_post"),
    ];
    let to = authorize(&alice, &program.id, &pushed(&program).await, &more).await.redirect();
    let page = alice.get(&to).await.status(200);
    let back = answer(&alice, &page, "allow").await.redirect();
    assert!(back.starts_with(REDIRECT_URI), "{back}");
    assert_eq!(parameter(&back, "state").unwrap(), "the state");
    let tokens = program.exchange(&parameter(&back, "code").unwrap()).await.status(200).json();
    assert_eq!(tokens["scope"], "openid all");
}

#[tokio::test]
async fn a_mistake_is_told_to_the_program_at_once_and_as_json() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({})).await;
    for (changes, code) in [
        (vec![("redirect_uri", "https://evil.example/callback")], "invalid_request"),
        (vec![("response_type", "token")], "unsupported_response_type"),
        (vec![("response_type", "")], "invalid_request"),
        (vec![("code_challenge", "")], "invalid_request"),
        (vec![("scope", "with\\backslash")], "invalid_scope"),
        (vec![("resource", "https://elsewhere.example")], "invalid_target"),
        (vec![("request_uri", "urn:ietf:params:oauth:request_uri:x")], "invalid_request"),
        (vec![("request", "nonsense")], "invalid_request_object"),
        (vec![("client_id", "another")], "invalid_request"),
    ] {
        push(&program, &changes).await.oauth_error(400, code);
    }
    let challenge = challenge_of(VERIFIER);
    let mut twice = fields(&challenge, &[]);
    twice.push(("state", "again"));
    program.post("par", &twice).await.oauth_error(400, "invalid_request");
    let query = site.guest().send(Method::POST, &format!("{BASE}par?client_id={}", program.id), "", "").await;
    query.oauth_error(400, "invalid_request");
    assert!(site.db_names("OAuth Authorization Request", json!({})).await.is_empty());
}

#[tokio::test]
async fn whoever_does_not_prove_who_they_are_pushes_nothing() {
    let site = TestSite::new().await;
    let mut program = Program::new(&site, json!({})).await;
    program.secret = "wrong".to_owned();
    let refused = push(&program, &[]).await.oauth_error(401, "invalid_client");
    assert!(refused.header("www-authenticate").starts_with("Basic "));
    program.secret = String::new();
    push(&program, &[]).await.oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn a_client_that_signs_may_push_and_leave_its_id_out() {
    let site = TestSite::new().await;
    let key = SigningKey::generate(SigningAlgorithm::Es256);
    let program = Program::with_key(&site, &key, json!({})).await;
    let endpoint = format!("{}{BASE}par", site.documents().site_url());
    let challenge = challenge_of(VERIFIER);
    let assertion = sign(&key, &program.id, &endpoint, site.clock.now());
    program.post_signed("par", &assertion, &fields(&challenge, &[])).await.status(201);
    program.post_signed("par", &assertion, &fields(&challenge, &[])).await.oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn a_reference_is_used_once_and_expires() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::new(&site, json!({})).await;
    let uri = pushed(&program).await;
    authorize(&alice, &program.id, &uri, &[]).await.redirect();
    let again = authorize(&alice, &program.id, &uri, &[]).await.status(400);
    assert!(again.body.contains("invalid_request_uri"), "{}", again.body);
    let uri = pushed(&program).await;
    site.clock.advance(Duration::seconds(91));
    authorize(&alice, &program.id, &uri, &[]).await.status(400);
    let unknown = "urn:ietf:params:oauth:request_uri:unknown";
    authorize(&alice, &program.id, unknown, &[]).await.status(400);
}

#[tokio::test]
async fn of_a_hundred_browsers_with_one_reference_exactly_one_gets_on() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::new(&site, json!({})).await;
    let uri = pushed(&program).await;
    let uses = (0..100).map(|_| authorize(&alice, &program.id, &uri, &[]));
    let answers = futures_util::future::join_all(uses).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 303).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 400).count(), 99);
}

#[tokio::test]
async fn a_reference_belongs_to_the_client_that_pushed() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let (program, other) = (Program::new(&site, json!({})).await, Program::new(&site, json!({})).await);
    let uri = pushed(&program).await;
    authorize(&alice, &other.id, &uri, &[]).await.status(400);
    // And whoever tries does not use it up.
    authorize(&alice, &program.id, &uri, &[]).await.redirect();
    // A request that waits for its answer is not a pushed one.
    let page = alice.get(&program.authorize_uri(&[])).await.redirect();
    let id = parameter(&format!("http://x{page}"), "request_id").unwrap();
    let uri = format!("urn:ietf:params:oauth:request_uri:{id}");
    authorize(&alice, &program.id, &uri, &[]).await.status(400);
    // Nor can a pushed one be answered by its id.
    let uri = pushed(&program).await;
    let id = uri.rsplit_once(':').unwrap().1;
    alice.get(&format!("{BASE}approve?request_id={id}")).await.status(400);
}

#[tokio::test]
async fn what_changed_since_the_push_counts() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::new(&site, json!({"redirect_uris": "https://app.example/other"})).await;
    let uri = push(&program, &[("redirect_uri", "https://app.example/other")]).await.status(201).json();
    site.db_update("OAuth Client", &program.id, json!({"redirect_uris": ""})).await;
    authorize(&alice, &program.id, uri["request_uri"].as_str().unwrap(), &[]).await.status(400);
    let uri = pushed(&program).await;
    site.db_update("OAuth Client", &program.id, json!({"enabled": 0})).await;
    authorize(&alice, &program.id, &uri, &[]).await.status(400);
}

#[tokio::test]
async fn a_client_or_the_site_may_insist_on_pushed_requests() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let strict = Program::new(&site, json!({"require_par": 1})).await;
    let free = Program::new(&site, json!({})).await;
    let back = alice.get(&strict.authorize_uri(&[])).await.redirect();
    assert!(back.starts_with(REDIRECT_URI), "{back}");
    assert_eq!(parameter(&back, "error").unwrap(), "invalid_request");
    authorize(&alice, &strict.id, &pushed(&strict).await, &[]).await.redirect();
    let page = alice.get(&free.authorize_uri(&[])).await.redirect();
    assert!(page.starts_with(BASE), "{page}");
    let settings = json!({"require_pushed_authorization_requests": 1});
    site.db_update("OAuth Settings", "OAuth Settings", settings).await;
    let back = alice.get(&free.authorize_uri(&[])).await.redirect();
    assert_eq!(parameter(&back, "error").unwrap(), "invalid_request");
    authorize(&alice, &free.id, &pushed(&free).await, &[]).await.redirect();
    let metadata = site.guest().get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["require_pushed_authorization_requests"], true);
}

#[tokio::test]
async fn a_page_of_the_client_may_push_from_its_own_origin_only() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({})).await;
    let uri = format!("{BASE}par");
    let own = site.guest().with_header("origin", "https://app.example");
    let asked = own.send(Method::OPTIONS, &uri, "", "").await.status(204);
    assert_eq!(asked.header("access-control-allow-origin"), "https://app.example");
    assert_eq!(asked.header("access-control-allow-methods"), "POST, OPTIONS");
    let basic = basic_header(&program.id, &program.secret);
    let challenge = challenge_of(VERIFIER);
    let fields = fields(&challenge, &[]);
    let answer = own.with_header("authorization", &basic).form(&uri, &fields).await.status(201);
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.example");
    let foreign = site.guest().with_header("origin", "https://evil.example").with_header("authorization", &basic);
    assert_eq!(foreign.form(&uri, &fields).await.header("access-control-allow-origin"), "");
    site.guest().get(&uri).await.status(405);
}

#[tokio::test]
async fn a_pushed_request_is_kept_under_a_digest_and_goes_when_it_has_expired() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({})).await;
    let uri = pushed(&program).await;
    let names = site.db_names("OAuth Authorization Request", json!({"kind": "Pushed"})).await;
    let system = doctyped::testing::permissions::Session::system();
    let stored = site.documents().get(&system, "OAuth Authorization Request", &names[0]).await.unwrap();
    let id = uri.rsplit_once(':').unwrap().1;
    assert!(!serde_json::to_string(&stored.to_json_whole()).unwrap().contains(id));
    site.clock.advance(Duration::seconds(91));
    doctyped::testing::jobs::remove_expired(site.documents()).await.unwrap();
    assert!(site.db_names("OAuth Authorization Request", json!({})).await.is_empty());
}

#[tokio::test]
async fn metadata_says_where_to_push() {
    let site = TestSite::new().await;
    let metadata = site.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
    let endpoint = format!("{}{BASE}par", site.documents().site_url());
    assert_eq!(metadata["pushed_authorization_request_endpoint"], endpoint);
    assert_eq!(metadata["require_pushed_authorization_requests"], false);
}

#[tokio::test]
async fn one_address_pushes_as_often_in_a_minute_as_the_settings_say() {
    let site = TestSite::new().await;
    let limit = async |limit: i64| {
        site.db_update("OAuth Settings", "OAuth Settings", json!({"request_rate_limit": limit})).await;
    };
    limit(2).await;
    let (program, other) = (Program::public(&site).await, Program::new(&site, json!({})).await);
    // Who does not prove who they are is counted elsewhere.
    site.guest().form(&format!("{BASE}par"), &[("client_id", &other.id)]).await.oauth_error(401, "invalid_client");
    push(&program, &[]).await.status(201);
    push(&other, &[]).await.status(201);
    let refused = push(&program, &[]).await.oauth_error(429, "temporarily_unavailable");
    assert!((1..=61).contains(&refused.header("retry-after").parse::<i64>().unwrap()));
    assert_eq!(site.db_names("OAuth Authorization Request", json!({})).await.len(), 2, "nothing is stored");
    // Codes for devices are counted apart.
    let values = json!({"token_endpoint_auth_method": "None", "allow_device_code": 1});
    Program::new(&site, values).await.post("device_authorization", &[]).await.status(200);
    site.clock.advance(Duration::seconds(61));
    push(&program, &[]).await.status(201);
    limit(0).await;
    for _ in 0..5 {
        push(&program, &[]).await.status(201);
    }
}

/// The code that Alice allows for a request that was pushed.
async fn code(alice: &Client, program: &Program, pushed: &Response) -> String {
    let uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let page = alice.get(&authorize(alice, &program.id, &uri, &[]).await.redirect()).await.status(200);
    parameter(&answer(alice, &page, "allow").await.redirect(), "code").unwrap()
}

#[tokio::test]
async fn the_key_that_is_proved_when_a_request_is_pushed_is_the_one_that_its_code_needs() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::public(&site).await;
    let (holder, thief) = (Holder::new(&site), Holder::new(&site));
    let jkt = holder.key.jwk().thumbprint();
    for beside in [vec![], vec![("dpop_jkt", &*jkt)]] {
        let pushed = push(&holder.proving_at(&program, "par"), &beside).await.status(201);
        let code = code(&alice, &program, &pushed).await;
        program.exchange(&code).await.oauth_error(400, "invalid_grant");
        thief.proving(&program).exchange(&code).await.oauth_error(400, "invalid_grant");
        let tokens = holder.proving(&program).exchange(&code).await.status(200).json();
        assert_eq!(tokens["token_type"], "DPoP");
    }
    // Without a proof the parameter alone counts, as before.
    let pushed = push(&program, &[("dpop_jkt", &jkt)]).await.status(201);
    let code = code(&alice, &program, &pushed).await;
    thief.proving(&program).exchange(&code).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_proof_at_the_endpoint_must_hold_and_agree_with_what_is_pushed() {
    let site = TestSite::new().await;
    let program = Program::public(&site).await;
    let (holder, other) = (Holder::new(&site), Holder::new(&site));
    let jkt = other.key.jwk().thumbprint();
    let contradicting = push(&holder.proving_at(&program, "par"), &[("dpop_jkt", &jkt)]).await;
    assert!(contradicting.oauth_error(400, "invalid_request").body.contains("dpop_jkt"));
    push(&holder.proving(&program), &[]).await.oauth_error(400, "invalid_dpop_proof");
    push(&program.with_header("dpop", "nonsense"), &[]).await.oauth_error(400, "invalid_dpop_proof");
    let once = holder.proving_at(&program, "par");
    let pushed = push(&once, &[]).await.status(201);
    assert_eq!(pushed.header("dpop-nonce"), "");
    push(&once, &[]).await.oauth_error(400, "invalid_dpop_proof");
    site.db_update("OAuth Settings", "OAuth Settings", json!({"require_dpop_nonce": 1})).await;
    let refused = push(&holder.proving_at(&program, "par"), &[]).await.oauth_error(400, "use_dpop_nonce");
    assert!(!refused.header("dpop-nonce").is_empty());
    assert!(push(&program, &[]).await.status(201).header("dpop-nonce").len() > 20, "none is needed without a proof");
}
