//! Role mapping and the way out, with a provider in the test itself.

use serde_json::json;

use super::social_login::Provider;
use super::{form_token, leads_to, parameter, site};

#[tokio::test]
async fn what_the_provider_says_becomes_roles_and_roles_that_nothing_speaks_for_go_if_asked() {
    let (provider, site) = (Provider::start().await, site().await);
    site.db_insert("Role", json!({"role_name": "Librarian"})).await;
    let mappings = json!([
        {"claim": "realm_access.roles", "value": "admins", "role": "System Manager"},
        {"claim": "department", "value": "IT", "role": "Librarian"},
    ]);
    provider.key(&site, json!({"role_mappings": mappings})).await;
    let roles = async || -> Vec<String> {
        let user = site.administrator().await.read("User", "alice@example.com").await.ok();
        let rows = user["roles"].as_array().unwrap().clone();
        rows.iter().map(|row| row["role"].as_str().unwrap().to_owned()).collect()
    };
    let log_in = async |claims| {
        let browser = site.guest();
        let back = provider.begin(&site, &browser, claims).await;
        assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
    };
    log_in(json!({"realm_access": {"roles": ["staff", "admins"]}})).await;
    assert!(roles().await.contains(&"System Manager".to_owned()));
    assert_eq!(site.db_names("Security Event", json!({"event": "Roles Changed"})).await.len(), 1);
    // Capital letters matter, and a person keeps what an administrator may have given.
    log_in(json!({"realm_access": {"roles": ["Admins"]}})).await;
    assert!(roles().await.contains(&"System Manager".to_owned()));
    site.db_update("Social Login Key", "example_login", json!({"remove_unmapped_roles": 1})).await;
    log_in(json!({"realm_access": {"roles": ["Admins"]}, "department": "IT"})).await;
    assert_eq!(roles().await, ["Librarian"]);
    // A rule for a role that nobody can be given would keep everybody out.
    let values = json!({"role_mappings": [{"claim": "groups", "value": "staff", "role": "All"}]});
    let refused = site.administrator().await.update("Social Login Key", "example_login", values).await;
    let refused = refused.error(417, "ValidationError");
    assert!(refused.to_string().contains("given automatically"), "{refused}");
}

#[tokio::test]
async fn logging_out_here_goes_on_to_the_provider_for_whoever_came_from_there() {
    let (provider, site) = (Provider::start().await, site().await);
    let logout_url = format!("{}/logout?realm=x", provider.server.uri());
    provider.key(&site, json!({"logout_url": logout_url})).await;
    let browser = site.guest();
    let back = provider.begin(&site, &browser, json!({})).await;
    assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
    // Somebody else's link logs nobody out there.
    assert_eq!(browser.get("/logout/at/example_login").await.redirect(), "/app");
    let token = form_token(&browser).await;
    let onward = browser.form("/logout", &[("csrf_token", &token)]).await.redirect();
    assert_eq!(browser.logged_user().await, "Guest");
    let address = leads_to(&browser.get(&onward).await);
    assert!(address.starts_with(&logout_url), "{address}");
    assert_eq!(parameter(&address, "client_id"), "me");
    let home = format!("{}/login", site.documents().site_url());
    assert_eq!(parameter(&address, "post_logout_redirect_uri"), home);
    // Who came with a password has nothing to end there.
    let bob = site.user("bob@example.com", &[]).await;
    let token = form_token(&bob).await;
    assert_eq!(bob.form("/logout", &[("csrf_token", &token)]).await.redirect(), "/login");
}
