//! The process dies without warning: what was answered holds, and what was not is whole or did not happen.

use std::sync::Arc;

use serde_json::json;

use super::support::{Program, parameter};
use crate::support::{Client, PASSWORD, ServerProcess};

const ALICE: &str = "alice@example.com";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";
const AT_ONCE: usize = 20;
const ROUNDS: usize = 3;

/// A server with a program that alice has allowed, so that she need not be asked again.
async fn start() -> (ServerProcess, Client, Program) {
    let server = ServerProcess::start(&[]).await;
    let administrator = server.administrator().await;
    let alice = json!({"email": ALICE, "first_name": "Alice", "new_password": PASSWORD});
    administrator.create("User", alice).await.ok();
    let settings = json!({"skip_authorization": 1, "authorization_code_lifetime": 600});
    administrator.update("OAuth Settings", "OAuth Settings", settings).await.ok();
    let values = json!({"allow_client_credentials": 1, "user": ALICE});
    let program = Program::made_by(&administrator, server.guest(), values).await;
    let alice = server.guest();
    alice.log_in(ALICE, PASSWORD).await.ok();
    program.code(&alice).await;
    (server, alice, program)
}

/// A code without a page in between.
async fn code(program: &Program, alice: &Client) -> String {
    parameter(&alice.get(&program.authorize_uri(&[])).await.redirect(), "code").unwrap()
}

fn with_token(server: &ServerProcess, tokens: &serde_json::Value) -> Client {
    let token = tokens["access_token"].as_str().unwrap();
    server.guest().with_header("authorization", &format!("Bearer {token}"))
}

#[tokio::test]
async fn a_token_that_was_answered_is_valid_after_the_process_was_killed() {
    let (mut server, alice, program) = start().await;
    let code = code(&program, &alice).await;
    let tokens = program.exchange(&code).await;
    server.kill();
    let tokens = tokens.status(200).json();
    server.start_again().await;
    assert_eq!(with_token(&server, &tokens).logged_user().await, ALICE);

    let renewed = program.refresh(tokens["refresh_token"].as_str().unwrap()).await;
    server.kill();
    let renewed = renewed.status(200).json();
    server.start_again().await;
    assert_eq!(with_token(&server, &renewed).logged_user().await, ALICE);

    let own = program.post("get_token", &[("grant_type", "client_credentials")]).await.status(200).json();
    let revoked = program.post("revoke_token", &[("token", renewed["refresh_token"].as_str().unwrap())]).await;
    server.kill();
    revoked.status(200);
    server.start_again().await;
    assert_eq!(with_token(&server, &own).logged_user().await, ALICE);
    with_token(&server, &renewed).get(WHO).await.error(401, "AuthenticationError");
    program.exchange(&code).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_code_is_unused_or_wholly_used_when_the_process_is_killed_while_it_works() {
    let (mut server, alice, program) = start().await;
    let program = Arc::new(program);
    for _ in 0..ROUNDS {
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (program, code) = (Arc::clone(&program), code(&program, &alice).await);
            running.spawn(async move {
                // The connection may break: that panics, and there is no answer.
                let trying = tokio::spawn({
                    let (program, code) = (Arc::clone(&program), code.clone());
                    async move { program.exchange(&code).await }
                });
                (code, trying.await.ok().map(|answer| answer.status(200).json()))
            });
        }
        // With the first answer it ends; the others are under way.
        let mut ended = vec![running.join_next().await.unwrap().unwrap()];
        server.kill();
        while let Some(one) = running.join_next().await {
            ended.push(one.unwrap());
        }
        server.start_again().await;

        let halves = "SELECT c.name FROM \"tabOAuth Authorization Code\" c WHERE (c.validity = 'Valid') = \
                      EXISTS (SELECT 1 FROM \"tabOAuth Bearer Token\" t WHERE t.family = c.family)";
        let halves = server.database.ask(halves).await;
        assert!(halves.is_empty(), "half used: {halves:?}");

        let mut answered = 0;
        for (code, tokens) in ended {
            match tokens {
                Some(tokens) => {
                    assert_eq!(with_token(&server, &tokens).logged_user().await, ALICE);
                    answered += 1;
                }
                // Used, so that its tokens end now; or unused, so that it works.
                None => match program.exchange(&code).await {
                    good if good.status == 200 => drop(good),
                    used => drop(used.oauth_error(400, "invalid_grant")),
                },
            }
        }
        assert!(answered >= 1);
    }
}
