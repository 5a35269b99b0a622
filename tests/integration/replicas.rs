//! Lists at read replicas: nobody sees an older state for it, and nothing there decides about access.

use std::time::{Duration, Instant};

use doctyped::testing::config::Hidden;
use serde_json::{Value as Json, json};

use crate::support::replicated::{Replicated, Server};
use crate::support::{Client, PASSWORD, ServerProcess, TestSite};

const ALICE: &str = "alice@example.com";
/// How long a test waits for what comes within a moment: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// A DocType with child rows and a Link.
const NOTE: &str = "name: Replica Note
module: Test
autoname: field:title
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, unique: true }
  - { fieldname: page, fieldtype: Link, label: Page, options: Replica Page }
  - { fieldname: rows, fieldtype: Table, label: Rows, options: Replica Row }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true, share: true }
  - { role: Staff, read: true, if_owner: false }
";
const PAGE: &str = "name: Replica Page
module: Test
track_changes: true
autoname: field:title
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true }
  - { fieldname: color, fieldtype: Data, label: Color }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
  - { role: Staff, read: true }
";
const ROW: &str = "name: Replica Row
module: Test
istable: true
fields:
  - { fieldname: item, fieldtype: Data, label: Item }
";

/// A site on two servers, of which the second is a replica; `None` where that is switched off.
async fn site() -> Option<(Replicated, TestSite)> {
    let servers = Replicated::new().await?;
    let (url, replica) = (servers.primary.url.clone(), servers.replica.url.clone());
    let site = site_on(url, Some(replica)).await;
    Some((servers, site))
}

async fn site_on(url: String, replica: Option<String>) -> TestSite {
    let configure = move |config: &mut doctyped::testing::config::Config| {
        config.database_url = Hidden::new(url);
        config.database_replicas = replica.into_iter().map(Hidden::new).collect();
    };
    TestSite::new().with_doctype(NOTE).with_doctype(PAGE).with_doctype(ROW).with_config(configure).await
}

/// The titles that a list has.
async fn titles(client: &Client, query: &str) -> Vec<String> {
    let list = client.list("Replica Note", query).await.ok();
    list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a list of a DocType is read at a server; the list goes there or elsewhere.
async fn reads(client: &Client, server: &Server, doctype: &str) -> bool {
    let table = format!("tab{doctype}");
    let before = server.reads_of(&table);
    client.list(doctype, "").await.ok();
    // What is logged is written behind the answer.
    tokio::time::sleep(Duration::from_millis(20)).await;
    server.reads_of(&table) > before
}

async fn until_read(client: &Client, server: &Server, doctype: &str) {
    until("lists are read at the replica", || reads(client, server, doctype)).await;
}

async fn create(client: &Client, title: &str) {
    client.create("Replica Note", json!({"title": title, "rows": [{"item": title}]})).await.ok();
}

/// Nothing that decides about access was ever read there.
fn nothing_decided_at(server: &Server) {
    let log = server.log();
    for table in ["tabUser", "tabSession", "tabHas Role", "tabRole", "tabUser Permission", "tabDocShare", "tabSingles"]
        .into_iter()
        .chain(["__Auth", "tabOAuth Bearer Token", "tabOAuth Client", "tabSecurity Event", "tabLogin Attempt"])
    {
        let asked = log.lines().find(|line| line.contains("execute ") && line.contains(&format!("\"{table}\"")));
        assert!(asked.is_none(), "{table} was read at the replica: {asked:?}");
    }
}

#[tokio::test]
async fn a_list_is_read_at_a_replica_that_has_everything_and_elsewhere_until_it_has() {
    let Some((servers, site)) = site().await else { return };
    let node = site.node().await;
    let here = site.administrator().await;
    let there = here.at(&node);
    site.db_user(ALICE, json!({"roles": [{"role": "Staff"}]})).await;
    let alice = site.guest();
    alice.log_in(ALICE, PASSWORD).await.ok();
    let replica = &servers.replica;
    here.create("Replica Page", json!({"title": "p", "color": "red"})).await.ok();
    here.create("Replica Note", json!({"title": "first", "page": "p", "rows": [{"item": "a"}]})).await.ok();
    until_read(&here, replica, "Replica Note").await;
    until_read(&there, replica, "Replica Note").await;
    until_read(&alice, replica, "Replica Note").await;
    until_read(&here, replica, "Replica Page").await;

    // Everything that a list speaks of counts: its own DocType, rows, joined documents.
    replica.ask("SELECT pg_wal_replay_pause()::text").await;
    replica.until("SELECT pg_get_wal_replay_pause_state()", "paused").await;
    create(&here, "second").await;
    assert_eq!(titles(&here, "order_by=title asc").await, ["first", "second"]);
    let count = here.get("/api/v2/document/Replica%20Note?count=1").await;
    assert_eq!(count.status, 200);
    let counted = here.call("frappe.client.get_count", json!({"doctype": "Replica Note"})).await.ok();
    assert_eq!(counted, 2);
    let rows = here.list("Replica Row", "parent=Replica Note&fields=[\"item\"]").await.ok();
    assert_eq!(rows.as_array().unwrap().len(), 2, "{rows}");
    here.update("Replica Page", "p", json!({"color": "blue"})).await.ok();
    let joined = here.list("Replica Note", "fields=[\"page.color\"]&filters={\"name\":\"first\"}").await.ok();
    assert_eq!(joined[0]["color"], "blue", "{joined}");
    let filtered = titles(&here, "filters=[[\"Replica Row\",\"item\",\"=\",\"second\"]]").await;
    assert_eq!(filtered, ["second"]);
    let versions = here.list("Version", "filters={\"docname\":\"p\"}").await.ok();
    assert_eq!(versions.as_array().unwrap().len(), 1, "{versions}");
    until("the other node has heard", || async { titles(&there, "").await.len() == 2 }).await;
    until("another person at the other node, too", || async { titles(&alice.at(&node), "").await.len() == 2 }).await;
    assert!(!reads(&here, replica, "Replica Note").await, "the replica has not replayed it");

    // What decides about access does not wait for a replica.
    here.update("User", ALICE, json!({"enabled": 0})).await.ok();
    until("a user who is disabled is refused", || async {
        alice.at(&node).list("Replica Note", "").await.status != 200
    })
    .await;
    until("the page tells of a replica that is late", || async {
        let page = here.get("/app/_health").await.status(200).body;
        page.contains(&replica.host()) && page.contains("not used")
    })
    .await;

    replica.ask("SELECT pg_wal_replay_resume()::text").await;
    until_read(&here, replica, "Replica Note").await;
    until_read(&there, replica, "Replica Note").await;
    assert_eq!(titles(&here, "order_by=title asc").await, ["first", "second"]);
    assert!(!here.get("/app/_health").await.status(200).body.contains("not used"));
    nothing_decided_at(replica);
}

#[tokio::test]
async fn whoever_writes_reads_it_in_lists_at_once_and_others_within_a_moment() {
    let Some((servers, site)) = site().await else { return };
    let node = site.node().await;
    let here = site.administrator().await;
    let there = here.at(&node);
    create(&here, "first").await;
    until_read(&here, &servers.replica, "Replica Note").await;
    until_read(&there, &servers.replica, "Replica Note").await;
    let mut times = Vec::new();
    for round in 0..150 {
        let title = format!("note {round}");
        let query = format!("filters={{\"title\":\"{title}\"}}");
        create(&here, &title).await;
        let written = Instant::now();
        assert_eq!(titles(&here, &query).await, [title.as_str()], "the own write is there");
        while titles(&there, &query).await.is_empty() {
            assert!(written.elapsed() < PATIENCE, "{title} is not seen");
        }
        times.push(written.elapsed());
        // Sometimes it is read at the replica again in between.
        if round % 10 == 0 {
            until_read(&here, &servers.replica, "Replica Note").await;
            until_read(&there, &servers.replica, "Replica Note").await;
        }
    }
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 100];
    eprintln!("lists at another node: median {:?}, p99 {:?}", at(50), at(99));
    assert!(at(50) < Duration::from_millis(100), "{:?}", at(50));
    nothing_decided_at(&servers.replica);
}

#[tokio::test]
async fn what_is_shared_and_who_may_are_never_read_at_a_replica() {
    let Some((servers, site)) = site().await else { return };
    let here = site.administrator().await;
    for title in ["a", "b"] {
        create(&here, title).await;
    }
    site.db_insert("Role", json!({"role_name": "Visitor"})).await;
    let alice = site.user(ALICE, &["Visitor"]).await;
    here.call("frappe.share.add", json!({"doctype": "Replica Note", "name": "a", "user": ALICE, "read": 1})).await.ok();
    until_read(&here, &servers.replica, "Replica Note").await;
    assert_eq!(titles(&alice, "").await, ["a"]);
    assert!(!reads(&alice, &servers.replica, "Replica Note").await, "shares decide about the rows");
    for doctype in ["User", "Role", "User Permission", "DocShare", "OAuth Client", "OAuth Bearer Token"] {
        assert!(!reads(&here, &servers.replica, doctype).await, "{doctype}");
    }
    for share in site.db_names("DocShare", json!({"share_name": "a"})).await {
        here.delete(&format!("/api/resource/DocShare/{share}")).await.status(202);
    }
    assert_eq!(alice.list("Replica Note", "").await.status, 403);
    // A long list is read there as well, in parts.
    let before = servers.replica.reads_of("tabReplica Note");
    assert_eq!(titles(&here, "limit_page_length=0").await.len(), 2);
    until("an export is read at the replica", || async { servers.replica.reads_of("tabReplica Note") > before }).await;
    nothing_decided_at(&servers.replica);
}

#[tokio::test]
async fn a_replica_that_is_killed_costs_no_answer_and_comes_back_by_itself() {
    let Some((servers, site)) = site().await else { return };
    let here = site.administrator().await;
    create(&here, "first").await;
    until_read(&here, &servers.replica, "Replica Note").await;
    let client = here.clone();
    let reading = tokio::spawn(async move {
        let (began, mut longest) = (Instant::now(), Duration::ZERO);
        while began.elapsed() < Duration::from_secs(3) {
            let asked = Instant::now();
            assert_eq!(titles(&client, "").await, ["first"]);
            longest = longest.max(asked.elapsed());
        }
        longest
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    servers.replica.kill();
    eprintln!("longest list while the replica was killed: {:?}", reading.await.expect("every list is answered"));
    let page = here.get("/app/_health").await.status(200).body;
    assert!(page.contains("not used"), "the page tells why it is not used");
    create(&here, "second").await;
    servers.replica.start();
    until("it is used again once it has followed", || async {
        create(&here, &doctyped::testing::secret::random_name()).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        reads(&here, &servers.replica, "Replica Note").await
    })
    .await;
    // One that takes writes is not a replica any more.
    servers.replica.promote();
    until("it is left out", || async {
        here.get("/app/_health").await.status(200).body.contains("it takes writes, so it is not a replica")
    })
    .await;
    servers.replica.ask("DELETE FROM \"tabReplica Note\" RETURNING 'gone'").await;
    assert!(titles(&here, "").await.len() > 2);
}

#[tokio::test]
async fn prometheus_and_the_doctor_are_told_of_replicas() {
    let Some(servers) = Replicated::new().await else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let metrics: &'static str = format!("127.0.0.1:{port}").leak();
    let nowhere = "postgres://postgres@127.0.0.1:1/site";
    let replicas: &'static str = format!("{}, {nowhere}", servers.replica.url).leak();
    let url: &'static str = servers.primary.url.clone().leak();
    let server = ServerProcess::start(&[
        ("DOCTYPED_DATABASE_URL", url),
        ("DOCTYPED_DATABASE_REPLICAS", replicas),
        ("DOCTYPED_METRICS_LISTEN", metrics),
    ])
    .await;
    let administrator = server.administrator().await;
    let prometheus = Client::over_network(&format!("http://{metrics}"));
    let good = servers.replica.host();
    until("lists are counted that were read at the replica", || async {
        administrator.list("ToDo", "").await.ok();
        let told = prometheus.get("/metrics").await.body;
        let line = |text: String| told.lines().any(|line| line.starts_with(&text));
        line(format!("doctyped_database_replica_used{{replica=\"{good}\"}} 1"))
            && line("doctyped_database_replica_used{replica=\"127.0.0.1:1\"} 0".to_owned())
            && !line(format!("doctyped_database_replica_statements_total{{replica=\"{good}\"}} 0"))
    })
    .await;
    let said = server.run(&["doctor"]).await.unwrap();
    assert!(said.contains(&format!("{good} keeps up with the database")), "{said}");
    assert!(said.contains("127.0.0.1:1 is not read at: it cannot be asked"), "{said}");
}

#[tokio::test]
async fn a_site_with_the_addresses_of_both_servers_outlives_the_primary() {
    let Some(servers) = Replicated::new().await else { return };
    let url = servers
        .primary
        .url
        .replace(&servers.primary.host(), &format!("{},{}", servers.replica.host(), servers.primary.host()));
    let site = site_on(format!("{url}?target_session_attrs=read-write"), None).await;
    let here = site.administrator().await;
    let mut acknowledged = Vec::new();
    for round in 0..20 {
        let title = format!("before {round}");
        create(&here, &title).await;
        acknowledged.push(title);
    }
    let sent = &servers.primary.ask("SELECT pg_current_wal_lsn()::text").await[0];
    servers.replica.until(&format!("SELECT (pg_last_wal_replay_lsn() >= '{sent}')::text"), "true").await;
    servers.primary.kill();
    let killed = Instant::now();
    let refused = here.create("Replica Note", json!({"title": "meanwhile"})).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    servers.replica.promote();
    let promoted = Instant::now();
    loop {
        let answer = here.create("Replica Note", json!({"title": "after"})).await;
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(promoted.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    eprintln!(
        "writes go on {:?} after the standby was promoted, {:?} after the primary was killed",
        promoted.elapsed(),
        killed.elapsed()
    );
    acknowledged.push("after".to_owned());
    let found: Vec<Json> = here.list("Replica Note", "limit_page_length=0").await.ok().as_array().unwrap().clone();
    for title in &acknowledged {
        assert!(found.iter().any(|row| row["name"] == **title), "{title} was acknowledged and is lost");
    }
}
