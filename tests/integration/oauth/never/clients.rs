//! A client is who proves it, in the way that is registered, and nothing else makes one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::oauth::support::{BASE, Program};
use crate::support::{PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";

#[tokio::test]
async fn no_token_says_who_the_client_is() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let tokens = program.tokens(&alice).await;
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let guest = site.guest();
    let with_token = guest.with_header("authorization", &format!("Bearer {access}"));
    for caller in [&guest, &with_token, &alice] {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        caller.form(&format!("{BASE}get_token"), &fields).await.oauth_error(401, "invalid_client");
        for endpoint in ["revoke_token", "introspect_token"] {
            let fields = [("token", refresh)];
            caller.form(&format!("{BASE}{endpoint}"), &fields).await.oauth_error(401, "invalid_client");
        }
    }
    // None of this ended or renewed anything.
    program.refresh(refresh).await.status(200);
}

#[tokio::test]
async fn the_password_of_a_person_is_no_grant() {
    let site = TestSite::new().await;
    site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({"allow_client_credentials": 1, "user": ALICE})).await;
    let fields = [("grant_type", "password"), ("username", ALICE), ("password", PASSWORD)];
    program.post("get_token", &fields).await.oauth_error(400, "unsupported_grant_type");
    Program::public(&site).await.post("get_token", &fields).await.oauth_error(400, "unsupported_grant_type");
    let metadata = site.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
    assert!(!metadata["grant_types_supported"].as_array().unwrap().contains(&json!("password")));
}

#[tokio::test]
async fn basic_credentials_are_decoded_as_forms_are() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({})).await;
    let encoded = |text: &str| {
        let bytes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        bytes.concat()
    };
    let basic = |text: String| format!("Basic {}", STANDARD.encode(text));
    let fields = [("grant_type", "refresh_token"), ("refresh_token", "dt_rt_x")];
    for credentials in [
        format!("{}:{}", program.id, program.secret),
        format!("{}:{}", encoded(&program.id), encoded(&program.secret)),
        format!("{}:{}", program.id, encoded(&program.secret).to_uppercase()),
    ] {
        let client = site.guest().with_header("authorization", &basic(credentials));
        client.form(&format!("{BASE}get_token"), &fields).await.oauth_error(400, "invalid_grant");
    }
    let twice = format!("{}:{}", program.id, encoded(&encoded(&program.secret)));
    let client = site.guest().with_header("authorization", &basic(twice));
    client.form(&format!("{BASE}get_token"), &fields).await.oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn an_api_key_is_no_client_and_a_client_no_api_key() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let made = alice.call("frappe.core.doctype.user.user.generate_keys", json!({"user": ALICE})).await.ok();
    let (key, secret) = (made["api_key"].as_str().unwrap(), made["api_secret"].as_str().unwrap());
    let api_key = format!("Basic {}", STANDARD.encode(format!("{key}:{secret}")));
    let with_key = site.guest().with_header("authorization", &api_key);
    assert_eq!(with_key.logged_user().await, ALICE);
    let fields = [("grant_type", "client_credentials")];
    let refused = with_key.form(&format!("{BASE}get_token"), &fields).await.oauth_error(401, "invalid_client");
    assert!(refused.header("www-authenticate").starts_with("Basic"));
    with_key.form(&format!("{BASE}introspect_token"), &[("token", "x")]).await.oauth_error(401, "invalid_client");

    let program = Program::new(&site, json!({"allow_client_credentials": 1, "user": ALICE})).await;
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", program.id, program.secret)));
    let as_client = site.guest().with_header("authorization", &basic);
    as_client.get("/api/method/frappe.auth.get_logged_user").await.error(401, "AuthenticationError");
    as_client.form(&format!("{BASE}get_token"), &fields).await.status(200);
}
