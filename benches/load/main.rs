//! A short load run against the release binary: requests per second and p99 of the hot paths, next to a bare handler.
//!
//! `cargo bench --bench load` builds the binary, starts it on a site of its own in a temporary folder, fills 10,000 documents
//! and prints a table. Everything stays on the loopback interface and ends by itself. Ratios within one run are what counts.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures and stops at the first fault"
)]

mod oauth;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::{Connection, PASSWORD, Running, authorization, no_limits, post, send_once, session, start_server};

const CONNECTIONS: usize = 16;
const SECONDS: u64 = 4;
const DOCUMENTS: usize = 10_000;

const ITEM: &str = r"
name: Bench Item
module: Bench
autoname: hash
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, in_list_view: true }
  - { fieldname: status, fieldtype: Select, label: Status, options: [Open, Closed], in_standard_filter: true }
  - { fieldname: amount, fieldtype: Currency, label: Amount }
  - { fieldname: quantity, fieldtype: Int, label: Quantity }
  - { fieldname: due, fieldtype: Date, label: Due }
  - { fieldname: notes, fieldtype: Small Text, label: Notes }
  - { fieldname: rows, fieldtype: Table, label: Rows, options: Bench Row }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";
const ROW: &str = r"
name: Bench Row
module: Bench
istable: true
fields:
  - { fieldname: item, fieldtype: Data, label: Item, in_list_view: true }
  - { fieldname: quantity, fieldtype: Int, label: Quantity, in_list_view: true }
";

/// What one path answered.
struct Figures {
    label: &'static str,
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Some(position) = arguments.iter().position(|argument| argument == "--bare") {
        runtime.block_on(serve_bare(&arguments[position + 1]));
        return;
    }
    runtime.block_on(run());
}

/// A poem server that answers every request with the bytes of a file: what the framework alone costs.
async fn serve_bare(file: &str) {
    let bytes = bytes::Bytes::from(std::fs::read(file).unwrap());
    let acceptor =
        poem::listener::Listener::into_acceptor(poem::listener::TcpListener::bind("127.0.0.1:0")).await.unwrap();
    let address = poem::listener::Acceptor::local_addr(&acceptor).remove(0);
    println!("{}", address.as_socket_addr().unwrap());
    let endpoint = poem::endpoint::make_sync(move |_| {
        poem::Response::builder().content_type("application/json").body(bytes.clone())
    });
    poem::Server::new_with_acceptor(acceptor).run(endpoint).await.unwrap();
}

async fn run() {
    load_300_doctypes();
    let folder = site_folder(0);
    let first_start = Instant::now();
    let (server, address) = start_server(folder.path(), &[]).await;
    println!("first start (new site)      {:>8.0} ms", first_start.elapsed().as_secs_f64() * 1000.0);
    let authorization = authorization(folder.path(), &[]);
    no_limits(address, &authorization).await;
    let names = fill(address, &authorization).await;
    drop(server);
    let restart = Instant::now();
    let (mut server, address) = start_server(folder.path(), &[]).await;
    println!("start on an existing site   {:>8.0} ms", restart.elapsed().as_secs_f64() * 1000.0);

    let one = format!("GET /api/resource/Bench%20Item/{} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n", names[0]);
    let body = send_once(address, &one).await;
    std::fs::write(folder.path().join("one.json"), &body).unwrap();
    let (bare, bare_address) = start_bare(&folder.path().join("one.json"));

    let get: Vec<String> = names
        .iter()
        .take(1000)
        .map(|name| format!("GET /api/resource/Bench%20Item/{name} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n"))
        .collect();
    let list = format!(
        "GET /api/resource/Bench%20Item?fields=%5B%22name%22,%22title%22,%22status%22,%22amount%22%5D&filters=%7B%22status%22:%22Open%22%7D&limit_page_length=20 HTTP/1.1\r\nHost: x\r\n{authorization}\r\n"
    );
    let insert = post("POST", "/api/resource/Bench%20Item", &document(7), &authorization);
    let update: Vec<String> = names
        .iter()
        .take(1000)
        .enumerate()
        .map(|(n, name)| {
            put(&format!("/api/resource/Bench%20Item/{name}"), &format!("{{\"quantity\":{n}}}"), &authorization)
        })
        .collect();
    // Pages are for people: an API key does not open them.
    let cookie = session(address).await;
    let form = vec![format!("GET /app/bench-item/{} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n", names[0])];

    let mut table = Vec::new();
    table.push(measure("bare handler, same bytes", bare_address, vec![one.clone()]).await);
    table.push(measure("get one", address, get).await);
    table.push(measure("list 20 of 10,000, filter", address, vec![list]).await);
    table.push(measure("insert, three child rows", address, vec![insert]).await);
    table.push(measure("update", address, update).await);
    table.push(measure("form", address, form).await);
    table.extend(oauth::run(address, &authorization, &names).await);
    let resident = resident(server.0.id());
    table.push(with_1000_doctypes().await);
    println!("\n{:<28}{:>10}{:>10}{:>10}{:>8}", "path", "req/s", "p50 ms", "p99 ms", "ratio");
    let reference = table[0].per_second;
    for figures in &table {
        println!(
            "{:<28}{:>10.0}{:>10.2}{:>10.2}{:>8.2}",
            figures.label,
            figures.per_second,
            figures.p50.as_secs_f64() * 1000.0,
            figures.p99.as_secs_f64() * 1000.0,
            figures.per_second / reference
        );
    }
    println!("\n{:<28}{:>34}{:>8}", "path", "to the engine's own", "ratio");
    for (label, own) in [
        ("get one, bearer token", "get one"),
        ("introspection", "get one"),
        ("token by refresh", "update"),
        ("token by refresh", "insert, three child rows"),
        ("token by client credentials", "insert, three child rows"),
    ] {
        let rate = |label: &str| table.iter().find(|figures| figures.label == label).unwrap().per_second;
        println!("{label:<28}{own:>34}{:>8.2}", rate(label) / rate(own));
    }
    println!("\nresident memory after the run {resident:>6.1} MB");
    drop(bare);
    let _ = server.0.kill();
}

/// Reading and checking DocType files, in this process.
fn load_300_doctypes() {
    let sources: Vec<doctyped::testing::load::Source> =
        (0..300).map(|n| doctyped::testing::load::Source { path: format!("{n}.yaml"), text: generated(n) }).collect();
    let started = Instant::now();
    let loaded = doctyped::testing::load::load(&sources);
    assert_eq!((loaded.doctypes.len(), loaded.problems.len()), (300, 0));
    println!("load 300 DocTypes of 40 fields {:>5.0} ms", started.elapsed().as_secs_f64() * 1000.0);
}

/// The YAML of a DocType with 40 fields.
fn generated(n: usize) -> String {
    use std::fmt::Write;
    let mut text = format!("name: Generated {n}\nmodule: Generated\nfields:\n");
    for field in 0..40 {
        let _ =
            writeln!(text, "  - {{ fieldname: f{field}, fieldtype: Data, label: Field {field}, description: Help. }}");
    }
    text.push_str("permissions:\n  - { role: System Manager, read: true, write: true, create: true, delete: true }\n");
    text
}

/// A folder with the DocTypes of this run, and so many generated ones.
fn site_folder(more: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let doctypes = folder.path().join("doctypes/bench");
    std::fs::create_dir_all(&doctypes).unwrap();
    std::fs::write(doctypes.join("bench_item.yaml"), ITEM).unwrap();
    std::fs::write(doctypes.join("bench_row.yaml"), ROW).unwrap();
    for n in 0..more {
        std::fs::write(doctypes.join(format!("generated_{n}.yaml")), generated(n)).unwrap();
    }
    folder
}

/// What 1,000 further DocTypes cost: the first start, the next one, and reading one document.
async fn with_1000_doctypes() -> Figures {
    let folder = site_folder(1000);
    for label in ["first start, 1,000 DocTypes", "next start, 1,000 DocTypes"] {
        let started = Instant::now();
        drop(start_server(folder.path(), &[]).await);
        println!("{label:<28}{:>8.0} ms", started.elapsed().as_secs_f64() * 1000.0);
    }
    let (server, address) = start_server(folder.path(), &[]).await;
    let authorization = authorization(folder.path(), &[]);
    no_limits(address, &authorization).await;
    let made = send_once(address, &post("POST", "/api/resource/Bench%20Item", &document(7), &authorization)).await;
    let made: serde_json::Value = serde_json::from_slice(&made).unwrap();
    let name = made["data"]["name"].as_str().unwrap();
    let get = format!("GET /api/resource/Bench%20Item/{name} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n");
    let figures = measure("get one, 1,000 DocTypes", address, vec![get]).await;
    drop(server);
    figures
}

fn start_bare(file: &Path) -> (Running, SocketAddr) {
    use std::io::BufRead;
    let mut child =
        Command::new(std::env::current_exe().unwrap()).arg("--bare").arg(file).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Running(child), line.trim().parse().unwrap())
}

fn document(n: usize) -> String {
    let status = if n.is_multiple_of(2) { "Open" } else { "Closed" };
    format!(
        "{{\"title\":\"Item {n}\",\"status\":\"{status}\",\"amount\":12.5,\"quantity\":{n},\"due\":\"2026-03-31\",\"notes\":\"A note\",\"rows\":[{{\"item\":\"a\",\"quantity\":1}},{{\"item\":\"b\",\"quantity\":2}},{{\"item\":\"c\",\"quantity\":3}}]}}"
    )
}

fn put(path: &str, body: &str, authorization: &str) -> String {
    post("PUT", path, body, authorization)
}

/// Inserts the documents and returns their names.
async fn fill(address: SocketAddr, authorization: &str) -> Vec<String> {
    let started = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (next, authorization) = (Arc::clone(&next), authorization.to_owned());
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            let mut names = Vec::new();
            loop {
                let n = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
                if n >= DOCUMENTS {
                    return names;
                }
                let body =
                    connection.send(&post("POST", "/api/resource/Bench%20Item", &document(n), &authorization)).await;
                let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
                names.push(answer["data"]["name"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned());
            }
        }));
    }
    let mut names = Vec::new();
    for task in tasks {
        names.extend(task.await.unwrap());
    }
    println!("filled {DOCUMENTS} documents       {:>8.1} s", started.elapsed().as_secs_f64());
    names
}

/// Sends these requests in turn over every connection.
async fn measure(label: &'static str, address: SocketAddr, requests: Vec<String>) -> Figures {
    let requests = Arc::new(requests);
    let connections = (0..CONNECTIONS).map(|connection| {
        let (requests, mut n) = (Arc::clone(&requests), connection * 61);
        move |_: Option<&[u8]>| {
            n += 1;
            requests[n % requests.len()].clone()
        }
    });
    measure_each(label, address, connections).await
}

/// Opens a connection for each; what it sends next may depend on what was answered before.
async fn measure_each<N>(label: &'static str, address: SocketAddr, connections: impl Iterator<Item = N>) -> Figures
where
    N: FnMut(Option<&[u8]>) -> String + Send + 'static,
{
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let started = Instant::now();
    let mut tasks = Vec::new();
    for mut next in connections {
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            let mut times = Vec::new();
            let mut request = next(None);
            while Instant::now() < until {
                let sent = Instant::now();
                let answer = connection.send(&request).await;
                times.push(sent.elapsed());
                request = next(Some(&answer));
            }
            times
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let seconds = started.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    let per_second = times.len() as f64 / seconds;
    Figures { label, per_second, p50: at(50), p99: at(99) }
}

/// Resident memory of a process in MB.
fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(0.0) / 1024.0
}
