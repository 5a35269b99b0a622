//! The authorization server: its addresses, and what answers there.

pub(crate) mod metadata_documents;
pub(crate) mod oauth_settings;
pub(crate) mod registrations;

use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use poem::Response;
use poem::http::Method;

use crate::error::{Error, Result};
use crate::oauth::client::Providers;
use crate::oauth::http::endpoint::Origins;
pub(crate) use crate::oauth::protocol::serve::metadata::{
    APPROVE, DEVICE, DEVICE_AUTHORIZATION, REGISTER as REGISTER_CLIENT, TOKEN as GET_TOKEN,
};
use crate::oauth::resource::bearer::BearerAuthenticator;
use crate::oauth::scopes::scope_catalogue::ScopeCatalogue;
use crate::oauth::server::metadata_documents::MetadataDocuments;
use crate::oauth::server::registrations::Registrations;
use crate::oauth::signing_keys::SigningKeys;
use crate::oauth::views::oauth_settings::OAUTH_SETTINGS;
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::web::method::Param;
use crate::web::rate_limit::RateLimit;
use crate::web::{Exchange, Plugins, Route, openapi};

/// What the endpoints share.
pub(crate) struct Server {
    /// The endpoints of the site.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// What the scopes of this site mean.
    pub catalogue: ScopeCatalogue,
    /// Who opens requests with our own tokens.
    pub tokens: Arc<BearerAuthenticator>,
    /// The one way out to other servers, and what is known of them.
    pub providers: Arc<Providers>,
    /// What the site signs with.
    pub keys: SigningKeys,
    /// The registrations of the last minute.
    pub registrations: Registrations,
    /// The requests that were pushed in the last minute.
    pub pushed_requests: RateLimit,
    /// The device codes of the last minute.
    pub device_codes: RateLimit,
    /// The clients of the last minute that did not prove who they are.
    pub failed_clients: RateLimit,
    /// What is known of the addresses that are client ids.
    pub metadata_documents: MetadataDocuments,
    /// Where on this site the answer goes when a client is tried out, by the address of the site and the client.
    pub try_out_uri: fn(&str, &OAuthClient) -> String,
}

impl Server {
    /// A server that has not been asked anything yet.
    pub(crate) fn new(
        endpoints: Vec<Arc<Endpoint>>,
        catalogue: ScopeCatalogue,
        tokens: Arc<BearerAuthenticator>,
        providers: Arc<Providers>,
        keys: SigningKeys,
        try_out_uri: fn(&str, &OAuthClient) -> String,
    ) -> Arc<Self> {
        Arc::new(Self {
            endpoints,
            catalogue,
            tokens,
            providers,
            keys,
            registrations: Registrations::default(),
            pushed_requests: RateLimit::of("pushed requests"),
            device_codes: RateLimit::of("device codes"),
            failed_clients: RateLimit::of("failed clients"),
            metadata_documents: MetadataDocuments::default(),
            try_out_uri,
        })
    }
}

/// A handler that shares the server.
pub(crate) fn with<F, A>(server: &Arc<Server>, handler: F) -> impl Fn(Exchange) -> A + Send + Sync + 'static
where
    F: Fn(Exchange, Arc<Server>) -> A + Send + Sync + 'static,
{
    let server = Arc::clone(server);
    move |exchange| handler(exchange, Arc::clone(&server))
}

/// A path of the authorization server with all that is known of it; the rows stand in `oauth/table.rs`.
pub(crate) struct Endpoint {
    /// The path, as poem writes it: `/device`, `/a/:client_id`, `/a/*path`.
    pub path: &'static str,
    /// The member of the server's metadata that holds the address (RFC 8414 section 2), and what it says.
    pub member: Option<(&'static str, &'static str)>,
    /// Whether OAuth Settings switches it on; `None`: it always answers.
    pub switch: Option<fn(&OAuthSettings) -> bool>,
    /// Whose pages may call it from a browser.
    pub origins: Origins,
    /// Its HTTP methods.
    pub operations: Vec<Operation>,
}

/// One HTTP method of an endpoint.
pub(crate) struct Operation {
    /// The HTTP method.
    pub verb: Method,
    /// What answers.
    pub handler: Handler,
    /// `operationId` in the OpenAPI document; empty for pages, which the document leaves out.
    pub id: &'static str,
    /// What it does: a sentence.
    pub summary: &'static str,
    /// Who calls.
    pub caller: Caller,
    /// Headers that it reads.
    pub headers: &'static [Param],
    /// What is sent.
    pub request: Request,
    /// What comes back.
    pub responses: Vec<openapi::Response>,
}

/// What answers an operation.
pub(crate) type Handler = Arc<dyn Fn(Exchange, Arc<Server>) -> BoxFuture<'static, Result<Response>> + Send + Sync>;

/// Who calls an operation, and so how they say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Anybody.
    Anybody,
    /// A person, whom a page of another site may send here with a form.
    Person,
    /// A client, by one of the methods of client authentication.
    Client,
    /// A client that is not a client yet, with the initial access token where OAuth Settings asks for it (RFC 7591).
    Registrant,
    /// A client with its registration access token (RFC 7592).
    Registered,
    /// Whoever holds an access token.
    TokenHolder,
}

/// What an operation takes.
#[derive(Clone)]
pub(crate) enum Request {
    /// Nothing.
    Nothing,
    /// Parameters of the query.
    Query(Vec<&'static [Param]>),
    /// A form.
    Form(openapi::Schema),
    /// JSON.
    Json(openapi::Schema),
}

impl Endpoint {
    /// An endpoint that always answers, that metadata does not name, and that no page of another origin may call.
    pub(crate) fn new(path: &'static str) -> Self {
        Self { path, member: None, switch: None, origins: Origins::None, operations: Vec::new() }
    }

    /// The same, advertised by this member of the metadata.
    #[must_use]
    pub(crate) fn advertised_as(mut self, member: &'static str, description: &'static str) -> Self {
        self.member = Some((member, description));
        self
    }

    /// The same, where OAuth Settings switches it on.
    #[must_use]
    pub(crate) fn switched_by(mut self, switch: fn(&OAuthSettings) -> bool) -> Self {
        self.switch = Some(switch);
        self
    }

    /// The same for pages of these origins, too.
    #[must_use]
    pub(crate) fn open_to(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// The same with one more operation.
    #[must_use]
    pub(crate) fn on(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Whether it answers under these settings.
    pub(crate) fn is_served(&self, settings: &OAuthSettings) -> bool {
        self.switch.is_none_or(|is_on| is_on(settings))
    }

    async fn check_served(&self, exchange: &Exchange) -> Result<()> {
        if self.switch.is_none() {
            return Ok(());
        }
        let settings = OAuthSettings::load(&exchange.site.documents).await?;
        if self.is_served(&settings) {
            return Ok(());
        }
        Err(Error::NoSuchRoute("There is nothing at this address".to_owned()))
    }
}

impl Operation {
    /// An operation that the OpenAPI document leaves out: a page for people.
    pub(crate) fn new<F, Fut>(verb: Method, handler: F) -> Self
    where
        F: Fn(Exchange, Arc<Server>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        Self {
            verb,
            handler: Arc::new(move |exchange, server| Box::pin(handler(exchange, server))),
            id: "",
            summary: "",
            caller: Caller::Anybody,
            headers: &[],
            request: Request::Nothing,
            responses: Vec::new(),
        }
    }

    /// The same as it stands in the OpenAPI document.
    #[must_use]
    pub(crate) fn described(self, id: &'static str, summary: &'static str, caller: Caller) -> Self {
        Self { id, summary, caller, ..self }
    }

    /// The same with headers that it reads.
    #[must_use]
    pub(crate) fn reads(self, headers: &'static [Param]) -> Self {
        Self { headers, ..self }
    }

    /// The same with what is sent.
    #[must_use]
    pub(crate) fn takes(self, request: Request) -> Self {
        Self { request, ..self }
    }

    /// The same with what comes back.
    #[must_use]
    pub(crate) fn answers(mut self, responses: impl IntoIterator<Item = openapi::Response>) -> Self {
        self.responses.extend(responses);
        self
    }
}

/// Registers the endpoints, and the settings that switch them.
pub(crate) fn register(plugins: &mut Plugins, server: &Arc<Server>) {
    plugins.controllers.needs_fields(OAUTH_SETTINGS, &["allowed_private_hosts", "initial_access_token"]);
    plugins.controller(OAUTH_SETTINGS, oauth_settings::OAuthSettingsController { keys: server.keys.clone() });
    for endpoint in &server.endpoints {
        let is_called_by = |caller| endpoint.operations.iter().any(|operation| operation.caller == caller);
        let mut route = Route::new(endpoint.path);
        if is_called_by(Caller::Client) || is_called_by(Caller::Registrant) {
            route = route.reads_credentials();
        }
        if is_called_by(Caller::Person) {
            route = route.takes_foreign_forms();
        }
        for operation in &endpoint.operations {
            let (server, endpoint, handler) =
                (Arc::clone(server), Arc::clone(endpoint), Arc::clone(&operation.handler));
            route = route.on(operation.verb.clone(), move |exchange| {
                let (server, endpoint, handler) = (Arc::clone(&server), Arc::clone(&endpoint), Arc::clone(&handler));
                async move {
                    endpoint.check_served(&exchange).await?;
                    handler(exchange, server).await
                }
            });
        }
        if endpoint.origins != Origins::None {
            let (endpoint, allow) = (Arc::clone(endpoint), Arc::<str>::from(route.allow()));
            route = route.on(Method::OPTIONS, move |exchange| {
                let (endpoint, allow) = (Arc::clone(&endpoint), Arc::clone(&allow));
                async move {
                    endpoint.check_served(&exchange).await?;
                    crate::oauth::http::endpoint::preflight(&exchange, &allow, endpoint.origins).await
                }
            });
        }
        plugins.route(route);
    }
}
