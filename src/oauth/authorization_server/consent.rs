//! The consent page: who asks, for what, and where the answer goes; and the person's answer to it.

use std::sync::Arc;

use poem::Response;
use serde_json::{Value as Json, json};
use url::{Position, Url};

use super::authorize::{
    Person, allow_form_action, error_page, expired, find_pending, hinted_subject, issue_code, login_address,
    login_parameters, other_account_address, private, redirect, send,
};
use super::{APPROVE, Server};
use crate::document::{Documents, Work};
use crate::error::Result;
use crate::meta::Value;
use crate::oauth::protocol::prompt::{Consent, Login, Step, decide};
use crate::oauth::protocol::redirect_uri::Destination;
use crate::oauth::protocol::{Error, ErrorCode, Scope, ScopeSet};
use crate::oauth::scope_catalogue::ScopeCatalogue;
use crate::oauth::views::oauth_authorization_request::OAUTH_AUTHORIZATION_REQUEST;
use crate::oauth::views::{OAuthClient, StoredRequest};
use crate::permissions::Session;
use crate::secret;
use crate::web::{Exchange, SecurityEvent, Severity};

/// Shows the page; with `again`, only the part that asks the person to log in once more.
///
/// From here on this browser session alone may answer.
pub async fn show(
    exchange: &Exchange,
    catalogue: &ScopeCatalogue,
    client: &OAuthClient,
    (id, stored): (&str, &StoredRequest),
    person: &Person,
    again: bool,
) -> Result<Response> {
    let documents = &exchange.site.documents;
    addressee(stored).bind(documents, person).await?;
    let mut view = view(documents, catalogue, client, &stored.request.scopes).await?;
    let redirect_uri = &stored.request.target.redirect_uri;
    let destination = redirect_uri.destination();
    if destination == Destination::Loopback {
        view["loopback"] = json!(authority(redirect_uri.as_str()));
    }
    view["destination"] = json!(destination.to_string());
    let (back, hint) = (format!("{APPROVE}?request_id={id}"), stored.request.login_hint.as_deref());
    view["request_id"] = json!(id);
    view["action"] = json!(APPROVE);
    view["again"] = json!(again);
    view["login_again"] = login_parameters(&back, hint, Some("login"))
        .into_iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    view["other_account"] = json!(other_account_address(&back, hint));
    let mut response = exchange.page("oauth/consent", view).await?;
    allow_form_action(&mut response, stored.request.target.redirect_uri.as_str());
    private(&mut response);
    Ok(response)
}

/// The host and port of an address.
fn authority(uri: &str) -> Option<String> {
    Some(Url::parse(uri).ok()?[Position::BeforeHost..Position::AfterPort].to_owned())
}

/// What every consent page says: who asks, and for what.
pub async fn view(
    documents: &Documents,
    catalogue: &ScopeCatalogue,
    client: &OAuthClient,
    scopes: &ScopeSet,
) -> Result<Json> {
    let definitions = catalogue.get(documents).await?;
    let scopes: Vec<_> = scopes
        .iter()
        .map(|scope| {
            json!({
                "name": scope.to_string(),
                "description": definitions.describe(scope),
                "is_broad": matches!(scope, Scope::All | Scope::Write),
            })
        })
        .collect();
    Ok(json!({
        "title": format!("{} asks for access", client.app_name),
        "app_name": client.app_name,
        "client_host": client.metadata_host(),
        "client_uri": client.client_uri,
        "policy_uri": client.policy_uri,
        "tos_uri": client.tos_uri,
        "is_unverified": !client.is_known(),
        "scopes": scopes,
    }))
}

/// Who may answer a stored request.
#[derive(Clone, Copy, Debug)]
pub struct Addressee<'a> {
    /// The request.
    pub name: &'a str,
    /// Whom the page was shown to.
    pub user: Option<&'a str>,
    /// The digest of their browser session.
    pub session_digest: Option<&'a str>,
}

impl Addressee<'_> {
    /// Whether it is this person in this browser session.
    pub fn is(&self, person: &Person) -> bool {
        self.user == Some(&person.user)
            && self.session_digest.is_some_and(|digest| secret::constant_time_eq(digest, person.session_digest()))
    }

    /// From here on this browser session alone may answer.
    pub async fn bind(&self, documents: &Documents, person: &Person) -> Result<()> {
        if self.is(person) {
            return Ok(());
        }
        let mut work = documents.begin(&Session::system()).await?;
        let values =
            [("user", Value::from(person.user.as_str())), ("session_digest", Value::from(person.session_digest()))];
        work.set_values(OAUTH_AUTHORIZATION_REQUEST, self.name, &values).await?;
        work.commit().await
    }
}

/// Who may answer this request.
pub fn addressee(stored: &StoredRequest) -> Addressee<'_> {
    Addressee { name: &stored.name, user: stored.user.as_deref(), session_digest: stored.session_digest.as_deref() }
}

/// Answers a stored request, once: of several answers one alone succeeds.
pub async fn settle(work: &mut Work<'_>, name: &str, status: &str) -> Result<bool> {
    let answered = [("status", Value::from(status)), ("answered_at", Value::from(work.now()))];
    let pending = Value::from("Pending");
    work.set_values_if(OAUTH_AUTHORIZATION_REQUEST, name, ("status", &pending), &answered).await
}

/// Answers POST of `…approve`.
pub async fn answer(mut exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let form = exchange.form().await?;
    let id = form.first("request_id").unwrap_or_default().to_owned();
    let decision = form.first("decision").unwrap_or_default().to_owned();
    let Some((stored, client)) = find_pending(&exchange, &id).await? else {
        return error_page(&exchange, &expired()).await;
    };
    let Some(person) = Person::of(&exchange).await? else {
        return Ok(redirect(&login_address(&format!("{APPROVE}?request_id={id}"))));
    };
    // What was shown to one person in one browser is answered by them there.
    if !addressee(&stored).is(&person) {
        return error_page(&exchange, &expired()).await;
    }
    match decision.as_str() {
        "allow" => allow(&exchange, &server, &stored, &client, &person).await,
        "deny" => deny(&exchange, &stored, &Error::new(ErrorCode::AccessDenied, "The person denied the request")).await,
        "back" => {
            let message = "The person whom id_token_hint is about is not logged in";
            deny(&exchange, &stored, &Error::new(ErrorCode::LoginRequired, message)).await
        }
        _ => error_page(&exchange, &Error::invalid_request("Choose either Allow or Deny")).await,
    }
}

async fn allow(
    exchange: &Exchange,
    server: &Server,
    stored: &StoredRequest,
    client: &OAuthClient,
    person: &Person,
) -> Result<Response> {
    let request = &stored.request;
    let hint = match hinted_subject(exchange, server, client, request).await? {
        Ok(hint) => hint,
        Err(error) => return send(exchange, request.target.error(&error), false).await,
    };
    if !client.admits(&exchange.session().access) {
        let error = Error::new(ErrorCode::AccessDenied, "This account may not use this client");
        return send(exchange, request.target.error(&error), false).await;
    }
    // The page may have been open for long: a login that has become too old meanwhile is renewed first.
    let now = exchange.site.documents.clock().now();
    let login = Login { subject: &person.subject, auth_time: person.auth_time, account_chosen: true };
    let given = Consent::GivenNow;
    if decide(&request.login, hint.as_deref(), Some(login), given, stored.requested_at, now) != Step::Proceed {
        return error_page(exchange, &expired()).await;
    }
    let mut work = exchange.site.documents.begin(&Session::system()).await?;
    if !settle(&mut work, &stored.name, "Approved").await? {
        drop(work);
        return error_page(exchange, &expired()).await;
    }
    let code = issue_code(&mut work, exchange, client, request, person).await?;
    SecurityEvent::new("Consent Given", Severity::Info)
        .user(person.user.as_str())
        .client(client.client_id.as_str())
        .during(&exchange.context)
        .details(json!({"scopes": request.scopes.to_string()}))
        .record_in(&mut work)
        .await?;
    work.commit().await?;
    send(exchange, request.target.code(&code), false).await
}

async fn deny(exchange: &Exchange, stored: &StoredRequest, error: &Error) -> Result<Response> {
    let mut work = exchange.site.documents.begin(&Session::system()).await?;
    if !settle(&mut work, &stored.name, "Denied").await? {
        drop(work);
        return error_page(exchange, &expired()).await;
    }
    work.commit().await?;
    send(exchange, stored.request.target.error(error), false).await
}
