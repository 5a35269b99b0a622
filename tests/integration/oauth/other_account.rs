//! A program that names the person it expects (`id_token_hint`), and somebody else who is logged in.

use chrono::Duration;
use serde_json::json;

use super::end_session::subject;
use super::oidcc::basic::{ALICE, Basic, SignedIn, continued, error, log_in_as};
use super::support::{Program, answer, hidden, signed_by_site};
use crate::support::client::Response;
use crate::support::{Client, PASSWORD};

const BOB: &str = "bob@example.com";
/// What somebody sees who was never in the same browser as Alice.
const MASKED: &str = "<strong>a•••@example.com</strong>";

/// The address of a request that expects Alice.
fn request(basic: &Basic, first: &SignedIn, wish: &[(&str, &str)]) -> String {
    let mut changes = vec![("id_token_hint", first.tokens["id_token"].as_str().unwrap())];
    changes.extend(wish);
    basic.request(&changes)
}

/// The page that somebody else sees.
async fn page(basic: &Basic, first: &SignedIn, person: &Client, wish: &[(&str, &str)]) -> Response {
    let back = person.get(&request(basic, first, wish)).await.redirect();
    let page = person.get(&back).await.status(200);
    assert!(page.body.contains("Another account is expected"), "{}", page.body);
    page
}

/// The login page to which its button leads.
fn other_account(page: &Response) -> String {
    let fields = ["redirect-to", "prompt"].map(|name| (name, hidden(&page.body, name)));
    format!("/login?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
}

#[tokio::test]
async fn somebody_else_reads_whom_the_program_expects_and_no_more_than_that() {
    let (basic, first) = Basic::signed_in().await;
    let bob = basic.site.user(BOB, &[]).await;
    let page = page(&basic, &first, &bob, &[]).await;
    for said in ["<strong>Planner</strong>", MASKED, "<strong>bob</strong>", BOB] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    assert!(!page.body.contains(ALICE), "{}", page.body);
    assert!(page.header("content-security-policy").contains("form-action 'self' https://app.example"));
    assert_eq!(page.header("cache-control"), "no-store");
}

#[tokio::test]
async fn the_expected_person_logs_in_there_and_the_program_gets_its_answer() {
    let (basic, first) = Basic::signed_in().await;
    let bob = basic.site.user(BOB, &[]).await;
    let page = page(&basic, &first, &bob, &[]).await;
    let back = log_in_as(&bob, &other_account(&page), ALICE, PASSWORD).await.redirect();
    let second = basic.finish(&continued(&bob.get(&back).await.status(200))).await;
    assert_eq!(second.claims.text("sub"), first.claims.text("sub"));
    // Bob's session has ended, since it was his browser.
    assert_eq!(bob.logged_user().await, ALICE);
}

#[tokio::test]
async fn who_is_somebody_else_again_sees_the_page_again() {
    let (basic, first) = Basic::signed_in().await;
    basic.site.db_user("carol@example.com", json!({})).await;
    let bob = basic.site.user(BOB, &[]).await;
    let shown = page(&basic, &first, &bob, &[]).await;
    let back = log_in_as(&bob, &other_account(&shown), "carol@example.com", PASSWORD).await.redirect();
    let shown = bob.get(&back).await.status(200);
    assert!(shown.body.contains("Another account is expected") && shown.body.contains("carol@example.com"));
}

#[tokio::test]
async fn a_browser_in_which_the_expected_person_was_before_writes_the_account_out() {
    let (basic, first) = Basic::signed_in().await;
    basic.site.db_user(BOB, json!({})).await;
    let login = "/login?prompt=select_account";
    log_in_as(&basic.alice, login, BOB, PASSWORD).await.redirect();
    let shown = page(&basic, &first, &basic.alice, &[]).await;
    assert!(shown.body.contains(&format!("<strong>{ALICE}</strong>")), "{}", shown.body);
    assert_eq!(hidden(&shown.body, "login_hint"), ALICE, "and fills in the login page");
    // In another browser of Bob's nobody knows her.
    let elsewhere = basic.site.guest();
    elsewhere.log_in(BOB, PASSWORD).await.ok();
    assert!(page(&basic, &first, &elsewhere, &[]).await.body.contains(MASKED));
}

#[tokio::test]
async fn who_goes_back_brings_login_required_to_the_program_once() {
    let (basic, first) = Basic::signed_in().await;
    let bob = basic.site.user(BOB, &[]).await;
    let shown = page(&basic, &first, &bob, &[]).await;
    assert_eq!(error(&answer(&bob, &shown, "back").await.redirect()), "login_required");
    answer(&bob, &shown, "back").await.status(400);
    assert_eq!(bob.logged_user().await, BOB);
}

#[tokio::test]
async fn without_a_page_the_program_is_told_login_required() {
    let (basic, first) = Basic::signed_in().await;
    let bob = basic.site.user(BOB, &[]).await;
    let to = bob.get(&request(&basic, &first, &[("prompt", "none")])).await.redirect();
    assert_eq!(error(&to), "login_required");
}

#[tokio::test]
async fn somebody_else_cannot_allow_what_was_asked_of_the_expected_person() {
    let (basic, first) = Basic::signed_in().await;
    let bob = basic.site.user(BOB, &[]).await;
    let shown = page(&basic, &first, &bob, &[("prompt", "consent")]).await;
    let refused = answer(&bob, &shown, "allow").await.status(400);
    assert_eq!(refused.header("location"), "");
    assert!(basic.site.db_names("OAuth Authorization Code", json!({"user": BOB})).await.is_empty());
}

#[tokio::test]
async fn that_somebody_else_has_none_of_the_roles_of_the_program_does_not_matter() {
    let (mut basic, _) = Basic::signed_in().await;
    let alice = basic.site.user("manager@example.com", &["System Manager"]).await;
    basic.program =
        Program::new(&basic.site, json!({"allowed_roles": [{"role": "System Manager"}], "require_pkce": 0})).await;
    basic.alice = alice;
    let first = basic.sign_in(&[]).await;
    let bob = basic.site.user(BOB, &[]).await;
    assert!(page(&basic, &first, &bob, &[]).await.body.contains("m•••@example.com"));
}

#[tokio::test]
async fn a_person_who_is_not_here_any_more_is_not_named() {
    let (basic, first) = Basic::signed_in().await;
    let bob = basic.site.user(BOB, &[]).await;
    let system = doctyped::testing::permissions::Session::system();
    basic.site.documents().delete(&system, "User", ALICE).await.unwrap();
    assert!(page(&basic, &first, &bob, &[]).await.body.contains("an account that is not here any more"));
}

#[tokio::test]
async fn only_an_id_token_is_a_hint() {
    let (basic, _) = Basic::signed_in().await;
    let now = basic.site.clock.now() + Duration::hours(1);
    let claims = json!({
        "iss": basic.site.documents().site_url(), "aud": basic.program.id, "client_id": basic.program.id,
        "sub": subject(&basic.site, ALICE).await, "exp": now.timestamp(),
    });
    for (typ, accepted) in [("JWT", true), ("at+jwt", false), ("logout+jwt", false)] {
        let hint = signed_by_site(&basic.site, typ, &claims).await;
        let to = basic.alice.get(&basic.request(&[("prompt", "none"), ("id_token_hint", &hint)])).await.redirect();
        assert_eq!(to.contains("code="), accepted, "{typ}: {to}");
        if !accepted {
            assert_eq!(error(&to), "invalid_request");
        }
    }
}
