//! Documents with thousands of child rows: a limit on how many come, work that grows with them and not with their square,
//! and a server that answers everybody else meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::support::{ServerProcess, TestSite};

const SHEET: &str = "name: Sheet
module: Test
track_changes: 1
fields:
  - {fieldname: title, fieldtype: Data}
  - {fieldname: lines, fieldtype: Table, options: Sheet Line}
  - {fieldname: notes, fieldtype: Table, options: Sheet Line}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1}
";
const LINE: &str = "name: Sheet Line
module: Test
istable: 1
fields:
  - {fieldname: item, fieldtype: Data, reqd: 1}
  - {fieldname: amount, fieldtype: Float}
  - {fieldname: user, fieldtype: Link, options: User}
";

fn lines(count: usize) -> Json {
    (0..count).map(|n| json!({"item": format!("Item {n}"), "amount": n, "user": "Administrator"})).collect()
}

async fn site(most: usize) -> TestSite {
    TestSite::new().with_doctype(SHEET).with_doctype(LINE).with_config(move |config| config.limits.rows = most).await
}

#[tokio::test]
async fn more_rows_than_the_limit_are_refused_with_field_count_and_limit() {
    let site = site(30).await;
    let administrator = site.administrator().await;
    let whole = administrator.create("Sheet", json!({"lines": lines(30)})).await.ok();
    let name = whole["name"].as_str().unwrap();
    let uri = format!("/api/resource/Sheet/{name}");
    let refused = |answer: crate::support::client::Response, count: &str| {
        let answer = answer.error(417, "ValidationError").to_string();
        for part in ["Lines", count, "30"] {
            assert!(answer.contains(part), "{part} in {answer}");
        }
    };
    refused(administrator.create("Sheet", json!({"lines": lines(31)})).await, "31");
    refused(administrator.put(&uri, json!({"lines": lines(31)})).await, "31");
    // Both tables count together, in a request and in a document.
    let answer = administrator.put(&uri, json!({"notes": lines(1)})).await.error(417, "ValidationError").to_string();
    assert!(answer.contains("Notes") && answer.contains("31"), "{answer}");
    let patch = administrator.with_header("prefer", "children=patch");
    refused(patch.put(&uri, json!({"lines": [{"item": "One more"}]})).await, "31");
    let form = administrator.get(&uri).await.ok();
    assert_eq!(form["lines"].as_array().unwrap().len(), 30, "nothing was kept of what was refused");
    // Several documents in one request share its limit.
    let many: Vec<Json> = (0..2).map(|_| json!({"doctype": "Sheet", "lines": lines(20)})).collect();
    administrator
        .post("/api/method/frappe.client.insert_many", json!({"docs": many}))
        .await
        .error(417, "ValidationError");
}

#[tokio::test]
async fn a_document_with_more_rows_than_the_limit_is_still_read_changed_and_deleted() {
    let site = site(100).await;
    let name = site.db_insert("Sheet", json!({"title": "Before", "lines": lines(60)})).await;
    let site = site.restart_with(|config| config.limits.rows = 20).await;
    let administrator = site.administrator().await;
    let uri = format!("/api/resource/Sheet/{name}");
    let read = administrator.get(&uri).await.ok();
    assert_eq!(read["lines"].as_array().unwrap().len(), 60);
    administrator.put(&uri, json!({"title": "After"})).await.ok();
    administrator.put(&uri, json!({"lines": read["lines"]})).await.ok();
    administrator.put(&uri, json!({"lines": lines(61)})).await.error(417, "ValidationError");
    let patch = administrator.with_header("prefer", "children=patch");
    let gone = json!({"name": read["lines"][0]["name"], "_delete": true});
    assert_eq!(patch.put(&uri, json!({"lines": [gone]})).await.ok()["lines"].as_array().unwrap().len(), 59);
    administrator.delete(&uri).await.status(202);
}

#[tokio::test]
async fn only_rows_that_changed_are_written() {
    let site = site(1000).await;
    let administrator = site.administrator().await;
    let stored = administrator.create("Sheet", json!({"lines": lines(40)})).await.ok();
    let uri = format!("/api/resource/Sheet/{}", stored["name"].as_str().unwrap());
    let stored = administrator.get(&uri).await.ok();
    let mut rows = stored["lines"].as_array().unwrap().clone();
    rows[7]["item"] = json!("Another");
    rows.remove(39);
    let saved = administrator.put(&uri, json!({"title": "New", "lines": rows})).await.ok();
    assert_ne!(saved["modified"], stored["modified"]);
    let changed: Vec<usize> =
        (0..39).filter(|row| saved["lines"][row]["modified"] != stored["lines"][row]["modified"]).collect();
    assert_eq!(changed, [7]);
    assert_eq!(saved["lines"].as_array().unwrap().len(), 39);
    assert_eq!(site.db_names("Sheet Line", json!({"parent": stored["name"]})).await.len(), 39);
}

#[tokio::test]
async fn a_save_takes_longer_with_the_rows_and_not_with_their_square() {
    let site = site(20_000).await;
    let administrator = site.administrator().await;
    let mut took = Vec::new();
    for count in [1_000, 8_000] {
        let name = site.db_insert("Sheet", json!({"lines": lines(count)})).await;
        let uri = format!("/api/resource/Sheet/{name}");
        let rows = administrator.get(&uri).await.ok()["lines"].clone();
        let mut best = Duration::MAX;
        for title in ["One", "Two", "Three"] {
            let started = Instant::now();
            administrator.put(&uri, json!({"title": title, "lines": rows})).await.ok();
            best = best.min(started.elapsed());
        }
        took.push(best.as_secs_f64());
    }
    // Eight times the rows: linear is 8, quadratic 64.
    assert!(took[1] / took[0] < 32.0, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_busy_requests_do_not_keep_anybody_else_waiting() {
    let site = site(10_000).await;
    let administrator = site.administrator().await;
    let mut uris = Vec::new();
    for _ in 0..2 {
        let name = site.db_insert("Sheet", json!({"lines": lines(10_000)})).await;
        uris.push(format!("/api/resource/Sheet/{name}"));
    }
    let done = Arc::new(AtomicBool::new(false));
    let guest = site.guest();
    let until = Arc::clone(&done);
    // In a task, so that it waits for the threads that the busy ones are on.
    let pinging = tokio::spawn(async move {
        let mut longest = Duration::ZERO;
        while !until.load(Ordering::Relaxed) {
            let started = Instant::now();
            guest.get("/api/method/ping").await.status(200);
            longest = longest.max(started.elapsed());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        longest
    });
    let started = Instant::now();
    let busy: Vec<_> = uris
        .into_iter()
        .map(|uri| {
            let administrator = administrator.clone();
            tokio::spawn(async move { administrator.put(&uri, json!({"lines": lines(10_000)})).await.ok() })
        })
        .collect();
    for one in busy {
        one.await.unwrap();
    }
    let busy_for = started.elapsed();
    done.store(true, Ordering::Relaxed);
    let longest = pinging.await.unwrap();
    assert!(longest < busy_for / 3, "a ping took {longest:?} of {busy_for:?}");
}

#[tokio::test]
async fn a_request_that_takes_too_long_ends_and_leaves_nothing_behind() {
    let site = TestSite::new()
        .with_doctype(SHEET)
        .with_doctype(LINE)
        .with_config(|config| {
            config.limits.rows = 60_000;
            config.request_timeout = Duration::from_secs(1);
        })
        .await;
    let name = site.db_insert("Sheet", json!({"title": "Before"})).await;
    let uri = format!("/api/resource/Sheet/{name}");
    let administrator = site.administrator().await;
    administrator.put(&uri, json!({"title": "After", "lines": lines(60_000)})).await.status(503);
    let after = administrator.get(&uri).await.ok();
    assert_eq!((after["title"].as_str(), after["lines"].as_array().map(Vec::len)), (Some("Before"), Some(0)));
    // The writer is free again.
    administrator.put(&uri, json!({"title": "Later"})).await.ok();
}

#[tokio::test]
async fn a_server_with_a_busy_request_ends_when_it_is_asked_to() {
    let mut server = ServerProcess::start(&[("DOCTYPED_MAX_ROWS", "100000")]).await;
    let administrator = server.administrator().await;
    let emails: Vec<Json> =
        (0..20_000).map(|n| json!({"email_id": format!("a{n}@example.com"), "role": "All"})).collect();
    let busy = tokio::spawn(async move {
        let user = json!({"email": "a@example.com", "first_name": "A", "roles": emails});
        administrator.json(poem::http::Method::POST, "/api/resource/User", user).await.status
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.ask_to_end();
    assert!(server.ended().await.success());
    busy.abort();
}
