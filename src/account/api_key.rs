//! API keys: `Authorization: token key:secret` and `Basic`, and how a pair is made.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::sync::Cache;
use poem::Request;
use serde_json::{Value as Json, json};

use crate::document::kept::Kept;
use crate::document::{Documents, ListRequest, Work};
use crate::error::{Error, Result};
use crate::meta::{Document, Value};
use crate::permissions::Session;
use crate::permissions::session::{ADMINISTRATOR, ROLE_SYSTEM_MANAGER};
use crate::secret;
use crate::web::key_pair::{KEY_SCHEMES, key_pair};
use crate::web::{Authenticated, Authenticator, Credentials, Plugins, RequestContext, SecurityEvent, Severity, Site};

/// The name of the secret's digest in `__Auth`.
pub(crate) const FIELD: &str = "api_secret";
/// How long a pair may go on that a command has replaced on SQLite; nodes on PostgreSQL are told.
const CACHE_TIME: Duration = Duration::from_secs(30);
/// The Security Event that ends the API Keys of a user, too: they listen to it.
const REVOKED: &str = "API Keys Revoked";
/// What a row shows in place of the secret.
const STARS: &str = "****************";

/// The pairs that were accepted lately, by digest. Cheap to clone; clones share the cache.
#[derive(Clone)]
pub(super) struct KnownKeys(Arc<Kept<Arc<str>>>);

impl Default for KnownKeys {
    fn default() -> Self {
        Self(Arc::new(Kept::new(Cache::builder().max_capacity(10_000).time_to_live(CACHE_TIME).build())))
    }
}

impl KnownKeys {
    /// Forgets all of them: the next request of each looks again.
    pub(super) fn forget(&self) {
        self.0.clear();
    }

    /// The user of a pair; `None` if it is none.
    async fn user(&self, documents: &Documents, key: &str, secret: &str) -> Result<Option<Arc<str>>> {
        let digest = secret::digest(format!("{key}:{secret}"));
        if let Some(user) = self.0.get(documents, &digest) {
            return Ok(Some(user));
        }
        let ticket = self.0.ticket(&digest);
        let system = Session::system();
        let request = ListRequest::new("User").filters(json!({"api_key": key, "enabled": 1}));
        let list = documents.list(&system, &request).await?;
        let name = list.text(0, "name");
        if key.is_empty() || name.is_empty() {
            return Ok(None);
        }
        let stored = documents.reading(&system).get_hash("User", name, FIELD).await?;
        if !stored.is_some_and(|stored| secret::constant_time_eq(stored, secret::digest(secret))) {
            return Ok(None);
        }
        let user: Arc<str> = name.into();
        self.0.keep(ticket, &digest, Arc::clone(&user));
        Ok(Some(user))
    }
}

/// Accepts `token key:secret`, or `Basic` with the same in base64.
struct ApiKeyAuthenticator {
    scheme: &'static str,
    keys: KnownKeys,
}

/// Registers who opens requests with a pair.
pub(super) fn register(plugins: &mut Plugins, keys: &KnownKeys) {
    for scheme in KEY_SCHEMES {
        plugins.authenticators.push(Arc::new(ApiKeyAuthenticator { scheme, keys: keys.clone() }));
    }
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
        _: &RequestContext,
        value: &str,
    ) -> Result<Option<Authenticated>> {
        let Some((key, secret)) = key_pair(self.scheme, value) else { return Ok(None) };
        let Some(user) = self.keys.user(&site.documents, &key, &secret).await? else { return Ok(None) };
        // Disabled since: everything of theirs stops at once.
        let Some(access) = site.documents.access(&user).await? else { return Ok(None) };
        Ok(Some(Authenticated {
            session: Session::of(access),
            credentials: Credentials::ApiKey,
            client: None,
            key: None,
        }))
    }
}

/// Ends the pair in a user's document, and lets everything know that keys of theirs end by [`REVOKED`].
pub(super) async fn revoke(work: &mut Work<'_>, user: &mut Document) -> Result<()> {
    user.set("api_key", Value::Null);
    user.set("api_secret", Value::Null);
    let by = work.session.user().to_owned();
    SecurityEvent::new(REVOKED, Severity::Info).user(user.name()).details(json!({"by": by})).record_in(work).await
}

/// Makes a new secret for a user, and a key if there is none. The answer is the only place where the secret is shown.
///
/// System Managers make them for everybody but Administrator; people make their own.
pub(super) async fn generate(work: &mut Work<'_>, user: &str) -> Result<Json> {
    let session = &work.session;
    // A key opens everything that its user may do.
    work.documents.check_makes_keys(session)?;
    let own = session.user() == user && !session.is_guest();
    let may = session.is_administrator() || own || (session.has_role(ROLE_SYSTEM_MANAGER) && user != ADMINISTRATOR);
    if !may {
        return Err(Error::Permission("Only a System Manager may make API keys for somebody else".to_owned()));
    }
    let by = session.user().to_owned();
    let caller = work.become_system();
    let made = generate_as_system(work, user, &by).await;
    work.session = caller;
    made
}

async fn generate_as_system(work: &mut Work<'_>, user: &str, by: &str) -> Result<Json> {
    let document = work.get_for_update("User", user).await?;
    let mut key = document.text("api_key").to_owned();
    if key.is_empty() {
        key = secret::random_text(b"0123456789abcdef", 15);
    }
    let secret = secret::random_token("dt_key_");
    work.set_hash("User", user, FIELD, Some(&secret::digest(&secret))).await?;
    work.set_values("User", user, &[("api_key", Value::from(key.as_str())), ("api_secret", Value::from(STARS))])
        .await?;
    SecurityEvent::new("API Keys Generated", Severity::Info)
        .user(user)
        .details(json!({"by": by}))
        .record_in(work)
        .await?;
    Ok(json!({"api_key": key, "api_secret": secret}))
}
