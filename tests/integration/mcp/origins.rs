//! Pages of other sites: which may call, and what a browser is told.

use poem::http::Method;
use serde_json::json;

use super::support::{Assistant, library};
use crate::oauth::support::{Program, REDIRECT_URI, bearer};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

#[tokio::test]
async fn a_page_may_call_if_it_belongs_to_the_client_or_is_listed() {
    let site = library().await;
    let administrator = site.administrator().await;
    let program = Program::new(&site, json!({})).await;
    let client = bearer(&site, &program.tokens(&administrator).await);
    let own = url::Url::parse(REDIRECT_URI).unwrap().origin().ascii_serialization();
    let site_itself = url::Url::parse(site.documents().site_url()).unwrap().origin().ascii_serialization();
    let try_from = |origin: String| {
        let client = client.with_header("origin", &origin);
        async move { client.send(Method::POST, "/mcp", "application/json", LIST).await }
    };
    let answer = try_from(own.clone()).await.status(200);
    assert_eq!(answer.header("access-control-allow-origin"), own);
    try_from(site_itself).await.status(200);
    for evil in ["https://evil.example", "null", "http://app.example", "https://app.example.evil.example"] {
        let refused = try_from(evil.to_owned()).await.status(403);
        assert_eq!(refused.header("access-control-allow-origin"), "", "{evil}");
        assert_eq!(refused.header("www-authenticate"), "", "no token would help");
    }
    let listed = json!({"allowed_public_client_origins": "https://listed.example"});
    administrator.update("OAuth Settings", "OAuth Settings", listed).await.ok();
    try_from("https://listed.example".to_owned()).await.status(200);
}

#[tokio::test]
async fn a_page_without_a_token_learns_where_to_get_one_and_nothing_else() {
    let site = library().await;
    let page = site.guest().with_header("origin", "https://inspector.example");
    let preflight = page
        .with_header("access-control-request-method", "POST")
        .with_header("access-control-request-headers", "authorization, mcp-protocol-version, mcp-method, mcp-name")
        .send(Method::OPTIONS, "/mcp", "", "")
        .await;
    assert!(preflight.status.is_success());
    let headers = preflight.header("access-control-allow-headers").to_ascii_lowercase();
    for name in
        ["authorization", "content-type", "dpop", "mcp-protocol-version", "mcp-session-id", "mcp-method", "mcp-name"]
    {
        assert!(headers.contains(name), "{headers}");
    }
    assert!(preflight.header("access-control-allow-methods").contains("POST"));
    for client in [page.clone(), page.with_header("authorization", "Bearer dt_at_nonsense")] {
        let refused = client.send(Method::POST, "/mcp", "application/json", LIST).await.status(401);
        assert_eq!(refused.header("access-control-allow-origin"), "*");
        assert!(refused.header("access-control-expose-headers").contains("WWW-Authenticate"));
        assert!(refused.header("www-authenticate").contains("/.well-known/oauth-protected-resource/mcp\""));
        assert_eq!(refused.json()["error"]["code"], -32000);
    }
}

#[tokio::test]
async fn a_cookie_opens_nothing_and_brings_nobody_in() {
    let site = library().await;
    let administrator = site.administrator().await.with_header("origin", "https://evil.example");
    let refused = administrator.send(Method::POST, "/mcp", "application/json", LIST).await;
    assert!(refused.status.is_client_error(), "{}", refused.body);
    let assistant = Assistant::with(&site.administrator().await);
    assistant.send("tools/list", json!({})).await.status(401);
}
