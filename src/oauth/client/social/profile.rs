//! The page where people link accounts elsewhere to their own, and unlink them.

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;
use serde_json::{Value as Json, json};

use crate::error::Result;
use crate::oauth::client::Providers;
use crate::oauth::client::oauth_client_state;
use crate::oauth::client::oauth_client_state::{Kind, NewState};
use crate::oauth::client::pages::{initial, leave};
use crate::oauth::client::social::social_login_key::SocialLoginKey;
use crate::oauth::client::social::{account, login};
use crate::oauth::views::user_social_login;
use crate::oauth::views::user_social_login::{SocialAccount, row_provider};
use crate::permissions::Session;
use crate::web::error::see_other;
use crate::web::request::page_view;
use crate::web::templates::html;
use crate::web::{AccountPage, Exchange, Plugins, Route};

/// Where the page is.
pub(crate) const ADDRESS: &str = "/linked-accounts";
/// What a token is told that tries: only people may.
const ONLY_PEOPLE: &str = "Accounts are linked and unlinked";

/// Registers the page and its two buttons.
pub(crate) fn register(plugins: &mut Plugins, providers: &Arc<Providers>) {
    plugins.account_pages.push(AccountPage { label: "Linked accounts", href: ADDRESS, icon: "link" });
    plugins.route(Route::new(ADDRESS).get(show));
    let providers = Arc::clone(providers);
    plugins.route(
        Route::new(format!("{ADDRESS}/link/:provider")).post(move |exchange| link(exchange, Arc::clone(&providers))),
    );
    plugins.route(Route::new(format!("{ADDRESS}/unlink")).post(unlink));
}

async fn show(exchange: Exchange) -> Result<Response> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    page(&exchange, StatusCode::OK, None).await
}

async fn page(exchange: &Exchange, status: StatusCode, problem: Option<&str>) -> Result<Response> {
    let documents = &exchange.site.documents;
    let user = documents.get(&Session::system(), "User", exchange.session().user()).await?;
    let keys = SocialLoginKey::all_enabled(documents).await?;
    let accounts = user_social_login::of(&user);
    let belongs = |key: &SocialLoginKey, account: &SocialAccount| {
        row_provider(&key.name) == account.provider && key.may_be(&account.issuer)
    };
    let zone = documents.own_zone(exchange.session());
    let linked: Vec<Json> = accounts
        .iter()
        .map(|account| {
            let key = keys.iter().find(|key| belongs(key, account));
            let label = key.map_or(account.provider.as_str(), |key| key.provider_name.as_str());
            json!({
                "label": label,
                "initial": initial(label),
                "icon": key.map(|key| key.icon.as_str()),
                "provider": account.provider,
                "userid": account.userid,
                "username": account.username,
                "linked_at": zone.shown(&account.linked_at).chars().take(10).collect::<String>(),
            })
        })
        .collect();
    let others: Vec<Json> = keys
        .iter()
        .filter(|key| !accounts.iter().any(|account| belongs(key, account)))
        .map(|key| json!({"label": key.provider_name, "name": key.name, "icon": key.icon}))
        .collect();
    let view = json!({
        "page": page_view(&exchange.site, &exchange.context).await?,
        "linked": linked,
        "others": others,
        "problem": problem,
    });
    Ok(html(status, exchange.site.templates.render(exchange.language(), "oauth/client/linked_accounts", &view)?))
}

async fn link(mut exchange: Exchange, providers: Arc<Providers>) -> Result<Response> {
    exchange.form().await?;
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let documents = &exchange.site.documents;
    let Some(key) = SocialLoginKey::enabled(documents, exchange.param("provider")).await? else {
        return page(&exchange, StatusCode::NOT_FOUND, Some("There is no login with this provider")).await;
    };
    let binding = format!("session:{}", exchange.session().sid.as_deref().unwrap_or_default());
    let (name, provider_name) = (key.name.clone(), key.provider_name.clone());
    let new = NewState {
        kind: Kind::AccountLink,
        user: Some(exchange.session().user()),
        target: &name,
        binding: &binding,
        redirect_to: ADDRESS,
    };
    let begin = oauth_client_state::begin(documents, new);
    match Box::pin(login::depart(&providers, documents, key, None, begin)).await? {
        Ok(location) => leave(&exchange, &provider_name, &location).await,
        Err(error) => page(&exchange, StatusCode::BAD_REQUEST, Some(&error.to_string())).await,
    }
}

async fn unlink(mut exchange: Exchange) -> Result<Response> {
    let form = exchange.form().await?;
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let (provider, userid) = (form.first("provider").unwrap_or_default(), form.first("userid").unwrap_or_default());
    let mut work = exchange.site.documents.begin(&Session::system()).await?;
    let user = exchange.session().user().to_owned();
    match account::unlink(&mut work, &user, provider, userid, &exchange.context).await? {
        Ok(()) => {
            work.commit().await?;
            Ok(see_other(ADDRESS))
        }
        Err(problem) => {
            drop(work);
            page(&exchange, StatusCode::EXPECTATION_FAILED, Some(problem)).await
        }
    }
}
