//! What a client's tokens are signed with: ID tokens, and the access tokens of clients that want them as JWT.

use std::sync::Arc;

use serde::Serialize;

use crate::document::Documents;
use crate::error::Result as SiteResult;
use crate::oauth::http::endpoint::Result;
use crate::oauth::protocol::jose::jwt::{Algorithm, SigningKey, sign_hs256};
use crate::oauth::protocol::token::id_token::{DEFAULT_ALG, may_use_hs256, signing_alg};
use crate::oauth::protocol::{Error, ErrorCode};
use crate::oauth::signing_keys::SigningKeys;
use crate::oauth::views::oauth_settings::AccessTokenFormat;
use crate::oauth::views::{OAuthClient, OAuthSettings};

/// What a client's tokens are signed with. Made ready before the transaction: a key may have to be made for it.
#[derive(Debug)]
pub(crate) struct Signing {
    /// The key of access tokens, where they are JWTs (RFC 9068).
    pub access: Option<Arc<SigningKey>>,
    /// The signer of ID tokens.
    pub id: Signer,
}

/// What signs a token.
#[derive(Debug)]
pub(crate) enum Signer {
    /// A key of the site, which publishes its public half.
    Key(Arc<SigningKey>),
    /// The secret that the client has too.
    Secret(String),
}

impl Signing {
    /// Finds the keys for a client, by what is registered for it and else by OAuth Settings.
    ///
    /// Fails if its id tokens would be signed with HS256 and that is not allowed, or its secret is not fit for it.
    pub(crate) async fn of(
        keys: &SigningKeys,
        documents: &Documents,
        settings: &OAuthSettings,
        client: &OAuthClient,
    ) -> Result<Self> {
        let alg = signing_alg(client.id_token_alg.as_deref(), &settings.id_token_signing_alg);
        let id = Signer::of(keys, documents, client, alg).await?;
        let may_sign = match &id {
            Signer::Secret(secret) => may_use_hs256(!client.is_public(), secret, settings.allow_hs256),
            Signer::Key(_) => alg != Algorithm::Hs256,
        };
        if !may_sign {
            let message = "The id tokens of this client would be signed with HS256, which is not allowed here: \
                           choose another signature in the OAuth Client";
            return Err(Error::new(ErrorCode::UnauthorizedClient, message).into());
        }
        let access = match client.access_token_format(settings) {
            AccessTokenFormat::Opaque => None,
            AccessTokenFormat::Jwt => Some(keys.current(documents, DEFAULT_ALG).await?),
        };
        Ok(Self { access, id })
    }
}

impl Signer {
    /// What signs for a client with this algorithm. HS256 takes the client's current secret; a client that has none which
    /// could sign is signed for with the default key.
    pub(crate) async fn of(
        keys: &SigningKeys,
        documents: &Documents,
        client: &OAuthClient,
        alg: Algorithm,
    ) -> SiteResult<Self> {
        let alg = match alg {
            Algorithm::Asymmetric(alg) => alg,
            Algorithm::Hs256 => {
                let secrets = client.signing_secrets(documents.site_key(), documents.clock().now());
                if let Some(secret) = secrets.into_iter().next() {
                    return Ok(Self::Secret(secret));
                }
                DEFAULT_ALG
            }
        };
        Ok(Self::Key(keys.current(documents, alg).await?))
    }

    /// Signs claims as a JWT of this `typ`.
    pub(crate) fn sign(&self, typ: &str, claims: &impl Serialize) -> String {
        match self {
            Self::Key(key) => key.sign(typ, claims),
            Self::Secret(secret) => sign_hs256(secret.as_bytes(), typ, claims),
        }
    }

    /// The algorithm of its signatures.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Key(key) => Algorithm::Asymmetric(key.algorithm()),
            Self::Secret(_) => Algorithm::Hs256,
        }
    }
}
