//! Masked fields: shown to those whose permissions say so, and told by no other door.

use serde_json::{Value as Json, json};

use crate::desk::{form_values, send};
use crate::support::{Client, TestSite};

const CHILD: &str = "
name: Contract
istable: true
fields:
  - {fieldname: place, fieldtype: Data, label: Place, in_list_view: 1}
  - {fieldname: wage, fieldtype: Currency, label: Wage, mask: 1}
";
const PERSON: &str = "
name: Person
autoname: Prompt
track_changes: 1
title_field: full_name
search_fields: phone
fields:
  - {fieldname: full_name, fieldtype: Data, label: Full Name, in_list_view: 1}
  - {fieldname: phone, fieldtype: Data, options: Phone, label: Phone, mask: 1, in_list_view: 1, in_standard_filter: 1}
  - {fieldname: mail, fieldtype: Data, options: Email, label: Mail, mask: 1}
  - {fieldname: born, fieldtype: Date, label: Born, mask: 1}
  - {fieldname: salary, fieldtype: Int, label: Salary, mask: 1, reqd: 1}
  - {fieldname: note, fieldtype: Data, label: Note, mask: 1}
  - {fieldname: contracts, fieldtype: Table, options: Contract, label: Contracts}
permissions:
  - {role: Manager, read: 1, write: 1, create: 1, delete: 1, export: 1, report: 1, mask: 1}
  - {role: Clerk, read: 1, write: 1, create: 1, delete: 1, export: 1, report: 1}
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1}
";

fn ada() -> Json {
    json!({
        "name": "Ada", "full_name": "Ada L", "phone": "+49 30 1234567", "mail": "ada@example.com", "born": "1815-12-10",
        "salary": 97_531_864, "note": "", "contracts": [{"place": "London", "wage": 77.5}],
    })
}

/// The values that nobody but managers may see.
const HIDDEN: [&str; 6] = ["1234567", "ada@", "1815-12-10", "97531864", "77.5", "97,531,864"];

#[track_caller]
fn assert_masked(what: &str, body: &str) {
    for text in HIDDEN {
        assert!(!body.contains(text), "{what} tells {text}: {body}");
    }
}

async fn people() -> (TestSite, Client, Client) {
    let site = TestSite::new().with_doctype(CHILD).with_doctype(PERSON).await;
    let manager = site.user("manager@example.com", &["Manager"]).await;
    let clerk = site.user("clerk@example.com", &["Clerk", "System Manager"]).await;
    manager.create("Person", ada()).await.ok();
    (site, manager, clerk)
}

#[tokio::test]
async fn values_are_masked_by_their_kind_for_those_without_the_right() {
    let (_site, manager, clerk) = people().await;
    let seen = manager.read("Person", "Ada").await.ok();
    assert_eq!((&seen["phone"], &seen["salary"]), (&json!("+49 30 1234567"), &json!(97_531_864)));
    let seen = clerk.read("Person", "Ada").await.ok();
    for (fieldname, text) in [
        ("phone", json!("+49XXXXXX")),
        ("mail", json!("XXXXXX@example.com")),
        ("born", json!("XX-XX-XXXX")),
        ("salary", json!("XXXXXXXX")),
        ("note", Json::Null),
        ("full_name", json!("Ada L")),
    ] {
        assert_eq!(seen[fieldname], text, "{fieldname}");
    }
    assert_eq!(seen["contracts"][0]["wage"], "XXXXXXXX");
    assert_eq!(manager.read("Person", "Ada").await.ok()["salary"], 97_531_864, "answers are not mixed up");
}

#[tokio::test]
async fn no_door_tells_a_masked_value() {
    let (_site, _manager, clerk) = people().await;
    let call = |method: &'static str, arguments: Json| {
        let clerk = clerk.clone();
        async move { assert_masked(method, &clerk.call(method, arguments).await.status(200).body) }
    };
    call("frappe.client.get", json!({"doctype": "Person", "name": "Ada"})).await;
    call("frappe.client.get_value", json!({"doctype": "Person", "fieldname": "[\"salary\",\"phone\"]"})).await;
    call("frappe.client.get_list", json!({"doctype": "Person", "fields": ["*"]})).await;
    call("frappe.desk.reportview.get", json!({"doctype": "Person", "fields": ["*"]})).await;
    call("frappe.desk.form.load.getdoc", json!({"doctype": "Person", "name": "Ada"})).await;
    call("frappe.desk.search.search_link", json!({"doctype": "Person", "txt": "A"})).await;
    for address in [
        "/api/v2/document/Person/Ada",
        "/api/v2/document/Person?fields=[\"*\",{\"contracts\":[\"*\"]}]",
        "/api/resource/Person?fields=[\"name\",\"contracts.wage\",\"salary%20as%20s\"]",
        "/api/v2/document/Person/Ada/copy",
        "/app/person",
        "/app/person/Ada",
        "/app/person/new?copy=Ada",
        "/api/method/frappe.desk.reportview.export_query?doctype=Person&fields=[\"name\",\"salary\",\"phone\"]&file_format_type=CSV",
    ] {
        let address = address.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
        assert_masked(&address, &clerk.get(&address).await.body);
    }
}

#[tokio::test]
async fn a_masked_value_cannot_be_found_out_by_asking() {
    let (_site, manager, clerk) = people().await;
    for query in [
        "filters=[[\"salary\",\">\",5000]]",
        "filters=[[\"phone\",\"like\",\"%25123%25\"]]",
        "or_filters=[[\"born\",\"=\",\"1815-12-10\"]]",
        "order_by=salary%20asc",
        "fields=[\"name\"]&group_by=salary",
        "filters=[[\"Contract\",\"wage\",\">\",1]]",
    ] {
        let answer = clerk.list("Person", query).await;
        assert!(answer.status.is_client_error(), "{query}: {} {}", answer.status, answer.body);
        manager.list("Person", query).await.status(200);
    }
    let most = clerk.list("Person", "fields=[\"max(salary) as m\"]").await.status(200);
    assert_masked("an aggregate", &most.body);
    let found = clerk.call("frappe.desk.search.search_link", json!({"doctype": "Person", "txt": "123"})).await.ok();
    assert_eq!(found, json!([]));
    let found = clerk.get("/app/person?q=1234567").await.status(200);
    assert!(!found.body.contains("/app/person/Ada"), "the search of the list does not look there");
}

#[tokio::test]
async fn what_comes_back_masked_changes_nothing() {
    let (_site, manager, clerk) = people().await;
    let mut seen = clerk.read("Person", "Ada").await.ok();
    seen["full_name"] = json!("Ada K");
    clerk.update("Person", "Ada", seen).await.ok();
    clerk.update("Person", "Ada", json!({"salary": 1, "born": "2000-01-01"})).await.ok();
    let page = clerk.get("/app/person/Ada").await.status(200);
    assert!(!form_values(&page).contains_key("salary"), "it cannot be changed there");
    send(&clerk, "/app/person/Ada", &page, &[("salary", "1"), ("full_name", "Ada M")], "save").await.redirect();
    let kept = manager.read("Person", "Ada").await.ok();
    for key in ["phone", "mail", "born", "salary"] {
        assert_eq!(kept[key], ada()[key], "{key}");
    }
    assert_eq!((&kept["full_name"], &kept["contracts"][0]["wage"]), (&json!("Ada M"), &json!(77.5)));
}

#[tokio::test]
async fn versions_and_deleted_documents_tell_nothing_and_restore_everything() {
    let (site, manager, clerk) = people().await;
    manager.update("Person", "Ada", json!({"salary": 64_208_642, "full_name": "Ada X"})).await.ok();
    let versions = site.db_names("Version", json!({"docname": "Ada"})).await;
    let version = clerk.read("Version", &versions[0]).await.ok().to_string();
    assert!(version.contains("Ada X") && !version.contains("64208642"), "{version}");
    assert_masked("the version", &version);
    assert_masked("the form", &clerk.get("/app/person/Ada").await.body);
    clerk.remove("Person", "Ada").await.status(202);
    let kept = site.db_names("Deleted Document", json!({"deleted_name": "Ada"})).await;
    let deleted = clerk.read("Deleted Document", &kept[0]).await.ok().to_string();
    assert!(!deleted.contains("64208642"), "{deleted}");
    assert_masked("what is kept", &deleted);
    let restore = "frappe.core.doctype.deleted_document.deleted_document.restore";
    clerk.call(restore, json!({"name": kept[0]})).await.ok();
    let back = manager.read("Person", "Ada").await.ok();
    assert_eq!((&back["salary"], &back["contracts"][0]["wage"]), (&json!(64_208_642), &json!(77.5)));
}

const REVIEW: &str = "
name: Review
fields:
  - {fieldname: person, fieldtype: Link, label: Person, options: Person}
  - {fieldname: salary, fieldtype: Int, label: Salary, fetch_from: person.salary}
  - {fieldname: any_person, fieldtype: Link, label: Any Person, options: Person, ignore_permissions: true}
  - {fieldname: any_name, fieldtype: Data, label: Any Name, fetch_from: any_person.full_name}
  - {fieldname: any_salary, fieldtype: Int, label: Any Salary, fetch_from: any_person.salary}
  - {fieldname: contract, fieldtype: Link, label: Contract, options: Contract}
  - {fieldname: place, fieldtype: Data, label: Place, fetch_from: contract.place}
  - {fieldname: wage, fieldtype: Currency, label: Wage, fetch_from: contract.wage}
permissions:
  - {role: Manager, read: 1, write: 1, create: 1}
  - {role: Clerk, read: 1, write: 1, create: 1}
";

#[tokio::test]
async fn nothing_masked_is_fetched_through_a_link() {
    let site = TestSite::new().with_doctype(CHILD).with_doctype(PERSON).with_doctype(REVIEW).await;
    let manager = site.user("manager@example.com", &["Manager"]).await;
    let clerk = site.user("clerk@example.com", &["Clerk"]).await;
    let person = manager.create("Person", ada()).await.ok();
    let links = json!({"person": "Ada", "any_person": "Ada", "contract": person["contracts"][0]["name"]});
    let whole = manager.create("Review", links.clone()).await.ok();
    assert_eq!(
        (&whole["salary"], &whole["any_salary"], &whole["wage"]),
        (&json!(97_531_864), &json!(97_531_864), &json!(77.5))
    );
    let made = clerk.create("Review", links.clone()).await.ok();
    assert_eq!((&made["any_name"], &made["place"]), (&json!("Ada L"), &json!("London")), "what they see is fetched");
    let name = made["name"].as_str().unwrap();
    let page = clerk.get("/app/review/new").await.status(200);
    let typed = [("person", "Ada"), ("any_person", "Ada"), ("salary", "1"), ("any_salary", "1")];
    let saved = send(&clerk, "/app/review/new", &page, &typed, "save").await.redirect();
    for (what, body) in [
        ("creating", made.to_string()),
        ("changing", clerk.update("Review", name, links).await.status(200).body),
        ("reading", clerk.read("Review", name).await.status(200).body),
        ("the form", clerk.get(&saved).await.status(200).body),
    ] {
        assert_masked(what, &body);
    }
    let asked = json!({"doctype": "Person", "docname": "Ada", "fields": ["salary", "phone"]});
    assert_masked("validate_link", &clerk.call("frappe.client.validate_link", asked).await.status(200).body);
}
