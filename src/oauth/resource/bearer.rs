//! The resource server: a bearer token becomes the session of its user, narrowed to what its scopes allow.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use moka::sync::Cache;
use poem::Request;

use crate::document::Documents;
use crate::document::view::time_value;
use crate::error::{AuthenticationError, Error, Result};
use crate::meta::Document;
use crate::oauth::credentials;
use crate::oauth::protocol::ErrorCode;
use crate::oauth::protocol::client::certificate::thumbprint;
use crate::oauth::protocol::jose::jwk::JwkSet;
use crate::oauth::protocol::jose::jwt::Unverified;
use crate::oauth::protocol::serve::resource;
use crate::oauth::protocol::token::access_token;
use crate::oauth::protocol::token::kind::TokenKind;
use crate::oauth::scopes::scope_catalogue::{ScopeCatalogue, ScopeDefinitions};
use crate::oauth::scopes::scope_limit::ScopeLimit;
use crate::oauth::signing_keys;
use crate::oauth::signing_keys::SigningKeys;
use crate::oauth::views::oauth_bearer_token::OAUTH_BEARER_TOKEN;
use crate::oauth::views::oauth_client::RegisteredBy;
use crate::oauth::views::{BearerToken, OAuthClient, OAuthSettings};
use crate::permissions::{Limit, Session, UserAccess};
use crate::web::behind::write_behind;
use crate::web::{Authenticated, Authenticator, ClientCertificate, Credentials, RequestContext, Site};

/// How many tokens are kept ready.
const CAPACITY: u64 = 100_000;

/// A token with everything that was made from its document.
struct CachedToken {
    document: Arc<Document>,
    token: BearerToken,
    definitions: Arc<ScopeDefinitions>,
    limit: Option<Arc<dyn Limit>>,
    /// The keys that its signature was verified with, if it has one.
    keys: Option<Arc<JwkSet>>,
}

/// Turns `Authorization: Bearer` into a session.
#[derive(Clone)]
pub(crate) struct BearerAuthenticator {
    catalogue: ScopeCatalogue,
    keys: SigningKeys,
    known: Cache<String, Arc<CachedToken>>,
}

impl BearerAuthenticator {
    /// An authenticator that notices changed scopes by the catalogue, and removed keys.
    pub(crate) fn new(catalogue: ScopeCatalogue, keys: SigningKeys) -> Self {
        let known = Cache::builder().max_capacity(CAPACITY).time_to_idle(StdDuration::from_hours(1)).build();
        Self { catalogue, keys, known }
    }

    /// The token, as it is now.
    ///
    /// What is kept here counts only as long as the cache of documents holds the very document that it was made from;
    /// and that one is dropped by each commit that changes it.
    async fn find(&self, documents: &Documents, presented: &str) -> Result<Option<Arc<CachedToken>>> {
        let digest = credentials::digest(documents, presented);
        let definitions = self.catalogue.get(documents).await?;
        let keys = if credentials::is_jwt(presented) { Some(self.keys.published(documents).await?) } else { None };
        let known = self.known.get(&digest);
        if let Some(keys) = &keys
            && known.as_ref().is_none_or(|known| !same(known.keys.as_ref(), Some(keys)))
            && !is_signed_here(presented, keys, documents.site_url())
        {
            self.known.invalidate(&digest);
            return Ok(None);
        }
        if let Some(known) = known {
            match documents.get(&Session::system(), OAUTH_BEARER_TOKEN, &known.token.name).await {
                Ok(document)
                    if Arc::ptr_eq(&document, &known.document)
                        && Arc::ptr_eq(&definitions, &known.definitions)
                        && same(known.keys.as_ref(), keys.as_ref()) =>
                {
                    return Ok(Some(known));
                }
                Ok(document) => return Ok(Some(self.keep(digest, document, definitions, keys))),
                Err(Error::DoesNotExist { .. }) => {
                    self.known.invalidate(&digest);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        let kind = TokenKind::AccessToken;
        let found = credentials::find(documents, kind, OAUTH_BEARER_TOKEN, "access_token", presented).await?;
        Ok(found.map(|document| self.keep(digest, document, definitions, keys)))
    }

    fn keep(
        &self,
        digest: String,
        document: Arc<Document>,
        definitions: Arc<ScopeDefinitions>,
        keys: Option<Arc<JwkSet>>,
    ) -> Arc<CachedToken> {
        let token = BearerToken::from(&*document);
        let limit = ScopeLimit::of(&token.scopes, &*definitions);
        let known = Arc::new(CachedToken { document, token, definitions, limit, keys });
        self.known.insert(digest, Arc::clone(&known));
        known
    }

    /// What is stored of an access token, whether or not it still opens anything; `None` if we never issued it.
    pub(crate) async fn token(&self, documents: &Documents, presented: &str) -> Result<Option<BearerToken>> {
        Ok(self.find(documents, presented).await?.map(|known| known.token.clone()))
    }

    /// The client that a token was issued to, whether or not the token still opens anything.
    pub(crate) async fn client_of(&self, documents: &Documents, presented: &str) -> Result<Option<Arc<OAuthClient>>> {
        match self.find(documents, presented).await? {
            Some(known) => OAuthClient::find_by_name(documents, &known.token.client).await,
            None => Ok(None),
        }
    }

    /// The session of a token that opens this request, and the token.
    pub(crate) async fn session(
        &self,
        site: &Site,
        presented: Presented<'_>,
        path: &str,
    ) -> Result<(Session, BearerToken)> {
        let documents = &site.documents;
        let now = documents.clock().now();
        let refused = |reason: &str| presented.refused(reason);
        let known = self.find(documents, presented.token).await?;
        let known = known.ok_or_else(|| refused("The access token is not valid"))?;
        let token = &known.token;
        let access = standing(documents, token, now).await?.map_err(|reason| refused(&reason))?;
        match (token.dpop_jkt.as_deref(), presented.jkt) {
            (None, None) => {}
            (Some(bound), Some(jkt)) if bound == jkt => {}
            (Some(_), Some(_)) => return Err(refused("The access token is bound to another key")),
            (Some(_), None) => {
                return Err(refused("This access token is bound to a key: send it as DPoP, with a proof (RFC 9449)"));
            }
            (None, Some(_)) => return Err(refused("This access token is bound to no key: send it as Bearer")),
        }
        if let Some(bound) = &token.x5t_s256
            && presented.certificate.is_none_or(|certificate| thumbprint(certificate.der()) != *bound)
        {
            return Err(refused("The access token is bound to another certificate than that of the connection"));
        }
        if !resource::covers(&token.resources, &format!("{}{path}", documents.site_url())) {
            return Err(refused("The access token is meant for another resource"));
        }
        note_use(documents, token, now).await;
        let mut session = Session::of(access);
        session.limit.clone_from(&known.limit);
        Ok((session, token.clone()))
    }
}

/// Whose rights an access token stands for now, or why for nobody's. One that was exchanged needs the token behind it.
pub(crate) async fn standing(
    documents: &Documents,
    token: &BearerToken,
    now: DateTime<Utc>,
) -> Result<Result<Arc<UserAccess>, String>> {
    let access = match stands_alone(documents, token, now).await? {
        Ok((_, access)) => access,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut behind = token.subject_token.clone();
    while let Some(name) = behind {
        let subject = match documents.get(&Session::system(), OAUTH_BEARER_TOKEN, &name).await {
            Ok(document) => BearerToken::from(&*document),
            Err(Error::DoesNotExist { .. }) => return Ok(Err(ENDED_BEHIND.to_owned())),
            Err(error) => return Err(error),
        };
        if stands_alone(documents, &subject, now).await?.is_err() {
            return Ok(Err(ENDED_BEHIND.to_owned()));
        }
        behind = subject.subject_token;
    }
    Ok(Ok(access))
}

/// Why an exchanged token is refused whose subject token opens nothing any more.
const ENDED_BEHIND: &str = "The access token was exchanged for one that has expired or was revoked";

async fn stands_alone(
    documents: &Documents,
    token: &BearerToken,
    now: DateTime<Utc>,
) -> Result<Result<(Arc<OAuthClient>, Arc<UserAccess>), String>> {
    if !token.is_usable(now) {
        return Ok(Err("The access token has expired or was revoked".to_owned()));
    }
    holder(documents, token).await
}

/// The client that a token was issued to and its account, or why the one may not act for the other any more.
pub(crate) async fn holder(
    documents: &Documents,
    token: &BearerToken,
) -> Result<Result<(Arc<OAuthClient>, Arc<UserAccess>), String>> {
    let client = OAuthClient::find_by_name(documents, &token.client).await?.filter(|client| client.enabled);
    let Some(client) = client else { return Ok(Err("The client of this access token is disabled".to_owned())) };
    if client.registered_by == RegisteredBy::MetadataDocument {
        let settings = OAuthSettings::load(documents).await?;
        if let Err(error) = settings.check_metadata_document(&client.client_id) {
            return Ok(Err(error.description().to_owned()));
        }
    }
    let Some(access) = documents.access(&token.user).await? else {
        return Ok(Err("The account of this access token is disabled".to_owned()));
    };
    if !token.acts_for_client() && !client.admits(&access) {
        return Ok(Err("The account may not use the client of this access token any more".to_owned()));
    }
    Ok(Ok((client, access)))
}

/// Whether both are the very same keys, or there are none.
fn same(a: Option<&Arc<JwkSet>>, b: Option<&Arc<JwkSet>>) -> bool {
    a.map(Arc::as_ptr) == b.map(Arc::as_ptr)
}

/// Whether a JWT is an access token that this site signed with a key that it still publishes. Everything else about it
/// is in its document.
fn is_signed_here(token: &str, keys: &JwkSet, issuer: &str) -> bool {
    let verified = Unverified::parse(token).and_then(|token| token.verify(keys, &signing_keys::ALGORITHMS));
    verified.is_ok_and(|token| {
        token.require_type(access_token::TYPE).and_then(|()| token.claims.require_issuer(issuer)).is_ok()
    })
}

/// Writes down that a token is in use: the first time at once, then now and then.
async fn note_use(documents: &Documents, token: &BearerToken, now: DateTime<Utc>) {
    if token.is_in_use(now) {
        return;
    }
    let (documents, name) = (documents.clone(), token.name.clone());
    write_behind("token in use", async move {
        let mut work = documents.begin(&Session::system()).await?;
        work.set_values(OAUTH_BEARER_TOKEN, &name, &[("last_used", time_value(now))]).await?;
        work.commit().await
    })
    .await;
}

/// An access token as a request presents it.
#[derive(Clone, Copy)]
pub(crate) struct Presented<'a> {
    /// The token.
    pub token: &'a str,
    /// The thumbprint of the key whose verified proof came along; `None`: it was sent as Bearer.
    pub jkt: Option<&'a str>,
    /// The certificate of the connection.
    pub certificate: Option<&'a ClientCertificate>,
}

impl<'a> Presented<'a> {
    /// Sent as Bearer, without a certificate.
    pub(crate) const fn bearer(token: &'a str) -> Self {
        Self { token, jkt: None, certificate: None }
    }

    /// The refusal in the scheme that the request used.
    fn refused(self, reason: &str) -> Error {
        let message = reason.to_owned();
        Error::Authentication(match self.jkt {
            None => AuthenticationError::BadToken(message),
            Some(_) => AuthenticationError::BadProof { error: ErrorCode::InvalidToken.as_str(), message },
        })
    }
}

#[async_trait]
impl Authenticator for BearerAuthenticator {
    fn scheme(&self) -> &'static str {
        "bearer"
    }

    async fn authenticate(
        &self,
        site: &Site,
        request: &Request,
        _: &RequestContext,
        value: &str,
    ) -> Result<Option<Authenticated>> {
        let presented = Presented { certificate: ClientCertificate::of(request), ..Presented::bearer(value) };
        let (session, token) = self.session(site, presented, request.uri().path()).await?;
        Ok(Some(Authenticated {
            session,
            credentials: Credentials::Bearer,
            client: Some(token.client.into()),
            key: None,
        }))
    }
}
