//! A server that answers everything the same way and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use waha_client::WahaClient;
use waha_client::client::{ClientConfig, Timeouts};

/// What the server does with a request once it has read it.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Answers.
    Answer { status: u16, headers: &'static str, body: String },
    /// Closes the connection.
    Close,
    /// Says nothing, ever.
    Hang,
    /// Answers a status, promises a longer body than it sends, and closes.
    Cut { status: u16 },
}

impl Reply {
    pub(crate) fn json(status: u16, body: impl Into<String>) -> Self {
        Self::Answer { status, headers: "content-type: application/json\r\n", body: body.into() }
    }
}

/// The server. It lives as long as the test's runtime.
pub(crate) struct Canned {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    #[expect(clippy::unwrap_used, reason = "a test without its server should fail")]
    pub(crate) async fn new(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, reply.clone(), seen.clone()));
            }
        });
        Self { url, requests }
    }

    /// A client of this server that waits as long as a slow machine may need.
    pub(crate) fn client(&self) -> WahaClient {
        self.client_with(Timeouts::default())
    }

    /// A client that gives up soon, for servers that never answer.
    pub(crate) fn impatient_client(&self) -> WahaClient {
        let soon = Duration::from_millis(50);
        self.client_with(Timeouts { text: soon, read: soon, ..Timeouts::default() })
    }

    #[expect(clippy::unwrap_used, reason = "a test without its client should fail")]
    fn client_with(&self, timeouts: Timeouts) -> WahaClient {
        let config = ClientConfig { timeouts, max_answer_bytes: 64 * 1024 };
        WahaClient::with_config(&self.url, "the key".to_owned().into(), config).unwrap()
    }

    /// Everything asked so far, as raw HTTP requests.
    #[expect(clippy::unwrap_used, reason = "a poisoned lock means that a test failed already")]
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, reply: Reply, seen: Arc<Mutex<Vec<String>>>) {
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    if let Ok(mut seen) = seen.lock() {
        seen.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    let answer = match reply {
        Reply::Answer { status, headers, body } => {
            let length = body.len();
            let close = "connection: close";
            format!(
                "HTTP/1.1 {status} x\r\n{headers}{close}\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        }
        Reply::Cut { status } => {
            format!("HTTP/1.1 {status} x\r\ncontent-length: 99\r\n\r\n{{\"id\"")
        }
        Reply::Close => return,
        Reply::Hang => return std::future::pending().await,
    };
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Whether head and body have arrived.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.and_then(|it| it.parse().ok()).unwrap_or(0)
}
