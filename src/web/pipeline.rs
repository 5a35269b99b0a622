//! The way of every request: id, limits, who asks, cross-site check, route, errors, headers, log.

use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use futures_util::FutureExt;
use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Endpoint, EndpointExt, Request, Response};
use tracing::Instrument;

use crate::config::Config;
use crate::error::{AuthenticationError, Error, Result};
use crate::secret;
use crate::traces;
use crate::web::api_limit::ApiLimit;
use crate::web::asked_path::normalize_path;
use crate::web::body::{self, BodyMemory, Reading};
use crate::web::client_certificate;
use crate::web::compress::Wish;
use crate::web::error::{self, Origin};
use crate::web::load::Load;
use crate::web::middleware::Middleware;
use crate::web::plugin::Authenticator;
use crate::web::request::{Credentials, RequestContext};
use crate::web::route::Route;
use crate::web::session::Found;
use crate::web::session_cookie::{self, Sent, remove_cookies};
use crate::web::settings::UploadSettings;
use crate::web::site::Site;
use crate::web::still::Authenticators;
use crate::web::{MCP, csp, csrf, language, once};

/// How every answer is kept out of caches that does not say otherwise, as Frappe has it.
const NO_CACHE: &str = "no-store,no-cache,must-revalidate,max-age=0";

/// The endpoint of a whole site.
pub struct Pipeline {
    site: Site,
    authenticators: Authenticators,
    middleware: Vec<Arc<dyn Middleware>>,
    paths: Paths,
    body_memory: BodyMemory,
    api_limit: ApiLimit,
    load: Load,
    routes: BoxEndpoint<'static, Response>,
}

/// The login page.
const LOGIN: &str = "/login";

/// Paths with rules of their own.
#[derive(Default)]
struct Paths {
    /// Those that read the `Authorization` header themselves, with all below them.
    own_credentials: Vec<String>,
    /// Those to which other sites may post a form.
    foreign_forms: Vec<String>,
    /// What those begin with that take a few words only; see [`crate::web::Plugins`].
    small_bodies: Vec<&'static str>,
}

impl Pipeline {
    /// Puts the routes together; fails if two claim one path.
    pub fn new(
        site: Site,
        authenticators: Vec<Arc<dyn Authenticator>>,
        middleware: Vec<Arc<dyn Middleware>>,
        small_bodies: Vec<&'static str>,
        routes: Vec<Route>,
    ) -> anyhow::Result<Self> {
        let mut tree = poem::Route::new();
        let mut paths = Paths { small_bodies, ..Paths::default() };
        let mut claimed: Vec<String> = Vec::new();
        // What no route answers is counted, too.
        let mut templates = vec!["none".to_owned()];
        for route in routes {
            // Patterns that differ only in the names of their parameters claim the same paths.
            let pattern: Vec<&str> =
                route.path.split('/').map(|part| if part.starts_with(':') { ":" } else { part }).collect();
            let pattern = pattern.join("/");
            anyhow::ensure!(!claimed.contains(&pattern), "two features claim the path {}", route.path);
            claimed.push(pattern);
            if route.has_own_credentials {
                paths.own_credentials.push(route.path.clone());
            }
            if route.is_open_to_foreign_forms {
                paths.foreign_forms.push(route.path.clone());
            }
            let path = route.path.clone();
            let endpoint = Known { place: templates.len(), endpoint: route.into_endpoint() };
            tree = tree.try_at(&path, endpoint).with_context(|| format!("route {path}"))?;
            templates.push(path);
        }
        site.documents.database().metrics().set_routes(templates.into_iter());
        let routes = tree.map_to_response().boxed();
        let body_memory = BodyMemory::new(site.config.limits.body_memory);
        let (api_limit, load) = (ApiLimit::default(), Load::new(&site.config.limits));
        let authenticators = Authenticators(Arc::new(authenticators));
        Ok(Self { site, authenticators, middleware, paths, body_memory, api_limit, load, routes })
    }

    /// The site.
    pub fn site(&self) -> &Site {
        &self.site
    }

    async fn answer(&self, mut request: Request, mut context: RequestContext) -> (Response, RequestContext) {
        let origin = Origin::of(&request);
        let _under_way = match self.load.take_on(request.uri().path(), &self.site.documents) {
            Ok(under_way) => under_way,
            Err(error) => return (error::render_briefly(&error, &origin, &context), context),
        };
        // Only pages of some origin need to be told whether they may read the answer.
        let headers = request.headers().contains_key(header::ORIGIN).then(|| request.headers().clone());
        let reading = self.body_memory.watch(&mut request, &self.site.config.limits);
        let result = match self.prepare(&mut request, &mut context, &reading).await {
            Ok(None) => self.route(request, &context).await,
            Ok(Some(answer)) => Ok(answer),
            Err(error) => Err(error),
        };
        let mut response = match result {
            Ok(response) => response,
            Err(error) => {
                // Whoever read the body only saw it end.
                let error = reading.refusal().unwrap_or(error);
                let mut response = error::render(&error, &origin, &self.site, &context).await;
                self.challenge(&error, &origin, &mut response).await;
                response
            }
        };
        once::keep(&self.site, &context, &mut response).await;
        if let Some(limited) = &context.limited {
            limited.tell(response.headers_mut());
        }
        if let Some(headers) = headers {
            for part in &self.middleware {
                if let Err(error) = part.share(&self.site, &origin, &headers, &mut response).await {
                    tracing::error!(request_id = %context.id, %error, "an answer is kept from other origins");
                }
            }
        }
        (response, context)
    }

    /// Tells a program that is refused how it may get in.
    async fn challenge(&self, error: &Error, from: &Origin, response: &mut Response) {
        let is_refused = matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if !is_refused || !from.is_program() {
            return;
        }
        for part in &self.middleware {
            if let Err(error) = part.challenge(&self.site, from, error, response.headers_mut()).await {
                tracing::error!(%error, "a refusal goes without its challenge");
            }
        }
    }

    /// Everything before the route: credentials, cross-site check, limits. An answer where the request was answered before.
    async fn prepare(
        &self,
        request: &mut Request,
        context: &mut RequestContext,
        reading: &Reading,
    ) -> Result<Option<Response>> {
        normalize_path(request)?;
        if let Some(certificates) = &self.site.config.client_certificates {
            client_certificate::take(request, peer(request), certificates);
        }
        for part in &self.middleware {
            part.before(&self.site, request).await?;
        }
        let authenticated = self.authenticate(request, context).await;
        context.language = Box::pin(language::of_request(&self.site, request, context)).await;
        // Who is refused is counted, too: by address.
        if !self.reads_own_credentials(request.uri().path()) {
            self.api_limit.count(&self.site.documents, request, context).await?;
        }
        authenticated?;
        // Only what the browser sends by itself can be abused from elsewhere.
        if context.credentials == Credentials::Cookie {
            let checked = csrf::check_origin(request.method(), request.headers(), &self.site.config.site_url);
            if checked.is_err() && self.paths.foreign_forms.iter().any(|path| path == request.uri().path()) {
                let (path, language) = (Arc::clone(&context.path), context.language.clone());
                *context = RequestContext::guest(Arc::clone(&context.id), context.ip, Arc::clone(&context.user_agent));
                (context.path, context.language) = (path, language);
            } else {
                checked?;
            }
        }
        let limit = self.largest_body(request, context).await?;
        reading.allow(request, limit, context.session.is_guest())?;
        let answer = Box::pin(once::begin(&self.site, request, context)).await?;
        request.extensions_mut().insert(context.clone());
        request.extensions_mut().insert(self.site.clone());
        request.extensions_mut().insert(self.authenticators.clone());
        Ok(answer)
    }

    /// How many bytes the body of a request may have, now that it is known who asks for what.
    async fn largest_body(&self, request: &Request, context: &RequestContext) -> Result<usize> {
        let most = self.site.config.max_body_bytes;
        let path = request.uri().path();
        // The login page carries the form that somebody typed while their session ended.
        if self.takes_few_words(path) && path != LOGIN {
            return Ok(most.min(body::SMALL));
        }
        let is_guest = context.session.is_guest();
        let most = if is_guest { most.min(body::OF_GUESTS) } else { most };
        if !body::is_multipart(request) {
            return Ok(most);
        }
        let uploads = UploadSettings::load(&self.site.documents).await?;
        let of_file = uploads.bytes().saturating_add(body::OF_GUESTS);
        Ok(if is_guest && !uploads.guests { most } else { most.max(of_file) })
    }

    /// Whether login or OAuth answers at this path.
    fn takes_few_words(&self, path: &str) -> bool {
        self.reads_own_credentials(path) || self.paths.small_bodies.iter().any(|start| path.starts_with(start))
    }

    async fn route(&self, request: Request, context: &RequestContext) -> Result<Response> {
        let work = AssertUnwindSafe(self.routes.call(request)).catch_unwind();
        match tokio::time::timeout(self.site.config.request_timeout, work).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(error))) => match error::from_poem(error) {
                Ok(error) => Err(error),
                Err(response) => Ok(response),
            },
            Ok(Err(panic)) => {
                let text = panic
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_default();
                Err(Error::Internal(anyhow::anyhow!("a handler panicked: {text}")))
            }
            Err(_) => {
                tracing::warn!(request_id = %context.id, "the request took too long");
                Err(Error::Unavailable("The request took too long: try again, or ask for less".to_owned()))
            }
        }
    }

    /// Whether the endpoint at this path, or at one below which it lies, reads the header itself.
    fn reads_own_credentials(&self, path: &str) -> bool {
        self.paths
            .own_credentials
            .iter()
            .any(|own| path.strip_prefix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }

    /// Who asks: by `Authorization` header, else by cookie, else nobody.
    async fn authenticate(&self, request: &Request, context: &mut RequestContext) -> Result<()> {
        if !self.reads_own_credentials(request.uri().path())
            && let Some((scheme, value)) = authorization(request)
        {
            for authenticator in self.authenticators.0.iter().filter(|known| known.scheme() == scheme) {
                if let Some(found) = authenticator.authenticate(&self.site, request, context, value).await? {
                    if !is_for_programs(request.uri().path()) {
                        let message =
                            "Pages are for people who are logged in with a browser; applications use /api or /mcp";
                        return Err(Error::Permission(message.to_owned()));
                    }
                    context.session = found.session;
                    context.credentials = found.credentials;
                    context.client = found.client;
                    context.key = found.key;
                    return Ok(());
                }
            }
            // A header that proves nothing is refused even where guests may go, so that a broken client notices.
            return Err(Error::Authentication(if scheme == "bearer" {
                AuthenticationError::BadToken("The access token is not valid".to_owned())
            } else {
                AuthenticationError::BadCredentials
            }));
        }
        context.set_device(session_cookie::sent_device(&self.site, request));
        let token = match session_cookie::sent(&self.site, request) {
            Sent::Token(token) => token,
            Sent::Nothing => return Ok(()),
            Sent::Several => {
                context.session_expired = true;
                return Ok(());
            }
        };
        let ip = context.ip.to_string();
        match self.site.sessions.find(&self.site.documents, token, &ip).await? {
            Found::Session(session) => *context = context.clone().with_cookie_session(session, token),
            // The browser may have got its new cookie meanwhile, which must not be taken away again.
            Found::Replaced => context.session_expired = true,
            Found::Nothing => {
                context.session_expired = true;
                remove_cookies(&self.site, context);
            }
        }
        Ok(())
    }
}

/// A route that says which it is.
struct Known {
    place: usize,
    endpoint: BoxEndpoint<'static, Response>,
}

impl Endpoint for Known {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if let Some(context) = request.data::<RequestContext>() {
            context.set_route(self.place);
        }
        self.endpoint.call(request).await
    }
}

impl Endpoint for Pipeline {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let mut context = RequestContext::guest(
            request_id(&request, &self.site.config),
            address(&request, self.site.config.trusted_proxies),
            request.header(header::USER_AGENT).unwrap_or("").into(),
        );
        context.path = request.uri().path().into();
        if self.site.config.trusted_proxies == 0 && request.headers().contains_key("x-forwarded-for") {
            self.site.note_unknown_proxy();
        }
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let wish = Wish::of(&request, self.takes_few_words(&path));
        let span = tracing::info_span!("request", id = %context.id);
        let traced = traces::request(
            &context.id,
            method.as_str(),
            &path,
            request.header("traceparent"),
            self.site.config.trusted_proxies > 0,
        );
        let (mut response, context) = self.answer(request, context).instrument(traced.clone()).instrument(span).await;
        finish(&mut response, &context, self.site.config.is_https());
        wish.apply(&mut response).await;
        let (time, status) = (started.elapsed(), response.status().as_u16());
        let metrics = self.site.documents.database().metrics();
        metrics.answered(context.route(), method.as_str(), status, time);
        let route = metrics.template(context.route());
        traces::answered(&traced, method.as_str(), route, status, context.ip, context.session.user());
        tracing::info!(
            target: "doctyped::access",
            request_id = %context.id,
            %method,
            path,
            status,
            user = context.session.user(),
            key = context.key.as_deref(),
            ip = %context.ip,
            microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
        Ok(response)
    }
}

/// Headers of every answer.
fn finish(response: &mut Response, context: &RequestContext, is_https: bool) {
    let headers = response.headers_mut();
    for cookie in context.take_cookies() {
        headers.append(header::SET_COOKIE, cookie);
    }
    if let Ok(id) = HeaderValue::from_str(&context.id) {
        headers.insert(HeaderName::from_static("x-frappe-request-id"), id.clone());
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    let defaults = [
        (header::CACHE_CONTROL, NO_CACHE),
        (header::CONTENT_SECURITY_POLICY, csp::POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if is_https {
        headers
            .entry(header::STRICT_TRANSPORT_SECURITY)
            .or_insert(HeaderValue::from_static("max-age=31536000; includeSubDomains"));
    }
}

/// An id from a proxy that is trusted, else a new one.
fn request_id(request: &Request, config: &Config) -> Arc<str> {
    let sent = request.header("x-request-id").filter(|id| {
        config.trusted_proxies > 0
            && (8..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    });
    sent.map_or_else(|| secret::random_text(b"0123456789abcdefghijklmnopqrstuvwxyz", 16).into(), Arc::from)
}

/// Who is at the other end of the connection.
fn peer(request: &Request) -> IpAddr {
    request.remote_addr().as_socket_addr().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), std::net::SocketAddr::ip)
}

/// The sender's address: behind `proxies` proxies, what the outermost of them saw.
fn address(request: &Request, proxies: usize) -> IpAddr {
    let peer = peer(request);
    if proxies == 0 {
        return peer;
    }
    let hops: Vec<&str> = request
        .headers()
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    hops.len().checked_sub(proxies).and_then(|at| hops[at].parse().ok()).unwrap_or(peer)
}

/// Where credentials in a header count: everywhere but on pages, which no scope of a token speaks of.
fn is_for_programs(path: &str) -> bool {
    const PLACES: [&str; 8] = ["/api", MCP, "/assets", "/files", "/private", "/.well-known", "/health", "/metrics"];
    let below = |place: &&str| path.strip_prefix(*place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    path == "/" || PLACES.iter().any(below)
}

/// `Authorization: <scheme> <value>` with exactly two parts; anything else is ignored, as Frappe does.
pub(super) fn authorization(request: &Request) -> Option<(String, &str)> {
    let mut parts = request.header(header::AUTHORIZATION)?.split_whitespace();
    match (parts.next(), parts.next(), parts.next()) {
        (Some(scheme), Some(value), None) => Some((scheme.to_ascii_lowercase(), value)),
        _ => None,
    }
}

/// The value of a cookie.
pub(crate) fn cookie<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    cookies(request, name).first().copied()
}

/// The values of all cookies of a name: hosts and paths may have set several.
pub(crate) fn cookies<'r>(request: &'r Request, name: &str) -> Vec<&'r str> {
    request
        .headers()
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(known, _)| *known == name)
        .map(|(_, value)| value.trim_matches('"'))
        .filter(|value| !value.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarded_address_counts_only_behind_trusted_proxies() {
        let request = Request::builder().header("x-forwarded-for", "6.6.6.6, 203.0.113.7, 10.0.0.2").finish();
        assert_eq!(address(&request, 0).to_string(), "127.0.0.1");
        assert_eq!(address(&request, 1).to_string(), "10.0.0.2");
        assert_eq!(address(&request, 2).to_string(), "203.0.113.7");
        assert_eq!(address(&request, 9).to_string(), "127.0.0.1");
    }

    #[test]
    fn an_authorization_header_has_two_parts() {
        let parts = |text: &str| {
            let request = Request::builder().header("authorization", text).finish();
            authorization(&request).map(|(scheme, value)| format!("{scheme}|{value}"))
        };
        assert_eq!(parts("Token a:b").as_deref(), Some("token|a:b"));
        assert_eq!(parts("Basic"), None);
        assert_eq!(parts("a b c"), None);
    }
}
