//! `kill -9` while requests are sent: every change is told at least once, and under one id.

use chrono::Duration;
use doctyped::testing::jobs::run_due;
use serde_json::json;

use super::{ORDER, Told, body, header};
use crate::jobs::until;
use crate::support::worker;

const ORDERS: usize = 60;
const KILLS: usize = 3;

/// Not a test: the process that the test below kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a process of its own"]
async fn worker_process() {
    worker::work(&[ORDER], vec![]).await;
}

#[tokio::test]
async fn no_change_is_lost_when_the_process_that_sends_is_killed() {
    let told = Told::new().await;
    told.answers(wiremock::ResponseTemplate::new(200).set_delay(std::time::Duration::from_millis(20))).await;
    told.hook("A", json!({"webhook_docevent": "after_insert"})).await;
    for number in 0..ORDERS {
        told.administrator.create("Order", json!({"title": format!("{number:03}")})).await.ok();
    }
    for kill in 1..=KILLS {
        let mut worker = worker::start(&told.site, "webhook::kills::worker_process");
        let enough = ORDERS * kill / (KILLS + 2);
        until("the process sends", || async { told.server.received_requests().await.unwrap().len() >= enough }).await;
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    // Those whose process died wait for the end of their lease.
    told.site.clock.advance(Duration::minutes(10));
    run_due(&told.site.site).await.unwrap();
    let sent = told.server.received_requests().await.unwrap();
    let ids: std::collections::BTreeMap<&str, String> =
        sent.iter().map(|request| (header(request, "webhook-id"), body(request)["title"].to_string())).collect();
    let titles: std::collections::BTreeSet<&String> = ids.values().collect();
    assert_eq!((ids.len(), titles.len()), (ORDERS, ORDERS), "each once under its id");
    assert!(sent.len() < ORDERS + KILLS * 8, "only what was under way is sent twice: {}", sent.len());
    assert!(told.log().await.iter().all(|request| request["status"] == "Delivered"));
}
