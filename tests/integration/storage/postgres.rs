//! PostgreSQL that is restarted, refuses connections, is full, holds locks, or undoes one of two changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, Database, TransactionTrait as _};

use super::{create, later, site, site_at, stored, until_ready};
use crate::support::TestSite;
use crate::support::database::is_postgres;
use crate::support::way::Way;

/// Whether a test of PostgreSQL is passed over, because the suite runs on SQLite.
fn is_passed_over() -> bool {
    !is_postgres()
}

/// Has every insert of a Storage Note fail with an SQLSTATE.
async fn fail_with(site: &TestSite, sqlstate: &str) {
    let function = format!(
        "CREATE OR REPLACE FUNCTION fail() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'made to fail' USING ERRCODE = \
         '{sqlstate}'; END $$ LANGUAGE plpgsql; \
         CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON \"tabStorage Note\" EXECUTE FUNCTION fail()"
    );
    site.database().execute(&function).await;
}

#[tokio::test]
async fn what_may_pass_by_itself_is_no_500() {
    if is_passed_over() {
        return;
    }
    let site = site().await;
    let administrator = site.administrator().await;
    for (sqlstate, status) in
        [("40001", 503), ("40P01", 503), ("55P03", 503), ("57014", 503), ("25006", 503), ("53200", 503), ("53100", 507)]
    {
        fail_with(&site, sqlstate).await;
        later(create(&administrator, "Storage Note", sqlstate).await, status);
    }
    site.database().execute("DROP TRIGGER fail ON \"tabStorage Note\"").await;
    create(&administrator, "Storage Note", "stored").await.ok();
    site.guest().get("/health/ready").await.status(200);
    assert_eq!(stored(&site).await, ["stored"]);
}

#[tokio::test]
async fn connections_that_the_server_ended_fail_no_request() {
    if is_passed_over() {
        return;
    }
    let site = Arc::new(site().await);
    let administrator = site.administrator().await;
    for round in 0..3 {
        // As many at once as there are connections.
        let mut running = tokio::task::JoinSet::new();
        for at in 0..12 {
            let client = administrator.clone();
            running.spawn(async move { create(&client, "Storage Note", &format!("{round} before {at}")).await.ok() });
        }
        running.join_all().await;
        let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        site.database().ask(end).await;
        let mut running = tokio::task::JoinSet::new();
        for at in 0..12 {
            let client = administrator.clone();
            running.spawn(async move {
                client.get("/api/resource/Storage%20Note?limit_page_length=1").await.ok();
                create(&client, "Storage Note", &format!("{round} after {at}")).await.ok()
            });
        }
        running.join_all().await;
    }
    assert_eq!(stored(&site).await.len(), 3 * 24);
}

#[tokio::test]
async fn while_connections_are_refused_requests_learn_so_at_once() {
    if is_passed_over() {
        return;
    }
    let direct = site().await;
    let mut way = Way::to(&direct.database().url).await;
    let site = site_at(way.url.clone()).await;
    let administrator = site.administrator().await;
    create(&administrator, "Storage Note", "before").await.ok();

    way.close().await;
    for round in 0..5 {
        let asked = Instant::now();
        later(create(&administrator, "Storage Note", "meanwhile").await, 503);
        later(administrator.get("/api/resource/Storage%20Page").await, 503);
        site.guest().get("/health/ready").await.status(503);
        site.guest().get("/health/live").await.status(200);
        assert!(asked.elapsed() < Duration::from_secs(4), "round {round}: {:?}", asked.elapsed());
    }
    way.open().await;
    // It is looked for twice a second.
    until_ready(&site).await;
    create(&administrator, "Storage Note", "after").await.ok();
    assert_eq!(stored(&direct).await, ["after", "before"]);
}

#[tokio::test]
async fn a_locked_table_holds_up_only_those_who_write_there() {
    if is_passed_over() {
        return;
    }
    let site = site().await;
    let administrator = site.administrator().await;
    create(&administrator, "Storage Note", "first").await.ok();
    let other = Database::connect(&site.database().url).await.unwrap();
    let holding = other.begin().await.unwrap();
    holding.execute_unprepared("LOCK TABLE \"tabStorage Note\" IN EXCLUSIVE MODE").await.unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for at in 0..40 {
        let client = administrator.clone();
        waiting.spawn(async move { create(&client, "Storage Note", &format!("held up {at}")).await });
    }
    let mut others = tokio::task::JoinSet::new();
    for at in 0..20 {
        let client = administrator.clone();
        others.spawn(async move { create(&client, "Storage Page", &format!("page {at}")).await.ok() });
    }
    others.join_all().await;
    for answer in waiting.join_all().await {
        later(answer, 503);
    }
    // The lock is known meanwhile: nobody waits long.
    let asked = Instant::now();
    later(create(&administrator, "Storage Note", "second").await, 503);
    create(&administrator, "Storage Page", "last").await.ok();
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    holding.rollback().await.unwrap();
    create(&administrator, "Storage Note", "third").await.ok();
    assert_eq!(stored(&site).await, ["first", "third"]);
}
