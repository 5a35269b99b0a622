//! What a site counts of itself: for Prometheus at an address of its own, and for System Managers in the desk.

use std::collections::BTreeMap;

use serde_json::json;

use crate::browser::{Browser, is_wanted};
use crate::oauth::support::Program;
use crate::support::database::is_postgres;
use crate::support::{Client, ServerProcess, TestSite};

/// A server that tells Prometheus, and who asks there.
async fn server() -> (ServerProcess, Client) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address: &'static str = format!("127.0.0.1:{port}").leak();
    let server = ServerProcess::start(&[("DOCTYPED_METRICS_LISTEN", address)]).await;
    (server, Client::over_network(&format!("http://{address}")))
}

/// What is told: each line's value by its name with labels.
async fn told(prometheus: &Client) -> BTreeMap<String, String> {
    let answer = prometheus.get("/metrics").await.status(200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    assert!(answer.body.ends_with("# EOF\n"), "{}", answer.body);
    let lines = answer.body.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap()).collect()
}

#[tokio::test]
async fn prometheus_reads_what_was_counted_at_an_address_of_its_own() {
    let (server, prometheus) = server().await;
    let administrator = server.administrator().await;
    server.guest().log_in("Administrator", "a wrong password").await.status(401);
    for n in 0..3 {
        administrator.create("ToDo", json!({"description": format!("secret-{n}")})).await.ok();
    }
    administrator.get("/api/resource/ToDo/no-such-secret").await.status(404);
    administrator.get("/api/resource/User/Administrator").await.status(200);
    administrator.get("/api/resource/User/Administrator").await.status(200);
    let client = json!({"allow_client_credentials": 1, "user": "Administrator"});
    let program = Program::made_by(&administrator, server.guest(), client).await;
    program.post("get_token", &[("grant_type", "client_credentials")]).await.status(200);
    let told = told(&prometheus).await;
    let value = |name: &str| told.get(name).unwrap_or_else(|| panic!("{name} is not in {told:#?}")).as_str();
    let answers = |method: &str, route: &str, status: &str| {
        value(&format!("doctyped_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"))
    };
    let documents = "/api/resource/*path";
    assert_eq!(answers("POST", documents, "2xx"), "4");
    assert_eq!(answers("GET", documents, "4xx"), "1");
    assert_eq!(answers("GET", documents, "2xx"), "2");
    assert_eq!(value(&format!("doctyped_http_request_seconds_count{{route=\"{documents}\"}}")), "7");
    let all =
        told.keys().find(|name| name.contains("seconds_bucket") && name.contains(documents) && name.contains("+Inf"));
    assert_eq!(value(all.unwrap()), "7");
    assert_eq!(value("doctyped_refused_total{reason=\"failed attempt\"}"), "1");
    assert_eq!(value("doctyped_tokens_issued_total{grant=\"Client Credentials\"}"), "1");
    assert_eq!(value("doctyped_http_requests_under_way"), "0");
    for above_zero in [
        "doctyped_connections_open",
        "doctyped_database_statement_seconds_count",
        "doctyped_document_cache_hits_total",
        "doctyped_document_cache_misses_total",
        "doctyped_process_resident_memory_bytes",
    ] {
        assert!(value(above_zero).parse::<f64>().unwrap() > 0.0, "{above_zero}");
    }
    let readers = ["busy", "idle"].map(|state| {
        let name = format!("doctyped_database_connections{{kind=\"reading\",state=\"{state}\"}}");
        value(&name).parse::<usize>().unwrap()
    });
    assert!(readers.iter().sum::<usize>() >= 4);
    assert_eq!(value("doctyped_jobs{status=\"Failed\"}"), "0");
    assert_eq!(value("doctyped_database_waiting"), "0");
    // Neither names of documents nor what was asked for.
    assert!(!told.keys().any(|name| name.contains("secret") || name.contains("ToDo")), "{told:#?}");
    // Nothing else is answered there, and nothing of it here.
    prometheus.get("/api/method/ping").await.status(404);
    prometheus.post("/metrics", json!({})).await.status(405);
    administrator.get("/metrics").await.status(404);
}

#[tokio::test]
async fn a_slow_statement_is_logged_with_the_shape_of_its_plan_and_without_values() {
    let mut server = ServerProcess::prepare(&[("DOCTYPED_SLOW_STATEMENT", "50")]).await;
    let doctypes = server.folder.path().join("doctypes");
    std::fs::create_dir_all(&doctypes).unwrap();
    let definition = "name: Long\nmodule: Tests\nfields:\n  - { fieldname: text, fieldtype: Long Text, label: Text }\n";
    std::fs::write(doctypes.join("long.yaml"), definition).unwrap();
    server.start_again().await;
    let administrator = server.administrator().await;
    let text = "x".repeat(400 * 1024);
    for _ in 0..20 {
        administrator.create("Long", json!({"text": text})).await.ok();
    }
    // It nearly stands at each of eight million places, and has to be read to its end there.
    let searched = format!("%{}-a-secret-of-mine%", "x".repeat(60));
    let filters = json!([["text", "like", searched]]);
    assert_eq!(administrator.list("Long", &format!("filters={filters}")).await.ok(), json!([]));
    let is_logged = |line: &str| line.contains("slow statement") && line.contains("SELECT") && line.contains("LIKE");
    let mut log = String::new();
    for _ in 0..600 {
        log = server.log();
        if log.lines().any(is_logged) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let line = log.lines().find(|line| is_logged(line)).unwrap_or_else(|| panic!("{log}"));
    let plan = if is_postgres() { "Seq Scan on tabLong" } else { "SCAN " };
    assert!(line.contains(plan) && line.contains("milliseconds=") && line.contains("rows=0"), "{line}");
    assert!(!log.contains("a-secret-of-mine"), "{log}");
}

#[tokio::test]
async fn system_managers_see_the_last_hour_in_the_desk() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    administrator.get("/api/resource/ToDo/no-such-name").await.status(404);
    administrator.get("/api/resource/User").await.status(200);
    let page = administrator.get("/app/_health").await.status(200).body;
    for text in
        ["Requests per minute", "Failed (5xx)", "/api/resource/*path", "Slow statements", "This node", "this minute: "]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(page.contains(env!("CARGO_PKG_VERSION")) && !page.contains("no-such-name"));
    assert!(
        !page.contains("style=\"")
            && page.matches("<script").count() == administrator.get("/app").await.body.matches("<script").count()
    );
    assert!(administrator.get("/app").await.body.contains("href=\"/app/_health\""));
    let alice = site.user("alice@example.com", &[]).await;
    alice.get("/app/_health").await.status(403);
    assert!(!alice.get("/app").await.body.contains("/app/_health"));
}

#[tokio::test]
async fn every_node_of_the_site_is_on_the_page_with_what_it_runs() {
    if !is_postgres() {
        return;
    }
    let site = TestSite::new().await;
    let _node = site.node().await;
    let administrator = site.administrator().await;
    let mut page = String::new();
    for _ in 0..600 {
        page = administrator.get("/app/_health").await.status(200).body;
        let nodes = page.split("Nodes of the site").nth(1).unwrap();
        if nodes.matches(env!("CARGO_PKG_VERSION")).count() == 2 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_fits_a_phone_and_a_screen() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().listening().await;
    let browser = Browser::start(&site.folder.path().join("profile")).await;
    browser.open(&format!("{}/app/_health", site.site.config.site_url)).await;
    browser.log_in("Administrator").await;
    browser.wait_for("return document.querySelector('.chart rect') !== null").await;
    browser.look("health").await;
}
