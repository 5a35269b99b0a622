//! Where the program tells what it does: lines to standard error, and traces to a collector.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{Config, LogFormat};
use crate::outgoing::ConfiguredClient;
use crate::traces::Traces;

/// Starts both; commands that do not serve log only what goes wrong, and are not traced.
pub(super) fn start(config: &Config, serves: bool, runtime: &Handle) -> anyhow::Result<Option<Traces>> {
    let traces = config.traces.as_ref().filter(|_| serves).map(|collector| {
        let client = ConfiguredClient::new(config, runtime.clone())?;
        Traces::start(collector, client).context("DOCTYPED_TRACES")
    });
    let traces = traces.transpose()?;
    let filter = if serves { config.log.as_str() } else { "warn" };
    // The statements of sqlx are not the reader's concern unless they ask for them.
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // On a full disk a line may not be written; to complain of that on the same way would end the request.
    let lines = lines.log_internal_errors(false);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    };
    tracing_subscriber::registry().with(lines).with(traces.as_ref().map(Traces::layer)).init();
    Ok(traces)
}
