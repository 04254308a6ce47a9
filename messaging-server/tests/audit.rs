//! Whatever anybody does leaves an entry, and nobody learns from it what it must not tell.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::sync::Arc;
use std::time::Duration;

use harness::{Harness, document, main_session, request};
use messaging_core::conformance::build::{message_id, tenant_id};
use messaging_core::domain::audit::{ActorKind, AuditEntry, AuditFilter, Chain};
use messaging_core::domain::tenant::Role;
use messaging_core::ports::audit_log::{AuditLog, MockAuditLog};
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
            let (kept, elsewhere) = match token.filter(|_| !is_webhook(operation)) {
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
            match token.filter(|_| !is_webhook(operation)) {
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
async fn without_log() -> Harness {
    Harness::with(|parts| {
        let mut log = MockAuditLog::new();
        log.expect_append().returning(|_| Err(StoreError::unavailable("no disk")));
        parts.ports.audit = Arc::new(log);
    })
    .await
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_count_as_done() {
    let api = without_log().await;
    let refused = api.post("/opt-outs", json!({ "number": NUMBER })).await;
    refused.refused(503, "service-unavailable");
    // Who was refused anyway is told why.
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
    assert_eq!(seqs, (2..=1201).collect::<Vec<_>>());
    let filter = AuditFilter::default();
    let all = api.store.list(Chain::Tenant(tenant_id(1)), &filter, None, 9).await.unwrap();
    // The newest is the export itself.
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
