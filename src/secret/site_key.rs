//! The site key: seals what must be read again, and digests what must only be recognised.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{has_valid_checksum, hmac_sha256, random_token};

/// How a sealed text begins: format and version.
const SEALED: &str = "sealed1";
/// The prefix of generated site keys.
const PREFIX: &str = "dt_sk_";
/// The least number of characters of a site key that somebody chose.
const MIN_LENGTH: usize = 32;

/// The site's secret, from which every other key is derived; several of them while one is being replaced.
///
/// The first key is current: it seals and digests. The others still open and recognise what they made.
pub struct SiteKey {
    /// The current key, then older ones.
    keys: Vec<Key>,
}

struct Key {
    id: String,
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
    #[error("The site key is empty: generate one with `doctyped key`")]
    Empty,
    /// A key is too short to be a secret.
    #[error("Line {line} of the site key is shorter than {MIN_LENGTH} characters: generate one with `doctyped key`")]
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
    /// CSRF tokens of forms.
    pub const CSRF: Self = Self("csrf");
    /// Values in cookies.
    pub const COOKIE: Self = Self("cookie");
    const SEAL: Self = Self("seal");
    const KEY_ID: Self = Self("key-id");

    /// A further purpose; the label must differ from all others.
    pub const fn new(label: &'static str) -> Self {
        Self(label)
    }
}

impl SiteKey {
    /// Reads keys, one per line: the current one first, older ones below. Empty lines and lines with `#` are skipped.
    pub fn from_text(text: &str) -> Result<Self, SiteKeyError> {
        let mut keys = Vec::new();
        for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.len() < MIN_LENGTH {
                return Err(SiteKeyError::Short { line: at });
            }
            if line.starts_with(PREFIX) && !has_valid_checksum(line) {
                return Err(SiteKeyError::Damaged { line: at });
            }
            keys.push(Key::new(line.as_bytes()));
        }
        if keys.is_empty() { Err(SiteKeyError::Empty) } else { Ok(Self { keys }) }
    }

    /// The text of a new key, as [`SiteKey::from_text`] reads it.
    pub fn generate() -> String {
        random_token(PREFIX)
    }

    /// A fresh key that nobody else knows: for tests and throw-away sites.
    pub fn ephemeral() -> Self {
        Self { keys: vec![Key::new(Self::generate().as_bytes())] }
    }

    /// The id of the current key; it reveals nothing about the key.
    pub fn id(&self) -> &str {
        &self.current().id
    }

    /// Whether that is the id of the current or an older key.
    pub fn knows(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id == id)
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
        let key = self.keys.iter().find(|key| key.id == id).ok_or_else(|| OpenError::UnknownKey(id.to_owned()))?;
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

    /// Was this sealed with an older key? Then seal it again when it is next written.
    pub fn is_outdated(&self, sealed: &str) -> bool {
        parts(sealed).is_some_and(|(id, _)| id != self.id())
    }

    /// The digest under which a secret is stored, keyed so that a stolen database alone confirms no guess.
    pub fn digest(&self, purpose: Purpose, secret: impl AsRef<[u8]>) -> String {
        self.current().digest(purpose, secret.as_ref())
    }

    /// The digests of a secret under the current and every older key, to recognise what an older key digested.
    pub fn digests<'a>(&'a self, purpose: Purpose, secret: &'a str) -> impl Iterator<Item = String> + 'a {
        self.keys.iter().map(move |key| key.digest(purpose, secret.as_bytes()))
    }

    /// Is this the digest of the secret, under any of the keys?
    pub fn matches_digest(&self, purpose: Purpose, secret: &str, digest: &str) -> bool {
        // No early exit: which of the keys fits is nobody's business.
        self.digests(purpose, secret).fold(false, |found, own| super::constant_time_eq(own, digest) | found)
    }

    /// A key of 256 bits for a purpose, derived from the current site key.
    pub fn derive(&self, purpose: Purpose) -> [u8; 32] {
        self.current().derive(purpose)
    }

    fn current(&self) -> &Key {
        self.keys.first().expect("a site key has at least one key")
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

    fn derive(&self, purpose: Purpose) -> [u8; 32] {
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
        f.debug_struct("SiteKey").field("ids", &self.keys.iter().map(|key| &key.id).collect::<Vec<_>>()).finish()
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
    fn after_a_rotation_old_texts_still_open_and_say_that_they_are_outdated() {
        let before = SiteKey::from_text(OLD).unwrap();
        let sealed = before.seal("secret", "place");
        let digest = before.digest(Purpose::TOKEN_DIGEST, "dt_at_x");
        let after = SiteKey::from_text(&format!("# new\n{}\n\n{OLD}\n", SiteKey::generate())).unwrap();
        assert_eq!(after.open_text(&sealed, "place").unwrap(), "secret");
        assert!(after.is_outdated(&sealed));
        assert!(!after.is_outdated(&after.seal("secret", "place")));
        assert!(after.matches_digest(Purpose::TOKEN_DIGEST, "dt_at_x", &digest));
        assert_ne!(after.digest(Purpose::TOKEN_DIGEST, "dt_at_x"), digest);
        assert_eq!(SiteKey::ephemeral().open(&sealed, "place"), Err(OpenError::UnknownKey(before.id().to_owned())));
    }

    #[test]
    fn the_same_text_gives_the_same_key_and_every_purpose_another() {
        let (one, two) = (SiteKey::from_text(OLD).unwrap(), SiteKey::from_text(OLD).unwrap());
        assert_eq!(one.id(), two.id());
        assert_eq!(one.digest(Purpose::CSRF, "x"), two.digest(Purpose::CSRF, "x"));
        assert_ne!(one.digest(Purpose::CSRF, "x"), one.digest(Purpose::COOKIE, "x"));
        assert_ne!(one.derive(Purpose::CSRF), one.derive(Purpose::new("something else")));
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
        assert!(!shown.contains("hurry") && shown.contains(key.id()), "{shown}");
    }
}
