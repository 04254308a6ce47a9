//! What waits, over HTTP.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use std::sync::Arc;
use std::time::Duration;

use harness::{Harness, main_session};
use messaging_core::conformance::build::{at, session, session_id, tenant_id};
use messaging_core::conformance::queue::item;
use messaging_core::domain::message::QueueItem;
use messaging_core::domain::urgency::Lane;
use messaging_core::memory::queue::MemoryQueue;
use messaging_core::ports::queue::{HeldBy, MockQueue, Pause, PauseScope, Queue, QueueError};
use messaging_core::ports::session_store::SessionStore;
use serde_json::json;

/// Tenant 1 has the sessions 1 and 3 to 9.
async fn with_queue() -> (Harness, Arc<MemoryQueue>) {
    let queue = Arc::new(MemoryQueue::new());
    let api = Harness::with(|parts| parts.ports.queue = Arc::clone(&queue) as _).await;
    for n in 3..10 {
        SessionStore::insert(&*api.store, &session(n)).await.unwrap();
    }
    (api, queue)
}

fn of_session(session: u64, n: u64) -> QueueItem {
    QueueItem { session: session_id(session), ..item(n) }
}

#[tokio::test]
async fn the_queue_tells_what_waits_and_what_for() {
    let (api, queue) = with_queue().await;
    let new = QueueItem { lane: Lane::New, ..item(9) };
    queue.push(&[item(7), item(8), new, of_session(3, 5)]).await.unwrap();
    let theirs = QueueItem { tenant: tenant_id(2), ..of_session(2, 6) };
    queue.push(&[theirs]).await.unwrap();
    let capped = Pause { until: at(60_000), why: HeldBy::NewChats };
    queue.pause(session_id(1), PauseScope::NewChats, capped).await.unwrap();
    queue.claim(1, Duration::from_secs(15), at(0)).await.unwrap();
    let waiting = api.get("/queue").await.expect(200);
    let expected = json!({ "data": [
        {
            "sessionId": main_session(1),
            "name": "main",
            "waiting": 3,
            "sending": true,
            "oldestAt": "2026-01-01T00:00:00.007Z",
            "lanes": [
                { "lane": "known", "waiting": 2 },
                {
                    "lane": "new",
                    "waiting": 1,
                    "heldBy": "new-chats",
                    "until": "2026-01-01T00:01:00Z",
                },
            ],
        },
        {
            "sessionId": session_id(3).to_string(),
            "name": "session-3",
            "waiting": 1,
            "sending": false,
            "oldestAt": "2026-01-01T00:00:00.005Z",
            "lanes": [{ "lane": "known", "waiting": 1 }],
        },
    ]});
    assert_eq!(waiting, expected);
}

#[tokio::test]
async fn one_session_is_told_of_although_nothing_of_it_waits() {
    let (api, queue) = with_queue().await;
    let named = api.get("/queue?sessionId=session-4").await.expect(200);
    let lanes = &named["data"][0]["lanes"];
    assert_eq!((&named["data"][0]["waiting"], lanes), (&json!(0), &json!([])));
    queue.push(&[of_session(4, 1), of_session(5, 2)]).await.unwrap();
    let id = session_id(4);
    let named = api.get(&format!("/queue?sessionId={id}")).await.expect(200);
    assert_eq!(named["data"].as_array().unwrap().len(), 1);
    assert_eq!(named["data"][0]["waiting"], 1);
}

#[tokio::test]
async fn a_suspension_is_told_with_its_own_end() {
    let (api, queue) = with_queue().await;
    let body = json!({ "reason": "holiday", "until": "2026-01-02T00:00:00Z" });
    api.post("/sessions/main/suspend", body).await.expect(200);
    queue.push(&[item(1)]).await.unwrap();
    let pause = Pause { until: at(15_000), why: HeldBy::Suspended };
    queue.pause(session_id(1), PauseScope::Session, pause).await.unwrap();
    let waiting = api.get("/queue").await.expect(200);
    let lane = json!({
        "lane": "known",
        "waiting": 1,
        "heldBy": "suspended",
        "until": "2026-01-02T00:00:00Z",
    });
    assert_eq!(waiting["data"][0]["lanes"], json!([lane]));
}

#[tokio::test]
async fn the_queue_is_told_portion_by_portion() {
    let (api, queue) = with_queue().await;
    let waiting: Vec<QueueItem> = [1, 4, 6, 9].iter().map(|n| of_session(*n, *n)).collect();
    queue.push(&waiting).await.unwrap();
    let mut path = "/queue?limit=2".to_owned();
    let mut portions = Vec::new();
    loop {
        let portion = api.get(&path).await.expect(200);
        let of = |entry: &serde_json::Value| entry["sessionId"].as_str().unwrap().to_owned();
        portions.push(portion["data"].as_array().unwrap().iter().map(of).collect::<Vec<_>>());
        let Some(cursor) = portion["nextCursor"].as_str() else { break };
        path = format!("/queue?limit=2&cursor={cursor}");
    }
    let expected = [vec![1, 4], vec![6, 9]]
        .map(|portion| portion.into_iter().map(|n| session_id(n).to_string()).collect::<Vec<_>>());
    assert_eq!(portions, expected);
    for limit in ["0", "101", "many"] {
        api.get(&format!("/queue?limit={limit}")).await.refused_parameter("limit");
    }
    api.get("/queue?cursor=nonsense").await.refused_parameter("cursor");
}

#[tokio::test]
async fn one_request_looks_at_a_thousand_sessions_at_the_most() {
    let (api, queue) = with_queue().await;
    for n in 10..1100 {
        SessionStore::insert(&*api.store, &session(n)).await.unwrap();
    }
    queue.push(&[of_session(1099, 1)]).await.unwrap();
    let first = api.get("/queue").await.expect(200);
    assert_eq!(first["data"], json!([]));
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = api.get(&format!("/queue?cursor={cursor}")).await.expect(200);
    assert_eq!(second["data"][0]["name"], "session-1099");
    assert!(second.get("nextCursor").is_none());
}

#[tokio::test]
async fn a_queue_that_does_not_answer_is_said_to_be_away() {
    let mut queue = MockQueue::new();
    queue.expect_standings().returning(|_| Err(QueueError("away".into())));
    let queue = Arc::new(queue);
    let api = Harness::with(|parts| parts.ports.queue = queue).await;
    api.get("/queue").await.refused(503, "service-unavailable");
}
