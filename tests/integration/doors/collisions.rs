//! A name that is taken by a document that the asker may not know is a name that cannot be used, and no more is said.

use serde_json::json;

use crate::support::TestSite;

fn doctype(name: &str, autoname: &str) -> String {
    format!(
        "name: {name}\nmodule: Tests\nautoname: '{autoname}'\nallow_rename: true\nfields:\n\
         \x20 - {{ fieldname: title, fieldtype: Data, label: Title }}\n\
         permissions:\n\
         \x20 - {{ role: Keeper, if_owner: true, read: true, write: true, create: true, delete: true }}\n\
         \x20 - {{ role: Clerk, read: true, write: true, create: true }}\n"
    )
}

#[tokio::test]
async fn no_collision_says_that_a_document_exists() {
    let site = TestSite::new()
        .with_doctype(&doctype("Prompted", "Prompt"))
        .with_doctype(&doctype("Titled", "field:title"))
        .await;
    let keeper = site.user("keeper@example.com", &["Keeper"]).await;
    let clerk = site.user("clerk@example.com", &["Clerk"]).await;
    for doctype in ["Prompted", "Titled"] {
        let values = |name: &str| json!({"name": name, "title": name, "doctype": doctype});
        site.db_insert(doctype, values("taken")).await;
        keeper.create(doctype, values("mine")).await.ok();
        for answer in [
            keeper.create(doctype, values("taken")).await,
            keeper.post(&format!("/api/v2/document/{doctype}"), values("taken")).await,
            keeper.call("frappe.client.insert", json!({"doc": values("taken")})).await,
            keeper.call("frappe.client.insert_many", json!({"docs": [values("taken")]})).await,
            keeper
                .call("frappe.client.rename_doc", json!({"doctype": doctype, "old_name": "mine", "new_name": "taken"}))
                .await,
            keeper
                .call(
                    "frappe.model.rename_doc.update_document_title",
                    json!({"doctype": doctype, "docname": "mine", "new_name": "taken"}),
                )
                .await,
        ] {
            let answer = answer.error(409, "NameError").to_string();
            assert!(!answer.contains("exists") && !answer.contains("already"), "{answer}");
        }
        // Whoever knows the document is told.
        keeper.create(doctype, values("mine")).await.error(409, "DuplicateEntryError");
        clerk.create(doctype, values("taken")).await.error(409, "DuplicateEntryError");
    }
}
