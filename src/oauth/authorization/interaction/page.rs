//! What the pages of an interaction have in common: nobody keeps them, and their forms may lead back to the client.

use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};
use serde_json::{Value as Json, json};

use crate::error::Result;
use crate::oauth::protocol::Error;
use crate::oauth::protocol::authorize::authorization_response::AuthorizationResponse;
use crate::oauth::server::DEVICE;
use crate::web::{Exchange, csp};

/// Shows a page.
pub(crate) async fn show(exchange: &Exchange, template: &str, view: Json) -> Result<Response> {
    let mut response = exchange.page(template, view).await?;
    private(&mut response);
    Ok(response)
}

/// Shows a page that says what is wrong.
pub(crate) async fn show_with_status(
    exchange: &Exchange,
    status: StatusCode,
    template: &str,
    view: Json,
) -> Result<Response> {
    let mut response = show(exchange, template, view).await?;
    response.set_status(status);
    Ok(response)
}

/// Shows the person an error that the client cannot be told.
pub(crate) async fn error_page(exchange: &Exchange, error: &Error) -> Result<Response> {
    let view = json!({
        "title": "This request cannot be answered",
        "code": error.code().as_str(),
        "message": error.description(),
    });
    show_with_status(exchange, StatusCode::BAD_REQUEST, "oauth/refused", view).await
}

/// Says that a device's code cannot be used, and lets the person type in another one.
async fn code_refused(exchange: &Exchange, reason: &str) -> Result<Response> {
    let view = json!({"title": "This code cannot be used", "refused": reason, "action": DEVICE});
    show_with_status(exchange, StatusCode::BAD_REQUEST, "oauth/device", view).await
}

/// Says that no device waits for this code any more.
pub(crate) async fn code_expired(exchange: &Exchange) -> Result<Response> {
    code_refused(exchange, "The code has expired or was answered. Have the device show a new one.").await
}

/// Says that the account may not use the client of a device.
pub(crate) async fn not_admitted(exchange: &Exchange) -> Result<Response> {
    code_refused(exchange, "Your account may not use this application").await
}

/// Brings the answer to the client.
///
/// `after_form`: the browser came here by a form, a login for example. Browsers hold the whole chain of redirects behind
/// a form against its page's policy, so the chain ends at a page that goes on by itself.
pub(crate) async fn send(exchange: &Exchange, answer: AuthorizationResponse, after_form: bool) -> Result<Response> {
    match answer {
        AuthorizationResponse::Redirect(to) if after_form => {
            show(exchange, "oauth/continue", json!({"location": to, "title": "Going back"})).await
        }
        AuthorizationResponse::Redirect(to) => Ok(redirect(&to)),
        AuthorizationResponse::FormPost { action, fields } => {
            let view = json!({"action": action, "fields": hidden(fields), "title": "Going back"});
            let mut page = show(exchange, "oauth/form_post", view).await?;
            allow_form_action(&mut page, &action);
            Ok(page)
        }
    }
}

/// `303 See Other`.
pub(crate) fn redirect(to: &str) -> Response {
    let mut response = crate::web::error::see_other(to);
    private(&mut response);
    response
}

/// Keeps an answer out of caches, and the address of its page from other sites.
pub(crate) fn private(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// Lets the forms of a page lead to this address as well, directly or by redirect.
pub(crate) fn allow_form_action(response: &mut Response, address: &str) {
    let Ok(url) = url::Url::parse(address) else { return };
    let source = match url.scheme() {
        "https" | "http" => url.origin().ascii_serialization(),
        scheme => format!("{scheme}:"),
    };
    if let Ok(policy) = HeaderValue::try_from(csp::with_form_action(&source)) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// Hidden fields, as the templates take them.
pub(crate) fn hidden<N: AsRef<str>, V: AsRef<str>>(fields: impl IntoIterator<Item = (N, V)>) -> Json {
    fields.into_iter().map(|(name, value)| json!({"name": name.as_ref(), "value": value.as_ref()})).collect()
}

/// Why the login page is shown although somebody is logged in.
pub(crate) const SELECT_ACCOUNT: Option<&str> = Some("select_account");

/// The login page, with the way back; see [`login_parameters`].
pub(crate) fn login_address(back: &str, hint: Option<&str>, prompt: Option<&str>) -> String {
    let parameters = login_parameters(back, hint, prompt);
    format!("/login?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish())
}

/// What the login page has to know: the way back, the account that the client expects (`login_hint`), and the `prompt`
/// that shows it although somebody is logged in, who stays so until then.
pub(crate) fn login_parameters<'p>(
    back: &'p str,
    hint: Option<&'p str>,
    prompt: Option<&'p str>,
) -> Vec<(&'static str, &'p str)> {
    let hint = hint.filter(|hint| hint.len() <= 140);
    let parameters =
        [Some(("redirect-to", back)), hint.map(|hint| ("login_hint", hint)), prompt.map(|prompt| ("prompt", prompt))];
    parameters.into_iter().flatten().collect()
}
