//! `…end_session`: a client asks that the person be logged out here (OpenID Connect RP-Initiated Logout 1.0).

use std::sync::Arc;

use poem::Response;
use poem::http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use super::Server;
use super::authorize::{Person, error_page, private, redirect};
use super::endpoint::read_form_text;
use crate::error::Result;
use crate::oauth::protocol::jwt::{Algorithm, JwtError, Unverified, Verified};
use crate::oauth::protocol::logout::{AfterLogout, EndSessionRequest, Hint, LoggedIn, LogoutDecision};
use crate::oauth::protocol::metadata::END_SESSION;
use crate::oauth::protocol::{Error, Parameters};
use crate::oauth::signing_keys::ALGORITHMS;
use crate::oauth::views::OAuthClient;
use crate::web::{Exchange, csrf};

/// The form field that marks a request which this site's own page has sent on.
const SENT_ON: &str = "sent_on";
/// The form field with the person's answer.
const DECISION: &str = "decision";

/// Answers GET and POST of `…end_session`.
pub async fn end_session(mut exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let is_post = *exchange.verb() == Method::POST;
    let text = if is_post {
        match read_form_text(&mut exchange.request).await {
            Ok(text) => text,
            Err(_) => return error_page(&exchange, &Error::invalid_request("Send the parameters as a form")).await,
        }
    } else {
        exchange.request.uri().query().unwrap_or_default().to_owned()
    };
    let parameters = match Parameters::parse(&text) {
        Ok(parameters) => parameters,
        Err(error) => return error_page(&exchange, &error).await,
    };
    let person = Person::of(&exchange).await?;
    if is_post && person.is_none() && parameters.get(SENT_ON).is_none() {
        return send_on(&exchange, &text).await;
    }
    let (request, client, decision) = match check(&exchange, &server, &parameters, person.as_ref()).await? {
        Ok(checked) => checked,
        // Whoever is logged in can still log out here, but nobody is sent anywhere.
        Err(error) if person.is_some() => return confirm(&exchange, None, None, Some(&error)).await,
        Err(error) => return error_page(&exchange, &error).await,
    };
    if decision.confirm {
        match answer(&exchange, &parameters) {
            Some("log_out") => {}
            Some("stay") => return Ok(redirect("/app")),
            _ => return confirm(&exchange, Some(&request), client.as_ref(), None).await,
        }
    }
    log_out(&exchange, decision.after, is_post).await
}

type Checked = std::result::Result<(EndSessionRequest, Option<OAuthClient>, LogoutDecision), Error>;

/// Reads the request, verifies its hint and finds its client.
async fn check(
    exchange: &Exchange,
    server: &Server,
    parameters: &Parameters,
    person: Option<&Person>,
) -> Result<Checked> {
    let documents = &exchange.site.documents;
    let request = match EndSessionRequest::parse(parameters) {
        Ok(request) => request,
        Err(error) => return Ok(Err(error)),
    };
    let verified = match &request.id_token_hint {
        Some(token) => match verify_hint(exchange, server, token).await? {
            Ok(verified) => Some(verified),
            Err(error) => return Ok(Err(bad_hint(error))),
        },
        None => None,
    };
    let hint = match verified.as_ref().map(|verified| Hint::of(verified, documents.site_url())).transpose() {
        Ok(hint) => hint,
        Err(error) => return Ok(Err(bad_hint(error))),
    };
    let client = match request.client(hint.as_ref()) {
        Ok(Some(id)) => match OAuthClient::find(documents, id).await?.filter(|client| client.enabled) {
            Some(client) => Some(client),
            None => return Ok(Err(Error::invalid_request("client_id is unknown"))),
        },
        Ok(None) => None,
        Err(error) => return Ok(Err(error)),
    };
    let registered = client.as_ref().map(|client| client.post_logout_redirect_uris.as_slice());
    let session = person.map(|person| LoggedIn { subject: &person.subject, sid: &person.sid });
    let decision = request.decide(hint.as_ref(), registered, session.as_ref());
    Ok(decision.map(|decision| (request, client, decision)))
}

fn bad_hint(cause: JwtError) -> Error {
    Error::invalid_request("id_token_hint is not an id token of this site").because(anyhow::Error::new(cause))
}

/// Verifies the signature of a hint: with the keys that are published, retired ones too, or with the client's secret.
pub async fn verify_hint(
    exchange: &Exchange,
    server: &Server,
    token: &str,
) -> Result<std::result::Result<Verified, JwtError>> {
    let documents = &exchange.site.documents;
    let unverified = match Unverified::parse(token) {
        Ok(unverified) => unverified,
        Err(error) => return Ok(Err(error)),
    };
    if unverified.header.alg != Algorithm::Hs256 {
        let keys = server.keys.published(documents).await?;
        return Ok(unverified.verify(&keys, &ALGORITHMS));
    }
    let audience = unverified.unverified_claims().audience().first().map(|audience| (*audience).to_owned());
    // A client may have a secret at hand for its assertions; that does not make it a signer of id tokens.
    let client = OAuthClient::find(documents, &audience.unwrap_or_default()).await?;
    let client = client.filter(|client| client.id_token_alg.as_deref() == Some(Algorithm::Hs256.as_str()));
    let now = documents.clock().now();
    let secrets = client.map(|client| client.signing_secrets(documents.site_key(), now)).unwrap_or_default();
    let verified =
        secrets.iter().find_map(|secret| Unverified::parse(token).ok()?.verify_hs256(secret.as_bytes()).ok());
    Ok(verified.ok_or(JwtError::Signature))
}

/// What the person pressed on our own page; anything else came from elsewhere and decides nothing.
fn answer<'p>(exchange: &Exchange, parameters: &'p Parameters) -> Option<&'p str> {
    let decision = parameters.get(DECISION)?;
    let token = parameters.get(csrf::FIELD);
    csrf::check_form(&exchange.context, exchange.request.headers(), token).ok().map(|()| decision)
}

/// Browsers send no session cookie along with a form from another site, so it is posted once more from here.
async fn send_on(exchange: &Exchange, text: &str) -> Result<Response> {
    let mut fields: Vec<Json> = url::form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    fields.push(json!({"name": SENT_ON, "value": "1"}));
    let view = json!({"action": END_SESSION, "fields": fields, "title": "Logging out"});
    let mut page = exchange.page("oauth/form_post", view).await?;
    private(&mut page);
    Ok(page)
}

/// Asks the person: anybody could have sent them here. With a `problem`, it is said and nobody is sent back.
async fn confirm(
    exchange: &Exchange,
    request: Option<&EndSessionRequest>,
    client: Option<&OAuthClient>,
    problem: Option<&Error>,
) -> Result<Response> {
    let request = request.cloned().unwrap_or_default();
    let fields: Vec<Json> = [
        ("id_token_hint", request.id_token_hint),
        ("client_id", request.client_id),
        ("post_logout_redirect_uri", request.post_logout_redirect_uri),
        ("state", request.state),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(json!({"name": name, "value": value?})))
    .collect();
    let view = json!({
        "title": "Log out?",
        "action": END_SESSION,
        "fields": fields,
        "app_name": client.map(|client| client.app_name.as_str()),
        "problem": problem.map(Error::description),
    });
    let mut page = exchange.page("oauth/end_session", view).await?;
    if problem.is_some() {
        page.set_status(StatusCode::BAD_REQUEST);
    }
    private(&mut page);
    Ok(page)
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
