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
use crate::secret::age_file::{self, Identity, Keys, Lock};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write the whole site to one file, also while it is served
    ///
    /// In it are all rows as of one moment and the uploaded files; it is compared before it counts. Keep the key file apart, or
    /// take it along closed by a passphrase. What encrypts the backup is age, and the age tool opens it, too.
    Backup {
        /// The file if it ends in `.backup` or `.backup.age`, or else a folder, or `s3://NAME/PREFIX`, in which the file is
        /// named after the time [default: the place for backups]
        #[arg(long, value_name = "PATH")]
        to: Option<PathBuf>,
        /// Encrypt it with age for whoever has the identity to this public key (`age1…`); may be repeated
        #[arg(long, value_name = "RECIPIENT", conflicts_with = "passphrase_file")]
        recipient: Vec<String>,
        /// Encrypt it with age by the passphrase on the first line of this file
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// Take the site's key along, closed by the passphrase on the first line of this file
        #[arg(long, value_name = "PASSPHRASE FILE")]
        with_key: Option<PathBuf>,
        /// Remove the oldest backups of the folder or prefix, so that this many stay
        #[arg(long, value_name = "NUMBER")]
        keep: Option<usize>,
    },
    /// Fill an empty site from a backup, on either kind of database: all of it, or nothing
    Restore {
        /// The backup: a file, or `s3://NAME/PREFIX/FILE`
        file: PathBuf,
        /// The file with the identity (`AGE-SECRET-KEY-1…`) of one of its recipients
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
        /// The file with the passphrase that it is encrypted with, on the first line
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
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
        Command::Backup { to, recipient, passphrase_file, with_key, keep } => {
            let lock = lock(&recipient, passphrase_file.as_deref())?;
            let to = to.unwrap_or_else(|| config.backups.clone());
            let wanted = Wanted { to, passphrase: with_key.as_deref().map(passphrase).transpose()?, lock, keep };
            back_up(config, &wanted).await
        }
        Command::Restore { file, identity, passphrase_file, with_key } => {
            let keys = Keys {
                identities: identity.as_deref().map(identities).transpose()?.unwrap_or_default(),
                passphrase: passphrase_file.as_deref().map(first_line).transpose()?,
            };
            restore(config, &file, &keys, with_key).await
        }
        Command::Copy { to, from } => copy(config, &to, from).await,
    }
}

async fn back_up(config: &Config, wanted: &Wanted) -> anyhow::Result<ExitCode> {
    let made = Box::pin(backup::back_up(config, wanted, Clock::system().now())).await?;
    say(&format!("{}: {}; {}", made.place, made.manifest.summary(), made.compared))?;
    Ok(ExitCode::SUCCESS)
}

async fn restore(config: &Config, file: &Path, keys: &Keys, with_key: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let passphrase = with_key.as_deref().map(passphrase).transpose()?;
    let manifest = Box::pin(backup::restore(config, file, keys, passphrase.as_deref())).await?;
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

/// Whom a backup is for.
fn lock(recipients: &[String], passphrase_file: Option<&Path>) -> anyhow::Result<Option<Lock>> {
    match passphrase_file {
        Some(path) => Ok(Some(Lock::Passphrase(passphrase(path)?))),
        None => Ok(Lock::for_recipients(recipients.iter().map(String::as_str))?),
    }
}

/// The identities in a file.
fn identities(path: &Path) -> anyhow::Result<Vec<Identity>> {
    let text = std::fs::read(path).with_context(|| format!("read the identity file {}", path.display()))?;
    age_file::identities(&String::from_utf8_lossy(&text)).map_err(|line| {
        anyhow::anyhow!(
            "line {line} of {} is not an identity: write AGE-SECRET-KEY-1… as age-keygen does, one per line",
            path.display()
        )
    })
}

fn first_line(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read the passphrase file {}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// The first line of a file, which is to close something.
fn passphrase(path: &Path) -> anyhow::Result<String> {
    let line = first_line(path)?;
    let least = secret::passphrase::SHORTEST;
    if line.chars().count() < least {
        bail!("the passphrase in {} is shorter than {least} characters", path.display());
    }
    Ok(line)
}
