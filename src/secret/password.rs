//! Passwords: Argon2id in the PHC string format; every function here blocks for tens of milliseconds.

use std::sync::OnceLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, Params};

use super::random_bytes;
use crate::error::{Error, Result};

/// Hashes a password with a salt of its own: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
pub fn hash_password(password: &str) -> Result<String> {
    Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &random_bytes::<16>())
        .map(|hash| hash.to_string())
        .map_err(|error| Error::Internal(anyhow::anyhow!("hash a password: {error}")))
}

/// Is this the password? False as well for a hash that does not parse.
pub fn verify_password(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Was this hash made with other parameters than we use today? Then hash again while the password is at hand.
pub fn needs_rehash(hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return true };
    hash.algorithm.as_str() != "argon2id"
        || Params::try_from(&hash).map_or(true, |params| {
            let today = Params::default();
            (params.m_cost(), params.t_cost(), params.p_cost()) != (today.m_cost(), today.t_cost(), today.p_cost())
        })
}

/// Takes as long as [`verify_password`]: for users that do not exist, so that the answer's time does not tell.
pub fn spend_password_time(password: &str) {
    static NOBODY: OnceLock<Option<String>> = OnceLock::new();
    if let Some(hash) = NOBODY.get_or_init(|| hash_password("nobody").ok()) {
        verify_password(password, hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_verified_against_its_hash_only() {
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$"));
        assert!(verify_password("correct horse", &hash));
        assert!(!verify_password("correct horsf", &hash));
        assert_ne!(hash, hash_password("correct horse").unwrap(), "each hash has a salt of its own");
        assert!(!needs_rehash(&hash));
    }

    #[test]
    fn what_is_no_hash_verifies_nothing() {
        for hash in ["", "plain", "$argon2id$", "$pbkdf2-sha256$29000$c2FsdA$aGFzaA"] {
            assert!(!verify_password("plain", hash), "{hash}");
            assert!(needs_rehash(hash), "{hash}");
        }
        spend_password_time("anything");
    }

    #[test]
    fn weaker_parameters_ask_for_a_new_hash() {
        let weak = Argon2::new(
            argon2::Algorithm::Argon2id,
            argon2::Version::V0x13,
            Params::new(8 * 1024, 1, 1, None).unwrap(),
        );
        let hash = weak.hash_password_with_salt(b"secret", &random_bytes::<16>()).unwrap().to_string();
        assert!(verify_password("secret", &hash));
        assert!(needs_rehash(&hash));
    }
}
