//! No tenant can tell another's ids from ids that do not exist.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod harness;

use harness::{Answer, Harness, document, main_session};
use messaging_core::conformance::build::{message_id, session_id, tenant_id};
use messaging_core::gateway::servers::NewServer;
use serde_json::{Value, json};

/// What belongs to the first tenant, and an id of each kind that nobody has.
struct Belongings {
    message: String,
    bulk: String,
    opt_out: String,
    session: String,
    api_key: String,
    tenant: String,
    /// The deployment's, and nobody's else.
    server: String,
}

impl Belongings {
    async fn of_the_first(api: &Harness) -> Self {
        let send = json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" });
        let bulk = json!({ "sessionId": "main", "recipients": ["+5511988887777"], "body": "Bulk" });
        let key = json!({ "name": "shop", "role": "sender" });
        let id = |body: Value| body["id"].as_str().unwrap().to_owned();
        let (name, url) = ("the-deployments".to_owned(), "http://waha".to_owned());
        let server = NewServer { name, url, api_key: None, capacity: None, draining: true };
        Self {
            message: id(api.post("/messages/send", send).await.expect(202)),
            bulk: id(api.post("/messages/bulk", bulk).await.expect(202)),
            opt_out: id(api.post("/opt-outs", json!({ "number": NUMBER })).await.expect(201)),
            session: main_session(1),
            server: api.gateway.add_server(server).await.unwrap().name,
            api_key: id(api.post("/api-keys", key).await.expect(201)["apiKey"].clone()),
            tenant: tenant_id(1).to_string(),
        }
    }

    fn all(&self) -> [&str; 7] {
        [
            &self.message,
            &self.bulk,
            &self.opt_out,
            &self.session,
            &self.api_key,
            &self.tenant,
            &self.server,
        ]
    }

    /// What of it a parameter or a field may name. A new one has to be told to this table.
    fn named_by(&self, path: &str, name: &str) -> &str {
        match (path.split('/').nth(1).unwrap(), name) {
            ("messages", "id") if path.starts_with("/messages/bulk") => &self.bulk,
            ("messages", "id") => &self.message,
            ("opt-outs", "id") => &self.opt_out,
            ("sessions", "id") => &self.session,
            ("api-keys", "id") => &self.api_key,
            ("admin", "id") => &self.tenant,
            ("admin", "name") => &self.server,
            (_, "sessionId") => &self.session,
            (_, "bulkId") => &self.bulk,
            _ => panic!("{path}: the walk does not know what {name} names"),
        }
    }
}

const NUMBER: &str = "+5511988886666";

/// Parameters that name nothing that is somebody's.
const HARMLESS: &[&str] = &[
    "direction",
    "status",
    "errorCode",
    "fromDate",
    "toDate",
    "search",
    "campaignId",
    "page",
    "limit",
    "cursor",
    "number",
    "purge",
    "action",
    "actor",
    "target",
    "chain",
    "after",
    "expect",
    "name",
    "confirm",
    "Idempotency-Key",
];

/// Where an operation takes an id.
#[derive(Clone, Debug)]
enum Slot {
    Path(String),
    Query(String),
    Body(String),
}

/// What a reference leads to; anything else leads to itself.
fn resolve(schema: &'static Value) -> &'static Value {
    match schema["$ref"].as_str() {
        Some(reference) => document().pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// The slots of an operation.
fn slots(operation: &'static Value, body: &'static Value) -> Vec<Slot> {
    let mut slots = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap().to_owned();
        match parameter["in"].as_str().unwrap() {
            "path" => slots.push(Slot::Path(name)),
            _ if HARMLESS.contains(&name.as_str()) => {}
            "query" => slots.push(Slot::Query(name)),
            place => panic!("the walk does not know the {place} {name}"),
        }
    }
    for name in body["properties"].as_object().into_iter().flat_map(|fields| fields.keys()) {
        if name.to_lowercase().ends_with("id") && name != "campaignId" {
            slots.push(Slot::Body(name.clone()));
        }
    }
    slots
}

/// All of an answer but what a request for another id cannot have alike.
fn shape(answer: &Answer, id: &str) -> (u16, Vec<String>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "x-request-id");
    let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    let body = String::from_utf8(answer.body.clone()).unwrap().replace(id, "ID");
    (answer.status.as_u16(), headers.collect(), body)
}

/// Calls every operation there is as the second tenant, with ids of the first's and with ids that
/// nobody has.
#[tokio::test]
async fn anothers_id_is_answered_as_an_unknown_one_by_every_operation() {
    let unknown = message_id(99).to_string();
    let (mut operations, mut compared) = (0, 0);
    for (path, methods) in document()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation["security"].is_null() {
                continue; // tests/auth.rs says which these are.
            }
            operations += 1;
            let body = resolve(&operation["requestBody"]["content"]["application/json"]["schema"]);
            let example = body.get("example").cloned();
            let api = Harness::new().await;
            let theirs = Belongings::of_the_first(&api).await;
            let before = everything_of_the_first(&api, &theirs).await;
            let ask = async |slot: Option<&Slot>, id: &str| {
                let (mut path, mut example) = (path.clone(), example.clone());
                match slot {
                    Some(Slot::Path(name)) => path = path.replace(&format!("{{{name}}}"), id),
                    Some(Slot::Query(name)) => path = format!("{path}?{name}={id}"),
                    Some(Slot::Body(name)) => example.as_mut().unwrap()[name] = id.into(),
                    None => {}
                }
                assert!(!path.contains('{'), "{method} {path}: the walk fills one at a time");
                let answer = api.ask_as(2, &method.to_uppercase(), &path, example).await;
                let text = String::from_utf8_lossy(&answer.body).replace(id, "");
                for own in theirs.all() {
                    assert!(!text.contains(own), "{method} {path} tells of another's: {text}");
                }
                answer
            };
            let slots = slots(operation, body);
            if slots.is_empty() {
                ask(None, &unknown).await;
            }
            for slot in &slots {
                let (Slot::Path(name) | Slot::Query(name) | Slot::Body(name)) = slot;
                let id = theirs.named_by(path, name);
                let (one, other) = (ask(Some(slot), id).await, ask(Some(slot), &unknown).await);
                assert_eq!(shape(&one, id), shape(&other, &unknown), "{method} {path} {slot:?}");
                if matches!(slot, Slot::Path(_)) {
                    // What is the deployment's is kept from every tenant alike.
                    let refused = if path.starts_with("/admin/") { 403 } else { 404 };
                    assert_eq!(one.status, refused, "{method} {path}");
                }
                compared += 1;
            }
            let after = everything_of_the_first(&api, &theirs).await;
            assert_eq!(before, after, "{method} {path} changed what is another's");
        }
    }
    assert!(operations >= 39 && compared >= 30, "{operations} operations, {compared} compared");
}

/// As its owner sees it.
async fn everything_of_the_first(api: &Harness, theirs: &Belongings) -> Vec<Value> {
    let mut all = Vec::new();
    for path in [
        format!("/messages/{}", theirs.message),
        format!("/messages/bulk/{}", theirs.bulk),
        format!("/opt-outs/{}", theirs.opt_out),
        format!("/sessions/{}", theirs.session),
        format!("/api-keys/{}", theirs.api_key),
    ] {
        all.push(api.get(&path).await.expect(200));
    }
    all
}

/// A list can be asked for by number: another's entry is as none.
#[tokio::test]
async fn anothers_opt_out_is_not_found_by_its_number() {
    let api = Harness::new().await;
    Belongings::of_the_first(&api).await;
    let nobody = "+5511988880000";
    for method in ["GET", "DELETE"] {
        let theirs = api.ask_as(2, method, &format!("/opt-outs/{NUMBER}"), None).await;
        let nobodys = api.ask_as(2, method, &format!("/opt-outs/{nobody}"), None).await;
        assert_eq!(theirs.status, 404);
        assert_eq!(shape(&theirs, NUMBER), shape(&nobodys, nobody));
    }
}

#[tokio::test]
async fn lists_and_counts_hold_the_callers_own_only() {
    let api = Harness::new().await;
    let send = json!({ "sessionId": "main", "to": "+5511988887777", "body": "Hello" });
    api.post("/messages/send", send).await.expect(202);
    let listed = api.ask_as(2, "GET", "/messages", None).await.expect(200);
    assert_eq!((&listed["total"], &listed["data"]), (&json!(0), &json!([])));
    let counted = api.ask_as(2, "GET", "/messages/stats", None).await.expect(200);
    assert_eq!(counted["total"], 0);
    let waiting = api.ask_as(2, "GET", "/queue", None).await.expect(200);
    assert_eq!(waiting["data"], json!([]));
    let bulk = json!({ "sessionId": "main", "recipients": ["+5511988886666"], "body": "Hello" });
    api.post("/messages/bulk", bulk).await.expect(202);
    api.post("/opt-outs", json!({ "number": "+5511988885555" })).await.expect(201);
    for list in ["/messages/bulk", "/opt-outs", "/opt-outs?number=%2B5511988885555"] {
        let listed = api.ask_as(2, "GET", list, None).await.expect(200);
        assert_eq!((&listed["total"], &listed["data"]), (&json!(0), &json!([])), "{list}");
    }
    // One tenant's list keeps nobody from another's messages.
    let send = json!({ "sessionId": "main", "to": "+5511988885555", "body": "Hello" });
    api.ask_as(2, "POST", "/messages/send", Some(send)).await.expect(202);
    let sessions = api.ask_as(2, "GET", "/sessions", None).await.expect(200);
    assert_eq!(sessions["data"][0]["id"], session_id(2).to_string());
    assert_eq!(sessions["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_means_ones_own_session() {
    let api = Harness::new().await;
    for tenant in [1, 2] {
        let found = api.ask_as(tenant, "GET", "/sessions/main", None).await.expect(200);
        assert_eq!(found["id"], main_session(tenant));
    }
}
