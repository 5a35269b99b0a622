//! The change feed (`/api/v2/changes`) and events (`/api/v2/events`).

use doctyped::testing::permissions::Session;
use serde_json::{Value as Json, json};

use super::{BOOK, CHAPTER, READER, SHELF};
use crate::support::{Client, TestSite};

const CHANGES: &str = "/api/v2/changes";
const EVENTS: &str = "/api/v2/events";
/// What is seen by its owner alone.
const DIARY: &str = "
name: Diary
autoname: Prompt
allow_rename: true
fields:
  - {fieldname: text, fieldtype: Data, label: Text}
permissions:
  - {role: Writer, read: 1, write: 1, create: 1, delete: 1, if_owner: 1}
";

async fn site() -> (TestSite, Client) {
    let site = TestSite::new().with_doctype(SHELF).with_doctype(CHAPTER).with_doctype(BOOK).with_doctype(DIARY).await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    switch(&site, true).await;
    (site, alice)
}

async fn switch(site: &TestSite, on: bool) {
    site.db_update("System Settings", "System Settings", json!({"change_feed": i64::from(on)})).await;
}

/// Where the feed ends, and from there on what is told, again and again.
struct Reader {
    client: Client,
    query: String,
    cursor: String,
}

impl Reader {
    async fn new(client: &Client, query: &str) -> Self {
        let answer = client.get(&format!("{CHANGES}?{query}")).await.status(200).json();
        assert_eq!((&answer["data"], &answer["has_more"]), (&json!([]), &json!(false)));
        let cursor = answer["next_cursor"].as_str().unwrap().to_owned();
        Self { client: client.clone(), query: query.to_owned(), cursor }
    }

    /// What is told now, as `event name`.
    async fn told(&mut self) -> Vec<String> {
        let answer =
            self.client.get(&format!("{CHANGES}?since={}&{}", self.cursor, self.query)).await.status(200).json();
        answer["next_cursor"].as_str().unwrap().clone_into(&mut self.cursor);
        answer["data"].as_array().unwrap().iter().map(shown).collect()
    }
}

fn shown(told: &Json) -> String {
    let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
    let new_name = if told["new_name"].is_string() { format!(" {}", text("new_name")) } else { String::new() };
    format!("{} {}{new_name}", text("event"), text("name"))
}

#[tokio::test]
async fn each_document_is_told_once_as_it_is_now() {
    let (_site, alice) = site().await;
    let mut reader = Reader::new(&alice, "doctype=Shelf,Book").await;
    alice.create("Shelf", json!({"name": "S1"})).await.ok();
    alice.create("Book", json!({"title": "Dune", "shelf": "S1"})).await.ok();
    alice.create("Book", json!({"title": "Emma"})).await.ok();
    assert_eq!(reader.told().await, ["insert S1", "insert Dune", "insert Emma"]);
    assert_eq!(reader.told().await, [""; 0]);
    for pages in 1..4 {
        alice.update("Book", "Dune", json!({"pages": pages})).await.ok();
    }
    alice.update("Book", "Emma", json!({"pages": 9})).await.ok();
    alice.remove("Book", "Emma").await.ok();
    let answer = alice.get(&format!("{CHANGES}?since={}&doctype=Book", reader.cursor)).await.status(200).json();
    assert_eq!(answer["data"][0]["document"]["pages"], 3, "{answer}");
    assert_eq!(reader.told().await, ["update Dune", "delete Emma"]);
    let renamed = json!({"doctype": "Book", "old_name": "Dune", "new_name": "Dune, 1st"});
    alice.call("frappe.client.rename_doc", renamed).await.ok();
    let mut told = reader.told().await;
    told.sort();
    assert_eq!(told, ["rename Dune Dune, 1st", "update Dune, 1st"]);
    // Part after part, each with a cursor that goes on.
    for number in 0..5 {
        alice.create("Shelf", json!({"name": format!("T{number}")})).await.ok();
    }
    let (mut seen, mut more) = (Vec::new(), true);
    while more {
        let answer =
            alice.get(&format!("{CHANGES}?since={}&limit=2&doctype=Shelf", reader.cursor)).await.status(200).json();
        answer["next_cursor"].as_str().unwrap().clone_into(&mut reader.cursor);
        seen.extend(answer["data"].as_array().unwrap().iter().map(shown));
        more = answer["has_more"] == true;
    }
    assert_eq!(seen, ["insert T0", "insert T1", "insert T2", "insert T3", "insert T4"]);
}

#[tokio::test]
async fn nothing_is_told_to_who_may_not_read_it() {
    let (site, alice) = site().await;
    let bob = site.user("bob@example.com", &["Writer"]).await;
    let carol = site.user("carol@example.com", &["Writer"]).await;
    let reader = site.user("reader@example.com", &[READER]).await;
    let (mut of_bob, mut of_carol) =
        (Reader::new(&bob, "doctype=Diary").await, Reader::new(&carol, "doctype=Diary").await);
    let mut of_reader = Reader::new(&reader, "doctype=Book,Shelf").await;
    for (client, name) in [(&bob, "B1"), (&bob, "B2"), (&carol, "C1")] {
        client.create("Diary", json!({"name": name, "text": "secret"})).await.ok();
    }
    bob.remove("Diary", "B2").await.ok();
    alice.create("Book", json!({"title": "Dune", "price": 5})).await.ok();
    assert_eq!(of_bob.told().await, ["insert B1", "delete B2"]);
    assert_eq!(of_carol.told().await, ["insert C1"]);
    let answer = reader.get(&format!("{CHANGES}?since={}&doctype=Book", of_reader.cursor)).await.status(200).json();
    assert!(answer["data"][0]["document"].get("price").is_none(), "levels hold: {answer}");
    assert_eq!(of_reader.told().await, ["insert Dune"]);
    bob.call("frappe.client.rename_doc", json!({"doctype": "Diary", "old_name": "B1", "new_name": "B3"})).await.ok();
    let mut told = of_bob.told().await;
    told.sort();
    assert_eq!(told, ["rename B1 B3", "update B3"]);
    assert_eq!(of_carol.told().await, [""; 0]);
    reader.get(&format!("{CHANGES}?doctype=Diary")).await.error(403, "PermissionError");
    site.guest().get(CHANGES).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn what_no_longer_matches_leaves() {
    let (_site, alice) = site().await;
    let mut reader = Reader::new(&alice, "doctype=Book&filters={%22pages%22:[%22%3E%22,100]}").await;
    alice.create("Book", json!({"title": "Dune", "pages": 412})).await.ok();
    alice.create("Book", json!({"title": "Leaflet", "pages": 4})).await.ok();
    assert_eq!(reader.told().await, ["insert Dune", "leave Leaflet"]);
    alice.update("Book", "Dune", json!({"pages": 1})).await.ok();
    assert_eq!(reader.told().await, ["leave Dune"]);
    alice.get(&format!("{CHANGES}?filters={{%22pages%22:1}}")).await.error(417, "ValidationError");
}

#[tokio::test]
async fn what_commits_late_comes_behind_and_is_not_missed() {
    let (site, alice) = site().await;
    let mut reader = Reader::new(&alice, "doctype=Shelf").await;
    if crate::support::database::is_postgres() {
        // PostgreSQL lets transactions overlap.
        let session = Session::system();
        let mut late = site.documents().begin(&session).await.unwrap();
        let values = json!({"name": "Late"}).as_object().unwrap().clone();
        let shelf = late.doctype("Shelf").unwrap();
        late.insert_json(&shelf, &values, true).await.unwrap();
        alice.create("Shelf", json!({"name": "Early"})).await.ok();
        assert_eq!(reader.told().await, ["insert Early"]);
        late.commit().await.unwrap();
        assert_eq!(reader.told().await, ["insert Late"]);
    }
    // What is undone is not told; a batch is told whole.
    let good = json!({"op": "create", "doctype": "Shelf", "values": {"name": "A"}});
    let bad = json!({"op": "create", "doctype": "Shelf", "values": {"name": "a<b"}});
    alice.post("/api/v2/batch", json!({"operations": [good, bad]})).await.status(409);
    assert_eq!(reader.told().await, [""; 0]);
    alice.post("/api/v2/batch", json!({"operations": [good]})).await.ok();
    assert_eq!(reader.told().await, ["insert A"]);
}

#[tokio::test]
async fn a_cursor_that_is_too_old_is_told_so() {
    let (site, alice) = site().await;
    let reader = Reader::new(&alice, "").await;
    alice.create("Shelf", json!({"name": "S1"})).await.ok();
    let kept = Reader::new(&alice, "").await;
    site.clock.advance(chrono::Duration::days(15));
    let alice = site.user("alice2@example.com", &["System Manager"]).await;
    assert!(site.run_scheduled("clear old logs").await.contains("of Document Change"));
    let gone = alice.get(&format!("{CHANGES}?since={}", reader.cursor)).await.error(410, "DoesNotExistError");
    assert!(gone["errors"][0]["message"].as_str().unwrap().contains("read all documents again"), "{gone}");
    assert!(alice.listen(&format!("{EVENTS}?since={}", reader.cursor)).await.is_err_and(|told| told.status == 410));
    // Whoever had read all that went misses nothing.
    let answer = alice.get(&format!("{CHANGES}?since={}", kept.cursor)).await;
    assert!(answer.status == 200 || answer.status == 410, "{}", answer.body);
    for since in ["x", "7", "99999-abc"] {
        let status = alice.get(&format!("{CHANGES}?since={since}")).await.status.as_u16();
        assert!(matches!(status, 410 | 417), "{since}: {status}");
    }
    alice.get(&format!("{CHANGES}?sinse=1")).await.error(417, "ValidationError");
    alice.get(&format!("{CHANGES}?limit=0")).await.error(417, "ValidationError");
    alice.get(&format!("{CHANGES}?doctype=Session")).await.error(417, "ValidationError");
    switch(&site, false).await;
    alice.get(CHANGES).await.error(417, "ValidationError");
    let before = site.db_names("Document Change", json!({})).await.len();
    alice.create("Shelf", json!({"name": "S9"})).await.ok();
    assert_eq!(site.db_names("Document Change", json!({})).await.len(), before, "nothing is noted while it is off");
}

#[tokio::test]
async fn events_come_at_once_and_go_on_where_they_ended() {
    let (site, alice) = site().await;
    let bob = site.user("bob@example.com", &["Writer"]).await;
    let mut events = alice.listen(&format!("{EVENTS}?doctype=Shelf")).await.unwrap();
    let mut of_bob = bob.listen(EVENTS).await.unwrap();
    alice.create("Shelf", json!({"name": "S1", "label": "One"})).await.ok();
    bob.create("Diary", json!({"name": "B1"})).await.ok();
    let (id, event, data) = events.next().await.unwrap();
    assert_eq!((event.as_str(), &data["name"], &data["document"]["label"]), ("insert", &json!("S1"), &json!("One")));
    let mut told = of_bob.next().await.unwrap().2;
    while told["doctype"] == "User" {
        told = of_bob.next().await.unwrap().2;
    }
    assert_eq!(told["name"], "B1", "what others may read is not told");
    drop(events);
    alice.update("Shelf", "S1", json!({"label": "Three"})).await.ok();
    alice.create("Shelf", json!({"name": "S2"})).await.ok();
    let again = alice.with_header("last-event-id", &id);
    let mut events = again.listen(&format!("{EVENTS}?doctype=Shelf")).await.unwrap();
    assert_eq!(events.next().await.unwrap().2["document"]["label"], "Three");
    assert_eq!(events.next().await.unwrap().2["name"], "S2");
    // A right that is taken away ends what is told; a session that ends ends the stream.
    site.db_update("User", "bob@example.com", json!({"enabled": 0})).await;
    while let Some((_, _, told)) = of_bob.next().await {
        assert_eq!(told["doctype"], "User", "{told}");
    }
    alice.call("logout", json!({})).await.ok();
    let carol = site.user("carol@example.com", &["System Manager"]).await;
    carol.create("Shelf", json!({"name": "S3"})).await.ok();
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_credential_has_so_many_streams_and_no_more() {
    let (_site, alice) = site().await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(alice.listen(EVENTS).await.unwrap_or_else(|told| panic!("{}", told.body)));
    }
    assert!(alice.listen(EVENTS).await.is_err_and(|told| told.status == 429));
    open.pop();
    assert!(alice.listen(EVENTS).await.is_ok(), "whoever leaves makes room");
}
