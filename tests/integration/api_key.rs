//! API keys: how a pair is made, what it opens, and when it stops.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";
const GENERATE: &str = "frappe.core.doctype.user.user.generate_keys";

pub(crate) async fn pair(client: &Client, user: &str) -> (String, String) {
    let made = client.call(GENERATE, json!({"user": user})).await.ok();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("api_key"), text("api_secret"))
}

fn with_key(site: &TestSite, authorization: &str) -> Client {
    site.guest().with_header("authorization", authorization)
}

#[tokio::test]
async fn a_pair_opens_as_token_and_as_basic_in_any_case() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let (key, secret) = pair(&alice, ALICE).await;
    let basic = STANDARD.encode(format!("{key}:{secret}"));
    for authorization in [
        format!("token {key}:{secret}"),
        format!("TOKEN {key}:{secret}"),
        format!("Basic {basic}"),
        format!("basic {basic}"),
    ] {
        assert_eq!(with_key(&site, &authorization).logged_user().await, ALICE, "{authorization}");
    }
}

#[tokio::test]
async fn a_wrong_header_is_refused_even_where_guests_may_go() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let (key, _) = pair(&alice, ALICE).await;
    for authorization in
        [format!("token {key}:wrong"), "token nokey:nosecret".to_owned(), "token :".to_owned(), "Basic !!!".to_owned()]
    {
        let answer = with_key(&site, &authorization).get("/api/method/ping").await;
        assert!(answer.header("www-authenticate").starts_with("Bearer "), "{authorization}");
        answer.error(401, "AuthenticationError");
    }
    with_key(&site, "Unknown scheme").get("/api/method/ping").await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn a_header_that_is_not_two_parts_is_ignored() {
    let site = TestSite::new().await;
    for authorization in ["token", "token a b"] {
        assert_eq!(with_key(&site, authorization).get("/api/method/ping").await.ok(), "pong");
    }
}

#[tokio::test]
async fn a_new_secret_replaces_the_old_one_and_keeps_the_key() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let (key, old) = pair(&alice, ALICE).await;
    let client = with_key(&site, &format!("token {key}:{old}"));
    assert_eq!(client.logged_user().await, ALICE);
    let (same, new) = pair(&alice, ALICE).await;
    assert_eq!(same, key);
    client.get("/api/method/ping").await.error(401, "AuthenticationError");
    assert_eq!(with_key(&site, &format!("token {key}:{new}")).logged_user().await, ALICE);
}

#[tokio::test]
async fn the_secret_is_shown_once_and_stored_as_a_digest() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    site.db_user(ALICE, json!({})).await;
    let (_, secret) = pair(&administrator, ALICE).await;
    let system = doctyped::testing::permissions::Session::system();
    let user = site.documents().get(&system, "User", ALICE).await.unwrap();
    let shown = Json::Object(user.to_json_whole()).to_string();
    assert!(!shown.contains(&secret) && shown.contains("****"));
    let mut work = site.documents().begin(&system).await.unwrap();
    let stored = work.get_hash("User", ALICE, "api_secret").await.unwrap().unwrap();
    assert_eq!(stored, doctyped::testing::secret::digest(&secret));
}

#[tokio::test]
async fn saving_the_user_keeps_the_secret() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let (key, secret) = pair(&alice, ALICE).await;
    site.db_update("User", ALICE, json!({"first_name": "Alicia", "api_secret": "typed by somebody"})).await;
    assert_eq!(with_key(&site, &format!("token {key}:{secret}")).logged_user().await, ALICE);
}

#[tokio::test]
async fn a_disabled_users_key_stops_at_once() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let (key, secret) = pair(&alice, ALICE).await;
    let client = with_key(&site, &format!("token {key}:{secret}"));
    assert_eq!(client.logged_user().await, ALICE);
    site.db_update("User", ALICE, json!({"enabled": 0})).await;
    client.get("/api/method/ping").await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn people_make_keys_for_themselves_and_system_managers_for_others() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    alice.call(GENERATE, json!({"user": "manager@example.com"})).await.error(403, "PermissionError");
    manager.call(GENERATE, json!({"user": "Administrator"})).await.error(403, "PermissionError");
    manager.call(GENERATE, json!({"user": ALICE})).await.ok();
    manager.call(GENERATE, json!({})).await.error(417, "FrappeTypeError");
    site.guest().call(GENERATE, json!({"user": ALICE})).await.error(401, "AuthenticationError");
    alice.get(&format!("/api/method/{GENERATE}?user={ALICE}")).await.error(403, "PermissionError");
}

#[tokio::test]
async fn a_key_needs_no_cross_site_check() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let (key, secret) = pair(&alice, ALICE).await;
    let client = with_key(&site, &format!("token {key}:{secret}")).with_header("origin", "https://app.example");
    client.call("frappe.auth.get_logged_user", json!({})).await.ok();
}
