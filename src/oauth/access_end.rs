//! The end of all that programs may do for a user: with a new password, or when the account is disabled.

use async_trait::async_trait;
use serde_json::json;

use crate::document::{Controller, ListRequest, Work};
use crate::error::Result;
use crate::meta::{Document, Value};
use crate::oauth::views::api_key;
use crate::oauth::views::oauth_authorization_code::OAUTH_AUTHORIZATION_CODE;
use crate::oauth::views::oauth_bearer_token::revoke_all;
use crate::oauth::views::oauth_device_code;

/// Ends a user's tokens whenever the account gets a new password or is disabled, and their API Keys when it is disabled
/// or they are revoked.
///
/// All of it is noted as Security Events wherever they happen, in the transaction that changes them: that is what this
/// listens to.
pub(crate) struct EndsTokens;

#[async_trait]
impl Controller for EndsTokens {
    async fn after_insert(&self, work: &mut Work<'_>, event: &Document) -> Result<()> {
        let user = event.text("user").to_owned();
        match event.text("event") {
            "Password Changed" => end_access(work, &user).await,
            "User Disabled" => {
                end_access(work, &user).await?;
                api_key::revoke_all(work, &user).await
            }
            "API Keys Revoked" => api_key::revoke_all(work, &user).await,
            _ => Ok(()),
        }
    }
}

/// Ends everything that clients may do for a user: after a new password, or when the account is disabled.
///
/// Consents stay, so that the person need not read them again; the clients have to send them to log in again.
pub(crate) async fn end_access(work: &mut Work<'_>, user: &str) -> Result<()> {
    revoke_all(work, json!({"user": user})).await?;
    let caller = work.become_system();
    let ended = end_codes(work, user).await;
    work.session = caller;
    ended
}

async fn end_codes(work: &mut Work<'_>, user: &str) -> Result<()> {
    let doctype = OAUTH_AUTHORIZATION_CODE;
    let list = work.list(&ListRequest::new(doctype).filters(json!({"user": user, "validity": "Valid"})).all()).await?;
    for row in 0..list.rows.len() {
        work.set_values(doctype, list.text(row, "name"), &[("validity", Value::from("Invalid"))]).await?;
    }
    oauth_device_code::end_approved(work, json!({"user": user})).await
}
