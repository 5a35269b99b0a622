//! The answer of a person to what waits for it, once: the one place where something is allowed.

use poem::Response;
use serde_json::json;

use crate::document::Work;
use crate::document::view::{FieldValue as _, Fields as _};
use crate::error::Result;
use crate::meta::Value;
use crate::oauth::authorization::interaction::code::issue_code;
use crate::oauth::authorization::interaction::consent;
use crate::oauth::authorization::interaction::id_token_hint::hinted_subject;
use crate::oauth::authorization::interaction::page::{code_expired, error_page, not_admitted, send, show};
use crate::oauth::authorization::interaction::pending::{Pending, Question, expired};
use crate::oauth::authorization::interaction::person::Person;
use crate::oauth::authorization::interaction::stop::refusal;
use crate::oauth::protocol::authorize::device::DeviceStatus;
use crate::oauth::protocol::authorize::prompt::{Consent, Login, Step, decide};
use crate::oauth::protocol::{Error, ErrorCode};
use crate::oauth::server::Server;
use crate::oauth::views::oauth_authorization_request::RequestStatus;
use crate::oauth::views::oauth_device_code::{DeviceCode, OAUTH_DEVICE_CODE};
use crate::oauth::views::{OAuthClient, oauth_grant};
use crate::permissions::Session;
use crate::web::{Exchange, SecurityEvent, Severity};

/// Takes the answer that the person's form holds.
pub(super) async fn answer(
    exchange: &Exchange,
    server: &Server,
    pending: &Pending,
    person: &Person,
    decision: &str,
) -> Result<Response> {
    // What was shown to one person in one browser is answered by them there.
    if !pending.is_for(person) {
        return error_page(exchange, &expired()).await;
    }
    match (decision, &pending.question) {
        ("allow", _) => allow(exchange, server, pending, person).await,
        ("deny", _) => {
            let error = Error::new(ErrorCode::AccessDenied, "The person denied the request");
            deny(exchange, pending, person, &error).await
        }
        ("back", Question::Request(_)) => {
            let error = Error::new(ErrorCode::LoginRequired, "The person whom id_token_hint is about is not logged in");
            deny(exchange, pending, person, &error).await
        }
        _ => error_page(exchange, &Error::invalid_request("Choose either Allow or Deny")).await,
    }
}

async fn allow(exchange: &Exchange, server: &Server, pending: &Pending, person: &Person) -> Result<Response> {
    if let Some(refused) = refused(exchange, server, pending, person).await? {
        return Ok(refused);
    }
    let Pending { client, question, .. } = pending;
    let mut work = exchange.site.documents.begin(&Session::system()).await?;
    let mut details = json!({"scopes": pending.scopes().to_string()});
    let mut code = String::new();
    let is_first = pending.settle(&mut work, RequestStatus::Approved).await?
        && match question {
            Question::Request(request) => {
                code = issue_code(&mut work, client, request, person).await?;
                true
            }
            Question::Device(device) => {
                details["device"] = json!(device.ip_address);
                approve(&mut work, client, device, person).await?
            }
        };
    if !is_first {
        drop(work);
        return too_late(exchange, pending).await;
    }
    SecurityEvent::new("Consent Given", Severity::Info)
        .user(person.user.as_str())
        .client(client.client_id.as_str())
        .during(&exchange.context)
        .details(details)
        .record_in(&mut work)
        .await?;
    work.commit().await?;
    match question {
        Question::Request(request) => send(exchange, request.target.code(&code), false).await,
        Question::Device(device) => {
            let mut view = consent::view(&exchange.site.documents, &server.catalogue, client, &device.scopes).await?;
            view["title"] = json!("Your device is connected");
            view["allowed"] = json!(true);
            show(exchange, "oauth/device", view).await
        }
    }
}

/// The answer to a person who may not allow this, or not any more.
async fn refused(exchange: &Exchange, server: &Server, pending: &Pending, person: &Person) -> Result<Option<Response>> {
    let is_admitted = pending.client.admits(&exchange.session().access);
    let request = match &pending.question {
        Question::Request(request) => request,
        Question::Device(_) if is_admitted => return Ok(None),
        Question::Device(_) => return not_admitted(exchange).await.map(Some),
    };
    let hint = match refusal(hinted_subject(exchange, server, &pending.client, request).await)? {
        Ok(hint) => hint,
        Err(error) => return send(exchange, request.target.error(&error.into_error()), false).await.map(Some),
    };
    if !is_admitted {
        let error = Error::new(ErrorCode::AccessDenied, "This account may not use this client");
        return send(exchange, request.target.error(&error), false).await.map(Some);
    }
    // The page may have been open for long: a login that has become too old meanwhile is renewed first.
    let now = exchange.site.documents.clock().now();
    let login = Login { subject: &person.subject, auth_time: person.auth_time, account_chosen: true };
    let (given, asked_at) = (Consent::GivenNow, pending.stored.requested_at);
    Ok(match decide(&request.login, hint.as_deref(), Some(login), given, asked_at, now) {
        Step::Proceed => None,
        _ => Some(error_page(exchange, &expired()).await?),
    })
}

/// Notes the person's yes with the device code; false if it was answered before.
async fn approve(work: &mut Work<'_>, client: &OAuthClient, code: &DeviceCode, person: &Person) -> Result<bool> {
    let grant = oauth_grant::remember(work, &person.user, &client.name, &code.scopes, &code.resources).await?;
    let mut values = vec![
        ("status", DeviceStatus::Approved.to_value()),
        ("user", Value::from(person.user.as_str())),
        ("grant", Value::from(grant)),
        ("approved_at", Value::from(work.now())),
    ];
    values.extend(person.sign_in().values());
    work.set_values_if(OAUTH_DEVICE_CODE, &code.name, ("status", &DeviceStatus::Pending.to_value()), &values).await
}

async fn deny(exchange: &Exchange, pending: &Pending, person: &Person, error: &Error) -> Result<Response> {
    let mut work = exchange.site.documents.begin(&Session::system()).await?;
    let is_first = pending.settle(&mut work, RequestStatus::Denied).await?
        && match &pending.question {
            Question::Request(_) => true,
            Question::Device(code) => {
                let denied = [("status", DeviceStatus::Denied.to_value()), ("user", Value::from(person.user.as_str()))];
                let pending = DeviceStatus::Pending.to_value();
                work.set_values_if(OAUTH_DEVICE_CODE, &code.name, ("status", &pending), &denied).await?
            }
        };
    if !is_first {
        drop(work);
        return too_late(exchange, pending).await;
    }
    work.commit().await?;
    match &pending.question {
        Question::Request(request) => send(exchange, request.target.error(error), false).await,
        Question::Device(_) => {
            let view = json!({"title": "Nothing was allowed", "app_name": pending.client.app_name, "denied": true});
            show(exchange, "oauth/device", view).await
        }
    }
}

async fn too_late(exchange: &Exchange, pending: &Pending) -> Result<Response> {
    match &pending.question {
        Question::Request(_) => error_page(exchange, &expired()).await,
        Question::Device(_) => code_expired(exchange).await,
    }
}
