//! The resource server: requests that carry an access token, and what these may do (RFC 6750, RFC 9449, RFC 9728).

pub(crate) mod access;
pub(crate) mod bearer;
pub(crate) mod dpop;

use std::sync::Arc;

use crate::oauth::resource::bearer::BearerAuthenticator;
use crate::oauth::scopes::scope_catalogue::ScopeCatalogue;
use crate::web::Plugins;

/// Registers who opens requests with an access token, and what such requests may do.
pub(crate) fn register(plugins: &mut Plugins, tokens: &Arc<BearerAuthenticator>, catalogue: &ScopeCatalogue) {
    let (tokens, catalogue) = (Arc::clone(tokens), catalogue.clone());
    plugins.middleware.push(Arc::new(access::Access { tokens: Arc::clone(&tokens), catalogue }));
    plugins.authenticators.push(Arc::new(dpop::DpopAuthenticator::new(Arc::clone(&tokens))));
    plugins.authenticators.push(tokens);
}
