//! Listening: connections, how long they may keep us waiting, and TLS.
//!
//! HTTP/1.1 alone is spoken. Whoever sends a request byte by byte, or none, holds a connection and
//! nothing else, and that not for long. Whoever hangs up stops no request half-way: what it has
//! begun it does, and leaves its entry in the audit log.

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
use poem::http::{Request, Response as HttpResponse, StatusCode};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
            let slot = Arc::clone(&slots).acquire_owned().await.ok();
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
        let connection = Connection {
            local,
            peer,
            limits,
            endpoint: Arc::clone(&endpoint),
            stop: stop.clone(),
            slot: Arc::new(slot),
            requests: connections.clone(),
            too_late: too_late.clone(),
        };
        let (tls, too_late) = (tls.clone(), too_late.clone());
        connections.spawn(async move {
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
    /// Its place among all. A request that goes on without it holds it, too.
    slot: Arc<Option<OwnedSemaphorePermit>>,
    requests: TaskTracker,
    too_late: CancellationToken,
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
            let (slot, too_late) = (Arc::clone(&self.slot), self.too_late.clone());
            // By itself: the connection ends with whoever hangs up, and would end it anywhere.
            let answering = self.requests.spawn(async move {
                let _slot = slot;
                tokio::select! {
                    response = endpoint.get_response(request) => Some(response),
                    () = too_late.cancelled() => None,
                }
            });
            async move {
                let response = answering.await.ok().flatten();
                patience.answered();
                let response = response.unwrap_or_else(|| {
                    Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).finish()
                });
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::{Notify, mpsc};

    /// Answers at once, but for one address where it waits to be let go on.
    struct Slow {
        go: Arc<Notify>,
        told: mpsc::UnboundedSender<&'static str>,
    }

    /// Tells what became of a request.
    struct Told {
        told: mpsc::UnboundedSender<&'static str>,
        is_done: bool,
    }

    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.told.send(if self.is_done { "done" } else { "stopped half-way" });
        }
    }

    impl Endpoint for Slow {
        type Output = Response;

        async fn call(&self, request: poem::Request) -> poem::Result<Response> {
            if request.uri().path() == "/slow" {
                let mut told = Told { told: self.told.clone(), is_done: false };
                let _ = self.told.send("begun");
                self.go.notified().await;
                told.is_done = true;
            }
            Ok(Response::default())
        }
    }

    async fn write(address: SocketAddr, request: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn who_hangs_up_stops_no_request_half_way_and_a_stop_waits_for_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (go, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let (told, mut tells) = mpsc::unbounded_channel();
        let patience = Duration::from_secs(20);
        let limits = ConnectionLimits { head: patience, idle: patience, connections: 2 };
        let slow = Slow { go: Arc::clone(&go), told };
        let serving = serve(listener, None, limits, slow, stop.clone(), patience);
        let serving = tokio::spawn(serving);

        let impatient = write(address, b"POST /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(tells.recv().await, Some("begun"));
        drop(impatient);
        // Others come and go, so that its end is noticed by then.
        for _ in 0..8 {
            let mut other =
                write(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
            let mut answer = String::new();
            other.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        assert!(tells.try_recv().is_err(), "it goes on");
        stop.cancel();
        go.notify_one();
        serving.await.unwrap().unwrap();
        assert_eq!(tells.try_recv(), Ok("done"));
    }
}
