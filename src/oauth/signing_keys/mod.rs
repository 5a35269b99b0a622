//! The keys with which the site signs: made when first needed, kept in memory, renewed without anybody noticing.
//!
//! Of each algorithm there is one current key and, once the job has run, one next key. Both slots are unique in the
//! database, so that of several servers that want to make or renew a key at once only one does.

pub(crate) mod oauth_signing_key;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use crate::document::list::Cell;
use crate::document::view::{View as _, parse_time, time_value};
use crate::document::{Documents, ListRequest, Work};
use crate::error::{Error, ProblemKind, Result};
use crate::meta::Value;
use crate::oauth::protocol::jose::jwk::JwkSet;
use crate::oauth::protocol::jose::jwt::SigningKey;
use crate::oauth::protocol::token::id_token;
use crate::oauth::views::OAuthSettings;
use crate::oauth::views::oauth_client::OAUTH_CLIENT;
use crate::oauth::views::oauth_signing_key::{KeyState, OAUTH_SIGNING_KEY, SigningKeyDocument, StoredKey};
use crate::permissions::Session;
use crate::secret::{PrivateKey, SigningAlgorithm};
use crate::web::job::HOURLY;
use crate::web::{JobKind, Plugins, RunningJob, SecurityEvent, Severity, Site};

/// What the site can sign with.
pub(crate) const ALGORITHMS: [SigningAlgorithm; 3] =
    [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa];
/// What every site publishes a key for: the modern one, and the one that every OpenID provider must offer.
const ALWAYS: [SigningAlgorithm; 2] = [SigningAlgorithm::Es256, SigningAlgorithm::Rs256];
/// How long a command may have changed the keys on SQLite before the server notices; nodes on PostgreSQL are told.
const BELIEVED: Duration = Duration::minutes(1);
/// How long a retired key stays beyond the life of what it signed.
const MARGIN: Duration = Duration::days(1);

/// The keys of a site. Cheap to clone.
#[derive(Clone, Default)]
pub struct SigningKeys(Arc<KeyringCache>);

#[derive(Default)]
struct KeyringCache {
    changes: AtomicU64,
    known: Mutex<Option<Arc<Keyring>>>,
    /// Held while keys are made, so that requests that come together make one.
    making: tokio::sync::Mutex<()>,
}

/// The keys as they were at one moment.
struct Keyring {
    changes: u64,
    read_at: DateTime<Utc>,
    stored: Vec<StoredKey>,
    signing: HashMap<SigningAlgorithm, Arc<SigningKey>>,
    published: Arc<JwkSet>,
}

impl Keyring {
    fn find(&self, alg: SigningAlgorithm, state: KeyState) -> Option<&StoredKey> {
        self.stored.iter().find(|key| key.alg == alg && key.state == state)
    }

    /// What the site signs with now.
    fn algorithms(&self) -> impl Iterator<Item = SigningAlgorithm> {
        ALGORITHMS.into_iter().filter(|alg| self.find(*alg, KeyState::Current).is_some())
    }
}

impl SigningKeys {
    /// The key that signs with this algorithm now; made if there is none yet.
    ///
    /// Fails for algorithms that are not among [`ALGORITHMS`].
    pub async fn current(&self, documents: &Documents, alg: SigningAlgorithm) -> Result<Arc<SigningKey>> {
        if let Some(key) = self.keyring(documents).await?.signing.get(&alg) {
            return Ok(Arc::clone(key));
        }
        self.make(documents, alg, KeyState::Current).await?;
        let keyring = self.keyring(documents).await?;
        let key = keyring.signing.get(&alg).map(Arc::clone);
        key.ok_or_else(|| Error::internal(anyhow::anyhow!("there is no key that signs with {alg}")))
    }

    /// Every public key with which something valid may be signed: the next, the current and the retired ones. It stays
    /// the same value until a key comes or goes.
    pub async fn published(&self, documents: &Documents) -> Result<Arc<JwkSet>> {
        let keyring = self.keyring(documents).await?;
        let is_missing = |alg: &SigningAlgorithm| keyring.find(*alg, KeyState::Current).is_none();
        let missing: Vec<_> = wanted(documents).await?.into_iter().filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(Arc::clone(&keyring.published));
        }
        for alg in missing {
            self.make(documents, alg, KeyState::Current).await?;
        }
        Ok(Arc::clone(&self.keyring(documents).await?.published))
    }

    /// Renews the keys of every algorithm in use, at once; says how many were renewed.
    pub async fn rotate(&self, documents: &Documents, by: &str) -> Result<usize> {
        self.published(documents).await?;
        let keyring = self.keyring(documents).await?;
        let mut rotated = 0;
        for alg in keyring.algorithms() {
            rotated += usize::from(self.rotate_one(documents, &keyring, alg, by).await?);
        }
        self.forget();
        Ok(rotated)
    }

    /// Makes missing keys, renews those that are old enough and removes those that nobody needs; says what was done.
    pub async fn maintain(&self, documents: &Documents) -> Result<String> {
        self.published(documents).await?;
        let now = documents.clock().now();
        let days = OAuthSettings::load(documents).await?.signing_key_rotation_days;
        let keyring = self.keyring(documents).await?;
        let (mut made, mut rotated, mut removed) = (0, 0, 0);
        for alg in keyring.algorithms() {
            if keyring.find(alg, KeyState::Next).is_none() {
                made += usize::from(self.make(documents, alg, KeyState::Next).await?);
                // It has to be known before it signs.
                continue;
            }
            let since = keyring.find(alg, KeyState::Current).and_then(|key| key.activated_at);
            if days > 0 && since.is_none_or(|since| since + Duration::days(days) <= now) {
                rotated += usize::from(self.rotate_one(documents, &keyring, alg, "").await?);
            }
        }
        for key in &keyring.stored {
            if key.state == KeyState::Retired && key.remove_after.is_some_and(|at| at <= now) {
                match documents.delete(&Session::system(), OAUTH_SIGNING_KEY, &key.name).await {
                    Ok(()) => removed += 1,
                    // Another server was first.
                    Err(Error::DoesNotExist { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.forget();
        let done: Vec<String> = [(made, "made"), (rotated, "renewed"), (removed, "removed")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        Ok(done.join(", "))
    }

    /// Reads the keys again when they are next asked for.
    pub fn forget(&self) {
        self.0.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// The keys, as they are known here.
    async fn keyring(&self, documents: &Documents) -> Result<Arc<Keyring>> {
        // Read before the documents: a change meanwhile makes what was read stale at once.
        let changes = self.0.changes.load(Ordering::SeqCst);
        let now = documents.clock().now();
        let known = self.lock().clone();
        if let Some(known) = &known
            && known.changes == changes
            && now - known.read_at < BELIEVED
            && documents.hears_others()
        {
            return Ok(Arc::clone(known));
        }
        let keyring = Arc::new(load(documents, changes, known.as_deref()).await?);
        *self.lock() = Some(Arc::clone(&keyring));
        Ok(keyring)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Keyring>>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a key for a slot that is empty; says whether it did.
    async fn make(&self, documents: &Documents, alg: SigningAlgorithm, state: KeyState) -> Result<bool> {
        if !ALGORITHMS.contains(&alg) {
            return Ok(false);
        }
        let _making = self.0.making.lock().await;
        if self.keyring(documents).await?.find(alg, state).is_some() {
            return Ok(false);
        }
        let key = generate(alg).await?;
        let mut work = documents.begin(&Session::system()).await?;
        let made = match insert(&mut work, &key, state).await {
            Ok(()) => {
                work.commit().await?;
                true
            }
            Err(error) if is_taken(&error) => false,
            Err(error) => return Err(error),
        };
        self.forget();
        Ok(made)
    }

    /// The next key of an algorithm takes the place of the current one, and a new one is made; says whether it happened.
    async fn rotate_one(
        &self,
        documents: &Documents,
        keyring: &Keyring,
        alg: SigningAlgorithm,
        by: &str,
    ) -> Result<bool> {
        let Some(current) = keyring.find(alg, KeyState::Current) else { return Ok(false) };
        // Both before the transaction: an RSA key takes a while.
        let new = generate(alg).await?;
        let new_too = match keyring.find(alg, KeyState::Next) {
            Some(_) => None,
            None => Some(generate(alg).await?),
        };
        let lifetime = longest_lifetime(documents).await?;
        let now = documents.clock().now();
        let mut work = documents.begin(&Session::system()).await?;
        let retired = [
            ("state", Value::from(KeyState::Retired.as_str())),
            ("slot", Value::Null),
            ("retired_at", time_value(now)),
            ("remove_after", time_value(now + lifetime + MARGIN)),
        ];
        let slot = Value::from(KeyState::Current.slot(alg));
        if !work.set_values_if(OAUTH_SIGNING_KEY, &current.name, ("slot", &slot), &retired).await? {
            return Ok(false);
        }
        let successor = match (keyring.find(alg, KeyState::Next), &new_too) {
            (Some(next), _) => {
                let promoted = [
                    ("state", Value::from(KeyState::Current.as_str())),
                    ("slot", slot),
                    ("activated_at", time_value(now)),
                ];
                let was = Value::from(KeyState::Next.slot(alg));
                if !work.set_values_if(OAUTH_SIGNING_KEY, &next.name, ("slot", &was), &promoted).await? {
                    return Ok(false);
                }
                next.name.clone()
            }
            (None, Some(key)) => {
                insert(&mut work, key, KeyState::Current).await?;
                key.kid().to_owned()
            }
            (None, None) => return Ok(false),
        };
        insert(&mut work, &new, KeyState::Next).await?;
        SecurityEvent::new("Signing Key Rotated", Severity::Info)
            .user(by)
            .details(json!({"alg": alg.as_str(), "retired": current.name, "current": successor}))
            .record_in(&mut work)
            .await?;
        work.commit().await?;
        Ok(true)
    }
}

/// Registers the controller of OAuth Signing Key, and the job that looks after the keys.
pub(crate) fn register(plugins: &mut Plugins, keys: &SigningKeys) {
    let keys = keys.clone();
    plugins.controller(OAUTH_SIGNING_KEY, oauth_signing_key::SigningKeyController { keys: keys.clone() });
    let renew = JobKind::new("renew OAuth signing keys", move |site: Site, _: RunningJob| {
        let keys = keys.clone();
        async move { keys.maintain(&site.documents).await }
    });
    plugins.job_kind(renew.scheduled(HOURLY));
}

/// The algorithms for which keys are published.
async fn wanted(documents: &Documents) -> Result<Vec<SigningAlgorithm>> {
    let chosen = SigningAlgorithm::parse(&OAuthSettings::load(documents).await?.id_token_signing_alg);
    let more = chosen.filter(|alg| ALGORITHMS.contains(alg) && !ALWAYS.contains(alg));
    Ok(ALWAYS.into_iter().chain(more).collect())
}

/// Reads the keys past every cache: another server may have changed them. What did not change keeps its parsed form.
async fn load(documents: &Documents, changes: u64, before: Option<&Keyring>) -> Result<Keyring> {
    let read_at = documents.clock().now();
    let mut work = documents.reading(&Session::system());
    let list = work.list(&ListRequest::new(OAUTH_SIGNING_KEY).order_by("creation desc").all()).await?;
    let mut stored = Vec::with_capacity(list.rows.len());
    let mut signing = HashMap::new();
    for row in 0..list.rows.len() {
        let name = list.text(row, "name");
        let Some(document) = work.find(OAUTH_SIGNING_KEY, name).await? else { continue };
        let Some(key) = StoredKey::read(&document) else {
            tracing::error!(key = name, "an OAuth Signing Key is unreadable and not used");
            continue;
        };
        if key.state == KeyState::Current {
            let known = before.and_then(|before| before.signing.get(&key.alg)).filter(|known| known.kid() == key.name);
            let private = match known {
                Some(known) => Some(Arc::clone(known)),
                None => open(&mut work, &key).await?.map(Arc::new),
            };
            if let Some(private) = private {
                signing.insert(key.alg, private);
            }
        }
        stored.push(key);
    }
    stored.sort_by_key(|key| key.state);
    let published = match before.filter(|before| before.stored == stored) {
        Some(same) => Arc::clone(&same.published),
        None => Arc::new(JwkSet { keys: stored.iter().map(|key| key.jwk.clone()).collect() }),
    };
    Ok(Keyring { changes, read_at, stored, signing, published })
}

/// Opens the private half of a key; one that does not open can still be published.
async fn open(work: &mut Work<'_>, key: &StoredKey) -> Result<Option<SigningKey>> {
    let opened = match work.get_password(OAUTH_SIGNING_KEY, &key.name, "private_key").await {
        // That the database does not answer says nothing about the key.
        Err(error @ Error::Unavailable(_)) => return Err(error),
        opened => opened,
    };
    let private = opened.map_err(anyhow::Error::from).and_then(|sealed| {
        let der = STANDARD.decode(sealed.unwrap_or_default())?;
        Ok(PrivateKey::from_pkcs8(key.alg, &der)?)
    });
    Ok(match private {
        Ok(private) => Some(SigningKey::new(key.name.as_str(), private)),
        Err(error) => {
            tracing::error!(key = key.name, cause = ?error, "an OAuth Signing Key does not open with the site key");
            None
        }
    })
}

/// A new key, made where it holds nobody up.
async fn generate(alg: SigningAlgorithm) -> Result<SigningKey> {
    tokio::task::spawn_blocking(move || SigningKey::generate(alg)).await.map_err(Error::internal)
}

async fn insert(work: &mut Work<'_>, key: &SigningKey, state: KeyState) -> Result<()> {
    let (alg, now) = (key.algorithm(), parse_time(work.now()));
    let stored = SigningKeyDocument {
        kid: key.kid().to_owned(),
        alg: alg.as_str().to_owned(),
        state: Some(state),
        slot: state.slot(alg),
        created_at: now,
        activated_at: now.filter(|_| state == KeyState::Current),
        public_jwk: format!("{:#}", key.jwk().to_value()),
        private_key: STANDARD.encode(key.private_key().to_pkcs8()),
        ..SigningKeyDocument::default()
    };
    let document = stored.new_document(work)?;
    work.insert(document).await.map(|_| ())
}

/// Whether a key was not inserted because another server had made one meanwhile.
fn is_taken(error: &Error) -> bool {
    matches!(error, Error::Validation(invalid)
        if invalid.problems.iter().any(|problem| problem.kind == ProblemKind::Unique))
}

/// How long something that is signed now may be valid at most.
async fn longest_lifetime(documents: &Documents) -> Result<Duration> {
    let request =
        ListRequest::new(OAUTH_CLIENT).fields(&["access_token_lifetime"]).order_by("access_token_lifetime desc");
    let list = documents.list(&Session::system(), &request).await?;
    let longest = match list.rows.first().and_then(|row| row.first()) {
        Some(Cell::Value(value)) => Duration::seconds(value.as_int().unwrap_or_default()),
        _ => Duration::zero(),
    };
    let settings = OAuthSettings::load(documents).await?;
    Ok(longest.max(settings.access_token_lifetime).max(id_token::LIFETIME))
}
