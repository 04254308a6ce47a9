//! The connections that are open, so that one can be cut before anything is answered on it.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use poem::http::uri::Scheme;
use poem::listener::{Acceptor, TcpAcceptor};
use poem::web::{LocalAddr, RemoteAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The open connections, by the address of whoever called.
#[derive(Default, Clone)]
pub(super) struct Connections(Arc<Mutex<HashMap<SocketAddr, Arc<AtomicBool>>>>);

impl Connections {
    /// Lets nothing more be written to a caller's connection: the next try closes it.
    pub(super) fn cut(&self, caller: &RemoteAddr) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(is_cut) = caller.as_socket_addr().and_then(|address| open.get(address)) {
            is_cut.store(true, Ordering::SeqCst);
        }
    }

    /// Takes up connections from `acceptor`.
    pub(super) fn of(&self, acceptor: TcpAcceptor) -> CuttingAcceptor {
        CuttingAcceptor { acceptor, connections: self.clone() }
    }
}

/// Accepts connections that can be cut.
pub(super) struct CuttingAcceptor {
    acceptor: TcpAcceptor,
    connections: Connections,
}

impl Acceptor for CuttingAcceptor {
    type Io = Connection;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.acceptor.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(Connection, LocalAddr, RemoteAddr, Scheme)> {
        let (stream, local, remote, scheme) = self.acceptor.accept().await?;
        let is_cut = Arc::new(AtomicBool::new(false));
        let caller = remote.as_socket_addr().copied();
        if let Some(caller) = caller {
            let mut open = self.connections.0.lock().unwrap_or_else(PoisonError::into_inner);
            open.insert(caller, Arc::clone(&is_cut));
        }
        let connections = self.connections.clone();
        Ok((Connection { stream, is_cut, caller, connections }, local, remote, scheme))
    }
}

/// A connection that can be cut.
pub(super) struct Connection {
    stream: tokio::net::TcpStream,
    is_cut: Arc<AtomicBool>,
    caller: Option<SocketAddr>,
    connections: Connections,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(caller) = &self.caller {
            self.connections.0.lock().unwrap_or_else(PoisonError::into_inner).remove(caller);
        }
    }
}

impl Connection {
    fn check(&self) -> io::Result<()> {
        if self.is_cut.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
