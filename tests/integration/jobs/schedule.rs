//! What runs by the clock: when it should, once, and as administrators say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::Duration;
use doctyped::testing::clock::format_datetime;
use doctyped::testing::error::{Error, Result};
use doctyped::testing::jobs::{run_due, schedule_due};
use doctyped::testing::permissions::Session;
use doctyped::testing::web::{JobKind, RunningJob, Site};
use serde_json::{Value as Json, json};

use crate::desk::send;
use crate::support::TestSite;
use crate::support::database::is_postgres;

const TYPE: &str = "Scheduled Job Type";
const METHOD: &str = "count the hours";

/// A job that counts how often it ran, and says so.
fn counting(pattern: &'static str) -> (JobKind, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let kind = JobKind::new(METHOD, move |_: Site, _: RunningJob| {
        let run = counted.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Ok(format!("{run} in all")) }
    });
    (kind.scheduled(pattern), runs)
}

async fn stored(site: &TestSite) -> Json {
    let documents = site.documents();
    let stored = documents.get(&Session::system(), TYPE, METHOD).await.unwrap();
    Json::Object(documents.to_json(&Session::system(), &stored))
}

/// What a server does when its clock has got there.
async fn tick(site: &TestSite, by: Duration) {
    site.clock.advance(by);
    schedule_due(&site.site).await.unwrap();
    run_due(&site.site).await.unwrap();
}

#[tokio::test]
async fn what_is_due_runs_once_and_has_a_next_time() {
    let (kind, runs) = counting("0 * * * *");
    let site = TestSite::new().with_job(kind).await;
    let fresh = stored(&site).await;
    assert_eq!(
        (&fresh["frequency"], &fresh["cron_format"], &fresh["stopped"]),
        (&json!("Hourly"), &json!(null), &json!(0))
    );
    let now = format_datetime(site.clock.now().naive_utc());
    assert!(fresh["next_execution"].as_str().unwrap() > now.as_str(), "{fresh}");
    for run in 1..=3 {
        tick(&site, Duration::hours(1)).await;
        tick(&site, Duration::zero()).await;
        assert_eq!(runs.load(Ordering::SeqCst), run);
    }
    assert!(stored(&site).await["next_execution"].as_str().unwrap() > fresh["next_execution"].as_str().unwrap());
    // What was missed while nothing ran is made up for once.
    tick(&site, Duration::days(2)).await;
    tick(&site, Duration::zero()).await;
    assert_eq!(runs.load(Ordering::SeqCst), 4);
    assert_eq!(site.db_names("Scheduled Job Log", json!({"scheduled_job_type": METHOD})).await.len(), 4);
}

#[tokio::test]
async fn administrators_change_the_schedule_stop_it_and_run_it_now() {
    let (kind, runs) = counting("0 * * * *");
    let site = TestSite::new().with_job(kind).await;
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    let change = async |values: Json| manager.update(TYPE, METHOD, values).await;
    let refused = change(json!({"frequency": "Cron", "cron_format": "61 * * * *"})).await.error(417, "ValidationError");
    assert!(refused.to_string().contains("`61 * * * *` is not a schedule"), "{refused}");
    change(json!({"frequency": "Cron", "cron_format": ""})).await.status(417);
    change(json!({"frequency": "Cron", "cron_format": "*/10 * * * *"})).await.ok();
    tick(&site, Duration::minutes(10)).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    let stopped = change(json!({"stopped": 1, "next_execution": "2020-01-01 00:00:00"})).await.ok();
    assert_eq!(stopped["next_execution"], json!(null));
    tick(&site, Duration::days(1)).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    let address = format!("/app/scheduled-job-type/{}", METHOD.replace(' ', "%20"));
    let form = manager.get(&address).await.status(200);
    send(&manager, &address, &form, &[], "call:execute_event").await.redirect();
    let form = manager.get(&address).await.status(200);
    assert!(form.body.contains("It is in the queue"), "{}", form.body);
    send(&manager, &address, &form, &[], "call:execute_event").await.redirect();
    assert!(manager.get(&address).await.body.contains("It waits or runs already"));
    run_due(&site.site).await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert!(stored(&site).await["next_execution"].is_null(), "it stays stopped");
    change(json!({"method": "something else"})).await.status(417);
    manager.create(TYPE, json!({"method": "new", "frequency": "Daily"})).await.error(403, "PermissionError");
    // What administrators have set outlives a restart.
    let site = site.restart().await;
    let kept = stored(&site).await;
    assert_eq!((&kept["stopped"], &kept["cron_format"]), (&json!(1), &json!("*/10 * * * *")));
}

#[tokio::test]
async fn administrators_see_what_was_done_and_what_failed() {
    let results: [fn() -> Result<String>; 3] = [
        || Ok("3 removed".to_owned()),
        || Ok(String::new()),
        || Err(Error::Unavailable("The disk is full".to_owned())),
    ];
    let turn = AtomicUsize::new(0);
    let kind = JobKind::new("tidy up", move |_: Site, _: RunningJob| {
        let result = results[turn.fetch_add(1, Ordering::SeqCst).min(2)]();
        async move { result }
    });
    let site = TestSite::new().with_job(kind.scheduled("0 0 * * *")).await;
    for said in ["3 removed", "", "The disk is full"] {
        assert_eq!(site.run_scheduled("tidy up").await, said);
    }
    let administrator = site.administrator().await;
    let fields = "fields=[\"scheduled_job_type\",\"status\",\"details\"]&order_by=creation asc";
    let lines = administrator.list("Scheduled Job Log", fields).await.ok();
    let line = |status: &str, details: &str| -> Json {
        json!({"scheduled_job_type": "tidy up", "status": status, "details": details})
    };
    assert_eq!(lines, json!([line("Complete", "3 removed"), line("Failed", "The disk is full")]));
    let jobs = administrator.list("Background Job", "fields=[\"status\"]&order_by=creation asc").await.ok();
    assert_eq!(jobs, json!([{"status": "Finished"}, {"status": "Queued"}]), "one that did nothing leaves no trace");
}

#[tokio::test]
async fn of_several_nodes_one_puts_it_into_the_queue() {
    if !is_postgres() {
        eprintln!("passed over: nodes share a database of PostgreSQL; see tests/README.md");
        return;
    }
    let (kind, runs) = counting("0 * * * *");
    let site = TestSite::new().with_job(kind).await;
    let (second, third) = (site.node().await, site.node().await);
    for run in 1..=5 {
        site.clock.advance(Duration::hours(1));
        let sites = [&site.site, &second.site, &third.site];
        let (a, b, c) = tokio::join!(schedule_due(sites[0]), schedule_due(sites[1]), schedule_due(sites[2]));
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        let (a, b, c) = tokio::join!(run_due(sites[0]), run_due(sites[1]), run_due(sites[2]));
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(runs.load(Ordering::SeqCst), run);
    }
}

#[tokio::test]
async fn everything_that_ran_by_timers_runs_by_the_clock() {
    let site = TestSite::new().await;
    let scheduled = site.db_names(TYPE, json!({"next_execution": ["is", "set"]})).await;
    for method in [
        "back up the site",
        "clean up OAuth Client State",
        "clear old logs",
        "refresh the statistics of the database",
        "remove expired OAuth codes, requests and tokens",
        "remove unused OAuth clients",
        "renew OAuth signing keys",
        "tell OAuth clients about ended sessions",
    ] {
        assert!(scheduled.iter().any(|known| known == method), "{method} is not among {scheduled:?}");
        site.run_scheduled(method).await;
    }
    assert!(site.db_names("Background Job", json!({"status": ["!=", "Finished"]})).await.is_empty());
}
