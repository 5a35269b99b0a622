//! Every class of error (`docs/frappe/rest.md`: Errors) that can occur over REST, provoked by a request, in both envelopes.

use poem::http::Method;
use serde_json::{Value as Json, json};

use crate::resource::{READER, library_with_books};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

/// Sends the same request to both versions; each answers in its own envelope.
async fn check(client: &Client, verb: Method, path: &str, body: Json, status: u16, exc_type: &str) {
    for (prefix, is_v2) in [("/api/resource", false), ("/api/v2/document", true)] {
        let verb = if is_v2 && verb == Method::PUT { Method::PATCH } else { verb.clone() };
        let answer = client.json(verb, &format!("{prefix}/{path}"), body.clone()).await;
        expect(&answer, is_v2, status, exc_type, path);
    }
}

fn expect(answer: &Response, is_v2: bool, status: u16, exc_type: &str, what: &str) {
    let body = answer.json();
    assert_eq!(answer.status.as_u16(), status, "{what}: {body}");
    if is_v2 {
        let error = &body["errors"][0];
        assert_eq!(error["type"], exc_type, "{what}: {body}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {body}");
        assert!(error["title"].is_string() && error["indicator"] == "red", "{what}: {body}");
    } else {
        assert_eq!(body["exc_type"], exc_type, "{what}: {body}");
        assert!(!answer.server_messages().is_empty(), "{what}: {body}");
        let exception = format!("frappe.exceptions.{exc_type}: ");
        assert!(body["exception"].as_str().is_some_and(|text| text.starts_with(&exception)), "{what}: {body}");
        assert!(body["exc"].as_str().is_some_and(|text| !text.contains("Traceback")), "{what}: {body}");
    }
}

#[tokio::test]
async fn documents_fail_in_their_own_words() {
    let (site, alice) = library_with_books().await;
    alice.create("Book", json!({"title": "Old", "first_seen": "2026-01-01", "isbn": "1"})).await.ok();
    let order = alice.create("Purchase Order", json!({"book": "Dune", "docstatus": 1})).await.ok();
    let order = format!("Purchase%20Order/{}", order["name"].as_str().unwrap());
    let draft = alice.create("Purchase Order", json!({"book": "Dune"})).await.ok();
    let draft = format!("Purchase%20Order/{}", draft["name"].as_str().unwrap());
    let (post, put) = (Method::POST, Method::PUT);
    let long = "x".repeat(61);
    for (verb, path, body, status, exc_type) in [
        (post.clone(), "Book", json!({"pages": 1}), 417, "MandatoryError"),
        (post.clone(), "Book", json!({"title": "A", "shelf": "nowhere"}), 417, "LinkValidationError"),
        (post.clone(), "Book", json!({"title": "A", "isbn": "1"}), 417, "UniqueValidationError"),
        (post.clone(), "Book", json!({"title": "A", "email": "x"}), 417, "InvalidEmailAddressError"),
        (post.clone(), "Book", json!({"title": "A", "pages": -1}), 417, "NonNegativeError"),
        (post.clone(), "Book", json!({"title": "A", "author": "x".repeat(141)}), 417, "CharacterLengthExceededError"),
        (post.clone(), "Book", json!({"title": long}), 417, "CharacterLengthExceededError"),
        (post.clone(), "Book", json!({"title": "A", "format": "Stone"}), 417, "ValidationError"),
        (post.clone(), "Book", json!({"title": "A", "chapters": 1}), 417, "ValidationError"),
        (post.clone(), "Book", json!({"title": "Dune"}), 409, "DuplicateEntryError"),
        (post.clone(), "Shelf", json!({"name": "S1"}), 409, "DuplicateEntryError"),
        (post.clone(), "Shelf", json!({"name": "a<b"}), 409, "NameError"),
        (post.clone(), "Shelf", json!({}), 417, "ValidationError"),
        (post, "Nothing", json!({}), 404, "DoesNotExistError"),
        (put.clone(), "Book/Nothing", json!({}), 404, "DoesNotExistError"),
        (put.clone(), "Book/Dune", json!({"modified": "2001-01-01 00:00:00"}), 417, "TimestampMismatchError"),
        (put.clone(), "Book/Old", json!({"first_seen": "2026-02-02"}), 417, "CannotChangeConstantError"),
        (put.clone(), &order, json!({"book": "Emma"}), 417, "UpdateAfterSubmitError"),
        (put.clone(), &order, json!({"docstatus": 0}), 417, "DocstatusTransitionError"),
        (put.clone(), &draft, json!({"docstatus": 2}), 417, "DocstatusTransitionError"),
        (put, &draft, json!({"docstatus": 9}), 417, "DocstatusTransitionError"),
        (Method::DELETE, "Shelf/S1", json!({}), 417, "LinkExistsError"),
        (Method::DELETE, &order, json!({}), 417, "ValidationError"),
    ] {
        check(&alice, verb, path, body, status, exc_type).await;
    }
    let reader = site.user("rita@example.com", &[READER]).await;
    check(&reader, Method::PUT, "Book/Dune", json!({"pages": 1}), 403, "PermissionError").await;
    check(&reader, Method::DELETE, "Book/Dune", json!({}), 403, "PermissionError").await;
    check(&reader, Method::POST, "Book", json!({"title": "A"}), 403, "PermissionError").await;
    check(&site.guest(), Method::GET, "Book/Dune", json!({}), 401, "AuthenticationError").await;
    check(&alice, Method::GET, "Book?x", json!({"filters": {"nothing": 1}}), 417, "DataError").await;
    for fields in [json!(["(select 1)"]), json!(["sleep(1)"]), json!(["name as \"a; b\""]), json!([{"SLEEP": "name"}])]
    {
        check(&alice, Method::GET, "Book?x", json!({"fields": fields}), 417, "DataError").await;
    }
    let search = json!({"doctype": "Book", "txt": "", "searchfield": "1=1"});
    alice.call("frappe.desk.search.search_link", search.clone()).await.error(417, "DataError");
    alice.call("frappe.desk.search.search_widget", search).await.error(417, "DataError");
}

#[tokio::test]
async fn requests_fail_in_their_own_words() {
    let (_site, alice) = library_with_books().await;
    for (prefix, is_v2) in [("/api", false), ("/api/v2", true)] {
        let path = |rest: &str| format!("{prefix}{rest}");
        let unknown = alice.get(&path("/nothing/at/all")).await;
        expect(&unknown, is_v2, 404, "DoesNotExistError", "route");
        let method = alice.get(&path("/method/nothing")).await;
        expect(&method, is_v2, 404, "DoesNotExistError", "method");
        let missing = alice.post(&path("/method/frappe.client.get_list"), json!({})).await;
        expect(&missing, is_v2, 417, "FrappeTypeError", "argument");
        let verb = alice.get(&path("/method/frappe.client.delete?doctype=Book&name=Dune")).await;
        expect(&verb, is_v2, 403, "PermissionError", "verb");
        let broken = path("/method/frappe.client.get_list");
        let broken = alice.send(Method::POST, &broken, "application/json", "{").await;
        expect(&broken, is_v2, 400, "ValidationError", "body");
        let root = if is_v2 { "/document/Book" } else { "/resource/Book" };
        let limit = alice.get(&path(&format!("{root}?limit=abc"))).await;
        expect(&limit, is_v2, 417, "FrappeTypeError", "limit");
        let wrong = alice.delete(&path(root)).await;
        expect(&wrong, is_v2, 405, "MethodNotAllowed", "405");
        assert!(!wrong.header("allow").is_empty());
    }
}

#[tokio::test]
async fn a_name_of_the_wrong_type_is_a_name_error() {
    let numbered = "
name: Ticket
autoname: UUID
fields: [{fieldname: title, fieldtype: Data, label: Title}]
permissions: [{role: System Manager, read: 1, write: 1, create: 1}]
";
    let site = TestSite::new().with_doctype(numbered).await;
    let admin = site.administrator().await;
    check(&admin, Method::POST, "Ticket", json!({"name": "no uuid"}), 417, "InvalidUUIDValue").await;
}
