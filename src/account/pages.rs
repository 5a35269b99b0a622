//! The pages around logging in: `/login`, `/logout`, and the root of the site.

use poem::Response;
use poem::http::StatusCode;
use serde_json::json;

use crate::account::login;
use crate::account::own_page;
use crate::account::password::Passwords;
use crate::account::second_factor::challenge::{Challenge, Passed, Step};
use crate::error::{Error, Result};
use crate::permissions::Session;
use crate::web::error::{Origin, Style, describe, render, see_other};
use crate::web::language;
use crate::web::own_path::own_path;
use crate::web::request::page_view;
use crate::web::route::Route;
use crate::web::templates::html;
use crate::web::{Exchange, Plugins, csrf, resend, rpc};

/// The login page.
pub(super) const LOGIN: &str = "/login";
/// The desk.
const HOME: &str = "/app";
/// The form field, and the query parameter, that names the page to go to after logging in.
const REDIRECT: &str = "redirect-to";
/// The query parameter that says who is expected to log in.
const HINT: &str = "login_hint";
/// The query parameter, and form field, that shows the page although somebody is logged in: a [`Prompt`].
const PROMPT: &str = "prompt";

/// Why somebody who is logged in comes to the login page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prompt {
    /// To prove again that it is they.
    Login,
    /// To let somebody else in.
    SelectAccount,
}

impl Prompt {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "login" => Some(Self::Login),
            "select_account" => Some(Self::SelectAccount),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::SelectAccount => "select_account",
        }
    }
}

/// What the login page shows.
#[derive(Default)]
struct LoginPage<'p> {
    usr: &'p str,
    target: Option<&'p str>,
    prompt: Option<Prompt>,
    error: Option<&'p str>,
    /// A form that came too late, for the target.
    typed: &'p str,
}

/// Registers the pages.
pub(super) fn register(plugins: &mut Plugins, passwords: &Passwords) {
    let passwords = passwords.clone();
    plugins.route(Route::new(LOGIN).get(show_login).post(move |exchange| send_login(exchange, passwords.clone())));
    plugins.route(Route::new("/logout").get(show_logout).post(send_logout));
    plugins.route(Route::new("/").get(root).post(root));
}

async fn show_login(exchange: Exchange) -> Result<Response> {
    let query = exchange.query();
    let parameter = |wanted: &str| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let target = parameter(REDIRECT).and_then(|text| target(&exchange, text));
    let session = exchange.session();
    let prompt = parameter(PROMPT).and_then(Prompt::parse).filter(|_| !session.is_guest());
    if !session.is_guest() && prompt.is_none() {
        return Ok(see_other(target.as_deref().unwrap_or_else(|| home(session))));
    }
    let own = if prompt == Some(Prompt::Login) { session.user() } else { "" };
    let usr = parameter(HINT).filter(|usr| !usr.is_empty() && usr.len() <= 140).unwrap_or(own);
    login_page(&exchange, StatusCode::OK, LoginPage { usr, target: target.as_deref(), prompt, ..LoginPage::default() })
        .await
}

async fn send_login(mut exchange: Exchange, passwords: Passwords) -> Result<Response> {
    let query = exchange.query();
    let resent = query.iter().find(|(name, _)| name == resend::TARGET).and_then(|(_, text)| target(&exchange, text));
    if let Some(target) = resent.filter(|target| resend::may_go_to(target)) {
        return carry_on(exchange, &target).await;
    }
    let form = exchange.form().await?;
    let text = |name: &str| form.first(name).unwrap_or("").to_owned();
    let (usr, pwd) = (text("usr"), text("pwd"));
    let target = target(&exchange, &text(REDIRECT));
    let prompt = Prompt::parse(&text(PROMPT)).filter(|_| !exchange.session().is_guest());
    let typed = form.first(resend::FIELD).unwrap_or("");
    let tmp_id = form.first("tmp_id").unwrap_or("");
    if !tmp_id.is_empty() {
        return send_code(&exchange, tmp_id, form.first("otp").unwrap_or(""), target, typed).await;
    }
    let done = if usr.trim().is_empty() || pwd.is_empty() {
        Err(Error::Authentication(crate::error::AuthenticationError::BadCredentials))
    } else {
        let headers = exchange.request.headers();
        login::log_in(&exchange.site, &exchange.context, headers, &passwords, &usr, pwd).await
    };
    match done {
        Ok(Step::Done(done)) => Ok(go_on(target, typed, done.home_page)),
        Ok(Step::Code(challenge)) => {
            let target = target.unwrap_or_default();
            code_page(&exchange, StatusCode::OK, &challenge, LOGIN, &target, typed, "").await
        }
        Err(error) if error.is_failure() || matches!(error, Error::CrossSite(_)) => Err(error),
        Err(error) => {
            let described = describe(&error);
            let message = format!("{}.", exchange.say(&described.message));
            let page = LoginPage { usr: &usr, target: target.as_deref(), prompt, error: Some(&message), typed };
            let mut page = login_page(&exchange, described.status, page).await?;
            if let Some(seconds) = described.retry_after {
                page.headers_mut().insert("retry-after", seconds.into());
            }
            Ok(page)
        }
    }
}

/// Where somebody goes who is in.
fn go_on(target: Option<String>, typed: &str, home_page: String) -> Response {
    match target {
        // The form goes on to where it was going, which shows it again.
        Some(target) if !typed.is_empty() && resend::may_go_to(&target) => resend::again_at(&target),
        target => see_other(&target.unwrap_or(home_page)),
    }
}

/// Takes the code that follows the password.
async fn send_code(
    exchange: &Exchange,
    tmp_id: &str,
    code: &str,
    target: Option<String>,
    typed: &str,
) -> Result<Response> {
    let site = &exchange.site;
    let challenge = match Challenge::open(&site.documents, tmp_id) {
        Ok(challenge) => challenge,
        Err(error) => {
            let described = describe(&error);
            let message = format!("{}.", exchange.say(&described.message));
            let page = LoginPage { target: target.as_deref(), error: Some(&message), typed, ..LoginPage::default() };
            return login_page(exchange, described.status, page).await;
        }
    };
    match challenge.answer(site, &exchange.context, exchange.request.headers(), code).await {
        Ok(Passed { done, recovery_codes }) if recovery_codes.is_empty() => Ok(go_on(target, typed, done.home_page)),
        Ok(Passed { done, recovery_codes }) => {
            let view = json!({
                "page": page_view(site, &exchange.context).await?,
                "title": exchange.say("Recovery codes"),
                "codes": recovery_codes,
                "target": target.unwrap_or(done.home_page),
                "typed": typed,
            });
            Ok(html(StatusCode::OK, site.templates.render(exchange.language(), "account/recovery_codes", &view)?))
        }
        Err(error) if error.is_failure() || matches!(error, Error::CrossSite(_)) => Err(error),
        Err(error) => {
            let described = describe(&error);
            let target = target.unwrap_or_default();
            let mut page =
                code_page(exchange, described.status, &challenge, LOGIN, &target, typed, &described.message).await?;
            if let Some(seconds) = described.retry_after {
                page.headers_mut().insert("retry-after", seconds.into());
            }
            Ok(page)
        }
    }
}

/// The page that asks for a code, and shows what an app is to learn where a second factor is set up.
pub(super) async fn code_page(
    exchange: &Exchange,
    status: StatusCode,
    challenge: &Challenge,
    action: &str,
    target: &str,
    typed: &str,
    error: &str,
) -> Result<Response> {
    let site = &exchange.site;
    let title = if challenge.sets_up() { "Set up a second factor" } else { "Second factor" };
    let view = json!({
        "page": page_view(site, &exchange.context).await?,
        "title": exchange.say(title),
        "action": action,
        "tmp_id": challenge.seal(&site.documents)?,
        "picture": challenge.picture(&site.documents).await?,
        "redirect_to": target,
        "typed": typed,
        "error": if error.is_empty() { String::new() } else { format!("{}.", exchange.say(error)) },
    });
    Ok(html(status, site.templates.render(exchange.language(), "account/second_factor", &view)?))
}

/// Takes a page's form whose session has ended, asks for a login, and keeps what was typed meanwhile.
async fn carry_on(mut exchange: Exchange, target: &str) -> Result<Response> {
    let request = &exchange.request;
    csrf::check_origin(request.method(), request.headers(), &exchange.site.config.site_url)?;
    let (form, _) = exchange.form_or_late_form().await?;
    if !exchange.session().is_guest() {
        return Ok(resend::again_at(target));
    }
    let typed = resend::pack(&form);
    let page = LoginPage { target: Some(target), typed: &typed, ..LoginPage::default() };
    login_page(&exchange, StatusCode::UNAUTHORIZED, page).await
}

async fn login_page(exchange: &Exchange, status: StatusCode, page: LoginPage<'_>) -> Result<Response> {
    let (site, context) = (&exchange.site, &exchange.context);
    let mut options = Vec::new();
    for source in &site.login_options {
        options.extend(source(site.clone(), page.target.map(str::to_owned)).await?);
    }
    if let Some(prompt) = page.prompt {
        for option in &mut options {
            let separator = if option.href.contains('?') { '&' } else { '?' };
            option.href = format!("{}{separator}{PROMPT}={}", option.href, prompt.as_str());
        }
    }
    let name = &context.session.access.full_name;
    let (title, note) = match page.prompt {
        Some(Prompt::Login) => {
            ("Log in once more", Some(format!("You are logged in as {name}. Prove that it is you.")))
        }
        Some(Prompt::SelectAccount) => {
            ("Log in as somebody else", Some(format!("{name} stays logged in here until somebody else has logged in.")))
        }
        None if !page.typed.is_empty() => (
            "Log in",
            Some("Your session has ended. Log in again: what you typed is kept, and you can save it then.".to_owned()),
        ),
        None if context.session_expired => ("Log in", Some("Your session has ended. Log in again".to_owned())),
        None => ("Log in", None),
    };
    let view = json!({
        "page": page_view(site, context).await?,
        "title": exchange.say(title),
        "languages": language::choices(site, exchange.language().code()).await,
        "usr": page.usr,
        "redirect_to": page.target.unwrap_or(""),
        "prompt": page.prompt.map(Prompt::as_str),
        "note": note.filter(|_| page.error.is_none()).map(|note| exchange.say(&note)),
        "error": page.error,
        "typed": page.typed,
        "options": options,
        "may_forget": site.mailer.is_set_up(&site.documents).await?,
    });
    Ok(html(status, site.templates.render(&context.language, "account/login", &view)?))
}

/// Asks; only the form of the page ends anything.
async fn show_logout(exchange: Exchange) -> Result<Response> {
    if exchange.session().is_guest() {
        return Ok(see_other("/login"));
    }
    let (site, context) = (&exchange.site, &exchange.context);
    let view = json!({"page": page_view(site, context).await?, "title": exchange.say("Log out")});
    Ok(html(StatusCode::OK, site.templates.render(&context.language, "account/logout", &view)?))
}

async fn send_logout(mut exchange: Exchange) -> Result<Response> {
    exchange.form().await?;
    let mut target = None;
    for logout in &exchange.site.logout_targets {
        target = target.or(logout(exchange.site.clone(), exchange.context.clone()).await?);
    }
    login::log_out(&exchange.site, &exchange.context, exchange.request.headers()).await?;
    Ok(see_other(target.as_deref().filter(|path| path.starts_with('/')).unwrap_or("/login")))
}

/// The root: Frappe's legacy transport where the request has a `cmd`, else the way to the desk.
async fn root(exchange: Exchange) -> Result<Response> {
    let (site, context) = (exchange.site.clone(), exchange.context.clone());
    let origin =
        Origin { style: Style::ApiV1, is_navigation: false, uri: "/".to_owned(), scheme: None, authorization: None };
    match rpc::legacy(exchange).await {
        Ok(Some(response)) => Ok(response),
        Ok(None) => Ok(see_other(home(&context.session))),
        // Whoever uses the legacy transport reads JSON.
        Err(error) => Ok(render(&error, &origin, &site, &context).await),
    }
}

/// Where people go who came for nothing in particular: the desk, or their account if they do not use it.
fn home(session: &Session) -> &'static str {
    if session.is_guest() || session.is_desk_user() { HOME } else { own_page::ADDRESS }
}

/// Where to go after the login: a page of this site, and not the login again.
fn target(exchange: &Exchange, text: &str) -> Option<String> {
    own_path(&exchange.site.config.site_url, text).filter(|path| !path.starts_with("/login"))
}
