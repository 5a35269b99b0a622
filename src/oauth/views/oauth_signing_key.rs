//! OAuth Signing Key: a typed view.

use chrono::{DateTime, Utc};

use super::fields::{Fields, View};
use crate::meta::Document;
use crate::oauth::protocol::jwk::Jwk;
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
