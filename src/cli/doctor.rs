//! `doctyped doctor`: a line for everything that a site needs, and what to do where it is missing.

use std::path::Path;
use std::process::ExitCode;

use crate::app::doctor::{Finding, State, examine};
use crate::cli::say;
use crate::config::{Config, Settings};

/// Examines the site; status 1 if there is a problem, 0 with warnings alone.
pub(super) async fn run(settings: Settings, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let findings = match Config::load(settings, file) {
        Ok(config) => examine(&config).await,
        Err(error) => vec![Finding::problem("Configuration", format!("{error:#}"))],
    };
    for finding in &findings {
        // What is said in several lines stands under its first.
        let text = finding.text.replace('\n', &format!("\n{:25}", ""));
        say(&format!("{:<8} {:<15} {text}", finding.state.to_string(), finding.subject))?;
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (problems, warnings) = (count(State::Problem), count(State::Warning));
    say(&format!("{} checks: {problems} problems, {warnings} warnings", findings.len()))?;
    Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
