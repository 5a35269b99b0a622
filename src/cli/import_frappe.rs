//! The command that moves a site of Frappe in.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::app::import_frappe::{self, Wanted};
use crate::cli::{complain, say};
use crate::clock::Clock;
use crate::config::Config;

#[derive(Args)]
pub(super) struct Command {
    /// The site's database, such as `mysql://user@localhost/library`
    ///
    /// Others on this machine can read a command line: put an address with a password into the variable.
    #[arg(long, value_name = "URL", env = "DOCTYPED_FRAPPE_DATABASE", hide_env_values = true)]
    from: String,
    /// The folder with `private/files` and `public/files`
    #[arg(long, value_name = "FOLDER")]
    files: PathBuf,
    /// The site's `site_config.json`, whose `encryption_key` opens its secrets
    #[arg(long, value_name = "FILE")]
    site_config: PathBuf,
    /// Only say what would be moved, and what would not
    #[arg(long)]
    plan: bool,
    /// Where to write the report, besides printing it
    #[arg(long, value_name = "FILE", default_value = "import-frappe.txt")]
    report: PathBuf,
}

/// Runs it.
pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<ExitCode> {
    let Command { from, files, site_config, plan, report } = command;
    let wanted = Wanted { from, files, site_config };
    if plan {
        say(import_frappe::plan(config, &wanted).await?.to_string().trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let done = import_frappe::move_in(config, &wanted, Clock::system().now(), &|line| complain(line)).await?;
    let text = done.to_string();
    std::fs::write(&report, &text).with_context(|| format!("write the report {}", report.display()))?;
    say(text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
