//! The form of a new OAuth Client: it asks what kind of application it is, and then for little.

use serde_json::{Value as Json, json};

use crate::browser::is_wanted;
use crate::desk::browser::{READY, open, press_save};
use crate::desk::form_values;
use crate::support::TestSite;

const SHOWN: &str = "return [...document.querySelectorAll('.field')].filter((field) => field.checkVisibility() && field.querySelector('input, textarea, select'))
    .map((field) => field.dataset.field)";

#[tokio::test]
async fn each_kind_of_application_begins_with_what_it_needs_also_without_scripts() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let page = administrator.get("/app/oauth-client/new").await.status(200);
    assert!(page.body.contains("What kind of application is it?"));
    let links: Vec<String> = page
        .body
        .split("<li><a href=\"")
        .skip(1)
        .filter_map(|rest| {
            rest.split_once("\" data-values").map(|(href, _)| href.replace("&amp;", "&").replace("&#x3D;", "="))
        })
        .collect();
    assert_eq!(links.len(), 6, "{links:?}");
    for (link, expected) in links.iter().zip([
        json!({"application_type": "Web", "token_endpoint_auth_method": "Client Secret Basic", "scopes": "openid"}),
        json!({"application_type": "Web", "token_endpoint_auth_method": "None", "scopes": "openid"}),
        json!({"application_type": "Native", "token_endpoint_auth_method": "None", "scopes": "openid"}),
        json!({"application_type": "Native", "allow_device_code": "1", "scopes": "openid"}),
        json!({"allow_client_credentials": "1", "allow_refresh_token": "0", "scopes": ""}),
        json!({"can_introspect": "1", "allow_client_credentials": "0"}),
    ]) {
        let page = administrator.get(link).await.status(200);
        assert!(page.body.contains("aria-current"), "{link}");
        let values = form_values(&page);
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(values[name.as_str()], value.as_str().unwrap(), "{name} of {link}");
        }
    }
    let name =
        site.db_insert("OAuth Client", json!({"app_name": "A", "default_redirect_uri": "https://a.example/"})).await;
    let page = administrator.get(&format!("/app/oauth-client/{name}")).await.status(200);
    assert!(!page.body.contains("What kind of application"), "a stored one is what it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_client_asks_for_six_things_and_keeps_what_was_typed() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().listening().await;
    let browser = open(&site, "/app/oauth-client/new").await;
    let six = json!(["app_name", "default_redirect_uri", "redirect_uris", "scopes", "allowed_roles", "enabled"]);
    assert_eq!(browser.run(SHOWN).await, six);
    browser.look("client-kinds").await;
    let choose = |at: u32| format!("document.querySelectorAll('[data-beginnings] a')[{at}].click()");
    browser.run(&choose(0)).await;
    assert_eq!(browser.run("return document.activeElement.id").await, json!("f-app_name"));
    browser.type_into("#f-app_name", "Nightly").await;
    browser.run(&choose(4)).await;
    let shown = browser.run(SHOWN).await;
    assert!(shown.as_array().unwrap().contains(&json!("user")), "{shown}");
    let values = "return ['app_name', 'scopes'].map((name) => document.querySelector(`#f-${name}`).value)";
    assert_eq!(browser.run(values).await, json!(["Nightly", ""]), "a service says itself what it needs");
    browser.type_into("#f-scopes", "doctype:User:read").await;
    browser.run(&choose(0)).await;
    assert_eq!(browser.run(values).await, json!(["Nightly", "doctype:User:read"]));
    browser.run(&choose(4)).await;
    browser.type_into("#f-user", "Administrator").await;
    press_save(&browser).await;
    browser.wait_for("return document.querySelector('.once') !== null").await;
    browser.wait_for(READY).await;
    let name = site.db_names("OAuth Client", json!({"app_name": "Nightly"})).await.remove(0);
    let stored = site.administrator().await.read("OAuth Client", &name).await.status(200).json()["data"].clone();
    let seen: Vec<&Json> =
        ["allow_client_credentials", "allow_refresh_token", "scopes"].map(|key| &stored[key]).to_vec();
    assert_eq!(seen, [&json!(1), &json!(0), &json!("doctype:User:read")]);
    // Of a stored one, everything is there to see.
    let folded = "return [...document.querySelectorAll('#s-client_metadata_section, #s-sb_advanced')].every((section) => section.open)";
    assert_eq!(browser.run(folded).await, json!(true));
}
