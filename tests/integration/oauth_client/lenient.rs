//! Providers and callers that write JSON in their own way: members that say nothing, numbers as texts, long names, a byte
//! order mark.

use doctyped::testing::jwk::JwkSet;
use serde_json::{Value as Json, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::connected_app::{app, connect, run};
use super::social_login::Provider;
use super::{answer_grant, site};
use crate::support::TestSite;

/// The provider answers at that path in place of what it answered before.
async fn answer_at(provider: &Provider, at: &str, body: ResponseTemplate) {
    Mock::given(method("GET")).and(path(at)).respond_with(body).with_priority(1).mount(&provider.server).await;
}

fn marked(body: &Json) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_string(format!("\u{feff}{body}"))
}

#[tokio::test]
async fn members_that_say_nothing_count_as_left_out_wherever_a_provider_puts_them() {
    for void in [json!(null), json!([]), json!("")] {
        let (provider, site) = (Provider::start().await, site().await);
        provider.key(&site, json!({})).await;
        let browser = site.guest();
        let claims = json!({"azp": void, "at_hash": void, "nbf": void, "sid": void, "family_name": void, "acr": void});
        let back = provider.begin(&site, &browser, claims).await;
        let mut keys = JwkSet { keys: vec![provider.key.jwk()] }.to_value();
        for member in ["x5c", "x5t", "use", "key_ops", "alg"] {
            keys["keys"][0][member] = void.clone();
        }
        answer_at(&provider, "/jwks", marked(&keys)).await;
        assert_eq!(browser.get(&back).await.redirect(), "/app/todo", "{void}");
    }
}

#[tokio::test]
async fn a_provider_whose_description_has_empty_members_logs_people_in() {
    for void in [json!(null), json!([]), json!("")] {
        let (provider, site) = (Provider::start().await, site().await);
        let base = provider.server.uri();
        let described = json!({
            "issuer": base, "authorization_endpoint": format!("{base}/authorize"), "token_endpoint": format!("{base}/token"),
            "jwks_uri": format!("{base}/jwks"), "userinfo_endpoint": void, "end_session_endpoint": void,
            "token_endpoint_auth_methods_supported": void, "authorization_response_iss_parameter_supported": void,
        });
        provider.describe(described).await;
        provider.key(&site, json!({})).await;
        let browser = site.guest();
        let back = provider.begin(&site, &browser, json!({})).await;
        assert_eq!(browser.get(&back).await.redirect(), "/app/todo", "{void}");
    }
}

#[tokio::test]
async fn the_life_of_a_token_is_read_however_it_is_written() {
    let (provider, site) = (MockServer::start().await, site().await);
    let app = app(&site, &provider).await;
    let alice = site.user("alice@example.com", &[]).await;
    for (written, seconds) in
        [(json!(3600.0), 3600), (json!(3599.9), 3599), (json!("3600"), 3600), (json!("3600.0"), 3600)]
    {
        provider.reset().await;
        let body = json!({"access_token": "at", "expires_in": written, "error": null, "scope": [], "id_token": ""});
        answer_grant(&provider, "authorization_code", marked(&body), 1).await;
        connect(&alice, &app).await;
        let shown = run(&alice, &app, "get_active_token", json!({})).await.ok();
        assert_eq!(shown["expires_in"], seconds, "{written}");
    }
}

#[tokio::test]
async fn a_person_with_a_long_name_signs_up() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({})).await;
    for (at, change) in [
        json!({"name": "N".repeat(200), "given_name": "G".repeat(150), "family_name": "F".repeat(150)}),
        json!({"given_name": null, "name": format!("{} {}", "N".repeat(139), "M".repeat(300))}),
        json!({"given_name": "\u{1f600}".repeat(300), "preferred_username": "u".repeat(900)}),
    ]
    .into_iter()
    .enumerate()
    {
        let browser = site.guest();
        let mut change = change;
        change["email"] = json!(format!("long{at}@example.com"));
        change["sub"] = json!(format!("long-{at}"));
        let back = provider.begin(&site, &browser, change).await;
        assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
        assert_eq!(browser.logged_user().await, format!("long{at}@example.com"));
    }
    // Nor need a person who is entered here have a short one.
    let names = json!({"email": "x@example.com", "first_name": "A".repeat(140), "last_name": "B".repeat(140)});
    site.administrator().await.create("User", names).await.ok();
}

#[tokio::test]
async fn callers_may_put_a_byte_order_mark_before_their_json() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let send = async |path: &str, body: Json| {
        let body = format!("\u{feff}{body}");
        administrator.send(poem::http::Method::POST, path, "application/json", body).await
    };
    send("/api/method/login", json!({"usr": "Administrator", "pwd": crate::support::PASSWORD})).await.ok();
    send("/api/resource/Role", json!({"role_name": "Marked"})).await.ok();
    send("/api/v2/document/Role", json!({"role_name": "Marked Too"})).await.ok();
    send("/api/method/frappe.client.get_count", json!({"doctype": "Role"})).await.ok();
}
