//! How long what the desk does takes as a table grows: the same requests, one after the other, on tables of different sizes,
//! against the release binary on SQLite and, where `DOCTYPED_TEST_POSTGRES` names a server, on PostgreSQL.
//!
//! `cargo bench --bench growth -- --rows 10000,1000000` prints a table for each database: milliseconds (the median), and how
//! much longer the largest table takes than the smallest. Rows are written by SQL before the DocType has a title, so that the
//! start that follows shows how long the index for searching takes on a table that is there.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures and stops at the first fault"
)]

#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, Database, DbBackend, Statement};

use support::{Connection, authorization, no_limits, post, session, start_server};

/// What is measured if nothing is said.
const ROWS: &str = "10000,1000000";
/// Requests of a kind at most, and for how long at most.
const REQUESTS: usize = 200;
const SECONDS: Duration = Duration::from_secs(15);
/// How many shelves there are.
const SHELVES: usize = 1000;

const ITEM: &str = r"
name: Growth Item
module: Bench
autoname: hash
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, in_list_view: true }
  - { fieldname: shelf, fieldtype: Link, label: Shelf, options: Growth Shelf, in_standard_filter: true }
  - { fieldname: amount, fieldtype: Currency, label: Amount, in_list_view: true }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";
const SHELF: &str = r"
name: Growth Shelf
module: Bench
autoname: Prompt
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";
/// Two of these are in each title.
const WORDS: &str =
    "(0, 'amber'), (1, 'birch'), (2, 'cedar'), (3, 'daisy'), (4, 'ebony'), (5, 'fennel'), (6, 'ginger'), (7, 'hazel')";

/// What was measured of one table.
struct Column {
    rows: usize,
    medians: Vec<(&'static str, Duration)>,
    notes: String,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = arguments.iter().position(|argument| argument == "--rows").and_then(|at| arguments.get(at + 1));
    let rows = given.map_or(ROWS, String::as_str).split(',');
    let rows: Vec<usize> = rows.map(|rows| rows.parse().expect("--rows takes numbers, separated by commas")).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(&rows));
}

async fn run(rows: &[usize]) {
    let server = std::env::var("DOCTYPED_TEST_POSTGRES").ok();
    for postgres in std::iter::once(None).chain(server.as_deref().map(Some)) {
        let mut columns = Vec::new();
        for rows in rows {
            let folder = tempfile::tempdir().unwrap();
            let name = format!("doctyped_growth_{}", std::process::id());
            let url = match postgres {
                None => format!("sqlite://{}", folder.path().join("site.db").display()),
                Some(server) => {
                    administer(server, &format!("CREATE DATABASE {name}")).await;
                    format!("{server}/{name}")
                }
            };
            columns.push(measure_table(folder.path(), &url, *rows).await);
            if let Some(server) = postgres {
                administer(server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
            }
        }
        print(if postgres.is_some() { "PostgreSQL" } else { "SQLite" }, &columns);
    }
}

async fn administer(server: &str, sql: &str) {
    Database::connect(format!("{server}/postgres")).await.unwrap().execute_unprepared(sql).await.unwrap();
}

/// Fills a site with so many rows and measures every kind of request.
async fn measure_table(folder: &Path, url: &str, rows: usize) -> Column {
    let environment = [("DOCTYPED_DATABASE_URL", url)];
    let doctypes = folder.join("doctypes/bench");
    std::fs::create_dir_all(&doctypes).unwrap();
    std::fs::write(doctypes.join("growth_item.yaml"), ITEM).unwrap();
    std::fs::write(doctypes.join("growth_shelf.yaml"), SHELF).unwrap();
    drop(start_server(folder, &environment).await);
    let filling = Instant::now();
    fill(url, rows).await;
    let filled = filling.elapsed();
    std::fs::write(doctypes.join("growth_item.yaml"), ITEM.replace("fields:\n", "title_field: title\nfields:\n"))
        .unwrap();
    let starting = Instant::now();
    let (server, address) = start_server(folder, &environment).await;
    let started = starting.elapsed();

    let words = wait_for_words(url).await;

    let key = authorization(folder, &environment);
    no_limits(address, &key).await;
    let cookie = format!("Cookie: {}\r\n", session(address).await);
    let get = |path: String, credentials: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{credentials}\r\n");
    let desk = |query: String| get(format!("/app/growth-item{query}"), &cookie);
    let picker = |text: String| {
        get(format!("/api/method/frappe.desk.search.search_link?doctype=Growth%20Item&txt={text}"), &key)
    };
    // Numbers of as many digits as the last row has, so that few titles hold them.
    let number = |n: usize| rows - 1 - n * (rows / 2 / REQUESTS).max(1);
    let mut medians = Vec::new();
    let mut measure =
        async |label, request: &dyn Fn(usize) -> String| medians.push((label, median(address, request).await));
    measure("get one", &|n| get(format!("/api/resource/Growth%20Item/{}", name(number(n))), &key)).await;
    measure("list, as it opens", &|_| desk(String::new())).await;
    measure("list, filtered by a Link", &|n| desk(format!("?shelf=S-{}", n % SHELVES))).await;
    measure("quick search, few match", &|n| desk(format!("?q={}", number(n)))).await;
    measure("quick search, every 64th matches", &|_| desk("?q=daisy+ginger".to_owned())).await;
    measure("quick search, all match", &|_| desk("?q=item".to_owned())).await;
    measure("search over everything", &|n| get(format!("/app/_find?q={}", number(n)), &cookie)).await;
    measure("search over everything, all match", &|_| get("/app/_find?q=item".to_owned(), &cookie)).await;
    measure("link picker, nothing typed", &|_| picker(String::new())).await;
    measure("link picker, few match", &|n| picker(number(n).to_string())).await;
    measure("link picker, all match", &|_| picker("item".to_owned())).await;
    let count = "/api/method/frappe.client.get_count?doctype=Growth%20Item&limit=10000";
    measure("count, to 10,000", &|_| get(count.to_owned(), &key)).await;
    measure("sort by a field without an index", &|_| desk("?order_by=amount+desc".to_owned())).await;
    let insert = |n: usize| {
        let body = format!(r#"{{"title":"Item {} amber cedar","shelf":"S-{}","amount":3}}"#, rows + n, n % SHELVES);
        post("POST", "/api/resource/Growth%20Item", &body, &key)
    };
    measure("insert", &insert).await;
    let size = size(url).await;
    drop_index(url, "wx tabGrowth Item.").await;
    measure("insert, without the index of words", &insert).await;
    drop_index(url, "tx tabGrowth Item.").await;
    measure("insert, without either", &insert).await;
    drop(server);
    let notes = format!(
        "{rows} rows: filled in {:.0} s, the start that makes the index took {:.1} s, the job that fills that of words {:.0} s; {size:.0} MB with both",
        filled.as_secs_f64(),
        started.as_secs_f64(),
        words.as_secs_f64()
    );
    println!("{notes}");
    Column { rows, medians, notes }
}

/// The median of one request after the other.
async fn median(address: SocketAddr, request: &dyn Fn(usize) -> String) -> Duration {
    let mut connection = Connection::open(address).await;
    connection.send(&request(REQUESTS)).await;
    let mut times = Vec::new();
    let started = Instant::now();
    while times.len() < REQUESTS && started.elapsed() < SECONDS {
        let sent = Instant::now();
        connection.send(&request(times.len())).await;
        times.push(sent.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

/// The name of a row: like a random one, and known.
fn name(row: usize) -> String {
    format!("{:010x}", row as u64 * 2_654_435_761 % (1 << 40))
}

async fn fill(url: &str, rows: usize) {
    let database = Database::connect(url).await.unwrap();
    let (numbers, name, moment) = match database.get_database_backend() {
        DbBackend::Sqlite => (
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < COUNT)",
            "printf('%010x', i * 2654435761 % 1099511627776)",
            "strftime('%Y-%m-%d %H:%M:%f', '2020-01-01', i || ' seconds') || '000'",
        ),
        _ => (
            "WITH n(i) AS (SELECT generate_series(CAST(0 AS bigint), COUNT - 1))",
            "lpad(to_hex(i * 2654435761 % 1099511627776), 10, '0')",
            "TIMESTAMP '2020-01-01' + i * INTERVAL '1 second'",
        ),
    };
    let head = |rows: usize| numbers.replace("COUNT", &rows.to_string());
    let standard = "owner, modified_by, creation, modified, name";
    let who = format!("'Administrator', 'Administrator', {moment}, {moment}");
    let shelves =
        format!("{} INSERT INTO \"tabGrowth Shelf\" ({standard}) SELECT {who}, 'S-' || i FROM n", head(SHELVES));
    let items = format!(
        "{}, words(k, word) AS (VALUES {WORDS}) \
         INSERT INTO \"tabGrowth Item\" ({standard}, title, shelf, amount) \
         SELECT {who}, {name}, 'Item ' || i || ' ' || a.word || ' ' || b.word, 'S-' || (i % {SHELVES}), i * 7919 % 1000003 \
         FROM n JOIN words a ON a.k = i % 8 JOIN words b ON b.k = i / 8 % 8",
        head(rows)
    );
    for sql in [shelves.as_str(), &items, "ANALYZE"] {
        database.execute_unprepared(sql).await.unwrap();
    }
    database.close().await.unwrap();
}

/// MB on the disk.
async fn size(url: &str) -> f64 {
    let database = Database::connect(url).await.unwrap();
    let backend = database.get_database_backend();
    let sql = match backend {
        DbBackend::Sqlite => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        _ => "SELECT pg_database_size(current_database())",
    };
    let row = database.query_one_raw(sea_orm::Statement::from_string(backend, sql)).await.unwrap().unwrap();
    let bytes: i64 = row.try_get_by_index(0).unwrap();
    database.close().await.unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a size to be printed")]
    let size = bytes as f64 / 1e6;
    size
}

/// Waits until the index of words is filled.
async fn wait_for_words(url: &str) -> Duration {
    let began = Instant::now();
    let database = Database::connect(url).await.unwrap();
    let sql = "SELECT \"key\" FROM \"__doctyped\" WHERE \"key\" LIKE 'unfilled %'";
    let statement = || Statement::from_string(database.get_database_backend(), sql);
    while database.query_one_raw(statement()).await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    database.close().await.unwrap();
    began.elapsed()
}

/// Takes the index whose name begins so away from under the site.
async fn drop_index(url: &str, start: &str) {
    let database = Database::connect(url).await.unwrap();
    let backend = database.get_database_backend();
    let (names, drop) = match (backend, start.starts_with("wx")) {
        (DbBackend::Sqlite, _) => ("SELECT name FROM sqlite_schema WHERE type = 'trigger'", "DROP TRIGGER \"{}\""),
        (_, true) => ("SELECT tgname::text AS name FROM pg_trigger", "DROP FUNCTION \"{}\" CASCADE"),
        (_, false) => ("SELECT indexname::text AS name FROM pg_indexes", "DROP INDEX \"{}\""),
    };
    for row in database.query_all_raw(Statement::from_string(backend, names)).await.unwrap() {
        let name: String = row.try_get("", "name").unwrap();
        if name.starts_with(start) {
            database.execute_unprepared(&drop.replace("{}", &name)).await.unwrap();
        }
    }
    database.close().await.unwrap();
}

/// A table in Markdown.
fn print(database: &str, columns: &[Column]) {
    let heads: Vec<String> = columns.iter().map(|column| format!(" {} rows |", grouped(column.rows))).collect();
    println!("\n| {database}, ms |{} ratio |\n|---|{}---|", heads.concat(), "---|".repeat(columns.len()));
    for (position, (label, first)) in columns[0].medians.iter().enumerate() {
        let times: Vec<f64> = columns.iter().map(|column| column.medians[position].1.as_secs_f64() * 1000.0).collect();
        let cells: Vec<String> = times.iter().map(|time| format!(" {time:.2} |")).collect();
        let ratio = times[times.len() - 1] / (first.as_secs_f64() * 1000.0);
        println!("| {label} |{} {ratio:.1} |", cells.concat());
    }
    for column in columns {
        println!("{}", column.notes);
    }
}

/// `1000000` → `1,000,000`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
