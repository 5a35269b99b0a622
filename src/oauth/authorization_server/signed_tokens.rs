//! What is signed beside an opaque token: the id token, and the access token of clients that want it as JWT.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::endpoint::Result;
use super::token::Asking;
use super::tokens::NewTokens;
use super::userinfo;
use crate::document::{Documents, Work};
use crate::error::Result as SiteResult;
use crate::oauth::protocol::access_token::{self, AccessTokenClaims};
use crate::oauth::protocol::id_token::{self, IdTokenClaims, half_hash, may_use_hs256};
use crate::oauth::protocol::introspection::Confirmation;
use crate::oauth::protocol::jwt::{Algorithm, SigningKey, sign_hs256};
use crate::oauth::protocol::{Error, ErrorCode, Scope};
use crate::oauth::signing_keys::SigningKeys;
use crate::oauth::subject::subject_in;
use crate::oauth::views::oauth_settings::AccessTokenFormat;
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::secret::SigningAlgorithm;

/// What a client's tokens are signed with. Made ready before the transaction: a key may have to be made for it.
#[derive(Debug)]
pub struct Signing {
    access: Option<Arc<SigningKey>>,
    id: IdSigner,
}

#[derive(Debug)]
enum IdSigner {
    Key(Arc<SigningKey>),
    /// The secret that the client has too.
    Secret(String),
}

impl Signing {
    /// Finds the keys for a client, by what is registered for it and else by OAuth Settings.
    ///
    /// Fails if its id tokens would be signed with HS256 and that is not allowed, or its secret is not fit for it.
    pub async fn of(
        keys: &SigningKeys,
        documents: &Documents,
        settings: &OAuthSettings,
        client: &OAuthClient,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let wanted = client.id_token_alg.as_deref().unwrap_or(&settings.id_token_signing_alg);
        let id = if wanted == Algorithm::Hs256.as_str() {
            let secret = client.signing_secrets(documents.site_key(), now).into_iter().next().unwrap_or_default();
            if !may_use_hs256(!client.is_public(), &secret, settings.allow_hs256) {
                let message = "The id tokens of this client would be signed with HS256, which is not allowed here: \
                               choose another signature in the OAuth Client";
                return Err(Error::new(ErrorCode::UnauthorizedClient, message).into());
            }
            IdSigner::Secret(secret)
        } else {
            IdSigner::Key(keys.current(documents, SigningAlgorithm::parse(wanted).unwrap_or(DEFAULT)).await?)
        };
        let access = match client.access_token_format(settings) {
            AccessTokenFormat::Opaque => None,
            AccessTokenFormat::Jwt => Some(keys.current(documents, DEFAULT).await?),
        };
        Ok(Self { access, id })
    }

    /// The access token as JWT, if the client gets it so (RFC 9068). `name` is the one of its document, `cnf` is what it
    /// is bound to.
    pub async fn access_token(
        &self,
        work: &mut Work<'_>,
        new: &NewTokens<'_>,
        name: &str,
        cnf: Option<Confirmation>,
        issued_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> SiteResult<Option<String>> {
        let Some(key) = &self.access else { return Ok(None) };
        let issuer = work.documents.site_url().to_owned();
        let aud = if new.resources.is_empty() { vec![issuer.clone()] } else { new.resources.to_vec() };
        let claims = AccessTokenClaims {
            sub: subject_in(work, new.user).await?,
            aud,
            iss: issuer,
            exp: expires_at.timestamp(),
            iat: issued_at.timestamp(),
            jti: name.to_owned(),
            client_id: new.client.client_id.clone(),
            scope: new.scopes.to_string(),
            auth_time: new.login.auth_time.map(|at| at.timestamp()),
            acr: new.login.acr.map(str::to_owned),
            amr: words(new.login.amr),
            cnf,
            act: new.exchanged.and_then(|from| from.act).cloned(),
        };
        Ok(Some(key.sign(access_token::TYPE, &claims)))
    }

    /// The id token beside an access token, if `openid` was granted (OpenID Connect Core §2, §12.2).
    pub async fn id_token(
        &self,
        work: &mut Work<'_>,
        asking: &Asking,
        new: &NewTokens<'_>,
        access_token: &str,
        issued_at: DateTime<Utc>,
    ) -> SiteResult<Option<String>> {
        if !new.scopes.contains(&Scope::OpenId) {
            return Ok(None);
        }
        let settings = &asking.settings;
        let told = json!(userinfo::claims(&asking.site, settings, new.user, new.scopes).await?);
        let names_person = settings.id_token_includes_claims && new.client.id_token_includes_claims;
        let may_tell = |claim: &str| claim == "roles" || (names_person && claim != "sub");
        let extra = told.as_object().into_iter().flatten().filter(|(claim, _)| may_tell(claim));
        let extra = extra.map(|(claim, value)| (claim.clone(), value.clone())).collect();
        let algorithm = match &self.id {
            IdSigner::Key(key) => Algorithm::Asymmetric(key.algorithm()),
            IdSigner::Secret(_) => Algorithm::Hs256,
        };
        let claims = IdTokenClaims {
            iss: work.documents.site_url().to_owned(),
            sub: subject_in(work, new.user).await?,
            aud: new.client.client_id.clone(),
            exp: (issued_at + id_token::LIFETIME).timestamp(),
            iat: issued_at.timestamp(),
            auth_time: new.login.auth_time.map(|at| at.timestamp()),
            azp: new.client.client_id.clone(),
            nonce: new.login.nonce.map(str::to_owned),
            at_hash: Some(half_hash(algorithm, access_token)),
            sid: new.login.sid.map(str::to_owned),
            acr: new.login.acr.map(str::to_owned),
            amr: words(new.login.amr),
            extra,
        };
        Ok(Some(match &self.id {
            IdSigner::Key(key) => key.sign(id_token::TYPE, &claims),
            IdSigner::Secret(secret) => sign_hs256(secret.as_bytes(), id_token::TYPE, &claims),
        }))
    }
}

/// What signs where nothing else was chosen.
const DEFAULT: SigningAlgorithm = SigningAlgorithm::Es256;

fn words(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}
