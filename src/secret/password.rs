//! Passwords: Argon2id in the PHC string format; every function here blocks for tens of milliseconds.
//!
//! Hashes of Frappe are verified too, so that people who moved in keep their passwords until their next login renews them.

use std::num::NonZeroU32;
use std::sync::{Mutex, OnceLock, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::random_bytes;
use crate::error::{Error, Result};

/// How many computations' memory is kept; more at once are not made.
const KEPT_AT_MOST: usize = 2;
/// How hashes begin that Frappe makes (passlib's `pbkdf2_sha256`).
const PBKDF2: &str = "$pbkdf2-sha256$";
/// More rounds are no hash of Frappe: they would only take long.
const MOST_ROUNDS: u32 = 1_000_000;

/// Hashes a password with a salt of its own: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
pub(crate) fn hash_password(password: &str) -> Result<String> {
    hash_with(&Argon2::default(), password).map_err(|cause| Error::Internal(cause.context("hash a password")))
}

fn hash_with(argon2: &Argon2<'_>, password: &str) -> anyhow::Result<String> {
    let (salt, mut output) = (random_bytes::<16>(), [0; Params::DEFAULT_OUTPUT_LEN]);
    compute(argon2, password, &salt, &mut output)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(Salt::new(&salt)?),
        hash: Some(Output::new(&output)?),
    };
    Ok(hash.to_string())
}

/// The memory of a computation, for the next one. Given back each time, some 20 MiB remain with every thread that hashed.
fn compute(argon2: &Argon2<'_>, password: &str, salt: &[u8], output: &mut [u8]) -> argon2::Result<()> {
    static KEPT: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let mut memory = kept().pop().unwrap_or_default();
    memory.resize(argon2.params().block_count(), Block::default());
    let done = argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, memory.as_mut_slice());
    // A hash with other parameters may have taken more than usual.
    if memory.len() == Params::DEFAULT.block_count() {
        let mut kept = kept();
        if kept.len() < KEPT_AT_MOST {
            kept.push(memory);
        }
    }
    done
}

/// Is this the password? False as well for a hash that does not parse.
pub(crate) fn verify_password(password: &str, hash: &str) -> bool {
    if let Some(parts) = hash.strip_prefix(PBKDF2) {
        return is_pbkdf2_of(parts, password).unwrap_or(false);
    }
    PasswordHash::new(hash).is_ok_and(|hash| is_password_of(&hash, password).unwrap_or(false))
}

/// `rounds$salt$hash`, in base64 with `.` in place of `+`; `None` if it is not that.
fn is_pbkdf2_of(parts: &str, password: &str) -> Option<bool> {
    let mut parts = parts.split('$');
    let rounds: u32 = parts.next()?.parse().ok().filter(|rounds| *rounds <= MOST_ROUNDS)?;
    let mut decoded = || STANDARD_NO_PAD.decode(parts.next()?.replace('.', "+")).ok().filter(|bytes| !bytes.is_empty());
    let (salt, expected) = (decoded()?, decoded()?);
    let rounds = NonZeroU32::new(rounds)?;
    Some(pbkdf2::verify(PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &expected).is_ok())
}

/// `None` if the hash is of a kind that cannot be computed.
fn is_password_of(hash: &PasswordHash, password: &str) -> Option<bool> {
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let params = Params::try_from(hash).ok()?;
    let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
    let mut found = vec![0; expected.as_ref().len()];
    compute(&Argon2::new(algorithm, version, params), password, salt.as_ref(), &mut found).ok()?;
    Some(super::constant_time_eq(&found, expected))
}

/// Was this hash made with other parameters than we use today? Then hash again while the password is at hand.
pub(crate) fn needs_rehash(hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return true };
    hash.algorithm.as_str() != "argon2id"
        || Params::try_from(&hash).map_or(true, |params| {
            let today = Params::default();
            (params.m_cost(), params.t_cost(), params.p_cost()) != (today.m_cost(), today.t_cost(), today.p_cost())
        })
}

/// Takes as long as [`verify_password`]: for users that do not exist, so that the answer's time does not tell.
pub(crate) fn spend_password_time(password: &str) {
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
    fn hashes_of_argon2_itself_are_verified() {
        // A vector of the reference implementation.
        let hash = "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8";
        assert!(verify_password("password", hash));
        assert!(!verify_password("passwore", hash));
    }

    #[test]
    fn hashes_of_frappe_are_verified_and_ask_for_a_new_one() {
        // From the documentation of passlib.
        let hash = "$pbkdf2-sha256$8000$XAuBMIYQQogxRg$tRRlz8hYn63B9LYiCd6PRo6FMiunY9ozmMMI3srxeRE";
        assert!(verify_password("password", hash));
        assert!(!verify_password("passwore", hash));
        assert!(needs_rehash(hash));
    }

    #[test]
    fn what_is_no_hash_verifies_nothing() {
        let endless = "$pbkdf2-sha256$4000000000$c2FsdA$aGFzaA";
        for hash in ["", "plain", "$argon2id$", "$pbkdf2-sha256$29000$c2FsdA$aGFzaA", "$pbkdf2-sha256$1$$", endless] {
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
        let hash = hash_with(&weak, "secret").unwrap();
        assert!(verify_password("secret", &hash));
        assert!(needs_rehash(&hash));
    }
}
