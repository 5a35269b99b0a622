//! `/forgot-password`, and Frappe's method for it: a link by mail to a new password.
//!
//! What is answered, and when, does not depend on whether there is such an account: looking for it happens behind the answer.

use poem::Response;
use poem::http::{HeaderMap, Method as HttpMethod, StatusCode};
use serde_json::json;

use crate::account::link::Kind;
use crate::account::login;
use crate::document::view::{parse_time, time_value};
use crate::error::{Error, ProblemKind, Result};
use crate::meta::Value;
use crate::permissions::Session;
use crate::permissions::session::ADMINISTRATOR;
use crate::web::mail::{Mail, Text};
use crate::web::rate_limit::RateLimit;
use crate::web::request::page_view;
use crate::web::templates::html;
use crate::web::{
    Answer, Call, Exchange, LoginSettings, Method, Param, Plugins, RequestContext, Route, SecurityEvent, Severity,
    Site, Verbs, csrf, handler,
};

/// Its address.
pub(super) const ADDRESS: &str = "/forgot-password";
/// Requests per minute from one address.
const OF_AN_ADDRESS: i64 = 5;
/// How long an account gets no further link, so that nobody fills a mailbox.
const PAUSE: chrono::Duration = chrono::Duration::minutes(5);
/// What everybody is told.
const TOLD: &str = "If there is an account with an email address, a link to a new password is on its way there. It works once, \
                    within an hour";
/// What is said where no mail can be sent.
const NO_MAIL: &str = "This site sends no mail: ask an administrator for a new password";

/// Registers page and method.
pub(super) fn register(plugins: &mut Plugins) {
    const PARAMS: &[Param] = &[Param::required("user", "string", "The email address or the username")];
    let limit = RateLimit::of("forgotten passwords");
    let of_page = limit.clone();
    plugins.route(Route::new(ADDRESS).get(show).post(move |exchange| send(exchange, of_page.clone())));
    plugins.method(Method {
        path: "frappe.core.doctype.user.user.reset_password",
        verbs: Verbs::POST,
        guest: true,
        guarded: false,
        summary: "Sends a link to a new password to the address of an account, if there is one",
        params: PARAMS,
        handler: handler(move |call| method(call, limit.clone())),
    });
}

async fn method(call: Call, limit: RateLimit) -> Result<Answer> {
    let user = call.args().required("user")?;
    ask(&call.site, &call.context, &call.headers, &limit, user).await?;
    Ok(Answer::message(TOLD))
}

async fn show(exchange: Exchange) -> Result<Response> {
    let query = exchange.query();
    let usr = query.iter().find(|(name, _)| name == "usr").map_or("", |(_, value)| value.as_str());
    let note = if exchange.site.mailer.is_set_up(&exchange.site.documents).await? { "" } else { NO_MAIL };
    page(&exchange, StatusCode::OK, usr, note, "").await
}

async fn send(mut exchange: Exchange, limit: RateLimit) -> Result<Response> {
    let form = exchange.form().await?;
    let usr = form.first("usr").unwrap_or("").trim().to_owned();
    match ask(&exchange.site, &exchange.context, exchange.request.headers(), &limit, usr.clone()).await {
        Ok(()) => page(&exchange, StatusCode::OK, "", TOLD, "").await,
        Err(error) if error.is_failure() || matches!(error, Error::CrossSite(_)) => Err(error),
        Err(error) => {
            let described = crate::web::error::describe(&error);
            let mut page = page(&exchange, described.status, &usr, "", &described.message).await?;
            if let Some(seconds) = described.retry_after {
                page.headers_mut().insert("retry-after", seconds.into());
            }
            Ok(page)
        }
    }
}

async fn page(exchange: &Exchange, status: StatusCode, usr: &str, note: &str, error: &str) -> Result<Response> {
    let sentence = |text: &str| if text.is_empty() { String::new() } else { format!("{}.", exchange.say(text)) };
    let view = json!({
        "page": page_view(&exchange.site, &exchange.context).await?,
        "title": exchange.say("Forgotten password"),
        "usr": usr,
        "note": sentence(note),
        "error": sentence(error),
    });
    Ok(html(status, exchange.site.templates.render(exchange.language(), "account/forgot_password", &view)?))
}

/// Takes the wish of somebody who says they are `typed`.
async fn ask(
    site: &Site,
    context: &RequestContext,
    headers: &HeaderMap,
    limit: &RateLimit,
    typed: String,
) -> Result<()> {
    csrf::check_origin(&HttpMethod::POST, headers, &site.config.site_url)?;
    if typed.is_empty() {
        return Err(Error::invalid(ProblemKind::Validation, "Say who you are: type your email address"));
    }
    limit.count_at_all_nodes(&site.documents, context.ip, OF_AN_ADDRESS).await?;
    if !site.mailer.is_set_up(&site.documents).await? {
        return Err(Error::invalid(ProblemKind::Validation, NO_MAIL));
    }
    let (site, context) = (site.clone(), context.clone());
    // Nobody waits for it, or the time would tell whether there is such an account.
    tokio::spawn(async move {
        if let Err(error) = send_link(&site, &context, &typed).await {
            tracing::error!(%error, cause = ?error, "a link to a new password could not be made");
        }
    });
    Ok(())
}

async fn send_link(site: &Site, context: &RequestContext, typed: &str) -> Result<()> {
    let documents = &site.documents;
    let Some(name) = login::find_user(documents, typed).await? else { return Ok(()) };
    // The address of Administrator is nobody's until somebody gives it one, and then whoever has it gets no site for it.
    if name == ADMINISTRATOR || documents.access(&name).await?.is_none() {
        return Ok(());
    }
    let mut work = documents.begin(&Session::system()).await?;
    let user = work.get_for_update("User", &name).await?;
    let now = documents.clock().now();
    let last = parse_time(user.text("last_reset_password_key_generated_on"));
    let address = user.text("email");
    // A clock that has gone back keeps nobody out.
    if !address.contains('@') || last.is_some_and(|last| last <= now && now - last < PAUSE) {
        return Ok(());
    }
    let link = Kind::Reset.make(documents.site_url());
    let values =
        [("reset_password_key", Value::from(link.digest)), ("last_reset_password_key_generated_on", time_value(now))];
    work.set_values("User", &name, &values).await?;
    SecurityEvent::new("Password Reset Requested", Severity::Info)
        .user(name.as_str())
        .during(context)
        .record_in(&mut work)
        .await?;
    let site_name = LoginSettings::load(documents).await?.app_name;
    let mail = Mail {
        to: address,
        language: user.text("language"),
        subject: Text::new("Your new password at {site_name}", &[("site_name", &site_name)]),
        paragraphs: vec![
            Text::new("Hello {person},", &[("person", user.text("full_name"))]),
            Text::new(
                "somebody, probably you, has forgotten the password of your account. Choose a new one here, within an hour:",
                &[],
            ),
            Text::new("{link}", &[("link", &link.url)]),
            Text::new("If it was not you, you need not do anything: your password stays as it is.", &[]),
            Text::new("{site_name}, {site_url}", &[("site_name", &site_name), ("site_url", documents.site_url())]),
        ],
    };
    mail.queue(&mut work).await?;
    work.commit().await
}
