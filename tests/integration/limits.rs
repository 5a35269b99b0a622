//! What requests and connections may take: memory, time, places. Nobody takes it from all others.

use std::time::Duration;

use poem::http::Method;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use doctyped::testing::permissions::Session;

use crate::support::database::is_postgres;
use crate::support::{Client, PASSWORD, TestSite};

const ENTRY: &str = "name: Entry
module: Test
autoname: autoincrement
fields:
  - {fieldname: title, fieldtype: Data}
  - {fieldname: text, fieldtype: Long Text}
  - {fieldname: lines, fieldtype: Table, options: Entry Line}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1, export: 1}
";
const LINE: &str = "name: Entry Line
module: Test
istable: 1
fields:
  - {fieldname: item, fieldtype: Data}
";

fn kib(count: usize) -> String {
    "x".repeat(count * 1024)
}

/// A connection to a site, for what no client would send.
struct Raw(TcpStream);

impl Raw {
    async fn open(site: &TestSite) -> Self {
        let address = site.site.config.site_url.trim_start_matches("http://").to_owned();
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// All that comes until the other end closes.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A connection that is cut has said all it had to say.
        let _ = self.0.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// One answer without more than a head can hold.
    async fn head(&mut self) -> String {
        let mut bytes = vec![0; 16 * 1024];
        let count = self.0.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }
}

const PING: &str = "GET /api/method/ping HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn nobody_without_credentials_has_a_large_body_kept() {
    let site = TestSite::new().with_doctype(ENTRY).with_doctype(LINE).await;
    let guest = site.guest();
    guest.post("/api/resource/Entry", json!({"text": kib(1100)})).await.error(413, "ValidationError");
    // Login and OAuth take a few words, whoever asks.
    let administrator = site.administrator().await;
    for client in [&guest, &administrator] {
        let login = json!({"usr": "x", "pwd": kib(65)});
        client.post("/api/method/login", login).await.error(413, "ValidationError");
        let token = [("grant_type", kib(65))];
        let token = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(token).finish();
        let form = "application/x-www-form-urlencoded";
        let path = "/api/method/frappe.integrations.oauth2.get_token";
        let answer = client.send(Method::POST, path, form, token).await;
        assert!(answer.status.is_client_error(), "{}", answer.status);
    }
    administrator.create("Entry", json!({"text": kib(1100)})).await.ok();
}

#[tokio::test]
async fn bodies_have_one_budget_and_small_ones_get_through() {
    let site = TestSite::new()
        .with_doctype(ENTRY)
        .with_doctype(LINE)
        .with_config(|config| config.limits.body_memory = 200 * 1024)
        .await;
    let administrator = site.administrator().await;
    let answer = administrator.create("Entry", json!({"text": kib(300)})).await;
    assert_eq!(answer.header("retry-after"), "5");
    answer.error(503, "SessionStopped");
    administrator.create("Entry", json!({"text": kib(100)})).await.ok();
    // A text of many small values takes far more than its length.
    let values: Vec<Json> = (0..10_000).map(|_| json!({})).collect();
    administrator.create("Entry", json!({"lines": values})).await.error(413, "ValidationError");
    // What a request took is given back with its answer.
    for _ in 0..5 {
        administrator.create("Entry", json!({"text": kib(100)})).await.ok();
    }
}

#[tokio::test]
async fn uploaded_files_go_to_disk_and_nothing_stays_of_those_that_are_refused() {
    let site = TestSite::new().with_config(|config| config.limits.body_memory = 100 * 1024).await;
    let administrator = site.administrator().await;
    let upload = |content: String| {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"is_private\"\r\n\r\n1\r\n--b\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n{content}\r\n--b--\r\n"
        );
        administrator.send(Method::POST, "/api/method/upload_file", "multipart/form-data; boundary=b", body)
    };
    let file = upload(kib(2000)).await.ok();
    assert_eq!(file["file_size"], 2000 * 1024);
    let url = file["file_url"].as_str().unwrap();
    assert_eq!(administrator.get(url).await.status(200).body.len(), 2000 * 1024);
    // The same bytes are not stored twice.
    assert_eq!(upload(kib(2000)).await.ok()["file_url"], url);
    site.db_update("System Settings", "System Settings", json!({"max_file_size": 1})).await;
    upload(kib(1500)).await.error(417, "ValidationError");
    let temporary = site.site.config.files.join("temporary");
    assert_eq!(std::fs::read_dir(temporary).unwrap().count(), 0);
}

#[tokio::test]
async fn long_lists_are_whole_whatever_way_they_are_asked_for() {
    const COUNT: usize = 1_700;
    let site = TestSite::new().with_doctype(ENTRY).with_doctype(LINE).await;
    let system = Session::system();
    let doctype = site.documents().doctype("Entry").unwrap();
    let mut work = site.documents().begin(&system).await.unwrap();
    for n in 0..COUNT {
        let values = json!({"title": format!("\"{n}\""), "text": kib(1), "lines": [{"item": n.to_string()}]});
        work.insert_json(&doctype, values.as_object().unwrap(), false).await.unwrap();
    }
    work.commit().await.unwrap();
    let administrator = site.administrator().await;
    let names = |rows: &Json, key: &dyn Fn(&Json) -> i64| rows.as_array().unwrap().iter().map(key).collect::<Vec<_>>();
    let all: Vec<i64> = (1..=1_700).collect();
    let by_name = |row: &Json| row["name"].as_i64().unwrap();
    let first = |row: &Json| row[0].as_i64().unwrap();

    let query = "fields=[\"name\",\"title\",\"text\"]&order_by=name asc&limit_page_length=0";
    let rows = administrator.list("Entry", query).await.ok();
    assert_eq!(names(&rows, &by_name), all);
    assert_eq!(rows[7]["title"], "\"7\"");
    let rows = administrator.list("Entry", &format!("{query}&as_dict=0")).await.ok();
    assert_eq!(names(&rows, &first), all);
    let page =
        administrator.get("/api/v2/document/Entry?fields=%5B%22name%22%5D&order_by=name%20asc&limit=1500").await.json();
    assert_eq!(names(&page["data"], &by_name), all[..1500]);
    assert_eq!(page["has_next_page"], true);
    let page = administrator.get("/api/v2/document/Entry?order_by=name%20asc&start=100&limit=1600").await.json();
    assert_eq!((page["data"].as_array().unwrap().len(), &page["has_next_page"]), (1600, &json!(false)));
    let rows = administrator
        .list("Entry", "fields=[\"name\",{\"lines\":[\"item\"]}]&order_by=name asc&limit_page_length=0")
        .await
        .ok();
    assert_eq!(names(&rows, &by_name), all);
    assert!((0..COUNT).all(|n| rows[n]["lines"][0]["item"].as_str() == Some(n.to_string().as_str())), "{}", rows[1]);

    let arguments = json!({"doctype": "Entry", "fields": ["name"], "order_by": "name asc", "limit_page_length": 0});
    let rows = administrator.call("frappe.client.get_list", arguments.clone()).await.ok();
    assert_eq!(names(&rows, &by_name), all);
    let rows = administrator.call("frappe.desk.reportview.get_list", arguments.clone()).await.ok();
    assert_eq!(names(&rows, &by_name), all);
    let report = administrator.call("frappe.desk.reportview.get", arguments.clone()).await.ok();
    assert_eq!(report["keys"], json!(["name"]));
    assert_eq!(names(&report["values"], &first), all);
    let mut none = arguments.clone();
    none["filters"] = json!({"title": "none"});
    assert_eq!(administrator.call("frappe.desk.reportview.get", none).await.ok(), json!([]));
    let csv = administrator.call("frappe.desk.reportview.export_query", arguments).await.status(200).body;
    assert_eq!(csv.lines().count(), COUNT + 1);
    assert!(csv.starts_with("ID\r\n1\r\n") || csv.starts_with("Name\r\n1\r\n"), "{}", &csv[..20]);
    // Two readers at once, with rows to be fetched for each part, do not wait for each other for ever.
    let query = "fields=[\"name\",{\"lines\":[\"item\"]}]&limit_page_length=0";
    let asked = (0..6).map(|_| administrator.list("Entry", query));
    for rows in futures_util::future::join_all(asked).await {
        assert_eq!(rows.ok().as_array().unwrap().len(), COUNT);
    }
}

#[tokio::test]
async fn a_long_list_asks_for_the_same_rights_as_a_short_one() {
    let site = TestSite::new().with_doctype(ENTRY).with_doctype(LINE).await;
    let alice = site.user("alice@example.com", &[]).await;
    for limit in [1, 0] {
        alice.list("Entry", &format!("limit_page_length={limit}")).await.error(403, "PermissionError");
        alice.list("Entry", &format!("fields=[\"nothing\"]&limit_page_length={limit}")).await.status(403);
    }
    let answer = site.administrator().await.list("Entry", "fields=[\"nothing\"]&limit_page_length=0").await;
    answer.error(417, "DataError");
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection_and_an_idle_one_lives_on() {
    let site = TestSite::new()
        .listening()
        .with_config(|config| config.limits.header_timeout = Duration::from_millis(300))
        .await;
    // Nothing, and a head that grows slowly.
    let mut silent = Raw::open(&site).await;
    let mut slow = Raw::open(&site).await;
    slow.send("GET /api/method/ping HTTP/1.1\r\nHost: x\r\n").await;
    let mut idle = Raw::open(&site).await;
    idle.send(PING).await;
    assert!(idle.head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(silent.rest().await, "");
    assert!(!slow.rest().await.contains("200"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    idle.send(PING).await;
    assert!(idle.head().await.starts_with("HTTP/1.1 200"));
    // The head of a further request has the same time.
    idle.send("GET /").await;
    assert!(!idle.rest().await.contains("200"));
}

#[tokio::test]
async fn an_idle_connection_ends_after_a_while() {
    let site =
        TestSite::new().listening().with_config(|config| config.limits.idle_timeout = Duration::from_millis(100)).await;
    let mut idle = Raw::open(&site).await;
    idle.send(PING).await;
    assert!(idle.head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(idle.rest().await, "");
}

#[tokio::test]
async fn a_body_that_stands_still_or_trickles_is_a_408() {
    let site = TestSite::new()
        .listening()
        .with_config(|config| {
            config.limits.stall_timeout = Duration::from_millis(300);
            config.limits.body_rate = 1024;
        })
        .await;
    let head = "POST /api/method/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let mut stalled = Raw::open(&site).await;
    stalled.send(&format!("{head}Content-Length: 100\r\n\r\n{{")).await;
    assert!(stalled.head().await.starts_with("HTTP/1.1 408"));
    let mut chunked = Raw::open(&site).await;
    chunked.send(&format!("{head}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n")).await;
    assert!(chunked.head().await.starts_with("HTTP/1.1 408"));
    let mut trickling = Raw::open(&site).await;
    trickling.send(&format!("{head}Content-Length: 10000\r\n\r\n{{")).await;
    let (mut reads, mut writes) = trickling.0.split();
    let trickle = async {
        while writes.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = [0; 12];
    tokio::select! {
        read = reads.read_exact(&mut answer) => drop(read.unwrap()),
        () = trickle => {}
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn whoever_takes_no_answer_loses_the_connection() {
    // More than the buffers of both ends hold.
    const LENGTH: usize = 20_000_000;
    let site = TestSite::new()
        .listening()
        .with_config(|config| config.limits.stall_timeout = Duration::from_millis(300))
        .await;
    let folder = site.site.config.files.join("public");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("long.txt"), "x".repeat(LENGTH)).unwrap();
    let mut lazy = Raw::open(&site).await;
    lazy.send("GET /files/long.txt HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut begun = [0; 12];
    lazy.0.read_exact(&mut begun).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(lazy.rest().await.len() < LENGTH, "all of it came");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_to_come_back() {
    for limit in [
        |config: &mut doctyped::testing::config::Config| config.limits.connections = 3,
        |config: &mut doctyped::testing::config::Config| config.limits.connections_per_address = Some(3),
    ] {
        let site = TestSite::new().listening().with_config(limit).await;
        let mut open = Vec::new();
        for _ in 0..3 {
            let mut connection = Raw::open(&site).await;
            connection.send(PING).await;
            assert!(connection.head().await.starts_with("HTTP/1.1 200"));
            open.push(connection);
        }
        let mut further = Raw::open(&site).await;
        further.send(PING).await;
        let answer = further.rest().await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("Retry-After: "), "{answer}");
        // A place that is given back is free again.
        drop(open.pop());
        let mut answer = String::new();
        for _ in 0..100 {
            let mut again = Raw::open(&site).await;
            again.send("GET /api/method/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
            answer = again.rest().await;
            if answer.starts_with("HTTP/1.1 200") {
                break;
            }
        }
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn a_head_that_can_be_understood_in_two_ways_is_a_400() {
    let site = TestSite::new().listening().await;
    for head in [
        "GET /api/method/ping HTTP/1.1\r\n\r\n",
        "GET /api/method/ping HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /api/method/ping HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /api/method/ping HTTP/1.1\r\nHost: me@a\r\n\r\n",
        "GET /api/method/ping HTTP/1.1\r\nHost:\r\n\r\n",
        "POST /api/method/ping HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "POST /api/method/ping HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}",
        "GET /api/method/ping HTTP/1.1\r\nHost: a\r\nX-Name: a\u{1}b\r\n\r\n",
    ] {
        let mut connection = Raw::open(&site).await;
        connection.send(head).await;
        let answer = connection.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head:?}: {answer}");
    }
    let mut old = Raw::open(&site).await;
    old.send("GET /api/method/ping HTTP/1.0\r\n\r\n").await;
    assert!(old.rest().await.contains(" 200 "), "HTTP/1.0 knows no Host");
}

#[tokio::test]
async fn answers_are_compressed_unless_that_could_give_something_away() {
    let site = TestSite::new().with_doctype(ENTRY).with_doctype(LINE).await;
    site.db_insert("Entry", json!({"title": "A", "text": kib(4)})).await;
    let administrator = site.administrator().await.with_header("accept-encoding", "gzip, br");
    let encoding = |answer: &crate::support::client::Response| {
        let text = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        (text("content-encoding"), text("vary").to_ascii_lowercase().contains("accept-encoding"))
    };
    let gzip = ("gzip".to_owned(), true);
    let plain = (String::new(), true);
    let list = "/api/resource/Entry?fields=%5B%22*%22%5D";
    let own = administrator.with_header("sec-fetch-site", "same-origin");
    for uri in [list, "/app/entry", "/app/user/Administrator"] {
        assert_eq!(encoding(&own.get(uri).await.status(200)), gzip, "{uri}");
        // With a cookie, and perhaps on behalf of another site.
        assert_eq!(encoding(&administrator.get(uri).await.status(200)), plain, "{uri}");
        let foreign = administrator.with_header("sec-fetch-site", "cross-site");
        assert_eq!(encoding(&foreign.get(uri).await.status(200)), plain, "{uri}");
    }
    assert_eq!(encoding(&own.get("/api/method/ping").await), plain, "too short to gain anything");
    // What is the same for everybody comes in the shortest form, and has a tag for each.
    let guest = site.guest().with_header("accept-encoding", "gzip, br");
    for uri in ["/assets/desk/desk.css", "/assets/swagger/swagger-ui-bundle.js"] {
        let answer = guest.get(uri).await.status(200);
        assert_eq!(encoding(&answer), ("br".to_owned(), true), "{uri}");
        let tag = answer.header("etag").to_owned();
        let plain_answer = site.guest().get(uri).await.status(200);
        assert_eq!(encoding(&plain_answer), plain, "{uri}");
        assert_ne!(plain_answer.header("etag"), tag);
        guest.with_header("if-none-match", &tag).get(uri).await.status(304);
    }
    // What sets a cookie is not compressed, whatever it holds.
    let login = guest.form("/api/method/login", &[("usr", "Administrator"), ("pwd", PASSWORD)]).await.status(200);
    assert_eq!(encoding(&login), plain);
}

#[tokio::test]
async fn scripts_and_styles_are_kept_for_good_with_all_that_they_import() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let page = administrator.get("/app").await.status(200).body;
    let start = page.find("/assets/~").expect("assets with their version");
    let address = page[start..].split('"').next().unwrap().to_owned();
    let (root, _) = address["/assets/~".len()..].split_once('/').unwrap();
    for path in ["desk/main.js", "desk/jump.js", "desk/desk.css"] {
        let answer = site.guest().get(&format!("/assets/~{root}/{path}")).await.status(200);
        assert!(answer.header("cache-control").contains("immutable"), "{path}");
    }
    let other = site.guest().get("/assets/~older/desk/main.js").await.status(200);
    assert!(other.header("cache-control").contains("no-cache"));
    for path in ["/assets/~", "/assets/~/", "/assets/~x/../desk/main.js", "/assets/~x/.hidden"] {
        assert_eq!(site.guest().get(path).await.status.as_u16(), 404, "{path}");
    }
}

/// Everything that keeps others from writing: SQLite's one writer, or all connections that write to PostgreSQL.
async fn hold_up(site: &TestSite) -> Vec<Box<dyn std::any::Any + Send>> {
    let connections = if is_postgres() { 8 } else { 1 };
    let mut held: Vec<Box<dyn std::any::Any + Send>> = Vec::new();
    for _ in 0..connections {
        held.push(Box::new(site.documents().database().begin().await.unwrap()));
    }
    held
}

#[tokio::test]
async fn what_is_too_much_at_once_is_refused_at_once_and_afterwards_all_is_well() {
    let site =
        TestSite::new().with_doctype(ENTRY).with_doctype(LINE).with_config(|c| c.limits.requests = 4).listening().await;
    let base = site.site.config.site_url.clone();
    let administrator = Client::over_network(&base);
    administrator.log_in("Administrator", PASSWORD).await.ok();
    let held = hold_up(&site).await;
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..20 {
        let administrator = administrator.clone();
        asking.spawn(async move { administrator.create("Entry", json!({"title": format!("{n}")})).await });
    }
    // Nobody of these waits for what is held.
    for _ in 0..16 {
        let refused = asking.join_next().await.unwrap().unwrap();
        assert_eq!(refused.header("retry-after"), "5");
        refused.error(503, "SessionStopped");
    }
    administrator.get("/health/live").await.status(200);
    let page = administrator.get("/app").await.status(503);
    assert!(page.body.contains("too much to do") && page.header("content-type").starts_with("text/html"));
    drop(held);
    while let Some(answer) = asking.join_next().await {
        answer.unwrap().ok();
    }
    administrator.get("/app").await.status(200);
    assert_eq!(site.db_names("Entry", json!({})).await.len(), 4, "what was refused was not done");
}

#[tokio::test]
async fn while_too_many_wait_for_the_database_others_are_refused_and_none_of_those_who_wait() {
    let site =
        TestSite::new().with_doctype(ENTRY).with_doctype(LINE).with_config(|c| c.limits.waiting = 6).listening().await;
    let base = site.site.config.site_url.clone();
    let administrator = Client::over_network(&base);
    administrator.log_in("Administrator", PASSWORD).await.ok();
    let held = hold_up(&site).await;
    let mut waiting = Vec::new();
    // One after the other, until the first is refused: the others wait as long as it takes.
    let refused = loop {
        assert!(waiting.len() < 50, "nobody is refused");
        let mut asking = tokio::spawn({
            let administrator = administrator.clone();
            async move { administrator.create("Entry", json!({"title": "x"})).await }
        });
        match tokio::time::timeout(Duration::from_millis(300), &mut asking).await {
            Ok(answer) => break answer.unwrap(),
            Err(_) => waiting.push(asking),
        }
    };
    refused.error(503, "SessionStopped");
    // What the site notes by itself waits, too.
    assert!(!waiting.is_empty());
    administrator.get("/health/live").await.status(200);
    drop(held);
    for asking in waiting {
        asking.await.unwrap().ok();
    }
    administrator.create("Entry", json!({"title": "y"})).await.ok();
}
