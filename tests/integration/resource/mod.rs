//! Documents over REST: `/api/resource` and `/api/v2`.

mod batch;
mod changes;
mod create;
mod delete;
mod list;
mod methods;
mod once;
mod patch;
mod read;
mod stream;
mod update;
mod v2;
mod versions;

use serde_json::{Value as Json, json};

use crate::support::{Client, TestSite};

/// A shelf, named by people.
pub const SHELF: &str = "
name: Shelf
autoname: Prompt
title_field: label
show_title_field_in_link: true
fields:
  - {fieldname: label, fieldtype: Data, label: Label}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1, export: 1, share: 1}
  - {role: Reader, read: 1}
";
/// A row of a book.
pub const CHAPTER: &str = "
name: Chapter
istable: true
fields:
  - {fieldname: heading, fieldtype: Data, label: Heading, reqd: 1}
  - {fieldname: pages, fieldtype: Int, label: Pages}
";
/// A book with rows, a link, rules and a level.
pub const BOOK: &str = "
name: Book
autoname: 'field:title'
allow_rename: true
search_fields: author
fields:
  - {fieldname: title, fieldtype: Data, label: Title, reqd: 1, length: 60}
  - {fieldname: author, fieldtype: Data, label: Author}
  - {fieldname: email, fieldtype: Data, label: Email, options: Email}
  - {fieldname: isbn, fieldtype: Data, label: ISBN, unique: 1}
  - {fieldname: pages, fieldtype: Int, label: Pages, non_negative: 1}
  - {fieldname: format, fieldtype: Select, label: Format, options: [Paper, Audio], default: Paper}
  - {fieldname: first_seen, fieldtype: Date, label: First Seen, set_only_once: 1}
  - {fieldname: shelf, fieldtype: Link, label: Shelf, options: Shelf}
  - {fieldname: price, fieldtype: Currency, label: Price, permlevel: 1}
  - {fieldname: chapters, fieldtype: Table, label: Chapters, options: Chapter}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1, export: 1, share: 1}
  - {role: System Manager, permlevel: 1, read: 1, write: 1}
  - {role: Reader, read: 1}
";
/// Something that is submitted.
pub const ORDER: &str = "
name: Purchase Order
is_submittable: true
autoname: 'PO-.####'
fields:
  - {fieldname: book, fieldtype: Link, label: Book, options: Book}
  - {fieldname: remark, fieldtype: Data, label: Remark, allow_on_submit: 1}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1, submit: 1, cancel: 1, amend: 1}
";
/// One document for the whole site.
pub const RULES: &str = "
name: Library Rules
issingle: true
fields:
  - {fieldname: days, fieldtype: Int, label: Days, default: 14}
permissions:
  - {role: System Manager, read: 1, write: 1}
";
/// A role for those who only read.
pub const READER: &str = "Reader";

/// A site with a small library.
pub async fn library() -> TestSite {
    // The role Reader comes into being with the DocTypes that name it.
    TestSite::new()
        .with_doctype(SHELF)
        .with_doctype(CHAPTER)
        .with_doctype(BOOK)
        .with_doctype(ORDER)
        .with_doctype(RULES)
        .await
}

/// The library, with its System Manager and some books.
pub async fn library_with_books() -> (TestSite, Client) {
    let site = library().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    alice.create("Shelf", json!({"name": "S1", "label": "First shelf"})).await.ok();
    for (title, author, pages) in [("Dune", "Herbert", 412), ("Emma", "Austen", 300), ("Ulysses", "Joyce", 730)] {
        alice.create("Book", book(title, author, pages)).await.ok();
    }
    (site, alice)
}

/// A book to create.
pub fn book(title: &str, author: &str, pages: i64) -> Json {
    json!({
        "title": title, "author": author, "pages": pages, "shelf": "S1",
        "chapters": [{"heading": format!("{title} 1"), "pages": 10}, {"heading": format!("{title} 2"), "pages": 20}],
    })
}

/// Orders a book; returns the name of the draft.
pub async fn order(client: &Client) -> String {
    let order = client.create("Purchase Order", json!({"book": "Dune"})).await.ok();
    order["name"].as_str().unwrap().to_owned()
}
