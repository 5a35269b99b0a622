//! `/me`: the account of whoever is logged in, desk or not: their name, password, sessions and API keys (`own_keys`), and
//! what they may read.

use poem::Response;
use poem::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use crate::account::{own_keys, second_factor};
use crate::document::{Children, ListRequest};
use crate::error::{Error, ProblemKind, Result};
use crate::meta::Right;
use crate::permissions::{Grant, Session};
use crate::web::error::{describe, see_other};
use crate::web::language;
use crate::web::request::page_view;
use crate::web::templates::html;
use crate::web::{AccountPage, Exchange, Plugins, Route, shown_once};

/// Its address.
pub(super) const ADDRESS: &str = "/me";
/// The query parameter that says what was just done.
const DONE: &str = "done";
/// What people may change of their own User.
const NAMES: [&str; 2] = ["first_name", "last_name"];
/// Modules of DocTypes that the site itself needs; what they hold is on this page already.
const PLUMBING: [&str; 2] = ["Core", "OAuth"];
/// What stands for all sessions but that of this browser.
const ALL_OTHERS: &str = "others";
/// What only people do there.
pub(super) const ONLY_PEOPLE: &str = "People change their account";

/// Registers the page and its forms.
pub(super) fn register(plugins: &mut Plugins) {
    plugins.account_pages.push(AccountPage { label: "My account", href: ADDRESS, icon: "user" });
    plugins.route(Route::new(ADDRESS).get(get));
    plugins.route(Route::new("/me/name").post(change_name));
    plugins.route(Route::new("/me/language").post(change_language));
    plugins.route(Route::new("/me/password").post(change_password));
    plugins.route(Route::new("/me/api-key").post(make_api_key));
    plugins.route(Route::new("/me/sessions/end").post(end_session));
    own_keys::register(plugins);
}

async fn get(exchange: Exchange) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let query = exchange.query();
    let done = query.iter().find(|(name, _)| name == DONE).map(|(_, value)| match value.as_str() {
        "name" => "Your name is changed.",
        "language" => "Your language is changed.",
        "password" => "Your password is changed. Your other sessions have ended.",
        "second_factor" => {
            "Your second factor is set up. Keep the recovery codes where you find them without your phone."
        }
        "second_factor_off" => "You have no second factor any more.",
        "session" => "That session has ended.",
        "sessions" => "You are logged out everywhere but here.",
        "end_previous_secret" => "The old secret of that key is refused from now on.",
        "revoke" => "That key opens nothing any more.",
        _ => "",
    });
    show(&exchange, StatusCode::OK, json!({"done": done.unwrap_or_default()})).await
}

/// The page, with what has just happened.
async fn show(exchange: &Exchange, status: StatusCode, happened: Json) -> Result<Response> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let user = documents.get(&Session::system(), "User", session.user()).await?;
    let request = ListRequest::new("Session")
        .fields(&["name", "device", "ip_address", "last_seen", "login_method"])
        .filters(json!({"user": session.user(), "status": "Active"}))
        .order_by("last_seen desc");
    let list = documents.list(&Session::system(), &request).await?;
    let zone = documents.own_zone(session);
    let sessions: Vec<Json> = (0..list.rows.len())
        .map(|row| {
            let text = |key: &str| list.text(row, key).to_owned();
            json!({
                "name": text("name"),
                "device": text("device"),
                "address": text("ip_address"),
                "last_seen": zone.shown(list.text(row, "last_seen")).chars().take(16).collect::<String>(),
                "is_own": session.sid.as_deref() == Some(&*text("name")),
            })
        })
        .collect();
    let registry = exchange.registry();
    let doctypes: Vec<Json> = registry
        .iter()
        .filter(|doctype| !doctype.istable && !PLUMBING.contains(&doctype.module.as_str()))
        .filter(|doctype| Grant::of(session, doctype).may(Right::Read))
        .map(|doctype| {
            let base =
                if session.is_desk_user() { format!("/app/{}", doctype.slug()) } else { api_address(&doctype.name) };
            json!({"name": doctype.name, "description": doctype.description, "href": base})
        })
        .collect();
    let may_see_user = documents
        .doctype("User")
        .is_ok_and(|doctype| documents.check_permission(session, &doctype, Some(&user), Right::Read).is_ok());
    let kept = shown_once::take(exchange, ADDRESS).await?;
    let mut view = json!({
        "page": page_view(&exchange.site, &exchange.context).await?,
        "email": user.text("email"),
        "first_name": user.text("first_name"),
        "last_name": user.text("last_name"),
        "api_key": user.text("api_key"),
        "user_url": if may_see_user && session.is_desk_user() { format!("/app/User/{}", session.user()) } else { String::new() },
        "languages": language::choices(&exchange.site, user.text("language")).await,
        "has_others": sessions.len() > 1,
        "sessions": sessions,
        "doctypes": doctypes,
        "shown_once": kept.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>(),
        "done": "",
        "problem": "",
        "at": "",
    });
    for part in [own_keys::view(exchange).await?, second_factor::own::view(exchange).await?, happened] {
        if let (Some(view), Json::Object(part)) = (view.as_object_mut(), part) {
            view.extend(part);
        }
    }
    Ok(html(status, exchange.site.templates.render(exchange.language(), "account/me", &view)?))
}

fn api_address(doctype: &str) -> String {
    let name = percent_encoding::utf8_percent_encode(doctype, percent_encoding::NON_ALPHANUMERIC);
    format!("/api/resource/{name}")
}

/// The page again, with what is wrong beside the part `at`, and what else has happened there; faults of the site become error pages.
pub(super) async fn refuse(exchange: &Exchange, at: &str, error: Error, mut happened: Json) -> Result<Response> {
    let described = describe(&error);
    match error {
        error if error.is_failure() || matches!(error, Error::CrossSite(_)) => Err(error),
        _ => {
            happened["at"] = json!(at);
            happened["problem"] = json!(format!("{}.", exchange.say(&described.message)));
            show(exchange, described.status, happened).await
        }
    }
}

async fn change_name(mut exchange: Exchange) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let form = exchange.form().await?;
    let values: Map<String, Json> =
        NAMES.iter().filter_map(|name| Some(((*name).to_owned(), Json::from(form.first(name)?.trim())))).collect();
    let user = exchange.session().user().to_owned();
    // The page is everybody's, whatever the roles say about User documents.
    let updated = exchange.site.documents.update(&Session::system(), "User", &user, &values, Children::Patch).await;
    match updated {
        Ok(_) => Ok(see_other("/me?done=name")),
        Err(error) => refuse(&exchange, "name", error, json!({})).await,
    }
}

async fn change_language(mut exchange: Exchange) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let form = exchange.form().await?;
    let code = form.first("language").unwrap_or("").trim();
    if !code.is_empty() && language::offered(&exchange.site, code).await.is_none() {
        let unknown = Error::invalid(ProblemKind::Validation, "This language is not offered: choose another one");
        return refuse(&exchange, "language", unknown, json!({})).await;
    }
    let values = Map::from_iter([("language".to_owned(), Json::from(code))]);
    let user = exchange.session().user().to_owned();
    match exchange.site.documents.update(&Session::system(), "User", &user, &values, Children::Patch).await {
        Ok(_) => Ok(see_other("/me?done=language#language")),
        Err(error) => refuse(&exchange, "language", error, json!({})).await,
    }
}

async fn change_password(mut exchange: Exchange) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let form = exchange.form().await?;
    let text = |name: &str| form.first(name).unwrap_or("").to_owned();
    let (old, new) = (text("old_password"), text("new_password"));
    let changed = if new == text("repeated") {
        let arguments = Map::from_iter([
            ("old_password".to_owned(), Json::from(old)),
            ("new_password".to_owned(), Json::from(new)),
        ]);
        exchange.call_method("frappe.core.doctype.user.user.update_password", Json::Object(arguments), Vec::new()).await
    } else {
        Err(Error::invalid(ProblemKind::Validation, "The two new passwords differ: type the same one twice"))
    };
    match changed {
        Ok(_) => Ok(see_other("/me?done=password")),
        Err(Error::Authentication(_)) => {
            let wrong = Error::invalid(ProblemKind::Validation, "The current password is not right");
            refuse(&exchange, "password", wrong, json!({})).await
        }
        Err(error) => refuse(&exchange, "password", error, json!({})).await,
    }
}

async fn make_api_key(mut exchange: Exchange) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    exchange.form().await?;
    let arguments = Map::from_iter([("user".to_owned(), Json::from(exchange.session().user()))]);
    match exchange.call_method("frappe.core.doctype.user.user.generate_keys", Json::Object(arguments), Vec::new()).await
    {
        Ok(made) => {
            let text = |key: &str| made.get(key).and_then(Json::as_str).unwrap_or("").to_owned();
            let values = vec![
                ("API Key".to_owned(), text("api_key")),
                ("API Secret".to_owned(), text("api_secret")),
                ("Header".to_owned(), format!("Authorization: token {}:{}", text("api_key"), text("api_secret"))),
            ];
            shown_once::keep(&exchange, ADDRESS, values).await?;
            Ok(see_other(ADDRESS))
        }
        Err(error) => refuse(&exchange, "api-key", error, json!({})).await,
    }
}

async fn end_session(mut exchange: Exchange) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let form = exchange.form().await?;
    let name = form.first("session").unwrap_or("");
    if name == ALL_OTHERS {
        let session = exchange.session();
        let mut work = exchange.site.documents.begin(session).await?;
        crate::web::session::end_all(&mut work, session.user(), session.sid.as_deref()).await?;
        work.commit().await?;
        return Ok(see_other("/me?done=sessions"));
    }
    // Owners may delete their sessions and nobody else's: the engine sees to it.
    match exchange.site.documents.delete(exchange.session(), "Session", name).await {
        Ok(()) => Ok(see_other("/me?done=session")),
        Err(error) => refuse(&exchange, "sessions", error, json!({})).await,
    }
}
