//! What was deleted or changed comes back: Deleted Documents and Versions.

use doctyped::testing::load::Source;
use doctyped::testing::reload::reload;
use serde_json::{Value as Json, json};

use crate::desk::send;
use crate::support::{Client, TestSite};

const RESTORE: &str = "frappe.core.doctype.deleted_document.deleted_document.restore";
const BULK: &str = "frappe.core.doctype.deleted_document.deleted_document.bulk_restore";
const RESTORE_VERSION: &str = "frappe.core.doctype.version.version.restore";

const AUTHOR: &str = "
name: Author
autoname: Prompt
fields:
  - {fieldname: country, fieldtype: Data, label: Country}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1}
";
const CHAPTER: &str = "
name: Chapter
istable: true
fields:
  - {fieldname: heading, fieldtype: Data, label: Heading, in_list_view: 1}
  - {fieldname: pages, fieldtype: Int, label: Pages}
  - {fieldname: lock, fieldtype: Password, label: Lock}
";
const BOOK: &str = "
name: Book
autoname: 'B-.###'
is_submittable: 1
track_changes: 1
fields:
  - {fieldname: title, fieldtype: Data, label: Title, reqd: 1, in_list_view: 1}
  - {fieldname: author, fieldtype: Link, options: Author, label: Author, on_delete: ignore}
  - {fieldname: price, fieldtype: Currency, label: Price, permlevel: 1}
  - {fieldname: lent, fieldtype: Check, label: Lent}
  - {fieldname: pin, fieldtype: Password, label: Pin, reqd: 1}
  - {fieldname: digest, fieldtype: Data, label: Digest, secret: 1}
  - {fieldname: cover, fieldtype: Attach, label: Cover}
  - {fieldname: chapters, fieldtype: Table, options: Chapter, label: Chapters}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1, submit: 1, cancel: 1}
  - {role: Clerk, read: 1, write: 1, create: 1, delete: 1}
  - {role: Clerk, permlevel: 1, read: 1, write: 1}
";

async fn library() -> (TestSite, Client) {
    let site = TestSite::new().with_doctype(AUTHOR).with_doctype(CHAPTER).with_doctype(BOOK).await;
    let clerk = site.user("clerk@example.com", &["Clerk", "System Manager"]).await;
    clerk.create("Author", json!({"name": "Austen", "country": "England"})).await.ok();
    (site, clerk)
}

fn emma() -> Json {
    json!({
        "title": "Emma", "author": "Austen", "price": 12.5, "pin": "1815", "cover": "/files/emma.png",
        "chapters": [{"heading": "One", "pages": 10, "lock": "x"}, {"heading": "Two", "pages": 20}],
    })
}

/// Deletes a document; returns the name of what is kept of it.
async fn removed(site: &TestSite, client: &Client, doctype: &str, name: &str) -> String {
    client.remove(doctype, name).await.status(202);
    let kept = site.db_names("Deleted Document", json!({"deleted_doctype": doctype, "deleted_name": name})).await;
    kept.last().expect("it is kept").clone()
}

#[tokio::test]
async fn a_deleted_document_comes_back_with_rows_owner_and_levels_whoever_restores_it() {
    let (site, clerk) = library().await;
    let before = clerk.create("Book", emma()).await.ok();
    let kept = removed(&site, &clerk, "Book", "B-001").await;
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    let data = manager.read("Deleted Document", &kept).await.ok()["data"].to_string();
    assert!(!data.contains("1815") && !data.contains("digest"), "secrets are not kept: {data}");

    let answer = manager.call(RESTORE, json!({"name": kept})).await.status(200);
    assert_eq!(answer.json()["message"]["name"], "B-001");
    let notes = answer.json()["message"]["notes"].to_string();
    assert!(notes.contains("Pin") && notes.contains("Lock") && notes.contains("Cover"), "{notes}");
    let after = clerk.read("Book", "B-001").await.ok();
    for key in ["name", "owner", "creation", "title", "author", "price", "docstatus"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_eq!(after["pin"], Json::Null);
    for (row, heading) in [(0, "One"), (1, "Two")] {
        assert_eq!(after["chapters"][row]["heading"], heading);
        assert_eq!(after["chapters"][row]["name"], before["chapters"][row]["name"], "rows keep their names");
    }
    let marked = manager.read("Deleted Document", &kept).await.ok();
    assert_eq!((&marked["restored"], &marked["new_name"]), (&json!(1), &json!("B-001")));

    let again = manager.call(RESTORE, json!({"name": kept})).await.error(417, "DocumentAlreadyRestored");
    assert!(again.to_string().contains("B-001"), "{again}");
    let next = clerk.create("Book", json!({"title": "Next", "pin": "1"})).await.ok();
    assert_eq!(next["name"], "B-002", "the series goes on behind what came back");
}

#[tokio::test]
async fn a_name_that_is_taken_by_now_gives_way_and_another_can_be_asked_for() {
    let (site, clerk) = library().await;
    clerk.create("Book", emma()).await.ok();
    let kept = removed(&site, &clerk, "Book", "B-001").await;
    clerk.create("Book", json!({"title": "Other", "pin": "1"})).await.ok();
    let answer = clerk.call(RESTORE, json!({"name": kept})).await.ok();
    assert_eq!(answer["name"], "B-002");
    assert_eq!(clerk.read("Book", "B-002").await.ok()["title"], "Emma");

    clerk.create("Author", json!({"name": "Joyce"})).await.ok();
    let first = removed(&site, &clerk, "Author", "Joyce").await;
    clerk.create("Author", json!({"name": "Joyce"})).await.ok();
    assert_eq!(clerk.call(RESTORE, json!({"name": first})).await.ok()["name"], "Joyce-1");
    let second = removed(&site, &clerk, "Author", "Joyce").await;
    let taken = clerk.call(RESTORE, json!({"name": second, "new_name": "Austen"})).await;
    assert!(taken.status.is_client_error() && taken.body.contains("Austen"), "{}", taken.body);
    assert_eq!(clerk.read("Deleted Document", &second).await.ok()["restored"], 0, "a refusal leaves it as it was");
    let asked = clerk.call(RESTORE, json!({"name": second, "new_name": "James Joyce"})).await.ok();
    assert_eq!(asked["name"], "James Joyce");
}

#[tokio::test]
async fn whoever_may_not_create_such_documents_may_not_restore_them() {
    let (site, clerk) = library().await;
    clerk.create("Book", emma()).await.ok();
    let kept = removed(&site, &clerk, "Book", "B-001").await;
    let outsider = site.user("out@example.com", &["Clerk"]).await;
    outsider.call(RESTORE, json!({"name": kept})).await.error(403, "PermissionError");
    outsider.call(BULK, json!({"docnames": [kept]})).await.error(403, "PermissionError");
    site.guest().call(RESTORE, json!({"name": kept})).await.error(401, "AuthenticationError");
    clerk.read("Book", "B-001").await.error(404, "DoesNotExistError");
}

#[tokio::test]
async fn what_no_longer_fits_is_said_and_nothing_is_half_restored() {
    let (site, clerk) = library().await;
    clerk.create("Book", emma()).await.ok();
    let kept = removed(&site, &clerk, "Book", "B-001").await;
    clerk.remove("Author", "Austen").await.status(202);
    let answer = clerk.call(RESTORE, json!({"name": kept})).await.error(417, "LinkValidationError");
    assert!(answer.to_string().contains("Austen"), "{answer}");
    assert_eq!(clerk.read("Deleted Document", &kept).await.ok()["restored"], 0);
    let author = site.db_names("Deleted Document", json!({"deleted_doctype": "Author"})).await;
    clerk.call(RESTORE, json!({"name": author[0]})).await.ok();

    let changed = BOOK.replace("fieldname: title", "fieldname: heading, renamed_from: title");
    let changed = changed.replace("  - {fieldname: lent, fieldtype: Check, label: Lent}\n", "");
    let sources: Vec<Source> = [AUTHOR, CHAPTER, &changed]
        .iter()
        .enumerate()
        .map(|(at, text)| Source { path: format!("test/{at}.yaml"), text: (*text).to_owned() })
        .collect();
    reload(&site.site, &sources).await;
    let answer = clerk.call(RESTORE, json!({"name": kept})).await.error(417, "MandatoryError");
    assert!(answer.to_string().contains("Title"), "{answer}");

    reload(&site.site, &sources[..2]).await;
    let answer = clerk.call(RESTORE, json!({"name": kept})).await.error(417, "ValidationError");
    assert!(answer.to_string().contains("the DocType Book no longer exists"), "{answer}");
}

#[tokio::test]
async fn cancelled_documents_come_back_as_drafts() {
    let (site, clerk) = library().await;
    let order = clerk.create("Book", emma()).await.ok();
    let name = order["name"].as_str().unwrap();
    let book = format!("/api/v2/document/Book/{name}/method");
    clerk.post(&format!("{book}/submit"), json!({})).await.status(200);
    clerk.post(&format!("{book}/cancel"), json!({})).await.status(200);
    let kept = removed(&site, &clerk, "Book", name).await;
    let answer = clerk.call(RESTORE, json!({"name": kept})).await.ok();
    assert!(answer["notes"].to_string().contains("draft"), "{answer}");
    assert_eq!(clerk.read("Book", name).await.ok()["docstatus"], 0);
}

#[tokio::test]
async fn several_are_restored_each_by_itself() {
    let (site, clerk) = library().await;
    let mut kept = Vec::new();
    for name in ["A", "B"] {
        clerk.create("Author", json!({"name": name})).await.ok();
        kept.push(removed(&site, &clerk, "Author", name).await);
    }
    clerk.call(RESTORE, json!({"name": kept[0]})).await.ok();
    let answer = clerk.call(BULK, json!({"docnames": [kept[0], kept[1], "nothing"]})).await.ok();
    assert_eq!(answer, json!({"restored": [kept[1]], "invalid": [kept[0]], "failed": ["nothing"]}));
    clerk.read("Author", "B").await.ok();
}

#[tokio::test]
async fn of_several_attempts_at_once_one_restores() {
    let (site, clerk) = library().await;
    clerk.create("Book", emma()).await.ok();
    let kept = removed(&site, &clerk, "Book", "B-001").await;
    let attempts = (0..4).map(|_| clerk.call(RESTORE, json!({"name": kept})));
    let answers = futures_util::future::join_all(attempts).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(site.db_names("Book", json!([])).await, ["B-001"]);
}

#[tokio::test]
async fn the_desk_restores_from_the_form_and_from_the_list() {
    let (site, clerk) = library().await;
    clerk.create("Author", json!({"name": "Joyce"})).await.ok();
    let kept = removed(&site, &clerk, "Author", "Joyce").await;
    let address = format!("/app/deleted-document/{kept}");
    let page = clerk.get(&format!("{address}?confirm=restore")).await.status(200);
    let moved = send(&clerk, &address, &page, &[("__new_name", "James")], "restore").await.redirect();
    assert_eq!(moved, "/app/author/James");
    assert!(clerk.get(&moved).await.status(200).body.contains("Restored James"));
    let page = clerk.get(&address).await.status(200);
    assert!(!page.body.contains("data-open=\"restore\""), "what is restored cannot be restored again");

    let kept = removed(&site, &clerk, "Author", "James").await;
    let page = clerk.get("/app/deleted-document").await.status(200);
    assert!(page.body.contains("Restore selected"), "{}", page.body);
    let token = page.body.split("name=\"csrf_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let form = [("csrf_token", token), ("names", kept.as_str()), ("__action", "restore")];
    let moved = clerk.form("/app/deleted-document", &form).await.redirect();
    assert!(clerk.get(&moved).await.status(200).body.contains("Restored 1 document"));
    clerk.read("Author", "James").await.ok();
}

/// The Versions of a document, oldest first.
async fn versions(site: &TestSite, name: &str) -> Vec<String> {
    site.db_names("Version", json!({"docname": name})).await
}

#[tokio::test]
async fn an_earlier_version_comes_back_with_the_rows_that_were_deleted() {
    let (site, clerk) = library().await;
    let first = clerk.create("Book", emma()).await.ok();
    let row = |at: usize| first["chapters"][at]["name"].as_str().unwrap().to_owned();
    let two = json!([{"name": row(1), "heading": "Two", "pages": 21}, {"heading": "Three", "pages": 3}]);
    clerk.update("Book", "B-001", json!({"title": "Emma!", "lent": 1, "chapters": two})).await.ok();
    clerk.update("Book", "B-001", json!({"title": "Other", "price": 99.5, "chapters": []})).await.ok();
    let known = versions(&site, "B-001").await;
    assert_eq!(known.len(), 2);

    clerk.call(RESTORE_VERSION, json!({"name": known[0]})).await.ok();
    let book = clerk.read("Book", "B-001").await.ok();
    assert_eq!((&book["title"], &book["lent"], &book["price"]), (&json!("Emma!"), &json!(1), &json!(12.5)));
    assert_eq!(book["chapters"][0]["name"], row(1));
    assert_eq!(book["chapters"][0]["pages"], 21);
    assert_eq!(book["chapters"][1]["heading"], "Three");

    let old = first["modified"].clone();
    let stale = json!({"name": known[0], "before": 1, "modified": old});
    clerk.call(RESTORE_VERSION, stale).await.error(417, "TimestampMismatchError");
    clerk.call(RESTORE_VERSION, json!({"name": known[0], "before": 1})).await.ok();
    let book = clerk.read("Book", "B-001").await.ok();
    for key in ["title", "lent", "price"] {
        assert_eq!(book[key], first[key], "{key}");
    }
    for at in [0, 1] {
        for key in ["name", "heading", "pages"] {
            assert_eq!(book["chapters"][at][key], first["chapters"][at][key], "{at} {key}");
        }
    }
    assert_eq!(versions(&site, "B-001").await.len(), 4, "restoring is a change like any other");
}

#[tokio::test]
async fn a_version_is_restored_with_the_rights_and_levels_of_an_update() {
    let (site, clerk) = library().await;
    clerk.create("Book", emma()).await.ok();
    clerk.update("Book", "B-001", json!({"title": "Other", "price": 99.5})).await.ok();
    let known = versions(&site, "B-001").await;
    let reader = site.user("reader@example.com", &[]).await;
    reader.call(RESTORE_VERSION, json!({"name": known[0], "before": 1})).await.error(403, "PermissionError");
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    manager.call(RESTORE_VERSION, json!({"name": known[0], "before": 1})).await.ok();
    let book = clerk.read("Book", "B-001").await.ok();
    assert_eq!((&book["title"], &book["price"]), (&json!("Emma"), &json!(99.5)), "a level that is not theirs stays");
}

#[tokio::test]
async fn the_desk_shows_what_changed_and_restores_a_version() {
    let (site, clerk) = library().await;
    let first = clerk.create("Book", emma()).await.ok();
    let chapters = json!([{"name": first["chapters"][0]["name"], "heading": "One", "pages": 11}]);
    clerk.update("Book", "B-001", json!({"title": "Emma!", "lent": 1, "chapters": chapters})).await.ok();
    clerk.update("Book", "B-001", json!({"title": "Other"})).await.ok();
    let page = clerk.get("/app/book/B-001").await.status(200);
    for text in ["<ins>Yes</ins>", "Chapters row 1: Pages", "Restore this version", "Restore the version before"] {
        assert!(page.body.contains(text), "{text}");
    }
    let known = versions(&site, "B-001").await;
    let action = format!("restore:{}", known[0]);
    send(&clerk, "/app/book/B-001", &page, &[("title", "Not saved")], &action).await.redirect();
    assert_eq!(clerk.read("Book", "B-001").await.ok()["title"], "Emma!");
    let stale = send(&clerk, "/app/book/B-001", &page, &[], &format!("restore-before:{}", known[0])).await;
    assert!(stale.body.contains("Somebody else saved"), "{}", stale.status);
    let other = format!("restore:{}", known[0]);
    clerk.create("Author", json!({"name": "Joyce"})).await.ok();
    let page = clerk.get("/app/author/Joyce").await.status(200);
    assert!(send(&clerk, "/app/author/Joyce", &page, &[], &other).await.status.is_client_error());
}

#[tokio::test]
async fn whatever_kind_of_document_was_deleted_restoring_it_is_answered() {
    let (site, _clerk) = library().await;
    let administrator = site.administrator().await;
    let registry = site.documents().registry();
    let mut restored = 0;
    for (seed, doctype) in registry.iter().enumerate() {
        if doctype.issingle || doctype.istable || doctype.is_virtual || !doctype.keeps_deleted() {
            continue;
        }
        let values = super::sample::document(&site, &administrator, doctype, 700 + seed).await;
        let made = administrator.create(&doctype.name, Json::Object(values)).await;
        let Some(name) = made.json()["data"]["name"].as_str().map(str::to_owned) else { continue };
        if administrator.remove(&doctype.name, &name).await.status != 202 {
            continue;
        }
        let filters = json!({"deleted_doctype": doctype.name, "deleted_name": name});
        let kept = site.db_names("Deleted Document", filters).await;
        let answer = administrator.call(RESTORE, json!({"name": kept[0]})).await;
        assert!(!answer.status.is_server_error(), "{}: {}", doctype.name, answer.body);
        if answer.status == 200 {
            restored += 1;
            let back = answer.json()["message"]["name"].as_str().unwrap().to_owned();
            administrator.read(&doctype.name, &back).await.status(200);
        }
    }
    assert!(restored > 5, "only {restored} kinds came back");
}
