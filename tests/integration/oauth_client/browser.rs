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

#[tokio::test(flavor = "multi_thread")]
async fn choosing_a_provider_fills_in_what_is_known_of_it_and_keeps_what_was_typed() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().listening().await;
    let browser = Browser::start(&site.folder.path().join("profile")).await;
    browser.open(&format!("{}/app/social-login-key/new", site.documents().site_url())).await;
    browser.log_in("Administrator").await;
    browser.wait_for("return document.querySelector('[data-form]')?.dataset.ready === 'yes'").await;
    let choose = async |provider: &str| {
        let script = format!(
            "const choice = document.querySelector('#f-social_login_provider');
             choice.value = '{provider}';
             choice.dispatchEvent(new Event('change', {{bubbles: true}}))"
        );
        browser.run(&script).await;
    };
    let values = async || {
        let script = "return ['provider_name', 'base_url', 'authorize_url', 'api_endpoint']
             .map((name) => document.querySelector(`#f-${name}`).value)";
        browser.run(script).await
    };
    browser.screenshot("social-login-key-new").await;
    choose("GitHub").await;
    let authorize = "https://github.com/login/oauth/authorize";
    assert_eq!(values().await, json!(["GitHub", "https://api.github.com", authorize, "/user"]));
    choose("Google").await;
    assert_eq!(values().await, json!(["Google", "https://accounts.google.com", "", ""]));
    browser.look("social-login-key-google").await;
    browser.run("document.querySelector('#f-provider_name').value = ''").await;
    browser.type_into("#f-provider_name", "Staff").await;
    choose("GitHub").await;
    assert_eq!(values().await, json!(["Staff", "https://api.github.com", authorize, "/user"]));
    choose("Custom").await;
    assert_eq!(values().await, json!(["Staff", "", "", ""]));
    choose("GitHub").await;
    browser.run("document.querySelector('[data-save]').click()").await;
    browser.wait_for("return document.querySelector('.flash-green') !== null").await;
    assert_eq!(site.db_names("Social Login Key", json!({"social_login_provider": "GitHub"})).await, ["staff"]);
    browser.look("social-login-key-saved").await;
}
