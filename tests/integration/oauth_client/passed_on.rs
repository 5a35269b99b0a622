//! What a provider's API answers reaches the caller as data: it drives nobody, sets nothing and shows no page.

use serde_json::{Value as Json, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::connected_app::{app, connect, run};
use super::{answer_grant, site, tokens};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const REQUEST: &str = "frappe.integrations.doctype.connected_app.connected_app.request";

struct House {
    provider: MockServer,
    site: TestSite,
    app: String,
    alice: Client,
}

impl House {
    async fn new() -> Self {
        let (provider, site) = (MockServer::start().await, site().await);
        let app = app(&site, &provider).await;
        let alice = site.user("alice@example.com", &[]).await;
        answer_grant(&provider, "authorization_code", tokens("first", Some("rt")), 1).await;
        connect(&alice, &app).await;
        Self { provider, site, app, alice }
    }

    async fn answers(&self, answer: ResponseTemplate) {
        self.provider.reset().await;
        Mock::given(path("/api/x")).respond_with(answer).mount(&self.provider).await;
    }

    async fn ask(&self, arguments: Json) -> Response {
        let mut all = json!({"connected_app": self.app, "path": "x"});
        all.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        self.alice.call(REQUEST, all).await
    }
}

#[tokio::test]
async fn a_redirect_of_a_provider_leads_nobody_anywhere() {
    let house = House::new().await;
    for status in [300, 301, 302, 303, 307, 308, 407] {
        house
            .answers(
                ResponseTemplate::new(status)
                    .insert_header("location", "/api/method/logout")
                    .insert_header("refresh", "0;url=/api/method/logout"),
            )
            .await;
        let answer = house.ask(json!({})).await.status(502);
        assert_eq!(answer.header("x-provider-status"), status.to_string());
        for name in ["location", "refresh", "www-authenticate"] {
            assert!(answer.headers.get(name).is_none(), "{status}: {name}");
        }
        house.answers(ResponseTemplate::new(status).insert_header("location", "/api/method/logout")).await;
        let told = run(&house.alice, &house.app, "request", json!({"path": "x"})).await.ok();
        assert_eq!((&told["status"], &told["headers"]["location"]), (&json!(status), &json!(null)));
    }
    house.answers(ResponseTemplate::new(304).insert_header("etag", "\"a\"")).await;
    assert_eq!(house.ask(json!({})).await.status(304).header("etag"), "\"a\"");
}

#[tokio::test]
async fn no_header_of_a_provider_that_browsers_or_clients_obey_is_passed_on() {
    let house = House::new().await;
    let obeyed = [
        ("location", "/api/method/logout"),
        ("content-location", "/api/method/logout"),
        ("set-cookie", "sid=stolen"),
        ("www-authenticate", "Basic realm=\"site\""),
        ("proxy-authenticate", "Basic"),
        ("proxy-authentication-info", "x"),
        ("authentication-info", "x"),
        ("refresh", "0;url=https://evil.example"),
        ("clear-site-data", "\"*\""),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("strict-transport-security", "max-age=0"),
        ("alt-svc", "h3=\"evil.example:443\""),
        ("service-worker-allowed", "/"),
        ("sourcemap", "https://evil.example/map"),
        ("dpop-nonce", "n"),
        ("nel", "{}"),
        ("report-to", "{}"),
        ("link", "</api/method/logout>; rel=\"next\""),
        ("trailer", "x"),
    ];
    let mut answer = ResponseTemplate::new(201).set_body_raw("{}", "application/json");
    for (name, value) in obeyed {
        answer = answer.insert_header(name, value);
    }
    house.answers(answer.insert_header("etag", "\"a\"").insert_header("content-disposition", "inline")).await;
    let got = house.ask(json!({"verb": "POST"})).await.status(201);
    for (name, value) in obeyed {
        assert_ne!(got.header(name), value, "{name}");
    }
    assert_eq!((got.header("etag"), got.header("content-disposition")), ("\"a\"", "attachment"));
}

#[tokio::test]
async fn nothing_that_a_provider_answers_is_shown_as_a_page_of_thissite() {
    let house = House::new().await;
    for (told, shown) in [
        ("text/html", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("application/xhtml+xml", "application/octet-stream"),
        ("text/xml; charset=utf-8", "application/octet-stream"),
        ("application/javascript", "application/octet-stream"),
        ("application/json", "application/json"),
        ("application/vnd.api+json", "application/vnd.api+json"),
        ("text/csv", "text/csv"),
    ] {
        house.answers(ResponseTemplate::new(200).set_body_raw("<script>alert(1)</script>", told)).await;
        let got = house.ask(json!({})).await.status(200);
        assert_eq!((got.header("content-type"), got.header("x-provider-content-type")), (shown, told));
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert_eq!(got.header("content-security-policy"), "default-src 'none'; sandbox");
        assert_eq!(got.header("content-disposition"), "attachment");
    }
    // Without a type a browser must not guess one either.
    house.answers(ResponseTemplate::new(200).set_body_bytes("<script>")).await;
    assert!(!house.ask(json!({})).await.header("content-type").contains("html"));
    let packed =
        ResponseTemplate::new(200).insert_header("content-encoding", "gzip").set_body_raw("packed", "text/plain");
    house.answers(packed).await;
    assert_eq!(house.ask(json!({})).await.status(200).header("content-encoding"), "gzip");
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_says_why_and_what_is_unknown_is_refused() {
    let house = House::new().await;
    house.answers(ResponseTemplate::new(200)).await;
    for (arguments, says) in [
        (json!({"verbs": "POST"}), "verbs"),
        (json!({"params": {"a": 1}}), "params"),
        (json!({"headers": {"bad name": "x"}}), "bad name"),
        (json!({"headers": {"accept": "a\nb"}}), "accept"),
        (json!({"path": "a".repeat(70_000)}), "cannot be sent"),
        (json!({"path": "..;/secret"}), "Allowed Base URLs"),
        (json!({"path": "%252e%252e/secret"}), "Allowed Base URLs"),
    ] {
        let refused = house.ask(arguments).await;
        assert_eq!(refused.status, 417, "{says}: {}", refused.body);
        assert!(refused.body.contains(says), "{says}: {}", refused.body);
    }
    let refused = run(&house.alice, &house.app, "request", json!({"path": "x", "timeout": 5})).await;
    assert!(refused.status == 417 && refused.body.contains("timeout"), "{}", refused.body);
}

#[tokio::test]
async fn an_api_that_refuses_every_token_causes_one_renewal() {
    let house = House::new().await;
    house.provider.reset().await;
    answer_grant(&house.provider, "refresh_token", tokens("second", Some("rt2")), 1).await;
    Mock::given(method("GET"))
        .and(path("/api/x"))
        .respond_with(ResponseTemplate::new(401))
        .mount(&house.provider)
        .await;
    for _ in 0..4 {
        let _ = house.ask(json!({})).await.status(502);
    }
    house.provider.verify().await;
}

#[tokio::test]
async fn a_token_that_a_provider_repeats_is_neither_shown_nor_stored() {
    let house = House::new().await;
    house.provider.reset().await;
    let body = json!({"error": "temporarily_unavailable", "error_description": "rt-secret-of-alice is busy"});
    answer_grant(&house.provider, "authorization_code", tokens("first", Some("rt-secret-of-alice")), 1).await;
    answer_grant(&house.provider, "refresh_token", ResponseTemplate::new(400).set_body_json(body), 1).await;
    connect(&house.alice, &house.app).await;
    house.site.clock.advance(chrono::Duration::minutes(10));
    let failed = run(&house.alice, &house.app, "get_active_token", json!({})).await;
    assert!(!failed.body.contains("rt-secret") && failed.body.contains("is busy"), "{}", failed.body);
    let stored = house.alice.read("Token Cache", &format!("{}-alice@example.com", house.app)).await.ok();
    assert!(!stored.to_string().contains("rt-secret"), "{stored}");
}

#[tokio::test]
async fn who_only_looks_at_an_address_sets_nothing_off() {
    let (provider, site) = (super::social_login::Provider::start().await, site().await);
    provider.key(&site, json!({})).await;
    let browser = site.guest();
    let back = provider.begin(&site, &browser, json!({})).await;
    let head = async |path: &str| browser.send(poem::http::Method::HEAD, path, "", "").await.status(405);
    let _ = head(&back).await;
    assert_eq!(browser.logged_user().await, "Guest");
    let _ = head("/login/with/example_login").await;
    assert_eq!(browser.get(&back).await.redirect(), "/app/todo");
}
