//! OAuth Signing Key: a typed view, and what keeps the key that signs from being deleted.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::fields::{Fields, View};
use crate::document::{Controller, Work};
use crate::error::{Error, ProblemKind, Result};
use crate::meta::Document;
use crate::oauth::protocol::jwk::Jwk;
use crate::oauth::signing_keys::SigningKeys;
use crate::secret::SigningAlgorithm;

/// The name of the DocType.
pub const OAUTH_SIGNING_KEY: &str = "OAuth Signing Key";

/// What is read and written.
pub const VIEW: View = View {
    doctype: OAUTH_SIGNING_KEY,
    fields: &[
        "kid",
        "alg",
        "state",
        "created_at",
        "activated_at",
        "retired_at",
        "remove_after",
        "public_jwk",
        "slot",
        "private_key",
    ],
};

/// How far a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyState {
    /// It signs.
    Current,
    /// It is published, so that everybody knows it before it signs.
    Next,
    /// What it signed can still be checked.
    Retired,
}

impl KeyState {
    /// The option of the field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "Next",
            Self::Current => "Current",
            Self::Retired => "Retired",
        }
    }

    /// What the database keeps unique for a key of that algorithm in this state; retired keys may be many.
    pub fn slot(self, alg: SigningAlgorithm) -> Option<String> {
        (self != Self::Retired).then(|| format!("{alg} {}", self.as_str()))
    }
}

/// A key as it is stored: everything but its private half.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredKey {
    /// The document, which goes by the key id.
    pub name: String,
    /// The algorithm.
    pub alg: SigningAlgorithm,
    /// How far it is in its life.
    pub state: KeyState,
    /// When it began to sign.
    pub activated_at: Option<DateTime<Utc>>,
    /// When nothing that it signed can be valid any more.
    pub remove_after: Option<DateTime<Utc>>,
    /// The public half.
    pub jwk: Jwk,
}

impl StoredKey {
    /// Reads a document; `None` if its algorithm or its public half make no sense.
    pub fn read(document: &Document) -> Option<Self> {
        let fields = Fields::new(document, &VIEW);
        let state = [KeyState::Current, KeyState::Next, KeyState::Retired]
            .into_iter()
            .find(|state| state.as_str() == fields.text("state"))?;
        Some(Self {
            name: document.name(),
            alg: SigningAlgorithm::parse(fields.text("alg"))?,
            state,
            activated_at: fields.time("activated_at"),
            remove_after: fields.time("remove_after"),
            jwk: serde_json::from_str(fields.text("public_jwk")).ok().and_then(|jwk| Jwk::parse(&jwk).ok())?,
        })
    }
}

/// Behaviour of the DocType OAuth Signing Key.
pub struct SigningKeyController {
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

    async fn on_change(&self, work: &mut Work<'_>, _: &Document) -> Result<()> {
        let keys = self.keys.clone();
        work.after_commit(move || keys.forget());
        Ok(())
    }
}
