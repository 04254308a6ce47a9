//! Connections as the whole service serves them: slow ones, too many, and encrypted ones.
#![expect(clippy::disallowed_methods, reason = "how long others wait is measured")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use messaging_server::config::Config;
use messaging_server::listening::tls::{Tls, TlsError, TlsFiles};
use messaging_server::wiring::{self, BuildError, Service};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Client};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a wait may take that is to end by itself.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    service: JoinHandle<std::io::Result<()>>,
    _data: TempDir,
}

async fn run(more: &[(&str, &str)]) -> Running {
    let data = TempDir::new().unwrap();
    let mut vars = vec![
        ("PORT", "0"),
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("SHUTDOWN_TIMEOUT", "5s"),
    ];
    vars.extend(more);
    let config = Config::from_vars(vars).unwrap();
    let listener = wiring::bind(&config).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = Service::build(config.listening_on(address)).await.unwrap();
    let stop = CancellationToken::new();
    let service = tokio::spawn(service.run(listener, stop.clone()));
    let running = Running { address, stop, service, _data: data };
    // It answers: what is measured from here on is not its start.
    if more.iter().all(|(name, _)| *name != "TLS_CERT_FILE") {
        let answered = tokio::time::timeout(
            PATIENCE,
            running.ask("GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        );
        assert!(answered.await.unwrap().starts_with("HTTP/1.1 200"));
    }
    running
}

impl Running {
    /// Sends this and reads to the end.
    async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // It may have had enough before the end.
        let _ = stream.write_all(request.as_bytes()).await;
        read_all(&mut stream).await
    }

    async fn end(self) {
        self.stop.cancel();
        self.service.await.unwrap().unwrap();
    }
}

/// What comes until the other side ends the connection, however it does.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

/// Sends a byte of these now and then until the other side has enough. Gives how long that took.
async fn dribble(stream: &mut TcpStream, bytes: &[u8], every: Duration) -> Duration {
    let began = Instant::now();
    let mut buffer = [0; 1024];
    for byte in bytes.iter().cycle() {
        assert!(began.elapsed() < PATIENCE, "nobody ends a connection that is slow");
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        // A tick of what is sent, not a wait for what is to happen.
        if let Ok(Ok(0) | Err(_)) = tokio::time::timeout(every, stream.read(&mut buffer)).await {
            break;
        }
    }
    began.elapsed()
}

const HEAD: Duration = Duration::from_millis(600);

#[tokio::test]
async fn who_sends_a_head_byte_by_byte_is_left_alone() {
    let running = run(&[("HEADER_TIMEOUT", "600ms")]).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /health/live HTTP/1.1\r\n").await.unwrap();
    let took = dribble(&mut stream, b"X-Slow: yes\r\n", Duration::from_millis(50)).await;
    assert!(took + Duration::from_millis(100) >= HEAD, "after {took:?}");
    running.end().await;
}

#[tokio::test]
async fn who_connects_and_says_nothing_is_left_alone() {
    let running = run(&[("HEADER_TIMEOUT", "600ms")]).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(read_all(&mut stream).await, "");
    running.end().await;
}

#[tokio::test]
async fn a_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let running = run(&[("HEADER_TIMEOUT", "300ms")]).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for _ in 0..2 {
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        // Twice the time of a head: not a wait for anything, but the thing itself.
        let mut rest = [0; 4096];
        let idle = async { while stream.read(&mut rest).await.unwrap() > 0 {} };
        assert!(tokio::time::timeout(Duration::from_millis(700), idle).await.is_err(), "it ended");
    }
    running.end().await;
}

#[tokio::test]
async fn who_sends_a_body_byte_by_byte_is_told_so() {
    let running = run(&[("BODY_TIMEOUT", "500ms")]).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = "POST /webhooks/waha HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let sending = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, reading.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("request-timeout"), "{answer}");
    sending.abort();
    running.end().await;
}

#[tokio::test]
async fn a_body_is_bounded_whatever_its_head_says() {
    let running = run(&[("MAX_WEBHOOK_SIZE", "1KiB")]).await;
    let head = "POST /webhooks/waha HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    // Announced: not a byte of it is waited for.
    let answer = running.ask(&format!("{head}Content-Length: 99999999999\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // In chunks that never end.
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    for _ in 0..64 {
        if stream.write_all(format!("100\r\n{}\r\n", "x".repeat(256)).as_bytes()).await.is_err() {
            break;
        }
    }
    let answer = read_all(&mut stream).await;
    // Where we end it while it still sends, the answer may be lost on its way; never is it taken.
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    // Two lengths, or a length and chunks, are two requests to somebody.
    for smuggled in [
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: xchunked\r\n\r\na",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ] {
        let answer = running.ask(&format!("{head}{smuggled}")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{smuggled:?}: {answer}");
    }
    // A head that never ends, and one of too many lines.
    let long =
        running.ask(&format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1_000_000))).await;
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 431"), "{long}");
    let many = running.ask(&format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200))).await;
    assert!(many.starts_with("HTTP/1.1 431"), "{many}");
    running.end().await;
}

#[tokio::test]
async fn there_are_only_so_many_connections_and_slow_ones_make_room() {
    let running = run(&[("MAX_CONNECTIONS", "2"), ("HEADER_TIMEOUT", "700ms")]).await;
    let slow = [
        TcpStream::connect(running.address).await.unwrap(),
        TcpStream::connect(running.address).await.unwrap(),
    ];
    let began = Instant::now();
    let asked = running.ask("GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = tokio::time::timeout(PATIENCE, asked).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(began.elapsed() >= Duration::from_millis(400), "there was room all the time");
    drop(slow);
    running.end().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_who_is_idle() {
    let running = run(&[]).await;
    let _idle = TcpStream::connect(running.address).await.unwrap();
    let began = Instant::now();
    tokio::time::timeout(PATIENCE, running.end()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(15));
}

/// Puts a new certificate for localhost into these files, and gives it.
fn certify(dir: &Path) -> (TlsFiles, Certificate) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let files = TlsFiles { certificate: dir.join("cert.pem"), key: dir.join("key.pem") };
    std::fs::write(&files.certificate, cert.pem()).unwrap();
    std::fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    (files, Certificate::from_pem(cert.pem().as_bytes()).unwrap())
}

fn trusting(certificate: Certificate) -> Client {
    Client::builder().tls_certs_only([certificate]).build().unwrap()
}

#[tokio::test]
async fn https_is_served_with_the_certificate_that_is_configured() {
    let dir = TempDir::new().unwrap();
    let (files, certificate) = certify(dir.path());
    let running = run(&[
        ("TLS_CERT_FILE", files.certificate.to_str().unwrap()),
        ("TLS_KEY_FILE", files.key.to_str().unwrap()),
        ("HEADER_TIMEOUT", "700ms"),
    ])
    .await;
    let url = format!("https://localhost:{}/health/live", running.address.port());
    let answer = trusting(certificate).get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    // Whoever trusts another is told nothing.
    let (_, other) = certify(TempDir::new().unwrap().path());
    assert!(trusting(other).get(&url).send().await.is_err());
    // What is not encrypted is not answered, and a handshake that is not begun ends.
    let plain = running.ask("GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!plain.contains("HTTP/1.1"), "{plain}");
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(read_all(&mut silent).await, "");
    running.end().await;
}

#[test]
fn a_certificate_that_is_replaced_is_taken_up_and_a_broken_one_is_not() {
    let dir = TempDir::new().unwrap();
    let (files, _) = certify(dir.path());
    let tls = Tls::load(files.clone()).unwrap();
    assert!(!tls.reload().unwrap(), "nothing changed");
    certify(dir.path());
    assert!(tls.reload().unwrap(), "it was replaced");
    std::fs::write(&files.key, "broken").unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::NoKey(_))));
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_told_of_at_the_start() {
    let dir = TempDir::new().unwrap();
    let (files, _) = certify(dir.path());
    let other = TempDir::new().unwrap();
    let (others, _) = certify(other.path());
    let mixed = TlsFiles { certificate: files.certificate.clone(), key: others.key.clone() };
    assert!(matches!(Tls::load(mixed.clone()), Err(TlsError::Unusable { .. })));
    let swapped = TlsFiles { certificate: files.key.clone(), key: files.certificate.clone() };
    assert!(matches!(Tls::load(swapped), Err(TlsError::NoCertificate(_))));
    let absent = TlsFiles { certificate: dir.path().join("none"), key: files.key.clone() };
    assert!(matches!(Tls::load(absent), Err(TlsError::Read { .. })));
    let config = Config::from_vars([
        ("DATA_DIR", dir.path().to_str().unwrap()),
        ("TLS_CERT_FILE", mixed.certificate.to_str().unwrap()),
        ("TLS_KEY_FILE", mixed.key.to_str().unwrap()),
    ])
    .unwrap();
    assert!(matches!(Service::build(config).await.err(), Some(BuildError::Tls(_))));
    let half = Config::from_vars([("TLS_CERT_FILE", "cert.pem")]).unwrap_err();
    assert!(half.to_string().contains("TLS_KEY_FILE"), "{half}");
}
