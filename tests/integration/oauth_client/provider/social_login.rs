//! Social Login against `oidc-provider`: signing up, linking, and what must not get in.

use serde_json::{Value as Json, json};

use super::super::{form_token, leads_to, parameter, site};
use super::{Person, Provider, path_of, provider, with_parameter};
use crate::support::{Client, TestSite};

/// What an administrator does: save the key for its redirect URL, register there, enter what the registration gives.
pub async fn set_up(site: &TestSite, provider: &Provider, values: Json) {
    set_up_as(site, provider, json!({}), values).await;
}

/// The same with more in the registration.
pub async fn set_up_as(site: &TestSite, provider: &Provider, more: Json, values: Json) {
    let administrator = site.administrator().await;
    let key = json!({
        "provider_name": "Example Login", "social_login_provider": "Custom", "base_url": provider.issuer,
        "openid_configuration": "/.well-known/openid-configuration", "scopes": "openid email profile",
    });
    let saved = administrator.create("Social Login Key", key).await.ok();
    let mut registration = json!({
        "redirect_uris": [saved["redirect_url"]],
        "post_logout_redirect_uris": [format!("{}/login", site.documents().site_url())],
    });
    registration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let registered = provider.register(registration).await;
    let mut entered = json!({
        "client_id": registered.client_id, "client_secret": registered.client_secret, "sign_ups": "Allow",
        "enable_social_login": 1,
    });
    entered.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    let _ = administrator.update("Social Login Key", "example_login", entered).await.status(200);
}

pub async fn asked(browser: &Client) -> String {
    browser.get("/login/with/example_login?redirect-to=/app/todo").await.redirect()
}

/// Comes back from the provider as that person.
pub async fn log_in(browser: &Client, person: &Person) -> crate::support::client::Response {
    let back = person.allow(&asked(browser).await).await;
    browser.get(&path_of(&back)).await
}

fn alice() -> Person {
    Person::new("alice", json!({"email": "alice@example.com", "email_verified": true, "given_name": "Alice"}))
}

#[tokio::test]
async fn a_stranger_signs_up_and_is_known_by_subject_whatever_their_address() {
    let Some(provider) = provider() else { return };
    let site = site().await;
    set_up(&site, provider, json!({})).await;
    let (browser, person) = (site.guest(), alice());
    assert_eq!(log_in(&browser, &person).await.redirect(), "/app/todo");
    assert_eq!(browser.logged_user().await, "alice@example.com");
    let user = site.administrator().await.read("User", "alice@example.com").await.ok();
    assert_eq!(user["first_name"], "Alice");
    let moved = person.changed(json!({"email": "other@example.com", "email_verified": false}));
    let browser = site.guest();
    assert_eq!(log_in(&browser, &moved).await.redirect(), "/app/todo");
    assert_eq!(browser.logged_user().await, "alice@example.com");
    // Another account there with her address is not her.
    let browser = site.guest();
    let page = log_in(&browser, &alice()).await.status(400).body;
    assert!(page.contains("No account here belongs to this one"), "{page}");
    assert_eq!(browser.logged_user().await, "Guest");
}

#[tokio::test]
async fn nobody_gets_in_with_an_address_that_the_provider_has_not_verified() {
    let Some(provider) = provider() else { return };
    let site = site().await;
    set_up(&site, provider, json!({"allow_email_linking": 1})).await;
    site.db_user("bob@example.com", json!({})).await;
    for claims in [
        json!({"email": "alice@example.com", "email_verified": false}),
        json!({"email": "alice@example.com"}),
        json!({"email": "bob@example.com", "email_verified": false}),
        json!({"email": "bob@example.com"}),
    ] {
        let browser = site.guest();
        let page = log_in(&browser, &Person::new("unverified", claims)).await.status(400).body;
        assert!(page.contains("verify it there first"), "{page}");
        assert_eq!(browser.logged_user().await, "Guest");
    }
    assert_eq!(site.db_names("User", json!({"name": "alice@example.com"})).await, [""; 0]);
    let browser = site.guest();
    let bob = Person::new("bob", json!({"email": "Bob@Example.com", "email_verified": true}));
    assert_eq!(log_in(&browser, &bob).await.redirect(), "/app/todo");
    assert_eq!(browser.logged_user().await, "bob@example.com");
}

#[tokio::test]
async fn an_account_is_linked_on_the_profile_and_unlinked_again() {
    let Some(provider) = provider() else { return };
    let site = site().await;
    set_up(&site, provider, json!({"sign_ups": "Deny"})).await;
    let (bob, person) = (site.user("bob@example.com", &[]).await, alice());
    let link = async |client: &Client| {
        let token = form_token(client).await;
        leads_to(&client.form("/linked-accounts/link/example_login", &[("csrf_token", &token)]).await)
    };
    let back = person.allow(&link(&bob).await).await;
    assert_eq!(bob.get(&path_of(&back)).await.redirect(), "/linked-accounts");
    let browser = site.guest();
    assert_eq!(log_in(&browser, &person).await.redirect(), "/app/todo");
    assert_eq!(browser.logged_user().await, "bob@example.com");
    // Nobody else can take it.
    let carol = site.user("carol@example.com", &[]).await;
    let page = carol.get(&path_of(&person.allow(&link(&carol).await).await)).await.status(400).body;
    assert!(page.contains("linked to another person"), "{page}");
    let token = form_token(&bob).await;
    let form = [("csrf_token", &*token), ("provider", "example_login"), ("userid", person.subject())];
    assert_eq!(bob.form("/linked-accounts/unlink", &form).await.redirect(), "/linked-accounts");
    let browser = site.guest();
    let _ = log_in(&browser, &person).await.status(400);
}

#[tokio::test]
async fn an_answer_to_another_request_of_another_server_or_used_before_logs_nobody_in() {
    let Some(provider) = provider() else { return };
    let site = site().await;
    set_up(&site, provider, json!({})).await;
    let (browser, person) = (site.guest(), alice());
    // A login that somebody else began, whose ID token carries their nonce.
    let address = with_parameter(&asked(&browser).await, "nonce", Some("of somebody else"));
    let page = browser.get(&path_of(&person.allow(&address).await)).await.status(400).body;
    assert!(page.contains("nonce"), "{page}");
    for iss in [Some("https://evil.example"), None] {
        let back = with_parameter(&person.allow(&asked(&browser).await).await, "iss", iss);
        let page = browser.get(&path_of(&back)).await.status(400).body;
        assert!(page.contains("server"), "{page}");
    }
    let forged = with_parameter(&person.allow(&asked(&browser).await).await, "state", Some("forged"));
    let _ = browser.get(&path_of(&forged)).await.status(400);
    let without = with_parameter(&person.allow(&asked(&browser).await).await, "state", None);
    let _ = browser.get(&path_of(&without)).await.status(400);
    // Login forgery: the answer to an attacker's request, brought to somebody else's browser.
    let back = person.allow(&asked(&browser).await).await;
    let victim = site.guest();
    let _ = asked(&victim).await;
    let _ = victim.get(&path_of(&back)).await.status(400);
    assert_eq!(browser.logged_user().await, "Guest");
    assert_eq!(victim.logged_user().await, "Guest");
    assert_eq!(site.db_names("User", json!({"name": "alice@example.com"})).await, [""; 0]);
    let back = path_of(&person.allow(&asked(&browser).await).await);
    assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
    let page = browser.get(&back).await.status(400).body;
    assert!(page.contains("does not belong to a request of this browser"), "{page}");
}

#[tokio::test]
async fn an_id_token_of_an_issuer_that_was_not_entered_is_refused() {
    let Some(provider) = provider() else { return };
    let site = site().await;
    let endpoint = |path: &str| format!("{}{path}", provider.issuer);
    // Everything entered by hand, and a slip in the issuer.
    let by_hand = json!({
        "openid_configuration": "", "issuer": format!("{}/", provider.issuer), "jwks_uri": endpoint("/jwks"),
        "authorize_url": endpoint("/auth"), "access_token_url": endpoint("/token"), "api_endpoint": endpoint("/me"),
    });
    set_up(&site, provider, by_hand).await;
    let (browser, person) = (site.guest(), alice());
    let back = with_parameter(&person.allow(&asked(&browser).await).await, "iss", None);
    let page = browser.get(&path_of(&back)).await.status(400).body;
    assert!(page.contains("ID token is refused") && page.contains("iss"), "{page}");
    site.db_update("Social Login Key", "example_login", json!({"issuer": provider.issuer})).await;
    assert_eq!(log_in(&browser, &person).await.redirect(), "/app/todo");
}

#[tokio::test]
async fn groups_at_the_provider_become_roles_here_and_go_again() {
    let Some(provider) = provider() else { return };
    let site = site().await;
    let rules = json!({
        "role_mappings": [{"claim": "groups", "value": "staff", "role": "System Manager"}], "remove_unmapped_roles": 1,
    });
    set_up(&site, provider, rules).await;
    let claims = |groups: Json| json!({"email": "alice@example.com", "email_verified": true, "groups": groups});
    let person = Person::new("alice", claims(json!(["staff", "others"])));
    for (groups, expected) in [(json!(["staff"]), true), (json!([]), false)] {
        assert_eq!(log_in(&site.guest(), &person.changed(claims(groups))).await.redirect(), "/app/todo");
        let user = site.administrator().await.read("User", "alice@example.com").await.ok();
        let has = user["roles"].as_array().unwrap().iter().any(|row| row["role"] == "System Manager");
        assert_eq!(has, expected);
    }
}

#[tokio::test]
async fn logging_out_here_logs_out_at_the_provider_and_comes_back() {
    let Some(provider) = provider() else { return };
    let site = site().await;
    set_up(&site, provider, json!({"logout_url": "/session/end"})).await;
    let (browser, person) = (site.guest(), alice());
    assert_eq!(log_in(&browser, &person).await.redirect(), "/app/todo");
    let token = form_token(&browser).await;
    let onward = browser.form("/logout", &[("csrf_token", &token)]).await.redirect();
    let address = leads_to(&browser.get(&onward).await);
    assert!(!parameter(&address, "client_id").is_empty(), "{address}");
    let back = person.log_out(&address).await;
    assert!(back.starts_with(&format!("{}/login", site.documents().site_url())), "{back}");
    assert_eq!(browser.logged_user().await, "Guest");
}
