//! The way out for mail: to the server that takes it (SMTP, RFC 5321), by the rules that hold for every other server.

use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use url::Url;

use super::{Outgoing, OutgoingError, allowed_hosts, guard, host_in};
use crate::document::Documents;

/// How long the server may take for a command: servers look for spam before they answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What servers answer to a login that is refused or asked for (RFC 4954 §6): the fault of the account, not of the message.
const OF_THE_LOGIN: [u16; 4] = [530, 534, 535, 538];

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// Not at all.
    None,
    /// From the first command that matters on (RFC 3207).
    StartTls,
    /// From the first byte on (RFC 8314).
    Tls,
}

/// A server that takes mail.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// User and password.
    pub login: Option<(String, String)>,
}

/// Why a message was not taken.
#[derive(Debug)]
pub(crate) struct Refused {
    /// For people.
    pub message: String,
    /// It would be refused again.
    pub is_permanent: bool,
}

impl From<OutgoingError> for Refused {
    fn from(error: OutgoingError) -> Self {
        Self { message: error.to_string(), is_permanent: false }
    }
}

impl Outgoing {
    /// Checks the name of a mail server without calling it.
    pub(crate) async fn check_relay(&self, documents: &Documents, host: &str, port: u16) -> Result<(), OutgoingError> {
        let allowed = allowed_hosts(documents).await;
        self.check_with(&allowed, &address(host, port)?).map(drop)
    }

    /// Hands a message over.
    pub(crate) async fn mail(&self, documents: &Documents, relay: &Relay, message: Message) -> Result<(), Refused> {
        let transport = self.transport(documents, relay).await?;
        transport.send(message).await.map(drop).map_err(|error| refused(&relay.host, &error))
    }

    async fn transport(
        &self,
        documents: &Documents,
        relay: &Relay,
    ) -> Result<AsyncSmtpTransport<Tokio1Executor>, Refused> {
        let allowed = allowed_hosts(documents).await;
        let (url, trusted) = self.check_with(&allowed, &address(&relay.host, relay.port)?)?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        // The address that was checked is the one that is called.
        let found = tokio::net::lookup_host((host.as_str(), relay.port)).await;
        let found = found.map_err(|_| OutgoingError::UnknownHost(host.clone()))?;
        let mut found: Vec<_> = found.map(|address| address.ip()).collect();
        found.retain(|address| trusted || guard::is_public(*address));
        // What speaks the older protocol alone is still common among mail servers.
        found.sort_by_key(std::net::IpAddr::is_ipv6);
        let ip = found.first().ok_or_else(|| OutgoingError::Private(host.clone()))?;
        let tls = || -> Result<TlsParameters, SmtpError> {
            let mut builder = TlsParameters::builder(host.clone());
            if let Some(pem) = &self.trusted_pem {
                builder = builder.add_root_certificate(Certificate::from_pem(pem)?);
            }
            builder.build()
        };
        let tls = match relay.encryption {
            Encryption::None => Ok(Tls::None),
            Encryption::StartTls => tls().map(Tls::Required),
            Encryption::Tls => tls().map(Tls::Wrapper),
        };
        let name = host_in(documents.site_url());
        let name = name.split(':').next().unwrap_or_default();
        let name = name.parse().map_or_else(|_| ClientId::Domain(name.to_owned()), ClientId::Ipv4);
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(ip.to_string())
            .port(relay.port)
            .hello_name(name)
            .timeout(Some(TIMEOUT))
            .tls(tls.map_err(|error| refused(&host, &error))?);
        if let Some((user, password)) = &relay.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(builder.build())
    }
}

/// Host and port in the form in which addresses are checked; `smtps` names no other rules than `https`.
fn address(host: &str, port: u16) -> Result<String, OutgoingError> {
    let host = host.trim();
    let is_one = !host.is_empty() && !host.contains(['/', '@', '?', '#']) && !host.contains(char::is_whitespace);
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    let url = format!("https://{host}:{port}/");
    if is_one && Url::parse(&url).is_ok() { Ok(url) } else { Err(OutgoingError::NoServer(host)) }
}

fn refused(host: &str, error: &SmtpError) -> Refused {
    let is_of_login = error.status().is_some_and(|code| OF_THE_LOGIN.contains(&u16::from(code)));
    // The last cause says what the server, or the connection, had to say.
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let said = cause.to_string();
    let message = match error.status() {
        Some(code) => {
            let of_login = if is_of_login { "refuses the login" } else { "answered" };
            format!("{host} {of_login}: {code} {said}")
        }
        None if error.is_timeout() => format!("{host} did not answer in time"),
        None if error.is_tls() => format!("{host}: the encrypted connection failed: {said}"),
        None => format!("{host} cannot be reached: {said}"),
    };
    let message = message.chars().take(500).collect();
    Refused { message, is_permanent: error.is_permanent() && !is_of_login }
}
