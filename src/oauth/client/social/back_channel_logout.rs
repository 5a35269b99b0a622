//! A provider says that somebody has logged out there (OpenID Connect Back-Channel Logout 1.0).

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;
use serde_json::{Value as Json, json};

use crate::document::{Documents, ListRequest};
use crate::error::Result;
use crate::meta::Value;
use crate::oauth::client::Providers;
use crate::oauth::client::social::MODULE;
use crate::oauth::client::social::provider::Provider;
use crate::oauth::client::social::social_login_key::SocialLoginKey;
use crate::oauth::protocol::authorize::logout;
use crate::oauth::protocol::authorize::logout::{LoggedOut, MAX_AGE};
use crate::oauth::views::oauth_replay_guard::{Purpose, remember};
use crate::outgoing::published::Asked;
use crate::permissions::Session;
use crate::web::method::json_response;
use crate::web::{Exchange, Plugins, Route, SecurityEvent, Severity};

/// Registers the receiver; its address is for the provider's settings.
pub(crate) fn register(plugins: &mut Plugins, providers: &Arc<Providers>) {
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
    let (issuer, logged_out) = match verify(&providers, documents, key.clone(), token).await {
        Ok(verified) => verified,
        Err(reason) => return Ok(refuse(&reason)),
    };
    let until = documents.clock().now() + MAX_AGE;
    if !remember(documents, Purpose::LogoutToken, &key.name, &logged_out.jti, until).await? {
        return Ok(refuse("the logout token was used before"));
    }
    let ended = end_sessions(documents, &key, &issuer, &logged_out).await?;
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
) -> Result<(String, LoggedOut), String> {
    let client_id = key.client_id.clone();
    let provider = Provider::resolve(providers, documents, key).await.map_err(|error| error.to_string())?;
    let (Some(issuer), Some(address)) = (&provider.issuer, &provider.jwks_uri) else {
        return Err("this provider has no issuer here".to_owned());
    };
    let verified = providers.keys.verify(&providers.outgoing, documents, Asked::by_stranger(address), token).await;
    let verified = verified.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let logged_out = logout::check(&verified, issuer, &client_id, documents.clock().now());
    Ok((issuer.clone(), logged_out.map_err(|error| error.to_string())?))
}

/// Ends the sessions that began with this provider and are meant: that one session, or all of that person.
async fn end_sessions(
    documents: &Documents,
    key: &SocialLoginKey,
    issuer: &str,
    logged_out: &LoggedOut,
) -> Result<usize> {
    let mut work = documents.begin(&Session::system()).await?;
    let mut filters = json!({"login_provider": key.name, "status": "Active"});
    for (fieldname, said) in [("provider_sid", &logged_out.sid), ("provider_subject", &logged_out.subject)] {
        if let Some(said) = said {
            filters[fieldname] = json!(said);
        }
    }
    let fields = ["name", "provider_sid", "provider_subject", "login_issuer"];
    let list = work.list(&ListRequest::new("Session").fields(&fields).filters(filters).all()).await?;
    let is_meant = |row: &usize| {
        let same = |fieldname, said: Option<&String>| said.is_none_or(|said| list.text(*row, fieldname) == said);
        // The key may have stood for somebody else when the session began.
        ["", issuer].contains(&list.text(*row, "login_issuer"))
            && same("provider_sid", logged_out.sid.as_ref())
            && same("provider_subject", logged_out.subject.as_ref())
    };
    let meant: Vec<usize> = (0..list.rows.len()).filter(is_meant).collect();
    for row in &meant {
        work.set_values("Session", list.text(*row, "name"), &[("status", Value::from("Ended"))]).await?;
    }
    work.commit().await?;
    Ok(meant.len())
}
