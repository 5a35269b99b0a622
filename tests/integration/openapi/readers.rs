//! Who reads what of the model: the OpenAPI document, definitions and searches hold what their reader may use.

use serde_json::json;

use crate::support::TestSite;

const BOOK: &str = "
name: Book
module: Tests
autoname: Prompt
fields:
  - { fieldname: title, fieldtype: Data, label: Title }
  - { fieldname: price, fieldtype: Int, label: Price, permlevel: 1 }
  - { fieldname: pages, fieldtype: Table, label: Pages, options: Book Page }
permissions:
  - { role: Reader, read: true }
  - { role: Clerk, read: true, write: true, create: true, delete: true }
  - { role: Clerk, permlevel: 1, read: true }
";
const PAGE: &str = "
name: Book Page
module: Tests
istable: true
fields:
  - { fieldname: text, fieldtype: Data, label: Text }
";
const SECRET: &str = "
name: Secret Plan
module: Tests
fields:
  - { fieldname: plan, fieldtype: Data, label: Plan }
permissions:
  - { role: Boss, read: true, write: true }
";

async fn site() -> TestSite {
    TestSite::new().with_doctype(BOOK).with_doctype(PAGE).with_doctype(SECRET).await
}

#[tokio::test]
async fn the_document_holds_what_its_reader_may_use() {
    let site = site().await;
    let reader = site.user("reader@example.com", &["Reader"]).await;
    let clerk = site.user("clerk@example.com", &["Clerk"]).await;
    let read = async |client: &crate::support::Client| client.get("/api/openapi.json").await.status(200);
    let (of_reader, of_clerk) = (read(&reader).await, read(&clerk).await);
    for answer in [&of_reader, &of_clerk] {
        assert!(!answer.body.contains("Secret Plan") && !answer.body.contains("Secret_Plan"), "{}", answer.body);
        assert!(answer.body.contains("BookPage") && !answer.body.contains("OAuthSigningKey"));
    }
    assert!(!of_reader.body.contains("\"price\"") && of_clerk.body.contains("\"price\""));
    let document = of_reader.json();
    let item = &document["paths"]["/api/resource/Book/{name}"];
    assert!(item["get"].is_object() && item["put"].is_null() && item["delete"].is_null(), "{item}");
    assert!(of_clerk.json()["paths"]["/api/resource/Book/{name}"]["put"].is_object());
    // Readers of the same get the same bytes; others do not.
    let other = site.user("other@example.com", &["Reader"]).await;
    assert_eq!(read(&other).await.header("etag"), of_reader.header("etag"));
    assert_ne!(of_clerk.header("etag"), of_reader.header("etag"));
}

#[tokio::test]
async fn guests_read_the_document_where_the_site_says_so() {
    let site = site().await;
    let guest = site.guest();
    guest.get("/api/openapi.json").await.error(401, "AuthenticationError");
    assert_ne!(guest.get("/api/docs").await.status, 200);
    site.db_update("System Settings", "System Settings", json!({"allow_guests_to_read_api_description": 1})).await;
    let document = guest.get("/api/openapi.json").await.status(200).json();
    assert!(document["paths"]["/api/resource/Secret%20Plan"].is_object());
    let _ = guest.get("/api/docs").await.status(200);
}

#[tokio::test]
async fn definitions_and_searches_tell_of_what_may_be_used() {
    let site = site().await;
    let reader = site.user("reader@example.com", &["Reader"]).await;
    for path in ["/api/v2/doctype/{}/meta", "/api/method/frappe.desk.form.load.getdoctype?doctype={}"] {
        reader.get(&path.replace("{}", "Secret%20Plan")).await.error(403, "PermissionError");
        let book = reader.get(&path.replace("{}", "Book")).await.status(200).body;
        assert!(book.contains("\"title\"") && !book.contains("\"price\"") && !book.contains("Clerk"), "{book}");
        let _ = reader.get(&path.replace("{}", "Book%20Page")).await.status(200);
    }
    let found =
        reader.call("frappe.desk.search.search_link", json!({"doctype": "DocType", "txt": "Secret"})).await.ok();
    assert_eq!(found, json!([]));
    let found = reader.call("frappe.desk.search.search_link", json!({"doctype": "DocType", "txt": "Book"})).await.ok();
    assert!(found.to_string().contains("Book"), "{found}");
    // Names of people are for those who may choose among them.
    site.db_user("visitor@example.com", json!({"user_type": "Website User"})).await;
    let visitor = site.guest();
    visitor.log_in("visitor@example.com", crate::support::PASSWORD).await.ok();
    let users = json!({"doctype": "User", "txt": ""});
    visitor.call("frappe.desk.search.search_link", users).await.error(403, "PermissionError");
}
