//! OAuth Scope Definition: a typed view of a scope of the site's own.

use crate::document::view::view;
use crate::meta::Document;
use crate::oauth::protocol::serve::scope::ScopeRight;
use crate::oauth::protocol::serve::scope_rules::ScopeRule;

/// The name of the DocType.
pub(crate) const OAUTH_SCOPE_DEFINITION: &str = "OAuth Scope Definition";

view! {
    /// One scope of the site's own.
    #[derive(Clone, Debug)]
    pub(crate) struct ScopeDefinition of OAUTH_SCOPE_DEFINITION {
        /// Its name.
        pub scope: String,
        /// It can be asked for.
        pub enabled: bool,
        /// What people read.
        pub description: String = "description_for_people",
        /// What it allows.
        pub rules: Vec<ScopeRule> = ["rules"] as rules,
    }
}

view! {
    /// A row of what a scope allows: a method, or a right on a DocType.
    #[derive(Clone, Debug)]
    pub(crate) struct ScopeRuleRow of "OAuth Scope Rule" {
        /// The DocType.
        pub document_type: Option<String>,
        /// The right on its documents.
        pub right: String,
        /// The path of the method.
        pub method: Option<String>,
    }
}

impl ScopeRuleRow {
    fn rule(self) -> Option<ScopeRule> {
        if let Some(method) = self.method {
            return Some(ScopeRule::Method(method));
        }
        let right = ScopeRight::parse(&self.right)?;
        Some(ScopeRule::DocType { name: self.document_type?, right })
    }
}

fn rules(document: &Document) -> Vec<ScopeRule> {
    document.rows("rules").iter().filter_map(|row| ScopeRuleRow::from(row).rule()).collect()
}
