//! The only source of randomness, digests, sealed texts and signatures: everything else asks here.

pub(crate) mod age_file;
mod fernet;
pub(crate) mod passphrase;
mod password;
pub(crate) mod private;
mod retired_key;
mod signature;
mod site_key;

use std::fmt::Write as _;

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use uuid::Uuid;

pub(crate) use fernet::FernetKey;
pub(crate) use password::{hash_password, needs_rehash, spend_password_time, verify_password};
pub(crate) use signature::{Curve, PublicKey};
pub use signature::{PrivateKey, SigningAlgorithm};
pub use site_key::SiteKey;
pub(crate) use site_key::{OpenError, Purpose};

/// The characters of [`random_name`]: base32hex in lower case, as Frappe's `hash` naming uses them.
const NAME_ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// How many characters of a token are its checksum: 32 bits in base64url.
const CHECKSUM_LENGTH: usize = 6;

/// `N` random bytes.
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks for randomness")]
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system always has randomness once it has booted");
    bytes
}

/// A secret for programs: the prefix, 256 random bits, and a checksum.
///
/// The prefix tells people and secret scanners what they have found; the checksum tells a mistyped or invented text
/// from a real one without a look into the database.
pub(crate) fn random_token(prefix: &str) -> String {
    let mut token = String::with_capacity(prefix.len() + 43 + CHECKSUM_LENGTH);
    token.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(random_bytes::<32>(), &mut token);
    let checksum = checksum(token.as_bytes());
    token.push_str(&checksum);
    token
}

/// 256 random bits as base64url: for ids and states that carry neither prefix nor checksum.
pub fn random_id() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

/// Does the checksum of [`random_token`] fit? False for whatever was not made by it.
pub(crate) fn has_valid_checksum(token: &str) -> bool {
    match token.len().checked_sub(CHECKSUM_LENGTH).and_then(|at| token.split_at_checked(at)) {
        Some((body, sum)) => !body.is_empty() && checksum(body.as_bytes()) == sum,
        None => false,
    }
}

/// A random document name of ten characters, as Frappe's naming by `hash` makes them.
pub fn random_name() -> String {
    random_text(NAME_ALPHABET, 10)
}

/// `length` characters of an alphabet, each equally likely.
///
/// # Panics
/// When the alphabet is empty or longer than 256.
pub(crate) fn random_text(alphabet: &[u8], length: usize) -> String {
    assert!((1..=256).contains(&alphabet.len()), "an alphabet has 1 to 256 characters");
    // Bytes beyond the last whole multiple of the alphabet would favour its first characters: draw again.
    let fair = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let candidates = random_bytes::<32>().into_iter().map(usize::from).filter(|byte| *byte < fair);
        text.extend(candidates.take(length - text.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    text
}

/// A UUID of version 7: sorted by time to the microsecond (RFC 9562 §6.2, method 3), and 62 bits that nobody guesses.
pub(crate) fn uuid_v7(now: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    // The twelve bits behind the milliseconds hold the fraction of one.
    let fraction = (u64::from(now.timestamp_subsec_micros() % 1000) * 4096 / 1000).to_be_bytes();
    let mut rest = random_bytes::<10>();
    rest[..2].copy_from_slice(&fraction[6..]);
    uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
}

/// The same, sorted after one from before also where the clock has gone back since.
pub(crate) fn uuid_v7_after(now: DateTime<Utc>, earlier: Option<Uuid>) -> Uuid {
    let next = earlier.and_then(|earlier| {
        let bits = earlier.as_u128();
        let micros = (bits >> 80) * 1000 + ((bits >> 64 & 0xfff) * 1000).div_ceil(4096) + 1;
        DateTime::from_timestamp_micros(i64::try_from(micros).ok()?)
    });
    uuid_v7(next.map_or(now, |next| now.max(next)))
}

/// SHA-256 of the bytes.
pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    hash(&digest::SHA256, bytes.as_ref())
}

/// SHA-256 of bytes that come in pieces.
pub(crate) struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256 {
    /// Takes a piece.
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all pieces.
    pub(crate) fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-384 of the bytes.
pub(crate) fn sha384(bytes: impl AsRef<[u8]>) -> [u8; 48] {
    hash(&digest::SHA384, bytes.as_ref())
}

/// SHA-512 of the bytes.
pub(crate) fn sha512(bytes: impl AsRef<[u8]>) -> [u8; 64] {
    hash(&digest::SHA512, bytes.as_ref())
}

/// The SHA-256 digest of a secret as base64url: what is stored instead of a 256-bit random secret.
///
/// Only for secrets that nobody can guess; passwords need [`hash_password`].
pub fn digest(secret: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(sha256(secret))
}

/// HMAC-SHA-256.
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut tag = [0; 32];
    tag.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref());
    tag
}

/// Are both equal? Takes the same time wherever they differ (though not for different lengths).
pub(crate) fn constant_time_eq(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> bool {
    constant_time::verify_slices_are_equal(a.as_ref(), b.as_ref()).is_ok()
}

fn hash<const N: usize>(algorithm: &'static digest::Algorithm, bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(digest::digest(algorithm, bytes).as_ref());
    out
}

/// The CRC-32 of IEEE 802.3 as base64url; protects against typing errors, not against people.
fn checksum(bytes: &[u8]) -> String {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    });
    URL_SAFE_NO_PAD.encode((!crc).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_carries_its_prefix_256_bits_and_a_checksum() {
        let token = random_token("dt_at_");
        assert!(token.starts_with("dt_at_"));
        assert_eq!(token.len(), 6 + 43 + 6);
        assert!(has_valid_checksum(&token));
        assert_ne!(token, random_token("dt_at_"));
    }

    #[test]
    fn the_checksum_is_crc32_of_ieee() {
        // The check value of CRC-32 for "123456789" is CBF43926.
        assert_eq!(checksum(b"123456789"), URL_SAFE_NO_PAD.encode([0xCB, 0xF4, 0x39, 0x26]));
    }

    #[test]
    fn a_text_that_nobody_issued_has_no_valid_checksum() {
        for text in ["", "abc", "dt_at_", "ü", "üüüüüüü", "dt_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
        {
            assert!(!has_valid_checksum(text), "{text}");
        }
    }

    #[test]
    fn a_random_name_looks_like_frappes() {
        let name = random_name();
        assert_eq!(name.len(), 10);
        assert!(name.bytes().all(|byte| NAME_ALPHABET.contains(&byte)));
        assert_ne!(name, random_name());
    }

    #[test]
    fn a_random_text_uses_only_its_alphabet_and_all_of_it() {
        let text = random_text(b"abc", 300);
        assert_eq!(text.len(), 300);
        assert!(text.bytes().all(|byte| b"abc".contains(&byte)));
        assert!(b"abc".iter().all(|letter| text.as_bytes().contains(letter)));
    }

    #[test]
    fn a_uuid_of_version_7_is_sorted_by_time() {
        let earlier = uuid_v7(Utc.timestamp_opt(1_700_000_000, 0).unwrap());
        let later = uuid_v7(Utc.timestamp_opt(1_700_000_001, 0).unwrap());
        assert_eq!(earlier.get_version_num(), 7);
        assert!(earlier < later);
        // Also within a millisecond.
        let at = |micros: u32| uuid_v7(Utc.timestamp_opt(1_700_000_000, micros * 1000).unwrap());
        assert!((0..2000).is_sorted_by_key(at));
        for micros in 0..2000 {
            assert!(at(micros) < uuid_v7_after(Utc.timestamp_opt(1_600_000_000, 0).unwrap(), Some(at(micros))));
            assert!(uuid_v7_after(Utc.timestamp_opt(1_600_000_000, 0).unwrap(), Some(at(micros))) < at(micros + 2));
        }
    }

    #[test]
    fn digests_are_sha256_in_base64url() {
        // The example of RFC 7636 appendix B.
        assert_eq!(
            digest("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn comparing_in_constant_time_compares() {
        assert!(constant_time_eq("same", "same"));
        assert!(!constant_time_eq("same", "other"));
        assert!(!constant_time_eq("same", "sam"));
    }

    proptest! {
        #[test]
        fn changing_one_character_breaks_the_checksum(at in 0_usize..55, with in "[A-Za-z0-9_-]") {
            let token = random_token("dt_at_");
            let mut changed = token.clone();
            changed.replace_range(at..=at, &with);
            prop_assert_eq!(has_valid_checksum(&changed), changed == token);
        }
    }
}
