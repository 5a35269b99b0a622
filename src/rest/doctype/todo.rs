//! ToDo: a document shows to whom it is assigned, and whoever is to do something can see and close it.

use async_trait::async_trait;
use serde_json::json;

use crate::document::{Controller, ListRequest, Work};
use crate::error::{Error, Result};
use crate::meta::{Document, Value};

/// The behaviour of ToDo.
pub(super) struct ToDo;

#[async_trait]
impl Controller for ToDo {
    async fn before_insert(&self, work: &mut Work<'_>, todo: &mut Document) -> Result<()> {
        if work.session.is_system() || work.is_restoring() {
            return Ok(());
        }
        todo.set("assigned_by", work.session.user().to_owned());
        let (doctype, name) = (todo.text("reference_type").to_owned(), todo.text("reference_name").to_owned());
        if doctype.is_empty() || name.is_empty() {
            return Ok(());
        }
        work.get(&doctype, &name).await.map(drop)
    }

    async fn validate(&self, work: &mut Work<'_>, todo: &mut Document, before: Option<&Document>) -> Result<()> {
        if let Some(before) = before.filter(|_| !work.session.is_system()) {
            todo.set("assigned_by", before.get("assigned_by").clone());
        }
        Ok(())
    }

    async fn after_insert(&self, work: &mut Work<'_>, todo: &Document) -> Result<()> {
        let to = todo.text("allocated_to").to_owned();
        if !work.is_restoring() && !to.is_empty() {
            note(work, todo, "Assigned", &format!("assigned {to}: {}", todo.text("description"))).await?;
        }
        settle(work, todo, None).await
    }

    async fn on_update(&self, work: &mut Work<'_>, todo: &Document, before: Option<&Document>) -> Result<()> {
        let Some(before) = before else { return Ok(()) };
        if before.text("status") == "Open" && todo.text("status") != "Open" && !work.session.is_system() {
            note_ended(work, todo).await?;
        }
        settle(work, todo, Some(before)).await
    }

    async fn after_delete(&self, work: &mut Work<'_>, todo: &Document) -> Result<()> {
        note_on_document(work, todo).await
    }
}

/// Whoever does this, by name.
fn who(work: &Work<'_>) -> String {
    let name = work.session.access.full_name.trim();
    if name.is_empty() { work.session.user().to_owned() } else { name.to_owned() }
}

/// Says on its document how an assignment ended, and by whom.
pub(in crate::rest) async fn note_ended(work: &mut Work<'_>, todo: &Document) -> Result<()> {
    let to = todo.text("allocated_to");
    let said = match todo.text("status") {
        "Closed" if to == work.session.user() => "completed the assignment".to_owned(),
        "Closed" => format!("closed the assignment of {to}"),
        _ => format!("removed the assignment of {to}"),
    };
    note(work, todo, "Assignment Completed", &said).await
}

/// Keeps `_assign` of the documents true where it can have changed.
async fn settle(work: &mut Work<'_>, todo: &Document, before: Option<&Document>) -> Result<()> {
    let changed = |field: &str| before.is_none_or(|before| before.get(field) != todo.get(field));
    let is_moved = changed("reference_type") || changed("reference_name");
    if let Some(before) = before.filter(|_| is_moved) {
        note_on_document(work, before).await?;
    }
    if is_moved || changed("allocated_to") || changed("status") {
        note_on_document(work, todo).await?;
    }
    Ok(())
}

/// A comment on the document that a ToDo is about.
async fn note(work: &mut Work<'_>, todo: &Document, kind: &str, content: &str) -> Result<()> {
    let (doctype, name) = (todo.text("reference_type"), todo.text("reference_name"));
    if doctype.is_empty() || name.is_empty() || work.registry().get("Comment").is_none() {
        return Ok(());
    }
    let mut comment = work.new_document("Comment")?;
    let (user, full_name) = (work.session.user().to_owned(), who(work));
    for (field, value) in [
        ("comment_type", kind),
        ("reference_doctype", doctype),
        ("reference_name", name),
        ("content", content),
        ("comment_email", &user),
        ("comment_by", &full_name),
    ] {
        comment.set(field, value);
    }
    let caller = work.become_system();
    let inserted = work.insert(comment).await;
    work.session = caller;
    inserted.map(drop)
}

/// Keeps `_assign` of the document true: a JSON list of whom its open ToDos are for.
async fn note_on_document(work: &mut Work<'_>, todo: &Document) -> Result<()> {
    let (doctype, name) = (todo.text("reference_type"), todo.text("reference_name"));
    let target = work.registry().get(doctype).cloned();
    let has_column =
        target.is_some_and(|target| target.has_table() && !target.issingle && target.column("_assign").is_some());
    if name.is_empty() || !has_column {
        return Ok(());
    }
    let caller = work.become_system();
    let noted = write_assigned(work, doctype, name).await;
    work.session = caller;
    noted
}

async fn write_assigned(work: &mut Work<'_>, doctype: &str, name: &str) -> Result<()> {
    match work.get_for_update(doctype, name).await {
        Ok(_) => {}
        // A ToDo may outlive its document where that went by other ways.
        Err(Error::DoesNotExist { .. }) => return Ok(()),
        Err(error) => return Err(error),
    }
    let filters =
        json!({"reference_type": doctype, "reference_name": name, "status": "Open", "allocated_to": ["is", "set"]});
    let request =
        ListRequest::new("ToDo").fields(&["allocated_to"]).filters(filters).order_by("creation asc, allocated_to asc");
    let list = work.list(&request.all()).await?;
    let mut users: Vec<&str> = Vec::new();
    for row in 0..list.rows.len() {
        let user = list.text(row, "allocated_to");
        if !users.contains(&user) {
            users.push(user);
        }
    }
    let column = if users.is_empty() { Value::Null } else { Value::Text(json!(users).to_string()) };
    work.set_values(doctype, name, &[("_assign", column)]).await
}
