//! [`Page`]: an https server on this computer that serves the pages which describe programs, well or badly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::registration_rfc7591::settings;
use super::support::{Program, REDIRECT_URI};
use crate::support::TestSite;

/// What is answered at a path.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub delay: Duration,
}

impl Answer {
    /// `200` with this body.
    pub fn ok<B: ToString + ?Sized>(body: &B) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.to_string(), delay: Duration::ZERO }
    }

    /// The same with a header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Only a status.
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::ok("") }
    }
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Answer>,
    requests: Vec<String>,
}

/// The server.
pub struct Page {
    /// `localhost:port`.
    pub host: String,
    /// The certificate that the site has to trust.
    certificate: NamedTempFile,
    state: Arc<Mutex<State>>,
}

impl Page {
    /// Starts; nothing is served yet.
    pub async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = NamedTempFile::new().unwrap();
        std::fs::write(certificate.path(), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("localhost:{}", listener.local_addr().unwrap().port());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), stream, Arc::clone(&shared)));
            }
        });
        Self { host, certificate, state }
    }

    /// A site that trusts this server, and may call it although it is on this computer.
    pub async fn site(&self) -> TestSite {
        let certificate = self.certificate.path().to_owned();
        let site = TestSite::new().with_config(move |config| config.trusted_certificates = Some(certificate)).await;
        settings(&site, json!({"allowed_private_hosts": self.host})).await;
        site
    }

    /// The address of a path.
    pub fn uri(&self, path: &str) -> String {
        format!("https://{}{path}", self.host)
    }

    /// Answers at a path from now on.
    pub fn serve(&self, path: &str, answer: Answer) {
        self.state.lock().unwrap().answers.insert(path.to_owned(), answer);
    }

    /// How often a path was asked for.
    pub fn requests(&self, path: &str) -> usize {
        self.state.lock().unwrap().requests.iter().filter(|asked| *asked == path).count()
    }

    /// A good description of a program at a path, with changes.
    pub fn document(&self, path: &str, changes: &Json) -> Json {
        let mut document = json!({
            "client_id": self.uri(path),
            "client_name": "Assistant",
            "redirect_uris": [REDIRECT_URI, "http://localhost/callback", "http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        document
    }

    /// Describes a program well.
    pub fn describe(&self, site: &TestSite, path: &str) -> Program {
        self.serve(path, Answer::ok(&self.document(path, &json!({}))));
        Program::registered(site, &json!({"client_id": self.uri(path)}), "openid profile")
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, state: Arc<Mutex<State>>) {
    // A client that breaks off is its own matter.
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = {
        let mut state = state.lock().unwrap();
        state.requests.push(path.clone());
        state.answers.get(&path).cloned().unwrap_or_else(|| Answer::status(404))
    };
    tokio::time::sleep(answer.delay).await;
    let headers = answer.headers.iter().fold(String::new(), |all, (name, value)| all + name + ": " + value + "\r\n");
    let (status, length) = (answer.status, answer.body.len());
    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    let _ = stream.write_all((head + &answer.body).as_bytes()).await;
    let _ = stream.shutdown().await;
}
