//! The cookie of a session, the end of its life, and what a new password ends.

use chrono::Duration;
use serde_json::json;

use crate::support::{Client, PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";

#[tokio::test]
async fn where_the_site_is_https_no_other_host_can_set_its_cookies() {
    let site = TestSite::new().with_config(|config| config.site_url = "https://site.example".to_owned()).await;
    let client = site.guest();
    client.log_in("Administrator", PASSWORD).await.ok();
    let value = client.cookie("__Host-sid").unwrap();
    assert!(client.cookie("sid").is_none());
    assert_eq!(client.logged_user().await, "Administrator");
    // A plain one, as any host of the domain may set it, counts for no browser.
    let tossed = site.guest();
    tossed.set_cookie("sid", &value);
    assert_eq!(tossed.with_header("sec-fetch-site", "none").logged_user().await, "Guest");
    assert_eq!(tossed.logged_user().await, "Administrator", "programs send what they got under its old name");
}

#[tokio::test]
async fn of_two_cookies_of_one_name_none_is_taken_for_the_right_one() {
    let site = TestSite::new().await;
    let (alice, mallory) = (site.user(ALICE, &[]).await, site.user("mallory@example.com", &[]).await);
    let value = |client: &Client| client.cookie("sid").unwrap();
    let (hers, theirs) = (value(&alice), value(&mallory));
    for (cookies, expected) in [
        (format!("sid={theirs}; sid={hers}"), "Guest"),
        (format!("sid={hers}; sid={theirs}"), "Guest"),
        (format!("sid={hers}; sid={hers}"), ALICE),
        // Of another program of the same domain.
        (format!("sid=Guest; sid={hers}"), ALICE),
        (format!("sid={hers}; sid=0123456789abcdef"), ALICE),
    ] {
        assert_eq!(site.guest().with_header("cookie", &cookies).logged_user().await, expected, "{cookies}");
    }
    assert_eq!(alice.logged_user().await, ALICE, "nor is anybody logged out");
}

#[tokio::test]
async fn another_scheme_of_the_same_host_is_another_site() {
    let site = TestSite::new().with_config(|config| config.site_url = "https://site.example".to_owned()).await;
    let client = site.administrator().await.with_header("host", "site.example");
    let insecure = client.with_header("origin", "http://site.example");
    insecure.post("/api/method/logout", json!({})).await.error(400, "CSRFTokenError");
    client.with_header("origin", "https://site.example").post("/api/method/logout", json!({})).await.ok();
}

#[tokio::test]
async fn a_session_ends_in_the_end_however_much_it_is_used() {
    let site = TestSite::new().await;
    site.db_update("System Settings", "System Settings", json!({"maximum_session_life": "24:00"})).await;
    let alice = site.user(ALICE, &[]).await;
    for _ in 0..4 {
        site.clock.advance(Duration::hours(5));
        assert_eq!(alice.logged_user().await, ALICE);
    }
    site.clock.advance(Duration::hours(5));
    assert_eq!(alice.logged_user().await, "Guest");
    // Who proves again who they are begins anew.
    alice.log_in(ALICE, PASSWORD).await.ok();
    site.clock.advance(Duration::hours(20));
    assert_eq!(alice.logged_user().await, ALICE);
}

#[tokio::test]
async fn a_new_password_ends_the_api_key_if_that_is_wanted() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let generate = "frappe.core.doctype.user.user.generate_keys";
    let path = "frappe.core.doctype.user.user.update_password";
    let keys = alice.call(generate, json!({"user": ALICE})).await.ok();
    let pair = format!("token {}:{}", keys["api_key"].as_str().unwrap(), keys["api_secret"].as_str().unwrap());
    let program = site.guest().with_header("authorization", &pair);
    let first = json!({"old_password": PASSWORD, "new_password": "another horse battery"});
    alice.call(path, first).await.ok();
    assert_eq!(program.logged_user().await, ALICE);
    let second = json!({"old_password": "another horse battery", "new_password": PASSWORD, "revoke_api_key": 1});
    alice.call(path, second).await.ok();
    assert_eq!(program.logged_user().await, "Guest");
    // So it is with the form of a User.
    let keys = alice.call(generate, json!({"user": ALICE})).await.ok();
    let pair = format!("token {}:{}", keys["api_key"].as_str().unwrap(), keys["api_secret"].as_str().unwrap());
    let program = site.guest().with_header("authorization", &pair);
    assert_eq!(program.logged_user().await, ALICE);
    let change = json!({"new_password": "yet another battery", "revoke_api_key": 1});
    site.administrator().await.update("User", ALICE, change).await.ok();
    assert_eq!(program.logged_user().await, "Guest");
}

#[tokio::test]
async fn passwords_that_everybody_tries_are_refused() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let administrator = site.administrator().await;
    let path = "frappe.core.doctype.user.user.update_password";
    for weak in ["password", "12345678", "qwertyuiop", "Passw0rd1", "alice@example.com1", "iloveyou1"] {
        let refused = alice
            .call(path, json!({"old_password": PASSWORD, "new_password": weak}))
            .await
            .error(417, "ValidationError");
        assert!(refused.to_string().contains("easy to guess"), "{weak}: {refused}");
        let refused =
            administrator.update("User", ALICE, json!({"new_password": weak})).await.error(417, "ValidationError");
        assert_eq!(refused["problems"][0]["field"], "new_password");
    }
    administrator.update("System Settings", "System Settings", json!({"minimum_password_score": "0"})).await.ok();
    alice.call(path, json!({"old_password": PASSWORD, "new_password": "password"})).await.ok();
}
