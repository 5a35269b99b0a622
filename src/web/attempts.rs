//! Failed attempts, counted in Login Attempt documents so that a restart forgets nothing.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use chrono::NaiveDateTime;
use moka::sync::Cache;
use serde_json::json;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::clock::{DATETIME_FORMAT, format_datetime};
use crate::document::{Documents, Work};
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::permissions::Session;
use crate::secret;
use crate::web::document_name;
use crate::web::request::RequestContext;
use crate::web::security_event::{SecurityEvent, Severity};
use crate::web::settings::LoginSettings;

/// Whose attempts are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An account, by the name that was typed, and whether it exists.
    User {
        /// As typed, in lower case.
        name: String,
        /// Known here: only then it is written down in the clear.
        known: bool,
    },
    /// A network address.
    Address(String),
    /// An OAuth client.
    Client(String),
    /// Somebody who types in the codes of devices: a user, or a network address.
    UserCode(String),
}

impl Subject {
    fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "User",
            Self::Address(_) => "Address",
            Self::Client(_) => "Client",
            Self::UserCode(_) => "User Code",
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::User { name, .. } => name,
            Self::Address(text) | Self::Client(text) | Self::UserCode(text) => text,
        }
    }

    fn shown(&self) -> &str {
        match self {
            Self::User { known: false, .. } => "",
            _ => self.text(),
        }
    }

    /// How many failures lock; 0: none does. Codes are so short that they are never without a limit.
    fn limit(&self, settings: &LoginSettings) -> i64 {
        match self {
            Self::UserCode(_) if settings.attempts == 0 => LoginSettings::default().attempts,
            _ => settings.attempts,
        }
    }

    fn digest(&self) -> String {
        secret::digest(format!("{}:{}", self.kind(), self.text()))
    }

    /// The name of the document, so that a lookup needs no search.
    fn document_name(&self) -> String {
        document_name(&format!("attempt:{}:{}", self.kind(), self.text()))
    }
}

/// For how long nothing stored counts as nothing stored; another node may have counted a failure meanwhile.
const CLEAN_FOR: StdDuration = StdDuration::from_secs(5);

/// Counts attempts. Attempts of one subject go one after the other, so that many at once do not slip through.
#[derive(Clone)]
pub struct Attempts {
    gates: Cache<String, Arc<Mutex<()>>>,
    /// Subjects of which nothing was stored a moment ago: a program that proves itself with every request costs no lookup.
    clean: Cache<String, ()>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            gates: Cache::builder().max_capacity(10_000).time_to_idle(StdDuration::from_mins(10)).build(),
            clean: Cache::builder().max_capacity(10_000).time_to_live(CLEAN_FOR).build(),
        }
    }
}

/// An attempt under way: say how it ended.
#[must_use = "an attempt that nobody ends is not counted"]
pub struct Attempt {
    subjects: Vec<Subject>,
    /// The documents that there were when it began.
    stored: Vec<String>,
    clean: Cache<String, ()>,
    settings: LoginSettings,
    _gates: Vec<OwnedMutexGuard<()>>,
}

impl Attempts {
    /// Begins an attempt, or refuses it with `RateLimited` while one of the subjects is locked.
    ///
    /// Name the subjects always in the same order: user or client first, then address.
    pub async fn begin(&self, documents: &Documents, subjects: Vec<Subject>) -> Result<Attempt> {
        let settings = LoginSettings::load(documents).await?;
        let mut gates = Vec::with_capacity(subjects.len());
        for subject in &subjects {
            let gate = self.gates.get_with(subject.document_name(), Arc::default);
            gates.push(gate.lock_owned().await);
        }
        let now = documents.clock().now_naive();
        let mut known = Vec::new();
        for name in subjects.iter().map(Subject::document_name) {
            if self.clean.contains_key(&name) {
                continue;
            }
            let stored = match documents.get(&Session::system(), "Login Attempt", &name).await {
                Ok(stored) => stored,
                Err(Error::DoesNotExist { .. }) => {
                    self.clean.insert(name, ());
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(until) = parse(stored.text("locked_until"))
                && until > now
            {
                let seconds = (until - now).num_seconds() + 1;
                return Err(Error::RateLimited { retry_after: u64::try_from(seconds).unwrap_or(1) });
            }
            known.push(name);
        }
        Ok(Attempt { subjects, stored: known, clean: self.clean.clone(), settings, _gates: gates })
    }
}

impl Attempt {
    /// It failed: counts it, and locks who has failed too often. `event` is noted as a Security Event.
    pub async fn failed(self, documents: &Documents, context: &RequestContext, event: &'static str) -> Result<()> {
        let mut work = documents.begin(&Session::system()).await?;
        let user = self.subjects.first().map_or("", Subject::shown).to_owned();
        SecurityEvent::new(event, Severity::Info).user(user).during(context).record_in(&mut work).await?;
        for subject in &self.subjects {
            self.clean.invalidate(&subject.document_name());
            if count(&mut work, subject, &self.settings).await? {
                SecurityEvent::new("Login Locked", Severity::Warning)
                    .user(subject.shown())
                    .during(context)
                    .details(json!({"kind": subject.kind(), "seconds": self.settings.lock.num_seconds()}))
                    .record_in(&mut work)
                    .await?;
            }
        }
        work.commit().await
    }

    /// It succeeded: what failed before is forgotten.
    pub async fn succeeded(self, documents: &Documents) -> Result<()> {
        if self.stored.is_empty() {
            return Ok(());
        }
        let mut work = documents.begin(&Session::system()).await?;
        for name in self.stored {
            let values = [("failures", Value::Int(0)), ("locked_until", Value::Null), ("first_failed", Value::Null)];
            work.set_values("Login Attempt", &name, &values).await?;
        }
        work.commit().await
    }
}

/// Counts one failure; true if it locks.
async fn count(work: &mut Work<'_>, subject: &Subject, settings: &LoginSettings) -> Result<bool> {
    let now_text = work.now().to_owned();
    let now = parse(&now_text).unwrap_or_default();
    let name = subject.document_name();
    let stored = work.find("Login Attempt", &name).await?;
    let (failures, first) = match &stored {
        Some(stored) => match parse(stored.text("first_failed")) {
            Some(first) if now - first < settings.lock => (stored.int("failures") + 1, format_datetime(first)),
            _ => (1, now_text),
        },
        None => (1, now_text),
    };
    let limit = subject.limit(settings);
    let locks = limit > 0 && failures >= limit;
    let locked_until = locks.then(|| format_datetime(now + settings.lock));
    if stored.is_some() {
        let values = [
            ("failures", Value::Int(failures)),
            ("first_failed", Value::from(first)),
            ("locked_until", Value::from(locked_until)),
        ];
        work.set_values("Login Attempt", &name, &values).await?;
    } else {
        let mut document = work.new_document("Login Attempt")?;
        document.set("kind", subject.kind());
        document.set("subject", subject.shown());
        document.set("failures", failures);
        document.set("first_failed", first);
        document.set("locked_until", locked_until);
        document.set("key_digest", subject.digest());
        document.set_name(name);
        work.insert(document).await?;
    }
    Ok(locks)
}

fn parse(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, DATETIME_FORMAT).ok()
}
