//! The configuration: flag, environment, `doctyped.toml`, default, in that order; read once and validated.

pub(crate) mod client_certificates;
pub(crate) mod limits;
mod settings;
pub(crate) mod tls;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use url::Url;

use client_certificates::{CertificateCheck, ClientCertificates};
use limits::Limits;
pub use settings::Settings;
use tls::{ClientsOfTls, Tls};

/// The largest body of a request, in bytes, as Frappe has it.
pub(crate) const MAX_BODY_BYTES: usize = 25 * 1024 * 1024;

/// Everything that is configured outside the site's own settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server listens: `host:port`.
    pub listen: String,
    /// `sqlite://path` or `postgres://…`.
    pub database_url: Hidden,
    /// Where read replicas of it are; may contain passwords.
    pub database_replicas: Vec<Hidden>,
    /// The public URL, without a trailing slash: issuer, links, cookies.
    pub site_url: String,
    /// The password of Administrator when that user is made; `None`: generated and printed once.
    pub admin_password: Option<Hidden>,
    /// The folders with DocType files, besides the shipped ones.
    pub doctypes: Vec<PathBuf>,
    /// The file that holds the key for what is encrypted.
    pub secret_key_file: PathBuf,
    /// The folder for uploaded files.
    pub files: PathBuf,
    /// The bucket in which they lie instead: `s3://NAME/PREFIX`.
    pub bucket: Option<String>,
    /// The folder for backups, or `s3://NAME/PREFIX`.
    pub backups: PathBuf,
    /// A folder whose templates and assets override the embedded ones.
    pub templates: PathBuf,
    /// What is logged, in the words of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How many proxies in front of the server add to `X-Forwarded-For`; 0: none is believed.
    pub trusted_proxies: usize,
    /// How a proxy passes on the certificates that clients prove themselves with; `None`: there are none.
    pub client_certificates: Option<ClientCertificates>,
    /// The files from which the server speaks TLS itself; `None`: it speaks http.
    pub tls: Option<Tls>,
    /// Where http is answered with the way to https: `host:port`.
    pub redirect_listen: Option<String>,
    /// Where `/metrics` is answered: `host:port`; `None`: nowhere.
    pub metrics_listen: Option<String>,
    /// The collector of OpenTelemetry that traces are sent to; `None`: nothing is traced.
    pub traces: Option<Url>,
    /// A file of certificate authorities that are trusted, besides those of the computer, by requests to other servers.
    pub trusted_certificates: Option<PathBuf>,
    /// Templates are read again for every page.
    pub development: bool,
    /// The server does not start while DocType files have errors or wait for somebody's consent.
    pub strict: bool,
    /// The largest body of a request, in bytes.
    pub max_body_bytes: usize,
    /// What requests and connections may take.
    pub limits: Limits,
    /// From how many milliseconds on a statement of the database is logged; 0: never.
    pub slow_statement: u64,
    /// How many background jobs this process works on at once; 0: none, other nodes do.
    pub parallel_jobs: usize,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long an exchange with another server may take: tokens, keys, discovery. Calls of its API may take twice as long.
    pub outgoing_timeout: Duration,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl std::str::FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        clap::ValueEnum::from_str(text, false)
    }
}

/// A text that no log and no debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Hides it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Default for Config {
    /// What holds without any setting.
    fn default() -> Self {
        Self::from_settings(Settings::default()).expect("the defaults are valid")
    }
}

/// The environment variable that names the configuration file.
pub(crate) const CONFIG_VARIABLE: &str = "DOCTYPED_CONFIG";
/// The configuration file that is read if it is there.
const CONFIG_FILE: &str = "doctyped.toml";
/// The prefix of all our environment variables, and of those that only tests read.
const PREFIX: &str = "DOCTYPED_";
const TEST_PREFIX: &str = "DOCTYPED_TEST_";

/// An environment variable that looks like ours and is not: most likely a typing error, so the start stops.
pub(crate) fn check_environment(names: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let known = Settings::environment();
    for name in names.filter(|name| name.starts_with(PREFIX) && !name.starts_with(TEST_PREFIX)) {
        if !known.contains(&name) {
            let list = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            bail!("{name}: there is no such setting; there are {list}");
        }
    }
    Ok(())
}

impl Config {
    /// Puts the configuration together: what flags and environment say, then the file, then the defaults; checks all of it.
    pub fn load(given: Settings, file: Option<&Path>) -> anyhow::Result<Self> {
        check_environment(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))?;
        let path = file.unwrap_or(Path::new(CONFIG_FILE));
        let from_file = match std::fs::read_to_string(path) {
            Ok(text) => Settings::from_toml(&text).with_context(|| path.display().to_string())?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && file.is_none() => Settings::default(),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        Self::from_settings(given.or(from_file))
    }

    /// Checks settings and fills in the defaults.
    pub fn from_settings(settings: Settings) -> anyhow::Result<Self> {
        let settings = settings.resolve();
        let listen = settings.listen.clone();
        check_listen("DOCTYPED_LISTEN", &listen)?;
        let tls = Tls::from_settings(&settings)?;
        if let Some(listen) = &settings.redirect_listen {
            check_listen("DOCTYPED_REDIRECT_LISTEN", listen)?;
        }
        if let Some(listen) = &settings.metrics_listen {
            check_listen("DOCTYPED_METRICS_LISTEN", listen)?;
        }
        let traces = settings.traces.as_deref().map(check_collector).transpose()?;
        let site_url = match &settings.site_url {
            Some(url) => check_site_url(url)?,
            None => local_url(&listen, tls.is_some()),
        };
        ensure!(
            tls.is_none() || site_url.starts_with("https://"),
            "DOCTYPED_SITE_URL: {site_url} must start with https://, for the server speaks TLS"
        );
        ensure!(
            ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| settings.database_url.starts_with(scheme)),
            "DOCTYPED_DATABASE_URL must start with sqlite:// or postgres://"
        );
        let replicas = settings.database_replicas.as_deref().unwrap_or_default();
        let replicas: Vec<Hidden> = (replicas.split([' ', ',', '\n']).filter(|url| !url.is_empty()))
            .map(|url| {
                let is_known = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
                ensure!(is_known, "DOCTYPED_DATABASE_REPLICAS: each URL must start with postgres://");
                Ok(Hidden::new(url))
            })
            .collect::<anyhow::Result<_>>()?;
        ensure!(
            replicas.is_empty() || !settings.database_url.starts_with("sqlite:"),
            "DOCTYPED_DATABASE_REPLICAS are replicas of PostgreSQL, and DOCTYPED_DATABASE_URL is SQLite"
        );
        tracing_subscriber::EnvFilter::try_new(&settings.log)
            .with_context(|| format!("DOCTYPED_LOG: {} is not a filter: try info", settings.log))?;
        ensure!(settings.trusted_proxies <= 16, "DOCTYPED_TRUSTED_PROXIES is at most 16");
        let client_certificates = ClientCertificates::from_settings(
            settings.client_certificate_header.as_deref(),
            settings.client_certificate_proxies.as_deref(),
            settings.client_certificates.filter(|_| tls.is_none() || settings.client_certificate_header.is_some()),
            settings.trusted_proxies,
        )?;
        if let Some(password) = &settings.admin_password {
            ensure!(password.chars().count() >= 8, "DOCTYPED_ADMIN_PASSWORD must have at least 8 characters");
        }
        let mut doctypes = vec![PathBuf::from("doctypes")];
        for folder in settings.doctypes.iter().flat_map(|folders| folders.split(':')).filter(|part| !part.is_empty()) {
            let folder = PathBuf::from(folder);
            ensure!(folder.is_dir(), "DOCTYPED_DOCTYPES: {} is not a folder", folder.display());
            doctypes.push(folder);
        }
        Ok(Self {
            limits: Limits::from_settings(&settings, MAX_BODY_BYTES)?,
            slow_statement: settings.slow_statement,
            parallel_jobs: settings.parallel_jobs,
            listen,
            database_url: Hidden::new(settings.database_url),
            database_replicas: replicas,
            site_url,
            admin_password: settings.admin_password.map(Hidden::new),
            doctypes,
            secret_key_file: settings.secret_key_file,
            files: settings.files,
            bucket: settings.bucket,
            backups: settings.backups,
            templates: settings.templates,
            log: settings.log,
            log_format: settings.log_format,
            trusted_proxies: settings.trusted_proxies,
            client_certificates,
            tls,
            redirect_listen: settings.redirect_listen,
            metrics_listen: settings.metrics_listen,
            traces,
            trusted_certificates: settings.trusted_certificates,
            development: settings.development,
            strict: settings.strict,
            max_body_bytes: MAX_BODY_BYTES,
            request_timeout: Duration::from_mins(2),
            outgoing_timeout: Duration::from_secs(15),
        })
    }

    /// Where a program on the same machine reaches the server.
    pub(crate) fn local_url(&self) -> String {
        local_url(&self.listen, self.tls.is_some())
    }

    /// Whether the public URL is https, so that cookies are `Secure`.
    pub fn is_https(&self) -> bool {
        self.site_url.starts_with("https://")
    }

    /// What is checked of the certificates that clients prove themselves with, here or at a proxy; `None`: none come.
    pub fn certificate_check(&self) -> Option<CertificateCheck> {
        let of_proxy = self.client_certificates.as_ref().map(|certificates| certificates.check);
        of_proxy.or_else(|| self.tls.as_ref()?.clients.as_ref().map(ClientsOfTls::check))
    }
}

/// `host:port`, with a port that is a number.
fn check_listen(name: &str, listen: &str) -> anyhow::Result<()> {
    let port = listen.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    ensure!(matches!(port, Some(Ok(_))), "{name}: {listen} is not host:port, for example 127.0.0.1:8000");
    Ok(())
}

/// The address of a collector, which is whole.
fn check_collector(text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.path() != "/");
    url.with_context(|| {
        format!("DOCTYPED_TRACES: {text} is not the address of a collector, such as http://127.0.0.1:4318/v1/traces")
    })
}

/// An http or https URL of a host, without anything behind it; returned without the slash at the end.
fn check_site_url(text: &str) -> anyhow::Result<String> {
    let url = Url::parse(text).with_context(|| format!("DOCTYPED_SITE_URL: {text} is not a URL"))?;
    ensure!(
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty()),
        "DOCTYPED_SITE_URL: {text} must start with https:// or http://"
    );
    ensure!(
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty(),
        "DOCTYPED_SITE_URL: {text} must name only scheme, host and port, for example https://docs.example.com"
    );
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// The URL under which a browser on the same machine reaches that address.
fn local_url(listen: &str, is_tls: bool) -> String {
    let (host, port) = listen.rsplit_once(':').unwrap_or((listen, "8000"));
    let host = if matches!(host, "0.0.0.0" | "[::]") { "localhost" } else { host };
    let (scheme, usual) = if is_tls { ("https", "443") } else { ("http", "80") };
    if port == usual { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str) -> anyhow::Result<Config> {
        Config::from_settings(Settings::from_toml(toml)?)
    }

    fn refused(toml: &str) -> String {
        format!("{:#}", load(toml).unwrap_err())
    }

    #[test]
    fn without_settings_the_site_is_local() {
        let config = load("").unwrap();
        assert_eq!(config.site_url, "http://127.0.0.1:8000");
        assert_eq!(config.database_url.reveal(), "sqlite://data/site.db");
        assert!(!config.is_https());
    }

    #[test]
    fn the_site_url_follows_from_the_listen_address() {
        assert_eq!(load("listen = '0.0.0.0:9000'").unwrap().site_url, "http://localhost:9000");
        assert_eq!(load("listen = '[::1]:80'").unwrap().site_url, "http://[::1]");
    }

    #[test]
    fn with_tls_the_site_is_https_and_clients_may_have_certificates() {
        let tls = |more: &str| load(&format!("tls_certificate = 'c.pem'\ntls_key = 'k.pem'\n{more}")).unwrap();
        let plain = tls("");
        assert_eq!((plain.site_url.as_str(), plain.certificate_check()), ("https://127.0.0.1:8000", None));
        assert!(plain.is_https());
        assert_eq!(tls("listen = '0.0.0.0:443'").site_url, "https://localhost");
        let check = |more: &str| tls(more).certificate_check();
        assert_eq!(check("tls_client_authorities = 'a.pem'"), Some(CertificateCheck::Verified));
        assert_eq!(check("client_certificates = 'any'"), Some(CertificateCheck::Any));
    }

    #[test]
    fn flags_and_environment_win_over_the_file() {
        let given = Settings { listen: Some("127.0.0.1:1".to_owned()), ..Settings::default() };
        let file = Settings::from_toml("listen = '127.0.0.1:2'\nlog = 'warn'").unwrap();
        let config = Config::from_settings(given.or(file)).unwrap();
        assert_eq!((config.listen.as_str(), config.log.as_str()), ("127.0.0.1:1", "warn"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (toml, named) in [
            ("listn = 'x'", "listn"),
            ("listen = 'nowhere'", "DOCTYPED_LISTEN"),
            ("listen = 7", "listen"),
            ("metrics_listen = '9000'", "DOCTYPED_METRICS_LISTEN"),
            ("traces = 'http://127.0.0.1:4318'", "DOCTYPED_TRACES"),
            ("acme = 'letsencrypt'", "DOCTYPED_SITE_URL"),
            ("acme = 'letsencrypt'\nsite_url = 'https://192.0.2.1'", "DOCTYPED_SITE_URL"),
            ("acme = 'http://ca.example/dir'\nsite_url = 'https://x.example'", "DOCTYPED_ACME"),
            (
                "acme = 'letsencrypt'\nsite_url = 'https://x.example'\ntls_certificate = 'a'\ntls_key = 'b'",
                "exclude each other",
            ),
            ("acme_contact = 'admin@x.example'", "DOCTYPED_ACME"),
            ("site_url = 'ftp://x'", "DOCTYPED_SITE_URL"),
            ("site_url = 'https://x.example/app'", "DOCTYPED_SITE_URL"),
            ("database_url = 'mysql://x'", "DOCTYPED_DATABASE_URL"),
            ("database_replicas = 'postgres://a/b'", "DOCTYPED_DATABASE_REPLICAS are replicas of PostgreSQL"),
            ("database_url = 'postgres://a/b'\ndatabase_replicas = 'postgres://c/b d/b'", "DOCTYPED_DATABASE_REPLICAS"),
            ("log = 'info=debug=trace'", "DOCTYPED_LOG"),
            ("log_format = 'xml'", "log_format"),
            ("admin_password = 'short'", "DOCTYPED_ADMIN_PASSWORD"),
            ("doctypes = ['/no/such/folder']", "DOCTYPED_DOCTYPES"),
            ("client_certificates = 'some'", "client_certificates"),
            ("max_rows = 0", "DOCTYPED_MAX_ROWS"),
            ("max_rows = 'many'", "max_rows"),
            ("body_memory = 1", "DOCTYPED_BODY_MEMORY"),
            ("max_connections = 0", "DOCTYPED_MAX_CONNECTIONS"),
            ("max_requests = 0", "DOCTYPED_MAX_REQUESTS"),
            ("max_waiting = 0", "DOCTYPED_MAX_WAITING"),
            ("header_timeout = 0", "DOCTYPED_HEADER_TIMEOUT"),
            ("limits = 1", "limits"),
            ("tls_certificate = 'c.pem'", "DOCTYPED_TLS_KEY is missing"),
            ("tls_key = 'k.pem'", "DOCTYPED_TLS_CERTIFICATE is missing"),
            ("tls_client_authorities = 'a.pem'", "DOCTYPED_TLS_CERTIFICATE"),
            ("redirect_listen = '127.0.0.1:80'", "DOCTYPED_TLS_CERTIFICATE"),
            ("tls_certificate = 'c'\ntls_key = 'k'\nredirect_listen = 'x'", "DOCTYPED_REDIRECT_LISTEN"),
            ("tls_certificate = 'c'\ntls_key = 'k'\nsite_url = 'http://x.example'", "must start with https://"),
            (
                "tls_certificate = 'c'\ntls_key = 'k'\nclient_certificates = 'verified'",
                "DOCTYPED_TLS_CLIENT_AUTHORITIES",
            ),
            (
                "tls_certificate = 'c'\ntls_key = 'k'\ntls_client_authorities = 'a'\nclient_certificates = 'any'",
                "DOCTYPED_TLS_CLIENT_AUTHORITIES",
            ),
            (
                "tls_certificate = 'c'\ntls_key = 'k'\ntls_client_authorities = 'a'\ntrusted_proxies = 1\n\
                 client_certificate_header = 'Client-Cert'\nclient_certificate_proxies = '127.0.0.1'",
                "exclude each other",
            ),
        ] {
            let message = refused(toml);
            assert!(message.contains(named), "{toml}: {message}");
        }
    }

    #[test]
    fn behind_proxies_no_address_is_limited_unless_it_is_said() {
        let per_address = |toml: &str| load(toml).unwrap().limits.connections_per_address;
        assert_eq!(per_address(""), Some(200));
        assert_eq!(per_address("trusted_proxies = 1"), None);
        assert_eq!(per_address("trusted_proxies = 1\nmax_connections_per_address = 50"), Some(50));
        assert_eq!(per_address("max_connections_per_address = 0"), None);
    }

    #[test]
    fn secrets_do_not_show() {
        let config = load("database_url = 'postgres://me:geheim@db/x'\nadmin_password = 'geheim123'").unwrap();
        assert!(!format!("{config:?}").contains("geheim"));
    }

    #[test]
    fn an_unknown_variable_is_an_error_and_one_for_tests_is_not() {
        let check = |name: &str| check_environment(std::iter::once(name.to_owned()));
        assert!(check("DOCTYPED_LISTEN").is_ok());
        assert!(check("DOCTYPED_CONFIG").is_ok());
        assert!(check("DOCTYPED_TEST_POSTGRES").is_ok());
        assert!(check("PATH").is_ok());
        let message = check("DOCTYPED_LISTEM").unwrap_err().to_string();
        assert!(message.contains("DOCTYPED_LISTEM"), "{message}");
    }
}
