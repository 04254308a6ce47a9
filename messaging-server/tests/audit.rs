//! Whatever anybody does leaves an entry, and nobody learns from it what it must not tell.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use harness::{Answer, Harness, document, main_session, request};
use messaging_core::conformance::build::{message_id, tenant_id};
use messaging_core::domain::audit::{
    ActorKind, AuditEntry, AuditEvent, AuditFilter, Chain, ChainEnds, Link, linked,
};
use messaging_core::domain::tenant::Role;
use messaging_core::ports::audit_log::{AuditLog, MockAuditLog};
use messaging_core::ports::message_store::MockMessageStore;
use messaging_core::ports::store_error::StoreError;
use serde_json::{Value, json};

const NUMBER: &str = "+5511988887777";

impl Harness {
    async fn entries(&self, chain: Chain) -> Vec<AuditEntry> {
        self.trail.flush().await;
        self.store.walk(chain, 0, 100_000).await.unwrap()
    }

    async fn own_entries(&self) -> Vec<AuditEntry> {
        self.entries(Chain::Tenant(tenant_id(1))).await
    }
}

/// Every operation that may change something: its id, method and path, which names nothing that is.
fn changing() -> Vec<(String, String, String)> {
    let mut found = vec![];
    for (path, methods) in document()["paths"].as_object().unwrap() {
        let path = path.replace("{sessionId}", &message_id(99).to_string());
        let path = path.replace("{id}", &message_id(99).to_string());
        for (method, operation) in methods.as_object().unwrap() {
            if method != "get" {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                found.push((id, method.to_uppercase(), path.clone()));
            }
        }
    }
    found
}

fn is_webhook(operation: &str) -> bool {
    operation.starts_with("receive_")
}

/// Whether the bearer of a token calls it. Who shows a key or a refresh token is told by that.
fn has_bearer(operation: &str) -> bool {
    let by_what_is_shown = ["create_token", "refresh_token", "revoke_token"];
    !is_webhook(operation) && !by_what_is_shown.contains(&operation)
}

#[tokio::test]
async fn every_operation_that_may_change_something_leaves_one_entry_also_when_refused() {
    let api = Harness::new().await;
    let operations = changing();
    assert!(operations.len() > 20);
    for (operation, method, path) in &operations {
        let (owner, viewer) = (api.token(1, Role::Owner), api.token(1, Role::Viewer));
        for (token, role) in [(Some(&owner), "owner"), (Some(&viewer), "viewer"), (None, "")] {
            let own = api.own_entries().await.len();
            let platform = api.entries(Chain::Platform).await.len();
            let body = Some(b"{}".to_vec());
            let asked = request(method, path, token.map(|token| token.as_str()), body);
            let answer = api.call(asked).await;
            let all = api.own_entries().await;
            let strangers = api.entries(Chain::Platform).await;
            let (kept, elsewhere) = match token.filter(|_| has_bearer(operation)) {
                Some(_) => (&all[own..], &strangers[platform..]),
                None => (&strangers[platform..], &all[own..]),
            };
            assert_eq!((kept.len(), elsewhere.len()), (1, 0), "{role} {operation}");
            let event = &kept[0].event;
            assert_eq!(event.action, *operation);
            assert_eq!(event.status, answer.status.as_u16(), "{operation}");
            assert_eq!(event.request.as_deref(), answer.header("x-request-id"));
            if answer.status.as_u16() >= 400 {
                let code = answer.json()["code"].as_str().map(str::to_owned);
                assert_eq!(event.code, code, "{operation}");
            }
            if path.contains(&message_id(99).to_string()) {
                assert_eq!(event.target, Some(message_id(99).to_string()), "{operation}");
            }
            match token.filter(|_| has_bearer(operation)) {
                Some(_) => {
                    assert_eq!(event.actor_kind, ActorKind::Token);
                    assert_eq!(event.role.as_deref(), Some(role));
                    assert_eq!(event.actor, format!("{role}@{}", tenant_id(1)));
                }
                None if is_webhook(operation) => assert_eq!(event.actor_kind, ActorKind::Webhook),
                None => assert_eq!(event.actor_kind, ActorKind::Unknown),
            }
            // Strangers leave only so many a minute.
            api.clock.advance(Duration::from_secs(60));
        }
    }
    let report = api.gateway.verify_audit(Chain::Tenant(tenant_id(1)), None).await.unwrap();
    assert_eq!(report.findings, []);
}

#[tokio::test]
async fn what_is_made_is_named_and_no_number_or_text_is() {
    let api = Harness::new().await;
    let send = json!({ "sessionId": "main", "to": NUMBER, "body": "a secret text" });
    let message = api.post("/messages/send", send).await.expect(202)["id"].clone();
    let opt_out = json!({ "number": NUMBER, "note": "a secret note" });
    let opt_out = api.post("/opt-outs", opt_out).await.expect(201)["id"].clone();
    api.delete("/opt-outs/%2B5511988887777").await.expect(200);
    api.delete("/opt-outs/%2B5511988887777").await.refused(404, "opt-out-not-found");
    let entries = api.own_entries().await;
    // The send comes behind what is written before its answer.
    let target = |action: &str| -> Vec<_> {
        let of = entries.iter().filter(|entry| entry.event.action == action);
        of.map(|entry| entry.event.target.clone().unwrap()).collect()
    };
    assert_eq!(target("send_message"), [message.as_str().unwrap()]);
    assert_eq!(target("add_opt_out"), [opt_out.as_str().unwrap()]);
    assert_eq!(target("remove_opt_out"), [opt_out.as_str().unwrap(), "hidden"]);
    let shown = format!("{entries:?}");
    assert!(!shown.contains("5511988887777") && !shown.contains("secret"), "{shown}");
}

/// Posts to one of the addresses that take no bearer token.
async fn show(api: &Harness, what: &str, body: Value) -> Answer {
    let body = Some(body.to_string().into_bytes());
    api.call(request("POST", &format!("/auth/{what}"), None, body)).await
}

#[tokio::test]
async fn what_becomes_of_a_key_and_of_tokens_given_for_it_is_recorded_and_no_secret_is() {
    let api = Harness::new().await;
    let made = json!({ "name": "shop", "role": "operator" });
    let made = api.post("/api-keys", made).await.expect(201);
    let (key, id) = (made["key"].as_str().unwrap(), made["apiKey"]["id"].as_str().unwrap());
    // It is used as it is.
    let used = Some(json!({ "number": NUMBER }).to_string().into_bytes());
    api.call(request("POST", "/opt-outs", Some(key), used)).await.expect(201);
    let first = show(&api, "token", json!({ "apiKey": key })).await.expect(200);
    let first = json!({ "refreshToken": first["refreshToken"] });
    let second = show(&api, "refresh", first.clone()).await.expect(200);
    show(&api, "refresh", first.clone()).await.refused(401, "invalid-token");
    // Of a family that has ended, nobody is told any more.
    show(&api, "refresh", first).await.refused(401, "invalid-token");
    let third = show(&api, "token", json!({ "apiKey": key })).await.expect(200);
    let access = third["accessToken"].as_str().unwrap();
    let stop = request("POST", "/sessions/main/suspend", Some(access), Some(b"{}".to_vec()));
    api.call(stop).await.expect(200);
    for _ in 0..2 {
        let revoked = show(&api, "revoke", json!({ "token": access })).await;
        assert_eq!(revoked.status, 204);
    }
    api.delete(&format!("/api-keys/{id}")).await.expect(200);
    show(&api, "token", json!({ "apiKey": key })).await.refused(401, "invalid-token");

    let told = |entries: &[AuditEntry]| -> Vec<(String, String, u16)> {
        let of = |it: &AuditEvent| (it.action.clone(), it.actor.clone(), it.status);
        entries.iter().map(|entry| of(&entry.event)).collect()
    };
    let entries = api.own_entries().await;
    let (owner, bearer) = (format!("owner@{}", tenant_id(1)), format!("api-key:{id}"));
    let line = |action: &str, actor: &str, status| (action.to_owned(), actor.to_owned(), status);
    let expected = [
        line("create_api_key", &owner, 201),
        line("add_opt_out", &bearer, 201),
        line("create_token", &bearer, 200),
        line("refresh_token", &bearer, 200),
        line("refresh_token", &bearer, 401),
        line("create_token", &bearer, 200),
        line("suspend_session", &bearer, 200),
        line("revoke_token", &bearer, 204),
        line("revoke_api_key", &owner, 200),
    ];
    assert_eq!(told(&entries), expected);
    for entry in [&entries[0], &entries[8]] {
        assert_eq!(entry.event.target_kind.as_deref(), Some("api-key"));
        assert_eq!(entry.event.target.as_deref(), Some(id));
    }
    for entry in &entries[1..8] {
        assert_eq!(entry.event.role.as_deref(), Some("operator"));
    }
    let strangers = api.entries(Chain::Platform).await;
    let expected = [
        line("refresh_token", "", 401),
        line("revoke_token", "", 204),
        line("create_token", "", 401),
    ];
    assert_eq!(told(&strangers), expected);
    let shown = format!("{entries:?}{strangers:?}");
    let secret = key.rsplit_once('_').unwrap().1;
    let tokens = [&second, &third].map(|given| given["refreshToken"].as_str().unwrap());
    for kept_back in [secret, access, tokens[0], tokens[1], &NUMBER[1..]] {
        assert!(!shown.contains(kept_back), "{shown}");
    }
}

#[tokio::test]
async fn reads_leave_nothing_unless_they_give_something_out_of_hand() {
    let api = Harness::new().await;
    for path in ["/messages", "/sessions", "/audit", "/audit/verify", "/opt-outs", "/health"] {
        api.get(path).await.expect(200);
    }
    assert_eq!(api.own_entries().await, []);
    api.get("/sessions/main/qr").await;
    assert_eq!(api.get("/audit/export").await.status, 200);
    let entries = api.own_entries().await;
    let actions: Vec<_> = entries.iter().map(|entry| entry.event.action.as_str()).collect();
    assert_eq!(actions, ["get_session_qr", "export_audit"]);
}

#[tokio::test]
async fn strangers_cannot_fill_the_log() {
    let api = Harness::new().await;
    for _ in 0..50 {
        api.call(request("POST", "/sessions", None, None)).await.refused(401, "unauthenticated");
        api.webhook("/webhooks/waha", "{}").await;
    }
    assert_eq!(api.entries(Chain::Platform).await.len(), 10);
    assert_eq!(api.own_entries().await, []);
}

#[tokio::test]
async fn a_webhook_that_is_kept_stands_in_the_inbox_alone() {
    let api = Harness::new().await;
    let body = json!({ "event": "session.status", "session": "waha-1", "payload": {} }).to_string();
    let path = format!("/webhooks/waha/{}", main_session(1));
    api.webhook(&path, &body).await.expect(200);
    assert_eq!(api.entries(Chain::Platform).await, []);
    api.call(request("POST", &path, None, Some(body.into_bytes()))).await;
    let refused = api.entries(Chain::Platform).await;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].event.code.as_deref(), Some("invalid-signature"));
}

/// A log that takes nothing.
async fn without_log(error: fn() -> StoreError) -> Harness {
    Harness::with(|parts| {
        let mut log = MockAuditLog::new();
        log.expect_append().returning(move |_| Err(error()));
        parts.ports.audit = Arc::new(log);
    })
    .await
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_count_as_done() {
    // Also where somebody has removed where the chain ends, so that numbers are taken.
    let taken: fn() -> StoreError = || StoreError::Conflict { entity: "row" };
    for error in [|| StoreError::unavailable("no disk"), taken] {
        let api = without_log(error).await;
        let refused = api.post("/opt-outs", json!({ "number": NUMBER })).await;
        refused.refused(503, "service-unavailable");
    }
    // Who was refused anyway is told why.
    let api = without_log(taken).await;
    api.call(request("POST", "/opt-outs", None, None)).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn the_list_goes_on_and_is_filtered() {
    let api = Harness::new().await;
    for n in 0..5 {
        let number = json!({ "number": format!("+551198888777{n}") });
        api.post("/opt-outs", number).await.expect(201);
    }
    api.post("/sessions/main/suspend", json!({})).await;
    let seqs = |list: &Value| -> Vec<u64> {
        list["data"].as_array().unwrap().iter().map(|it| it["seq"].as_u64().unwrap()).collect()
    };
    let first = api.get("/audit?limit=4").await.expect(200);
    assert_eq!(seqs(&first), [6, 5, 4, 3]);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = api.get(&format!("/audit?limit=4&cursor={cursor}")).await.expect(200);
    assert_eq!((seqs(&second), &second["nextCursor"]), (vec![2, 1], &Value::Null));
    let suspended = api.get("/audit?action=suspend_session").await.expect(200);
    assert_eq!(seqs(&suspended), [6]);
    assert_eq!(suspended["data"][0]["targetKind"], "session");
    let target = first["data"][1]["target"].as_str().unwrap();
    assert_eq!(seqs(&api.get(&format!("/audit?target={target}")).await.expect(200)), [5]);
    let later = api.get("/audit?fromDate=2026-02-01").await.expect(200);
    assert_eq!(seqs(&later), [] as [u64; 0]);
    api.get("/audit?limit=501").await.refused_parameter("limit");
    api.get("/audit?cursor=x").await.refused_parameter("cursor");
    api.get("/audit/verify?expect=x").await.refused_parameter("expect");
    let theirs = api.ask_as(2, "GET", "/audit", None).await.expect(200);
    assert_eq!(theirs["data"], json!([]));
}

#[tokio::test]
async fn an_export_holds_everything_line_by_line() {
    let api = Harness::new().await;
    let events: Vec<_> = (0..1201).map(messaging_core::conformance::build::audit_event).collect();
    api.store.append(&events).await.unwrap();
    let answer = api.get("/audit/export?after=1").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = answer
        .body
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let seqs: Vec<_> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (2..=1202).collect::<Vec<_>>());
    let filter = AuditFilter::default();
    let all = api.store.list(Chain::Tenant(tenant_id(1)), &filter, None, 9).await.unwrap();
    // The newest is the export itself, which began before it ended.
    assert_eq!(all[0].event.action, "export_audit");
    assert_eq!(lines[1199]["hash"], all[1].hash.to_string());
}

#[tokio::test]
async fn a_look_at_the_chain_tells_its_head() {
    let api = Harness::new().await;
    api.post("/opt-outs", json!({ "number": NUMBER })).await.expect(201);
    let report = api.get("/audit/verify").await.expect(200);
    assert_eq!((&report["whole"], &report["entries"]), (&json!(true), &json!(1)));
    let head = report["head"].as_str().unwrap();
    let again = api.get(&format!("/audit/verify?expect={head}")).await.expect(200);
    assert_eq!(again["whole"], true);
    let other = format!("1:{}", "0".repeat(64));
    let other = api.get(&format!("/audit/verify?expect={other}")).await.expect(200);
    assert_eq!(other["findings"], json!(["entry 1 is not the one expected"]));
}

#[tokio::test]
async fn the_platforms_entries_are_for_who_runs_it() {
    let api = Harness::new().await;
    api.call(request("POST", "/sessions", None, None)).await.refused(401, "unauthenticated");
    api.trail.flush().await;
    for path in ["/audit", "/audit/export", "/audit/verify"] {
        let path = format!("{path}?chain=platform");
        api.get(&path).await.refused(403, "forbidden");
        let token = api.token(1, Role::PlatformAdmin);
        assert_eq!(api.call(request("GET", &path, Some(&token), None)).await.status, 200);
    }
    let token = api.token(1, Role::PlatformAdmin);
    let listed = api.call(request("GET", "/audit?chain=platform", Some(&token), None)).await;
    let listed = listed.expect(200);
    assert_eq!(listed["data"][0]["actorKind"], "unknown");
    assert_eq!(listed["data"][0]["code"], "unauthenticated");
}

/// Whoever runs the platform may give a key the role, narrowed to something; so no role by itself may
/// open anything.
#[tokio::test]
async fn a_mighty_role_that_is_narrowed_does_not_open_the_platforms_entries() {
    let api = Harness::new().await;
    let wanted = json!({ "name": "a", "role": "platform-admin", "scope": ["audit:read"] });
    let (operator, body) = (api.token(1, Role::PlatformAdmin), wanted.to_string().into_bytes());
    let made = api.call(request("POST", "/api-keys", Some(&operator), Some(body))).await;
    let made = made.expect(201);
    let key = made["key"].as_str();
    api.call(request("GET", "/audit", key, None)).await.expect(200);
    let asked = request("GET", "/audit?chain=platform", key, None);
    let refused = api.call(asked).await.refused(403, "forbidden");
    assert!(refused["detail"].as_str().unwrap().contains("tenants:manage"), "{refused}");
}

/// What it did before it panicked stays done.
#[tokio::test]
async fn a_request_that_panics_leaves_an_entry() {
    let api = Harness::with(|parts| {
        let mut store = MockMessageStore::new();
        store.expect_find().returning(|_, _| panic!("a secret that must not be told"));
        parts.ports.messages = Arc::new(store);
    })
    .await;
    let path = format!("/messages/{}/retry", message_id(99));
    api.ask("POST", &path, None).await.refused(500, "internal-error");
    let entries = api.own_entries().await;
    let event = &entries[0].event;
    assert_eq!((entries.len(), event.action.as_str(), event.status), (1, "retry_message", 500));
    assert_eq!(event.code.as_deref(), Some("internal-error"));
    assert_eq!(event.target, Some(message_id(99).to_string()));
    assert_eq!(event.actor, format!("owner@{}", tenant_id(1)));
}

#[tokio::test]
async fn a_read_that_is_refused_for_who_asks_leaves_an_entry() {
    let api = Harness::new().await;
    let told = |entries: &[AuditEntry]| -> Vec<(String, u16)> {
        entries.iter().map(|it| (it.event.action.clone(), it.event.status)).collect()
    };
    for method in ["GET", "HEAD"] {
        api.call(request(method, "/messages", Some("guess"), None)).await;
        api.call(request(method, "/sessions", None, None)).await;
        let viewer = api.token(1, Role::Viewer);
        api.call(request(method, "/audit", Some(&viewer), None)).await;
        api.call(request(method, "/messages?search=a", Some(&viewer), None)).await;
        // What is wrong with it otherwise is nobody's affair.
        api.call(request(method, "/messages?limit=0", Some(&viewer), None)).await;
    }
    let strangers = [("list_messages".to_owned(), 401), ("list_sessions".to_owned(), 401)];
    let refused = [("list_audit".to_owned(), 403), ("list_messages".to_owned(), 403)];
    assert_eq!(told(&api.entries(Chain::Platform).await), [&strangers[..], &strangers].concat());
    assert_eq!(told(&api.own_entries().await), [&refused[..], &refused].concat());
}

/// An answer that breaks off is seen to, and what was read by then has come.
#[tokio::test]
async fn an_export_whose_store_fails_midway_breaks_off() {
    let api = Harness::with(|parts| {
        let events = (0..500).map(messaging_core::conformance::build::audit_event);
        let entries = linked(events, |_| Link::default());
        let mut log = MockAuditLog::new();
        log.expect_append().returning(|_| Ok(vec![]));
        log.expect_walk().returning(move |_, after, _| match after {
            0 => Ok(entries.clone()),
            _ => Err(StoreError::unavailable("no disk")),
        });
        parts.ports.audit = Arc::new(log);
    })
    .await;
    let token = api.token(1, Role::Owner);
    let answer = api.begin(request("GET", "/audit/export", Some(&token), None)).await;
    assert_eq!(answer.status(), 200);
    let mut came = answer.into_body().into_bytes_stream();
    let first = came.next().await.unwrap().unwrap();
    assert_eq!(first.split(|byte| *byte == b'\n').count(), 501);
    assert!(came.next().await.unwrap().is_err());
}

/// A chain of five, of which three are kept no longer: with what the store tells beside them.
async fn verified(stray: &[u64], expected: Option<Link>) -> (Value, Vec<AuditEntry>) {
    let events = (0..5).map(messaging_core::conformance::build::audit_event);
    let entries = linked(events, |_| Link::default());
    let ends = ChainEnds { anchor: entries[2].link(), head: entries[4].link() };
    let of = |n: &u64| AuditEntry { seq: *n, ..entries[0].clone() };
    let (kept, stray): (Vec<_>, Vec<_>) = (entries[3..].to_vec(), stray.iter().map(of).collect());
    let api = Harness::with(|parts| {
        let mut log = MockAuditLog::new();
        log.expect_append().returning(|_| Ok(vec![]));
        log.expect_ends().returning(move |_| Ok(ends));
        log.expect_walk().returning(move |_, after, _| {
            Ok(kept.iter().filter(|entry| entry.seq > after).cloned().collect())
        });
        log.expect_list().returning(move |_, _, before, _| {
            let is_before = |entry: &&AuditEntry| before.is_none_or(|before| entry.seq < before);
            Ok(stray.iter().filter(is_before).cloned().collect())
        });
        parts.ports.audit = Arc::new(log);
    })
    .await;
    let expect = expected.map(|link| format!("?expect={link}")).unwrap_or_default();
    (api.get(&format!("/audit/verify{expect}")).await.expect(200), entries)
}

/// The list would show them, as if they were the chain's.
#[tokio::test]
async fn rows_before_the_chain_begins_are_found() {
    assert_eq!(verified(&[], None).await.0["whole"], true);
    let (report, _) = verified(&[3, 0], None).await;
    assert_eq!(report["whole"], false);
    let findings = ["entry 3", "entry 0"].map(|it| format!("{it} stands before the chain begins"));
    assert_eq!(report["findings"], json!(findings));
}

/// Whoever moved the anchor past the head that was kept elsewhere made all behind it anew, maybe.
#[tokio::test]
async fn a_chain_that_has_let_go_of_what_is_expected_is_not_said_to_be_whole() {
    let (_, entries) = verified(&[], None).await;
    assert_eq!(verified(&[], Some(entries[2].link())).await.0["whole"], true);
    let (report, _) = verified(&[], Some(entries[1].link())).await;
    assert_eq!(report["whole"], false);
    assert!(report["findings"][0].as_str().unwrap().contains("entry 2"), "{report}");
}
