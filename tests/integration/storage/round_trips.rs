//! How often a request waits for PostgreSQL: counted on the wire, between the site and the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use doctyped::testing::config::Hidden;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::{NOTE, site};
use crate::oauth::support::Program;
use crate::support::TestSite;
use crate::support::database::is_postgres;

/// A DocType with child rows, a Link and a number in its name.
const ORDER: &str = "name: Trip Order
module: Test
autoname: TO-.#####
fields:
  - { fieldname: note, fieldtype: Link, label: Note, options: Storage Note }
  - { fieldname: count, fieldtype: Int, label: Count }
  - { fieldname: rows, fieldtype: Table, label: Rows, options: Trip Row }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";
/// Like the DocType of the load run: a random name, and nothing to look up.
const ITEM: &str = "name: Trip Item
module: Test
autoname: hash
fields:
  - { fieldname: title, fieldtype: Data, label: Title }
  - { fieldname: rows, fieldtype: Table, label: Rows, options: Trip Row }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";
const ROW: &str = "name: Trip Row
module: Test
istable: true
fields:
  - { fieldname: item, fieldtype: Data, label: Item }
";

/// What was asked of the database, a line for each answer that was waited for.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    fn take(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.0.lock().unwrap());
        // A connection is tested, and a chained transaction ended, when the answer is already out; a node says that it is there.
        asked.retain(|text| !text.is_empty() && text != "ROLLBACK" && !text.contains("__Node\" WHERE \"node\" = "));
        asked
    }
}

/// A way to a server along which messages are counted.
async fn way_to(server: String, asked: Asked) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((inner, _)) = listener.accept().await {
            let outer = TcpStream::connect(&server).await.unwrap();
            let ((from_site, mut to_site), (mut from_server, to_server)) = (inner.into_split(), outer.into_split());
            tokio::spawn(forward(from_site, to_server, asked.clone()));
            tokio::spawn(async move { drop(copy(&mut from_server, &mut to_site).await) });
        }
    });
    address
}

/// Passes on what the site says, message by message: `Query` and `Sync` are what it waits after.
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, asked: Asked) -> std::io::Result<()> {
    let length = from.read_u32().await?;
    let mut greeting = vec![0; length as usize - 4];
    from.read_exact(&mut greeting).await?;
    to.write_all(&[&length.to_be_bytes()[..], &greeting].concat()).await?;
    let (mut text, mut prepared) = (String::new(), HashMap::new());
    loop {
        let kind = from.read_u8().await?;
        let length = from.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        from.read_exact(&mut body).await?;
        let words = String::from_utf8_lossy(&body);
        let mut parts = words.split('\0').map(str::to_owned);
        match kind {
            b'P' => drop(prepared.insert(parts.next(), parts.next().unwrap_or_default())),
            b'B' => text = prepared.get(&parts.nth(1)).cloned().unwrap_or_default(),
            b'Q' => asked.0.lock().unwrap().extend(parts.next()),
            b'S' => asked.0.lock().unwrap().push(std::mem::take(&mut text)),
            _ => {}
        }
        to.write_all(&[&[kind][..], &length.to_be_bytes(), &body].concat()).await?;
    }
}

/// A site whose every message to PostgreSQL passes by us.
async fn watched() -> (TestSite, TestSite, Asked) {
    let direct = site().await;
    let url = url::Url::parse(&direct.database().url).unwrap();
    let asked = Asked::default();
    let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let address = way_to(server, asked.clone()).await;
    let mut through = url.clone();
    through.set_ip_host(address.ip()).unwrap();
    through.set_port(Some(address.port())).unwrap();
    through.query_pairs_mut().append_pair("sslmode", "disable");
    let site = TestSite::new()
        .with_doctype(NOTE)
        .with_doctype(ORDER)
        .with_doctype(ITEM)
        .with_doctype(ROW)
        .with_config(move |config| config.database_url = Hidden::new(through.as_str()))
        .await;
    (direct, site, asked)
}

#[tokio::test]
async fn a_request_waits_for_postgresql_as_seldom_as_it_can() {
    if !is_postgres() {
        return;
    }
    let (_direct, site, asked) = watched().await;
    let administrator = site.administrator().await;
    administrator.create("Storage Note", json!({"title": "a"})).await.ok();
    site.db_user("robot@example.com", json!({})).await;
    let client = json!({"allow_client_credentials": 1, "user": "robot@example.com"});
    let program = Program::made_by(&administrator, site.guest(), client).await;
    // What nodes tell each other of the limits of the API goes its own way, and nobody waits for it.
    let no_limits = json!({"api_rate_limit": 0, "api_rate_limit_for_guests": 0});
    site.db_update("System Settings", "System Settings", no_limits).await;
    let rows = json!([{"item": "x"}, {"item": "y"}]);
    let item = json!({"title": "t", "rows": rows});
    let order = json!({"note": "a", "count": 1, "rows": rows});
    let mut found = Vec::new();
    // Often enough that each connection has prepared what it needs.
    for round in 0..12 {
        let mut note = |what: &'static str, most: usize| {
            let trips = asked.take();
            if round == 11 {
                found.push((what, most, trips));
            }
        };
        asked.take();
        let name = administrator.create("Trip Item", item.clone()).await.ok()["name"].as_str().unwrap().to_owned();
        note("insert", 3);
        let ordered = administrator.create("Trip Order", order.clone()).await.ok()["name"].as_str().unwrap().to_owned();
        note("insert with a series and a Link", 5);
        administrator.update("Trip Item", &name, json!({"title": format!("{round}")})).await.ok();
        note("update", 5);
        administrator.update("Trip Order", &ordered, json!({"count": round + 2})).await.ok();
        note("update with a Link", 5);
        administrator.read("Trip Item", &name).await.ok();
        administrator.read("Trip Item", &name).await.ok();
        asked.take();
        administrator.read("Trip Item", &name).await.ok();
        note("read", 0);
        administrator.get("/api/resource/Trip%20Item?limit_page_length=5").await.ok();
        note("list", 1);
        program.post("get_token", &[("grant_type", "client_credentials")]).await.status(200);
        note("token by client credentials", 4);
    }
    let surplus: Vec<String> = found
        .iter()
        .filter(|(_, most, trips)| trips.len() > *most)
        .map(|(what, most, trips)| format!("{what}: {} instead of {most}\n  {}", trips.len(), trips.join("\n  ")))
        .collect();
    assert!(surplus.is_empty(), "{}", surplus.join("\n"));
}
