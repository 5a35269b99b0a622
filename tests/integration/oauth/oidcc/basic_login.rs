//! Basic OP: who logs in, how long ago, and what the program wishes for the login page.

use chrono::Duration;
use doctyped::testing::jwt::Claims;
use serde_json::json;

use super::basic::{ALICE, Basic, continued, error, log_in, login_again};
use crate::oauth::support::{Program, answer, hidden, parameter};

/// Somebody who is not logged in comes with this wish to the login page, and gets through.
async fn signs_in_from_the_login_page(wish: (&str, &str)) -> Basic {
    let mut basic = Basic::signed_in().await.0;
    basic.alice = basic.site.guest();
    let login_page = basic.alice.get(&basic.request(&[wish])).await.redirect();
    let resumed = log_in(&basic.alice, &login_page).await;
    basic.finish(&continued(&basic.alice.get(&resumed).await.status(200))).await;
    basic
}

#[tokio::test]
async fn oidcc_display_page_is_what_everybody_gets() {
    signs_in_from_the_login_page(("display", "page")).await;
}

#[tokio::test]
async fn oidcc_display_popup_gets_the_same_page() {
    signs_in_from_the_login_page(("display", "popup")).await;
}

#[tokio::test]
async fn oidcc_ui_locales_that_are_not_spoken_here_do_no_harm() {
    let basic = signs_in_from_the_login_page(("ui_locales", "se fr-CH")).await;
    let metadata = basic.site.guest().get("/.well-known/openid-configuration").await.status(200).json();
    assert_eq!(metadata["ui_locales_supported"], json!(["en", "de"]));
}

#[tokio::test]
async fn oidcc_login_hint_fills_in_the_login_page_as_text() {
    let basic = signs_in_from_the_login_page(("login_hint", ALICE)).await;
    let guest = basic.site.guest();
    let login = guest.get(&basic.request(&[("login_hint", ALICE)])).await.redirect();
    assert_eq!(usr_field(&guest.get(&login).await.status(200).body), ALICE);
    let login = guest.get(&basic.request(&[("login_hint", "\"><b>alice@example.com")])).await.redirect();
    let page = guest.get(&login).await.status(200);
    assert!(page.body.contains("&lt;b&gt;alice@example.com\"") && !page.body.contains("<b>alice"), "{}", page.body);
}

/// What the field for the name holds.
fn usr_field(page: &str) -> String {
    let rest = page.split_once("name=\"usr\"").expect("a field for the name").1;
    rest.split_once("value=\"").unwrap().1.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn oidcc_ensure_request_with_acr_values_succeeds_and_the_id_token_has_one_of_them() {
    let basic = Basic::new().await;
    let metadata = basic.site.guest().get("/.well-known/openid-configuration").await.status(200).json();
    assert_eq!(metadata["acr_values_supported"], json!(["1", "2"]));
    let signed_in = basic.sign_in(&[("acr_values", "1 2")]).await;
    assert_eq!(signed_in.claims.text("acr"), Some("1"));
}

#[tokio::test]
async fn oidcc_ensure_request_with_unknown_parameter_succeeds_all_the_same() {
    Basic::new().await.sign_in(&[("extra", "foobar")]).await;
}

#[tokio::test]
async fn oidcc_prompt_none_not_logged_in_is_told_so() {
    let basic = Basic::new().await;
    let state = "state ".repeat(21) + "ok";
    let request = [("prompt", "none"), ("state", &*state)];
    let answered = basic.site.guest().get(&basic.request(&request)).await.redirect();
    assert_eq!(parameter(&answered, "error").as_deref(), Some("login_required"));
    assert_eq!(parameter(&answered, "state"), Some(state));
    assert!(parameter(&answered, "code").is_none());
}

#[tokio::test]
async fn oidcc_prompt_none_logged_in_gets_a_code_without_a_page() {
    let basic = Basic::new().await;
    let answered = basic.alice.get(&basic.request(&[("prompt", "none")])).await.redirect();
    assert_eq!(error(&answered), "consent_required", "nobody has allowed it yet");
    let (basic, first) = Basic::signed_in().await;
    basic.site.clock.advance(Duration::seconds(2));
    let answered = basic.alice.get(&basic.request(&[("prompt", "none")])).await.redirect();
    let second = basic.finish(&answered).await;
    for same in ["sub", "auth_time", "sid"] {
        assert_eq!(first.claims.0[same], second.claims.0[same], "{same}");
    }
}

#[tokio::test]
async fn oidcc_prompt_login_asks_for_the_password_although_a_session_is_there() {
    let (basic, first) = Basic::signed_in().await;
    let again = log_in_again(&basic, ("prompt", "login")).await;
    assert!(again.seconds("auth_time") > first.claims.seconds("auth_time"));
    assert_eq!(again.text("sub"), first.claims.text("sub"));
}

#[tokio::test]
async fn oidcc_max_age_1_asks_again_when_the_login_is_older() {
    let (basic, first) = Basic::signed_in().await;
    basic.site.clock.advance(Duration::seconds(2));
    let answered = basic.alice.get(&basic.request(&[("max_age", "1"), ("prompt", "none")])).await.redirect();
    assert_eq!(error(&answered), "login_required");
    let again = log_in_again(&basic, ("max_age", "1")).await;
    assert!(again.seconds("auth_time") > first.claims.seconds("auth_time"));
    assert!(basic.site.clock.now().timestamp() - again.seconds("auth_time").unwrap() <= 2);
}

/// Logs in once more because of this wish; the claims of the id token.
async fn log_in_again(basic: &Basic, wish: (&str, &str)) -> Claims {
    basic.site.clock.advance(Duration::seconds(2));
    let back = basic.alice.get(&basic.request(&[wish])).await.redirect();
    let page = basic.alice.get(&back).await.status(200);
    let resumed = log_in(&basic.alice, &login_again(&page)).await;
    // No further question.
    basic.finish(&continued(&basic.alice.get(&resumed).await.status(200))).await.claims
}

#[tokio::test]
async fn oidcc_max_age_10000_goes_on_with_the_login_and_tells_its_time() {
    let (basic, _) = Basic::signed_in().await;
    let first = basic.sign_in(&[("max_age", "15000")]).await;
    basic.site.clock.advance(Duration::seconds(5));
    let answered = basic.alice.get(&basic.request(&[("max_age", "10000")])).await.redirect();
    let second = basic.finish(&answered).await;
    assert!(first.claims.seconds("auth_time").is_some());
    for same in ["sub", "auth_time"] {
        assert_eq!(first.claims.0[same], second.claims.0[same], "{same}");
    }
}

#[tokio::test]
async fn oidcc_id_token_hint_brings_the_same_person_back() {
    let (basic, first) = Basic::signed_in().await;
    // A hint may have expired.
    basic.site.clock.advance(Duration::hours(2));
    let hint = first.tokens["id_token"].as_str().unwrap();
    let request = [("prompt", "none"), ("id_token_hint", hint)];
    let answered = basic.alice.get(&basic.request(&request)).await.redirect();
    let second = basic.finish(&answered).await;
    for same in ["sub", "auth_time"] {
        assert_eq!(first.claims.0[same], second.claims.0[same], "{same}");
    }
    let bob = basic.site.user("bob@example.com", &[]).await;
    assert_eq!(error(&bob.get(&basic.request(&request)).await.redirect()), "login_required");
    let other = Program::new(&basic.site, json!({})).await;
    for (program, hint) in [(&other, hint), (&basic.program, "nonsense")] {
        let request = [("prompt", "none"), ("id_token_hint", hint)];
        let answered = basic.alice.get(&program.authorize_uri(&request)).await.redirect();
        assert_eq!(error(&answered), "invalid_request");
    }
}

#[tokio::test]
async fn select_account_shows_who_is_logged_in_and_lets_them_go_on() {
    let (basic, _) = Basic::signed_in().await;
    let back = basic.alice.get(&basic.request(&[("prompt", "select_account")])).await.redirect();
    let page = basic.alice.get(&back).await.status(200);
    assert!(page.body.contains(ALICE) && page.body.contains("Use another account"));
    assert_eq!(hidden(&page.body, "request_id").len(), 43);
    basic.finish(&answer(&basic.alice, &page, "allow").await.redirect()).await;
}
