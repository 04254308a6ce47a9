//! Callers without `messages:read:content` see no text, no whole number and nothing that tells.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::time::Duration;

use harness::{Answer, Harness, SECRET, document, request};
use messaging_core::conformance::build::{inbound, inbox_entry, message, session_id, tenant_id};
use messaging_core::domain::address::Address;
use messaging_core::domain::content::Content;
use messaging_core::domain::failure::{Failure, FailureCode};
use messaging_core::domain::inbox::InboxEntry;
use messaging_core::domain::message::Message;
use messaging_core::domain::session::{ProviderSession, Session, SessionStatus};
use messaging_core::domain::status::Status;
use messaging_core::domain::tenant::{Permission, Rights, Role};
use messaging_core::ports::clock::Clock;
use messaging_core::ports::inbox_store::InboxStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_server::auth::{Caller, TokenIssuer};
use serde_json::{Value, json};
use uuid::Uuid;

const TO: &str = "+5511988887777";
const SECRET_WORDS: &str = "the code is 4711";

/// What those texts say that are looked for everywhere.
const WORDS: &str = "Meet me at the violet door";

/// What tells of them, of the numbers, and of the texts and numbers in examples, in lower case.
const MARKS: &[&str] = &["violet", "88887777", "88886666", "88885555", "900004711", "hello"];

/// Somebody who may send and look at everything, but not at contents.
async fn masked(api: &Harness) -> String {
    let scope = ["messages:read", "messages:send", "sessions:read"];
    let wanted = json!({ "name": "dashboard", "role": "sender", "scope": scope });
    api.post("/api-keys", wanted).await.expect(201)["key"].as_str().unwrap().to_owned()
}

async fn ask(api: &Harness, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
    let body = body.map(|body| body.to_string().into_bytes());
    api.call(request(method, path, Some(token), body)).await
}

#[tokio::test]
async fn contents_and_numbers_are_masked_wherever_they_are_answered() {
    let api = Harness::new().await;
    let send = json!({
        "sessionId": "main", "to": TO, "body": SECRET_WORDS, "metadata": { "secret": 4711 },
        "media": { "kind": "image", "url": "https://example.com/4711.jpg" },
    });
    let id = api.post("/messages/send", send).await.expect(202)["id"].clone();
    let id = id.as_str().unwrap();
    let detail = Some(format!("no account has {TO}: {SECRET_WORDS}"));
    let failure = Some(Failure { code: FailureCode::ProviderError, detail });
    let failed = Message { status: Status::Failed, failure, ..message(7) };
    let failed = Message { session: harness::session(1).id, ..failed };
    let failed = api.keep(failed).await.id.to_string();
    let note = json!({ "number": TO, "note": SECRET_WORDS });
    let token = masked(&api).await;
    let opt_out = ask(&api, &token, "POST", "/opt-outs", Some(note)).await;
    let entry = opt_out.expect(201)["id"].as_str().unwrap().to_owned();
    let bulk = json!({ "sessionId": "main", "recipients": ["+5511988886666", TO, "+5511"], "body": SECRET_WORDS });
    let bulk = ask(&api, &token, "POST", "/messages/bulk", Some(bulk)).await;
    bulk.expect(202);
    let session = Session {
        id: session_id(3),
        name: "second".to_owned(),
        place: ProviderSession { server: "waha".into(), name: "second".into() },
        own_address: Some(Address::from_stored("+5511900004711")),
        ..harness::session(1)
    };
    SessionStore::insert(&*api.store, &session).await.unwrap();

    let mut answers = vec![opt_out, bulk];
    for (method, path) in [
        ("GET", "/messages".to_owned()),
        ("GET", format!("/messages/{id}")),
        ("GET", format!("/messages/{id}/events")),
        ("GET", format!("/messages/{failed}")),
        ("GET", format!("/messages/{failed}/events")),
        ("GET", "/dead-letters".to_owned()),
        ("POST", format!("/messages/{failed}/discard")),
        ("GET", "/messages/bulk".to_owned()),
        ("GET", "/opt-outs".to_owned()),
        ("GET", format!("/opt-outs/{entry}")),
        ("GET", "/sessions".to_owned()),
        ("GET", "/sessions/second".to_owned()),
        ("GET", "/queue".to_owned()),
        ("DELETE", format!("/opt-outs/{entry}")),
    ] {
        answers.push(ask(&api, &token, method, &path, None).await);
    }
    for answer in &answers {
        assert!(answer.status.is_success(), "{answer:?}");
        let text = String::from_utf8(answer.body.clone()).unwrap();
        for secret in ["4711", "88887777", "88886666", "+5511\"", "551190", "hello"] {
            assert!(!text.to_lowercase().contains(secret), "{secret} in {text}");
        }
    }
    let seen = ask(&api, &token, "GET", &format!("/messages/{id}"), None).await.expect(200);
    assert_eq!((&seen["to"], &seen["body"]), (&json!("+55…77"), &json!("[hidden]")));
    assert!(seen.get("media").is_none() && seen.get("metadata").is_none());
    // Who may, sees it all.
    let all = api.get(&format!("/messages/{id}")).await.expect(200);
    assert_eq!((&all["to"], &all["body"]), (&json!(TO), &json!(SECRET_WORDS)));
    assert_eq!(all["metadata"]["secret"], 4711);
    assert_eq!(api.get("/sessions/second").await.expect(200)["address"], "+5511900004711");
    let second = ask(&api, &token, "GET", "/sessions/second", None).await.expect(200);
    assert_eq!(second["address"], "+55…11");
}

/// A tenant whose contents tell wherever there can be any, and the ids of what holds them.
struct Marked {
    api: Harness,
    queued: String,
    failed: String,
    bulk: String,
    opt_out: String,
    api_key: String,
}

impl Marked {
    async fn new() -> Self {
        let api = Harness::new().await;
        for place in ["waha-1", "second"] {
            api.waha.has(place, SessionStatus::Working);
        }
        let id = |body: &Value| body["id"].as_str().unwrap().to_owned();
        let send = json!({
            "sessionId": "main", "to": TO, "body": WORDS, "metadata": { "secret": "violet" },
            "media": { "kind": "image", "url": "https://example.com/violet.jpg" },
        });
        let queued = id(&api.post("/messages/send", send).await.expect(202));
        let detail = Some(format!("no account has {TO}: {WORDS}"));
        let failure = Some(Failure { code: FailureCode::ProviderError, detail });
        let failed = Message { status: Status::Failed, failure, ..message(7) };
        let (to, content) = (Some(Address::from_stored(TO)), Content::text(WORDS));
        let session = harness::session(1).id;
        let failed = Message { session, to, content, ..failed };
        let failed = api.keep(failed).await.id.to_string();
        let (from, content) = (Some(Address::from_stored(TO)), Content::text(WORDS));
        api.keep(Message { from, content, ..inbound(8) }).await;
        let bulk = json!({ "sessionId": "main", "recipients": ["+5511988886666"], "body": WORDS });
        let bulk = id(&api.post("/messages/bulk", bulk).await.expect(202));
        let opt_out = json!({ "number": "+5511988885555", "note": WORDS });
        let opt_out = id(&api.post("/opt-outs", opt_out).await.expect(201));
        let key = json!({ "name": "shop", "role": "sender" });
        let api_key = id(&api.post("/api-keys", key).await.expect(201)["apiKey"]);
        let second = Session {
            id: session_id(3),
            name: "second".to_owned(),
            place: ProviderSession { server: "waha".into(), name: "second".into() },
            own_address: Some(Address::from_stored("+5511900004711")),
            ..harness::session(1)
        };
        SessionStore::insert(&*api.store, &second).await.unwrap();
        let payload = json!({ "from": "5511988887777@c.us", "body": WORDS }).to_string();
        let webhook = InboxEntry { payload: payload.into_bytes(), ..inbox_entry(1) };
        api.store.keep(&[webhook]).await.unwrap();
        Self { api, queued, failed, bulk, opt_out, api_key }
    }

    /// An address with an id in it that makes sense to the operation.
    fn filled(&self, path: &str) -> String {
        let fails = path.ends_with("/retry") || path.ends_with("/discard");
        let id = match path.split('/').nth(1).unwrap() {
            "messages" if path.starts_with("/messages/bulk") => &self.bulk,
            "messages" if fails || path.ends_with("/events") => &self.failed,
            "messages" => &self.queued,
            "opt-outs" => &self.opt_out,
            "sessions" => "second",
            "api-keys" => &self.api_key,
            _ => "",
        };
        // What is the deployment's holds nobody's contents.
        let path = path.replace("{id}", id).replace("{name}", "nobody");
        assert!(!path.contains('{'), "the walk does not know what {path} names");
        path
    }

    /// A token of all that a role allows, but for contents.
    fn without_contents(&self, role: Role) -> String {
        let scope = role.permissions().iter().filter(|it| **it != Permission::ReadContent);
        let rights = Rights { role, scope: Some(scope.copied().collect()) };
        let caller = Caller {
            tenant: tenant_id(1),
            rights,
            subject: "somebody".to_owned(),
            family: None,
            key_ends: None,
        };
        let now = self.api.clock.now();
        let end = now.plus(Duration::from_secs(3600));
        let issuer = TokenIssuer::new(&SECRET.to_owned().into());
        issuer.issue_for(&caller, end, now, Uuid::nil()).unwrap()
    }
}

/// What of the marks an answer tells, its headers too.
fn told(answer: &Answer) -> Option<&'static str> {
    let text = format!("{:?}{}", answer.headers, String::from_utf8_lossy(&answer.body));
    let text = text.to_lowercase();
    MARKS.iter().find(|mark| text.contains(**mark)).copied()
}

/// The operations that need a token: id, method, path, and an example of a body.
fn operations() -> Vec<(&'static str, String, &'static str, Option<Value>)> {
    let mut found = Vec::new();
    for (path, methods) in document()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation["security"].is_null() {
                continue;
            }
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let named = schema["$ref"].as_str().map(|name| name.trim_start_matches('#'));
            let schema = named.map_or(schema, |name| document().pointer(name).unwrap());
            let id = operation["operationId"].as_str().unwrap();
            found.push((id, method.to_uppercase(), path.as_str(), schema.get("example").cloned()));
        }
    }
    found
}

/// Those whose answers hold contents. One that comes to them must be seen to mask.
const TELLING: &[&str] = &[
    "add_opt_out",
    "cancel_message",
    "discard_message",
    "export_person",
    "get_message",
    "get_opt_out",
    "get_session",
    "list_dead_letters",
    "list_message_events",
    "list_messages",
    "list_opt_outs",
    "list_sessions",
    "logout_session",
    "remove_opt_out",
    "restart_session",
    "resume_new_chats",
    "resume_session",
    "retry_message",
    "start_session",
    "stop_session",
    "suspend_session",
    "update_session",
];

/// Walks over all there is, so that what comes later is walked over, too.
#[tokio::test]
async fn no_operation_tells_contents_to_whoever_may_not_see_them() {
    let (mut telling, mut succeeded) = (Vec::new(), 0);
    let mut marked = Marked::new().await;
    for (id, method, template, example) in operations() {
        let path = marked.filled(template);
        let owner = marked.api.token(1, Role::Owner);
        let viewer = marked.api.token(1, Role::Viewer);
        let narrowed = marked.without_contents(Role::PlatformAdmin);
        for token in [&viewer, &narrowed] {
            let answer = ask(&marked.api, token, &method, &path, example.clone()).await;
            assert_eq!(told(&answer), None, "{id}: {answer:?}");
            succeeded += u32::from(answer.status.is_success());
        }
        // What an operation changed is not there any more for the next to tell of.
        if method != "GET" {
            marked = Marked::new().await;
        }
        let path = marked.filled(template);
        let answer = ask(&marked.api, &owner, &method, &path, example).await;
        telling.extend(told(&answer).map(|_| id));
        if method != "GET" {
            marked = Marked::new().await;
        }
    }
    telling.sort_unstable();
    assert_eq!(telling, TELLING);
    assert!(succeeded >= 45, "{succeeded} succeeded");
}

#[tokio::test]
async fn who_sees_no_contents_cannot_search_them() {
    let api = Harness::new().await;
    api.post("/opt-outs", json!({ "number": TO })).await.expect(201);
    let token = masked(&api).await;
    for path in [
        "/messages?search=a".to_owned(),
        "/dead-letters?search=a".to_owned(),
        // It is a part of the metadata, which is hidden.
        "/messages?campaignId=a".to_owned(),
        "/dead-letters?campaignId=a".to_owned(),
        "/opt-outs?number=%2B5511988887777".to_owned(),
        format!("/opt-outs/{TO}"),
    ] {
        let refused = ask(&api, &token, "GET", &path, None).await.refused(403, "forbidden");
        assert!(refused["detail"].as_str().unwrap().contains("messages:read:content"));
        assert_ne!(api.get(&path).await.status, 403);
        let viewer = api.token(1, Role::Viewer);
        ask(&api, &viewer, "GET", &path, None).await.refused(403, "forbidden");
    }
    for path in ["/dead-letters/retry", "/dead-letters/discard"] {
        for member in ["search", "campaignId"] {
            let body = Some(json!({ member: "a" }));
            ask(&api, &token, "POST", path, body.clone()).await.refused(403, "forbidden");
            ask(&api, &api.token(1, Role::Sender), "POST", path, body).await.expect(200);
        }
    }
    let path = format!("/opt-outs/{TO}");
    for number in [path.as_str(), "/opt-outs/%2B5511988886666"] {
        ask(&api, &token, "DELETE", number, None).await.refused(403, "forbidden");
    }
    api.delete(&path).await.expect(200);
}

/// Of somebody who is on the list already, nothing is told that the list would not: not since when,
/// by what message, or under which id to ask.
#[tokio::test]
async fn who_sees_no_contents_learns_nothing_of_a_number_by_putting_it_on_the_list() {
    let api = Harness::new().await;
    let number = json!({ "number": TO });
    api.post("/opt-outs", number.clone()).await.expect(201);
    let token = masked(&api).await;
    let known = ask(&api, &token, "POST", "/opt-outs", Some(number.clone())).await;
    assert_eq!((known.status.as_u16(), known.body.len()), (204, 0));
    assert!(api.post("/opt-outs", number).await.expect(200)["since"].is_string());
}
