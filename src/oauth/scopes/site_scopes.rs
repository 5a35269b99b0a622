//! The scopes of this site: which there are, which it announces, and which a client may ask for. Metadata, challenges,
//! registration and every grant ask here, so that what one of them announces no other refuses.

use std::sync::Arc;

use crate::error::{Need, Result};
use crate::meta::Registry;
use crate::oauth::protocol::serve::scope_offer::{Ceiling, KnownScopes};
use crate::oauth::protocol::{Scope, ScopeSet};
use crate::oauth::scopes::scope_catalogue::{ScopeCatalogue, ScopeDefinitions};
use crate::oauth::views::oauth_client::{OAuthClient, RegisteredBy};
use crate::oauth::views::oauth_settings::OAuthSettings;
use crate::web::Site;

/// What is announced about a person.
const IDENTITY: [Scope; 5] = [Scope::OpenId, Scope::Profile, Scope::Email, Scope::Roles, Scope::OfflineAccess];

/// The scopes of a site, as they are during one request.
pub(crate) struct SiteScopes<'s> {
    settings: &'s OAuthSettings,
    site: Site,
    registry: Arc<Registry>,
    definitions: Arc<ScopeDefinitions>,
}

impl KnownScopes for SiteScopes<'_> {
    fn defines(&self, scope: &Scope) -> bool {
        match scope {
            Scope::DocType { name, .. } => self.registry.get(name).is_some(),
            Scope::Method(path) => self.site.methods.get(path).is_some() || self.is_of_documents(path),
            Scope::Custom(name) => self.definitions.get(name).is_some(),
            _ => true,
        }
    }
}

impl<'s> SiteScopes<'s> {
    /// Whether a method of some DocType's documents takes the scope of that path.
    fn is_of_documents(&self, path: &str) -> bool {
        let controllers = self.site.documents.controllers();
        controllers.doctypes().any(|doctype| {
            controllers.of(doctype).iter().any(|controller| {
                let mut needs = controller.methods().into_iter().flat_map(|(name, _)| controller.needs(doctype, name));
                needs.any(|need| matches!(need, Need::Method(known) if known == path))
            })
        })
    }

    /// Those of this moment.
    pub(crate) async fn now(site: &Site, catalogue: &ScopeCatalogue, settings: &'s OAuthSettings) -> Result<Self> {
        let definitions = catalogue.get(&site.documents).await?;
        Ok(Self { settings, site: site.clone(), registry: site.documents.registry(), definitions })
    }

    /// What the metadata of the authorization server lists: what OAuth Settings says, else what there is to say of a
    /// person, reading, and the site's own scopes.
    pub(crate) fn announced(&self) -> ScopeSet {
        if self.settings.scopes_supported.is_empty() {
            return IDENTITY.into_iter().chain([Scope::Read]).chain(self.own()).collect();
        }
        self.settings.scopes_supported.defined(self)
    }

    /// What the metadata of a resource lists. Clients ask for all of it, so it is the least with which one can begin
    /// (RFC 9728 §2); what an operation needs beside it, the challenge names that refuses it.
    pub(crate) fn announced_to_begin(&self) -> ScopeSet {
        let announced = self.announced();
        if self.settings.scopes_supported.is_empty() {
            return announced.iter().filter(|scope| **scope != Scope::Read).cloned().collect();
        }
        announced
    }

    /// The scopes of who names none.
    pub(crate) fn default(&self) -> ScopeSet {
        self.settings.default_scopes.defined(self)
    }

    /// What the site offers to clients that come by themselves, and a person decides: what OAuth Settings announces.
    /// Where that is nothing, everything that is announced, each right on one DocType and each method.
    pub(crate) fn offered(&self) -> Ceiling {
        let offered = Ceiling::offered(self.announced()).with(&self.settings.default_scopes);
        if self.settings.scopes_supported.is_empty() { offered.with_singles() } else { offered }
    }

    /// The most that a client may ask a person for.
    pub(crate) fn ceiling(&self, client: &OAuthClient) -> Ceiling {
        if client.registered_by == RegisteredBy::Administrator || client.limit_scopes {
            return Ceiling::decided(client.scopes.clone());
        }
        // Of one that is trusted, somebody may have added to its scopes.
        let offered = self.offered();
        if client.is_trusted { offered.with(&client.scopes) } else { offered }
    }

    /// The scopes that a challenge names: none if asking for them would be refused.
    pub(crate) fn to_challenge(&self, needed: &str, client: Option<&OAuthClient>) -> Option<String> {
        let ceiling = client.map_or_else(|| self.offered(), |client| self.ceiling(client));
        let needed = ScopeSet::from_stored(needed);
        let may_ask = |scope: &Scope| self.defines(scope) && ceiling.covers(scope);
        (!needed.is_empty() && needed.iter().all(may_ask)).then(|| needed.to_string())
    }

    fn own(&self) -> impl Iterator<Item = Scope> {
        self.definitions.iter().map(|(name, _)| Scope::Custom(name.to_owned()))
    }
}
