//! An import ends anywhere, by a kill or because somebody stops it, and goes on where it was.

use std::fmt::Write as _;

use chrono::Duration;
use doctyped::testing::jobs::{run, run_due};
use serde_json::json;
use tokio::sync::watch;

use super::{ARTICLE, INSERT, LINE, MAKER, prepare, shop, start, status};
use crate::jobs::until;
use crate::support::{TestSite, worker};

const ROWS: usize = 3_000;
const KILLS: usize = 3;

/// Not a test: the process that the test below kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a process of its own"]
async fn importing_process() {
    worker::work(&[&unnamed(), LINE, MAKER], vec![]).await;
}

/// Articles that get their names by chance, so that one that is written twice is there twice.
fn unnamed() -> String {
    ARTICLE.replace("autoname: Prompt", "autoname: hash")
}

fn file() -> String {
    let mut file = "Title,Part (Lines)\n".to_owned();
    for number in 0..ROWS {
        // Every hundredth is refused.
        let title = if number % 100 == 99 { "x".repeat(200) } else { format!("{number:05}") };
        let _ = write!(file, "{title},wheel\n,bolt\n");
    }
    file
}

#[tokio::test]
async fn a_killed_import_goes_on_and_doubles_nothing() {
    let site = TestSite::new().with_doctype(&unnamed()).with_doctype(LINE).with_doctype(MAKER).await;
    let admin = site.administrator().await;
    let name = prepare(&admin, "Article", INSERT, "a.csv", file().as_bytes(), json!({})).await;
    start(&admin, &name).await.ok();
    let count = async || site.db_names("Data Import Log", json!({"data_import": name})).await.len();
    let mut attempts = 0;
    for kill in 1..=KILLS {
        let mut importer = worker::start(&site, "data_import::resume::importing_process");
        let enough = ROWS * kill / (KILLS + 3);
        until("the import goes on", || async { count().await >= enough }).await;
        importer.kill().unwrap();
        importer.wait().unwrap();
        attempts += 1;
        // The lease of the one that died has to end. Its process reads the time of day, so that the row is moved instead.
        let job = site.db_names("Background Job", json!({"reference_name": name})).await.remove(0);
        site.db_update("Background Job", &job, json!({"lease_until": "2020-01-01 00:00:00"})).await;
    }
    let before = count().await;
    assert!(before < ROWS, "there was something left to do");
    site.clock.advance(Duration::minutes(5));
    run_due(&site.site).await.unwrap();
    let told = status(&admin, &name).await;
    assert_eq!(
        (&told["status"], &told["success"], &told["failed"]),
        (&json!("Partial Success"), &json!(ROWS - ROWS / 100), &json!(ROWS / 100))
    );
    let query = "fields=[\"title\"]&order_by=title&limit_page_length=0";
    let titles: Vec<String> = admin
        .list("Article", query)
        .await
        .ok()
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["title"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> =
        (0..ROWS).filter(|number| number % 100 != 99).map(|number| format!("{number:05}")).collect();
    assert_eq!(titles, expected);
    assert_eq!(site.db_names("Article Line", json!({})).await.len(), 2 * expected.len());
    eprintln!("{ROWS} documents, {attempts} kills, {before} done when the last one came");
}

#[tokio::test]
async fn an_import_is_stopped_and_goes_on() {
    let (site, alice) = shop().await;
    let name = prepare(&alice, "Article", INSERT, "a.csv", b"ID,Title\nA,x\nB,y\n", json!({})).await;
    start(&alice, &name).await.ok();
    start(&alice, &name).await.error(417, "ValidationError");
    alice.remove("Data Import", &name).await.error(417, "ValidationError");
    let stop = json!({"dt": "Data Import", "dn": name, "method": "stop_import"});
    alice.call("run_doc_method", stop.clone()).await.ok();
    assert_eq!(status(&alice, &name).await["status"], "Cancelled");
    run_due(&site.site).await.unwrap();
    assert_eq!(site.db_names("Article", json!({})).await, Vec::<String>::new());
    alice.call("run_doc_method", stop).await.error(417, "ValidationError");
    start(&alice, &name).await.ok();
    run_due(&site.site).await.unwrap();
    assert_eq!(status(&alice, &name).await["status"], "Success");
    assert_eq!(site.db_names("Article", json!({})).await, ["A", "B"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_under_way_is_stopped_behind_the_document_that_it_is_at() {
    let (site, alice) = shop().await;
    let mut rows = "ID,Title\n".to_owned();
    for number in 0..2_000 {
        let _ = writeln!(rows, "N{number:05},x");
    }
    let name = prepare(&alice, "Article", INSERT, "a.csv", rows.as_bytes(), json!({})).await;
    start(&alice, &name).await.ok();
    let (stop, stopped) = watch::channel(false);
    let worker = run(site.site.clone(), stopped);
    until("some are there", || async { site.db_names("Article", json!({})).await.len() > 20 }).await;
    let call = json!({"dt": "Data Import", "dn": name, "method": "stop_import"});
    alice.call("run_doc_method", call).await.ok();
    until("it has stopped", || async { status(&alice, &name).await["status"] == "Cancelled" }).await;
    let count = site.db_names("Article", json!({})).await.len();
    assert!(count < 2_000, "it ran to its end");
    until("its job is over", || async {
        !site.db_names("Background Job", json!({"reference_name": name, "status": "Cancelled"})).await.is_empty()
    })
    .await;
    start(&alice, &name).await.ok();
    until("the rest is there", || async { status(&alice, &name).await["status"] == "Success" }).await;
    assert_eq!(site.db_names("Article", json!({})).await.len(), 2_000);
    stop.send_replace(true);
    worker.await.unwrap();
}
