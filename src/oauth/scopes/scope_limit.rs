//! What the scopes of a token leave of its user's rights, as the engine asks it.

use std::sync::Arc;

use crate::meta::Right;
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::serve::scope_rules::{
    ScopeResolver, ScopeRules, missing_for, missing_for_guarded, missing_for_method,
};
use crate::permissions::Limit;

/// Whose token it is, whoever holds it may ask.
const LOGGED_USER: &str = "frappe.auth.get_logged_user";

/// The limit of a token, whoever issued it.
#[derive(Debug)]
pub(crate) struct ScopeLimit(ScopeRules);

impl ScopeLimit {
    /// The limit of these scopes; `None` if they limit nothing (`all`).
    pub(crate) fn of(scopes: &ScopeSet, definitions: &impl ScopeResolver) -> Option<Arc<dyn Limit>> {
        let rules = ScopeRules::new(scopes, definitions);
        (!rules.allows_everything()).then(|| Arc::new(Self(rules)) as Arc<dyn Limit>)
    }
}

impl Limit for ScopeLimit {
    fn allows(&self, doctype: &str, right: Right) -> bool {
        self.0.allows(doctype, right)
    }

    fn allows_method(&self, path: &str) -> bool {
        path == LOGGED_USER || self.0.allows_method(path)
    }

    fn needed(&self, doctype: &str, right: Right) -> String {
        missing_for(doctype, right)
    }

    fn needed_for_method(&self, path: &str) -> String {
        missing_for_method(path)
    }

    fn needed_for_guarded(&self) -> String {
        missing_for_guarded()
    }
}
