//! How features plug in: controllers, methods, authenticators, routes, jobs and template helpers.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use handlebars::HelperDef;
use poem::Request;
use serde_json::{Value as Json, json};

use crate::document::reseal::SealedField;
use crate::document::{Controller, Controllers};
use crate::error::{Need, Result};
use crate::meta::{Registry, Right};
use crate::permissions::Session;
use crate::web::explain::CredentialKind;
use crate::web::job::JobKind;
use crate::web::method::{Method, Methods};
use crate::web::middleware::Middleware;
use crate::web::panel::Panels;
use crate::web::request::{Credentials, RequestContext};
use crate::web::route::Route;
use crate::web::site::Site;

/// What the features contribute; the start fails if two claim one path or method.
#[derive(Default)]
pub(crate) struct Plugins {
    /// The behaviour of DocTypes.
    pub controllers: Controllers,
    /// The RPC methods.
    pub methods: Methods,
    /// What turns the headers of a request into a session, in order.
    pub authenticators: Vec<Arc<dyn Authenticator>>,
    /// What is done to every request and answer, in order.
    pub middleware: Vec<Arc<dyn Middleware>>,
    /// The pages and endpoints.
    pub routes: Vec<Route>,
    /// The kinds of jobs that may be put into the queue, or run by the clock.
    pub job_kinds: Vec<JobKind>,
    /// The OpenAPI documents of hand-written endpoints.
    pub openapi: Vec<Json>,
    /// What completes the OpenAPI document by what only documents know.
    pub describes_api: Vec<Arc<dyn DescribesApi>>,
    /// What paths begin with whose endpoints take a few words and no more: login and OAuth. What they answer is never
    /// compressed.
    pub small_bodies: Vec<&'static str>,
    /// Further ways to log in, shown on the login page.
    pub login_options: Vec<LoginOptions>,
    /// Where people may go on to after logging out, asked in order while they are still logged in.
    pub logout_targets: Vec<LogoutTarget>,
    /// The pages about a person's own account, which menus list in order.
    pub account_pages: Vec<AccountPage>,
    /// Helpers for templates.
    pub helpers: Vec<(&'static str, Box<dyn HelperDef + Send + Sync>)>,
    /// The logs of which old entries may be removed.
    pub logs: Vec<Log>,
    /// What System Managers are told on every page, if there is anything.
    pub warnings: Vec<Warning>,
    /// What stands beside the desk's forms, by DocType.
    pub panels: HashMap<String, Vec<Arc<dyn Panels>>>,
    /// The kinds of documents that are credentials: what a request with one may do can be asked.
    pub credential_kinds: Vec<Arc<dyn CredentialKind>>,
    /// The fields with sealed texts besides Password fields: what the site's key is replaced in.
    pub sealed: Vec<SealedField>,
    /// What runs once when the site starts, after the schema is in step and before the first request.
    pub starters: Vec<Starter>,
}

/// A further way to log in, as a button on the login page.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LoginOption {
    /// What the button says.
    pub label: String,
    /// Where it leads.
    pub href: String,
    /// The address of a picture; empty for none.
    pub icon: String,
}

/// A page about the account of whoever is logged in.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct AccountPage {
    /// What menus call it.
    pub label: &'static str,
    /// Where it is.
    pub href: &'static str,
    /// An icon of the desk.
    pub icon: &'static str,
}

/// Lists the ways to log in; gets the page to go to afterwards.
pub(crate) type LoginOptions =
    Arc<dyn Fn(Site, Option<String>) -> BoxFuture<'static, Result<Vec<LoginOption>>> + Send + Sync>;

/// Says where a person goes on to after logging out: a path of this site, or `None`.
pub(crate) type LogoutTarget =
    Arc<dyn Fn(Site, RequestContext) -> BoxFuture<'static, Result<Option<String>>> + Send + Sync>;

/// Says what System Managers should know of.
pub(crate) type Warning = Arc<dyn Fn(Site) -> BoxFuture<'static, Result<Option<String>>> + Send + Sync>;

/// Runs once at the start of a site.
pub(crate) type Starter = Box<dyn FnOnce(Site) -> BoxFuture<'static, Result<()>> + Send>;

impl Plugins {
    /// Adds a controller to a DocType.
    pub(crate) fn controller(&mut self, doctype: &str, controller: impl Controller + 'static) {
        self.controllers.add(doctype, controller);
    }

    /// Adds panels to the desk's forms of a DocType.
    pub(crate) fn panels(&mut self, doctype: &str, panels: impl Panels + 'static) {
        self.panels.entry(doctype.to_owned()).or_default().push(Arc::new(panels));
    }

    /// Adds an RPC method.
    pub(crate) fn method(&mut self, method: Method) {
        self.methods.add(method);
    }

    /// Adds a route.
    pub(crate) fn route(&mut self, route: Route) {
        self.routes.push(route);
    }

    /// Adds a kind of job: what [`crate::document::Work::enqueue`] asks for by its method is run by it.
    pub(crate) fn job_kind(&mut self, kind: JobKind) {
        self.job_kinds.push(kind);
    }

    /// Adds a log of which entries are removed some days after they were made, or for ever kept (0) until somebody says so.
    pub(crate) fn log(&mut self, doctype: &'static str, days: i64) {
        self.log_with(doctype, days, |cutoff| vec![json!([["creation", "<", cutoff]])]);
    }

    /// The same where other entries than the old ones are over; see [`Log::over`].
    pub(crate) fn log_with(&mut self, doctype: &'static str, days: i64, over: fn(&str) -> Vec<Json>) {
        self.logs.push(Log { doctype, days, over });
    }

    /// Adds something that System Managers are told on every page while it is so. It is asked for every page.
    pub(crate) fn warning<F, Fut>(&mut self, warning: F)
    where
        F: Fn(Site) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<String>>> + Send + 'static,
    {
        self.warnings.push(Arc::new(move |site| Box::pin(warning(site))));
    }

    /// Adds something to do once at the start.
    pub(crate) fn at_start<F, Fut>(&mut self, run: F)
    where
        F: FnOnce(Site) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.starters.push(Box::new(move |site| Box::pin(run(site))));
    }
}

/// A log of which old entries may be removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    /// The DocType.
    pub doctype: &'static str,
    /// How many days entries stay unless Log Settings say otherwise; 0: for ever.
    pub days: i64,
    /// What was over before a moment: filters, each of them by itself.
    pub over: fn(&str) -> Vec<Json>,
}

/// Who an authenticator found.
pub struct Authenticated {
    /// The session, with the limit of the credentials.
    pub session: Session,
    /// What kind of credentials.
    pub credentials: Credentials,
    /// The OAuth Client that acts, where one does that is known here.
    pub client: Option<Arc<str>>,
    /// The API Key that was sent, if it is one.
    pub key: Option<Arc<str>>,
}

/// Turns an `Authorization` header into a session.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// The scheme it answers for, in lower case: `token`, `basic`, `bearer`.
    fn scheme(&self) -> &'static str;
    /// Whose credentials these are. `value` is what follows the scheme. An error answers the request; `None` leaves it to the next.
    async fn authenticate(
        &self,
        site: &Site,
        request: &Request,
        context: &RequestContext,
        value: &str,
    ) -> Result<Option<Authenticated>>;

    /// The same of credentials that have opened this request before, and may not be sent twice.
    async fn again(
        &self,
        site: &Site,
        request: &Request,
        context: &RequestContext,
        value: &str,
    ) -> Result<Option<Authenticated>> {
        self.authenticate(site, request, context, value).await
    }
}

/// The key under which an operation of the OpenAPI document says what the engine asks for it: a list of ways to be let
/// in, each of them a list of all that it takes. `{"doctype", "right"}` is a right on a DocType, `{"right"}` one on
/// whatever DocType is meant, `{"method"}` leave to call a method, `{"unlimited"}` credentials that nothing limits.
pub(crate) const NEEDS: &str = "x-needs";

/// What stands under [`NEEDS`].
pub(crate) fn needs(ways: &[Vec<Need>]) -> Json {
    let one = |need: &Need| match need {
        Need::Right { doctype, right } => json!({ "doctype": doctype, "right": right }),
        Need::Method(path) => json!({ "method": path }),
        Need::Unlimited => json!({ "unlimited": true }),
    };
    ways.iter().map(|way| way.iter().map(one).collect::<Json>()).collect()
}

/// The same of an operation on documents of any DocType.
pub(crate) fn needs_on_any(right: Right) -> Json {
    json!([[{ "right": right.as_str() }]])
}

/// Completes the OpenAPI document. What it says is kept until its stamp or the DocTypes change.
#[async_trait]
pub trait DescribesApi: Send + Sync {
    /// A number that changes whenever it would say something else.
    async fn stamp(&self, site: &Site) -> Result<u64>;
    /// Adds to the document of a reader who knows of these DocTypes.
    async fn describe(&self, site: &Site, known: &Registry, document: &mut Json) -> Result<()>;
}
