//! WAHA servers under `/admin/servers`, with real ones: sessions are put on them by room, and what is
//! changed of them is in force without a restart.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]
#![allow(clippy::needless_pass_by_value, reason = "a body is written where it is sent")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use messaging_core::domain::id::TenantId;
use messaging_core::domain::tenant::Role;
use messaging_server::config::Config;
use messaging_server::wiring::{self, Service};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waha_client::simulator::{Simulator, SimulatorConfig};

/// What the first and the second server ask for.
const KEYS: [&str; 2] = ["quokka-key-of-the-first-server", "quokka-key-of-the-second-server"];

/// How long anything may take to happen; what is changed is in force much sooner.
const WAIT: Duration = Duration::from_secs(30);

struct World {
    wahas: [Simulator; 2],
    base: String,
    owner: String,
    operator: String,
    client: Client,
    stop: CancellationToken,
    service: JoinHandle<io::Result<()>>,
    data: TempDir,
}

async fn waha(key: &str) -> Simulator {
    let mut config =
        SimulatorConfig { api_key: Some(key.to_owned()), ..SimulatorConfig::default() };
    config.knobs.auto_scan_ms = Some(10);
    config.times.starting = Duration::from_millis(10);
    Simulator::start(config).await.unwrap()
}

impl World {
    /// A service whose settings name no server.
    async fn new() -> Self {
        Self::with(&[("WAHA_SERVERS", "[]")]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let wahas = [waha(KEYS[0]).await, waha(KEYS[1]).await];
        let data = TempDir::new().unwrap();
        let mut vars = vec![
            ("PORT", "0"),
            ("DATA_DIR", data.path().to_str().unwrap()),
            ("LOG_LEVEL", "trace"),
        ];
        vars.extend(settings);
        let config = Config::from_vars(vars).unwrap();
        let listener = wiring::bind(&config).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service::build(config.listening_on(address)).await.unwrap();
        let token = |tenant: TenantId, role| service.issue_token(tenant, role, None).unwrap();
        let acme = service.gateway().create_tenant("acme").await.unwrap().id;
        let operations = service.gateway().create_tenant("operations").await.unwrap().id;
        let (owner, operator) = (token(acme, Role::Owner), token(operations, Role::PlatformAdmin));
        let stop = CancellationToken::new();
        let service = tokio::spawn(service.run(listener, stop.clone()));
        let (base, client) = (format!("http://{address}"), Client::new());
        Self { wahas, base, owner, operator, client, stop, service, data }
    }

    async fn call(&self, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = request.bearer_auth(token);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert!(KEYS.iter().all(|key| !text.contains(key)), "{path} shows a key: {text}");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// What whoever runs the deployment asks.
    async fn admin(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        self.call(&self.operator, method, &format!("/admin/servers{path}"), body).await
    }

    /// Adds a server that stands for the first or the second WAHA.
    async fn add(&self, name: &str, n: usize, capacity: Option<u64>) -> Value {
        let url = self.wahas[n].base_url();
        let server = json!({ "name": name, "url": url, "apiKey": KEYS[n], "capacity": capacity });
        let (status, added) = self.admin(Method::POST, "", server).await;
        assert_eq!(status, 201, "{added}");
        added
    }

    async fn patch(&self, name: &str, patch: Value) -> Value {
        let (status, patched) = self.admin(Method::PATCH, &format!("/{name}"), patch).await;
        assert_eq!(status, 200, "{patched}");
        patched
    }

    async fn get(&self, name: &str) -> Value {
        self.admin(Method::GET, &format!("/{name}"), Value::Null).await.1
    }

    async fn create(&self, session: Value) -> (u16, Value) {
        self.call(&self.owner, Method::POST, "/sessions", session).await
    }

    /// The server that a new session is on.
    async fn put(&self, name: &str) -> String {
        let (status, created) = self.create(json!({ "name": name })).await;
        assert_eq!(status, 201, "{created}");
        created["wahaServer"].as_str().unwrap().to_owned()
    }

    async fn refused(&self, session: Value, status: u16, code: &str) {
        let (refused, problem) = self.create(session).await;
        assert_eq!((refused, &problem["code"]), (status, &json!(code)), "{problem}");
    }

    async fn placed(&self) -> BTreeMap<String, u64> {
        let (status, listed) = self.admin(Method::GET, "", Value::Null).await;
        assert_eq!(status, 200);
        let servers = listed["data"].as_array().unwrap().iter();
        let of = |it: &Value| (it["name"].as_str().unwrap().to_owned(), it["sessions"].as_u64());
        servers.map(of).map(|(name, sessions)| (name, sessions.unwrap())).collect()
    }

    async fn end(self) -> TempDir {
        self.stop.cancel();
        self.service.await.unwrap().unwrap();
        for waha in self.wahas {
            waha.shutdown().await;
        }
        self.data
    }
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(WAIT, waiting).await.is_ok(), "not in time: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_go_where_there_is_room_until_there_is_none() {
    let world = World::new().await;
    world.refused(json!({ "name": "early" }), 503, "waha-full").await;
    world.add("small", 0, Some(1)).await;
    world.add("large", 1, Some(3)).await;
    let mut servers = Vec::new();
    for name in ["a", "b", "c", "d"] {
        servers.push(world.put(name).await);
    }
    servers.sort();
    assert_eq!(servers, ["large", "large", "large", "small"]);
    world.refused(json!({ "name": "e" }), 503, "waha-full").await;
    world.refused(json!({ "name": "e", "wahaServer": "small" }), 409, "server-full").await;
    world.refused(json!({ "name": "e", "wahaServer": "none" }), 400, "invalid-request").await;

    world.patch("small", json!({ "capacity": 2 })).await;
    let asked = json!({ "name": "e", "wahaServer": "small" });
    assert_eq!(world.create(asked).await.0, 201);
    assert_eq!(world.placed().await, [("large".into(), 3), ("small".into(), 2)].into());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_drains_takes_no_sessions_and_serves_those_it_has() {
    let world = World::new().await;
    world.add("one", 0, None).await;
    assert_eq!(world.put("main").await, "one");
    assert_eq!(world.patch("one", json!({ "draining": true })).await["draining"], true);
    world.refused(json!({ "name": "b" }), 503, "waha-full").await;
    world.refused(json!({ "name": "b", "wahaServer": "one" }), 409, "server-draining").await;

    eventually("the session works", async || {
        let main = world.call(&world.owner, Method::GET, "/sessions/main", Value::Null).await;
        main.1["status"] == "working"
    })
    .await;
    let message = json!({ "sessionId": "main", "to": "+4915112345678", "body": "hello" });
    assert_eq!(world.call(&world.owner, Method::POST, "/messages/send", message).await.0, 202);
    eventually("it is sent", async || world.wahas[0].deliveries().len() == 1).await;
    world.patch("one", json!({ "draining": false })).await;
    assert_eq!(world.put("b").await, "one");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_or_address_is_in_force_without_a_restart() {
    let world = World::new().await;
    // A wrong key at first, and the address of nobody.
    let nobody = json!({ "name": "one", "url": "http://127.0.0.1:9", "apiKey": "wrong" });
    assert_eq!(world.admin(Method::POST, "", nobody).await.0, 201);
    assert_eq!(world.get("one").await["answers"], false);
    world.refused(json!({ "name": "main" }), 503, "waha-unavailable").await;
    assert_eq!(world.get("one").await["sessions"], 0, "nothing is left of it");

    let answers = async || world.get("one").await["answers"] == true;
    world.patch("one", json!({ "url": world.wahas[0].base_url() })).await;
    assert!(!answers().await, "its key is wrong still");
    let patched = world.patch("one", json!({ "apiKey": KEYS[0] })).await;
    assert_eq!((&patched["hasApiKey"], &patched["apiKey"]), (&json!(true), &Value::Null));
    eventually("it is called with the key", answers).await;
    assert_eq!(world.put("main").await, "one");
    eventually("the session works", async || {
        let main = world.call(&world.owner, Method::GET, "/sessions/main", Value::Null).await;
        main.1["status"] == "working"
    })
    .await;

    // Without its key nothing is sent, and with it what waited is.
    world.patch("one", json!({ "apiKey": null })).await;
    eventually("it is called without a key", async || !answers().await).await;
    let message = json!({ "sessionId": "main", "to": "+4915112345678", "body": "hello" });
    assert_eq!(world.call(&world.owner, Method::POST, "/messages/send", message).await.0, 202);
    assert_eq!(world.wahas[0].deliveries().len(), 0);
    world.patch("one", json!({ "apiKey": KEYS[0] })).await;
    eventually("what waited is sent", async || world.wahas[0].deliveries().len() == 1).await;

    // The same of another address.
    let both = json!({ "url": world.wahas[1].base_url(), "apiKey": KEYS[1] });
    world.patch("one", both).await;
    eventually("the other is called", answers).await;
    let tries = Cell::new(0);
    eventually("a session is put on the other", async || {
        tries.set(tries.get() + 1);
        let (name, account) = (format!("s{}", tries.get()), format!("a{}", tries.get()));
        world.create(json!({ "name": name, "wahaSession": account })).await;
        world.wahas[1].status(&account).is_some()
    })
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_that_come_at_once_gets_the_last_place() {
    let world = World::new().await;
    world.add("one", 0, Some(1)).await;
    let those = (0..8).map(|n| json!({ "name": format!("s{n}"), "wahaServer": "one" }));
    let told = join_all(those.map(|session| world.create(session))).await;
    let count = |status, code: Value| {
        told.iter().filter(|(was, body)| *was == status && body["code"] == code).count()
    };
    assert_eq!((count(201, Value::Null), count(409, json!("server-full"))), (1, 7), "{told:?}");
    assert_eq!(world.get("one").await["sessions"], 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_sessions_is_not_forgotten_and_one_without_is_wholly() {
    let world = World::new().await;
    let added = world.add("one", 0, Some(5)).await;
    assert_eq!((&added["source"], &added["breaker"]), (&json!("api"), &json!("closed")));
    assert_eq!((&added["sessions"], &added["capacity"]), (&json!(0), &json!(5)));
    assert_eq!(world.put("main").await, "one");
    let gauge = r#"messaging_waha_breaker{server="one",state="closed"}"#;
    let is_told = async || {
        let metrics = world.client.get(format!("{}/metrics", world.base)).send().await.unwrap();
        metrics.text().await.unwrap().contains(gauge)
    };
    eventually("the metrics tell of it", is_told).await;

    let (status, refused) = world.admin(Method::DELETE, "/one", Value::Null).await;
    assert_eq!((status, &refused["code"]), (409, &json!("server-in-use")));
    let gone = world.call(&world.owner, Method::DELETE, "/sessions/main", Value::Null).await;
    assert_eq!(gone.0, 204);
    assert_eq!(world.admin(Method::DELETE, "/one", Value::Null).await.0, 204);
    for method in [Method::GET, Method::DELETE, Method::PATCH] {
        let body = if method == Method::PATCH { json!({}) } else { Value::Null };
        let (status, problem) = world.admin(method, "/one", body).await;
        assert_eq!((status, &problem["code"]), (404, &json!("server-not-found")));
    }
    eventually("the metrics tell of it no more", async || !is_told().await).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_of_the_settings_go_on_beside_and_are_changed_there() {
    let first = waha(KEYS[0]).await;
    let url = first.base_url();
    let settings = json!([{ "name": "fixed", "url": url, "apiKey": KEYS[0], "capacity": 1 }]);
    let world = World::with(&[("WAHA_SERVERS", &settings.to_string())]).await;
    world.add("added", 1, Some(1)).await;
    let (_, listed) = world.admin(Method::GET, "", Value::Null).await;
    let line = |it: &Value| json!([it["name"], it["source"], it["hasApiKey"], it["capacity"]]);
    let lines: Vec<_> = listed["data"].as_array().unwrap().iter().map(line).collect();
    let expected = [json!(["fixed", "settings", true, 1]), json!(["added", "api", true, 1])];
    assert_eq!(lines, expected);
    assert_eq!(
        (&listed["data"][0]["url"], world.get("fixed").await["answers"].clone()),
        (&json!(url), json!(true))
    );

    let mut servers = [world.put("a").await, world.put("b").await];
    servers.sort();
    assert_eq!(servers, ["added", "fixed"]);
    world.refused(json!({ "name": "c", "wahaServer": "fixed" }), 409, "server-full").await;
    for (method, body) in [(Method::PATCH, json!({ "capacity": 9 })), (Method::DELETE, Value::Null)]
    {
        let (status, problem) = world.admin(method, "/fixed", body).await;
        assert_eq!((status, &problem["code"]), (409, &json!("server-read-only")));
    }
    let same = json!({ "name": "fixed", "url": url });
    let (status, problem) = world.admin(Method::POST, "", same).await;
    assert_eq!((status, &problem["code"]), (409, &json!("server-conflict")));
    world.end().await;
    first.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_by_field_and_repeated_nowhere() {
    let world = World::new().await;
    for (server, pointer) in [
        (json!({ "name": "a b", "url": "http://waha" }), "/name"),
        (json!({ "name": "..", "url": "http://waha" }), "/name"),
        (json!({ "name": "a", "url": "waha:3000" }), "/url"),
        (json!({ "name": "a", "url": "ftp://waha" }), "/url"),
        (json!({ "name": "a", "url": "http://me:quokka@waha" }), "/url"),
        (json!({ "name": "a", "url": "http://waha/?key=quokka" }), "/url"),
        (json!({ "name": "a", "url": "http://waha", "apiKey": "quokka key" }), "/apiKey"),
        (json!({ "name": "a", "url": "http://waha", "apiKey": "" }), "/apiKey"),
        (json!({ "name": "a", "url": "http://waha", "capacity": 1_000_001 }), "/capacity"),
        (json!({ "name": "a", "url": "http://waha", "capacity": -1 }), "/capacity"),
        (json!({ "name": "a", "url": "http://waha", "key": "quokka" }), "/key"),
        (json!({ "name": "a" }), "/url"),
    ] {
        let (status, problem) = world.admin(Method::POST, "", server.clone()).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid-request")), "{server}");
        let pointer = format!("#{pointer}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{server} {problem}");
        assert!(!problem.to_string().contains("quokka"), "{problem}");
    }
    assert!(world.placed().await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_but_who_runs_the_deployment_sees_servers_or_changes_them() {
    let world = World::new().await;
    world.add("one", 0, None).await;
    let server = json!({ "name": "two", "url": "http://waha" });
    for (method, path, body) in [
        (Method::POST, "/admin/servers", server),
        (Method::GET, "/admin/servers", Value::Null),
        (Method::GET, "/admin/servers/one", Value::Null),
        (Method::GET, "/admin/servers/nobody", Value::Null),
        (Method::PATCH, "/admin/servers/one", json!({ "draining": true })),
        (Method::DELETE, "/admin/servers/one", Value::Null),
    ] {
        let (status, problem) = world.call(&world.owner, method, path, body).await;
        assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "{path}");
    }
    assert_eq!(world.get("one").await["draining"], false);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_to_servers_stands_in_the_audit_log_without_keys() {
    let world = World::new().await;
    world.add("one", 0, None).await;
    world.patch("one", json!({ "apiKey": KEYS[1] })).await;
    world.admin(Method::DELETE, "/one", Value::Null).await;
    world.admin(Method::DELETE, "/one", Value::Null).await;
    let path = "/audit?chain=platform";
    let (status, entries) = world.call(&world.operator, Method::GET, path, Value::Null).await;
    assert_eq!(status, 200, "{entries}");
    let line = |it: &Value| json!([it["action"], it["target"], it["targetKind"], it["status"]]);
    let lines: Vec<_> = entries["data"].as_array().unwrap().iter().map(line).collect();
    let expected = [
        json!(["delete_server", "one", "server", 404]),
        json!(["delete_server", "one", "server", 204]),
        json!(["update_server", "one", "server", 200]),
        json!(["create_server", "one", "server", 201]),
    ];
    assert_eq!(lines, expected);
    world.end().await;
}

/// Whether this stands in any file of the directory.
fn stands_in(directory: &Path, text: &str) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_database_learns_no_key_unless_nothing_is_encrypted() {
    for (mode, is_read) in [("words", false), ("numbers", false), ("plain", true)] {
        let world = World::with(&[("WAHA_SERVERS", "[]"), ("ENCRYPTION", mode)]).await;
        world.add("one", 0, None).await;
        world.add("two", 0, None).await;
        world.patch("two", json!({ "apiKey": KEYS[1] })).await;
        assert_eq!(world.get("one").await["answers"], true);
        let data = world.end().await;
        assert!(stands_in(data.path(), "http://127.0.0.1:"), "nothing is read");
        for key in KEYS {
            assert_eq!(stands_in(data.path(), key), is_read, "{mode} {key}");
        }
    }
}
