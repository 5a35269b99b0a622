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
use crate::oauth::doctype::social_login_key::{SocialLoginKey, row_provider};
use crate::oauth::doctype::user_social_login;
use crate::oauth::protocol::jwt::{Claims, JwtError};
use crate::permissions::Session;
use crate::web::method::json_response;
use crate::web::{Exchange, Plugins, Route, SecurityEvent, Severity};

/// The event that makes a token a logout token (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

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
    match verify(&providers, documents, key.clone(), token).await {
        Ok(claims) => {
            let ended = end_sessions(documents, &key, &claims).await?;
            if ended > 0 {
                SecurityEvent::new("Session Ended", Severity::Info)
                    .during(&exchange.context)
                    .details(json!({"provider": key.name, "sessions": ended, "reason": "logged out at the provider"}))
                    .record(documents)
                    .await;
            }
            Ok(json_response(StatusCode::OK, &json!({})))
        }
        Err(reason) => Ok(refuse(&reason)),
    }
}

fn refuse(reason: &str) -> Response {
    json_response(StatusCode::BAD_REQUEST, &json!({"error": "invalid_request", "error_description": reason}))
}

async fn verify(
    providers: &Providers,
    documents: &Documents,
    key: SocialLoginKey,
    token: &str,
) -> Result<Claims, String> {
    let client_id = key.client_id.clone();
    let provider = Provider::resolve(providers, documents, key).await.map_err(|error| error.to_string())?;
    let (Some(issuer), Some(address)) = (&provider.issuer, &provider.jwks_uri) else {
        return Err("this provider has no issuer here".to_owned());
    };
    let verified = providers.keys.verify(&providers.outgoing, documents, address, token).await;
    let claims = verified.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?.claims;
    let now = documents.clock().now();
    check(&claims, issuer, &client_id, now).map_err(|error| error.to_string())?;
    Ok(claims)
}

/// §2.6.
fn check(claims: &Claims, issuer: &str, client_id: &str, now: chrono::DateTime<chrono::Utc>) -> Result<(), JwtError> {
    claims.require_issuer(issuer)?;
    claims.require_audience(client_id)?;
    claims.require_current(now)?;
    claims.require_text("jti")?;
    if claims.0.get("events").and_then(|events| events.get(EVENT)).is_none_or(|event| !event.is_object()) {
        return Err(JwtError::Claim("events"));
    }
    // An ID token must not pass for a logout token.
    if claims.0.contains_key("nonce") {
        return Err(JwtError::Claim("nonce"));
    }
    match claims.text("sid").or_else(|| claims.text("sub")) {
        Some(_) => Ok(()),
        None => Err(JwtError::Claim("sid")),
    }
}

async fn end_sessions(documents: &Documents, key: &SocialLoginKey, claims: &Claims) -> Result<usize> {
    let mut work = documents.begin(&Session::system()).await?;
    let filters = match (claims.text("sid"), claims.text("sub")) {
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

#[cfg(test)]
mod tests {
    use chrono::{TimeZone as _, Utc};

    use super::*;

    #[test]
    fn only_a_logout_token_logs_out() {
        let now = Utc.timestamp_opt(1_700_000_000, 0).unwrap();
        let good = json!({
            "iss": "https://a.example", "aud": "me", "iat": 1_700_000_000, "exp": 1_700_000_100, "jti": "j",
            "sid": "s", "events": {EVENT: {}},
        });
        let checked =
            |claims: &Json| check(&Claims(claims.as_object().unwrap().clone()), "https://a.example", "me", now);
        assert_eq!(checked(&good), Ok(()));
        for (name, value, expected) in [
            ("nonce", json!("n"), JwtError::Claim("nonce")),
            ("events", json!({}), JwtError::Claim("events")),
            ("events", json!({EVENT: "x"}), JwtError::Claim("events")),
            ("sid", json!(null), JwtError::Claim("sid")),
            ("aud", json!("other"), JwtError::Claim("aud")),
            ("iss", json!("https://b.example"), JwtError::Claim("iss")),
            ("exp", json!(1_600_000_000), JwtError::Expired),
            ("jti", json!(""), JwtError::Claim("jti")),
        ] {
            let mut claims = good.clone();
            claims[name] = value;
            assert_eq!(checked(&claims), Err(expected), "{name}");
        }
    }
}
