//! OAuth Signing Key: a typed view.

use chrono::{DateTime, Utc};

use crate::document::view::{options, view};
use crate::meta::Document;
use crate::oauth::protocol::jose::jwk::Jwk;
use crate::secret::SigningAlgorithm;

/// The name of the DocType.
pub(crate) const OAUTH_SIGNING_KEY: &str = "OAuth Signing Key";

options! {
    /// How far a key is in its life.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
    pub(crate) enum KeyState {
        /// It signs.
        #[default]
        Current = "Current",
        /// It is published, so that everybody knows it before it signs.
        Next = "Next",
        /// What it signed can still be checked.
        Retired = "Retired",
    }
}

view! {
    /// A key as it is stored.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct SigningKeyDocument of OAUTH_SIGNING_KEY {
        /// The document, which goes by the key id.
        pub name: String = name,
        /// The key id.
        pub kid: String,
        /// The algorithm (RFC 7518 §3.1).
        pub alg: String,
        /// How far it is in its life.
        pub state: Option<KeyState>,
        /// What the database keeps unique; see [`KeyState::slot`].
        pub slot: Option<String>,
        /// When it was made.
        pub created_at: Option<DateTime<Utc>>,
        /// When it began to sign.
        pub activated_at: Option<DateTime<Utc>>,
        /// When it ceased to.
        pub retired_at: Option<DateTime<Utc>>,
        /// When nothing that it signed can be valid any more.
        pub remove_after: Option<DateTime<Utc>>,
        /// The public half as a JWK (RFC 7517).
        pub public_jwk: String,
        /// PKCS #8 in Base64; sealed when it is stored, so that it reads as stars.
        pub private_key: String,
    }
}

impl KeyState {
    /// What the database keeps unique for a key of that algorithm in this state; retired keys may be many.
    pub(crate) fn slot(self, alg: SigningAlgorithm) -> Option<String> {
        (self != Self::Retired).then(|| format!("{alg} {}", self.as_str()))
    }
}

/// A key that can be read: everything but its private half.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredKey {
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
    pub(crate) fn read(document: &Document) -> Option<Self> {
        let stored = SigningKeyDocument::from(document);
        Some(Self {
            name: stored.name,
            alg: SigningAlgorithm::parse(&stored.alg)?,
            state: stored.state?,
            activated_at: stored.activated_at,
            remove_after: stored.remove_after,
            jwk: serde_json::from_str(&stored.public_jwk).ok().and_then(|jwk| Jwk::parse(&jwk).ok())?,
        })
    }
}
