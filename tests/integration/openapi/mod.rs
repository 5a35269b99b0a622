//! The OpenAPI document and its pages.

mod oauth;
mod readers;
mod schema;
mod scopes;

use std::process::Command;

use serde_json::{Value as Json, json};

use crate::resource::{BOOK, CHAPTER, SHELF};
use crate::support::TestSite;

/// The whole document, as Administrator reads it.
async fn document(site: &TestSite) -> Json {
    site.administrator().await.get("/api/openapi.json").await.status(200).json()
}

#[tokio::test]
async fn every_doctype_is_described() {
    let site = TestSite::new().with_doctype(SHELF).with_doctype(CHAPTER).with_doctype(BOOK).await;
    let answer = site.administrator().await.get("/api/openapi.json").await.status(200);
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for doctype in site.documents().registry().iter().filter(|doctype| !doctype.issingle) {
        let path = format!("/api/resource/{}", doctype.name.replace(' ', "%20"));
        assert!(document["paths"][&path]["get"].is_object(), "{path}");
    }
    let client = &document["components"]["schemas"]["OAuthClient"]["properties"];
    let title = &site.documents().doctype("OAuth Client").unwrap().field("app_name").unwrap().description.clone();
    assert_eq!(client["app_name"]["description"], json!(title));
    assert!(document["paths"]["/api/method/login"]["post"].is_object(), "written by hand");
    assert!(document["paths"]["/api/method/frappe.client.get_list"]["get"].is_object());

    for (path, verb, scope) in [
        ("/api/resource/Book/{name}", "put", "doctype:Book:write"),
        ("/api/resource/OAuth%20Client/{name}", "get", "doctype:OAuth_Client:read"),
        // What is guarded takes credentials without limits.
        ("/api/resource/OAuth%20Client/{name}", "put", "all"),
        ("/api/resource/User/{name}", "put", "doctype:User:write"),
        ("/api/resource/User/{name}", "delete", "all"),
        ("/api/v2/document/User/{name}/method/generate_keys", "post", "all"),
        ("/api/v2/document/User/{name}/method/rename", "post", "all"),
        ("/api/method/frappe.core.doctype.user.user.generate_keys", "post", "all"),
    ] {
        let security = document["paths"][path][verb]["security"].as_array().unwrap();
        assert!(security.contains(&json!({ "oauth2": [scope] })), "{verb} {path}: {security:?}");
    }
    let scopes = &document["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"]["scopes"];
    assert!(scopes["doctype:User:write"].is_string() && scopes["doctype:Role:read"].is_string());
    assert!(scopes["doctype:User:delete"].is_null() && scopes["doctype:Role:write"].is_null(), "they give nothing");
    let token = &document["paths"]["/api/method/frappe.integrations.oauth2.get_token"]["post"];
    assert!(token["requestBody"]["content"]["application/x-www-form-urlencoded"].is_object());

    let etag = answer.header("etag").to_owned();
    site.administrator().await.with_header("if-none-match", &etag).get("/api/openapi.json").await.status(304);
}

#[tokio::test]
async fn the_scopes_are_those_of_the_documents_and_change_with_them() {
    let site = TestSite::new().with_doctype(SHELF).await;
    let schemes = document(&site).await["components"]["securitySchemes"].clone();
    let flows = &schemes["oauth2"]["flows"];
    let token = format!("{}/api/method/frappe.integrations.oauth2.get_token", site.documents().site_url());
    for flow in ["authorizationCode", "clientCredentials"] {
        assert_eq!(flows[flow]["tokenUrl"], json!(token));
        assert_eq!(flows[flow]["scopes"]["doctype:Shelf:create"], "Read and create Shelf documents");
        assert!(flows[flow]["scopes"]["all"].is_string() && flows[flow]["scopes"]["shelf.fill"].is_null());
    }
    assert_eq!(schemes["openid"]["type"], "openIdConnect");
    assert!(["session", "api_key", "basic", "bearer"].iter().all(|name| schemes[name].is_object()));
    let own = json!({"scope": "shelf.fill", "description_for_people": "Fill your shelves"});
    site.db_insert("OAuth Scope Definition", own).await;
    let schemes = document(&site).await["components"]["securitySchemes"].clone();
    assert_eq!(schemes["oauth2"]["flows"]["authorizationCode"]["scopes"]["shelf.fill"], "Fill your shelves");
}

#[tokio::test]
async fn the_pages_run_under_the_strict_policy() {
    let site = TestSite::new().await;
    let page = site.administrator().await.get("/api/docs").await.status(200);
    assert!(!page.header("content-security-policy").contains("unsafe"));
    assert!(!page.body.contains("<style") && !page.body.contains("http://") && !page.body.contains("https://"));
    for asset in ["swagger-ui-bundle.js", "swagger-ui.css", "init.js", "page.css"] {
        assert!(page.body.contains(asset));
        let _ = site.guest().get(&format!("/assets/swagger/{asset}")).await.status(200);
    }
}

/// With `DOCTYPED_TEST_OPENAPI_VALIDATOR`, a Python that has openapi-spec-validator.
#[tokio::test]
async fn a_public_validator_finds_nothing_wrong() {
    let Ok(python) = std::env::var("DOCTYPED_TEST_OPENAPI_VALIDATOR") else {
        eprintln!("SKIPPED: DOCTYPED_TEST_OPENAPI_VALIDATOR names no python with openapi-spec-validator");
        return;
    };
    let site = TestSite::new().with_doctype(SHELF).with_doctype(CHAPTER).with_doctype(BOOK).await;
    let file = site.folder.path().join("openapi.json");
    std::fs::write(&file, site.administrator().await.get("/api/openapi.json").await.status(200).body).unwrap();
    let run = Command::new(python).args(["-m", "openapi_spec_validator"]).arg(&file).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}
