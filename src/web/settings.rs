//! What System Settings says about logging in, with the defaults that hold while nothing is stored.

use chrono::Duration;

use crate::document::Documents;
use crate::error::{Error, Result};
use crate::permissions::Session;

/// The name of the DocType and of its one document.
pub(crate) const SYSTEM_SETTINGS: &str = "System Settings";

/// The settings about logging in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoginSettings {
    /// The site's name.
    pub app_name: String,
    /// How long an unused session lives.
    pub session_expiry: Duration,
    /// How long a session lives at most; `None`: as long as it is used.
    pub session_life: Option<Duration>,
    /// The least number of characters of a password.
    pub minimum_password_length: usize,
    /// How hard a password must be to guess, from 0 to 4.
    pub minimum_password_score: u8,
    /// How many failures in a row lock; 0: none does.
    pub attempts: i64,
    /// How long a lock lasts.
    pub lock: Duration,
    /// Programs may log out by GET.
    pub logout_by_get: bool,
    /// Roles may ask their people for a second factor.
    pub roles_ask_for_codes: bool,
}

impl Default for LoginSettings {
    fn default() -> Self {
        Self {
            app_name: "Doctyped".to_owned(),
            session_expiry: Duration::hours(170),
            session_life: Some(Duration::hours(720)),
            minimum_password_length: 8,
            minimum_password_score: 2,
            attempts: 5,
            lock: Duration::seconds(300),
            logout_by_get: true,
            roles_ask_for_codes: true,
        }
    }
}

impl LoginSettings {
    /// Reads them; from the cache of documents, as a rule.
    pub(crate) async fn load(documents: &Documents) -> Result<Self> {
        let default = Self::default();
        let stored = match documents.get(&Session::system(), SYSTEM_SETTINGS, SYSTEM_SETTINGS).await {
            Ok(stored) => stored,
            Err(Error::DoesNotExist { .. }) => return Ok(default),
            Err(error) => return Err(error),
        };
        let number = |fieldname: &str, or: i64| stored.get(fieldname).as_int().filter(|n| *n >= 0).unwrap_or(or);
        Ok(Self {
            app_name: Some(stored.text("app_name")).filter(|name| !name.is_empty()).unwrap_or("Doctyped").to_owned(),
            session_expiry: parse_expiry(stored.text("session_expiry")).unwrap_or(default.session_expiry),
            session_life: parse_expiry(stored.text("maximum_session_life")),
            // Empty where the settings were stored before there was a score.
            minimum_password_score: stored.text("minimum_password_score").parse().unwrap_or(2),
            minimum_password_length: usize::try_from(number("minimum_password_length", 8)).unwrap_or(8),
            attempts: number("allow_consecutive_login_attempts", default.attempts),
            lock: Duration::seconds(number("allow_login_after_fail", 300).clamp(1, 366 * 86_400)),
            logout_by_get: number("allow_logout_by_get", 1) != 0,
            roles_ask_for_codes: number("enable_two_factor_auth", 1) != 0,
        })
    }
}

/// What System Settings says about uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UploadSettings {
    /// The largest file, in megabytes.
    pub megabytes: usize,
    /// Whether people without an account may upload.
    pub guests: bool,
}

impl UploadSettings {
    /// Reads them; from the cache of documents, as a rule.
    pub(crate) async fn load(documents: &Documents) -> Result<Self> {
        let stored = documents.get(&Session::system(), SYSTEM_SETTINGS, SYSTEM_SETTINGS).await?;
        let megabytes = stored.get("max_file_size").as_int().and_then(|limit| usize::try_from(limit).ok());
        Ok(Self {
            megabytes: megabytes.filter(|limit| *limit > 0).unwrap_or(25),
            guests: stored.check("allow_guests_to_upload_files"),
        })
    }

    /// The largest file, in bytes.
    pub(crate) fn bytes(self) -> usize {
        self.megabytes.saturating_mul(1024 * 1024)
    }
}

/// What System Settings says about how often the API may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ApiLimits {
    /// Requests per minute of one session, API key, or application of one person; 0: as many as they like.
    pub credentials: i64,
    /// Requests per minute of one address without credentials; 0: as many as they like.
    pub addresses: i64,
}

impl ApiLimits {
    /// Reads them, from the cache of documents as a rule; while they cannot be read the defaults of their definition hold.
    pub(crate) async fn load(documents: &Documents) -> Self {
        let stored = documents.get(&Session::system(), SYSTEM_SETTINGS, SYSTEM_SETTINGS).await.ok();
        let limit = |fieldname: &str| match &stored {
            Some(stored) => stored.int(fieldname),
            None => default_of(documents, fieldname).unwrap_or_default(),
        };
        Self { credentials: limit("api_rate_limit"), addresses: limit("api_rate_limit_for_guests") }
    }
}

/// The number that a field of System Settings has by its definition.
fn default_of(documents: &Documents, fieldname: &str) -> Option<i64> {
    documents.doctype(SYSTEM_SETTINGS).ok()?.field(fieldname)?.default.as_deref()?.parse().ok()
}

/// `170:00` and Frappe's `170:00:00`: hours, minutes, seconds. `None` if it is nothing of the kind, or less than a minute.
pub(crate) fn parse_expiry(text: &str) -> Option<Duration> {
    let mut seconds = 0_i64;
    let mut unit = 3600;
    for part in text.trim().split(':') {
        if unit == 0 {
            return None;
        }
        let part: u32 = part.trim().parse().ok()?;
        seconds += i64::from(part).checked_mul(unit)?;
        unit /= 60;
    }
    (60..=10 * 366 * 86_400).contains(&seconds).then(|| Duration::seconds(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_hours_and_minutes() {
        for (text, seconds) in [("170:00", Some(612_000)), ("00:30", Some(1800)), ("24:00:00", Some(86_400))] {
            assert_eq!(parse_expiry(text).map(|expiry| expiry.num_seconds()), seconds, "{text}");
        }
        for text in ["", "soon", "00:00", "-1:00", "1:2:3:4"] {
            assert_eq!(parse_expiry(text), None, "{text}");
        }
    }
}
