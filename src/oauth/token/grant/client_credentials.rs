//! A client gets a token for itself: it acts as its service user (RFC 6749 §4.4).

use crate::oauth::http::endpoint::Result;
use crate::oauth::protocol::serve::scope_offer::Ceiling;
use crate::oauth::protocol::{Error, ErrorCode, Parameters, Scope, ScopeSet};
use crate::oauth::token::grant::context::TokenContext;
use crate::oauth::token::grant::new_tokens::{Issue, NewTokens};

/// Grants a token without a refresh token: the client can ask again at any time.
pub(super) async fn grant<'c>(context: &'c TokenContext, sent: &Parameters) -> Result<Issue<'c>> {
    let user = context.client.user.as_deref().ok_or_else(|| {
        Error::new(ErrorCode::UnauthorizedClient, "This client has no user to act as: set one in the OAuth Client")
    })?;
    if context.site.documents.access(user).await?.is_none() {
        return Err(Error::new(ErrorCode::UnauthorizedClient, "The user of this client is disabled").into());
    }
    let scope = sent.get("scope");
    // Nobody logs in here, so there is nobody to identify.
    if scope.map(ScopeSet::parse).transpose()?.is_some_and(|scopes| scopes.iter().any(Scope::is_identity)) {
        let message = "Scopes about a person make no sense here: nobody logs in";
        return Err(Error::new(ErrorCode::InvalidScope, message).into());
    }
    let registered: ScopeSet = context.client.scopes.iter().filter(|scope| !scope.is_identity()).cloned().collect();
    let ceiling = Ceiling::decided(registered.clone());
    let scopes = ScopeSet::grantable(scope, &ceiling, &registered, &context.scopes().await?)?;
    let resources = context.resources().narrow(&[], sent.all("resource"))?;
    Ok(Issue { work: context.begin().await?, tokens: NewTokens::new(user, scopes, resources), event: None })
}
