//! Every operation of the OpenAPI document, called with what nobody should send: the answer is never our fault.

use poem::http::Method;
use serde_json::Value as Json;

use crate::support::client::Response;
use crate::support::{Client, TestSite};

/// What stands in the place of every parameter of a path.
const NAMES: [&str; 3] = ["x", "0", "%00"];
/// What is sent as JSON.
const BODIES: [&str; 6] = ["", "{}", "[]", "null", "{\"name\":[1],\"docstatus\":\"x\",\"modified\":0}", "{\"a\":"];
/// What is asked for in addresses.
const QUERIES: [&str; 3] =
    ["", "?fields=0&filters={}&limit=x", "?filters=[[%22name%22,%22in%22,null]]&order_by=x%20y&expand=[1]"];

#[tokio::test]
async fn no_operation_fails_over_what_it_is_sent() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let guest = site.guest();
    let document = administrator.get("/api/openapi.json").await.status(200).json();
    let mut failed = Vec::new();
    for (path, method) in operations(&document) {
        let client = match path.as_str() {
            // It would end the session that all others need.
            "/api/method/logout" => &guest,
            _ => &administrator,
        };
        for name in NAMES {
            let address = filled(&path, name);
            for answer in call(client, &method, &address).await {
                if answer.status.is_server_error() && answer.status != 503 {
                    failed.push(format!("{method} {address}: {} {}", answer.status, answer.body));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

fn operations(document: &Json) -> Vec<(String, Method)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().filter_map(|verb| {
            let method = verb.to_uppercase().parse::<Method>().ok()?;
            matches!(method.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE").then(|| (path.clone(), method))
        })
    });
    operations.collect()
}

/// The path with a text in the place of its parameters.
fn filled(path: &str, name: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { name } else { part });
    parts.collect::<Vec<_>>().join("/")
}

async fn call(client: &Client, method: &Method, address: &str) -> Vec<Response> {
    let mut answers = Vec::new();
    if method == Method::GET {
        for query in QUERIES {
            answers.push(client.get(&format!("{address}{query}")).await);
        }
        return answers;
    }
    for body in BODIES {
        answers.push(client.send(method.clone(), address, "application/json", body).await);
    }
    answers.push(client.send(method.clone(), address, "application/x-www-form-urlencoded", "a=b&a=%FF&data={").await);
    answers
}
