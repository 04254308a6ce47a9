//! One transaction for many callers.
//!
//! A commit costs a trip to the disk, and a statement a trip to the server, whatever they hold. So
//! what callers ask for while one transaction is under way goes into the next together, and each
//! gets its answer when that one is committed.

use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use messaging_core::ports::store_error::StoreError;
use sqlx::PgConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::connections::{Connections, Lent};
use crate::error::{is_passing, shared, store_error};
use crate::store::closed;

/// How many callers share a transaction at the most.
const MOST: usize = 256;

/// How often a transaction is tried that others were in the way of.
const TRIES: usize = 5;

/// What has been written since a store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteStatistics {
    /// Calls answered, whatever the answer.
    pub calls: u64,
    /// Transactions made for them.
    pub transactions: u64,
    /// Statements sent in these, the beginning and the commit of each included.
    pub statements: u64,
}

impl Add for WriteStatistics {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            transactions: self.transactions + other.transactions,
            statements: self.statements + other.statements,
        }
    }
}

/// Why a group could not be worked.
#[derive(Debug)]
pub(crate) enum Fault {
    /// PostgreSQL says so.
    Postgres(sqlx::Error),
    /// We say so.
    Store(StoreError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Postgres(error) => store_error(error),
            Fault::Store(error) => error,
        }
    }
}

/// What can be done for many callers in one transaction.
#[async_trait]
pub(crate) trait Work: 'static {
    type Request: Send + Sync + 'static;
    type Answer: Send + 'static;

    /// Does what all ask for, or nothing of it; gives an answer for each, in their order, and how
    /// many statements it took.
    async fn run(
        connection: &mut PgConnection,
        requests: &[Self::Request],
    ) -> Result<(Vec<Self::Answer>, u64), Fault>;
}

/// The server said nothing in time.
#[derive(Debug, thiserror::Error)]
#[error("PostgreSQL does not answer")]
struct NoAnswer;

struct Call<W: Work> {
    request: W::Request,
    reply: oneshot::Sender<Result<W::Answer, StoreError>>,
}

#[derive(Default)]
struct Counters {
    calls: AtomicU64,
    transactions: AtomicU64,
    statements: AtomicU64,
}

/// Does work for many callers together.
pub(crate) struct Together<W: Work> {
    calls: mpsc::Sender<Call<W>>,
    counters: Arc<Counters>,
}

impl<W: Work> Together<W> {
    /// Starts the task that works, on the current runtime. It ends when this is dropped. An answer
    /// of the server is waited for as long as `limit`.
    ///
    /// One transaction is under way at a time. Two would overlap one's commit with the other's
    /// work, but halve the groups: what is planned and sent once for a group is then done twice
    /// as often, which costs more.
    pub(crate) fn new(connections: &Connections, limit: Duration) -> Self {
        let (calls, waiting) = mpsc::channel(4 * MOST);
        let counters = Arc::new(Counters::default());
        let worker = Worker::<W> {
            connections: connections.clone(),
            waiting,
            counters: Arc::clone(&counters),
            limit,
            kept: None,
        };
        tokio::spawn(worker.work());
        Self { calls, counters }
    }

    /// Does this together with what others ask for, and answers when it is committed. It is done
    /// also when nobody waits for the answer any more.
    pub(crate) async fn ask(&self, request: W::Request) -> Result<W::Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.calls.send(Call { request, reply }).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    pub(crate) fn statistics(&self) -> WriteStatistics {
        WriteStatistics {
            calls: self.counters.calls.load(Ordering::Relaxed),
            transactions: self.counters.transactions.load(Ordering::Relaxed),
            statements: self.counters.statements.load(Ordering::Relaxed),
        }
    }
}

/// Makes the transactions of a kind.
struct Worker<W: Work> {
    connections: Connections,
    waiting: mpsc::Receiver<Call<W>>,
    counters: Arc<Counters>,
    limit: Duration,
    /// The connection that the last transaction was made on.
    kept: Option<Lent>,
}

impl<W: Work> Worker<W> {
    async fn work(mut self) {
        let mut calls = Vec::new();
        while self.receive(&mut calls).await {
            self.counters.calls.fetch_add(calls.len() as u64, Ordering::Relaxed);
            let (requests, replies): (Vec<_>, Vec<_>) =
                calls.drain(..).map(|call| (call.request, call.reply)).unzip();
            match self.run(&requests).await {
                Ok(answers) => {
                    for (reply, answer) in replies.into_iter().zip(answers) {
                        // Who is gone needs no answer.
                        let _ = reply.send(Ok(answer));
                    }
                }
                // One of them may be what the database refuses; the others must not suffer for it.
                Err(error)
                    if !matches!(error, StoreError::Unavailable(_)) && requests.len() > 1 =>
                {
                    for (request, reply) in requests.into_iter().zip(replies) {
                        let answer = self.run(&[request]).await;
                        let _ = reply.send(answer.and_then(|mut all| all.pop().ok_or_else(closed)));
                    }
                }
                Err(error) => {
                    let error = shared(error);
                    for reply in replies {
                        let _ = reply.send(Err(error()));
                    }
                }
            }
        }
    }

    /// Waits for calls, and gives the connection back where none come. There will be none any more
    /// where this is false.
    async fn receive(&mut self, calls: &mut Vec<Call<W>>) -> bool {
        if let Some(kept) = &self.kept {
            tokio::select! {
                // Where there is always something to do, others want a connection all the same.
                biased;
                () = kept.should_return() => self.kept = None,
                received = self.waiting.recv_many(calls, MOST) => return received > 0,
            }
        }
        self.waiting.recv_many(calls, MOST).await > 0
    }

    async fn run(&mut self, requests: &[W::Request]) -> Result<Vec<W::Answer>, StoreError> {
        let mut tries = 1;
        loop {
            let answered = timeout(self.limit, self.run_once(requests)).await;
            match answered.map_err(|_| StoreError::unavailable(NoAnswer))? {
                Ok((answers, statements)) => {
                    self.counters.transactions.fetch_add(1, Ordering::Relaxed);
                    self.counters.statements.fetch_add(statements, Ordering::Relaxed);
                    return Ok(answers);
                }
                Err(Fault::Postgres(error)) if tries < TRIES && is_passing(&error) => tries += 1,
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    async fn run_once(&mut self, requests: &[W::Request]) -> Result<(Vec<W::Answer>, u64), Fault> {
        let mut connection = match self.kept.take() {
            Some(kept) => kept,
            None => self.connections.acquire().await?,
        };
        let done = W::run(&mut connection, requests).await?;
        // One on which something failed, or was not waited for, is looked at before it is used.
        self.kept = Some(connection);
        Ok(done)
    }
}
