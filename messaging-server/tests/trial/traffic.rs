//! Senders that go on whatever happens, and remember what was accepted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use messaging_core::domain::timestamp::Timestamp;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use waha_client::Engine;

use crate::process::{Server, eventually};
use crate::scale::{Dice, Scale};
use crate::wahas::Waha;
use crate::witness::Witness;

/// How many people each session writes to.
const RECIPIENTS: usize = 5;

/// How long a sender waits for its answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The share of messages with a file.
const FILES: f64 = 0.2;

/// The share of urgent messages.
const URGENT: f64 = 0.3;

/// The share of requests that name a key, and so can be repeated until they are answered.
const KEYS: f64 = 0.5;

/// A session, and where it is.
#[derive(Clone)]
pub(crate) struct Account {
    /// The place of its WAHA among all.
    pub(crate) waha: usize,
    pub(crate) engine: Engine,
    pub(crate) id: String,
    /// Its name in WAHA.
    pub(crate) name: String,
}

/// A message that was answered as accepted.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) account: Account,
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) has_file: bool,
    pub(crate) is_urgent: bool,
    /// When its sender was told. With a key that may be long after it was first asked for, which is what
    /// its id and `createdAt` say, and it need not have been kept before.
    pub(crate) told_at: Timestamp,
}

/// What all senders share.
#[derive(Default)]
pub(crate) struct Record {
    /// Those to one recipient stand in the order in which they were accepted.
    pub(crate) accepted: Mutex<Vec<Sent>>,
    /// How many were sent whose answer nobody knows.
    pub(crate) unanswered: AtomicUsize,
    /// How many answers said that the same request had been answered before.
    pub(crate) answered_again: AtomicUsize,
}

pub(crate) struct Traffic {
    pub(crate) record: Arc<Record>,
    senders: Vec<JoinHandle<()>>,
}

/// Makes the sessions, and waits until all of them work.
pub(crate) async fn open_accounts(server: &Server, scale: &Scale, wahas: &[Waha]) -> Vec<Account> {
    let mut accounts = Vec::new();
    for (place, waha) in wahas.iter().enumerate() {
        for n in 0..scale.sessions {
            let name = format!("{}-{n}", waha.name);
            let asked = json!({"name": name, "wahaServer": waha.name});
            let made = server.post("/sessions", &asked).await;
            let field =
                |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
            let (id, name) = (field("id"), field("wahaSession"));
            accounts.push(Account { waha: place, engine: waha.engine, id, name });
        }
    }
    for Account { id, .. } in &accounts {
        eventually("the session works", Duration::from_secs(60), async || {
            server.get(&format!("/sessions/{id}")).await["status"] == "working"
        })
        .await;
    }
    accounts
}

impl Traffic {
    /// One sender for each recipient of each session, one message after the other.
    pub(crate) fn start(base: &str, token: &str, scale: &Scale, accounts: &[Account]) -> Self {
        let record = Arc::new(Record::default());
        let mut senders = Vec::new();
        for (a, account) in accounts.iter().enumerate() {
            for r in 0..RECIPIENTS {
                // What cannot be divided goes to the first.
                let count = (scale.per_session() + RECIPIENTS - 1 - r) / RECIPIENTS;
                // In half of the time that all of it takes: it must wait for its quota.
                let pace = scale.shortest().div_f64(2.0 * count.max(1) as f64);
                // A connection for each message, so that a balancer chooses each time.
                let client = Client::builder().pool_max_idle_per_host(0).timeout(PATIENCE);
                let sender = Sender {
                    client: client.build().unwrap(),
                    url: format!("{base}/messages/send"),
                    token: token.to_owned(),
                    account: account.clone(),
                    to: format!("+55119{:08}", a * 100 + r),
                    pace,
                    dice: scale.dice((a * 100 + r) as u64),
                    record: Arc::clone(&record),
                };
                senders.push(tokio::spawn(sender.run(count)));
            }
        }
        Self { record, senders }
    }

    /// Whether all was accepted that was to be.
    pub(crate) fn is_over(&self) -> bool {
        self.senders.iter().all(JoinHandle::is_finished)
    }

    pub(crate) async fn end(&mut self) {
        for sender in self.senders.drain(..) {
            sender.await.unwrap();
        }
    }
}

struct Sender {
    client: Client,
    url: String,
    token: String,
    account: Account,
    to: String,
    pace: Duration,
    dice: Dice,
    record: Arc<Record>,
}

impl Sender {
    /// Goes on until so many were accepted.
    async fn run(self, count: usize) {
        let (mut accepted, mut n) = (0, 0);
        while accepted < count {
            tokio::time::sleep(self.dice.time(Duration::ZERO, self.pace * 2)).await;
            n += 1;
            let text = format!("{} {} {n}", self.account.name, self.to);
            let (has_file, is_urgent) = (self.dice.chance(FILES), self.dice.chance(URGENT));
            let key = self.dice.chance(KEYS).then(|| format!("{}-{n}", self.to));
            let mut body = json!({
                "sessionId": self.account.id,
                "to": self.to,
                "body": text,
                "priority": if is_urgent { "high" } else { "normal" },
                "onRateLimit": "queue",
            });
            if has_file {
                body["media"] =
                    json!({"kind": "image", "data": "aGVsbG8=", "mimetype": "image/png"});
            }
            let Some(id) = self.ask(&body, key.as_deref()).await else {
                self.record.unanswered.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            accepted += 1;
            let (account, to) = (self.account.clone(), self.to.clone());
            let told_at = Witness::now();
            let sent = Sent { id, account, to, text, has_file, is_urgent, told_at };
            self.record.accepted.lock().unwrap().push(sent);
        }
    }

    /// Asks until it is told the message's id, where asking again does no harm; else once.
    async fn ask(&self, body: &Value, key: Option<&str>) -> Option<String> {
        loop {
            let mut request = self.client.post(&self.url).bearer_auth(&self.token).json(body);
            if let Some(key) = key {
                request = request.header("Idempotency-Key", key);
            }
            if let Ok(answer) = request.send().await
                && let Some(id) = self.id_in(answer).await
            {
                return Some(id);
            }
            key?;
            tokio::time::sleep(self.dice.time(Duration::ZERO, Duration::from_secs(1))).await;
        }
    }

    async fn id_in(&self, answer: Response) -> Option<String> {
        let status = answer.status().as_u16();
        let is_replay = answer.headers().contains_key("idempotency-replayed");
        // Whoever dies in the middle of its answer has not answered.
        let body: Value = answer.json().await.ok()?;
        if status == 202 {
            self.record.answered_again.fetch_add(usize::from(is_replay), Ordering::Relaxed);
            return Some(body["id"].as_str().unwrap().to_owned());
        }
        let code = body["code"].as_str().unwrap_or_default();
        // What cannot be kept at present, is under way, or finds its session on its way back.
        let may_be = ["idempotency-in-flight", "session-not-working"];
        assert!(status == 503 || may_be.contains(&code), "{status} {body}");
        None
    }
}
