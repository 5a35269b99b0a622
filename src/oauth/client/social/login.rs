//! The trip of a login: to the provider, back, and into a session.

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;
use serde_json::json;

use crate::document::Documents;
use crate::error::{Error, Result};
use crate::oauth::client::Providers;
use crate::oauth::client::callback::{Callback, check_issuer};
use crate::oauth::client::oauth_client_state;
use crate::oauth::client::oauth_client_state::{Begun, Kind, Returned, StateError};
use crate::oauth::client::pages::failed;
use crate::oauth::client::social::account;
use crate::oauth::client::social::account::{Outcome, Refusal};
use crate::oauth::client::social::identity;
use crate::oauth::client::social::identity::Identity;
use crate::oauth::client::social::provider::Provider;
use crate::oauth::client::social::social_login_key::SocialLoginKey;
use crate::oauth::client::social::{MODULE, presets, profile, trip};
use crate::oauth::protocol::authorize::authorization_response::append_query;
use crate::oauth::protocol::authorize::pkce;
use crate::oauth::provider_error::ProviderError;
use crate::permissions::Session;
use crate::web::error::{describe, see_other};
use crate::web::own_path::own_path;
use crate::web::plugin::LoginOption;
use crate::web::{Exchange, LoginMethod, NewSession, Plugins, Route, SecurityEvent, Severity, Site};

/// Registers the buttons, the start and the callbacks.
pub(crate) fn register(plugins: &mut Plugins, providers: &Arc<Providers>) {
    plugins.login_options.push(Arc::new(|site, target| Box::pin(options(site, target))));
    let given = Arc::clone(providers);
    plugins.route(Route::new("/login/with/:provider").get(move |exchange| start(exchange, Arc::clone(&given))));
    for preset in presets::PRESETS {
        let given = Arc::clone(providers);
        let name = preset.key_name();
        let route = Route::new(format!("{MODULE}.login_via_{}", preset.callback));
        plugins.route(route.get(move |exchange| come_back(exchange, Arc::clone(&given), name.clone())));
    }
    let given = Arc::clone(providers);
    let custom = move |exchange: Exchange| {
        let name = exchange.param("provider").to_owned();
        come_back(exchange, Arc::clone(&given), name)
    };
    plugins.route(Route::new(format!("{MODULE}.custom/:provider")).get(custom));
}

/// The buttons on the login page.
async fn options(site: Site, target: Option<String>) -> Result<Vec<LoginOption>> {
    let keys = SocialLoginKey::all_enabled(&site.documents).await?;
    Ok(keys
        .into_iter()
        .map(|key| {
            let mut href = format!("/login/with/{}", key.name);
            if let Some(target) = &target {
                let target: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
                href.push_str("?redirect-to=");
                href.push_str(&target);
            }
            LoginOption { label: format!("Log in with {}", key.provider_name), href, icon: key.icon }
        })
        .collect())
}

async fn start(exchange: Exchange, providers: Arc<Providers>) -> Result<Response> {
    exchange.refuse_head()?;
    let name = exchange.param("provider").to_owned();
    let query = exchange.query();
    let wanted = query.iter().find(|(name, _)| name == "redirect-to").map(|(_, value)| value.as_str());
    let redirect_to = wanted.and_then(|wanted| own_path(&exchange.site.config.site_url, wanted)).unwrap_or_default();
    let prompt = query.iter().find(|(name, _)| name == "prompt").map(|(_, value)| value.as_str());
    let prompt = prompt.filter(|prompt| matches!(*prompt, "login" | "select_account"));
    let Some(key) = SocialLoginKey::enabled(&exchange.site.documents, &name).await? else {
        return failed(&exchange, StatusCode::NOT_FOUND, "", "/login", "There is no login with this provider").await;
    };
    let begin = async { trip::begin(&exchange, &name, &redirect_to) };
    match depart(&providers, &exchange.site.documents, key.clone(), prompt, begin).await? {
        Ok(location) => Ok(no_referrer(see_other(&location))),
        Err(error) => refuse(&exchange, &key, "/login", &error.to_string()).await,
    }
}

/// Where to send the person, once the trip is noted. With a `prompt`, an OpenID provider is to ask who they are even if
/// it knows them.
pub(crate) async fn depart(
    providers: &Providers,
    documents: &Documents,
    key: SocialLoginKey,
    prompt: Option<&str>,
    begin: impl Future<Output = Result<Begun>>,
) -> Result<Result<String, ProviderError>> {
    let provider = match Provider::resolve(providers, documents, key).await {
        Ok(provider) => provider,
        Err(error) => return Ok(Err(error)),
    };
    let trip = begin.await?;
    Ok(Ok(authorization_url(&provider, &trip, prompt)))
}

fn authorization_url(provider: &Provider, begun: &Begun, prompt: Option<&str>) -> String {
    let challenge = pkce::challenge_of(&begun.code_verifier);
    let scope = provider.key.scopes.join(" ");
    let mut parameters: Vec<(&str, &str)> = vec![
        ("response_type", "code"),
        ("client_id", &provider.key.client_id),
        ("redirect_uri", &provider.key.redirect_url),
        ("state", &begun.state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    if !scope.is_empty() {
        parameters.push(("scope", &scope));
    }
    if provider.issuer.is_some() {
        parameters.push(("nonce", &begun.nonce));
        parameters.extend(prompt.map(|prompt| ("prompt", prompt)));
    }
    for (name, value) in &provider.key.auth_url_data {
        if !parameters.iter().any(|(own, _)| own == name) {
            parameters.push((name, value));
        }
    }
    append_query(&provider.authorize_url, &parameters)
}

/// The provider learns nothing of the page that the person comes from.
fn no_referrer(mut response: Response) -> Response {
    response.headers_mut().insert("referrer-policy", poem::http::HeaderValue::from_static("no-referrer"));
    response
}

async fn come_back(exchange: Exchange, providers: Arc<Providers>, name: String) -> Result<Response> {
    exchange.refuse_head()?;
    let documents = &exchange.site.documents;
    let Some(key) = SocialLoginKey::enabled(documents, &name).await? else {
        return failed(&exchange, StatusCode::NOT_FOUND, "", "/login", "There is no login with this provider").await;
    };
    let callback = match Callback::parse(exchange.query()) {
        Ok(callback) => callback,
        Err(error) => return refuse(&exchange, &key, "/login", &error.to_string()).await,
    };
    let returned = match take_state(&exchange, &key, callback.state.as_deref()).await? {
        Ok(returned) => returned,
        Err(error) => return refuse(&exchange, &key, "/login", &error.to_string()).await,
    };
    let again = match returned.kind {
        Kind::AccountLink => profile::ADDRESS,
        Kind::SocialLogin | Kind::ConnectedApp => "/login",
    };
    let identity = match identify(&providers, documents, key.clone(), callback, &returned).await? {
        Ok(identity) => identity,
        // Whoever has a code of their own invention gets this far: it is not an event each.
        Err(error @ (ProviderError::Refused { .. } | ProviderError::Outgoing(_))) => {
            return refuse(&exchange, &key, again, &error.to_string()).await;
        }
        Err(error) => return refuse_noted(&exchange, &key, again, &error.to_string()).await,
    };
    match returned.kind {
        Kind::AccountLink => finish_link(&exchange, &key, &identity, &returned).await,
        Kind::SocialLogin | Kind::ConnectedApp => finish_login(&exchange, &key, &identity, &returned).await,
    }
}

/// A login is tied to the browser by its cookie, a link to the person's session.
async fn take_state(
    exchange: &Exchange,
    key: &SocialLoginKey,
    state: Option<&str>,
) -> Result<Result<Returned, StateError>> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    if !session.is_guest()
        && let Some(sid) = session.sid.as_deref()
        && oauth_client_state::is_of(documents, state, Kind::AccountLink).await?
    {
        let binding = format!("session:{sid}");
        let (kinds, user) = ([Kind::AccountLink], Some(session.user()));
        return oauth_client_state::take(documents, &kinds, state, &key.name, Some(&binding), user).await;
    }
    trip::take(exchange, state, &key.name).await
}

/// Exchanges the code, and finds out who it is.
async fn identify(
    providers: &Providers,
    documents: &Documents,
    key: SocialLoginKey,
    callback: Callback,
    returned: &Returned,
) -> Result<Result<Identity, ProviderError>> {
    let host = key.provider_name.clone();
    let provider = match Provider::resolve(providers, documents, key).await {
        Ok(provider) => provider,
        Err(error) => return Ok(Err(error)),
    };
    if let Err(error) = check_issuer(callback.iss.as_deref(), provider.issuer.as_deref(), provider.promises_iss, &host)
    {
        return Ok(Err(error));
    }
    if let Some(code) = callback.error {
        let description = callback.error_description.unwrap_or_default();
        return Ok(Err(ProviderError::refused(host, &code, &description)));
    }
    let Some(code) = callback.code.filter(|code| !code.is_empty()) else {
        return Ok(Err(ProviderError::bad_answer(host, "it holds neither a code nor an error")));
    };
    let parameters = vec![
        ("grant_type", "authorization_code".to_owned()),
        ("code", code),
        ("redirect_uri", provider.key.redirect_url.clone()),
        ("code_verifier", returned.code_verifier.clone()),
    ];
    let answer = match provider.token(providers, documents, parameters).await? {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(error)),
    };
    Ok(identity::find(providers, documents, &provider, &answer, &returned.nonce).await)
}

async fn finish_login(
    exchange: &Exchange,
    key: &SocialLoginKey,
    identity: &Identity,
    returned: &Returned,
) -> Result<Response> {
    let (site, context) = (&exchange.site, &exchange.context);
    let mut work = site.documents.begin(&Session::system()).await?;
    let user = match account::log_in(&mut work, key, identity, context).await {
        Ok(Outcome::User(user)) => user,
        Ok(Outcome::Refused(refusal)) => {
            drop(work);
            let again = if refusal == Refusal::NoAccount { "/login" } else { "" };
            return refuse_noted(exchange, key, again, &refusal.to_string()).await;
        }
        // What the provider says may not fit our rules for users.
        Err(Error::Validation(invalid)) => {
            drop(work);
            let text = format!("No account can be made of what the provider says: {invalid}");
            return refuse_noted(exchange, key, "/login", &text).await;
        }
        Err(error) => return Err(error),
    };
    work.commit().await?;
    let new = NewSession {
        user: &user,
        method: LoginMethod::SocialLogin,
        // What the provider asked for, nobody here knows.
        second_factor: false,
        provider: Some(&key.name),
        provider_sid: identity.sid.as_deref(),
        provider_subject: identity.subject.as_deref(),
        issuer: Some(&identity.issuer),
    };
    match site.sessions.start(site, context, new).await {
        Ok(started) => {
            let home = if started.session.is_desk_user() { "/app" } else { "/me" };
            // Sanitised when it was stored, and again where it is used.
            let target = own_path(&site.config.site_url, &returned.redirect_to).unwrap_or_else(|| home.to_owned());
            Ok(see_other(&target))
        }
        Err(error @ (Error::Permission(_) | Error::Authentication(_))) => {
            refuse_noted(exchange, key, "/login", &describe(&error).message).await
        }
        Err(error) => Err(error),
    }
}

async fn finish_link(
    exchange: &Exchange,
    key: &SocialLoginKey,
    identity: &Identity,
    returned: &Returned,
) -> Result<Response> {
    let user = returned.user.as_deref().unwrap_or_default();
    let mut work = exchange.site.documents.begin(&Session::system()).await?;
    match account::link_own(&mut work, user, key, identity, &exchange.context).await? {
        Ok(()) => {
            work.commit().await?;
            let target = own_path(&exchange.site.config.site_url, &returned.redirect_to);
            Ok(see_other(target.as_deref().unwrap_or(profile::ADDRESS)))
        }
        Err(refusal) => {
            drop(work);
            refuse_noted(exchange, key, profile::ADDRESS, &refusal.to_string()).await
        }
    }
}

/// Notes that somebody whom the provider named was not let in, and says why.
async fn refuse_noted(exchange: &Exchange, key: &SocialLoginKey, again: &str, why: &str) -> Result<Response> {
    SecurityEvent::new("Social Login Refused", Severity::Warning)
        .during(&exchange.context)
        .details(json!({"provider": key.name, "reason": why}))
        .record(&exchange.site.documents)
        .await;
    refuse(exchange, key, again, why).await
}

/// Says why nobody is let in; anybody can bring that about, so that the log is told and no event noted.
async fn refuse(exchange: &Exchange, key: &SocialLoginKey, again: &str, why: &str) -> Result<Response> {
    tracing::info!(provider = key.name, why, "a login with an account elsewhere came to nothing");
    let again = match again {
        "" | "/login" => format!("/login/with/{}", key.name),
        other => other.to_owned(),
    };
    failed(exchange, StatusCode::BAD_REQUEST, &key.provider_name, &again, why).await
}
