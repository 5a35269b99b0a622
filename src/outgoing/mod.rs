//! The one way out: every request to another server goes through [`Outgoing`], which guards it.

mod configured;
pub(crate) mod error;
pub(crate) mod guard;
pub(crate) mod published;
pub(crate) mod smtp;

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Method, NoProxy, Proxy, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use tracing::Instrument as _;
use url::Url;

use crate::config::Config;
use crate::document::Documents;
use crate::foreign;
use crate::outgoing::guard::{AllowedHosts, Guard};
use crate::permissions::Session;
use crate::traces;

pub(crate) use configured::ConfiguredClient;
pub(crate) use error::OutgoingError;

/// How long reaching a server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer of a token endpoint, a discovery document or a key set.
pub(crate) const MAX_ANSWER_BYTES: usize = 512 * 1024;
/// How this site names itself to other servers.
const USER_AGENT: &str = concat!("Doctyped/", env!("CARGO_PKG_VERSION"));
/// Where a proxy for https is named, in order of preference.
const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Who answered.
    pub host: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Fetched {
    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, OutgoingError> {
        foreign::parse(&self.body).map_err(|_| OutgoingError::NotJson(self.host.clone()))
    }

    /// The media type in lower case, without parameters.
    pub(crate) fn media_type(&self) -> String {
        let value = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Fails unless the status says that all went well.
    pub(crate) fn successful(self) -> Result<Self, OutgoingError> {
        if self.status.is_redirection() {
            return Err(OutgoingError::Redirect(self.host));
        }
        if self.status.is_success() {
            Ok(self)
        } else {
            Err(OutgoingError::Status { host: self.host, status: self.status.as_u16() })
        }
    }
}

/// The guarded client: https only, no redirects, public addresses only, bounded time and size.
///
/// Two clients stand behind it. One resolves names to public addresses alone, which it then connects to, so that a name
/// cannot change its meaning in between. The other is for hosts that OAuth Settings lists, whatever their addresses.
pub(crate) struct Outgoing {
    /// Made when they are first needed: reading the computer's certificates takes a while.
    guarded: OnceLock<Option<Client>>,
    trusted: OnceLock<Option<Client>>,
    /// `http` to this very computer is permitted, for providers that run beside the site while it is developed.
    development: bool,
    /// How long an exchange may take.
    timeout: Duration,
    proxy: Option<Url>,
    /// The certificate authorities that are trusted besides those of the computer.
    authorities: Vec<Certificate>,
    /// The same as they stand in their file.
    trusted_pem: Option<Vec<u8>>,
}

impl Outgoing {
    /// The way out as configured; fails if the file of trusted certificates cannot be used.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let authorities = config.trusted_certificates.as_deref().map(authorities_in).transpose()?;
        let trusted_pem = config.trusted_certificates.as_deref().map(std::fs::read).transpose()?;
        Ok(Self {
            development: config.development,
            authorities: authorities.unwrap_or_default(),
            trusted_pem,
            ..Self::through(proxy_of_environment(), config.outgoing_timeout)
        })
    }

    fn through(proxy: Option<Url>, timeout: Duration) -> Self {
        Self {
            guarded: OnceLock::new(),
            trusted: OnceLock::new(),
            development: false,
            timeout,
            proxy,
            authorities: Vec::new(),
            trusted_pem: None,
        }
    }

    /// How long an exchange may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Checks an address without calling it: form, https, and no private address in plain sight.
    pub(crate) async fn check(&self, documents: &Documents, url: &str) -> Result<Url, OutgoingError> {
        let allowed = allowed_hosts(documents).await;
        self.check_with(&allowed, url).map(|(url, _)| url)
    }

    /// The address, and whether its host is trusted by name.
    fn check_with(&self, allowed: &AllowedHosts, url: &str) -> Result<(Url, bool), OutgoingError> {
        let parsed = Url::parse(url.trim()).map_err(|_| OutgoingError::NoAddress(shorten(url)))?;
        if !matches!(parsed.scheme(), "https" | "http") || parsed.host_str().is_none_or(str::is_empty) {
            return Err(OutgoingError::NoAddress(shorten(url)));
        }
        // An address with a password in it would leak it into logs and messages.
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(OutgoingError::NoAddress("An address with a user name in it".to_owned()));
        }
        let local = self.development && guard::is_loopback(&parsed);
        if parsed.scheme() != "https" && !local {
            return Err(OutgoingError::NotHttps(shorten(url)));
        }
        let trusted = local || allowed.contains(&parsed);
        if !trusted {
            let is_proxy = self.proxy.as_ref().is_some_and(|proxy| guard::host(proxy) == guard::host(&parsed));
            if is_proxy || !guard::may_be_called(&parsed) {
                return Err(OutgoingError::Private(host_of(&parsed)));
            }
        }
        Ok((parsed, trusted))
    }

    /// Sends a request, completed by `build`, and reads the answer up to `limit` bytes.
    pub(crate) async fn fetch(
        &self,
        documents: &Documents,
        method: Method,
        url: &str,
        limit: usize,
        build: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Fetched, OutgoingError> {
        let answer = self.send(documents, method, url, self.timeout(), build).await?;
        let (host, status, headers) = (answer.host.clone(), answer.status, answer.headers.clone());
        let body = answer.read(limit).await?;
        Ok(Fetched { host, status, headers, body })
    }

    /// The JSON that an address answers with.
    pub(crate) async fn get_json<T: DeserializeOwned>(
        &self,
        documents: &Documents,
        url: &str,
    ) -> Result<T, OutgoingError> {
        let fetched =
            self.fetch(documents, Method::GET, url, MAX_ANSWER_BYTES, |get| get.header(ACCEPT, "application/json"));
        fetched.await?.successful()?.json()
    }

    /// Sends a request, completed by `build`; the body of the answer is still to be read.
    pub(crate) async fn send(
        &self,
        documents: &Documents,
        method: Method,
        url: &str,
        timeout: Duration,
        build: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answering, OutgoingError> {
        let allowed = allowed_hosts(documents).await;
        let (url, trusted) = self.check_with(&allowed, url)?;
        let host = host_of(&url);
        let client = self.client(trusted)?;
        if !trusted && self.proxy.is_some() {
            self.check_before_proxy(&url).await?;
        }
        let span = traces::outgoing(method.as_str(), &host);
        let sent = build(client.request(method, url)).timeout(timeout).send().instrument(span.clone()).await;
        traces::fetched(&span, sent.as_ref().ok().map(|response| response.status().as_u16()));
        let response = sent.map_err(|error| error::explain(&host, error))?;
        Ok(Answering { status: response.status(), headers: response.headers().clone(), host, response })
    }

    /// What this site answers at its own public URL, wherever that is.
    pub(crate) async fn ask_own_site(&self, site_url: &str, path: &str) -> Result<Fetched, OutgoingError> {
        let host = host_in(site_url);
        let sent = self.client(true)?.get(format!("{site_url}{path}")).send().await;
        let response = sent.map_err(|error| error::explain(&host, error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = Answering { host: host.clone(), status, headers: headers.clone(), response };
        Ok(Fetched { host, status, headers, body: body.read(MAX_ANSWER_BYTES).await? })
    }

    fn client(&self, trusted: bool) -> Result<&Client, OutgoingError> {
        let slot = if trusted { &self.trusted } else { &self.guarded };
        let made = slot.get_or_init(|| {
            let guard = Guard { trusted, proxy_host: self.proxy.as_ref().and_then(Url::host_str).map(str::to_owned) };
            let mut builder = Client::builder()
                .user_agent(USER_AGENT)
                // Without it every encoding would be welcome (RFC 9110 §12.5.3), and none is read here.
                .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]))
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(self.timeout)
                .pool_idle_timeout(Duration::from_secs(30))
                .http1_only()
                .no_proxy()
                .tls_certs_merge(self.authorities.clone())
                .dns_resolver(guard);
            if let Some(proxy) = self.proxy.as_ref().and_then(|url| Proxy::https(url.as_str()).ok()) {
                builder = builder.proxy(proxy.no_proxy(NoProxy::from_env()));
            }
            builder.build().inspect_err(|error| tracing::error!(?error, "the client for outgoing requests")).ok()
        });
        made.as_ref().ok_or(OutgoingError::NoTls)
    }

    /// A proxy resolves names itself, and may take any of their addresses: one that is private refuses the name here. What
    /// only the proxy can resolve is left to it.
    async fn check_before_proxy(&self, url: &Url) -> Result<(), OutgoingError> {
        let Some(url::Host::Domain(name)) = url.host() else { return Ok(()) };
        let Ok(addresses) = tokio::net::lookup_host((name, 443)).await else { return Ok(()) };
        if addresses.into_iter().any(|address| !guard::is_public(address.ip())) {
            return Err(OutgoingError::Private(name.to_owned()));
        }
        Ok(())
    }
}

/// An answer whose body is still on its way.
pub(crate) struct Answering {
    /// Who answers.
    pub host: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    response: reqwest::Response,
}

impl Answering {
    /// Reads the body; more than `limit` bytes are refused without reading on.
    pub(crate) async fn read(mut self, limit: usize) -> Result<Vec<u8>, OutgoingError> {
        let too_large = || OutgoingError::TooLarge { host: self.host.clone(), limit };
        if self.response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.response.chunk().await.map_err(|error| error::explain(&self.host, error))? {
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The body in pieces as they come; it breaks off behind `limit` bytes.
    pub(crate) fn stream(self, limit: usize) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
        stream::try_unfold((self, 0_usize), move |(mut answer, read)| async move {
            let chunk = answer.response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| std::io::Error::other(error::explain(&answer.host, error)))? else {
                return Ok(None);
            };
            let read = read + chunk.len();
            if read > limit {
                let error = OutgoingError::TooLarge { host: answer.host, limit };
                return Err(std::io::Error::other(error));
            }
            Ok(Some((chunk, (answer, read))))
        })
    }
}

/// The list in OAuth Settings; nothing while it cannot be read.
async fn allowed_hosts(documents: &Documents) -> AllowedHosts {
    match documents.get(&Session::system(), "OAuth Settings", "OAuth Settings").await {
        Ok(settings) => AllowedHosts::parse(settings.text("allowed_private_hosts")),
        Err(_) => AllowedHosts::default(),
    }
}

/// The certificate authorities of a PEM file.
fn authorities_in(file: &Path) -> anyhow::Result<Vec<Certificate>> {
    let read = || {
        let authorities = Certificate::from_pem_bundle(&std::fs::read(file)?).context("the file is not PEM")?;
        anyhow::ensure!(!authorities.is_empty(), "it holds no certificate");
        Ok(authorities)
    };
    read().with_context(|| format!("read DOCTYPED_TRUSTED_CERTIFICATES: {}", file.display()))
}

fn proxy_of_environment() -> Option<Url> {
    let text = PROXY_VARIABLES.iter().find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty()))?;
    let url = if text.contains("://") { text } else { format!("http://{text}") };
    Url::parse(&url).ok().filter(|url| url.host_str().is_some())
}

/// Host and port of an address, for messages.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The same of an address as text.
pub(crate) fn host_in(address: &str) -> String {
    Url::parse(address).map_or_else(|_| address.to_owned(), |url| host_of(&url))
}

fn shorten(text: &str) -> String {
    match text.split_once(['?', '#']).map_or(text, |(front, _)| front) {
        "" => "An empty text".to_owned(),
        text => text.chars().take(200).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(15);

    fn refused(outgoing: &Outgoing, allowed: &str, url: &str) -> Option<String> {
        outgoing.check_with(&AllowedHosts::parse(allowed), url).err().map(|error| error.to_string())
    }

    #[test]
    fn only_https_to_public_hosts_passes() {
        let outgoing = Outgoing::through(None, TIMEOUT);
        assert_eq!(refused(&outgoing, "", "https://example.com/token"), None);
        for (url, says) in [
            ("http://example.com/", "not https"),
            ("ftp://example.com/", "not an address"),
            ("nonsense", "not an address"),
            ("", "not an address"),
            ("https://[fe80::1%25eth0]/", "not an address"),
            ("https://user:pw@example.com/", "user name"),
            ("https://127.0.0.1/", "private network"),
            ("https://localhost/", "private network"),
            ("https://a.localhost/", "private network"),
            ("https://[::1]/", "private network"),
            ("https://169.254.169.254/latest/meta-data", "private network"),
            ("http://127.0.0.1:8080/", "not https"),
        ] {
            let text = refused(&outgoing, "", url).unwrap_or_default();
            assert!(text.contains(says), "{url}: {text}");
        }
    }

    #[test]
    fn the_list_of_private_hosts_lets_https_pass_and_development_http_to_loopback() {
        let outgoing = Outgoing::through(None, TIMEOUT);
        assert_eq!(refused(&outgoing, "10.0.0.5:8443", "https://10.0.0.5:8443/"), None);
        assert!(refused(&outgoing, "10.0.0.5:8443", "http://10.0.0.5:8443/").is_some());
        assert!(refused(&outgoing, "127.0.0.1", "http://127.0.0.1/").is_some());
        let outgoing = Outgoing { development: true, ..Outgoing::through(None, TIMEOUT) };
        assert_eq!(refused(&outgoing, "", "http://127.0.0.1:4000/"), None);
        assert_eq!(refused(&outgoing, "", "http://localhost:4000/"), None);
        assert!(refused(&outgoing, "", "http://10.0.0.5/").is_some());
        assert!(refused(&outgoing, "", "https://10.0.0.5/").is_some());
    }

    #[test]
    fn the_proxy_itself_is_not_to_be_called() {
        let outgoing = Outgoing::through(Url::parse("http://proxy.internal:3128").ok(), TIMEOUT);
        for address in ["https://proxy.internal/", "https://proxy.internal./", "https://PROXY.internal:3128/"] {
            assert!(refused(&outgoing, "", address).is_some(), "{address}");
        }
        assert_eq!(refused(&outgoing, "", "https://example.com/"), None);
    }

    #[test]
    fn messages_leave_out_what_may_be_secret() {
        let outgoing = Outgoing::through(None, TIMEOUT);
        let text = refused(&outgoing, "", "http://example.com/cb?code=secret").unwrap_or_default();
        assert!(!text.contains("secret"), "{text}");
    }
}
