//! Basic OP: the code, the tokens that it brings, and how they are signed.

use chrono::Duration;
use serde_json::json;

use super::basic::{ALICE, Basic, NONCE, continued, error};
use crate::oauth::openid_connect::verified;
use crate::oauth::registration_rfc7591::register;
use crate::oauth::support::{BASE, Program, REDIRECT_URI, bearer, parameter};
use crate::support::TestSite;

#[tokio::test]
async fn oidcc_server_a_code_brings_an_access_token_that_works_and_an_id_token_that_holds() {
    let basic = Basic::new().await;
    let answered = basic.authorize(&[]).await;
    assert!(parameter(&answered, "code").unwrap().len() >= 43, "at least 256 bits");
    let signed_in = basic.finish(&answered).await;
    assert_eq!(signed_in.tokens["scope"], "openid");
    basic.userinfo(&signed_in).await;
}

#[tokio::test]
async fn oidcc_server_client_secret_post_the_secret_may_come_in_the_form_where_that_is_registered() {
    let mut basic = Basic::new().await;
    let values = json!({"require_pkce": 0, "token_endpoint_auth_method": "Client Secret Post"});
    basic.program = Program::new(&basic.site, values).await;
    "openid".clone_into(&mut basic.program.scope);
    let code = parameter(&basic.authorize(&[]).await, "code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", REDIRECT_URI),
        ("client_id", &*basic.program.id),
        ("client_secret", &*basic.program.secret),
    ];
    let tokens = basic.site.guest().form(&format!("{BASE}get_token"), &fields).await.status(200).json();
    basic.check_id_token(&tokens, Some(NONCE)).await;
}

#[tokio::test]
async fn oidcc_response_type_missing_is_told_to_the_program() {
    let basic = Basic::new().await;
    let answered = basic.alice.get(&basic.request(&[("response_type", "")])).await.redirect();
    assert_eq!(error(&answered), "invalid_request");
}

#[tokio::test]
async fn oidcc_idtoken_signature_is_rs256_and_names_its_key_where_nothing_else_was_registered() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let made = register(&site.guest(), json!({"redirect_uris": [REDIRECT_URI], "scope": "openid"})).await;
    let made = made.status(201).json();
    assert_eq!(made["id_token_signed_response_alg"], "RS256", "{made}");
    let tokens = Program::registered(&site, &made, "openid").tokens(&alice).await;
    let header = verified(&site, &tokens).await.header;
    assert_eq!(header.alg.as_str(), "RS256");
    assert!(header.kid.is_some_and(|kid| !kid.is_empty()));
}

#[tokio::test]
async fn oidcc_idtoken_unsigned_is_neither_offered_nor_registered() {
    let site = TestSite::new().await;
    let metadata = site.guest().get("/.well-known/openid-configuration").await.status(200).json();
    let offered = metadata["id_token_signing_alg_values_supported"].as_array().unwrap();
    assert!(!offered.is_empty() && !offered.contains(&json!("none")), "{metadata}");
    let unsigned = json!({"redirect_uris": [REDIRECT_URI], "id_token_signed_response_alg": "none"});
    register(&site.guest(), unsigned).await.oauth_error(400, "invalid_client_metadata");
}

#[tokio::test]
async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow_and_the_id_token_has_none() {
    let basic = Basic::new().await;
    let answered = basic.authorize(&[("nonce", "")]).await;
    let tokens = basic.exchange(&answered).await.status(200).json();
    basic.check_id_token(&tokens, None).await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_valid_pkce_succeeds_and_without_the_verifier_the_code_is_worth_nothing() {
    let basic = Basic::new().await;
    let with_pkce = basic.program.authorize_uri(&[("nonce", NONCE)]);
    let answered = basic.go_on(basic.alice.get(&with_pkce).await).await;
    let tokens = basic.program.exchange(&parameter(&answered, "code").unwrap()).await.status(200).json();
    basic.check_id_token(&tokens, Some(NONCE)).await;
    let answered = basic.go_on(basic.alice.get(&with_pkce).await).await;
    basic.exchange(&answered).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn oidcc_ensure_registered_redirect_uri_an_answer_goes_nowhere_else() {
    let basic = Basic::new().await;
    for elsewhere in ["https://app.example/callback/other", "https://app.example/callback?x=1", "https://evil.example/"]
    {
        let page = basic.alice.get(&basic.request(&[("redirect_uri", elsewhere)])).await.status(400);
        assert_eq!(page.header("location"), "");
        assert!(page.body.contains("redirect_uri") && !page.body.contains("http-equiv"), "{}", page.body);
    }
}

#[tokio::test]
async fn oidcc_ensure_post_request_succeeds_with_and_without_a_cookie() {
    let (basic, _) = Basic::signed_in().await;
    let uri = basic.request(&[]);
    let (endpoint, query) = uri.split_once('?').unwrap();
    let fields: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    basic.finish(&basic.alice.form(endpoint, &fields).await.redirect()).await;
    // From another site the browser sends no cookie with the form; it does with the page that follows.
    let back = basic.site.guest().form(endpoint, &fields).await.redirect();
    basic.finish(&continued(&basic.alice.get(&back).await.status(200))).await;
}

#[tokio::test]
async fn oidcc_codereuse_is_refused_at_once() {
    let basic = Basic::new().await;
    let answered = basic.authorize(&[]).await;
    basic.finish(&answered).await;
    basic.exchange(&answered).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn oidcc_codereuse_30seconds_later_is_refused_and_ends_the_tokens() {
    let basic = Basic::new().await;
    let answered = basic.authorize(&[]).await;
    let signed_in = basic.finish(&answered).await;
    basic.userinfo(&signed_in).await;
    basic.site.clock.advance(Duration::seconds(30));
    basic.exchange(&answered).await.oauth_error(400, "invalid_grant");
    bearer(&basic.site, &signed_in.tokens).get(&format!("{BASE}openid_profile")).await.status(401);
}

#[tokio::test]
async fn oidcc_refresh_token_brings_new_tokens_about_the_same_sign_in_and_only_to_its_own_program() {
    let mut basic = Basic::new().await;
    "openid offline_access".clone_into(&mut basic.program.scope);
    let first = basic.sign_in(&[("prompt", "consent")]).await;
    let refresh_token = first.tokens["refresh_token"].as_str().expect("offline_access was granted");
    let other = Program::new(&basic.site, json!({})).await;
    other.refresh(refresh_token).await.oauth_error(400, "invalid_grant");
    basic.site.clock.advance(Duration::seconds(90));
    let tokens = basic.program.refresh(refresh_token).await.status(200).json();
    for name in ["access_token", "refresh_token", "id_token"] {
        assert_ne!(tokens[name], first.tokens[name], "{name}");
    }
    let second = basic.check_id_token(&tokens, None).await;
    for same in ["iss", "sub", "aud", "azp", "auth_time", "sid"] {
        assert_eq!(second.0.get(same), first.claims.0.get(same), "{same}");
    }
    assert!(second.seconds("iat") > first.claims.seconds("iat"));
    let claims = bearer(&basic.site, &tokens).get(&format!("{BASE}openid_profile")).await.status(200).json();
    assert_eq!(claims["sub"].as_str(), first.claims.text("sub"));
}
