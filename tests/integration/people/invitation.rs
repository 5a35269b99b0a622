//! Invitations: a link with which somebody makes their own account, once, with the roles that they were promised.

use chrono::Duration;
use serde_json::{Value as Json, json};

use super::{NEW, choose, events, roles};
use crate::support::smtp::link;
use crate::support::{Client, MailServer, TestSite};

const EMAIL: &str = "ada@example.com";

async fn invite(client: &Client, email: &str, roles: &[&str]) -> Json {
    let rows: Vec<Json> = roles.iter().map(|role| json!({"role": role})).collect();
    client.create("User Invitation", json!({"email": email, "roles": rows})).await.ok()
}

async fn call(client: &Client, invitation: &Json, method: &str) -> crate::support::client::Response {
    let name = invitation["name"].as_str().unwrap();
    client.post(&format!("/api/v2/document/User%20Invitation/{name}/method/{method}"), json!({})).await
}

fn path(invitation: &Json) -> String {
    let url = invitation["invitation_link"].as_str().expect("the link is shown once");
    url[url.find("/update-password").unwrap()..].to_owned()
}

#[tokio::test]
async fn whoever_is_invited_by_mail_makes_an_account_of_their_own() {
    let Some(server) = MailServer::start() else { return };
    let site = server.site().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    site.db_insert("Role", json!({"role_name": "Librarian", "home_page": "/app/todo"})).await;
    let invitation = invite(&alice, " Ada@Example.com", &["Librarian"]).await;
    assert_eq!((&invitation["email"], invitation.get("invitation_link")), (&json!(EMAIL), None));
    assert_eq!((&invitation["status"], &invitation["invited_by"]), (&json!("Pending"), &json!("alice@example.com")));
    let message = server.taken(&site, 1).await.remove(0);
    assert_eq!(message["headers"]["subject"], "alice invites you to Doctyped");
    let link = link(&message);
    let ada = site.guest();
    let page = ada.get(&link).await.status(200).body;
    assert!(page.contains("You are invited") && page.contains(EMAIL), "{page}");
    choose(&ada, &link, "ada12345").await.status(417);
    assert!(site.db_names("User", json!({"name": EMAIL})).await.is_empty(), "nothing half done");
    assert_eq!(choose(&ada, &link, NEW).await.redirect(), "/app/todo");
    assert_eq!(ada.logged_user().await, EMAIL);
    site.guest().log_in(EMAIL, NEW).await.ok();
    let user = alice.read("User", EMAIL).await.ok();
    assert_eq!((&user["full_name"], roles(&user)), (&json!("Ada Lovelace"), vec!["Librarian"]));
    assert_eq!(user["email_verified"], 1);
    let name = invitation["name"].as_str().unwrap();
    let over = alice.read("User Invitation", name).await.ok();
    assert_eq!((&over["status"], &over["user"]), (&json!("Accepted"), &json!(EMAIL)));
    choose(&site.guest(), &link, NEW).await.status(417);
    call(&alice, &invitation, "send_again").await.status(417);
    call(&alice, &invitation, "cancel_invite").await.status(417);
    for event in ["User Invited", "Invitation Accepted"] {
        assert_eq!(events(&site, event).await, [EMAIL], "{event}");
    }
}

#[tokio::test]
async fn without_mail_the_link_is_shown_once_to_be_handed_over() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let invitation = invite(&alice, EMAIL, &[]).await;
    let name = invitation["name"].as_str().unwrap();
    let read = alice.read("User Invitation", name).await.ok();
    assert_eq!((read.get("invitation_link"), read.get("key")), (None, None));
    let old = path(&invitation);
    // A new link takes the place of the old one.
    let answer = call(&alice, &invitation, "send_again").await.ok();
    assert_eq!(site.guest().get(&old).await.status, 410);
    choose(&site.guest(), &path(&answer), NEW).await.redirect();
    assert_eq!(alice.read("User", EMAIL).await.ok()["email_verified"], 0, "nobody knows whose the address is");
    // The form shows it as well.
    let form = [("email", "bob@example.com"), ("__action", "save"), ("csrf_token", &token(&alice).await)];
    let saved = alice.form("/app/user-invitation/new", &form).await;
    let shown = alice.get(&saved.redirect()).await.status(200).body;
    assert!(shown.contains("dt_invite_"), "{shown}");
}

async fn token(client: &Client) -> String {
    let page = client.get("/me").await.status(200).body;
    page.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_invitation_ends_after_three_days_when_withdrawn_and_with_who_invited() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let open = async |link: &str| site.guest().get(link).await.status.as_u16();
    let late = path(&invite(&alice, "late@example.com", &[]).await);
    site.clock.advance(Duration::hours(71));
    assert_eq!(open(&late).await, 200);
    site.clock.advance(Duration::hours(2));
    assert_eq!(open(&late).await, 410);
    choose(&site.guest(), &late, NEW).await.status(417);
    let withdrawn = invite(&alice, "withdrawn@example.com", &[]).await;
    call(&alice, &withdrawn, "cancel_invite").await.ok();
    assert_eq!(open(&path(&withdrawn)).await, 410);
    let orphan = path(&invite(&alice, "orphan@example.com", &[]).await);
    site.db_update("User", "alice@example.com", json!({"enabled": 0})).await;
    choose(&site.guest(), &orphan, NEW).await.status(417);
    let users = site.db_names("User", json!({"name": ["like", "%@example.com"]})).await;
    assert_eq!(users, ["alice@example.com"]);
}

#[tokio::test]
async fn nobody_invites_with_more_than_they_have() {
    let invites =
        "extends: User Invitation\npermissions:\n  - { role: Office, read: true, create: true, write: true }\n";
    let sees_roles = "extends: Role\npermissions:\n  - { role: Office, read: true }\n";
    let site = TestSite::new().with_doctype(invites).with_doctype(sees_roles).await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let office = site.user("office@example.com", &["Office"]).await;
    let roles = |role: &str| json!({"email": EMAIL, "roles": [{"role": role}]});
    office.create("User Invitation", roles("System Manager")).await.error(403, "PermissionError");
    let invitation = office.create("User Invitation", roles("Office")).await.ok();
    let name = invitation["name"].as_str().unwrap();
    office.update("User Invitation", name, json!({"roles": [{"role": "System Manager"}]})).await.status(403);
    // What the site writes, nobody else does.
    let forged =
        json!({"status": "Accepted", "key": "x", "expires_at": "2099-01-01", "invited_by": "alice@example.com"});
    let after = alice.update("User Invitation", name, forged).await.ok();
    assert_eq!((&after["status"], &after["invited_by"]), (&json!("Pending"), &json!("office@example.com")));
    for (values, message) in [
        (json!({"email": EMAIL}), "invited already"),
        (json!({"email": "alice@example.com"}), "has an account already"),
        (json!({"email": "nobody"}), "email address"),
        (json!({"email": "b@example.com", "roles": [{"role": "All"}]}), "given automatically"),
    ] {
        let refused = alice.create("User Invitation", values).await;
        assert!(refused.status == 417 && refused.body.contains(message), "{message}: {}", refused.body);
    }
    site.user("bob@example.com", &[]).await.create("User Invitation", roles("Office")).await.status(403);
    // An account that somebody makes meanwhile is not taken over.
    let link = path(&invitation);
    site.db_user(EMAIL, json!({})).await;
    let refused = choose(&site.guest(), &link, NEW).await;
    assert!(refused.status.is_client_error(), "{}", refused.status);
}
