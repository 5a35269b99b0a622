//! Access tokens outside the header: never in an address, and in a form only where OAuth Settings allows it.

use poem::http::Method;
use serde_json::json;

use super::support::{BASE, Program, bearer};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const WHO: &str = "/api/method/frappe.auth.get_logged_user";

async fn allow(site: &TestSite) {
    site.db_update("OAuth Settings", "OAuth Settings", json!({"accept_token_in_form": 1})).await;
}

async fn token(site: &TestSite) -> String {
    let alice = site.user("alice@example.com", &[]).await;
    let tokens = Program::public(site).await.tokens(&alice).await;
    tokens["access_token"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_is_alice(answer: Response) {
    assert_eq!(answer.ok(), "alice@example.com");
}

#[tokio::test]
async fn a_token_in_the_address_is_refused_whatever_else_comes_along() {
    let site = TestSite::new().await;
    let token = token(&site).await;
    let in_header = site.guest().with_header("authorization", &format!("Bearer {token}"));
    for allowed in [false, true] {
        if allowed {
            allow(&site).await;
        }
        for client in [&site.guest(), &in_header] {
            let refused = client.get(&format!("{WHO}?access_token={token}")).await.status(400);
            assert!(refused.server_messages()[0].contains("send it in the header"), "{}", refused.body);
            assert!(!refused.body.contains(&token));
        }
    }
}

#[tokio::test]
async fn a_token_in_a_form_opens_nothing_unless_the_settings_say_so() {
    let site = TestSite::new().await;
    let token = token(&site).await;
    site.guest().form(WHO, &[("access_token", &token)]).await.error(401, "AuthenticationError");
    allow(&site).await;
    assert_is_alice(site.guest().form(WHO, &[("access_token", &token)]).await);
    site.guest().form(WHO, &[("access_token", "dt_at_no")]).await.error(401, "AuthenticationError");
    let claims = site.guest().form(&format!("{BASE}openid_profile"), &[("access_token", &token)]).await.status(200);
    assert!(claims.json()["sub"].is_string());
    let metadata = site.guest().get("/.well-known/oauth-protected-resource").await.status(200).json();
    assert_eq!(metadata["bearer_methods_supported"], json!(["header", "body"]));
}

#[tokio::test]
async fn the_rest_of_the_form_stays_as_it_was() {
    let note = "
name: Note
autoname: hash
fields: [{fieldname: title, fieldtype: Data, label: Title}, {fieldname: text, fieldtype: Data, label: Text}]
permissions: [{role: All, read: 1, create: 1}]
";
    let site = TestSite::new().with_doctype(note).await;
    let token = token(&site).await;
    allow(&site).await;
    let fields = [("title", "1 + 1 = 2 & more"), ("access_token", &token), ("text", "ü%20")];
    let made = site.guest().form("/api/resource/Note", &fields).await.ok();
    assert_eq!((&made["title"], &made["text"]), (&json!("1 + 1 = 2 & more"), &json!("ü%20")));
}

#[tokio::test]
async fn only_a_form_post_with_one_token_and_nothing_else_counts() {
    let site = TestSite::new().await;
    let token = token(&site).await;
    allow(&site).await;
    let twice = [("access_token", token.as_str()), ("access_token", token.as_str())];
    let _ = site.guest().form(WHO, &twice).await.status(400);
    let tokens = json!({"access_token": token});
    let _ = bearer(&site, &tokens).form(WHO, &[("access_token", &token)]).await.status(400);
    let guest: Client = site.guest();
    guest.post(WHO, tokens).await.error(401, "AuthenticationError");
    let form = format!("access_token={token}");
    let put = guest.send(Method::PUT, WHO, "application/x-www-form-urlencoded", form.clone()).await;
    assert!(put.status.is_client_error());
    guest.send(Method::POST, WHO, "text/plain", form).await.error(401, "AuthenticationError");
}
