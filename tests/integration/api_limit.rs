//! How often the API may be called in a minute: by one credential, or from one address without one.

use chrono::Duration;
use poem::http::Method;
use serde_json::json;

use crate::oauth::support::{Program, bearer};
use crate::support::client::Response;
use crate::support::{Client, PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";
const PING: &str = "/api/method/ping";

/// A site behind one proxy, so that tests can come from anywhere, that lets so many requests through.
async fn site(credentials: i64, addresses: i64) -> TestSite {
    let site = TestSite::new().with_config(|config| config.trusted_proxies = 1).await;
    site.db_user(ALICE, json!({})).await;
    let limits = json!({"api_rate_limit": credentials, "api_rate_limit_for_guests": addresses});
    site.db_update("System Settings", "System Settings", limits).await;
    site
}

/// Somebody at that address.
fn at(site: &TestSite, address: &str) -> Client {
    site.guest().with_header("x-forwarded-for", address)
}

async fn alice(site: &TestSite) -> Client {
    let client = site.guest();
    client.log_in(ALICE, PASSWORD).await.ok();
    client
}

/// What an answer says of the limit: `RateLimit-Policy`, `RateLimit`, and the three headers of Frappe.
fn told(answer: &Response) -> [&str; 5] {
    ["ratelimit-policy", "ratelimit", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]
        .map(|name| answer.header(name))
}

#[tokio::test]
async fn every_answer_of_the_api_says_how_much_is_left_and_what_is_more_waits_for_the_minute_to_end() {
    let site = site(3, 0).await;
    let alice = alice(&site).await;
    let policy = "\"credentials\";q=3;w=60";
    let first = alice.get(PING).await.status(200);
    assert_eq!(told(&first), [policy, "\"credentials\";r=2;t=60", "3", "2", "60"]);
    site.clock.advance(Duration::seconds(20));
    let second = alice.get("/api/resource/NoSuch").await.status(404);
    assert_eq!(told(&second), [policy, "\"credentials\";r=1;t=40", "3", "1", "40"]);
    alice.get(PING).await.status(200);
    let refused = alice.get(PING).await.status(429);
    assert_eq!(told(&refused), [policy, "\"credentials\";r=0;t=40", "3", "0", "40"]);
    assert_eq!(refused.header("retry-after"), "40");
    assert_eq!(refused.server_messages(), ["Too many requests: try again in 40 seconds"]);
    refused.error(429, "TooManyRequestsError");
    alice.get("/api/v2/document/User").await.error(429, "TooManyRequestsError");
    site.clock.advance(Duration::seconds(40));
    alice.get(PING).await.status(200);
}

#[tokio::test]
async fn credentials_are_counted_apart_and_more_of_the_same_bring_nothing_new() {
    let site = site(0, 0).await;
    let [one, other] = [alice(&site).await, alice(&site).await];
    let keys = one.call("frappe.core.doctype.user.user.generate_keys", json!({"user": ALICE})).await.ok();
    let text = |key: &str| keys[key].as_str().unwrap().to_owned();
    let key = format!("token {}:{}", text("api_key"), text("api_secret"));
    let [key, key_elsewhere] =
        ["203.0.113.1", "203.0.113.2"].map(|from| at(&site, from).with_header("authorization", &key));
    let application = Program::new(&site, json!({})).await;
    let [token, token_afterwards] =
        [application.tokens(&one).await, application.tokens(&other).await].map(|tokens| bearer(&site, &tokens));
    site.db_update("System Settings", "System Settings", json!({"api_rate_limit": 2})).await;
    for client in [&one, &other, &key, &token] {
        client.get(PING).await.status(200);
        client.get(PING).await.status(200);
        client.get(PING).await.status(429);
    }
    for client in [&key_elsewhere, &token_afterwards] {
        client.get(PING).await.status(429);
    }
    // Pages, files, the health of the site, and the endpoints of OAuth are not the API.
    for path in ["/app", "/assets/desk.css", "/health/live", "/.well-known/oauth-authorization-server"] {
        let answer = one.get(path).await;
        assert!(answer.status != 429 && answer.header("ratelimit").is_empty(), "{path}: {}", answer.status);
    }
    let introspected = one.form("/api/method/frappe.integrations.oauth2.introspect_token", &[]).await;
    assert!(introspected.status != 429 && introspected.header("ratelimit").is_empty(), "{}", introspected.status);
}

#[tokio::test]
async fn who_sends_no_credentials_is_counted_by_address_and_so_are_credentials_that_prove_nothing() {
    let site = site(0, 2).await;
    let guest = at(&site, "203.0.113.1");
    let first = guest.get(PING).await.status(200);
    assert_eq!(told(&first)[..2], ["\"address\";q=2;w=60", "\"address\";r=1;t=60"]);
    let wrong = guest.with_header("authorization", "Bearer wrong");
    assert_eq!(wrong.get(PING).await.status(401).header("x-ratelimit-remaining"), "0");
    wrong.get(PING).await.error(429, "TooManyRequestsError");
    guest.get(PING).await.error(429, "TooManyRequestsError");
    at(&site, "203.0.113.2").get(PING).await.status(200);
    // What browsers ask before they send another site's request is not counted.
    let preflight = at(&site, "203.0.113.2").send(Method::OPTIONS, PING, "", "").await;
    assert!(preflight.header("ratelimit").is_empty());
    // Of IPv6, one line is one address.
    let line = |end: &str| at(&site, &format!("2001:db8:1:1::{end}"));
    line("1").get(PING).await.status(200);
    line("2").get(PING).await.status(200);
    line("3").get(PING).await.error(429, "TooManyRequestsError");
    // Credentials that are valid are not held up by what others at their address do.
    let alice = at(&site, "198.51.100.7");
    alice.log_in(ALICE, PASSWORD).await.ok();
    let neighbour = at(&site, "198.51.100.7");
    neighbour.get(PING).await.status(200);
    neighbour.get(PING).await.status(429);
    assert!(alice.get(PING).await.status(200).header("ratelimit").is_empty(), "there is no limit for credentials");
}

#[tokio::test]
async fn assistants_are_refused_in_their_own_words_and_pages_of_other_sites_may_read_the_limit() {
    let site = site(0, 0).await;
    let application = Program::new(&site, json!({})).await;
    let assistant = bearer(&site, &application.tokens(&alice(&site).await).await);
    site.db_update("System Settings", "System Settings", json!({"api_rate_limit": 1})).await;
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let first = assistant.post("/mcp", message.clone()).await;
    assert_eq!(first.header("x-ratelimit-remaining"), "0", "{}", first.body);
    let refused = assistant.with_header("origin", "https://app.example").post("/mcp", message).await.status(429);
    assert_eq!(refused.json()["error"]["data"]["type"], "TooManyRequestsError");
    assert!(!refused.header("retry-after").is_empty());
    site.db_update("OAuth Settings", "OAuth Settings", json!({"allowed_public_client_origins": "*"})).await;
    let page = site.guest().with_header("origin", "https://app.example").get(PING).await;
    let exposed = page.header("access-control-expose-headers");
    for name in ["RateLimit", "RateLimit-Policy", "X-RateLimit-Remaining", "Retry-After"] {
        assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}: {exposed}");
    }
}

#[tokio::test]
async fn the_shipped_limits_are_there_and_described() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    assert_eq!(administrator.get(PING).await.header("x-ratelimit-limit"), "60000");
    assert_eq!(site.guest().get(PING).await.header("x-ratelimit-limit"), "6000");
    let description = administrator.get("/api/openapi.json").await.json();
    let list = &description["paths"]["/api/resource/ToDo"]["get"]["responses"]["429"];
    assert_eq!(list["$ref"], "#/components/responses/Error429");
    let headers = description["components"]["responses"]["Error429"]["headers"].as_object().unwrap();
    for name in ["Retry-After", "RateLimit", "RateLimit-Policy"] {
        assert!(headers.contains_key(name), "{name}");
    }
}
