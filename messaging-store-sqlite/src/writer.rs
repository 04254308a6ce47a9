//! The one thread that writes.
//!
//! A commit costs a trip to the disk, whatever it holds. So all that callers ask for while one
//! trip is under way goes into the next transaction together, and each gets its answer when that
//! transaction is on disk.

mod checkpoint;
mod group;
mod job;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use messaging_core::ports::store_error::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::Fault;
use crate::writer::checkpoint::Checkpoint;
pub(crate) use crate::writer::job::Panicked;
use crate::writer::job::{Job, Task};

/// What the writer has done since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteStatistics {
    /// Calls answered, whatever the answer.
    pub calls: u64,
    /// Transactions committed, each by one trip to the disk.
    pub commits: u64,
}

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    commits: AtomicU64,
}

enum Command {
    Run(Box<dyn Job>),
    Close,
}

/// Hands work to the thread that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    commands: mpsc::Sender<Command>,
    counters: Arc<Counters>,
    /// Closed when the thread has let go of its connection.
    alive: watch::Sender<()>,
}

/// The store was closed, or its thread is gone.
#[derive(Debug, thiserror::Error)]
#[error("the store is closed")]
pub(crate) struct Closed;

impl Writer {
    /// Starts the thread that writes through `connection`.
    pub(crate) fn start(
        connection: Connection,
        queue_capacity: usize,
        group_limit: usize,
    ) -> std::io::Result<Self> {
        let (commands, waiting) = mpsc::channel(queue_capacity.max(1));
        let counters = Arc::new(Counters::default());
        let (alive, token) = watch::channel(());
        let counted = Arc::clone(&counters);
        thread::Builder::new().name("sqlite-writer".into()).spawn(move || {
            run(connection, waiting, group_limit.max(1), &counted);
            drop(token);
        })?;
        Ok(Self { commands, counters, alive })
    }

    /// Does `work` in a transaction and answers when it is on disk. Waits where the queue is full.
    ///
    /// `work` runs again when another piece of the same transaction has to be undone, so it must
    /// leave the same behind each time; it is done also when nobody waits for its answer any more.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Box::new(Task::new(work, reply));
        self.commands
            .send(Command::Run(task))
            .await
            .map_err(|_| StoreError::unavailable(Closed))?;
        answer.await.unwrap_or_else(|_| Err(StoreError::unavailable(Closed)))
    }

    pub(crate) fn statistics(&self) -> WriteStatistics {
        WriteStatistics {
            calls: self.counters.calls.load(Ordering::Relaxed),
            commits: self.counters.commits.load(Ordering::Relaxed),
        }
    }

    /// Finishes what was handed in, folds the log into the file and lets go of it.
    pub(crate) async fn close(&self) {
        // Fails where it is closed already.
        let _ = self.commands.send(Command::Close).await;
        self.alive.closed().await;
    }
}

/// Until all senders are gone or one says so; then what is queued is still done.
fn run(
    mut connection: Connection,
    mut waiting: mpsc::Receiver<Command>,
    group_limit: usize,
    counters: &Counters,
) {
    let mut commands = Vec::with_capacity(group_limit);
    let mut jobs: Vec<Box<dyn Job>> = Vec::with_capacity(group_limit);
    let mut checkpoint = Checkpoint::default();
    while waiting.blocking_recv_many(&mut commands, group_limit) > 0 {
        for command in commands.drain(..) {
            match command {
                Command::Run(job) => jobs.push(job),
                Command::Close => waiting.close(),
            }
        }
        if jobs.is_empty() {
            continue;
        }
        let committed = group::commit(&mut connection, &mut jobs);
        counters.commits.fetch_add(u64::from(committed.is_ok()), Ordering::Relaxed);
        counters.calls.fetch_add(jobs.len() as u64, Ordering::Relaxed);
        for job in jobs.drain(..) {
            job.answer(&committed);
        }
        checkpoint.after_commit(&connection);
        // Those just answered often come back at once: let them, before the next trip begins with
        // the few that came first. Half again as many share it where processors are scarce.
        thread::yield_now();
    }
    checkpoint.at_the_end(&connection);
}
