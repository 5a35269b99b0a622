//! A forgotten password: a link by mail, once, within an hour, and the same answer for everybody.

use chrono::Duration;
use doctyped::testing::permissions::Session;
use serde_json::json;

use super::{NEW, ask, choose, events};
use crate::oauth::support::{Program, bearer};
use crate::support::smtp::link;
use crate::support::{MailServer, PASSWORD, TestSite};

#[tokio::test]
async fn a_link_sets_a_new_password_once_and_ends_all_that_rested_on_the_old_one() {
    let Some(server) = MailServer::start() else { return };
    let site = server.site().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let program = Program::public(&site).await;
    let token = bearer(&site, &program.tokens(&alice).await);
    assert_eq!(token.logged_user().await, "alice@example.com");
    let browser = site.guest();
    assert!(browser.get("/login").await.status(200).body.contains("/forgot-password"));
    ask(&site, &browser, " Alice@Example.com ").await;
    let message = server.taken(&site, 1).await.remove(0);
    assert_eq!(message["headers"]["subject"], "Your new password at Doctyped");
    let link = link(&message);
    let page = browser.get(&link).await.status(200);
    assert!(page.body.contains("alice@example.com"), "{}", page.body);
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let weak = choose(&browser, &link, "password").await.status(417);
    assert!(weak.body.contains("too easy to guess"), "{}", weak.body);
    assert_eq!(alice.logged_user().await, "alice@example.com", "nothing has happened yet");
    assert_eq!(choose(&browser, &link, NEW).await.redirect(), "/app");
    assert_eq!(browser.logged_user().await, "alice@example.com");
    assert_eq!(alice.logged_user().await, "Guest", "other sessions end");
    token.get("/api/method/frappe.auth.get_logged_user").await.status(401);
    site.guest().log_in("alice@example.com", NEW).await.ok();
    site.guest().log_in("alice@example.com", PASSWORD).await.status(401);
    // It works once.
    let again = site.guest();
    assert_eq!(again.get(&link).await.status, 410);
    choose(&again, &link, "correct battery horse").await.status(417);
    assert_eq!(again.logged_user().await, "Guest");
    assert_eq!(events(&site, "Password Reset Requested").await, ["alice@example.com"]);
    let alice = site.documents().get(&Session::system(), "User", "alice@example.com").await.unwrap();
    assert!(alice.check("email_verified") && alice.text("reset_password_key").is_empty());
}

#[tokio::test]
async fn a_link_works_for_an_hour_and_not_for_who_is_disabled() {
    let Some(server) = MailServer::start() else { return };
    let site = server.site().await;
    for user in ["ada@example.com", "bob@example.com"] {
        site.db_user(user, json!({})).await;
        ask(&site, &site.guest(), user).await;
    }
    let messages = server.taken(&site, 2).await;
    let link_of = |user: &str| link(messages.iter().find(|message| message["to"][0] == user).unwrap());
    site.db_update("User", "bob@example.com", json!({"enabled": 0})).await;
    choose(&site.guest(), &link_of("bob@example.com"), NEW).await.status(417);
    site.clock.advance(Duration::minutes(61));
    let late = choose(&site.guest(), &link_of("ada@example.com"), NEW).await.status(417);
    assert!(late.body.contains("not valid any more"), "{}", late.body);
    for key in ["", "x", "dt_reset_x", "dt_invite_"] {
        assert_eq!(site.guest().get(&format!("/update-password?key={key}")).await.status, 410, "{key}");
    }
}

#[tokio::test]
async fn nobody_learns_who_has_an_account_and_no_mailbox_is_filled() {
    let Some(server) = MailServer::start() else { return };
    let site = server.site().await;
    site.db_user("ada@example.com", json!({"username": "ada"})).await;
    site.db_user("off@example.com", json!({"enabled": 0})).await;
    let client = site.guest();
    let method = "frappe.core.doctype.user.user.reset_password";
    ask(&site, &client, "ada").await;
    let mut pages = Vec::new();
    for typed in ["ada@example.com", "nobody@example.com", "off@example.com", "Administrator"] {
        pages.push(client.form("/forgot-password", &[("usr", typed)]).await.status(200).body);
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "{pages:?}");
    // The sixth within a minute.
    let refused = client.call(method, json!({"user": "nobody@example.com"})).await;
    assert_eq!(refused.status, 429);
    let page = client.form("/forgot-password", &[("usr", "ada@example.com")]).await.status(429);
    assert!(!page.header("retry-after").is_empty());
    site.clock.advance(Duration::minutes(2));
    let known = client.call(method, json!({"user": "ada@example.com"})).await.ok();
    assert_eq!(client.call(method, json!({"user": "nobody@example.com"})).await.ok(), known);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(server.taken(&site, 1).await.len(), 1, "one link in five minutes");
    site.clock.advance(Duration::minutes(4));
    ask(&site, &client, "ada@example.com").await;
    let messages = server.taken(&site, 2).await;
    choose(&site.guest(), &link(&messages[0]), NEW).await.status(417);
    choose(&site.guest(), &link(&messages[1]), NEW).await.redirect();
}

#[tokio::test]
async fn a_link_is_in_the_language_of_its_reader() {
    let Some(server) = MailServer::start() else { return };
    let site = server.site().await;
    site.db_user("ada@example.com", json!({"language": "de"})).await;
    ask(&site, &site.guest(), "ada@example.com").await;
    let message = server.taken(&site, 1).await.remove(0);
    assert_eq!(message["headers"]["subject"], "Ihr neues Passwort bei Doctyped");
}

#[tokio::test]
async fn without_mail_nobody_is_sent_in_circles() {
    let site = TestSite::new().await;
    let client = site.guest();
    assert!(!client.get("/login").await.status(200).body.contains("/forgot-password"));
    assert!(client.get("/forgot-password").await.status(200).body.contains("ask an administrator"));
    client.form("/forgot-password", &[("usr", "ada@example.com")]).await.status(417);
    let method = "frappe.core.doctype.user.user.reset_password";
    client.call(method, json!({"user": "ada@example.com"})).await.error(417, "ValidationError");
    let foreign = client.with_header("origin", "https://evil.example");
    foreign.form("/forgot-password", &[("usr", "ada@example.com")]).await.status(400);
    foreign.form("/update-password", &[("key", "x")]).await.status(400);
}
