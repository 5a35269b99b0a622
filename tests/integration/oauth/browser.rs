//! The whole way as people meet it: a program that nobody has set up asks, a person allows it in the browser, sees what
//! it may do, and ends that.

use doctyped::testing::pkce::challenge_of;
use serde_json::json;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::registration_rfc7591::{register, settings};
use super::support::{BASE, Program, VERIFIER, bearer, parameter};
use crate::browser::{Browser, is_wanted};
use crate::support::TestSite;

const ALICE: &str = "alice@example.com";
const SCOPE: &str = "openid offline_access doctype:User:read";

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_registers_itself_reads_what_a_person_allows_until_they_end_it() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().listening().await;
    settings(&site, json!({"scopes_supported": SCOPE, "default_scopes": SCOPE})).await;
    site.user(ALICE, &["System Manager"]).await;
    let base = site.documents().site_url().to_owned();

    // The program has no account: it registers, and listens on the person's own computer.
    let program = MockServer::start().await;
    let page = "<!doctype html><title>Helper</title><main>You are back</main>";
    let page = ResponseTemplate::new(200).set_body_raw(page, "text/html");
    Mock::given(path("/callback")).respond_with(page).mount(&program).await;
    let redirect_uri = format!("{}/callback", program.uri());
    let metadata = json!({
        "client_name": "Terminal Helper",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    let made = register(&site.guest(), metadata).await.status(201).json();
    let client_id = made["client_id"].as_str().unwrap();

    // The person logs in, reads and allows.
    let challenge = challenge_of(VERIFIER);
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", &redirect_uri),
            ("scope", SCOPE),
            ("state", "of this attempt"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ])
        .finish();
    let browser = Browser::start(&site.folder.path().join("profile")).await;
    browser.open(&format!("{base}{BASE}authorize?{query}")).await;
    browser.wait_for("return location.pathname === '/login'").await;
    browser.log_in(ALICE).await;
    browser.wait_for("return document.querySelector('button[value=allow]') !== null").await;
    browser.look("consent").await;
    let consent = browser.text().await;
    for said in ["Terminal Helper", "127.0.0.1", "User", ALICE] {
        assert!(consent.contains(said), "{said}: {consent}");
    }
    browser.click("button[value=allow]").await;
    browser.wait_for("return document.title === 'Helper'").await;
    let address = browser.run("return location.href").await;
    let address = address.as_str().unwrap();
    assert_eq!(parameter(address, "state").as_deref(), Some("of this attempt"));
    assert_eq!(parameter(address, "iss").as_deref(), Some(base.as_str()));

    // It reads exactly what was allowed; the refusal of the rest names no scope that the site does not offer.
    let code = parameter(address, "code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &redirect_uri),
        ("client_id", client_id),
        ("code_verifier", VERIFIER),
    ];
    let tokens = site.guest().form(&format!("{BASE}get_token"), &fields).await.status(200).json();
    let helper = bearer(&site, &tokens);
    helper.get("/api/resource/User").await.status(200);
    let refused = helper.get("/api/resource/Role").await.status(403);
    let said = refused.header("www-authenticate");
    assert!(said.contains("insufficient_scope") && !said.contains("doctype:Role:read"), "{said}");
    helper.delete(&format!("/api/resource/User/{ALICE}")).await.status(403);

    // The person ends it, and it is out at once.
    browser.open(&format!("{base}/third_party_apps")).await;
    browser.wait_for("return document.querySelector('details.confirm summary') !== null").await;
    browser.look("programs-with-access").await;
    assert!(browser.text().await.contains("Terminal Helper"));
    browser.click("details.confirm summary").await;
    browser.click("details.confirm[open] button").await;
    browser.wait_for("return document.querySelector('[role=status]') !== null").await;
    browser.look("programs-with-access-after").await;
    helper.get("/api/resource/User").await.status(401);
    let renewal = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ("client_id", client_id),
    ];
    site.guest().form(&format!("{BASE}get_token"), &renewal).await.oauth_error(400, "invalid_grant");

    // The desk keeps what happened.
    browser.open(&format!("{base}/app/oauth-client/{client_id}")).await;
    browser.wait_for("return document.querySelector('.form-aside .panel') !== null").await;
    browser.look("registered-client").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_whom_the_program_does_not_expect_lets_the_expected_person_log_in_who_then_proves_it_again() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().listening().await;
    let base = site.documents().site_url().to_owned();
    let alice = site.user(ALICE, &[]).await;
    site.db_user("bob@example.com", json!({})).await;
    let server = MockServer::start().await;
    let page = ResponseTemplate::new(200).set_body_raw("<!doctype html><title>Planner</title>", "text/html");
    Mock::given(path("/callback")).respond_with(page).mount(&server).await;
    let redirect_uri = format!("{}/callback", server.uri());
    let mut program = Program::new(&site, json!({"default_redirect_uri": redirect_uri})).await;
    "openid".clone_into(&mut program.scope);
    let uri = |changes: &[(&str, &str)]| {
        let mut all = vec![("redirect_uri", &*redirect_uri)];
        all.extend(changes);
        format!("{base}{}", program.authorize_uri(&all))
    };
    let answered = program.ask(&alice, &[("redirect_uri", &redirect_uri)], "allow").await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &*parameter(&answered, "code").unwrap()),
        ("redirect_uri", &*redirect_uri),
        ("code_verifier", VERIFIER),
    ];
    let tokens = program.post("get_token", &fields).await.status(200).json();
    let hint = tokens["id_token"].as_str().unwrap();

    let browser = Browser::start(&site.folder.path().join("profile")).await;
    browser.open(&format!("{base}/login")).await;
    browser.log_in("bob@example.com").await;
    browser.open(&uri(&[("id_token_hint", hint)])).await;
    browser.wait_for("return document.querySelector('button[value=back]') !== null").await;
    browser.look("other-account").await;
    assert!(browser.text().await.contains("a•••@example.com"));
    browser.click("form[action='/login'] button").await;
    browser.wait_for("return location.pathname === '/login'").await;
    browser.look("login-as-somebody-else").await;
    browser.log_in(ALICE).await;
    browser.click("button[value=allow]").await;
    browser.wait_for("return document.title === 'Planner'").await;

    // Once more, in the same session.
    browser.open(&uri(&[("prompt", "login")])).await;
    browser.wait_for("return document.querySelector(\"form[action='/login'] button\") !== null").await;
    browser.look("log-in-once-more").await;
    browser.click("form[action='/login'] button").await;
    browser.wait_for("return location.pathname === '/login'").await;
    browser.look("login-once-more").await;
    browser.type_into("#pwd", crate::support::PASSWORD).await;
    browser.click("form button[type=submit]").await;
    browser.wait_for("return document.querySelector('button[value=allow]') !== null").await;
    browser.click("button[value=allow]").await;
    browser.wait_for("return document.title === 'Planner'").await;
    let address = browser.run("return location.href").await;
    assert!(parameter(address.as_str().unwrap(), "code").is_some());
    let sessions = json!({"status": "Active", "user": ALICE});
    assert_eq!(site.db_names("Session", sessions).await.len(), 2, "hers, and that of this browser");
}
