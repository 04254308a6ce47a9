//! Senders that go on whatever happens, and remember what was accepted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::process::eventually;

/// How long a sender waits for its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a sender waits between two messages.
const PACE: Duration = Duration::from_millis(250);

/// What the senders of all nodes share.
#[derive(Default)]
pub(crate) struct Record {
    /// The texts that were accepted, in this order, by session and recipient.
    pub(crate) accepted: Mutex<BTreeMap<(String, String), Vec<String>>>,
    /// Their ids.
    pub(crate) ids: Mutex<Vec<String>>,
    count: AtomicU64,
    /// How many were refused as they should be where nothing can be kept.
    pub(crate) refused: AtomicU64,
    stop: AtomicBool,
}

pub(crate) struct Traffic {
    pub(crate) record: Arc<Record>,
    senders: Vec<JoinHandle<()>>,
}

impl Traffic {
    /// One sender for each of `recipients` through each session, one message after the other.
    pub(crate) fn start(base: &str, token: &str, sessions: &[String], recipients: usize) -> Self {
        let record = Arc::new(Record::default());
        let mut senders = Vec::new();
        for (s, session) in sessions.iter().enumerate() {
            for r in 0..recipients {
                // A connection for each message, so that the balancer chooses each time.
                let client = Client::builder().pool_max_idle_per_host(0).timeout(PATIENCE);
                let sender = Sender {
                    client: client.build().unwrap(),
                    url: format!("{base}/messages/send"),
                    token: token.to_owned(),
                    session: session.clone(),
                    to: format!("+55119{:08}", s * 100 + r),
                };
                senders.push(tokio::spawn(sender.run(Arc::clone(&record))));
            }
        }
        Self { record, senders }
    }

    /// Waits until so many more have been accepted.
    pub(crate) async fn accepted(&self, more: u64) {
        let enough = self.record.count.load(Ordering::SeqCst) + more;
        eventually("messages are accepted", Duration::from_secs(60), async || {
            self.record.count.load(Ordering::SeqCst) >= enough
        })
        .await;
    }

    pub(crate) async fn stop(&mut self) {
        self.record.stop.store(true, Ordering::SeqCst);
        for sender in self.senders.drain(..) {
            sender.await.unwrap();
        }
    }
}

struct Sender {
    client: Client,
    url: String,
    token: String,
    session: String,
    to: String,
}

impl Sender {
    async fn run(self, record: Arc<Record>) {
        let mut n = 0_u64;
        while !record.stop.load(Ordering::SeqCst) {
            n += 1;
            let text = format!("{} {n}", self.to);
            if let Some(id) = self.send(&text, &record).await {
                let place = (self.session.clone(), self.to.clone());
                record.accepted.lock().unwrap().entry(place).or_default().push(text);
                record.ids.lock().unwrap().push(id);
                record.count.fetch_add(1, Ordering::SeqCst);
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// The id, where the message was accepted. What was neither accepted nor refused may have been
    /// kept or not: it is not sent again.
    async fn send(&self, text: &str, record: &Record) -> Option<String> {
        let body = json!({
            "sessionId": self.session, "to": self.to, "body": text, "onRateLimit": "queue",
        });
        let request = self.client.post(&self.url).bearer_auth(&self.token).json(&body);
        let answer = request.send().await.ok()?;
        match answer.status().as_u16() {
            202 => {
                let answer: Value = answer.json().await.ok()?;
                Some(answer["id"].as_str().unwrap().to_owned())
            }
            503 => {
                assert!(answer.headers().contains_key("retry-after"), "503 without Retry-After");
                record.refused.fetch_add(1, Ordering::SeqCst);
                None
            }
            status => {
                let problem: Value = answer.json().await.ok()?;
                // WAHA is on its way back, and says so.
                assert_eq!(problem["code"], "session-not-working", "{status}");
                None
            }
        }
    }
}
