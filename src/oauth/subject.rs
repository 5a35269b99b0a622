//! Users as clients know them: the subject identifier.

use serde_json::json;

use crate::document::{Documents, ListRequest, Work};
use crate::error::Result;
use crate::meta::Document;
use crate::oauth::views::user_social_login;
use crate::permissions::Session;

/// The provider of the line that holds the subject identifier.
const OWN_PROVIDER: &str = user_social_login::OWN;

/// The stable random id under which clients know a user (`sub`).
pub(crate) fn subject(user: &Document) -> Option<&str> {
    user.rows("social_logins")
        .iter()
        .find(|row| row.text("provider") == OWN_PROVIDER)
        .map(|row| row.text("userid"))
        .filter(|subject| !subject.is_empty())
}

/// The subject identifier of a user by name; made if there is none yet.
pub async fn subject_of(documents: &Documents, user: &str) -> Result<String> {
    let document = documents.get(&Session::system(), "User", user).await?;
    if let Some(subject) = subject(&document) {
        return Ok(subject.to_owned());
    }
    let mut work = documents.begin(&Session::system()).await?;
    let subject = subject_in(&mut work, user).await?;
    work.commit().await?;
    Ok(subject)
}

/// The user whom clients know under a subject identifier.
pub(crate) async fn user_of(documents: &Documents, subject: &str) -> Result<Option<String>> {
    let mut request = ListRequest::new(user_social_login::DOCTYPE)
        .fields(&["parent", "userid"])
        .filters(json!({"provider": OWN_PROVIDER, "userid": subject, "parenttype": "User"}))
        .all();
    request.parent = Some("User".to_owned());
    let list = documents.list(&Session::system(), &request).await?;
    let found = (0..list.rows.len()).find(|row| list.text(*row, "userid") == subject);
    Ok(found.map(|row| list.text(row, "parent").to_owned()))
}

/// A user's subject identifier within a transaction, which acts as the site itself.
pub(crate) async fn subject_in(work: &mut Work<'_>, user: &str) -> Result<String> {
    let document = work.documents.get(&Session::system(), "User", user).await?;
    if let Some(subject) = subject(&document) {
        return Ok(subject.to_owned());
    }
    let document = work.get_for_update("User", user).await?;
    // Somebody else may have made it meanwhile.
    if let Some(subject) = subject(&document) {
        return Ok(subject.to_owned());
    }
    let saved = work.save(document).await?;
    Ok(subject(&saved).unwrap_or_default().to_owned())
}
