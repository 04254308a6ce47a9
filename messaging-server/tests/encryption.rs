//! Who has the database, and not the key, learns nothing of what was said, by whom, and with which
//! secrets; and who asks the service finds all of it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, to fail is to tell")]
#![allow(clippy::disallowed_methods, reason = "what is sent later is sent later than now")]
#![allow(clippy::needless_pass_by_value, reason = "a body is written where it is sent")]

#[path = "command/mod.rs"]
mod command;

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use command::Place;
use messaging_core::domain::tenant::Role;
use messaging_server::config::Config;
use messaging_server::wiring::{self, Service};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_services::damage;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waha_client::simulator::{DEFAULT_API_KEY, Inbound, Simulator, SimulatorConfig};

const KEY: &str = "0b7e1d9a4c5f48f2a6d3e8b1c7f09a520b7e1d9a4c5f48f2a6d3e8b1c7f09a52";
const OTHER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// What is kept of marked texts, numbers and secrets; all of it stands in the file where nothing is
/// encrypted.
const MARKS: &[&str] = &[
    "quokkatext",
    "quokkametadata",
    "quokkacampaign",
    "quokkafile",
    "quokkacaption",
    "quokkaurl",
    "quokkacard",
    "quokkapoll",
    "quokkaplace",
    "quokkatemplate",
    "quokkavariable",
    "quokkanote",
    "quokkainbound",
    "quokkaparticipant",
    "quokkascheduled",
    // Whom messages go to and come from, and the number on a card, each without its plus sign.
    "4915112345678",
    "5511988887777",
    "4915187654321",
    "12025550177",
];

/// A service on a directory, and the WAHA behind it.
struct World {
    simulator: Simulator,
    data: TempDir,
}

struct Running {
    base: String,
    token: String,
    stop: CancellationToken,
    service: JoinHandle<io::Result<()>>,
}

impl World {
    async fn new() -> Self {
        let mut config = SimulatorConfig::default();
        config.knobs.auto_scan_ms = Some(10);
        Self { simulator: Simulator::start(config).await.unwrap(), data: TempDir::new().unwrap() }
    }

    fn config(&self, settings: &[(&str, &str)]) -> Config {
        let mut variables = vec![
            ("PORT", "0"),
            ("DATA_DIR", self.data.path().to_str().unwrap()),
            ("WAHA_BASE_URL", self.simulator.base_url()),
            ("WAHA_API_KEY", DEFAULT_API_KEY),
            ("RECIPIENT_SPACING", "0"),
            ("MEDIA_URLS", "pass"),
        ];
        variables.extend(settings);
        Config::from_vars(variables).unwrap()
    }

    async fn build(&self, settings: &[(&str, &str)]) -> Service {
        Service::build(self.config(settings)).await.unwrap()
    }

    /// Why a service cannot be put together.
    async fn refused(&self, settings: &[(&str, &str)]) -> String {
        match Service::build(self.config(settings)).await {
            Ok(_) => panic!("it starts"),
            Err(error) => error.to_string(),
        }
    }

    async fn start(&self, settings: &[(&str, &str)]) -> Running {
        let config = self.config(settings);
        let listener = wiring::bind(&config).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service::build(config.listening_on(address)).await.unwrap();
        let tenant = match service.tenants().await.unwrap().first() {
            Some(tenant) => tenant.id,
            None => service.gateway().create_tenant("acme").await.unwrap().id,
        };
        let token = service.issue_token(tenant, Role::Owner, None).unwrap();
        let stop = CancellationToken::new();
        let service = tokio::spawn(service.run(listener, stop.clone()));
        Running { base: format!("http://{address}"), token, stop, service }
    }

    /// All that can be read in the files of the database, as they are just now.
    fn database(&self) -> String {
        let mut bytes = Vec::new();
        for file in std::fs::read_dir(self.data.path()).unwrap() {
            let path = file.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("messaging.db") {
                bytes.extend(std::fs::read(path).unwrap());
            }
        }
        assert!(!bytes.is_empty());
        // What is looked for is ASCII, which this leaves as it is.
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Running {
    async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> (u16, Value) {
        let mut request = Client::new()
            .request(method.parse().unwrap(), format!("{}{path}", self.base))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call("GET", path, None, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call("POST", path, Some(&body), None).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    async fn send(&self, more: Value) -> Value {
        let mut body = json!({"sessionId": "main", "to": "+4915112345678"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("/messages/send", body).await
    }

    /// Waits until an answer is as it is to be.
    async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let waiting = async {
            loop {
                last = self.get(path).await;
                if is_so(&last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
        assert!(waited.is_ok(), "{path} stays {last}");
        last
    }

    /// The texts of what a search finds.
    async fn found(&self, search: &str) -> BTreeSet<String> {
        let url = reqwest::Url::parse_with_params(
            &format!("{}/messages", self.base),
            [("search", search), ("limit", "100")],
        );
        let path = url.unwrap().to_string().split_off(self.base.len());
        let answer = self.get(&path).await;
        let texts = answer["data"].as_array().unwrap().iter();
        texts.map(|message| message["body"].as_str().unwrap().to_owned()).collect()
    }

    /// What all messages say, between whom, and with which data.
    async fn said(&self) -> Vec<[Value; 8]> {
        let page = self.get("/messages?limit=100").await;
        let messages = page["data"].as_array().unwrap().iter();
        let told = ["id", "from", "to", "body", "metadata", "media", "contact", "poll"];
        messages.map(|message| told.map(|member| message[member].clone())).collect()
    }

    async fn session(&self) {
        self.post("/sessions", json!({"name": "main"})).await;
        self.until("/sessions/main", |session| session["status"] == "working").await;
    }

    async fn end(self) {
        self.stop.cancel();
        self.service.await.unwrap().unwrap();
    }
}

/// Everything that the API takes and WAHA tells, marked. Gives what webhooks of the session are signed
/// with.
async fn fill(world: &World, service: &Running) -> String {
    service.session().await;
    let metadata = json!({"campaignId": "quokkacampaign", "note": "quokkametadata"});
    let sent = service.send(json!({"body": "A quokkatext", "metadata": metadata})).await;
    let data = STANDARD.encode("a file that says quokkafile");
    let media = json!({"kind": "document", "data": data, "mimetype": "text/plain", "filename": "quokkafile.txt"});
    service.send(json!({"body": "quokkacaption", "media": media})).await;
    let media = json!({"kind": "image", "url": "https://example.com/quokkaurl.png"});
    service.send(json!({"media": media})).await;
    let contact = json!({"name": "quokkacard", "phone": "+12025550177"});
    service.send(json!({"contact": contact})).await;
    let poll = json!({"question": "quokkapoll?", "options": ["one", "two"]});
    service.send(json!({"poll": poll})).await;
    let location = json!({"latitude": 1.5, "longitude": 2.5, "title": "quokkaplace"});
    service.send(json!({"location": location})).await;
    let later = humantime::format_rfc3339_seconds(SystemTime::now() + Duration::from_secs(1 << 20));
    service.send(json!({"body": "quokkascheduled", "sendAt": later.to_string()})).await;
    let bulk = json!({
        "sessionId": "main",
        "recipients": [
            {"to": "+4915187654321", "variables": {"name": "quokkavariable"}},
            {"to": "quokkarejected", "variables": {"name": "x"}},
        ],
        "body": "quokkatemplate {{name}}",
    });
    let (status, answer) = service.call("POST", "/messages/bulk", Some(&bulk), Some("a-key")).await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(1)), "{answer}");
    let again = service.call("POST", "/messages/bulk", Some(&bulk), Some("a-key")).await;
    assert_eq!(again.1["id"], answer["id"]);
    service.post("/opt-outs", json!({"number": "+12025550177", "note": "quokkanote"})).await;

    let waha = service.get("/sessions/main").await["wahaSession"].as_str().unwrap().to_owned();
    let told = Inbound::text("5511988887777", "A quokkainbound");
    world.simulator.receive(&waha, &told).unwrap();
    let mut group = Inbound::text("120363000000000001@g.us", "in a group quokkaparticipant");
    group.participant = Some("5511988887777@c.us".to_owned());
    world.simulator.receive(&waha, &group).unwrap();
    service.until("/messages?direction=inbound", |page| page["total"] == 2).await;
    let path = format!("/messages/{}", sent["id"].as_str().unwrap());
    service.until(&path, |message| message["status"] == "read").await;

    let url = format!("{}/api/sessions/{waha}", world.simulator.base_url());
    let session = Client::new().get(url).header("X-Api-Key", DEFAULT_API_KEY).send().await.unwrap();
    let session: Value = session.json().await.unwrap();
    let secret = session["config"]["webhooks"][0]["hmac"]["key"].as_str();
    secret.unwrap_or_else(|| panic!("{session}")).to_owned()
}

/// A text in the forms it could stand in: as it is, in base64 wherever it begins, in hexadecimal.
fn forms(mark: &str) -> Vec<String> {
    let mut forms = vec![mark.to_owned()];
    for offset in 0..3 {
        let padded = [&b"\0\0\0"[..offset], mark.as_bytes()].concat();
        let text = STANDARD_NO_PAD.encode(&padded[..padded.len() / 3 * 3]);
        // The first letters have to do with what stands before.
        forms.push(text[(offset * 4).div_ceil(3)..].to_owned());
    }
    let hex: String = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
    forms.extend([hex.to_uppercase(), hex]);
    assert!(forms.iter().all(|form| form.len() >= 8), "too short to mean anything: {forms:?}");
    forms
}

/// In which forms a database holds a text.
fn held(database: &str, mark: &str) -> Vec<String> {
    forms(mark).into_iter().filter(|form| database.contains(form.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_database_holds_all_that_an_encrypted_one_must_not() {
    let world = World::new().await;
    let service = world.start(&[("ENCRYPTION", "plain")]).await;
    let secret = fill(&world, &service).await;
    service.end().await;
    let database = world.database();
    for mark in MARKS.iter().chain([&secret.as_str()]) {
        assert!(!held(&database, mark).is_empty(), "{mark} is not looked for where it would stand");
    }
    assert!(!world.data.path().join("encryption_key").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_database_holds_no_text_number_or_secret() {
    for mode in ["words", "numbers"] {
        let world = World::new().await;
        let service = world.start(&[("ENCRYPTION", mode)]).await;
        let secret = fill(&world, &service).await;
        // With its log, while it runs.
        let running = world.database();
        // And once all that was kept was read again.
        let shown = service.get("/messages?limit=100").await.to_string();
        let person = json!({"phone": "+5511988887777"});
        let (status, _) = service.call("POST", "/privacy/export", Some(&person), None).await;
        assert_eq!(status, 200);
        service.end().await;
        let stopped = world.database();
        let key = std::fs::read_to_string(world.data.path().join("encryption_key")).unwrap();
        for mark in MARKS.iter().chain([&secret.as_str(), &key.trim()]) {
            for database in [&running, &stopped] {
                assert_eq!(held(database, mark), Vec::<String>::new(), "{mark}");
            }
        }
        // A number's end is none either.
        for end in ["12345678", "88887777", "87654321"] {
            assert_eq!(held(&stopped, end), Vec::<String>::new(), "{end}");
        }
        for mark in ["quokkatext", "quokkacampaign", "quokkacard", "quokkainbound", "4915187654321"]
        {
            assert!(shown.contains(mark), "{mark} is not shown any more");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_found_by_words_in_whatever_form_and_by_the_end_of_a_number() {
    let world = World::new().await;
    let service = world.start(&[]).await;
    service.session().await;
    let texts = ["Caf\u{e9} am Stra\u{df}enrand", "The parcel 4711 is on its way"];
    service.send(json!({"body": texts[0]})).await;
    service.send(json!({"body": texts[1], "to": "+5511988887777"})).await;
    let (first, second) =
        (BTreeSet::from([texts[0].to_owned()]), BTreeSet::from([texts[1].to_owned()]));
    for search in ["caf\u{e9}", "cafe\u{301}", "CAFE", "ＣＡＦÉ", "cafe STRASSENRAND", "am, café!"]
    {
        assert_eq!(service.found(search).await, first, "{search}");
    }
    for search in
        ["PARCEL way", "４７１１", "7777", "988887777", "+55 (11) 98888-7777", "８８８８７７７７"]
    {
        assert_eq!(service.found(search).await, second, "{search}");
    }
    for search in ["caf", "parcel coffee", "9888", "' OR 1=1 --", "%", "777"] {
        assert_eq!(service.found(search).await, BTreeSet::new(), "{search}");
    }
    service.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_only_numbers_are_found_a_search_for_words_is_refused() {
    let world = World::new().await;
    let service = world.start(&[("ENCRYPTION", "numbers"), ("ENCRYPTION_KEY", KEY)]).await;
    service.session().await;
    service.send(json!({"body": "hello there"})).await;
    assert_eq!(service.found("5678").await, BTreeSet::from(["hello there".to_owned()]));
    assert_eq!(service.found("9999").await, BTreeSet::new());
    for search in ["hello", "567", "hello%205678"] {
        let path = format!("/messages?search={search}");
        let (status, answer) = service.call("GET", &path, None, None).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid-request")), "{answer}");
        assert!(answer["errors"].to_string().contains("search"), "{answer}");
    }
    service.end().await;
}

#[tokio::test]
async fn a_wrong_or_missing_key_stops_the_start_and_says_which_is_wanted() {
    let world = World::new().await;
    world.build(&[("ENCRYPTION_KEY", KEY)]).await.close().await;
    let said = world.refused(&[("ENCRYPTION_KEY", OTHER_KEY)]).await;
    let wanted = said.split("encrypted with the key ").nth(1).unwrap().split(',').next().unwrap();
    assert!(wanted.len() == 12 && wanted.bytes().all(|byte| byte.is_ascii_hexdigit()), "{said}");
    assert!(said.contains("ENCRYPTION_PREVIOUS_KEYS") && !said.contains(OTHER_KEY), "{said}");
    // None is drawn where one is needed; and nothing is encrypted any more is no reason to read on.
    for settings in [&[][..], &[("ENCRYPTION", "plain")]] {
        let said = world.refused(settings).await;
        assert!(said.contains(wanted) && said.contains("ENCRYPTION_KEY_FILE"), "{said}");
        assert!(!world.data.path().join("encryption_key").exists());
    }
    world.build(&[("ENCRYPTION", "plain"), ("ENCRYPTION_KEY", KEY)]).await.close().await;
    let both = [("ENCRYPTION_KEY", OTHER_KEY), ("ENCRYPTION_PREVIOUS_KEYS", KEY)];
    world.build(&both).await.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_that_was_drawn_is_its_owners_alone_and_stays() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().await;
    world.build(&[]).await.close().await;
    let path = world.data.path().join("encryption_key");
    let drawn = std::fs::read_to_string(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    world.build(&[]).await.close().await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), drawn);
    // One that is set takes its place, and what it wrapped is still read.
    world.build(&[("ENCRYPTION_KEY", KEY)]).await.close().await;
    std::fs::remove_file(&path).unwrap();
    let said = world.refused(&[]).await;
    assert!(said.contains("or put back ") && said.contains("encryption_key"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_kept_plain_is_read_and_sealed_and_opened_again() {
    let world = World::new().await;
    let service = world.start(&[("ENCRYPTION", "plain")]).await;
    let secret = fill(&world, &service).await;
    let before = service.said().await;
    service.end().await;

    let sealing = [("ENCRYPTION", "words"), ("ENCRYPTION_KEY", KEY)];
    let service = world.start(&sealing).await;
    assert_eq!(service.said().await, before);
    assert_eq!(service.found("quokkatext").await.len(), 1);
    // Who opted out before is still not written to.
    let to = json!({"sessionId": "main", "to": "+12025550177", "body": "hello"});
    let (status, refused) = service.call("POST", "/messages/send", Some(&to), None).await;
    assert_eq!((status, &refused["code"]), (409, &json!("opted-out")), "{refused}");
    service.send(json!({"body": "sealed beside it"})).await;
    let is_sent = |page: &Value| page["data"][0]["sentAt"].is_string();
    service.until("/messages?search=beside", is_sent).await;
    let before = service.said().await;
    service.end().await;

    // The binary on the same directory.
    let place = |mode: &str, key: &str| {
        Place::new()
            .with("DATA_DIR", world.data.path().to_str().unwrap())
            .with("WAHA_BASE_URL", world.simulator.base_url())
            .with("ENCRYPTION", mode)
            .with("ENCRYPTION_KEY", key)
    };
    let run = async |place: &Place, arguments: &[&str]| {
        let outcome = place.run(arguments).await;
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        outcome.out
    };
    let words = place("words", KEY);
    let said = run(&words, &["encryption", "status"]).await;
    assert!(said.starts_with("mode=words  key=") && said.contains(" wrapped=4/4"), "{said}");
    assert!(said.contains("acme  messages: plain=") && said.contains(" v1="), "{said}");
    run(&words, &["encryption", "seal"]).await;
    let said = run(&words, &["encryption", "status"]).await;
    assert!(said.contains("messages: plain=0 v1="), "{said}");
    let database = world.database();
    for mark in MARKS.iter().chain([&secret.as_str()]) {
        assert_eq!(held(&database, mark), Vec::<String>::new(), "{mark}");
    }

    assert!(run(&words, &["encryption", "rotate"]).await.contains("acme  key v2"));
    run(&words, &["encryption", "seal", "--tenant", "acme"]).await;
    let said = run(&words, &["encryption", "status"]).await;
    assert!(said.contains("plain=0 v1=0 v2="), "{said}");
    // The key that wraps all others is replaced.
    let both = place("words", OTHER_KEY).with("ENCRYPTION_PREVIOUS_KEYS", KEY);
    let said = run(&both, &["encryption", "rewrap"]).await;
    assert!(said.trim_end().ends_with(": 5/5"), "{said}");
    let outcome = words.run(&["serve"]).await;
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.err.contains("the database is encrypted with the key"), "{outcome:?}");

    let service = world.start(&[("ENCRYPTION_KEY", OTHER_KEY)]).await;
    assert_eq!(service.said().await, before);
    assert_eq!(service.found("quokkatext").await.len(), 1);
    let (status, _) = service.call("POST", "/messages/send", Some(&to), None).await;
    assert_eq!(status, 409);
    service.end().await;
    // Nothing is encrypted any more.
    let plain = place("plain", OTHER_KEY);
    run(&plain, &["encryption", "seal"]).await;
    let said = run(&plain, &["encryption", "status"]).await;
    assert!(said.starts_with("mode=plain") && said.contains(" v1=0 v2=0"), "{said}");
    let service = world.start(&[("ENCRYPTION", "plain"), ("ENCRYPTION_KEY", OTHER_KEY)]).await;
    assert_eq!(service.said().await, before);
    assert_eq!(service.found("quokkate").await.len(), 2, "any part of a text is found again");
    let (status, _) = service.call("POST", "/messages/send", Some(&to), None).await;
    assert_eq!(status, 409);
    service.end().await;
    assert!(!held(&world.database(), "quokkatext").is_empty());
}

#[tokio::test]
async fn a_tenant_whose_keys_are_damaged_keeps_no_other_in_the_clear() {
    let world = World::new().await;
    let service = world.build(&[("ENCRYPTION_KEY", KEY)]).await;
    let mut tenants = Vec::new();
    for name in ["acme", "beta", "core"] {
        let tenant = service.gateway().create_tenant(name).await.unwrap().id;
        service.gateway().opt_out(tenant, "+12025550177", None).await.unwrap();
        tenants.push(tenant);
    }
    service.close().await;
    let file = world.data.path().join("messaging.db");
    let zeroed = "UPDATE wrapped_keys SET wrapped = zeroblob(length(wrapped)) WHERE tenant = ?";
    assert_eq!(damage(&file, zeroed, tenants[1].0.as_bytes()), 2);
    let place = Place::new()
        .with("DATA_DIR", world.data.path().to_str().unwrap())
        .with("ENCRYPTION_KEY", KEY);
    let outcome = place.run(&["encryption", "seal"]).await;
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    for told in ["acme  done: ", "beta  stays as it is: stored key ", "core  done: "] {
        assert!(outcome.out.contains(told), "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_persons_data_is_found_and_erased_though_it_is_sealed() {
    let world = World::new().await;
    let service = world.start(&[]).await;
    fill(&world, &service).await;
    let number = "+5511988887777";
    let export = async || {
        let request = Client::new()
            .post(format!("{}/privacy/export", service.base))
            .bearer_auth(&service.token)
            .json(&json!({"phone": number}));
        request.send().await.unwrap().text().await.unwrap()
    };
    let exported = export().await;
    assert!(
        exported.contains("A quokkainbound") && exported.contains("\"kind\":\"end\""),
        "{exported}"
    );
    let erase = json!({"phone": number, "confirm": number});
    let erased = service.post("/privacy/erase", erase).await;
    assert_eq!((&erased["done"], &erased["messages"]), (&json!(true), &json!(1)), "{erased}");
    assert!(!export().await.contains("quokkainbound"));
    assert_eq!(service.found("quokkainbound").await, BTreeSet::new());
    assert_eq!(service.found("quokkatext").await.len(), 1);
    service.end().await;
}

#[test]
fn a_form_is_found_where_it_stands() {
    let mark = "quokkatext";
    for before in ["", "a", "ab", "abc"] {
        let text = STANDARD.encode(format!("{before}{mark} and more"));
        assert_eq!(held(&text, mark).len(), 1, "{text}");
    }
    assert_eq!(held("71756F6B6B6174657874", mark).len(), 1);
    assert_eq!(held("quokkatex", mark).len(), 0);
}
