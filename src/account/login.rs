//! Logging in and out by password, and the methods for it.

use poem::http::{HeaderMap, Method as HttpMethod};
use serde_json::{Value as Json, json};

use crate::account::own_page;
use crate::account::password::{self, Passwords};
use crate::document::{Documents, ListRequest};
use crate::error::{AuthenticationError, Error, Result};
use crate::permissions::Session;
use crate::permissions::session::{ADMINISTRATOR, GUEST, fold_name};
use crate::secret;
use crate::web::own_path::own_path;
use crate::web::{
    Answer, Call, LoginMethod, LoginSettings, Method, NewSession, Param, Plugins, RequestContext, Site, Verbs, csrf,
    handler,
};

/// What a login answers, in Frappe's words.
#[derive(Debug)]
pub struct LoggedIn {
    /// `Logged In`, or `No App` for people who do not use the desk.
    pub message: &'static str,
    /// Where the browser goes.
    pub home_page: String,
    /// The person's name.
    pub full_name: String,
}

/// Registers the methods `login` and `logout`.
pub(super) fn register(plugins: &mut Plugins, passwords: &Passwords) {
    const LOGIN: &[Param] = &[
        Param::required("usr", "string", "The email address or the username"),
        Param::required("pwd", "string", "The password"),
    ];
    let passwords = passwords.clone();
    plugins.method(Method {
        path: "login",
        verbs: Verbs::POST,
        guest: true,
        guarded: false,
        summary: "Logs in with a password and sets the session cookie",
        params: LOGIN,
        handler: handler(move |call| login_method(call, passwords.clone())),
    });
    plugins.method(Method {
        path: "logout",
        verbs: Verbs::READ,
        guest: true,
        guarded: false,
        summary: "Ends the session of the cookie",
        params: &[],
        handler: handler(async |call: Call| {
            if call.verb == HttpMethod::POST {
                log_out(&call.site, &call.context, &call.headers).await?;
            } else {
                log_out_by_get(&call.site, &call.context, &call.headers).await?;
            }
            Ok(Answer::nothing())
        }),
    });
}

async fn login_method(call: Call, passwords: Passwords) -> Result<Answer> {
    let (usr, pwd) = (call.args().required("usr")?, call.args().required("pwd")?);
    let done = log_in(&call.site, &call.context, &call.headers, &passwords, &usr, pwd).await?;
    Ok(Answer::message(done.message).with("home_page", done.home_page).with("full_name", done.full_name))
}

/// Logs a person in by password; the cookies go into the answer.
///
/// Whatever is wrong, the answer is the same and takes about as long: it does not tell who has an account here.
pub(super) async fn log_in(
    site: &Site,
    context: &RequestContext,
    headers: &HeaderMap,
    passwords: &Passwords,
    usr: &str,
    pwd: String,
) -> Result<LoggedIn> {
    // A foreign page must not log people in as somebody else, even though no cookie is used yet.
    csrf::check_origin(&HttpMethod::POST, headers, &site.config.site_url)?;
    let documents = &site.documents;
    let typed = usr.trim_ascii();
    let account = find_user(documents, typed).await?;
    let name = account.clone().unwrap_or_else(|| fold_name(typed).chars().take(500).collect());
    let attempt = site.attempts.begin_login(documents, context, name, account.is_some()).await?;
    let hash = match &account {
        Some(name) => stored_hash(documents, name).await?,
        None => None,
    };
    let verified = passwords.verify(pwd.clone(), hash.clone()).await?;
    let enabled = match &account {
        Some(name) => documents.access(name).await?.is_some(),
        None => false,
    };
    let Some(name) = account.filter(|_| verified && enabled) else {
        attempt.failed(documents, context, "Login Failed").await?;
        return Err(Error::Authentication(AuthenticationError::BadCredentials));
    };
    attempt.succeeded(documents).await?;
    if hash.as_deref().is_some_and(secret::needs_rehash) {
        rehash(documents, passwords, &name, pwd).await?;
    }
    let new = NewSession {
        user: &name,
        method: LoginMethod::Password,
        provider: None,
        provider_sid: None,
        provider_subject: None,
        issuer: None,
    };
    let started = site.sessions.start(site, context, new).await?;
    let is_desk_user = started.session.is_desk_user();
    Ok(LoggedIn {
        message: if is_desk_user { "Logged In" } else { "No App" },
        home_page: home_page(documents, &started.session).await?,
        full_name: started.session.access.full_name.clone(),
    })
}

/// The same by GET, as Frappe's own programs do, while System Settings allow it.
pub(super) async fn log_out_by_get(site: &Site, context: &RequestContext, headers: &HeaderMap) -> Result<()> {
    if !LoginSettings::load(&site.documents).await?.logout_by_get {
        return Err(Error::MethodNotAllowed { allow: "POST".to_owned() });
    }
    log_out(site, context, headers).await
}

/// Ends the session of a request. Clients do it by GET too, so the cross-site check is made here whatever the HTTP method.
pub(super) async fn log_out(site: &Site, context: &RequestContext, headers: &HeaderMap) -> Result<()> {
    csrf::check_origin(&HttpMethod::POST, headers, &site.config.site_url)?;
    site.sessions.end_current(site, context).await
}

/// Whether that is the user's password.
pub(super) async fn is_password(
    documents: &Documents,
    passwords: &Passwords,
    user: &str,
    typed: String,
) -> Result<bool> {
    let hash = stored_hash(documents, user).await?;
    passwords.verify(typed, hash).await
}

/// Where a person goes after logging in: the home page of one of their roles, else the desk, else their account.
pub(super) async fn home_page(documents: &Documents, session: &Session) -> Result<String> {
    let roles: Vec<&str> = session.access.roles.iter().map(String::as_str).collect();
    let request = ListRequest::new("Role")
        .fields(&["name", "home_page"])
        .filters(json!([["name", "in", roles], ["home_page", "is", "set"]]))
        .order_by("name asc");
    let list = documents.list(&Session::system(), &request).await?;
    let page = own_path(documents.site_url(), list.text(0, "home_page"));
    Ok(page.unwrap_or_else(|| if session.is_desk_user() { "/app" } else { own_page::ADDRESS }.to_owned()))
}

/// The user whose name or username was typed.
async fn find_user(documents: &Documents, typed: &str) -> Result<Option<String>> {
    let folded = fold_name(typed);
    if typed.is_empty() || typed.chars().count() > 140 || typed.eq_ignore_ascii_case(GUEST) {
        return Ok(None);
    }
    let name = if typed.eq_ignore_ascii_case(ADMINISTRATOR) { ADMINISTRATOR } else { folded.as_str() };
    let system = Session::system();
    match documents.get(&system, "User", name).await {
        Ok(user) => return Ok(Some(user.name())),
        Err(Error::DoesNotExist { .. }) => {}
        Err(error) => return Err(error),
    }
    let request = ListRequest::new("User").fields(&["name", "username"]).filters(json!({"username": typed}));
    let list = documents.list(&system, &request).await?;
    // Whatever a database takes for equal.
    let found = (0..list.rows.len()).find(|row| list.text(*row, "username") == typed);
    Ok(found.map(|row| list.text(row, "name").to_owned()))
}

async fn stored_hash(documents: &Documents, user: &str) -> Result<Option<String>> {
    documents.reading(&Session::system()).get_hash("User", user, password::FIELD).await
}

async fn rehash(documents: &Documents, passwords: &Passwords, user: &str, pwd: String) -> Result<()> {
    let hash = passwords.hash(pwd).await?;
    let mut work = documents.begin(&Session::system()).await?;
    work.set_hash("User", user, password::FIELD, Some(&hash)).await?;
    work.commit().await
}

/// The answer of a login as JSON.
impl From<LoggedIn> for Json {
    fn from(done: LoggedIn) -> Self {
        json!({"message": done.message, "home_page": done.home_page, "full_name": done.full_name})
    }
}
