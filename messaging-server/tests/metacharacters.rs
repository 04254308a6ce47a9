//! What means something to SQL, to Lua or to the protocol of Redis is put into every string that the API
//! takes, on each deployment there is. It is refused or kept as it is, and nothing else happens.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

#[path = "process/mod.rs"]
mod process;

use std::time::Duration;

use process::{Installation, Server, WEBHOOK_SECRET, eventually, operations};
use reqwest::{Client, RequestBuilder, Response};
use secrecy::SecretString;
use serde_json::{Value, json};
use test_services::{Postgres, Redis};
use waha_client::simulator::{Simulator, SimulatorConfig};
use waha_client::webhooks::{Dialect, SigningKeys};

const HOSTILE: [&str; 8] = [
    "'; DROP TABLE messages CASCADE; --",
    "\" OR \"1\"='1' /*",
    "$$; DELETE FROM tenants; $$ ? ?1 $1 :id",
    "%_\\%' ESCAPE '%",
    "]] redis.call('FLUSHALL') --[[",
    "x\r\n*1\r\n$8\r\nFLUSHALL\r\n",
    "{0}:*?[a-z]:{x}\u{0}nul",
    "${jndi:ldap://x} {{name}} %s%n \\u0000 &#0;",
];

/// Whoever tries, and whom they try.
struct Attempt {
    server: Server,
    client: Client,
    /// Who may do everything to the deployment.
    platform: String,
    /// What belongs to the tenant.
    session: String,
    message: String,
    kept: u32,
    refused: u32,
}

/// Bodies in which one string, or one name of what callers name themselves, is hostile.
fn hostile_bodies(body: &Value, hostile: &str) -> Vec<Value> {
    let mut found = Vec::new();
    match body {
        Value::String(_) => found.push(hostile.into()),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                for changed in hostile_bodies(item, hostile) {
                    let mut items = items.clone();
                    items[at] = changed;
                    found.push(items.into());
                }
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                for changed in hostile_bodies(value, hostile) {
                    let mut members = members.clone();
                    members.insert(name.clone(), changed);
                    found.push(members.into());
                }
                if ["metadata", "variables", "payload"].contains(&name.as_str()) {
                    let mut members = members.clone();
                    members.insert(name.clone(), json!({ hostile: hostile }));
                    found.push(members.into());
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    found
}

/// Beside the examples of the document: what else can be said.
fn more_bodies(path: &str) -> Vec<Value> {
    let to = "+5511988887777";
    match path {
        "/messages/send" => vec![
            json!({"sessionId": "main", "to": to, "replyTo": "3EB0", "body": "x",
                "sendAt": "2100-01-01T00:00:00Z", "metadata": {"a": {"b": ["c"]}}}),
            json!({"sessionId": "main", "to": to, "media":
                {"kind": "document", "data": "aGVsbG8=", "filename": "x", "mimetype": "a/b"}}),
            json!({"sessionId": "main", "to": to,
                "media": {"kind": "image", "url": "http://203.0.113.1/x"}}),
        ],
        "/messages/bulk" => vec![json!({"sessionId": "main", "body": "Dear {{name}}",
            "recipients": [{"to": to, "variables": {"name": "x"}}]})],
        "/opt-outs" => vec![json!({"number": "+5511988886666", "note": "x"})],
        _ => Vec::new(),
    }
}

impl Attempt {
    async fn on(installation: &mut Installation) -> Self {
        // So that texts and what is searched for come to the statements as they are.
        installation.settings.push(("ENCRYPTION", "plain".to_owned()));
        let (server, client) = (installation.start().await, Client::new());
        let platform = ["token", "--tenant", "acme", "--role", "platform-admin"];
        let platform = installation.run(&platform).await;
        let session = server.post("/sessions", &json!({"name": "main"})).await["id"].clone();
        let session = session.as_str().unwrap().to_owned();
        let works = async || server.get("/sessions/main").await["status"] == "working";
        eventually("the session works", Duration::from_secs(30), works).await;
        let first = json!({"sessionId": "main", "to": "+5511988887777", "body": "untouched"});
        let message = server.post("/messages/send", &first).await["id"].clone();
        let message = message.as_str().unwrap().to_owned();
        Self { server, client, platform, session, message, kept: 0, refused: 0 }
    }

    /// An operation with other ids in its path.
    fn ask(&self, method: &str, template: &str, id: &str) -> RequestBuilder {
        let escaped: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path: Vec<_> = template
            .split('/')
            .map(|part| if part.starts_with('{') { escaped.as_str() } else { part })
            .collect();
        let token = match template.starts_with("/admin") {
            true => &self.platform,
            false => &self.server.token,
        };
        let url = format!("{}{}", self.server.base, path.join("/"));
        self.client.request(method.parse().unwrap(), url).bearer_auth(token)
    }

    /// Whose id an operation is given where its path is not what is hostile: none that would be lost.
    fn own_id(&self, template: &str) -> &str {
        match template.split('/').nth(1) {
            Some("sessions" | "webhooks") => &self.session,
            Some("messages") if !template.starts_with("/messages/bulk") => &self.message,
            _ => "01890000-0000-7000-8000-000000000000",
        }
    }

    async fn judge(&mut self, what: &str, hostile: &str, answer: Response) {
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await.unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(status < 500 && status != 415, "{what} {hostile:?}: {status} {text}");
        assert!(status != 429 || what.contains("/auth/"), "{what} {hostile:?}: {text}");
        if status < 400 {
            self.kept += 1;
            return;
        }
        self.refused += 1;
        let kind = headers.get("content-type").map(|kind| kind.to_str().unwrap());
        assert_eq!(kind, Some("application/problem+json"), "{what} {hostile:?}: {status} {text}");
        for told in ["syntax error", "SQLSTATE", "sqlite", "WRONGTYPE", "user_script"] {
            assert!(!text.contains(told), "{what} {hostile:?}: {text}");
        }
    }

    /// In each parameter; the rest of the request is as the document's example.
    async fn parameters(
        &mut self,
        (method, path): (&str, &str),
        operation: &Value,
        example: Option<&Value>,
        hostile: &str,
    ) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let mut request = match parameter["in"].as_str().unwrap() {
                "path" => self.ask(method, path, hostile),
                "query" => self.ask(method, path, self.own_id(path)).query(&[(name, hostile)]),
                _ => {
                    // No header can hold the end of its line.
                    let line: String = hostile.chars().filter(|c| !c.is_control()).collect();
                    self.ask(method, path, self.own_id(path)).header(name, line)
                }
            };
            if let Some(example) = example {
                request = request.json(example);
            }
            let answer = request.send().await.unwrap();
            self.judge(&format!("{method} {path} {name}"), hostile, answer).await;
        }
    }

    async fn body(&mut self, method: &str, path: &str, body: &Value, hostile: &str) {
        let (what, bytes) = (format!("{method} {path} {body}"), body.to_string());
        let request = self.ask(method, path, self.own_id(path));
        let request = match path.starts_with("/webhooks") {
            true => {
                let keys = SigningKeys::new([SecretString::from(WEBHOOK_SECRET)]).unwrap();
                let signature = keys.sign(Dialect::Waha, bytes.as_bytes());
                request
                    .header("x-webhook-hmac", signature)
                    .header("x-webhook-hmac-algorithm", "sha512")
            }
            false => request,
        };
        let request = request.header("content-type", "application/json").body(bytes);
        let answer = request.send().await.unwrap();
        let location = answer.headers().get("location").cloned();
        let accepted = answer.status() == 202;
        self.judge(&what, hostile, answer).await;
        if accepted && path == "/messages/send" {
            let kept = self.server.get(location.unwrap().to_str().unwrap()).await;
            for member in ["body", "metadata"] {
                let given = body.get(member).unwrap_or(&Value::Null);
                assert!(given.is_null() || kept[member] == *given, "{what}: {kept}");
            }
        }
    }

    async fn everything(&mut self) {
        for hostile in HOSTILE {
            for (method, path, operation, example) in operations() {
                let (called, example) = ((method.as_str(), path.as_str()), example.as_ref());
                self.parameters(called, &operation, example, hostile).await;
                for template in more_bodies(&path).iter().chain(example) {
                    for body in hostile_bodies(template, hostile) {
                        self.body(&method, &path, &body, hostile).await;
                    }
                }
            }
            // What the example of a suspension suspended.
            let resume = self.ask("POST", "/sessions/{id}/resume", &self.session);
            assert_eq!(resume.send().await.unwrap().status(), 200);
        }
    }

    /// What was there is there, and all goes on.
    async fn nothing_happened(&self) {
        let kept = self.server.get(&format!("/messages/{}", self.message)).await;
        assert_eq!(kept["body"], "untouched", "{kept}");
        let tenants = self.ask("GET", "/admin/tenants", "").send().await.unwrap();
        let tenants: Value = tenants.json().await.unwrap();
        assert!(tenants["data"].as_array().unwrap().iter().any(|one| one["name"] == "acme"));
        assert_ne!(self.server.get("/health").await["status"], "fail");
        let audit = self.server.get("/audit/verify").await;
        assert_eq!(audit["whole"], true, "{audit}");
        assert!(self.kept > 100 && self.refused > 500, "{} and {}", self.kept, self.refused);
    }
}

async fn waha() -> Simulator {
    let mut config = SimulatorConfig::default();
    config.knobs.auto_scan_ms = Some(10);
    Simulator::start(config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_string_does_anything_to_the_embedded_store() {
    let waha = waha().await;
    let mut installation = Installation::new(waha.base_url());
    let mut attempt = Attempt::on(&mut installation).await;
    attempt.everything().await;
    attempt.nothing_happened().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_string_does_anything_to_postgresql_and_redis() {
    let (waha, postgres, redis) = (waha().await, Postgres::start().await, Redis::start().await);
    let mut installation = Installation::new(waha.base_url());
    installation.settings.extend([
        ("DATABASE_URL", postgres.url()),
        ("REDIS_URL", redis.url()),
        ("JWT_SECRET", "a-jwt-secret-that-is-long-enough-for-tests".to_owned()),
    ]);
    redis.ask(&["SET", "witness", "untouched"]).await;
    let mut attempt = Attempt::on(&mut installation).await;
    attempt.everything().await;
    attempt.nothing_happened().await;
    assert_eq!(redis.ask(&["GET", "witness"]).await, "untouched");
}
