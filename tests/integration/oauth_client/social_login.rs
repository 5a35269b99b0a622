//! Logging in with an account elsewhere: signing up, coming back, and everything that must not get in.

use doctyped::testing::jwk::JwkSet;
use doctyped::testing::jwt::SigningKey;
use doctyped::testing::secret::SigningAlgorithm;
use serde_json::{Value as Json, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{answer_grant, parameter, site};
use crate::support::{Client, TestSite};

/// A provider that signs what its people say about themselves, and more.
pub struct Provider {
    /// Where it is.
    pub server: MockServer,
    /// What it signs with.
    pub key: SigningKey,
    /// How it describes itself, if in another way than usual.
    described: std::sync::Mutex<Option<Json>>,
}

impl Provider {
    /// A provider that publishes its key.
    pub async fn start() -> Self {
        let provider = Self {
            server: MockServer::start().await,
            key: SigningKey::generate(SigningAlgorithm::Es256),
            described: std::sync::Mutex::default(),
        };
        provider.publish().await;
        provider
    }

    pub(super) async fn publish(&self) {
        let base = self.server.uri();
        let metadata = json!({
            "issuer": base, "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"), "jwks_uri": format!("{base}/jwks"),
        });
        let metadata = self.described.lock().unwrap().clone().unwrap_or(metadata);
        let keys = JwkSet { keys: vec![self.key.jwk()] }.to_value();
        for (at, body) in [("/.well-known/openid-configuration", metadata), ("/jwks", keys)] {
            let answer = ResponseTemplate::new(200).set_body_json(body);
            Mock::given(method("GET")).and(path(at)).respond_with(answer).mount(&self.server).await;
        }
    }

    /// Describes itself in this way from now on.
    pub async fn describe(&self, metadata: Json) {
        *self.described.lock().unwrap() = Some(metadata);
        self.server.reset().await;
        self.publish().await;
    }

    /// Publishes its present key in place of what it published before.
    pub async fn renew_keys(&self) {
        let keys = ResponseTemplate::new(200).set_body_json(JwkSet { keys: vec![self.key.jwk()] }.to_value());
        Mock::given(method("GET")).and(path("/jwks")).respond_with(keys).with_priority(1).mount(&self.server).await;
    }

    /// A Social Login Key of the site for it, `example_login`, with further values.
    pub async fn key(&self, site: &TestSite, values: Json) {
        let mut key = json!({
            "provider_name": "Example Login", "social_login_provider": "Custom", "enable_social_login": 1,
            "client_id": "me", "client_secret": "secret of the site", "sign_ups": "Allow", "scopes": "openid email",
            "openid_configuration": format!("{}/.well-known/openid-configuration", self.server.uri()),
        });
        key.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        site.db_insert("Social Login Key", key).await;
    }

    /// Begins a login; the provider will tell of that person. Returns where the person comes back to.
    pub(super) async fn begin(&self, site: &TestSite, browser: &Client, change: Json) -> String {
        self.begin_at(site, browser, "/app/todo", change).await
    }

    /// The same, to go on to a page afterwards, which is encoded already.
    async fn begin_at(&self, site: &TestSite, browser: &Client, page: &str, change: Json) -> String {
        let location = browser.get(&format!("/login/with/example_login?redirect-to={page}")).await.redirect();
        let now = site.clock.now().timestamp();
        let mut claims = json!({
            "iss": self.server.uri(), "aud": "me", "sub": "alice-there", "nonce": parameter(&location, "nonce"),
            "iat": now, "exp": now + 300, "email": "alice@example.com", "email_verified": true, "given_name": "Alice",
        });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let id_token = self.key.sign("JWT", &claims);
        self.server.reset().await;
        self.publish().await;
        let body = json!({"access_token": "at", "token_type": "Bearer", "id_token": id_token});
        answer_grant(&self.server, "authorization_code", ResponseTemplate::new(200).set_body_json(body), 1).await;
        let back = parameter(&location, "redirect_uri");
        let (_, path) = back.split_once("/api/").unwrap();
        format!("/api/{path}?code=abc&state={}", parameter(&location, "state"))
    }
}

#[tokio::test]
async fn a_stranger_signs_up_and_comes_back_by_subject_and_not_by_address() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({})).await;
    assert!(site.guest().get("/login").await.body.contains("Log in with Example Login"));
    let browser = site.guest();
    let back = provider.begin(&site, &browser, json!({})).await;
    assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
    assert_eq!(browser.logged_user().await, "alice@example.com");
    // Her address there changes hands or form; her id does not.
    let again = site.guest();
    let back = provider.begin(&site, &again, json!({"email": "new@example.com", "email_verified": false})).await;
    assert_eq!(again.get(&back).await.redirect(), "/app/todo");
    assert_eq!(again.logged_user().await, "alice@example.com");
    let other = site.guest();
    let back = provider.begin(&site, &other, json!({"sub": "mallory-there"})).await;
    let _ = other.get(&back).await.status(400);
    assert_eq!(other.logged_user().await, "Guest");
}

#[tokio::test]
async fn who_comes_again_goes_on_in_their_session_and_somebody_else_ends_it() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({"sign_ups": "Allow"})).await;
    let browser = site.guest();
    let sessions = async |status: &str| site.db_names("Session", json!({"status": status})).await;
    let back = provider.begin(&site, &browser, json!({"sid": "s1"})).await;
    browser.get(&back).await.redirect();
    let (first, cookie) = (sessions("Active").await, browser.cookie("sid"));
    let back = provider.begin(&site, &browser, json!({"sid": "s2"})).await;
    browser.get(&back).await.redirect();
    assert_eq!(sessions("Active").await, first);
    assert_ne!(browser.cookie("sid"), cookie);
    assert_eq!(site.db_names("Session", json!({"provider_sid": "s2"})).await, first);
    let back = provider.begin(&site, &browser, json!({"sub": "bob-there", "email": "bob@example.com"})).await;
    browser.get(&back).await.redirect();
    assert_eq!(browser.logged_user().await, "bob@example.com");
    assert_eq!(sessions("Ended").await, first);
}

#[tokio::test]
async fn who_must_prove_again_who_they_are_is_asked_by_the_provider_too() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({})).await;
    let browser = site.guest();
    let back = provider.begin(&site, &browser, json!({})).await;
    browser.get(&back).await.redirect();
    for prompt in ["login", "select_account"] {
        let page = browser.get(&format!("/login?prompt={prompt}&redirect-to=/app/todo")).await.status(200);
        let href = page.body.split_once("href=\"/login/with/").unwrap().1.split('"').next().unwrap();
        let href = format!("/login/with/{}", href.replace("&#x3D;", "=").replace("&amp;", "&"));
        assert_eq!(parameter(&browser.get(&href).await.redirect(), "prompt"), prompt);
    }
    let location = browser.get("/login/with/example_login?prompt=none").await.redirect();
    assert!(!location.contains("prompt="), "{location}");
}

#[tokio::test]
async fn what_does_not_belong_to_this_browser_and_request_logs_nobody_in() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({})).await;
    for (what, change) in [
        ("nonce", json!({"nonce": "another"})),
        ("issuer", json!({"iss": "https://evil.example"})),
        ("audience", json!({"aud": "another"})),
        ("expired", json!({"exp": 1_000_000_000})),
        ("unverified", json!({"email_verified": false})),
        ("silent", json!({"email_verified": null})),
    ] {
        let browser = site.guest();
        let back = provider.begin(&site, &browser, change).await;
        let answer = browser.get(&back).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
        assert_eq!(browser.logged_user().await, "Guest", "{what}");
    }
    let browser = site.guest();
    let back = provider.begin(&site, &browser, json!({})).await;
    let _ = site.guest().get(&back).await.status(400);
    let back = provider.begin(&site, &browser, json!({})).await;
    assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
    let _ = browser.get(&back).await.status(400);
    let (address, _) = back.split_once('?').unwrap();
    let _ = browser.get(&format!("{address}?code=abc&state=forged")).await.status(400);
}

#[tokio::test]
async fn an_existing_account_is_linked_by_a_verified_address_only_where_that_is_allowed() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({})).await;
    site.db_user("alice@example.com", json!({})).await;
    let browser = site.guest();
    let back = provider.begin(&site, &browser, json!({})).await;
    let _ = browser.get(&back).await.status(400);
    site.db_update("Social Login Key", "example_login", json!({"allow_email_linking": 1})).await;
    let back = provider.begin(&site, &browser, json!({"email_verified": false})).await;
    let _ = browser.get(&back).await.status(400);
    let back = provider.begin(&site, &browser, json!({})).await;
    assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
    assert_eq!(browser.logged_user().await, "alice@example.com");
    let page = browser.get("/linked-accounts").await.status(200).body;
    assert!(page.contains("Example Login") && page.contains("Unlink"), "{page}");
    assert_eq!(site.administrator().await.read("User", "alice@example.com").await.ok()["email_verified"], 1);
}

#[tokio::test]
async fn a_login_elsewhere_leads_back_to_pages_of_this_site_only() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({})).await;
    for target in
        ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)"]
    {
        let target: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
        let browser = site.guest();
        let back = provider.begin_at(&site, &browser, &target, json!({})).await;
        let to = browser.get(&back).await.redirect();
        let here = url::Url::parse(site.documents().site_url()).unwrap();
        assert_eq!(here.join(&to).unwrap().origin(), here.origin(), "{target} leads to {to}");
        assert_eq!(browser.logged_user().await, "alice@example.com");
    }
}

#[tokio::test]
async fn a_key_for_all_organisations_at_once_is_refused() {
    let site = site().await;
    let administrator = site.administrator().await;
    for provider in ["Frappe", "Keycloak"] {
        let key = json!({"provider_name": provider, "social_login_provider": provider});
        let refused = administrator.create("Social Login Key", key).await.error(417, "BaseUrlNotSetError");
        assert!(refused.to_string().contains("Base URL is required"), "{refused}");
    }
    for tenant in ["common", "organizations", "consumers", ""] {
        let key = json!({
            "provider_name": "Office 365", "social_login_provider": "Office 365", "enable_social_login": 1,
            "client_id": "me", "client_secret": "secret of the site", "tenant_id": tenant,
        });
        let refused = administrator.create("Social Login Key", key).await.error(417, "ValidationError");
        assert_eq!(refused["problems"][0]["field"], "tenant_id", "{tenant}: {refused}");
    }
}
