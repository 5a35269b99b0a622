//! Methods of documents.

use std::collections::BTreeSet;

use doctyped::testing::document::ListRequest;
use doctyped::testing::permissions::Session;
use poem::http::Method;
use serde_json::{Value as Json, json};

use super::library_with_books;
use crate::oauth::support::Program;
use crate::support::{Client, TestSite};

#[tokio::test]
async fn a_document_is_submitted_cancelled_and_amended() {
    let (_site, alice) = library_with_books().await;
    let order = alice.create("Purchase Order", json!({"book": "Dune"})).await.ok();
    let name = order["name"].as_str().unwrap().to_owned();
    let path = format!("/api/v2/document/Purchase%20Order/{name}/method");
    let answer = alice.post(&format!("{path}/submit"), json!({})).await.json();
    assert_eq!(answer["docs"][0]["docstatus"], 1);
    alice.update("Purchase Order", &name, json!({"book": "Emma"})).await.error(417, "UpdateAfterSubmitError");
    assert_eq!(alice.update("Purchase Order", &name, json!({"remark": "x"})).await.ok()["remark"], "x");
    let cancelled = alice.post(&format!("/api/resource/Purchase%20Order/{name}?run_method=cancel"), json!({})).await;
    assert_eq!(cancelled.ok()["docstatus"], 2);
    alice.update("Purchase Order", &name, json!({"docstatus": 1})).await.status(417);
    let amended = alice.create("Purchase Order", json!({"book": "Dune", "amended_from": name})).await.ok();
    assert_eq!(amended["name"], format!("{name}-1"));
    let asked = json!({"doctype": "Purchase Order", "docname": name});
    assert_eq!(alice.call("frappe.client.is_document_amended", asked).await.ok(), format!("{name}-1"));
}

#[tokio::test]
async fn run_doc_method_answers_the_document_beside_the_result() {
    let (_site, alice) = library_with_books().await;
    let arguments = json!({"dt": "Book", "dn": "Dune", "method": "rename", "args": {"name": "Dune II"}});
    let answer = alice.call("run_doc_method", arguments).await.json();
    assert_eq!(answer["message"], "Dune II");
    assert_eq!(answer["docs"][0]["title"], "Dune II");
    let comment = json!({"dt": "Book", "dn": "Dune II", "method": "add_comment", "args": {"text": "Hm"}});
    assert_eq!(alice.call("run_doc_method", comment).await.ok()["comment_by"], "alice");
}

#[tokio::test]
async fn unknown_methods_and_wrong_verbs_are_told() {
    let (_site, alice) = library_with_books().await;
    alice.post("/api/v2/document/Book/Dune/method/explode", json!({})).await.error(404, "DoesNotExistError");
    alice.get("/api/resource/Book/Dune?run_method=rename").await.error(403, "PermissionError");
    alice.post("/api/v2/document/Book/Nothing/method/rename", json!({"name": "x"})).await.status(404);
    alice.post("/api/v2/document/Book/Dune/method/rename", json!({})).await.error(417, "ValidationError");
}

/// Every document there is, with the time of its last change.
async fn everything(site: &TestSite) -> BTreeSet<String> {
    let registry = site.documents().registry();
    let mut all = BTreeSet::new();
    for doctype in registry.iter().filter(|doctype| !doctype.is_virtual && !doctype.istable) {
        if doctype.issingle {
            let single = site.documents().get(&Session::system(), &doctype.name, &doctype.name).await.unwrap();
            all.insert(format!("{}: {:?}", doctype.name, single.values));
            continue;
        }
        let request = ListRequest::new(doctype.name.as_str()).fields(&["name", "modified"]).all();
        let list = site.documents().list(&Session::system(), &request).await.unwrap();
        let rows = (0..list.rows.len())
            .map(|row| format!("{} {}: {}", doctype.name, list.text(row, "name"), list.text(row, "modified")));
        all.extend(rows);
    }
    all
}

/// A document of every DocType whose controllers have methods, and of two that have the engine's alone.
async fn with_methods(site: &TestSite, alice: &Client) -> Vec<(String, String)> {
    let program = Program::public(site).await;
    let _tokens = program.tokens(alice).await;
    let grant = site.db_names("OAuth Grant", json!({})).await.remove(0);
    let app = alice.create("Connected App", json!({"provider_name": "Elsewhere", "client_id": "us"})).await.ok();
    let order = alice.create("Purchase Order", json!({"book": "Dune"})).await.ok();
    let job = site.db_insert("Background Job", json!({"method": "none", "status": "Failed"})).await;
    let import = json!({"reference_doctype": "Book", "import_type": "Insert New Records"});
    let import = site.db_insert("Data Import", import).await;
    let change = site.db_insert("Bulk Change", json!({"reference_doctype": "Book", "action": "Delete"})).await;
    let hook = json!({"__newname": "Books", "webhook_doctype": "Book", "request_url": "https://hooks.example.com/"});
    let hook = site.db_insert("Webhook", hook).await;
    let request = site.db_insert("Webhook Request Log", json!({"webhook": hook, "status": "Exhausted"})).await;
    let server =
        json!({"email_account_name": "Site", "email_id": "site@example.com", "smtp_server": "smtp.example.com"});
    let server = site.db_insert("Email Account", server).await;
    let email = site.db_insert("Email Queue", json!({"status": "Error"})).await;
    let invitation = site.db_insert("User Invitation", json!({"email": "carol@example.com"})).await;
    let schedule = site.db_names("Scheduled Job Type", json!({})).await.remove(0);
    let key = site.db_insert("API Key", json!({"title": "Laptop", "user": "alice@example.com"})).await;
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    vec![
        ("API Key".to_owned(), key),
        ("Backup Settings".to_owned(), "Backup Settings".to_owned()),
        ("Scheduled Job Type".to_owned(), schedule),
        ("Background Job".to_owned(), job),
        ("Data Import".to_owned(), import),
        ("Bulk Change".to_owned(), change),
        ("Webhook".to_owned(), hook),
        ("Webhook Request Log".to_owned(), request),
        ("Email Account".to_owned(), server),
        ("Email Queue".to_owned(), email),
        ("User Invitation".to_owned(), invitation),
        ("User".to_owned(), "alice@example.com".to_owned()),
        ("OAuth Client".to_owned(), program.id),
        ("OAuth Grant".to_owned(), grant),
        ("OAuth Settings".to_owned(), "OAuth Settings".to_owned()),
        ("Connected App".to_owned(), text(&app["name"])),
        ("Purchase Order".to_owned(), text(&order["name"])),
        ("Book".to_owned(), "Dune".to_owned()),
    ]
}

#[tokio::test]
async fn a_link_calls_no_method_that_does_more_than_read() {
    let (site, alice) = library_with_books().await;
    let documents = with_methods(&site, &alice).await;
    let controllers = site.documents().controllers();
    for doctype in
        controllers.doctypes().filter(|doctype| controllers.of(doctype).iter().any(|c| !c.methods().is_empty()))
    {
        assert!(documents.iter().any(|(known, _)| known == doctype), "{doctype} has methods: give the test a document");
    }
    let (mut read, mut refused) = (Vec::new(), 0);
    for (doctype, name) in documents {
        let in_path = doctype.replace(' ', "%20");
        let known = alice.get(&format!("/api/v2/discovery/doctype/{in_path}")).await.ok();
        for method in known["methods"].as_array().unwrap().iter().map(|known| known["method"].as_str().unwrap()) {
            let told = alice.get(&format!("/api/v2/discovery/doctype/{in_path}/method/{method}")).await.ok();
            let reads = told["http_methods"] == json!(["GET", "POST"]);
            assert!(reads || told["http_methods"] == json!(["POST"]), "{told}");
            let before = everything(&site).await;
            let name = name.replace(' ', "%20");
            for uri in [
                format!("/api/resource/{in_path}/{name}?run_method={method}"),
                format!("/api/v2/document/{in_path}/{name}/method/{method}"),
                format!("/api/method/run_doc_method?dt={in_path}&dn={name}&method={method}"),
                format!("/api/v2/method/run_doc_method?dt={in_path}&dn={name}&method={method}"),
                format!("/?cmd=runserverobj&dt={in_path}&dn={name}&method={method}"),
            ] {
                for verb in [Method::GET, Method::HEAD] {
                    let answer = alice.send(verb, &uri, "", "").await;
                    assert_eq!(answer.status.as_u16(), if reads { 200 } else { 403 }, "{uri}: {}", answer.body);
                }
            }
            assert_eq!(everything(&site).await, before, "{doctype}: {method}");
            if reads { read.push(method.to_owned()) } else { refused += 1 }
        }
    }
    assert_eq!(read, ["has_token"]);
    assert!(refused > 15, "{refused}");
}
