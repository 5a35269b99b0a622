//! What the endpoints answer: the right code and status, to the right place, and nothing that is not there.

use serde_json::{Value as Json, json};

use crate::oauth::support::{BASE, Program, parameter};
use crate::support::TestSite;

const ALICE: &str = "alice@example.com";

/// Who asks, at which endpoint, with what; and the answer.
type Case<'a> = (&'a Program, &'a str, &'a [(&'a str, &'a str)], u16, &'a str);

#[tokio::test]
async fn each_refusal_has_its_code_and_status_and_is_plain_json() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let refresh = program.tokens(&alice).await["refresh_token"].as_str().unwrap().to_owned();
    let mut stranger = Program::new(&site, json!({})).await;
    stranger.secret = "dt_cs_wrong".to_owned();
    let cases: &[Case<'_>] = &[
        (&program, "get_token", &[], 400, "invalid_request"),
        (&program, "get_token", &[("grant_type", "implicit")], 400, "unsupported_grant_type"),
        (&program, "get_token", &[("grant_type", "authorization_code")], 400, "invalid_request"),
        (&program, "get_token", &[("grant_type", "authorization_code"), ("code", "x")], 400, "invalid_grant"),
        (&program, "get_token", &[("grant_type", "refresh_token")], 400, "invalid_request"),
        (&program, "get_token", &[("grant_type", "refresh_token"), ("refresh_token", "x")], 400, "invalid_grant"),
        (
            &program,
            "get_token",
            &[("grant_type", "refresh_token"), ("refresh_token", &refresh), ("scope", "openid all email roles")],
            400,
            "invalid_scope",
        ),
        (
            &program,
            "get_token",
            &[("grant_type", "refresh_token"), ("refresh_token", &refresh), ("resource", "https://other.example")],
            400,
            "invalid_target",
        ),
        (&program, "get_token", &[("grant_type", "client_credentials")], 400, "unauthorized_client"),
        (&stranger, "get_token", &[("grant_type", "client_credentials")], 401, "invalid_client"),
        (&program, "introspect_token", &[], 400, "invalid_request"),
        (&stranger, "introspect_token", &[("token", "x")], 401, "invalid_client"),
        (&program, "revoke_token", &[], 400, "invalid_request"),
        (&stranger, "revoke_token", &[("token", "x")], 401, "invalid_client"),
    ];
    for (who, endpoint, fields, status, code) in cases {
        let answer = who.post(endpoint, fields).await.oauth_error(*status, code);
        assert_eq!(answer.header("content-type"), "application/json", "{endpoint} {fields:?}");
        assert_eq!(answer.header("cache-control"), "no-store", "{endpoint} {fields:?}");
        let body = answer.json();
        let known = ["error", "error_description", "error_uri"];
        assert!(body.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{body}");
        assert!(body["error_description"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        let names_scheme = answer.header("www-authenticate").starts_with("Basic ");
        assert_eq!(names_scheme, *status == 401, "{endpoint} {fields:?}");
        assert!(fields.iter().all(|(name, value)| !name.contains("token") || !answer.body.contains(value)), "{body}");
    }
    for endpoint in ["get_token", "introspect_token", "revoke_token"] {
        let refused = site.guest().get(&format!("{BASE}{endpoint}?token=x")).await.status(405);
        assert!(refused.header("allow").contains("POST"), "{endpoint}");
    }
}

#[tokio::test]
async fn errors_travel_to_the_program_with_state_and_issuer() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({"scopes": "openid read"})).await;
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "code id_token")], "unsupported_response_type"),
        (&[("response_type", "")], "invalid_request"),
        (&[("scope", "all")], "invalid_scope"),
        (&[("scope", "openid \"")], "invalid_scope"),
        (&[("resource", "https://other.example")], "invalid_target"),
        (&[("code_challenge", "")], "invalid_request"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("max_age", "-1")], "invalid_request"),
        (&[("registration", "{}")], "registration_not_supported"),
    ];
    for (changes, code) in cases {
        let mut changes = changes.to_vec();
        if !changes.iter().any(|(name, _)| *name == "scope") {
            changes.push(("scope", "openid read"));
        }
        let to = alice.get(&program.authorize_uri(&changes)).await.redirect();
        assert!(to.starts_with("https://app.example/callback?"), "{to}");
        assert_eq!(parameter(&to, "error").as_deref(), Some(*code), "{changes:?}: {to}");
        assert_eq!(parameter(&to, "state").as_deref(), Some("the state"), "{to}");
        assert_eq!(parameter(&to, "iss").as_deref(), Some(site.documents().site_url()), "{to}");
        assert!(parameter(&to, "code").is_none(), "{to}");
    }
    let twice = format!("{}&scope=openid", program.authorize_uri(&[("scope", "openid")]));
    let to = alice.get(&twice).await.redirect();
    assert_eq!(parameter(&to, "error").as_deref(), Some("invalid_request"), "{to}");
    assert_eq!(parameter(&to, "state").as_deref(), Some("the state"), "{to}");
    // Where it cannot be told whose request it is, or where to, the person reads it here.
    for name in ["client_id", "redirect_uri"] {
        let twice = format!("{}&{name}=x", program.authorize_uri(&[("scope", "openid")]));
        assert_eq!(alice.get(&twice).await.status(400).header("location"), "");
    }
}

#[tokio::test]
async fn an_address_with_a_query_keeps_it() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let address = "https://app.example/callback?tenant=a%20b&x";
    let program = Program::new(&site, json!({"redirect_uris": address})).await;
    for decision in ["allow", "deny"] {
        let to = program.ask(&alice, &[("redirect_uri", address)], decision).await;
        assert!(to.starts_with(&format!("{address}&")), "{to}");
        assert_eq!(parameter(&to, "tenant").as_deref(), Some("a b"), "{to}");
        assert_eq!(parameter(&to, "state").as_deref(), Some("the state"), "{to}");
        assert!(parameter(&to, "code").is_some() == (decision == "allow"), "{to}");
    }
}

#[tokio::test]
async fn what_is_announced_is_there() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({"allow_client_credentials": 1, "user": "Administrator"})).await;
    let guest = site.guest();
    let root = site.documents().site_url().to_owned();
    let metadata = guest.get("/.well-known/oauth-authorization-server").await.status(200).json();
    let mut endpoints = 0;
    for (name, value) in metadata.as_object().unwrap() {
        assert!(!value.is_null(), "{name}");
        let is_address = name.ends_with("_endpoint") || name == "jwks_uri";
        let Some(address) = value.as_str().filter(|_| is_address) else { continue };
        let path = address.strip_prefix(&root).unwrap_or_else(|| panic!("{name} is elsewhere: {address}"));
        let answer = guest.get(path).await;
        assert_ne!(answer.status, 404, "{name}");
        assert!(!answer.status.is_server_error(), "{name}");
        endpoints += 1;
    }
    assert!(endpoints >= 4);
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    let grants = metadata["grant_types_supported"].as_array().unwrap();
    for grant in grants {
        let answer = program.post("get_token", &[("grant_type", grant.as_str().unwrap())]).await;
        assert_ne!(answer.json()["error"], "unsupported_grant_type", "{grant}");
    }
    for never in ["password", "implicit"] {
        assert!(!grants.contains(&json!(never)), "{never}");
    }
    for list in ["token", "revocation", "introspection"] {
        let methods = &metadata[format!("{list}_endpoint_auth_methods_supported")];
        assert!(methods.as_array().is_some_and(|methods| methods.contains(&json!("client_secret_basic"))), "{list}");
    }
    // The other well-known document says the same, and where the keys are.
    let discovered = guest.get("/.well-known/openid-configuration").await.status(200).json();
    for name in ["issuer", "authorization_endpoint", "token_endpoint", "grant_types_supported", "scopes_supported"] {
        assert_eq!(discovered[name], metadata[name], "{name}");
    }
    assert_eq!(discovered["response_types_supported"], json!(["code"]));
    assert_eq!(discovered["code_challenge_methods_supported"], json!(["S256"]));
    let signed = discovered["id_token_signing_alg_values_supported"].as_array().unwrap();
    assert!(signed.contains(&json!("RS256")) && !signed.contains(&json!("none")), "{signed:?}");
    let keys = discovered["jwks_uri"].as_str().unwrap().strip_prefix(&root).unwrap().to_owned();
    let keys = guest.get(&keys).await.status(200).json();
    assert!(keys["keys"].as_array().is_some_and(|keys| !keys.is_empty()), "{keys}");
    let scopes: Vec<&Json> = metadata["scopes_supported"].as_array().unwrap().iter().collect();
    assert!(scopes.contains(&&json!("openid")));
    assert!(!scopes.contains(&&json!("all")), "whoever wants everything has to know what they ask for");
}
