//! Log lines on standard error, for people or for machines.

use std::io::IsTerminal;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people: one line each, coloured on a terminal.
    #[default]
    Pretty,
    /// For machines: one JSON object a line, all of one schema.
    Json,
}

/// Why no logs can be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter is none.
    #[error("the log filter cannot be read")]
    Filter(#[from] ParseError),
    /// The process writes logs already.
    #[error("logs are written already")]
    Initialised(#[from] TryInitError),
}

/// Starts writing the log lines that `filter` lets through, in the form of `RUST_LOG`. To standard
/// error, so that standard output is a command's result alone.
///
/// # Errors
/// [`LogError`]; a host program that writes logs itself does not call this.
pub fn start(format: LogFormat, filter: &str) -> Result<(), LogError> {
    // The HTTP server tells of its start and stop too; our own lines say more. Later directives
    // win, so an operator can still ask for it.
    let filter = EnvFilter::builder().parse(format!("poem::server=warn,{filter}"))?;
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Pretty => {
            let colours = std::io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            Box::new(fmt::layer().with_writer(std::io::stderr).with_ansi(colours))
        }
        LogFormat::Json => Box::new(
            fmt::layer()
                .json()
                .flatten_event(true)
                .with_span_list(false)
                .with_writer(std::io::stderr),
        ),
    };
    Ok(tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()?)
}
