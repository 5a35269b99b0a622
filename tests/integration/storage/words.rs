//! The search over everything: its index is kept by every change, filled by a job, and tells nobody what they may not read.

use doctyped::testing::jobs::run_due;
use doctyped::testing::load::Source;
use doctyped::testing::reload::reload;
use serde_json::{Value as Json, json};

use crate::support::{Client, TestSite};

const SEARCH: &str = "frappe.utils.global_search.search";
const RESTORE: &str = "frappe.core.doctype.deleted_document.deleted_document.restore";

const BOOK: &str = "name: Found Book
module: Library
autoname: field:number
allow_rename: true
title_field: title
fields:
  - { fieldname: number, fieldtype: Data, label: Number, unique: true, reqd: true }
  - { fieldname: title, fieldtype: Data, label: Title }
  - { fieldname: about, fieldtype: Text Editor, label: About, in_global_search: true }
  - { fieldname: contact, fieldtype: Data, label: Contact, in_global_search: true }
  - { fieldname: shelf, fieldtype: Data, label: Shelf }
  - { fieldname: price, fieldtype: Data, label: Price, in_global_search: true, permlevel: 1 }
  - { fieldname: card, fieldtype: Data, label: Card, in_global_search: true, mask: true }
  - { fieldname: pin, fieldtype: Password, label: Pin, in_global_search: true }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
  - { role: System Manager, permlevel: 1, read: true, write: true, mask: true }
  - { role: Reader, read: true, write: true, create: true, if_owner: true }
";

async fn found(client: &Client, text: &str) -> Vec<String> {
    let rows = client.call(SEARCH, json!({"text": text})).await.ok();
    rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

fn book(number: &str, title: &str) -> Json {
    json!({"number": number, "title": title})
}

#[tokio::test]
async fn words_are_found_from_the_first_to_the_last_moment_of_a_document() {
    let site = TestSite::new().with_doctype(BOOK).await;
    let admin = site.administrator().await;
    let values = json!({
        "number": "INV-0001", "title": "Émile, or On Education", "about": "<p>By Jean-Jacques <b>Rousseau</b></p>",
        "contact": "jj@geneva.example 한국어 がくせい", "shelf": "cellar"
    });
    admin.create("Found Book", values).await.ok();
    for text in [
        "INV-0001",
        "inv",
        "0001",
        "emile",
        "ÉMILE",
        "educ emi",
        "rousseau",
        "jj@geneva.example",
        "Jean-Jacques",
        "한국",
        "がく",
    ] {
        assert_eq!(found(&admin, text).await, ["INV-0001"], "{text}");
    }
    for text in ["cellar", "emile austen", "ousseau", "\"", "*"] {
        assert!(found(&admin, text).await.is_empty(), "{text}");
    }
    admin.update("Found Book", "INV-0001", json!({"title": "Julie", "contact": null})).await.ok();
    assert!(found(&admin, "emile").await.is_empty() && found(&admin, "geneva").await.is_empty());
    assert_eq!(found(&admin, "julie rousseau").await, ["INV-0001"]);
    let rename = json!({"doctype": "Found Book", "old_name": "INV-0001", "new_name": "INV-0002"});
    admin.call("frappe.client.rename_doc", rename).await.ok();
    assert_eq!(found(&admin, "rousseau").await, ["INV-0002"]);
    assert!(found(&admin, "INV-0001").await.is_empty());
    admin.create("Found Book", book("INV-0003", "Pamela")).await.ok();
    let merge = json!({"doctype": "Found Book", "old_name": "INV-0003", "new_name": "INV-0002", "merge": 1});
    admin.call("frappe.client.rename_doc", merge).await.ok();
    assert!(found(&admin, "pamela").await.is_empty());
    admin.remove("Found Book", "INV-0002").await.ok();
    assert!(found(&admin, "rousseau").await.is_empty());
    let deleted = site.db_names("Deleted Document", json!({"deleted_name": "INV-0002"})).await;
    admin.call(RESTORE, json!({"name": deleted[0]})).await.ok();
    assert_eq!(found(&admin, "julie rousseau").await, ["INV-0002"]);
}

#[tokio::test]
async fn the_best_come_first_in_the_shape_of_frappe() {
    let site = TestSite::new().with_doctype(BOOK).await;
    let admin = site.administrator().await;
    admin
        .create("Found Book", json!({"number": "B1", "title": "A life", "about": "written by the author of Dune"}))
        .await
        .ok();
    admin.create("Found Book", book("B2", "Children of Dune")).await.ok();
    admin.create("Found Book", book("B3", "Dune Messiah")).await.ok();
    admin.create("Found Book", book("B4", "Dune")).await.ok();
    assert_eq!(found(&admin, "dune").await, ["B4", "B3", "B2", "B1"]);
    let rows = admin.call(SEARCH, json!({"text": "dune", "start": 3, "limit": 5, "doctype": "Found Book"})).await.ok();
    assert_eq!(rows[0]["doctype"], "Found Book");
    assert_eq!(rows[0]["content"], "Name : B1 ||| Title : A life ||| About : written by the author of Dune");
    assert_eq!(rows.as_array().unwrap().len(), 1);
    let none = admin.call(SEARCH, json!({"text": "dune", "doctype": "User"})).await.ok();
    assert_eq!(none, json!([]));
}

#[tokio::test]
async fn nobody_finds_what_they_may_not_read() {
    let site = TestSite::new().with_doctype(BOOK).await;
    let admin = site.administrator().await;
    for number in 0..70 {
        admin.create("Found Book", book(&format!("H{number}"), "Hidden Treasure")).await.ok();
    }
    let reader = site.user("reader@example.com", &["Reader"]).await;
    let stranger = site.user("stranger@example.com", &[]).await;
    let values = json!({"number": "OWN", "title": "Treasure", "price": "expensive", "card": "4111", "pin": "rosebud"});
    admin.create("Found Book", values).await.ok();
    for text in ["expensive", "4111", "rosebud"] {
        assert!(found(&admin, text).await.is_empty(), "{text}: not even those who may read it");
    }
    assert!(found(&reader, "treasure").await.is_empty());
    let mine = json!({"number": "MINE", "title": "My treasure"});
    reader.create("Found Book", mine).await.ok();
    for number in 70..140 {
        admin.create("Found Book", book(&format!("H{number}"), "Hidden Treasure")).await.ok();
    }
    assert_eq!(found(&reader, "treasure").await, ["MINE"], "below many that are newer and hidden");
    let page = reader.get("/app/_search?q=treasure").await.status(200).body;
    assert!(page.contains("My treasure") && !page.contains("Show all") && !page.contains("Hidden"), "{page}");
    assert!(found(&stranger, "treasure").await.is_empty());
    let shared = json!({"doctype": "Found Book", "name": "H3", "user": "stranger@example.com", "read": 1});
    admin.call("frappe.share.add", shared).await.ok();
    assert_eq!(found(&stranger, "treasure").await, ["H3"], "what is shared is found");
    site.guest().call(SEARCH, json!({"text": "treasure"})).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn a_changed_definition_is_filled_by_a_job_and_the_titles_serve_meanwhile() {
    let site = TestSite::new().with_doctype(BOOK).await;
    let admin = site.administrator().await;
    let number = 700;
    for number in 0..number {
        site.db_insert("Found Book", json!({"number": format!("N{number}"), "title": "Plain", "shelf": "cellar"}))
            .await;
    }
    site.db_insert("Found Book", json!({"number": "LAST", "title": "Zadig", "shelf": "attic"})).await;
    let changed = BOOK.replace("label: Shelf", "label: Shelf, in_global_search: true");
    reload(&site.site, &[Source { path: "found_book.yaml".to_owned(), text: changed }]).await;
    assert_eq!(found(&admin, "zadig").await, ["LAST"], "by its title, as long as the index is empty");
    assert_eq!(found(&admin, "N17").await.len(), 11, "parts of names: N17, N170 to N179");
    // What is touched before the job comes is there once.
    admin.update("Found Book", "N5", json!({"shelf": "garret"})).await.ok();
    let rename = json!({"doctype": "Found Book", "old_name": "N6", "new_name": "M6"});
    admin.call("frappe.client.rename_doc", rename).await.ok();
    admin.remove("Found Book", "N7").await.ok();
    run_due(&site.site).await.unwrap();
    assert_eq!(found(&admin, "attic").await, ["LAST"]);
    assert_eq!(found(&admin, "garret").await, ["N5"]);
    assert_eq!(found(&admin, "M6 cellar").await, ["M6"]);
    for gone in ["N6", "N7"] {
        let found = found(&admin, &format!("{gone} cellar")).await;
        assert!(!found.is_empty() && !found.contains(&gone.to_owned()), "{gone}: {found:?}");
    }
    for oldest in ["N0", "N1", "N699"] {
        assert!(found(&admin, &format!("{oldest} cellar")).await.contains(&oldest.to_owned()), "{oldest}");
    }
    // And back: the words of that field are forgotten.
    reload(&site.site, &[Source { path: "found_book.yaml".to_owned(), text: BOOK.to_owned() }]).await;
    run_due(&site.site).await.unwrap();
    assert!(found(&admin, "attic").await.is_empty());
    assert_eq!(found(&admin, "zadig").await, ["LAST"]);
}
