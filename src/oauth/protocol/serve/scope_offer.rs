//! What may be asked for: which scopes there are, and how much of them a client may have.

use crate::oauth::protocol::error::{Error, ErrorCode, Result};
use crate::oauth::protocol::serve::scope::{Scope, ScopeSet};

/// Knows which scopes have a meaning on a site.
pub trait KnownScopes: Sync {
    /// Whether something here defines the scope. What nothing defines is `invalid_scope` (RFC 6749 §4.1.2.1).
    fn defines(&self, scope: &Scope) -> bool;
}

/// A site without scopes of its own, on which every DocType and every method exists.
impl KnownScopes for () {
    fn defines(&self, scope: &Scope) -> bool {
        !matches!(scope, Scope::Custom(_))
    }
}

/// The most that a client may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceiling {
    scopes: ScopeSet,
    /// Every single right and every single method as well.
    singles: bool,
    /// Nobody decided on this client: it is what the site offers to all who come by themselves.
    is_offer: bool,
}

impl Ceiling {
    /// What an administrator decided for one client.
    pub fn decided(scopes: ScopeSet) -> Self {
        Self { scopes, singles: false, is_offer: false }
    }

    /// What a site offers to clients that come by themselves: these, and no more.
    pub fn offered(scopes: ScopeSet) -> Self {
        Self { scopes, singles: false, is_offer: true }
    }

    /// The same, and each single right on a DocType and each single method as well.
    #[must_use]
    pub fn with_singles(self) -> Self {
        Self { singles: true, ..self }
    }

    /// The same and these.
    #[must_use]
    pub fn with(self, scopes: &ScopeSet) -> Self {
        Self { scopes: self.scopes.union(scopes), ..self }
    }

    /// Whether all of it is within.
    pub fn covers(&self, scope: &Scope) -> bool {
        self.scopes.covers(scope) || self.is_single(scope)
    }

    /// What of these is within.
    #[must_use]
    pub fn share(&self, scopes: &ScopeSet) -> ScopeSet {
        let mut shared = ScopeSet::default();
        for scope in scopes.iter() {
            if self.covers(scope) {
                shared.insert(scope.clone());
            } else {
                self.scopes.iter().filter_map(|own| own.meet(scope)).for_each(|part| shared.insert(part));
            }
        }
        shared
    }

    /// The scopes for a renewal of what was granted: those, or fewer if asked for; never more (RFC 6749 §6). A client
    /// that got a part of an umbrella asks for the whole again, and gets that part again.
    pub fn renewed(&self, granted: &ScopeSet, requested: Option<&str>, known: &dyn KnownScopes) -> Result<ScopeSet> {
        let Some(requested) = requested.filter(|_| self.is_offer) else { return granted.narrowed(requested, known) };
        let own = Self::offered(granted.clone());
        let mut renewed = ScopeSet::default();
        for scope in ScopeSet::parse(requested)?.iter() {
            let share = if is_umbrella(scope) { own.grant(scope) } else { ScopeSet::default() };
            let asked = if share.is_empty() { [scope.clone()].into_iter().collect() } else { share };
            renewed = renewed.union(&asked);
        }
        granted.narrowed(Some(&renewed.to_string()), known)
    }

    fn is_single(&self, scope: &Scope) -> bool {
        self.singles && matches!(scope, Scope::DocType { .. } | Scope::Method(_))
    }

    /// What a client gets for one scope that it asks for: the scope, or as much of an umbrella as is offered, which the
    /// answer then tells (RFC 6749 §3.3). Clients made for any Frappe site ask for `all`, because each of them has it.
    /// A client on whom somebody decided is told instead what it may not ask for.
    fn grant(&self, scope: &Scope) -> ScopeSet {
        if may_always(scope) || self.covers(scope) {
            return [scope.clone()].into_iter().collect();
        }
        if self.is_offer && is_umbrella(scope) {
            return self.share(&[scope.clone()].into_iter().collect());
        }
        ScopeSet::default()
    }
}

/// These span whatever DocTypes there are.
fn is_umbrella(scope: &Scope) -> bool {
    matches!(scope, Scope::All | Scope::Write | Scope::Read)
}

/// These may be asked for whatever was registered.
fn may_always(scope: &Scope) -> bool {
    matches!(scope, Scope::OpenId | Scope::Profile | Scope::OfflineAccess)
}

/// Standard scopes whose claims we do not have: OpenID Connect Core §5.4 asks to ignore them.
pub(crate) fn is_without_claims(scope: &Scope) -> bool {
    matches!(scope, Scope::Custom(name) if name == "address" || name == "phone")
}

/// The error for a scope that nothing defines.
pub(crate) fn undefined(scope: &Scope) -> Error {
    let what = match scope {
        Scope::DocType { name, .. } => format!("there is no DocType {name} here"),
        Scope::Method(path) => format!("there is no method {path} here"),
        _ => "nothing here defines it".to_owned(),
    };
    Error::new(ErrorCode::InvalidScope, format!("The scope {scope} does not exist: {what}"))
}

impl ScopeSet {
    /// Fails at the first scope that nothing defines.
    pub fn check_defined(&self, known: &dyn KnownScopes) -> Result<()> {
        self.iter().find(|scope| !known.defines(scope)).map_or(Ok(()), |scope| Err(undefined(scope)))
    }

    /// The same without what nothing defines.
    #[must_use]
    pub fn defined(&self, known: &dyn KnownScopes) -> Self {
        self.iter().filter(|scope| known.defines(scope)).cloned().collect()
    }

    /// The scopes that a client may be given for its request.
    ///
    /// Each scope asked for must exist and be within the ceiling. A request without scope gets the default, as far as
    /// that is within the ceiling.
    pub fn grantable(
        requested: Option<&str>,
        ceiling: &Ceiling,
        default: &Self,
        known: &dyn KnownScopes,
    ) -> Result<Self> {
        let Some(requested) = requested else {
            let scopes = ceiling.share(default).defined(known);
            return if scopes.is_empty() {
                Err(Error::new(ErrorCode::InvalidScope, "scope is missing: name what the client needs"))
            } else {
                Ok(scopes)
            };
        };
        let mut granted = Self::default();
        let requested = Self::parse(requested)?;
        let openid = requested.contains(&Scope::OpenId);
        for scope in requested.iter() {
            if !known.defines(scope) {
                if openid && is_without_claims(scope) {
                    continue;
                }
                return Err(undefined(scope));
            }
            let share = ceiling.grant(scope);
            if share.is_empty() {
                return Err(not_within(scope, ceiling));
            }
            granted = granted.union(&share);
        }
        if granted.is_empty() {
            Err(Error::new(ErrorCode::InvalidScope, "scope is empty: name what the client needs"))
        } else {
            Ok(granted)
        }
    }
}

fn not_within(scope: &Scope, ceiling: &Ceiling) -> Error {
    let message = if ceiling.is_offer {
        format!("This site does not offer the scope {scope} to applications that register themselves")
    } else {
        format!("This client may not ask for the scope {scope}: add it to the client's scopes")
    };
    Error::new(ErrorCode::InvalidScope, message)
}

#[cfg(test)]
#[path = "scope_offer_tests.rs"]
pub(in crate::oauth::protocol) mod tests;
