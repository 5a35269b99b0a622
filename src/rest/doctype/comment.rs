//! Comment: who may say what about which document, whichever way the comment comes in.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use crate::document::{Controller, ListRequest, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{DocType, Document, Value};

/// The types of comments that people choose themselves; the rest are the engine's notes.
pub(in crate::rest) const TYPES: [&str; 3] = ["Comment", "Like", "Info"];
/// What a comment says about itself: set once, and by whom is not for the author to choose.
const FIXED: [&str; 5] = ["comment_type", "comment_email", "comment_by", "reference_doctype", "reference_name"];

/// How many comments the document itself knows of.
const MOST_NOTED: u64 = 100;

/// The behaviour of Comment.
pub(super) struct Comment;

#[async_trait]
impl Controller for Comment {
    async fn before_insert(&self, work: &mut Work<'_>, comment: &mut Document) -> Result<()> {
        if work.session.is_system() || work.is_restoring() {
            return Ok(());
        }
        comment.set("comment_email", work.session.user().to_owned());
        comment.set("comment_by", work.session.access.full_name.clone());
        let kind = comment.text("comment_type");
        if !TYPES.contains(&kind) {
            let message = format!("Comment Type is one of {}", TYPES.join(", "));
            let problem = FieldProblem::at(ProblemKind::Validation, "comment_type", "Comment Type", message);
            return Err(Error::Validation(Invalid { problems: vec![problem] }));
        }
        let (doctype, name) = (comment.text("reference_doctype"), comment.text("reference_name"));
        let missing = [("reference_doctype", "Reference DocType", doctype), ("reference_name", "Reference Name", name)];
        let mut invalid = Invalid::default();
        for (fieldname, label, _) in missing.iter().filter(|(.., value)| value.is_empty()) {
            let message = format!("{label} is required: a comment belongs to a document");
            invalid.push(FieldProblem::at(ProblemKind::Mandatory, *fieldname, *label, message));
        }
        invalid.into_result()?;
        let (doctype, name) = (doctype.to_owned(), name.to_owned());
        work.get(&doctype, &name).await.map(drop)
    }

    async fn validate(&self, work: &mut Work<'_>, comment: &mut Document, before: Option<&Document>) -> Result<()> {
        let Some(before) = before.filter(|_| !work.session.is_system()) else { return Ok(()) };
        let mut invalid = Invalid::default();
        for fieldname in FIXED.into_iter().filter(|fieldname| comment.get(fieldname) != before.get(fieldname)) {
            let label = comment.doctype.field(fieldname).map_or(fieldname, |field| field.label.as_str());
            let message = format!("{label} cannot be changed: add another comment");
            invalid.push(FieldProblem::at(ProblemKind::CannotChangeConstant, fieldname, label, message));
        }
        invalid.into_result()
    }

    async fn after_insert(&self, work: &mut Work<'_>, comment: &Document) -> Result<()> {
        note_on_document(work, comment).await
    }

    async fn on_update(&self, work: &mut Work<'_>, comment: &Document, before: Option<&Document>) -> Result<()> {
        if before.is_some() { note_on_document(work, comment).await } else { Ok(()) }
    }

    async fn after_delete(&self, work: &mut Work<'_>, comment: &Document) -> Result<()> {
        note_on_document(work, comment).await
    }
}

/// Keeps the column `_comments` of what a comment is about true. Comments take no right to write, so the program does it.
async fn note_on_document(work: &mut Work<'_>, comment: &Document) -> Result<()> {
    let (doctype, name) = (comment.text("reference_doctype"), comment.text("reference_name"));
    let has_column =
        |target: &Arc<DocType>| target.has_table() && !target.issingle && target.column("_comments").is_some();
    if comment.text("comment_type") != "Comment" || !work.registry().get(doctype).is_some_and(has_column) {
        return Ok(());
    }
    let caller = work.become_system();
    let noted = write_comments(work, doctype, name).await;
    work.session = caller;
    noted
}

/// The latest comments on a document as `[{"comment", "by", "name"}]`, the oldest first.
async fn write_comments(work: &mut Work<'_>, doctype: &str, name: &str) -> Result<()> {
    match work.get_for_update(doctype, name).await {
        Ok(_) => {}
        // A comment may outlive its document where that went by other ways.
        Err(Error::DoesNotExist { .. }) => return Ok(()),
        Err(error) => return Err(error),
    }
    let filters = json!({"reference_doctype": doctype, "reference_name": name, "comment_type": "Comment"});
    let mut request =
        ListRequest::new("Comment").fields(&["name", "content", "comment_email", "owner"]).filters(filters);
    request = request.order_by("creation desc, name desc");
    request.limit = Some(MOST_NOTED);
    let list = work.list(&request).await?;
    let notes: Json = (0..list.rows.len())
        .rev()
        .map(|row| {
            let (by, owner) = (list.text(row, "comment_email"), list.text(row, "owner"));
            let by = if by.is_empty() { owner } else { by };
            json!({"comment": shortened(list.text(row, "content")), "by": by, "name": list.text(row, "name")})
        })
        .collect();
    work.set_values(doctype, name, &[("_comments", Value::Text(notes.to_string()))]).await
}

/// As much of a comment as a list shows.
fn shortened(content: &str) -> String {
    match content.char_indices().nth(100) {
        Some(_) => content.chars().take(97).chain("...".chars()).collect(),
        None => content.to_owned(),
    }
}
