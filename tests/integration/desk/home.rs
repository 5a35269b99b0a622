//! `/app`: what one may read, and what its scripts ask for.

use serde_json::json;

use super::{LOAN, LOAN_LINE};
use crate::support::TestSite;

#[tokio::test]
async fn guests_are_shown_the_login_and_led_back() {
    let site = TestSite::new().await;
    assert_eq!(site.guest().get("/app/user?q=a").await.redirect(), "/login?redirect-to=%2Fapp%2Fuser%3Fq%3Da");
}

#[tokio::test]
async fn home_shows_what_one_may_read_with_its_purpose() {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    let reader = site.user("reader@example.com", &[]).await;
    let page = reader.get("/app").await.status(200).body;
    assert!(page.contains("href=\"/app/loan\"") && page.contains("A book that somebody has taken home."));
    assert!(!page.contains("/app/loan-line"), "child tables have no list");
    assert!(!page.contains("/app/security-event"), "a reader may not read it");
    let administrator = site.administrator().await.get("/app?q=taken").await.status(200).body;
    assert!(administrator.contains("/app/loan") && !administrator.contains("/app/security-event"));
}

#[tokio::test]
async fn counts_say_only_what_one_may_know() {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    site.db_insert("Loan", json!({"title": "Dune", "kind": "Novel"})).await;
    let reader = site.user("reader@example.com", &[]).await;
    let of = json!([["Loan"], ["Loan", "kind", "Essay"], ["Security Event"], ["No Such"]]).to_string();
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("of", &of).finish();
    assert_eq!(reader.get(&format!("/app/_counts?{query}")).await.json(), json!([1, 0, null, null]));
    reader.get("/app/_counts?of=x").await.status(400);
    let names = reader.get("/app/_doctypes").await.json();
    assert!(names.as_array().unwrap().iter().any(|entry| entry["href"] == "/app/loan"));
}

#[tokio::test]
async fn who_begins_is_told_what_to_do_until_it_is_done_or_dismissed() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let page = administrator.get("/app").await.status(200);
    for label in [
        "Define a DocType",
        "Let an application in",
        "Add a sign-in provider",
        "Set up mail",
        "Invite people",
        "Make backups",
    ] {
        assert!(page.body.contains(label), "{label}");
    }
    let dismiss = [("csrf_token", csrf_token(&page)), ("task", "backups".to_owned())];
    let dismiss: Vec<(&str, &str)> = dismiss.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(administrator.form("/app/_dismiss", &dismiss).await.redirect(), "/app");
    let reader = site.user("reader@example.com", &[]).await;
    let page = administrator.get("/app").await.status(200).body;
    assert!(!page.contains("Make backups"), "it is dismissed");
    assert!(!page.contains("Invite people"), "there is somebody");
    assert!(page.contains("Let an application in"));
    let page = reader.get("/app").await.status(200).body;
    assert!(!page.contains("To begin with"), "a reader can do none of it");
}

#[tokio::test]
async fn pins_follow_the_person_and_are_theirs_alone() {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    let reader = site.user("reader@example.com", &[]).await;
    let list = reader.get("/app/loan").await.status(200);
    assert!(list.body.contains("aria-pressed=\"false\" aria-label=\"Pin this page\""));
    let token = csrf_token(&list);
    let pin = [("csrf_token", token.as_str()), ("address", "/app/loan"), ("label", "Loan <all>")];
    assert_eq!(reader.form("/app/_pin", &pin).await.redirect(), "/app/loan");
    assert!(reader.get("/app/loan").await.body.contains("aria-pressed=\"true\""));
    let elsewhere = site.guest();
    elsewhere.log_in("reader@example.com", crate::support::PASSWORD).await.ok();
    let home = elsewhere.get("/app").await.status(200).body;
    assert!(
        home.contains("Pinned") && home.contains("<a class=\"row-link\" href=\"/app/loan\">Loan &lt;all&gt;</a>"),
        "{home}"
    );
    assert!(!site.administrator().await.get("/app").await.body.contains("Loan &lt;all&gt;"));
    for address in ["https://evil.example/", "//evil.example", "/app//evil", "/app/_health", "javascript:alert(1)"] {
        let pin = [("csrf_token", token.as_str()), ("address", address), ("label", "x")];
        reader.form("/app/_pin", &pin).await.status(417);
    }
    assert_eq!(reader.form("/app/_pin", &pin).await.redirect(), "/app/loan");
    assert!(!reader.get("/app").await.body.contains("Pinned"));
}

/// The token of a page's forms.
fn csrf_token(page: &crate::support::client::Response) -> String {
    let after = page.body.split("name=\"csrf_token\" value=\"").nth(1).expect("a form");
    after.split('"').next().unwrap().to_owned()
}
