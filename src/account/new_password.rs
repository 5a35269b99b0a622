//! `/update-password?key=`: the page behind a link, where somebody chooses a password, for their account or for a new one.

use poem::Response;
use poem::http::StatusCode;
use serde_json::json;

use crate::account::doctype::user::store_password;
use crate::account::doctype::user_invitation::{self, Accepting};
use crate::account::link::{ADDRESS, Kind};
use crate::account::pages::{LOGIN, code_page};
use crate::account::password::Passwords;
use crate::account::second_factor::challenge::Step;
use crate::document::view::parse_time;
use crate::document::{Documents, Work};
use crate::error::{Error, ProblemKind, Result};
use crate::meta::{Document, Value};
use crate::permissions::Session;
use crate::secret;
use crate::web::error::{describe, see_other};
use crate::web::own_path::own_path;
use crate::web::request::page_view;
use crate::web::session::end_all;
use crate::web::templates::html;
use crate::web::{Exchange, LoginSettings, Plugins, Route, csrf};

/// What is said of a key that opens nothing, whatever the reason.
const GONE: &str = "This link is not valid any more: it works once and for a limited time";

/// Registers the page.
pub(super) fn register(plugins: &mut Plugins, passwords: &Passwords) {
    let passwords = passwords.clone();
    plugins.route(Route::new(ADDRESS).get(show).post(move |exchange| send(exchange, passwords.clone())));
}

/// What the page shows.
#[derive(Default)]
struct Shown<'s> {
    key: &'s str,
    first_name: &'s str,
    last_name: &'s str,
    error: &'s str,
}

async fn show(exchange: Exchange) -> Result<Response> {
    let query = exchange.query();
    let key = query.iter().find(|(name, _)| name == "key").map_or("", |(_, value)| value.as_str());
    page(&exchange, StatusCode::OK, Shown { key, ..Shown::default() }).await
}

/// The form for a key, or what is to be done with one that opens nothing.
async fn page(exchange: &Exchange, status: StatusCode, shown: Shown<'_>) -> Result<Response> {
    let (site, documents) = (&exchange.site, &exchange.site.documents);
    let mut reading = documents.reading(&Session::system());
    let (who, is_invitation) = match Kind::of(shown.key) {
        Some(Kind::Reset) => (find_user(&mut reading, shown.key).await?.map(|user| user.name()), false),
        Some(Kind::Invitation) => {
            let found = user_invitation::find(&mut reading, shown.key).await?;
            (found.map(|invitation| invitation.text("email").to_owned()), true)
        }
        None => (None, false),
    };
    let status = if who.is_none() && status == StatusCode::OK { StatusCode::GONE } else { status };
    let sentence = |text: &str| if text.is_empty() { String::new() } else { format!("{}.", exchange.say(text)) };
    let title = if is_invitation && who.is_some() { "Welcome" } else { "New password" };
    let settings = LoginSettings::load(documents).await?;
    let view = json!({
        "page": page_view(site, &exchange.context).await?,
        "title": exchange.say(title),
        "who": who,
        "is_invitation": is_invitation,
        "key": shown.key,
        "first_name": shown.first_name,
        "last_name": shown.last_name,
        "minimum": settings.minimum_password_length,
        "error": sentence(if who.is_none() { GONE } else { shown.error }),
        "may_ask": !is_invitation && site.mailer.is_set_up(documents).await?,
    });
    let mut page = html(status, site.templates.render(exchange.language(), "account/new_password", &view)?);
    // The address of this page is a secret.
    page.headers_mut().insert("referrer-policy", poem::http::HeaderValue::from_static("no-referrer"));
    Ok(page)
}

async fn send(mut exchange: Exchange, passwords: Passwords) -> Result<Response> {
    let request = &exchange.request;
    csrf::check_origin(request.method(), request.headers(), &exchange.site.config.site_url)?;
    let form = exchange.form().await?;
    let text = |name: &str| form.first(name).unwrap_or("").trim().to_owned();
    let (key, first_name, last_name) = (text("key"), text("first_name"), text("last_name"));
    let (new, repeated) = (form.first("new_password").unwrap_or(""), form.first("repeated").unwrap_or(""));
    let done = if new == repeated {
        let documents = &exchange.site.documents;
        match Kind::of(&key) {
            Some(Kind::Reset) => reset(documents, &passwords, &key, new.to_owned()).await.map(|user| (user, None)),
            Some(Kind::Invitation) => {
                let accepting = Accepting { first_name: &first_name, last_name: &last_name, password: new };
                user_invitation::accept(documents, &exchange.context, &key, accepting).await
            }
            None => Err(gone()),
        }
    } else {
        Err(Error::invalid(ProblemKind::Validation, "The two new passwords differ: type the same one twice"))
    };
    match done {
        Ok((user, target)) => {
            let target = target.and_then(|target| own_path(&exchange.site.config.site_url, &target));
            // A link to a mailbox is one factor: where a second one is asked for, it still is.
            match Step::after_password(&exchange.site, &exchange.context, &user).await? {
                Step::Done(done) => Ok(see_other(&target.unwrap_or(done.home_page))),
                Step::Code(challenge) => {
                    let target = target.unwrap_or_default();
                    code_page(&exchange, StatusCode::OK, &challenge, LOGIN, &target, "", "").await
                }
            }
        }
        Err(error) if error.is_failure() || matches!(error, Error::CrossSite(_)) => Err(error),
        Err(error) => {
            let described = describe(&error);
            let shown = Shown { key: &key, first_name: &first_name, last_name: &last_name, error: &described.message };
            page(&exchange, described.status, shown).await
        }
    }
}

/// The refusal of a key that opens nothing.
pub(super) fn gone() -> Error {
    Error::invalid(ProblemKind::Validation, GONE)
}

/// The account that a key gives a new password, while it does.
async fn find_user(work: &mut Work<'_>, key: &str) -> Result<Option<Document>> {
    let found = work.find_by("User", "reset_password_key", &secret::digest(key)).await?;
    Ok(found.filter(|user| is_valid(work.documents, user)))
}

fn is_valid(documents: &Documents, user: &Document) -> bool {
    let made = parse_time(user.text("last_reset_password_key_generated_on"));
    let now = documents.clock().now();
    user.check("enabled") && made.is_some_and(|made| now - made < Kind::Reset.life())
}

/// Gives an account its new password and ends all that rests on the old one. The key is used up.
async fn reset(documents: &Documents, passwords: &Passwords, key: &str, password: String) -> Result<String> {
    let mut work = documents.begin(&Session::system()).await?;
    let Some(user) = find_user(&mut work, key).await? else { return Err(gone()) };
    let name = user.name();
    let digest = Value::from(secret::digest(key));
    let today = work.now()[..10].to_owned();
    let values = [
        ("reset_password_key", Value::Null),
        ("last_password_reset_date", Value::from(today)),
        // Whoever has the link reads what is sent there.
        ("email_verified", Value::from(true)),
    ];
    if !work.set_values_if("User", &name, ("reset_password_key", &digest), &values).await? {
        return Err(gone());
    }
    store_password(&mut work, passwords, &name, password).await?;
    end_all(&mut work, &name, None).await?;
    work.commit().await?;
    Ok(name)
}
