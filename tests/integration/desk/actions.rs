//! What the menu of a form does besides saving: renaming, discarding, copying; files and links of any DocType.

use std::fmt::Write as _;

use poem::http::Method;
use serde_json::json;

use super::{LOAN, LOAN_LINE, form_values, send};
use crate::support::{Client, TestSite};

const SHELF: &str = "
name: Shelf
module: Library
autoname: prompt
allow_rename: true
fields:
  - { fieldname: floor, fieldtype: Int, label: Floor, description: Where it stands. }
  - { fieldname: plan, fieldtype: Attach, label: Plan, description: A drawing. }
  - { fieldname: kind, fieldtype: Link, options: DocType, label: Kind, description: What stands on it. }
  - { fieldname: first, fieldtype: Dynamic Link, options: kind, label: First, description: What stands first. }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";
const BOOK: &str = "
name: Book
module: Library
fields:
  - { fieldname: shelf, fieldtype: Link, options: Shelf, label: Shelf, description: Where it belongs. }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

async fn library() -> (TestSite, Client) {
    let shelves = TestSite::new().with_doctype(SHELF).with_doctype(BOOK);
    let site = shelves.with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    let administrator = site.administrator().await;
    (site, administrator)
}

#[tokio::test]
async fn a_document_is_renamed_and_what_links_to_it_follows() {
    let (site, administrator) = library().await;
    site.db_insert("Shelf", json!({"name": "North", "floor": 2})).await;
    site.db_insert("Shelf", json!({"name": "South"})).await;
    let book = site.db_insert("Book", json!({"shelf": "North"})).await;
    let page = administrator.get("/app/shelf/North?confirm=rename").await.status(200);
    assert!(page.body.contains("name=\"__new_name\" value=\"North\""), "the dialog begins with the old name");

    let taken = send(&administrator, "/app/shelf/North", &page, &[("__new_name", "South")], "rename").await;
    assert!(taken.status.is_client_error() && taken.body.contains("South"), "{}", taken.body);
    let empty = send(&administrator, "/app/shelf/North", &page, &[("__new_name", " ")], "rename").await;
    assert!(empty.status.is_client_error(), "{}", empty.status);

    let moved = send(&administrator, "/app/shelf/North", &page, &[("__new_name", "Ost & West")], "rename").await;
    let address = moved.redirect();
    assert_eq!(address, "/app/shelf/Ost%20%26%20West");
    let shown = administrator.get(&address).await.status(200);
    assert!(shown.body.contains("Renamed to Ost &amp; West"), "the next page says so");
    assert_eq!(form_values(&shown)["floor"], "2");
    assert_eq!(administrator.read("Book", &book).await.ok()["shelf"], "Ost & West");
    assert_eq!(administrator.get("/app/shelf/North").await.status, 404);
}

#[tokio::test]
async fn one_document_is_merged_into_another() {
    let (site, administrator) = library().await;
    for name in ["North", "South"] {
        site.db_insert("Shelf", json!({"name": name})).await;
    }
    let book = site.db_insert("Book", json!({"shelf": "North"})).await;
    let page = administrator.get("/app/shelf/North").await.status(200);
    let typed = [("__new_name", "South"), ("__merge", "1")];
    let merged = send(&administrator, "/app/shelf/North", &page, &typed, "rename").await.redirect();
    assert_eq!(merged, "/app/shelf/South");
    assert_eq!(site.db_names("Shelf", json!([])).await, ["South"]);
    assert_eq!(administrator.read("Book", &book).await.ok()["shelf"], "South");
}

#[tokio::test]
async fn a_draft_is_discarded_and_stays_for_the_record() {
    let (site, administrator) = library().await;
    let name = site.db_insert("Loan", json!({"title": "Dune"})).await;
    let address = format!("/app/loan/{name}");
    let page = administrator.get(&format!("{address}?confirm=discard")).await.status(200);
    assert!(page.body.contains("Discard Dune?"));
    assert_eq!(send(&administrator, &address, &page, &[], "discard").await.redirect(), address);
    let page = administrator.get(&address).await.status(200);
    assert!(page.body.contains(">Cancelled</span>") && !page.body.contains("name=\"title\""), "nothing can be changed");
    let again = send(&administrator, &address, &page, &[], "discard").await;
    assert!(again.status.is_client_error(), "only a draft can be discarded: {}", again.status);
}

#[tokio::test]
async fn a_copy_begins_with_what_the_original_has_and_is_another_document() {
    let (site, administrator) = library().await;
    let lines = json!([{"volume": "I", "remark": "torn"}]);
    let name = site.db_insert("Loan", json!({"title": "Dune", "days": 7, "pin": "1234", "lines": lines})).await;
    let address = format!("/app/loan/new?copy={name}");
    let page = administrator.get(&address).await.status(200);
    let values = form_values(&page);
    assert_eq!((&*values["title"], &*values["days"], &*values["lines.0.remark"]), ("Dune", "7", "torn"));
    assert_eq!(values["pin"], "", "secrets are not copied");
    let copy = send(&administrator, &address, &page, &[("title", "Dune Messiah")], "save").await.redirect();
    assert_ne!(copy, format!("/app/loan/{name}"));
    let loans = administrator.list("Loan", "fields=[\"title\"]&order_by=title asc").await.ok();
    assert_eq!(loans, json!([{"title": "Dune"}, {"title": "Dune Messiah"}]));
}

#[tokio::test]
async fn a_file_comes_with_the_form_itself() {
    let (site, administrator) = library().await;
    let page = administrator.get("/app/shelf/new").await.status(200);
    let mut values = form_values(&page);
    values.insert("name".to_owned(), "North".to_owned());
    values.insert("__action".to_owned(), "save".to_owned());
    let mut body = String::new();
    for (name, value) in &values {
        let _ = write!(body, "--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body.push_str(
        "--edge\r\nContent-Disposition: form-data; name=\"plan.__file\"; filename=\"plan.txt\"\r\n\
         Content-Type: text/plain\r\n\r\nfour walls\r\n--edge--\r\n",
    );
    let sent = administrator.send(Method::POST, "/app/shelf/new", "multipart/form-data; boundary=edge", body).await;
    assert_eq!(sent.redirect(), "/app/shelf/North");
    let plan = administrator.read("Shelf", "North").await.ok()["plan"].as_str().unwrap().to_owned();
    assert!(plan.starts_with("/private/files/plan"), "{plan}");
    assert_eq!(administrator.get(&plan).await.status(200).body, "four walls");
    assert_ne!(site.guest().get(&plan).await.status, 200, "nobody else reads it");
    let files = site.db_names("File", json!({"file_url": plan, "attached_to_name": "North"})).await;
    assert_eq!(files.len(), 1, "it belongs to the document that came to be with it");
    let shown = administrator.get("/app/shelf/North").await.status(200);
    assert!(shown.body.contains(&format!("href=\"{plan}\"")), "the form links it");
}

#[tokio::test]
async fn a_dynamic_link_points_at_a_document_of_the_doctype_beside_it() {
    let (site, administrator) = library().await;
    let book = site.db_insert("Book", json!({})).await;
    let page = administrator.get("/app/shelf/new").await.status(200);
    let nobody = [("name", "North"), ("kind", "Book"), ("first", "nothing of that name")];
    let refused = send(&administrator, "/app/shelf/new", &page, &nobody, "save").await.status(417);
    assert!(refused.body.contains("id=\"f-first-error\""), "{}", refused.body);
    let typed = [("first", book.as_str())];
    let saved = send(&administrator, "/app/shelf/new", &refused, &typed, "save").await.redirect();
    let shown = administrator.get(&saved).await.status(200);
    assert_eq!(form_values(&shown)["first"], book);
    let gone = administrator.remove("Book", &book).await;
    assert!(gone.status.is_client_error(), "a document that something points at stays: {}", gone.status);
}
