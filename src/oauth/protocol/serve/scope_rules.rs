//! What a token's scopes allow on data, compiled once so that each request is a lookup.

use std::collections::{HashMap, HashSet};

use crate::meta::{Right, Rights};
use crate::oauth::protocol::serve::scope::{Scope, ScopeRight, ScopeSet};

/// One line of an OAuth Scope Definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScopeRule {
    /// A right on a DocType.
    DocType {
        /// The DocType.
        name: String,
        /// The right.
        right: ScopeRight,
    },
    /// Calling a method.
    Method(String),
}

/// Knows what custom scopes allow.
pub(crate) trait ScopeResolver {
    /// The rules of an enabled custom scope; none if there is no such scope, which then allows nothing.
    fn rules_of(&self, scope: &str) -> Vec<ScopeRule>;
}

/// A resolver for sites without custom scopes.
impl ScopeResolver for () {
    fn rules_of(&self, _: &str) -> Vec<ScopeRule> {
        Vec::new()
    }
}

impl<F: Fn(&str) -> Vec<ScopeRule>> ScopeResolver for F {
    fn rules_of(&self, scope: &str) -> Vec<ScopeRule> {
        self(scope)
    }
}

/// What a set of scopes allows; the person's own permissions come on top of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScopeRules {
    everything: bool,
    every_doctype: Rights,
    doctypes: HashMap<String, Rights>,
    methods: HashSet<String>,
}

impl ScopeRules {
    /// Compiles the scopes.
    pub(crate) fn new(scopes: &ScopeSet, resolver: &impl ScopeResolver) -> Self {
        let mut rules = Self::default();
        for scope in scopes.iter() {
            match scope {
                Scope::All => rules.everything = true,
                Scope::Read => rules.every_doctype = rules.every_doctype.union(rights_of(ScopeRight::Report)),
                Scope::Write => rules.every_doctype = Rights::ALL,
                Scope::DocType { name, right } => rules.allow(name, *right),
                Scope::Method(path) => {
                    rules.methods.insert(path.clone());
                }
                Scope::Custom(name) => {
                    for rule in resolver.rules_of(name) {
                        match rule {
                            ScopeRule::DocType { name, right } => rules.allow(&name, right),
                            ScopeRule::Method(path) => {
                                rules.methods.insert(path);
                            }
                        }
                    }
                }
                Scope::OpenId | Scope::Profile | Scope::Email | Scope::Roles | Scope::OfflineAccess => {}
            }
        }
        rules
    }

    fn allow(&mut self, doctype: &str, right: ScopeRight) {
        let rights = self.doctypes.entry(doctype.to_owned()).or_default();
        *rights = rights.union(rights_of(right));
    }

    /// The rights on a DocType.
    pub(crate) fn rights_on(&self, doctype: &str) -> Rights {
        if self.everything {
            return Rights::ALL;
        }
        self.doctypes.get(doctype).map_or(self.every_doctype, |rights| rights.union(self.every_doctype))
    }

    /// Whether the scopes allow this right on the DocType.
    pub(crate) fn allows(&self, doctype: &str, right: Right) -> bool {
        self.rights_on(doctype).contains(right)
    }

    /// Whether the scopes allow calling this method. What it then does with documents is checked for each of them.
    pub(crate) fn allows_method(&self, path: &str) -> bool {
        self.everything || self.methods.contains(path)
    }

    /// Whether nothing is limited: the scope `all` is among them.
    pub(crate) fn allows_everything(&self) -> bool {
        self.everything
    }
}

/// The scope to name in a challenge when a right on a DocType is missing (RFC 6750 §3.1).
pub(crate) fn missing_for(doctype: &str, right: Right) -> String {
    Scope::doctype(doctype, ScopeRight::needed_for(right)).to_string()
}

/// The scope to name in a challenge when a method may not be called.
pub(crate) fn missing_for_method(path: &str) -> String {
    Scope::Method(path.to_owned()).to_string()
}

/// The scope to name in a challenge when something is guarded, so that only a scope without limits gives it.
pub(crate) fn missing_for_guarded() -> String {
    Scope::All.to_string()
}

/// The rights of a DocType that a scope's right stands for; each of them includes reading.
fn rights_of(scope: ScopeRight) -> Rights {
    let mut rights = Rights::NONE;
    for right in Right::ALL.into_iter().filter(|right| scope.covers(ScopeRight::needed_for(*right))) {
        rights.insert(right);
    }
    rights
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oauth::protocol::serve::scope::tests::any_set;

    fn rules(scopes: &str) -> ScopeRules {
        ScopeRules::new(&ScopeSet::parse(scopes).unwrap(), &())
    }

    #[test]
    fn an_identity_scope_opens_no_data() {
        let rules = rules("openid profile email roles offline_access");
        assert_eq!(rules, ScopeRules::default());
        assert!(!rules.allows("User", Right::Read) && !rules.allows_method("frappe.ping"));
    }

    #[test]
    fn all_allows_everything() {
        let rules = rules("all");
        assert!(rules.allows("Book", Right::Import) && rules.allows_method("a.b") && rules.allows_everything());
    }

    #[test]
    fn a_doctype_scope_binds_its_doctype_and_right() {
        let rules = rules("doctype:Sales_Order:read");
        for right in [Right::Select, Right::Read, Right::Print] {
            assert!(rules.allows("Sales Order", right), "{right:?}");
        }
        for right in [Right::Write, Right::Create, Right::Delete, Right::Report, Right::Export, Right::Share] {
            assert!(!rules.allows("Sales Order", right), "{right:?}");
        }
        assert!(!rules.allows("Sales Invoice", Right::Read));
        assert!(!rules.allows_method("a.b"));
    }

    #[test]
    fn writing_includes_reading_and_nothing_else() {
        let rules = rules("doctype:Book:write");
        assert!(rules.allows("Book", Right::Read) && rules.allows("Book", Right::Write));
        assert!(!rules.allows("Book", Right::Create) && !rules.allows("Book", Right::Delete));
    }

    #[test]
    fn umbrellas_span_doctypes_but_no_methods() {
        assert!(rules("read").allows("Anything", Right::Export) && !rules("read").allows("Anything", Right::Email));
        assert!(Right::ALL.into_iter().all(|right| rules("write").allows("Anything", right)));
        assert!(!rules("write").allows_method("a.b"));
        assert!(rules("read doctype:Book:create").allows("Book", Right::Create));
        assert!(!rules("read doctype:Book:create").allows("Shelf", Right::Create));
    }

    #[test]
    fn a_custom_scope_allows_what_its_definition_lists_and_an_unknown_one_nothing() {
        let resolver = |scope: &str| match scope {
            "library.borrow" => vec![
                ScopeRule::DocType { name: "Book".to_owned(), right: ScopeRight::Read },
                ScopeRule::Method("library.borrow".to_owned()),
            ],
            _ => Vec::new(),
        };
        let rules = ScopeRules::new(&ScopeSet::parse("library.borrow gone").unwrap(), &resolver);
        assert!(rules.allows("Book", Right::Read) && rules.allows_method("library.borrow"));
        assert!(!rules.allows("Book", Right::Write) && !rules.allows_method("library.destroy"));
        assert_eq!(ScopeRules::new(&ScopeSet::parse("gone").unwrap(), &resolver), ScopeRules::default());
    }

    #[test]
    fn the_missing_scope_would_have_been_enough() {
        for right in Right::ALL {
            assert!(rules(&missing_for("Sales Order", right)).allows("Sales Order", right), "{right:?}");
        }
        assert_eq!(missing_for("Sales Order", Right::Cancel), "doctype:Sales_Order:submit");
        assert!(rules(&missing_for_method("a.b")).allows_method("a.b"));
        assert!(rules(&missing_for_guarded()).allows_everything());
    }

    proptest! {
        #[test]
        fn the_intersection_of_scopes_allows_exactly_what_both_allow(a in any_set(), b in any_set()) {
            let compile = |set: &ScopeSet| ScopeRules::new(set, &());
            let (a_rules, b_rules, both) = (compile(&a), compile(&b), compile(&a.intersection(&b)));
            for doctype in ["Book", "Sales Order", "A_B", "Other"] {
                prop_assert_eq!(
                    both.rights_on(doctype),
                    a_rules.rights_on(doctype).intersection(b_rules.rights_on(doctype))
                );
            }
            prop_assert_eq!(
                both.allows_method("library.borrow"),
                a_rules.allows_method("library.borrow") && b_rules.allows_method("library.borrow")
            );
        }

        #[test]
        fn a_larger_set_never_allows_less(a in any_set(), b in any_set()) {
            if a.is_subset_of(&b) {
                let (a, b) = (ScopeRules::new(&a, &()), ScopeRules::new(&b, &()));
                for doctype in ["Book", "Other"] {
                    prop_assert!(Right::ALL.into_iter().all(|right| !a.allows(doctype, right) || b.allows(doctype, right)));
                }
            }
        }
    }
}
