//! `/third_party_apps`: where people see which applications may act for them, and take that back.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use poem::Response;
use serde_json::{Value as Json, json};

use crate::clock::Zone;
use crate::document::view::parse_time;
use crate::document::{Documents, ListRequest, Work};
use crate::error::{Error, Result};
use crate::oauth::protocol::client::redirect_uri::Destination;
use crate::oauth::scopes::scope_catalogue::ScopeDefinitions;
use crate::oauth::server::{Server, with};
use crate::oauth::token::oauth_grant;
use crate::oauth::views::oauth_bearer_token::{ACTIVE, OAUTH_BEARER_TOKEN, RENEWED};
use crate::oauth::views::oauth_grant::OAUTH_GRANT;
use crate::oauth::views::{Grant, OAuthClient};
use crate::permissions::Session;
use crate::web::error::see_other;
use crate::web::{AccountPage, Answer, Call, Exchange, Method, Param, Plugins, Route, Verbs, handler};

/// Where the page is, as Frappe has it.
pub(crate) const ADDRESS: &str = "/third_party_apps";
/// What a application is told that looks in here.
const ONLY_PEOPLE: &str = "Applications with access are seen and revoked";
/// The query parameter that names the grant that was just revoked.
const REVOKED: &str = "revoked";

/// Registers the page, its button, and Frappe's method for it.
pub(crate) fn register(plugins: &mut Plugins, server: &Arc<Server>) {
    const PARAMS: &[Param] = &[Param::required("client_id", "string", "The id of the application")];
    plugins.account_pages.push(AccountPage { label: "Applications with access", href: ADDRESS, icon: "key" });
    plugins.route(Route::new(ADDRESS).get(with(server, show)));
    plugins.route(Route::new(format!("{ADDRESS}/revoke")).post(revoke));
    plugins.method(Method {
        path: "frappe.www.third_party_apps.delete_client",
        verbs: Verbs::POST,
        guest: false,
        guarded: false,
        summary: "Takes back what the caller has allowed an application",
        params: PARAMS,
        handler: handler(delete_client),
    });
}

async fn show(exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let documents = &exchange.site.documents;
    let user = exchange.session().user();
    let definitions = server.catalogue.get(documents).await?;
    let in_use = last_uses(documents, user).await?;
    let zone = documents.own_zone(exchange.session());
    let mut applications = Vec::new();
    for grant in grants(documents, &json!({"user": user, "status": "Active"})).await? {
        if let Some(client) = OAuthClient::find_by_name(documents, &grant.client).await? {
            let last_used = in_use.get(&grant.name).copied().max(grant.last_used);
            applications.push(application(&grant, &client, &definitions, last_used, zone));
        }
    }
    let view = json!({
        "title": "Applications with access",
        "refresh": "",
        "action": format!("{ADDRESS}/revoke"),
        "applications": applications,
        "revoked": just_revoked(&exchange).await?,
    });
    exchange.page("oauth/applications_with_access", view).await
}

async fn grants(documents: &Documents, filters: &Json) -> Result<Vec<Grant>> {
    let system = Session::system();
    let request =
        ListRequest::new(OAUTH_GRANT).filters(filters.clone()).order_by("granted_at desc, creation desc").all();
    let list = documents.list(&system, &request).await?;
    let mut grants = Vec::with_capacity(list.rows.len());
    for row in 0..list.rows.len() {
        match documents.get(&system, OAUTH_GRANT, list.text(row, "name")).await {
            Ok(document) => grants.push(Grant::from(&*document)),
            // Taken back meanwhile.
            Err(Error::DoesNotExist { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(grants)
}

/// When a token of each grant was last used.
async fn last_uses(documents: &Documents, user: &str) -> Result<HashMap<String, DateTime<Utc>>> {
    let filters = json!([["user", "=", user], ["status", "in", [ACTIVE, RENEWED]], ["last_used", "is", "set"]]);
    let request = ListRequest::new(OAUTH_BEARER_TOKEN).fields(&["name", "grant", "last_used"]).filters(filters).all();
    let list = documents.list(&Session::system(), &request).await?;
    let mut latest: HashMap<String, DateTime<Utc>> = HashMap::new();
    for row in 0..list.rows.len() {
        if let Some(at) = parse_time(list.text(row, "last_used")) {
            let known = latest.entry(list.text(row, "grant").to_owned()).or_insert(at);
            *known = at.max(*known);
        }
    }
    Ok(latest)
}

/// One row of the page.
fn application(
    grant: &Grant,
    client: &OAuthClient,
    definitions: &ScopeDefinitions,
    last_used: Option<DateTime<Utc>>,
    zone: Zone,
) -> Json {
    let scopes = definitions.told(&grant.scopes);
    let mut destinations: Vec<String> = client
        .redirect_uris
        .iter()
        .filter_map(Destination::of)
        .map(|destination| match destination {
            Destination::Loopback => "an application on your own computer".to_owned(),
            destination => destination.to_string(),
        })
        .collect();
    destinations.sort();
    destinations.dedup();
    json!({
        "grant": grant.name,
        "app_name": client.app_name,
        "client_host": client.metadata_host(),
        "is_verified": client.is_known(),
        "is_disabled": !client.enabled,
        "scopes": scopes,
        "resources": grant.resources,
        "destinations": destinations.join(", "),
        "granted_at": moment(grant.granted_at, zone),
        "last_used": moment(last_used, zone),
    })
}

/// A moment for people, in their zone, and for applications; null if there is none.
fn moment(at: Option<DateTime<Utc>>, zone: Zone) -> Json {
    at.map_or(Json::Null, |at| {
        let local = zone.to_local(at.naive_utc()).format("%Y-%m-%d %H:%M").to_string();
        json!({"iso": at.to_rfc3339_opts(SecondsFormat::Secs, true), "text": local})
    })
}

/// The name of the application that this person has just revoked, if the address says so and it is true.
async fn just_revoked(exchange: &Exchange) -> Result<Option<String>> {
    let documents = &exchange.site.documents;
    let query = exchange.query();
    let Some((_, name)) = query.iter().find(|(name, _)| name == REVOKED) else { return Ok(None) };
    let grant = match documents.get(&Session::system(), OAUTH_GRANT, name).await {
        Ok(document) => Grant::from(&*document),
        Err(Error::DoesNotExist { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if grant.user != exchange.session().user() || grant.is_active() {
        return Ok(None);
    }
    Ok(OAuthClient::find_by_name(documents, &grant.client).await?.map(|client| client.app_name.clone()))
}

async fn revoke(mut exchange: Exchange) -> Result<Response> {
    let form = exchange.form().await?;
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let name = form.first("grant").unwrap_or_default().to_owned();
    let user = exchange.session().user();
    let mut work = exchange.site.documents.begin(&Session::system()).await?;
    let found = match work.get_for_update(OAUTH_GRANT, &name).await {
        Ok(document) => Some(Grant::from(&document)).filter(|grant| grant.user == user),
        Err(Error::DoesNotExist { .. }) => None,
        Err(error) => return Err(error),
    };
    // Somebody else's is as unknown as one that never was.
    let grant = found.ok_or_else(|| Error::does_not_exist(OAUTH_GRANT, &name))?;
    if grant.is_active() {
        oauth_grant::revoke(&mut work, &grant, user).await?;
        work.commit().await?;
    }
    Ok(see_other(&format!("{ADDRESS}?{REVOKED}={name}")))
}

/// Frappe's `frappe.www.third_party_apps.delete_client`.
async fn delete_client(call: Call) -> Result<Answer> {
    let client_id = call.args().required("client_id")?;
    let documents = &call.site.documents;
    let user = call.context.session.user();
    let client = OAuthClient::find(documents, &client_id).await?;
    let client = client.ok_or_else(|| Error::does_not_exist("OAuth Client", &client_id))?;
    let mut work = documents.begin(&Session::system()).await?;
    revoke_all_of(&mut work, user, &client.name).await?;
    work.commit().await?;
    Ok(Answer::nothing())
}

async fn revoke_all_of(work: &mut Work<'_>, user: &str, client: &str) -> Result<()> {
    let filters = json!({"user": user, "client": client, "status": "Active"});
    let list = work.list(&ListRequest::new(OAUTH_GRANT).filters(filters).all()).await?;
    for row in 0..list.rows.len() {
        let grant = Grant::from(&work.get_for_update(OAUTH_GRANT, list.text(row, "name")).await?);
        oauth_grant::revoke(work, &grant, user).await?;
    }
    Ok(())
}
