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
