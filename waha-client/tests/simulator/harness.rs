//! What every test of the simulator needs: a simulator, a caller, and a webhook to receive.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::{Endpoint, Request, Response, Server};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use waha_client::Engine;
use waha_client::simulator::{
    DEFAULT_API_KEY, Knobs, SeededSession, Simulator, SimulatorConfig, Times,
};
use waha_client::wire::{HmacConfig, RetriesConfig, WebhookConfig};

/// The session most tests use.
pub(crate) const MAIN: &str = "t_acme_01";
/// Its account.
pub(crate) const PHONE: &str = "5511900001111";
/// Somebody to write to.
pub(crate) const CHAT: &str = "12025550123@c.us";
/// The key webhooks are signed with.
pub(crate) const HMAC_KEY: &str = "test-hmac-key";

/// Longest time any state may take to come about.
const PATIENCE: Duration = Duration::from_secs(10);

/// A simulator and a caller.
pub(crate) struct Rig {
    pub(crate) simulator: Simulator,
    client: Client,
}

/// Quick times, one session that works, no acks unless a test scripts them.
pub(crate) fn config(engine: Engine) -> SimulatorConfig {
    let session = SeededSession { phone: Some(PHONE.to_owned()), ..SeededSession::working(MAIN) };
    SimulatorConfig {
        worker_id: "w1".to_owned(),
        knobs: Knobs { engine, ack_script: Vec::new(), ..Knobs::default() },
        times: Times {
            ready_wait: Duration::from_millis(50),
            starting: Duration::from_millis(5),
            ..Times::default()
        },
        ..SimulatorConfig::default()
    }
    .with_session(session)
}

impl Rig {
    pub(crate) async fn start(config: SimulatorConfig) -> Self {
        let simulator = Simulator::start(config).await.unwrap();
        Self { simulator, client: Client::new() }
    }

    pub(crate) async fn of(engine: Engine) -> Self {
        Self::start(config(engine)).await
    }

    /// A simulator whose session posts the named events to a receiver.
    pub(crate) async fn with_receiver(
        mut config: SimulatorConfig,
        events: &[&str],
    ) -> (Self, Receiver) {
        let receiver = Receiver::start().await;
        config.sessions[0].config.webhooks = Some(vec![receiver.webhook(events)]);
        config.knobs.webhooks.retry_scale = 0.01;
        (Self::start(config).await, receiver)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.simulator.base_url())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path)).header("x-api-key", DEFAULT_API_KEY)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer_of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer_of(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        answer_of(self.request(Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        answer_of(self.request(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        answer_of(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn send_text(&self, text: &str) -> (u16, Value) {
        self.post("/api/sendText", text_to(CHAT, text)).await
    }

    /// The error of a send that gets no answer.
    pub(crate) async fn send_in_vain(&self, text: &str) -> reqwest::Error {
        let request = self.request(Method::POST, "/api/sendText").json(&text_to(CHAT, text));
        request.send().await.unwrap_err()
    }
}

/// What is recorded of a real WAHA, or written after its description.
pub(crate) fn recorded(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn text_to(chat: &str, text: &str) -> Value {
    json!({"session": MAIN, "chatId": chat, "text": text})
}

/// Status and JSON of an answer; null for an empty one.
pub(crate) async fn answer_of(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let has_type = answer.headers().contains_key("content-type");
    let bytes = answer.bytes().await.unwrap();
    assert_eq!(has_type, !bytes.is_empty(), "empty answers have no content type");
    (status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() })
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "never happened: {what}");
}

/// A webhook post as it arrived.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) raw: Vec<u8>,
    /// The body; null if it is empty.
    pub(crate) body: Value,
}

impl Received {
    pub(crate) fn event(&self) -> &str {
        self.body["event"].as_str().unwrap_or_default()
    }

    pub(crate) fn payload(&self) -> &Value {
        &self.body["payload"]
    }
}

/// A server that takes webhooks.
pub(crate) struct Receiver {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

type Header = (&'static str, &'static str);

#[derive(Default)]
struct Shared {
    received: Mutex<Vec<Received>>,
    /// What to answer the next posts with; 200 once these are used up.
    answers: Mutex<VecDeque<(u16, Vec<Header>)>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let endpoint = Hook(Arc::clone(&shared));
        let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
        let server = tokio::spawn(async move {
            Server::new_with_acceptor(acceptor).run(endpoint).await.unwrap();
        });
        Self { url, shared, server }
    }

    pub(crate) fn webhook(&self, events: &[&str]) -> WebhookConfig {
        WebhookConfig {
            url: self.url.clone(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            hmac: Some(HmacConfig { key: Some(HMAC_KEY.to_owned()) }),
            retries: Some(RetriesConfig {
                attempts: Some(3),
                delay_seconds: Some(1),
                ..RetriesConfig::default()
            }),
            ..WebhookConfig::default()
        }
    }

    pub(crate) fn answer_next(&self, status: u16, headers: &[Header]) {
        self.shared.answers.lock().unwrap().push_back((status, headers.to_vec()));
    }

    pub(crate) fn all(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    pub(crate) fn named(&self, event: &str) -> Vec<Received> {
        self.all().into_iter().filter(|received| received.event() == event).collect()
    }

    /// Waits for so many posts and returns all there are.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        eventually(&format!("{count} webhooks"), || self.all().len() >= count).await;
        self.all()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Hook(Arc<Shared>);

impl Endpoint for Hook {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let raw = request.take_body().into_vec().await?;
        let headers = request.headers().iter();
        let received = Received {
            method: request.method().to_string(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: serde_json::from_slice(&raw).unwrap_or_default(),
            raw,
        };
        self.0.received.lock().unwrap().push(received);
        let answer = self.0.answers.lock().unwrap().pop_front();
        let (status, headers) = answer.unwrap_or((200, Vec::new()));
        let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
        for (name, value) in headers {
            response = response.header(name, value);
        }
        Ok(response.finish())
    }
}

/// Checks that two values have the same fields, all the way down: null fits anything, an object
/// without fields any object, and one example of a list all its items.
#[track_caller]
pub(crate) fn assert_same_shape(actual: &Value, expected: &Value, place: &str) {
    match (actual, expected) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(actual), Value::Object(expected)) => {
            if expected.is_empty() {
                return;
            }
            let actual_fields: Vec<_> = actual.keys().collect();
            let expected_fields: Vec<_> = expected.keys().collect();
            assert_eq!(actual_fields, expected_fields, "fields of {place}");
            for (field, value) in actual {
                assert_same_shape(value, &expected[field], &format!("{place}.{field}"));
            }
        }
        (Value::Array(actual), Value::Array(expected)) => {
            for item in actual {
                if let Some(example) = expected.first() {
                    assert_same_shape(item, example, &format!("{place}[]"));
                }
            }
        }
        (actual, expected) => {
            let kind = |value: &Value| match value {
                Value::Bool(_) => "boolean",
                Value::Number(_) => "number",
                Value::String(_) => "text",
                _ => "other",
            };
            assert_eq!(kind(actual), kind(expected), "kind of {place}");
        }
    }
}
