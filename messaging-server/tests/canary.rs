//! Marked texts, numbers and secrets are given to everything the API has, well and badly, while the log
//! tells all that it can. None of them is in the log, in the metrics, in what an error says, or in the
//! database.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]
#![allow(clippy::needless_pass_by_value, reason = "a body is written where it is sent")]

#[path = "process/mod.rs"]
mod process;

use std::time::Duration;

use process::{Installation, Server, WEBHOOK_SECRET, eventually, operations};
use reqwest::{Client, RequestBuilder, Response};
use secrecy::SecretString;
use serde_json::{Value, json};
use waha_client::simulator::{DEFAULT_API_KEY, Simulator, SimulatorConfig};
use waha_client::webhooks::{Dialect, SigningKeys};

/// What texts are marked with, and keys that callers make up.
const TEXT: &str = "quokka";

/// The numbers, without their plus sign: of senders and recipients.
const NUMBERS: [&str; 3] = ["4915112345678", "5511988887777", "12025550177"];

/// The members of bodies that hold numbers.
const NUMBER_MEMBERS: [&str; 5] = ["to", "number", "phone", "recipients", "from"];

/// Those that say which of a few things is meant, or name something that is not anybody's content.
const NAMING_MEMBERS: [&str; 14] = [
    "sessionId",
    "name",
    "wahaSession",
    "role",
    "scope",
    "priority",
    "kind",
    "mimetype",
    "sendAt",
    "expiresAt",
    "until",
    "server",
    "expiresIn",
    "reason",
];

/// A server that logs all it can, and who tries it.
struct Canary {
    simulator: Simulator,
    installation: Installation,
    client: Client,
    /// What answers that are errors said.
    errors: Vec<String>,
    /// What was given out, or set, and is to be a secret.
    secrets: Vec<String>,
    succeeded: u32,
}

impl Canary {
    async fn new() -> (Self, Server) {
        let mut config = SimulatorConfig::default();
        config.knobs.auto_scan_ms = Some(10);
        let simulator = Simulator::start(config).await.unwrap();
        let mut installation = Installation::new(simulator.base_url());
        for (name, value) in [("LOG_LEVEL", "trace"), ("MEDIA_URLS", "pass")] {
            installation.settings.push((name, value.to_owned()));
        }
        let server = installation.start().await;
        let secrets =
            vec![WEBHOOK_SECRET.to_owned(), DEFAULT_API_KEY.to_owned(), server.token.clone()];
        let (client, errors) = (Client::new(), Vec::new());
        (Self { simulator, installation, client, errors, secrets, succeeded: 0 }, server)
    }

    /// Makes a request, and keeps what is said of one that is refused.
    async fn ask(&mut self, request: RequestBuilder) -> Value {
        let answer: Response = request.send().await.unwrap();
        let (status, headers) = (answer.status(), format!("{:?}", answer.headers()));
        let body = answer.bytes().await.unwrap();
        if status.is_success() {
            self.succeeded += 1;
        } else {
            let text = String::from_utf8_lossy(&body);
            self.errors.push(format!("{status} {headers} {text}"));
        }
        serde_json::from_slice(&body).unwrap_or_default()
    }

    async fn post(&mut self, server: &Server, path: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}{path}", server.base));
        let key = format!("{TEXT}-key-{}", self.succeeded);
        let request = request.bearer_auth(&server.token).header("Idempotency-Key", key).json(&body);
        let answer = self.ask(request).await;
        // Whatever came of it, what it gave out stays out of sight.
        for secret in ["key", "accessToken", "refreshToken", "secret"] {
            self.secrets.extend(answer[secret].as_str().map(str::to_owned));
        }
        answer
    }

    /// A webhook, signed or not quite.
    async fn webhook(&mut self, server: &Server, path: &str, body: String, is_signed: bool) {
        let keys = SigningKeys::new([SecretString::from(WEBHOOK_SECRET)]).unwrap();
        let mut signature = keys.sign(Dialect::Waha, body.as_bytes());
        if !is_signed {
            signature.replace_range(..4, TEXT);
        }
        let request = self.client.post(format!("{}{path}", server.base));
        let request = request
            .header("content-type", "application/json")
            .header("x-webhook-hmac", signature)
            .header("x-webhook-hmac-algorithm", "sha512")
            .body(body);
        self.ask(request).await;
    }
}

/// A body with marks where texts and numbers are.
fn marked(body: &Value, member: &str) -> Value {
    match body {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                // What is within what holds numbers may be a list of them, or say more of each.
                let name_of = if NUMBER_MEMBERS.contains(&member) && member != "recipients" {
                    member
                } else {
                    name
                };
                (name.clone(), marked(value, name_of))
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| marked(item, member)).collect(),
        Value::String(_) if NUMBER_MEMBERS.contains(&member) => format!("+{}", NUMBERS[0]).into(),
        Value::String(text) if NAMING_MEMBERS.contains(&member) => text.clone().into(),
        Value::String(text) => format!("{text} {TEXT}").into(),
        other => other.clone(),
    }
}

/// Sends everything that a message can say, and has some come in.
async fn say_everything(canary: &mut Canary, server: &Server) -> String {
    canary.post(server, "/sessions", json!({"name": "main"})).await;
    let works = async || server.get("/sessions/main").await["status"] == "working";
    eventually("the session works", Duration::from_secs(30), works).await;
    let to = format!("+{}", NUMBERS[0]);
    let metadata = json!({"campaignId": TEXT, "note": TEXT});
    let media = json!({"kind": "image", "url": format!("https://example.com/{TEXT}.png")});
    let contact = json!({"name": TEXT, "phone": format!("+{}", NUMBERS[2])});
    let poll = json!({"question": TEXT, "options": [TEXT, "two"]});
    let place = json!({"latitude": 1.5, "longitude": 2.5, "title": TEXT});
    let mut sent = Value::Null;
    for more in [
        json!({"body": TEXT, "metadata": metadata}),
        json!({"body": format!("{TEXT} caption"), "media": media}),
        json!({"contact": contact}),
        json!({"poll": poll}),
        json!({"location": place}),
    ] {
        let mut body = json!({"sessionId": "main", "to": to});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sent = canary.post(server, "/messages/send", body).await;
        assert!(sent["id"].is_string(), "{sent}");
    }
    let recipients =
        json!([{"to": to, "variables": {"name": TEXT}}, {"to": TEXT, "variables": {"name": "x"}}]);
    let bulk = json!({"sessionId": "main", "recipients": recipients, "body": format!("{TEXT} {{{{name}}}}")});
    assert_eq!(canary.post(server, "/messages/bulk", bulk).await["accepted"], 1);
    let note = json!({"number": format!("+{}", NUMBERS[2]), "note": TEXT});
    canary.post(server, "/opt-outs", note).await;
    let key = canary.post(server, "/api-keys", json!({"name": "shop", "role": "sender"})).await;
    let tokens = canary.post(server, "/auth/token", json!({"apiKey": key["key"]})).await;
    canary.post(server, "/auth/refresh", json!({"refreshToken": tokens["refreshToken"]})).await;

    let waha = server.get("/sessions/main").await["wahaSession"].as_str().unwrap().to_owned();
    for (id, event) in
        [("A", "message.any"), ("B", "message.any"), ("C", "message.ack"), ("D", "engine.event")]
    {
        let payload = json!({
            "id": format!("false_{}@c.us_{id}", NUMBERS[1]),
            "timestamp": 1_785_000_000,
            "from": format!("{}@c.us", NUMBERS[1]),
            "to": format!("{}@c.us", NUMBERS[2]),
            "fromMe": false,
            "ack": 2,
            "body": format!("{TEXT} {id}"),
        });
        let webhook = json!({
            "id": format!("evt_{id}"), "timestamp": 1_785_000_000_412_i64, "event": event,
            "session": waha, "payload": payload,
        });
        for is_signed in [true, false] {
            canary.webhook(server, "/webhooks/waha", webhook.to_string(), is_signed).await;
        }
    }
    for body in
        [format!("{{\"event\": \"{TEXT}"), json!({"event": "message", "payload": TEXT}).to_string()]
    {
        canary.webhook(server, "/webhooks/waha", body.clone(), true).await;
        canary.webhook(server, "/webhooks/waha/nobody", body, true).await;
    }
    let came = async || server.get("/messages?direction=inbound").await["total"] == 2;
    eventually("what came in is kept", Duration::from_secs(30), came).await;
    let path = format!("/messages/{}", sent["id"].as_str().unwrap());
    let is_sent = async || !server.get(&path).await["sentAt"].is_null();
    eventually("what was accepted is sent", Duration::from_secs(30), is_sent).await;
    sent["id"].as_str().unwrap().to_owned()
}

/// Calls every operation there is: as it is meant, with marks for all it asks, and with what cannot be
/// read.
async fn call_everything(canary: &mut Canary, server: &Server, message: &str) {
    for (method, template, _, example) in operations() {
        for id in [message, "nobody", &format!("+{}", NUMBERS[1])] {
            let path = template.replace("{id}", id).replace("{sessionId}", id);
            let url = format!("{}{path}", server.base);
            let asked = |client: &Client| client.request(method.parse().unwrap(), &url);
            let bodies = match &example {
                Some(example) => vec![
                    Some(marked(example, "").to_string()),
                    Some(format!(
                        "{{\"body\": \"{TEXT}\", \"to\": \"+{}\", \"mark\": ",
                        NUMBERS[0]
                    )),
                    Some(format!("[\"{TEXT}\", \"+{}\"]", NUMBERS[1])),
                ],
                None => vec![None],
            };
            for body in bodies {
                for token in
                    [server.token.as_str(), TEXT, "msk_live_quokkaquokkaquokkaquokka_quokka"]
                {
                    let mut request = asked(&canary.client).bearer_auth(token);
                    if let Some(body) = &body {
                        request =
                            request.header("content-type", "application/json").body(body.clone());
                    }
                    canary.ask(request).await;
                }
            }
            let marks = [
                "search",
                "number",
                "cursor",
                "status",
                "campaignId",
                "bulkId",
                "fromDate",
                "expect",
            ];
            for name in marks {
                let value =
                    if name == "number" { format!("+{}", NUMBERS[1]) } else { TEXT.to_owned() };
                let request =
                    asked(&canary.client).bearer_auth(&server.token).query(&[(name, value)]);
                if method == "GET" {
                    canary.ask(request).await;
                }
            }
        }
    }
}

/// Where a text tells of a mark, and what stands around it.
fn around(text: &str, mark: &str) -> Option<String> {
    let at = text.find(mark)?;
    let before: String = text[..at].chars().rev().take(120).collect();
    let before: String = before.chars().rev().collect();
    Some(before + &text[at..].chars().take(80).collect::<String>())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_in_confidence_is_found_nowhere() {
    let (mut canary, server) = Canary::new().await;
    let message = say_everything(&mut canary, &server).await;
    call_everything(&mut canary, &server, &message).await;
    assert!(canary.succeeded > 60, "{} succeeded", canary.succeeded);
    assert!(canary.errors.len() > 300, "{} were refused", canary.errors.len());
    let metrics = server.text("/metrics").await;
    assert!(metrics.contains("messaging_"), "{metrics}");
    server.terminate().await;

    let data = canary.installation.data_dir().to_owned();
    for file in ["jwt_secret", "jwt_refresh_secret", "encryption_key"] {
        canary
            .secrets
            .extend(std::fs::read_to_string(data.join(file)).ok().map(|it| it.trim().to_owned()));
    }
    assert!(canary.secrets.len() >= 8, "{} secrets", canary.secrets.len());
    let log = std::fs::read_to_string(data.join("server.log")).unwrap();
    assert!(log.contains("\"level\":\"TRACE\""), "nothing is traced");
    let mut database = Vec::new();
    for name in ["messaging.db", "messaging.db-wal"] {
        database.extend(std::fs::read(data.join(name)).unwrap_or_default());
    }
    let database = String::from_utf8_lossy(&database);
    assert!(database.len() > 10_000);

    let secrets = canary.secrets.iter().map(String::as_str);
    let marks: Vec<&str> = [TEXT].into_iter().chain(NUMBERS).chain(secrets).collect();
    let mut told = Vec::new();
    for mark in &marks {
        told.extend(log.lines().filter_map(|line| around(line, mark)).map(|it| ("log", it)));
        told.extend(
            metrics.lines().filter_map(|line| around(line, mark)).map(|it| ("metrics", it)),
        );
        let errors = canary.errors.iter().filter_map(|error| around(error, mark));
        told.extend(errors.map(|it| ("an error", it)));
        told.extend(around(&database, mark).map(|it| ("the database", it)));
    }
    assert!(told.is_empty(), "told {} times: {:#?}", told.len(), &told[..told.len().min(30)]);
    drop(canary.simulator);
}
