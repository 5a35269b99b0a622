//! A provider says that somebody has logged out there (OpenID Connect Back-Channel Logout 1.0).

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;
use serde_json::{Value as Json, json};

use crate::document::{Documents, ListRequest, Work};
use crate::error::Result;
use crate::meta::Value;
use crate::oauth::client::Providers;
use crate::oauth::client::social::MODULE;
use crate::oauth::client::social::provider::Provider;
use crate::oauth::doctype::oauth_replay_guard::{Purpose, remember};
use crate::oauth::doctype::social_login_key::{SocialLoginKey, row_provider};
use crate::oauth::doctype::user_social_login;
use crate::oauth::protocol::logout::{self, LoggedOut, MAX_AGE};
use crate::permissions::Session;
use crate::web::method::json_response;
use crate::web::{Exchange, Plugins, Route, SecurityEvent, Severity};

/// Registers the receiver; its address is for the provider's settings.
pub fn register(plugins: &mut Plugins, providers: &Arc<Providers>) {
    let providers = Arc::clone(providers);
    let receive = move |exchange| receive(exchange, Arc::clone(&providers));
    plugins.route(Route::new(format!("{MODULE}.backchannel_logout/:provider")).post(receive));
}

async fn receive(mut exchange: Exchange, providers: Arc<Providers>) -> Result<Response> {
    let values = exchange.values().await?;
    let documents = &exchange.site.documents;
    let Some(key) = SocialLoginKey::enabled(documents, exchange.param("provider")).await? else {
        return Ok(refuse("no such provider"));
    };
    let token = values.get("logout_token").and_then(Json::as_str).unwrap_or_default();
    let logged_out = match verify(&providers, documents, key.clone(), token).await {
        Ok(logged_out) => logged_out,
        Err(reason) => return Ok(refuse(&reason)),
    };
    let until = documents.clock().now() + MAX_AGE;
    if !remember(documents, Purpose::LogoutToken, &key.name, &logged_out.jti, until).await? {
        return Ok(refuse("the logout token was used before"));
    }
    let ended = end_sessions(documents, &key, &logged_out).await?;
    if ended > 0 {
        SecurityEvent::new("Session Ended", Severity::Info)
            .during(&exchange.context)
            .details(json!({"provider": key.name, "sessions": ended, "reason": "logged out at the provider"}))
            .record(documents)
            .await;
    }
    Ok(json_response(StatusCode::OK, &json!({})))
}

fn refuse(reason: &str) -> Response {
    json_response(StatusCode::BAD_REQUEST, &json!({"error": "invalid_request", "error_description": reason}))
}

async fn verify(
    providers: &Providers,
    documents: &Documents,
    key: SocialLoginKey,
    token: &str,
) -> Result<LoggedOut, String> {
    let client_id = key.client_id.clone();
    let provider = Provider::resolve(providers, documents, key).await.map_err(|error| error.to_string())?;
    let (Some(issuer), Some(address)) = (&provider.issuer, &provider.jwks_uri) else {
        return Err("this provider has no issuer here".to_owned());
    };
    let verified = providers.keys.verify(&providers.outgoing, documents, address, token).await;
    let verified = verified.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    logout::check(&verified, issuer, &client_id, documents.clock().now()).map_err(|error| error.to_string())
}

async fn end_sessions(documents: &Documents, key: &SocialLoginKey, logged_out: &LoggedOut) -> Result<usize> {
    let mut work = documents.begin(&Session::system()).await?;
    let filters = match (&logged_out.sid, &logged_out.subject) {
        (Some(sid), _) => json!({"login_provider": key.name, "provider_sid": sid, "status": "Active"}),
        (None, Some(sub)) => {
            let user = user_social_login::find_user(&mut work, &row_provider(&key.name), sub).await?;
            let Some(user) = user else { return Ok(0) };
            json!({"login_provider": key.name, "user": user, "status": "Active"})
        }
        (None, None) => return Ok(0),
    };
    let ended = end(&mut work, filters).await?;
    work.commit().await?;
    Ok(ended)
}

async fn end(work: &mut Work<'_>, filters: Json) -> Result<usize> {
    let list = work.list(&ListRequest::new("Session").filters(filters).all()).await?;
    for row in 0..list.rows.len() {
        work.set_values("Session", list.text(row, "name"), &[("status", Value::from("Ended"))]).await?;
    }
    Ok(list.rows.len())
}
