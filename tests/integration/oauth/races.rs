//! Many at once, on several threads: what works once works once.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::support::{Program, answer, bearer, parameter};
use crate::support::TestSite;
use crate::support::client::Response;

const ALICE: &str = "alice@example.com";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";
const MANY: usize = 100;

/// Does the same many times at once.
async fn at_once<F: Future<Output = Response> + Send + 'static>(make: impl Fn(usize) -> F) -> Vec<Response> {
    let running: Vec<_> = (0..MANY).map(|n| tokio::spawn(make(n))).collect();
    let mut answers = Vec::with_capacity(MANY);
    for one in running {
        answers.push(one.await.unwrap());
    }
    answers
}

/// The successes; everything else has to be this refusal.
fn successes(answers: Vec<Response>, status: u16, code: &str) -> Vec<Json> {
    let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    for answer in bad {
        answer.oauth_error(status, code);
    }
    good.iter().map(Response::json).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_redemptions_of_one_code_at_once_give_exactly_one_success() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Arc::new(Program::public(&site).await);
    let code = program.code(&alice).await;
    let answers = at_once(|_| {
        let (program, code) = (Arc::clone(&program), code.clone());
        async move { program.exchange(&code).await }
    });
    let good = successes(answers.await, 400, "invalid_grant");
    assert_eq!(good.len(), 1);
    assert_eq!(site.db_names("OAuth Bearer Token", json!({})).await.len(), 1);
    // Ninety-nine others had the code: nobody knows who is the right one, so it ends for all.
    bearer(&site, &good[0]).get(WHO).await.error(401, "AuthenticationError");
    assert!(!site.db_names("Security Event", json!({"event": "Authorization Code Reused"})).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_renewals_with_one_token_at_once_give_exactly_one_success() {
    let site = TestSite::new().await;
    site.db_update("OAuth Settings", "OAuth Settings", json!({"refresh_replay_grace_seconds": 0})).await;
    let alice = site.user(ALICE, &[]).await;
    let program = Arc::new(Program::public(&site).await);
    let token = program.tokens(&alice).await["refresh_token"].as_str().unwrap().to_owned();
    let answers = at_once(|_| {
        let (program, token) = (Arc::clone(&program), token.clone());
        async move { program.refresh(&token).await }
    });
    let good = successes(answers.await, 400, "invalid_grant");
    assert_eq!(good.len(), 1);
    bearer(&site, &good[0]).get(WHO).await.error(401, "AuthenticationError");
    assert!(site.db_names("OAuth Bearer Token", json!({"status": "Active"})).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_renewals_with_one_token_within_the_grace_give_the_same_pair_to_all() {
    let site = TestSite::new().await;
    site.db_update("OAuth Settings", "OAuth Settings", json!({"refresh_replay_grace_seconds": 60})).await;
    let alice = site.user(ALICE, &[]).await;
    let program = Arc::new(Program::public(&site).await);
    let token = program.tokens(&alice).await["refresh_token"].as_str().unwrap().to_owned();
    let answers = at_once(|_| {
        let (program, token) = (Arc::clone(&program), token.clone());
        async move { program.refresh(&token).await }
    });
    let good = successes(answers.await, 400, "invalid_grant");
    assert_eq!(good.len(), MANY);
    assert_eq!(site.db_names("OAuth Bearer Token", json!({"status": "Active"})).await.len(), 1);
    for tokens in &good {
        assert_eq!(tokens["refresh_token"], good[0]["refresh_token"]);
        assert_eq!(tokens["access_token"], good[0]["access_token"]);
    }
    bearer(&site, &good[0]).get(WHO).await.ok();
    program.refresh(good[0]["refresh_token"].as_str().unwrap()).await.status(200);
    assert!(site.db_names("Security Event", json!({"event": "Refresh Token Reused"})).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_consent_page_that_is_sent_a_hundred_times_is_answered_once() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let page = alice.get(&program.authorize_uri(&[])).await.redirect();
    let page = Arc::new(alice.get(&page).await.status(200));
    let answers = at_once(|n| {
        let (alice, page) = (alice.clone(), Arc::clone(&page));
        let decision = if n % 2 == 0 { "allow" } else { "deny" };
        async move { answer(&alice, &page, decision).await }
    });
    let mut went = Vec::new();
    for answer in answers.await {
        match answer.status.as_u16() {
            303 => went.push(answer.redirect()),
            _ => drop(answer.status(400)),
        }
    }
    assert_eq!(went.len(), 1, "{went:?}");
    let codes = site.db_names("OAuth Authorization Code", json!({})).await.len();
    assert_eq!(codes, usize::from(parameter(&went[0], "code").is_some()));
}
