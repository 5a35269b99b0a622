//! The one table from [`Error`] to HTTP, and its three renderings: API v1, API v2 and page.

use poem::error::ResponseError;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Request, Response};
use serde_json::{Map, Value as Json, json};

use crate::error::{AuthenticationError, Conflict, Error, Invalid, ProblemKind};
use crate::language::Language;
use crate::web::MCP;
use crate::web::method::json_response;
use crate::web::request::{RequestContext, page_view};
use crate::web::site::Site;
use crate::web::templates::html;

/// What kinds of patches are read (RFC 5789 §3.1).
pub(crate) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// What HTTP says about an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The status.
    pub status: StatusCode,
    /// Frappe's exception class.
    pub exc_type: &'static str,
    /// A heading for people.
    pub title: &'static str,
    /// What is wrong, for people.
    pub message: String,
    /// Seconds until another try makes sense.
    pub retry_after: Option<u64>,
    /// The methods allowed instead.
    pub allow: Option<String>,
    /// The media types of patches that are read instead.
    pub accept_patch: Option<&'static str>,
}

impl Described {
    /// Frappe's class and the message in one line, as `exc` and `exception` have it.
    fn exception(&self) -> String {
        format!("frappe.exceptions.{}: {}", self.exc_type, self.message)
    }
}

/// The table. It has no `_` arm, so that a new kind of error forces a decision.
pub fn describe(error: &Error) -> Described {
    let (status, exc_type, title) = match error {
        Error::DoesNotExist { .. } | Error::NoSuchRoute(_) => (StatusCode::NOT_FOUND, "DoesNotExistError", "Not Found"),
        Error::Permission(_) | Error::InsufficientScope { .. } => {
            (StatusCode::FORBIDDEN, "PermissionError", "Not Permitted")
        }
        Error::Authentication(reason) => (
            StatusCode::UNAUTHORIZED,
            match reason {
                AuthenticationError::SessionExpired => "SessionExpired",
                AuthenticationError::Missing
                | AuthenticationError::MissingFor(_)
                | AuthenticationError::BadCredentials
                | AuthenticationError::WrongCode
                | AuthenticationError::BadKey(_)
                | AuthenticationError::BadToken(_)
                | AuthenticationError::BadProof { .. } => "AuthenticationError",
            },
            "Not Logged In",
        ),
        Error::Validation(invalid) => (StatusCode::EXPECTATION_FAILED, exc_type_of(invalid), "Message"),
        Error::Conflict(Conflict::DuplicateName { .. }) => {
            (StatusCode::CONFLICT, "DuplicateEntryError", "Duplicate Name")
        }
        Error::Conflict(Conflict::Name(_)) => (StatusCode::CONFLICT, "NameError", "Name"),
        Error::Conflict(Conflict::Underway) => (StatusCode::CONFLICT, "ValidationError", "Sent Twice"),
        Error::Conflict(Conflict::Patch(_)) => (StatusCode::CONFLICT, "TimestampMismatchError", "Changed Meanwhile"),
        Error::PreconditionFailed(_) => {
            (StatusCode::PRECONDITION_FAILED, "TimestampMismatchError", "Changed Meanwhile")
        }
        Error::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "ValidationError", "Sent Differently"),
        Error::BadRequest(_) => (StatusCode::BAD_REQUEST, "ValidationError", "Bad Request"),
        Error::CrossSite(_) => (StatusCode::BAD_REQUEST, "CSRFTokenError", "Invalid Request"),
        Error::Gone(_) => (StatusCode::GONE, "DoesNotExistError", "No Longer Kept"),
        Error::UnsupportedPatch { .. } => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", "Unknown Kind of Patch")
        }
        Error::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "ValidationError", "Too Large"),
        Error::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, "ValidationError", "Too Slow"),
        Error::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "Method Not Allowed"),
        Error::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsError", "Too Many Requests"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "SessionStopped", "Not Available"),
        Error::StorageFull(_) => (StatusCode::INSUFFICIENT_STORAGE, "SessionStopped", "Storage Full"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "Server Error"),
    };
    Described {
        status,
        exc_type,
        title,
        message: match error {
            Error::Internal(_) => "Something went wrong here. It is noted in the log under the request id".to_owned(),
            other => other.to_string(),
        },
        retry_after: match error {
            Error::RateLimited { retry_after } => Some(*retry_after),
            Error::Unavailable(_) => Some(5),
            Error::StorageFull(_) => Some(60),
            _ => None,
        },
        allow: match error {
            Error::MethodNotAllowed { allow } => Some(allow.clone()),
            _ => None,
        },
        accept_patch: match error {
            Error::UnsupportedPatch { accept } => Some(accept),
            _ => None,
        },
    }
}

/// Frappe's exception class of a kind of problem.
pub(crate) fn exc_type(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Validation => "ValidationError",
        ProblemKind::Mandatory => "MandatoryError",
        ProblemKind::LinkValidation => "LinkValidationError",
        ProblemKind::CancelledLink => "CancelledLinkError",
        ProblemKind::LinkExists => "LinkExistsError",
        ProblemKind::Unique => "UniqueValidationError",
        ProblemKind::TimestampMismatch => "TimestampMismatchError",
        ProblemKind::DocstatusTransition => "DocstatusTransitionError",
        ProblemKind::UpdateAfterSubmit => "UpdateAfterSubmitError",
        ProblemKind::CannotChangeConstant => "CannotChangeConstantError",
        ProblemKind::CharacterLengthExceeded => "CharacterLengthExceededError",
        ProblemKind::NonNegative => "NonNegativeError",
        ProblemKind::InvalidEmailAddress => "InvalidEmailAddressError",
        ProblemKind::InvalidName => "InvalidNameError",
        ProblemKind::InvalidPhoneNumber => "InvalidPhoneNumberError",
        ProblemKind::InvalidDates => "InvalidDates",
        ProblemKind::Data => "DataError",
        ProblemKind::EmptyTable => "EmptyTableError",
        ProblemKind::DocumentLocked => "DocumentLockedError",
        ProblemKind::AttachmentLimitReached => "AttachmentLimitReached",
        ProblemKind::CircularLinking => "CircularLinkingError",
        ProblemKind::InvalidNamingSeries => "InvalidNamingSeriesError",
        ProblemKind::InvalidUuidValue => "InvalidUUIDValue",
        ProblemKind::InvalidColumnName => "InvalidColumnName",
        ProblemKind::BaseUrlNotSet => "BaseUrlNotSetError",
        ProblemKind::NestedSetRecursion => "NestedSetRecursionError",
        ProblemKind::NestedSetChildExists => "NestedSetChildExistsError",
        ProblemKind::NestedSetInvalidMerge => "NestedSetInvalidMergeError",
        ProblemKind::Type => "FrappeTypeError",
        ProblemKind::AlreadyRestored => "DocumentAlreadyRestored",
        ProblemKind::WorkflowTransition => "WorkflowTransitionError",
    }
}

/// The class of the first problem speaks for all.
fn exc_type_of(invalid: &Invalid) -> &'static str {
    invalid.problems.first().map_or("ValidationError", |problem| exc_type(problem.kind))
}

/// The problems one by one, for forms and clients that place them; what people read of them in their language.
pub fn problems(invalid: &Invalid, language: &Language) -> Json {
    invalid
        .problems
        .iter()
        .map(|problem| {
            let (table, row) = problem.row.as_ref().map_or((None, None), |(table, row)| (Some(table), Some(row)));
            json!({
                "field": problem.field,
                "label": problem.label.as_deref().map(|label| language.say(label)),
                "table": table,
                "row": row,
                "kind": exc_type(problem.kind),
                "message": language.say(&problem.message),
            })
        })
        .collect()
}

/// How an error is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Frappe's first envelope.
    ApiV1,
    /// Frappe's second envelope.
    ApiV2,
    /// An error of JSON-RPC 2.0, without the id of a request that nobody read.
    JsonRpc,
    /// A page.
    Page,
}

impl Style {
    /// `/mcp`, `/api/v2` and `/api` speak JSON, everything else pages, unless the sender asks for JSON first.
    pub fn of(request: &Request) -> Self {
        let path = request.uri().path();
        let accept = request.header(header::ACCEPT).unwrap_or("");
        if path == MCP {
            Self::JsonRpc
        } else if path == "/api/v2" || path.starts_with("/api/v2/") {
            Self::ApiV2
        } else if path == "/api" || path.starts_with("/api/") || accept.starts_with("application/json") {
            Self::ApiV1
        } else {
            Self::Page
        }
    }
}

/// What the answer to an error needs to know of the request.
#[derive(Clone, Debug)]
pub struct Origin {
    /// How the error is told.
    pub style: Style,
    /// A browser opens a page: it takes HTML, or says that it navigates (Fetch Metadata). Others keep what they get, and
    /// would keep the login page for the file that they asked for.
    pub is_navigation: bool,
    /// Path and query, to come back to after a login.
    pub uri: String,
    /// The scheme of the credentials sent in the header `Authorization`, in lower case.
    pub scheme: Option<String>,
    /// That header; it does not show what it holds.
    pub authorization: Option<HeaderValue>,
}

impl Origin {
    /// Of a request.
    pub fn of(request: &Request) -> Self {
        Self {
            style: Style::of(request),
            is_navigation: request.method().is_safe()
                && (request.header("sec-fetch-mode") == Some("navigate")
                    || request.header(header::ACCEPT).is_some_and(|accept| accept.contains("text/html"))),
            uri: request.uri().path_and_query().map_or("/", |uri| uri.as_str()).to_owned(),
            scheme: request
                .header(header::AUTHORIZATION)
                .and_then(|value| value.split_whitespace().next())
                .map(str::to_ascii_lowercase),
            authorization: request.headers().get(header::AUTHORIZATION).cloned().map(|mut value| {
                value.set_sensitive(true);
                value
            }),
        }
    }

    /// The path alone.
    pub fn path(&self) -> &str {
        self.uri.split('?').next().unwrap_or("/")
    }

    /// Whether a program asks, which reads challenges, and not a browser that opens a page.
    pub fn is_program(&self) -> bool {
        self.style != Style::Page || self.scheme.is_some()
    }
}

/// The answer to an error. Our own faults are logged here, once, with their cause.
pub(crate) async fn render(error: &Error, from: &Origin, site: &Site, context: &RequestContext) -> Response {
    if let Error::Internal(cause) = error {
        tracing::error!(request_id = %context.id, cause = format!("{cause:#}"), "internal error");
    }
    let described = describe(error);
    // What DocType files translate themselves counts, too.
    site.documents.registry().in_language(&context.language);
    match from.style {
        Style::Page => with_headers(page(error, &described, site, context, from).await, described),
        _ => render_briefly(error, from, context),
    }
}

/// The same where it must cost nothing: a page is bare.
pub(crate) fn render_briefly(error: &Error, from: &Origin, context: &RequestContext) -> Response {
    let described = describe(error);
    let response = match from.style {
        Style::ApiV1 => api_v1(error, &described, context),
        Style::ApiV2 => api_v2(error, &described, context),
        Style::JsonRpc => json_rpc(&described),
        Style::Page => html(described.status, bare_page(&described, &context.language)),
    };
    with_headers(response, described)
}

fn with_headers(mut response: Response, described: Described) -> Response {
    let headers = response.headers_mut();
    let mut set = |name: header::HeaderName, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    if let Some(seconds) = described.retry_after {
        set(header::RETRY_AFTER, seconds.to_string());
    }
    if let Some(allow) = described.allow {
        set(header::ALLOW, allow);
    }
    if let Some(accept) = described.accept_patch {
        set(ACCEPT_PATCH, accept.to_owned());
    }
    response
}

fn api_v1(error: &Error, described: &Described, context: &RequestContext) -> Response {
    let (mut body, language) = (Map::new(), &context.language);
    // A failed login says it like this; clients show it as it stands.
    if matches!(error, Error::Authentication(_)) {
        body.insert("message".to_owned(), Json::from(language.say(&described.message)));
    }
    body.insert("exc_type".to_owned(), Json::from(described.exc_type));
    // Clients written for Frappe raise on `exc` and on nothing else; there is no traceback in it.
    let exception = described.exception();
    body.insert("exc".to_owned(), Json::from(Json::from(vec![exception.as_str()]).to_string()));
    body.insert("exception".to_owned(), Json::from(exception));
    let title = language.say(described.title);
    let texts: Vec<String> = sentences(error, described, language)
        .into_iter()
        .map(|message| {
            json!({"message": message, "title": title, "indicator": "red", "raise_exception": 1}).to_string()
        })
        .collect();
    body.insert("_server_messages".to_owned(), Json::String(Json::from(texts).to_string()));
    if let Error::Validation(invalid) = error {
        body.insert("problems".to_owned(), problems(invalid, language));
    }
    if context.session_expired {
        body.insert("session_expired".to_owned(), json!(1));
    }
    json_response(described.status, &Json::Object(body))
}

fn api_v2(error: &Error, described: &Described, context: &RequestContext) -> Response {
    let language = &context.language;
    let mut entry = json!({
        "type": described.exc_type,
        "message": sentences(error, described, language).join("\n"),
        "title": language.say(described.title),
        "indicator": "red",
        "exception": described.exception(),
    });
    if let Error::Validation(invalid) = error {
        entry["problems"] = problems(invalid, language);
    }
    if let Some(operation) = context.operation() {
        entry["operation"] = Json::from(operation);
    }
    json_response(described.status, &json!({"errors": [entry]}))
}

/// What is refused before it is read, or cannot be answered at all: `-32000` is left to servers (JSON-RPC 2.0 §5.1).
fn json_rpc(described: &Described) -> Response {
    let code = if described.status.is_server_error() { -32603 } else { -32000 };
    let error = json!({"code": code, "message": described.message, "data": {"type": described.exc_type}});
    json_response(described.status, &json!({"jsonrpc": "2.0", "error": error}))
}

/// What is wrong, one by one, in the language of whoever asked. Classes and codes are never translated, nor is `exception`,
/// which programs look into.
fn sentences(error: &Error, described: &Described, language: &Language) -> Vec<String> {
    match error {
        Error::Validation(invalid) => {
            invalid.problems.iter().map(|problem| language.say(&problem.to_string()).into_owned()).collect()
        }
        _ => vec![language.say(&described.message).into_owned()],
    }
}

async fn page(error: &Error, described: &Described, site: &Site, context: &RequestContext, from: &Origin) -> Response {
    // Whoever opens a page that needs a login is shown the way in, and back.
    let needs_login = match error {
        Error::Authentication(reason) => match reason {
            AuthenticationError::Missing | AuthenticationError::MissingFor(_) | AuthenticationError::SessionExpired => {
                true
            }
            AuthenticationError::BadCredentials
            | AuthenticationError::WrongCode
            | AuthenticationError::BadKey(_)
            | AuthenticationError::BadToken(_)
            | AuthenticationError::BadProof { .. } => false,
        },
        _ => false,
    };
    if needs_login && from.is_navigation {
        let back: String = url::form_urlencoded::byte_serialize(from.uri.as_bytes()).collect();
        return see_other(&format!("/login?redirect-to={back}"));
    }
    let rendered = async {
        let view = json!({
            "title": context.language.say(described.title),
            "status": described.status.as_u16(),
            "message": match (needs_login, context.session_expired) {
                (true, true) => context.language.say("Your session has ended. Log in again, then do it once more").into_owned(),
                (true, false) => context.language.say("Log in first, then do it once more").into_owned(),
                (false, _) => sentences(error, described, &context.language).join("\n"),
            },
            "exc_type": described.exc_type,
            "login": login_href(from, context),
            "page": page_view(site, context).await?,
        });
        site.templates.render(&context.language, "error", &view)
    };
    // The page itself may be what fails, with the database gone for example: then a bare one has to do.
    let text = rendered.await.unwrap_or_else(|failure| {
        tracing::error!(request_id = %context.id, %failure, "the error page does not render");
        bare_page(described, &context.language)
    });
    html(described.status, text)
}

fn bare_page(described: &Described, language: &Language) -> String {
    let (title, message) = (language.say(described.title), handlebars::html_escape(&language.say(&described.message)));
    let (code, direction) = (language.code(), language.direction());
    format!(
        "<!doctype html><html lang=\"{code}\" dir=\"{direction}\"><title>{title}</title><h1>{title}</h1><p>{message}</p></html>"
    )
}

/// Where a guest logs in and comes back to what they wanted, as far as it is a page.
fn login_href(from: &Origin, context: &RequestContext) -> String {
    if !context.session.is_guest() {
        return String::new();
    }
    let back: String = url::form_urlencoded::byte_serialize(from.uri.as_bytes()).collect();
    if from.is_navigation { format!("/login?redirect-to={back}") } else { "/login".to_owned() }
}

/// A redirect after a form was sent: the browser gets the other page.
pub(crate) fn see_other(location: &str) -> Response {
    Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, location).finish()
}

impl ResponseError for Error {
    fn status(&self) -> StatusCode {
        describe(self).status
    }
}

/// What poem itself says (no such route, a body that does not parse) in our terms.
#[expect(clippy::result_large_err, reason = "the answer is made here and sent by the caller")]
pub(crate) fn from_poem(error: poem::Error) -> Result<Error, Response> {
    if error.is::<Error>() {
        return error.downcast::<Error>().map_err(poem::Error::into_response);
    }
    if error.is_from_response() {
        return Err(error.into_response());
    }
    let text = error.to_string();
    Ok(match error.status() {
        StatusCode::NOT_FOUND => Error::NoSuchRoute("There is nothing at this address".to_owned()),
        StatusCode::UNAUTHORIZED => Error::Authentication(AuthenticationError::Missing),
        StatusCode::FORBIDDEN => Error::Permission(text),
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge(text),
        StatusCode::METHOD_NOT_ALLOWED => Error::MethodNotAllowed { allow: "OPTIONS".to_owned() },
        status if status.is_client_error() => Error::BadRequest(text),
        _ => Error::Internal(anyhow::anyhow!(text)),
    })
}
