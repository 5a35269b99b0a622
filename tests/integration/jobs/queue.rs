//! The queue: with the transaction, once, in order, again after a failure, by another node after a death.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::Duration;
use doctyped::testing::jobs::{NewJob, Queue, run, run_due};
use doctyped::testing::permissions::Session;
use doctyped::testing::web::{JobKind, RunningJob, Site};
use serde_json::json;
use tokio::sync::{Notify, watch};

use super::{EFFECT, add_effect, arguments, effects, enqueue, failing, job, once, until};
use crate::support::TestSite;
use crate::support::database::is_postgres;

#[tokio::test]
async fn a_job_is_there_with_its_transaction_and_not_without() {
    let site = TestSite::new().with_doctype(EFFECT).with_job(once()).await;
    let mut work = site.documents().begin(&Session::system()).await.unwrap();
    assert!(work.enqueue(NewJob::new("leave an effect").arguments(arguments("never"))).await.unwrap().is_some());
    drop(work);
    assert!(site.db_names("Background Job", json!({})).await.is_empty(), "a rollback leaves no job");
    run_due(&site.site).await.unwrap();
    let name =
        enqueue(site.documents(), NewJob::new("leave an effect").arguments(arguments("a")).about("User", "Guest"))
            .await
            .unwrap();
    run_due(&site.site).await.unwrap();
    run_due(&site.site).await.unwrap();
    assert_eq!(effects(&site).await, ["a"]);
    let done = job(&site, &name).await;
    assert_eq!(
        (&done["status"], &done["result"], &done["attempts"], &done["progress"], &done["lease_until"]),
        (&json!("Finished"), &json!("left"), &json!(1), &json!(100.0), &json!(null)),
        "{done}"
    );
    assert_eq!((&done["user"], &done["reference_name"]), (&json!("Administrator"), &json!("Guest")));
}

#[tokio::test]
async fn a_commit_wakes_the_worker_at_once() {
    let site = TestSite::new().with_doctype(EFFECT).with_job(once()).await;
    let (stop, stopped) = watch::channel(false);
    let worker = run(site.site.clone(), stopped);
    for title in ["a", "b", "c"] {
        enqueue(site.documents(), NewJob::new("leave an effect").arguments(arguments(title))).await;
        // The worker looks by itself only every half minute.
        until("the job ran", || async { effects(&site).await.contains(&title.to_owned()) }).await;
    }
    stop.send(true).unwrap();
    worker.await.unwrap();
}

#[tokio::test]
async fn what_fails_is_tried_again_after_growing_pauses_and_then_kept() {
    let (kind, runs) = failing(3);
    let site = TestSite::new().with_job(kind).await;
    let name = enqueue(site.documents(), NewJob::new("fail")).await.unwrap();
    for (attempt, pause) in [(1, 15), (2, 60)] {
        run_due(&site.site).await.unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), attempt);
        let waiting = job(&site, &name).await;
        assert_eq!((&waiting["status"], &waiting["error"]), (&json!("Queued"), &json!("The printer is out of paper")));
        site.clock.advance(Duration::seconds(pause - 2));
        run_due(&site.site).await.unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), attempt, "its pause is not over");
        // By chance up to a quarter longer.
        site.clock.advance(Duration::seconds(pause / 4 + 3));
    }
    run_due(&site.site).await.unwrap();
    site.clock.advance(Duration::days(1));
    run_due(&site.site).await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    let failed = job(&site, &name).await;
    assert_eq!((&failed["status"], &failed["attempts"]), (&json!("Failed"), &json!(3)), "{failed}");
}

#[tokio::test]
async fn a_job_that_panics_has_failed_and_nothing_else_has() {
    let kind = JobKind::new("panic", async |_: Site, _: RunningJob| panic!("on purpose")).attempts(1);
    let site = TestSite::new().with_doctype(EFFECT).with_job(kind).with_job(once()).await;
    let name = enqueue(site.documents(), NewJob::new("panic")).await.unwrap();
    enqueue(site.documents(), NewJob::new("leave an effect").arguments(arguments("a"))).await;
    run_due(&site.site).await.unwrap();
    let failed = job(&site, &name).await;
    assert_eq!(
        (&failed["status"], &failed["error"]),
        (&json!("Failed"), &json!("Internal error: the log of the server says more"))
    );
    assert_eq!(effects(&site).await, ["a"]);
}

#[tokio::test]
async fn short_jobs_go_first_and_later_ones_wait_for_their_time() {
    let kind = JobKind::new("in order", async |site: Site, job: RunningJob| {
        let mut work = site.documents.begin(&Session::system()).await?;
        let count = site.documents.list(&Session::system(), &all_effects()).await?.rows.len();
        let mut effect = work.new_document("Job Effect")?;
        effect.set("title", format!("{count}: {}", job.arguments()?["title"].as_str().unwrap()));
        work.insert(effect).await?;
        job.finish_in(&mut work, "").await?;
        work.commit().await?;
        Ok(String::new())
    });
    let site = TestSite::new().with_doctype(EFFECT).with_job(kind).with_config(|config| config.parallel_jobs = 1).await;
    let put = |title: &str, queue| NewJob::new("in order").arguments(arguments(title)).queue(queue);
    let later = site.clock.now() + Duration::minutes(5);
    enqueue(site.documents(), put("later", Queue::Short).run_after(later)).await;
    enqueue(site.documents(), put("long", Queue::Long)).await;
    enqueue(site.documents(), put("default", Queue::Default)).await;
    enqueue(site.documents(), put("short", Queue::Short)).await;
    run_due(&site.site).await.unwrap();
    assert_eq!(effects(&site).await, ["0: short", "1: default", "2: long"]);
    site.clock.advance(Duration::minutes(6));
    run_due(&site.site).await.unwrap();
    assert_eq!(effects(&site).await.last().unwrap(), "3: later");
}

fn all_effects() -> doctyped::testing::document::ListRequest {
    doctyped::testing::document::ListRequest::new("Job Effect").all()
}

#[tokio::test]
async fn one_job_with_an_id_waits_at_a_time() {
    let site = TestSite::new().with_doctype(EFFECT).with_job(once()).await;
    let put = || NewJob::new("leave an effect").arguments(arguments("a")).job_id("effect of a");
    assert!(enqueue(site.documents(), put()).await.is_some());
    assert!(enqueue(site.documents(), put()).await.is_none(), "one is there");
    run_due(&site.site).await.unwrap();
    assert_eq!(effects(&site).await, ["a"]);
    assert!(enqueue(site.documents(), put()).await.is_some(), "the first one is over");
}

/// A job that waits in the middle of its work until it is let go, the first time it runs.
fn held() -> (JobKind, Arc<Notify>, Arc<Notify>) {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tells, waits) = (Arc::clone(&begun), Arc::clone(&go_on));
    let kind = JobKind::new("held", move |site: Site, job: RunningJob| {
        let (tells, waits) = (Arc::clone(&tells), Arc::clone(&waits));
        async move {
            if job.arguments()?["held"] == json!(true) && job.attempt() == 1 {
                tells.notify_one();
                waits.notified().await;
            }
            let mut work = site.documents.begin(&Session::system()).await?;
            add_effect(&mut work, &job).await?;
            job.finish_in(&mut work, &format!("by attempt {}", job.attempt())).await?;
            work.commit().await?;
            Ok(String::new())
        }
    });
    (kind, begun, go_on)
}

#[tokio::test]
async fn who_has_lost_the_lease_ends_nothing() {
    let (kind, begun, go_on) = held();
    let site = TestSite::new().with_doctype(EFFECT).with_job(kind).await;
    let arguments = json!({"title": "a", "held": true}).as_object().unwrap().clone();
    let name = enqueue(site.documents(), NewJob::new("held").arguments(arguments)).await.unwrap();
    let first = tokio::spawn({
        let site = site.site.clone();
        async move { run_due(&site).await }
    });
    begun.notified().await;
    site.clock.advance(Duration::seconds(50));
    run_due(&site.site).await.unwrap();
    assert_eq!(job(&site, &name).await["attempts"], json!(1), "its lease is not over");
    site.clock.advance(Duration::seconds(20));
    run_due(&site.site).await.unwrap();
    assert_eq!(effects(&site).await, ["a"]);
    go_on.notify_one();
    first.await.unwrap().unwrap();
    assert_eq!(effects(&site).await, ["a"], "what the first attempt did late is undone");
    let done = job(&site, &name).await;
    assert_eq!(
        (&done["status"], &done["result"], &done["attempts"]),
        (&json!("Finished"), &json!("by attempt 2"), &json!(2))
    );
}

#[tokio::test]
async fn a_job_that_ends_its_node_each_time_is_given_up() {
    let (kind, begun, _go_on) = held();
    let site = TestSite::new().with_doctype(EFFECT).with_job(kind.attempts(1)).await;
    let arguments = json!({"title": "a", "held": true}).as_object().unwrap().clone();
    let name = enqueue(site.documents(), NewJob::new("held").arguments(arguments)).await.unwrap();
    let dying = tokio::spawn({
        let site = site.site.clone();
        async move { run_due(&site).await }
    });
    begun.notified().await;
    dying.abort();
    site.clock.advance(Duration::minutes(2));
    run_due(&site.site).await.unwrap();
    let failed = job(&site, &name).await;
    assert_eq!(failed["status"], json!("Failed"), "{failed}");
    assert!(failed["error"].as_str().unwrap().contains("has ended"), "{failed}");
    assert!(effects(&site).await.is_empty());
}

#[tokio::test]
async fn of_two_nodes_one_runs_a_job() {
    if !is_postgres() {
        eprintln!("passed over: nodes share a database of PostgreSQL; see tests/README.md");
        return;
    }
    let site = TestSite::new().with_doctype(EFFECT).with_job(once()).await;
    let node = site.node().await;
    let titles: Vec<String> = (100..160).map(|number| number.to_string()).collect();
    let (stop, stopped) = watch::channel(false);
    let workers = [run(site.site.clone(), stopped.clone()), run(node.site.clone(), stopped)];
    for (index, title) in titles.iter().enumerate() {
        let documents = if index % 2 == 0 { site.documents() } else { &node.site.documents };
        enqueue(documents, NewJob::new("leave an effect").arguments(arguments(title))).await;
    }
    until("all jobs ran", || async { effects(&site).await.len() >= titles.len() }).await;
    let done = json!({"method": "leave an effect", "status": "Finished", "attempts": 1});
    until("all are finished", || async { site.db_names("Background Job", done.clone()).await.len() == titles.len() })
        .await;
    assert_eq!(effects(&site).await, titles);
    stop.send(true).unwrap();
    for worker in workers {
        worker.await.unwrap();
    }
    // A node that runs no worker is heard by one that does.
    let (stop, stopped) = watch::channel(false);
    let worker = run(node.site.clone(), stopped);
    enqueue(site.documents(), NewJob::new("leave an effect").arguments(arguments("999"))).await;
    until("the other node ran it", || async { effects(&site).await.last().unwrap() == "999" }).await;
    stop.send(true).unwrap();
    worker.await.unwrap();
}

#[tokio::test]
async fn what_is_not_known_here_is_left_to_others() {
    let site = TestSite::new().with_doctype(EFFECT).with_job(once()).await;
    let name = enqueue(site.documents(), NewJob::new("of a later version")).await.unwrap();
    run_due(&site.site).await.unwrap();
    assert_eq!(job(&site, &name).await["status"], json!("Queued"));
}

#[tokio::test]
async fn a_job_runs_as_the_user_who_caused_it_as_long_as_there_is_one() {
    let kind = JobKind::new("who am I", async |_: Site, job: RunningJob| Ok(job.session().await?.user().to_owned()))
        .attempts(1);
    let site = TestSite::new().with_job(kind).await;
    site.db_user("alice@example.com", json!({})).await;
    let documents = site.documents();
    let alice = Session::of(documents.access("alice@example.com").await.unwrap().unwrap());
    let mut names = Vec::new();
    for _ in 0..2 {
        let mut work = documents.begin(&alice).await.unwrap();
        names.push(work.enqueue(NewJob::new("who am I")).await.unwrap().unwrap());
        work.commit().await.unwrap();
        run_due(&site.site).await.unwrap();
        site.db_update("User", "alice@example.com", json!({"enabled": 0})).await;
    }
    assert_eq!(job(&site, &names[0]).await["result"], json!("alice@example.com"));
    let refused = job(&site, &names[1]).await;
    assert_eq!(
        (&refused["status"], &refused["error"]),
        (&json!("Failed"), &json!("alice@example.com is disabled or gone"))
    );
}
