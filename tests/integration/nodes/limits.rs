//! What holds for all nodes together: failed logins, and how often something may be asked for in a minute.

use doctyped::testing::permissions::Session;
use serde_json::json;

use super::{ALICE, is_passed_over, site, until};
use crate::oauth::registration_rfc7591::register;
use crate::support::PASSWORD;

#[tokio::test]
async fn failures_at_all_nodes_lock_together() {
    if is_passed_over() {
        return;
    }
    let site = site().await;
    site.db_user(ALICE, json!({})).await;
    let node = site.node().await;
    let clients = [site.guest(), site.guest().at(&node)];
    // Both nodes have found that nothing is counted.
    for client in &clients {
        client.log_in(ALICE, "a wrong password").await.error(401, "AuthenticationError");
    }
    for client in [&clients[0], &clients[1], &clients[0]] {
        client.log_in(ALICE, "a wrong password").await.error(401, "AuthenticationError");
    }
    for client in &clients {
        let client = client.clone();
        until("who guessed is locked", || async { client.log_in(ALICE, PASSWORD).await.status == 429 }).await;
    }
}

#[tokio::test]
async fn failures_that_come_at_once_at_several_nodes_are_all_counted() {
    if is_passed_over() {
        return;
    }
    let site = site().await;
    site.db_user(ALICE, json!({})).await;
    let (b, c) = tokio::join!(site.node(), site.node());
    site.db_update("System Settings", "System Settings", json!({"allow_consecutive_login_attempts": 100})).await;
    let guests = [site.guest(), site.guest().at(&b), site.guest().at(&c)];
    let tries = (0..4).flat_map(|_| guests.iter()).map(|guest| guest.log_in(ALICE, "a wrong password"));
    for answer in futures_util::future::join_all(tries).await {
        answer.error(401, "AuthenticationError");
    }
    let counted = "SELECT failures::text FROM \"tabLogin Attempt\" WHERE kind = 'User'";
    assert_eq!(site.database().ask(counted).await, ["12"]);
}

#[tokio::test]
async fn a_limit_of_requests_a_minute_holds_for_all_nodes_together() {
    if is_passed_over() {
        return;
    }
    let site = site().await;
    let node = site.node().await;
    site.db_update("OAuth Settings", "OAuth Settings", json!({"registration_rate_limit": 3})).await;
    let (here, there) = (site.guest(), site.guest().at(&node));
    let metadata = || json!({"client_name": "Planner", "redirect_uris": ["https://app.example/callback"]});
    until("the other node knows the limit", || async {
        there.get("/api/method/ping").await.status == 200
            && node
                .site
                .documents
                .get(&Session::system(), "OAuth Settings", "OAuth Settings")
                .await
                .unwrap()
                .int("registration_rate_limit")
                == 3
    })
    .await;
    register(&here, metadata()).await.status(201);
    register(&there, metadata()).await.status(201);
    register(&here, metadata()).await.status(201);
    for client in [&here, &there] {
        let refused = register(client, metadata()).await.status(429);
        assert!((1..=61).contains(&refused.header("retry-after").parse::<i64>().unwrap()));
    }
    site.clock.advance(chrono::Duration::seconds(61));
    register(&there, metadata()).await.status(201);
}

#[tokio::test]
async fn the_limit_of_the_api_holds_for_all_nodes_together_though_none_asks_before_it_answers() {
    if is_passed_over() {
        return;
    }
    let limit = 40;
    let site = site().await;
    let node = site.node().await;
    let here = site.administrator().await;
    let there = here.at(&node);
    site.db_update("System Settings", "System Settings", json!({"api_rate_limit": limit})).await;
    let ping = "/api/method/ping";
    until("the other node knows the limit", || async {
        there.get(ping).await.header("x-ratelimit-limit") == limit.to_string()
    })
    .await;
    until("all of it is used up here", || async { here.get(ping).await.status == 429 }).await;
    // The clock stands still, so that no minute ends meanwhile.
    let mut passed = 0;
    until("the other node knows", || {
        let answer = Box::pin(there.get(ping));
        passed += 1;
        async { answer.await.status == 429 }
    })
    .await;
    assert!(passed < limit, "{passed} passed at the other node");
    site.clock.advance(chrono::Duration::seconds(61));
    there.get(ping).await.status(200);
    here.get(ping).await.status(200);
}
