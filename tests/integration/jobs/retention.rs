//! Logs are kept as long as Log Settings say.

use chrono::Duration;
use doctyped::testing::jobs::{NewJob, run_due};
use serde_json::{Value as Json, json};

use super::{EFFECT, arguments, enqueue, failing, once};
use crate::support::TestSite;

const CLEAR: &str = "clear old logs";

/// A log of one's own.
const VISITS: &str = "name: Visit
module: Test
document_type: Log
fields:
  - { fieldname: page, fieldtype: Data, label: Page }
permissions:
  - { role: System Manager, read: true, create: true }
";

async fn settings(site: &TestSite) -> Json {
    site.administrator().await.read("Log Settings", "Log Settings").await.ok()["logs_to_clear"].clone()
}

fn days(settings: &Json, doctype: &str) -> Option<i64> {
    settings.as_array().unwrap().iter().find(|row| row["ref_doctype"] == doctype)?["days"].as_i64()
}

#[tokio::test]
async fn old_entries_go_and_what_is_not_listed_stays() {
    let site = TestSite::new().with_doctype(VISITS).with_doctype(EFFECT).await;
    let defaults = settings(&site).await;
    assert_eq!(days(&defaults, "Security Event"), Some(365));
    assert_eq!(days(&defaults, "Scheduled Job Log"), Some(90));
    assert_eq!(days(&defaults, "Version"), None, "changes are kept for ever until somebody says otherwise");
    let administrator = site.administrator().await;
    // More than one step removes.
    for page in 0..230 {
        site.db_insert("Visit", json!({"page": page.to_string()})).await;
    }
    site.db_insert("Security Event", json!({"event": "Login Failed"})).await;
    administrator
        .update(
            "Log Settings",
            "Log Settings",
            json!({"logs_to_clear": [
                {"ref_doctype": "Visit", "days": 7},
                {"ref_doctype": "Security Event", "days": 30},
            ]}),
        )
        .await
        .ok();
    site.clock.advance(Duration::days(8));
    site.db_insert("Visit", json!({"page": "new"})).await;
    assert_eq!(site.run_scheduled(CLEAR).await, "Removed: 230 of Visit");
    assert_eq!(site.db_names("Visit", json!({})).await.len(), 1);
    let events = site.db_names("Security Event", json!({})).await.len();
    site.clock.advance(Duration::days(23));
    assert_eq!(site.run_scheduled(CLEAR).await, format!("Removed: 1 of Visit, {events} of Security Event"));
    assert_eq!(site.run_scheduled(CLEAR).await, "");
    assert!(site.db_names("Deleted Document", json!({"deleted_doctype": "Visit"})).await.is_empty());
    // What administrators have taken out does not come back with a restart.
    let site = site.restart().await;
    assert_eq!(days(&settings(&site).await, "Scheduled Job Log"), None);
}

#[tokio::test]
async fn jobs_that_are_over_go_and_those_that_wait_stay() {
    let (kind, _) = failing(1);
    let site = TestSite::new().with_doctype(EFFECT).with_job(once()).with_job(kind).await;
    enqueue(site.documents(), NewJob::new("fail")).await;
    enqueue(site.documents(), NewJob::new("leave an effect").arguments(arguments("a"))).await;
    run_due(&site.site).await.unwrap();
    let waiting = enqueue(site.documents(), NewJob::new("of a later version")).await.unwrap();
    site.clock.advance(Duration::days(29));
    site.run_scheduled(CLEAR).await;
    assert_eq!(site.db_names("Background Job", json!({"status": ["in", ["Failed", "Finished"]]})).await.len(), 2);
    site.clock.advance(Duration::days(2));
    assert!(site.run_scheduled(CLEAR).await.contains("2 of Background Job"));
    assert_eq!(site.db_names("Background Job", json!({"status": "Queued"})).await, [waiting]);
}

#[tokio::test]
async fn sessions_and_attempts_go_when_they_are_long_over() {
    let site = TestSite::new().await;
    drop(site.administrator().await);
    site.guest().log_in("Administrator", "wrong").await.status(401);
    site.clock.advance(Duration::days(20));
    site.run_scheduled(CLEAR).await;
    assert!(!site.db_names("Session", json!({})).await.is_empty());
    assert!(!site.db_names("Login Attempt", json!({})).await.is_empty());
    site.clock.advance(Duration::days(40));
    site.run_scheduled(CLEAR).await;
    assert!(site.db_names("Session", json!({})).await.is_empty());
    assert!(site.db_names("Login Attempt", json!({})).await.is_empty());
}

#[tokio::test]
async fn only_logs_are_cleared() {
    let site = TestSite::new().with_doctype(EFFECT).await;
    let administrator = site.administrator().await;
    let set =
        async |rows: Json| administrator.update("Log Settings", "Log Settings", json!({"logs_to_clear": rows})).await;
    let refused = set(json!([{"ref_doctype": "User", "days": 30}])).await.error(417, "ValidationError");
    assert!(refused.to_string().contains("User is not a log"), "{refused}");
    set(json!([{"ref_doctype": "Job Effect", "days": 30}])).await.error(417, "ValidationError");
    set(json!([{"ref_doctype": "Version", "days": 0}])).await.error(417, "ValidationError");
    set(json!([{"ref_doctype": "Version", "days": 1}, {"ref_doctype": "Version", "days": 2}]))
        .await
        .error(417, "ValidationError");
    set(json!([{"ref_doctype": "Version", "days": 3650}])).await.ok();
}

#[tokio::test]
async fn a_log_that_is_new_gets_its_days_and_a_line_that_was_removed_stays_away() {
    let site = TestSite::new().await;
    // As settings are that were saved by a program which knew fewer logs, and not which ones.
    let rows = json!([{"ref_doctype": "Version", "days": 50}]);
    site.db_update("Log Settings", "Log Settings", json!({"logs_to_clear": rows, "known_logs": null})).await;
    site.db_insert("Security Event", json!({"event": "Login Failed"})).await;
    let site = site.restart().await;
    let found = settings(&site).await;
    assert_eq!(days(&found, "Version"), Some(50));
    assert_eq!(days(&found, "Webhook Request Log"), Some(30), "nobody can miss an entry of it");
    assert_eq!(days(&found, "Security Event"), None, "somebody may have wanted these for ever");
    let administrator = site.administrator().await;
    administrator.update("Log Settings", "Log Settings", json!({"logs_to_clear": rows})).await.ok();
    assert_eq!(settings(&site.restart().await).await.as_array().unwrap().len(), 1, "nothing comes back");
}
