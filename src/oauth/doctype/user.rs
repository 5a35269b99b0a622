//! Users as clients know them: the subject identifier, and the end of all tokens with a new password.

use async_trait::async_trait;
use serde_json::json;

use super::oauth_bearer_token::revoke_all;
use super::{oauth_device_code, user_social_login};
use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::Result;
use crate::meta::{Document, Value};
use crate::permissions::Session;

/// The provider of the line that holds the subject identifier.
const OWN_PROVIDER: &str = user_social_login::OWN;

/// The stable random id under which clients know a user (`sub`).
pub fn subject(user: &Document) -> Option<&str> {
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
pub async fn user_of(documents: &Documents, subject: &str) -> Result<Option<String>> {
    let mut request = ListRequest::new(user_social_login::DOCTYPE)
        .fields(&["parent", "userid"])
        .filters(json!({"provider": OWN_PROVIDER, "userid": subject, "parenttype": "User"}))
        .all();
    request.parent = Some("User".to_owned());
    let list = documents.list(&Session::system(), &request).await?;
    let found = (0..list.rows.len()).find(|row| list.text(*row, "userid") == subject);
    Ok(found.map(|row| list.text(row, "parent").to_owned()))
}

/// A user's subject identifier within a transaction, which acts as the program itself.
pub async fn subject_in(work: &mut Work<'_>, user: &str) -> Result<String> {
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

/// Ends a user's tokens whenever the account gets a new password or is disabled.
///
/// Both are noted as Security Events wherever they happen, in the transaction that changes them: that is what this
/// listens to.
pub struct EndsTokens;

#[async_trait]
impl Controller for EndsTokens {
    async fn after_insert(&self, work: &mut Work<'_>, event: &Document) -> Result<()> {
        match event.text("event") {
            "Password Changed" | "User Disabled" => {
                let user = event.text("user").to_owned();
                end_access(work, &user).await
            }
            _ => Ok(()),
        }
    }
}

/// Ends everything that clients may do for a user: after a new password, or when the account is disabled.
///
/// Consents stay, so that the person need not read them again; the clients have to send them to log in again.
pub async fn end_access(work: &mut Work<'_>, user: &str) -> Result<()> {
    revoke_all(work, json!({"user": user})).await?;
    let caller = work.become_system();
    let ended = end_codes(work, user).await;
    work.session = caller;
    ended
}

async fn end_codes(work: &mut Work<'_>, user: &str) -> Result<()> {
    let doctype = super::oauth_authorization_code::OAUTH_AUTHORIZATION_CODE;
    let list = work.list(&ListRequest::new(doctype).filters(json!({"user": user, "validity": "Valid"})).all()).await?;
    for row in 0..list.rows.len() {
        work.set_values(doctype, list.text(row, "name"), &[("validity", Value::from("Invalid"))]).await?;
    }
    oauth_device_code::end_approved(work, json!({"user": user})).await
}
