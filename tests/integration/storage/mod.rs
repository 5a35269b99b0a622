//! What the database does when it cannot: nothing that was answered is lost, and whoever asks is told what to do.

mod blocked;
mod data_folder;
mod parts_of_texts;
mod postgres;
mod round_trips;
mod silence;
mod statistics;
mod transactions;
mod words;

use std::time::{Duration, Instant};

use doctyped::testing::config::Hidden;
use serde_json::{Value as Json, json};

use crate::support::{Client, TestSite};

/// A DocType that everybody may use.
const NOTE: &str = "name: Storage Note
module: Test
autoname: field:title
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, unique: true }
  - { fieldname: text, fieldtype: Long Text, label: Text }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

/// Another one.
const PAGE: &str = "name: Storage Page
module: Test
autoname: field:title
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

async fn site() -> TestSite {
    TestSite::new().with_doctype(NOTE).with_doctype(PAGE).await
}

/// The same on a database at a URL.
async fn site_at(url: String) -> TestSite {
    let at = move |config: &mut doctyped::testing::config::Config| config.database_url = Hidden::new(&url);
    TestSite::new().with_doctype(NOTE).with_doctype(PAGE).with_config(at).await
}

/// Waits until a site says that it can serve.
async fn until_ready(site: &TestSite) {
    let began = Instant::now();
    loop {
        let answer = site.guest().get("/health/ready").await;
        if answer.status == 200 {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{}", answer.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn create(client: &Client, doctype: &str, title: &str) -> crate::support::client::Response {
    client.create(doctype, json!({"title": title})).await
}

/// The names that the database itself has.
async fn stored(site: &TestSite) -> Vec<String> {
    site.database().ask("SELECT name FROM \"tabStorage Note\" ORDER BY name").await
}

/// A refusal that says when to come back.
#[track_caller]
fn later(answer: crate::support::client::Response, status: u16) -> Json {
    assert!(!answer.header("retry-after").is_empty(), "{} {}", answer.status, answer.body);
    answer.error(status, "SessionStopped")
}
