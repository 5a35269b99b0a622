//! Back-channel logout: clients are told that a session has ended, until they have heard it.

use std::time::Duration;

use doctyped::testing::jwk::JwkSet;
use doctyped::testing::jwt::{Claims, Unverified};
use doctyped::testing::secret::SigningAlgorithm;
use serde_json::{Value as Json, json};
use wiremock::matchers::{body_string_contains, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::support::{BASE, Program, hidden};
use crate::support::{Client, PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";
const NOTICE: &str = "OAuth Logout Notice";

/// A site that may call programs on this computer.
pub async fn site() -> TestSite {
    TestSite::new().with_config(|config| config.development = true).await
}

/// A program that listens, and answers like this.
pub async fn listening(site: &TestSite, answer: ResponseTemplate) -> (MockServer, Program) {
    let server = MockServer::start().await;
    listen(&server, answer).await;
    let uri = format!("{}/logged-out", server.uri());
    let program = Program::new(site, json!({"backchannel_logout_uri": uri})).await;
    (server, program)
}

async fn listen(server: &MockServer, answer: ResponseTemplate) {
    server.reset().await;
    Mock::given(method("POST"))
        .and(path("/logged-out"))
        .and(header("content-type", "application/x-www-form-urlencoded"))
        .and(body_string_contains("logout_token="))
        .respond_with(answer)
        .mount(server)
        .await;
}

/// The logout tokens that a program has received, verified with the published keys.
pub async fn received(site: &TestSite, server: &MockServer) -> Vec<Claims> {
    let keys = JwkSet::parse(&site.guest().get("/.well-known/jwks.json").await.status(200).json()).unwrap();
    let requests = server.received_requests().await.unwrap();
    let verify = |body: &[u8]| {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
        assert_eq!(form.len(), 1);
        let token = Unverified::parse(&form[0].1).unwrap();
        let verified = token.verify(&keys, &[SigningAlgorithm::Es256]).unwrap();
        assert_eq!(verified.header.typ.as_deref(), Some("logout+jwt"));
        verified.claims
    };
    requests.iter().map(|request| verify(&request.body)).collect()
}

/// The first logout token that a program receives.
pub async fn wait_for_token(site: &TestSite, server: &MockServer) -> Claims {
    for _ in 0..100 {
        if let Some(claims) = received(site, server).await.into_iter().next() {
            return claims;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the program was not told");
}

/// The only notice, once it is in that state.
async fn notice(site: &TestSite, status: &str, attempts: i64) -> Json {
    let administrator = site.administrator().await;
    for _ in 0..100 {
        let names = site.db_names(NOTICE, json!({"status": status, "attempts": attempts})).await;
        if let [name] = names.as_slice() {
            return administrator.read(NOTICE, name).await.ok();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no notice is {status} after {attempts} attempts");
}

/// Runs the job that takes up what is due, as the server does now and then.
async fn run_job(site: &TestSite) {
    site.run_scheduled("tell OAuth clients about ended sessions").await;
}

async fn log_out(person: &Client) {
    let page = person.get("/connected-apps").await.status(200);
    person.form("/logout", &[("csrf_token", &hidden(&page.body, "csrf_token"))]).await.redirect();
}

async fn session_of(site: &TestSite, user: &str) -> String {
    site.db_names("Session", json!({"user": user, "status": "Active"})).await.pop().unwrap()
}

#[tokio::test]
async fn oidcc_backchannel_logout_discovery_endpoint_verification_it_is_announced() {
    let site = site().await;
    let metadata = site.guest().get("/.well-known/openid-configuration").await.status(200).json();
    for member in ["backchannel_logout_supported", "backchannel_logout_session_supported"] {
        assert_eq!(metadata[member], true, "{member}");
    }
}

#[tokio::test]
async fn oidcc_backchannel_rp_initiated_logout_tells_the_program_who_is_gone() {
    let site = site().await;
    let alice = site.user(ALICE, &[]).await;
    let (server, program) = listening(&site, ResponseTemplate::new(200)).await;
    program.tokens(&alice).await;
    let sid = session_of(&site, ALICE).await;
    let page = alice.get(&format!("{BASE}end_session?client_id={}", program.id)).await.status(200);
    let fields = [
        ("csrf_token", hidden(&page.body, "csrf_token")),
        ("client_id", program.id.clone()),
        ("decision", "log_out".to_owned()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    alice.form(&format!("{BASE}end_session"), &fields).await.status(200);
    let claims = wait_for_token(&site, &server).await;
    claims.require_issuer(site.documents().site_url()).unwrap();
    claims.require_audience(&program.id).unwrap();
    claims.require_current(site.clock.now()).unwrap();
    let subject = doctyped::testing::subject::subject_of(site.documents(), ALICE).await.unwrap();
    assert_eq!((claims.text("sub"), claims.text("sid")), (Some(&*subject), Some(&*sid)));
    assert_eq!(claims.0["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
    assert!(claims.text("jti").is_some_and(|jti| jti.len() >= 16) && claims.seconds("iat").is_some());
    assert!(!claims.0.contains_key("nonce"));
    notice(&site, "Delivered", 1).await;
}

#[tokio::test]
async fn whoever_ends_a_session_the_programs_of_that_session_are_told_once() {
    let site = site().await;
    for (case, user) in ["desk", "admin", "password", "disabled"].into_iter().zip(["a", "b", "c", "d"]) {
        let user = format!("{user}@example.com");
        let person = site.user(&user, &[]).await;
        let (server, program) = listening(&site, ResponseTemplate::new(204)).await;
        program.tokens(&person).await;
        program.tokens(&person).await;
        let (other_server, other) = listening(&site, ResponseTemplate::new(200)).await;
        let elsewhere = site.guest();
        elsewhere.log_in(&user, PASSWORD).await.ok();
        other.tokens(&elsewhere).await;
        let sid = site.db_names("Session", json!({"user": user})).await.remove(0);
        let administrator = site.administrator().await;
        match case {
            "desk" => log_out(&person).await,
            "admin" => drop(administrator.remove("Session", &sid).await.ok()),
            "password" => {
                let changed = json!({"new_password": "another horse battery"});
                drop(administrator.update("User", &user, changed).await.ok());
            }
            _ => drop(administrator.update("User", &user, json!({"enabled": 0})).await.ok()),
        }
        let claims = wait_for_token(&site, &server).await;
        assert_eq!(claims.text("sid"), Some(&*sid), "{case}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(received(&site, &server).await.len(), 1, "{case}");
        let ends_all = matches!(case, "password" | "disabled");
        let told = if ends_all {
            drop(wait_for_token(&site, &other_server).await);
            1
        } else {
            0
        };
        assert_eq!(received(&site, &other_server).await.len(), told, "{case}");
    }
}

#[tokio::test]
async fn a_program_without_a_sign_in_or_an_address_is_not_told() {
    let site = site().await;
    let alice = site.user(ALICE, &[]).await;
    let (server, mut data) = listening(&site, ResponseTemplate::new(200)).await;
    data.scope = "all".to_owned();
    data.tokens(&alice).await;
    Program::new(&site, json!({})).await.tokens(&alice).await;
    log_out(&alice).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(site.db_names(NOTICE, json!({})).await.is_empty());
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_logout_waits_for_no_program() {
    let site = site().await;
    let alice = site.user(ALICE, &[]).await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(10));
    let (_server, program) = listening(&site, slow).await;
    program.tokens(&alice).await;
    let logging_out = tokio::time::timeout(Duration::from_secs(5), log_out(&alice)).await;
    assert!(logging_out.is_ok(), "logging out waited for the program");
    notice(&site, "Waiting", 0).await;
}

#[tokio::test]
async fn a_program_that_fails_is_tried_again_ever_more_rarely_and_then_given_up() {
    let site = site().await;
    let alice = site.user(ALICE, &[]).await;
    let refusal = ResponseTemplate::new(400)
        .set_body_json(json!({"error": "invalid_request", "error_description": "unknown key"}));
    let (server, program) = listening(&site, refusal).await;
    program.tokens(&alice).await;
    log_out(&alice).await;
    let failed = notice(&site, "Waiting", 1).await;
    let reason = failed["last_error"].as_str().unwrap();
    assert!(reason.contains("400") && reason.contains("unknown key"), "{reason}");
    // Nothing is due yet.
    run_job(&site).await;
    notice(&site, "Waiting", 1).await;
    site.clock.advance(chrono::Duration::seconds(31));
    run_job(&site).await;
    notice(&site, "Waiting", 2).await;
    // A new token each time: an old one would have run out.
    let tokens = received(&site, &server).await;
    assert_ne!(tokens[0].text("jti"), tokens[1].text("jti"));
    assert!(tokens[1].seconds("exp") > tokens[0].seconds("exp"));
    for attempts in 3..=10 {
        site.clock.advance(chrono::Duration::hours(7));
        run_job(&site).await;
        notice(&site, if attempts == 10 { "Given Up" } else { "Waiting" }, attempts).await;
    }
    site.clock.advance(chrono::Duration::days(2));
    run_job(&site).await;
    assert_eq!(received(&site, &server).await.len(), 10);
}

#[tokio::test]
async fn a_program_that_comes_back_hears_of_it_and_a_restart_loses_nothing() {
    let site = site().await;
    let alice = site.user(ALICE, &[]).await;
    let (server, program) = listening(&site, ResponseTemplate::new(503)).await;
    program.tokens(&alice).await;
    log_out(&alice).await;
    notice(&site, "Waiting", 1).await;
    let site = site.restart().await;
    listen(&server, ResponseTemplate::new(200)).await;
    site.clock.advance(chrono::Duration::minutes(1));
    run_job(&site).await;
    let delivered = notice(&site, "Delivered", 2).await;
    assert_eq!(delivered["last_error"], Json::Null);
    assert_eq!(received(&site, &server).await.len(), 1);
}

#[tokio::test]
async fn a_private_address_or_a_redirect_is_not_followed() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    for address in ["http://app.example/out", "https://127.0.0.1/out", "https://app.example/out#part", "nonsense"] {
        let client = json!({
            "app_name": "Planner", "default_redirect_uri": "https://app.example/callback", "scopes": "openid",
            "backchannel_logout_uri": address,
        });
        administrator.create("OAuth Client", client).await.error(417, "ValidationError");
    }
    let site = self::site().await;
    let alice = site.user(ALICE, &[]).await;
    let away = ResponseTemplate::new(302).insert_header("location", "http://169.254.169.254/");
    let (_server, program) = listening(&site, away).await;
    program.tokens(&alice).await;
    log_out(&alice).await;
    let failed = notice(&site, "Waiting", 1).await;
    assert!(failed["last_error"].as_str().unwrap().contains("302"), "{failed}");
}

#[tokio::test]
async fn a_notice_that_somebody_entered_by_hand_holds_up_no_other() {
    let site = site().await;
    let program = Program::new(&site, json!({})).await;
    site.db_insert(NOTICE, json!({"client": program.id, "status": "Waiting"})).await;
    run_job(&site).await;
    let waiting = site.db_names(NOTICE, json!({"status": "Waiting", "next_attempt": ["is", "not set"]})).await;
    assert!(waiting.is_empty(), "it was taken up");
}
