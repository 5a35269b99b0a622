//! Search over everything, as far as its reader may see it.

use serde_json::json;

use super::{LOAN, LOAN_LINE};
use crate::support::TestSite;

const DIARY: &str = "
name: Diary
module: Library
title_field: title
fields:
  - { fieldname: title, fieldtype: Data, label: Title }
  - { fieldname: secret, fieldtype: Data, label: Secret, permlevel: 1 }
search_fields: secret
permissions:
  - { role: System Manager, read: true, write: true, create: true }
  - { role: System Manager, permlevel: 1, read: true }
  - { role: Desk User, if_owner: true, read: true, write: true, create: true }
";

#[tokio::test]
async fn documents_are_found_by_title_by_those_who_may_read_them() {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).with_doctype(DIARY).await;
    let loan = site.db_insert("Loan", json!({"title": "Dune <1965>"})).await;
    let diary = site.db_insert("Diary", json!({"title": "About Dune", "secret": "arrakis"})).await;
    let administrator = site.administrator().await;
    let reader = site.user("reader@example.com", &[]).await;
    let found = async |client: &crate::support::Client, query: &str| {
        let answer = client.get(&format!("/app/_find?q={query}")).await.status(200).json();
        answer.as_array().unwrap().iter().map(|one| one["href"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (loan, diary) = (format!("/app/loan/{loan}"), format!("/app/diary/{diary}"));
    assert_eq!(found(&administrator, "dune").await, [loan.as_str(), diary.as_str()], "what is called so comes first");
    assert_eq!(found(&reader, "dune").await, [loan.as_str()], "what one may not read is not found");
    assert_eq!(found(&administrator, "arrakis").await, [diary.as_str()]);
    assert!(found(&reader, "arrakis").await.is_empty(), "nor by a field that one may not read");
    assert!(found(&administrator, "d").await.is_empty(), "one letter is too little");
    let own = reader.create("Diary", json!({"title": "My Dune"})).await.ok();
    let own = format!("/app/diary/{}", own["name"].as_str().unwrap());
    assert_eq!(found(&reader, "dune").await, [loan.clone(), own]);
    let page = reader.get("/app/_search?q=dune").await.status(200).body;
    assert!(page.contains(">Dune &lt;1965&gt;</a>") && page.contains(&loan) && !page.contains("About Dune"), "{page}");
    let page = administrator.get("/app/_search?q=loan").await.status(200).body;
    assert!(page.contains("href=\"/app/loan\"") && page.contains("href=\"/app/loan/new\""), "{page}");
    let page = reader.get("/app/_search?q=nothing-of-the-kind").await.status(200).body;
    assert!(page.contains("Nothing matches"));
    site.guest().get("/app/_find?q=dune").await.status(303);
}

#[tokio::test]
async fn things_to_do_and_settings_are_found_by_those_who_may() {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    let administrator = site.administrator().await;
    let reader = site.user("reader@example.com", &[]).await;
    let found = async |client: &crate::support::Client, query: &str| {
        let answer = client.get(&format!("/app/_find?q={query}")).await.status(200).json();
        let found = answer.as_array().unwrap().iter().filter(|one| one["kind"] != "document");
        found.map(|one| one["href"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let both = [("log+out+everywhere", "/me#sessions-title"), ("password+my", "/me#password-title")];
    let manager = [
        ("new+loan", "/app/loan/new"),
        ("site+health", "/app/_health"),
        ("import+user", "/app/_import?doctype=User"),
        ("session+expiry", "/app/system-settings#f-session_expiry"),
        ("short+time+share+computers", "/app/system-settings#f-session_expiry"),
    ];
    for (query, href) in both.iter().chain(&manager) {
        assert_eq!(found(&administrator, query).await.first().map(String::as_str), Some(*href), "{query}");
    }
    for (query, href) in both {
        assert_eq!(found(&reader, query).await, [href]);
    }
    for (query, _) in manager {
        assert!(found(&reader, query).await.is_empty(), "{query}");
    }
    let page = administrator.get("/app/_search?q=session+expiry").await.status(200).body;
    assert!(page.contains("href=\"/app/system-settings#f-session_expiry\""), "{page}");
}

#[tokio::test]
async fn more_of_one_doctype_than_fit_are_a_click_away() {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    for number in 0..7 {
        site.db_insert("Loan", json!({"title": format!("Dune {number}")})).await;
    }
    let reader = site.user("reader@example.com", &[]).await;
    let page = reader.get("/app/_search?q=dune").await.status(200).body;
    assert_eq!(page.matches(">Dune ").count(), 5);
    assert!(page.contains("href=\"/app/_search?q&#x3D;dune&amp;doctype&#x3D;Loan\""), "{page}");
    let page = reader.get("/app/_search?q=dune&doctype=Loan").await.status(200).body;
    assert!(page.matches(">Dune ").count() == 7 && !page.contains("Show all"), "{page}");
}
