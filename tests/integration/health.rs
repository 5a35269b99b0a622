//! The health endpoints, with and without a database, and a server that stops.

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::support::TestSite;

#[tokio::test]
async fn a_site_that_serves_is_live_and_ready() {
    let site = TestSite::new().await;
    for uri in ["/health/live", "/health/ready"] {
        assert_eq!(site.guest().get(uri).await.status(200).json(), json!({"status": "ok"}));
    }
}

#[tokio::test]
async fn a_site_without_its_database_lives_but_is_not_ready() {
    let site = TestSite::new().await;
    site.documents().database().close().await;
    site.guest().get("/health/live").await.status(200);
    let answer = site.guest().with_header("accept", "application/json").get("/health/ready").await;
    assert_eq!(answer.header("retry-after"), "5");
    answer.error(503, "SessionStopped");
    // The error page needs no database either.
    assert!(site.guest().get("/health/ready").await.status(503).body.contains("Not Available"));
}

#[tokio::test]
async fn a_site_about_to_stop_asks_for_no_more() {
    let site = TestSite::new().await;
    site.site.stopping.store(true, Ordering::Relaxed);
    site.guest().get("/health/ready").await.status(503);
    site.guest().get("/api/method/ping").await.status(200);
}
