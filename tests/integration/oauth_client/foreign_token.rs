//! Access tokens of other authorization servers: listed where they can be checked, and then really accepted.

use serde_json::{Value as Json, json};

use super::site;
use super::social_login::Provider;
use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// A site that accepts the provider's tokens, and to which Alice's account there is linked.
async fn linked() -> (Provider, TestSite) {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({"resource_audience": "library"})).await;
    let account = json!({"provider": "example_login", "userid": "alice-there"});
    site.db_user(ALICE, json!({"social_logins": [account]})).await;
    site.db_update("OAuth Settings", "OAuth Settings", json!({"show_social_login_key_as_authorization_server": 1}))
        .await;
    (provider, site)
}

/// Somebody with a token that the provider signed, with changed claims.
fn bearer(provider: &Provider, site: &TestSite, typ: &str, change: &Json) -> Client {
    let now = site.clock.now().timestamp();
    let mut claims = json!({
        "iss": provider.server.uri(), "aud": "library", "sub": "alice-there", "iat": now, "exp": now + 300,
        "client_id": "some program", "scope": "openid all",
    });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    site.guest().with_header("authorization", &format!("Bearer {}", provider.key.sign(typ, &claims)))
}

async fn listed(site: &TestSite) -> Vec<String> {
    let metadata = site.guest().get(METADATA).await.status(200).json();
    serde_json::from_value(metadata["authorization_servers"].clone()).unwrap()
}

#[tokio::test]
async fn a_listed_provider_is_one_whose_tokens_open_what_the_linked_person_may_do() {
    let (provider, site) = linked().await;
    assert_eq!(listed(&site).await, [site.documents().site_url().to_owned(), provider.server.uri()]);
    for typ in ["at+jwt", "JWT"] {
        assert_eq!(bearer(&provider, &site, typ, &json!({})).get(WHO).await.ok(), ALICE);
    }
    bearer(&provider, &site, "at+jwt", &json!({}))
        .get("/api/resource/OAuth%20Client")
        .await
        .error(403, "PermissionError");
    site.db_update("User", ALICE, json!({"enabled": 0})).await;
    bearer(&provider, &site, "at+jwt", &json!({})).get(WHO).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn its_scopes_limit_it_as_those_of_our_own_tokens_do() {
    let (provider, site) = linked().await;
    site.db_update("User", ALICE, json!({"roles": [{"role": "System Manager"}]})).await;
    let values = json!({
        "scope": "roles.read", "description_for_people": "Read the roles",
        "rules": [{"document_type": "Role", "right": "read"}],
    });
    site.db_insert("OAuth Scope Definition", values).await;
    for scope in ["doctype:Role:read", "openid roles.read"] {
        let token = bearer(&provider, &site, "at+jwt", &json!({"scope": scope}));
        token.get("/api/resource/Role").await.ok();
        let refused = token.get("/api/resource/User").await.status(403);
        assert!(refused.header("www-authenticate").contains("scope=\"doctype:User:read\""), "{scope}");
    }
    for scope in [json!("openid profile"), json!("something.of.theirs"), Json::Null] {
        let token = bearer(&provider, &site, "at+jwt", &json!({"scope": scope}));
        let refused = token.get("/api/resource/Role").await.status(403);
        assert!(refused.header("www-authenticate").contains("insufficient_scope"), "{scope}");
    }
}

#[tokio::test]
async fn what_is_not_for_us_not_current_or_of_nobody_here_is_refused() {
    let (provider, site) = linked().await;
    for change in [
        json!({"aud": "another"}),
        json!({"exp": 1_000_000_000}),
        json!({"sub": "mallory-there"}),
        json!({"sub": ""}),
        json!({"iss": "https://evil.example"}),
        // An id token says who somebody is, and opens nothing.
        json!({"nonce": "n"}),
        json!({"cnf": {"jkt": "a key"}}),
        json!({"cnf": {"x5t#S256": "a certificate"}}),
    ] {
        let refused = bearer(&provider, &site, "at+jwt", &change).get(WHO).await.status(401);
        assert!(refused.header("www-authenticate").contains("error=\"invalid_token\""), "{change}");
    }
    let forged = Provider::start().await;
    let claims = json!({"iss": provider.server.uri()});
    bearer(&forged, &site, "at+jwt", &claims).get(WHO).await.error(401, "AuthenticationError");
    bearer(&provider, &site, "logout+jwt", &json!({})).get(WHO).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn a_person_is_found_by_what_names_them_at_a_login() {
    let (provider, site) = linked().await;
    let key = json!({"user_id_property": "preferred_username"});
    site.db_update("Social Login Key", "example_login", key).await;
    let named = json!({"sub": "4711", "preferred_username": "alice-there"});
    assert_eq!(bearer(&provider, &site, "at+jwt", &named).get(WHO).await.ok(), ALICE);
    for other in [json!({"preferred_username": "mallory-there"}), json!({})] {
        bearer(&provider, &site, "at+jwt", &other).get(WHO).await.error(401, "AuthenticationError");
    }
}

#[tokio::test]
async fn a_provider_is_neither_listed_nor_accepted_unless_the_settings_and_its_key_say_so() {
    let (provider, site) = linked().await;
    let own = [site.documents().site_url().to_owned()];
    let off = [
        ("OAuth Settings", "OAuth Settings", "show_social_login_key_as_authorization_server", json!(1)),
        ("Social Login Key", "example_login", "show_in_resource_metadata", json!(1)),
        ("Social Login Key", "example_login", "resource_audience", json!("library")),
        ("Social Login Key", "example_login", "enable_social_login", json!(1)),
    ];
    for (doctype, name, field, on) in off {
        let nothing = if on.is_string() { json!("") } else { json!(0) };
        site.db_update(doctype, name, json!({field: nothing})).await;
        assert_eq!(listed(&site).await, own, "{field}");
        bearer(&provider, &site, "at+jwt", &json!({})).get(WHO).await.error(401, "AuthenticationError");
        site.db_update(doctype, name, json!({field: on})).await;
        assert_eq!(bearer(&provider, &site, "at+jwt", &json!({})).get(WHO).await.ok(), ALICE, "{field}");
    }
}

#[tokio::test]
async fn a_provider_without_keys_is_not_listed() {
    let (provider, site) = (Provider::start().await, site().await);
    site.db_update("OAuth Settings", "OAuth Settings", json!({"show_social_login_key_as_authorization_server": 1}))
        .await;
    let base = provider.server.uri();
    let key = json!({
        "resource_audience": "library", "openid_configuration": "", "base_url": base,
        "authorize_url": format!("{base}/authorize"), "access_token_url": format!("{base}/token"),
        "api_endpoint": format!("{base}/me"), "redirect_url": "/api/method/x",
    });
    provider.key(&site, key).await;
    assert_eq!(listed(&site).await, [site.documents().site_url().to_owned()]);
}

#[tokio::test]
async fn a_provider_that_cannot_be_asked_is_left_alone_for_a_moment_whoever_names_it() {
    let (provider, site) = (Provider::start().await, site().await);
    site.db_update("OAuth Settings", "OAuth Settings", json!({"show_social_login_key_as_authorization_server": 1}))
        .await;
    let address = format!("{}/nothing/here", provider.server.uri());
    provider.key(&site, json!({"resource_audience": "library", "openid_configuration": address})).await;
    let asked = async || {
        let requests = provider.server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() == "/nothing/here").count()
    };
    // Saving the key asks once by itself.
    while asked().await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    for _ in 0..5 {
        assert_eq!(listed(&site).await, [site.documents().site_url().to_owned()]);
        bearer(&provider, &site, "at+jwt", &json!({})).get(WHO).await.error(401, "AuthenticationError");
    }
    assert_eq!(asked().await, 1);
    // Another address is tried at once.
    let right = format!("{}/.well-known/openid-configuration", provider.server.uri());
    let moved = json!({"openid_configuration": right, "client_secret": "again"});
    site.db_update("Social Login Key", "example_login", moved).await;
    let link = json!({"social_logins": [{"provider": "example_login", "userid": "alice-there"}]});
    site.db_user(ALICE, link).await;
    assert_eq!(bearer(&provider, &site, "at+jwt", &json!({})).get(WHO).await.ok(), ALICE);
}
