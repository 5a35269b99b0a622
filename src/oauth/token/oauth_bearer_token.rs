//! The note that an administrator has deleted an OAuth Bearer Token.

use async_trait::async_trait;
use serde_json::json;

use crate::document::{Controller, Work};
use crate::error::Result;
use crate::meta::Document;
use crate::oauth::views::BearerToken;
use crate::web::{SecurityEvent, Severity};

/// Behaviour of the DocType OAuth Bearer Token: an administrator who deletes one is noted.
pub(crate) struct BearerTokenController;

#[async_trait]
impl Controller for BearerTokenController {
    async fn on_trash(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        let token = BearerToken::from(document);
        if work.session.is_system() || token.is_revoked() {
            return Ok(());
        }
        SecurityEvent::new("Token Revoked", Severity::Info)
            .user(token.user)
            .client(token.client)
            .details(json!({"by": work.session.user()}))
            .record_in(work)
            .await
    }
}
