//! A client gets a token for itself: it acts as its service user (RFC 6749 §4.4).

use crate::oauth::authorization_server::endpoint::Result;
use crate::oauth::authorization_server::token::Asking;
use crate::oauth::authorization_server::tokens::{LoginFacts, NewTokens, issue, new_family};
use crate::oauth::protocol::scope_offer::Ceiling;
use crate::oauth::protocol::token::TokenResponse;
use crate::oauth::protocol::{Error, ErrorCode, Scope, ScopeSet};
use crate::oauth::views::oauth_client::note_use;
use crate::permissions::Session;

/// Issues a token without a refresh token: the client can ask again at any time.
pub async fn exchange(asking: &Asking, scope: Option<&str>, resource: &[String]) -> Result<TokenResponse> {
    let documents = &asking.site.documents;
    let user = asking.client.user.as_deref().ok_or_else(|| {
        Error::new(ErrorCode::UnauthorizedClient, "This client has no user to act as: set one in the OAuth Client")
    })?;
    if documents.access(user).await?.is_none() {
        return Err(Error::new(ErrorCode::UnauthorizedClient, "The user of this client is disabled").into());
    }
    // Nobody logs in here, so there is nobody to identify.
    if scope.map(ScopeSet::parse).transpose()?.is_some_and(|scopes| scopes.iter().any(Scope::is_identity)) {
        let message = "Scopes about a person make no sense here: nobody logs in";
        return Err(Error::new(ErrorCode::InvalidScope, message).into());
    }
    let registered: ScopeSet = asking.client.scopes.iter().filter(|scope| !scope.is_identity()).cloned().collect();
    let ceiling = Ceiling::decided(registered.clone());
    let scopes = ScopeSet::grantable(scope, &ceiling, &registered, &asking.scopes().await?)?;
    let known = asking.settings.resources(documents.site_url());
    let resources = known.narrow(&[], resource.iter().map(String::as_str))?;
    let mut work = documents.begin(&Session::system()).await?;
    note_use(&mut work, &asking.client, asking.now).await?;
    let new = NewTokens {
        client: &asking.client,
        user,
        scopes: &scopes,
        resources: &resources,
        renewable: None,
        grant_type: "Client Credentials",
        grant: None,
        family: &new_family(),
        previous: None,
        login: LoginFacts::default(),
        dpop_jkt: asking.dpop_jkt.as_deref(),
        is_sign_in: true,
        exchanged: None,
    };
    let tokens = issue(&mut work, asking, new).await?;
    work.commit().await?;
    Ok(tokens)
}
