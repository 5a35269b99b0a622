//! The site key: seals what must be read again, and digests what must only be recognised.

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::retired_key::RetiredKey;
use super::{has_valid_checksum, hmac_sha256, random_token};

/// How a sealed text begins: format and version.
const SEALED: &str = "sealed1";
/// The prefix of generated site keys.
const PREFIX: &str = "dt_sk_";
/// The least number of characters of a site key that somebody chose.
const MIN_LENGTH: usize = 32;

/// The site's secret, from which every other key is derived; several of them while one is being replaced.
///
/// One key is current: it seals and digests. The others still open and recognise what they made, and those that were retired
/// only recognise. What is known may change while the site is served ([`SiteKey::take_over`], [`SiteKey::seal_with`]).
pub struct SiteKey {
    ring: ArcSwap<Ring>,
    /// The id of the key that the site is sealed with and that is missing here.
    lacking: ArcSwapOption<String>,
    /// The id of the key that was current when it was last asked: no other one has sealed anything since.
    settled: ArcSwapOption<String>,
}

/// The keys that are known.
#[derive(Clone)]
struct Ring {
    /// In the order of the key file; never empty.
    keys: Vec<Arc<Key>>,
    retired: Vec<Arc<RetiredKey>>,
    /// Which of the keys seals and digests.
    current: usize,
}

pub(super) struct Key {
    pub(super) id: String,
    root: Prk,
    seal: RandomizedNonceKey,
}

/// What a derived key is for; each purpose has a key of its own, so that no value fits anywhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose(&'static str);

/// Why a text is not a site key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SiteKeyError {
    /// No line holds a key.
    #[error("The site key is empty: write at least {MIN_LENGTH} random characters in one line")]
    Empty,
    /// A key is too short to be a secret.
    #[error("Line {line} of the site key is shorter than {MIN_LENGTH} characters: write as many random ones")]
    Short {
        /// Which line, from 1.
        line: usize,
    },
    /// A generated key whose checksum does not fit.
    #[error("Line {line} of the site key is damaged: restore it from your backup")]
    Damaged {
        /// Which line, from 1.
        line: usize,
    },
}

/// Why a sealed text stays closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The text was never sealed, or is cut off.
    #[error("This is not a sealed text")]
    NotSealed,
    /// It was sealed with a key that this site no longer has.
    #[error("Sealed with the site key {0}, which is missing: add the older key to the site key")]
    UnknownKey(String),
    /// It was changed, or belongs to another place.
    #[error("The sealed text was changed or moved from another place")]
    Forged,
    /// What was sealed is not a text.
    #[error("The sealed content is not a text")]
    NotText,
}

impl Purpose {
    /// Digests of access tokens, refresh tokens and codes.
    pub const TOKEN_DIGEST: Self = Self("token-digest");
    /// Digests of the secrets of OAuth clients.
    pub const CLIENT_SECRET: Self = Self("client-secret");
    /// What is digested to be stored, and so recognised for as long as it is there, whatever key has been retired.
    pub(super) const STORED: [Self; 2] = [Self::TOKEN_DIGEST, Self::CLIENT_SECRET];
    const SEAL: Self = Self("seal");
    const KEY_ID: Self = Self("key-id");

    /// A further purpose; the label must differ from all others.
    pub const fn new(label: &'static str) -> Self {
        Self(label)
    }
}

impl SiteKey {
    /// Reads keys, one per line; the first is current. Empty lines and lines with `#` are skipped.
    pub fn from_text(text: &str) -> Result<Self, SiteKeyError> {
        let (mut keys, mut retired) = (Vec::new(), Vec::new());
        for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if RetiredKey::is_one(line) {
                retired.push(Arc::new(RetiredKey::parse(line).ok_or(SiteKeyError::Damaged { line: at })?));
                continue;
            }
            if line.len() < MIN_LENGTH {
                return Err(SiteKeyError::Short { line: at });
            }
            if line.starts_with(PREFIX) && !has_valid_checksum(line) {
                return Err(SiteKeyError::Damaged { line: at });
            }
            keys.push(Arc::new(Key::new(line.as_bytes())));
        }
        if keys.is_empty() { Err(SiteKeyError::Empty) } else { Ok(Self::of(Ring { keys, retired, current: 0 })) }
    }

    fn of(ring: Ring) -> Self {
        Self { ring: ArcSwap::from_pointee(ring), lacking: ArcSwapOption::empty(), settled: ArcSwapOption::empty() }
    }

    /// The text of a new key, as [`SiteKey::from_text`] reads it.
    pub fn generate() -> String {
        random_token(PREFIX)
    }

    /// A fresh key that nobody else knows: for tests and throw-away sites.
    pub fn ephemeral() -> Self {
        Self::of(Ring { keys: vec![Arc::new(Key::new(Self::generate().as_bytes()))], retired: Vec::new(), current: 0 })
    }

    /// The text of a key file without the keys but one, of each of which only what recognises digests stays; and the lines
    /// that were taken out.
    pub(crate) fn retire_all_but(text: &str, id: &str) -> (String, String) {
        let (mut kept, mut taken) = (String::new(), String::new());
        for line in text.lines() {
            let key = line.trim();
            let is_key = !key.is_empty() && !key.starts_with('#') && !RetiredKey::is_one(key);
            match is_key.then(|| Key::new(key.as_bytes())).filter(|key| key.id != id) {
                Some(old) => {
                    kept.push_str(&RetiredKey::of(&old).to_text());
                    taken.push_str(key);
                    taken.push('\n');
                }
                None => kept.push_str(line),
            }
            kept.push('\n');
        }
        (kept, taken)
    }

    /// The id of the current key; it reveals nothing about the key.
    pub fn id(&self) -> String {
        self.current().id.clone()
    }

    /// The ids of the keys that open what they sealed, in the order of the key file.
    pub fn ids(&self) -> Vec<String> {
        self.ring.load().keys.iter().map(|key| key.id.clone()).collect()
    }

    /// Whether that is the id of a key that opens what it sealed.
    pub fn knows(&self, id: &str) -> bool {
        self.ring.load().keys.iter().any(|key| key.id == id)
    }

    /// Has the key with this id seal and digest; without it nothing changes but [`SiteKey::lacking`].
    pub(crate) fn seal_with(&self, id: &str) {
        let ring = self.ring.load_full();
        let Some(current) = ring.keys.iter().position(|key| key.id == id) else {
            self.lacking.store(Some(Arc::new(id.to_owned())));
            return;
        };
        self.lacking.store(None);
        if current != ring.current {
            self.ring.store(Arc::new(Ring { current, ..Ring::clone(&ring) }));
        }
    }

    /// Knows the keys of another from here on, and no more; the current one stays current if it is among them. Says whether
    /// anything is different now.
    pub(crate) fn take_over(&self, other: &Self) -> bool {
        let (own, other) = (self.ring.load_full(), other.ring.load_full());
        if own.ids().eq(other.ids()) {
            return false;
        }
        let id = &own.current().id;
        let current = other.keys.iter().position(|key| key.id == *id);
        if current.is_none() {
            self.lacking.store(Some(Arc::new(id.clone())));
        }
        self.ring.store(Arc::new(Ring { current: current.unwrap_or(0), ..Ring::clone(&other) }));
        true
    }

    /// The id of the key that the site is sealed with, if it is missing here: then nothing may be sealed.
    pub(crate) fn lacking(&self) -> Option<Arc<String>> {
        self.lacking.load_full()
    }

    /// Notes that the current key has sealed whatever is under way.
    pub(crate) fn settle(&self) {
        self.settled.store(Some(Arc::new(self.id())));
    }

    /// The id of the key that has sealed whatever is under way, if it is known.
    pub(crate) fn settled(&self) -> Option<Arc<String>> {
        self.settled.load_full()
    }

    /// Encrypts and authenticates a text; `place` says where it belongs, and it opens only there.
    ///
    /// Name as place what identifies the cell: DocType, document and field.
    pub fn seal(&self, plaintext: impl AsRef<[u8]>, place: &str) -> String {
        let key = self.current();
        let mut sealed = plaintext.as_ref().to_vec();
        let nonce = key
            .seal
            .seal_in_place_append_tag(Aad::from(place), &mut sealed)
            .expect("AES-256-GCM seals every text that fits into memory");
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut sealed);
        format!("{SEALED}.{}.{}", key.id, URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Opens what [`SiteKey::seal`] closed for the same place.
    pub fn open(&self, sealed: &str, place: &str) -> Result<Vec<u8>, OpenError> {
        let (id, body) = parts(sealed).ok_or(OpenError::NotSealed)?;
        let mut bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| OpenError::NotSealed)?;
        if bytes.len() < NONCE_LEN {
            return Err(OpenError::NotSealed);
        }
        let mut ciphertext = bytes.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| OpenError::NotSealed)?;
        let ring = self.ring.load();
        let key = ring.keys.iter().find(|key| key.id == id).ok_or_else(|| OpenError::UnknownKey(id.to_owned()))?;
        let length =
            key.seal.open_in_place(nonce, Aad::from(place), &mut ciphertext).map_err(|_| OpenError::Forged)?.len();
        ciphertext.truncate(length);
        Ok(ciphertext)
    }

    /// Like [`SiteKey::open`], for texts.
    pub fn open_text(&self, sealed: &str, place: &str) -> Result<String, OpenError> {
        String::from_utf8(self.open(sealed, place)?).map_err(|_| OpenError::NotText)
    }

    /// Does the text look like something that was sealed?
    pub fn is_sealed(text: &str) -> bool {
        parts(text).is_some()
    }

    /// How every text begins that is sealed, and how those do that the current key has sealed.
    pub(crate) fn beginnings(&self) -> (String, String) {
        (format!("{SEALED}."), format!("{SEALED}.{}.", self.current().id))
    }

    /// The digest under which a secret is stored, keyed so that a stolen database alone confirms no guess.
    pub fn digest(&self, purpose: Purpose, secret: impl AsRef<[u8]>) -> String {
        self.current().digest(purpose, secret.as_ref())
    }

    /// The digests of a secret under the current key, then every other one, to recognise what another key digested.
    pub fn digests(&self, purpose: Purpose, secret: &str) -> Vec<String> {
        let ring = self.ring.load();
        let (before, rest) = ring.keys.split_at(ring.current);
        let keys = rest.iter().take(1).chain(before).chain(rest.iter().skip(1));
        let whole = keys.map(|key| key.digest(purpose, secret.as_bytes()));
        whole.chain(ring.retired.iter().filter_map(|key| key.digest(purpose, secret.as_bytes()))).collect()
    }

    /// Is this the digest of the secret, under any of the keys?
    pub fn matches_digest(&self, purpose: Purpose, secret: &str, digest: &str) -> bool {
        // No early exit: which of the keys fits is nobody's business.
        let digests = self.digests(purpose, secret);
        digests.into_iter().fold(false, |found, own| super::constant_time_eq(own, digest) | found)
    }

    /// A key of 256 bits for a purpose, derived from the current site key.
    pub fn derive(&self, purpose: Purpose) -> [u8; 32] {
        self.current().derive(purpose)
    }

    fn current(&self) -> Arc<Key> {
        Arc::clone(self.ring.load().current())
    }
}

impl Ring {
    fn current(&self) -> &Arc<Key> {
        self.keys.get(self.current).expect("a site key has at least one key, and one of them is current")
    }

    fn ids(&self) -> impl Iterator<Item = (&str, bool)> {
        let whole = self.keys.iter().map(|key| (key.id.as_str(), true));
        whole.chain(self.retired.iter().map(|key| (key.id.as_str(), false)))
    }
}

impl Key {
    fn new(material: &[u8]) -> Self {
        let root = Salt::new(HKDF_SHA256, b"doctyped site key").extract(material);
        let seal = RandomizedNonceKey::new(&AES_256_GCM, &expand::<32>(&root, Purpose::SEAL))
            .expect("a key of 256 bits fits AES-256");
        let id = URL_SAFE_NO_PAD.encode(expand::<6>(&root, Purpose::KEY_ID));
        Self { id, root, seal }
    }

    pub(super) fn derive(&self, purpose: Purpose) -> [u8; 32] {
        expand(&self.root, purpose)
    }

    fn digest(&self, purpose: Purpose, secret: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(hmac_sha256(&self.derive(purpose), secret))
    }
}

/// The length that HKDF is asked for.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(root: &Prk, purpose: Purpose) -> [u8; N] {
    let mut out = [0; N];
    root.expand(&[purpose.0.as_bytes()], Length(N))
        .and_then(|okm| okm.fill(&mut out))
        .expect("HKDF gives up to 8160 bytes");
    out
}

/// Key id and body of a sealed text.
fn parts(sealed: &str) -> Option<(&str, &str)> {
    sealed.strip_prefix(SEALED)?.strip_prefix('.')?.split_once('.')
}

impl fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiteKey").field("ids", &self.ids()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "an older key, chosen by somebody in a hurry";

    #[test]
    fn what_was_sealed_opens_at_its_place_only() {
        let key = SiteKey::ephemeral();
        let sealed = key.seal("hunter2", "__Auth/User/a@example.com/password");
        assert!(SiteKey::is_sealed(&sealed));
        assert!(!sealed.contains("hunter2"));
        assert_eq!(key.open_text(&sealed, "__Auth/User/a@example.com/password").unwrap(), "hunter2");
        assert_eq!(key.open(&sealed, "__Auth/User/b@example.com/password"), Err(OpenError::Forged));
        assert_ne!(sealed, key.seal("hunter2", "__Auth/User/a@example.com/password"), "each seal has its own nonce");
    }

    #[test]
    fn a_changed_or_cut_text_stays_closed() {
        let key = SiteKey::ephemeral();
        let sealed = key.seal("of 8 cut", "place");
        let (head, _) = sealed.rsplit_once('.').unwrap();
        assert_eq!(key.open(&sealed[..sealed.len() - 4], "place"), Err(OpenError::Forged));
        for text in ["", "hunter2", "sealed1", "sealed1.x", &format!("{head}."), &format!("{head}.****")] {
            assert_eq!(key.open(text, "place"), Err(OpenError::NotSealed), "{text}");
        }
        assert!(!SiteKey::is_sealed("hunter2"));
    }

    #[test]
    fn after_a_rotation_old_texts_still_open_and_show_that_they_are_old() {
        let before = SiteKey::from_text(OLD).unwrap();
        let sealed = before.seal("secret", "place");
        let digest = before.digest(Purpose::TOKEN_DIGEST, "dt_at_x");
        let after = SiteKey::from_text(&format!("# new\n{}\n\n{OLD}\n", SiteKey::generate())).unwrap();
        assert_eq!(after.open_text(&sealed, "place").unwrap(), "secret");
        let (sealed_at_all, sealed_now) = after.beginnings();
        assert!(sealed.starts_with(&sealed_at_all) && !sealed.starts_with(&sealed_now));
        assert!(after.seal("secret", "place").starts_with(&sealed_now));
        assert!(after.matches_digest(Purpose::TOKEN_DIGEST, "dt_at_x", &digest));
        assert_ne!(after.digest(Purpose::TOKEN_DIGEST, "dt_at_x"), digest);
        assert_eq!(SiteKey::ephemeral().open(&sealed, "place"), Err(OpenError::UnknownKey(before.id())));
    }

    #[test]
    fn the_same_text_gives_the_same_key_and_every_purpose_another() {
        let (one, two) = (SiteKey::from_text(OLD).unwrap(), SiteKey::from_text(OLD).unwrap());
        assert_eq!(one.id(), two.id());
        assert_eq!(one.digest(Purpose::TOKEN_DIGEST, "x"), two.digest(Purpose::TOKEN_DIGEST, "x"));
        assert_ne!(one.digest(Purpose::TOKEN_DIGEST, "x"), one.digest(Purpose::CLIENT_SECRET, "x"));
        assert_ne!(one.derive(Purpose::TOKEN_DIGEST), one.derive(Purpose::new("something else")));
    }

    #[test]
    fn another_key_seals_once_it_is_told_and_all_of_them_recognise() {
        let new = SiteKey::generate();
        let (old, both) = (SiteKey::from_text(OLD).unwrap(), SiteKey::from_text(&format!("{new}\n{OLD}")).unwrap());
        assert!(old.take_over(&both) && !old.take_over(&both), "there is nothing new the second time");
        let id = SiteKey::from_text(&new).unwrap().id();
        assert!(old.knows(&id) && old.id() != id, "it opens, and nobody has said that it seals");
        let digest = old.digest(Purpose::TOKEN_DIGEST, "dt_at_x");
        old.seal_with(&id);
        assert_eq!((old.id(), old.lacking()), (id, None));
        assert_ne!(old.digests(Purpose::TOKEN_DIGEST, "dt_at_x")[0], digest);
        assert_eq!(old.digests(Purpose::TOKEN_DIGEST, "dt_at_x")[1], digest);
        // What nobody has here is told, and changes nothing else.
        let current = old.id();
        old.seal_with("elsewhere");
        assert_eq!((old.id(), old.lacking().as_deref().map(String::as_str)), (current, Some("elsewhere")));
    }

    #[test]
    fn a_retired_key_opens_nothing_and_recognises_what_is_stored() {
        let (old, new) = (SiteKey::from_text(OLD).unwrap(), SiteKey::generate());
        let (sealed, digest) = (old.seal("x", "place"), old.digest(Purpose::CLIENT_SECRET, "dt_cs_x"));
        let id = SiteKey::from_text(&new).unwrap().id();
        let text = format!("# of the library\n{new}\n{OLD}\n");
        let (kept, taken) = SiteKey::retire_all_but(&text, &id);
        assert_eq!(taken, format!("{OLD}\n"));
        assert!(kept.starts_with(&format!("# of the library\n{new}\ndt_rk_")) && !kept.contains(OLD), "{kept}");
        let after = SiteKey::from_text(&kept).unwrap();
        assert_eq!((after.ids(), after.knows(&old.id())), (vec![id.clone()], false));
        assert_eq!(after.open(&sealed, "place"), Err(OpenError::UnknownKey(old.id())));
        assert!(after.matches_digest(Purpose::CLIENT_SECRET, "dt_cs_x", &digest));
        let forged = old.digest(Purpose::new("dpop-nonce"), "x");
        assert!(
            !after.matches_digest(Purpose::new("dpop-nonce"), "x", &forged),
            "what is not stored, nobody makes any more"
        );
        // Once more changes nothing, and the current key stays in any case.
        assert_eq!(SiteKey::retire_all_but(&kept, &id), (kept.clone(), String::new()));
        let cut = kept.trim_end().strip_suffix(|_| true).unwrap();
        assert_eq!(SiteKey::from_text(cut).unwrap_err(), SiteKeyError::Damaged { line: 3 });
    }

    #[test]
    fn a_short_empty_or_damaged_key_is_refused_with_its_line() {
        assert_eq!(SiteKey::from_text("").unwrap_err(), SiteKeyError::Empty);
        assert_eq!(SiteKey::from_text("# only a remark\n").unwrap_err(), SiteKeyError::Empty);
        assert_eq!(SiteKey::from_text("\nsecret").unwrap_err(), SiteKeyError::Short { line: 2 });
        let cut = SiteKey::generate();
        assert_eq!(SiteKey::from_text(&cut[..50]).unwrap_err(), SiteKeyError::Damaged { line: 1 });
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = SiteKey::from_text(OLD).unwrap();
        let shown = format!("{key:?}");
        assert!(!shown.contains("hurry") && shown.contains(&key.id()), "{shown}");
    }
}
