//! [`ServerProcess`]: the real binary on a database, a folder and a port of its own.

use std::fs::OpenOptions;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use oauth2::http::{Request, Response};
use tempfile::TempDir;

use super::client::Client;
use super::database::TestDatabase;
use super::site::PASSWORD;

/// How often, and with what pause between, a start is looked for: a minute in all.
const LOOKS: u32 = 1200;
const PAUSE: Duration = Duration::from_millis(50);

/// The server as people run it. It ends with this value.
pub struct ServerProcess {
    /// Where it answers, which is its issuer too.
    pub base: String,
    /// Its files.
    pub folder: TempDir,
    /// Its database.
    pub database: TestDatabase,
    environment: Vec<(&'static str, &'static str)>,
    child: Option<Child>,
}

impl ServerProcess {
    /// Starts a new site with further settings (`DOCTYPED_…`), and waits until it answers.
    pub async fn start(environment: &[(&'static str, &'static str)]) -> Self {
        let mut server = Self::prepare(environment).await;
        server.start_again().await;
        server
    }

    /// A folder and an empty database, in which nothing runs yet.
    pub async fn prepare(environment: &[(&'static str, &'static str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::new(folder.path()).await;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let base = format!("http://127.0.0.1:{port}");
        Self { base, folder, database, environment: environment.to_vec(), child: None }
    }

    /// The program with the settings of this site.
    pub fn program(&self) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_doctyped"));
        program
            .current_dir(self.folder.path())
            .env("DOCTYPED_LISTEN", self.base.trim_start_matches("http://"))
            .env("DOCTYPED_SITE_URL", &self.base)
            .env("DOCTYPED_DATABASE_URL", &self.database.url)
            .env("DOCTYPED_ADMIN_PASSWORD", PASSWORD)
            .env("DOCTYPED_DEVELOPMENT", "true")
            .env("DOCTYPED_LOG", "warn")
            .envs(self.environment.iter().copied());
        program
    }

    /// Runs a command on this site; what it printed, or its complaint.
    pub async fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut program = self.program();
        program.args(arguments);
        let output = tokio::task::spawn_blocking(move || program.output()).await.unwrap().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Starts it on what is there already, and waits until it answers.
    pub async fn start_again(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let child =
            self.program().stdout(Stdio::from(log.try_clone().unwrap())).stderr(Stdio::from(log)).spawn().unwrap();
        self.child = Some(child);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        for _ in 0..LOOKS {
            if http.get(format!("{}/health/live", self.base)).send().await.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("the server ended with {status}: {}", self.log());
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("the server did not answer: {}", self.log());
    }

    /// Asks it to end, as a service manager does (`SIGTERM`).
    pub fn ask_to_end(&self) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits until it has ended by itself; returns its status.
    pub async fn ended(&mut self) -> ExitStatus {
        for _ in 0..LOOKS {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                self.child = None;
                return status;
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("the server did not end: {}", self.log());
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Somebody without credentials.
    pub fn guest(&self) -> Client {
        Client::over_network(&self.base)
    }

    /// Administrator, logged in.
    pub async fn administrator(&self) -> Client {
        let client = self.guest();
        client.log_in("Administrator", PASSWORD).await.ok();
        client
    }

    /// Answers a request to `site` as a proxy does that ends TLS: passes it on by plain HTTP.
    pub async fn forward(&self, site: &str, request: Request<Vec<u8>>) -> reqwest::Result<Response<Vec<u8>>> {
        let (parts, body) = request.into_parts();
        let uri = parts.uri.to_string();
        let path = uri.strip_prefix(site).expect("nothing else is asked");
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let asked = http.request(parts.method, format!("{}{path}", self.base)).headers(parts.headers).body(body);
        let answered = asked.send().await?;
        let (status, headers) = (answered.status(), answered.headers().clone());
        let mut response = Response::new(answered.bytes().await?.to_vec());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// What it has printed and logged, over all its starts.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
