//! Addresses and names that only look like those of somebody else are those of nobody else.

use serde_json::json;

use super::site;
use super::social_login::Provider;
use crate::support::{PASSWORD, TestSite};

/// `kim` with letters that Unicode takes for `k`, `i` or nothing, and with what is not seen.
const LOOK_ALIKES: [&str; 6] = [
    "\u{212a}im@example.com",
    "k\u{130}m@example.com",
    "kim@example.com\u{a0}",
    "\u{3000}kim@example.com",
    "\u{ff4b}im@example.com",
    "ki\u{200b}m@example.com",
];

#[tokio::test]
async fn a_provider_that_vouches_for_a_look_alike_opens_nobodys_account() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({"allow_email_linking": 1, "sign_ups": "Allow"})).await;
    site.db_user("kim@example.com", json!({})).await;
    for (at, address) in LOOK_ALIKES.into_iter().enumerate() {
        let browser = site.guest();
        let person = json!({"email": address, "sub": format!("stranger-{at}")});
        let back = provider.begin(&site, &browser, person).await;
        let _ = browser.get(&back).await;
        assert_ne!(browser.logged_user().await, "kim@example.com", "{address:?}");
    }
    let links = site.administrator().await.read("User", "kim@example.com").await.ok();
    assert_eq!(links["social_logins"].as_array().unwrap().len(), 1, "{links}");
    // ASCII letters are folded, as before.
    let browser = site.guest();
    let back = provider.begin(&site, &browser, json!({"email": "KIM@Example.com", "sub": "kim-there"})).await;
    let _ = browser.get(&back).await;
    assert_eq!(browser.logged_user().await, "kim@example.com");
}

#[tokio::test]
async fn a_look_alike_of_a_name_logs_nobody_in_and_makes_no_account_under_it() {
    let site = TestSite::new().await;
    site.db_user("kim@example.com", json!({"username": "kim"})).await;
    let administrator = site.administrator().await;
    for address in LOOK_ALIKES {
        site.guest().log_in(address, PASSWORD).await.error(401, "AuthenticationError");
        let made = administrator.create("User", json!({"email": address, "first_name": "Kim"})).await;
        assert!(made.status.is_client_error(), "{address:?}: {}", made.body);
    }
    for name in ["\u{212a}im", "admini\u{17f}trator", "\u{130}", "adm\u{131}n\u{131}strator"] {
        site.guest().log_in(name, PASSWORD).await.error(401, "AuthenticationError");
    }
    for name in ["administrator", "GUEST"] {
        administrator.update("User", "kim@example.com", json!({"username": name})).await.error(417, "ValidationError");
    }
    for usr in ["KIM@example.com", "ADMINISTRATOR"] {
        site.guest().log_in(usr, PASSWORD).await.ok();
    }
}
