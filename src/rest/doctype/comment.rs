//! Comment: who may say what about which document, whichever way the comment comes in.

use async_trait::async_trait;

use crate::document::{Controller, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::Document;

/// The types of comments that people choose themselves; the rest are the engine's notes.
pub(in crate::rest) const TYPES: [&str; 3] = ["Comment", "Like", "Info"];
/// What a comment says about itself: set once, and by whom is not for the author to choose.
const FIXED: [&str; 5] = ["comment_type", "comment_email", "comment_by", "reference_doctype", "reference_name"];

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
}
