//! The second factor: codes of an app (TOTP, RFC 6238), and recovery codes for when the app is gone.
//!
//! What is known of a person's lies sealed beside their User in `__Auth`. `challenge` is what a login carries from the
//! password to the code, `own` the part of `/me`, `picture` what an app scans.

pub(super) mod challenge;
pub(super) mod own;
mod picture;

use serde::{Deserialize, Serialize};
use serde_json::json;
use totp_rs::{Builder, Secret, Totp};

use crate::document::reseal::SealedField;
use crate::document::{Documents, ListRequest, Work};
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::permissions::Session;
use crate::permissions::session::ADMINISTRATOR;
use crate::secret;
use crate::web::{LoginSettings, SecurityEvent, Severity};

pub(super) use picture::Picture;

/// The name beside the User in `__Auth`, after Frappe's.
const FIELD: &str = "otp_secret";
/// How many recovery codes there are.
const CODES: usize = 10;
/// Their letters: none that look alike.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// How many letters each half has.
const HALF: usize = 5;

/// Where it is sealed. The name is left out, so that a rename need not seal it anew.
pub(crate) const SEALED: SealedField = SealedField { doctype: "User", fieldname: FIELD, in_auth: true, place };

fn place(_: &str) -> String {
    format!("User\u{1f}{FIELD}")
}

/// What is known of a person's second factor.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct SecondFactor {
    /// What the app knows, in base32.
    secret: String,
    /// The step of the last code: it and those before open nothing any more.
    last_step: u64,
    /// The digests of the recovery codes that are left.
    recovery: Vec<String>,
}

/// What a code was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// One of the app.
    OfApp,
    /// A recovery code, which is used up.
    Recovery,
}

/// A new secret for an app: 160 bits in base32.
pub(super) fn new_secret() -> String {
    Secret::from(secret::random_bytes::<20>()).to_base32()
}

fn totp(secret: &str) -> Option<Totp> {
    Builder::new().with_secret(Secret::try_from_base32(secret).ok()?).build().ok()
}

impl SecondFactor {
    /// One that an app has proved to know by a code; with its recovery codes, which are shown this once.
    pub(super) fn confirmed(secret: &str, code: &str, now: i64) -> Option<(Self, Vec<String>)> {
        let mut new = Self { secret: secret.to_owned(), last_step: 0, recovery: Vec::new() };
        if new.check(code, now)? != Code::OfApp {
            return None;
        }
        let codes = new.renew_recovery();
        Some((new, codes))
    }

    /// Takes a code that is right and was not used before.
    pub(super) fn check(&mut self, code: &str, now: i64) -> Option<Code> {
        let typed: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if typed.len() == 6 && typed.bytes().all(|byte| byte.is_ascii_digit()) {
            let step = totp(&self.secret)?.check(&typed, u64::try_from(now).ok()?)?;
            if step <= self.last_step {
                return None;
            }
            self.last_step = step;
            return Some(Code::OfApp);
        }
        let digest = secret::digest(typed.to_ascii_lowercase());
        let at = self.recovery.iter().position(|known| secret::constant_time_eq(known, &digest))?;
        self.recovery.remove(at);
        Some(Code::Recovery)
    }

    /// New recovery codes in place of those so far.
    pub(super) fn renew_recovery(&mut self) -> Vec<String> {
        let halves = || secret::random_text(LETTERS, HALF);
        let codes: Vec<String> = (0..CODES).map(|_| format!("{}-{}", halves(), halves())).collect();
        self.recovery = codes.iter().map(|code| secret::digest(code.replace('-', ""))).collect();
        codes
    }

    /// How many recovery codes are left.
    pub(super) fn codes_left(&self) -> usize {
        self.recovery.len()
    }

    /// That of a person, if they have set one up.
    pub(super) async fn of(work: &mut Work<'_>, user: &str) -> Result<Option<Self>> {
        let Some(sealed) = work.get_hash("User", user, FIELD).await? else { return Ok(None) };
        let opened =
            work.documents.site_key().open_text(&sealed, &place(user)).map_err(|error| {
                Error::internal(anyhow::anyhow!("the second factor of {user} does not open: {error}"))
            })?;
        serde_json::from_str(&opened).map(Some).map_err(Error::internal)
    }

    /// Stores it.
    pub(super) async fn store(&self, work: &mut Work<'_>, user: &str) -> Result<()> {
        let text = serde_json::to_string(self).map_err(Error::internal)?;
        let sealed = work.documents.site_key().seal(text, &place(user));
        work.set_hash("User", user, FIELD, Some(&sealed)).await
    }

    /// Stores one that is new, and notes it.
    pub(super) async fn set_up(&self, work: &mut Work<'_>, user: &str) -> Result<()> {
        self.store(work, user).await?;
        note(work, user, true, "Second Factor Set Up").await
    }
}

/// Takes a person's second factor away.
pub(super) async fn remove(work: &mut Work<'_>, user: &str, event: &'static str) -> Result<()> {
    work.set_hash("User", user, FIELD, None).await?;
    note(work, user, false, event).await
}

async fn note(work: &mut Work<'_>, user: &str, is_there: bool, event: &'static str) -> Result<()> {
    let by = work.session.user().to_owned();
    let caller = work.become_system();
    let noted = work.set_values("User", user, &[("second_factor", Value::from(is_there))]).await;
    work.session = caller;
    noted?;
    SecurityEvent::new(event, Severity::Warning).user(user).details(json!({ "by": by })).record_in(work).await
}

/// Whether one of these roles asks for a second factor, and the site lets roles do so. Administrator is asked by nobody, so
/// that a site always has a way in.
pub(super) async fn is_required(documents: &Documents, session: &Session) -> Result<bool> {
    if session.user() == ADMINISTRATOR || !LoginSettings::load(documents).await?.roles_ask_for_codes {
        return Ok(false);
    }
    let roles: Vec<&str> = session.access.roles.iter().map(String::as_str).collect();
    let mut request = ListRequest::new("Role").filters(json!([
        ["name", "in", roles],
        ["two_factor_auth", "=", 1],
        ["disabled", "=", 0]
    ]));
    request.limit = Some(1);
    Ok(!documents.list(&Session::system(), &request).await?.rows.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret and times of RFC 6238, Appendix B; the last six of its eight digits.
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn codes_are_those_of_the_rfc_and_each_counts_once() {
        for (now, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")] {
            let (mut factor, codes) = SecondFactor::confirmed(SECRET, code, now).unwrap();
            assert_eq!(codes.len(), 10);
            assert_eq!(factor.check(code, now), None, "a second time");
            assert_eq!(factor.check(code, now + 20), None, "nor within the tolerance");
        }
        let (mut factor, _) = SecondFactor::confirmed(SECRET, " 081 804 ", 1_111_111_109 + 30).unwrap();
        assert_eq!(factor.check("050471", 1_111_111_111), Some(Code::OfApp), "the next one");
        assert_eq!(factor.check("081804", 1_111_111_111), None, "one before the last");
        assert!(SecondFactor::confirmed(SECRET, "081804", 1_111_111_109 + 90).is_none(), "too old");
        assert!(SecondFactor::confirmed(SECRET, "", 59).is_none());
    }

    #[test]
    fn a_recovery_code_works_once_however_it_is_typed() {
        let (mut factor, codes) = SecondFactor::confirmed(SECRET, "287082", 59).unwrap();
        assert_eq!(factor.check(&codes[3].to_uppercase().replace('-', " "), 59), Some(Code::Recovery));
        assert_eq!(factor.check(&codes[3], 59), None);
        assert_eq!(factor.codes_left(), 9);
        let new = factor.renew_recovery();
        assert_eq!((factor.check(&codes[0], 59), factor.check(&new[0], 59)), (None, Some(Code::Recovery)));
        assert!(!serde_json::to_string(&factor).unwrap().contains(&new[1]), "digests alone are stored");
    }

    #[test]
    fn a_new_secret_has_160_bits() {
        assert_eq!(new_secret().len(), 32);
        assert!(totp(&new_secret()).is_some() && totp("1").is_none());
    }
}
