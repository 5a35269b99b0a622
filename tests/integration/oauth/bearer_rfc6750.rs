//! Bearer tokens at the API: what opens, what is refused, and with which challenge.

use chrono::Duration;
use serde_json::json;

use super::support::{Program, bearer};
use crate::support::{PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";
const NOTE: &str = "
name: Note
module: Test
autoname: hash
fields:
  - fieldname: title
    fieldtype: Data
    label: Title
    description: What it is about.
permissions:
  - role: All
    read: true
    write: true
    create: true
    delete: true
";

#[tokio::test]
async fn a_scope_limits_a_token_to_a_doctype_and_a_right() {
    let site = TestSite::new().with_doctype(NOTE).await;
    let alice = site.user(ALICE, &[]).await;
    let mut program = Program::public(&site).await;
    program.scope = "openid doctype:Note:read".to_owned();
    let token = bearer(&site, &program.tokens(&alice).await);
    let name = site.db_insert("Note", json!({"title": "Hello"})).await;
    let read = token.get(&format!("/api/resource/Note/{name}")).await.ok();
    assert_eq!(read["title"], "Hello");
    let refused = token.post("/api/resource/Note", json!({"title": "No"})).await.status(403);
    let challenge = refused.header("www-authenticate");
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("scope=\"doctype:Note:create\""), "{challenge}");
    assert!(challenge.contains("/.well-known/oauth-protected-resource/api\""), "{challenge}");
    token.get("/api/resource/User").await.error(403, "PermissionError");
    token.get("/api/v2/document/User").await.error(403, "PermissionError");
    let method = token.post("/api/method/frappe.client.insert", json!({})).await.status(403);
    let challenge = method.header("www-authenticate");
    assert!(challenge.contains("scope=\"method:frappe.client.insert\""), "{challenge}");
}

#[tokio::test]
async fn a_token_with_openid_alone_opens_no_data() {
    let site = TestSite::new().with_doctype(NOTE).await;
    let alice = site.user(ALICE, &[]).await;
    let mut program = Program::public(&site).await;
    program.scope = "openid".to_owned();
    let token = bearer(&site, &program.tokens(&alice).await);
    token.get("/api/resource/Note").await.error(403, "PermissionError");
}

#[tokio::test]
async fn a_scope_of_the_sites_own_allows_what_its_definition_says_and_changes_with_it() {
    let site = TestSite::new().with_doctype(NOTE).await;
    let values = json!({
        "scope": "notes.read",
        "description_for_people": "Read your notes",
        "rules": [{"document_type": "Note", "right": "read"}],
    });
    site.db_insert("OAuth Scope Definition", values).await;
    let alice = site.user(ALICE, &[]).await;
    let mut program =
        Program::new(&site, json!({"token_endpoint_auth_method": "None", "scopes": "openid notes.read"})).await;
    program.scope = "notes.read".to_owned();
    let token = bearer(&site, &program.tokens(&alice).await);
    token.get("/api/resource/Note").await.ok();
    token.post("/api/resource/Note", json!({"title": "No"})).await.error(403, "PermissionError");
    site.db_update("OAuth Scope Definition", "notes.read", json!({"enabled": 0})).await;
    token.get("/api/resource/Note").await.error(403, "PermissionError");
}

#[tokio::test]
async fn a_scope_never_gives_more_than_the_person_has() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let token = bearer(&site, &Program::public(&site).await.tokens(&alice).await);
    let refused = token.get("/api/resource/OAuth%20Client").await.status(403);
    assert_eq!(refused.header("www-authenticate"), "", "this is not a matter of the token");
}

#[tokio::test]
async fn an_unknown_token_is_invalid_even_where_guests_may_go() {
    let site = TestSite::new().await;
    for token in ["garbage", "dt_at_garbage"] {
        let client = site.guest().with_header("authorization", &format!("Bearer {token}"));
        let refused = client.get("/api/method/ping").await.status(401);
        assert!(refused.header("www-authenticate").contains("error=\"invalid_token\""));
    }
}

#[tokio::test]
async fn an_access_token_expires() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let token = bearer(&site, &Program::public(&site).await.tokens(&alice).await);
    token.get(WHO).await.ok();
    site.clock.advance(Duration::seconds(3601));
    token.get(WHO).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn a_disabled_user_or_client_is_out_at_once() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let token = bearer(&site, &program.tokens(&alice).await);
    site.db_update("OAuth Client", &program.id, json!({"enabled": 0})).await;
    token.get(WHO).await.error(401, "AuthenticationError");
    site.db_update("OAuth Client", &program.id, json!({"enabled": 1})).await;
    token.get(WHO).await.ok();
    site.db_update("User", ALICE, json!({"enabled": 0})).await;
    token.get(WHO).await.error(401, "AuthenticationError");
    // What was ended stays ended.
    site.db_update("User", ALICE, json!({"enabled": 1})).await;
    token.get(WHO).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn a_new_password_ends_the_tokens_of_the_person() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let tokens = program.tokens(&alice).await;
    site.db_update("User", ALICE, json!({"new_password": format!("{PASSWORD} and more")})).await;
    bearer(&site, &tokens).get(WHO).await.error(401, "AuthenticationError");
    program.refresh(tokens["refresh_token"].as_str().unwrap()).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_person_without_an_allowed_role_is_out_at_once() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &["System Manager"]).await;
    let roles = json!({"token_endpoint_auth_method": "None", "allowed_roles": [{"role": "System Manager"}]});
    let program = Program::new(&site, roles).await;
    let token = bearer(&site, &program.tokens(&alice).await);
    token.get(WHO).await.ok();
    site.db_update("User", ALICE, json!({"roles": []})).await;
    token.get(WHO).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn a_deleted_token_opens_nothing() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let token = bearer(&site, &Program::public(&site).await.tokens(&alice).await);
    token.get(WHO).await.ok();
    let name = site.db_names("OAuth Bearer Token", json!({})).await.remove(0);
    let administrator = site.administrator().await;
    administrator.delete(&format!("/api/resource/OAuth%20Bearer%20Token/{name}")).await.ok();
    token.get(WHO).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn a_token_for_another_resource_is_refused() {
    let site = TestSite::new().await;
    site.db_update("OAuth Settings", "OAuth Settings", json!({"additional_resources": "/mcp"})).await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let root = site.documents().site_url().to_owned();
    let token_for = async |resource: &str| {
        let to = program.ask(&alice, &[("resource", resource)], "allow").await;
        let code = super::support::parameter(&to, "code").unwrap();
        bearer(&site, &program.exchange(&code).await.status(200).json())
    };
    token_for(&root).await.get(WHO).await.ok();
    token_for(&format!("{root}/api")).await.get(WHO).await.ok();
    token_for(&format!("{root}/mcp")).await.get(WHO).await.error(401, "AuthenticationError");
    let unknown = alice.get(&program.authorize_uri(&[("resource", "https://evil.example")])).await.redirect();
    assert_eq!(super::support::parameter(&unknown, "error").as_deref(), Some("invalid_target"));
}
