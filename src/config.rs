//! The configuration: flag, environment, `doctyped.toml`, default, in that order; read once and validated.

pub mod client_certificates;
pub mod limits;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, CommandFactory as _, Parser};
use serde::Deserialize;

use client_certificates::{CertificateCheck, ClientCertificates};
use limits::{LimitSettings, Limits};

/// The largest body of a request, in bytes, as Frappe has it.
pub const MAX_BODY_BYTES: usize = 25 * 1024 * 1024;

/// Everything that is configured outside the site's own settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server listens: `host:port`.
    pub listen: String,
    /// `sqlite://path` or `postgres://…`.
    pub database_url: Hidden,
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
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8000".to_owned(),
            database_url: Hidden::new("sqlite://data/site.db"),
            site_url: "http://127.0.0.1:8000".to_owned(),
            admin_password: None,
            doctypes: vec![PathBuf::from("doctypes")],
            secret_key_file: PathBuf::from("data/site.key"),
            files: PathBuf::from("data/files"),
            templates: PathBuf::from("templates"),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            trusted_proxies: 0,
            client_certificates: None,
            trusted_certificates: None,
            development: false,
            strict: false,
            max_body_bytes: MAX_BODY_BYTES,
            limits: Limits::default(),
            request_timeout: Duration::from_mins(2),
            outgoing_timeout: Duration::from_secs(15),
        }
    }
}

/// The keys as they are given: on the command line, in the environment, or in `doctyped.toml` (there in lower case, without the
/// prefix). All are optional.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the server listens
    ///
    /// Host and port. `0.0.0.0:8000` listens on every interface; then set the site URL as well. [default: 127.0.0.1:8000]
    #[arg(long, global = true, env = "DOCTYPED_LISTEN", value_name = "HOST:PORT")]
    listen: Option<String>,

    /// The database
    ///
    /// `sqlite://path/to/file` or `postgres://user:password@host/database`. [default: `sqlite://data/site.db`]
    #[arg(long, global = true, env = "DOCTYPED_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,

    /// The public URL of the site
    ///
    /// What people and programs call it from outside, for example `https://docs.example.com`: OAuth's issuer, links and
    /// cookies follow from it, never from what a request says. [default: http:// and the listen address]
    #[arg(long, global = true, env = "DOCTYPED_SITE_URL", value_name = "URL")]
    site_url: Option<String>,

    /// The password of Administrator, for the start that makes this user
    ///
    /// Later starts ignore it. Without it a password is generated and printed once. Prefer the environment: other people
    /// on the machine can read command lines.
    #[arg(long, global = true, env = "DOCTYPED_ADMIN_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    admin_password: Option<String>,

    /// Folders with DocType files, separated by `:`
    ///
    /// They are read after `doctypes`, in this order; a later DocType of the same name replaces an earlier one.
    #[arg(long, global = true, env = "DOCTYPED_DOCTYPES", value_name = "FOLDERS")]
    doctypes: Option<String>,

    /// The file with the key for what is encrypted
    ///
    /// Made at the first start, readable by its owner only. Back it up: without it, stored secrets cannot be read. [default:
    /// data/site.key]
    #[arg(long, global = true, env = "DOCTYPED_SECRET_KEY_FILE", value_name = "FILE")]
    secret_key_file: Option<PathBuf>,

    /// The folder for uploaded files [default: data/files]
    #[arg(long, global = true, env = "DOCTYPED_FILES", value_name = "FOLDER")]
    files: Option<PathBuf>,

    /// A folder whose templates and assets replace the built-in ones of the same name [default: templates]
    #[arg(long, global = true, env = "DOCTYPED_TEMPLATES", value_name = "FOLDER")]
    templates: Option<PathBuf>,

    /// What is logged
    ///
    /// `error`, `warn`, `info`, `debug`, `trace`, or a list such as `info,doctyped::access=warn`. [default: info]
    #[arg(long, global = true, env = "DOCTYPED_LOG", value_name = "FILTER")]
    log: Option<String>,

    /// How log lines look: for people, or one JSON object a line [default: text]
    #[arg(long, global = true, env = "DOCTYPED_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,

    /// How many proxies in front of the server write `X-Forwarded-For`
    ///
    /// The address of a sender is taken from there only if this is set, for otherwise anybody could claim any address.
    /// [default: 0]
    #[arg(long, global = true, env = "DOCTYPED_TRUSTED_PROXIES", value_name = "NUMBER")]
    trusted_proxies: Option<usize>,

    /// The header in which a proxy passes on the certificate of a client
    ///
    /// For programs that prove who they are by TLS (RFC 8705). The proxy must set it for every request, and drop what
    /// clients send under this name. It may hold the certificate as `Client-Cert` does (RFC 9440), as nginx's
    /// `$ssl_client_escaped_cert`, or as plain base64 of its DER.
    #[arg(long, global = true, env = "DOCTYPED_CLIENT_CERTIFICATE_HEADER", value_name = "NAME")]
    client_certificate_header: Option<String>,

    /// The addresses of the proxies whose header with a certificate is believed
    ///
    /// Addresses and networks, separated by commas: `127.0.0.1, 10.0.0.0/8`. From everybody else the header is ignored.
    #[arg(long, global = true, env = "DOCTYPED_CLIENT_CERTIFICATE_PROXIES", value_name = "ADDRESSES")]
    client_certificate_proxies: Option<String>,

    /// Which certificates the proxy passes on [default: verified]
    #[arg(long, global = true, env = "DOCTYPED_CLIENT_CERTIFICATES", value_name = "WHICH")]
    client_certificates: Option<CertificateCheck>,

    /// A PEM file of certificate authorities to trust, besides those of the computer
    ///
    /// For servers of your own house that this site calls (Connected Apps, Social Login Keys, Client ID Metadata
    /// Documents) and whose certificates come from an authority of your own.
    #[arg(long, global = true, env = "DOCTYPED_TRUSTED_CERTIFICATES", value_name = "FILE")]
    trusted_certificates: Option<PathBuf>,

    /// Reads templates again for every page
    #[arg(long, global = true, env = "DOCTYPED_DEVELOPMENT", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    development: Option<bool>,

    #[command(flatten)]
    #[serde(skip)]
    limits: LimitSettings,

    /// Does not start while DocType files have errors, or make changes that could lose data
    ///
    /// Otherwise such files are held back and what was in force before serves. For pipelines.
    #[arg(long, global = true, env = "DOCTYPED_STRICT", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    strict: Option<bool>,
}

/// The names of all settings, read from their definition, so that no list has to be kept.
#[derive(Parser)]
struct AllSettings {
    #[command(flatten)]
    _settings: Settings,
}

impl Settings {
    /// The environment variables that are read.
    pub fn environment() -> BTreeSet<String> {
        let command = AllSettings::command();
        let named = command.get_arguments().filter_map(|argument| argument.get_env());
        named.map(|name| name.to_string_lossy().into_owned()).chain([CONFIG_VARIABLE.to_owned()]).collect()
    }

    /// What stands in a `doctyped.toml`; an unknown key or a bad value is an error that names it.
    pub fn from_toml(text: &str) -> anyhow::Result<Self> {
        let mut table: toml::Table = toml::from_str(text)?;
        // Folders may also be a list there.
        if let Some(toml::Value::Array(folders)) = table.get("doctypes") {
            let folders: Option<Vec<&str>> = folders.iter().map(toml::Value::as_str).collect();
            let joined = folders.context("doctypes must be a list of folders")?.join(":");
            table.insert("doctypes".to_owned(), toml::Value::String(joined));
        }
        let limits = LimitSettings::KEYS.into_iter().filter_map(|key| table.remove_entry(key));
        let limits: LimitSettings = limits.collect::<toml::Table>().try_into()?;
        Ok(Self { limits, ..table.try_into()? })
    }

    /// These, and those of `other` where nothing is said.
    #[must_use]
    fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            database_url: self.database_url.or(other.database_url),
            site_url: self.site_url.or(other.site_url),
            admin_password: self.admin_password.or(other.admin_password),
            doctypes: self.doctypes.or(other.doctypes),
            secret_key_file: self.secret_key_file.or(other.secret_key_file),
            files: self.files.or(other.files),
            templates: self.templates.or(other.templates),
            log: self.log.or(other.log),
            log_format: self.log_format.or(other.log_format),
            trusted_proxies: self.trusted_proxies.or(other.trusted_proxies),
            client_certificate_header: self.client_certificate_header.or(other.client_certificate_header),
            client_certificate_proxies: self.client_certificate_proxies.or(other.client_certificate_proxies),
            client_certificates: self.client_certificates.or(other.client_certificates),
            trusted_certificates: self.trusted_certificates.or(other.trusted_certificates),
            development: self.development.or(other.development),
            limits: self.limits.or(other.limits),
            strict: self.strict.or(other.strict),
        }
    }
}

/// The environment variable that names the configuration file.
pub const CONFIG_VARIABLE: &str = "DOCTYPED_CONFIG";
/// The configuration file that is read if it is there.
const CONFIG_FILE: &str = "doctyped.toml";
/// The prefix of all our environment variables, and of those that only tests read.
const PREFIX: &str = "DOCTYPED_";
const TEST_PREFIX: &str = "DOCTYPED_TEST_";

/// An environment variable that looks like ours and is not: most likely a typing error, so the start stops.
pub fn check_environment(names: impl Iterator<Item = String>) -> anyhow::Result<()> {
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
        let default = Self::default();
        let listen = settings.listen.unwrap_or(default.listen);
        check_listen(&listen)?;
        let site_url = match settings.site_url {
            Some(url) => check_site_url(&url)?,
            None => local_url(&listen),
        };
        let database_url = settings.database_url.map_or(default.database_url, Hidden::new);
        ensure!(
            ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| database_url.reveal().starts_with(scheme)),
            "DOCTYPED_DATABASE_URL must start with sqlite:// or postgres://"
        );
        let log = settings.log.unwrap_or(default.log);
        tracing_subscriber::EnvFilter::try_new(&log)
            .with_context(|| format!("DOCTYPED_LOG: {log} is no filter: try info"))?;
        let trusted_proxies = settings.trusted_proxies.unwrap_or(0);
        ensure!(trusted_proxies <= 16, "DOCTYPED_TRUSTED_PROXIES is at most 16");
        let client_certificates = ClientCertificates::from_settings(
            settings.client_certificate_header.as_deref(),
            settings.client_certificate_proxies.as_deref(),
            settings.client_certificates,
            trusted_proxies,
        )?;
        if let Some(password) = &settings.admin_password {
            ensure!(password.chars().count() >= 8, "DOCTYPED_ADMIN_PASSWORD must have at least 8 characters");
        }
        let mut doctypes = default.doctypes;
        for folder in settings.doctypes.iter().flat_map(|folders| folders.split(':')).filter(|part| !part.is_empty()) {
            let folder = PathBuf::from(folder);
            ensure!(folder.is_dir(), "DOCTYPED_DOCTYPES: {} is no folder", folder.display());
            doctypes.push(folder);
        }
        Ok(Self {
            listen,
            database_url,
            site_url,
            admin_password: settings.admin_password.map(Hidden::new),
            doctypes,
            secret_key_file: settings.secret_key_file.unwrap_or(default.secret_key_file),
            files: settings.files.unwrap_or(default.files),
            templates: settings.templates.unwrap_or(default.templates),
            log,
            log_format: settings.log_format.unwrap_or_default(),
            trusted_proxies,
            client_certificates,
            trusted_certificates: settings.trusted_certificates,
            development: settings.development.unwrap_or(false),
            strict: settings.strict.unwrap_or(false),
            max_body_bytes: default.max_body_bytes,
            limits: Limits::from_settings(&settings.limits, trusted_proxies, default.max_body_bytes)?,
            request_timeout: default.request_timeout,
            outgoing_timeout: default.outgoing_timeout,
        })
    }

    /// Whether the public URL is https, so that cookies are `Secure`.
    pub fn is_https(&self) -> bool {
        self.site_url.starts_with("https://")
    }
}

/// `host:port`, with a port that is a number.
fn check_listen(listen: &str) -> anyhow::Result<()> {
    let port = listen.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    ensure!(matches!(port, Some(Ok(_))), "DOCTYPED_LISTEN: {listen} is not host:port, for example 127.0.0.1:8000");
    Ok(())
}

/// An http or https URL of a host, without anything behind it; returned without the slash at the end.
fn check_site_url(text: &str) -> anyhow::Result<String> {
    let url = url::Url::parse(text).with_context(|| format!("DOCTYPED_SITE_URL: {text} is no URL"))?;
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
fn local_url(listen: &str) -> String {
    let (host, port) = listen.rsplit_once(':').unwrap_or((listen, "8000"));
    let host = if matches!(host, "0.0.0.0" | "[::]") { "localhost" } else { host };
    if port == "80" { format!("http://{host}") } else { format!("http://{host}:{port}") }
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
            ("site_url = 'ftp://x'", "DOCTYPED_SITE_URL"),
            ("site_url = 'https://x.example/app'", "DOCTYPED_SITE_URL"),
            ("database_url = 'mysql://x'", "DOCTYPED_DATABASE_URL"),
            ("log = 'info=debug=trace'", "DOCTYPED_LOG"),
            ("log_format = 'xml'", "log_format"),
            ("admin_password = 'short'", "DOCTYPED_ADMIN_PASSWORD"),
            ("doctypes = ['/no/such/folder']", "DOCTYPED_DOCTYPES"),
            ("client_certificates = 'some'", "client_certificates"),
            ("max_rows = 0", "DOCTYPED_MAX_ROWS"),
            ("max_rows = 'many'", "max_rows"),
            ("body_memory = 1", "DOCTYPED_BODY_MEMORY"),
            ("max_connections = 0", "DOCTYPED_MAX_CONNECTIONS"),
            ("header_timeout = 0", "DOCTYPED_HEADER_TIMEOUT"),
            ("limits = 1", "limits"),
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
