//! A certificate by ACME, from Let's Encrypt's own test server (Pebble). Runs with `DOCTYPED_TEST_PEBBLE`.

use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::*;

/// Pebble, which looks for the challenge at the port of a site.
struct Pebble {
    child: Child,
    directory: String,
    authority: Authority,
}

impl Pebble {
    /// Starts it; `None`, which is said, if it is not wanted.
    async fn start(site: u16) -> Option<Self> {
        let Ok(program) = std::env::var("DOCTYPED_TEST_PEBBLE") else {
            eprintln!("SKIPPED: install Pebble and set DOCTYPED_TEST_PEBBLE to it to test certificates by ACME");
            return None;
        };
        let authority = Authority::new();
        authority.write();
        let (api, management) = (free_port().await, free_port().await);
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{api}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": authority.file("certificate.pem"),
            "privateKey": authority.file("key.pem"),
            "httpPort": 1,
            "tlsPort": site,
        }});
        std::fs::write(authority.file("pebble.json"), config.to_string()).unwrap();
        let child = Command::new(program)
            .arg("-config")
            .arg(authority.file("pebble.json"))
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let directory = format!("https://localhost:{api}/dir");
        let client = authority.client().build().unwrap();
        let pebble = Self { child, directory, authority };
        for _ in 0..LOOKS {
            if client.get(&pebble.directory).send().await.is_ok() {
                return Some(pebble);
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("Pebble does not answer");
    }

    fn settings(&self) -> String {
        let trusted = self.authority.file("authority.pem");
        format!(
            "acme = '{}'\nacme_contact = 'admin@example.com'\ntrusted_certificates = '{}'\n",
            self.directory,
            trusted.display()
        )
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whoever takes every certificate: which authority issued it is Pebble's secret until it runs.
fn anybody() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).tls_info(true).build().unwrap()
}

async fn certificate(server: &Server) -> Option<Vec<u8>> {
    let answer = anybody().get(server.uri("/health/live")).send().await.ok()?;
    Some(answer.extensions().get::<reqwest::tls::TlsInfo>()?.peer_certificate()?.to_vec())
}

/// The certificate once there is another one than before.
async fn next(server: &Server, before: Option<&Vec<u8>>) -> Vec<u8> {
    for _ in 0..LOOKS {
        if let Some(found) = certificate(server).await.filter(|found| Some(found) != before) {
            return found;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("no certificate: {:?}", stored(server, "last_error").await);
}

async fn stored(server: &Server, field: &str) -> String {
    let document = server.documents.get(&Session::system(), "ACME Certificate", "localhost").await;
    document.map(|document| document.text(field).to_owned()).unwrap_or_default()
}

/// Has the job run now.
async fn renew(server: &Server) {
    let (system, none) = (Session::system(), serde_json::Map::new());
    let run =
        server.documents.call(&system, "Scheduled Job Type", "renew the certificate", "execute_event", &none, true);
    run.await.unwrap();
}

async fn set(server: &Server, field: &str, value: &str) {
    let mut work = server.documents.begin(&Session::system()).await.unwrap();
    work.set_values("ACME Certificate", "localhost", &[(field, value.into())]).await.unwrap();
    work.commit().await.unwrap();
}

#[tokio::test]
async fn a_site_asks_for_its_certificate_serves_it_and_renews_it_in_time() {
    let port = free_port().await;
    let Some(pebble) = Pebble::start(port).await else { return };
    let server = Server::start_at(port, &pebble.settings()).await;
    let first = next(&server, None).await;
    assert!(stored(&server, "valid_until").await > stored(&server, "renew_after").await);
    for field in ["last_error", "challenge"] {
        assert_eq!(stored(&server, field).await, "", "{field}");
    }
    for secret in ["private_key", "account"] {
        assert!(stored(&server, secret).await.chars().all(|shown| shown == '*'), "{secret} is sealed");
    }
    // A new one only when it is time.
    renew(&server).await;
    tokio::time::sleep(PAUSE * 20).await;
    assert_eq!(certificate(&server).await.as_ref(), Some(&first));
    set(&server, "renew_after", "2020-01-01 00:00:00.000000").await;
    renew(&server).await;
    let second = next(&server, Some(&first)).await;
    // A certificate of another authority is not one of this.
    set(&server, "directory", "https://another.example/directory").await;
    renew(&server).await;
    let third = next(&server, Some(&second)).await;
    assert_eq!(stored(&server, "directory").await, pebble.directory);
    // What is served comes from the database, as at every other node and after a restart.
    set(&server, "challenge", "").await;
    assert_eq!(certificate(&server).await.as_ref(), Some(&third));
    server.stop().await;
}

#[tokio::test]
async fn an_authority_that_does_not_find_the_site_is_quoted() {
    let (port, elsewhere) = (free_port().await, free_port().await);
    let Some(pebble) = Pebble::start(elsewhere).await else { return };
    let server = Server::start_at(port, &pebble.settings()).await;
    for look in 0.. {
        let said = stored(&server, "last_error").await;
        if said.starts_with("The authority did not find this server at localhost, port 443: ") {
            break;
        }
        assert!(look < LOOKS, "{said}");
        tokio::time::sleep(PAUSE).await;
    }
    assert_eq!(stored(&server, "challenge").await, "");
    assert_eq!(certificate(&server).await, None, "without a certificate nobody is greeted");
    server.stop().await;
}
