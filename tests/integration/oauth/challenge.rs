//! `WWW-Authenticate`: who is refused for the token reads what is wrong, which scopes are needed, and where to ask.

use chrono::Duration;
use serde_json::json;

use super::support::{BASE, Program, bearer};
use crate::support::{Client, TestSite};

const NOTE: &str = "
name: Field Note
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
const METADATA: &str = "resource_metadata=\"https://site.example/.well-known/oauth-protected-resource/api\"";

async fn site() -> TestSite {
    let configured = TestSite::new().with_config(|config| "https://site.example".clone_into(&mut config.site_url));
    configured.with_doctype(NOTE).await
}

async fn challenge_of(client: &Client, path: &str) -> String {
    client.get(path).await.status(401).header("www-authenticate").to_owned()
}

#[tokio::test]
async fn without_a_token_the_challenge_names_the_scope_that_the_operation_needs() {
    let site = site().await;
    let guest = site.guest();
    let expect = |scope: &str| format!("Bearer scope=\"{scope}\", {METADATA}");
    for (path, scope) in [
        ("/api/resource/Field%20Note", "doctype:Field_Note:read"),
        ("/api/resource/Field%20Note/x", "doctype:Field_Note:read"),
        ("/api/v2/document/Field%20Note/x", "doctype:Field_Note:read"),
        ("/api/v2/doctype/Field%20Note/count", "doctype:Field_Note:read"),
        ("/api/method/frappe.client.get_list?doctype=Field%20Note", "doctype:Field_Note:read"),
        ("/api/method/frappe.utils.change_log.get_versions", "method:frappe.utils.change_log.get_versions"),
        // What needs somebody, whoever it is.
        ("/api/resource", "openid profile email"),
        (&format!("{BASE}openid_profile"), "openid profile email"),
    ] {
        assert_eq!(challenge_of(&guest, path).await, expect(scope), "{path}");
    }
    for (made, scope) in [
        (guest.post("/api/resource/Field%20Note", json!({"title": "No"})).await, "doctype:Field_Note:create"),
        (guest.put("/api/resource/Field%20Note/x", json!({"title": "No"})).await, "doctype:Field_Note:write"),
        (guest.delete("/api/v2/document/Field%20Note/x").await, "doctype:Field_Note:delete"),
    ] {
        assert_eq!(made.status(401).header("www-authenticate"), expect(scope));
    }
    assert_eq!(site.db_names("Field Note", json!({})).await.len(), 0);
}

#[tokio::test]
async fn a_bad_expired_or_revoked_token_is_named_as_such() {
    let site = site().await;
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::public(&site).await;
    let tokens = program.tokens(&alice).await;
    let token = bearer(&site, &tokens);
    let who = "/api/method/frappe.auth.get_logged_user";
    token.get(who).await.ok();
    let expect = |description: &str| {
        let error = format!("error=\"invalid_token\", error_description=\"{description}\"");
        format!("Bearer {error}, scope=\"openid profile email\", {METADATA}")
    };
    let garbage = site.guest().with_header("authorization", "Bearer garbage");
    assert_eq!(challenge_of(&garbage, who).await, expect("The access token is not valid"));
    // A program that reads a private file is not a browser, whatever the path.
    let file = challenge_of(&garbage, "/private/files/x.pdf").await;
    assert!(file.contains("invalid_token") && file.ends_with("/.well-known/oauth-protected-resource\""), "{file}");
    site.clock.advance(Duration::seconds(3601));
    assert_eq!(challenge_of(&token, who).await, expect("The access token has expired or was revoked"));
    site.db_update("User", "alice@example.com", json!({"enabled": 0})).await;
    assert!(challenge_of(&token, who).await.contains("error=\"invalid_token\""));
}

#[tokio::test]
async fn a_missing_scope_is_named_whole_with_where_to_ask_for_it() {
    let site = site().await;
    let alice = site.user("alice@example.com", &[]).await;
    let mut program = Program::public(&site).await;
    program.scope = "openid doctype:Field_Note:read".to_owned();
    let token = bearer(&site, &program.tokens(&alice).await);
    let refused = token.post("/api/v2/document/Field%20Note", json!({"title": "No"})).await.status(403);
    let challenge = refused.header("www-authenticate").to_owned();
    assert_eq!(
        challenge,
        format!(
            "Bearer error=\"insufficient_scope\", error_description=\"The scope of these credentials does not allow \
             to create Field Note\", scope=\"doctype:Field_Note:create\", {METADATA}"
        )
    );
    // Whoever asks for what it names is let in.
    program.scope = "openid doctype:Field_Note:create".to_owned();
    let token = bearer(&site, &program.tokens(&alice).await);
    token.post("/api/v2/document/Field%20Note", json!({"title": "Yes"})).await.ok();
}

#[tokio::test]
async fn what_no_token_could_change_carries_no_challenge() {
    let site = site().await;
    let alice = site.user("alice@example.com", &[]).await;
    let token = bearer(&site, &Program::public(&site).await.tokens(&alice).await);
    for client in [&alice, &token] {
        let refused = client.get("/api/resource/OAuth%20Client").await.status(403);
        assert_eq!(refused.header("www-authenticate"), "");
    }
    // Pages lead to the login; the token endpoint names Basic or nothing.
    let page = site.guest().get("/app/user").await;
    assert_eq!((page.status.as_u16(), page.header("www-authenticate")), (303, ""));
    let refused = site.guest().form(&format!("{BASE}get_token"), &[("grant_type", "refresh_token")]).await;
    assert_eq!(refused.header("www-authenticate"), "");
}

#[tokio::test]
async fn the_metadata_that_a_challenge_names_describes_the_resource_that_was_asked_for() {
    let site = site().await;
    site.db_update("OAuth Settings", "OAuth Settings", json!({"additional_resources": "/api/v2/document"})).await;
    let guest = site.guest();
    for (path, resource) in [
        ("/api/resource/Field%20Note", "https://site.example/api"),
        ("/api/v2/document/Field%20Note", "https://site.example/api/v2/document"),
    ] {
        let challenge = challenge_of(&guest, path).await;
        let (_, address) = challenge.split_once("resource_metadata=\"https://site.example").unwrap();
        let metadata = guest.get(address.trim_end_matches('"')).await.status(200).json();
        assert_eq!(metadata["resource"], resource);
        assert!(format!("https://site.example{path}").starts_with(metadata["resource"].as_str().unwrap()));
    }
    // What is not shown is not named either.
    site.db_update("OAuth Settings", "OAuth Settings", json!({"show_protected_resource_metadata": 0})).await;
    assert_eq!(challenge_of(&guest, "/api/resource/Field%20Note").await, "Bearer scope=\"doctype:Field_Note:read\"");
}

#[tokio::test]
async fn a_page_reads_answers_to_its_own_tokens_and_never_with_cookies() {
    let site = site().await;
    let alice = site.user("alice@example.com", &[]).await;
    let token = bearer(&site, &Program::public(&site).await.tokens(&alice).await);
    let own = "https://app.example";
    for (client, origin, allowed) in [
        (&token, own, own),
        (&token, "https://evil.example", ""),
        (&alice, own, ""),
        (&site.guest(), own, ""),
        (&bearer(&site, &json!({"access_token": "garbage"})), own, ""),
    ] {
        let answer = client.with_header("origin", origin).get("/api/resource/Field%20Note").await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed, "{origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        assert!(answer.header("vary").contains("Origin"));
    }
    let ask = site.guest().with_header("origin", own).with_header("access-control-request-method", "PUT");
    let preflight = ask.send(poem::http::Method::OPTIONS, "/api/resource/Field%20Note/x", "", "").await.status(200);
    assert!(preflight.header("access-control-allow-methods").contains("PUT"));
    // What pages of OAuth clients, of Frappe's libraries and of MCP clients send.
    for header in [
        "Authorization",
        "Content-Type",
        "DPoP",
        "X-Frappe-Site-Name",
        "X-Frappe-CSRF-Token",
        "Mcp-Method",
        "Mcp-Name",
        "Mcp-Session-Id",
        "Last-Event-ID",
        "MCP-Protocol-Version",
    ] {
        let allowed = preflight.header("access-control-allow-headers");
        assert!(allowed.split(", ").any(|known| known.eq_ignore_ascii_case(header)), "{header}: {allowed}");
    }
    assert_eq!(preflight.header("access-control-allow-credentials"), "");
    // `*` is sent as such: an origin that is reflected would be trusted.
    site.db_update("OAuth Settings", "OAuth Settings", json!({"allowed_public_client_origins": "*"})).await;
    let answer = site.guest().with_header("origin", "https://evil.example").get("/api/resource/Field%20Note").await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.header("access-control-expose-headers").contains("WWW-Authenticate"));
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}
