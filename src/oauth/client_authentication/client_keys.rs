//! What a client signed, checked with its public keys: those that it gave us, or those that its `jwks_uri` publishes.

use crate::document::Documents;
use crate::oauth::protocol::jose::jwk::JwkSet;
use crate::oauth::protocol::jose::jwt::JwtError;
use crate::oauth::protocol::{Error, ErrorCode};
use crate::oauth::provider_error::ProviderError;
use crate::oauth::server::Server;
use crate::oauth::views::OAuthClient;
use crate::outgoing::published::Asked;

/// Why a signature proves nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unproven {
    /// It does not hold.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// The client's keys could not be had.
    #[error("the keys of the client cannot be fetched")]
    Keys(#[from] ProviderError),
}

impl Unproven {
    /// The answer, with what `refused` makes of a signature that does not hold.
    ///
    /// That a client's keys are out of reach is told as such, for it may have done nothing wrong; not why they are, which
    /// could tell strangers what answers in our network.
    pub(crate) fn into_error(self, refused: impl FnOnce(JwtError) -> Error) -> Error {
        match self {
            Self::Jwt(error) => refused(error),
            Self::Keys(error) => {
                let text = "The keys of this client cannot be fetched: check that its jwks_uri opens from everywhere over \
                    https, or try again in a moment";
                Error::new(ErrorCode::TemporarilyUnavailable, text).because(error)
            }
        }
    }
}

/// Checks something that the client signed. If none of its published keys fits, they are fetched again, though not often.
pub(crate) async fn check_signed<T>(
    documents: &Documents,
    server: &Server,
    client: &OAuthClient,
    check: impl Fn(&JwkSet) -> Result<T, JwtError>,
) -> Result<T, Unproven> {
    if let Some(jwks) = &client.jwks {
        let keys = serde_json::from_str(jwks).ok().and_then(|value| JwkSet::parse(&value).ok()).unwrap_or_default();
        return Ok(check(&keys)?);
    }
    let Some(address) = &client.jwks_uri else { return Err(JwtError::UnknownKey.into()) };
    let (providers, client_id) = (&server.providers, client.client_id.as_str());
    let checked = providers.keys.check(&providers.outgoing, documents, Asked::by_stranger(address), check).await;
    Ok(checked.inspect_err(|error| tracing::warn!(client_id, %error, "the keys of a client"))??)
}
