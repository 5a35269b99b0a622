//! The settings of the program: each once, with its flag, variable, key, default and help.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Arg, Args, Command, CommandFactory as _, Parser};
use serde::Deserialize;

use super::client_certificates::CertificateCheck;
use super::{CONFIG_VARIABLE, LogFormat};

/// One row a setting: help, the environment variable and what clap takes besides, key and type, default if there is one.
macro_rules! settings {
    ($($(#[$help:meta])+ [$($argument:tt)+] $name:ident: $type:ty $(= $default:literal)?;)+) => {
        /// The settings as they are given: on the command line, in the environment, or in `doctyped.toml` (there in lower
        /// case, without the prefix). All are optional.
        #[derive(Args, Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Settings {
            $($(#[$help])+ #[arg(long, global = true, $($argument)+)] pub(super) $name: Option<$type>,)+
        }

        /// The settings with their defaults; what has none may be missing.
        pub(super) struct Resolved {
            $(pub(super) $name: settings!(@type $type $(, $default)?),)+
        }

        impl Settings {
            /// These, and those of `other` where nothing is said.
            #[must_use]
            pub(super) fn or(self, other: Self) -> Self {
                Self { $($name: self.$name.or(other.$name),)+ }
            }

            /// With the defaults.
            pub(super) fn resolve(self) -> Resolved {
                Resolved { $($name: settings!(@value self.$name $(, $default)?),)+ }
            }

            /// Every default as text, beside the key.
            const DEFAULTS: &'static [(&'static str, &'static str)] = &[$($((stringify!($name), $default),)?)+];
        }
    };
    (@type $type:ty, $default:literal) => { $type };
    (@type $type:ty) => { Option<$type> };
    (@value $given:expr, $default:literal) => {
        $given.unwrap_or_else(|| $default.parse().unwrap_or_else(|_| panic!("the default {} does not parse", $default)))
    };
    (@value $given:expr) => { $given };
}

settings! {
    /// Where the server listens
    ///
    /// Host and port. `0.0.0.0:8000` listens on every interface; then set the site URL as well.
    [env = "DOCTYPED_LISTEN", value_name = "HOST:PORT"]
    listen: String = "127.0.0.1:8000";

    /// The database: SQLite or PostgreSQL
    ///
    /// `sqlite://path/to/file` or `postgres://user:password@host/database`. Of several servers, `…@one:5432,two:5432/…`, the
    /// one that takes writes is used.
    [env = "DOCTYPED_DATABASE_URL", value_name = "URL", hide_env_values = true]
    database_url: String = "sqlite://data/site.db";

    /// Read replicas of the PostgreSQL database, at which lists, counts, reports and exports are read
    ///
    /// URLs, separated by spaces or commas. Nothing is read there that decides about access, and no list before the replica
    /// has what this site has written and knows of.
    [env = "DOCTYPED_DATABASE_REPLICAS", value_name = "URLS", hide_env_values = true]
    database_replicas: String;

    /// The public URL of the site
    ///
    /// How people and applications reach it from outside, for example `https://docs.example.com`: OAuth's issuer, links and
    /// cookies follow from it, never from what a request says. [default: the listen address]
    [env = "DOCTYPED_SITE_URL", value_name = "URL"]
    site_url: String;

    /// The password of Administrator, for the start that makes this user
    ///
    /// Later starts ignore it. Without it a password is generated and printed once. Prefer the environment: other people
    /// on the machine can read command lines.
    [env = "DOCTYPED_ADMIN_PASSWORD", value_name = "PASSWORD", hide_env_values = true]
    admin_password: String;

    /// Folders with DocType files, separated by `:`
    ///
    /// They are read after `doctypes`, in this order; a later DocType of the same name replaces an earlier one.
    [env = "DOCTYPED_DOCTYPES", value_name = "FOLDERS"]
    doctypes: String;

    /// The file with the key that seals stored secrets
    ///
    /// Made at the first start, readable by its owner only. Back it up: without it, stored secrets cannot be read.
    [env = "DOCTYPED_SECRET_KEY_FILE", value_name = "FILE"]
    secret_key_file: PathBuf = "data/site.key";

    /// The folder for uploaded files
    [env = "DOCTYPED_FILES", value_name = "FOLDER"]
    files: PathBuf = "data/files";

    /// A bucket for uploaded files instead of the folder: `s3://NAME` or `s3://NAME/PREFIX`
    ///
    /// Amazon S3, or a store that speaks its protocol and knows conditional writes (`If-None-Match`). Credentials, region
    /// and address of the store are those of `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION` and
    /// `AWS_ENDPOINT_URL`, or come with the machine. In the folder lies then only what is on its way.
    [env = "DOCTYPED_BUCKET", value_name = "URL"]
    bucket: String;

    /// The folder for backups, or a bucket: `s3://NAME/PREFIX`
    ///
    /// Where `doctyped backup` and the backups that the site makes by itself go. A bucket is reached with the environment that
    /// `--bucket` tells of, and must not be within the one of the uploaded files.
    [env = "DOCTYPED_BACKUPS", value_name = "PLACE"]
    backups: PathBuf = "data/backups";

    /// A folder whose templates and assets replace the built-in ones of the same name
    [env = "DOCTYPED_TEMPLATES", value_name = "FOLDER"]
    templates: PathBuf = "templates";

    /// What is logged
    ///
    /// `error`, `warn`, `info`, `debug`, `trace`, or a list such as `info,doctyped::access=warn`.
    [env = "DOCTYPED_LOG", value_name = "FILTER"]
    log: String = "info";

    /// How log lines look: text for people, or one JSON object per line
    [env = "DOCTYPED_LOG_FORMAT", value_name = "FORMAT"]
    log_format: LogFormat = "text";

    /// The certificate with which the server speaks TLS itself
    ///
    /// A PEM file: the certificate of the site first, then those between it and its authority. Changed files count within
    /// seconds, without a restart. Without it the server speaks http, for a proxy that ends TLS.
    [env = "DOCTYPED_TLS_CERTIFICATE", value_name = "FILE"]
    tls_certificate: PathBuf;

    /// The key of that certificate
    ///
    /// A PEM file that nobody but the server should be able to read.
    [env = "DOCTYPED_TLS_KEY", value_name = "FILE"]
    tls_key: PathBuf;

    /// A PEM file of certificate authorities; clients may prove themselves to the server with their certificates
    ///
    /// For applications that prove who they are by TLS (RFC 8705), where no proxy ends it.
    [env = "DOCTYPED_TLS_CLIENT_AUTHORITIES", value_name = "FILE"]
    tls_client_authorities: PathBuf;

    /// The authority from which the server has its certificate, by ACME: `letsencrypt`, or the address of a directory
    ///
    /// The server asks for a certificate of the site URL's host, stores it in the database for all nodes, and renews it in
    /// time. The authority looks for the server at port 443 of that host (TLS-ALPN-01). Whoever sets this agrees to the terms
    /// of the authority.
    [env = "DOCTYPED_ACME", value_name = "URL"]
    acme: String;

    /// Whom that authority writes to, for example when a certificate is about to expire
    [env = "DOCTYPED_ACME_CONTACT", value_name = "EMAIL"]
    acme_contact: String;

    /// Where http is answered with the way to https
    ///
    /// Host and port, for example `0.0.0.0:80`. Pages are redirected, everything else is refused.
    [env = "DOCTYPED_REDIRECT_LISTEN", value_name = "HOST:PORT"]
    redirect_listen: String;

    /// Where Prometheus reads what the server counts of itself
    ///
    /// Host and port, for example `127.0.0.1:9000`: `/metrics` is answered there and nowhere else, to whoever asks. So let
    /// nobody but Prometheus reach it. Without it nothing is told.
    [env = "DOCTYPED_METRICS_LISTEN", value_name = "HOST:PORT"]
    metrics_listen: String;

    /// Where OpenTelemetry traces are sent
    ///
    /// The whole address of a collector that takes OTLP over HTTP, for example `http://127.0.0.1:4318/v1/traces`. Which part
    /// is sampled, headers and the name of the service follow from OpenTelemetry's own variables, such as
    /// `OTEL_TRACES_SAMPLER` and `OTEL_EXPORTER_OTLP_HEADERS`. Without it nothing is traced.
    [env = "DOCTYPED_TRACES", value_name = "URL"]
    traces: String;

    /// How many proxies in front of the server write `X-Forwarded-For`
    ///
    /// The address of a sender is taken from there only if this is set, for otherwise anybody could claim any address.
    [env = "DOCTYPED_TRUSTED_PROXIES", value_name = "NUMBER"]
    trusted_proxies: usize = "0";

    /// The header in which a proxy passes on the certificate of a client
    ///
    /// For applications that prove who they are by TLS (RFC 8705). The proxy must set it for every request, and drop what
    /// clients send under this name. It may hold the certificate as `Client-Cert` does (RFC 9440), as nginx's
    /// `$ssl_client_escaped_cert`, or as plain base64 of its DER.
    [env = "DOCTYPED_CLIENT_CERTIFICATE_HEADER", value_name = "NAME"]
    client_certificate_header: String;

    /// The addresses of the proxies whose header with a certificate is believed
    ///
    /// Addresses and networks, separated by commas: `127.0.0.1, 10.0.0.0/8`. From everybody else the header is ignored.
    [env = "DOCTYPED_CLIENT_CERTIFICATE_PROXIES", value_name = "ADDRESSES"]
    client_certificate_proxies: String;

    /// Which certificates of clients count, or which the proxy passes on
    ///
    /// `verified` by an authority, or `any`: then names prove nothing, only keys do. [default: verified]
    [env = "DOCTYPED_CLIENT_CERTIFICATES", value_name = "WHICH"]
    client_certificates: CertificateCheck;

    /// A PEM file of certificate authorities to trust, besides those of the system
    ///
    /// For your own servers that this site calls (Connected Apps, Social Login Keys, Client ID Metadata
    /// Documents) and whose certificates come from an authority of your own.
    [env = "DOCTYPED_TRUSTED_CERTIFICATES", value_name = "FILE"]
    trusted_certificates: PathBuf;

    /// Read templates again for every page
    [env = "DOCTYPED_DEVELOPMENT", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true"]
    development: bool = "false";

    /// How many child rows a document may have, and a request may bring
    ///
    /// Documents that have more already stay as they are.
    [env = "DOCTYPED_MAX_ROWS", value_name = "NUMBER"]
    max_rows: usize = "10000";

    /// How many MiB of request bodies are held in memory at once
    ///
    /// Further requests with a body are answered 503 until there is room. Files that are uploaded as multipart forms do
    /// not count: they go to disk.
    [env = "DOCTYPED_BODY_MEMORY", value_name = "MIB"]
    body_memory: usize = "64";

    /// How many connections are open at once
    ///
    /// Further ones are answered 503 and closed.
    [env = "DOCTYPED_MAX_CONNECTIONS", value_name = "NUMBER"]
    max_connections: usize = "1000";

    /// How many connections are open at once from one address; 0 for any number
    ///
    /// Further ones are answered 503 and closed. Behind proxies every connection comes from a proxy, so that there is no
    /// such limit unless you set it. [default: 200; with trusted proxies 0]
    [env = "DOCTYPED_MAX_CONNECTIONS_PER_ADDRESS", value_name = "NUMBER"]
    max_connections_per_address: usize;

    /// How many requests are answered at once
    ///
    /// Further ones are answered 503 at once, rather than have all of them wait until none is answered in time. The health
    /// of the site can still be asked for.
    [env = "DOCTYPED_MAX_REQUESTS", value_name = "NUMBER"]
    max_requests: usize = "500";

    /// How many requests wait at once for a connection to the database
    ///
    /// While there are so many, further ones are answered 503 at once.
    [env = "DOCTYPED_MAX_WAITING", value_name = "NUMBER"]
    max_waiting: usize = "250";

    /// How many seconds the head of a request may take
    [env = "DOCTYPED_HEADER_TIMEOUT", value_name = "SECONDS"]
    header_timeout: u64 = "10";

    /// How many seconds a connection may stand still while a body is sent or an answer is taken
    [env = "DOCTYPED_STALL_TIMEOUT", value_name = "SECONDS"]
    stall_timeout: u64 = "30";

    /// From how many milliseconds on a statement of the database is logged; 0 for never
    ///
    /// With its text, which has placeholders for values, and with the shape of its plan: which tables are read, and how.
    [env = "DOCTYPED_SLOW_STATEMENT", value_name = "MILLISECONDS"]
    slow_statement: u64 = "500";

    /// How many background jobs this process works on at once
    ///
    /// With several nodes, each has its own number; 0 leaves the jobs to the others.
    [env = "DOCTYPED_PARALLEL_JOBS", value_name = "NUMBER"]
    parallel_jobs: usize = "4";

    /// Refuse to start while DocType files have errors, or make changes that could lose data
    ///
    /// Otherwise such files are held back and what was in force before serves. For pipelines.
    [env = "DOCTYPED_STRICT", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true"]
    strict: bool = "false";
}

/// The settings alone, as commands of clap see them.
#[derive(Parser)]
struct AllSettings {
    #[command(flatten)]
    _settings: Settings,
}

impl Settings {
    /// Forgets the flag `--files`, of which a command makes another use: the environment and the file say where files go.
    #[must_use]
    pub fn without_files_flag(self) -> Self {
        Self { files: std::env::var_os("DOCTYPED_FILES").map(PathBuf::from), ..self }
    }

    /// The command with each setting's default at the end of its help.
    pub fn with_defaults(command: Command) -> Command {
        command.mut_args(|argument| {
            let Some(default) = Self::default_of(argument.get_id().as_str()) else { return argument };
            let with = |help: Option<String>| help.map(|help| format!("{help} [default: {default}]"));
            let short = with(argument.get_help().map(ToString::to_string));
            let long = with(argument.get_long_help().map(ToString::to_string));
            let argument = short.into_iter().fold(argument, Arg::help);
            long.into_iter().fold(argument, Arg::long_help)
        })
    }

    fn default_of(key: &str) -> Option<&'static str> {
        Self::DEFAULTS.iter().find(|(name, _)| *name == key).map(|(_, default)| *default)
    }

    /// The environment variables that are read.
    pub fn environment() -> BTreeSet<String> {
        let command = AllSettings::command();
        let named = command.get_arguments().filter_map(Arg::get_env);
        named.map(|name| name.to_string_lossy().into_owned()).chain([CONFIG_VARIABLE.to_owned()]).collect()
    }

    /// The table of settings in Markdown, as `docs/running.md` has it: variable, default, the first line of the help.
    pub fn table() -> String {
        let command = AllSettings::command();
        let rows = command.get_arguments().filter_map(|argument| {
            let variable = argument.get_env()?.to_string_lossy().into_owned();
            let default = Self::default_of(argument.get_id().as_str());
            let default = default.map(|default| format!("`{default}`")).unwrap_or_default();
            Some(format!("| `{variable}` | {default} | {} |\n", argument.get_help()?))
        });
        format!("| variable | default | |\n|---|---|---|\n{}", rows.collect::<String>())
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
        Ok(table.try_into()?)
    }
}
