//! [`MailServer`]: a mail server that nobody here wrote (aiosmtpd), and what it has taken. Runs with
//! `DOCTYPED_TEST_SMTP_SERVER`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doctyped::testing::jobs::run_due;
use serde_json::{Value as Json, json};

use super::{TestSite, site::TestSiteBuilder};

/// A mail server.
pub struct MailServer {
    port: u16,
    child: Child,
    taken: Arc<Mutex<Vec<Json>>>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl MailServer {
    /// One that takes everything; `None`, said loudly, where there is no aiosmtpd.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// One with a certificate and its key; see `server.py`.
    pub fn start_with(arguments: &[&str]) -> Option<Self> {
        let Ok(python) = std::env::var("DOCTYPED_TEST_SMTP_SERVER") else {
            eprintln!(
                "SKIPPED: pip install aiosmtpd and set DOCTYPED_TEST_SMTP_SERVER to the Python that has it to test mail"
            );
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/support/smtp/server.py");
        let mut child = Command::new(python).arg(script).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().expect("the server starts").unwrap().parse().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&taken);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                into.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Some(Self { port, child, taken })
    }

    /// A site that may call it, with an Email Account for it.
    pub async fn site(&self) -> TestSite {
        self.site_from(TestSite::new()).await
    }

    /// The same from a site to be.
    pub async fn site_from(&self, builder: TestSiteBuilder) -> TestSite {
        let site = builder.with_config(|config| config.development = true).await;
        site.db_insert("Email Account", self.account()).await;
        site
    }

    /// The values of an Email Account for it.
    pub fn account(&self) -> Json {
        json!({
            "email_account_name": "City Library", "email_id": "site@example.com", "smtp_server": "127.0.0.1",
            "smtp_port": self.port.to_string(), "use_tls": 0, "no_smtp_authentication": 1,
        })
    }

    /// Sends what is due; everything that the server has taken so far, at least `count` messages.
    pub async fn taken(&self, site: &TestSite, count: usize) -> Vec<Json> {
        run_due(&site.site).await.unwrap();
        for _ in 0..100 {
            let taken = self.taken.lock().unwrap().clone();
            if taken.len() >= count {
                return taken;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{count} messages are expected: {:?}", self.taken.lock().unwrap());
    }
}

/// The address, without the site, of the link in a message.
pub fn link(message: &Json) -> String {
    let text = message["text"].as_str().unwrap();
    let at = text.find("http").unwrap_or_else(|| panic!("no link in {text}"));
    let url = text[at..].split_whitespace().next().unwrap();
    let (_, rest) = url.split_once("://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}
