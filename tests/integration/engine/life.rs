//! Drafts, submitted and cancelled documents; links, versions, locks, deletion, renaming.

use serde_json::{Value as Json, json};

use crate::support::{Client, TestSite};

const INVOICE: &str = r#"
name: Invoice
module: Tests
autoname: INV-.####
is_submittable: true
track_changes: true
fields:
  - { fieldname: customer, fieldtype: Link, label: Customer, options: Customer, reqd: true }
  - { fieldname: customer_city, fieldtype: Data, label: City, fetch_from: customer.city, read_only: true }
  - { fieldname: total, fieldtype: Currency, label: Total, non_negative: true }
  - { fieldname: note, fieldtype: Small Text, label: Note, allow_on_submit: true }
  - { fieldname: number, fieldtype: Data, label: Number, unique: true }
  - { fieldname: kind, fieldtype: Select, label: Kind, options: [Goods, Service], set_only_once: true }
  - { fieldname: reason, fieldtype: Data, label: Reason, mandatory_depends_on: 'eval:doc.kind=="Service"' }
  - { fieldname: items, fieldtype: Table, label: Items, options: Invoice Item }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true, submit: true, cancel: true, amend: true }
"#;
const ITEM: &str = r"
name: Invoice Item
module: Tests
istable: true
fields:
  - { fieldname: item, fieldtype: Data, label: Item, reqd: true }
  - { fieldname: quantity, fieldtype: Int, label: Quantity }
";
const CUSTOMER: &str = r"
name: Customer
module: Tests
autoname: field:customer_name
allow_rename: true
fields:
  - { fieldname: customer_name, fieldtype: Data, label: Name, reqd: true }
  - { fieldname: city, fieldtype: Data, label: City }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

async fn site() -> (TestSite, Client) {
    let site = TestSite::new().with_doctype(INVOICE).with_doctype(ITEM).with_doctype(CUSTOMER).await;
    let admin = site.administrator().await;
    admin.create("Customer", json!({"customer_name": "Ada", "city": "London"})).await.ok();
    (site, admin)
}

async fn invoice(admin: &Client) -> Json {
    let values = json!({"customer": "Ada", "total": 10.5, "items": [{"item": "Book", "quantity": 2}, {"item": "Pen"}]});
    admin.create("Invoice", values).await.ok().clone()
}

#[tokio::test]
async fn all_problems_of_a_document_come_at_once() {
    let (_site, admin) = site().await;
    let values = json!({"customer": "Nobody", "total": -1, "kind": "Service", "items": [{"quantity": "many"}]});
    let answer = admin.create("Invoice", values).await.status(417).json();
    let messages: Vec<&str> =
        answer["problems"].as_array().unwrap().iter().map(|problem| problem["field"].as_str().unwrap()).collect();
    for field in ["customer", "total", "reason", "quantity", "item"] {
        assert!(messages.contains(&field), "{field} is missing in {messages:?}");
    }
}

#[tokio::test]
async fn values_are_fetched_through_links_on_every_save() {
    let (_site, admin) = site().await;
    let document = invoice(&admin).await;
    assert_eq!(document["customer_city"], "London");
    admin.update("Customer", "Ada", json!({"city": "Paris"})).await.ok();
    let name = document["name"].as_str().unwrap();
    assert_eq!(admin.update("Invoice", name, json!({"total": 11})).await.ok()["customer_city"], "Paris");
}

#[tokio::test]
async fn docstatus_moves_one_way() {
    let (_site, admin) = site().await;
    let document = invoice(&admin).await;
    let name = document["name"].as_str().unwrap();
    admin.update("Invoice", name, json!({"docstatus": 2})).await.error(417, "DocstatusTransitionError");
    let submitted = admin.update("Invoice", name, json!({"docstatus": 1})).await.ok();
    assert_eq!(submitted["items"][0]["docstatus"], 1);
    admin.update("Invoice", name, json!({"total": 99})).await.error(417, "UpdateAfterSubmitError");
    admin.update("Invoice", name, json!({"note": "paid"})).await.ok();
    admin.remove("Invoice", name).await.error(417, "ValidationError");
    admin.update("Invoice", name, json!({"docstatus": 0})).await.error(417, "DocstatusTransitionError");
    admin.update("Invoice", name, json!({"docstatus": 2})).await.ok();
    admin.update("Invoice", name, json!({"note": "x"})).await.error(417, "ValidationError");
    let amended = json!({"customer": "Ada", "amended_from": name});
    let early = json!({"customer": "Ada", "amended_from": invoice(&admin).await["name"]});
    admin.create("Invoice", early).await.error(417, "ValidationError");
    assert_eq!(admin.create("Invoice", amended).await.ok()["name"], format!("{name}-1"));
    admin
        .create("Customer", json!({"customer_name": "Bo", "docstatus": 1}))
        .await
        .error(417, "DocstatusTransitionError");
}

#[tokio::test]
async fn an_update_with_an_old_modified_is_refused() {
    let (_site, admin) = site().await;
    let document = invoice(&admin).await;
    let name = document["name"].as_str().unwrap();
    admin.update("Invoice", name, json!({"total": 1})).await.ok();
    let answer = admin.update("Invoice", name, json!({"total": 2, "modified": document["modified"]})).await;
    let answer = answer.error(417, "TimestampMismatchError");
    assert!(answer.to_string().contains("modified after you have opened"), "{answer}");
    assert!(answer.to_string().contains("Please refresh"), "{answer}");
}

#[tokio::test]
async fn unique_constant_and_negative_values_are_refused() {
    let (_site, admin) = site().await;
    let first = json!({"customer": "Ada", "number": "7", "kind": "Goods"});
    let name = admin.create("Invoice", first.clone()).await.ok()["name"].as_str().unwrap().to_owned();
    admin.create("Invoice", first).await.error(417, "UniqueValidationError");
    admin
        .update("Invoice", &name, json!({"kind": "Service", "reason": "r"}))
        .await
        .error(417, "CannotChangeConstantError");
    admin.update("Invoice", &name, json!({"total": -1})).await.error(417, "NonNegativeError");
    // Empty is nothing: two documents may both have none.
    admin.create("Invoice", json!({"customer": "Ada", "number": ""})).await.ok();
    admin.create("Invoice", json!({"customer": "Ada", "number": ""})).await.ok();
}

#[tokio::test]
async fn rows_are_replaced_unless_patching_is_asked_for() {
    let (_site, admin) = site().await;
    let document = invoice(&admin).await;
    let name = document["name"].as_str().unwrap();
    let pen = document["items"][1]["name"].clone();
    let patching = admin.with_header("Prefer", "children=patch");
    let rows = json!({"items": [{"name": pen, "quantity": 5}, {"item": "Ink"}]});
    let patched = patching.update("Invoice", name, rows).await.ok();
    let items: Vec<&str> =
        patched["items"].as_array().unwrap().iter().map(|row| row["item"].as_str().unwrap()).collect();
    assert_eq!(items, ["Book", "Pen", "Ink"]);
    assert_eq!(patched["items"][1]["quantity"], 5);
    let gone = patching.update("Invoice", name, json!({"items": [{"name": pen, "_delete": true}]})).await.ok();
    assert_eq!(gone["items"].as_array().unwrap().len(), 2);
    let replaced = admin.update("Invoice", name, json!({"items": [{"item": "Only"}]})).await.ok();
    assert_eq!(replaced["items"].as_array().unwrap().len(), 1);
    assert_eq!(replaced["items"][0]["idx"], 1);
}

#[tokio::test]
async fn changes_are_kept_as_versions() {
    let (site, admin) = site().await;
    let document = invoice(&admin).await;
    let name = document["name"].as_str().unwrap();
    admin.update("Invoice", name, json!({"total": 12, "items": []})).await.ok();
    let versions = site.db_names("Version", json!({"docname": name})).await;
    assert_eq!(versions.len(), 1);
    let version = admin.read("Version", &versions[0]).await.ok();
    let data: Json = serde_json::from_str(version["data"].as_str().unwrap()).unwrap();
    assert_eq!(data["changed"][0], json!(["total", 10.5, 12.0]));
    assert_eq!(data["removed"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_linked_to_cannot_be_deleted_and_what_is_deleted_is_kept() {
    let (site, admin) = site().await;
    let document = invoice(&admin).await;
    let name = document["name"].as_str().unwrap();
    let refused = admin.remove("Customer", "Ada").await.error(417, "LinkExistsError");
    assert!(refused.to_string().contains(name), "{refused}");
    admin.remove("Invoice", name).await.status(202);
    admin.remove("Customer", "Ada").await.status(202);
    assert_eq!(site.db_names("Deleted Document", json!({"deleted_name": "Ada"})).await.len(), 1);
}

#[tokio::test]
async fn a_rename_takes_every_reference_along() {
    let (_site, admin) = site().await;
    let document = invoice(&admin).await;
    let name = document["name"].as_str().unwrap();
    // Into the caches first.
    admin.read("Invoice", name).await.ok();
    let arguments = json!({"doctype": "Customer", "old_name": "Ada", "new_name": "Ada Lovelace"});
    admin.call("frappe.client.rename_doc", arguments).await.ok();
    assert_eq!(admin.read("Invoice", name).await.ok()["customer"], "Ada Lovelace");
    assert_eq!(admin.read("Customer", "Ada Lovelace").await.ok()["customer_name"], "Ada Lovelace");
    admin.read("Customer", "Ada").await.error(404, "DoesNotExistError");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_see_what_a_committed_write_replaced() {
    let (_site, admin) = site().await;
    let document = invoice(&admin).await;
    let name = document["name"].as_str().unwrap().to_owned();
    let reader = {
        let (admin, name) = (admin.clone(), name.clone());
        tokio::spawn(async move {
            for _ in 0..200 {
                admin.read("Invoice", &name).await.ok();
            }
        })
    };
    for total in 1..60 {
        admin.update("Invoice", &name, json!({"total": total})).await.ok();
        assert_eq!(admin.read("Invoice", &name).await.ok()["total"], f64::from(total));
    }
    reader.await.unwrap();
}

#[tokio::test]
async fn formats_and_links_to_cancelled_documents_have_classes_of_their_own() {
    let order = r"
name: Order
module: Tests
is_submittable: true
fields:
  - { fieldname: phone, fieldtype: Data, label: Phone, options: Phone }
  - { fieldname: contact, fieldtype: Data, label: Contact, options: Name }
  - { fieldname: email, fieldtype: Data, label: Email, options: Email }
  - { fieldname: previous, fieldtype: Link, label: Previous, options: Order }
permissions:
  - { role: System Manager, read: true, write: true, create: true, submit: true, cancel: true }
";
    let site = TestSite::new().with_doctype(order).await;
    let admin = site.administrator().await;
    admin.create("Order", json!({"phone": "call me"})).await.error(417, "InvalidPhoneNumberError");
    admin.create("Order", json!({"contact": "4da!"})).await.error(417, "InvalidNameError");
    admin.create("Order", json!({"email": "nowhere"})).await.error(417, "InvalidEmailAddressError");
    let first = admin.create("Order", json!({"docstatus": 1})).await.ok()["name"].as_str().unwrap().to_owned();
    admin.create("Order", json!({"previous": first})).await.ok();
    admin.update("Order", &first, json!({"docstatus": 2})).await.ok();
    admin.create("Order", json!({"previous": first})).await.error(417, "CancelledLinkError");
}

/// Settings have no row that could be locked before they are saved for the first time.
#[tokio::test]
async fn what_many_save_into_a_single_at_once_is_all_kept() {
    const FIELDS: usize = 8;
    let fields: Vec<_> =
        (0..FIELDS).map(|n| format!("  - {{ fieldname: f{n}, fieldtype: Data, label: Field {n} }}\n")).collect();
    let fields = fields.concat();
    let site = TestSite::new()
        .with_doctype(&format!(
            "name: Shop Settings\nmodule: Tests\nissingle: true\nfields:\n{fields}  - {{ fieldname: items, fieldtype: \
             Table, label: Items, options: Invoice Item }}\npermissions:\n  - {{ role: System Manager, read: true, \
             write: true }}\n"
        ))
        .with_doctype(ITEM)
        .await;
    let admin = site.administrator().await;
    for round in 0..4 {
        let mut saving = tokio::task::JoinSet::new();
        for n in 0..FIELDS {
            let admin = admin.clone();
            saving.spawn(async move {
                let values = json!({format!("f{n}"): format!("{round}"), "items": [{"item": "Book"}]});
                admin.update("Shop Settings", "Shop Settings", values).await.ok();
            });
        }
        saving.join_all().await;
        let settings = admin.read("Shop Settings", "Shop Settings").await.ok();
        for n in 0..FIELDS {
            assert_eq!(settings[format!("f{n}")], format!("{round}"), "f{n} of {settings}");
        }
        assert_eq!(settings["items"].as_array().unwrap().len(), 1, "{settings}");
    }
}
