//! What administrators do with jobs: cancel, retry, delete, look; and nobody else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::Duration;
use doctyped::testing::jobs::{NewJob, run, run_due};
use doctyped::testing::web::{JobKind, RunningJob, Site};
use serde_json::{Value as Json, json};
use tokio::sync::{Notify, watch};

use super::{EFFECT, arguments, effects, enqueue, failing, job, once, until};
use crate::desk::send;
use crate::support::client::Response;
use crate::support::{Client, TestSite};

async fn press(client: &Client, name: &str, method: &str) -> Response {
    client.post(&format!("/api/v2/document/Background%20Job/{name}/method/{method}"), json!({})).await
}

/// A job that goes on until it is asked to end.
fn endless() -> (JobKind, Arc<Notify>) {
    let begun = Arc::new(Notify::new());
    let tells = Arc::clone(&begun);
    let kind = JobKind::new("endless", move |_: Site, job: RunningJob| {
        let tells = Arc::clone(&tells);
        async move {
            job.progress(40, "page 2 of 5").await?;
            tells.notify_one();
            job.asked_to_end().await;
            job.check()?;
            Ok(String::new())
        }
    });
    (kind, begun)
}

#[tokio::test]
async fn a_job_that_waits_or_runs_can_be_cancelled() {
    let (kind, begun) = endless();
    let site = TestSite::new().with_doctype(EFFECT).with_job(once()).with_job(kind).await;
    let administrator = site.administrator().await;
    let waiting = enqueue(site.documents(), NewJob::new("leave an effect").arguments(arguments("a"))).await.unwrap();
    press(&administrator, &waiting, "stop_job").await.ok();
    assert_eq!(administrator.read("Background Job", &waiting).await.ok()["status"], "Cancelled");
    let (stop, stopped) = watch::channel(false);
    let worker = run(site.site.clone(), stopped);
    let running = enqueue(site.documents(), NewJob::new("endless")).await.unwrap();
    begun.notified().await;
    let seen = administrator.read("Background Job", &running).await.ok();
    assert_eq!(
        (&seen["status"], &seen["progress"], &seen["progress_message"]),
        (&json!("Started"), &json!(40.0), &json!("page 2 of 5"))
    );
    administrator.remove("Background Job", &running).await.error(417, "ValidationError");
    press(&administrator, &running, "stop_job").await.ok();
    until("the job ended", || async { job(&site, &running).await["status"] == "Cancelled" }).await;
    press(&administrator, &running, "stop_job").await.error(417, "ValidationError");
    administrator.remove("Background Job", &running).await.ok();
    assert!(effects(&site).await.is_empty());
    press(&administrator, &waiting, "retry").await.ok();
    until("what was cancelled runs after all", || async { effects(&site).await == ["a"] }).await;
    stop.send(true).unwrap();
    worker.await.unwrap();
}

#[tokio::test]
async fn a_stop_of_the_server_gives_back_what_is_unfinished() {
    let (kind, begun) = endless();
    let site = TestSite::new().with_job(kind.attempts(1)).await;
    let name = enqueue(site.documents(), NewJob::new("endless")).await.unwrap();
    for attempt in 1..=3 {
        let (stop, stopped) = watch::channel(false);
        let worker = run(site.site.clone(), stopped);
        begun.notified().await;
        stop.send(true).unwrap();
        worker.await.unwrap();
        let given_back = job(&site, &name).await;
        assert_eq!(
            (&given_back["status"], &given_back["attempts"]),
            (&json!("Queued"), &json!(attempt)),
            "{given_back}"
        );
    }
}

#[tokio::test]
async fn what_has_failed_for_good_can_be_tried_again_with_all_its_attempts() {
    let (kind, runs) = failing(2);
    let site = TestSite::new().with_job(kind).await;
    let administrator = site.administrator().await;
    let name = enqueue(site.documents(), NewJob::new("fail").job_id("the one")).await.unwrap();
    for attempts in [2, 4] {
        for _ in 0..2 {
            run_due(&site.site).await.unwrap();
            site.clock.advance(Duration::minutes(1));
        }
        assert_eq!(runs.load(Ordering::SeqCst), attempts);
        assert_eq!(job(&site, &name).await["status"], "Failed");
        if attempts == 2 {
            press(&administrator, &name, "retry").await.ok();
            press(&administrator, &name, "retry").await.error(417, "ValidationError");
        }
    }
    // Not beside another one with the same id.
    let other = enqueue(site.documents(), NewJob::new("fail").job_id("the one")).await.unwrap();
    let refused = press(&administrator, &name, "retry").await.error(417, "ValidationError");
    assert!(refused.to_string().contains("the one waits or runs already"), "{refused}");
    press(&administrator, &other, "stop_job").await.ok();
    press(&administrator, &name, "retry").await.ok();
}

#[tokio::test]
async fn nobody_makes_or_changes_a_job() {
    let site = TestSite::new().with_doctype(EFFECT).with_job(once()).await;
    let name = enqueue(site.documents(), NewJob::new("leave an effect").arguments(arguments("a"))).await.unwrap();
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    manager.create("Background Job", json!({"method": "leave an effect"})).await.error(403, "PermissionError");
    for change in [json!({"arguments": "{}"}), json!({"status": "Finished"}), json!({"user": "Guest"})] {
        manager.update("Background Job", &name, change).await.error(403, "PermissionError");
    }
    let alice = site.user("alice@example.com", &[]).await;
    for refused in [
        alice.read("Background Job", &name).await,
        press(&alice, &name, "stop_job").await,
        alice.remove("Background Job", &name).await,
    ] {
        refused.error(403, "PermissionError");
    }
    let administrator = site.administrator().await;
    let refused = administrator.create("Background Job", json!({"method": "leave an effect"})).await;
    assert_eq!(refused.status, 403, "not even Administrator: {}", refused.body);
}

#[tokio::test]
async fn the_form_of_a_job_has_its_buttons() {
    let site = TestSite::new().with_doctype(EFFECT).with_job(once()).await;
    let name = enqueue(site.documents(), NewJob::new("leave an effect").arguments(arguments("a"))).await.unwrap();
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    let address = format!("/app/background-job/{name}");
    let form = manager.get(&address).await.status(200);
    assert!(form.body.contains("Cancel Job"), "{}", form.body);
    let pressed = send(&manager, &address, &form, &[], "call:stop_job").await.redirect();
    assert_eq!(pressed, address);
    assert_eq!(job(&site, &name).await["status"], Json::from("Cancelled"));
    let form = manager.get(&address).await.status(200).body;
    assert!(form.contains("The job is cancelled") && form.contains("Retry"), "{form}");
}
