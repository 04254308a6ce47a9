//! The threads that read. None of them waits for the writer, nor it for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use messaging_core::ports::store_error::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::Fault;
use crate::writer::{Closed, Panicked};

type Job = Box<dyn FnOnce(&Connection) + Send>;

enum Command {
    Run(Job),
    Close,
}

/// Hands work to the threads that read.
#[derive(Debug)]
pub(crate) struct Readers {
    commands: mpsc::Sender<Command>,
    /// Closed when every thread has let go of its connection.
    alive: watch::Sender<()>,
}

impl Readers {
    /// Starts one thread for each connection.
    pub(crate) fn start(
        connections: Vec<Connection>,
        queue_capacity: usize,
    ) -> std::io::Result<Self> {
        let (commands, waiting) = mpsc::channel(queue_capacity.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        let (alive, token) = watch::channel(());
        for connection in connections {
            let (waiting, token) = (Arc::clone(&waiting), token.clone());
            thread::Builder::new().name("sqlite-reader".into()).spawn(move || {
                run(&connection, &waiting);
                drop(connection);
                drop(token);
            })?;
        }
        Ok(Self { commands, alive })
    }

    /// Does `work` on one state of the file, the newest there is when it begins.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // A read has nothing to undo, and its connection is given back in a known state: the
            // transaction ends when it is dropped.
            let result = catch_unwind(AssertUnwindSafe(|| {
                let snapshot = connection.unchecked_transaction()?;
                work(&snapshot)
            }));
            let result = match result {
                Ok(result) => result.map_err(StoreError::from),
                Err(_) => Err(StoreError::unavailable(Panicked)),
            };
            let _ = reply.send(result);
        });
        self.commands.send(Command::Run(job)).await.map_err(|_| StoreError::unavailable(Closed))?;
        answer.await.unwrap_or_else(|_| Err(StoreError::unavailable(Closed)))
    }

    /// Finishes what was handed in and lets go of the file.
    pub(crate) async fn close(&self) {
        // Fails where it is closed already.
        let _ = self.commands.send(Command::Close).await;
        self.alive.closed().await;
    }
}

fn run(connection: &Connection, waiting: &Mutex<mpsc::Receiver<Command>>) {
    loop {
        // The lock is held while waiting: whoever has it is the next to get work.
        let mut receiver = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let command = receiver.blocking_recv();
        match command {
            Some(Command::Run(job)) => {
                drop(receiver);
                job(connection);
            }
            Some(Command::Close) => receiver.close(),
            None => return,
        }
    }
}
