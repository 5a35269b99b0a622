//! Id tokens off the beaten track: for a device, and signed with the client's secret where they come back as a hint.

use chrono::Duration;
use doctyped::testing::id_token::half_hash;
use doctyped::testing::jwt::{Claims, Unverified, sign_hs256};
use serde_json::{Value as Json, json};

use super::device_rfc8628::{codes, consent, poll, press, television};
use super::end_session::{BYE, asks, subject, uri};
use super::openid_connect::verified;
use super::support::{BASE, Program, bearer, parameter};
use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";

#[tokio::test]
async fn a_device_gets_an_id_token_about_the_login_in_which_it_was_allowed() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let logged_in_at = site.clock.now().timestamp();
    site.clock.advance(Duration::minutes(5));
    let program = television(&site).await;
    let codes = codes(&program).await;
    press(&alice, &consent(&alice, &codes).await, "allow").await.status(200);
    site.clock.advance(Duration::seconds(5));
    let tokens = poll(&program, &codes).await.status(200).json();
    let token = verified(&site, &tokens).await;
    let claims = &token.claims;
    claims.require_issuer(site.documents().site_url()).unwrap();
    claims.require_audience(&program.id).unwrap();
    claims.require_current(site.clock.now()).unwrap();
    assert_eq!(claims.text("azp"), Some(&*program.id));
    assert_eq!(claims.text("sub"), Some(&*subject(&site, ALICE).await));
    assert_eq!(claims.text("sid"), Some(&*site.db_names("Session", json!({"user": ALICE})).await[0]));
    assert!((claims.seconds("auth_time").unwrap() - logged_in_at).abs() <= 2, "the login, not the consent");
    assert_eq!((claims.text("acr"), &claims.0["amr"]), (Some("1"), &json!(["pwd"])));
    assert!(!claims.0.contains_key("nonce"), "the device has sent none");
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(claims.text("at_hash"), Some(&*half_hash(token.header.alg, access_token)));
    let who = bearer(&site, &tokens).get(&format!("{BASE}openid_profile")).await.status(200).json();
    assert_eq!(who["sub"].as_str(), claims.text("sub"));
    // A renewal tells the same of the login.
    let renewed = program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200).json();
    let renewed = verified(&site, &renewed).await.claims;
    for same in ["sub", "sid", "auth_time", "acr", "amr", "aud"] {
        assert_eq!(renewed.0[same], claims.0[same], "{same}");
    }
}

#[tokio::test]
async fn a_device_that_asks_for_no_openid_gets_no_id_token() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = television(&site).await;
    let codes = program.post("device_authorization", &[("scope", "read")]).await.status(200).json();
    press(&alice, &consent(&alice, &codes).await, "allow").await.status(200);
    assert!(poll(&program, &codes).await.status(200).json().get("id_token").is_none());
}

/// Somebody who is signed in to a program whose id tokens are signed with its own secret.
struct Shared {
    site: TestSite,
    alice: Client,
    program: Program,
    id_token: String,
}

impl Shared {
    async fn new() -> Self {
        let site = TestSite::new().await;
        let settings = json!({"allow_hs256_id_tokens": 1, "skip_authorization": 1});
        site.db_update("OAuth Settings", "OAuth Settings", settings).await;
        let alice = site.user(ALICE, &[]).await;
        let values = json!({"id_token_signed_response_alg": "HS256", "post_logout_redirect_uris": BYE});
        let program = Program::new(&site, values).await;
        let id_token = program.tokens(&alice).await["id_token"].as_str().unwrap().to_owned();
        assert_eq!(Unverified::parse(&id_token).unwrap().header.alg.as_str(), "HS256");
        Self { site, alice, program, id_token }
    }

    /// The claims of the id token, signed with a secret that is not the program's.
    fn forged(&self) -> String {
        let Claims(claims) = Unverified::parse(&self.id_token).unwrap().unverified_claims().clone();
        sign_hs256(b"not the secret of the program at all", "JWT", &Json::Object(claims))
    }

    /// Where a silent request with this hint leads.
    async fn asked(&self, program: &Program, hint: &str) -> String {
        let request = [("prompt", "none"), ("id_token_hint", hint)];
        self.alice.get(&program.authorize_uri(&request)).await.redirect()
    }
}

#[tokio::test]
async fn an_id_token_signed_with_the_secret_of_the_client_is_its_hint_at_authorize() {
    let shared = Shared::new().await;
    let to = shared.asked(&shared.program, &shared.id_token).await;
    assert!(parameter(&to, "code").is_some(), "{to}");
    let other = Program::new(&shared.site, json!({})).await;
    for (program, hint) in [(&shared.program, shared.forged()), (&other, shared.id_token.clone())] {
        let to = shared.asked(program, &hint).await;
        assert_eq!(parameter(&to, "error").as_deref(), Some("invalid_request"), "{to}");
    }
    let bob = shared.site.user("bob@example.com", &[]).await;
    let request = [("prompt", "none"), ("id_token_hint", &*shared.id_token)];
    let to = bob.get(&shared.program.authorize_uri(&request)).await.redirect();
    assert_eq!(parameter(&to, "error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn an_id_token_signed_with_the_secret_of_the_client_is_its_hint_at_the_logout() {
    let shared = Shared::new().await;
    let parameters = |hint| [("id_token_hint", hint), ("post_logout_redirect_uri", BYE), ("state", "s")];
    let forged = shared.forged();
    asks(&shared.alice.get(&uri(&parameters(&forged))).await.status(400));
    assert_eq!(shared.alice.logged_user().await, ALICE);
    let back = shared.alice.get(&uri(&parameters(&shared.id_token))).await.redirect();
    assert_eq!(back, format!("{BYE}?state=s"));
    assert_eq!(shared.alice.logged_user().await, "Guest");
}

#[tokio::test]
async fn the_secret_of_before_still_proves_a_hint_while_it_works() {
    let shared = Shared::new().await;
    let method = format!("/api/v2/document/OAuth%20Client/{}/method/rotate_client_secret", shared.program.id);
    shared.site.administrator().await.post(&method, json!({})).await.status(200);
    assert!(shared.asked(&shared.program, &shared.id_token).await.contains("code="));
    shared.site.clock.advance(Duration::days(8));
    let administrator = shared.site.administrator().await;
    administrator.post(&method, json!({})).await.status(200);
    shared.alice.log_in(ALICE, crate::support::PASSWORD).await.ok();
    let to = shared.asked(&shared.program, &shared.id_token).await;
    assert_eq!(parameter(&to, "error").as_deref(), Some("invalid_request"), "{to}");
}

#[tokio::test]
async fn a_program_whose_id_tokens_the_site_signs_cannot_sign_hints_itself() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    // Its secret is at hand here, since it signs its own assertions with it.
    let values = json!({"token_endpoint_auth_method": "Client Secret JWT", "post_logout_redirect_uris": BYE});
    let program = Program::new(&site, values).await;
    let claims = json!({
        "iss": site.documents().site_url(), "aud": program.id, "azp": program.id,
        "sub": subject(&site, ALICE).await, "exp": site.clock.now().timestamp() + 60,
    });
    let made_up = sign_hs256(program.secret.as_bytes(), "JWT", &claims);
    let page = alice.get(&uri(&[("id_token_hint", &made_up), ("post_logout_redirect_uri", BYE)])).await.status(400);
    asks(&page);
    assert_eq!(alice.logged_user().await, ALICE);
    let request = [("prompt", "none"), ("id_token_hint", &*made_up)];
    let to = alice.get(&program.authorize_uri(&request)).await.redirect();
    assert_eq!(parameter(&to, "error").as_deref(), Some("invalid_request"));
}
