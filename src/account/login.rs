//! Logging in and out by password, and the methods for it.

use poem::http::{HeaderMap, Method as HttpMethod};
use serde_json::{Value as Json, json};

use crate::account::own_page;
use crate::account::password::{self, Passwords};
use crate::account::second_factor::challenge::{Challenge, Passed, Step};
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
        Param::optional("usr", "string", "The email address or the username"),
        Param::optional("pwd", "string", "The password"),
        Param::optional("otp", "string", "The code of the second factor, with `tmp_id`"),
        Param::optional("tmp_id", "string", "What the first answer said, where a code is asked for"),
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
    let sent = match call.args().text("tmp_id")?.filter(|tmp_id| !tmp_id.is_empty()) {
        Some(tmp_id) => Sent::Code { tmp_id, otp: call.args().required("otp")? },
        None => Sent::Password { usr: call.args().required("usr")?, pwd: call.args().required("pwd")? },
    };
    Ok(match by_program(&call.site, &call.context, &call.headers, &passwords, sent).await? {
        Reply::In(done) => {
            Answer::message(done.message).with("home_page", done.home_page).with("full_name", done.full_name)
        }
        Reply::Code(tmp_id) => Answer::nothing().with("verification", verification()).with("tmp_id", tmp_id),
    })
}

/// What a program sends to log somebody in.
pub(super) enum Sent {
    /// First the password.
    Password {
        /// The email address or the username.
        usr: String,
        /// The password.
        pwd: String,
    },
    /// Then the code, where one is asked for.
    Code {
        /// What the first answer said.
        tmp_id: String,
        /// The code.
        otp: String,
    },
}

/// What a program is answered.
pub(super) enum Reply {
    /// The person is in.
    In(LoggedIn),
    /// A code is asked for; what is to be sent along.
    Code(String),
}

/// How Frappe asks for a code.
pub(super) fn verification() -> Json {
    json!({"method": "OTP App", "setup": true})
}

/// Logs a person in for a program, in one step or two.
pub(super) async fn by_program(
    site: &Site,
    context: &RequestContext,
    headers: &HeaderMap,
    passwords: &Passwords,
    sent: Sent,
) -> Result<Reply> {
    match sent {
        Sent::Password { usr, pwd } => match log_in(site, context, headers, passwords, &usr, pwd).await? {
            Step::Done(done) => Ok(Reply::In(done)),
            Step::Code(challenge) if challenge.sets_up() => Err(must_set_up()),
            Step::Code(challenge) => challenge.seal(&site.documents).map(Reply::Code),
        },
        Sent::Code { tmp_id, otp } => {
            let challenge = Challenge::open(&site.documents, &tmp_id)?;
            if challenge.sets_up() {
                return Err(must_set_up());
            }
            let Passed { done, .. } = challenge.answer(site, context, headers, &otp).await?;
            Ok(Reply::In(done))
        }
    }
}

fn must_set_up() -> Error {
    Error::Permission("Your roles ask for a second factor: log in once in a browser to set it up".to_owned())
}

/// Logs a person in by password, as far as that alone lets them in; the cookies go into the answer.
///
/// Whatever is wrong, the answer is the same and takes about as long: it does not tell who has an account here.
pub(super) async fn log_in(
    site: &Site,
    context: &RequestContext,
    headers: &HeaderMap,
    passwords: &Passwords,
    usr: &str,
    pwd: String,
) -> Result<Step> {
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
    if hash.as_deref().is_some_and(secret::needs_rehash) {
        rehash(documents, passwords, &name, pwd).await?;
    }
    if let Some(challenge) = Challenge::of(documents, &name).await? {
        // What failed before is not forgotten yet, or whoever knows the password could try codes for ever.
        return Ok(Step::Code(challenge));
    }
    attempt.succeeded(documents).await?;
    start(site, context, &name, false).await.map(Step::Done)
}

/// Starts the session of a person who has proved who they are by a password, old or new, and perhaps by a second factor.
pub(super) async fn start(site: &Site, context: &RequestContext, user: &str, second_factor: bool) -> Result<LoggedIn> {
    let documents = &site.documents;
    let new = NewSession {
        user,
        method: LoginMethod::Password,
        second_factor,
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
pub(super) async fn find_user(documents: &Documents, typed: &str) -> Result<Option<String>> {
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
