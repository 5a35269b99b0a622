//! Failed attempts, counted in Login Attempt documents so that a restart forgets nothing.
//!
//! [`Attempts::begin_login`] is for whoever logs in with a password. What else can be guessed begins with
//! [`Attempts::begin`] and a [`Subject`] each; name the one who guesses together with what is guessed, such as
//! `"<client id> <address>"`, so that nobody can lock somebody else out. Both give an [`Attempt`]: say how it ended.
//! What cannot be guessed (a key, a secret of 256 bits) need not be counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration as StdDuration;

use chrono::{Duration, NaiveDateTime};
use moka::sync::Cache;
use serde_json::json;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::clock::{DATETIME_FORMAT, format_datetime};
use crate::document::kept::Kept;
use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::permissions::Session;
use crate::secret;
use crate::web::document_name;
use crate::web::request::RequestContext;
use crate::web::security_event::{SecurityEvent, Severity};
use crate::web::settings::LoginSettings;

/// How many times more failures than from one place are needed for an account, or an address, as a whole.
const WIDE: i64 = 20;
/// How long at most an account or an address as a whole is held up: it slows guessing from many places, and locks nobody out.
const WIDE_LOCK: Duration = Duration::seconds(60);
/// The longest lock of one place; each further failure doubles it until then.
const LONGEST_LOCK: Duration = Duration::days(1);

/// Whose attempts are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An account from one place: a device that was logged in before, or else a network address.
    User {
        /// As typed, ASCII letters in lower case.
        name: String,
        /// Known here: only then it is written down in the clear.
        known: bool,
        /// The place.
        place: String,
    },
    /// An account from all places where nobody was logged in to it before.
    Account {
        /// As typed, ASCII letters in lower case.
        name: String,
        /// Known here: only then it is written down in the clear.
        known: bool,
    },
    /// A network address, for whatever account.
    Address(String),
    /// An OAuth client.
    Client(String),
    /// Somebody who types in codes, of devices or of a second factor: a user, a network address, or both.
    UserCode(String),
}

impl Subject {
    fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "User",
            Self::Account { .. } => "Account",
            Self::Address(_) => "Address",
            Self::Client(_) => "Client",
            Self::UserCode(_) => "User Code",
        }
    }

    /// What tells it from others of its kind.
    fn text(&self) -> String {
        match self {
            Self::User { name, place, .. } => format!("{name} {place}"),
            Self::Account { name, .. } => name.clone(),
            Self::Address(text) | Self::Client(text) | Self::UserCode(text) => text.clone(),
        }
    }

    fn shown(&self) -> &str {
        match self {
            Self::User { known: false, .. } | Self::Account { known: false, .. } => "",
            Self::User { name, .. } | Self::Account { name, .. } => name,
            Self::Address(text) | Self::Client(text) | Self::UserCode(text) => text,
        }
    }

    /// It stands for many people or places: it takes more failures, and a success of one says nothing of the others.
    fn is_wide(&self) -> bool {
        matches!(self, Self::Account { .. } | Self::Address(_))
    }

    /// How many failures lock; 0: none does. Codes are so short that they are never without a limit.
    fn limit(&self, settings: &LoginSettings) -> i64 {
        match self {
            Self::UserCode(_) if settings.attempts == 0 => LoginSettings::default().attempts,
            _ if self.is_wide() => settings.attempts * WIDE,
            _ => settings.attempts,
        }
    }

    /// How long so many failures lock.
    fn lock(&self, failures: i64, settings: &LoginSettings) -> Duration {
        if self.is_wide() {
            return settings.lock.min(WIDE_LOCK);
        }
        let further = u32::try_from(failures - self.limit(settings)).unwrap_or(0).min(20);
        (settings.lock * 2_i32.pow(further)).min(LONGEST_LOCK).max(settings.lock)
    }

    fn digest(&self) -> String {
        secret::digest(format!("{}:{}", self.kind(), self.text()))
    }

    /// The name of the document, so that a lookup needs no search.
    fn document_name(&self) -> String {
        document_name(&format!("attempt:{}:{}", self.kind(), self.text()))
    }
}

/// For how long nothing stored counts as nothing stored.
const CLEAN_FOR: StdDuration = StdDuration::from_secs(5);

/// Counts attempts, of all nodes together. At each node those of one subject go one after the other, so that many at once do
/// not slip through.
#[derive(Clone)]
pub struct Attempts {
    gates: Cache<String, Arc<Mutex<()>>>,
    /// Subjects of which nothing was stored a moment ago: a program that proves itself with every request costs no lookup.
    clean: Arc<Kept<()>>,
    /// Until when locks hold by the clock that only goes forward, with the stored end that each belongs to.
    ends: Cache<String, (NaiveDateTime, StdDuration)>,
}

impl Default for Attempts {
    fn default() -> Self {
        let clean = Cache::builder().max_capacity(10_000).time_to_live(CLEAN_FOR).build();
        Self {
            gates: Cache::builder().max_capacity(10_000).time_to_idle(StdDuration::from_mins(10)).build(),
            clean: Arc::new(Kept::new(clean)),
            ends: Cache::builder().max_capacity(10_000).time_to_live(StdDuration::from_hours(25)).build(),
        }
    }
}

/// Behaviour of the DocType Login Attempt: a failure that is counted at one node is known at all of them.
pub(crate) struct LoginAttemptController {
    clean: Arc<Kept<()>>,
}

impl Controller for LoginAttemptController {
    fn forget(&self, name: Option<&str>) {
        match name {
            Some(name) => self.clean.forget(name),
            None => self.clean.clear(),
        }
    }
}

/// An attempt under way: say how it ended.
#[must_use = "an attempt that nobody ends is not counted"]
pub struct Attempt {
    subjects: Vec<Subject>,
    /// The documents that there were when it began, of those that a success forgets.
    stored: Vec<String>,
    settings: LoginSettings,
    _gates: Vec<OwnedMutexGuard<()>>,
}

impl Attempts {
    /// The controller of the DocType Login Attempt; it shares what is kept here.
    pub(crate) fn controller(&self) -> LoginAttemptController {
        LoginAttemptController { clean: Arc::clone(&self.clean) }
    }

    /// Begins an attempt to log in to an account, by its name if it is `known` or by what was typed.
    ///
    /// Failures count for the account together with the place they come from. Who was logged in before in the same
    /// browser, or from the same address, is not held up by what strangers do elsewhere.
    pub async fn begin_login(
        &self,
        documents: &Documents,
        context: &RequestContext,
        name: String,
        known: bool,
    ) -> Result<Attempt> {
        let subjects = subjects_of_login(documents, context, name, known).await?;
        self.begin(documents, subjects).await
    }

    /// Begins an attempt of somebody who knows a password to type in the code of a second factor: counted as passwords are,
    /// and also where no number of those locks.
    pub async fn begin_code(&self, documents: &Documents, context: &RequestContext, name: &str) -> Result<Attempt> {
        let mut subjects = subjects_of_login(documents, context, name.to_owned(), true).await?;
        subjects.push(Subject::UserCode(format!("{name} {}", network(context.ip))));
        self.begin(documents, subjects).await
    }

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
        let mut known = Vec::new();
        for subject in &subjects {
            let name = subject.document_name();
            if self.clean.get(documents, &name).is_some() {
                continue;
            }
            let ticket = self.clean.ticket(&name);
            let stored = match documents.get(&Session::system(), "Login Attempt", &name).await {
                Ok(stored) => stored,
                Err(Error::DoesNotExist { .. }) => {
                    self.clean.keep(ticket, &name, ());
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(until) = parse(stored.text("locked_until")) {
                let lock = subject.lock(stored.int("failures"), &settings);
                let left = self.left(documents, &name, until, lock);
                if !left.is_zero() {
                    documents.database().metrics().refused.count("locked");
                    return Err(Error::RateLimited { retry_after: left.as_secs() + 1 });
                }
            }
            if !subject.is_wide() {
                known.push(name);
            }
        }
        Ok(Attempt { subjects, stored: known, settings, _gates: gates })
    }

    /// How much is left of a lock. A clock that goes back meanwhile makes it no longer than it was meant to be.
    fn left(&self, documents: &Documents, name: &str, until: NaiveDateTime, lock: Duration) -> StdDuration {
        let (clock, kept) = (documents.clock(), self.ends.get(name).filter(|(stored, _)| *stored == until));
        let end = kept.map_or_else(
            || {
                let left = (until - clock.now_naive()).min(lock).to_std().unwrap_or_default();
                let end = clock.monotonic() + left;
                self.ends.insert(name.to_owned(), (until, end));
                end
            },
            |(_, end)| end,
        );
        end.saturating_sub(clock.monotonic())
    }
}

/// Whose attempts to log in are counted together, from where somebody is.
async fn subjects_of_login(
    documents: &Documents,
    context: &RequestContext,
    name: String,
    known: bool,
) -> Result<Vec<Subject>> {
    let network = network(context.ip);
    let device = context.device().map(secret::digest);
    if let Some(device) = device
        && was_logged_in(documents, &name, ("device_digest", &device)).await?
    {
        return Ok(vec![Subject::User { name, known, place: format!("device {device}") }]);
    }
    let mut subjects = vec![Subject::User { name: name.clone(), known, place: network.clone() }];
    if !was_logged_in(documents, &name, ("ip_address", &context.ip.to_string())).await? {
        subjects.push(Subject::Account { name, known });
        // What may be a proxy stands for everybody behind it.
        if !is_private(context.ip) {
            subjects.push(Subject::Address(network));
        }
    }
    Ok(subjects)
}

/// Whether somebody was logged in to the account with that value of a Session.
async fn was_logged_in(documents: &Documents, user: &str, (fieldname, value): (&str, &str)) -> Result<bool> {
    let mut request = ListRequest::new("Session").filters(json!({"user": user, fieldname: value}));
    request.limit = Some(1);
    Ok(!documents.list(&Session::system(), &request).await?.rows.is_empty())
}

/// An address, or the network that one customer gets: the addresses of a /64 are one's own to choose.
fn network(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

impl Attempt {
    /// It failed: counts it, and locks who has failed too often. `event` is noted as a Security Event.
    pub async fn failed(self, documents: &Documents, context: &RequestContext, event: &'static str) -> Result<()> {
        documents.database().metrics().refused.count("failed attempt");
        match self.note_failure(documents, context, event).await {
            // Another node has noted the first failure of the same subject at the same moment.
            Err(Error::Conflict(_)) => self.note_failure(documents, context, event).await,
            noted => noted,
        }
    }

    async fn note_failure(&self, documents: &Documents, context: &RequestContext, event: &'static str) -> Result<()> {
        let mut work = documents.begin(&Session::system()).await?;
        let user = self.subjects.first().map_or("", Subject::shown).to_owned();
        SecurityEvent::new(event, Severity::Info).user(user).during(context).record_in(&mut work).await?;
        for subject in &self.subjects {
            if let Some(lock) = count(&mut work, subject, &self.settings).await? {
                SecurityEvent::new("Login Locked", Severity::Warning)
                    .user(subject.shown())
                    .during(context)
                    .details(json!({"kind": subject.kind(), "seconds": lock.num_seconds()}))
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

/// Counts one failure; how long it locks, if it does.
async fn count(work: &mut Work<'_>, subject: &Subject, settings: &LoginSettings) -> Result<Option<Duration>> {
    let now_text = work.now().to_owned();
    let now = parse(&now_text).unwrap_or_default();
    let name = subject.document_name();
    // Held, so that failures at several nodes are counted one after the other.
    let stored = match work.get_for_update("Login Attempt", &name).await {
        Ok(stored) => Some(stored),
        Err(Error::DoesNotExist { .. }) => None,
        Err(error) => return Err(error),
    };
    let (failures, first) = match &stored {
        Some(stored) => {
            let failures = stored.int("failures");
            // Whoever fails again soon after a lock waits longer.
            let goes_on = parse(stored.text("locked_until"))
                .is_some_and(|until| now - until < subject.lock(failures, settings) && !subject.is_wide());
            match parse(stored.text("first_failed")) {
                Some(first) if goes_on || now - first < settings.lock => (failures + 1, format_datetime(first)),
                _ => (1, now_text),
            }
        }
        None => (1, now_text),
    };
    let limit = subject.limit(settings);
    let lock = (limit > 0 && failures >= limit).then(|| subject.lock(failures, settings));
    let locked_until = lock.map(|lock| format_datetime(now + lock));
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
    Ok(lock)
}

fn parse(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, DATETIME_FORMAT).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_grows_with_each_failure_and_ends_within_a_day() {
        let settings = LoginSettings::default();
        let user = Subject::User { name: "a".to_owned(), known: true, place: "203.0.113.7".to_owned() };
        let seconds = |failures| user.lock(failures, &settings).num_seconds();
        assert_eq!([seconds(5), seconds(6), seconds(7)], [300, 600, 1200]);
        assert_eq!(seconds(500), 86_400);
        let account = Subject::Account { name: "a".to_owned(), known: true };
        assert_eq!((account.limit(&settings), account.lock(5000, &settings).num_seconds()), (100, 60));
    }

    #[test]
    fn the_addresses_of_one_network_are_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:203.0.113.7"), of("203.0.113.7"));
    }
}
