//! The scopes of the site's own, compiled once and again whenever an OAuth Scope Definition changes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::Document;
use crate::meta::Registry;
use crate::oauth::protocol::serve::scope_rules::{ScopeResolver, ScopeRule};
use crate::oauth::protocol::{Scope, ScopeSet};
use crate::oauth::views::oauth_scope_definition::{OAUTH_SCOPE_DEFINITION, ScopeDefinition, ScopeRuleRow};
use crate::permissions::Session;

/// The enabled scopes of the site's own, by name.
#[derive(Debug, Default)]
pub(crate) struct ScopeDefinitions(BTreeMap<String, ScopeDefinition>);

impl ScopeDefinitions {
    /// The definition of a scope, if it is enabled.
    pub(crate) fn get(&self, scope: &str) -> Option<&ScopeDefinition> {
        self.0.get(scope)
    }

    /// Every scope with its description.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &ScopeDefinition)> {
        self.0.iter().map(|(scope, definition)| (scope.as_str(), definition))
    }

    /// Scopes for a page: each with its name, in words, and whether it opens much.
    pub(crate) fn told(&self, scopes: &ScopeSet) -> Vec<Json> {
        let told = |scope: &Scope| {
            json!({
                "name": scope.to_string(),
                "description": self.describe(scope),
                "is_broad": matches!(scope, Scope::All | Scope::Write),
            })
        };
        scopes.iter().map(told).collect()
    }

    /// A scope in words, for people.
    pub(crate) fn describe(&self, scope: &Scope) -> String {
        match scope {
            Scope::Custom(name) => {
                self.get(name).map_or_else(|| scope.describe().into_owned(), |own| own.description.clone())
            }
            scope => scope.describe().into_owned(),
        }
    }

    async fn load(documents: &Documents) -> Result<Self> {
        let system = Session::system();
        let list = documents.list(&system, &ListRequest::new(OAUTH_SCOPE_DEFINITION).all()).await?;
        let mut definitions = BTreeMap::new();
        for row in 0..list.rows.len() {
            let document = match documents.get(&system, OAUTH_SCOPE_DEFINITION, list.text(row, "name")).await {
                Ok(document) => document,
                Err(Error::DoesNotExist { .. }) => continue,
                Err(error) => return Err(error),
            };
            let definition = ScopeDefinition::from(&*document);
            if definition.enabled {
                definitions.insert(definition.scope.clone(), definition);
            }
        }
        Ok(Self(definitions))
    }
}

impl ScopeResolver for ScopeDefinitions {
    fn rules_of(&self, scope: &str) -> Vec<ScopeRule> {
        self.get(scope).map_or_else(Vec::new, |definition| definition.rules.clone())
    }
}

/// What is wrong with scopes of the site's own that were added to a form and that nothing defines.
pub(crate) async fn newly_undefined(work: &mut Work<'_>, scopes: &ScopeSet, before: &ScopeSet) -> Result<Vec<String>> {
    let mut messages = Vec::new();
    for scope in scopes.iter().filter(|scope| !before.contains(scope)) {
        let Scope::Custom(name) = scope else { continue };
        let definition = work.find(OAUTH_SCOPE_DEFINITION, name).await?;
        if !definition.is_some_and(|document| document.check("enabled")) {
            messages.push(format!("{name}: nothing defines this scope. Make an OAuth Scope Definition for it first"));
        }
    }
    Ok(messages)
}

/// The definitions of a site, kept until one of them changes. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct ScopeCatalogue(Arc<Kept>);

#[derive(Default)]
struct Kept {
    changes: AtomicU64,
    compiled: Mutex<Option<(u64, Arc<ScopeDefinitions>)>>,
}

impl ScopeCatalogue {
    /// A number that changes with the definitions.
    pub(crate) fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::SeqCst)
    }

    /// The definitions now in force.
    pub(crate) async fn get(&self, documents: &Documents) -> Result<Arc<ScopeDefinitions>> {
        // Read before the documents: a change meanwhile makes what was read stale at once.
        let changes = self.0.changes.load(Ordering::SeqCst);
        if let Some((at, compiled)) = &*self.lock()
            && *at == changes
            && documents.hears_others()
        {
            return Ok(Arc::clone(compiled));
        }
        let compiled = Arc::new(ScopeDefinitions::load(documents).await?);
        *self.lock() = Some((changes, Arc::clone(&compiled)));
        Ok(compiled)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(u64, Arc<ScopeDefinitions>)>> {
        self.0.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Behaviour of the DocType OAuth Scope Definition.
pub(crate) struct ScopeDefinitionController {
    /// What has to notice changes.
    pub catalogue: ScopeCatalogue,
}

#[async_trait]
impl Controller for ScopeDefinitionController {
    async fn validate(&self, _: &mut Work<'_>, document: &mut Document, _: Option<&Document>) -> Result<()> {
        let mut problems = Invalid::default();
        let scope = document.text("scope").to_owned();
        let message = match Scope::parse(&scope) {
            Ok(Scope::Custom(_)) => None,
            Ok(_) => Some(format!("{scope} already has a meaning here: choose another word, such as library.borrow")),
            Err(error) => Some(error.description().to_owned()),
        };
        if let Some(message) = message.filter(|_| !scope.is_empty()) {
            problems.push(FieldProblem::at(ProblemKind::Validation, "scope", "Scope", message));
        }
        for (index, row) in document.rows("rules").iter().enumerate() {
            let rule = ScopeRuleRow::from(row);
            if rule.method.is_some() && rule.document_type.is_some() {
                let message = "Fill in either a DocType or a method, and use one row for each";
                let problem = FieldProblem::at(ProblemKind::Validation, "method", "Method", message);
                problems.push(problem.in_row("rules", index + 1));
            }
        }
        problems.into_result()
    }

    fn forget(&self, _: Option<&str>) {
        self.catalogue.0.changes.fetch_add(1, Ordering::SeqCst);
    }
}

/// What is wrong with scopes for DocTypes that do not exist.
pub(crate) fn unknown_doctypes(registry: &Registry, scopes: &ScopeSet) -> Vec<String> {
    let unknown = |scope: &Scope| match scope {
        Scope::DocType { name, .. } if registry.get(name).is_none() => {
            Some(format!("{scope}: there is no DocType {name}"))
        }
        _ => None,
    };
    scopes.iter().filter_map(unknown).collect()
}
