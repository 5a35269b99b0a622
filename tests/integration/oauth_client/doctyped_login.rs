//! Two sites that face each other: people log in here with their account there by OpenID Connect, and log out of both.

use serde_json::json;

use super::doctyped::{allow, there};
use super::provider::{path_of, with_parameter};
use super::{beside, form_token, leads_to, wait_until};
use crate::oauth::support::{BASE, hidden};
use crate::support::client::Response;
use crate::support::{Client, PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";
const KEY: &str = "Social Login Key";
const NOTICE: &str = "OAuth Logout Notice";

/// A site whose people log in with their account at the other one.
struct Sites {
    here: TestSite,
    there: TestSite,
    administrator: Client,
    /// The name of the client at the other site.
    client: String,
}

impl Sites {
    async fn new() -> Self {
        // The other site calls this one as well.
        let (here, there) = (there().await, there().await);
        let administrator = here.administrator().await;
        let base_url = there.documents().site_url();
        let key = json!({
            "provider_name": "Head Office", "social_login_provider": "Custom", "base_url": base_url,
            "openid_configuration": "/.well-known/openid-configuration", "scopes": "openid email profile",
            "logout_url": format!("{BASE}end_session"), "sign_ups": "Allow",
        });
        let _ = administrator.create(KEY, key).await.status(200);
        wait_until(async || administrator.read(KEY, "head_office").await.ok()["jwks_uri"].is_string()).await;
        let filled = administrator.read(KEY, "head_office").await.ok();
        assert_eq!(filled["issuer"], base_url);
        // What an administrator does there: copy what stands beside the form here.
        let page = administrator.get("/app/social-login-key/head_office").await.status(200).body;
        let client = json!({
            "app_name": "Branch Office", "scopes": "openid email profile",
            "default_redirect_uri": beside(&page, "Redirect URL"),
            "backchannel_logout_uri": beside(&page, "Back-channel logout URL"),
            "post_logout_redirect_uris": beside(&page, "After logging out"),
        });
        let client = there.administrator().await.create("OAuth Client", client).await.ok();
        let entered = json!({
            "client_id": client["client_id"], "client_secret": client["client_secret"], "enable_social_login": 1,
        });
        let _ = administrator.update(KEY, "head_office", entered).await.status(200);
        let person = json!({"last_name": "Liddell", "email_verified": 1, "simultaneous_sessions": 5});
        there.db_user(ALICE, person).await;
        let client = client["name"].as_str().unwrap().to_owned();
        Self { here, there, administrator, client }
    }

    /// Alice's browser at the other site, where she has typed her password.
    async fn alice_there(&self) -> Client {
        let browser = self.there.guest();
        browser.log_in(ALICE, PASSWORD).await.ok();
        browser
    }

    /// Logs in here as whoever is logged in there.
    async fn log_in(&self, browser: &Client, person: &Client) -> Response {
        let asked = browser.get("/login/with/head_office?redirect-to=/app/todo").await.redirect();
        browser.get(&path_of(&allow(person, &asked).await)).await
    }

    /// The same; returns the browser here.
    async fn logged_in(&self, person: &Client) -> Client {
        let browser = self.here.guest();
        assert_eq!(self.log_in(&browser, person).await.redirect(), "/app/todo");
        assert_eq!(browser.logged_user().await, ALICE);
        browser
    }

    fn advance(&self, seconds: i64) {
        self.here.clock.advance(chrono::Duration::seconds(seconds));
        self.there.clock.advance(chrono::Duration::seconds(seconds));
    }

    async fn notices(&self, status: &str) -> usize {
        self.there.db_names(NOTICE, json!({"client": self.client, "status": status})).await.len()
    }
}

/// Presses the button of the page at the other site that asks whether to log out.
async fn confirm_logout(person: &Client, address: &str) -> Response {
    let page = person.get(address).await.status(200).body;
    let mut fields = vec![("csrf_token", hidden(&page, "csrf_token")), ("decision", "log_out".to_owned())];
    for name in ["client_id", "post_logout_redirect_uri"] {
        if page.contains(&format!("name=\"{name}\"")) {
            fields.push((name, hidden(&page, name)));
        }
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    person.form(&format!("{BASE}end_session"), &fields).await.status(200)
}

#[tokio::test]
async fn a_person_of_the_other_site_signs_up_and_is_known_again() {
    let sites = Sites::new().await;
    let alice = sites.alice_there().await;
    sites.logged_in(&alice).await;
    let user = sites.administrator.read("User", ALICE).await.ok();
    let told = ["first_name", "last_name", "user_type", "email_verified"].map(|field| user[field].clone());
    assert_eq!(told, [json!("alice"), json!("Liddell"), json!("Website User"), json!(1)]);
    let subject = doctyped::testing::subject::subject_of(sites.there.documents(), ALICE).await.unwrap();
    let accounts = user["social_logins"].as_array().unwrap();
    assert!(accounts.iter().any(|row| row["provider"] == "head_office" && row["userid"] == subject), "{user}");
    // She is the same person under another address there.
    let renamed = json!({"doctype": "User", "old_name": ALICE, "new_name": "liddell@example.com"});
    let _ = sites.there.administrator().await.call("frappe.client.rename_doc", renamed).await.status(200);
    let moved = sites.there.administrator().await.read("User", "liddell@example.com").await.ok();
    assert_eq!(moved["email_verified"], 0, "nobody has verified the new address");
    let alice = sites.there.guest();
    alice.log_in("liddell@example.com", PASSWORD).await.ok();
    sites.logged_in(&alice).await;
    assert_eq!(sites.here.db_names("User", json!({"name": "liddell@example.com"})).await, [""; 0]);
}

#[tokio::test]
async fn nobody_signs_up_with_an_address_that_the_other_site_has_not_verified() {
    let sites = Sites::new().await;
    sites.there.db_update("User", ALICE, json!({"email_verified": 0})).await;
    let (browser, alice) = (sites.here.guest(), sites.alice_there().await);
    let page = sites.log_in(&browser, &alice).await.status(400).body;
    assert!(page.contains("verify it there first"), "{page}");
    assert_eq!(browser.logged_user().await, "Guest");
    assert_eq!(sites.here.db_names("User", json!({"name": ALICE})).await, [""; 0]);
}

#[tokio::test]
async fn an_id_token_for_another_request_logs_nobody_in() {
    let sites = Sites::new().await;
    let (browser, alice) = (sites.here.guest(), sites.alice_there().await);
    let asked = browser.get("/login/with/head_office").await.redirect();
    let asked = with_parameter(&asked, "nonce", Some("of somebody else"));
    let page = browser.get(&path_of(&allow(&alice, &asked).await)).await.status(400).body;
    assert!(page.contains("nonce"), "{page}");
    let asked = browser.get("/login/with/head_office").await.redirect();
    let back = with_parameter(&allow(&alice, &asked).await, "iss", Some(sites.here.documents().site_url()));
    let _ = browser.get(&path_of(&back)).await.status(400);
    assert_eq!(browser.logged_user().await, "Guest");
}

#[tokio::test]
async fn keys_that_the_other_site_renews_are_found() {
    let sites = Sites::new().await;
    let alice = sites.alice_there().await;
    sites.logged_in(&alice).await;
    let rotate = "/api/v2/document/OAuth%20Settings/OAuth%20Settings/method/rotate_signing_keys";
    let manager = sites.there.administrator().await;
    for _ in 0..2 {
        let signing = json!({"alg": "ES256", "state": "Current"});
        let before = sites.there.db_names("OAuth Signing Key", signing.clone()).await;
        let _ = manager.post(rotate, json!({})).await.status(200);
        assert_ne!(sites.there.db_names("OAuth Signing Key", signing).await, before);
        sites.advance(11);
        sites.logged_in(&alice).await;
    }
}

#[tokio::test]
async fn a_logout_at_the_other_site_ends_the_session_that_began_with_it() {
    let sites = Sites::new().await;
    let (office, phone) = (sites.alice_there().await, sites.alice_there().await);
    let from_office = sites.logged_in(&office).await;
    let from_phone = sites.logged_in(&phone).await;
    confirm_logout(&office, &format!("{BASE}end_session")).await;
    wait_until(async || from_office.logged_user().await == "Guest").await;
    wait_until(async || sites.notices("Delivered").await == 1).await;
    assert_eq!(from_phone.logged_user().await, ALICE);
    let events = sites.here.db_names("Security Event", json!({"event": "Session Ended"})).await;
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn a_logout_at_the_other_site_is_told_again_until_it_is_heard() {
    let sites = Sites::new().await;
    let alice = sites.alice_there().await;
    let browser = sites.logged_in(&alice).await;
    let switch = async |on: bool| {
        let values = json!({"enable_social_login": i32::from(on)});
        drop(sites.administrator.update(KEY, "head_office", values).await.ok());
    };
    switch(false).await;
    confirm_logout(&alice, &format!("{BASE}end_session")).await;
    wait_until(async || !sites.there.db_names(NOTICE, json!({"status": "Waiting", "attempts": 1})).await.is_empty())
        .await;
    assert_eq!(browser.logged_user().await, ALICE);
    switch(true).await;
    sites.advance(31);
    assert_eq!(sites.there.run_scheduled("tell OAuth clients about ended sessions").await, "1 tried");
    assert_eq!(sites.notices("Delivered").await, 1);
    assert_eq!(browser.logged_user().await, "Guest");
}

#[tokio::test]
async fn a_logout_here_goes_on_to_the_other_site_and_comes_back() {
    let sites = Sites::new().await;
    let alice = sites.alice_there().await;
    let browser = sites.logged_in(&alice).await;
    let token = form_token(&browser).await;
    let onward = browser.form("/logout", &[("csrf_token", &token)]).await.redirect();
    assert_eq!(browser.logged_user().await, "Guest");
    let address = leads_to(&browser.get(&onward).await);
    assert!(address.starts_with(sites.there.documents().site_url()), "{address}");
    assert_eq!(alice.logged_user().await, ALICE);
    let done = confirm_logout(&alice, &path_of(&address)).await;
    assert_eq!(leads_to(&done), format!("{}/login", sites.here.documents().site_url()));
    assert_eq!(alice.logged_user().await, "Guest");
    // Whoever comes again has to prove who they are there.
    let asked = browser.get("/login/with/head_office").await.redirect();
    let page = alice.get(&path_of(&asked)).await.redirect();
    assert!(page.starts_with("/login"), "{page}");
}
