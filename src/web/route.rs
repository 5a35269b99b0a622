//! [`Route`]: a path with its handlers; answers 405 with `Allow`, HEAD where GET works, and OPTIONS.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, EndpointExt, Request, Response};

use crate::error::{Error, Result};
use crate::web::request::Exchange;

type Handler = Arc<dyn Fn(Exchange) -> BoxFuture<'static, Result<Response>> + Send + Sync>;

/// A path and what answers there.
///
/// Paths are poem's: `/app/:slug`, `/api/method/*path`. Errors that handlers return become answers in the pipeline.
pub struct Route {
    /// The path pattern.
    pub path: String,
    /// Its endpoint, with all below it, reads the `Authorization` header itself, as OAuth's token endpoint does.
    pub(super) has_own_credentials: bool,
    /// Pages of other sites may post a form here, as protocols have it.
    pub(super) is_open_to_foreign_forms: bool,
    target: Target,
}

enum Target {
    Handlers(Vec<(Method, Handler)>),
    Endpoint(BoxEndpoint<'static, Response>),
    EndpointFor(&'static [Method], BoxEndpoint<'static, Response>),
}

impl Route {
    /// A path without handlers yet.
    pub fn new(path: impl Into<String>) -> Self {
        Self::to(path, Target::Handlers(Vec::new()))
    }

    /// A path that a poem endpoint answers, whatever the HTTP method.
    pub fn endpoint(path: impl Into<String>, endpoint: impl Endpoint + 'static) -> Self {
        Self::to(path, Target::Endpoint(endpoint.map_to_response().boxed()))
    }

    /// A path that a poem endpoint answers for these HTTP methods only; HEAD, OPTIONS and the others are answered here.
    pub fn endpoint_for(
        path: impl Into<String>,
        methods: &'static [Method],
        endpoint: impl Endpoint + 'static,
    ) -> Self {
        Self::to(path, Target::EndpointFor(methods, endpoint.map_to_response().boxed()))
    }

    fn to(path: impl Into<String>, target: Target) -> Self {
        Self { path: path.into(), has_own_credentials: false, is_open_to_foreign_forms: false, target }
    }

    /// What answers here, and at every path below, reads the `Authorization` header itself.
    #[must_use]
    pub fn reads_credentials(mut self) -> Self {
        self.has_own_credentials = true;
        self
    }

    /// Pages of other sites may post a form here. The session cookie does not count then: whoever posts it is a guest.
    #[must_use]
    pub fn takes_foreign_forms(mut self) -> Self {
        self.is_open_to_foreign_forms = true;
        self
    }

    /// Answers an HTTP method.
    #[must_use]
    pub fn on<F, Fut>(mut self, method: Method, handler: F) -> Self
    where
        F: Fn(Exchange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        if let Target::Handlers(handlers) = &mut self.target {
            handlers.push((method, Arc::new(move |exchange| Box::pin(handler(exchange)))));
        }
        self
    }

    /// Answers GET and HEAD.
    #[must_use]
    pub fn get<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(Exchange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        self.on(Method::GET, handler)
    }

    /// Answers POST.
    #[must_use]
    pub fn post<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(Exchange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        self.on(Method::POST, handler)
    }

    /// Answers PUT.
    #[must_use]
    pub fn put<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(Exchange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        self.on(Method::PUT, handler)
    }

    /// Answers PATCH.
    #[must_use]
    pub fn patch<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(Exchange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        self.on(Method::PATCH, handler)
    }

    /// Answers DELETE.
    #[must_use]
    pub fn delete<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(Exchange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        self.on(Method::DELETE, handler)
    }

    /// What `Allow` says of the path.
    pub fn allow(&self) -> String {
        match &self.target {
            Target::Endpoint(_) => String::new(),
            Target::EndpointFor(methods, _) => allow(methods.iter()),
            Target::Handlers(handlers) => allow(handlers.iter().map(|(method, _)| method)),
        }
    }

    /// The poem endpoint that answers the path.
    pub(super) fn into_endpoint(self) -> BoxEndpoint<'static, Response> {
        let allow = self.allow();
        match self.target {
            Target::Endpoint(endpoint) => endpoint,
            Target::EndpointFor(methods, endpoint) => Limited { methods, endpoint, allow }.boxed(),
            Target::Handlers(handlers) => Dispatch { handlers, allow }.boxed(),
        }
    }
}

struct Limited {
    methods: &'static [Method],
    endpoint: BoxEndpoint<'static, Response>,
    allow: String,
}

impl Endpoint for Limited {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        if request.method() == Method::HEAD && self.methods.contains(&Method::GET) {
            request.set_method(Method::GET);
        }
        if self.methods.contains(request.method()) {
            return self.endpoint.call(request).await;
        }
        if request.method() == Method::OPTIONS {
            return Ok(options(&self.allow));
        }
        Err(Error::MethodNotAllowed { allow: self.allow.clone() }.into())
    }
}

struct Dispatch {
    handlers: Vec<(Method, Handler)>,
    allow: String,
}

impl Endpoint for Dispatch {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let find = |wanted: &Method| self.handlers.iter().find(|(method, _)| method == wanted);
        let found = match *request.method() {
            Method::OPTIONS if find(&Method::OPTIONS).is_none() => {
                return Ok(options(&self.allow));
            }
            Method::HEAD => find(&Method::HEAD).or_else(|| find(&Method::GET)),
            ref method => find(method),
        };
        let Some((_, handler)) = found else {
            return Err(Error::MethodNotAllowed { allow: self.allow.clone() }.into());
        };
        Ok(handler(Exchange::new(request)).await?)
    }
}

fn options(allow: &str) -> Response {
    Response::builder().status(StatusCode::OK).header(header::ALLOW, allow).finish()
}

fn allow<'m>(methods: impl Iterator<Item = &'m Method>) -> String {
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    for (added, needs) in [("HEAD", Some("GET")), ("OPTIONS", None)] {
        if needs.is_none_or(|needs| names.contains(&needs)) && !names.contains(&added) {
            names.push(added);
        }
    }
    names.join(", ")
}
