//! Connecting an app: the way to the provider and back (RFC 6749 §4.1, RFC 7636, RFC 9207).

use std::sync::Arc;

use poem::http::Method;
use poem::http::header::ACCEPT;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::document::Documents;
use crate::error::{Error, ProblemKind, Result};
use crate::oauth::client::Providers;
use crate::oauth::client::callback::{Callback, check_issuer};
use crate::oauth::client::connected_app::app::{ConnectedApp, QueryParameter};
use crate::oauth::client::connected_app::token_cache;
use crate::oauth::client::connected_app::token_cache::{Connection, Fresh};
use crate::oauth::client::oauth_client_state;
use crate::oauth::client::oauth_client_state::{Kind, NewState, Returned, StateError};
use crate::oauth::client::token_endpoint::TokenAnswer;
use crate::oauth::protocol::authorize::authorization_response::append_query;
use crate::oauth::protocol::authorize::pkce;
use crate::oauth::protocol::jose::jwt::Unverified;
use crate::oauth::provider_error::{ProviderError, clean};
use crate::outgoing::{Fetched, MAX_ANSWER_BYTES};
use crate::permissions::Session;
use crate::web::own_path::own_path;
use crate::web::{RequestContext, SecurityEvent, Severity};

/// Begins a connection: where to send the person.
pub(crate) async fn initiate(
    documents: &Documents,
    session: &Session,
    app: &ConnectedApp,
    user: &str,
    success_uri: Option<&str>,
) -> Result<String> {
    for (what, text) in [
        ("Client ID", &app.client_id),
        ("Authorization URI", &app.authorization_uri),
        ("Token URI", &app.token_uri),
        ("Redirect URI", &app.redirect_uri),
    ] {
        if text.is_empty() {
            return Err(Error::invalid(
                ProblemKind::Validation,
                format!(
                    "{what} of the Connected App {} is missing: ask an administrator to enter it",
                    app.provider_name
                ),
            ));
        }
    }
    let redirect_to = match success_uri.map(str::trim).filter(|uri| !uri.is_empty()) {
        None => format!("/connected-app/{}", path_segment(&app.name)),
        Some(uri) => own_path(documents.site_url(), uri).ok_or_else(|| {
            Error::invalid(
                ProblemKind::Validation,
                "success_uri must be a page of this site: send its path, such as /app".to_owned(),
            )
        })?,
    };
    let new = NewState {
        kind: Kind::ConnectedApp,
        user: Some(user),
        target: &app.name,
        binding: &binding(session),
        redirect_to: &redirect_to,
    };
    let begun = oauth_client_state::begin(documents, new).await?;
    let challenge = pkce::challenge_of(&begun.code_verifier);
    let scope = app.scopes().join(" ");
    let mut parameters: Vec<(&str, &str)> = vec![
        ("response_type", "code"),
        ("client_id", &app.client_id),
        ("redirect_uri", &app.redirect_uri),
        ("state", &begun.state),
    ];
    if !scope.is_empty() {
        parameters.push(("scope", &scope));
    }
    if app.use_pkce {
        parameters.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
    }
    for (name, value) in [("audience", &app.audience), ("resource", &app.resource)] {
        if let Some(value) = value {
            parameters.push((name, value));
        }
    }
    for QueryParameter { key, value } in &app.query_parameters {
        // What this site sets itself counts, whatever an older document says.
        if !parameters.iter().any(|(name, _)| name == key) {
            parameters.push((key, value));
        }
    }
    Ok(append_query(&app.authorization_uri, &parameters))
}

/// What ties a connection under way to the browser: its session. Clients without one are tied by their user alone.
fn binding(session: &Session) -> String {
    session.sid.as_deref().map_or_else(|| format!("user:{}", session.user()), |sid| format!("session:{sid}"))
}

/// Why a callback brought no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallbackError {
    /// The answer belongs to no request of this browser.
    #[error(transparent)]
    State(#[from] StateError),
    /// The provider refused, or its answer cannot be accepted.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// Takes the provider's answer; returns where the person goes on.
pub(crate) async fn complete(
    providers: &Arc<Providers>,
    documents: &Documents,
    context: &RequestContext,
    app: &ConnectedApp,
    callback: Callback,
) -> Result<Result<String, CallbackError>> {
    let returned = match take_state(documents, &context.session, app, callback.state.as_deref()).await? {
        Ok(returned) => returned,
        Err(error) => return Ok(Err(error.into())),
    };
    let outcome = exchange(providers, documents, app, &callback, &returned).await?;
    let answer = match outcome {
        Ok(answer) => answer,
        Err(error) => {
            SecurityEvent::new("Connection Failed", Severity::Warning)
                .user(context.session.user())
                .during(context)
                .details(serde_json::json!({"connected_app": app.name, "reason": error.to_string()}))
                .record(documents)
                .await;
            return Ok(Err(error.into()));
        }
    };
    let account = account(providers, documents, app, &answer).await;
    let user = returned.user.clone().unwrap_or_else(|| context.session.user().to_owned());
    let mut work = documents.begin(&Session::system()).await?;
    let fresh = Fresh { account: account.as_deref(), success_uri: Some(&returned.redirect_to) };
    token_cache::store(&mut work, app, &user, &answer, Some(fresh)).await?;
    work.commit().await?;
    // Sanitised when it was stored, and again where it is used.
    Ok(Ok(own_path(documents.site_url(), &returned.redirect_to).unwrap_or_else(|| "/app".to_owned())))
}

async fn take_state(
    documents: &Documents,
    session: &Session,
    app: &ConnectedApp,
    state: Option<&str>,
) -> Result<Result<Returned, StateError>> {
    let (binding, user) = (binding(session), session.user());
    let kinds = [Kind::ConnectedApp];
    oauth_client_state::take(documents, &kinds, state, &app.name, Some(&binding), Some(user)).await
}

async fn exchange(
    providers: &Arc<Providers>,
    documents: &Documents,
    app: &ConnectedApp,
    callback: &Callback,
    returned: &Returned,
) -> Result<Result<TokenAnswer, ProviderError>> {
    let host = app.provider_name.as_str();
    let (promised, issuer) = match &app.openid_configuration {
        None => (false, app.issuer.clone()),
        Some(address) => {
            let found = providers.discoveries.get(&providers.outgoing, documents, address, app.issuer.as_deref()).await;
            match found {
                Ok(metadata) => (
                    metadata.authorization_response_iss_parameter_supported == Some(true),
                    app.issuer.clone().or_else(|| Some(metadata.issuer.clone())),
                ),
                // What is entered in the form suffices; the address is only a convenience.
                Err(_) => (false, app.issuer.clone()),
            }
        }
    };
    if let Err(error) = check_issuer(callback.iss.as_deref(), issuer.as_deref(), promised, host) {
        return Ok(Err(error));
    }
    if let Some(code) = &callback.error {
        let description = callback.error_description.as_deref().unwrap_or_default();
        return Ok(Err(ProviderError::refused(host, code, description)));
    }
    let Some(code) = callback.code.clone().filter(|code| !code.is_empty()) else {
        return Ok(Err(ProviderError::bad_answer(host, "it holds neither a code nor an error")));
    };
    let client = match app.client(documents).await? {
        Ok(client) => client,
        Err(error) => return Ok(Err(error)),
    };
    let mut parameters = vec![
        ("grant_type", "authorization_code".to_owned()),
        ("code", code),
        ("redirect_uri", app.redirect_uri.clone()),
    ];
    if app.use_pkce {
        parameters.push(("code_verifier", returned.code_verifier.clone()));
    }
    if let Some(resource) = &app.resource {
        parameters.push(("resource", resource.clone()));
    }
    Ok(client.token((&providers.outgoing, documents), &app.token_uri, parameters).await)
}

/// Whose account was connected, as the provider names it; only to be shown, so that failing to find out is not a failure.
async fn account(
    providers: &Arc<Providers>,
    documents: &Documents,
    app: &ConnectedApp,
    answer: &TokenAnswer,
) -> Option<String> {
    #[derive(Default, Deserialize)]
    #[serde(transparent)]
    struct Claims(serde_json::Map<String, Json>);
    impl Claims {
        fn account(&self) -> Option<String> {
            let text = |name: &&str| self.0.get(*name).and_then(Json::as_str).filter(|text| !text.is_empty());
            let names = ["email", "preferred_username", "login", "name", "sub", "id"];
            names.iter().find_map(text).map(|text| clean(text).chars().take(140).collect())
        }
    }
    if let Some(uri) = &app.userinfo_uri {
        let fetched = providers.outgoing.fetch(documents, Method::GET, uri, MAX_ANSWER_BYTES, |get| {
            get.bearer_auth(&answer.access_token).header(ACCEPT, "application/json")
        });
        match fetched.await.and_then(Fetched::successful).and_then(|fetched| fetched.json::<Claims>()) {
            Ok(claims) => {
                if let Some(account) = claims.account() {
                    return Some(account);
                }
            }
            Err(error) => tracing::info!(%error, connected_app = app.name, "the account could not be looked up"),
        }
    }
    let token = Unverified::parse(answer.id_token.as_deref()?).ok()?;
    Claims(token.unverified_claims().0.clone()).account()
}

/// A token for the app itself, without a person (RFC 6749 §4.4).
pub(crate) async fn backend_token(
    providers: &Arc<Providers>,
    documents: &Documents,
    app: &ConnectedApp,
) -> Result<Connection> {
    // Under the same lock as renewals, so that many who ask at once fetch one token.
    let _held =
        crate::oauth::client::connected_app::renewal::hold(providers, &Connection::name_of(&app.name, "")).await;
    if let Some(known) = Connection::find(documents, &app.name, "").await?
        && known.is_fresh(documents.clock().now())
    {
        return Ok(known);
    }
    let client = app.client(documents).await??;
    let mut parameters = vec![("grant_type", "client_credentials".to_owned())];
    if !app.scopes.is_empty() {
        parameters.push(("scope", app.scopes().join(" ")));
    }
    for (name, value) in [("audience", &app.audience), ("resource", &app.resource)] {
        if let Some(value) = value {
            parameters.push((name, value.clone()));
        }
    }
    let mut answer = client.token((&providers.outgoing, documents), &app.token_uri, parameters).await?;
    // RFC 6749 §4.4.3: there should be none, and nothing here would use it.
    answer.refresh_token = None;
    let mut work = documents.begin(&Session::system()).await?;
    token_cache::store(&mut work, app, "", &answer, Some(Fresh::default())).await?;
    let stored = Connection::find_in(&mut work, &app.name, "").await?;
    work.commit().await?;
    stored.ok_or_else(|| Error::internal(anyhow::anyhow!("the token that was just stored is gone")))
}

/// A name as a segment of a path.
pub(crate) fn path_segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_comes_twice_is_refused() {
        let pairs = |text: &str| url::form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<_>>();
        assert!(Callback::parse(pairs("code=a&state=b&other=1&other=2")).is_ok());
        assert!(Callback::parse(pairs("code=a&code=b&state=c")).is_err());
        assert!(Callback::parse(pairs("code=a&state=b&state=c")).is_err());
    }

    #[test]
    fn the_issuer_of_an_answer_is_compared_letter_by_letter() {
        let issuer = Some("https://a.example");
        assert!(check_issuer(issuer, issuer, true, "h").is_ok());
        assert!(check_issuer(None, issuer, false, "h").is_ok());
        assert!(check_issuer(None, issuer, true, "h").is_err());
        assert!(check_issuer(Some("https://a.example/"), issuer, false, "h").is_err());
        assert!(check_issuer(Some("https://evil.example"), issuer, false, "h").is_err());
    }
}
