//! What hangs on documents (comments, shares, files) obeys its rules whichever way it comes in.

use serde_json::json;

use super::site;

#[tokio::test]
async fn a_comment_says_who_wrote_it_and_stays_where_it_is() {
    let site = site().await;
    let admin = site.administrator().await;
    admin.create("Note", json!({"name": "n"})).await.ok();
    admin.create("Note", json!({"name": "other"})).await.ok();
    let clerk = site.user("clerk@example.com", &["Clerk"]).await;
    let forged = json!({
        "reference_doctype": "Note", "reference_name": "n", "content": "x",
        "comment_by": "The Boss", "comment_email": "boss@example.com",
    });
    let comment = clerk.create("Comment", forged.clone()).await.ok();
    assert_eq!((&comment["comment_by"], &comment["comment_email"]), (&json!("clerk"), &json!("clerk@example.com")));
    let mut note_of_the_site = forged;
    note_of_the_site["comment_type"] = json!("Submitted");
    clerk.create("Comment", note_of_the_site).await.error(417, "ValidationError");
    clerk.create("Comment", json!({"content": "about nothing"})).await.error(417, "MandatoryError");
    let name = comment["name"].as_str().unwrap();
    for change in [
        json!({"comment_by": "The Boss"}),
        json!({"comment_email": "boss@example.com"}),
        json!({"comment_type": "Info"}),
        json!({"reference_name": "other"}),
    ] {
        clerk.update("Comment", name, change).await.error(417, "CannotChangeConstantError");
    }
    let mut whole = comment.clone();
    whole["content"] = json!("y");
    assert_eq!(clerk.update("Comment", name, whole).await.ok()["content"], "y");
}

#[tokio::test]
async fn nobody_shares_what_they_do_not_have() {
    let site = site().await;
    let admin = site.administrator().await;
    admin.create("Note", json!({"name": "n"})).await.ok();
    site.db_user("friend@example.com", json!({})).await;
    // A System Manager has no rights on Notes, but may write DocShares.
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    let share = |right: &str| json!({"share_doctype": "Note", "share_name": "n", "user": "friend@example.com", "read": 1, right: 1});
    manager.create("DocShare", share("write")).await.error(403, "PermissionError");
    let writer = site.user("writer@example.com", &["System Manager", "No delete"]).await;
    writer.create("DocShare", share("write")).await.ok();
    let reader = site.user("reader@example.com", &["System Manager", "No write"]).await;
    reader.create("DocShare", share("write")).await.error(403, "PermissionError");
    let unknown = json!({"doctype": "Note", "name": "n", "user": "nobody@example.com"});
    writer.call("frappe.share.add", unknown).await.error(417, "LinkValidationError");
}

#[tokio::test]
async fn a_file_moves_only_to_documents_that_its_owner_may_change() {
    let site = site().await;
    let admin = site.administrator().await;
    admin.create("Note", json!({"name": "n"})).await.ok();
    let reader = site.user("reader@example.com", &["No write"]).await;
    let file = json!({"filename": "a.txt", "filedata": "mine"});
    let name = reader.call("frappe.client.attach_file", file).await.ok()["name"].as_str().unwrap().to_owned();
    let place = json!({"attached_to_doctype": "Note", "attached_to_name": "n"});
    reader.update("File", &name, place).await.error(403, "PermissionError");
    reader.update("File", &name, json!({"folder": name})).await.error(417, "LinkValidationError");
    reader.update("File", &name, json!({"folder": "Home/Attachments"})).await.ok();
}

#[tokio::test]
async fn who_made_a_document_and_what_it_amends_never_change() {
    let site = site().await;
    let clerk = site.user("clerk@example.com", &["Clerk"]).await;
    let read = clerk.create("Deed", json!({"name": "d", "title": "t"})).await.ok();
    clerk.update("Deed", "d", json!({"owner": "Administrator"})).await.error(417, "CannotChangeConstantError");
    let creation = json!({"creation": "2020-01-01 00:00:00"});
    clerk.update("Deed", "d", creation).await.error(417, "CannotChangeConstantError");
    // As they were read, they are fine.
    clerk.update("Deed", "d", read).await.ok();
    for status in [1, 2] {
        clerk.update("Deed", "d", json!({"docstatus": status})).await.ok();
    }
    let amended = clerk.create("Deed", json!({"title": "again", "amended_from": "d"})).await.ok();
    assert_eq!(amended["name"], "d-1");
    clerk.create("Deed", json!({"name": "e"})).await.ok();
    clerk.update("Deed", "e", json!({"amended_from": "d"})).await.error(417, "CannotChangeConstantError");
    // A draft is not amended, nor is what is not there.
    clerk.create("Deed", json!({"amended_from": "e"})).await.error(417, "ValidationError");
    clerk.create("Deed", json!({"amended_from": "nothing"})).await.error(404, "DoesNotExistError");
    // Cancelling changes nothing else.
    clerk.update("Deed", "e", json!({"docstatus": 1})).await.ok();
    let cancel = json!({"docstatus": 2, "title": "smuggled in"});
    clerk.update("Deed", "e", cancel).await.error(417, "UpdateAfterSubmitError");
}

#[tokio::test]
async fn a_comment_is_changed_by_its_author_alone() {
    let site = site().await;
    let clerk = site.user("clerk@example.com", &["Clerk"]).await;
    let other = site.user("other@example.com", &["Clerk"]).await;
    clerk.create("Note", json!({"name": "n"})).await.ok();
    let comment = json!({"reference_doctype": "Note", "reference_name": "n", "content": "mine"});
    let made = clerk.call("frappe.desk.form.utils.add_comment", comment).await.ok();
    let name = made["name"].as_str().unwrap();
    let change = json!({"name": name, "content": "theirs"});
    other.call("frappe.desk.form.utils.update_comment", change.clone()).await.error(403, "PermissionError");
    other.update("Comment", name, change.clone()).await.error(403, "PermissionError");
    other.remove("Comment", name).await.error(403, "PermissionError");
    assert_eq!(clerk.read("Comment", name).await.ok()["content"], "mine");
    clerk.call("frappe.desk.form.utils.update_comment", change).await.ok();
    assert_eq!(clerk.read("Comment", name).await.ok()["content"], "theirs");
}

#[tokio::test]
async fn a_folder_stays_one_and_a_file_becomes_none() {
    let site = site().await;
    let clerk = site.user("clerk@example.com", &["Clerk"]).await;
    let folder = json!({"file_name": "Plans", "folder": "Home"});
    let folder = clerk.call("frappe.core.api.file.create_new_folder", folder).await.ok();
    let nowhere = json!({"file_name": "Plans", "folder": "Nowhere"});
    clerk.call("frappe.core.api.file.create_new_folder", nowhere).await.error(417, "LinkValidationError");
    let file = json!({"filename": "a.txt", "filedata": "mine"});
    let file = clerk.call("frappe.client.attach_file", file).await.ok();
    for (document, is_folder) in [(&folder, 0), (&file, 1)] {
        let change = json!({"is_folder": is_folder, "file_url": file["file_url"]});
        let name = document["name"].as_str().unwrap();
        clerk.update("File", name, change).await.error(417, "CannotChangeConstantError");
    }
    let name = file["name"].as_str().unwrap();
    assert_eq!(clerk.read("File", name).await.ok()["file_url"], file["file_url"]);
    // Nor is it somebody else's to move or to remove.
    let other = site.user("other@example.com", &["Clerk"]).await;
    other.update("File", name, json!({"folder": "Home/Attachments"})).await.error(403, "PermissionError");
    other.remove("File", name).await.error(403, "PermissionError");
    other.remove("File", "Home/Plans").await.error(403, "PermissionError");
}
