//! The public keys of others, fetched when needed and again when a token names a key that is not there.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use serde_json::Value as Json;
use tokio::sync::Mutex;

use crate::document::Documents;
use crate::oauth::client::http::{Outgoing, OutgoingError, host_of};
use crate::oauth::client::provider_error::ProviderError;
use crate::oauth::protocol::jwk::JwkSet;
use crate::oauth::protocol::jwt::{JwtError, Unverified, Verified};
use crate::secret::SigningAlgorithm;

/// How long keys are believed, so that one that a provider withdraws is not accepted for ever.
const KEEP: Duration = Duration::from_hours(1);
/// How soon keys are fetched again for a token that none of them fits; whoever invents tokens must not make us ask all the time.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How long an address that gave no keys is left alone when it is strangers who make us ask.
const REST: Duration = Duration::from_secs(10);

/// The key sets of providers and of clients, by their address.
pub struct KeySets {
    known: Cache<String, Arc<Fetched>>,
    /// One fetch of an address at a time; inside, when the last one failed.
    gates: Cache<String, Arc<Mutex<Option<Duration>>>>,
}

struct Fetched {
    keys: JwkSet,
    /// By the clock that only goes forward.
    at: Duration,
}

/// Where keys are, and who makes us ask for them. An address that gave no keys to a stranger is left alone for a while.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    address: &'a str,
    by_stranger: bool,
}

impl<'a> Asked<'a> {
    /// For what the provider itself just answered us.
    pub fn by_us(address: &'a str) -> Self {
        Self { address, by_stranger: false }
    }

    /// For what anybody may have sent.
    pub fn by_stranger(address: &'a str) -> Self {
        Self { address, by_stranger: true }
    }
}

impl Default for KeySets {
    fn default() -> Self {
        Self {
            known: Cache::builder().max_capacity(1000).time_to_live(KEEP).build(),
            gates: Cache::builder().max_capacity(1000).time_to_idle(KEEP).build(),
        }
    }
}

impl KeySets {
    /// Verifies the signature of a token with the keys at an address.
    pub async fn verify(
        &self,
        outgoing: &Outgoing,
        documents: &Documents,
        asked: Asked<'_>,
        token: &str,
    ) -> Result<Result<Verified, JwtError>, ProviderError> {
        let parsed = match Unverified::parse(token) {
            Ok(parsed) => parsed,
            Err(error) => return Ok(Err(error)),
        };
        self.check(outgoing, documents, asked, |keys| parsed.clone().verify(keys, &SigningAlgorithm::ALL)).await
    }

    /// Checks something with the keys at an address; once more with newer ones if those that are known do not fit.
    pub async fn check<T>(
        &self,
        outgoing: &Outgoing,
        documents: &Documents,
        asked: Asked<'_>,
        check: impl Fn(&JwkSet) -> Result<T, JwtError>,
    ) -> Result<Result<T, JwtError>, ProviderError> {
        let fetched = match self.known.get(asked.address) {
            Some(known) => known,
            None => self.fetch(outgoing, documents, asked, None).await?,
        };
        let checked = check(&fetched.keys);
        // The owner may have renewed its keys since.
        let is_old = documents.clock().monotonic().saturating_sub(fetched.at) >= AGAIN_AFTER;
        if !matches!(checked, Err(JwtError::UnknownKey | JwtError::Signature)) || !is_old {
            return Ok(checked);
        }
        let fetched = self.fetch(outgoing, documents, asked, Some(fetched.at)).await?;
        Ok(check(&fetched.keys))
    }

    /// Fetches keys, unless somebody else has meanwhile: all who wait for newer ones than those of `known_at` share them.
    async fn fetch(
        &self,
        outgoing: &Outgoing,
        documents: &Documents,
        Asked { address, by_stranger }: Asked<'_>,
        known_at: Option<Duration>,
    ) -> Result<Arc<Fetched>, ProviderError> {
        let gate = self.gates.get_with(address.to_owned(), Arc::default);
        let mut failed_at = gate.lock().await;
        if let Some(known) = self.known.get(address).filter(|known| known_at.is_none_or(|at| known.at > at)) {
            return Ok(known);
        }
        let now = documents.clock().monotonic();
        if by_stranger && failed_at.is_some_and(|at| now.saturating_sub(at) < REST) {
            return Err(OutgoingError::Resting(address_host(address)).into());
        }
        *failed_at = Some(now);
        let json: Json = outgoing.get_json(documents, address).await?;
        let keys = JwkSet::parse(&json).map_err(|error| {
            ProviderError::bad_answer(address_host(address), format!("its keys cannot be read: {error}"))
        })?;
        *failed_at = None;
        let fetched = Arc::new(Fetched { keys, at: now });
        self.known.insert(address.to_owned(), Arc::clone(&fetched));
        Ok(fetched)
    }
}

fn address_host(address: &str) -> String {
    url::Url::parse(address).map_or_else(|_| address.to_owned(), |url| host_of(&url))
}
