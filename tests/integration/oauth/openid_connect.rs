//! Id tokens: who logged in, when and how, for whom, and signed so that the client can check it.

use chrono::Duration;
use doctyped::testing::id_token::half_hash;
use doctyped::testing::jwk::JwkSet;
use doctyped::testing::jwt::{Algorithm, Unverified, Verified};
use doctyped::testing::secret::SigningAlgorithm;
use serde_json::{Value as Json, json};

use super::support::{BASE, Program, bearer, parameter};
use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";

/// The claims of an id token, its signature verified with the published keys.
pub async fn verified(site: &TestSite, tokens: &Json) -> Verified {
    let set = JwkSet::parse(&site.guest().get("/.well-known/jwks.json").await.status(200).json()).unwrap();
    let token = Unverified::parse(tokens["id_token"].as_str().expect("an id token")).unwrap();
    token.verify(&set, &SigningAlgorithm::ALL).unwrap()
}

/// Tokens for a request with further parameters.
pub async fn tokens_with(program: &Program, person: &Client, changes: &[(&str, &str)]) -> Json {
    let code = parameter(&program.ask(person, changes, "allow").await, "code").unwrap();
    program.exchange(&code).await.status(200).json()
}

#[tokio::test]
async fn the_id_token_says_who_logged_in_when_and_how_and_repeats_the_nonce() {
    let site = TestSite::new().await;
    let before = site.clock.now().timestamp();
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    site.clock.advance(Duration::minutes(5));
    let tokens = tokens_with(&program, &alice, &[("nonce", "n-0S6_WzA2Mj")]).await;
    let token = verified(&site, &tokens).await;
    let claims = &token.claims;
    let who = bearer(&site, &tokens).get(&format!("{BASE}openid_profile")).await.json();
    assert_eq!(claims.text("sub"), who["sub"].as_str());
    assert_eq!(claims.text("iss"), Some(site.documents().site_url()));
    assert_eq!((claims.text("aud"), claims.text("azp")), (Some(program.id.as_str()), Some(program.id.as_str())));
    assert_eq!(claims.text("nonce"), Some("n-0S6_WzA2Mj"));
    let algorithm = Algorithm::Asymmetric(SigningAlgorithm::Es256);
    assert_eq!(token.header.alg, algorithm);
    assert_eq!(claims.text("at_hash").unwrap(), half_hash(algorithm, tokens["access_token"].as_str().unwrap()));
    let auth_time = claims.seconds("auth_time").unwrap();
    assert!((before..before + 60).contains(&auth_time), "the login, not the consent");
    let (iat, exp) = (claims.seconds("iat").unwrap(), claims.seconds("exp").unwrap());
    assert!(iat >= auth_time + 300 && exp == iat + 3600);
    assert_eq!((claims.text("acr"), &claims.0["amr"]), (Some("1"), &json!(["pwd"])));
    let sessions = site.db_names("Session", json!({"user": ALICE})).await;
    assert_eq!(claims.text("sid"), Some(sessions[0].as_str()));
    for absent in ["roles", "email", "name"] {
        assert!(!claims.0.contains_key(absent), "{absent}");
    }
}

#[tokio::test]
async fn the_id_token_names_the_person_as_far_as_was_granted_unless_it_is_switched_off() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let mut program = Program::public(&site).await;
    let mut told = async |scope: &str| {
        program.scope = scope.to_owned();
        let tokens = program.tokens(&alice).await;
        Unverified::parse(tokens["id_token"].as_str().unwrap()).unwrap().unverified_claims().0.clone()
    };
    let all = told("openid profile email").await;
    assert_eq!(all["email"], "alice@example.com");
    assert!(all["name"].as_str().is_some_and(|name| !name.is_empty()) && all.contains_key("email_verified"), "{all:?}");
    let only = told("openid").await;
    assert!(!only.contains_key("email") && !only.contains_key("name") && !only.contains_key("roles"), "{only:?}");
    let id = site.db_names("OAuth Client", json!({})).await.remove(0);
    for (doctype, name) in [("OAuth Client", id.as_str()), ("OAuth Settings", "OAuth Settings")] {
        site.db_update(doctype, name, json!({"id_token_includes_claims": 0})).await;
        let none = told("openid profile email roles").await;
        assert!(!none.contains_key("email") && !none.contains_key("name") && none.contains_key("roles"), "{none:?}");
        site.db_update(doctype, name, json!({"id_token_includes_claims": 1})).await;
    }
}

#[tokio::test]
async fn there_is_an_id_token_only_where_openid_was_granted() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let mut program = Program::public(&site).await;
    program.scope = "all".to_owned();
    assert!(program.tokens(&alice).await.get("id_token").is_none());
    program.scope = "openid all".to_owned();
    let tokens = program.tokens(&alice).await;
    assert!(tokens.get("id_token").is_some());
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ("scope", "all"),
    ];
    assert!(program.post("get_token", &fields).await.status(200).json().get("id_token").is_none());
}

#[tokio::test]
async fn a_renewed_id_token_is_about_the_same_login_without_the_nonce() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let tokens = tokens_with(&program, &alice, &[("nonce", "n")]).await;
    let first = verified(&site, &tokens).await.claims;
    site.clock.advance(Duration::hours(2));
    let renewed = program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200).json();
    let second = verified(&site, &renewed).await.claims;
    for same in ["iss", "sub", "aud", "azp", "auth_time", "sid", "acr", "amr"] {
        assert_eq!(first.0[same], second.0[same], "{same}");
    }
    assert!(second.seconds("iat") > first.seconds("iat"));
    assert!(!second.0.contains_key("nonce"));
    assert_ne!(first.0["at_hash"], second.0["at_hash"]);
}

#[tokio::test]
async fn the_client_chooses_the_signature_and_else_the_settings_do() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    for (setting, choice, expected) in [
        ("ES256", "RS256", SigningAlgorithm::Rs256),
        ("RS256", "", SigningAlgorithm::Rs256),
        ("EdDSA", "", SigningAlgorithm::EdDsa),
        ("RS256", "EdDSA", SigningAlgorithm::EdDsa),
    ] {
        site.db_update("OAuth Settings", "OAuth Settings", json!({"id_token_signing_alg": setting})).await;
        let program = Program::new(&site, json!({"id_token_signed_response_alg": choice})).await;
        let token = verified(&site, &program.tokens(&alice).await).await;
        assert_eq!(token.header.alg, Algorithm::Asymmetric(expected), "{setting} {choice}");
        assert!(token.header.kid.is_some());
    }
}

#[tokio::test]
async fn a_client_secret_signs_only_where_the_settings_allow_it() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let allow = async |allowed: i32| {
        site.db_update("OAuth Settings", "OAuth Settings", json!({"allow_hs256_id_tokens": allowed})).await;
    };
    allow(1).await;
    let program = Program::new(&site, json!({"id_token_signed_response_alg": "HS256"})).await;
    let tokens = program.tokens(&alice).await;
    let token = Unverified::parse(tokens["id_token"].as_str().unwrap()).unwrap();
    assert_eq!(token.header.kid, None);
    token.verify_hs256(program.secret.as_bytes()).unwrap();
    allow(0).await;
    let code = program.code(&alice).await;
    let refused = program.exchange(&code).await.oauth_error(400, "unauthorized_client");
    assert!(refused.body.contains("HS256"));
}

#[tokio::test]
async fn roles_are_told_with_their_scope_or_where_the_settings_say_so() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &["System Manager"]).await;
    let mut program = Program::public(&site).await;
    let has_role = |claims: &Json| claims.as_array().is_some_and(|roles| roles.contains(&json!("System Manager")));
    program.scope = "openid roles".to_owned();
    assert!(has_role(&verified(&site, &program.tokens(&alice).await).await.claims.0["roles"]));
    program.scope = "openid".to_owned();
    assert!(!verified(&site, &program.tokens(&alice).await).await.claims.0.contains_key("roles"));
    site.db_update("OAuth Settings", "OAuth Settings", json!({"openid_includes_roles": 1})).await;
    assert!(has_role(&verified(&site, &program.tokens(&alice).await).await.claims.0["roles"]));
}

#[tokio::test]
async fn an_id_token_outlives_the_rotation_of_its_key() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let tokens = program.tokens(&alice).await;
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    let rotate = "/api/v2/document/OAuth%20Settings/OAuth%20Settings/method/rotate_signing_keys";
    manager.post(rotate, json!({})).await.status(200);
    let old = verified(&site, &tokens).await.header.kid;
    let new = verified(&site, &program.tokens(&alice).await).await.header.kid;
    assert_ne!(old, new);
}
