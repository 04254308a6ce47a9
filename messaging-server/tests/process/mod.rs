//! The server as a process of its own, on a data directory that outlives it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, to fail is to tell"
)]
#![allow(dead_code, reason = "each test binary uses another part")]

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use waha_client::webhooks::{Dialect, SigningKeys};

const BINARY: &str = env!("CARGO_BIN_EXE_messaging-server");
pub(crate) const WEBHOOK_SECRET: &str = "a-webhook-secret-that-is-long-enough-for-tests";

/// A data directory, a port and a tenant.
pub(crate) struct Installation {
    data: TempDir,
    port: u16,
    waha: String,
    pub(crate) settings: Vec<(&'static str, String)>,
    token: Option<String>,
}

impl Installation {
    pub(crate) fn new(waha: &str) -> Self {
        let port = free_port();
        Self {
            data: TempDir::new().unwrap(),
            port,
            waha: waha.to_owned(),
            // Tests send many to few; those of pacing set it themselves.
            settings: vec![
                ("SESSION_RATE_LIMIT", "100000".to_owned()),
                ("RECIPIENT_SPACING", "0".to_owned()),
            ],
            token: None,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .env_clear()
            .current_dir(self.data.path())
            .env("DATA_DIR", self.data_dir())
            .env("PORT", self.port.to_string())
            .env("WAHA_BASE_URL", &self.waha)
            .env("WAHA_API_KEY", waha_client::simulator::DEFAULT_API_KEY)
            .env("WAHA_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .env("LOG_FORMAT", "json")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.data.path()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Has the same tenant as another, with which it shares a store and its secrets.
    pub(crate) fn share_token(&mut self, other: &Self) {
        self.token.clone_from(&other.token);
    }

    /// Runs a command to its end and gives what it prints.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The end of what the server has logged.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.data.path().join("server.log")).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// Starts the server and waits until it is ready.
    pub(crate) async fn start(&mut self) -> Server {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.data.path().join("server.log"))
            .unwrap();
        let mut process =
            self.command(&["serve"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let base = format!("http://127.0.0.1:{}", self.port);
        let client = reqwest::Client::new();
        let is_ready = async || {
            let asked = client.get(format!("{base}/health/ready")).timeout(Duration::from_secs(5));
            asked.send().await.is_ok_and(|answer| answer.status() == 200)
        };
        let ready = async {
            while !is_ready().await {
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        };
        tokio::select! {
            ready = tokio::time::timeout(Duration::from_secs(60), ready) => if ready.is_err() {
                panic!("the server is not ready in time:\n{}", self.last_words());
            },
            left = process.wait() => panic!("the server left ({left:?}):\n{}", self.last_words()),
        }
        if self.token.is_none() {
            self.run(&["tenant", "create", "acme"]).await;
            self.token = Some(self.run(&["token", "--tenant", "acme", "--role", "owner"]).await);
        }
        let token = self.token.clone().unwrap();
        Server { process: tokio::sync::Mutex::new(process), client, base, token }
    }
}

/// A server that runs.
pub(crate) struct Server {
    process: tokio::sync::Mutex<Child>,
    client: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: String,
}

impl Server {
    /// What a task of its own needs to call the server.
    pub(crate) fn caller(&self) -> (reqwest::Client, String, String) {
        (self.client.clone(), self.base.clone(), self.token.clone())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        request.send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        let request = self.client.get(format!("{}{path}", self.base));
        request.send().await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        request.json(body).send().await.unwrap().json().await.unwrap()
    }

    /// Sends a signed webhook of an inbound message to the address that all sessions share; gives the
    /// answer's status.
    pub(crate) async fn receive(&self, session: &str, id: &str) -> u16 {
        let waha_name = self.get(&format!("/sessions/{session}")).await["wahaSession"].clone();
        let body = json!({
            "id": format!("evt_{id}"),
            "timestamp": 1_785_000_000_412_i64,
            "event": "message.any",
            "session": waha_name,
            "payload": {
                "id": format!("false_5511988887777@c.us_{id}"),
                "timestamp": 1_785_000_000,
                "from": "5511988887777@c.us",
                "fromMe": false,
                "body": "hello",
            },
        })
        .to_string();
        let keys = SigningKeys::new([SecretString::from(WEBHOOK_SECRET)]).unwrap();
        let signature = keys.sign(Dialect::Waha, body.as_bytes());
        let request = self
            .client
            .post(format!("{}/webhooks/waha", self.base))
            .header("content-type", "application/json")
            .header("x-webhook-hmac", signature)
            .header("x-webhook-hmac-algorithm", "sha512")
            .body(body);
        request.send().await.unwrap().status().as_u16()
    }

    /// The most memory that it has had resident.
    pub(crate) async fn most_resident_kb(&self) -> u64 {
        let id = self.process.lock().await.id().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// SIGKILL: nothing is flushed, closed or said good-bye to.
    pub(crate) async fn kill(&self) {
        self.process.lock().await.kill().await.unwrap();
    }

    pub(crate) async fn signal(&self, name: &str) {
        let id = self.process.lock().await.id().unwrap().to_string();
        Command::new("kill").args([&format!("-{name}"), &id]).status().await.unwrap();
    }

    /// SIGTERM, and then waits until the process has left by itself; gives its exit code.
    pub(crate) async fn terminate(&self) -> Option<i32> {
        self.signal("TERM").await;
        let mut process = self.process.lock().await;
        let left = tokio::time::timeout(Duration::from_secs(30), process.wait()).await;
        left.expect("the server leaves").unwrap().code()
    }
}

/// A port that is free, and stays so while its server is down: it is none of those that the system
/// gives to whoever connects to somebody.
fn free_port() -> u16 {
    loop {
        let drawn = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = 12_000 + drawn % 8_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until something holds, but not for ever.
pub(crate) async fn eventually(what: &str, limit: Duration, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    if tokio::time::timeout(limit, waiting).await.is_err() {
        panic!("waited {limit:?} in vain: {what}");
    }
}

/// The operations of the document: method, path, what is said of it, and an example of a body.
pub(crate) fn operations() -> Vec<(String, String, Value, Option<Value>)> {
    let document: Value = serde_json::from_str(&messaging_server::api::openapi_document()).unwrap();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let named = schema["$ref"].as_str().map(|name| name.trim_start_matches('#'));
            let schema = named.map_or(schema, |name| document.pointer(name).unwrap());
            let example = schema.get("example").cloned();
            found.push((method.to_uppercase(), path.clone(), operation.clone(), example));
        }
    }
    found
}
