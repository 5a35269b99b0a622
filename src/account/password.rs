//! Login passwords: hashed and verified on the blocking pool, a few at a time, with a queue that has an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::error::{Error, ProblemKind, Result};
use crate::secret;
use crate::web::LoginSettings;

/// The name of the secret in `__Auth`, as Frappe has it.
pub(crate) const FIELD: &str = "password";
/// How many are hashed at once: each takes a core and some 20 MiB for a while.
const AT_ONCE: usize = 2;
/// How many may wait; beyond that, answering "later" serves people better than a queue of minutes.
const WAITING: usize = 100;
/// The longest password: hashing more only costs time.
const MAX_LENGTH: usize = 1000;

/// Hashes and verifies passwords. Cheap to clone; clones share the queue.
#[derive(Clone)]
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(AT_ONCE)), waiting: Arc::default() }
    }
}

impl Passwords {
    /// Hashes a password.
    pub(crate) async fn hash(&self, password: String) -> Result<String> {
        self.run(move || secret::hash_password(&password)).await?
    }

    /// Whether that is the password; `None` for the hash takes as long and says no.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        self.run(move || {
            if let Some(hash) = hash {
                return secret::verify_password(&password, &hash);
            }
            secret::spend_password_time(&password);
            false
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _place = Place::take(&self.waiting)?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(Error::internal)?;
        tokio::task::spawn_blocking(move || {
            // Held until the work is done, even if nobody waits for it any more.
            let _permit = permit;
            work()
        })
        .await
        .map_err(Error::internal)
    }
}

/// A place in the queue; given back when dropped, also if the request is.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self> {
        if waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::RateLimited { retry_after: 5 });
        }
        Ok(Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether a new password is good enough: long enough, not absurdly long, and hard to guess, also for who knows the user.
pub(super) fn check_policy(password: &str, settings: &LoginSettings, user: &str) -> Result<()> {
    let minimum = settings.minimum_password_length;
    let refuse = |message: String| Err(Error::invalid(ProblemKind::Validation, message));
    let length = password.chars().count();
    if length < minimum {
        return refuse(format!("The password has {length} characters: choose one with at least {minimum}"));
    }
    if password.len() > MAX_LENGTH {
        return refuse(format!("The password is longer than {MAX_LENGTH} characters"));
    }
    let local_part = user.split('@').next().unwrap_or(user);
    if [user, local_part].iter().any(|name| name.eq_ignore_ascii_case(password)) {
        return refuse("The password is the name of the account: choose another".to_owned());
    }
    let entropy = zxcvbn::zxcvbn(password, &[user, local_part, &settings.app_name]);
    if u8::from(entropy.score()) >= settings.minimum_password_score {
        return Ok(());
    }
    let warning = entropy.feedback().and_then(zxcvbn::feedback::Feedback::warning);
    let why = warning.map(|warning| format!(" ({})", warning.to_string().trim_end_matches('.'))).unwrap_or_default();
    refuse(format!(
        "The password is too easy to guess{why}: choose another, such as a few words that do not belong together"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_and_not_obvious() {
        let settings = LoginSettings::default();
        let check = |password: &str, user: &str| check_policy(password, &settings, user);
        for good in ["correct horse battery", "a few odd words", "xK3-vq9L.a"] {
            assert!(check(good, "alice@example.com").is_ok(), "{good}");
        }
        for bad in [
            "short",
            "alice@example.com",
            "aaaaaaaaaa",
            &"x1".repeat(600),
            "password",
            "12345678",
            "Passw0rd",
            "qwertyuiop",
            "password1",
            "87654321",
            "abcdefgh",
            "alice1234",
            "P@ssword",
            "letmein1",
            "11111111",
            "iloveyou",
            "abc12345",
        ] {
            assert!(check(bad, "Alice@example.com").is_err(), "{bad}");
        }
        assert!(check("ALICE-LONG", "alice-long@example.com").is_err());
        let any = LoginSettings { minimum_password_score: 0, ..LoginSettings::default() };
        assert!(check_policy("password", &any, "alice@example.com").is_ok());
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(passwords.verify("correct horse".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".to_owned(), None).await.unwrap());
    }
}
