//! PostgreSQL that falls silent: its machine dies or a cable is cut, and nothing ends the connections to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use super::{create, later, site, site_at, stored, until_ready};
use crate::support::database::is_postgres;
use crate::support::way::Way;
use crate::support::{Client, TestSite};

/// How long whoever is caught by it waits at most; TCP alone waits for a quarter of an hour.
const SOON: Duration = Duration::from_secs(30);

/// A site on a database that is reached along a way, and another one that reaches it directly; `None` on SQLite.
async fn behind_a_way() -> Option<(TestSite, Way, TestSite)> {
    if !is_postgres() {
        eprintln!("passed over: only a server falls silent; see tests/README.md");
        return None;
    }
    let direct = site().await;
    // Its connections are needed for others.
    direct.documents().database().close().await;
    let way = Way::to(&direct.database().url).await;
    let site = site_at(way.url.clone()).await;
    Some((direct, way, site))
}

/// As many that write and read at once as there are connections, and more; the names of what was acknowledged.
async fn everybody(client: &Client, prefix: &str) -> Vec<String> {
    let mut running = JoinSet::new();
    for at in 0..12 {
        let (client, name) = (client.clone(), format!("{prefix} {at}"));
        running.spawn(async move {
            drop(client.get("/api/resource/Storage%20Page?limit_page_length=1").await);
            let answer = create(&client, "Storage Note", &name).await;
            if answer.status != 200 {
                eprintln!("{name}: {} {}", answer.status, answer.body);
            }
            (answer.status == 200).then_some(name)
        });
    }
    running.join_all().await.into_iter().flatten().collect()
}

/// Everybody gets an answer as quickly as ever: no connection is stuck.
async fn everybody_is_served(client: &Client, prefix: &str) -> Vec<String> {
    let mut done = Vec::new();
    for round in 0..3 {
        let asked = Instant::now();
        let stored = everybody(client, &format!("{prefix} {round}")).await;
        assert_eq!(stored.len(), 12, "{prefix}, round {round}");
        assert!(asked.elapsed() < SOON, "{prefix}, round {round}: {:?}", asked.elapsed());
        done.extend(stored);
    }
    done
}

#[tokio::test]
async fn a_server_that_vanishes_without_a_word_is_noticed_and_requests_learn_so_at_once() {
    let Some((direct, way, site)) = behind_a_way().await else { return };
    let administrator = site.administrator().await;
    let mut expected = everybody_is_served(&administrator, "before").await;

    // In the middle of transactions.
    let mut running = JoinSet::new();
    for at in 0..12 {
        let client = administrator.clone();
        running.spawn(async move {
            let mut acknowledged = Vec::new();
            for step in 0.. {
                let name = format!("during {at} {step}");
                let answer = create(&client, "Storage Note", &name).await;
                if answer.status != 200 {
                    later(answer, 503);
                    break;
                }
                acknowledged.push(name);
            }
            acknowledged
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let fell = Instant::now();
    way.fall_silent();
    let acknowledged = tokio::time::timeout(SOON, running.join_all()).await.expect("nobody waits for TCP");
    eprintln!("everybody under way was answered {:?} after it fell silent", fell.elapsed());
    expected.extend(acknowledged.into_iter().flatten());
    for round in 0..3 {
        let asked = Instant::now();
        later(create(&administrator, "Storage Note", "meanwhile").await, 503);
        later(administrator.get("/api/resource/Storage%20Page").await, 503);
        site.guest().get("/health/ready").await.status(503);
        site.guest().get("/health/live").await.status(200);
        assert!(asked.elapsed() < Duration::from_secs(2), "round {round}: {:?}", asked.elapsed());
    }

    way.speak();
    until_ready(&site).await;
    expected.extend(everybody_is_served(&administrator, "after").await);
    let stored = stored(&direct).await;
    let lost: Vec<_> = expected.iter().filter(|name| !stored.contains(name)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

#[tokio::test]
async fn nobody_waits_on_connections_that_are_dead_though_new_ones_can_be_made() {
    let Some((_direct, way, site)) = behind_a_way().await else { return };
    let administrator = site.administrator().await;
    everybody_is_served(&administrator, "before").await;
    way.forget_connections();
    let fell = Instant::now();
    // Reads are tried again on a new connection; what writes may learn that it is to come again.
    while tokio::time::timeout(SOON, create(&administrator, "Storage Note", "first")).await.unwrap().status == 503 {
        assert!(fell.elapsed() < SOON);
    }
    eprintln!("written again {:?} after the connections were dead", fell.elapsed());
    everybody_is_served(&administrator, "after").await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_told_as_not_known_and_is_read_as_it_is() {
    let Some((direct, way, site)) = behind_a_way().await else { return };
    let site = Arc::new(site);
    let administrator = site.administrator().await;
    create(&administrator, "Storage Note", "first").await.ok();
    administrator.read("Storage Note", "first").await.ok();
    // The commit waits for this lock of advice, which each commit takes along.
    let other = sea_orm::Database::connect(&direct.database().url).await.unwrap();
    let holding = sea_orm::TransactionTrait::begin(&other).await.unwrap();
    let lock = "SELECT pg_advisory_xact_lock(x'00646f63636f6d6d'::bigint)";
    sea_orm::ConnectionTrait::execute_unprepared(&holding, lock).await.unwrap();
    let client = administrator.clone();
    let writing = tokio::spawn(async move { client.update("Storage Note", "first", json!({"text": "changed"})).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    way.lose_answers();
    holding.rollback().await.unwrap();
    later(tokio::time::timeout(SOON, writing).await.expect("nobody waits for TCP").unwrap(), 503);
    way.speak();
    until_ready(&site).await;
    let text = "SELECT \"text\" FROM \"tabStorage Note\" WHERE name = 'first'";
    assert_eq!(direct.database().ask(text).await, ["changed"], "the server had all of it");
    let read = administrator.read("Storage Note", "first").await.ok();
    assert_eq!(read["text"], "changed", "what was kept of it does not count");
}

#[tokio::test]
async fn of_several_servers_the_one_that_can_be_reached_is_used() {
    let Some((direct, mut first, _)) = behind_a_way().await else { return };
    let second = Way::to(&direct.database().url).await;
    first.close().await;
    let both = direct.database().url.replace(
        &url::Url::parse(&direct.database().url)
            .map(|url| url[url::Position::BeforeHost..url::Position::AfterPort].to_owned())
            .unwrap(),
        &format!("{},{}", first.host(), second.host()),
    );
    let site = site_at(format!("{both}?target_session_attrs=read-write")).await;
    let administrator = site.administrator().await;
    create(&administrator, "Storage Note", "at the second").await.ok();
    first.open().await;
    second.fall_silent();
    let fell = Instant::now();
    while create(&administrator, "Storage Note", "at the first").await.status == 503 {
        assert!(fell.elapsed() < SOON);
    }
    second.speak();
    first.close().await;
    until_ready(&site).await;
    everybody_is_served(&administrator, "after").await;
}
