//! Listening: connections, how long they may keep us waiting, and TLS.
//!
//! HTTP/1.1 alone is spoken. Whoever sends a request byte by byte, or none, holds a connection and
//! nothing else, and that not for long.

mod patience;
pub mod tls;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use poem::http::uri::Scheme;
use poem::http::{Request, Response as HttpResponse};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::patience::{Patience, Patient};
use self::tls::Tls;

/// How long somebody may keep us waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// For the head of a request, from its first byte, and for the first of a connection.
    pub head: Duration,
    /// For the next request of a connection, and for taking in an answer.
    pub idle: Duration,
    /// How many connections there may be at a time; who comes then waits for one to end.
    pub connections: usize,
}

/// How many headers a request may have.
const MOST_HEADERS: usize = 100;

/// How large the head of a request may be, in bytes.
const LARGEST_HEAD: usize = 64 * 1024;

/// How long to wait when the system has no room for another connection.
const OUT_OF_ROOM: Duration = Duration::from_millis(100);

/// Serves until `stop` is cancelled, then finishes the requests that are under way, but not for
/// longer than `grace`.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    limits: ConnectionLimits,
    endpoint: impl Endpoint<Output = Response> + 'static,
    stop: CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    let local = listener.local_addr()?;
    let connections = TaskTracker::new();
    let (slots, endpoint) = (Arc::new(Semaphore::new(limits.connections)), Arc::new(endpoint));
    let too_late = CancellationToken::new();
    loop {
        // A place first: who comes when there is none waits with the system.
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // The peer may have gone again. Where there are no files left, asking at once would
                // only keep the processor busy.
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(OUT_OF_ROOM).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let connection =
            Connection { local, peer, limits, endpoint: Arc::clone(&endpoint), stop: stop.clone() };
        let (tls, too_late) = (tls.clone(), too_late.clone());
        connections.spawn(async move {
            let _slot = slot;
            tokio::select! {
                () = connection.run(stream, tls) => {}
                () = too_late.cancelled() => {}
            }
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        too_late.cancel();
        connections.wait().await;
    }
    Ok(())
}

struct Connection<E> {
    local: SocketAddr,
    peer: SocketAddr,
    limits: ConnectionLimits,
    endpoint: Arc<E>,
    stop: CancellationToken,
}

impl<E: Endpoint<Output = Response> + 'static> Connection<E> {
    async fn run(self, stream: TcpStream, tls: Option<Arc<Tls>>) {
        let Some(tls) = tls else { return self.speak(stream, Scheme::HTTP).await };
        let shaken = tokio::time::timeout(self.limits.head, tls.accept(stream));
        let shaken = tokio::select! {
            shaken = shaken => shaken,
            () = self.stop.cancelled() => return,
        };
        match shaken {
            Ok(Ok(stream)) => self.speak(stream, Scheme::HTTPS).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn speak(self, stream: impl AsyncRead + AsyncWrite + Unpin, scheme: Scheme) {
        let patience = Patience::new(self.limits.head, self.limits.idle);
        let (local, peer) = (LocalAddr(Addr::from(self.local)), RemoteAddr(Addr::from(self.peer)));
        let service = service_fn(|request: Request<Incoming>| {
            patience.head_is_read();
            let request =
                poem::Request::from((request, local.clone(), peer.clone(), scheme.clone()));
            let (endpoint, patience) = (Arc::clone(&self.endpoint), patience.clone());
            async move {
                let response = endpoint.get_response(request).await;
                patience.answered();
                Ok::<HttpResponse<_>, Infallible>(response.into())
            }
        });
        let stream = TokioIo::new(Patient::new(stream, patience.clone()));
        let mut connection = pin!(
            http1::Builder::new()
                .max_headers(MOST_HEADERS)
                .max_buf_size(LARGEST_HEAD)
                // Ours: it tells a connection that is idle from one that is slow.
                .header_read_timeout(None)
                .serve_connection(stream, service)
        );
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
