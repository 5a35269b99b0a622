//! What keeps the keys that sign from being changed and deleted, and lets the site notice new ones.

use async_trait::async_trait;

use crate::document::{Controller, Work};
use crate::error::{Error, ProblemKind, Result};
use crate::meta::Document;
use crate::oauth::signing_keys::SigningKeys;
use crate::oauth::views::oauth_signing_key::KeyState;

/// Behaviour of the DocType OAuth Signing Key.
pub(crate) struct SigningKeyController {
    /// What has to notice changes.
    pub keys: SigningKeys,
}

#[async_trait]
impl Controller for SigningKeyController {
    async fn validate(&self, work: &mut Work<'_>, _: &mut Document, _: Option<&Document>) -> Result<()> {
        if work.session.is_system() {
            return Ok(());
        }
        Err(Error::Permission("Signing keys are made and changed by the site alone".to_owned()))
    }

    async fn on_trash(&self, _: &mut Work<'_>, document: &Document) -> Result<()> {
        if document.text("state") == KeyState::Retired.as_str() {
            return Ok(());
        }
        Err(Error::invalid(
            ProblemKind::Validation,
            "This key is in use: press Renew Signing Keys Now in OAuth Settings first, then delete it as a retired key",
        ))
    }

    fn forget(&self, _: Option<&str>) {
        self.keys.forget();
    }
}
