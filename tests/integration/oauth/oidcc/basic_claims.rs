//! Basic OP: what scopes tell about the person, and the ways to userinfo.

use serde_json::{Value as Json, json};

use super::basic::{Basic, NONCE, SignedIn};
use crate::oauth::support::{BASE, bearer};

/// Which scopes the site announces.
async fn announced(basic: &Basic) -> Vec<String> {
    let metadata = basic.site.guest().get("/.well-known/openid-configuration").await.status(200).json();
    let scopes = metadata["scopes_supported"].as_array().unwrap();
    scopes.iter().map(|scope| scope.as_str().unwrap().to_owned()).collect()
}

/// What a sign-in with this scope tells, at userinfo and in the id token.
async fn told(scope: &str) -> (Basic, SignedIn, Json) {
    let mut basic = Basic::new().await;
    scope.clone_into(&mut basic.program.scope);
    let signed_in = basic.sign_in(&[]).await;
    let claims = basic.userinfo(&signed_in).await;
    (basic, signed_in, claims)
}

fn names(claims: &Json) -> Vec<&str> {
    claims.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn oidcc_userinfo_get_tells_the_person_to_whoever_shows_the_token_in_the_header() {
    let basic = Basic::new().await;
    let signed_in = basic.sign_in(&[]).await;
    assert_eq!(names(&basic.userinfo(&signed_in).await), ["sub"]);
    basic.site.guest().get(&format!("{BASE}openid_profile")).await.status(401);
}

#[tokio::test]
async fn oidcc_userinfo_post_header_tells_the_same() {
    let basic = Basic::new().await;
    let signed_in = basic.sign_in(&[]).await;
    let posted = bearer(&basic.site, &signed_in.tokens).form(&format!("{BASE}openid_profile"), &[]).await.status(200);
    assert!(posted.header("content-type").starts_with("application/json"));
    assert_eq!(posted.json(), basic.userinfo(&signed_in).await);
}

#[tokio::test]
async fn oidcc_userinfo_post_body_opens_nothing_until_the_settings_allow_it() {
    let basic = Basic::new().await;
    let signed_in = basic.sign_in(&[]).await;
    let (uri, guest) = (format!("{BASE}openid_profile"), basic.site.guest());
    let fields = [("access_token", signed_in.tokens["access_token"].as_str().unwrap())];
    guest.form(&uri, &fields).await.status(401);
    basic.site.db_update("OAuth Settings", "OAuth Settings", json!({"accept_token_in_form": 1})).await;
    assert_eq!(guest.form(&uri, &fields).await.status(200).json(), basic.userinfo(&signed_in).await);
}

#[tokio::test]
async fn oidcc_scope_profile_tells_the_name_and_when_it_changed() {
    let (basic, signed_in, claims) = told("openid profile").await;
    assert!(announced(&basic).await.contains(&"profile".to_owned()));
    assert_eq!(claims["name"], "alice");
    assert!(claims["updated_at"].is_i64(), "{claims}");
    assert!(claims.get("email").is_none(), "{claims}");
    assert_eq!(signed_in.claims.text("name"), Some("alice"), "many programs look nowhere else");
    assert!(!signed_in.claims.0.contains_key("email"));
}

#[tokio::test]
async fn oidcc_scope_email_tells_the_address_and_that_nobody_has_verified_it() {
    let (basic, signed_in, claims) = told("openid email").await;
    assert!(announced(&basic).await.contains(&"email".to_owned()));
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!("alice@example.com"), &json!(false)));
    assert!(claims.get("name").is_none(), "{claims}");
    assert_eq!(signed_in.claims.text("email"), Some("alice@example.com"), "many programs look nowhere else");
    assert!(!signed_in.claims.0.contains_key("name"));
}

/// A scope that is not announced is ignored, as OpenID Connect Core §5.4 asks.
async fn ignored(scope: &str) {
    let (basic, signed_in, claims) = told(&format!("openid {scope}")).await;
    assert!(!announced(&basic).await.contains(&scope.to_owned()));
    assert_eq!(signed_in.tokens["scope"], "openid");
    assert_eq!(names(&claims), ["sub"]);
}

#[tokio::test]
async fn oidcc_scope_address_is_not_announced_and_does_no_harm() {
    ignored("address").await;
}

#[tokio::test]
async fn oidcc_scope_phone_is_not_announced_and_does_no_harm() {
    ignored("phone").await;
}

#[tokio::test]
async fn oidcc_scope_all_tells_all_that_is_announced() {
    let (_, signed_in, claims) = told("openid profile email address phone").await;
    assert_eq!(signed_in.tokens["scope"], "openid profile email");
    for name in ["sub", "name", "updated_at", "email", "email_verified"] {
        assert!(claims.get(name).is_some(), "{name}: {claims}");
    }
}

#[tokio::test]
async fn oidcc_alternate_happy_flow_the_order_of_scopes_and_parameters_does_not_matter() {
    let mut basic = Basic::new().await;
    "email openid".clone_into(&mut basic.program.scope);
    let (uri, mut reversed) = (basic.request(&[]), Vec::new());
    let (endpoint, query) = uri.split_once('?').unwrap();
    reversed.extend(query.split('&').rev());
    let answered = basic.alice.get(&format!("{endpoint}?{}", reversed.join("&"))).await;
    let signed_in = basic.finish(&basic.go_on(answered).await).await;
    assert_eq!(names(&basic.userinfo(&signed_in).await), ["sub", "email", "email_verified"]);
}

#[tokio::test]
async fn oidcc_claims_essential_single_claims_are_not_offered_and_asking_for_one_does_no_harm() {
    let basic = Basic::new().await;
    let metadata = basic.site.guest().get("/.well-known/openid-configuration").await.status(200).json();
    assert_eq!(metadata["claims_parameter_supported"], false);
    let wanted = r#"{"userinfo": {"name": {"essential": true}}}"#;
    let signed_in = basic.sign_in(&[("claims", wanted)]).await;
    assert!(!signed_in.claims.0.contains_key("name"));
    assert_eq!(names(&basic.userinfo(&signed_in).await), ["sub"], "what was not granted is not told");
}

#[tokio::test]
async fn oidcc_claims_locales_are_ignored() {
    let basic = Basic::new().await;
    let signed_in = basic.sign_in(&[("claims_locales", "se")]).await;
    assert_eq!(signed_in.claims.text("nonce"), Some(NONCE));
}
