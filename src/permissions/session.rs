//! Who is asking: a user with roles and User Permissions, perhaps limited further by the credentials used.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::Zone;
use crate::meta::{Document, Right};

/// The user that may do everything.
pub(crate) const ADMINISTRATOR: &str = "Administrator";
/// The user of requests without credentials.
pub(crate) const GUEST: &str = "Guest";
/// The role of everybody who is logged in.
pub(crate) const ROLE_ALL: &str = "All";
/// The role of everybody, logged in or not.
pub(crate) const ROLE_GUEST: &str = "Guest";
/// The role of System Users.
pub(crate) const ROLE_DESK_USER: &str = "Desk User";
/// The role that administers the site.
pub(crate) const ROLE_SYSTEM_MANAGER: &str = "System Manager";

/// The form in which names of users and email addresses are compared: ASCII letters in lower case, all else as it is.
///
/// Unicode's lower case would make one of two: the Kelvin sign becomes a `k` (RFC 5321 §2.3.11 leaves such letters alone).
pub(crate) fn fold_name(text: &str) -> String {
    text.trim_ascii().to_ascii_lowercase()
}

/// What is known of a user that decides about rights and about what they see; loaded once and shared by their sessions.
#[derive(Clone, Debug, Default)]
pub struct UserAccess {
    /// The name of the User document.
    pub user: String,
    /// As shown to people.
    pub full_name: String,
    /// May use the desk.
    pub is_system_user: bool,
    /// Roles, the automatic ones included.
    pub roles: BTreeSet<String>,
    /// Their User Permissions.
    pub user_permissions: Vec<UserPermission>,
    /// System Settings: an empty Link is outside a User Permission too.
    pub strict_user_permissions: bool,
    /// The zone of the person's clock; `None`: that of the site.
    pub time_zone: Option<Zone>,
    /// The colours of the desk: `Light`, `Dark`, or `Automatic`.
    pub desk_theme: String,
    /// The code of the language that the person reads; empty: that of their browser.
    pub language: String,
}

/// In which zone a session reads and writes datetimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimesIn {
    /// As they are stored: the program itself.
    Utc,
    /// The zone of the site: APIs, which say it with `get_time_zone`.
    Site,
    /// The zone of the person: the desk.
    Own,
}

/// A User Permission: of one DocType, only these documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPermission {
    /// The DocType whose documents are narrowed.
    pub allow: String,
    /// The one allowed (tree descendants are rows of their own here).
    pub for_value: String,
    /// Only where this DocType is read; `None`: everywhere.
    pub applicable_for: Option<String>,
    /// The default value of Links to it.
    pub is_default: bool,
}

/// What the credentials of a session leave of the user's rights (a bearer token's scope, say).
///
/// The engine asks it at the same place where it asks roles, so that no caller can forget it. What is guarded (rights
/// and fields that decide who may do what, methods that give credentials) is outside of every limit: whoever could
/// change that could take any right that the limit leaves out.
pub trait Limit: Send + Sync + fmt::Debug {
    /// Whether the right on the DocType is inside.
    fn allows(&self, doctype: &str, right: Right) -> bool;
    /// Whether the method may be called.
    fn allows_method(&self, path: &str) -> bool;
    /// Every scope that the operation would need, space separated.
    fn needed(&self, doctype: &str, right: Right) -> String;
    /// Every scope that the method would need, space separated.
    fn needed_for_method(&self, path: &str) -> String;
    /// Every scope that what is guarded would need, space separated: one that limits nothing.
    fn needed_for_guarded(&self) -> String;
}

/// On whose behalf something is done.
#[derive(Clone, Debug)]
pub struct Session {
    /// The user.
    pub access: Arc<UserAccess>,
    /// What the credentials leave of the user's rights; `None`: all of them.
    pub limit: Option<Arc<dyn Limit>>,
    /// The name of the Session document, for browser sessions.
    pub sid: Option<Arc<str>>,
    /// The credentials hold for some time or from some addresses only: with them nobody gets others that hold longer or
    /// from elsewhere.
    pub(crate) bound: bool,
    /// In which zone datetimes are read and written.
    pub times_in: TimesIn,
    /// The request that is answered, if its sender may send it again and it is to happen once.
    pub(crate) once: Option<Arc<Once>>,
    system: bool,
}

/// A request with an `Idempotency-Key`: the first work that writes for it notes it in its transaction.
#[derive(Debug)]
pub(crate) struct Once {
    /// The name of its Idempotent Request.
    pub name: String,
    /// Whose it is.
    pub user: String,
    /// Verb and path.
    pub request: String,
    /// What else it asks for, as a digest, sealed.
    pub fingerprint: String,
    is_noted: AtomicBool,
}

impl Once {
    /// One that has not happened yet.
    pub(crate) fn new(name: String, user: &str, request: String, fingerprint: String) -> Self {
        Self { name, user: user.to_owned(), request, fingerprint, is_noted: AtomicBool::new(false) }
    }

    /// Whether something was written for it, for good.
    pub(crate) fn is_noted(&self) -> bool {
        self.is_noted.load(Ordering::Acquire)
    }

    /// Something was.
    pub(crate) fn noted(&self) {
        self.is_noted.store(true, Ordering::Release);
    }
}

impl Session {
    /// The program itself: no permission is asked. Easy to grep.
    pub fn system() -> Self {
        let access = UserAccess {
            user: ADMINISTRATOR.to_owned(),
            full_name: ADMINISTRATOR.to_owned(),
            is_system_user: true,
            ..UserAccess::default()
        };
        Self { system: true, times_in: TimesIn::Utc, ..Self::of(Arc::new(access)) }
    }

    /// Nobody.
    pub fn guest() -> Self {
        let access = UserAccess {
            user: GUEST.to_owned(),
            full_name: GUEST.to_owned(),
            roles: BTreeSet::from([ROLE_GUEST.to_owned()]),
            ..UserAccess::default()
        };
        Self::of(Arc::new(access))
    }

    /// A user's.
    pub fn of(access: Arc<UserAccess>) -> Self {
        Self { access, limit: None, sid: None, bound: false, times_in: TimesIn::Site, once: None, system: false }
    }

    /// The same, with datetimes in another zone.
    #[must_use]
    pub fn with_times_in(mut self, times_in: TimesIn) -> Self {
        self.times_in = times_in;
        self
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        &self.access.user
    }

    /// Nobody is logged in.
    pub fn is_guest(&self) -> bool {
        self.user() == GUEST
    }

    /// The program itself.
    pub fn is_system(&self) -> bool {
        self.system
    }

    /// Bypasses roles: Administrator or the program itself. A limit still counts.
    pub fn is_administrator(&self) -> bool {
        self.system || self.user() == ADMINISTRATOR
    }

    /// Whether the user has a role; Administrator has all.
    pub fn has_role(&self, role: &str) -> bool {
        self.is_administrator() || self.access.roles.contains(role)
    }

    /// May use the desk.
    pub fn is_desk_user(&self) -> bool {
        self.is_administrator() || self.access.is_system_user
    }

    /// Whether the session's user owns the document.
    pub fn owns(&self, document: &Document) -> bool {
        document.owner() == self.user()
    }
}
