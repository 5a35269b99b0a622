//! The health endpoints, with and without a database, and a server that stops.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{PASSWORD, ServerProcess, TestSite};

#[tokio::test]
async fn a_site_that_serves_is_live_and_ready() {
    let site = TestSite::new().await;
    assert_eq!(site.guest().get("/health/live").await.status(200).json(), json!({"status": "ok"}));
    let ready = site.guest().get("/health/ready").await.status(200).json();
    assert_eq!(ready["status"], "ok");
    assert_eq!(ready["definitions"].as_str().unwrap().len(), 12, "{ready}");
}

#[tokio::test]
async fn a_site_without_its_database_lives_but_is_not_ready() {
    let site = TestSite::new().await;
    site.documents().database().close().await;
    site.guest().get("/health/live").await.status(200);
    let answer = site.guest().with_header("accept", "application/json").get("/health/ready").await;
    assert_eq!(answer.header("retry-after"), "5");
    answer.error(503, "SessionStopped");
    // The error page needs no database either.
    assert!(site.guest().get("/health/ready").await.status(503).body.contains("Not Available"));
}

#[tokio::test]
async fn a_site_about_to_stop_asks_for_no_more() {
    let site = TestSite::new().await;
    site.site.stopping.store(true, Ordering::Relaxed);
    site.guest().get("/health/ready").await.status(503);
    site.guest().get("/api/method/ping").await.status(200);
}

#[tokio::test]
async fn a_request_that_is_under_way_when_the_server_is_asked_to_end_is_answered_and_kept() {
    let mut server = ServerProcess::start(&[]).await;
    let administrator = server.administrator().await;
    let user = json!({"email": "alice@example.com", "first_name": "Alice", "new_password": PASSWORD});
    administrator.create("User", user).await.ok();
    let address = server.base.trim_start_matches("http://").to_owned();
    let mut connection = TcpStream::connect(&address).await.unwrap();
    let body = json!({"usr": "alice@example.com", "pwd": PASSWORD}).to_string();
    let (first, rest) = body.split_at(10);
    let head = format!(
        "POST /api/method/login HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(format!("{head}{first}").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.ask_to_end();
    // Nobody new gets in, and the one who is in is served.
    while TcpStream::connect(&address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    connection.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = vec![0; 64 * 1024];
    let length = connection.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(connection);
    assert!(server.ended().await.success());
    // What was answered is there after the next start.
    let sid = answer.split("sid=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    server.start_again().await;
    let alice = server.guest().with_header("cookie", &format!("sid={sid}"));
    assert_eq!(alice.logged_user().await, "alice@example.com");
}
