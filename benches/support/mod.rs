//! What the runs share: the release binary on a site of its own, and connections that cost next to nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Of Administrator.
pub(crate) const PASSWORD: &str = "a password for this run";
/// The release binary.
const BINARY: &str = env!("CARGO_BIN_EXE_doctyped");
/// How long a start may take, new indexes of millions of rows included.
const STARTS_WITHIN: Duration = Duration::from_hours(1);

/// Settings of the site, as variables.
pub(crate) type Environment<'a> = &'a [(&'a str, &'a str)];

/// Logs Administrator in; what the browser sends from then on.
pub(crate) async fn session(address: SocketAddr) -> String {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let login = serde_json::json!({"usr": "Administrator", "pwd": PASSWORD});
    let answer = http.post(format!("http://{address}/api/method/login")).json(&login).send().await.unwrap();
    let cookies = answer.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let sid = cookies.map(|cookie| cookie.split(';').next().unwrap()).find(|cookie| cookie.contains("sid="));
    sid.expect("a session").to_owned()
}

/// The header of an API key of Administrator.
pub(crate) fn authorization(folder: &Path, environment: Environment<'_>) -> String {
    let mut command = Command::new(BINARY);
    command.args(["key", "Administrator"]).current_dir(folder).envs(environment.iter().copied());
    let key = command.output().unwrap();
    let key = String::from_utf8(key.stdout).unwrap().lines().last().unwrap_or_default().trim().to_owned();
    format!("Authorization: token {key}\r\n")
}

/// A child process that ends with this value.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the release binary in a folder, on a port of its own, and waits until it answers.
pub(crate) async fn start_server(folder: &Path, environment: Environment<'_>) -> (Running, SocketAddr) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let child = Command::new(BINARY)
        .current_dir(folder)
        .envs(environment.iter().copied())
        .env("DOCTYPED_LISTEN", address.to_string())
        .env("DOCTYPED_ADMIN_PASSWORD", PASSWORD)
        .env("DOCTYPED_LOG", "error")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let running = Running(child);
    let until = Instant::now() + STARTS_WITHIN;
    while Instant::now() < until {
        if TcpStream::connect(address).await.is_ok() {
            send_once(address, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await;
            return (running, address);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the server did not start");
}

/// A request with a body.
pub(crate) fn post(verb: &str, path: &str, body: &str, authorization: &str) -> String {
    format!(
        "{verb} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{authorization}\r\n{body}",
        body.len()
    )
}

/// The body of an answer, over a connection of its own.
pub(crate) async fn send_once(address: SocketAddr, request: &str) -> Vec<u8> {
    Connection::open(address).await.send(request).await
}

/// One kept-alive connection that speaks just enough HTTP/1.1.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(16 * 1024) }
    }

    /// Sends a request and returns the body; anything but a 2xx ends the run.
    pub(crate) async fn send(&mut self, request: &str) -> Vec<u8> {
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.buffer.clear();
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
                assert!(head.starts_with("http/1.1 2"), "{request}\n{}", String::from_utf8_lossy(&self.buffer));
                let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
                let length: usize = length.unwrap_or("0").trim().parse().unwrap();
                let total = end + 4 + length;
                while self.buffer.len() < total {
                    assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "the connection was cut");
                }
                return self.buffer[end + 4..total].to_vec();
            }
            assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "the connection was cut");
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Lets as many requests through as can be answered.
pub(crate) async fn no_limits(address: SocketAddr, authorization: &str) {
    let limits = "{\"api_rate_limit\":0,\"api_rate_limit_for_guests\":0}";
    send_once(address, &post("PUT", "/api/resource/System%20Settings/System%20Settings", limits, authorization)).await;
}
