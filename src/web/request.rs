//! What is known of a request: its id, who sends it and from where; and [`Exchange`], what handlers get.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use poem::http::{HeaderValue, Method};
use poem::web::cookie::Cookie;
use poem::{FromRequest, Request, RequestBody, Response};
use serde_json::{Map, Value as Json, json};

use crate::error::{AuthenticationError, Error, Need, Result};
use crate::language::Language;
use crate::meta::Registry;
use crate::permissions::Session;
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::web::api_limit::Limited;
use crate::web::arguments::{self, Arguments, UploadedFile};
use crate::web::csrf;
use crate::web::method::Call;
use crate::web::resend;
use crate::web::settings::LoginSettings;
use crate::web::site::{Site, UNKNOWN_PROXY};

/// How the sender of a request proved who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// A session cookie.
    Cookie,
    /// An API key with its secret.
    ApiKey,
    /// An OAuth access token.
    Bearer,
}

/// Nobody, made once: most requests start as nobody.
static GUEST: OnceLock<Session> = OnceLock::new();

/// What the pipeline found out about a request before any handler saw it; cheap to clone.
#[derive(Clone)]
pub struct RequestContext {
    /// The id that is in the answer and in every log line.
    pub id: Arc<str>,
    /// The path that was asked for, as it came.
    pub path: Arc<str>,
    /// On whose behalf.
    pub session: Session,
    /// The sender's address.
    pub ip: IpAddr,
    /// The sender's `User-Agent`.
    pub user_agent: Arc<str>,
    /// How the sender proved who they are.
    pub credentials: Credentials,
    /// The OAuth Client whose access token was sent, where it is known here.
    pub client: Option<Arc<str>>,
    /// The language in which they are answered.
    pub language: Language,
    /// The API Key that was sent, if it is one.
    pub key: Option<Arc<str>>,
    /// How the sender stands to the limit of the API, where that counts the request.
    pub limited: Option<Limited>,
    /// A session cookie came that is no longer valid; the request goes on as Guest.
    pub session_expired: bool,
    /// The token that forms of this session carry.
    csrf_token: Arc<str>,
    /// The value of the session's cookie; empty without one.
    session_cookie: Arc<str>,
    /// What tells the browser from others; empty if it was not told apart before.
    device: Arc<str>,
    answering: Arc<Answering>,
}

/// What is found out while a request is answered, for what comes after its handler.
#[derive(Default)]
struct Answering {
    /// Cookies for the answer.
    cookies: Mutex<Vec<HeaderValue>>,
    /// Which route answers; 0: none.
    route: AtomicUsize,
    /// Which operation of a batch is carried out, counted from 1; 0: none.
    operation: AtomicUsize,
}

impl RequestContext {
    /// The context of somebody without credentials.
    pub fn guest(id: Arc<str>, ip: IpAddr, user_agent: Arc<str>) -> Self {
        Self {
            id,
            path: Arc::from("/"),
            session: GUEST.get_or_init(Session::guest).clone(),
            ip,
            user_agent,
            credentials: Credentials::None,
            client: None,
            language: Language::english(),
            key: None,
            limited: None,
            session_expired: false,
            csrf_token: Arc::from(""),
            session_cookie: Arc::from(""),
            device: Arc::from(""),
            answering: Arc::default(),
        }
    }

    /// The context of a request in the pipeline.
    pub fn of(request: &Request) -> Self {
        request.data::<Self>().expect("the pipeline puts a context into every request").clone()
    }

    /// The token that forms carry under the name `csrf_token`; empty for guests.
    pub fn csrf_token(&self) -> &str {
        &self.csrf_token
    }

    /// The context with a browser session whose cookie holds that token.
    #[must_use]
    pub fn with_cookie_session(mut self, session: Session, token: &str) -> Self {
        self.session = session;
        self.credentials = Credentials::Cookie;
        self.csrf_token = csrf::token(token).into();
        self.session_cookie = token.into();
        self
    }

    /// The Session document of the browser that sent the request; `None` for guests and programs.
    pub fn browser_session(&self) -> Option<&str> {
        self.session.sid.as_deref().filter(|_| self.credentials == Credentials::Cookie && !self.session.is_guest())
    }

    /// The value of the session's cookie, a secret; empty without one.
    pub(super) fn session_cookie(&self) -> &str {
        &self.session_cookie
    }

    /// What tells the browser from others; `None` if nobody was logged in there before.
    pub fn device(&self) -> Option<&str> {
        Some(&*self.device).filter(|device| !device.is_empty())
    }

    /// Notes what tells the browser from others.
    pub(super) fn set_device(&mut self, device: Option<String>) {
        self.device = device.unwrap_or_default().into();
    }

    /// Notes which route answers, by its place among all.
    pub(super) fn set_route(&self, route: usize) {
        self.answering.route.store(route, Ordering::Relaxed);
    }

    /// Notes which operation of a batch is carried out, counted from 0, so that a refusal says whose it is.
    pub(crate) fn set_operation(&self, index: Option<usize>) {
        self.answering.operation.store(index.map_or(0, |index| index + 1), Ordering::Relaxed);
    }

    /// Which operation of a batch it is, counted from 0.
    pub(super) fn operation(&self) -> Option<usize> {
        self.answering.operation.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Which route answers; 0: none.
    pub(super) fn route(&self) -> usize {
        self.answering.route.load(Ordering::Relaxed)
    }

    /// Adds a cookie to the answer, whatever the handler returns.
    pub fn set_cookie(&self, cookie: &Cookie) {
        if let Ok(value) = HeaderValue::try_from(cookie.to_string()) {
            self.answering.cookies.lock().unwrap_or_else(PoisonError::into_inner).push(value);
        }
    }

    /// Takes the cookies collected for the answer.
    pub fn take_cookies(&self) -> Vec<HeaderValue> {
        std::mem::take(&mut *self.answering.cookies.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fails unless a person is logged in in front of a browser. A program with a token or a key must not open a back
    /// door for itself; `what` says in a sentence what only people do there.
    pub fn require_browser(&self, what: &'static str) -> Result<()> {
        self.require_login()?;
        match self.credentials {
            Credentials::Cookie => Ok(()),
            _ => Err(Error::Permission(format!("{what} in the browser: log in there"))),
        }
    }

    /// Fails with `Authentication` for guests.
    pub fn require_login(&self) -> Result<()> {
        self.require(AuthenticationError::Missing)
    }

    /// The same where it is known what credentials would have to allow, which the refusal then names.
    pub fn require_login_for(&self, need: Need) -> Result<()> {
        self.require(AuthenticationError::MissingFor(need))
    }

    fn require(&self, missing: AuthenticationError) -> Result<()> {
        match (self.session.is_guest(), self.session_expired) {
            (false, _) => Ok(()),
            (true, true) => Err(Error::Authentication(AuthenticationError::SessionExpired)),
            (true, false) => Err(Error::Authentication(missing)),
        }
    }
}

impl<'a> FromRequest<'a> for RequestContext {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self::of(request))
    }
}

impl<'a> FromRequest<'a> for Site {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        Ok(request.data::<Self>().expect("the pipeline puts the site into every request").clone())
    }
}

/// What a handler of a [`crate::web::Route`] gets.
pub struct Exchange {
    /// The site.
    pub site: Site,
    /// Who asks.
    pub context: RequestContext,
    /// The request itself.
    pub request: Request,
}

impl Exchange {
    /// Takes a request that came through the pipeline.
    pub fn new(request: Request) -> Self {
        let site = request.data::<Site>().expect("the pipeline puts the site into every request").clone();
        Self { site, context: RequestContext::of(&request), request }
    }

    /// Calls a method on behalf of whoever sent the form, with the files that came along; returns its message.
    pub(crate) async fn call_method(&self, method: &str, arguments: Json, files: Vec<UploadedFile>) -> Result<Json> {
        let Json::Object(arguments) = arguments else { return Err(Error::misuse("arguments are an object")) };
        let call = Call {
            site: self.site.clone(),
            context: self.context.clone(),
            arguments,
            verb: Method::POST,
            headers: self.request.headers().clone(),
            files,
        };
        Ok(self.site.methods.call(method, call).await?.message.unwrap_or_default())
    }

    /// The session on whose behalf everything is done.
    pub fn session(&self) -> &Session {
        &self.context.session
    }

    /// The language in which the answer is.
    pub fn language(&self) -> &Language {
        &self.context.language
    }

    /// A text of the program as whoever asks reads it.
    pub fn say(&self, text: &str) -> String {
        self.language().say(text).into_owned()
    }

    /// The DocTypes as whoever asks reads them.
    pub fn registry(&self) -> Arc<Registry> {
        self.site.documents.registry().in_language(self.language())
    }

    /// The HTTP method.
    pub fn verb(&self) -> &Method {
        self.request.method()
    }

    /// Refuses HEAD where GET does something: whoever only looks at a link must not set it off.
    pub fn refuse_head(&self) -> Result<()> {
        if *self.verb() == Method::HEAD {
            return Err(Error::MethodNotAllowed { allow: "GET".to_owned() });
        }
        Ok(())
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    /// Renders a template as a page. The view gets the key `page` with what every layout needs; see [`page_view`].
    pub async fn page(&self, template: &str, view: Json) -> Result<Response> {
        let Json::Object(mut view) = view else {
            return Err(Error::Internal(anyhow::anyhow!("the view of {template} is not an object")));
        };
        view.insert("page".to_owned(), page_view(&self.site, &self.context).await?);
        self.site.templates.page(self.language(), template, &Json::Object(view))
    }

    /// A parameter of the path, decoded; empty if the path has none of that name.
    pub fn param(&self, name: &str) -> &str {
        self.request.raw_path_param(name).unwrap_or("")
    }

    /// The query string's parameters, in order.
    pub fn query(&self) -> Vec<(String, String)> {
        let query = self.request.uri().query().unwrap_or("");
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// Arguments from body and query as Frappe reads them (`docs/frappe/rest.md`: Arguments); takes the body.
    pub async fn arguments(&mut self) -> Result<Arguments> {
        arguments::read(&mut self.request).await
    }

    /// The same without files, for handlers that take none.
    pub async fn values(&mut self) -> Result<Map<String, Json>> {
        Ok(self.arguments().await?.values)
    }

    /// The fields of an HTML form in the order sent, names repeated as sent, with the files; takes the body.
    /// Checks the form's token where the request rests on a session cookie.
    pub async fn form(&mut self) -> Result<arguments::Form> {
        let form = arguments::read_form(&mut self.request).await?;
        csrf::check_form(&self.context, self.request.headers(), form.first(csrf::FIELD))?;
        Ok(form)
    }

    /// The same for pages that show a form again whose session has ended since: also one that came through the login page.
    /// `false` beside it says that its token is not this session's, so that nothing may be done with it but that.
    pub async fn form_or_late_form(&mut self) -> Result<(arguments::Form, bool)> {
        let form = resend::unpack(arguments::read_form(&mut self.request).await?)?;
        let in_time = csrf::check_form(&self.context, self.request.headers(), form.first(csrf::FIELD)).is_ok();
        Ok((form, in_time))
    }
}

/// What every page shows around its content: `app_name`, `path`, `user`, `full_name`, `logged_in`, `is_desk_user`,
/// `csrf_token`, `request_id`, `account_pages` (of whoever is logged in), and for System Managers `held_back` (how many DocTypes
/// are) and `warnings` (lines).
pub(crate) async fn page_view(site: &Site, context: &RequestContext) -> Result<Json> {
    let settings = LoginSettings::load(&site.documents).await?;
    let session = &context.session;
    let account_pages: Vec<Json> = if session.is_guest() { &[][..] } else { &site.account_pages }
        .iter()
        .map(|page| json!({"label": page.label, "href": page.href, "icon": page.icon, "current": page.href == &*context.path}))
        .collect();
    let is_manager = session.has_role(ROLE_SYSTEM_MANAGER);
    let held_back = if is_manager { site.doctype_files.faults().len() } else { 0 };
    let mut warnings: Vec<String> = Vec::new();
    if is_manager {
        warnings.extend(site.proxy_is_unknown().then(|| UNKNOWN_PROXY.to_owned()));
        for warning in &site.warnings {
            warnings.extend(warning(site.clone()).await?);
        }
    }
    Ok(json!({
        "app_name": settings.app_name,
        "path": &*context.path,
        "user": session.user(),
        "full_name": session.access.full_name,
        "logged_in": !session.is_guest(),
        "is_desk_user": session.is_desk_user() && !session.is_guest(),
        "csrf_token": context.csrf_token(),
        "request_id": &*context.id,
        "account_pages": account_pages,
        "held_back": held_back,
        "warnings": warnings,
    }))
}
