//! The messages: the handshake, the revision without one, what is refused and how.

use poem::http::Method;
use serde_json::{Value as Json, json};

use super::support::{Assistant, HANDSHAKE, STATELESS, library};
use crate::support::TestSite;

async fn assistant(site: &TestSite) -> Assistant {
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    Assistant::of(site, &alice, "read").await
}

#[tokio::test]
async fn a_client_shakes_hands_and_lists_at_most_eight_tools_however_many_doctypes_there_are() {
    let site = library().await;
    let assistant = assistant(&site).await;
    for (asked, agreed) in [(HANDSHAKE, HANDSHAKE), ("2025-06-18", "2025-06-18"), ("1999-01-01", HANDSHAKE)] {
        let params = json!({"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let answer = assistant.send("initialize", params).await.status(200);
        assert!(answer.headers.get("mcp-session-id").is_none(), "there is no session");
        let result = answer.json()["result"].take();
        assert_eq!(result["protocolVersion"], agreed);
        assert!(result["capabilities"]["tools"].is_object() && result["serverInfo"]["name"] == "doctyped");
    }
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let accepted = assistant.http.post("/mcp", notification).await.status(202);
    assert!(accepted.body.is_empty());
    assert_eq!(assistant.result("ping", json!({})).await, json!({}));
    let tools = assistant.result("tools/list", json!({})).await["tools"].take();
    let tools = tools.as_array().unwrap();
    assert!(tools.len() <= 8);
    for tool in tools {
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert!(tool["description"].as_str().is_some_and(|text| text.len() > 20), "{tool}");
    }
}

#[tokio::test]
async fn a_client_without_a_handshake_discovers_what_there_is_and_for_how_long_it_holds() {
    let site = library().await;
    site.administrator()
        .await
        .update("OAuth Settings", "OAuth Settings", json!({"mcp_instructions": "Lend gladly."}))
        .await
        .ok();
    let assistant = assistant(&site).await.stateless();
    let found = assistant.result("server/discover", json!({})).await;
    assert_eq!(found["supportedVersions"][0], STATELESS);
    assert!(found["instructions"].as_str().unwrap().ends_with("Lend gladly."));
    for method in ["server/discover", "tools/list", "resources/list", "resources/templates/list"] {
        let result = assistant.result(method, json!({})).await;
        assert_eq!(result["resultType"], "complete", "{method}");
        assert!(result["ttlMs"].as_u64().is_some_and(|ttl| ttl > 0) && result["cacheScope"] == "private", "{method}");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "doctyped", "{method}");
        let again = assistant.result(method, json!({})).await;
        assert_eq!(result.to_string(), again.to_string(), "the order is the same every time");
    }
}

#[tokio::test]
async fn what_the_revision_does_not_have_is_no_method() {
    let site = library().await;
    let assistant = assistant(&site).await;
    for method in ["server/discover", "completion/complete", "logging/setLevel", "x"] {
        assert_eq!(assistant.fault(method, json!({})).await.0, -32601, "{method}");
        assistant.send(method, json!({})).await.status(200);
    }
    let assistant = assistant.stateless();
    for method in ["initialize", "ping", "resources/subscribe"] {
        let answer = assistant.send(method, json!({})).await.status(404);
        assert_eq!(answer.json()["error"]["code"], -32601, "{method}");
    }
}

#[tokio::test]
async fn a_message_that_says_two_things_is_refused() {
    let site = library().await;
    let http = assistant(&site).await.http;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let list = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {"_meta": meta}});
    for (headers, code) in [
        (vec![], -32020),
        (vec![("mcp-protocol-version", STATELESS)], -32020),
        (vec![("mcp-protocol-version", STATELESS), ("mcp-method", "tools/call")], -32020),
        (vec![("mcp-protocol-version", HANDSHAKE), ("mcp-method", "tools/list")], -32020),
    ] {
        let http = headers.iter().fold(http.clone(), |http, (name, value)| http.with_header(name, value));
        let refused = http.post("/mcp", list.clone()).await.status(400).json();
        assert_eq!((&refused["error"]["code"], &refused["id"]), (&json!(code), &json!(7)), "{headers:?}");
    }
    let unknown = http.with_header("mcp-protocol-version", "2099-01-01");
    let plain = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"});
    let refused = unknown.post("/mcp", plain).await.status(400).json();
    assert_eq!(refused["error"]["code"], -32022);
    assert_eq!(refused["error"]["data"]["supported"], json!([STATELESS, HANDSHAKE, "2025-06-18", "2025-03-26"]));
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_never_an_error_of_ours() {
    let site = library().await;
    let http = assistant(&site).await.http;
    for (content_type, body, status, code) in [
        ("application/json", "{", 400, -32700),
        ("application/json", "", 400, -32700),
        ("application/json", "[]", 400, -32600),
        ("application/json", "null", 400, -32600),
        ("application/json", r#"{"jsonrpc":"2.0","id":[],"method":"ping"}"#, 400, -32600),
        ("application/json", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}"#, 200, -32602),
        ("application/json", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#, 200, -32602),
        ("text/plain", "{}", 415, -32600),
        ("", "{}", 415, -32600),
    ] {
        let answer = http.send(Method::POST, "/mcp", content_type, body).await.status(status);
        assert_eq!(answer.json()["error"]["code"], code, "{body}");
    }
    let nested = "[".repeat(5000);
    http.send(Method::POST, "/mcp", "application/json", nested).await.status(400);
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let refused = http.send(method.clone(), "/mcp", "", "").await.status(405);
        assert_eq!(refused.header("allow"), "POST, OPTIONS", "{method}");
    }
    let picky = site.guest().with_header("authorization", "Bearer x").with_header("accept", "text/html");
    picky.post("/mcp", json!({})).await.status(401);
}

#[tokio::test]
async fn documents_and_doctypes_have_addresses() {
    let site = library().await;
    site.db_insert("Loan", json!({"title": "Emma / I", "lines": [{"item": "a", "count": 2}]})).await;
    for assistant in [assistant(&site).await, Assistant::with(&site.guest())] {
        if assistant.client.is_empty() {
            assistant.send("resources/list", json!({})).await.status(401);
            continue;
        }
        let listed = assistant.result("resources/list", json!({})).await;
        let uris: Vec<&str> =
            listed["resources"].as_array().unwrap().iter().map(|one| one["uri"].as_str().unwrap()).collect();
        assert!(uris.contains(&"doctype:///Loan") && !uris.contains(&"doctype:///Loan%20Line"), "{uris:?}");
        assert!(uris.is_sorted());
        let content = |result: &Json| -> Json {
            assert_eq!(result["contents"][0]["mimeType"], "application/json");
            serde_json::from_str(result["contents"][0]["text"].as_str().unwrap()).unwrap()
        };
        let read = assistant.result("resources/read", json!({"uri": "doctype:///Loan/Emma%20%2F%20I"})).await;
        assert_eq!(content(&read)["lines"][0]["count"], 2);
        let read = assistant.result("resources/read", json!({"uri": "doctype:///Loan"})).await;
        assert_eq!(content(&read)["schema"]["properties"]["title"]["description"], "What is lent.");
        for missing in ["doctype:///Loan/None", "doctype:///None", "file:///etc/passwd", "doctype:///Loan/Emma / I"] {
            let (code, message) = assistant.fault("resources/read", json!({"uri": missing})).await;
            assert_eq!(code, -32002, "{missing}");
            assert!(!message.contains("None"), "the same whether it is there or hidden: {message}");
        }
        let stateless = assistant.stateless();
        let missing = json!({"uri": "doctype:///Loan/None"});
        assert_eq!(stateless.fault("resources/read", missing).await.0, -32602);
    }
}
