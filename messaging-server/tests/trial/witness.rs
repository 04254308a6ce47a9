//! What was done to the processes, when, and what the API said of those that waited meanwhile.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::clock::{Clock, SystemClock};
use reqwest::Client;
use serde_json::Value;

/// Who remembers what was done.
#[derive(Default)]
pub(crate) struct Witness {
    /// How often each thing was done.
    done: Mutex<BTreeMap<&'static str, usize>>,
    /// When a queue did not know what it was to know.
    forgetful: Mutex<Vec<(Timestamp, Timestamp)>>,
    /// How many messages were found waiting.
    waiting: Mutex<usize>,
    /// What was found wrong meanwhile.
    pub(crate) broken: Mutex<Vec<String>>,
}

impl Witness {
    pub(crate) fn now() -> Timestamp {
        SystemClock.now()
    }

    pub(crate) fn note(&self, what: &'static str) {
        *self.done.lock().unwrap().entry(what).or_default() += 1;
    }

    /// The queue has forgotten something since then, and begins to learn it anew now.
    pub(crate) fn forgot_since(&self, since: Timestamp) {
        self.forgetful.lock().unwrap().push((since, Self::now()));
    }

    /// Whether a queue that takes so long to learn everything anew knew everything then.
    pub(crate) fn knew(&self, at: Timestamp, learning: Duration) -> bool {
        let forgetful = self.forgetful.lock().unwrap();
        !forgetful.iter().any(|(from, to)| *from <= at && at <= to.plus(learning))
    }

    /// How often anything was done.
    pub(crate) fn times(&self) -> usize {
        self.done.lock().unwrap().values().sum()
    }

    /// What was done, in words.
    pub(crate) fn summary(&self) -> String {
        let done = self.done.lock().unwrap();
        let each = done.iter().map(|(what, times)| format!("{what} {times}"));
        each.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn found_waiting(&self) -> usize {
        *self.waiting.lock().unwrap()
    }

    /// Looks, until this is dropped, at what the API says of messages that wait.
    pub(crate) async fn watch(&self, base: &str, token: &str) {
        let client = Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(5));
        let client = client.build().unwrap();
        loop {
            for status in ["queued", "retry"] {
                let list = format!("{base}/messages?direction=outbound&status={status}&limit=3");
                let found = get(&client, &list, token).await.unwrap_or_default();
                for message in found["data"].as_array().into_iter().flatten() {
                    let one = format!("{base}/messages/{}", message["id"].as_str().unwrap());
                    let Some(message) = get(&client, &one, token).await else { continue };
                    self.look_at(&message);
                }
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    fn look_at(&self, message: &Value) {
        let status = message["status"].as_str().unwrap_or_default();
        if !["queued", "retry"].contains(&status) {
            return;
        }
        *self.waiting.lock().unwrap() += 1;
        let says_why = message["pacing"]["heldBy"].is_string();
        let says_what_failed = status == "queued" || message["error"]["code"].is_string();
        if !says_why || !says_what_failed {
            let id = &message["id"];
            self.broken.lock().unwrap().push(format!("{id} is {status} and does not say why"));
        }
    }
}

async fn get(client: &Client, url: &str, token: &str) -> Option<Value> {
    let answer = client.get(url).bearer_auth(token).send().await.ok()?;
    if answer.status() != 200 {
        return None;
    }
    answer.json().await.ok()
}
