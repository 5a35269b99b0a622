//! `kill -9` of a process that works on jobs: nothing is lost, and what a job commits with itself is there once.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use chrono::Duration;
use doctyped::testing::jobs::{NewJob, run, run_due};
use doctyped::testing::load::Source;
use serde_json::json;
use tokio::sync::watch;

use super::{EFFECT, arguments, effects, enqueue, once, until};
use crate::support::TestSite;
use crate::support::site::open;

const DATABASE: &str = "DOCTYPED_TEST_WORKER_DATABASE";
const FOLDER: &str = "DOCTYPED_TEST_WORKER_FOLDER";
const JOBS: usize = 200;
const KILLS: usize = 4;

/// Not a test: the process that the test below kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a process of its own"]
async fn worker_process() {
    let (Ok(url), Ok(folder)) = (std::env::var(DATABASE), std::env::var(FOLDER)) else { return };
    let sources = vec![Source { path: "test/1.yaml".to_owned(), text: EFFECT.to_owned() }];
    let site = open(&url, &PathBuf::from(folder), sources, vec![once()]).await;
    let (_go_on, stopped) = watch::channel(false);
    run(site, stopped).await.unwrap();
}

fn start(site: &TestSite) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "jobs::kills::worker_process", "--ignored"])
        .env(DATABASE, &site.database().url)
        .env(FOLDER, site.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_killed_process_loses_and_doubles_nothing() {
    let site = TestSite::new().with_doctype(EFFECT).with_job(once()).await;
    let titles: Vec<String> = (1000..1000 + JOBS).map(|number| number.to_string()).collect();
    for title in &titles {
        enqueue(site.documents(), NewJob::new("leave an effect").arguments(arguments(title))).await;
    }
    for kill in 1..=KILLS {
        let mut worker = start(&site);
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
