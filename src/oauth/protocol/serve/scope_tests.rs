//! What scopes look like and how sets of them compare.

use proptest::prelude::*;

use super::*;
use crate::oauth::protocol::serve::scope_offer::tests::Everything;

fn set(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

#[test]
fn scopes_are_read_and_written() {
    for token in [
        "all",
        "read",
        "write",
        "openid",
        "profile",
        "email",
        "roles",
        "offline_access",
        "doctype:Book:read",
        "doctype:Sales_Order:submit",
        "doctype:B%C3%BCcher:report",
        "doctype:A%5FB:read",
        "doctype:A%3AB:read",
        "method:library.borrow",
        "library.borrow",
        "https://example.com/scope",
    ] {
        assert_eq!(Scope::parse(token).unwrap().to_string(), token);
    }
}

#[test]
fn an_underscore_in_a_doctype_scope_is_a_space_in_its_name() {
    assert_eq!(Scope::parse("doctype:Sales_Order:read").unwrap(), Scope::doctype("Sales Order", ScopeRight::Read));
    assert_eq!(Scope::parse("doctype:Sales%20Order:read").unwrap(), Scope::doctype("Sales Order", ScopeRight::Read));
    assert_eq!(Scope::parse("doctype:A%5FB:read").unwrap(), Scope::doctype("A_B", ScopeRight::Read));
}

#[test]
fn what_is_no_scope_is_refused() {
    for token in [
        "",
        "a\"b",
        "a\\b",
        "bücher",
        "doctype:Book",
        "doctype::read",
        "doctype:Book:own",
        "doctype:%FF:read",
        "doctype:%00:read",
        "method:",
        "method:a..b",
        "method:1a",
        "method:a/b",
    ] {
        assert!(Scope::parse(token).is_err(), "{token}");
    }
}

#[test]
fn writing_covers_reading_and_umbrellas_cover_their_doctypes() {
    let covers = |a: &str, b: &str| Scope::parse(a).unwrap().covers(&Scope::parse(b).unwrap());
    for right in ["write", "create", "delete", "submit", "report"] {
        assert!(covers(&format!("doctype:Book:{right}"), "doctype:Book:read"), "{right}");
        assert!(!covers("doctype:Book:read", &format!("doctype:Book:{right}")), "{right}");
        assert!(!covers(&format!("doctype:Book:{right}"), "doctype:Shelf:read"), "{right}");
        assert!(covers("write", &format!("doctype:Book:{right}")), "{right}");
    }
    assert!(covers("write", "read") && !covers("read", "write"));
    assert!(covers("read", "doctype:Book:report") && !covers("read", "doctype:Book:create"));
    assert!(covers("all", "write") && covers("all", "method:a.b") && covers("all", "library.borrow"));
    assert!(!covers("write", "method:a.b") && !covers("write", "all"));
}

#[test]
fn all_is_about_data_and_says_nothing_about_identity() {
    for scope in ["openid", "profile", "email", "roles", "offline_access"] {
        assert!(!Scope::All.covers(&Scope::parse(scope).unwrap()), "{scope}");
    }
}

#[test]
fn a_refresh_may_narrow_but_not_widen() {
    let granted = set("doctype:Book:write openid");
    assert_eq!(granted.narrowed(None, &()).unwrap(), granted);
    assert_eq!(granted.narrowed(Some("doctype:Book:read"), &()).unwrap().to_string(), "doctype:Book:read");
    assert_eq!(granted.narrowed(Some("all"), &()).unwrap_err().code(), ErrorCode::InvalidScope);
    assert_eq!(granted.narrowed(Some("openid email"), &()).unwrap_err().code(), ErrorCode::InvalidScope);
}

#[test]
fn repeated_scopes_count_once_and_order_is_kept() {
    assert_eq!(set("openid  email openid\nall").to_string(), "openid email all");
    assert_eq!(ScopeSet::from_stored("openid \"bad\" email").to_string(), "openid email");
}

#[test]
fn every_right_of_a_doctype_has_a_scope_that_is_needed_for_it() {
    for right in Right::ALL {
        let needed = ScopeRight::needed_for(right);
        assert!(Scope::Write.covers(&Scope::doctype("Book", needed)), "{right:?}");
    }
}

#[test]
fn scopes_are_described_in_words() {
    assert_eq!(Scope::parse("doctype:Sales_Order:read").unwrap().describe(), "Read Sales Order documents");
    assert_eq!(Scope::parse("method:a.b").unwrap().describe(), "Call a.b");
}

pub(in crate::oauth::protocol) fn any_scope() -> impl Strategy<Value = Scope> {
    let right = proptest::sample::select(&ScopeRight::ALL[..]);
    let name = proptest::sample::select(&["Book", "Sales Order", "A_B", "Bücher: alle"][..]);
    prop_oneof![
        Just(Scope::All),
        Just(Scope::Read),
        Just(Scope::Write),
        Just(Scope::OpenId),
        Just(Scope::Email),
        (name, right).prop_map(|(name, right)| Scope::doctype(name, right)),
        Just(Scope::Method("library.borrow".to_owned())),
        Just(Scope::Custom("library".to_owned())),
    ]
}

pub(in crate::oauth::protocol) fn any_set() -> impl Strategy<Value = ScopeSet> {
    proptest::collection::vec(any_scope(), 0..5).prop_map(|scopes| scopes.into_iter().collect())
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(scopes in any_set()) {
        prop_assert_eq!(ScopeSet::parse(&scopes.to_string()).unwrap(), scopes);
    }

    #[test]
    fn every_doctype_name_survives(name in "[^\\p{Cc}]{1,20}") {
        let scope = Scope::doctype(name, ScopeRight::Read);
        prop_assert_eq!(Scope::parse(&scope.to_string()).unwrap(), scope);
    }

    #[test]
    fn parsing_never_panics(text in ".*") {
        let _ = ScopeSet::parse(&text);
        prop_assert!(ScopeSet::parse(&ScopeSet::from_stored(&text).to_string()).is_ok());
    }

    #[test]
    fn covering_is_reflexive_and_transitive(a in any_scope(), b in any_scope(), c in any_scope()) {
        prop_assert!(a.covers(&a));
        prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
    }

    #[test]
    fn the_intersection_is_covered_by_both_and_idempotent(a in any_set(), b in any_set()) {
        let both = a.intersection(&b);
        prop_assert!(both.is_subset_of(&a) && both.is_subset_of(&b));
        prop_assert!(a.is_subset_of(&a.intersection(&a)));
        prop_assert!(both.is_subset_of(&b.intersection(&a)));
    }

    #[test]
    fn the_intersection_is_the_largest_common_part(a in any_set(), b in any_set(), scope in any_scope()) {
        if a.covers(&scope) && b.covers(&scope) {
            prop_assert!(a.intersection(&b).covers(&scope));
        }
    }

    #[test]
    fn the_union_covers_both(a in any_set(), b in any_set()) {
        let either = a.union(&b);
        prop_assert!(a.is_subset_of(&either) && b.is_subset_of(&either));
    }

    #[test]
    fn sets_of_scopes_follow_the_laws_of_sets(a in any_set(), b in any_set(), c in any_set()) {
        let same = |left: &ScopeSet, right: &ScopeSet| left.is_subset_of(right) && right.is_subset_of(left);
        prop_assert!(same(&a.union(&b), &b.union(&a)));
        prop_assert!(same(&a.union(&b).union(&c), &a.union(&b.union(&c))));
        prop_assert!(same(&a.intersection(&b), &b.intersection(&a)));
        prop_assert!(same(&a.intersection(&b).intersection(&c), &a.intersection(&b.intersection(&c))));
        prop_assert!(same(&a.union(&a.intersection(&b)), &a));
        prop_assert!(same(&a.intersection(&a.union(&b)), &a));
        prop_assert!(same(&a.union(&b).intersection(&c), &a.intersection(&c).union(&b.intersection(&c))));
        prop_assert!(a.intersection(&ScopeSet::default()).is_empty());
    }

    #[test]
    fn narrowing_never_widens_however_often_it_happens(granted in any_set(), first in any_set(), second in any_set()) {
        let narrow = |set: &ScopeSet, to: &ScopeSet| set.narrowed(Some(&to.to_string()), &Everything);
        if let Ok(less) = narrow(&granted, &first) {
            prop_assert!(less.is_subset_of(&granted));
            if let Ok(least) = narrow(&less, &second) {
                prop_assert!(least.is_subset_of(&less));
            }
        } else {
            prop_assert!(!first.is_subset_of(&granted));
        }
        prop_assert_eq!(granted.narrowed(None, &()).unwrap(), granted);
    }
}
