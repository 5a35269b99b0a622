//! Mixed load for minutes: reads, lists, writes, logins right and wrong, tokens, forms and uploads at once, against the
//! release binary on SQLite; prints memory over time, what was answered, and how long each kind took.
//!
//! `cargo bench --bench mixed -- --seconds 300`. Ends with 1 if something is answered 5xx, or if memory passes 150 MB or
//! still grows in the second half.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures and stops at the first fault"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

const PASSWORD: &str = "a password for this run";
/// How long it runs if nothing else is said.
const SECONDS: u64 = 300;
/// Resident memory at most, in MB.
const MOST_MEMORY: f64 = 150.0;
/// How much more memory the last third of the run may have than the middle one.
const MOST_GROWTH: f64 = 1.15;
/// How often memory is looked at.
const EVERY: Duration = Duration::from_secs(5);
const TOKEN: &str = "/api/method/frappe.integrations.oauth2.get_token";

const ITEM: &str = r"
name: Bench Item
module: Bench
autoname: hash
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, in_list_view: true }
  - { fieldname: status, fieldtype: Select, label: Status, options: [Open, Closed], in_standard_filter: true }
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

/// What is done, and by how many at once.
const KINDS: [(&str, usize); 10] = [
    ("read", 4),
    ("list", 2),
    ("whole list", 1),
    ("insert", 2),
    ("update", 2),
    ("right login", 2),
    ("wrong login", 2),
    ("token", 2),
    ("form", 2),
    ("upload", 1),
];

/// What became of one kind.
#[derive(Default)]
struct Figures {
    times: Vec<Duration>,
    statuses: BTreeMap<u16, u64>,
}

/// Where it is done.
struct Place {
    base: String,
    key: String,
    names: Vec<String>,
    client: (String, String),
    figures: Mutex<BTreeMap<&'static str, Figures>>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let given = arguments.iter().position(|argument| argument == "--seconds").and_then(|at| arguments.get(at + 1));
    let seconds = given.map_or(SECONDS, |seconds| seconds.parse().expect("--seconds takes a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(Duration::from_secs(seconds)))
}

async fn run(duration: Duration) -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    let (server, place) = prepare(folder.path()).await;
    let place = Arc::new(place);
    let until = Instant::now() + duration;
    let mut tasks = Vec::new();
    for (kind, count) in KINDS {
        for worker in 0..count {
            tasks.push(tokio::spawn(work(Arc::clone(&place), kind, worker, until)));
        }
    }
    let started = Instant::now();
    let mut memory = Vec::new();
    while Instant::now() < until {
        tokio::time::sleep(EVERY.min(until - Instant::now())).await;
        memory.push(resident(server.0.id()));
        println!("{:>5.0} s {:>8.1} MB", started.elapsed().as_secs_f64(), memory[memory.len() - 1]);
    }
    for task in tasks {
        task.await.unwrap();
    }
    report(&place, &memory)
}

/// Prints the figures; whether they are good enough.
fn report(place: &Place, memory: &[f64]) -> ExitCode {
    println!("\n{:<14}{:>9}{:>10}{:>10}  statuses", "kind", "count", "p50 ms", "p99 ms");
    let mut faults = Vec::new();
    for (kind, figures) in place.figures.lock().unwrap().iter_mut() {
        figures.times.sort_unstable();
        let at = |share: usize| figures.times[(figures.times.len() * share / 100).min(figures.times.len() - 1)];
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        let statuses: Vec<String> = figures.statuses.iter().map(|(status, n)| format!("{status}: {n}")).collect();
        println!(
            "{kind:<14}{:>9}{:>10.1}{:>10.1}  {}",
            figures.times.len(),
            milliseconds(at(50)),
            milliseconds(at(99)),
            statuses.join(", ")
        );
        // A form may lose its session twice in a row; what is refused always is not measured.
        let failed = |status: u16, n: u64| status >= 500 || (status >= 400 && *kind != "wrong login" && n > 100);
        let failed = figures.statuses.iter().filter(|(status, n)| failed(**status, **n));
        faults.extend(failed.map(|(status, n)| format!("{kind}: {n} × {status}")));
    }
    let most = memory.iter().copied().fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a few figures")]
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    let third = memory.len() / 3;
    let (middle, last) = (mean(&memory[third..2 * third]), mean(&memory[2 * third..]));
    println!("memory: {most:.1} MB at most, {middle:.1} MB in the middle, {last:.1} MB at the end");
    if most > MOST_MEMORY {
        faults.push(format!("memory: {most:.1} MB is more than {MOST_MEMORY} MB"));
    }
    if third > 0 && last > middle * MOST_GROWTH {
        faults.push(format!("memory: it still grows, from {middle:.1} to {last:.1} MB"));
    }
    for fault in &faults {
        println!("FAULT {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A site with documents, a client and settings that let many logins fail and requests through.
async fn prepare(folder: &Path) -> (Running, Place) {
    let doctypes = folder.join("doctypes/bench");
    std::fs::create_dir_all(&doctypes).unwrap();
    std::fs::write(doctypes.join("bench_item.yaml"), ITEM).unwrap();
    std::fs::write(doctypes.join("bench_row.yaml"), ROW).unwrap();
    let binary = env!("CARGO_BIN_EXE_doctyped");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let base = format!("http://127.0.0.1:{port}");
    let server = Command::new(binary)
        .current_dir(folder)
        .env("DOCTYPED_LISTEN", format!("127.0.0.1:{port}"))
        .env("DOCTYPED_ADMIN_PASSWORD", PASSWORD)
        .env("DOCTYPED_LOG", "error")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let server = Running(server);
    let http = client();
    for _ in 0..600 {
        if http.get(format!("{base}/health/ready")).send().await.is_ok_and(|answer| answer.status() == 200) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let key = Command::new(binary).args(["key", "Administrator"]).current_dir(folder).output().unwrap();
    let key = String::from_utf8(key.stdout).unwrap().lines().last().unwrap_or_default().trim().to_owned();
    let mut place = Place {
        base,
        key: format!("token {key}"),
        names: Vec::new(),
        client: Default::default(),
        figures: Mutex::default(),
    };
    let settings = json!({
        "allow_consecutive_login_attempts": 0, "api_rate_limit": 0, "api_rate_limit_for_guests": 0,
    });
    place.ask(&http, "PUT", "/api/resource/System%20Settings/System%20Settings", &settings).await;
    let app = json!({
        "app_name": "Bench", "default_redirect_uri": "https://app.example/callback", "scopes": "openid all",
        "user": "Administrator", "allow_client_credentials": 1,
    });
    let app = place.ask(&http, "POST", "/api/resource/OAuth%20Client", &app).await;
    let text = |key: &str| app["data"][key].as_str().unwrap_or_else(|| panic!("{app}")).to_owned();
    place.client = (text("client_id"), text("client_secret"));
    for n in 0..2000 {
        let made = place.ask(&http, "POST", "/api/resource/Bench%20Item", &document(n)).await;
        place.names.push(made["data"]["name"].as_str().unwrap().to_owned());
    }
    (server, place)
}

fn document(n: usize) -> Json {
    let rows: Vec<Json> = (0..5).map(|row| json!({"item": format!("Row {row}"), "quantity": row})).collect();
    json!({"title": format!("Item {n}"), "status": "Open", "notes": "A note of some length. ".repeat(10), "rows": rows})
}

fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.build().unwrap()
}

/// One that does the same again and again.
async fn work(place: Arc<Place>, kind: &'static str, worker: usize, until: Instant) {
    let http = client();
    let mut cookie = place.log_in(&http, PASSWORD).await.1;
    let mut n = worker * 7919;
    while Instant::now() < until {
        n += 1;
        let name = &place.names[n % place.names.len()];
        let item = format!("/api/resource/Bench%20Item/{name}");
        let started = Instant::now();
        let status = match kind {
            "read" => place.get(&http, &item).await,
            "list" => {
                let list = "/api/resource/Bench%20Item?fields=[%22*%22]&filters={%22status%22:%22Open%22}";
                place.get(&http, &format!("{list}&limit_page_length=50&limit_start={}", n % 1000)).await
            }
            "whole list" => place.get(&http, "/api/resource/Bench%20Item?fields=[%22*%22]&limit_page_length=0").await,
            "insert" => place.send(&http, "POST", "/api/resource/Bench%20Item", &document(n)).await.0,
            "update" => place.send(&http, "PUT", &item, &json!({"title": format!("Changed {n}")})).await.0,
            "right login" => place.log_in(&http, PASSWORD).await.0,
            "wrong login" => place.log_in(&http, "not the password").await.0,
            "token" => {
                let form = [("grant_type", "client_credentials"), ("scope", "all")];
                let (id, secret) = &place.client;
                let request = http.post(format!("{}{TOKEN}", place.base)).basic_auth(id, Some(secret)).form(&form);
                finish(request).await
            }
            "form" => {
                let form = async |cookie: &str| {
                    let request = http.get(format!("{}/app/bench-item/{name}", place.base));
                    finish(request.header("cookie", cookie).header("accept-encoding", "gzip")).await
                };
                match form(&cookie).await {
                    // The logins of others have taken the place of this session.
                    401 => {
                        cookie = place.log_in(&http, PASSWORD).await.1;
                        form(&cookie).await
                    }
                    status => status,
                }
            }
            _ => {
                let mut bytes = vec![b'x'; 300_000];
                bytes[..8].copy_from_slice(&n.to_le_bytes());
                let file = reqwest::multipart::Part::bytes(bytes).file_name("upload.txt");
                let form = reqwest::multipart::Form::new().part("file", file);
                let request = http.post(format!("{}/api/method/upload_file", place.base)).multipart(form);
                finish(request.header("authorization", &place.key)).await
            }
        };
        let took = started.elapsed();
        {
            let mut figures = place.figures.lock().unwrap();
            let figures = figures.entry(kind).or_default();
            figures.times.push(took);
            *figures.statuses.entry(status).or_default() += 1;
        }
        // People and programs pause, and what hashes passwords or writes files must not be all there is.
        let pause = if matches!(kind, "read" | "list" | "update") { 2 } else { 50 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// Sends a request, takes the whole answer, and says its status; 599 for none at all.
async fn finish(request: reqwest::RequestBuilder) -> u16 {
    let Ok(answer) = request.send().await else { return 599 };
    let status = answer.status().as_u16();
    if answer.bytes().await.is_ok() { status } else { 599 }
}

impl Place {
    async fn get(&self, http: &reqwest::Client, uri: &str) -> u16 {
        finish(http.get(format!("{}{uri}", self.base)).header("authorization", &self.key)).await
    }

    async fn send(&self, http: &reqwest::Client, verb: &str, uri: &str, body: &Json) -> (u16, Json) {
        let request = http.request(verb.parse().unwrap(), format!("{}{uri}", self.base));
        let Ok(answer) = request.header("authorization", &self.key).json(body).send().await else {
            return (599, Json::Null);
        };
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// The same where nothing else than success is expected.
    async fn ask(&self, http: &reqwest::Client, verb: &str, uri: &str, body: &Json) -> Json {
        let (status, answer) = self.send(http, verb, uri, body).await;
        assert!(status < 300, "{verb} {uri}: {status} {answer}");
        answer
    }

    /// The status, and the cookie of the session.
    async fn log_in(&self, http: &reqwest::Client, password: &str) -> (u16, String) {
        let form = [("usr", "Administrator"), ("pwd", password)];
        let Ok(answer) = http.post(format!("{}/api/method/login", self.base)).form(&form).send().await else {
            return (599, String::new());
        };
        let cookies = answer.headers().get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
        let cookies: Vec<&str> = cookies.filter_map(|cookie| cookie.split(';').next()).collect();
        (answer.status().as_u16(), cookies.join("; "))
    }
}

/// A child process that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Resident memory of a process in MB.
fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(0.0) / 1024.0
}
