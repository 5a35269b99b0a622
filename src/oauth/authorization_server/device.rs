//! The page for people whose device shows a code: they type it in, read who asks, and answer (RFC 8628 §3.3).

use std::sync::Arc;

use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};
use serde_json::{Value as Json, json};

use super::authorize::{Person, error_page, expired, login_address, other_account_address, private, redirect};
use super::consent::{self, Addressee};
use super::{DEVICE, Server};
use crate::document::Work;
use crate::error::{Error as SiteError, Result};
use crate::meta::Value;
use crate::oauth::authorization_server::authorize::REQUEST_LIFETIME;
use crate::oauth::credentials;
use crate::oauth::protocol::Error;
use crate::oauth::protocol::device::UserCode;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::views::fields::{text_value, time_value};
use crate::oauth::views::oauth_authorization_request::{DeviceRequest, OAUTH_AUTHORIZATION_REQUEST};
use crate::oauth::views::oauth_device_code::{DeviceCode, OAUTH_DEVICE_CODE};
use crate::oauth::views::{OAuthClient, oauth_grant};
use crate::permissions::Session;
use crate::secret;
use crate::web::attempts::Subject;
use crate::web::{Exchange, SecurityEvent, Severity};

/// Answers GET of the page: the field for the code, or the question of a code that was typed in.
///
/// Neither allows anything.
pub async fn show(exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let query = exchange.query();
    let sent = |name: &str| query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let code = UserCode::parse(sent("user_code"));
    let id = sent("request_id");
    let Some(person) = Person::of(&exchange).await? else {
        return Ok(redirect(&login_address(&address(id, code.as_ref()))));
    };
    if id.is_empty() {
        return code_page(&exchange, code.as_ref(), None).await;
    }
    match find_waiting(&exchange, id).await? {
        Some(waiting) => consent_page(&exchange, &server, &waiting, id, &person).await,
        None => refused(&exchange, &expired_code()).await,
    }
}

/// Answers POST of the page: a code, or the answer to its question.
pub async fn answer(mut exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let form = exchange.form().await?;
    let field = |name: &str| form.first(name).unwrap_or_default().to_owned();
    let (typed, id, decision) = (field("user_code"), field("request_id"), field("decision"));
    let Some(person) = Person::of(&exchange).await? else {
        return Ok(redirect(&login_address(&address(&id, UserCode::parse(&typed).as_ref()))));
    };
    if id.is_empty() {
        return take_code(&exchange, &typed, &person).await;
    }
    let Some(waiting) = find_waiting(&exchange, &id).await? else {
        return refused(&exchange, &expired_code()).await;
    };
    // What was shown to one person in one browser is answered by them there.
    if !waiting.addressee().is(&person) {
        return error_page(&exchange, &expired()).await;
    }
    match decision.as_str() {
        "allow" => allow(&exchange, &server, &waiting, &person).await,
        "deny" => deny(&exchange, &waiting, &person).await,
        _ => error_page(&exchange, &Error::invalid_request("Choose either Allow or Deny")).await,
    }
}

/// A device whose code a person has typed in, and that waits for their answer.
struct Waiting {
    request: DeviceRequest,
    code: DeviceCode,
    client: OAuthClient,
}

impl Waiting {
    fn addressee(&self) -> Addressee<'_> {
        let DeviceRequest { name, user, session_digest, .. } = &self.request;
        Addressee { name, user: user.as_deref(), session_digest: session_digest.as_deref() }
    }
}

/// Where the page goes on.
fn address(id: &str, code: Option<&UserCode>) -> String {
    match code {
        _ if !id.is_empty() => {
            let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
            format!("{DEVICE}?request_id={id}")
        }
        Some(code) => format!("{DEVICE}?user_code={}", code.shown()),
        None => DEVICE.to_owned(),
    }
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
    let Some(client) = find_client(exchange, &device).await? else {
        return refused(exchange, &expired_code()).await;
    };
    if !client.admits(&exchange.session().access) {
        let problem = format!("Your account may not use {}. Ask the administrator of this site.", client.app_name);
        return code_page(exchange, Some(&code), Some((StatusCode::FORBIDDEN, &problem))).await;
    }
    let id = store(exchange, &device, person).await?;
    Ok(redirect(&address(&id, None)))
}

/// Keeps the question for this browser session; returns the id under which it is found again.
async fn store(exchange: &Exchange, device: &DeviceCode, person: &Person) -> Result<String> {
    let documents = &exchange.site.documents;
    let id = secret::random_id();
    let mut work = documents.begin(&Session::system()).await?;
    let mut document = work.new_document(OAUTH_AUTHORIZATION_REQUEST)?;
    let expires_at = (documents.clock().now() + REQUEST_LIFETIME).min(device.state.expires_at);
    let values = [
        ("kind", Value::from("Device")),
        ("client", Value::from(device.client.as_str())),
        ("user", Value::from(person.user.as_str())),
        ("status", Value::from("Pending")),
        ("expires_at", time_value(expires_at)),
        ("parameters", Value::from(DeviceRequest::parameters(&device.name))),
        ("request_digest", Value::from(credentials::digest(documents, &id))),
        ("session_digest", Value::from(person.session_digest())),
    ];
    for (fieldname, value) in values {
        document.set(fieldname, value);
    }
    work.insert(document).await?;
    work.commit().await?;
    Ok(id)
}

async fn find_client(exchange: &Exchange, device: &DeviceCode) -> Result<Option<OAuthClient>> {
    let client = OAuthClient::find_by_name(&exchange.site.documents, &device.client).await?;
    Ok(client.filter(|client| client.enabled && client.may_use(GrantType::DeviceCode)))
}

/// The question that goes by this id, if it can still be answered.
async fn find_waiting(exchange: &Exchange, id: &str) -> Result<Option<Waiting>> {
    let documents = &exchange.site.documents;
    let now = documents.clock().now();
    let found = credentials::find_digest(documents, OAUTH_AUTHORIZATION_REQUEST, "request_digest", id).await?;
    let request = found.and_then(|document| DeviceRequest::of(&document));
    let Some(request) = request.filter(|request| request.is_waiting(now)) else { return Ok(None) };
    let code = match documents.get(&Session::system(), OAUTH_DEVICE_CODE, &request.device_code).await {
        Ok(document) => DeviceCode::from(&*document),
        Err(SiteError::DoesNotExist { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if !code.is_waiting(now) {
        return Ok(None);
    }
    let client = find_client(exchange, &code).await?;
    Ok(client.map(|client| Waiting { request, code, client }))
}

async fn consent_page(
    exchange: &Exchange,
    server: &Server,
    waiting: &Waiting,
    id: &str,
    person: &Person,
) -> Result<Response> {
    let documents = &exchange.site.documents;
    let Waiting { code, client, .. } = waiting;
    if !client.admits(&exchange.session().access) {
        return refused(exchange, &Error::invalid_request("Your account may not use this application")).await;
    }
    waiting.addressee().bind(documents, person).await?;
    let mut view = consent::view(documents, &server.catalogue, client, &code.scopes).await?;
    let own_address = exchange.context.ip.to_string();
    let asked_from = code.ip_address.as_deref().filter(|address| *address != own_address);
    let minutes = (documents.clock().now() - code.requested_at).num_minutes();
    view["device"] = json!({
        "address": asked_from,
        "own_address": own_address,
        "age": match minutes {
            ..=0 => "less than a minute ago".to_owned(),
            1 => "a minute ago".to_owned(),
            minutes => format!("{minutes} minutes ago"),
        },
    });
    view["request_id"] = json!(id);
    view["action"] = json!(DEVICE);
    view["other_account"] = json!(other_account_address(&address(id, None), None));
    let mut response = exchange.page("oauth/consent", view).await?;
    private(&mut response);
    Ok(response)
}

async fn allow(exchange: &Exchange, server: &Server, waiting: &Waiting, person: &Person) -> Result<Response> {
    let Waiting { request, code, client } = waiting;
    if !client.admits(&exchange.session().access) {
        return refused(exchange, &Error::invalid_request("Your account may not use this application")).await;
    }
    let mut work = exchange.site.documents.begin(&Session::system()).await?;
    let grant = oauth_grant::remember(&mut work, &person.user, &client.name, &code.scopes, &code.resources).await?;
    let values = [
        ("status", Value::from("Approved")),
        ("user", Value::from(person.user.as_str())),
        ("grant", Value::from(grant)),
        ("approved_at", Value::from(work.now())),
        ("sid", Value::from(person.sid.as_str())),
        ("auth_time", time_value(person.auth_time)),
        ("acr", text_value(person.acr)),
        ("amr", text_value(person.amr)),
    ];
    if !settle(&mut work, request, "Approved", &values).await? {
        drop(work);
        return refused(exchange, &expired_code()).await;
    }
    SecurityEvent::new("Consent Given", Severity::Info)
        .user(person.user.as_str())
        .client(client.client_id.as_str())
        .during(&exchange.context)
        .details(json!({"scopes": code.scopes.to_string(), "device": code.ip_address}))
        .record_in(&mut work)
        .await?;
    work.commit().await?;
    let mut view = consent::view(&exchange.site.documents, &server.catalogue, client, &code.scopes).await?;
    view["title"] = json!("Your device is connected");
    view["allowed"] = json!(true);
    device_page(exchange, view).await
}

async fn deny(exchange: &Exchange, waiting: &Waiting, person: &Person) -> Result<Response> {
    let mut work = exchange.site.documents.begin(&Session::system()).await?;
    let values = [("status", Value::from("Denied")), ("user", Value::from(person.user.as_str()))];
    if !settle(&mut work, &waiting.request, "Denied", &values).await? {
        drop(work);
        return refused(exchange, &expired_code()).await;
    }
    work.commit().await?;
    let view = json!({"title": "Nothing was allowed", "app_name": waiting.client.app_name, "denied": true});
    device_page(exchange, view).await
}

/// Answers the question and the device, both once; false if somebody was first.
async fn settle(work: &mut Work<'_>, request: &DeviceRequest, status: &str, values: &[(&str, Value)]) -> Result<bool> {
    let pending = Value::from("Pending");
    Ok(consent::settle(work, &request.name, status).await?
        && work.set_values_if(OAUTH_DEVICE_CODE, &request.device_code, ("status", &pending), values).await?)
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
    let mut response = device_page(exchange, view).await?;
    if let Some((status, _)) = problem {
        response.set_status(status);
    }
    Ok(response)
}

async fn device_page(exchange: &Exchange, view: Json) -> Result<Response> {
    let mut response = exchange.page("oauth/device", view).await?;
    private(&mut response);
    Ok(response)
}

async fn refused(exchange: &Exchange, error: &Error) -> Result<Response> {
    let view = json!({"title": "This code cannot be used", "refused": error.description(), "action": DEVICE});
    let mut response = device_page(exchange, view).await?;
    response.set_status(StatusCode::BAD_REQUEST);
    Ok(response)
}

/// What is said of a code that nobody waits for any more.
fn expired_code() -> Error {
    Error::invalid_request("The code has expired or was answered. Have the device show a new one.")
}
