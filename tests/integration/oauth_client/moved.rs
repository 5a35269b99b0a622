//! Addresses that change take neither the secret nor people's tokens along.

use serde_json::{Value as Json, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::connected_app::{app, connect, run};
use super::social_login::Provider;
use super::{answer_grant, site, tokens, wait_until};

#[tokio::test]
async fn a_connected_app_that_moves_asks_for_its_secret_and_ends_its_connections_where_they_began() {
    let (provider, elsewhere, site) = (MockServer::start().await, MockServer::start().await, site().await);
    let app = app(&site, &provider).await;
    let alice = site.user("alice@example.com", &[]).await;
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    answer_grant(&provider, "authorization_code", tokens("at-of-alice", Some("rt-of-alice")), 1).await;
    Mock::given(method("POST")).and(path("/revoke")).respond_with(ResponseTemplate::new(200)).mount(&provider).await;
    connect(&alice, &app).await;
    let there = elsewhere.uri();
    for change in [
        json!({"token_uri": format!("{there}/token")}),
        json!({"authorization_uri": format!("{there}/authorize")}),
        json!({"revocation_uri": format!("{there}/revoke")}),
        json!({"userinfo_uri": format!("{there}/userinfo")}),
        json!({"allowed_base_urls": format!("{}/api\n{there}/api", provider.uri())}),
        json!({"token_uri": format!("{}/tenant-of-somebody-else/token", provider.uri())}),
    ] {
        let refused = manager.update("Connected App", &app, change.clone()).await.error(417, "ValidationError");
        assert_eq!(refused["problems"][0]["field"], "client_secret", "{change}: {refused}");
        let mut with_stars = change.clone();
        with_stars["client_secret"] = json!("**********");
        manager.update("Connected App", &app, with_stars).await.error(417, "ValidationError");
    }
    // What leads nowhere else is saved as before.
    manager.update("Connected App", &app, json!({"provider_name": "Example Too", "audience": "x"})).await.ok();
    assert_eq!(run(&alice, &app, "has_token", json!({})).await.ok(), true);
    let moved = json!({
        "token_uri": format!("{there}/token"), "revocation_uri": format!("{there}/revoke"),
        "client_secret": "the secret of there",
    });
    manager.update("Connected App", &app, moved).await.ok();
    assert_eq!(run(&alice, &app, "has_token", json!({})).await.ok(), false);
    wait_until(async || {
        let asked = provider.received_requests().await.unwrap();
        asked.iter().any(|request| String::from_utf8_lossy(&request.body).contains("token=rt-of-alice"))
    })
    .await;
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_description_that_changes_moves_no_app() {
    let (provider, site) = (Provider::start().await, site().await);
    let app = app(&site, &provider.server).await;
    let base = provider.server.uri();
    let there = json!({
        "issuer": base, "authorization_endpoint": "https://evil.example/authorize",
        "token_endpoint": "https://evil.example/token", "jwks_uri": format!("{base}/jwks"),
    });
    provider.describe(there).await;
    let configuration = format!("{base}/.well-known/openid-configuration");
    site.db_update("Connected App", &app, json!({"openid_configuration": configuration})).await;
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    run(&manager, &app, "fill_from_discovery", json!({})).await.error(417, "ValidationError");
    let stored = manager.read("Connected App", &app).await.ok();
    assert_eq!(stored["token_uri"], format!("{base}/token"));
}

#[tokio::test]
async fn a_social_login_key_that_moves_asks_for_its_secret() {
    let (provider, other, site) = (Provider::start().await, Provider::start().await, site().await);
    provider.key(&site, json!({})).await;
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    let there = other.server.uri();
    let update = async |change: Json| manager.update("Social Login Key", "example_login", change).await;
    for change in [
        json!({"openid_configuration": format!("{there}/.well-known/openid-configuration")}),
        json!({"access_token_url": format!("{there}/token")}),
        json!({"authorize_url": format!("{there}/authorize")}),
        json!({"api_endpoint": format!("{there}/userinfo")}),
        json!({"base_url": there}),
    ] {
        let refused = update(change.clone()).await.error(417, "ValidationError");
        assert_eq!(refused["problems"][0]["field"], "client_secret", "{change}: {refused}");
        let mut with_secret = change;
        with_secret["client_secret"] = json!("entered again");
        update(with_secret).await.ok();
    }
    update(json!({"allow_email_linking": 1, "scopes": "openid"})).await.ok();
}
