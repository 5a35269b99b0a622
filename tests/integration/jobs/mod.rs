//! Background jobs: what is put into the queue with a document runs, at least once, and what it commits with itself once.

mod backup;
mod kills;
mod queue;
mod retention;
mod schedule;
mod steering;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use doctyped::testing::document::{Documents, Work};
use doctyped::testing::error::{Error, Result};
use doctyped::testing::jobs::NewJob;
use doctyped::testing::permissions::Session;
use doctyped::testing::web::{JobKind, RunningJob, Site};
use serde_json::{Map, Value as Json, json};

use crate::support::TestSite;

/// How long a test waits for what comes within a moment: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// What jobs of the tests leave behind.
pub const EFFECT: &str = "name: Job Effect
module: Test
autoname: hash
fields:
  - { fieldname: title, fieldtype: Data, label: Title, search_index: true }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";

/// Waits until something holds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Adds an effect named after the argument `title`, within a transaction.
async fn add_effect(work: &mut Work<'_>, job: &RunningJob) -> Result<()> {
    let mut effect = work.new_document("Job Effect")?;
    effect.set("title", job.arguments()?["title"].as_str().unwrap_or_default());
    work.insert(effect).await.map(drop)
}

/// A job that leaves an effect in the transaction that ends it.
fn once() -> JobKind {
    JobKind::new("leave an effect", async |site: Site, job: RunningJob| {
        let mut work = site.documents.begin(&Session::system()).await?;
        add_effect(&mut work, &job).await?;
        // Whatever strikes here finds it half done.
        tokio::time::sleep(Duration::from_millis(2)).await;
        job.finish_in(&mut work, "left").await?;
        work.commit().await?;
        Ok(String::new())
    })
}

/// A job that fails, and how often it has run.
fn failing(attempts: i64) -> (JobKind, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let kind = JobKind::new("fail", move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Err(Error::Unavailable("The printer is out of paper".to_owned())) }
    });
    (kind.attempts(attempts), runs)
}

fn arguments(title: &str) -> Map<String, Json> {
    json!({"title": title}).as_object().unwrap().clone()
}

/// Puts a job into the queue, in a transaction of its own; its name, unless one with its id was there.
async fn enqueue(documents: &Documents, job: NewJob) -> Option<String> {
    let mut work = documents.begin(&Session::system()).await.unwrap();
    let name = work.enqueue(job).await.unwrap();
    work.commit().await.unwrap();
    name
}

async fn effects(site: &TestSite) -> Vec<String> {
    let request =
        doctyped::testing::document::ListRequest::new("Job Effect").fields(&["title"]).order_by("title asc").all();
    let list = site.documents().list(&Session::system(), &request).await.unwrap();
    (0..list.rows.len()).map(|row| list.text(row, "title").to_owned()).collect()
}

/// What is stored of a job.
async fn job(site: &TestSite, name: &str) -> Json {
    let job = site.documents().get(&Session::system(), "Background Job", name).await.unwrap();
    Json::Object(site.documents().to_json(&Session::system(), &job))
}
