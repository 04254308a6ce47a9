//! How long does the embedded mode take to start with a million messages waiting, and how much memory?
//!
//! ```sh
//! cargo build --release -p messaging-server
//! cargo bench -p benches --bench backlog -- run
//! ```
//!
//! `MESSAGES` and `SESSIONS` set other numbers. Fills a SQLite file, starts `messaging-server serve` on
//! it, with a WAHA that does not answer, and prints how long it took until the server was ready, until
//! its queue knew every message, and the most memory it had resident.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for one person to look at"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use messaging_core::conformance::build::{address, message, session, tenant};
use messaging_core::domain::id::{MessageId, uuid_v7};
use messaging_core::domain::message::Message;
use messaging_core::ports::clock::{Clock, SystemClock};
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};

/// How long is waited for what must come.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() {
    if std::env::args().nth(1).as_deref() != Some("run") {
        // As one of all benches this would take too long.
        println!("backlog: needs a built server; ask for it with -- run");
        return;
    }
    let messages = number("MESSAGES", 1_000_000);
    let sessions = number("SESSIONS", 1000);
    let directory = tempfile::tempdir().unwrap();
    let began = Instant::now();
    fill(directory.path(), messages, sessions).await;
    println!("filled with {messages} messages over {sessions} sessions in {:.1?}", began.elapsed());

    let server = Server::start(directory.path());
    let began = Instant::now();
    server.wait_for("/health/ready", |answer| answer.starts_with("HTTP/1.1 200"));
    println!("ready after                {:>8.2?}", began.elapsed());
    let all = format!("\nmessaging_queue_messages {messages}\n");
    server.wait_for("/metrics", |answer| answer.contains(&all));
    // The number is looked up every five seconds.
    println!("the queue knows all after  {:>8.2?} (or up to 5 s before)", began.elapsed());
    println!("most memory resident       {:>8} MB", server.most_resident_kb() / 1000);
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |number| number.parse().unwrap())
}

/// Keeps messages that were accepted within the last minutes, each for a person of its own.
async fn fill(directory: &Path, messages: u64, sessions: u64) {
    let path = directory.join("messaging.db");
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    TenantStore::insert(&store, &tenant(1)).await.unwrap();
    for n in 1..=sessions {
        SessionStore::insert(&store, &session(n)).await.unwrap();
    }
    let first = SystemClock.now().minus(Duration::from_secs(60));
    let mut number = 0;
    while number < messages {
        let chunk: Vec<Message> = (number..messages.min(number + 5000))
            .map(|n| {
                let at = first.plus(Duration::from_micros(n));
                Message {
                    id: MessageId(uuid_v7(at, n)),
                    session: session(1 + n % sessions).id,
                    to: Some(address(n)),
                    due_at: at,
                    created_at: at,
                    updated_at: at,
                    ..message(n)
                }
            })
            .collect();
        MessageStore::insert(&store, &chunk).await.unwrap();
        number += 5000;
    }
}

struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(binary())
            .arg("serve")
            .env_clear()
            .current_dir(directory)
            .env("DATA_DIR", directory)
            .env("PORT", port.to_string())
            .env("WAHA_BASE_URL", "http://127.0.0.1:9")
            .env("WAHA_API_KEY", "nobody-listens-there")
            .env("WAHA_WEBHOOK_SECRET", "a-webhook-secret-that-is-long-enough")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, port }
    }

    fn wait_for(&self, path: &str, is_there: impl Fn(&str) -> bool) {
        let began = Instant::now();
        while !self.ask(path).is_some_and(|answer| is_there(&answer)) {
            assert!(began.elapsed() < PATIENCE, "{path} never said so");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ask(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn most_resident_kb(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The server, built with the same profile as this: two directories above.
fn binary() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let binary = here.ancestors().nth(2).unwrap().join("messaging-server");
    assert!(binary.exists(), "build it first: cargo build --release -p messaging-server");
    binary
}
