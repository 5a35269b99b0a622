//! How fast a large file goes in and out, and that memory does not grow with it. Not a test: a measurement.
//!
//! `DOCTYPED_MEASURE_ROWS=1000000 cargo test --release --test integration large_files -- --ignored --nocapture`

use std::fmt::Write as _;
use std::time::Instant;

use doctyped::testing::jobs::run_due;
use serde_json::json;

use super::{ARTICLE, INSERT, LINE, MAKER, UPDATE, download, prepare, start, status};
use crate::support::TestSite;

/// The memory of this process in megabytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, for release builds"]
async fn large_files() {
    let rows: usize = std::env::var("DOCTYPED_MEASURE_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(20_000);
    let site = TestSite::new().with_doctype(ARTICLE).with_doctype(LINE).with_doctype(MAKER).await;
    site.db_update("System Settings", "System Settings", json!({"max_file_size": 500})).await;
    site.db_insert("Maker", json!({"maker": "Ace"})).await;
    let admin = site.administrator().await;
    let mut file = "ID,Title,Price,On Sale Since,Kind,Maker,Notes\n".to_owned();
    for number in 0..rows {
        let _ = writeln!(
            file,
            "N{number:08},Article number {number},{}.5,2026-03-31,Audio,Ace,some notes about it",
            number % 1000
        );
    }
    let name = prepare(&admin, "Article", INSERT, "a.csv", file.as_bytes(), json!({})).await;
    drop(file);
    start(&admin, &name).await.ok();
    let told = run(&site).await;
    let inserted = status(&admin, &name).await;
    assert_eq!(inserted["status"], "Success", "{inserted}");
    eprintln!("insert {rows} documents: {told}");
    let began = Instant::now();
    let arguments = json!({"doctype": "Article", "export_records": "all", "file_type": "Excel"});
    let book = download(&admin, arguments).await.status(200).bytes;
    eprintln!("export as XLSX: {:.1} s, {} MB", began.elapsed().as_secs_f64(), book.len() / 1_000_000);
    let name = prepare(&admin, "Article", UPDATE, "a.xlsx", &book, json!({})).await;
    drop(book);
    start(&admin, &name).await.ok();
    let told = run(&site).await;
    assert_eq!(status(&admin, &name).await["status"], "Success");
    eprintln!("import the own XLSX: {told}");
}

/// Runs what waits; how long it took, and the memory before and at most.
async fn run(site: &TestSite) -> String {
    let (tell, mut told) = tokio::sync::watch::channel(false);
    let before = resident();
    let peak = tokio::spawn(async move {
        let mut peak = 0;
        while !*told.borrow() {
            peak = peak.max(resident());
            drop(tokio::time::timeout(std::time::Duration::from_millis(200), told.changed()).await);
        }
        peak
    });
    let began = Instant::now();
    run_due(&site.site).await.unwrap();
    let seconds = began.elapsed().as_secs_f64();
    tell.send_replace(true);
    format!("{seconds:.1} s; memory {before} MB before, {} MB at most", peak.await.unwrap())
}
