//! Secrets that travel with a file, closed by a passphrase.

use argon2::Argon2;

use super::{SiteKey, random_text};
use crate::secret::OpenError;

/// The letters of a salt.
const SALT: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// How long a salt is.
const SALT_LENGTH: usize = 22;
/// How few letters a passphrase may have.
pub(crate) const SHORTEST: usize = 12;

/// A text that a passphrase opens (Argon2id, then AES-256-GCM): the salt and the sealed text. Takes tens of milliseconds.
pub(crate) fn close(text: &str, passphrase: &str, place: &str) -> anyhow::Result<(String, String)> {
    let salt = random_text(SALT, SALT_LENGTH);
    let sealed = key(passphrase, &salt)?.seal(text, place);
    Ok((salt, sealed))
}

/// The text again.
pub(crate) fn open(
    salt: &str,
    sealed: &str,
    passphrase: &str,
    place: &str,
) -> anyhow::Result<Result<String, OpenError>> {
    Ok(key(passphrase, salt)?.open_text(sealed, place))
}

fn key(passphrase: &str, salt: &str) -> anyhow::Result<SiteKey> {
    let mut derived = [0_u8; 32];
    Argon2::default()
        .hash_password_into(passphrase.as_bytes(), salt.as_bytes(), &mut derived)
        .map_err(|error| anyhow::anyhow!("derive a key from the passphrase: {error}"))?;
    Ok(SiteKey::from_text(&super::hex(&derived))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_passphrase_opens_a_text_and_only_in_its_place() {
        let (salt, sealed) = close("the key", "correct horse battery", "here").unwrap();
        assert_eq!(open(&salt, &sealed, "correct horse battery", "here").unwrap().unwrap(), "the key");
        assert!(open(&salt, &sealed, "correct horse batterie", "here").unwrap().is_err());
        assert!(open(&salt, &sealed, "correct horse battery", "there").unwrap().is_err());
        assert_ne!(close("the key", "correct horse battery", "here").unwrap().0, salt);
    }
}
