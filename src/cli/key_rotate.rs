//! `key-rotate`: another key seals the site.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::app::site_key::rotation::Rotation;
use crate::app::{App, Build};
use crate::cli::{complain, say};
use crate::config::Config;

/// Replace the key that seals the site's secrets, also while it is served
///
/// A new key is written on the first line of the key file; one that you wrote there yourself is taken. Once every node has it,
/// it seals, and whatever the old key sealed is sealed anew. Where nodes have the key file by copies, copy it to them when
/// this command asks for it. It may be ended at any time: run again, it goes on.
///
/// The old key stays in the file until you run this with --retire.
#[derive(Args)]
pub(super) struct Command {
    /// Take the keys out of the key file that seal no more
    ///
    /// They go to a file beside it, with the ending `.retired`: keep it with the backups from before, which need them. What
    /// recognises tokens and client secrets from before stays in the key file, so that they go on working.
    #[arg(long)]
    retire: bool,
    /// For how many seconds nodes are waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    wait: u64,
}

/// Runs it.
pub(super) async fn run(config: Config, command: &Command) -> anyhow::Result<ExitCode> {
    let app = App::build(Build::new(config)).await?;
    let rotation = Rotation { app: &app, patience: Duration::from_secs(command.wait), tell: &complain };
    let done = if command.retire { retire(&rotation).await } else { rotate(&rotation).await };
    app.site.documents.database().close().await;
    done
}

async fn rotate(rotation: &Rotation<'_>) -> anyhow::Result<ExitCode> {
    let done = rotation.rotate().await?;
    let path = rotation.app.site.config.secret_key_file.display();
    say(&format!("The key {} seals the site now; {} secrets were sealed anew", done.id, done.resealed))?;
    say(&format!("Back up {path}. Once all is well, take the old key out of it: doctyped key-rotate --retire"))?;
    if done.closed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    complain("These do not open, and stay as they were:");
    done.closed.iter().for_each(|line| complain(&format!("  {line}")));
    complain(
        "They did not before either. Put a missing key back into the key file and run this again, or enter them anew",
    );
    Ok(ExitCode::FAILURE)
}

async fn retire(rotation: &Rotation<'_>) -> anyhow::Result<ExitCode> {
    let path = rotation.app.site.config.secret_key_file.display();
    match rotation.retire().await? {
        None => say(&format!("{path} holds no key that seals no more"))?,
        Some(aside) => say(&format!(
            "The old keys are in {} now: keep it with the backups from before, which need them. Copy {path} to the other nodes \
             that have a copy of it",
            aside.display()
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}
