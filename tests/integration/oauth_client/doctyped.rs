//! Two sites that face each other: each role against the other one.

use doctyped::testing::token_cache::Connection;
use serde_json::json;

use super::connected_app::run;
use super::provider::path_of;
use crate::oauth::support::answer;
use crate::support::{Client, TestSite};

/// A site that answers on a port, for the other one to ask.
pub(super) async fn there() -> TestSite {
    TestSite::new().listening().with_config(|config| config.development = true).await
}

/// The person's browser at the other site, where they are logged in: reads what is asked, and allows it.
pub(super) async fn allow(person: &Client, address: &str) -> String {
    let page = person.get(&path_of(address)).await.redirect();
    let page = person.get(&path_of_or_same(&page)).await.status(200);
    answer(person, &page, "allow").await.redirect()
}

/// Sites redirect to their own pages by path.
fn path_of_or_same(address: &str) -> String {
    if address.starts_with('/') { address.to_owned() } else { path_of(address) }
}

/// A Connected App here whose provider is the other site, with an OAuth Client there.
async fn connect_sites(here: &TestSite, there: &TestSite) -> String {
    let administrator = here.administrator().await;
    let metadata = format!("{}/.well-known/openid-configuration", there.documents().site_url());
    let entered = json!({"provider_name": "Other Site", "openid_configuration": metadata});
    let app = administrator.create("Connected App", entered).await.ok()["name"].as_str().unwrap().to_owned();
    let filled = run(&administrator, &app, "fill_from_discovery", json!({})).await.ok();
    assert_eq!(filled["issuer"], there.documents().site_url());
    let redirect_uri = administrator.read("Connected App", &app).await.ok()["redirect_uri"].clone();
    let client = json!({"app_name": "First Site", "default_redirect_uri": redirect_uri, "scopes": "openid email all"});
    let client = there.administrator().await.create("OAuth Client", client).await.ok();
    let values = json!({
        "client_id": client["client_id"], "client_secret": client["client_secret"],
        "scopes": [{"scope": "openid email all"}], "allowed_base_urls": there.documents().site_url(),
        "resource": there.documents().site_url(),
    });
    let _ = administrator.update("Connected App", &app, values).await.status(200);
    app
}

#[tokio::test]
async fn a_connection_to_another_site_is_made_used_renewed_and_ended_there() {
    let (here, there) = (super::site().await, there().await);
    let app = connect_sites(&here, &there).await;
    let alice = here.user("alice@example.com", &[]).await;
    let alice_there = there.user("alice@there.example", &["System Manager"]).await;
    let asked = run(&alice, &app, "initiate_web_application_flow", json!({})).await.ok();
    let back = allow(&alice_there, asked.as_str().unwrap()).await;
    assert_eq!(alice.get(&path_of(&back)).await.redirect(), format!("/connected-app/{app}"));
    let health = run(&alice, &app, "get_active_token", json!({})).await.ok();
    assert_eq!((&health["status"], &health["account"]), (&json!("Connected"), &json!("alice@there.example")));

    let who = json!({"path": "/api/method/frappe.auth.get_logged_user"});
    let used = run(&alice, &app, "request", who.clone()).await.ok();
    assert_eq!((&used["status"], &used["body"]["message"]), (&json!(200), &json!("alice@there.example")), "{used}");
    let made = json!({"path": "/api/resource/Role", "verb": "POST", "body": {"role_name": "Gardener"}});
    assert_eq!(run(&alice, &app, "request", made).await.ok()["status"], 200);
    assert_eq!(there.db_names("Role", json!({"name": "Gardener"})).await, ["Gardener"]);

    let known = Connection::find(here.documents(), &app, "alice@example.com").await.unwrap().unwrap();
    here.clock.advance(chrono::Duration::hours(2));
    there.clock.advance(chrono::Duration::hours(2));
    let used = run(&alice, &app, "request", who.clone()).await.ok();
    assert_eq!((&used["status"], &used["body"]["message"]), (&json!(200), &json!("alice@there.example")), "{used}");
    let renewed = Connection::find(here.documents(), &app, "alice@example.com").await.unwrap().unwrap();
    assert_ne!(known.access_token, renewed.access_token);
    assert_ne!(known.refresh_token, renewed.refresh_token);

    let with_token = |token: &str| there.guest().with_header("authorization", &format!("Bearer {token}"));
    let token = renewed.access_token.unwrap();
    assert_eq!(with_token(&token).logged_user().await, "alice@there.example");
    assert_eq!(run(&alice, &app, "disconnect", json!({})).await.ok(), "disconnected");
    for _ in 0..100 {
        if with_token(&token).logged_user().await == "Guest" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the token still works at the other site");
}

#[tokio::test]
async fn what_the_person_withdraws_there_is_told_here() {
    let (here, there) = (super::site().await, there().await);
    let app = connect_sites(&here, &there).await;
    let alice = here.user("alice@example.com", &[]).await;
    let alice_there = there.user("alice@there.example", &[]).await;
    let asked = run(&alice, &app, "initiate_web_application_flow", json!({})).await.ok();
    let back = allow(&alice_there, asked.as_str().unwrap()).await;
    let _ = alice.get(&path_of(&back)).await.redirect();
    there.db_update("User", "alice@there.example", json!({"enabled": 0})).await;
    let who = json!({"path": "/api/method/frappe.auth.get_logged_user"});
    run(&alice, &app, "request", who).await.error(417, "ValidationError");
    let page = alice.get(&format!("/connected-app/{app}")).await.status(200).body;
    assert!(page.contains("Expired") && page.contains("connect again"), "{page}");
}

#[tokio::test]
async fn somebody_logs_in_with_their_account_at_another_site() {
    let (here, there) = (super::site().await, there().await);
    let key = json!({
        "provider_name": "Frappe", "social_login_provider": "Frappe", "base_url": there.documents().site_url(),
        "sign_ups": "Allow",
    });
    let administrator = here.administrator().await;
    let saved = administrator.create("Social Login Key", key).await.ok();
    let redirect = saved["redirect_url"].as_str().unwrap();
    assert!(redirect.ends_with("/api/method/frappe.integrations.oauth2_logins.login_via_frappe"), "{redirect}");
    let client = json!({"app_name": "First Site", "default_redirect_uri": redirect, "scopes": "openid email profile"});
    let client = there.administrator().await.create("OAuth Client", client).await.ok();
    let values = json!({
        "client_id": client["client_id"], "client_secret": client["client_secret"], "enable_social_login": 1,
    });
    let _ = administrator.update("Social Login Key", "frappe", values).await.status(200);
    there.db_user("alice@example.com", json!({"last_name": "Liddell"})).await;
    let alice_there = there.guest();
    alice_there.log_in("alice@example.com", crate::support::PASSWORD).await.ok();
    // The preset asks for no more than every site of that kind knows; ours tells an address only with the scope for it.
    let browser = here.guest();
    let asked = browser.get("/login/with/frappe").await.redirect();
    let page = browser.get(&path_of(&allow(&alice_there, &asked).await)).await.status(400).body;
    assert!(page.contains("add email to the Scopes"), "{page}");
    here.db_update("Social Login Key", "frappe", json!({"scopes": "openid email profile"})).await;
    for _ in 0..2 {
        let browser = here.guest();
        let asked = browser.get("/login/with/frappe?redirect-to=/app/todo").await.redirect();
        let back = allow(&alice_there, &asked).await;
        assert_eq!(browser.get(&path_of(&back)).await.redirect(), "/app/todo");
        assert_eq!(browser.logged_user().await, "alice@example.com");
    }
    let user = administrator.read("User", "alice@example.com").await.ok();
    assert_eq!((&user["first_name"], &user["last_name"]), (&json!("alice"), &json!("Liddell")));
}
