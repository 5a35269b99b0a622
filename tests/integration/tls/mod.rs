//! TLS that ends at the server: its certificate, its renewal, HTTP/2, the way from http, and certificates of clients.

mod acme;

use std::path::{Path, PathBuf};
use std::time::Duration;

use doctyped::testing::app::{App, Build};
use doctyped::testing::config::{Config, Settings};
use doctyped::testing::document::Documents;
use doctyped::testing::jwk::Jwk;
use doctyped::testing::permissions::Session;
use doctyped::testing::secret::{PrivateKey, SigningAlgorithm};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use reqwest::Version;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::PASSWORD;
use crate::support::database::TestDatabase;

/// How often something is looked for, and with what pause: half a minute in all.
const LOOKS: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);

/// An authority of a test, and the files that it wrote.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("authority.pem"), issuer.as_ref().pem()).unwrap();
        Self { issuer, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a certificate of the server for `localhost` and its key; returns the certificate in DER.
    fn write(&self) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file("certificate.pem"), certificate.pem()).unwrap();
        std::fs::write(self.file("key.pem"), key.serialize_pem()).unwrap();
        certificate.der().to_vec()
    }

    fn settings(&self) -> String {
        let (certificate, key) = (self.file("certificate.pem"), self.file("key.pem"));
        format!("tls_certificate = '{}'\ntls_key = '{}'\n", certificate.display(), key.display())
    }

    fn client(&self) -> reqwest::ClientBuilder {
        let root = reqwest::Certificate::from_der(self.issuer.as_ref().der()).unwrap();
        let none = reqwest::redirect::Policy::none();
        reqwest::Client::builder().no_proxy().tls_certs_only([root]).redirect(none).tls_info(true)
    }

    /// A new key with a certificate of this authority for that name.
    fn identity(&self, name: &str) -> reqwest::Identity {
        let key = KeyPair::generate().unwrap();
        let pem = named(name).signed_by(&key, &self.issuer).unwrap().pem() + &key.serialize_pem();
        reqwest::Identity::from_pem(pem.as_bytes()).unwrap()
    }
}

/// The public key as OAuth writes it.
fn jwk(key: &KeyPair) -> Json {
    let private = PrivateKey::from_pkcs8(SigningAlgorithm::Es256, &key.serialize_der()).unwrap();
    Jwk::named(private.public_key(), SigningAlgorithm::Es256).to_value()
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// The program as `serve` runs it, in this process.
struct Server {
    base: String,
    redirect: String,
    documents: Documents,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    _folder: TempDir,
    _database: TestDatabase,
}

impl Server {
    /// With the certificate of this authority.
    async fn start(authority: &Authority, more: &str) -> Self {
        Self::start_at(free_port().await, &(authority.settings() + more)).await
    }

    async fn start_at(port: u16, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::new(folder.path()).await;
        let redirect = free_port().await;
        let text = settings(folder.path(), &database.url, port, redirect) + more;
        let mut config = Config::from_settings(Settings::from_toml(&text).unwrap()).unwrap();
        config.doctypes.clear();
        let app = App::build(Build::new(config)).await.unwrap();
        let documents = app.site.documents.clone();
        let ((stop, stopped), (ready, is_ready)) = (oneshot::channel::<()>(), oneshot::channel());
        let stopped = async { drop(stopped.await) };
        let serving = tokio::spawn(async {
            app.serve(stopped, |_, _, _| ready.send(()).unwrap()).await.unwrap();
        });
        is_ready.await.unwrap();
        let (base, redirect) = (format!("https://localhost:{port}"), format!("http://127.0.0.1:{redirect}"));
        Self { base, redirect, documents, stop: Some(stop), serving, _folder: folder, _database: database }
    }

    fn uri(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.serving.await.unwrap();
    }
}

fn settings(folder: &Path, database: &str, port: u16, redirect: u16) -> String {
    format!(
        "listen = '127.0.0.1:{port}'\nsite_url = 'https://localhost:{port}'\nredirect_listen = '127.0.0.1:{redirect}'\n\
         database_url = '{database}'\nadmin_password = '{PASSWORD}'\nsecret_key_file = '{key}'\nfiles = '{files}'\n",
        key = folder.join("site.key").display(),
        files = folder.join("files").display(),
    )
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// The certificate with which the server answers on a new connection.
async fn shown(authority: &Authority, server: &Server) -> Vec<u8> {
    let answer = authority.client().build().unwrap().get(server.uri("/health/live")).send().await.unwrap();
    answer.extensions().get::<reqwest::tls::TlsInfo>().unwrap().peer_certificate().unwrap().to_vec()
}

/// Waits until the server shows that certificate.
async fn shows(authority: &Authority, server: &Server, certificate: &[u8]) {
    for _ in 0..LOOKS {
        if shown(authority, server).await == certificate {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("the certificate is not shown");
}

#[tokio::test]
async fn a_site_answers_by_tls_over_either_version_of_http() {
    let authority = Authority::new();
    authority.write();
    let server = Server::start(&authority, "").await;
    for (client, version) in [
        (authority.client(), Version::HTTP_2),
        (authority.client().http1_only(), Version::HTTP_11),
        (authority.client().tls_version_max(reqwest::tls::Version::TLS_1_2), Version::HTTP_2),
    ] {
        let client = client.build().unwrap();
        let form = json!({"usr": "Administrator", "pwd": PASSWORD});
        let answer = client.post(server.uri("/api/method/login")).json(&form).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert!(header("strict-transport-security").starts_with("max-age="));
        let cookie = header("set-cookie");
        assert!(cookie.starts_with("__Host-") && cookie.contains("Secure"), "{cookie}");
        let metadata = client.get(server.uri("/.well-known/oauth-authorization-server")).send().await.unwrap();
        let metadata: Json = metadata.json().await.unwrap();
        assert_eq!(metadata["issuer"], server.base);
        assert!(metadata.get("tls_client_certificate_bound_access_tokens").is_none_or(|bound| bound == false));
    }
    server.stop().await;
}

#[tokio::test]
async fn http_leads_to_https_and_takes_nothing() {
    let authority = Authority::new();
    authority.write();
    let server = Server::start(&authority, "").await;
    let client = authority.client().build().unwrap();
    let answer = client.get(format!("{}/app/todo?status=Open", server.redirect)).send().await.unwrap();
    assert_eq!(answer.status(), 308);
    assert_eq!(answer.headers()["location"], server.uri("/app/todo?status=Open"));
    let login = client.post(format!("{}/api/method/login", server.redirect)).body("usr=a&pwd=b").send().await.unwrap();
    assert_eq!(login.status(), 403);
    assert!(login.text().await.unwrap().contains(&server.base));
    // Who speaks http to the port of https gets no answer, and disturbs nobody.
    assert!(client.get(server.uri("/").replacen("https", "http", 1)).send().await.is_err());
    assert_eq!(client.get(server.uri("/health/live")).send().await.unwrap().status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn a_renewed_certificate_counts_without_a_restart_and_a_broken_one_does_not() {
    let authority = Authority::new();
    let first = authority.write();
    let server = Server::start(&authority, "").await;
    assert_eq!(shown(&authority, &server).await, first);
    let second = authority.write();
    shows(&authority, &server, &second).await;
    // Of a key that does not fit, and of what is no certificate, nothing is taken; the next good one is.
    std::fs::write(authority.file("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert_eq!(shown(&authority, &server).await, second);
    std::fs::write(authority.file("certificate.pem"), "nothing").unwrap();
    std::fs::remove_file(authority.file("key.pem")).unwrap();
    assert_eq!(shown(&authority, &server).await, second);
    let third = authority.write();
    shows(&authority, &server, &third).await;
    server.stop().await;
}

#[tokio::test]
async fn files_that_cannot_be_used_stop_the_start_and_are_named() {
    let authority = Authority::new();
    authority.write();
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new(folder.path()).await;
    let start = async |more: &str| {
        let text = settings(folder.path(), &database.url, 0, 0) + &authority.settings() + more;
        let config = Config::from_settings(Settings::from_toml(&text).unwrap()).unwrap();
        let app = App::build(Build::new(config)).await.unwrap();
        format!("{:#}", app.serve(std::future::pending(), |_, _, _| ()).await.unwrap_err())
    };
    let good = std::fs::read(authority.file("certificate.pem")).unwrap();
    let clients = |name: &str| format!("tls_client_authorities = '{}'\n", authority.file(name).display());
    std::fs::write(authority.file("nothing.pem"), "").unwrap();
    let refused = start(&clients("nothing.pem")).await;
    assert!(refused.contains("DOCTYPED_TLS_CLIENT_AUTHORITIES") && refused.contains("no certificate"), "{refused}");
    std::fs::write(authority.file("certificate.pem"), "nothing").unwrap();
    let refused = start("").await;
    assert!(refused.contains("DOCTYPED_TLS_CERTIFICATE") && refused.contains("no certificate"), "{refused}");
    std::fs::write(authority.file("certificate.pem"), good).unwrap();
    std::fs::write(authority.file("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let refused = start("").await;
    assert!(refused.contains("key.pem") && refused.contains("do not go together"), "{refused}");
    std::fs::remove_file(authority.file("key.pem")).unwrap();
    let refused = start("").await;
    assert!(refused.contains("DOCTYPED_TLS_KEY") && refused.contains("cannot be read"), "{refused}");
}

/// Stores a client that proves itself by certificates; returns its id.
async fn client_with(server: &Server, method: &str, values: Json) -> String {
    let mut client = json!({
        "app_name": "Planner", "default_redirect_uri": "https://planner.example/callback", "scopes": "openid",
        "token_endpoint_auth_method": method,
    });
    client.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    let (session, client) = (Session::system(), client.as_object().unwrap());
    server.documents.insert(&session, "OAuth Client", client).await.unwrap().text("client_id").to_owned()
}

/// Whether that client is the one who connects. Its refresh token does not exist, which only a client is told.
async fn proves(server: &Server, http: &reqwest::Client, id: &str) -> bool {
    let form = format!("grant_type=refresh_token&refresh_token=dt_rt_x&client_id={id}");
    let asked = http.post(server.uri("/api/method/frappe.integrations.oauth2.get_token")).body(form);
    let answer = asked.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    let (status, answer) = (answer.status().as_u16(), answer.json::<Json>().await.unwrap());
    match (status, answer["error"].as_str().unwrap()) {
        (400, "invalid_grant") => true,
        (401, "invalid_client") => false,
        _ => panic!("{answer}"),
    }
}

#[tokio::test]
async fn clients_prove_themselves_with_certificates_of_the_authorities() {
    let authority = Authority::new();
    authority.write();
    let more = format!("tls_client_authorities = '{}'\n", authority.file("authority.pem").display());
    let server = Server::start(&authority, &more).await;
    let values = json!({"tls_client_auth_subject_dn": "CN=planner"});
    let id = client_with(&server, "TLS Client Auth", values).await;
    let with = |identity| authority.client().identity(identity).build().unwrap();
    assert!(proves(&server, &with(authority.identity("planner")), &id).await);
    let other = with(authority.identity("other"));
    for http in [&other, &authority.client().build().unwrap()] {
        assert!(!proves(&server, http, &id).await);
    }
    // The same name from an authority that nobody named is not even greeted.
    let stranger = with(Authority::new().identity("planner"));
    assert!(stranger.get(server.uri("/health/live")).send().await.is_err());
    server.stop().await;
}

#[tokio::test]
async fn where_any_certificate_is_taken_only_the_key_counts() {
    let authority = Authority::new();
    authority.write();
    let server = Server::start(&authority, "client_certificates = 'any'\n").await;
    let path = "/.well-known/oauth-authorization-server";
    let metadata = authority.client().build().unwrap().get(server.uri(path)).send().await.unwrap();
    let metadata: Json = metadata.json().await.unwrap();
    let methods = metadata["token_endpoint_auth_methods_supported"].as_array().unwrap();
    assert!(methods.contains(&json!("self_signed_tls_client_auth")) && !methods.contains(&json!("tls_client_auth")));
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let values = json!({"jwks": json!({"keys": [jwk(&key)]}).to_string()});
    let id = client_with(&server, "Self-Signed TLS Client Auth", values).await;
    let with = |key: &KeyPair| {
        let pem = named("planner").self_signed(key).unwrap().pem() + &key.serialize_pem();
        authority.client().identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap()).build().unwrap()
    };
    assert!(proves(&server, &with(&key), &id).await);
    assert!(!proves(&server, &with(&other), &id).await);
    server.stop().await;
}
