//! What the endpoints for clients have in common: strict forms in, plain JSON out, errors as the RFCs write them.

use bytes::Bytes;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, Response};
use serde::Serialize;
use serde_json::Value as Json;
use url::Url;

use crate::error::Error as SiteError;
use crate::foreign;
use crate::oauth::protocol::request::{is_form, refuse_query};
use crate::oauth::protocol::serve::challenge;
use crate::oauth::protocol::serve::cors;
use crate::oauth::protocol::serve::cors::{AllowedOrigins, CorsHeaders};
use crate::oauth::protocol::{Error, ErrorCode, Parameters};
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::web::error::describe;
use crate::web::{Exchange, RequestContext};

/// The largest body that these endpoints read.
const MAX_BODY: usize = 64 * 1024;
/// For how long a browser may remember that it may call.
const PREFLIGHT_SECONDS: &str = "600";

/// Why an endpoint says no.
#[derive(Debug)]
pub(crate) struct Refusal {
    error: Error,
    status: Option<StatusCode>,
    used_basic: bool,
    challenge: Option<String>,
    retry_after: Option<u64>,
}

/// What endpoints answer with.
pub(crate) type Result<T, E = Refusal> = std::result::Result<T, E>;

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, status: None, used_basic: false, challenge: None, retry_after: None }
    }
}

impl From<SiteError> for Refusal {
    fn from(error: SiteError) -> Self {
        let (code, description, status) = match &error {
            SiteError::RateLimited { retry_after } => {
                let message = format!("Too many attempts: try again in {retry_after} seconds");
                let error = Error::new(ErrorCode::TemporarilyUnavailable, message);
                return Self {
                    retry_after: Some(*retry_after),
                    status: Some(StatusCode::TOO_MANY_REQUESTS),
                    ..Self::from(error)
                };
            }
            SiteError::BadRequest(text) => (ErrorCode::InvalidRequest, text.clone(), StatusCode::BAD_REQUEST),
            SiteError::TooLarge(text) => (ErrorCode::InvalidRequest, text.clone(), StatusCode::PAYLOAD_TOO_LARGE),
            SiteError::Unavailable(_) | SiteError::StorageFull(_) => {
                let described = describe(&error);
                return Self {
                    retry_after: described.retry_after,
                    status: Some(described.status),
                    ..Self::from(Error::new(ErrorCode::TemporarilyUnavailable, described.message))
                };
            }
            _ => {
                let text = "Something went wrong here: it is noted in the log".to_owned();
                (ErrorCode::ServerError, text, StatusCode::INTERNAL_SERVER_ERROR)
            }
        };
        Self { status: Some(status), ..Self::from(Error::new(code, description).because(error)) }
    }
}

impl Refusal {
    /// The same, of a request that used Basic: the answer then names the scheme (RFC 6749 §5.2).
    #[must_use]
    pub(crate) fn with_basic(mut self, used_basic: bool) -> Self {
        self.used_basic = used_basic;
        self
    }

    /// The same with another status than that of its code.
    #[must_use]
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// The same of an endpoint that takes bearer tokens of its own: the answer says so (RFC 6750 §3).
    #[must_use]
    pub(crate) fn with_challenge(mut self, challenge: String) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// What the client is told.
    pub(crate) fn code(&self) -> ErrorCode {
        self.error.code()
    }

    /// The error, to be told in another way.
    pub(crate) fn into_error(self) -> Error {
        self.error
    }

    /// The answer; our own faults are logged with their cause.
    fn into_response(self, context: &RequestContext) -> Response {
        let status = self.status.unwrap_or_else(|| {
            StatusCode::from_u16(self.error.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        });
        let cause = self.error.cause().map(|cause| format!("{cause:#}"));
        if status.is_server_error() {
            tracing::error!(request_id = %context.id, cause, "an OAuth endpoint failed");
        } else {
            tracing::debug!(request_id = %context.id, error = %self.error, cause, "an OAuth request was refused");
        }
        let mut response = json(status, &self.error.body());
        if self.error.code() == ErrorCode::InvalidClient && self.used_basic {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge::BASIC));
        }
        if let Some(challenge) = self.challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The answer for whatever an endpoint found.
pub(crate) fn respond(result: Result<Response>, context: &RequestContext) -> Response {
    result.unwrap_or_else(|refusal| refusal.into_response(context))
}

/// The answer, which pages of the sender's origin may read if they are those of the client or listed in OAuth Settings.
pub(crate) fn respond_to(
    exchange: &Exchange,
    settings: &OAuthSettings,
    client: Option<&OAuthClient>,
    result: Result<Response>,
) -> Response {
    let mut response = respond(result, &exchange.context);
    allow_origin(exchange.request.headers().get(header::ORIGIN), settings, client, &mut response);
    response
}

/// JSON at the top level that nobody may keep (RFC 6749 §5.1).
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    Response::builder()
        .status(status)
        .content_type("application/json")
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::PRAGMA, "no-cache")
        .body(serde_json::to_vec(body).unwrap_or_default())
}

/// JSON that every page may read: metadata.
pub(crate) fn public_json(body: &impl Serialize) -> Response {
    Response::builder()
        .content_type("application/json")
        .header(header::CACHE_CONTROL, "no-cache")
        .header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
        .body(serde_json::to_vec(body).unwrap_or_default())
}

/// Reads the form of a request that may carry its parameters nowhere else; takes the body.
pub(crate) async fn read_form(exchange: &mut Exchange) -> Result<Parameters> {
    refuse_query(exchange.request.uri().query())?;
    Ok(Parameters::parse_strictly(&read_form_text(&mut exchange.request).await?)?)
}

/// The text of a form body; takes the body.
pub(crate) async fn read_form_text(request: &mut Request) -> Result<String> {
    if !is_form(request.content_type()) {
        return Err(Error::invalid_request("Send a form: Content-Type: application/x-www-form-urlencoded").into());
    }
    let bytes = read_body(request).await?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::invalid_request("The body is not valid UTF-8").into())
}

/// The JSON of a body that describes a client; takes the body.
pub(crate) async fn read_client_metadata(request: &mut Request) -> Result<Json> {
    let invalid = |message| Error::new(ErrorCode::InvalidClientMetadata, message);
    let media_type = request.content_type().and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(invalid("Send the metadata as JSON: Content-Type: application/json").into());
    }
    let bytes = read_body(request).await?;
    foreign::parse(&bytes).map_err(|error| invalid("The body is not valid JSON").because(error).into())
}

async fn read_body(request: &mut Request) -> Result<Bytes> {
    let body = request.take_body().into_bytes_limit(MAX_BODY).await;
    body.map_err(|_| Error::invalid_request("The body is too large or ended too early").into())
}

/// Whose pages may call an endpoint from a browser (Fetch standard: CORS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origins {
    /// Every page.
    All,
    /// Pages at an origin of the client, or at one that OAuth Settings lists.
    Client,
    /// Pages at an origin that OAuth Settings lists: the client is not known yet.
    Listed,
    /// No page of another origin.
    None,
}

/// Answers a browser that asks whether it may call an endpoint with these methods and origins. The call itself is then
/// judged by its client.
pub(crate) async fn preflight(exchange: &Exchange, methods: &str, origins: Origins) -> Result<Response, SiteError> {
    let mut response = Response::builder().status(StatusCode::NO_CONTENT).header(header::ALLOW, methods).finish();
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = exchange.request.headers().get(header::ORIGIN) else { return Ok(response) };
    allow_preflight(origin, &mut response);
    if origins == Origins::Listed {
        let settings = OAuthSettings::load(&exchange.site.documents).await?;
        let headers = response.headers_mut();
        headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        if let Some(allowed) = origin.to_str().ok().and_then(|origin| cors_headers(origin, &settings, None))
            && let Ok(allow_origin) = HeaderValue::try_from(allowed.allow_origin)
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allow_origin);
        }
    }
    Ok(response)
}

/// Lets a page of any origin send a request of the methods that the answer's `Allow` names; never with cookies.
pub(crate) fn allow_preflight(origin: &HeaderValue, response: &mut Response) {
    let Some(methods) = response.headers().get(header::ALLOW).cloned() else { return };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(cors::ALLOW_HEADERS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
}

/// Lets a page of the sender's origin read the answer: an origin that OAuth Settings lists, or one that the client's
/// redirect URIs name. Never with cookies.
pub(crate) fn allow_origin(
    origin: Option<&HeaderValue>,
    settings: &OAuthSettings,
    client: Option<&OAuthClient>,
    response: &mut Response,
) {
    let Some(origin) = origin else { return };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(allowed) = origin.to_str().ok().and_then(|origin| cors_headers(origin, settings, client)) else { return };
    if let Ok(allow_origin) = HeaderValue::try_from(allowed.allow_origin) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allow_origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(allowed.expose));
    }
}

/// Lets every page read the answer, which tells nothing that is not public.
pub(crate) fn allow_every_origin(response: &mut Response) {
    let every = AllowedOrigins { any: true, ..AllowedOrigins::default() };
    if let Some(CorsHeaders { expose, .. }) = cors::decide("*", &every) {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(expose));
    }
}

/// Whether pages of the origin are of the site itself, of the client, or listed in OAuth Settings.
pub(crate) fn is_allowed_origin(
    origin: &HeaderValue,
    site_url: &str,
    settings: &OAuthSettings,
    client: &OAuthClient,
) -> bool {
    let is_own =
        Url::parse(site_url).is_ok_and(|site| site.origin().ascii_serialization().as_bytes() == origin.as_bytes());
    is_own || origin.to_str().is_ok_and(|origin| cors_headers(origin, settings, Some(client)).is_some())
}

fn cors_headers(origin: &str, settings: &OAuthSettings, client: Option<&OAuthClient>) -> Option<CorsHeaders> {
    let allowed = AllowedOrigins::from_stored(&settings.public_client_origins.join("\n"));
    let allowed = match client {
        Some(client) => allowed.with_client(&client.redirect_uris),
        None => allowed,
    };
    cors::decide(origin, &allowed)
}
