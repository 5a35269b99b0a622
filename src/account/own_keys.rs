//! The API Keys on `/me`: everybody makes, rolls and ends their own there.

use poem::Response;
use serde_json::{Map, Value as Json, json};

use crate::account::own_page::{ADDRESS, ONLY_PEOPLE, refuse};
use crate::document::{Cell, ListRequest};
use crate::error::{Error, Result};
use crate::permissions::{Session, TimesIn};
use crate::web::error::see_other;
use crate::web::{Exchange, Plugins, Route, shown_once};

/// The DocType, whose controller knows what keys do.
const API_KEY: &str = "API Key";
/// What the form sends.
const TYPED: [&str; 5] = ["title", "scopes", "allowed_addresses", "validity", "expires_at"];
/// The part of the page.
const AT: &str = "keys";

/// Registers the forms.
pub(super) fn register(plugins: &mut Plugins) {
    plugins.route(Route::new("/me/keys").post(make));
    plugins.route(Route::new("/me/keys/roll").post(|exchange| call(exchange, "roll")));
    plugins.route(Route::new("/me/keys/end-old").post(|exchange| call(exchange, "end_previous_secret")));
    plugins.route(Route::new("/me/keys/revoke").post(|exchange| call(exchange, "revoke")));
}

/// What the page shows of them: the keys, and the form of a new one.
pub(super) async fn view(exchange: &Exchange) -> Result<Json> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let request = ListRequest::new(API_KEY)
        .fields(&[
            "name",
            "title",
            "enabled",
            "scopes",
            "allowed_addresses",
            "expires_at",
            "last_used",
            "last_used_from",
            "previous_secret_expires_at",
            "previous_last_used",
        ])
        .filters(json!({"user": session.user(), "revoked_at": ["is", "not set"]}))
        .order_by("creation desc")
        .all();
    let list = documents.list(&Session::system(), &request).await?;
    let (zone, now) = (documents.own_zone(session), documents.clock().now_text());
    let is_on = |row: usize, key: &str| {
        let column = list.keys.iter().position(|known| known == key);
        column.is_some_and(|column| matches!(&list.rows[row][column], Cell::Value(value) if value.is_truthy()))
    };
    let keys = (0..list.rows.len()).map(|row| {
        let text = |key: &str| list.text(row, key).to_owned();
        let time = |key: &str| zone.shown(list.text(row, key)).chars().take(16).collect::<String>();
        let has_expired = !text("expires_at").is_empty() && text("expires_at") <= now;
        let has_old = text("previous_secret_expires_at") > now;
        json!({
            "name": text("name"),
            "label": text("title"),
            "scopes": text("scopes"),
            "addresses": text("allowed_addresses").replace('\n', ", "),
            "expires_at": time("expires_at"),
            "last_used": time("last_used"),
            "last_used_from": text("last_used_from"),
            "has_expired": has_expired,
            "is_disabled": !is_on(row, "enabled"),
            "old_until": if has_old { time("previous_secret_expires_at") } else { String::new() },
            "old_last_used": if has_old { time("previous_last_used") } else { String::new() },
        })
    });
    let doctype = documents.doctype(API_KEY)?;
    let field = |name: &str| {
        doctype.field(name).map(|field| (field.options.clone(), field.default.clone().unwrap_or_default()))
    };
    let (options, validity) = field("validity").unwrap_or_default();
    let (_, scopes) = field("scopes").unwrap_or_default();
    Ok(json!({
        "keys": keys.collect::<Vec<_>>(),
        "options": options.lines().collect::<Vec<_>>(),
        "typed": {"title": "", "validity": validity, "scopes": scopes, "expires_at": "", "allowed_addresses": ""},
        "form_href": if session.is_desk_user() { "/app/api-key" } else { "" },
    }))
}

async fn make(mut exchange: Exchange) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let form = exchange.form().await?;
    let values: Map<String, Json> =
        TYPED.iter().map(|name| ((*name).to_owned(), Json::from(form.first(name).unwrap_or("").trim()))).collect();
    // What people type, their clocks show.
    let session = exchange.session().clone().with_times_in(TimesIn::Own);
    match exchange.site.documents.insert(&session, API_KEY, &values).await {
        Ok(key) => {
            let pairs = key.revealed.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            show_secret(&exchange, pairs.collect()).await
        }
        Err(error) => refuse(&exchange, AT, error, json!({ "typed": values })).await,
    }
}

async fn call(mut exchange: Exchange, method: &str) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let form = exchange.form().await?;
    let name = form.first("key").unwrap_or("").to_owned();
    let called = exchange.site.documents.call(exchange.session(), API_KEY, &name, method, &Map::new(), true).await;
    match called {
        Ok(Some(Json::Object(answer))) if answer.contains_key("api_secret") => {
            let pair = |(name, value): (String, Json)| (name, value.as_str().unwrap_or_default().to_owned());
            show_secret(&exchange, answer.into_iter().map(pair).collect()).await
        }
        Ok(_) => Ok(see_other(&format!("{ADDRESS}?done={method}"))),
        Err(error) => refuse(&exchange, AT, error, json!({})).await,
    }
}

/// Shows a new secret on the page that follows, once.
async fn show_secret(exchange: &Exchange, pairs: Vec<(String, String)>) -> Result<Response> {
    let label = |name: &str| match name {
        "api_key" => "API Key",
        "api_secret" => "API Secret",
        _ => "Header",
    };
    let value =
        |name: &str, value: String| if name == "authorization" { format!("Authorization: {value}") } else { value };
    let values = pairs.into_iter().map(|(name, text)| (label(&name).to_owned(), value(&name, text))).collect();
    if shown_once::keep(exchange, ADDRESS, values).await? {
        return Ok(see_other(ADDRESS));
    }
    Err(Error::Permission(ONLY_PEOPLE.to_owned()))
}
