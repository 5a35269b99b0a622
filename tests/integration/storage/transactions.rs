//! A connection is used again only outside a transaction, whatever became of the last one.

use doctyped::testing::database::Executor as _;
use futures_util::FutureExt as _;
use serde_json::json;

use super::{create, later, site, stored};
use crate::support::database::is_postgres;

/// Lets what was handed to the runtime go on.
async fn settle(site: &crate::support::TestSite) {
    drop(site.documents().database().begin().await.unwrap());
}

#[tokio::test]
async fn what_is_written_after_a_rollback_that_failed_is_stored() {
    let site = site().await;
    let administrator = site.administrator().await;
    for round in 0..3 {
        // As SQLite does by itself when its disk is full: the rollback that follows finds nothing to roll back.
        let transaction = site.documents().database().begin().await.unwrap();
        transaction.execute_script("ROLLBACK").await.unwrap();
        if round == 0 {
            drop(transaction);
        } else {
            drop(transaction.rollback().await);
        }
        create(&administrator, "Storage Note", &format!("note {round}")).await.ok();
    }
    assert_eq!(stored(&site).await, ["note 0", "note 1", "note 2"]);
}

#[tokio::test]
async fn what_is_written_after_a_commit_that_failed_is_stored() {
    let site = site().await;
    let administrator = site.administrator().await;
    let database = site.documents().database();
    let unique = "CREATE TABLE target (id integer PRIMARY KEY); \
                  CREATE TABLE source (id integer REFERENCES target (id) DEFERRABLE INITIALLY DEFERRED)";
    database.execute_script(unique).await.unwrap();
    for round in 0..3 {
        let transaction = database.begin().await.unwrap();
        transaction.execute_script("INSERT INTO source VALUES (1)").await.unwrap();
        transaction.commit().await.unwrap_err();
        create(&administrator, "Storage Note", &format!("note {round}")).await.ok();
    }
    assert_eq!(stored(&site).await, ["note 0", "note 1", "note 2"]);
    assert!(site.database().ask("SELECT 'x' FROM source").await.is_empty());
}

#[tokio::test]
async fn whoever_stops_waiting_leaves_no_transaction_open() {
    let site = site().await;
    let administrator = site.administrator().await;
    let database = site.documents().database().clone();
    for round in 0..40 {
        // Dropped wherever it is just then: before the BEGIN, in the middle, in a statement, before the COMMIT.
        let values = json!({"title": format!("dropped {round}")});
        let documents = site.documents().clone();
        let mut work = Box::pin(async move {
            let values = values.as_object().unwrap().clone();
            documents.insert(&doctyped::testing::permissions::Session::system(), "Storage Note", &values).await
        });
        let mut is_done = false;
        for _ in 0..round {
            is_done = is_done || (&mut work).now_or_never().is_some();
            if is_done {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(work);
        drop(database.begin().now_or_never());
        let title = format!("note {round:02}");
        create(&administrator, "Storage Note", &title).await.ok();
        assert!(stored(&site).await.contains(&title), "round {round}");
    }
    settle(&site).await;
}

#[tokio::test]
async fn a_transaction_in_which_a_statement_failed_stores_nothing() {
    let site = site().await;
    let database = site.documents().database();
    let transaction = database.begin().await.unwrap();
    let insert = "INSERT INTO \"tabStorage Note\" (name, title) VALUES ('half', 'half')";
    transaction.execute_script(insert).await.unwrap();
    transaction.execute_script(insert).await.unwrap_err();
    transaction.execute_script("INSERT INTO \"tabStorage Note\" (name, title) VALUES ('a', 'a')").await.unwrap_err();
    transaction.commit().await.unwrap_err();
    settle(&site).await;
    assert!(stored(&site).await.is_empty());
}

#[tokio::test]
async fn a_full_disk_refuses_with_507_and_loses_nothing_that_was_answered() {
    if is_postgres() {
        return;
    }
    let site = site().await;
    let administrator = site.administrator().await;
    let database = site.documents().database();
    site.guest().get("/health/ready").await.status(200);
    // It holds for one connection, and the one that met it is not used again; it is never below what there is.
    let fill = || database.execute_script("PRAGMA max_page_count = 1");
    let mut answered = Vec::new();
    let text = "x".repeat(3000);
    let mut refused = 0;
    for round in 0..30 {
        let title = format!("note {round:02}");
        fill().await.unwrap();
        let answer = administrator.create("Storage Note", json!({"title": title, "text": text})).await;
        if answer.status == 200 {
            answered.push(title);
        } else {
            later(answer, 507);
            refused += 1;
            fill().await.unwrap();
            later(site.guest().with_header("accept", "application/json").get("/health/ready").await, 503);
        }
    }
    assert!(refused > 0);
    // A login is a write like any other: it is refused or it holds.
    fill().await.unwrap();
    let other = site.guest();
    match other.log_in("Administrator", crate::support::PASSWORD).await {
        answer if answer.status == 200 => assert_eq!(other.logged_user().await, "Administrator"),
        answer => drop(later(answer, 507)),
    }
    // What is read needs no room.
    administrator.read("User", "Administrator").await.ok();

    database.execute_script("PRAGMA max_page_count = 1073741823").await.unwrap();
    for round in 30..40 {
        let title = format!("note {round}");
        administrator.create("Storage Note", json!({"title": title, "text": text})).await.ok();
        answered.push(title);
    }
    site.guest().get("/health/ready").await.status(200);
    assert_eq!(stored(&site).await, answered);
    let site = site.restart().await;
    assert_eq!(stored(&site).await, answered);
}
