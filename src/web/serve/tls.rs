//! [`Tls`]: connections that this server encrypts itself, with a certificate that is read again when its files change.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{Acceptor, NoClientAuth, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::clock::Clock;
use crate::config::tls::{ClientsOfTls, Source, Tls as Settings};

/// How often the files are looked at. What changed counts once it is the same at two looks in a row, for certificate and key
/// are written one after the other.
const LOOK: Duration = Duration::from_secs(1);

/// What an authority asks for with ALPN (RFC 8737).
const ACME_TLS: &[u8] = b"acme-tls/1";

/// What TLS is spoken with at the moment.
pub struct Tls {
    settings: Settings,
    clock: Clock,
    /// What was read at the start.
    read: Arc<Contents>,
    /// `None` until there is a certificate.
    config: ArcSwapOption<ServerConfig>,
    challenges: Option<Box<dyn Challenges>>,
}

/// What an authority looks for before it issues a certificate.
#[async_trait]
pub(crate) trait Challenges: Send + Sync {
    /// The domain, and the SHA-256 digest of what was agreed with the authority; `None`: nobody has asked for a certificate.
    async fn digest(&self) -> Option<(String, Vec<u8>)>;
}

/// What stands in the files.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: Vec<u8>,
}

impl Tls {
    /// Reads the files; an error names the one that is missing or broken, and what is wrong with it.
    pub(crate) fn load(settings: &Settings, clock: Clock) -> anyhow::Result<Arc<Self>> {
        let read = Contents::read(settings)?;
        let config = ArcSwapOption::from_pointee(read.config(settings, &clock)?);
        Ok(Arc::new(Self { settings: settings.clone(), clock, read: Arc::new(read), config, challenges: None }))
    }

    /// Waits for a certificate that is put in place, and answers the authority that it is asked of.
    pub(crate) fn waiting(
        settings: &Settings,
        clock: Clock,
        challenges: impl Challenges + 'static,
    ) -> anyhow::Result<Arc<Self>> {
        let read = Arc::new(Contents::read(settings)?);
        let (settings, config) = (settings.clone(), ArcSwapOption::empty());
        Ok(Arc::new(Self { settings, clock, read, config, challenges: Some(Box::new(challenges)) }))
    }

    /// Speaks with this certificate from now on; both are PEM.
    pub(crate) fn put(&self, certificate: &[u8], key: &[u8]) -> anyhow::Result<()> {
        let authorities = self.read.authorities.clone();
        let contents = Contents { certificate: certificate.to_vec(), key: key.to_vec(), authorities };
        self.config.store(Some(Arc::new(contents.config(&self.settings, &self.clock)?)));
        Ok(())
    }

    /// Greets a client.
    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let none = || io::Error::other("the server has no certificate yet");
        let Some(challenges) = &self.challenges else {
            return TlsAcceptor::from(self.config.load_full().ok_or_else(none)?).accept(stream).await;
        };
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let is_authority = hello.client_hello().alpn().is_some_and(|mut asked| asked.any(|name| name == ACME_TLS));
        if !is_authority {
            return hello.into_stream(self.config.load_full().ok_or_else(none)?).await;
        }
        let Some((domain, digest)) = challenges.digest().await else {
            return Err(io::Error::other("an authority asks, and no certificate is on order"));
        };
        let config = challenge_config(&domain, &digest).map_err(io::Error::other)?;
        hello.into_stream(Arc::new(config)).await?.shutdown().await?;
        Err(io::Error::other("an authority had its answer"))
    }

    /// Takes over what changes in the files until `stop`. What is broken is said once, and what was there before stays.
    pub(crate) async fn follow(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut following = Following::of(&self);
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let settings = self.settings.clone();
            let Ok(found) = tokio::task::spawn_blocking(move || Contents::read(&settings)).await else { return };
            match following.look(&self, found) {
                None => {}
                Some(Ok(())) => {
                    tracing::info!("the certificate of the server has been read again, for its files have changed");
                }
                Some(Err(cause)) => {
                    tracing::error!(cause, "the new certificate cannot be used: the one from before stays");
                }
            }
        }
    }
}

/// What was seen of the files so far.
struct Following {
    in_force: Arc<Contents>,
    before: Result<Arc<Contents>, String>,
    is_done: bool,
}

impl Following {
    fn of(tls: &Tls) -> Self {
        Self { in_force: Arc::clone(&tls.read), before: Ok(Arc::clone(&tls.read)), is_done: true }
    }

    /// Takes over what a look found, once it is settled; says how that went, if there was something to take over.
    fn look(&mut self, tls: &Tls, found: anyhow::Result<Contents>) -> Option<Result<(), String>> {
        let found = found.map(Arc::new).map_err(|error| format!("{error:#}"));
        if found != self.before {
            (self.before, self.is_done) = (found, false);
            return None;
        }
        if std::mem::replace(&mut self.is_done, true) || found.as_ref() == Ok(&self.in_force) {
            return None;
        }
        Some(found.and_then(|contents| {
            let config = contents.config(&tls.settings, &tls.clock).map_err(|error| format!("{error:#}"))?;
            tls.config.store(Some(Arc::new(config)));
            self.in_force = contents;
            Ok(())
        }))
    }
}

impl Contents {
    /// Certificate and key are empty where they do not come from files.
    fn read(settings: &Settings) -> anyhow::Result<Self> {
        let (certificate, key) = match &settings.source {
            Source::Files { certificate, key } => {
                (read("DOCTYPED_TLS_CERTIFICATE", certificate)?, read("DOCTYPED_TLS_KEY", key)?)
            }
            Source::Acme(_) => (Vec::new(), Vec::new()),
        };
        let authorities = match &settings.clients {
            Some(ClientsOfTls::Verified(authorities)) => read("DOCTYPED_TLS_CLIENT_AUTHORITIES", authorities)?,
            Some(ClientsOfTls::Any) | None => Vec::new(),
        };
        Ok(Self { certificate, key, authorities })
    }

    fn config(&self, settings: &Settings, clock: &Clock) -> anyhow::Result<ServerConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let (certificate, key) = match &settings.source {
            Source::Files { certificate, key } => (
                format!("DOCTYPED_TLS_CERTIFICATE: {}", certificate.display()),
                format!("DOCTYPED_TLS_KEY: {}", key.display()),
            ),
            Source::Acme(_) => ("ACME Certificate: Certificate".to_owned(), "ACME Certificate: Private Key".to_owned()),
        };
        let chain = certificates(&self.certificate).with_context(|| certificate.clone())?;
        warn_if_over(&chain[0], clock);
        let private_key = PrivateKeyDer::from_pem_slice(&self.key);
        let private_key = private_key.map_err(|error| anyhow::anyhow!("{key} has no key in PEM: {error}"))?;
        let clients: Arc<dyn ClientCertVerifier> = match &settings.clients {
            None => Arc::new(NoClientAuth),
            Some(ClientsOfTls::Any) => Arc::new(AnyCertificate(Arc::clone(&provider))),
            Some(ClientsOfTls::Verified(authorities)) => {
                let context = || format!("DOCTYPED_TLS_CLIENT_AUTHORITIES: {}", authorities.display());
                let mut roots = RootCertStore::empty();
                for authority in certificates(&self.authorities).with_context(context)? {
                    roots.add(authority).with_context(context)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
                verifier.allow_unauthenticated().build().with_context(context)?
            }
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, private_key)
            .with_context(|| format!("{certificate} and {key} do not go together"))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// For the one connection by which an authority sees that the domain is this server's (RFC 8737 §3).
fn challenge_config(domain: &str, digest: &[u8]) -> anyhow::Result<ServerConfig> {
    let mut params = rcgen::CertificateParams::new([domain.to_owned()])?;
    params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(digest)];
    let key = rcgen::KeyPair::generate()?;
    let certificate = params.self_signed(&key)?.der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let provider = aws_lc_rs::default_provider();
    // `with_single_cert` would refuse the critical extension in which the digest stands.
    let certified = CertifiedKey::new(vec![certificate], provider.key_provider.load_private_key(key)?);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    Ok(config)
}

fn read(setting: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{setting}: {} cannot be read", path.display()))
}

/// The certificates of a PEM file, at least one.
fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| anyhow::anyhow!("it is not PEM: {error}"))?;
    ensure!(!found.is_empty(), "it has no certificate in PEM");
    Ok(found)
}

/// Everybody refuses a certificate whose time is over; the server starts with it all the same, for the new one may be on its
/// way.
fn warn_if_over(certificate: &CertificateDer<'_>, clock: &Clock) {
    let Ok(certificate) = Certificate::from_der(certificate) else { return };
    let until = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    if i64::try_from(until.as_secs()).is_ok_and(|until| until <= clock.now().timestamp()) {
        tracing::error!("the server's certificate has expired: browsers and applications refuse it");
    }
}

/// Takes every certificate whose key the client holds; what it says about names proves nothing.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn settings(folder: &Path) -> Settings {
        let source = Source::Files { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
        Settings { source, clients: None }
    }

    fn write(folder: &Path) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(folder.join("certificate.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    }

    #[test]
    fn what_is_settled_and_fits_is_taken_once_and_all_else_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        write(folder.path());
        let tls = Tls::load(&settings, Clock::system()).unwrap();
        let mut following = Following::of(&tls);
        let mut config = tls.config.load_full().unwrap();
        let mut look = || {
            let said = following.look(&tls, Contents::read(&settings));
            let now = tls.config.load_full().unwrap();
            let is_new = !Arc::ptr_eq(&config, &now);
            config = now;
            (said, is_new)
        };
        let unchanged = (None, false);
        assert_eq!(look(), unchanged);
        write(folder.path());
        assert_eq!(look(), unchanged, "the key may still be on its way");
        assert_eq!(look(), (Some(Ok(())), true));
        assert_eq!(look(), unchanged);
        for (name, text, expected) in [
            ("key.pem", KeyPair::generate().unwrap().serialize_pem(), "do not go together"),
            ("key.pem", "nothing".to_owned(), "DOCTYPED_TLS_KEY"),
            ("certificate.pem", "nothing".to_owned(), "has no certificate in PEM"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
            assert_eq!(look(), unchanged);
            let (said, is_new) = look();
            let said = said.unwrap().unwrap_err();
            assert!(said.contains(expected) && !is_new, "{said}");
            assert_eq!(look(), unchanged, "it is said once");
        }
        std::fs::remove_file(folder.path().join("key.pem")).unwrap();
        assert_eq!(look(), unchanged);
        assert!(look().0.unwrap().unwrap_err().contains("cannot be read"));
        write(folder.path());
        assert_eq!(look(), unchanged);
        assert_eq!(look(), (Some(Ok(())), true));
    }
}
