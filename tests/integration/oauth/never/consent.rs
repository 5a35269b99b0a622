//! Nobody but the person in front of the page consents, and to nothing but what it shows.

use serde_json::json;

use crate::oauth::support::{BASE, Program, bearer, hidden, parameter};
use crate::support::TestSite;

const ALICE: &str = "alice@example.com";

#[tokio::test]
async fn a_code_is_for_the_person_of_the_session_whatever_else_names_one() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    for name in ["user_id", "full_name", "system_user", "user"] {
        alice.set_cookie(name, "Administrator");
    }
    let alice = alice.with_header("x-forwarded-user", "Administrator");
    let program = Program::new(&site, json!({})).await;
    let to = program.ask(&alice, &[("user", "Administrator"), ("login_hint", "Administrator")], "allow").await;
    let tokens = program.exchange(&parameter(&to, "code").unwrap()).await.status(200).json();
    assert_eq!(bearer(&site, &tokens).logged_user().await, ALICE);
}

#[tokio::test]
async fn what_is_granted_is_what_was_shown_whatever_the_form_adds() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let other = Program::new(&site, json!({})).await;
    let program = Program::new(&site, json!({"redirect_uris": "https://app.example/other"})).await;
    let page = alice.get(&program.authorize_uri(&[("scope", "openid")])).await.redirect();
    let page = alice.get(&page).await.status(200);
    let (token, id) = (hidden(&page.body, "csrf_token"), hidden(&page.body, "request_id"));
    let fields = [
        ("csrf_token", token.as_str()),
        ("request_id", id.as_str()),
        ("decision", "allow"),
        ("scope", "openid all"),
        ("scopes", "openid all"),
        ("redirect_uri", "https://app.example/other"),
        ("client_id", other.id.as_str()),
        ("user", "Administrator"),
        ("state", "another"),
    ];
    let to = alice.form(&format!("{BASE}approve"), &fields).await.redirect();
    assert!(to.starts_with("https://app.example/callback?"), "{to}");
    assert_eq!(parameter(&to, "state").as_deref(), Some("the state"));
    let code = parameter(&to, "code").unwrap();
    other.exchange(&code).await.oauth_error(400, "invalid_grant");
    assert_eq!(program.exchange(&code).await.status(200).json()["scope"], "openid");
}

#[tokio::test]
async fn a_page_elsewhere_cannot_allow() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let page = alice.get(&program.authorize_uri(&[])).await.redirect();
    let page = alice.get(&page).await.status(200);
    let (token, id) = (hidden(&page.body, "csrf_token"), hidden(&page.body, "request_id"));
    let fields = [("csrf_token", token.as_str()), ("request_id", id.as_str()), ("decision", "allow")];
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example")]
    {
        let elsewhere = alice.with_header(name, value);
        let refused = elsewhere.form(&format!("{BASE}approve"), &fields).await.status(400);
        assert_eq!(refused.header("location"), "", "{name}: {value}");
    }
    // Nor can an address, whoever opens it: allowing is a POST.
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let opened = alice.get(&format!("{BASE}approve?{query}")).await.status(200);
    assert_eq!(opened.header("location"), "");
    assert!(site.db_names("OAuth Authorization Code", json!({})).await.is_empty());
    assert_eq!(page.header("x-frame-options").to_ascii_uppercase(), "DENY", "no page elsewhere shows it in a frame");
}
