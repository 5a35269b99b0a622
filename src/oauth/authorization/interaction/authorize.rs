//! The authorization endpoint: checks a request, and leads the person through login and consent to the code.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use poem::Response;
use poem::http::Method;

use crate::error::{Error as SiteError, Result};
use crate::oauth::authorization::interaction::answer::answer;
use crate::oauth::authorization::interaction::code::issue_code;
use crate::oauth::authorization::interaction::id_token_hint::hinted_subject;
use crate::oauth::authorization::interaction::page::{error_page, login_address, redirect, send};
use crate::oauth::authorization::interaction::pending;
use crate::oauth::authorization::interaction::pending::{Pending, Question, expired, find_request, keep_request};
use crate::oauth::authorization::interaction::person::Person;
use crate::oauth::authorization::interaction::stop;
use crate::oauth::authorization::interaction::stop::refusal;
use crate::oauth::authorization::interaction::{consent, other_account};
use crate::oauth::authorization::{par, request_object};
use crate::oauth::client_authentication::look_up;
use crate::oauth::http::endpoint::read_form_text;
use crate::oauth::protocol::authorize::authorization_request::{AuthorizationRequest, client_id, unknown_client};
use crate::oauth::protocol::authorize::par::{RequestUri, unknown_request_uri};
use crate::oauth::protocol::authorize::prompt::{ConsentFacts, Login, Step, consent as consent_needed, decide};
use crate::oauth::protocol::{AuthorizeError, Error, ErrorCode, Parameters};
use crate::oauth::registration::metadata_document;
use crate::oauth::scopes::site_scopes::SiteScopes;
use crate::oauth::server::{APPROVE, Server};
use crate::oauth::views::oauth_authorization_request::RequestStatus;
use crate::oauth::views::{OAuthClient, OAuthSettings, oauth_grant};
use crate::permissions::Session;
use crate::web::Exchange;

/// Answers GET and POST of `…authorize`.
pub(crate) async fn authorize(mut exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let is_post = *exchange.verb() == Method::POST;
    let Some(text) = read_text(&mut exchange).await else {
        return error_page(&exchange, &Error::invalid_request("Send the parameters as a form")).await;
    };
    let documents = exchange.site.documents.clone();
    let settings = OAuthSettings::load(&documents).await?;
    match refusal(check(&exchange, &server, &settings, &text).await)? {
        // Browsers send no session cookie along with a form from another site, so it goes on with a page from here.
        Ok((client, request)) if is_post && exchange.session().is_guest() => {
            let id = keep_request(&documents, pending::AUTHORIZE, &client, &request, None).await?;
            Ok(redirect(&format!("{APPROVE}?request_id={id}")))
        }
        Ok((client, request)) => {
            let now = documents.clock().now();
            proceed(&exchange, &server, &settings, &client, &request, now, None).await
        }
        Err(AuthorizeError::Page(error)) => error_page(&exchange, &error).await,
        Err(AuthorizeError::Redirect(redirected)) => send(&exchange, redirected.response(), false).await,
    }
}

/// The parameters of a request as they were sent, by query or by form.
pub(super) async fn read_text(exchange: &mut Exchange) -> Option<String> {
    if *exchange.verb() == Method::POST {
        read_form_text(&mut exchange.request).await.ok()
    } else {
        Some(exchange.request.uri().query().unwrap_or_default().to_owned())
    }
}

/// Finds the client and checks the request.
async fn check(
    exchange: &Exchange,
    server: &Server,
    settings: &OAuthSettings,
    text: &str,
) -> stop::Result<(Arc<OAuthClient>, AuthorizationRequest)> {
    let documents = &exchange.site.documents;
    let parameters = Parameters::parse(text)?;
    let client = match look_up(exchange, server, client_id(&parameters)?).await? {
        Ok(client) if client.enabled => client,
        Ok(_) => return Err(unknown_client().into()),
        Err(error) => return Err(metadata_document::explain(exchange.session(), error).into()),
    };
    let resources = settings.resources(documents.site_url());
    let scopes = SiteScopes::now(&exchange.site, &server.catalogue, settings).await?;
    let (ceiling, rules) = (scopes.ceiling(&client), settings.rules(documents.site_url(), &resources, &scopes));
    let read = match parameters.get("request_uri").map(RequestUri::parse) {
        Some(Ok(uri)) if parameters.get("request").is_none() && !parameters.is_repeated("request_uri") => {
            let pushed = par::take(documents, &client, &uri).await?.ok_or_else(unknown_request_uri)?;
            return Ok((client, pushed));
        }
        Some(Ok(_)) => Err(Error::invalid_request("Send request_uri once, and no request beside it")),
        Some(Err(error)) => Err(error),
        None => request_object::read(documents, server, &client, &parameters).await?,
    };
    let request = match read {
        Ok((parameters, origin)) => AuthorizationRequest::parse(&parameters, origin, &client.rules(&ceiling), &rules)?,
        Err(error) => {
            return Err(AuthorizationRequest::refuse(&parameters, &client.rules(&ceiling), &rules, error).into());
        }
    };
    Ok((client, request))
}

/// Answers GET of `…approve`: goes on with a request that is kept here, after a login or for its answer.
///
/// It shows pages and passes on what was allowed before; it never allows anything.
pub(crate) async fn resume(exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let query = exchange.query();
    let id = query.iter().find(|(name, _)| name == "request_id").map_or("", |(_, value)| value.as_str());
    let Some(pending) = find_request(&exchange, &server, id).await? else {
        return error_page(&exchange, &expired()).await;
    };
    let Question::Request(request) = &pending.question else { return error_page(&exchange, &expired()).await };
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let requested_at = pending.stored.requested_at;
    proceed(&exchange, &server, &settings, &pending.client, request, requested_at, Some(&pending)).await
}

/// Answers POST of `…approve`: the person's answer.
pub(crate) async fn approve(mut exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let form = exchange.form().await?;
    let id = form.first("request_id").unwrap_or_default().to_owned();
    let decision = form.first("decision").unwrap_or_default().to_owned();
    let Some(pending) = find_request(&exchange, &server, &id).await? else {
        return error_page(&exchange, &expired()).await;
    };
    match Person::of(&exchange).await? {
        Some(person) => answer(&exchange, &server, &pending, &person, &decision).await,
        None => Ok(redirect(&login_address(&pending.address(), None, None))),
    }
}

/// Takes the next step of a request; `kept` is where it waits, if it does.
async fn proceed(
    exchange: &Exchange,
    server: &Server,
    settings: &OAuthSettings,
    client: &OAuthClient,
    request: &AuthorizationRequest,
    requested_at: DateTime<Utc>,
    kept: Option<&Pending>,
) -> Result<Response> {
    let documents = &exchange.site.documents;
    let refuse = async |error: &Error| send(exchange, request.target.error(error), kept.is_some()).await;
    let person = Person::of(exchange).await?;
    let hint = match refusal(hinted_subject(exchange, server, client, request).await)? {
        Ok(hint) => hint,
        Err(error) => return refuse(&error.into_error()).await,
    };
    if let Some(person) = &person
        && hint.as_ref().is_none_or(|hinted| *hinted == person.subject)
        && !client.admits(&exchange.session().access)
    {
        tracing::debug!(user = person.user, client = client.client_id, "the user has none of the client's roles");
        return refuse(&Error::new(ErrorCode::AccessDenied, "This account may not use this client")).await;
    }
    let grant = match &person {
        Some(person) => oauth_grant::find_active(documents, &person.user, &client.name).await?,
        None => None,
    };
    let facts = ConsentFacts {
        force: settings.forces_consent,
        may_remember: settings.remembers_consent,
        client_skips: client.skip_authorization,
        client_is_trusted: client.is_trusted,
        client_is_known: client.is_known(),
        is_loopback_only: client.redirect_uris.are_all_loopback(),
        grant: grant.as_ref().map(|grant| (&grant.scopes, grant.resources.as_slice())),
        scopes: &request.scopes,
        resources: &request.resources,
    };
    let login = person.as_ref().map(|person| Login {
        subject: &person.subject,
        auth_time: person.auth_time,
        // Whoever has just typed in who they are has chosen.
        account_chosen: person.auth_time >= requested_at,
    });
    let (consent, now) = (consent_needed(&facts), documents.clock().now());
    let step = match decide(&request.login, hint.as_deref(), login, consent, requested_at, now) {
        Step::Error(code) => {
            return refuse(&Error::new(code, "A page would have to be shown, but prompt is none")).await;
        }
        step => step,
    };
    match (step, person, kept) {
        (Step::Proceed, Some(person), _) => allow_again(exchange, client, request, &person, kept).await,
        (Step::Proceed, None, _) => {
            Err(SiteError::Internal(anyhow::anyhow!("nobody is logged in, and yet the request may proceed")))
        }
        (_, person, None) => {
            let id = keep_request(documents, pending::AUTHORIZE, client, request, None).await?;
            let back = format!("{APPROVE}?request_id={id}");
            let hint = request.login_hint.as_deref();
            Ok(redirect(&if person.is_some() { back } else { login_address(&back, hint, None) }))
        }
        (_, None, Some(pending)) => {
            Ok(redirect(&login_address(&pending.address(), request.login_hint.as_deref(), None)))
        }
        (Step::OtherAccount, Some(person), Some(pending)) => {
            other_account::show(exchange, pending, request, &person, hint.as_deref()).await
        }
        (step, Some(person), Some(pending)) => {
            consent::show(exchange, &server.catalogue, pending, &person, step == Step::Login).await
        }
    }
}

/// Issues the code that an earlier consent covers.
async fn allow_again(
    exchange: &Exchange,
    client: &OAuthClient,
    request: &AuthorizationRequest,
    person: &Person,
    kept: Option<&Pending>,
) -> Result<Response> {
    let mut work = exchange.site.documents.begin(&Session::system()).await?;
    if let Some(pending) = kept
        && !pending.settle(&mut work, RequestStatus::Approved).await?
    {
        drop(work);
        return error_page(exchange, &expired()).await;
    }
    let code = issue_code(&mut work, client, request, person).await?;
    work.commit().await?;
    send(exchange, request.target.code(&code), kept.is_some()).await
}
