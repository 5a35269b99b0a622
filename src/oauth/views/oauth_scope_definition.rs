//! OAuth Scope Definition: a typed view of a scope of the site's own.

use super::fields::{Fields, View};
use crate::meta::Document;
use crate::oauth::protocol::scope::ScopeRight;
use crate::oauth::protocol::scope_rules::ScopeRule;

/// The name of the DocType.
pub const OAUTH_SCOPE_DEFINITION: &str = "OAuth Scope Definition";

/// What is read.
pub const VIEW: View =
    View { doctype: OAUTH_SCOPE_DEFINITION, fields: &["scope", "enabled", "description_for_people", "rules"] };

/// What is read of a rule.
pub const RULE_VIEW: View = View { doctype: "OAuth Scope Rule", fields: &["document_type", "right", "method"] };

/// One scope of the site's own.
#[derive(Clone, Debug)]
pub struct ScopeDefinition {
    /// Its name.
    pub scope: String,
    /// It can be asked for.
    pub enabled: bool,
    /// What people read.
    pub description: String,
    /// What it allows.
    pub rules: Vec<ScopeRule>,
}

impl From<&Document> for ScopeDefinition {
    fn from(document: &Document) -> Self {
        let fields = Fields::new(document, &VIEW);
        Self {
            scope: fields.text("scope").to_owned(),
            enabled: fields.check("enabled"),
            description: fields.text("description_for_people").to_owned(),
            rules: document.rows("rules").iter().filter_map(rule).collect(),
        }
    }
}

fn rule(row: &Document) -> Option<ScopeRule> {
    let fields = Fields::new(row, &RULE_VIEW);
    if let Some(method) = fields.optional("method") {
        return Some(ScopeRule::Method(method));
    }
    let right = ScopeRight::parse(fields.text("right"))?;
    Some(ScopeRule::DocType { name: fields.optional("document_type")?, right })
}
