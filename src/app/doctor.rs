//! What a site needs, examined without changing it: settings, key, folders, database, clock, definitions, its own addresses.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value as Json;

use crate::app::backup::place;
use crate::app::{definitions, site_key};
use crate::clock::Clock;
use crate::config::Config;
use crate::config::tls::Source;
use crate::database::connect::sqlite_path;
use crate::database::replicas::ReplicaState;
use crate::database::schema::trigrams;
use crate::database::{Backend, Database, Executor as _, state};
use crate::files::Files;
use crate::outgoing::Outgoing;
use crate::web::serve::Tls;

/// How far the clocks of site and database may be apart: tokens and sessions live for minutes.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(2);
/// Where a site describes itself to OAuth's clients, and the member that repeats its address.
const WELL_KNOWN: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

/// How it stands with something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// It works, and should be looked at.
    Warning,
    /// The site does not start, or not everything works.
    Problem,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        })
    }
}

/// What was found of one subject.
#[derive(Debug)]
pub(crate) struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// How it stands.
    pub state: State,
    /// What there is, or what is wrong and what to do.
    pub text: String,
}

impl Finding {
    fn ok(subject: &'static str, text: impl Into<String>) -> Self {
        Self { subject, state: State::Ok, text: text.into() }
    }

    fn warning(subject: &'static str, text: impl Into<String>) -> Self {
        Self { subject, state: State::Warning, text: text.into() }
    }

    /// Something that keeps the site from working.
    pub(crate) fn problem(subject: &'static str, text: impl Into<String>) -> Self {
        Self { subject, state: State::Problem, text: text.into() }
    }
}

/// Examines everything; what cannot be looked at because something else is missing is left out.
pub(crate) async fn examine(config: &Config) -> Vec<Finding> {
    let mut found = vec![Finding::ok("Configuration", format!("listens on {}", config.listen))];
    found.extend(public_url(config));
    found.extend(tls(config));
    found.extend(permissions(config));
    found.push(files(config).await);
    found.extend(backups(config).await);
    let file = sqlite_path(config.database_url.reveal());
    if let Some(file) = file.filter(|file| !file.exists()) {
        found.push(match nearest_folder(&file) {
            Some(folder) if can_write(&folder) => {
                Finding::ok("Database", format!("{} is not there: the first start makes it", file.display()))
            }
            _ => Finding::problem("Database", format!("{} cannot be made: its folder is not writable", file.display())),
        });
        return found;
    }
    match Database::open(config.database_url.reveal()).await {
        Ok(database) => {
            found.push(writable(&database).await);
            found.extend(replicas(config, &database).await);
            found.push(key(config, &database).await);
            found.push(clock(&database).await);
            found.extend(search(&database).await);
            found.push(waiting(config, &database).await);
            database.close().await;
        }
        Err(error) => {
            let todo = "start it, or set DOCTYPED_DATABASE_URL";
            found.push(Finding::problem("Database", format!("cannot be opened: {error:#}: {todo}")));
        }
    }
    found.extend(own_addresses(config).await);
    found
}

fn public_url(config: &Config) -> Vec<Finding> {
    const SUBJECT: &str = "Public URL";
    let url = &config.site_url;
    let parsed = url::Url::parse(url).ok();
    let is_here = parsed.as_ref().is_some_and(crate::outgoing::guard::is_loopback);
    let listens_here = config.listen.starts_with("127.") || config.listen.starts_with("localhost:");
    let listens_here = listens_here || config.listen.starts_with("[::1]:");
    vec![if is_here && !listens_here {
        let todo = "set DOCTYPED_SITE_URL to how people reach the site";
        Finding::warning(
            SUBJECT,
            format!("{url} is this computer alone, but {} is open to others: {todo}", config.listen),
        )
    } else if !is_here && !config.is_https() {
        let todo = "set DOCTYPED_SITE_URL to https://, and DOCTYPED_TLS_CERTIFICATE or a proxy that ends TLS";
        Finding::warning(
            SUBJECT,
            format!("{url} is not encrypted: passwords and tokens can be read on the way: {todo}"),
        )
    } else if config.is_https() && config.tls.is_none() && config.trusted_proxies == 0 {
        let todo = "set DOCTYPED_TRUSTED_PROXIES to the number of proxies";
        Finding::warning(
            SUBJECT,
            format!("{url} is served by a proxy, but none is trusted: everybody seems to come from it: {todo}"),
        )
    } else {
        Finding::ok(SUBJECT, url)
    }]
}

/// Whether the server can speak TLS with its files. What an authority issues is in the database.
fn tls(config: &Config) -> Option<Finding> {
    const SUBJECT: &str = "TLS";
    let settings = config.tls.as_ref()?;
    let certificate = match &settings.source {
        Source::Files { certificate, .. } => certificate,
        Source::Acme(acme) => {
            let said = format!("a certificate for {} is asked of {}", acme.domain, acme.directory);
            return Some(Finding::ok(SUBJECT, said));
        }
    };
    Some(match Tls::load(settings, Clock::system()) {
        Ok(_) => Finding::ok(SUBJECT, format!("{} and its key go together", certificate.display())),
        Err(error) => Finding::problem(SUBJECT, format!("{error:#}")),
    })
}

/// Whether others can read what is the site's alone.
fn permissions(config: &Config) -> Option<Finding> {
    const SUBJECT: &str = "Permissions";
    let database = sqlite_path(config.database_url.reveal());
    let ours = [Some(config.secret_key_file.clone()), database, Some(PathBuf::from("doctyped.toml"))];
    let open: Vec<String> = ours
        .into_iter()
        .flatten()
        .filter(|path| is_open_to_others(path))
        .map(|path| path.display().to_string())
        .collect();
    if cfg!(not(unix)) {
        return None;
    }
    Some(if open.is_empty() {
        Finding::ok(SUBJECT, "key, database and settings are their owner's alone")
    } else {
        let open = open.join(" ");
        Finding::warning(SUBJECT, format!("others on this computer can read {open}: run chmod go-rwx {open}"))
    })
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    // What the group may read is for the service and for whoever administers it.
    let is_others = |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o007 != 0);
    let folder_is_open = path.parent().filter(|folder| !folder.as_os_str().is_empty()).is_none_or(is_others);
    is_others(path) && folder_is_open
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

async fn files(config: &Config) -> Finding {
    const SUBJECT: &str = "Files";
    if config.bucket.is_none() {
        return writable_folder(SUBJECT, &config.files);
    }
    let tried = async {
        let files = Files::open(config)?;
        files.probe().await.map(|()| files.to_string())
    };
    match tried.await {
        Ok(place) => Finding::ok(SUBJECT, format!("{place} stores and gives back")),
        Err(error) => Finding::problem(SUBJECT, format!("the bucket: {error:#}")),
    }
}

/// Whether backups can be stored where that is a bucket; a folder is made when it is needed.
async fn backups(config: &Config) -> Option<Finding> {
    const SUBJECT: &str = "Backups";
    match place::probe(config).await {
        Ok(None) => None,
        Ok(Some(place)) => Some(Finding::ok(SUBJECT, format!("{place} stores and gives back"))),
        Err(error) => Some(Finding::problem(SUBJECT, format!("the bucket: {error:#}"))),
    }
}

fn writable_folder(subject: &'static str, folder: &Path) -> Finding {
    match nearest_folder(folder) {
        Some(found) if can_write(&found) => Finding::ok(subject, format!("{} is writable", folder.display())),
        _ => Finding::problem(
            subject,
            format!("{} is not writable: give it to the user that runs doctyped (chown)", folder.display()),
        ),
    }
}

/// The folder, or the first above it that is there.
fn nearest_folder(path: &Path) -> Option<PathBuf> {
    let here = std::path::absolute(path).ok()?;
    here.ancestors().find(|path| path.exists()).filter(|path| path.is_dir()).map(Path::to_owned)
}

fn can_write(folder: &Path) -> bool {
    tempfile::tempfile_in(folder).is_ok() && tempfile::NamedTempFile::new_in(folder).is_ok()
}

async fn writable(database: &Database) -> Finding {
    const SUBJECT: &str = "Database";
    match state::has_rows(database, "tabUser").await {
        Err(error) => Finding::problem(SUBJECT, format!("does not answer: {error}")),
        Ok(false) => Finding::ok(SUBJECT, "empty: the first start fills it"),
        Ok(true) => match database.why_not_writable().await {
            None => {
                let kind = if database.backend() == Backend::Sqlite { "SQLite" } else { "PostgreSQL" };
                Finding::ok(SUBJECT, format!("{kind} answers and stores"))
            }
            Some(fault) => Finding::problem(
                SUBJECT,
                format!("stores nothing ({fault:?}): make room on its disk, or end what holds it"),
            ),
        },
    }
}

/// Whether each replica may be read at, within the time that it takes to know.
async fn replicas(config: &Config, database: &Database) -> Vec<Finding> {
    const SUBJECT: &str = "Read replica";
    let urls: Vec<String> = config.database_replicas.iter().map(|url| url.reveal().to_owned()).collect();
    if let Err(error) = database.use_replicas(&urls) {
        return vec![Finding::problem(SUBJECT, format!("{error:#}"))];
    }
    let mut looks = 0;
    let states = loop {
        let states = database.replica_states();
        if looks == 30 || states.iter().all(|replica| replica.why_not.is_none()) {
            break states;
        }
        looks += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let finding = |replica: ReplicaState| match replica.why_not {
        None => Finding::ok(SUBJECT, format!("{} keeps up with the database", replica.name)),
        Some(why) => Finding::warning(SUBJECT, format!("{} is not read at: {why}", replica.name)),
    };
    states.into_iter().map(finding).collect()
}

async fn key(config: &Config, database: &Database) -> Finding {
    const SUBJECT: &str = "Site key";
    let path = config.secret_key_file.display();
    match site_key::find(config, database).await {
        Ok(Some(key)) => match site_key::Sealing::read(database).await {
            Ok(sealing)
                if sealing.next.is_some() || !sealing.older.is_empty() || key.ids().first() != Some(&key.id()) =>
            {
                Finding::warning(SUBJECT, "is being replaced: doctyped key-rotate goes on with that")
            }
            _ => Finding::ok(SUBJECT, format!("{path} holds {}, which the site is sealed with", key.id())),
        },
        Ok(None) => Finding::ok(SUBJECT, format!("{path} is not there: the first start makes it")),
        Err(error) => Finding::problem(SUBJECT, format!("{error:#}")),
    }
}

async fn clock(database: &Database) -> Finding {
    const SUBJECT: &str = "Clock";
    let before = Clock::system().now();
    match state::time(database).await {
        Err(error) => Finding::problem(SUBJECT, format!("the database does not tell the time: {error}")),
        Ok(None) => Finding::ok(SUBJECT, format!("{}, shared with the database", shown(before))),
        Ok(Some(theirs)) => {
            // The answer was on its way for up to as long as the question took.
            let apart = (theirs - before).max(Clock::system().now() - theirs);
            if apart > CLOCKS_APART {
                let seconds = (theirs - before).num_seconds();
                let (seconds, direction) = (seconds.abs(), if seconds < 0 { "behind" } else { "ahead of" });
                let todo = "synchronize both (timedatectl set-ntp true)";
                let text = format!("that of the database is {seconds} seconds {direction} this one: {todo}");
                Finding::warning(SUBJECT, text)
            } else {
                Finding::ok(SUBJECT, format!("{}, as at the database", shown(before)))
            }
        }
    }
}

/// Whether searches have an index on a site that has been started.
async fn search(database: &Database) -> Option<Finding> {
    const SUBJECT: &str = "Search";
    if !matches!(state::has_rows(database, "tabUser").await, Ok(true)) {
        return None;
    }
    Some(match trigrams::class(database).await {
        Err(error) => Finding::problem(SUBJECT, format!("the database does not tell its extensions: {error}")),
        Ok(Some(_)) => Finding::ok(SUBJECT, "parts of names and titles are found by an index"),
        Ok(None) => Finding::warning(SUBJECT, format!("reads whole tables: {}", trigrams::advice())),
    })
}

fn shown(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

async fn waiting(config: &Config, database: &Database) -> Finding {
    const SUBJECT: &str = "Definitions";
    match definitions::waiting(database, config).await {
        Err(error) => Finding::problem(SUBJECT, format!("{error:#}")),
        Ok((count, waiting)) if waiting.is_empty() => Finding::ok(SUBJECT, format!("{count} DocTypes, nothing waits")),
        Ok((_, waiting)) => Finding::warning(
            SUBJECT,
            format!("held back (doctyped check, doctyped migrate --plan):\n{}", waiting.join("\n")),
        ),
    }
}

/// Whether the site is reached at its public URL, and describes itself there as this one.
async fn own_addresses(config: &Config) -> Option<Finding> {
    const SUBJECT: &str = "Reachability";
    let url = &config.site_url;
    let outgoing = match Outgoing::new(config) {
        Ok(outgoing) => outgoing,
        Err(error) => return Some(Finding::problem(SUBJECT, format!("{error:#}"))),
    };
    let ready = match outgoing.ask_own_site(url, "/health/ready").await {
        Ok(answer) => answer.status,
        Err(error) => {
            let todo = "where a server runs, look at proxy, DNS, certificate and firewall";
            return Some(Finding::warning(SUBJECT, format!("{url} is not served: {error}: {todo}")));
        }
    };
    if !ready.is_success() {
        let text = format!("{url}/health/ready answers {}: the log of the server says why", ready.as_u16());
        return Some(Finding::problem(SUBJECT, text));
    }
    for path in WELL_KNOWN {
        let issuer = match outgoing.ask_own_site(url, path).await {
            Ok(answer) if answer.status.as_u16() == 404 => continue,
            Ok(answer) => answer.json::<Json>().ok().and_then(|json| json["issuer"].as_str().map(str::to_owned)),
            Err(_) => None,
        };
        if issuer.as_ref() != Some(url) {
            let issuer = issuer.unwrap_or_else(|| "nothing".to_owned());
            let text = format!(
                "{url}{path} says that the issuer is {issuer}, not {url}: let the proxy pass {path} on to this site, and \
                 give every node the same DOCTYPED_SITE_URL"
            );
            return Some(Finding::problem(SUBJECT, text));
        }
    }
    Some(Finding::ok(SUBJECT, format!("{url} answers as this site")))
}
