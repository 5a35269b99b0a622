//! `kill -9` of a process that works on jobs: nothing is lost, and what a job commits with itself is there once.

use chrono::Duration;
use doctyped::testing::jobs::{NewJob, run_due};
use serde_json::json;

use super::{EFFECT, arguments, effects, enqueue, once, until};
use crate::support::{TestSite, worker};

const JOBS: usize = 200;
const KILLS: usize = 4;

/// Not a test: the process that the test below kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a process of its own"]
async fn worker_process() {
    worker::work(&[EFFECT], vec![once()]).await;
}

#[tokio::test]
async fn a_killed_process_loses_and_doubles_nothing() {
    let site = TestSite::new().with_doctype(EFFECT).with_job(once()).await;
    let titles: Vec<String> = (1000..1000 + JOBS).map(|number| number.to_string()).collect();
    for title in &titles {
        enqueue(site.documents(), NewJob::new("leave an effect").arguments(arguments(title))).await;
    }
    for kill in 1..=KILLS {
        let mut worker = worker::start(&site, "jobs::kills::worker_process");
        let enough = JOBS * kill / (KILLS + 2);
        until("the process works", || async { effects(&site).await.len() >= enough }).await;
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    let unfinished =
        site.db_names("Background Job", json!({"method": "leave an effect", "status": "Started"})).await.len();
    assert!(effects(&site).await.len() < JOBS, "there was something left to lose");
    // Those whose process died wait for the end of their lease.
    run_due(&site.site).await.unwrap();
    assert_eq!(effects(&site).await.len(), JOBS - unfinished);
    site.clock.advance(Duration::minutes(2));
    run_due(&site.site).await.unwrap();
    assert_eq!(effects(&site).await, titles);
    assert_eq!(
        site.db_names("Background Job", json!({"method": "leave an effect", "status": "Finished"})).await.len(),
        JOBS
    );
    eprintln!("{JOBS} jobs, {KILLS} kills, {unfinished} under way when their process was killed");
}
