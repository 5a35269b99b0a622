//! Access tokens as JWT (RFC 9068): others can check them on their own, and here they are still revoked at once.

use chrono::Duration;
use doctyped::testing::access_token;
use doctyped::testing::jwk::JwkSet;
use doctyped::testing::jwt::{SigningKey, Unverified, Verified};
use doctyped::testing::secret::SigningAlgorithm;
use serde_json::{Value as Json, json};

use super::dpop_rfc9449::Holder;
use super::support::{Program, bearer};
use crate::support::TestSite;

const ALICE: &str = "alice@example.com";
const USERS: &str = "/api/resource/User";

async fn verified(site: &TestSite, tokens: &Json) -> Verified {
    let set = JwkSet::parse(&site.guest().get("/.well-known/jwks.json").await.json()).unwrap();
    let token = Unverified::parse(tokens["access_token"].as_str().unwrap()).unwrap();
    token.verify(&set, &[SigningAlgorithm::Es256]).unwrap()
}

async fn program(site: &TestSite) -> Program {
    Program::new(site, json!({"access_token_format": "JWT", "token_endpoint_auth_method": "None"})).await
}

#[tokio::test]
async fn another_server_can_check_the_token_on_its_own() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &["System Manager"]).await;
    let program = program(&site).await;
    let tokens = program.tokens(&alice).await;
    let token = verified(&site, &tokens).await;
    let root = site.documents().site_url();
    let read = access_token::check(&token, root, &format!("{root}{USERS}"), site.clock.now()).unwrap();
    assert_eq!((read.client_id.as_str(), read.scopes.to_string().as_str()), (program.id.as_str(), "openid all"));
    assert_eq!(token.claims.audience(), [root]);
    assert_eq!(read.jti, site.db_names("OAuth Bearer Token", json!({})).await[0]);
    let id_token = Unverified::parse(tokens["id_token"].as_str().unwrap()).unwrap();
    assert_eq!(id_token.unverified_claims().text("sub"), Some(read.subject.as_str()));
    assert_eq!(token.claims.seconds("exp").unwrap() - token.claims.seconds("iat").unwrap(), 3600);
    assert!(token.claims.seconds("auth_time").is_some());
}

#[tokio::test]
async fn it_opens_the_api_and_ends_with_revocation_expiry_and_its_key() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &["System Manager"]).await;
    let program = program(&site).await;

    let tokens = program.tokens(&alice).await;
    bearer(&site, &tokens).get(USERS).await.ok();
    program.post("revoke_token", &[("token", tokens["access_token"].as_str().unwrap())]).await.status(200);
    let refused = bearer(&site, &tokens).get(USERS).await.status(401);
    assert!(refused.header("www-authenticate").contains("invalid_token"));

    let tokens = program.tokens(&alice).await;
    bearer(&site, &tokens).get(USERS).await.ok();
    let manager = site.administrator().await;
    let rotate = "/api/v2/document/OAuth%20Settings/OAuth%20Settings/method/rotate_signing_keys";
    manager.post(rotate, json!({})).await.status(200);
    bearer(&site, &tokens).get(USERS).await.ok();
    let kid = verified(&site, &tokens).await.header.kid.unwrap();
    manager.remove("OAuth Signing Key", &kid).await.ok();
    bearer(&site, &tokens).get(USERS).await.status(401);

    let tokens = program.tokens(&alice).await;
    bearer(&site, &tokens).get(USERS).await.ok();
    site.clock.advance(Duration::minutes(61));
    bearer(&site, &tokens).get(USERS).await.status(401);
}

#[tokio::test]
async fn a_proof_binds_it_to_a_key_that_it_names_and_that_every_request_has_to_prove() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &["System Manager"]).await;
    let program = program(&site).await;
    let (holder, thief) = (Holder::new(&site), Holder::new(&site));
    let tokens = holder.tokens(&program, &alice).await;
    assert_eq!(tokens["token_type"], "DPoP");
    let claims = verified(&site, &tokens).await.claims;
    assert_eq!(claims.0["cnf"], json!({"jkt": holder.key.jwk().thumbprint()}), "RFC 9449 section 6.1");
    holder.read(&tokens, USERS).await.ok();
    thief.read(&tokens, USERS).await.status(401);
    bearer(&site, &tokens).get(USERS).await.status(401);
    // A renewal needs the same key, and its token names it again.
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    program.refresh(refresh_token).await.oauth_error(400, "invalid_grant");
    let renewed = holder.proving(&program).refresh(refresh_token).await.status(200).json();
    assert_eq!(verified(&site, &renewed).await.claims.0["cnf"], claims.0["cnf"]);
    holder.read(&renewed, USERS).await.ok();
    // Without a proof nothing is bound, and nothing is said.
    let unbound = program.tokens(&alice).await;
    assert!(!verified(&site, &unbound).await.claims.0.contains_key("cnf"));
}

#[tokio::test]
async fn what_we_did_not_issue_opens_nothing() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &["System Manager"]).await;
    let program = program(&site).await;
    let tokens = program.tokens(&alice).await;
    let claims = verified(&site, &tokens).await.claims.0;
    let forged = SigningKey::generate(SigningAlgorithm::Es256).sign(access_token::TYPE, &claims);
    let good = tokens["access_token"].as_str().unwrap();
    let truncated = &good[..good.len() - 4];
    let id_token = tokens["id_token"].as_str().unwrap();
    for token in [forged.as_str(), truncated, id_token, "ey.ey.x"] {
        let refused = bearer(&site, &json!({"access_token": token})).get(USERS).await.status(401);
        assert!(refused.header("www-authenticate").contains("invalid_token"), "{token}");
    }
}

#[tokio::test]
async fn a_token_for_one_resource_is_refused_at_another() {
    let site = TestSite::new().await;
    let settings = json!({"additional_resources": "https://elsewhere.example/mcp"});
    site.db_update("OAuth Settings", "OAuth Settings", settings).await;
    let alice = site.user(ALICE, &["System Manager"]).await;
    let program = program(&site).await;
    let request = [("resource", "https://elsewhere.example/mcp")];
    let tokens = super::openid_connect::tokens_with(&program, &alice, &request).await;
    assert_eq!(verified(&site, &tokens).await.claims.audience(), ["https://elsewhere.example/mcp"]);
    bearer(&site, &tokens).get(USERS).await.status(401);
}

#[tokio::test]
async fn the_settings_choose_the_format_and_a_client_may_differ() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    site.db_update("OAuth Settings", "OAuth Settings", json!({"access_token_format": "JWT"})).await;
    for (format, is_jwt) in [("", true), ("JWT", true), ("Opaque", false)] {
        let program = Program::new(&site, json!({"access_token_format": format})).await;
        let tokens = program.tokens(&alice).await;
        let token = tokens["access_token"].as_str().unwrap();
        assert_eq!(token.starts_with("ey"), is_jwt, "{format}");
        let about = program.post("introspect_token", &[("token", token)]).await.status(200).json();
        assert_eq!(about["active"], true);
        let renewed = program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200).json();
        assert_eq!(renewed["access_token"].as_str().unwrap().starts_with("ey"), is_jwt, "{format}");
    }
}

#[tokio::test]
async fn a_program_of_its_own_gets_one_too() {
    let site = TestSite::new().await;
    site.db_user("robot@example.com", json!({})).await;
    let values = json!({
        "access_token_format": "JWT",
        "allow_client_credentials": 1,
        "user": "robot@example.com",
    });
    let program = Program::new(&site, values).await;
    let fields = [("grant_type", "client_credentials"), ("scope", "read")];
    let tokens = program.post("get_token", &fields).await.status(200).json();
    let token = verified(&site, &tokens).await;
    assert_eq!(token.claims.text("client_id"), Some(program.id.as_str()));
    assert!(token.claims.text("sub").is_some_and(|sub| !sub.is_empty()));
    assert!(tokens.get("id_token").is_none());
    let who = bearer(&site, &tokens).get("/api/method/frappe.auth.get_logged_user").await;
    assert!(who.body.contains("robot@example.com") || who.status == 403);
}
