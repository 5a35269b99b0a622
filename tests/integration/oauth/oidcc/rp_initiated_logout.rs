//! RP-initiated logout, by the OpenID Foundation's plan of that name.

use serde_json::json;

use crate::oauth::end_session::{ALICE, BYE, SignedIn, asks, id_token, press, subject, uri};
use crate::oauth::support::{BASE, parameter, signed_by_site};
use crate::support::TestSite;

#[tokio::test]
async fn oidcc_rp_initiated_logout_discovery_endpoint_verification_the_endpoint_is_announced() {
    let site = TestSite::new().await;
    for document in ["openid-configuration", "oauth-authorization-server"] {
        let metadata = site.guest().get(&format!("/.well-known/{document}")).await.status(200).json();
        let expected = format!("{}{BASE}end_session", site.documents().site_url());
        assert_eq!(metadata["end_session_endpoint"], json!(expected), "{document}");
    }
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_leads_back_to_the_program_with_its_state() {
    let signed_in = SignedIn::new().await;
    let parameters = [("id_token_hint", &*signed_in.id_token), ("post_logout_redirect_uri", BYE), ("state", "s 1")];
    let back = signed_in.send(&parameters).await.redirect();
    assert_eq!(back.split('?').next(), Some(BYE));
    assert_eq!(parameter(&back, "state").as_deref(), Some("s 1"));
    assert!(!signed_in.is_logged_in().await);
    // Whoever comes back is asked to log in again.
    let again = signed_in.alice.get(&signed_in.program.authorize_uri(&[])).await.redirect();
    assert!(again.starts_with("/login"), "{again}");
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri_leads_nowhere() {
    let signed_in = SignedIn::new().await;
    let parameters = [("id_token_hint", &*signed_in.id_token), ("post_logout_redirect_uri", "https://evil.example/")];
    let page = signed_in.send(&parameters).await.status(400);
    assert!(page.body.contains("not registered"), "{}", page.body);
    assert!(signed_in.is_logged_in().await);
    // The way out stays open, but leads nowhere else.
    let done = press(&signed_in.alice, &page, "log_out").await.status(200);
    assert!(done.body.contains("You are logged out") && !done.body.contains("evil.example"), "{}", done.body);
    assert!(!signed_in.is_logged_in().await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_modified_id_token_hint_logs_nobody_out() {
    let signed_in = SignedIn::new().await;
    let (signed, signature) = signed_in.id_token.rsplit_once('.').unwrap();
    let other = id_token(&signed_in.site, &signed_in.program, json!({})).await;
    let modified = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    assert!(!modified.starts_with(signed));
    let page = signed_in.send(&[("id_token_hint", &modified), ("post_logout_redirect_uri", BYE)]).await.status(400);
    asks(&page);
    assert!(signed_in.is_logged_in().await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_id_token_hint_logs_nobody_out() {
    let signed_in = SignedIn::new().await;
    let key = doctyped::testing::jwt::SigningKey::generate(doctyped::testing::secret::SigningAlgorithm::Es256);
    let claims = json!({
        "iss": signed_in.site.documents().site_url(), "aud": signed_in.program.id,
        "sub": subject(&signed_in.site, ALICE).await, "exp": 9_999_999_999_i64,
    });
    let foreign = key.sign("JWT", &claims);
    let access_token = signed_by_site(&signed_in.site, "at+jwt", &claims).await;
    let elsewhere = id_token(&signed_in.site, &signed_in.program, json!({"iss": "https://other.example"})).await;
    for hint in [&*foreign, &access_token, &elsewhere, "nonsense", "a.b.c"] {
        let page = signed_in.send(&[("id_token_hint", hint), ("post_logout_redirect_uri", BYE)]).await.status(400);
        asks(&page);
        assert!(signed_in.is_logged_in().await, "{hint}");
        let guest = signed_in.site.guest().get(&uri(&[("id_token_hint", hint)])).await;
        assert_eq!(guest.status, 400, "{hint}");
    }
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_id_token_hint_asks_first() {
    let signed_in = SignedIn::new().await;
    let parameters = [("client_id", &*signed_in.program.id), ("post_logout_redirect_uri", BYE), ("state", "s")];
    let page = signed_in.send(&parameters).await.status(200);
    asks(&page);
    assert!(page.body.contains("Planner"), "{}", page.body);
    assert!(signed_in.is_logged_in().await);
    let done = press(&signed_in.alice, &page, "log_out").await.status(200);
    assert!(done.body.contains("0;url=https://app.example/bye?state"), "{}", done.body);
    assert!(!signed_in.is_logged_in().await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_params_asks_first() {
    let signed_in = SignedIn::new().await;
    let page = signed_in.send(&[]).await.status(200);
    asks(&page);
    assert_eq!(press(&signed_in.alice, &page, "stay").await.redirect(), "/app");
    assert!(signed_in.is_logged_in().await);
    let done = press(&signed_in.alice, &page, "log_out").await.status(200);
    assert!(done.body.contains("You are logged out"), "{}", done.body);
    assert!(!signed_in.is_logged_in().await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri_ends_here() {
    let signed_in = SignedIn::new().await;
    let done = signed_in.send(&[("id_token_hint", &signed_in.id_token), ("state", "s")]).await.status(200);
    assert!(done.body.contains("You are logged out"), "{}", done.body);
    assert!(!signed_in.is_logged_in().await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_state_sends_none_back() {
    let signed_in = SignedIn::new().await;
    let parameters = [("id_token_hint", &*signed_in.id_token), ("post_logout_redirect_uri", BYE)];
    assert_eq!(signed_in.send(&parameters).await.redirect(), BYE);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_only_state_asks_first() {
    let signed_in = SignedIn::new().await;
    asks(&signed_in.send(&[("state", "s")]).await.status(200));
    assert!(signed_in.is_logged_in().await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri_is_another_address() {
    let signed_in = SignedIn::new().await;
    let added = format!("{BYE}?foo=bar");
    let page = signed_in.send(&[("id_token_hint", &*signed_in.id_token), ("post_logout_redirect_uri", &added)]).await;
    asks(&page.status(400));
    assert!(signed_in.is_logged_in().await);
}
