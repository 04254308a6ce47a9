//! A service and a simulated WAHA in one process, and a short story of what they do.
//!
//! Everything between the HTTP API and WAHA's HTTP API is the real thing; only the telephones are
//! made up. Nothing is kept: the data stand in a temporary directory that is removed at the end.

mod api_client;
mod error;
mod paint;
mod stage;
mod story;
mod timeline;

use std::io::{self, IsTerminal, Write};

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::demo::paint::Paint;
use crate::demo::stage::Stage;
use crate::demo::story::Story;
use crate::telemetry::logs::{self, LogFormat};

pub use error::DemoError;

/// How to run the demo.
#[derive(Clone, Copy, Args)]
pub struct DemoArgs {
    /// Port to listen on; the next that is free where it is taken.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Leave after the story, with status 0 if it went as it should.
    #[arg(long, hide = true)]
    pub exit_after_story: bool,
}

/// Runs the demo until `stop` is cancelled, and writes what happens to `out`.
///
/// # Errors
/// [`DemoError`] where it cannot start, or where the story went otherwise than it should.
pub async fn run<W: Write + Send>(
    args: &DemoArgs,
    out: &mut W,
    stop: CancellationToken,
) -> Result<(), DemoError> {
    // The story tells of what goes wrong in it; log lines of the same would only break it up. A
    // host program that writes its own logs keeps them.
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned());
    if let Err(error) = logs::start(LogFormat::Pretty, &filter) {
        tracing::debug!(%error, "the demo leaves the logs as they are");
    }

    let stage = Stage::set(args.port, stop.child_token()).await?;
    let told = tell(&stage, args.exit_after_story, out, &stop).await;
    stage.strike().await?;
    told
}

async fn tell<W: Write + Send>(
    stage: &Stage,
    leave_then: bool,
    out: &mut W,
    stop: &CancellationToken,
) -> Result<(), DemoError> {
    let mut story = Story::new(stage, Paint::new(io::stdout().is_terminal()), out);
    let telling = async {
        story.tell().await?;
        if leave_then { Ok(()) } else { story.go_on().await }
    };
    // Whoever stops it in the middle wants no verdict.
    stop.run_until_cancelled(telling).await.unwrap_or(Ok(()))
}
