//! The scopes that the document names for an operation are those that it takes: with them a token is let in, without
//! any one of them it is not.

use poem::http::Method;
use serde_json::{Value as Json, json};

use super::document;
use crate::oauth::support::{Program, bearer};
use crate::resource::library_with_books;
use crate::support::client::Response;
use crate::support::{Client, TestSite};

/// The ways into an operation by a token: in each, all scopes count.
fn ways(operation: &Json) -> Vec<Vec<String>> {
    let security = operation["security"].as_array().unwrap_or_else(|| panic!("no security in {operation}"));
    let scopes = |way: &Json| Some(way.get("oauth2")?.as_array()?.iter().map(text).collect());
    security.iter().filter_map(scopes).collect()
}

fn text(value: &Json) -> String {
    value.as_str().unwrap().to_owned()
}

/// Somebody with a token of these scopes and no others.
async fn with_scopes<'s>(
    site: &TestSite,
    program: &mut Program,
    person: &Client,
    scopes: impl Iterator<Item = &'s String>,
) -> Client {
    program.scope = scopes.fold("openid".to_owned(), |all, scope| format!("{all} {scope}"));
    bearer(site, &program.tokens(person).await)
}

#[track_caller]
fn refused_for_scope(answer: &Response, what: &str) {
    let challenge = answer.headers.get("www-authenticate").map(|value| value.to_str().unwrap()).unwrap_or_default();
    assert_eq!(answer.status.as_u16(), 403, "{what}: {}", answer.body);
    assert!(challenge.contains("insufficient_scope"), "{what}: {challenge}");
}

/// Documents by whose methods the test goes: DocType and name.
async fn documents(alice: &Client) -> [(&'static str, String); 6] {
    let client =
        alice.create("OAuth Client", json!({"app_name": "Planner", "default_redirect_uri": "https://a.example/cb"}));
    let client = text(&client.await.ok()["name"]);
    let app = json!({"provider_name": "Elsewhere", "client_id": "us"});
    let app = text(&alice.create("Connected App", app).await.ok()["name"]);
    let order = text(&alice.create("Purchase Order", json!({"book": "Dune"})).await.ok()["name"]);
    [
        ("Purchase Order", order),
        ("Book", "Emma".to_owned()),
        ("OAuth Client", client),
        ("OAuth Settings", "OAuth Settings".to_owned()),
        ("Connected App", app),
        ("Library Rules", "Library Rules".to_owned()),
    ]
}

#[tokio::test]
async fn the_methods_of_documents_take_the_scopes_that_the_document_names() {
    let (site, alice) = library_with_books().await;
    let spec = document(&site).await;
    let mut program = Program::public(&site).await;
    let mut tried = 0;
    for (doctype, name) in documents(&alice).await {
        let start = format!("/api/v2/document/{}/", doctype.replace(' ', "%20"));
        for (path, item) in spec["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with(&start)) {
            let path = path.replace("{name}", &name);
            let [scopes] = ways(&item["post"]).try_into().unwrap();
            let arguments = json!({"name": format!("{name} 2"), "text": "Hm"});
            for missing in &scopes {
                let fewer = scopes.iter().filter(|scope| *scope != missing);
                let token = with_scopes(&site, &mut program, &alice, fewer).await;
                refused_for_scope(&token.post(&path, arguments.clone()).await, &format!("{path} without {missing}"));
            }
            let token = with_scopes(&site, &mut program, &alice, scopes.iter()).await;
            let answer = token.post(&path, arguments).await;
            assert!(!matches!(answer.status.as_u16(), 401 | 403 | 404), "{path} with {scopes:?}: {}", answer.body);
            tried += 1;
            // Renamed now.
            if path.ends_with("/rename") {
                break;
            }
        }
    }
    assert!(tried > 15, "{tried}");
}

#[tokio::test]
async fn the_first_version_names_the_ways_into_its_methods() {
    let (site, alice) = library_with_books().await;
    let operation = document(&site).await["paths"]["/api/resource/Purchase%20Order/{name}"]["post"].clone();
    let methods = operation["parameters"].as_array().unwrap().last().unwrap()["schema"]["enum"].clone();
    assert_eq!(methods, json!(["submit", "cancel", "discard", "add_comment"]));
    let expected = [
        json!(["doctype:Purchase_Order:submit"]),
        json!(["doctype:Purchase_Order:write"]),
        json!(["doctype:Purchase_Order:write", "doctype:Comment:create"]),
    ];
    assert_eq!(json!(ways(&operation)), json!(expected));
    let mut program = Program::public(&site).await;
    let order = text(&alice.create("Purchase Order", json!({"book": "Dune"})).await.ok()["name"]);
    let uri = format!("/api/resource/Purchase%20Order/{order}?run_method=submit");
    let writes = with_scopes(&site, &mut program, &alice, ways(&operation)[1].iter()).await;
    refused_for_scope(&writes.post(&uri, json!({})).await, "submit without its scope");
    let submits = with_scopes(&site, &mut program, &alice, ways(&operation)[0].iter()).await;
    assert_eq!(submits.post(&uri, json!({})).await.ok()["docstatus"], 1);
}

#[tokio::test]
async fn the_paths_for_every_doctype_take_the_scopes_for_every_doctype() {
    let (site, alice) = library_with_books().await;
    let spec = document(&site).await;
    let mut program = Program::public(&site).await;
    let mut tokens = Vec::new();
    for scope in ["read", "write"] {
        tokens.push((scope, with_scopes(&site, &mut program, &alice, [scope.to_owned()].iter()).await));
    }
    for (path, verb) in [
        ("/api/v2/document/{doctype}", "get"),
        ("/api/v2/document/{doctype}", "post"),
        ("/api/v2/document/{doctype}/{name}", "get"),
        ("/api/v2/document/{doctype}/{name}", "patch"),
        ("/api/v2/document/{doctype}/{name}/copy", "get"),
        ("/api/v2/document/{doctype}/{name}/method/{method}", "post"),
        ("/api/v2/doctype/{doctype}/count", "get"),
        ("/api/v2/doctype/{doctype}/list", "post"),
        ("/api/v2/document/{doctype}/{name}", "delete"),
    ] {
        let [scopes] = ways(&spec["paths"][path][verb]).try_into().unwrap();
        let uri = path.replace("{doctype}", "Book").replace("{name}", "Ulysses").replace("{method}", "add_comment");
        for (scope, token) in &tokens {
            let answer = match verb {
                "get" => token.get(&uri).await,
                verb => {
                    let method = Method::from_bytes(verb.to_uppercase().as_bytes()).unwrap();
                    token.json(method, &uri, json!({"title": "Persuasion", "text": "Hm"})).await
                }
            };
            if scopes == ["read"] || *scope == "write" {
                assert!(answer.status.is_success(), "{verb} {path} with {scope}: {}", answer.body);
            } else {
                refused_for_scope(&answer, &format!("{verb} {path} with {scope}"));
            }
        }
    }
}
