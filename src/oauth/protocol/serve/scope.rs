//! Scopes: what they look like, which one covers which, and the algebra of sets of them (RFC 6749 §3.3).
//!
//! Besides the identity scopes of OpenID Connect there are scopes that bind data:
//!
//! | scope | allows |
//! |---|---|
//! | `all` | everything that the person may do |
//! | `read` | reading and reporting on every DocType |
//! | `write` | every right on every DocType, but no methods |
//! | `doctype:<Name>:<right>` | one right on one DocType: `read`, `write`, `create`, `delete`, `submit`, `report` |
//! | `method:<dotted.path>` | calling one API method |
//! | anything else | what an OAuth Scope Definition of that name lists |
//!
//! A scope is one word, so in `<Name>` a space is written `_`; every character but ASCII letters, digits and `-`
//! is percent-encoded, `_` itself as `%5F`: `doctype:Sales_Order:read`, `doctype:B%C3%BCcher:read`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::meta::Right;
use crate::oauth::protocol::error::{Error, ErrorCode, Result};
use crate::oauth::protocol::serve::scope_offer::KnownScopes;

/// What is percent-encoded in the name of a DocType; the space becomes `_` afterwards.
const NAME_ENCODE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b' ');

/// The right in a `doctype:` scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScopeRight {
    Read,
    Write,
    Create,
    Delete,
    Submit,
    Report,
}

/// One scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everything that the person may do.
    All,
    /// Reading every DocType.
    Read,
    /// Every right on every DocType.
    Write,
    /// An id token (OpenID Connect Core §3.1.2.1).
    OpenId,
    /// Name and picture (OpenID Connect Core §5.4).
    Profile,
    /// The email address (OpenID Connect Core §5.4).
    Email,
    /// The roles of the person.
    Roles,
    /// A refresh token that outlives the session (OpenID Connect Core §11).
    OfflineAccess,
    /// One right on one DocType.
    DocType {
        /// The DocType's name as it is written, spaces included.
        name: String,
        /// The right.
        right: ScopeRight,
    },
    /// Calling one API method.
    Method(String),
    /// What an OAuth Scope Definition describes.
    Custom(String),
}

/// Scopes without repetition, in the order they were named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet(Vec<Scope>);

impl ScopeRight {
    /// Every right.
    pub const ALL: [Self; 6] = [Self::Read, Self::Write, Self::Create, Self::Delete, Self::Submit, Self::Report];

    /// The right in a scope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Submit => "submit",
            Self::Report => "report",
        }
    }

    /// The right of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == name)
    }

    /// The scope's right that a DocType's right needs.
    pub const fn needed_for(right: Right) -> Self {
        match right {
            Right::Select | Right::Read | Right::Print => Self::Read,
            Right::Write | Right::Share | Right::Email => Self::Write,
            Right::Create | Right::Import => Self::Create,
            Right::Delete => Self::Delete,
            Right::Submit | Right::Cancel | Right::Amend => Self::Submit,
            Right::Report | Right::Export => Self::Report,
        }
    }

    /// Whether this right on a DocType includes the other one: all of them include reading.
    pub fn covers(self, other: Self) -> bool {
        self == other || other == Self::Read
    }
}

impl Scope {
    /// The scope for one right on one DocType.
    pub fn doctype(name: impl Into<String>, right: ScopeRight) -> Self {
        Self::DocType { name: name.into(), right }
    }

    /// Reads one scope. Anything that is one word is a scope; whether a custom one exists is for the caller to know.
    pub fn parse(token: &str) -> Result<Self> {
        if token.is_empty() || !token.bytes().all(is_nqchar) {
            return Err(invalid("A scope may not be empty nor contain quotes, backslashes or non-ASCII characters"));
        }
        Ok(match token {
            "all" => Self::All,
            "read" => Self::Read,
            "write" => Self::Write,
            "openid" => Self::OpenId,
            "profile" => Self::Profile,
            "email" => Self::Email,
            "roles" => Self::Roles,
            "offline_access" => Self::OfflineAccess,
            _ => match token.split_once(':') {
                Some(("doctype", rest)) => Self::parse_doctype(rest)?,
                Some(("method", path)) if is_method_path(path) => Self::Method(path.to_owned()),
                Some(("method", _)) => return Err(invalid("A method scope is written method:<dotted.path>")),
                _ => Self::Custom(token.to_owned()),
            },
        })
    }

    fn parse_doctype(rest: &str) -> Result<Self> {
        let malformed = || invalid("A DocType scope is written doctype:<Name>:<right>, with _ for a space in the name");
        let (name, right) = rest.rsplit_once(':').ok_or_else(malformed)?;
        let right = ScopeRight::parse(right).ok_or_else(malformed)?;
        let name = name.replace('_', " ");
        let name = percent_decode_str(&name).decode_utf8().map_err(|_| malformed())?;
        if name.is_empty() || name.contains(char::is_control) {
            return Err(malformed());
        }
        Ok(Self::doctype(name, right))
    }

    /// Whether whoever has this scope may do everything that the other one allows.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, other) => !other.is_identity(),
            (Self::Write, Self::Read | Self::DocType { .. }) => true,
            (Self::Read, Self::DocType { right, .. }) => matches!(right, ScopeRight::Read | ScopeRight::Report),
            (Self::DocType { name, right }, Self::DocType { name: other_name, right: other }) => {
                name == other_name && right.covers(*other)
            }
            (own, other) => own == other,
        }
    }

    /// The largest scope that both cover, if there is any.
    pub fn meet(&self, other: &Self) -> Option<Self> {
        if self.covers(other) {
            return Some(other.clone());
        }
        if other.covers(self) {
            return Some(self.clone());
        }
        // Two rights that do not include each other still share reading.
        match (self, other) {
            (Self::DocType { name, .. }, Self::DocType { name: other, .. }) if name != other => None,
            (Self::DocType { name, .. }, Self::DocType { .. } | Self::Read)
            | (Self::Read, Self::DocType { name, .. }) => Some(Self::doctype(name.clone(), ScopeRight::Read)),
            _ => None,
        }
    }

    /// Whether the scope is about who the person is and not about data.
    pub fn is_identity(&self) -> bool {
        matches!(self, Self::OpenId | Self::Profile | Self::Email | Self::Roles | Self::OfflineAccess)
    }

    /// The scope in words, for the consent page; of a custom scope its definition knows better.
    pub fn describe(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::All => "Do everything that you can do",
            Self::Read => "Read everything that you can read",
            Self::Write => "Read, change, create and delete everything that you can",
            Self::OpenId => "Know that it is you",
            Self::Profile => "See your name and picture",
            Self::Email => "See your email address",
            Self::Roles => "See your roles",
            Self::OfflineAccess => "Keep this access while you are away",
            Self::DocType { name, right } => {
                return Cow::Owned(match right {
                    ScopeRight::Read => format!("Read {name} documents"),
                    ScopeRight::Write => format!("Read, change and share {name} documents"),
                    ScopeRight::Create => format!("Read and create {name} documents"),
                    ScopeRight::Delete => format!("Read and delete {name} documents"),
                    ScopeRight::Submit => format!("Read, submit, cancel and amend {name} documents"),
                    ScopeRight::Report => format!("Read, report on and export {name} documents"),
                });
            }
            Self::Method(path) => return Cow::Owned(format!("Call {path}")),
            Self::Custom(name) => return Cow::Owned(name.clone()),
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Read => "read",
            Self::Write => "write",
            Self::OpenId => "openid",
            Self::Profile => "profile",
            Self::Email => "email",
            Self::Roles => "roles",
            Self::OfflineAccess => "offline_access",
            Self::DocType { name, right } => {
                let name = utf8_percent_encode(name, NAME_ENCODE).to_string().replace(' ', "_");
                return write!(f, "doctype:{name}:{}", right.as_str());
            }
            Self::Method(path) => return write!(f, "method:{path}"),
            Self::Custom(name) => name,
        })
    }
}

impl ScopeSet {
    /// Reads the parameter `scope`: words separated by spaces (line breaks too, as forms store them).
    pub fn parse(text: &str) -> Result<Self> {
        text.split_ascii_whitespace().map(Scope::parse).collect::<Result<Self>>()
    }

    /// Reads scopes that were checked when they were stored; what no longer parses allows nothing and is left out.
    pub fn from_stored(text: &str) -> Self {
        text.split_ascii_whitespace().filter_map(|token| Scope::parse(token).ok()).collect()
    }

    /// The scopes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether exactly this scope is in the set.
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }

    /// Whether some scope of the set covers this one.
    pub fn covers(&self, scope: &Scope) -> bool {
        self.0.iter().any(|own| own.covers(scope))
    }

    /// Whether the other set covers all of this one.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.0.iter().all(|scope| other.covers(scope))
    }

    /// What both allow.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.0.iter().flat_map(|own| other.0.iter().filter_map(|scope| own.meet(scope))).collect()
    }

    /// What either allows.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).cloned().collect()
    }

    /// Adds a scope, if it is not there.
    pub fn insert(&mut self, scope: Scope) {
        if !self.0.contains(&scope) {
            self.0.push(scope);
        }
    }

    /// What of these a client may be given where no refresh token comes along: as far as it registered them.
    #[must_use]
    pub fn shared_with_client(&self, registered: &Self) -> Self {
        // As everywhere, these two need not be registered.
        let registered = registered.union(&[Scope::OpenId, Scope::Profile].into_iter().collect());
        let both = self.intersection(&registered).without_renewal();
        // `read` beside `all` says nothing.
        let adds = |scope: &&Scope| !both.iter().any(|other| other != *scope && other.covers(scope));
        both.iter().filter(adds).cloned().collect()
    }

    /// The same without what only a refresh token is for.
    #[must_use]
    pub fn without_renewal(&self) -> Self {
        self.iter().filter(|scope| **scope != Scope::OfflineAccess).cloned().collect()
    }

    /// The scopes for a refresh or a code: those granted, or fewer if asked for; never more (RFC 6749 §6).
    pub fn narrowed(&self, requested: Option<&str>, known: &dyn KnownScopes) -> Result<Self> {
        let Some(requested) = requested else { return Ok(self.clone()) };
        let requested = Self::parse(requested)?;
        requested.check_defined(known)?;
        match requested.0.iter().find(|scope| !self.covers(scope)) {
            None if requested.is_empty() => Ok(self.clone()),
            None => Ok(requested),
            Some(scope) => Err(Error::new(
                ErrorCode::InvalidScope,
                format!("The scope {scope} was not granted: ask the person for it with a new authorization request"),
            )),
        }
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut set = Self::default();
        scopes.into_iter().for_each(|scope| set.insert(scope));
        set
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{scope}")?;
        }
        Ok(())
    }
}

impl FromStr for ScopeSet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<'de, str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn invalid(description: &'static str) -> Error {
    Error::new(ErrorCode::InvalidScope, description)
}

/// `%x21 / %x23-5B / %x5D-7E`: RFC 6749 appendix A.4.
fn is_nqchar(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

/// Identifiers joined by dots.
fn is_method_path(path: &str) -> bool {
    path.split('.').all(|part| {
        part.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
#[path = "scope_tests.rs"]
pub(in crate::oauth::protocol) mod tests;
