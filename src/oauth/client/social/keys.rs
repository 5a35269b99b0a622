//! The public keys of providers, fetched when needed and again when a token names a key that is not there.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;
use serde_json::Value as Json;

use crate::document::Documents;
use crate::oauth::client::http::{Outgoing, host_of};
use crate::oauth::client::provider_error::ProviderError;
use crate::oauth::protocol::jwk::JwkSet;
use crate::oauth::protocol::jwt::{JwtError, Unverified, Verified};
use crate::secret::SigningAlgorithm;

/// How long keys are believed, so that one that a provider withdraws is not accepted for ever.
const KEEP: Duration = Duration::from_hours(1);
/// How soon keys are fetched again for a token that none of them fits; whoever invents tokens must not make us ask all the time.
const AGAIN_AFTER: TimeDelta = TimeDelta::seconds(10);

/// The key sets of providers by their address.
pub struct KeySets {
    known: Cache<String, Arc<Fetched>>,
}

struct Fetched {
    keys: JwkSet,
    at: DateTime<Utc>,
}

impl Default for KeySets {
    fn default() -> Self {
        Self { known: Cache::builder().max_capacity(1000).time_to_live(KEEP).build() }
    }
}

impl KeySets {
    /// Verifies the signature of a token with the keys at an address.
    pub async fn verify(
        &self,
        outgoing: &Outgoing,
        documents: &Documents,
        address: &str,
        token: &str,
    ) -> Result<Result<Verified, JwtError>, ProviderError> {
        let parsed = match Unverified::parse(token) {
            Ok(parsed) => parsed,
            Err(error) => return Ok(Err(error)),
        };
        let mut fetched = match self.known.get(address) {
            Some(known) => known,
            None => self.fetch(outgoing, documents, address).await?,
        };
        let mut verified = parsed.clone().verify(&fetched.keys, &SigningAlgorithm::ALL);
        // The provider may have renewed its keys since.
        let is_old = documents.clock().now() - fetched.at >= AGAIN_AFTER;
        if matches!(verified, Err(JwtError::UnknownKey | JwtError::Signature)) && is_old {
            fetched = self.fetch(outgoing, documents, address).await?;
            verified = parsed.verify(&fetched.keys, &SigningAlgorithm::ALL);
        }
        Ok(verified)
    }

    async fn fetch(
        &self,
        outgoing: &Outgoing,
        documents: &Documents,
        address: &str,
    ) -> Result<Arc<Fetched>, ProviderError> {
        let json: Json = outgoing.get_json(documents, address).await?;
        let keys = JwkSet::parse(&json).map_err(|error| {
            ProviderError::bad_answer(address_host(address), format!("its keys cannot be read: {error}"))
        })?;
        let fetched = Arc::new(Fetched { keys, at: documents.clock().now() });
        self.known.insert(address.to_owned(), Arc::clone(&fetched));
        Ok(fetched)
    }
}

fn address_host(address: &str) -> String {
    url::Url::parse(address).map_or_else(|_| address.to_owned(), |url| host_of(&url))
}
