//! DocShare: nobody hands on a right that they do not have, whichever way the share comes in.

use async_trait::async_trait;

use crate::document::{Controller, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{Document, Right};

/// The rights that a share can give, with their fields.
pub(in crate::rest) const SHARED: [(&str, Right); 4] =
    [("read", Right::Read), ("write", Right::Write), ("submit", Right::Submit), ("share", Right::Share)];

/// The behaviour of DocShare.
pub(super) struct DocShare;

#[async_trait]
impl Controller for DocShare {
    async fn validate(&self, work: &mut Work<'_>, share: &mut Document, _: Option<&Document>) -> Result<()> {
        if work.session.is_system() {
            return Ok(());
        }
        check(work, share).await
    }
}

/// Fails unless the session may share the document, has every right that the share gives, and may know the person.
pub(in crate::rest) async fn check(work: &mut Work<'_>, share: &Document) -> Result<()> {
    let document = work.get(share.text("share_doctype"), share.text("share_name")).await?;
    work.check(&document, Right::Share).await?;
    for (field, right) in SHARED.into_iter().filter(|(field, _)| share.check(field)) {
        if work.check(&document, right).await.is_err() {
            return Err(Error::Permission(format!("You cannot share the right to {field}, as you do not have it")));
        }
    }
    let user = share.text("user");
    if !user.is_empty() && !work.may_know("User", user).await? {
        let problem =
            FieldProblem::at(ProblemKind::LinkValidation, "user", "User", format!("Could not find User: {user}"));
        return Err(Error::Validation(Invalid { problems: vec![problem] }));
    }
    Ok(())
}
