//! Mail: it goes through a real server, once what causes it is durable, until it is taken; what it says stays secret.

use chrono::Duration;

use doctyped::testing::jobs::run_due;
use serde_json::{Value as Json, json};

use crate::support::{MailServer, TestSite};

async fn queue(site: &TestSite) -> Vec<Json> {
    let list = site.administrator().await.list("Email Queue", "fields=[\"*\"]&order_by=creation asc").await.ok();
    list.as_array().unwrap().clone()
}

/// Somebody asks for a link to a new password; it waits in the queue.
async fn ask(site: &TestSite, user: &str) {
    site.db_user(user, json!({})).await;
    crate::people::ask(site, &site.guest(), user).await;
}

#[tokio::test]
async fn a_test_message_says_what_the_server_answers() {
    let Some(server) = MailServer::start() else { return };
    let site = server.site().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let path = "/api/v2/document/Email%20Account/City%20Library/method/send_test";
    let answer = alice.post(path, json!({})).await.ok();
    assert_eq!(answer, "127.0.0.1 has accepted a message to alice@example.com");
    let taken = server.taken(&site, 1).await;
    assert_eq!((&taken[0]["from"], &taken[0]["to"][0]), (&json!("site@example.com"), &json!("alice@example.com")));
    let headers = &taken[0]["headers"];
    assert_eq!(headers["from"], "City Library <site@example.com>");
    assert_eq!(headers["auto-submitted"], "auto-generated");
    let refused = alice.post(path, json!({"recipient": "never@example.com"})).await.error(417, "ValidationError");
    assert!(refused.to_string().contains("550 5.1.1 no such mailbox"), "{refused}");
    alice.post(path, json!({"recipient": "nobody"})).await.error(417, "InvalidEmailAddressError");
    let bob = site.user("bob@example.com", &[]).await;
    bob.post(path, json!({})).await.error(403, "PermissionError");
}

#[tokio::test]
async fn what_is_queued_is_sent_and_its_text_is_shown_to_nobody() {
    let Some(server) = MailServer::start() else { return };
    let site = server.site().await;
    ask(&site, "ada@example.com").await;
    let waiting = queue(&site).await;
    assert_eq!((&waiting[0]["status"], waiting[0].get("message")), (&json!("Not Sent"), None));
    let administrator = site.administrator().await;
    let name = waiting[0]["name"].as_str().unwrap();
    let whole = administrator.read("Email Queue", name).await.ok();
    assert_eq!((whole.get("message"), &whole["recipients"][0]["recipient"]), (None, &json!("ada@example.com")));
    let page = administrator.get(&format!("/app/email-queue/{name}")).await.status(200).body;
    assert!(!page.contains("update-password"), "{page}");
    let taken = server.taken(&site, 1).await;
    assert!(taken[0]["text"].as_str().unwrap().contains("/update-password?key="), "{}", taken[0]);
    let sent = administrator.read("Email Queue", name).await.ok();
    assert_eq!((&sent["status"], &sent["recipients"][0]["status"]), (&json!("Sent"), &json!("Sent")));
    // What was sent is gone.
    let stored = site.documents().get(&doctyped::testing::permissions::Session::system(), "Email Queue", name).await;
    assert_eq!(stored.unwrap().text("message"), "");
    administrator.post(&format!("/api/v2/document/Email%20Queue/{name}/method/send_now"), json!({})).await.status(417);
    administrator.create("Email Queue", json!({"subject": "Mine"})).await.error(403, "PermissionError");
    // A second run of the same job sends nothing.
    run_due(&site.site).await.unwrap();
    assert_eq!(server.taken(&site, 1).await.len(), 1);
}

#[tokio::test]
async fn a_refusal_for_now_is_tried_again_and_one_for_good_ends_it() {
    let Some(server) = MailServer::start() else { return };
    let site = server.site().await;
    ask(&site, "later@example.com").await;
    ask(&site, "never@example.com").await;
    run_due(&site.site).await.unwrap();
    let of = |entries: &[Json], error: &str| {
        let found = entries.iter().find(|entry| entry["error"].as_str().unwrap_or_default().contains(error));
        found.unwrap_or_else(|| panic!("{error}: {entries:?}")).clone()
    };
    let entries = queue(&site).await;
    let (later, never) = (of(&entries, "451"), of(&entries, "550"));
    assert_eq!((&later["status"], &later["retry"], &never["status"]), (&json!("Not Sent"), &json!(1), &json!("Error")));
    let home = site.administrator().await.get("/app").await.status(200).body;
    assert!(home.contains("A message could not be sent"), "administrators are told");
    for minutes in [1, 5, 30, 120, 300, 600, 600] {
        site.clock.advance(Duration::minutes(minutes));
        run_due(&site.site).await.unwrap();
    }
    let entries = queue(&site).await;
    let later = of(&entries, "451");
    assert_eq!((&later["status"], &later["retry"]), (&json!("Error"), &json!(8)));
    // Send Now begins anew.
    let name = later["name"].as_str().unwrap();
    let path = format!("/api/v2/document/Email%20Queue/{name}/method/send_now");
    assert_eq!(site.administrator().await.post(&path, json!({})).await.ok(), "It is sent now");
    run_due(&site.site).await.unwrap();
    assert_eq!(of(&queue(&site).await, "451")["retry"], 1);
}

#[tokio::test]
async fn a_password_goes_over_encrypted_connections_alone() {
    let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("certificate.pem"), authority.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), authority.signing_key.serialize_pem()).unwrap();
    let Some(server) = MailServer::start_with(&[&path("certificate.pem"), &path("key.pem")]) else { return };
    let trusted = folder.path().join("certificate.pem");
    let site = TestSite::new()
        .with_config(move |config| {
            config.development = true;
            config.trusted_certificates = Some(trusted);
        })
        .await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let mut account = server.account();
    account["smtp_server"] = json!("localhost");
    account["no_smtp_authentication"] = json!(0);
    account["password"] = json!("open sesame");
    let refused = alice.create("Email Account", account.clone()).await.error(417, "ValidationError");
    assert!(refused.to_string().contains("encrypted connections only"), "{refused}");
    account["use_tls"] = json!(1);
    let stored = alice.create("Email Account", account).await.ok();
    assert_eq!(stored["password"], "***********");
    let path = "/api/v2/document/Email%20Account/City%20Library/method/send_test";
    alice.post(path, json!({})).await.ok();
    assert_eq!(server.taken(&site, 1).await[0]["tls"], true);
    // A wrong password is told, and no reason to give a message up.
    alice.update("Email Account", "City Library", json!({"password": "wrong"})).await.ok();
    let refused = alice.post(path, json!({})).await.error(417, "ValidationError");
    assert!(refused.to_string().contains("refuses the login"), "{refused}");
    ask(&site, "ada@example.com").await;
    run_due(&site.site).await.unwrap();
    assert_eq!(queue(&site).await[0]["status"], "Not Sent");
}

#[tokio::test]
async fn one_account_sends_and_private_servers_are_not_called_unasked() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let account = |name: &str, server: &str| json!({"email_account_name": name, "email_id": "site@example.com", "smtp_server": server, "password": "secret"});
    let refused = alice.create("Email Account", account("Inside", "10.0.0.5")).await.error(417, "ValidationError");
    assert!(refused.to_string().contains("Allowed Private Hosts"), "{refused}");
    for server in ["", "smtp.example.com/path", "a b", "user@smtp.example.com"] {
        alice.create("Email Account", account("Odd", server)).await.status(417);
    }
    let mut odd = account("Odd", "smtp.example.com");
    odd["smtp_port"] = json!("many");
    alice.create("Email Account", odd).await.error(417, "ValidationError");
    let first = alice.create("Email Account", account("First", "smtp.example.com")).await.ok();
    assert_eq!(first["default_outgoing"], 1, "the only one is meant");
    let second = alice.create("Email Account", account("Second", "smtp.example.com")).await.ok();
    assert_eq!(second["default_outgoing"], 0);
    alice.update("Email Account", "Second", json!({"default_outgoing": 1})).await.ok();
    assert_eq!(alice.read("Email Account", "First").await.ok()["default_outgoing"], 0);
}
