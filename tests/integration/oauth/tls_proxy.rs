//! [`TlsProxy`]: a proxy before a site that ends TLS, asks for a certificate, and says in a header which one came.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doctyped::testing::client_certificates::{CertificateCheck, ClientCertificates};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::support::TestSite;

/// From where the proxy calls the site: not the address from which tests do.
const ADDRESS: &str = "127.0.0.2";
const HEADER: &str = "client-cert";

/// The proxy, with the authority whose certificates it accepts.
pub struct TlsProxy {
    port: u16,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl TlsProxy {
    /// A site that answers on a port, and believes this proxy.
    pub async fn site() -> TestSite {
        let certificates = ClientCertificates {
            header: HEADER.to_owned(),
            proxies: vec![ADDRESS.parse().unwrap()],
            check: CertificateCheck::Verified,
        };
        let configure = move |config: &mut doctyped::testing::config::Config| {
            config.trusted_proxies = 1;
            config.client_certificates = Some(certificates);
        };
        TestSite::new().listening().with_config(configure).await
    }

    /// Starts before a site.
    pub async fn start(site: &TestSite) -> Self {
        let authority = authority();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap().der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(authority.as_ref().der().clone()).unwrap();
        let provider = Arc::new(default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
            .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let upstream = site.documents().site_url().trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                tokio::spawn(forward(acceptor.clone(), stream, peer, upstream));
            }
        });
        Self { port, authority }
    }

    /// The address of a path.
    pub fn uri(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// A program that connects with a certificate of the authority, or with none.
    pub fn client(&self, subject: Option<CertificateParams>) -> reqwest::Client {
        let root = reqwest::Certificate::from_der(self.authority.as_ref().der()).unwrap();
        let builder = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
        let builder = match subject {
            Some(params) => {
                let key = KeyPair::generate().unwrap();
                let pem = params.signed_by(&key, &self.authority).unwrap().pem() + &key.serialize_pem();
                builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap())
            }
            None => builder,
        };
        builder.build().unwrap()
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Passes on one request, with the header set by the proxy alone.
async fn forward(acceptor: TlsAcceptor, stream: TcpStream, peer: SocketAddr, upstream: SocketAddr) {
    // A client that breaks off is its own matter.
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut request = Vec::new();
    let end = loop {
        if let Some(at) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    };
    let head = String::from_utf8_lossy(&request[..end]).into_owned();
    let is_kept = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        !["connection", HEADER].contains(&name.as_str())
    };
    let mut lines: Vec<String> = head.lines().filter(is_kept).map(str::to_owned).collect();
    lines.extend(["connection: close".to_owned(), format!("x-forwarded-for: {}", peer.ip())]);
    if let Some([certificate, ..]) = stream.get_ref().1.peer_certificates() {
        lines.push(format!("{HEADER}: :{}:", STANDARD.encode(certificate)));
    }
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{ADDRESS}:0").parse().unwrap()).unwrap();
    let mut site = socket.connect(upstream).await.unwrap();
    site.write_all(lines.join("\r\n").as_bytes()).await.unwrap();
    site.write_all(&request[end..]).await.unwrap();
    let _ = copy_bidirectional(&mut stream, &mut site).await;
}
