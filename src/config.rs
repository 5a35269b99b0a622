//! The configuration: flag, environment, `doctyped.toml`, default, in that order; read once and validated.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Templates are read again for every page.
    pub development: bool,
    /// The largest body of a request, in bytes.
    pub max_body_bytes: usize,
    /// How long a request may take.
    pub request_timeout: Duration,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
            development: false,
            max_body_bytes: MAX_BODY_BYTES,
            request_timeout: Duration::from_secs(120),
        }
    }
}

impl Config {
    /// Whether the public URL is https, so that cookies are `Secure`.
    pub fn is_https(&self) -> bool {
        self.site_url.starts_with("https://")
    }
}
