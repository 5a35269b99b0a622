//! The well-known documents: one issuer everywhere, exact paths, and the switches of OAuth Settings.

use serde_json::{Value as Json, json};

use crate::support::TestSite;

const SERVER: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";

#[tokio::test]
async fn the_issuer_is_the_site_url_whatever_the_host_header_says() {
    let site = TestSite::new().with_config(|config| config.site_url = "https://site.example".to_owned()).await;
    let stranger = site.guest().with_header("host", "evil.example");
    let answer = stranger.get(SERVER).await.status(200);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let metadata = answer.json();
    assert_eq!(metadata["issuer"], "https://site.example");
    let token = "https://site.example/api/method/frappe.integrations.oauth2.get_token";
    assert_eq!(metadata["token_endpoint"], token);
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    assert!(metadata["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&Json::from("none")));
    let resource = stranger.get(RESOURCE).await.status(200).json();
    assert_eq!(resource["resource"], "https://site.example");
    assert_eq!(resource["authorization_servers"], json!(["https://site.example"]));
    assert!(!answer.body.contains("null"));
}

#[tokio::test]
async fn one_document_answers_for_oauth_and_for_openid_connect() {
    let site = TestSite::new().await;
    let guest = site.guest();
    let answer = guest.get(OPENID).await.status(200);
    assert_eq!(answer.body, guest.get(SERVER).await.status(200).body);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let metadata = answer.json();
    let root = site.documents().site_url();
    assert_eq!(metadata["jwks_uri"], format!("{root}/.well-known/jwks.json"));
    assert_eq!(metadata["userinfo_endpoint"], format!("{root}{}openid_profile", super::support::BASE));
    assert_eq!(metadata["subject_types_supported"], json!(["public"]));
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["ES256", "RS256", "EdDSA"]));
    assert_eq!(metadata["prompt_values_supported"], json!(["none", "login", "consent", "select_account"]));
    assert_eq!(metadata["claims_parameter_supported"], false);
    for claim in ["sub", "auth_time", "nonce", "at_hash", "email_verified", "updated_at", "roles"] {
        assert!(metadata["claims_supported"].as_array().unwrap().contains(&json!(claim)), "{claim}");
    }
    guest.get(&format!("{OPENID}/other")).await.status(404);
    site.db_update("OAuth Settings", "OAuth Settings", json!({"show_auth_server_metadata": 0})).await;
    guest.get(OPENID).await.status(404);
}

#[tokio::test]
async fn every_address_that_is_advertised_answers() {
    let site = TestSite::new().await;
    let guest = site.guest();
    let metadata = guest.get(OPENID).await.status(200).json();
    let root = site.documents().site_url();
    let mut checked = 0;
    for (name, uri) in metadata.as_object().unwrap() {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            let path = uri.as_str().unwrap().strip_prefix(root).unwrap();
            let answer = guest.get(path).await;
            assert_ne!(answer.status, 404, "{name}: {}", answer.body);
            assert!(!answer.status.is_server_error(), "{name}: {}", answer.body);
            checked += 1;
        }
    }
    assert!(checked >= 6, "{metadata}");
}

#[tokio::test]
async fn the_settings_decide_which_algorithms_and_endpoints_are_advertised() {
    let site = TestSite::new().await;
    let guest = site.guest();
    let metadata = guest.get(OPENID).await.json();
    assert!(metadata.get("registration_endpoint").is_some());
    let grants = |metadata: &Json| metadata["grant_types_supported"].as_array().unwrap().clone();
    let [device, exchange, vouched] = ["device_code", "token-exchange", "jwt-bearer"];
    let has = |metadata: &Json, name: &str| {
        grants(metadata).contains(&json!(format!("urn:ietf:params:oauth:grant-type:{name}")))
    };
    assert!(has(&metadata, device) && !has(&metadata, exchange) && !has(&metadata, vouched), "{metadata}");
    assert!(metadata.get("authorization_grant_profiles_supported").is_none());
    let changed = json!({
        "id_token_signing_alg": "RS256",
        "allow_hs256_id_tokens": 1,
        "enable_dynamic_client_registration": 0,
        "enable_device_grant": 0,
        "enable_token_exchange": 1,
        "enable_jwt_bearer_grant": 1,
        "resource_tos_uri": "https://site.example/terms",
    });
    site.db_update("OAuth Settings", "OAuth Settings", changed).await;
    let metadata = guest.get(OPENID).await.json();
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["RS256", "ES256", "EdDSA", "HS256"]));
    assert_eq!(metadata["op_tos_uri"], "https://site.example/terms");
    assert!(metadata.get("registration_endpoint").is_none());
    assert!(metadata.get("device_authorization_endpoint").is_none());
    assert!(!has(&metadata, device) && has(&metadata, exchange) && has(&metadata, vouched), "{metadata}");
    let profiles = json!(["urn:ietf:params:oauth:grant-profile:id-jag"]);
    assert_eq!(metadata["authorization_grant_profiles_supported"], profiles);
}

#[tokio::test]
async fn only_exact_paths_are_answered() {
    let site = TestSite::new().await;
    let guest = site.guest();
    let root = site.documents().site_url();
    let api = guest.get(&format!("{RESOURCE}/api")).await.status(200).json();
    assert_eq!(api["resource"], format!("{root}/api"));
    for path in ["/other", "/api/resource", "x", "/api/"] {
        guest.get(&format!("{RESOURCE}{path}")).await.status(404);
    }
    guest.get(&format!("{SERVER}/other")).await.status(404);
    guest.get(&format!("{SERVER}x")).await.status(404);
}

#[tokio::test]
async fn the_switches_work_at_once() {
    let site = TestSite::new().await;
    let guest = site.guest();
    guest.get(SERVER).await.status(200);
    let off = json!({"show_auth_server_metadata": 0, "show_protected_resource_metadata": 0});
    site.db_update("OAuth Settings", "OAuth Settings", off).await;
    guest.get(SERVER).await.status(404);
    guest.get(RESOURCE).await.status(404);
    let on = json!({
        "show_auth_server_metadata": 1,
        "show_protected_resource_metadata": 1,
        "scopes_supported": "openid read",
        "resource_name": "Library",
    });
    site.db_update("OAuth Settings", "OAuth Settings", on).await;
    assert_eq!(guest.get(SERVER).await.status(200).json()["scopes_supported"], json!(["openid", "read"]));
    assert_eq!(guest.get(RESOURCE).await.status(200).json()["resource_name"], "Library");
}

#[tokio::test]
async fn pages_of_listed_origins_may_call_the_token_endpoint_and_others_may_not() {
    let site = TestSite::new().await;
    let origins = json!({"allowed_public_client_origins": "https://listed.example"});
    site.db_update("OAuth Settings", "OAuth Settings", origins).await;
    let uri = format!("{}get_token", super::support::BASE);
    for (origin, allowed) in [("https://listed.example", "https://listed.example"), ("https://other.example", "")] {
        let page = site.guest().with_header("origin", origin);
        let answer = page.form(&uri, &[("grant_type", "refresh_token")]).await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    let program = super::support::Program::public(&site).await;
    let page = site.guest().with_header("origin", "https://app.example");
    let answer = page.form(&uri, &[("client_id", &program.id), ("grant_type", "x")]).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.example");
}
