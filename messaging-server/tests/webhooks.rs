//! Webhooks over HTTP: believed by signature, kept once, refused in the one form.

mod harness;

use futures::stream;
use harness::{Harness, main_session, sign};
use messaging_core::conformance::build::{self, session_id, tenant_id};
use messaging_core::domain::inbox::Kept;
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::session::{ProviderSession, Session};
use messaging_core::ports::inbox_store::{InboxStore, MockInboxStore};
use messaging_core::ports::person_store::PersonStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::store_error::StoreError;
use poem::{Body, Request};
use serde_json::json;
use std::sync::{Arc, mpsc};
use std::time::Duration;

fn event(session: &str) -> String {
    json!({
        "id": "evt_1", "event": "message.any", "session": session,
        "payload": { "id": "false_5511988887777@c.us_3EB0", "from": "5511988887777@c.us",
            "body": "Hi", "timestamp": 1_767_225_600, "fromMe": false, "hasMedia": false }
    })
    .to_string()
}

#[tokio::test]
async fn a_webhook_is_kept_once_by_either_address() {
    let api = Harness::new().await;
    let own = format!("/webhooks/waha/{}", main_session(1));
    let body = event("waha-1");
    let first = api.webhook("/webhooks/waha", &body).await.expect(200);
    assert_eq!(first, json!({ "status": "accepted", "repeat": false }));
    for path in ["/webhooks/waha", &own] {
        let again = api.webhook(path, &body).await.expect(200);
        assert_eq!(again, json!({ "status": "accepted", "repeat": true }));
    }
    let health = api.call(Request::builder().uri_str("/webhooks/health").finish()).await;
    assert_eq!(health.expect(200), json!({ "status": "pass", "pending": 1, "dead": 0 }));
}

#[tokio::test]
async fn an_event_of_an_unknown_name_is_kept_too() {
    let api = Harness::new().await;
    let body = event("waha-1").replace("message.any", "moon.phase");
    api.webhook("/webhooks/waha", &body).await.expect(200);
}

#[tokio::test]
async fn what_is_not_signed_is_not_believed() {
    let api = Harness::new().await;
    let body = event("waha-1");
    for signature in [
        None,
        Some(String::new()),
        Some("sha256=abc123...".to_owned()),
        Some(sign(b"another body")),
        Some(sign(body.as_bytes()).replace("sha256=", "")),
    ] {
        let mut request =
            Request::builder().uri_str("/webhooks/waha").method(poem::http::Method::POST);
        if let Some(signature) = signature {
            request = request.header("X-Waha-Signature", signature);
        }
        let answer = api.call(request.body(body.clone())).await;
        let refused = answer.refused(401, "invalid-signature");
        assert_eq!(refused["detail"], "the webhook's signature is not valid", "no reason is told");
        assert!(answer.header("www-authenticate").is_some());
    }
}

#[tokio::test]
async fn what_is_signed_and_yet_no_webhook_is_malformed() {
    let api = Harness::new().await;
    for body in ["", "x", "[]", "{}", r#"{"event":"message"}"#, r#"{"session":5,"event":"a"}"#] {
        api.webhook("/webhooks/waha", body).await.refused(400, "malformed-payload");
    }
}

#[tokio::test]
async fn a_session_nobody_has_is_not_found() {
    let api = Harness::new().await;
    let answer = api.webhook("/webhooks/waha", &event("nobody")).await;
    answer.refused(404, "session-not-found");
    let path = format!("/webhooks/waha/{}", session_id(99));
    api.webhook(&path, &event("waha-1")).await.refused(404, "session-not-found");
    let others = format!("/webhooks/waha/{}", main_session(2));
    api.webhook(&others, &event("waha-1")).await.refused(404, "session-not-found");
    api.webhook("/webhooks/waha/abc", &event("waha-1")).await.refused_parameter("sessionId");
}

#[tokio::test]
async fn too_much_is_refused_whether_it_says_so_or_not() {
    let api = Harness::with(|parts| parts.limits.webhook = 1000).await;
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(1000));
    api.webhook("/webhooks/waha", &body).await.refused(413, "payload-too-large");
    let announced = Request::builder()
        .uri_str("/webhooks/waha")
        .method(poem::http::Method::POST)
        .header("content-length", "1000000")
        .body("");
    api.call(announced).await.refused(413, "payload-too-large");
}

#[tokio::test]
async fn too_many_are_told_to_come_back() {
    let api = Harness::with(|parts| parts.settings.webhook_quota.limit = 1).await;
    let body = event("waha-1");
    api.webhook("/webhooks/waha", &body).await.expect(200);
    let answer = api.webhook("/webhooks/waha", &body).await;
    answer.refused(429, "rate-limited");
    assert_eq!(answer.header("ratelimit-policy"), Some("\"source\";q=1;w=60"));
    // Nothing of the body is waited for, nor held.
    let endless = Body::from_bytes_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let endless = Request::builder()
        .uri_str("/webhooks/waha")
        .method(poem::http::Method::POST)
        .content_type("application/json")
        .body(endless);
    api.call(endless).await.refused(429, "rate-limited");
}

/// Nobody knows what it says, nor looks at it again.
#[tokio::test]
async fn what_nothing_is_done_with_is_kept_without_its_body_where_it_is_to_be_redacted() {
    for (policy, is_empty) in [(PiiPolicy::Mask, false), (PiiPolicy::Redact, true)] {
        let (told, tells) = mpsc::channel();
        let mut inbox = MockInboxStore::new();
        inbox.expect_keep().returning(move |entries| {
            entries.iter().for_each(|entry| told.send(entry.payload.is_empty()).unwrap());
            Ok(vec![Kept::New; entries.len()])
        });
        let api = Harness::with(|parts| parts.ports.inbox = Arc::new(inbox)).await;
        api.gateway.set_pii(tenant_id(1), policy).await.unwrap();
        let body = event("waha-1").replace("message.any", "engine.event");
        api.webhook("/webhooks/waha", &body).await.expect(200);
        assert_eq!(tells.try_iter().collect::<Vec<_>>(), [is_empty], "{policy:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_to_be_repeated() {
    let mut inbox = MockInboxStore::new();
    inbox.expect_keep().returning(|_| Err(StoreError::unavailable("the disk is full")));
    inbox.expect_depth().returning(|| Err(StoreError::unavailable("the disk is full")));
    let api = Harness::with(|parts| parts.ports.inbox = Arc::new(inbox)).await;
    let answer = api.webhook("/webhooks/waha", &event("waha-1")).await;
    let refused = answer.refused(503, "service-unavailable");
    assert!(!refused.to_string().contains("disk"));
    api.call(Request::builder().uri_str("/webhooks/health").finish())
        .await
        .refused(503, "service-unavailable");
}

#[tokio::test]
async fn answers_carry_what_keeps_browsers_away() {
    let api = Harness::new().await;
    for body in [event("waha-1"), "x".to_owned()] {
        let answer = api.webhook("/webhooks/waha", &body).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
    }
}

#[tokio::test]
async fn of_concurrent_repeats_one_is_new() {
    let api = Harness::new().await;
    let body = event("waha-1");
    let all =
        futures::future::join_all((0..10).map(|_| api.webhook("/webhooks/waha", &body))).await;
    let new = all.iter().filter(|answer| answer.expect(200)["repeat"] == false).count();
    assert_eq!(new, 1);
    let depth = InboxStore::depth(&*api.store).await.unwrap();
    assert_eq!(depth.pending, 1);
}

/// Else whoever makes a session of a name that another's has on another server silences that one.
#[tokio::test]
async fn a_session_that_was_adopted_hears_of_its_name_although_others_have_it_elsewhere() {
    let api = Harness::new().await;
    let placed = |n, adopted| Session {
        id: session_id(n),
        tenant: tenant_id(n % 2 + 1),
        name: format!("placed {n}"),
        place: ProviderSession { server: format!("server {n}"), name: "default".into() },
        adopted,
        ..build::session(n)
    };
    let theirs = placed(10, true);
    for session in [&theirs, &placed(11, false), &placed(13, false)] {
        SessionStore::insert(&*api.store, session).await.unwrap();
    }
    api.webhook("/webhooks/waha", &event("default")).await.expect(200);
    let kept = PersonStore::webhooks(&*api.store, theirs.tenant, None, 9).await.unwrap();
    assert_eq!(kept.entries.iter().map(|it| it.session).collect::<Vec<_>>(), [theirs.id]);
    // Of two that may be meant neither is.
    SessionStore::insert(&*api.store, &placed(15, true)).await.unwrap();
    api.clock.advance(Duration::from_secs(1));
    let again = event("default").replace("evt_1", "evt_2");
    api.webhook("/webhooks/waha", &again).await.refused(404, "session-not-found");
}
