//! Doing together what many ask for at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::fault::RedisFault;

/// What can be done for many requests in one go.
#[async_trait]
pub(crate) trait Work: Send + Sync + 'static {
    type Request: Send + Sync + 'static;
    type Answer: Send + 'static;

    /// How many requests go together at the most.
    const MOST: usize;

    /// How many goes may be under way at a time.
    const AT_ONCE: usize;

    /// Does it, and gives one answer for each request, in their order.
    async fn run(&self, requests: &[Self::Request]) -> Result<Vec<Self::Answer>, RedisFault>;
}

/// A queue of requests for the same work. A request that comes alone is sent at once; those that
/// come while others are under way wait for each other and share the next round trip.
///
/// A request is carried out also where nobody waits for its answer any more.
pub(crate) struct Lane<W: Work> {
    inner: Arc<Inner<W>>,
}

struct Inner<W: Work> {
    work: W,
    waiting: Mutex<Waiting<W>>,
}

struct Waiting<W: Work> {
    requests: VecDeque<(W::Request, Reply<W>)>,
    under_way: usize,
}

type Reply<W> = oneshot::Sender<Result<<W as Work>::Answer, RedisFault>>;

impl<W: Work> Lane<W> {
    pub(crate) fn new(work: W) -> Self {
        let waiting = Mutex::new(Waiting { requests: VecDeque::new(), under_way: 0 });
        Self { inner: Arc::new(Inner { work, waiting }) }
    }

    /// Has a request done, together with others.
    pub(crate) async fn ask(&self, request: W::Request) -> Result<W::Answer, RedisFault> {
        let (reply, answer) = oneshot::channel();
        let begin = {
            let mut waiting = self.inner.waiting();
            waiting.requests.push_back((request, reply));
            let begin = waiting.under_way < W::AT_ONCE;
            waiting.under_way += usize::from(begin);
            begin
        };
        if begin {
            let mut server = Server { inner: Arc::clone(&self.inner), gone: false };
            tokio::spawn(async move { while server.serve().await {} });
        }
        // Without an answer the task is gone, and so is the runtime.
        answer.await.unwrap_or(Err(RedisFault::TimedOut))
    }
}

impl<W: Work> Inner<W> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<W>> {
        // Nothing panics under this lock, and what it guards is whole after every line.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who serves the queue until it is empty.
struct Server<W: Work> {
    inner: Arc<Inner<W>>,
    gone: bool,
}

impl<W: Work> Server<W> {
    /// Serves those who wait. Where there are none, is gone, and tells so.
    async fn serve(&mut self) -> bool {
        let (requests, replies): (Vec<_>, Vec<_>) = {
            let mut waiting = self.inner.waiting();
            let count = waiting.requests.len().min(W::MOST);
            if count == 0 {
                // Under the same lock: whoever comes next must know that nobody serves.
                waiting.under_way -= 1;
                self.gone = true;
                return false;
            }
            waiting.requests.drain(..count).unzip()
        };
        match self.inner.work.run(&requests).await {
            Ok(answers) if answers.len() == replies.len() => {
                for (reply, answer) in replies.into_iter().zip(answers) {
                    // Whoever asked may have gone.
                    let _ = reply.send(Ok(answer));
                }
            }
            result => {
                let fault = result.err().unwrap_or(RedisFault::Answer);
                for reply in replies {
                    let _ = reply.send(Err(fault.clone()));
                }
            }
        }
        true
    }
}

impl<W: Work> Drop for Server<W> {
    fn drop(&mut self) {
        if !self.gone {
            self.inner.waiting().under_way -= 1;
        }
    }
}
