//! When to leave: the signals that ask for it.

use std::io;
use std::process;

use tokio_util::sync::CancellationToken;

/// What a process leaves with that was told to leave at once, as shells give it for Ctrl-C.
const AT_ONCE: i32 = 130;

/// Listens for SIGTERM and SIGINT (Ctrl-C) from now on. The token is cancelled with the first, so
/// that what is under way can come to its end; with the second the process leaves at once.
///
/// # Errors
/// Where the system does not let us listen.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("stopping: what is under way is finished; a second signal leaves at once");
        told.cancel();
        signals.next().await;
        process::exit(AT_ONCE);
    });
    Ok(stop)
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Without a way to listen there is no signal to wait for either.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
