//! The commands that carry a site away whole: backup · restore · copy.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;

use crate::app::backup::{self, Wanted};
use crate::cli::say;
use crate::clock::Clock;
use crate::config::Config;
use crate::secret;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write the whole site to one file, also while it is served
    ///
    /// In it are all rows as of one moment and the uploaded files; it is read again and compared before it counts. Keep the
    /// key file apart, or take it along closed by a passphrase.
    Backup {
        /// The file if it ends in `.backup`, or else a folder, in which the file is named after the time [default: the folder
        /// for backups]
        #[arg(long, value_name = "PATH")]
        to: Option<PathBuf>,
        /// Take the site's key along, closed by the passphrase on the first line of this file
        #[arg(long, value_name = "PASSPHRASE FILE")]
        with_key: Option<PathBuf>,
        /// Remove the oldest backups of the folder, so that this many stay
        #[arg(long, value_name = "NUMBER")]
        keep: Option<usize>,
    },
    /// Fill an empty site from a backup, on either kind of database: all of it, or nothing
    Restore {
        /// The backup
        file: PathBuf,
        /// The passphrase, on the first line of this file, with which the site's key was closed
        #[arg(long, value_name = "PASSPHRASE FILE")]
        with_key: Option<PathBuf>,
    },
    /// Copy the site into an empty database, also of the other kind: all of it, or nothing
    ///
    /// The uploaded files and the key serve both. Stop the site first: one that is served is not copied. Others on this machine
    /// can read a command line, so leave the password of PostgreSQL to PGPASSWORD or ~/.pgpass.
    Copy {
        /// The database to copy to (`sqlite:` or `postgres:`)
        #[arg(long, value_name = "URL")]
        to: String,
        /// The database to copy from [default: that of the site]
        #[arg(long, value_name = "URL")]
        from: Option<String>,
    },
}

/// Runs one.
pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Backup { to, with_key, keep } => back_up(config, to, with_key, keep).await,
        Command::Restore { file, with_key } => restore(config, &file, with_key).await,
        Command::Copy { to, from } => copy(config, &to, from).await,
    }
}

async fn back_up(
    config: &Config,
    to: Option<PathBuf>,
    with_key: Option<PathBuf>,
    keep: Option<usize>,
) -> anyhow::Result<ExitCode> {
    let to = to.unwrap_or_else(|| config.backups.clone());
    let wanted = Wanted { to, passphrase: with_key.as_deref().map(passphrase).transpose()?, keep };
    let (path, manifest) = backup::back_up(config, &wanted, Clock::system().now()).await?;
    say(&format!("{}: {}", path.display(), manifest.summary()))?;
    Ok(ExitCode::SUCCESS)
}

async fn restore(config: &Config, file: &Path, with_key: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let passphrase = with_key.as_deref().map(passphrase).transpose()?;
    let manifest = backup::restore(config, file, passphrase.as_deref()).await?;
    say(&format!("Restored as of {}: {}", manifest.taken_at, manifest.summary()))?;
    Ok(ExitCode::SUCCESS)
}

async fn copy(config: &Config, to: &str, from: Option<String>) -> anyhow::Result<ExitCode> {
    let from = from.unwrap_or_else(|| config.database_url.reveal().to_owned());
    let copied = backup::copy(&from, to).await?;
    let rows: u64 = copied.values().map(|content| content.rows).sum();
    say(&format!("Copied and compared: {rows} rows in {} tables", copied.len()))?;
    Ok(ExitCode::SUCCESS)
}

/// The first line of a file.
fn passphrase(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read the passphrase file {}", path.display()))?;
    let line = text.lines().next().unwrap_or_default().trim();
    let least = secret::passphrase::SHORTEST;
    if line.chars().count() < least {
        bail!("the passphrase in {} is shorter than {least} characters", path.display());
    }
    Ok(line.to_owned())
}
