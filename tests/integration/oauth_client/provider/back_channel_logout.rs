//! `oidc-provider` ends a session, and tells the site by a logout token of its own making.

use serde_json::{Value as Json, json};

use super::super::{form_token, leads_to};
use super::social_login::{log_in, set_up_as};
use super::{Person, Provider, path_of, provider};
use crate::support::{Client, PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";

/// A site that the provider can call, and tells of logouts.
async fn site(provider: &Provider, names_session: bool, values: Json) -> TestSite {
    let site = super::super::doctyped::there().await;
    let receiver = "/api/method/frappe.integrations.oauth2_logins.backchannel_logout/example_login";
    let registration = json!({
        "backchannel_logout_uri": format!("{}{receiver}", site.documents().site_url()),
        "backchannel_logout_session_required": names_session,
    });
    set_up_as(&site, provider, registration, values).await;
    site
}

fn claims() -> Json {
    json!({"email": ALICE, "email_verified": true, "given_name": "Alice"})
}

/// A browser here in which that person has come from the provider.
async fn browser_of(site: &TestSite, person: &Person) -> Client {
    let browser = site.guest();
    assert_eq!(log_in(&browser, person).await.redirect(), "/app/todo");
    browser
}

/// Gives Alice a password, and room for more sessions; returns a browser in which she has typed it.
async fn by_password(site: &TestSite) -> Client {
    site.db_update("User", ALICE, json!({"new_password": PASSWORD, "simultaneous_sessions": 5})).await;
    let browser = site.guest();
    browser.log_in(ALICE, PASSWORD).await.ok();
    browser
}

/// In which of the browsers she is still logged in.
async fn logged_in<const N: usize>(browsers: [&Client; N]) -> [bool; N] {
    let mut logged_in = [false; N];
    for (browser, is) in browsers.into_iter().zip(&mut logged_in) {
        *is = browser.logged_user().await == ALICE;
    }
    logged_in
}

#[tokio::test]
async fn a_session_that_ends_at_the_provider_ends_the_one_that_began_with_it() {
    let Some(provider) = provider() else { return };
    let site = site(provider, true, json!({})).await;
    let office = Person::new("alice", claims());
    let phone = office.changed(claims());
    let first = browser_of(&site, &office).await;
    let typed = by_password(&site).await;
    let (from_office, from_phone) = (browser_of(&site, &office).await, browser_of(&site, &phone).await);
    office.log_out(&format!("{}/session/end", provider.issuer)).await;
    assert_eq!(logged_in([&first, &from_office, &from_phone, &typed]).await, [false, false, true, true]);
    phone.log_out(&format!("{}/session/end", provider.issuer)).await;
    assert_eq!(logged_in([&from_phone, &typed]).await, [false, true]);
    let events = site.db_names("Security Event", json!({"event": "Session Ended"})).await;
    assert_eq!(events.len(), 2);
}

#[tokio::test]
async fn a_logout_that_names_only_the_person_ends_all_their_sessions_of_the_provider() {
    let Some(provider) = provider() else { return };
    let site = site(provider, false, json!({})).await;
    let office = Person::new("alice", claims());
    let bob = Person::new("bob", json!({"email": "bob@example.com", "email_verified": true}));
    let first = browser_of(&site, &office).await;
    let typed = by_password(&site).await;
    let (second, of_bob) = (browser_of(&site, &office.changed(claims())).await, browser_of(&site, &bob).await);
    office.log_out(&format!("{}/session/end", provider.issuer)).await;
    assert_eq!(logged_in([&first, &second, &typed]).await, [false, false, true]);
    assert_eq!(of_bob.logged_user().await, "bob@example.com");
}

#[tokio::test]
async fn logging_out_in_one_browser_and_at_the_provider_ends_the_other_one_too() {
    let Some(provider) = provider() else { return };
    let site = site(provider, true, json!({"logout_url": "/session/end"})).await;
    let person = Person::new("alice", claims());
    let (one, other) = (browser_of(&site, &person).await, browser_of(&site, &person).await);
    let token = form_token(&one).await;
    let onward = one.form("/logout", &[("csrf_token", &token)]).await.redirect();
    assert_eq!(logged_in([&one, &other]).await, [false, true]);
    let back = person.log_out(&leads_to(&one.get(&onward).await)).await;
    assert_eq!(path_of(&back).split('?').next(), Some("/login"));
    assert_eq!(logged_in([&one, &other]).await, [false, false]);
}
