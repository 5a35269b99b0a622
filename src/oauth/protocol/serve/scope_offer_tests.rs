//! What a client gets for what it asks for.

use proptest::prelude::*;

use super::*;
use crate::oauth::protocol::serve::scope::tests::any_set;

/// A site with one scope of its own, and one DocType.
struct Library;

impl KnownScopes for Library {
    fn defines(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Custom(name) => name == "library.borrow",
            Scope::DocType { name, .. } => name == "Book",
            Scope::Method(path) => path == "library.lend",
            _ => true,
        }
    }
}

/// A site that has whatever is asked for.
pub(in crate::oauth::protocol) struct Everything;

impl KnownScopes for Everything {
    fn defines(&self, _: &Scope) -> bool {
        true
    }
}

fn set(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

fn grant(requested: Option<&str>, ceiling: &Ceiling) -> Result<String> {
    Ok(ScopeSet::grantable(requested, ceiling, &set("openid profile email"), &Library)?.to_string())
}

fn refused(requested: &str, ceiling: &Ceiling) {
    let error = grant(Some(requested), ceiling).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidScope, "{requested}");
}

#[test]
fn a_client_may_ask_for_less_than_was_decided_but_not_for_more() {
    let ceiling = Ceiling::decided(set("doctype:Book:write email"));
    assert_eq!(grant(Some("doctype:Book:read email"), &ceiling).unwrap(), "doctype:Book:read email");
    for scope in ["all", "doctype:Book:delete", "read", "roles", "library.borrow"] {
        refused(scope, &ceiling);
    }
}

#[test]
fn what_nothing_defines_is_refused_whatever_the_client_may_have() {
    let everything = set("all nosuch doctype:Shelf:read method:no.such");
    for ceiling in [Ceiling::decided(everything.clone()), Ceiling::offered(everything).with_singles()] {
        for scope in ["nosuch", "openid nosuch", "doctype:Shelf:read", "method:no.such"] {
            refused(scope, &ceiling);
        }
        assert!(grant(Some("library.borrow doctype:Book:read method:library.lend"), &ceiling).is_ok());
    }
}

#[test]
fn identity_scopes_may_always_be_asked_for_and_those_without_claims_are_ignored() {
    let ceiling = Ceiling::decided(set("email"));
    assert_eq!(grant(Some("openid profile offline_access"), &ceiling).unwrap(), "openid profile offline_access");
    assert_eq!(grant(Some("openid address phone"), &ceiling).unwrap(), "openid");
    refused("address", &ceiling);
}

#[test]
fn a_request_without_scope_gets_the_default_and_never_all_silently() {
    assert_eq!(grant(None, &Ceiling::decided(set("all openid"))).unwrap(), "openid");
    assert!(grant(None, &Ceiling::decided(set("doctype:Book:read"))).is_err());
    assert!(grant(Some(""), &Ceiling::decided(set("all"))).is_err());
}

#[test]
fn of_an_umbrella_a_program_that_came_by_itself_gets_what_is_offered() {
    let open = Ceiling::offered(set("openid email read library.borrow")).with_singles();
    assert_eq!(grant(Some("openid all"), &open).unwrap(), "openid read library.borrow");
    assert_eq!(grant(Some("write"), &open).unwrap(), "read");
    assert_eq!(
        grant(Some("doctype:Book:write method:library.lend"), &open).unwrap(),
        "doctype:Book:write method:library.lend"
    );
    let narrow = Ceiling::offered(set("openid doctype:Book:read"));
    assert_eq!(grant(Some("openid all"), &narrow).unwrap(), "openid doctype:Book:read");
    for scope in ["doctype:Book:write", "method:library.lend", "email"] {
        refused(scope, &narrow);
    }
    refused("openid all", &Ceiling::offered(set("openid")));
}

#[test]
fn who_got_a_part_of_an_umbrella_gets_that_part_again() {
    let granted = set("openid read doctype:Book:write");
    let offered = Ceiling::offered(set("openid read")).with_singles();
    let renew =
        |ceiling: &Ceiling, scope| Ok::<_, Error>(ceiling.renewed(&granted, Some(scope), &Library)?.to_string());
    assert_eq!(renew(&offered, "openid all").unwrap(), granted.to_string());
    assert_eq!(renew(&offered, "openid").unwrap(), "openid");
    assert_eq!(renew(&offered, "read").unwrap(), "read");
    for beyond in ["openid email", "doctype:Book:delete", "nosuch"] {
        assert!(renew(&offered, beyond).is_err(), "{beyond}");
    }
    assert!(renew(&Ceiling::decided(set("openid read")), "openid all").is_err());
}

proptest! {
    #[test]
    fn nothing_is_granted_beyond_the_ceiling_or_the_request(
        requested in any_set(), within in any_set(), decided: bool,
    ) {
        let ceiling = if decided { Ceiling::decided(within.clone()) } else { Ceiling::offered(within.clone()) };
        let asked = requested.to_string();
        if let Ok(granted) = ScopeSet::grantable(Some(&asked), &ceiling, &ScopeSet::default(), &Everything) {
            let always = set("openid profile offline_access");
            prop_assert!(granted.is_subset_of(&within.union(&always)));
            prop_assert!(granted.is_subset_of(&requested));
            prop_assert!(!decided || requested.is_subset_of(&granted));
        }
    }
}
