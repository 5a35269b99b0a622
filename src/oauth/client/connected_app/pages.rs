//! The pages of connections: connect, see how it is, disconnect; and the way back from the provider.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use poem::Response;
use poem::http::StatusCode;
use serde_json::{Value as Json, json};

use crate::clock::{Zone, format_datetime};
use crate::document::ListRequest;
use crate::error::{Error, Result};
use crate::meta::Document;
use crate::oauth::client::Providers;
use crate::oauth::client::callback::Callback;
use crate::oauth::client::connected_app::app::{ConnectedApp, DOCTYPE};
use crate::oauth::client::connected_app::token_cache::{Connection, ConnectionStatus};
use crate::oauth::client::connected_app::web_application_flow::path_segment;
use crate::oauth::client::connected_app::{CALLBACK, methods, web_application_flow};
use crate::oauth::client::pages::{failed, initial, leave};
use crate::permissions::Session;
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::web::error::see_other;
use crate::web::panel::{Panel, Panels};
use crate::web::request::page_view;
use crate::web::templates::html;
use crate::web::{AccountPage, Exchange, Plugins, Route, Site};

/// Clients have the methods of Connected App for it, and need them in their scope.
const ONLY_PEOPLE: &str = "Connections are made, seen and ended";

/// Registers the pages.
pub(crate) fn register(plugins: &mut Plugins, providers: &Arc<Providers>) {
    plugins.panels.entry(DOCTYPE.to_owned()).or_default().push(Arc::new(ConnectPanel));
    plugins.account_pages.push(AccountPage { label: "Connections", href: "/connected-apps", icon: "external" });
    plugins.route(Route::new("/connected-apps").get(list));
    plugins.route(Route::new("/connected-app/:name").get(show));
    plugins.route(Route::new("/connected-app/:name/connect").post(connect));
    plugins.route(Route::new("/connected-app/:name/disconnect").post(disconnect));
    let providers = Arc::clone(providers);
    let back = move |exchange| come_back(exchange, Arc::clone(&providers));
    plugins.route(Route::new(format!("{CALLBACK}/:name")).get(back));
}

/// Beside the form of a Connected App: what to copy, how one's own connection is, and the way to connect.
struct ConnectPanel;

#[async_trait]
impl Panels for ConnectPanel {
    async fn panels(&self, site: &Site, session: &Session, document: &Document) -> Result<Vec<Panel>> {
        let app = ConnectedApp::from(document);
        let connection = Connection::find(&site.documents, &app.name, session.user()).await?;
        let redirect_uri = ("Redirect URI".to_owned(), app.redirect_uri.clone());
        let set_up = Panel {
            title: "At the provider".to_owned(),
            help: "Register this site there as an application with this redirect URI, exactly as it stands. Bring the \
                   client id and the secret it gives you back here."
                .to_owned(),
            values: vec![redirect_uri].into_iter().filter(|(_, value)| !value.is_empty()).collect(),
            ..Panel::default()
        };
        let (help, label, values) = match health(connection.as_ref(), site.documents.own_zone(session)) {
            Json::Null => ("Connect your own account to try the app.", "Connect your account", Vec::new()),
            health => ("How your own connection is.", "See your connection", health_values(&health)),
        };
        let own = Panel {
            title: "Your connection".to_owned(),
            help: help.to_owned(),
            values,
            links: vec![(label.to_owned(), address(&app))],
            ..Panel::default()
        };
        Ok(vec![set_up, own])
    }
}

/// The health of a connection as labels with values; what is not known is left out.
fn health_values(health: &Json) -> Vec<(String, String)> {
    let scopes: Vec<&str> = health["scopes"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let text = |name: &str| health[name].as_str().unwrap_or_default().to_owned();
    let moment = |name: &str| Some(text(name)).filter(|at| !at.is_empty()).map(|at| format!("{at} UTC"));
    [
        ("Status", Some(text("status"))),
        ("Account", Some(text("account"))),
        ("Scopes", Some(scopes.join(" "))),
        ("Works until", moment("expires_at")),
        ("Last renewed", moment("last_refresh")),
        ("Last error", Some(text("last_error"))),
    ]
    .into_iter()
    .filter_map(|(label, value)| Some((label.to_owned(), value.filter(|value| !value.is_empty())?)))
    .collect()
}

/// Where the page of an app is.
fn address(app: &ConnectedApp) -> String {
    format!("/connected-app/{}", path_segment(&app.name))
}

async fn readable(exchange: &Exchange) -> Result<ConnectedApp> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let document = exchange.site.documents.get(exchange.session(), DOCTYPE, exchange.param("name")).await?;
    Ok(ConnectedApp::from(&*document))
}

async fn list(exchange: Exchange) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let documents = &exchange.site.documents;
    let request =
        ListRequest::new(DOCTYPE).fields(&["name", "provider_name"]).order_by("provider_name asc, name asc").all();
    let apps = documents.list(exchange.session(), &request).await?;
    let mut entries = Vec::new();
    for row in 0..apps.rows.len() {
        let name = apps.text(row, "name");
        let connection = Connection::find(documents, name, exchange.session().user()).await?;
        entries.push(json!({
            "provider_name": apps.text(row, "provider_name"),
            "initial": initial(apps.text(row, "provider_name")),
            "href": format!("/connected-app/{}", path_segment(name)),
            "connection": health(connection.as_ref(), documents.own_zone(exchange.session())),
        }));
    }
    exchange.page("oauth/client/connected_apps", json!({"apps": entries})).await
}

async fn show(exchange: Exchange) -> Result<Response> {
    let app = readable(&exchange).await?;
    page(&exchange, &app, StatusCode::OK, None).await
}

/// What the address of the page says once a connection has been ended.
const ENDED: &str = "ended";

/// The page of one app; `problem` says why a connection did not come about.
async fn page(
    exchange: &Exchange,
    app: &ConnectedApp,
    status: StatusCode,
    problem: Option<String>,
) -> Result<Response> {
    let connection = Connection::find(&exchange.site.documents, &app.name, exchange.session().user()).await?;
    let href = address(app);
    let view = json!({
        "page": page_view(&exchange.site, &exchange.context).await?,
        "provider_name": app.provider_name,
        "href": href,
        "scopes": app.scopes(),
        "connection": health(connection.as_ref(), exchange.site.documents.own_zone(exchange.session())),
        "ended": connection.is_none() && exchange.query().iter().any(|(name, _)| name == ENDED),
        "revokes": app.revoke_on_delete && app.revocation_uri.is_some(),
        "settings": exchange.session().has_role(ROLE_SYSTEM_MANAGER).then(|| {
            format!("/app/connected-app/{}", path_segment(&app.name))
        }),
        "problem": problem,
    });
    Ok(html(status, exchange.site.templates.render(exchange.language(), "oauth/client/connected_app", &view)?))
}

/// How a connection is, for people, with times in their zone.
pub(crate) fn health(connection: Option<&Connection>, zone: Zone) -> Json {
    let Some(Connection { stored, .. }) = connection else { return Json::Null };
    // Minutes are enough.
    let moment = |at: Option<DateTime<Utc>>| {
        at.map(|at| zone.shown(&format_datetime(at.naive_utc())).chars().take(16).collect::<String>())
            .unwrap_or_default()
    };
    json!({
        "status": stored.status.as_str(),
        "works": stored.status == ConnectionStatus::Connected,
        "color": match stored.status {
            ConnectionStatus::Connected => "green",
            ConnectionStatus::Expired | ConnectionStatus::Failed => "red",
            ConnectionStatus::NotConnected => "gray",
        },
        "account": stored.account.as_deref().unwrap_or_default(),
        "scopes": stored.scopes.iter().map(|row| &row.scope).collect::<Vec<_>>(),
        "expires_at": moment(stored.expires_at),
        "renewable": stored.is_renewable,
        "last_refresh": moment(stored.last_refresh),
        "last_error": stored.last_error.as_deref().unwrap_or_default(),
    })
}

async fn connect(mut exchange: Exchange) -> Result<Response> {
    let form = exchange.form().await?;
    let app = readable(&exchange).await?;
    let (documents, session) = (&exchange.site.documents, exchange.session());
    let success_uri = form.first("success_uri");
    match web_application_flow::initiate(documents, session, &app, session.user(), success_uri).await {
        Ok(location) => leave(&exchange, &app.provider_name, &location).await,
        Err(Error::Validation(invalid)) => {
            page(&exchange, &app, StatusCode::EXPECTATION_FAILED, Some(invalid.to_string())).await
        }
        Err(error) => Err(error),
    }
}

async fn disconnect(mut exchange: Exchange) -> Result<Response> {
    exchange.form().await?;
    let app = readable(&exchange).await?;
    let (documents, session) = (&exchange.site.documents, exchange.session());
    methods::disconnect(documents, session, &app, session.user()).await?;
    Ok(see_other(&format!("{}?{ENDED}", address(&app))))
}

async fn come_back(exchange: Exchange, providers: Arc<Providers>) -> Result<Response> {
    exchange.refuse_head()?;
    // Whoever is not logged in (any more) began nothing here.
    if exchange.session().is_guest() {
        let problem = "You are not logged in here any more: log in and connect again";
        return failed(&exchange, StatusCode::BAD_REQUEST, "", "/connected-apps", problem).await;
    }
    let app = readable(&exchange).await?;
    let callback = match Callback::parse(exchange.query()) {
        Ok(callback) => callback,
        Err(error) => return page(&exchange, &app, StatusCode::BAD_REQUEST, Some(error.to_string())).await,
    };
    let (documents, context) = (&exchange.site.documents, &exchange.context);
    match web_application_flow::complete(&providers, documents, context, &app, callback).await? {
        Ok(location) => Ok(see_other(&location)),
        Err(error) => page(&exchange, &app, StatusCode::BAD_REQUEST, Some(error.to_string())).await,
    }
}
