//! Logging in with GitHub, which knows no OpenID Connect: who it is and which address is verified stand in its API.

use serde_json::{Value as Json, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{answer_grant, parameter, site, tokens};
use crate::support::{Client, TestSite};

const CALLBACK: &str = "/api/method/frappe.integrations.oauth2_logins.login_via_github";

/// A site on which people log in with GitHub, whose part this server plays.
async fn set_up(values: Json) -> (MockServer, TestSite) {
    let (github, site) = (MockServer::start().await, site().await);
    let base = github.uri();
    let mut key = json!({
        "provider_name": "GitHub", "social_login_provider": "GitHub", "enable_social_login": 1, "client_id": "me",
        "client_secret": "secret of the site", "sign_ups": "Allow", "authorize_url": format!("{base}/authorize"),
        "access_token_url": format!("{base}/token"), "api_endpoint": format!("{base}/user"),
    });
    key.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    site.db_insert("Social Login Key", key).await;
    (github, site)
}

/// GitHub tells this of the person and of their addresses.
async fn tells(github: &MockServer, profile: Json, emails: ResponseTemplate) {
    github.reset().await;
    answer_grant(github, "authorization_code", tokens("of-the-person", None), 1).await;
    let profile = ResponseTemplate::new(200).set_body_json(profile);
    for (at, answer) in [("/user", profile), ("/user/emails", emails)] {
        Mock::given(method("GET"))
            .and(path(at))
            .and(header("authorization", "Bearer of-the-person"))
            .respond_with(answer)
            .mount(github)
            .await;
    }
}

fn addresses(addresses: Json) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(addresses)
}

/// Comes back from GitHub.
async fn log_in(browser: &Client) -> crate::support::client::Response {
    let location = browser.get("/login/with/github?redirect-to=/app/todo").await.redirect();
    assert_eq!(parameter(&location, "scope"), "user:email");
    browser.get(&format!("{CALLBACK}?code=abc&state={}", parameter(&location, "state"))).await
}

#[tokio::test]
async fn the_primary_verified_address_counts_and_not_the_one_of_the_profile() {
    let (github, site) = set_up(json!({})).await;
    let profile = json!({"id": 42, "login": "alice", "name": "Alice Smith", "email": "public@example.com"});
    let emails = addresses(json!([
        {"email": "old@example.com", "primary": false, "verified": true},
        {"email": "Alice@Example.com", "primary": true, "verified": true},
    ]));
    tells(&github, profile, emails).await;
    let browser = site.guest();
    assert_eq!(log_in(&browser).await.redirect(), "/app/todo");
    assert_eq!(browser.logged_user().await, "alice@example.com");
    let user = site.administrator().await.read("User", "alice@example.com").await.ok();
    assert_eq!((&user["first_name"], &user["last_name"]), (&json!("Alice"), &json!("Smith")));
    let accounts = user["social_logins"].as_array().unwrap();
    assert!(accounts.iter().any(|row| row["provider"] == "github" && row["userid"] == "42"), "{user}");
}

#[tokio::test]
async fn without_a_verified_primary_address_nobody_signs_up() {
    let (github, site) = set_up(json!({"allow_email_linking": 1})).await;
    site.db_user("alice@example.com", json!({})).await;
    let profile = json!({"id": 42, "login": "alice", "email": "alice@example.com", "email_verified": true});
    for emails in [
        addresses(json!([{"email": "alice@example.com", "primary": true, "verified": false}])),
        addresses(json!([{"email": "alice@example.com", "primary": false, "verified": true}])),
        addresses(json!([])),
        ResponseTemplate::new(404),
    ] {
        tells(&github, profile.clone(), emails).await;
        let browser = site.guest();
        let _ = log_in(&browser).await.status(400);
        assert_eq!(browser.logged_user().await, "Guest");
    }
    let mut verified = addresses(json!([{"email": "alice@example.com", "primary": true, "verified": true}]));
    for _ in 0..2 {
        // The first time links the account; from then on its id counts, whatever becomes of the address.
        tells(&github, profile.clone(), verified).await;
        let browser = site.guest();
        assert_eq!(log_in(&browser).await.redirect(), "/app/todo");
        assert_eq!(browser.logged_user().await, "alice@example.com");
        verified = ResponseTemplate::new(403);
    }
}

#[tokio::test]
async fn where_sign_ups_are_denied_a_stranger_reads_what_to_do() {
    let (github, site) = set_up(json!({"sign_ups": "Deny"})).await;
    let emails = json!([{"email": "alice@example.com", "primary": true, "verified": true}]);
    tells(&github, json!({"id": 42, "login": "alice"}), addresses(emails)).await;
    let browser = site.guest();
    let page = log_in(&browser).await.status(400).body;
    assert!(page.contains("account"), "{page}");
    assert_eq!(browser.logged_user().await, "Guest");
    assert!(site.db_names("User", json!({"name": "alice@example.com"})).await.is_empty());
    assert_eq!(site.db_names("Security Event", json!({"event": "Social Login Refused"})).await.len(), 1);
}
