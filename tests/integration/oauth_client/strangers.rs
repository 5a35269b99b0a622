//! What strangers do costs no rows, no events and no requests to providers each.

use serde_json::json;
use wiremock::matchers::path;
use wiremock::{Mock, ResponseTemplate};

use super::social_login::Provider;
use super::{parameter, site};

#[tokio::test]
async fn a_login_that_begins_leaves_nothing_and_works_in_several_tabs_once_each() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({})).await;
    for _ in 0..20 {
        site.guest().get("/login/with/example_login").await.redirect();
    }
    assert!(site.db_names("OAuth Client State", json!({})).await.is_empty());
    assert!(site.db_names("Security Event", json!({"event": "Social Login Refused"})).await.is_empty());
    let browser = site.guest();
    let other_tab = browser.get("/login/with/example_login?redirect-to=/app/note").await.redirect();
    let back = provider.begin(&site, &browser, json!({})).await;
    assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
    // A copy of the browser's cookies does not make it a second time.
    let cookies: Vec<(String, String)> = browser.cookies();
    let again = site.guest();
    let back = provider.begin(&site, &again, json!({})).await;
    let copy = site.guest();
    for (name, value) in again.cookies().into_iter().chain(cookies) {
        copy.set_cookie(&name, &value);
    }
    assert_eq!(again.get(&back).await.redirect(), "/app/todo");
    let _ = copy.get(&back).await.status(400);
    // The other tab is as good as before, and its state belongs to nobody else.
    let state = parameter(&other_tab, "state");
    let address = "/api/method/frappe.integrations.oauth2_logins.custom/example_login";
    let _ = site.guest().get(&format!("{address}?error=access_denied&state={state}")).await.status(400);
    let page = browser.get(&format!("{address}?error=access_denied&state={state}")).await.status(400).body;
    assert!(page.contains("access_denied"), "{page}");
    site.clock.advance(chrono::Duration::minutes(11));
    let page = browser.get(&format!("{address}?code=x&state={state}")).await.status(400).body;
    assert!(page.contains("start again"), "{page}");
}

#[tokio::test]
async fn forged_answers_are_no_event_each() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({})).await;
    let address = "/api/method/frappe.integrations.oauth2_logins.custom/example_login";
    let browser = site.guest();
    for query in ["code=x&state=forged", "code=x", "state=", "code=x&code=y&state=z", "error=server_error&state=forged"]
    {
        let _ = browser.get(&format!("{address}?{query}")).await.status(400);
    }
    let state = parameter(&browser.get("/login/with/example_login").await.redirect(), "state");
    let _ = browser.get(&format!("{address}?error=access_denied&state={state}")).await.status(400);
    assert!(site.db_names("Security Event", json!({"event": "Social Login Refused"})).await.is_empty());
}

#[tokio::test]
async fn a_provider_that_is_down_is_left_alone_whoever_makes_us_ask() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.server.reset().await;
    provider
        .key(&site, json!({"issuer": provider.server.uri(), "jwks_uri": format!("{}/jwks", provider.server.uri())}))
        .await;
    Mock::given(path("/.well-known/openid-configuration"))
        .respond_with(ResponseTemplate::new(503))
        .mount(&provider.server)
        .await;
    let asked = async || provider.server.received_requests().await.unwrap().len();
    let _ = site.guest().get("/login/with/example_login").await.status(400);
    let first = asked().await;
    let receiver = "/api/method/frappe.integrations.oauth2_logins.backchannel_logout/example_login";
    // Few, so that they are done while it is left alone also where everything is slow.
    for _ in 0..3 {
        let _ = site.guest().get("/login/with/example_login").await.status(400);
        let token = provider.key.sign("logout+jwt", &json!({"iss": provider.server.uri()}));
        let _ = site.guest().form(receiver, &[("logout_token", &token)]).await.status(400);
    }
    assert_eq!(asked().await, first);
}

#[tokio::test]
async fn forged_logout_tokens_fetch_no_keys_each() {
    let (provider, site) = (Provider::start().await, site().await);
    // Entered, so that nothing is filled in while the test goes on.
    let known = json!({"issuer": provider.server.uri(), "jwks_uri": format!("{}/jwks", provider.server.uri())});
    provider.key(&site, known).await;
    let stranger = doctyped::testing::jwt::SigningKey::generate(doctyped::testing::secret::SigningAlgorithm::Es256);
    let receiver = "/api/method/frappe.integrations.oauth2_logins.backchannel_logout/example_login";
    let forge = async || {
        let token = stranger.sign("logout+jwt", &json!({"iss": provider.server.uri()}));
        let _ = site.guest().form(receiver, &[("logout_token", &token)]).await.status(400);
    };
    forge().await;
    // From now on it has no keys to give.
    provider.server.reset().await;
    site.clock.advance(chrono::Duration::seconds(11));
    for _ in 0..10 {
        forge().await;
    }
    let keys = |request: &&wiremock::Request| request.url.path() == "/jwks";
    assert_eq!(provider.server.received_requests().await.unwrap().iter().filter(keys).count(), 1);
}

#[tokio::test]
async fn a_clock_that_goes_back_stretches_no_wait() {
    let (mut provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({})).await;
    let browser = site.guest();
    let back = provider.begin(&site, &browser, json!({})).await;
    assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
    site.clock.advance(chrono::Duration::hours(-1));
    site.clock.advance(chrono::Duration::seconds(11));
    // The provider has renewed its keys: they are fetched although the clock says that it was just now.
    provider.key = doctyped::testing::jwt::SigningKey::generate(doctyped::testing::secret::SigningAlgorithm::Es256);
    let browser = site.guest();
    let back = provider.begin(&site, &browser, json!({})).await;
    assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
}
