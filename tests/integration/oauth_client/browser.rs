//! Connections and logins as people meet them: in a browser, with a real provider.

use serde_json::json;

use super::connected_app::run;
use super::provider::{self, Person, provider};
use crate::browser::{Browser, is_wanted};
use crate::support::TestSite;

/// At the provider.
async fn allow(browser: &Browser, person: &Person) {
    browser.wait_for("return document.title === 'Example provider'").await;
    browser.type_into("[name=account]", person.subject()).await;
    browser.click("button[value=allow]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_connects_uses_and_disconnects_an_app_in_the_browser() {
    let (Some(provider), true) = (provider(), is_wanted()) else { return };
    let site = TestSite::new().listening().with_config(|config| config.development = true).await;
    let base = site.documents().site_url();
    let app = provider::connected_app::set_up(&site, provider, "client_secret_basic", "Client Secret Basic").await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    // The provider knows her from before.
    let person = Person::new("alice", json!({"email": "alice@there.example", "email_verified": true}));
    let person = person.known().await;

    let browser = Browser::start(&site.folder.path().join("profile")).await;
    browser.open(&format!("{base}/connected-apps")).await;
    browser.log_in("alice@example.com").await;
    browser.wait_for("return document.querySelector('.entries a') !== null").await;
    browser.look("connected-apps").await;
    browser.click(".entries a").await;
    browser.wait_for("return document.querySelector('form[action$=connect] button') !== null").await;
    browser.look("connected-app-before").await;
    browser.click("form[action$=connect] button").await;
    allow(&browser, &person).await;
    browser.wait_for("return document.querySelector('.pill')?.textContent === 'Connected'").await;
    browser.look("connected-app").await;
    let page = browser.text().await;
    assert!(page.contains("alice@there.example") && page.contains("offline_access"), "{page}");

    let me = run(&alice, &app, "request", json!({"path": "/me"})).await.ok();
    assert_eq!(me["body"]["sub"], person.subject());
    browser.open(&format!("{base}/app/connected-app/{app}")).await;
    browser.wait_for("return document.querySelector('.form-aside .panel') !== null").await;
    browser.look("connected-app-form").await;

    browser.open(&format!("{base}/connected-app/{app}")).await;
    browser.click("details.confirm summary").await;
    browser.screenshot("connected-app-disconnect").await;
    browser.click("form[action$=disconnect] button").await;
    browser.wait_for("return document.querySelector('[role=status]') !== null").await;
    browser.look("connected-app-after").await;
    assert_eq!(run(&alice, &app, "has_token", json!({})).await.ok(), false);

    // Who declines comes back to an explanation.
    browser.click("form[action$=connect] button").await;
    browser.wait_for("return document.title === 'Example provider'").await;
    browser.click("button[value=decline]").await;
    browser.wait_for("return document.querySelector('[role=alert]') !== null").await;
    browser.look("connected-app-declined").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_with_an_account_elsewhere_in_the_browser() {
    let (Some(provider), true) = (provider(), is_wanted()) else { return };
    let site = TestSite::new().listening().with_config(|config| config.development = true).await;
    let base = site.documents().site_url();
    let rules = json!({"role_mappings": [{"claim": "email", "value": "alice@example.com", "role": "System Manager"}]});
    provider::social_login::set_up(&site, provider, rules).await;
    for preset in ["Google", "GitHub"] {
        let key = json!({
            "provider_name": preset, "social_login_provider": preset, "client_id": "me", "enable_social_login": 1,
        });
        site.db_insert("Social Login Key", key).await;
    }
    let person =
        Person::new("alice", json!({"email": "alice@example.com", "email_verified": true, "name": "Alice Liddell"}));
    let person = person.known().await;

    let browser = Browser::start(&site.folder.path().join("profile")).await;
    browser.open(&format!("{base}/login?redirect-to=/linked-accounts")).await;
    browser.look("login").await;
    browser.click("a[href^='/login/with/example_login']").await;
    allow(&browser, &person).await;
    browser.wait_for("return location.pathname === '/linked-accounts'").await;
    browser.look("linked-accounts").await;
    let page = browser.text().await;
    assert!(page.contains("Example Login"), "{page}");
    browser.open(&format!("{base}/app/social-login-key/example_login")).await;
    browser.wait_for("return document.querySelector('.form-aside .panel') !== null").await;
    browser.look("social-login-key-form").await;
    browser.open(&format!("{base}/app/social-login-key/google")).await;
    browser.wait_for("return document.querySelector('.form-aside .panel') !== null").await;
    browser.look("social-login-key-google").await;
}
