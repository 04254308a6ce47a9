//! How long a connection may keep us waiting, by what it is about to do.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What a connection is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing has come of the next request; until then it may be so.
    Idle(Instant),
    /// Its head is being read; until then it must be there.
    Head(Instant),
    /// It is being done: whoever reads its body has a limit of their own.
    Busy,
}

/// What is known of one connection, shared by what reads its bytes and what does its requests.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    phase: Arc<Mutex<Phase>>,
    head: Duration,
    idle: Duration,
}

impl Patience {
    /// Of a connection that was just made: who makes one has something to say.
    pub(super) fn new(head: Duration, idle: Duration) -> Self {
        let phase = Phase::Idle(Instant::now() + head);
        Self { phase: Arc::new(Mutex::new(phase)), head, idle }
    }

    /// A request has come whole, but for its body.
    pub(super) fn head_is_read(&self) {
        self.set(Phase::Busy);
    }

    /// It was answered.
    pub(super) fn answered(&self) {
        self.set(Phase::Idle(Instant::now() + self.idle));
    }

    /// Bytes came: of the next head, unless a request is being done.
    fn bytes_came(&self) {
        if let Phase::Idle(_) = self.get() {
            self.set(Phase::Head(Instant::now() + self.head));
        }
    }

    fn read_until(&self) -> Option<Instant> {
        match self.get() {
            Phase::Idle(until) | Phase::Head(until) => Some(until),
            Phase::Busy => None,
        }
    }

    fn get(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }
}

/// A stream that ends when it keeps us waiting for too long.
pub(super) struct Patient<S> {
    inner: S,
    patience: Patience,
    reading: Pin<Box<Sleep>>,
    /// Runs while a write waits for the peer.
    writing: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(inner: S, patience: Patience) -> Self {
        let reading = Box::pin(tokio::time::sleep_until(Instant::now() + patience.head));
        Self { inner, patience, reading, writing: None }
    }

    /// Lets what the peer takes in go on, and ends what it does not.
    fn written<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.writing = None;
            return polled;
        }
        let idle = self.patience.idle;
        let writing = self.writing.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        match writing.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let until = this.patience.read_until();
        // First the time, then the bytes: whoever sends one now and then is late all the same.
        if let Some(until) = until {
            if this.reading.deadline() != until {
                this.reading.as_mut().reset(until);
            }
            if this.reading.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(context, buffer);
        if matches!(polled, Poll::Ready(Ok(()))) && buffer.filled().len() > before {
            this.patience.bytes_came();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.written(context, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write_vectored(context, bytes);
        this.written(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_flush(context);
        this.written(context, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_shutdown(context);
        this.written(context, polled)
    }
}
