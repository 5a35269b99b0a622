//! The resource server: requests that carry an access token, and what these may do (RFC 6750, RFC 9449, RFC 9728).

pub(crate) mod access;
pub(crate) mod bearer;
pub(crate) mod dpop;

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::meta::Document;
use crate::oauth::resource::bearer::BearerAuthenticator;
use crate::oauth::scopes::scope_catalogue::ScopeCatalogue;
use crate::oauth::scopes::scope_limit::ScopeLimit;
use crate::oauth::views::BearerToken;
use crate::oauth::views::oauth_bearer_token::OAUTH_BEARER_TOKEN;
use crate::web::explain::{CredentialKind, Standing};
use crate::web::{Plugins, Site};

/// Registers who opens requests with an access token, and what such requests may do.
pub(crate) fn register(plugins: &mut Plugins, tokens: &Arc<BearerAuthenticator>, catalogue: &ScopeCatalogue) {
    let (tokens, catalogue) = (Arc::clone(tokens), catalogue.clone());
    plugins.credential_kinds.push(Arc::new(Tokens(catalogue.clone())));
    plugins.middleware.push(Arc::new(access::Access { tokens: Arc::clone(&tokens), catalogue }));
    plugins.authenticators.push(Arc::new(dpop::DpopAuthenticator::new(Arc::clone(&tokens))));
    plugins.authenticators.push(tokens);
}

/// OAuth Bearer Tokens, for whoever asks what one may do.
struct Tokens(ScopeCatalogue);

#[async_trait]
impl CredentialKind for Tokens {
    fn doctype(&self) -> &'static str {
        OAUTH_BEARER_TOKEN
    }

    fn parameter(&self) -> &'static str {
        "token"
    }

    async fn standing(&self, site: &Site, document: &Document) -> Result<Standing> {
        let documents = &site.documents;
        let token = BearerToken::from(document);
        let mut notes = Vec::new();
        if !token.resources.is_empty() {
            notes.push(format!("It is meant for these resources only: {}", token.resources.join(", ")));
        }
        if token.dpop_jkt.is_some() {
            notes.push("It is bound to a key, and sent with a proof".to_owned());
        }
        if token.x5t_s256.is_some() {
            notes.push("It is bound to a certificate".to_owned());
        }
        let refused = bearer::standing(documents, &token, documents.clock().now()).await?.err();
        let limit = ScopeLimit::of(&token.scopes, &*self.0.get(documents).await?);
        Ok(Standing { user: token.user, refused, limit, notes })
    }
}
