//! `…end_session`: a client asks that the person be logged out here (OpenID Connect RP-Initiated Logout 1.0).

use std::sync::Arc;

use poem::Response;
use poem::http::{Method, StatusCode};
use serde_json::json;

use crate::error::Result;
use crate::oauth::authorization::interaction::authorize::read_text;
use crate::oauth::authorization::interaction::id_token_hint;
use crate::oauth::authorization::interaction::page::{error_page, hidden, private, redirect, show, show_with_status};
use crate::oauth::authorization::interaction::person::Person;
use crate::oauth::authorization::interaction::stop;
use crate::oauth::authorization::interaction::stop::refusal;
use crate::oauth::protocol::authorize::logout::{AfterLogout, EndSessionRequest, Hint, LoggedIn, LogoutDecision};
use crate::oauth::protocol::serve::metadata::END_SESSION;
use crate::oauth::protocol::{AuthorizeError, Error, Parameters};
use crate::oauth::server::Server;
use crate::oauth::views::OAuthClient;
use crate::web::{Exchange, csrf};

/// The form field that marks a request which this site's own page has sent on.
const SENT_ON: &str = "sent_on";
/// The form field with the person's answer.
const DECISION: &str = "decision";

/// Answers GET and POST of `…end_session`.
pub(crate) async fn end_session(mut exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let is_post = *exchange.verb() == Method::POST;
    let Some(text) = read_text(&mut exchange).await else {
        return error_page(&exchange, &Error::invalid_request("Send the parameters as a form")).await;
    };
    let parameters = match Parameters::parse(&text) {
        Ok(parameters) => parameters,
        Err(error) => return error_page(&exchange, &error).await,
    };
    let person = Person::of(&exchange).await?;
    if is_post && person.is_none() && parameters.get(SENT_ON).is_none() {
        return send_on(&exchange, &text).await;
    }
    let checked = refusal(check(&exchange, &server, &parameters, person.as_ref()).await)?;
    let (request, client, decision) = match checked.map_err(AuthorizeError::into_error) {
        Ok(checked) => checked,
        // Whoever is logged in can still log out here, but nobody is sent anywhere.
        Err(error) if person.is_some() => return confirm(&exchange, None, None, Some(&error)).await,
        Err(error) => return error_page(&exchange, &error).await,
    };
    if decision.confirm {
        match answer(&exchange, &parameters) {
            Some("log_out") => {}
            Some("stay") => return Ok(redirect("/app")),
            _ => return confirm(&exchange, Some(&request), client.as_deref(), None).await,
        }
    }
    log_out(&exchange, decision.after, is_post).await
}

/// Reads the request, verifies its hint and finds its client.
async fn check(
    exchange: &Exchange,
    server: &Server,
    parameters: &Parameters,
    person: Option<&Person>,
) -> stop::Result<(EndSessionRequest, Option<Arc<OAuthClient>>, LogoutDecision)> {
    let documents = &exchange.site.documents;
    let request = EndSessionRequest::parse(parameters)?;
    let refused = |cause| id_token_hint::refused("id_token_hint is not an id token of this site", cause);
    let verified = match &request.id_token_hint {
        Some(token) => Some(id_token_hint::verify(exchange, server, token, refused).await?),
        None => None,
    };
    let hint = verified.as_ref().map(|verified| Hint::of(verified, documents.site_url())).transpose();
    let hint = hint.map_err(refused)?;
    let client = match request.client(hint.as_ref())? {
        Some(id) => {
            let client = OAuthClient::find(documents, id).await?.filter(|client| client.enabled);
            Some(client.ok_or_else(|| Error::invalid_request("client_id is unknown"))?)
        }
        None => None,
    };
    let registered = client.as_ref().map(|client| client.post_logout_redirect_uris.as_slice());
    let session = person.map(|person| LoggedIn { subject: &person.subject, sid: &person.sid });
    let decision = request.decide(hint.as_ref(), registered, session.as_ref())?;
    Ok((request, client, decision))
}

/// What the person pressed on our own page; anything else came from elsewhere and decides nothing.
fn answer<'p>(exchange: &Exchange, parameters: &'p Parameters) -> Option<&'p str> {
    let decision = parameters.get(DECISION)?;
    let token = parameters.get(csrf::FIELD);
    csrf::check_form(&exchange.context, exchange.request.headers(), token).ok().map(|()| decision)
}

/// Browsers send no session cookie along with a form from another site, so it is posted once more from here.
async fn send_on(exchange: &Exchange, text: &str) -> Result<Response> {
    let fields = url::form_urlencoded::parse(text.as_bytes()).chain([(SENT_ON.into(), "1".into())]);
    let view = json!({"action": END_SESSION, "fields": hidden(fields), "title": "Logging out"});
    show(exchange, "oauth/form_post", view).await
}

/// Asks the person: anybody could have sent them here. With a `problem`, it is said and nobody is sent back.
async fn confirm(
    exchange: &Exchange,
    request: Option<&EndSessionRequest>,
    client: Option<&OAuthClient>,
    problem: Option<&Error>,
) -> Result<Response> {
    let request = request.cloned().unwrap_or_default();
    let fields = [
        ("id_token_hint", request.id_token_hint),
        ("client_id", request.client_id),
        ("post_logout_redirect_uri", request.post_logout_redirect_uri),
        ("state", request.state),
    ];
    let view = json!({
        "title": "Log out?",
        "action": END_SESSION,
        "fields": hidden(fields.into_iter().filter_map(|(name, value)| Some((name, value?)))),
        "app_name": client.map(|client| client.app_name.as_str()),
        "problem": problem.map(Error::description),
    });
    let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    show_with_status(exchange, status, "oauth/end_session", view).await
}

/// Ends the session of this browser, if there is one, and leads on.
///
/// `after_form`: browsers hold the redirects behind a form against its page's policy, so they end at a page of ours.
async fn log_out(exchange: &Exchange, after: AfterLogout, after_form: bool) -> Result<Response> {
    let (site, context) = (&exchange.site, &exchange.context);
    let mut target = None;
    for logout in &site.logout_targets {
        target = target.or(logout(site.clone(), context.clone()).await?);
    }
    if Person::of(exchange).await?.is_some() {
        site.sessions.end_current(site, context).await?;
    }
    let mut response = match (after, target) {
        (AfterLogout::Redirect(to), _) if after_form => {
            exchange.page("oauth/continue", json!({"location": to, "title": "You are logged out"})).await?
        }
        (AfterLogout::Redirect(to), _) | (AfterLogout::OwnPage, Some(to)) => redirect(&to),
        (AfterLogout::OwnPage, None) => {
            exchange.page("oauth/logged_out", json!({"title": "You are logged out"})).await?
        }
    };
    private(&mut response);
    Ok(response)
}
