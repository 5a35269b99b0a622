//! DocTypes changed by form: what becomes of the file, of the tables and of everything that uses the DocType.

use std::path::PathBuf;

use serde_json::json;

use super::{form_values, send};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const BOOK: &str = "# What the library lends.
name: Book
module: Library   # a group of the desk
autoname: field:title
fields:
  # The cover says it.
  - fieldname: title
    label: \"Title\"   # by hand
    reqd: true
  - {fieldname: pages, fieldtype: Data, label: Pages}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1}
";

/// A site whose DocType files lie in a folder.
async fn library() -> (TestSite, Client, PathBuf) {
    let folder = tempfile::tempdir().unwrap().keep();
    std::fs::write(folder.join("book.yaml"), BOOK).unwrap();
    let configured = folder.clone();
    let site = TestSite::new().with_config(move |config| config.doctypes = vec![configured]).await;
    let administrator = site.administrator().await;
    (site, administrator, folder)
}

/// Types into the form of a DocType, looks at the review, and applies it.
async fn change(client: &Client, url: &str, typed: &[(&str, &str)]) -> (Response, Response) {
    let page = client.get(url).await.status(200);
    let review = send(client, url, &page, typed, "review").await.status(200);
    assert!(review.body.contains("Review changes"), "{}", review.body);
    let applied = send(client, url, &review, &[], "apply").await;
    (review, applied)
}

#[tokio::test]
async fn a_field_is_added_to_the_file_as_a_person_wrote_it_and_counts_at_once() {
    let (site, administrator, folder) = library().await;
    let typed = [
        ("fields.0.label", "Name"),
        ("fields.2.label", "ISBN"),
        ("fields.2.fieldtype", "Data"),
        ("fields.2.unique", "1"),
        ("fields.2.description", "13 digits: on the back."),
        ("fields.2.__spare", ""),
    ];
    let url = "/app/_model/Book";
    let page = administrator.get(url).await.status(200);
    let review = send(&administrator, url, &page, &typed, "review").await.status(200);
    assert!(review.body.contains("description: &quot;13 digits: on the back.&quot;"), "{}", review.body);
    assert_eq!(std::fs::read_to_string(folder.join("book.yaml")).unwrap(), BOOK, "a review changes nothing");
    assert!(review.body.contains("The form as it will be") && review.body.contains("f-isbn"), "the form is shown");

    let applied = send(&administrator, url, &review, &[("__why", "Lenders ask for it")], "apply").await;
    assert_eq!(applied.redirect(), "/app/doctype/Book");
    let expected = BOOK.replace("\"Title\"", "Name").replace(
        "label: Pages}\n",
        "label: Pages}\n  - fieldname: isbn\n    fieldtype: Data\n    label: ISBN\n    unique: true\n    description: \"13 digits: on the back.\"\n",
    );
    assert_eq!(std::fs::read_to_string(folder.join("book.yaml")).unwrap(), expected);
    site.db_insert("Book", json!({"title": "Dune", "isbn": "9780441172719"})).await;
    let again = administrator.create("Book", json!({"title": "Copy", "isbn": "9780441172719"})).await;
    assert_eq!(again.status, 417, "the new field is unique: {}", again.body);

    let history = administrator.get(url).await.status(200);
    assert!(history.body.contains("Lenders ask for it"), "who and why is kept");
    let undo = history.body.split("undo").nth(1).expect("a link to undo it").split('"').next().unwrap();
    let undo = format!("{url}?undo={}", undo.trim_start_matches(['=', '&', '#', 'x', '3', 'D', ';']));
    let review = administrator.get(&undo).await.status(200);
    assert!(review.body.contains("Left in place") || review.body.contains("isbn"), "{}", review.body);
    send(&administrator, url, &review, &[], "apply").await.redirect();
    assert_eq!(std::fs::read_to_string(folder.join("book.yaml")).unwrap(), BOOK, "a change can be undone");
}

#[tokio::test]
async fn what_comes_with_the_site_is_changed_by_an_overlay() {
    let (_site, administrator, folder) = library().await;
    let page = administrator.get("/app/_model/ToDo").await.status(200);
    assert!(page.body.contains("Overlay") && page.body.contains("custom/todo.yaml"), "{}", page.body);
    let row = position(&page, "description");
    let typed = [(format!("fields.{row}.label"), "What to do".to_owned())];
    let typed: Vec<(&str, &str)> = typed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (_, applied) = change(&administrator, "/app/_model/ToDo", &typed).await;
    applied.redirect();
    let overlay = std::fs::read_to_string(folder.join("custom/todo.yaml")).unwrap();
    assert_eq!(overlay, "extends: ToDo\n\nfields:\n  - fieldname: description\n    label: What to do\n");
    assert!(administrator.get("/app/todo/new").await.status(200).body.contains("What to do"));
}

/// The row of a field in the form.
fn position(page: &Response, fieldname: &str) -> usize {
    let values = form_values(page);
    (0..200).find(|row| values.get(&format!("fields.{row}.fieldname")).is_some_and(|name| name == fieldname)).unwrap()
}

#[tokio::test]
async fn a_new_doctype_has_a_form_a_list_and_an_api() {
    let (_site, administrator, folder) = library().await;
    let typed = [
        ("name", "Magazine"),
        ("module", "Library"),
        ("autoname", "field:title"),
        ("fields.0.label", "Title"),
        ("fields.0.reqd", "1"),
        ("fields.0.__spare", ""),
        ("fields.1.label", "Book"),
        ("fields.1.fieldtype", "Link"),
        ("fields.1.options", "Book"),
    ];
    let (review, applied) = change(&administrator, "/app/_model", &typed).await;
    assert!(review.body.contains("New file") && review.body.contains("library/magazine.yaml"), "{}", review.body);
    assert_eq!(applied.redirect(), "/app/doctype/Magazine");
    let text = std::fs::read_to_string(folder.join("library/magazine.yaml")).unwrap();
    assert!(text.starts_with("name: Magazine\nmodule: Library\nautoname: field:title\n"), "{text}");
    administrator.create("Magazine", json!({"title": "Nature"})).await.ok();
    administrator.get("/app/magazine/Nature").await.status(200);
    let taken = administrator.get("/app/_model").await.status(200);
    let typed = [("name", "Magazine"), ("fields.0.label", "Title"), ("fields.0.__spare", "")];
    let refused = send(&administrator, "/app/_model", &taken, &typed, "review").await;
    assert!(refused.body.contains("Magazine already exists"), "{}", refused.body);
}

#[tokio::test]
async fn mistakes_are_said_at_their_fields_and_nothing_is_written() {
    let (_site, administrator, folder) = library().await;
    let url = "/app/_model/Book";
    let page = administrator.get(url).await.status(200);
    let typed = [("fields.1.fieldtype", "Link"), ("fields.1.options", "Boook"), ("title_field", "titel")];
    let refused = send(&administrator, url, &page, &typed, "review").await;
    assert!(refused.status.is_client_error(), "{}", refused.status);
    assert!(refused.body.contains("Boook") && refused.body.contains("did you mean"), "{}", refused.body);
    assert!(refused.body.contains("f-fields-1"), "the summary leads to the row");
    assert_eq!(form_values(&refused)["title_field"], "titel", "what was typed is still there");
    let typed = [("fields.1.length", "many")];
    let refused = send(&administrator, url, &page, &typed, "review").await;
    assert!(refused.body.contains("Length must be a whole number"), "{}", refused.body);
    let applied = send(&administrator, url, &page, &[("title_field", "titel")], "apply").await;
    assert!(applied.status.is_client_error(), "nor by asking to apply it at once: {}", applied.status);
    assert_eq!(std::fs::read_to_string(folder.join("book.yaml")).unwrap(), BOOK);
}

#[tokio::test]
async fn a_change_that_can_lose_data_needs_a_tick_and_says_what_is_lost() {
    let (site, administrator, folder) = library().await;
    site.db_insert("Book", json!({"title": "Moby-Dick", "pages": "3 and more"})).await;
    let url = "/app/_model/Book";
    let page = administrator.get(url).await.status(200);
    let typed = [("fields.1.fieldtype", "Int")];
    let review = send(&administrator, url, &page, &typed, "review").await.status(200);
    assert!(review.body.contains("Can lose data") && review.body.contains("1 row"), "{}", review.body);
    let refused = send(&administrator, url, &review, &[], "apply").await;
    assert!(refused.status.is_client_error() && refused.body.contains("Tick the box"), "{}", refused.body);
    assert_eq!(std::fs::read_to_string(folder.join("book.yaml")).unwrap(), BOOK, "nothing happened");
    send(&administrator, url, &review, &[("__agree", "1")], "apply").await.redirect();
    assert!(std::fs::read_to_string(folder.join("book.yaml")).unwrap().contains("fieldtype: Int"));
    assert_eq!(administrator.read("Book", "Moby-Dick").await.ok()["pages"], json!(0));
    assert!(site.site.doctype_files.faults().is_empty(), "nothing is held back");
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let (_site, administrator, folder) = library().await;
    let url = "/app/_model/Book";
    let page = administrator.get(url).await.status(200);
    let review = send(&administrator, url, &page, &[("description", "Lent.")], "review").await.status(200);
    let other = BOOK.replace("label: Pages", "label: Leaves");
    std::fs::write(folder.join("book.yaml"), &other).unwrap();
    for (answered, action) in [(&page, "review"), (&review, "apply")] {
        let refused = send(&administrator, url, answered, &[], action).await;
        assert!(
            refused.status.is_client_error() && refused.body.contains("changed the file meanwhile"),
            "{}",
            refused.body
        );
    }
    assert_eq!(std::fs::read_to_string(folder.join("book.yaml")).unwrap(), other);
}

#[tokio::test]
async fn the_text_of_a_file_can_be_changed_and_must_stay_about_its_doctype() {
    let (_site, administrator, folder) = library().await;
    let url = "/app/_model/Book?as=text";
    let page = administrator.get(url).await.status(200);
    assert_eq!(form_values(&page)["__text"].trim_end(), BOOK.trim_end());
    for text in
        [BOOK.replace("name: Book", "name: User"), BOOK.replace("name: Book", "extends: User"), "name: [".to_owned()]
    {
        let refused = send(&administrator, "/app/_model/Book", &page, &[("__text", &text)], "review").await;
        assert!(refused.status.is_client_error(), "{text}: {}", refused.status);
    }
    let text = BOOK.replace("# The cover says it.", "# As on the cover.");
    let review = send(&administrator, "/app/_model/Book", &page, &[("__text", &text)], "review").await.status(200);
    send(&administrator, "/app/_model/Book", &review, &[], "apply").await.redirect();
    assert_eq!(std::fs::read_to_string(folder.join("book.yaml")).unwrap(), text);
}

#[tokio::test]
async fn only_who_may_change_definitions_does() {
    let (site, administrator, folder) = library().await;
    site.db_insert("Role", json!({"role_name": "Librarian", "desk_access": 1})).await;
    let reader = site.user("reader@example.com", &["Librarian"]).await;
    for url in ["/app/_model", "/app/_model/Book"] {
        assert_eq!(reader.get(url).await.status, 403, "{url}");
    }
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    let (_, applied) = change(&manager, "/app/_model/Book", &[("description", "Lent.")]).await;
    applied.redirect();
    assert!(std::fs::read_to_string(folder.join("book.yaml")).unwrap().contains("description: Lent."));
    // What decides about the site itself is Administrator's.
    let page = manager.get("/app/_model/User").await.status(200);
    let row = position(&page, "enabled");
    let permlevel = format!("fields.{row}.permlevel");
    for typed in [("permissions.0.if_owner", "1"), (permlevel.as_str(), "3")] {
        let refused = send(&manager, "/app/_model/User", &page, &[typed], "review").await;
        assert!(refused.body.contains("changed by Administrator"), "{typed:?}: {}", refused.body);
    }
    let text = [("__text", "extends: User\nlimited_to: []\n")];
    let refused = send(&manager, "/app/_model/User", &page, &text, "review").await;
    assert!(refused.body.contains("changed by Administrator"), "{}", refused.body);
    let label = format!("fields.{row}.label");
    let review = send(&manager, "/app/_model/User", &page, &[(label.as_str(), "Active")], "review").await;
    review.status(200);
    administrator.get("/app/_model/User").await.status(200);
}

#[tokio::test]
async fn where_the_folder_cannot_be_written_the_file_is_offered() {
    let site = TestSite::new().with_config(|config| config.doctypes = vec!["/proc/doctypes".into()]).await;
    let administrator = site.administrator().await;
    let page = administrator.get("/app/_model/ToDo").await.status(200);
    assert!(page.body.contains("cannot be written to"), "{}", page.body);
    let row = position(&page, "description");
    let label = format!("fields.{row}.label");
    let typed = [(label.as_str(), "What to do")];
    let review = send(&administrator, "/app/_model/ToDo", &page, &typed, "review").await.status(200);
    assert!(!review.body.contains("value=\"apply\""), "{}", review.body);
    let file = send(&administrator, "/app/_model/ToDo", &review, &[], "download").await.status(200);
    assert_eq!(file.body, "extends: ToDo\n\nfields:\n  - fieldname: description\n    label: What to do\n");
}

#[tokio::test]
async fn the_rights_of_all_roles_stand_side_by_side_and_lead_to_where_they_are_changed() {
    let (site, administrator, _) = library().await;
    let all = administrator.get("/app/_rights").await.status(200).body;
    let (book, user) = (all.find(">Book</a>").unwrap(), all.find(">User</a>").unwrap());
    assert!(book < user, "one's own DocTypes stand first");
    let one = administrator.get("/app/_rights?doctype=Book&role=System%20Manager").await.status(200).body;
    let row = one.split("<tbody>").nth(1).unwrap().split("</tr>").next().unwrap();
    assert_eq!(row.matches(">yes<").count(), 3, "read, write and create: {row}");
    assert!(row.contains("/app/_model/Book#f-permissions"), "{row}");
    assert!(!one.contains("row-link\" href=\"/app/doctype/User"), "only what was asked for");
    assert_eq!(administrator.get("/app/_rights?doctype=Boook").await.status, 404);
    site.db_insert("Role", json!({"role_name": "Librarian", "desk_access": 1})).await;
    let reader = site.user("reader@example.com", &["Librarian"]).await;
    assert_eq!(reader.get("/app/_rights").await.status, 403);
}
