//! The commands: init · serve · doctor · migrate · check · schema · openapi · user · key · key-rotate · backup · restore · copy · import-frappe.

mod backup;
mod doctor;
mod import_frappe;
mod init;
mod key_rotate;
mod logging;

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use poem::http::StatusCode;
use poem::{Endpoint as _, Request};
use serde_json::{Map, Value as Json, json};

use crate::app::definitions::migrate_to_files;
use crate::app::{App, Build, Summary, sources};
use crate::config::{Config, Hidden, Settings};
use crate::database::{Database, MigrateOptions};
use crate::document::Children;
use crate::meta::check::idle_keys;
use crate::meta::load::{Severity, load};
use crate::meta::schema::json_schema;
use crate::outgoing::Outgoing;
use crate::permissions::Session;
use crate::permissions::session::ADMINISTRATOR;
use crate::secret::{self, SiteKey};
use crate::web::Site;

/// DocType definitions in YAML become tables, a REST API and admin forms, with OAuth 2 on top
///
/// Without a command, `serve` runs: it reads the DocType files, brings the tables in step and serves REST and forms.
///
/// Every setting can be given as a flag, as an environment variable, or in doctyped.toml (there without the prefix and in
/// lower case: `site_url = "https://docs.example.com"`). Flags win over the environment, the environment over the file.
#[derive(Parser)]
#[command(name = "doctyped", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    settings: Settings,

    /// The configuration file [default: doctyped.toml, if there is one]
    #[arg(long, global = true, env = "DOCTYPED_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Make a folder with settings and a first DocType, in which `serve` runs at once
    Init {
        /// The folder, for example library
        name: PathBuf,
    },
    /// Serve the site (this is the default)
    Serve,
    /// Ask the server that runs with these settings whether it is ready; status 1 if it is not
    Health,
    /// Look at settings, database, key, folders, clock, definitions and public URL, and say what to fix
    ///
    /// Changes nothing. Each line is ok, warning or problem; problems end with status 1.
    Doctor,
    /// Bring the tables in step with the DocTypes
    Migrate(Migrate),
    /// Read all DocType files and tell what is wrong with them
    ///
    /// Errors end with status 1. Warnings are listed too, and the keys in your files that have no effect here.
    Check,
    /// Print the JSON Schema of a DocType file, for completion and help in editors
    Schema,
    /// Print the OpenAPI document of the site's DocTypes
    Openapi,
    /// Add users and set passwords
    #[command(subcommand)]
    User(User),
    #[command(flatten)]
    Backup(backup::Command),
    /// Move a site of the Frappe Framework in
    ImportFrappe(import_frappe::Command),
    KeyRotate(key_rotate::Command),
    /// Make an API secret for a user and print `api_key:api_secret`
    ///
    /// An older secret of this user stops working at once.
    Key {
        /// The user, for example alice@example.com
        user: String,
    },
}

#[derive(Args)]
struct Migrate {
    /// Only print what would change
    #[arg(long)]
    plan: bool,
    /// Also make changes that lose data: narrower columns, other types, duplicates
    #[arg(long)]
    apply_risky: bool,
    /// Drop tables and columns that no DocType uses
    #[arg(long)]
    prune: bool,
}

#[derive(Subcommand)]
enum User {
    /// Add a user
    ///
    /// The password is read from standard input if something is piped in; otherwise one is generated and printed.
    Add {
        /// The email address, which also names the account
        email: String,
        /// The given name (default: what stands before the `@`)
        #[arg(long, value_name = "NAME")]
        first_name: Option<String>,
        /// The family name
        #[arg(long, value_name = "NAME")]
        last_name: Option<String>,
        /// A role, for example "System Manager"; may be repeated
        #[arg(long, value_name = "ROLE")]
        role: Vec<String>,
        /// A Website User, who cannot use the desk
        #[arg(long)]
        website: bool,
    },
    /// Set a user's password and end their sessions
    ///
    /// The password is read from standard input if something is piped in; otherwise one is generated and printed.
    Password {
        /// The user, for example Administrator
        user: String,
    },
    /// Take a user's second factor away, so that the password alone lets them in
    ResetSecondFactor {
        /// The user, for example ada@example.com
        user: String,
    },
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&Settings::with_defaults(Cli::command()).get_matches());
    let cli = cli.unwrap_or_else(|error| error.exit());
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let command = cli.command.unwrap_or(Command::Serve);
    if matches!(command, Command::Schema) {
        say(&format!("{:#}", json_schema()))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Init { name } = &command {
        say(&init::init(name)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if matches!(command, Command::Doctor) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return runtime.block_on(doctor::run(cli.settings, cli.config.as_deref()));
    }
    let settings = match command {
        // There it is the folder of the other site.
        Command::ImportFrappe(_) => cli.settings.without_files_flag(),
        _ => cli.settings,
    };
    let config = Config::load(settings, cli.config.as_deref())?;
    // Other commands print results; their logs are only what went wrong.
    let serves = matches!(command, Command::Serve);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let traces = logging::start(&config, serves, runtime.handle())?;
    let result = runtime.block_on(async {
        match command {
            Command::Serve => serve(config).await,
            Command::Migrate(options) => run_migrate(config, &options).await,
            Command::Health => health(&config).await,
            Command::Check => check(&config),
            Command::Init { .. } | Command::Doctor | Command::Schema => Ok(ExitCode::SUCCESS),
            Command::Openapi => openapi(config).await,
            Command::User(User::Add { email, first_name, last_name, role, website }) => {
                add_user(config, &email, first_name, last_name, role, website).await
            }
            Command::User(User::Password { user }) => set_password(config, &user).await,
            Command::User(User::ResetSecondFactor { user }) => reset_second_factor(config, &user).await,
            Command::Key { user } => make_key(config, &user).await,
            Command::KeyRotate(command) => key_rotate::run(config, &command).await,
            Command::Backup(command) => backup::run(&config, command).await,
            Command::ImportFrappe(command) => import_frappe::run(&config, command).await,
        }
    });
    if let Some(traces) = traces {
        traces.stop();
    }
    // What still computes for somebody who is no longer answered does not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    let app = App::build(Build::new(config)).await?;
    app.serve(stop_signal(), print_block).await?;
    Ok(ExitCode::SUCCESS)
}

/// The one block that a start prints.
fn print_block(site: &Site, summary: &Summary, address: SocketAddr) {
    let folders: Vec<String> = summary.folders.iter().map(|folder| folder.display().to_string()).collect();
    let from = if folders.is_empty() { "built in".to_owned() } else { folders.join(", ") };
    let url = &site.config.site_url;
    let listening = if url.ends_with(&format!(":{}", address.port())) {
        String::new()
    } else {
        format!(" (listening on {address})")
    };
    let mut lines = vec![format!("Doctyped {} serves {url}{listening}", env!("CARGO_PKG_VERSION"))];
    if let Some(password) = &summary.administrator_password {
        lines.push(format!("  Administrator's password: {password} (shown only now)"));
    }
    lines.push(format!("  {} DocTypes from {from}", summary.doctypes));
    lines.push(format!("  Schema: {}", summary.schema));
    lines.extend(summary.warnings.iter().map(|warning| format!("  Warning: {warning}")));
    for fault in &summary.faults {
        lines.extend(fault.lines.iter().map(|line| format!("  Held back: {}", line.trim())));
        lines.push(format!("    {}", fault.consequence()));
    }
    // A closed standard output is no reason not to serve.
    drop(say(&lines.join("\n")));
}

/// Ends with Ctrl-C or SIGTERM.
async fn stop_signal() {
    let interrupt = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "Ctrl-C cannot be awaited");
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = async {
            match signal(SignalKind::terminate()) {
                Ok(mut terminate) => {
                    terminate.recv().await;
                }
                Err(error) => {
                    tracing::error!(%error, "SIGTERM cannot be awaited");
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = interrupt => {}
            () = terminate => {}
        }
    }
    #[cfg(not(unix))]
    interrupt.await;
}

async fn run_migrate(config: Config, asked: &Migrate) -> anyhow::Result<ExitCode> {
    let database = Database::open(config.database_url.reveal()).await.context("open the database")?;
    let options = MigrateOptions {
        apply_risky: asked.apply_risky,
        prune: asked.prune,
        dry_run: asked.plan,
        unless_current: false,
        in_steps: true,
    };
    let report = migrate_to_files(&database, &config, options).await;
    database.close().await;
    let report = report?;
    say(report.plan.to_string().trim_end())?;
    if report.applied {
        say(&format!("Done: {}", report.plan.summary()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// For supervisors without an HTTP client, such as a container without a shell.
async fn health(config: &Config) -> anyhow::Result<ExitCode> {
    let answer = Outgoing::new(config)?.ask_own_site(&config.local_url(), "/health/ready").await?;
    if !answer.status.is_success() {
        bail!("not ready: {}", String::from_utf8_lossy(&answer.body));
    }
    say("ready")?;
    Ok(ExitCode::SUCCESS)
}

fn check(config: &Config) -> anyhow::Result<ExitCode> {
    let files = sources::all(config, &[]);
    let mut loaded = load(&files.sources);
    loaded.problems.extend(files.unreadable);
    for problem in &loaded.problems {
        let kind = if problem.severity == Severity::Error { "error" } else { "warning" };
        say(&format!("{kind}: {problem}"))?;
    }
    for overridden in &loaded.overridden {
        say(&format!("note: {}: {} is used instead of {}", overridden.doctype, overridden.by, overridden.file))?;
    }
    // What the shipped files say for Frappe's clients is nobody's mistake.
    let shipped = load(&files.sources.iter().filter(|source| source.is_shipped()).cloned().collect::<Vec<_>>());
    let mut idle = 0;
    for doctype in &loaded.doctypes {
        let of_shipped = shipped.doctypes.iter().find(|shipped| shipped.name == doctype.name);
        let of_shipped = of_shipped.map(|shipped| idle_keys(shipped)).unwrap_or_default();
        let mut keys = idle_keys(doctype);
        keys.retain(|key| !of_shipped.contains(key));
        idle += keys.len();
        if !keys.is_empty() {
            let list: Vec<String> = keys
                .into_iter()
                .map(|(field, key)| field.map_or(key.clone(), |field| format!("{field}.{key}")))
                .collect();
            say(&format!("note: {}: kept without effect: {}", doctype.name, list.join(", ")))?;
        }
    }
    let count = |severity| loaded.problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let idle = if idle == 0 { String::new() } else { format!(", {idle} keys without effect") };
    say(&format!("{} DocTypes, {errors} errors, {warnings} warnings{idle}", loaded.doctypes.len()))?;
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks a throw-away site, so that no database is needed and none is changed.
async fn openapi(mut config: Config) -> anyhow::Result<ExitCode> {
    let file = std::env::temp_dir().join(format!("doctyped-{}.db", secret::random_name()));
    config.database_url = Hidden::new(format!("sqlite://{}", file.display()));
    let build = Build { site_key: Some(SiteKey::ephemeral()), ..Build::new(config) };
    let printed = print_openapi(build).await;
    for ending in ["", "-wal", "-shm"] {
        // What is not there need not be removed.
        drop(std::fs::remove_file(format!("{}{ending}", file.display())));
    }
    printed
}

async fn print_openapi(build: Build) -> anyhow::Result<ExitCode> {
    let app = App::build(build).await?;
    let key = generate_key(&app.site, ADMINISTRATOR).await?;
    let request =
        Request::builder().uri_str("/api/openapi.json").header("authorization", format!("token {key}")).finish();
    let mut response = app.endpoint.get_response(request).await;
    let body = response.take_body().into_string().await.context("read the document")?;
    app.site.documents.database().close().await;
    if response.status() != StatusCode::OK {
        bail!("the OpenAPI document is not available: {}", response.status());
    }
    say(&body)?;
    Ok(ExitCode::SUCCESS)
}

async fn add_user(
    config: Config,
    email: &str,
    first_name: Option<String>,
    last_name: Option<String>,
    roles: Vec<String>,
    website: bool,
) -> anyhow::Result<ExitCode> {
    let site = open(config).await?;
    let (password, generated) = password()?;
    let first_name = first_name.unwrap_or_else(|| email.split('@').next().unwrap_or(email).to_owned());
    let values = json!({
        "email": email,
        "first_name": first_name,
        "last_name": last_name,
        "user_type": if website { "Website User" } else { "System User" },
        "roles": roles.iter().map(|role| json!({"role": role})).collect::<Vec<Json>>(),
        "new_password": password,
    });
    let user = site.documents.insert(&Session::system(), "User", &object(values)).await?;
    site.documents.database().close().await;
    if generated {
        say(&format!("{} has the password {password}", user.name()))?;
    } else {
        say(&format!("{} is added", user.name()))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn set_password(config: Config, user: &str) -> anyhow::Result<ExitCode> {
    let site = open(config).await?;
    let (password, generated) = password()?;
    let values = object(json!({"new_password": password, "logout_all_sessions": 1}));
    site.documents.update(&Session::system(), "User", user, &values, Children::Patch).await?;
    site.documents.database().close().await;
    if generated {
        say(&format!("{user} has the password {password}"))?;
    } else {
        say(&format!("The password of {user} is changed"))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn reset_second_factor(config: Config, user: &str) -> anyhow::Result<ExitCode> {
    let site = open(config).await?;
    let called = site.documents.call(&Session::system(), "User", user, "reset_otp_secret", &Map::new(), true).await;
    site.documents.database().close().await;
    called?;
    say(&format!("{user} has no second factor any more"))?;
    Ok(ExitCode::SUCCESS)
}

async fn make_key(config: Config, user: &str) -> anyhow::Result<ExitCode> {
    let site = open(config).await?;
    let key = generate_key(&site, user).await?;
    site.documents.database().close().await;
    say(&key)?;
    Ok(ExitCode::SUCCESS)
}

async fn generate_key(site: &Site, user: &str) -> anyhow::Result<String> {
    let made = site.documents.call(&Session::system(), "User", user, "generate_keys", &Map::new(), true).await?;
    let made = made.context("User has no method generate_keys")?;
    let text = |name: &str| made.get(name).and_then(Json::as_str).unwrap_or("").to_owned();
    Ok(format!("{}:{}", text("api_key"), text("api_secret")))
}

/// The configured site, without anything listening.
async fn open(config: Config) -> anyhow::Result<Site> {
    let app = App::build(Build::new(config)).await?;
    if let Some(password) = &app.summary.administrator_password {
        complain(&format!("Administrator's password: {password} (shown only now)"));
    }
    Ok(app.site)
}

/// A password from standard input, or a generated one; true if it was generated.
fn password() -> anyhow::Result<(String, bool)> {
    let mut input = std::io::stdin();
    if !input.is_terminal() {
        let mut text = String::new();
        input.read_to_string(&mut text).context("read the password from standard input")?;
        let line = text.lines().next().unwrap_or("").to_owned();
        if !line.is_empty() {
            return Ok((line, false));
        }
    }
    Ok((secret::random_text(b"abcdefghijkmnpqrstuvwxyz23456789", 20), true))
}

fn object(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

/// Prints a result.
fn say(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{text}")
}

/// Prints to people beside the result.
fn complain(text: &str) {
    // Nobody to complain to is no reason to fail.
    drop(writeln!(std::io::stderr(), "{text}"));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::{Cli, Settings};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_is_documented_in_the_help() {
        let help = Cli::command().render_long_help().to_string();
        for name in Settings::environment() {
            assert!(help.contains(&name), "{name} is missing in --help");
        }
        let command = Cli::command();
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} has no help", argument.get_id());
        }
        let help = Settings::with_defaults(Cli::command()).render_long_help().to_string();
        assert!(help.contains("[default: 127.0.0.1:8000]") && help.contains("[default: text]"), "{help}");
    }
}
