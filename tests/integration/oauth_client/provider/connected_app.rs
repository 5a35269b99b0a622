//! Connected App against `oidc-provider`: every way of proving who this site is, from discovery to revocation.

use doctyped::testing::token_cache::Connection;
use serde_json::{Value as Json, json};

use super::super::connected_app::run;
use super::super::{parameter, site};
use super::{Person, Provider, path_of, provider, with_parameter};
use crate::support::{Client, TestSite};

/// A private key and its public half, as JSON Web Keys (RFC 7517, appendix A.2).
fn key_pair() -> (Json, Json) {
    let public = json!({
        "kty": "EC", "crv": "P-256", "kid": "of the site", "use": "sig",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    });
    let mut private = public.clone();
    private["d"] = json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE");
    (private, public)
}

/// What an administrator does: enter the address of the provider, let it describe itself, register there, enter what
/// the registration gives.
pub async fn set_up(site: &TestSite, provider: &Provider, method: &str, label: &str) -> String {
    let administrator = site.administrator().await;
    let entered = json!({"provider_name": "Example", "openid_configuration": provider.openid_configuration()});
    let app = administrator.create("Connected App", entered).await.ok()["name"].as_str().unwrap().to_owned();
    let _ = run(&administrator, &app, "fill_from_discovery", json!({})).await.status(200);
    let filled = administrator.read("Connected App", &app).await.ok();
    assert_eq!(filled["issuer"], json!(provider.issuer));
    for (fieldname, path) in [
        ("authorization_uri", "/auth"),
        ("token_uri", "/token"),
        ("userinfo_uri", "/me"),
        ("revocation_uri", "/token/revocation"),
        ("introspection_uri", "/token/introspection"),
    ] {
        assert_eq!(filled[fieldname], format!("{}{path}", provider.issuer), "{fieldname}");
    }
    let (private, public) = key_pair();
    let mut registration = json!({
        "redirect_uris": [filled["redirect_uri"]], "token_endpoint_auth_method": method,
        "grant_types": ["authorization_code", "refresh_token"],
    });
    if method != "none" {
        registration["grant_types"].as_array_mut().unwrap().push(json!("client_credentials"));
    }
    let mut values = json!({
        "token_endpoint_auth_method": label, "allowed_base_urls": provider.issuer,
        "scopes": [{"scope": "openid email"}, {"scope": "offline_access"}],
        // Without it the provider leaves out offline_access (OpenID Connect Core §11).
        "query_parameters": [{"key": "prompt", "value": "consent"}],
    });
    if method == "private_key_jwt" {
        registration["jwks"] = json!({"keys": [public]});
        values["private_key"] = json!(private.to_string());
    }
    let registered = provider.register(registration).await;
    values["client_id"] = json!(registered.client_id);
    if !registered.client_secret.is_empty() {
        values["client_secret"] = json!(registered.client_secret);
    }
    let _ = administrator.update("Connected App", &app, values).await.status(200);
    app
}

/// Where the provider asks the person.
pub async fn asked(client: &Client, app: &str) -> String {
    let begun = run(client, app, "initiate_web_application_flow", json!({"success_uri": "/app/done"})).await.ok();
    begun.as_str().unwrap().to_owned()
}

async fn connect(client: &Client, app: &str, person: &Person) {
    let back = person.allow(&asked(client, app).await).await;
    assert_eq!(client.get(&path_of(&back)).await.redirect(), "/app/done");
}

/// The tokens that only the site itself knows.
async fn tokens(site: &TestSite, app: &str, user: &str) -> (String, String) {
    let connection = Connection::find(site.documents(), app, user).await.unwrap().expect("connected");
    (connection.access_token.unwrap(), connection.refresh_token.unwrap_or_default())
}

/// As if the access token had run out.
async fn expire(site: &TestSite, app: &str, user: &str) {
    let past = doctyped::testing::clock::format_datetime(site.clock.now_naive() - chrono::Duration::minutes(1));
    site.db_update("Token Cache", &format!("{app}-{user}"), json!({"expires_at": past})).await;
}

async fn connects_uses_renews_and_disconnects(method: &str, label: &str) {
    let Some(provider) = provider() else { return };
    let site = site().await;
    let app = set_up(&site, provider, method, label).await;
    let alice = site.user("alice@example.com", &[]).await;
    let person = Person::new("alice", json!({"email": "alice@there.example", "email_verified": true}));
    connect(&alice, &app, &person).await;
    let health = run(&alice, &app, "get_active_token", json!({})).await.ok();
    assert_eq!((&health["status"], &health["account"]), (&json!("Connected"), &json!("alice@there.example")));
    let scopes: Vec<&str> =
        health["scopes"].as_array().unwrap().iter().map(|row| row["scope"].as_str().unwrap()).collect();
    assert_eq!(scopes, ["openid", "email", "offline_access"]);
    let me = run(&alice, &app, "request", json!({"path": "/me"})).await.ok();
    assert_eq!(me["body"]["sub"], person.subject());

    let (_, first) = tokens(&site, &app, "alice@example.com").await;
    expire(&site, &app, "alice@example.com").await;
    let renewed = run(&alice, &app, "get_active_token", json!({})).await.ok();
    assert_eq!((&renewed["status"], &renewed["account"]), (&json!("Connected"), &json!("alice@there.example")));
    let (access, second) = tokens(&site, &app, "alice@example.com").await;
    assert_ne!(first, second, "the provider turns refresh tokens over, and the new one is kept");
    // And again, with the new one.
    expire(&site, &app, "alice@example.com").await;
    let me = run(&alice, &app, "request", json!({"path": "/me"})).await.ok();
    assert_eq!(me["body"]["sub"], person.subject());
    assert_eq!(provider.introspect(&access).await["active"], true);

    let (access, refresh) = tokens(&site, &app, "alice@example.com").await;
    assert_eq!(run(&alice, &app, "disconnect", json!({})).await.ok(), "disconnected");
    provider.wait_until_inactive(&refresh).await;
    provider.wait_until_inactive(&access).await;
    assert_eq!(run(&alice, &app, "has_token", json!({})).await.ok(), false);
}

#[tokio::test]
async fn a_connection_with_the_secret_in_the_header() {
    connects_uses_renews_and_disconnects("client_secret_basic", "Client Secret Basic").await;
}

#[tokio::test]
async fn a_connection_with_the_secret_in_the_body() {
    connects_uses_renews_and_disconnects("client_secret_post", "Client Secret Post").await;
}

#[tokio::test]
async fn a_connection_with_a_signed_assertion() {
    connects_uses_renews_and_disconnects("private_key_jwt", "Private Key JWT").await;
}

#[tokio::test]
async fn a_connection_of_a_client_without_a_secret() {
    connects_uses_renews_and_disconnects("none", "None").await;
}

#[tokio::test]
async fn deleting_a_connection_or_its_app_ends_the_access_at_the_provider() {
    let Some(provider) = provider() else { return };
    let site = site().await;
    let app = set_up(&site, provider, "client_secret_basic", "Client Secret Basic").await;
    let alice = site.user("alice@example.com", &[]).await;
    let bob = site.user("bob@example.com", &[]).await;
    for client in [&alice, &bob] {
        connect(client, &app, &Person::new("somebody", json!({}))).await;
    }
    let (of_alice, _) = tokens(&site, &app, "alice@example.com").await;
    let (of_bob, _) = tokens(&site, &app, "bob@example.com").await;
    let _ = bob.remove("Token Cache", &format!("{app}-alice@example.com")).await.error(403, "PermissionError");
    let _ = alice.remove("Token Cache", &format!("{app}-alice@example.com")).await.status(202);
    provider.wait_until_inactive(&of_alice).await;
    assert_eq!(provider.introspect(&of_bob).await["active"], true);
    let _ = site.administrator().await.remove("Connected App", &app).await.status(202);
    provider.wait_until_inactive(&of_bob).await;
    assert_eq!(site.db_names("Token Cache", json!({})).await, [""; 0]);
}

#[tokio::test]
async fn the_app_itself_gets_one_token_for_as_long_as_it_lasts() {
    let Some(provider) = provider() else { return };
    let site = site().await;
    for (method, label) in [("client_secret_basic", "Client Secret Basic"), ("private_key_jwt", "Private Key JWT")] {
        let app = set_up(&site, provider, method, label).await;
        // Scopes for people mean nothing without one.
        site.db_update("Connected App", &app, json!({"scopes": [{"scope": "calendar.read"}]})).await;
        let administrator = site.administrator().await;
        let shown = run(&administrator, &app, "get_backend_app_token", json!({})).await.status(200).body;
        let (first, _) = tokens(&site, &app, "").await;
        assert!(!shown.contains(&first), "{shown}");
        let about = provider.introspect(&first).await;
        assert_eq!((&about["active"], &about["scope"]), (&json!(true), &json!("calendar.read")), "{about}");
        let _ = run(&administrator, &app, "get_backend_app_token", json!({})).await.status(200);
        assert_eq!(tokens(&site, &app, "").await.0, first);
        expire(&site, &app, "").await;
        let _ = run(&administrator, &app, "get_backend_app_token", json!({})).await.status(200);
        assert_ne!(tokens(&site, &app, "").await.0, first);
        let alice = site.user(&format!("{method}@example.com"), &[]).await;
        run(&alice, &app, "get_backend_app_token", json!({})).await.error(403, "PermissionError");
    }
}

#[tokio::test]
async fn an_answer_from_another_server_or_for_another_person_connects_nobody() {
    let Some(provider) = provider() else { return };
    let site = site().await;
    let app = set_up(&site, provider, "client_secret_basic", "Client Secret Basic").await;
    let alice = site.user("alice@example.com", &[]).await;
    let mallory = site.user("mallory@example.com", &[]).await;
    let person = Person::new("alice", json!({}));
    // The provider promises to say who answers (RFC 9207).
    for iss in [Some("https://evil.example"), None] {
        let back = with_parameter(&person.allow(&asked(&alice, &app).await).await, "iss", iss);
        let page = alice.get(&path_of(&back)).await.status(400).body;
        assert!(page.contains("server"), "{page}");
    }
    // A code that was given to somebody else is bound to their verifier (RFC 7636).
    let stolen = Person::new("mallory", json!({})).allow(&asked(&mallory, &app).await).await;
    let code = parameter(&stolen, "code");
    let back = with_parameter(&person.allow(&asked(&alice, &app).await).await, "code", Some(&code));
    let page = alice.get(&path_of(&back)).await.status(400).body;
    assert!(page.contains("invalid_grant"), "{page}");
    assert_eq!(run(&alice, &app, "has_token", json!({})).await.ok(), false);
}

#[tokio::test]
async fn who_declines_or_is_refused_reads_what_happened_and_what_to_do() {
    let Some(provider) = provider() else { return };
    let site = site().await;
    let app = set_up(&site, provider, "client_secret_basic", "Client Secret Basic").await;
    let alice = site.user("alice@example.com", &[]).await;
    let person = Person::new("alice", json!({}));
    let back = person.decline(&asked(&alice, &app).await).await;
    let page = alice.get(&path_of(&back)).await.status(400).body;
    assert!(page.contains("access_denied") && page.contains("declined"), "{page}");
    // The provider wants PKCE: without it the person is sent back with an error.
    site.db_update("Connected App", &app, json!({"use_pkce": 0})).await;
    let back = person.open(&asked(&alice, &app).await).await;
    let back = back.headers().get("location").unwrap().to_str().unwrap().to_owned();
    let page = alice.get(&path_of(&back)).await.status(400).body;
    assert!(page.contains("invalid_request") && page.contains("PKCE"), "{page}");
    site.db_update("Connected App", &app, json!({"use_pkce": 1, "client_secret": "not the secret"})).await;
    let back = person.allow(&asked(&alice, &app).await).await;
    let page = alice.get(&path_of(&back)).await.status(400).body;
    assert!(page.contains("invalid_client") && page.contains("check Client ID, Client Secret"), "{page}");
}
