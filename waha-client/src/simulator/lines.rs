//! Connections that can be cut: a caller whose line is cut never hears the answer.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use poem::http::uri::Scheme;
use poem::listener::{Acceptor, TcpAcceptor};
use poem::web::{LocalAddr, RemoteAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The connections there are, by the caller's address.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<HashMap<SocketAddr, Arc<AtomicBool>>>);

impl Lines {
    fn open(&self) -> MutexGuard<'_, HashMap<SocketAddr, Arc<AtomicBool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts a caller off: nothing more is written to it, and its connection closes.
    pub(super) fn cut(&self, caller: &RemoteAddr) {
        let line = caller.as_socket_addr().and_then(|caller| self.open().get(caller).cloned());
        if let Some(line) = line {
            line.store(true, Ordering::Release);
        }
    }
}

/// Accepts connections that can be cut.
pub(super) struct LineAcceptor {
    inner: TcpAcceptor,
    lines: Arc<Lines>,
}

impl LineAcceptor {
    pub(super) fn new(listener: TcpListener, lines: Arc<Lines>) -> io::Result<Self> {
        Ok(Self { inner: TcpAcceptor::from_tokio(listener)?, lines })
    }
}

impl Acceptor for LineAcceptor {
    type Io = Line;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(Line, LocalAddr, RemoteAddr, Scheme)> {
        let (stream, local, remote, scheme) = self.inner.accept().await?;
        let is_cut = Arc::new(AtomicBool::new(false));
        let caller = remote.as_socket_addr().copied();
        if let Some(caller) = caller {
            self.lines.open().insert(caller, Arc::clone(&is_cut));
        }
        let line = Line { stream, is_cut, caller, lines: Arc::clone(&self.lines) };
        Ok((line, local, remote, scheme))
    }
}

/// A connection that can be cut.
pub(super) struct Line {
    stream: TcpStream,
    is_cut: Arc<AtomicBool>,
    caller: Option<SocketAddr>,
    lines: Arc<Lines>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let Some(caller) = self.caller else { return };
        let mut open = self.lines.open();
        // The same address may already belong to the caller's next connection.
        if open.get(&caller).is_some_and(|line| Arc::ptr_eq(line, &self.is_cut)) {
            open.remove(&caller);
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
