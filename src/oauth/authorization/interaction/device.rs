//! The page for people whose device shows a code: they type it in, read who asks, and answer (RFC 8628 §3.3).

use std::sync::Arc;

use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::error::{Error as SiteError, Result};
use crate::oauth::authorization::interaction::answer::answer;
use crate::oauth::authorization::interaction::consent;
use crate::oauth::authorization::interaction::page::{code_expired, login_address, redirect, show, show_with_status};
use crate::oauth::authorization::interaction::pending::{device_client, find_device, keep_device};
use crate::oauth::authorization::interaction::person::Person;
use crate::oauth::credentials;
use crate::oauth::protocol::authorize::device::UserCode;
use crate::oauth::server::{DEVICE, Server};
use crate::oauth::views::oauth_device_code::{DeviceCode, OAUTH_DEVICE_CODE};
use crate::web::Exchange;
use crate::web::attempts::Subject;

/// Answers GET of the page: the field for the code, or the question of a code that was typed in.
///
/// Neither allows anything.
pub(crate) async fn ask(exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let query = exchange.query();
    let sent = |name: &str| query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let code = UserCode::parse(sent("user_code"));
    let id = sent("request_id");
    let Some(person) = Person::of(&exchange).await? else { return Ok(to_login(id, code.as_ref())) };
    if id.is_empty() {
        return code_page(&exchange, code.as_ref(), None).await;
    }
    match find_device(&exchange, id).await? {
        Some(pending) if pending.is_for(&person) => {
            consent::show(&exchange, &server.catalogue, &pending, &person, false).await
        }
        // A link to a question that was asked in another session must not spare anybody the look at their device.
        Some(_) => code_page(&exchange, None, None).await,
        None => code_expired(&exchange).await,
    }
}

/// Answers POST of the page: a code, or the answer to its question.
pub(crate) async fn post(mut exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let form = exchange.form().await?;
    let field = |name: &str| form.first(name).unwrap_or_default().to_owned();
    let (typed, id, decision) = (field("user_code"), field("request_id"), field("decision"));
    let Some(person) = Person::of(&exchange).await? else {
        return Ok(to_login(&id, UserCode::parse(&typed).as_ref()));
    };
    if id.is_empty() {
        return take_code(&exchange, &typed, &person).await;
    }
    match find_device(&exchange, &id).await? {
        Some(pending) => answer(&exchange, &server, &pending, &person, &decision).await,
        None => code_expired(&exchange).await,
    }
}

/// Sends a person to the login page, and from there back to where they were.
fn to_login(id: &str, code: Option<&UserCode>) -> Response {
    let back = match code {
        _ if !id.is_empty() => {
            let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
            format!("{DEVICE}?request_id={id}")
        }
        Some(code) => format!("{DEVICE}?user_code={}", code.shown()),
        None => DEVICE.to_owned(),
    };
    redirect(&login_address(&back, None, None))
}

/// Looks up the code that a person typed in; who tries many is stopped.
async fn take_code(exchange: &Exchange, typed: &str, person: &Person) -> Result<Response> {
    let Some(code) = UserCode::parse(typed) else {
        let problem = "That is not a device code. Codes are eight letters with no vowels.";
        return code_page(exchange, None, Some((StatusCode::BAD_REQUEST, problem))).await;
    };
    let (site, documents) = (&exchange.site, &exchange.site.documents);
    let subjects = vec![Subject::UserCode(person.user.clone()), Subject::UserCode(exchange.context.ip.to_string())];
    let attempt = match site.attempts.begin(documents, subjects).await {
        Ok(attempt) => attempt,
        Err(SiteError::RateLimited { retry_after }) => {
            let problem = format!("Too many wrong codes. Try again in {} minutes.", retry_after.div_ceil(60));
            let problem = Some((StatusCode::TOO_MANY_REQUESTS, problem.as_str()));
            let mut page = code_page(exchange, Some(&code), problem).await?;
            page.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
            return Ok(page);
        }
        Err(error) => return Err(error),
    };
    let found = credentials::find_digest(documents, OAUTH_DEVICE_CODE, "user_code_digest", code.as_str()).await?;
    let found = found.map(|document| DeviceCode::from(&*document));
    let Some(device) = found.filter(|device| device.is_waiting(documents.clock().now())) else {
        attempt.failed(documents, &exchange.context, "User Code Refused").await?;
        let problem = "No device is waiting for this code. Compare it with the one on the device: codes expire after ten minutes.";
        return code_page(exchange, Some(&code), Some((StatusCode::BAD_REQUEST, problem))).await;
    };
    // A right code does not wipe out the wrong ones: anybody can have a device of their own show one.
    drop(attempt);
    let Some(client) = device_client(documents, &device).await? else {
        return code_expired(exchange).await;
    };
    if !client.admits(&exchange.session().access) {
        let problem = format!("Your account may not use {}. Ask the administrator of this site.", client.app_name);
        return code_page(exchange, Some(&code), Some((StatusCode::FORBIDDEN, &problem))).await;
    }
    let id = keep_device(documents, &device, person).await?;
    Ok(redirect(&format!("{DEVICE}?request_id={id}")))
}

/// The field for the code; with a problem, that and the status that says so.
async fn code_page(
    exchange: &Exchange,
    code: Option<&UserCode>,
    problem: Option<(StatusCode, &str)>,
) -> Result<Response> {
    let view = json!({
        "title": "Connect a device",
        "ask": true,
        "action": DEVICE,
        "user_code": code.map(UserCode::shown),
        "problem": problem.map(|(_, text)| text),
        // Only a code that came with the address is worth comparing.
        "is_prefilled": code.is_some() && problem.is_none(),
    });
    match problem {
        Some((status, _)) => show_with_status(exchange, status, "oauth/device", view).await,
        None => show(exchange, "oauth/device", view).await,
    }
}
