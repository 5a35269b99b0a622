//! API Keys: pairs of a program, narrowed by scopes, addresses and time (Frappe has one pair a User, which `account` opens).

mod controller;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use moka::sync::Cache;
use poem::Request;

use crate::document::Documents;
use crate::document::view::time_value;
use crate::error::{AuthenticationError, Error, Result};
use crate::meta::{Document, Value};
use crate::oauth::scopes::scope_catalogue::{ScopeCatalogue, ScopeDefinitions};
use crate::oauth::scopes::scope_limit::ScopeLimit;
use crate::oauth::views::api_key::{API_KEY, ApiKey, ID_PREFIX, Which};
use crate::permissions::{Limit, Session, UserAccess};
use crate::secret;
use crate::secret::Purpose;
use crate::web::behind::write_behind;
use crate::web::explain::{CredentialKind, Standing};
use crate::web::key_pair::{KEY_SCHEMES, key_pair};
use crate::web::{Authenticated, Authenticator, Credentials, Plugins, RequestContext, Site};

/// What secrets begin with, so that people and secret scanners know what they have found.
const SECRET_PREFIX: &str = "dt_key_";
/// How many keys are kept ready.
const CAPACITY: u64 = 10_000;

/// Registers what API Keys do and open.
pub(crate) fn register(plugins: &mut Plugins, catalogue: &ScopeCatalogue) {
    plugins.controller(API_KEY, controller::ApiKeyController);
    plugins.credential_kinds.push(Arc::new(ApiKeys(catalogue.clone())));
    let known = Cache::builder().max_capacity(CAPACITY).build();
    for scheme in KEY_SCHEMES {
        let keys = ApiKeyAuthenticator { scheme, catalogue: catalogue.clone(), known: known.clone() };
        // Before the pairs of users: a look at the id tells them apart.
        plugins.authenticators.insert(0, Arc::new(keys));
    }
}

/// A key with everything that was made from its document.
struct KnownKey {
    document: Arc<Document>,
    definitions: Arc<ScopeDefinitions>,
    key: ApiKey,
    limit: Option<Arc<dyn Limit>>,
}

/// What the scopes of a key leave of its user's rights.
pub(crate) fn limit_of(key: &ApiKey, definitions: &ScopeDefinitions) -> Option<Arc<dyn Limit>> {
    key.scopes.as_ref().and_then(|scopes| ScopeLimit::of(scopes, definitions))
}

/// Whose rights a key stands for now, or why for nobody's; from where it comes is another question.
async fn standing(
    documents: &Documents,
    key: &ApiKey,
    now: DateTime<Utc>,
) -> Result<std::result::Result<Arc<UserAccess>, &'static str>> {
    if let Some(reason) = key.ended(now) {
        return Ok(Err(reason));
    }
    let access = documents.access(&key.user).await?;
    Ok(access.ok_or("The account of this API key is disabled"))
}

/// API Keys, for whoever asks what one may do.
struct ApiKeys(ScopeCatalogue);

#[async_trait]
impl CredentialKind for ApiKeys {
    fn doctype(&self) -> &'static str {
        API_KEY
    }

    fn parameter(&self) -> &'static str {
        "api_key"
    }

    async fn standing(&self, site: &Site, document: &Document) -> Result<Standing> {
        let documents = &site.documents;
        let key = ApiKey::from(document);
        let mut notes = Vec::new();
        if !key.addresses.is_empty() {
            notes.push(format!("It works from these addresses only: {}", key.addresses.join(", ")));
        }
        if let Some(end) = key.expires_at {
            notes.push(format!("It works until {}", end.format("%Y-%m-%d %H:%M UTC")));
        }
        if key.is_bound() {
            notes.push("As it does not work everywhere and for ever, it makes no API keys".to_owned());
        }
        let refused = standing(documents, &key, documents.clock().now()).await?.err();
        let limit = limit_of(&key, &*self.0.get(documents).await?);
        Ok(Standing { user: key.user, refused: refused.map(str::to_owned), limit, notes })
    }
}

/// The digest under which a secret is stored.
fn digest(documents: &Documents, secret: &str) -> String {
    documents.site_key().digest(Purpose::TOKEN_DIGEST, secret)
}

/// Accepts `token id:secret` or `Basic` with the same in base64.
struct ApiKeyAuthenticator {
    scheme: &'static str,
    catalogue: ScopeCatalogue,
    known: Cache<String, Arc<KnownKey>>,
}

impl ApiKeyAuthenticator {
    /// The key, as it is now: what is kept here counts only as long as the cache of documents holds the very document
    /// that it was made from, and each commit that changes it drops that one.
    async fn find(&self, documents: &Documents, id: &str) -> Result<Option<Arc<KnownKey>>> {
        let document = match documents.get(&Session::system(), API_KEY, id).await {
            Ok(document) => document,
            Err(Error::DoesNotExist { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let definitions = self.catalogue.get(documents).await?;
        if let Some(known) = self.known.get(id)
            && Arc::ptr_eq(&known.document, &document)
            && Arc::ptr_eq(&known.definitions, &definitions)
        {
            return Ok(Some(known));
        }
        let key = ApiKey::from(&*document);
        let limit = limit_of(&key, &definitions);
        let known = Arc::new(KnownKey { document, definitions, key, limit });
        self.known.insert(id.to_owned(), Arc::clone(&known));
        Ok(Some(known))
    }
}

/// Which of the secrets of a key this is; `None`: neither.
fn which(documents: &Documents, key: &ApiKey, secret: &str, now: DateTime<Utc>) -> Option<Which> {
    if !secret::has_valid_checksum(secret) {
        return None;
    }
    let is = |stored: &str| {
        // Under each key of the site: secrets outlive the change of it.
        let mut digests = documents.site_key().digests(Purpose::TOKEN_DIGEST, secret).into_iter();
        !stored.is_empty() && digests.any(|digest| secret::constant_time_eq(stored, digest))
    };
    if is(&key.secret_digest) {
        return Some(Which::Newest);
    }
    (key.has_previous(now) && is(&key.previous_secret_digest)).then_some(Which::Previous)
}

#[async_trait]
impl Authenticator for ApiKeyAuthenticator {
    fn scheme(&self) -> &'static str {
        self.scheme
    }

    async fn authenticate(
        &self,
        site: &Site,
        _: &Request,
        context: &RequestContext,
        value: &str,
    ) -> Result<Option<Authenticated>> {
        let Some((id, secret)) = key_pair(self.scheme, value).filter(|(id, _)| id.starts_with(ID_PREFIX)) else {
            return Ok(None);
        };
        let documents = &site.documents;
        let now = documents.clock().now();
        let Some(known) = self.find(documents, &id).await? else { return Ok(None) };
        let key = &known.key;
        let Some(which) = which(documents, key, &secret, now) else { return Ok(None) };
        // Who has the secret may know why it does not work.
        let refused = |reason: String| {
            tracing::warn!(key = key.name, user = key.user, ip = %context.ip, reason, "an API key is refused");
            Err(Error::Authentication(AuthenticationError::BadKey(reason)))
        };
        let access = match standing(documents, key, now).await? {
            Ok(access) => access,
            Err(reason) => return refused(reason.to_owned()),
        };
        if !key.admits(context.ip) {
            return refused(format!("This API key may not be used from {}", context.ip.to_canonical()));
        }
        note_use(documents, key, which, context, now).await;
        let mut session = Session::of(access);
        session.limit.clone_from(&known.limit);
        session.bound = key.is_bound();
        Ok(Some(Authenticated { session, credentials: Credentials::ApiKey, client: None, key: Some(id.into()) }))
    }
}

/// Writes down that a key is in use: the first time at once, then now and then.
async fn note_use(documents: &Documents, key: &ApiKey, which: Which, context: &RequestContext, now: DateTime<Utc>) {
    if !key.is_use_news(which, now) {
        return;
    }
    let (documents, name, address) = (documents.clone(), key.name.clone(), context.ip.to_canonical().to_string());
    write_behind("API key in use", async move {
        let mut values = vec![("last_used", time_value(now)), ("last_used_from", Value::from(address))];
        if which == Which::Previous {
            values.push(("previous_last_used", time_value(now)));
        }
        let mut work = documents.begin(&Session::system()).await?;
        work.set_values(API_KEY, &name, &values).await?;
        work.commit().await
    })
    .await;
}
