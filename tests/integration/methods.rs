//! RPC methods as Frappe's clients call them.

use poem::http::Method;
use serde_json::{Value as Json, json};

use crate::resource::{READER, book, library_with_books};
use crate::support::Client;

async fn call(client: &Client, method: &str, arguments: Json) -> Json {
    client.call(method, arguments).await.ok()
}

#[tokio::test]
async fn the_client_reads() {
    let (_site, alice) = library_with_books().await;
    let of_book = |more: Json| {
        let mut arguments = json!({"doctype": "Book"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    assert_eq!(call(&alice, "frappe.client.get_count", of_book(json!({}))).await, 3);
    let one = call(&alice, "frappe.client.get", of_book(json!({"name": "Dune"}))).await;
    assert_eq!(one["author"], "Herbert");
    let by_filters = call(&alice, "frappe.client.get", of_book(json!({"filters": {"author": "Austen"}}))).await;
    assert_eq!(by_filters["name"], "Emma");
    alice.call("frappe.client.get", of_book(json!({"filters": {"author": "?"}}))).await.error(404, "DoesNotExistError");
    let value = |fields: Json, more: Json| {
        let mut arguments = of_book(json!({"fieldname": fields}));
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let path = "frappe.client.get_value";
    let named = call(&alice, path, value(json!("pages"), json!({"filters": "Dune"}))).await;
    assert_eq!(named, json!({"pages": 412}));
    let bare = call(&alice, path, value(json!("pages"), json!({"filters": {"name": "Dune"}, "as_dict": 0}))).await;
    assert_eq!(bare, 412);
    let two = call(&alice, path, value(json!("[\"name\",\"pages\"]"), json!({"filters": "Dune", "as_dict": 0}))).await;
    assert_eq!(two, json!(["Dune", 412]));
    let none = call(&alice, path, value(json!("pages"), json!({"filters": {"name": "?"}}))).await;
    assert_eq!(none, json!({}));
    let link = json!({"doctype": "Shelf", "docname": "S1", "fields": "[\"label\"]"});
    assert_eq!(call(&alice, "frappe.client.validate_link", link).await, json!({"name": "S1", "label": "First shelf"}));
    let missing = json!({"doctype": "Shelf", "docname": "S9"});
    assert_eq!(call(&alice, "frappe.client.validate_link", missing).await, json!({"name": null}));
}

#[tokio::test]
async fn the_client_writes() {
    let (_site, alice) = library_with_books().await;
    let mut doc = book("Iliad", "Homer", 600);
    doc["doctype"] = json!("Book");
    assert_eq!(call(&alice, "frappe.client.insert", json!({"doc": doc.to_string()})).await["name"], "Iliad");
    let docs = json!([{"doctype": "Shelf", "name": "S2"}, {"doctype": "Shelf", "name": "S3"}]);
    assert_eq!(call(&alice, "frappe.client.insert_many", json!({"docs": docs})).await, json!(["S2", "S3"]));
    // All or none.
    let docs = json!([{"doctype": "Shelf", "name": "S4"}, {"doctype": "Shelf", "name": "S2"}]);
    alice.call("frappe.client.insert_many", json!({"docs": docs})).await.error(409, "DuplicateEntryError");
    alice.read("Shelf", "S4").await.error(404, "DoesNotExistError");
    let many: Vec<Json> = (0..201).map(|n| json!({"doctype": "Shelf", "name": n.to_string()})).collect();
    alice.call("frappe.client.insert_many", json!({"docs": many})).await.error(417, "ValidationError");

    let of_dune = json!({"doctype": "Book", "name": "Dune"});
    let set = |field: Json, value: Json| json!({"doctype": "Book", "name": "Dune", "fieldname": field, "value": value});
    assert_eq!(call(&alice, "frappe.client.set_value", set(json!("pages"), json!(1))).await["pages"], 1);
    let several = json!({"pages": 2, "author": "H"});
    assert_eq!(call(&alice, "frappe.client.set_value", set(several, Json::Null)).await["author"], "H");
    alice.call("frappe.client.set_value", set(json!("owner"), json!("x"))).await.error(417, "ValidationError");
    // A document as it was read goes back whole (frappe-ui's documentResource).
    let mut whole = call(&alice, "frappe.client.get", of_dune.clone()).await;
    whole["pages"] = json!(7);
    let first = set(whole.clone(), Json::Null);
    assert_eq!(call(&alice, "frappe.client.set_value", first).await["pages"], 7);
    // What was read before somebody else's change is refused.
    alice.call("frappe.client.set_value", set(whole, Json::Null)).await.error(417, "TimestampMismatchError");
    alice.call("frappe.client.set_value", set(json!({"nothing": 1}), Json::Null)).await.error(417, "ValidationError");
    let row = json!({"doctype": "Chapter", "parenttype": "Book", "parent": "Dune", "parentfield": "chapters", "heading": "I"});
    assert_eq!(call(&alice, "frappe.client.insert_many", json!({"docs": [row]})).await, json!(["Dune"]));

    let saved = json!({"doc": {"doctype": "Book", "name": "Dune", "pages": 3}});
    assert_eq!(call(&alice, "frappe.client.save", saved).await["pages"], 3);
    let updates = json!([
        {"doctype": "Book", "docname": "Dune", "pages": 4},
        {"doctype": "Book", "docname": "Nothing", "pages": 4},
    ]);
    let failed = call(&alice, "frappe.client.bulk_update", json!({"docs": updates.to_string()})).await;
    assert_eq!(failed["failed_docs"].as_array().unwrap().len(), 1);
    assert_eq!(failed["failed_docs"][0]["doc"]["docname"], "Nothing");

    let rename = json!({"doctype": "Book", "old_name": "Dune", "new_name": "Dune II"});
    let answer = alice.call("frappe.client.rename_doc", rename).await;
    assert!(answer.server_messages()[0].contains("Dune II"));
    assert_eq!(answer.ok(), "Dune II");
    let delete = json!({"doctype": "Book", "name": "Dune II"});
    let deleted = alice.json(Method::DELETE, "/api/method/frappe.client.delete", delete).await.status(200);
    assert!(deleted.json().get("message").is_none());
}

#[tokio::test]
async fn reading_writes_nothing_and_missing_arguments_are_named() {
    let (_site, alice) = library_with_books().await;
    alice.get("/api/method/frappe.client.delete?doctype=Book&name=Dune").await.error(403, "PermissionError");
    alice.get("/api/method/frappe.client.nothing").await.error(404, "DoesNotExistError");
    let refused = alice.call("frappe.client.get_list", json!({})).await.error(417, "FrappeTypeError");
    assert!(refused["_server_messages"].as_str().unwrap().contains("doctype"));
    alice.call("frappe.client.get_list", json!({"doctype": ["Book"]})).await.error(417, "FrappeTypeError");
    alice.call("frappe.client.insert", json!({"doc": "{"})).await.error(417, "DataError");
    alice.call("frappe.client.insert", json!({"doc": [1]})).await.error(417, "FrappeTypeError");
}

#[tokio::test]
async fn every_refusal_carries_the_exception_that_clients_raise_on() {
    let (site, alice) = library_with_books().await;
    for (answer, class) in [
        (alice.call("frappe.client.get_list", json!({})).await, "FrappeTypeError"),
        (alice.read("Book", "Nothing").await, "DoesNotExistError"),
        (alice.create("Book", json!({"pages": -1})).await, "MandatoryError"),
        (site.guest().read("Book", "Dune").await, "AuthenticationError"),
        (site.guest().log_in("alice@example.com", "wrong").await, "AuthenticationError"),
    ] {
        let body = answer.json();
        let exception = body["exception"].as_str().unwrap_or_default();
        assert!(exception.starts_with(&format!("frappe.exceptions.{class}: ")), "{body}");
        let exc: Vec<String> = serde_json::from_str(body["exc"].as_str().unwrap()).unwrap();
        assert_eq!(exc, [exception]);
    }
    let body = alice.get("/api/v2/document/Book/Nothing").await.json();
    assert!(body["errors"][0]["exception"].as_str().unwrap().contains("DoesNotExistError"), "{body}");
}

#[tokio::test]
async fn permissions_are_told() {
    let (site, _alice) = library_with_books().await;
    let reader = site.user("rita@example.com", &[READER]).await;
    let asked = |right: &str| json!({"doctype": "Book", "docname": "Dune", "perm_type": right});
    for (right, expected) in [("read", true), ("write", false)] {
        let answer = call(&reader, "frappe.client.has_permission", asked(right)).await;
        assert_eq!(answer, json!({"has_permission": expected}));
    }
    let all = call(&reader, "frappe.client.get_doc_permissions", asked("read")).await;
    assert_eq!((&all["permissions"]["read"], &all["permissions"]["delete"]), (&json!(1), &json!(0)));
    let password = json!({"doctype": "Book", "name": "Dune", "fieldname": "title"});
    reader.call("frappe.client.get_password", password).await.error(403, "PermissionError");
}

#[tokio::test]
async fn stored_secrets_are_read_by_nobody() {
    let (site, _alice) = library_with_books().await;
    let administrator = site.administrator().await;
    let key = json!({"kid": "k1", "alg": "ES256", "state": "Next", "public_jwk": "{}", "private_key": "a private key"});
    for (doctype, fieldname, values) in
        [("Token Cache", "access_token", json!({"access_token": "a token"})), ("OAuth Signing Key", "private_key", key)]
    {
        let name = site.db_insert(doctype, values).await;
        let asked = json!({"doctype": doctype, "name": name, "fieldname": fieldname});
        let answer = administrator.call("frappe.client.get_password", asked).await.status(403);
        assert!(!answer.body.contains("a token") && !answer.body.contains("a private key"), "{}", answer.body);
    }
    let app = json!({"provider_name": "Elsewhere", "client_secret": "typed by a person"});
    let name = site.db_insert("Connected App", app).await;
    let asked = json!({"doctype": "Connected App", "name": name, "fieldname": "client_secret"});
    administrator.call("frappe.client.get_password", asked).await.error(403, "PermissionError");
}

#[tokio::test]
async fn link_pickers_find_documents() {
    let (_site, alice) = library_with_books().await;
    let search = |more: Json| {
        let mut arguments = json!({"doctype": "Book", "txt": ""});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let found = call(&alice, "frappe.desk.search.search_link", search(json!({"txt": "aust"}))).await;
    assert_eq!(found, json!([{"value": "Emma", "description": "Austen"}]));
    let found = call(&alice, "frappe.desk.search.search_link", search(json!({"page_length": 2}))).await;
    assert_eq!(found.as_array().unwrap().len(), 2);
    let shelf = json!({"doctype": "Shelf", "txt": "first"});
    let found = call(&alice, "frappe.desk.search.search_link", shelf).await;
    assert_eq!(found, json!([{"value": "S1", "description": "", "label": "First shelf"}]));
    let doctypes = json!({"doctype": "DocType", "txt": "purchase"});
    let found = call(&alice, "frappe.desk.search.search_link", doctypes).await;
    assert_eq!(found[0]["value"], "Purchase Order");
    let rows = call(&alice, "frappe.desk.search.search_widget", search(json!({"txt": "dune"}))).await;
    assert_eq!(rows, json!([["Dune", "Herbert"]]));
}

#[tokio::test]
async fn a_form_loads_and_saves() {
    let (_site, alice) = library_with_books().await;
    let loaded = alice.get("/api/method/frappe.desk.form.load.getdoc?doctype=Book&name=Dune").await.json();
    assert_eq!(loaded["docs"][0]["name"], "Dune");
    assert_eq!(loaded["docinfo"]["permissions"]["write"], 1);
    let meta = alice.get("/api/method/frappe.desk.form.load.getdoctype?doctype=Book").await.json();
    assert_eq!((&meta["docs"][0]["name"], &meta["docs"][1]["name"]), (&json!("Book"), &json!("Chapter")));

    let mut doc = loaded["docs"][0].clone();
    doc["pages"] = json!(5);
    let saved = alice.call("frappe.desk.form.save.savedocs", json!({"doc": doc.to_string(), "action": "Save"})).await;
    assert_eq!(saved.json()["docs"][0]["pages"], 5);
    let new = json!({"doctype": "Book", "__islocal": 1, "name": "new-book-1", "title": "Odyssey",
        "chapters": [{"doctype": "Chapter", "__islocal": 1, "name": "new-chapter-1", "heading": "One"}]});
    let saved = alice.call("frappe.desk.form.save.savedocs", json!({"doc": new, "action": "Save"})).await.json();
    assert_eq!(saved["docs"][0]["name"], "Odyssey");

    let comment =
        json!({"reference_doctype": "Book", "reference_name": "Dune", "content": "Long", "comment_by": "God"});
    let comment = call(&alice, "frappe.desk.form.utils.add_comment", comment).await;
    assert_eq!(comment["comment_email"], "alice@example.com");
    let info = alice.call("frappe.desk.form.load.get_docinfo", json!({"doctype": "Book", "name": "Dune"})).await.json();
    assert!(info["docinfo"]["comments"][0]["content"].as_str().unwrap().contains("Long"));
}

#[tokio::test]
async fn a_document_knows_its_latest_comments() {
    let (site, alice) = library_with_books().await;
    let before = alice.read("Book", "Dune").await.ok();
    let reader = site.user("rita@example.com", &["Reader"]).await;
    let about = |content: &str| json!({"reference_doctype": "Book", "reference_name": "Dune", "content": content});
    let add = "frappe.desk.form.utils.add_comment";
    let first = call(&reader, add, about("Good")).await;
    call(&alice, add, about(&"long ".repeat(40))).await;
    alice
        .create(
            "Comment",
            json!({"reference_doctype": "Book", "reference_name": "Dune", "comment_type": "Info", "content": "i"}),
        )
        .await
        .ok();
    let comments = async || {
        let book = alice.read("Book", "Dune").await.ok();
        assert_eq!(book["modified"], before["modified"], "a comment is not a change");
        serde_json::from_str::<Json>(book["_comments"].as_str().unwrap_or_default()).unwrap()
    };
    let noted = comments().await;
    assert_eq!(noted[0], json!({"comment": first["content"], "by": "rita@example.com", "name": first["name"]}));
    assert_eq!((noted.as_array().unwrap().len(), noted[1]["comment"].as_str().unwrap().len()), (2, 100));
    let name = first["name"].as_str().unwrap();
    let changed = json!({"name": name, "content": "Better"});
    reader.call("frappe.desk.form.utils.update_comment", changed).await.status(200);
    assert!(comments().await[0]["comment"].as_str().unwrap().contains("Better"));

    for (wish, count) in
        [(json!(1), true), (json!(true), true), (json!("1"), true), (json!(0), false), (Json::Null, false)]
    {
        let asked =
            json!({"doctype": "Book", "fields": ["`name`"], "order_by": "name asc", "with_comment_count": wish});
        let table = call(&reader, "frappe.desk.reportview.get", asked.clone()).await;
        let rows = if count {
            json!([["Dune", 2], ["Emma", 0], ["Ulysses", 0]])
        } else {
            json!([["Dune"], ["Emma"], ["Ulysses"]])
        };
        assert_eq!(table["values"], rows, "{wish}");
        let row = &call(&reader, "frappe.desk.reportview.get_list", asked).await[0];
        assert_eq!(row.get("_comment_count"), count.then_some(&json!(2)), "{wish}");
    }
    let all = json!({"doctype": "Book", "page_length": 0, "with_comment_count": 1});
    reader.call("frappe.desk.reportview.get", all).await.error(417, "ValidationError");
    reader.remove("Comment", name).await.status(202);
    assert_eq!(comments().await.as_array().unwrap().len(), 1);
    alice.remove("Book", "Dune").await.status(202);
}

#[tokio::test]
async fn comments_are_counted_on_documents_that_one_may_see_only() {
    let (site, alice) = library_with_books().await;
    let about = json!({"reference_doctype": "Book", "reference_name": "Dune", "content": "Good"});
    call(&alice, "frappe.desk.form.utils.add_comment", about).await;
    alice.update("Book", "Emma", json!({"author": "Dune"})).await.ok();
    let rita = site.user("rita@example.com", &["Reader"]).await;
    let permission = json!({"user": "rita@example.com", "allow": "Book", "for_value": "Emma"});
    site.db_insert("User Permission", permission).await;
    let asked = json!({"doctype": "Book", "fields": ["author as name"], "with_comment_count": 1});
    let hidden = call(&rita, "frappe.desk.reportview.get_list", asked.clone()).await;
    assert_eq!(hidden, json!([{"name": "Dune", "_comment_count": 0}]));
    let seen = call(&alice, "frappe.desk.reportview.get_list", asked).await;
    assert!(seen.as_array().unwrap().contains(&json!({"name": "Dune", "_comment_count": 1})), "{seen}");
}

#[tokio::test]
async fn the_desk_lists_exports_and_deletes() {
    let (_site, alice) = library_with_books().await;
    let asked = json!({
        "doctype": "Book", "fields": ["`tabBook`.`name`", "`tabBook`.`pages`"],
        "order_by": "`tabBook`.`name` asc", "start": 0, "page_length": 2,
    });
    let table = call(&alice, "frappe.desk.reportview.get", asked.clone()).await;
    assert_eq!(table["keys"], json!(["name", "pages"]));
    assert_eq!(table["values"], json!([["Dune", 412], ["Emma", 300]]));
    assert_eq!(call(&alice, "frappe.desk.reportview.get_list", asked.clone()).await[1]["name"], "Emma");
    assert_eq!(call(&alice, "frappe.desk.reportview.get_count", json!({"doctype": "Book"})).await, 3);
    let csv = alice.call("frappe.desk.reportview.export_query", asked).await.status(200);
    assert!(csv.header("content-disposition").starts_with("attachment"));
    assert!(csv.body.contains("Dune,412\r\n"), "{}", csv.body);
    let items = json!({"doctype": "Book", "items": "[\"Dune\",\"Emma\"]"});
    alice.call("frappe.desk.reportview.delete_items", items).await.status(200);
    assert_eq!(call(&alice, "frappe.client.get_count", json!({"doctype": "Book"})).await, 1);
}

#[tokio::test]
async fn documents_are_shared_tagged_and_liked() {
    let (site, alice) = library_with_books().await;
    let bob = site.user("bob@example.com", &[]).await;
    bob.read("Book", "Dune").await.error(403, "PermissionError");
    let share = json!({"doctype": "Book", "name": "Dune", "user": "bob@example.com"});
    assert_eq!(call(&alice, "frappe.share.add", share.clone()).await["read"], 1);
    assert_eq!(bob.read("Book", "Dune").await.ok()["name"], "Dune");
    bob.update("Book", "Dune", json!({"pages": 1})).await.error(403, "PermissionError");
    bob.call("frappe.share.add", share.clone()).await.error(403, "PermissionError");
    let mut write = share.clone();
    write["permission_to"] = json!("write");
    call(&alice, "frappe.share.set_permission", write.clone()).await;
    assert_eq!(bob.update("Book", "Dune", json!({"pages": 1})).await.ok()["pages"], 1);
    let users = call(&alice, "frappe.share.get_users", json!({"doctype": "Book", "name": "Dune"})).await;
    assert_eq!(users[0]["user"], "bob@example.com");
    write["permission_to"] = json!("read");
    write["value"] = json!(0);
    call(&alice, "frappe.share.set_permission", write).await;
    bob.read("Book", "Dune").await.error(403, "PermissionError");

    let tag = json!({"tag": "Classic", "dt": "Book", "dn": "Dune"});
    assert_eq!(call(&alice, "frappe.desk.doctype.tag.tag.add_tag", tag).await, "Classic");
    let tags = call(&alice, "frappe.desk.doctype.tag.tag.get_tags", json!({"doctype": "Book", "txt": ""})).await;
    assert_eq!(tags, json!(["Classic"]));
    let tagged = json!({"doctype": "Book", "tag": "Classic"});
    assert_eq!(call(&alice, "frappe.desk.doctype.tag.tag.get_tagged_docs", tagged).await, json!(["Dune"]));
    let like = json!({"doctype": "Book", "name": "Dune", "add": "Yes"});
    alice.call("frappe.desk.like.toggle_like", like).await.status(200);
    assert_eq!(alice.read("Book", "Dune").await.ok()["_liked_by"], "[\"alice@example.com\"]");
}
