//! `/third_party_apps`: people see which programs may act for them, and take that back; so do administrators.

use serde_json::json;

use super::support::{Program, bearer, hidden};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";
const PAGE: &str = "/third_party_apps";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";

/// Presses Revoke for the first program of the page.
async fn revoke(person: &Client, page: &Response) -> Response {
    let fields = [("csrf_token", hidden(&page.body, "csrf_token")), ("grant", hidden(&page.body, "grant"))];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    person.form(&format!("{PAGE}/revoke"), &fields).await
}

#[tokio::test]
async fn the_page_says_what_each_program_may_do_and_where_its_answers_go() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let empty = alice.get(PAGE).await.status(200).body;
    assert!(empty.contains("No application may act for you") && !empty.contains("Revoke access"), "{empty}");
    let program = Program::new(&site, json!({"app_name": "<b>Planner</b>"})).await;
    let tokens = program.tokens(&alice).await;
    let page = alice.get(PAGE).await.status(200).body;
    for text in ["&lt;b&gt;Planner&lt;/b&gt;", "Verified", "app.example", "Do everything that you can do", "Revoke"] {
        assert!(page.contains(text), "{text} is missing in {page}");
    }
    assert!(!page.contains("<b>Planner") && !page.contains("Not verified"), "{page}");
    assert!(!page.contains("Never"), "a token was made: {page}");
    bearer(&site, &tokens).get(WHO).await.ok();
    // A program that nobody here knows is told apart.
    site.db_update("OAuth Client", &program.id, json!({"registered_by": "Dynamic Registration"})).await;
    assert!(alice.get(PAGE).await.body.contains("Not verified"));
    let bob = site.user("bob@example.com", &[]).await;
    assert!(!bob.get(PAGE).await.status(200).body.contains("Planner"));
}

#[tokio::test]
async fn revoking_ends_every_token_of_the_program_at_once() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let bob = site.user("bob@example.com", &[]).await;
    let program = Program::public(&site).await;
    let (first, second) = (program.tokens(&alice).await, program.tokens(&alice).await);
    let of_bob = program.tokens(&bob).await;
    let page = alice.get(PAGE).await.status(200);
    let done = revoke(&alice, &page).await.redirect();
    let page = alice.get(&done).await.status(200).body;
    assert!(page.contains("has no access any more") && page.contains("No application may act for you"), "{page}");
    for tokens in [&first, &second] {
        bearer(&site, tokens).get(WHO).await.error(401, "AuthenticationError");
        program.refresh(tokens["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
    }
    bearer(&site, &of_bob).get(WHO).await.ok();
    assert_eq!(site.db_names("Security Event", json!({"event": "Consent Revoked"})).await.len(), 1);
    // The address tells others nothing, and a second press changes nothing.
    assert!(!bob.get(&done).await.status(200).body.contains("has no access any more"));
}

#[tokio::test]
async fn only_the_person_in_front_of_the_browser_sees_and_revokes() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let mallory = site.user("mallory@example.com", &[]).await;
    let program = Program::public(&site).await;
    let tokens = program.tokens(&alice).await;
    program.tokens(&mallory).await;
    assert!(site.guest().get(PAGE).await.redirect().starts_with("/login"));
    let _ = bearer(&site, &tokens).get(PAGE).await.status(403);
    let page = alice.get(PAGE).await.status(200);
    let grant = hidden(&page.body, "grant");
    alice.form(&format!("{PAGE}/revoke"), &[("grant", &grant)]).await.status(400);
    let token = hidden(&mallory.get(PAGE).await.body, "csrf_token");
    mallory.form(&format!("{PAGE}/revoke"), &[("csrf_token", &token), ("grant", &grant)]).await.status(404);
    bearer(&site, &tokens).get(WHO).await.ok();
}

#[tokio::test]
async fn clients_of_frappe_revoke_by_its_method() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let tokens = program.tokens(&alice).await;
    let method = "frappe.www.third_party_apps.delete_client";
    alice.call(method, json!({"client_id": "unknown"})).await.error(404, "DoesNotExistError");
    alice.call(method, json!({"client_id": program.id})).await.ok();
    bearer(&site, &tokens).get(WHO).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn an_administrator_revokes_in_the_form_or_by_the_status() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let administrator = site.administrator().await;
    let program = Program::public(&site).await;
    let tokens = program.tokens(&alice).await;
    let name = &site.db_names("OAuth Grant", json!({"status": "Active"})).await[0];
    let form = administrator.get(&format!("/app/oauth-grant/{name}")).await.status(200);
    assert!(form.body.contains("call:revoke"), "{}", form.body);
    let csrf = hidden(&form.body, "csrf_token");
    let fields = [("csrf_token", csrf.as_str()), ("__action", "call:revoke")];
    administrator.form(&format!("/app/oauth-grant/{name}"), &fields).await.redirect();
    bearer(&site, &tokens).get(WHO).await.error(401, "AuthenticationError");
    let revoked = administrator.read("OAuth Grant", name).await.ok();
    assert_eq!((&revoked["status"], &revoked["revoked_by"]), (&json!("Revoked"), &json!("Administrator")));

    let tokens = program.tokens(&alice).await;
    let name = &site.db_names("OAuth Grant", json!({"status": "Active"})).await[0];
    administrator.update("OAuth Grant", name, json!({"status": "Revoked"})).await.ok();
    bearer(&site, &tokens).get(WHO).await.error(401, "AuthenticationError");
    let revoked = administrator.read("OAuth Grant", name).await.ok();
    assert_eq!(revoked["revoked_by"], "Administrator");
    assert!(revoked["revoked_at"].is_string(), "{revoked}");
}

#[tokio::test]
async fn nobody_widens_or_revives_a_consent() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let administrator = site.administrator().await;
    let program = Program::public(&site).await;
    program.tokens(&alice).await;
    let name = &site.db_names("OAuth Grant", json!({})).await[0];
    for person in [&alice, &administrator] {
        let wider = json!({"scopes": "openid all offline_access"});
        person.update("OAuth Grant", name, wider).await.error(417, "ValidationError");
    }
    alice.update("OAuth Grant", name, json!({"status": "Revoked"})).await.ok();
    administrator.update("OAuth Grant", name, json!({"status": "Active"})).await.error(417, "ValidationError");
}

#[tokio::test]
async fn the_pages_about_ones_account_are_linked_from_the_menu_and_each_other() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    for page in ["/app", PAGE, "/connected-apps", "/linked-accounts"] {
        let body = administrator.get(page).await.status(200).body;
        for link in ["/third_party_apps", "/connected-apps", "/linked-accounts"] {
            assert!(body.contains(&format!("href=\"{link}\"")), "{page} does not link to {link}: {body}");
        }
    }
    // Who does not use the desk is shown them on their own page, and where the desk refuses.
    site.db_user("visitor@example.com", json!({"user_type": "Website User"})).await;
    let visitor = site.guest();
    visitor.log_in("visitor@example.com", crate::support::PASSWORD).await.ok();
    assert_eq!(visitor.get("/app").await.redirect(), "/me");
    for (page, status) in [("/me", 200), ("/app/user", 403)] {
        assert!(visitor.get(page).await.status(status).body.contains("href=\"/third_party_apps\""), "{page}");
    }
    let _ = visitor.get(PAGE).await.status(200);
}
