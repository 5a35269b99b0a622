//! The linked accounts of a User: who writes them, that they stay as they are, and that no two people have the same.

use serde_json::json;

use crate::document::{ListRequest, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{Document, Value};
use crate::secret;

/// The child DocType.
const DOCTYPE: &str = "User Social Login";
/// The provider's name of the row with the id under which programs know a user.
const OWN_PROVIDER: &str = "frappe";
/// What makes a row what it is.
const FIELDS: [&str; 7] = ["provider", "userid", "username", "linked_at", "issuer", "subject", "unproved"];

/// Checks the rows of a User that is saved, and adds the one under which programs know the user.
///
/// Logins, as the program itself, add and change rows. Whoever else may write the User may only take linked accounts away.
pub(crate) async fn check(work: &mut Work<'_>, user: &mut Document, before: Option<&Document>) -> Result<()> {
    let old: &[Document] = before.map_or(&[], |before| before.rows("social_logins"));
    let same = |a: &Document, b: &Document| FIELDS.iter().all(|fieldname| a.text(fieldname) == b.text(fieldname));
    let mut invalid = Invalid::default();
    if !work.session.is_system() {
        for (index, row) in user.rows("social_logins").iter().enumerate() {
            if !old.iter().any(|old| same(old, row)) {
                let message =
                    "Linked accounts are written by logins alone: leave the lines as they are, or take one away";
                invalid.push(problem(message).in_row("social_logins", index + 1));
            }
        }
        let is_own = |row: &Document| row.text("provider") == OWN_PROVIDER;
        if old.iter().any(is_own) && !user.rows("social_logins").iter().any(is_own) {
            invalid.push(problem("The line frappe stays: applications know the person by it"));
        }
    }
    invalid.into_result()?;
    add_own(work, user)?;
    let names = user.name();
    let Some(rows) = user.rows_mut("social_logins") else { return Ok(()) };
    let mut new = Vec::new();
    for row in rows.iter_mut().filter(|row| !old.iter().any(|old| same(old, row) && !old.text("link_key").is_empty())) {
        let known = old.iter().any(|old| same(old, row));
        let issuer = Some(row.text("issuer")).filter(|issuer| !issuer.is_empty()).unwrap_or(row.text("provider"));
        let userid = row.text("userid").to_owned();
        // What was stored before there were keys stays without one until it changes.
        if !known {
            let key = secret::digest(format!("{issuer}\n{userid}"));
            new.push((row.text("provider").to_owned(), issuer.to_owned(), userid));
            row.set("link_key", key);
        }
    }
    for (provider, issuer, userid) in new {
        if is_taken(work, &names, (&*provider, &*issuer, &*userid)).await? {
            let problem = FieldProblem::at(
                ProblemKind::Unique,
                "social_logins",
                "Social Logins",
                format!("The account {userid} of {provider} is linked to somebody already"),
            );
            return Err(Error::Validation(Invalid { problems: vec![problem] }));
        }
    }
    Ok(())
}

/// Whether somebody else has the account, also by a row of before there were issuers.
async fn is_taken(work: &mut Work<'_>, user: &str, (provider, issuer, userid): (&str, &str, &str)) -> Result<bool> {
    let mut request = ListRequest::new(DOCTYPE)
        .fields(&["parent", "provider", "issuer", "userid"])
        .filters(json!({"userid": userid, "parenttype": "User"}))
        .all();
    request.parent = Some("User".to_owned());
    let caller = work.become_system();
    let list = work.list(&request).await;
    work.session = caller;
    let list = list?;
    Ok((0..list.rows.len()).any(|row| {
        let other = list.text(row, "issuer");
        let is_same = other == issuer || (other.is_empty() && list.text(row, "provider") == provider);
        is_same && list.text(row, "userid") == userid && list.text(row, "parent") != user
    }))
}

/// Adds the row with the id under which programs know the user, if it is missing.
fn add_own(work: &Work<'_>, user: &mut Document) -> Result<()> {
    let has_own = user.rows("social_logins").iter().any(|row| row.text("provider") == OWN_PROVIDER);
    if has_own || user.name() == crate::permissions::session::GUEST {
        return Ok(());
    }
    let mut row = Document::new(work.doctype(DOCTYPE)?);
    row.set("provider", OWN_PROVIDER);
    row.set("userid", Value::from(secret::random_id()));
    if let Some(rows) = user.rows_mut("social_logins") {
        rows.push(row);
    }
    Ok(())
}

fn problem(message: &'static str) -> FieldProblem {
    FieldProblem::at(ProblemKind::CannotChangeConstant, "social_logins", "Social Logins", message)
}
