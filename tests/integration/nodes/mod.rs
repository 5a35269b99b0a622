//! Several nodes on one PostgreSQL: what one writes the others do not serve as it was.

mod limits;

use std::time::{Duration, Instant};

use doctyped::testing::config::Hidden;
use doctyped::testing::load::Source;
use doctyped::testing::reload::{Reloaded, reload};
use doctyped::testing::signing_keys::SigningKeys;
use serde_json::{Value as Json, json};

use crate::api_keys::Key;
use crate::oauth::support::{Program, bearer};
use crate::support::database::{TestDatabase, is_postgres};
use crate::support::{Client, Node, PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";
/// How long a test waits for what comes within a moment: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);
/// The connections over which nodes hear, by the lock that each holds.
const LISTENING: &str = "FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = x'646f636e'::bigint \
                         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// A DocType that System Managers use.
const PART: &str = "name: Node Part
module: Test
autoname: field:title
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, unique: true }
  - { fieldname: count, fieldtype: Int, label: Count }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
  - { role: Staff, read: true }
";

/// Whether a test of several nodes is passed over, because the suite runs on SQLite, which one process alone uses.
fn is_passed_over() -> bool {
    let is_passed_over = !is_postgres();
    if is_passed_over {
        eprintln!("passed over: nodes share a database of PostgreSQL; see tests/README.md");
    }
    is_passed_over
}

async fn site() -> TestSite {
    TestSite::new().with_doctype(PART).await
}

/// Waits until something holds.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn count(client: &Client, name: &str) -> i64 {
    client.read("Node Part", name).await.ok()["count"].as_i64().unwrap()
}

/// Changes a document past every node: whoever goes on serving the old value keeps it in memory.
async fn change_past_nodes(site: &TestSite, name: &str, count: i64) {
    site.database().execute(&format!("UPDATE \"tabNode Part\" SET \"count\" = {count} WHERE name = '{name}'")).await;
}

/// Waits until a node serves from its memory.
async fn until_kept(site: &TestSite, client: &Client, name: &str) {
    until("a node serves from its memory", || async {
        let before = count(client, name).await;
        change_past_nodes(site, name, before + 1).await;
        count(client, name).await == before
    })
    .await;
}

#[tokio::test]
async fn what_a_node_writes_it_reads_at_once_and_the_others_within_a_moment() {
    if is_passed_over() {
        return;
    }
    let site = site().await;
    let node = site.node().await;
    let here = site.administrator().await;
    let there = here.at(&node);
    here.create("Node Part", json!({"title": "a", "count": 0})).await.ok();
    until_kept(&site, &there, "a").await;
    let mut times = Vec::new();
    for round in 1000..1400 {
        here.update("Node Part", "a", json!({"count": round})).await.ok();
        let written = Instant::now();
        assert_eq!(count(&here, "a").await, round);
        while count(&there, "a").await != round {
            assert!(written.elapsed() < PATIENCE, "{round} is not seen");
            // What is in memory is answered without waiting for anything.
            tokio::task::yield_now().await;
        }
        times.push(written.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 100];
    eprintln!("seen by the other node: p50 {:?}, p99 {:?}, longest {:?}", at(50), at(99), times[times.len() - 1]);
    // Both ways, and what is gone or renamed.
    there.update("Node Part", "a", json!({"count": 7})).await.ok();
    until("the first node sees what the second wrote", || async { count(&here, "a").await == 7 }).await;
    here.remove("Node Part", "a").await.ok();
    until("what is deleted is gone", || async { there.read("Node Part", "a").await.status == 404 }).await;
}

#[tokio::test]
async fn streams_of_events_tell_what_another_node_writes() {
    if is_passed_over() {
        return;
    }
    let site = TestSite::new().with_doctype(crate::resource::SHELF).await;
    site.db_update("System Settings", "System Settings", json!({"change_feed": 1})).await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let node = site.node().await;
    let mut events = alice.listen("/api/v2/events?doctype=Shelf").await.unwrap_or_else(|told| panic!("{}", told.body));
    for name in ["S1", "S2"] {
        alice.at(&node).create("Shelf", json!({"name": name})).await.ok();
        assert_eq!(events.next().await.expect("the stream goes on").2["name"], name);
    }
}

/// Whatever opens something for Alice, as the other node has it in memory.
struct Doors {
    administrator: Client,
    session: Client,
    key: Client,
    api_key: Client,
    api_key_id: String,
    token: Client,
    tokens: Json,
    program: Program,
}

impl Doors {
    async fn open(site: &TestSite, node: &Node) -> Self {
        let administrator = site.administrator().await;
        let alice = site.user(ALICE, &["System Manager", "Staff"]).await;
        for title in ["a", "b"] {
            alice.create("Node Part", json!({"title": title, "count": 1})).await.ok();
        }
        let pair = alice.call("frappe.core.doctype.user.user.generate_keys", json!({"user": ALICE})).await.ok();
        let text = |name: &str| pair[name].as_str().unwrap().to_owned();
        let key = format!("token {}:{}", text("api_key"), text("api_secret"));
        let own = Key::make(&alice, json!({"scopes": ""})).await;
        let program = Program::new(site, json!({})).await;
        let tokens = program.tokens(&alice).await;
        let doors = Self {
            administrator,
            session: alice.at(node),
            key: site.guest().with_header("authorization", &key).at(node),
            api_key: own.client(site).at(node),
            api_key_id: own.id,
            token: bearer(site, &tokens).at(node),
            tokens,
            program,
        };
        for client in doors.all() {
            for _ in 0..2 {
                assert_eq!(client.logged_user().await, ALICE);
                client.read("Node Part", "a").await.ok();
            }
        }
        until_kept(site, &doors.session, "b").await;
        doors
    }

    fn all(&self) -> [&Client; 4] {
        [&self.session, &self.key, &self.api_key, &self.token]
    }
}

/// Waits until a request is answered with this status.
async fn until_status(what: &str, client: &Client, uri: &str, status: u16) {
    let began = Instant::now();
    until(what, || async { client.get(uri).await.status == status }).await;
    eprintln!("{what}: {status} after {:?}", began.elapsed());
}

const LOGGED_USER: &str = "/api/method/frappe.auth.get_logged_user";
const PART_A: &str = "/api/resource/Node%20Part/a";

#[tokio::test]
async fn what_is_taken_away_at_one_node_opens_nothing_at_the_others() {
    if is_passed_over() {
        return;
    }
    let site = site().await;
    let node = site.node().await;
    let doors = Doors::open(&site, &node).await;
    let administrator = &doors.administrator;
    let guests = site.guest().at(&node);

    let narrow = json!({"user": ALICE, "allow": "Node Part", "for_value": "b", "apply_to_all_doctypes": 1});
    let permission = administrator.create("User Permission", narrow).await.ok()["name"].as_str().unwrap().to_owned();
    for client in doors.all() {
        until_status("a User Permission that narrows", client, PART_A, 403).await;
    }
    administrator.remove("User Permission", &permission).await.ok();
    for client in doors.all() {
        until_status("a User Permission that is removed", client, PART_A, 200).await;
    }

    administrator.update("Role", "Staff", json!({"disabled": 1})).await.ok();
    administrator.update("User", ALICE, json!({"roles": [{"role": "Staff"}]})).await.ok();
    for client in doors.all() {
        until_status("a role that is taken away", client, PART_A, 403).await;
    }
    administrator.update("Role", "Staff", json!({"disabled": 0})).await.ok();
    for client in doors.all() {
        until_status("a role that is enabled again", client, PART_A, 200).await;
    }

    let pair = administrator.call("frappe.core.doctype.user.user.generate_keys", json!({"user": ALICE})).await.ok();
    assert!(pair["api_secret"].is_string());
    until_status("an API key that is replaced", &doors.key, LOGGED_USER, 401).await;

    let revoke = format!("/api/v2/document/API%20Key/{}/method/revoke", doors.api_key_id);
    administrator.post(&revoke, json!({})).await.ok();
    until_status("an API Key that is revoked", &doors.api_key, LOGGED_USER, 401).await;

    let token = doors.tokens["access_token"].as_str().unwrap();
    doors.program.post("revoke_token", &[("token", token)]).await.status(200);
    until_status("a token that is revoked", &doors.token, LOGGED_USER, 401).await;

    let again = site.guest();
    again.log_in(ALICE, PASSWORD).await.ok();
    let (again_here, again) = (again.clone(), again.at(&node));
    assert_eq!(again.logged_user().await, ALICE);
    let cookie = again.cookie("sid").unwrap();
    again_here.call("logout", json!({})).await.ok();
    let thief = site.guest().at(&node);
    thief.set_cookie("sid", &cookie);
    until("a session that is ended", || async { thief.logged_user().await != ALICE }).await;

    let ways = "/.well-known/openid-configuration";
    guests.get(ways).await.status(200);
    let before = guests.get("/.well-known/oauth-authorization-server").await.status(200).json();
    assert!(before["registration_endpoint"].is_string() || before["registration_endpoint"].is_null());
    let on = before["registration_endpoint"].is_null();
    let changed = json!({"enable_dynamic_client_registration": i32::from(on)});
    administrator.update("OAuth Settings", "OAuth Settings", changed).await.ok();
    until("a setting of OAuth", || async {
        let now = guests.get("/.well-known/oauth-authorization-server").await.json();
        now["registration_endpoint"].is_string() == on
    })
    .await;
    administrator.update("System Settings", "System Settings", json!({"app_name": "Elsewhere"})).await.ok();
    until("a setting of the system", || async { guests.get("/login").await.body.contains("Elsewhere") }).await;
    administrator.update("System Settings", "System Settings", json!({"time_zone": "Asia/Tokyo"})).await.ok();
    until("the zone of the site", || async {
        guests.call("frappe.client.get_time_zone", json!({})).await.ok()["time_zone"] == "Asia/Tokyo"
    })
    .await;

    let published = guests.get("/.well-known/jwks.json").await.body;
    SigningKeys::default().rotate(site.documents(), "somebody").await.unwrap();
    until("keys that are renewed", || async { guests.get("/.well-known/jwks.json").await.body != published }).await;

    administrator.update("User", ALICE, json!({"enabled": 0})).await.ok();
    until("a user who is disabled", || async { doors.session.logged_user().await != ALICE }).await;
}

#[tokio::test]
async fn a_node_that_hears_nothing_reads_past_what_it_keeps() {
    if is_passed_over() {
        return;
    }
    let site = site().await;
    let node = site.node().await;
    let here = site.administrator().await;
    let there = here.at(&node);
    here.create("Node Part", json!({"title": "a", "count": 0})).await.ok();
    for round in 0..25 {
        until_kept(&site, &there, "a").await;
        end_listening(&site).await;
        for step in 0..4 {
            let value = 1000 * (round + 1) + step;
            here.update("Node Part", "a", json!({"count": value})).await.ok();
            let now = count(&there, "a").await;
            // Heard again already, it may be told of the last one just now.
            assert!(now == value || step > 0, "{now} is served after {value} was acknowledged");
            until("what was acknowledged is served", || async { count(&there, "a").await == value }).await;
        }
    }
}

#[tokio::test]
async fn a_node_that_comes_in_among_writes_misses_none() {
    if is_passed_over() {
        return;
    }
    let site = site().await;
    let here = site.administrator().await;
    for number in 0..4 {
        here.create("Node Part", json!({"title": format!("p{number}"), "count": 0})).await.ok();
    }
    for round in 1..=4 {
        let mut running = tokio::task::JoinSet::new();
        for number in 0..4 {
            let here = here.clone();
            running.spawn(async move {
                for step in 0..40 {
                    let values = json!({"count": round * 1000 + step});
                    here.update("Node Part", &format!("p{number}"), values).await.ok();
                }
            });
        }
        let node = site.node().await;
        let there = here.at(&node);
        // Reads all the time, so that whatever could be kept wrongly is.
        while !running.is_empty() {
            for number in 0..4 {
                there.read("Node Part", &format!("p{number}")).await.ok();
            }
            while running.try_join_next().is_some() {}
        }
        for number in 0..4 {
            let name = format!("p{number}");
            until("the last value is served", || async { count(&there, &name).await == round * 1000 + 39 }).await;
        }
        node.site.documents.database().close().await;
    }
}

/// The definitions that a node runs, by what it says of its readiness.
async fn version(client: &Client) -> String {
    let ready = client.get("/health/ready").await.status(200).json();
    ready["definitions"].as_str().unwrap().to_owned()
}

/// The DocTypes of the test with a field more.
fn with_color(site: &TestSite) -> Vec<Source> {
    let mut sources = site.sources();
    sources[0].text =
        PART.replace("permissions:", "  - { fieldname: color, fieldtype: Data, label: Color }\npermissions:");
    sources
}

/// Ends the connections over which nodes hear, and waits until they are gone. Once nodes have others, they look at everything.
async fn end_listening(site: &TestSite) {
    let ended = site.database().ask(&format!("SELECT pg_terminate_backend(pid, 10000)::text {LISTENING}")).await;
    assert!(ended.iter().all(|ended| ended == "true") && ended.len() >= 2, "{ended:?}");
}

#[tokio::test]
async fn definitions_that_one_node_puts_in_force_the_others_take_over() {
    if is_passed_over() {
        return;
    }
    let site = site().await;
    let node = site.node().await;
    let here = site.administrator().await;
    let there = here.at(&node);
    let first = version(&here).await;
    assert_eq!(version(&there).await, first);
    let mut sources = with_color(&site);
    let text =
        "name: Node Shelf\nmodule: Test\nautoname: field:title\nfields:\n  - { fieldname: title, label: Title }\n";
    sources.push(Source { path: "test/shelf.yaml".to_owned(), text: text.to_owned() });

    let outcome = reload(&site.site, &sources).await;
    assert!(matches!(outcome, Reloaded::Swapped { .. }), "{outcome:?}");
    let second = version(&here).await;
    assert_ne!(second, first);
    until("the other node follows", || async { version(&there).await == second }).await;
    there.create("Node Part", json!({"title": "a", "color": "red"})).await.ok();
    assert_eq!(there.read("Node Part", "a").await.ok()["color"], "red");
    assert_eq!(here.read("Node Part", "a").await.ok()["color"], "red");
    there.create("Node Shelf", json!({"title": "b"})).await.ok();
    let problems = node.site.doctype_files.problems();
    assert!(problems.iter().any(|line| line.starts_with("Node Part: ")), "{problems:?}");
    assert!(problems.iter().any(|line| line.starts_with("Node Shelf: ")), "{problems:?}");

    // Whoever starts with the files from before is late, and takes nothing out of force.
    let late = site.node().await;
    assert_eq!(version(&here.at(&late)).await, second);
    assert_eq!(here.at(&late).read("Node Part", "a").await.ok()["color"], "red");
    assert_eq!(version(&here).await, second);

    // With the same files all is well.
    let outcome = reload(&node.site, &sources).await;
    assert!(matches!(outcome, Reloaded::Swapped { .. }), "{outcome:?}");
    assert!(node.site.doctype_files.problems().is_empty());
    assert_eq!(version(&there).await, second);
    // And what a node takes out of force is out of force everywhere.
    reload(&node.site, &site.sources()).await;
    until("the first node follows", || async { version(&here).await == first }).await;
    here.create("Node Shelf", json!({"title": "c"})).await.status(404);
}

#[tokio::test]
async fn a_node_that_cannot_run_what_is_in_force_is_not_ready_and_says_why() {
    if is_passed_over() {
        return;
    }
    let site = site().await;
    let node = site.node().await;
    let there = site.guest().at(&node);
    let first = version(&there).await;
    let kept = site
        .database()
        .ask("SELECT definition FROM \"__DocType\" WHERE doctype = 'OAuth Bearer Token'")
        .await
        .remove(0);
    let mut other: Json = serde_json::from_str(&kept).unwrap();
    other["fields"].as_array_mut().unwrap().retain(|field| field["fieldname"] != "scopes");
    let put = |definition: &str| {
        format!("UPDATE \"__DocType\" SET definition = $json${definition}$json$ WHERE doctype = 'OAuth Bearer Token'")
    };
    site.database().execute(&put(&other.to_string())).await;
    end_listening(&site).await;
    until("it says that it cannot", || async {
        let answer = there.with_header("accept", "application/json").get("/health/ready").await;
        answer.status == 503 && answer.body.contains("OAuth Bearer Token")
    })
    .await;
    // It serves as it was.
    site.administrator().await.at(&node).create("Node Part", json!({"title": "a"})).await.ok();
    site.database().execute(&put(&kept)).await;
    end_listening(&site).await;
    until("it is ready again", || async { there.get("/health/ready").await.status == 200 }).await;
    assert_eq!(version(&there).await, first);
}

#[tokio::test]
async fn nodes_that_start_at_once_on_an_empty_database_run_the_same() {
    if is_passed_over() {
        return;
    }
    let site = site().await;
    let empty = TestDatabase::new(site.folder.path()).await;
    let start = || {
        let url = empty.url.clone();
        site.node_with(move |config| config.database_url = Hidden::new(&url))
    };
    let (a, b, c) = tokio::join!(start(), start(), start());
    let expected = version(&site.guest()).await;
    for node in [&a, &b, &c] {
        let client = site.guest().at(node);
        assert_eq!(version(&client).await, expected);
        client.log_in("Administrator", PASSWORD).await.ok();
        assert_eq!(client.list("User", "").await.ok().as_array().unwrap().len(), 2, "Administrator and Guest");
    }
    for node in [a, b, c] {
        node.site.documents.database().close().await;
    }
}
