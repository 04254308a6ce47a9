//! A piece of work and whoever waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use messaging_core::ports::store_error::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::{Fault, store_error};

/// A piece of work and whoever waits for it, whatever its result is.
pub(super) trait Job: Send {
    /// Does the work within the transaction that is open, and remembers the result.
    fn run(&mut self, connection: &Connection) -> Ran;

    /// Whether the last run did not succeed, so that nothing of it may be kept.
    fn has_failed(&self) -> bool;

    /// Gives the result to whoever waits, or the reason why the transaction came to nothing.
    fn answer(self: Box<Self>, committed: &Result<(), Arc<rusqlite::Error>>);
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ran {
    Done,
    Failed,
    /// What was begun may be in any state.
    Panicked,
}

pub(super) struct Task<T, F> {
    work: F,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

/// A bug of ours; the payload was told by the panic hook.
#[derive(Debug, thiserror::Error)]
#[error("the work panicked")]
pub(crate) struct Panicked;

/// The job was never run.
#[derive(Debug, thiserror::Error)]
#[error("the work was not begun")]
struct NotRun;

impl<T, F> Task<T, F> {
    pub(super) fn new(work: F, reply: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { work, result: None, reply }
    }
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> Result<T, Fault> + Send,
{
    fn run(&mut self, connection: &Connection) -> Ran {
        let work = &mut self.work;
        // What the work has half done in the file is undone by the caller of this; in memory it
        // owns all it touches but the connection, whose statements reset themselves.
        let (result, ran) = match catch_unwind(AssertUnwindSafe(|| work(connection))) {
            Ok(Ok(value)) => (Ok(value), Ran::Done),
            Ok(Err(fault)) => (Err(fault.into()), Ran::Failed),
            Err(_) => (Err(StoreError::unavailable(Panicked)), Ran::Panicked),
        };
        self.result = Some(result);
        ran
    }

    fn has_failed(&self) -> bool {
        matches!(self.result, Some(Err(_)))
    }

    fn answer(self: Box<Self>, committed: &Result<(), Arc<rusqlite::Error>>) {
        let result = match committed {
            Ok(()) => self.result.unwrap_or_else(|| Err(StoreError::unavailable(NotRun))),
            Err(error) => Err(not_committed(error)),
        };
        // Nobody waits where the caller gave up meanwhile.
        let _ = self.reply.send(result);
    }
}

/// One error for each of the many that share a transaction.
fn not_committed(error: &Arc<rusqlite::Error>) -> StoreError {
    match error.as_ref() {
        // Told apart in one place only; the text is all that a second copy loses.
        rusqlite::Error::SqliteFailure(code, text) => {
            match store_error(rusqlite::Error::SqliteFailure(*code, text.clone())) {
                // A commit refuses no value, so this is none of the caller's mistakes.
                StoreError::Conflict { .. } => StoreError::unavailable(Arc::clone(error)),
                other => other,
            }
        }
        _ => StoreError::unavailable(Arc::clone(error)),
    }
}
