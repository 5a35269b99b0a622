//! The public keys of others, fetched when needed and again when a token names a key that is not there.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use crate::document::Documents;
use crate::oauth::protocol::jose::jwk::JwkSet;
use crate::oauth::protocol::jose::jwt::{JwtError, Unverified, Verified};
use crate::oauth::provider_error::ProviderError;
use crate::outgoing::published::{Asked, Known, Published};
use crate::outgoing::{Outgoing, host_in};
use crate::secret::SigningAlgorithm;

/// How soon keys are fetched again for a token that none of them fits; whoever invents tokens must not make us ask all the time.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// The key sets of providers and of clients, by their address.
#[derive(Default)]
pub(crate) struct KeySets(Published<String, JwkSet>);

impl KeySets {
    /// Verifies the signature of a token with the keys at an address.
    pub(crate) async fn verify(
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
    pub(crate) async fn check<T>(
        &self,
        outgoing: &Outgoing,
        documents: &Documents,
        asked: Asked<'_>,
        check: impl Fn(&JwkSet) -> Result<T, JwtError>,
    ) -> Result<Result<T, JwtError>, ProviderError> {
        let known = match self.0.known(&asked.address.to_owned()) {
            Some(known) => known,
            None => self.fetch(outgoing, documents, asked, None).await?,
        };
        let checked = check(&known.value);
        // The owner may have renewed its keys since.
        let is_old = documents.clock().monotonic().saturating_sub(known.at) >= AGAIN_AFTER;
        if !matches!(checked, Err(JwtError::UnknownKey | JwtError::Signature)) || !is_old {
            return Ok(checked);
        }
        let known = self.fetch(outgoing, documents, asked, Some(known.at)).await?;
        Ok(check(&known.value))
    }

    async fn fetch(
        &self,
        outgoing: &Outgoing,
        documents: &Documents,
        asked: Asked<'_>,
        newer_than: Option<Duration>,
    ) -> Result<Arc<Known<JwkSet>>, ProviderError> {
        let fetching = async {
            let json: Json = outgoing.get_json(documents, asked.address).await?;
            JwkSet::parse(&json).map_err(|error| {
                ProviderError::bad_answer(host_in(asked.address), format!("its keys cannot be read: {error}"))
            })
        };
        self.0.fetch(documents.clock(), &asked.address.to_owned(), asked, newer_than, fetching).await
    }
}
