//! What is asked for twice: with a key, once and answered alike; without, refused where it says the
//! same.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::time::Duration;

use messaging_core::conformance::build::{address, session, session_id, tenant_id};
use messaging_core::domain::content::Content;
use messaging_core::domain::idempotency::{IdempotencyKey, KEPT_FOR};
use messaging_core::domain::message::{Message, Priority};
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::session::SessionStatus;
use messaging_core::gateway::Settings;
use messaging_core::gateway::bulk::{BulkAccepted, BulkRecipient, BulkRequest};
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::send::{Accepted, SendRequest, Timing};
use messaging_core::ports::clock::Clock;
use serde_json::json;

use world::{World, quota, request};

fn key(text: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::parse(text).unwrap())
}

fn keyed(body: &str) -> SendRequest {
    SendRequest { idempotency_key: key("k"), ..request(1, body) }
}

async fn accept(world: &World, request: SendRequest) -> Accepted {
    world.gateway.send(tenant_id(1), request).await.unwrap()
}

#[tokio::test]
async fn a_request_that_names_a_key_is_done_once_and_answered_alike() {
    let world = World::new().await;
    let metadata = |text: &str| Some(serde_json::from_str(text).unwrap());
    let request =
        SendRequest { metadata: metadata(r#"{"a": 1, "b": {"c": 2, "d": 3}}"#), ..keyed("hello") };
    let first = accept(&world, request.clone()).await;
    assert!(!first.is_replay && first.quota.is_some());
    world.work().await;
    // Whatever became of it, and however its fields are ordered.
    world.clock.advance(Duration::from_secs(3600));
    let again = SendRequest { metadata: metadata(r#"{"b": {"d": 3, "c": 2}, "a": 1}"#), ..request };
    let again = accept(&world, again).await;
    assert!(again.is_replay && again.quota.is_none());
    assert_eq!(again.estimated_send_at, first.estimated_send_at);
    let due_at = first.message.due_at;
    assert_eq!(Message { due_at, ..again.message }, first.message);
    world.work().await;
    assert_eq!(world.delivered(), ["hello"]);
}

#[tokio::test]
async fn a_key_stands_for_one_request_for_a_day() {
    let world = World::new().await;
    let first = accept(&world, keyed("hello")).await;
    let others = [
        keyed("something else"),
        SendRequest { to: address(2).as_str().to_owned(), ..keyed("hello") },
        SendRequest { priority: Priority::High, ..keyed("hello") },
        SendRequest { metadata: Some(json!({})), ..keyed("hello") },
        SendRequest { allow_duplicate: true, ..keyed("hello") },
    ];
    world.clock.advance(KEPT_FOR - Duration::from_secs(1));
    for other in others {
        let refused = world.try_send(other).await;
        assert!(matches!(refused, Err(GatewayError::IdempotencyKeyReused)));
    }
    world.clock.advance(Duration::from_secs(1));
    let later = accept(&world, keyed("something else")).await;
    assert!(!later.is_replay && later.message.id != first.message.id);
}

#[tokio::test]
async fn a_key_of_what_was_refused_may_be_used_again() {
    let world = World::new().await;
    let set = async |status| {
        world.clock.advance(Duration::from_secs(1));
        let now = world.clock.now();
        world.store.record_status(session(1).id, status, now, None).await.unwrap();
    };
    set(SessionStatus::Stopped).await;
    let refused = world.try_send(keyed("hello")).await;
    assert!(matches!(refused, Err(GatewayError::SessionNotWorking { .. })));
    set(SessionStatus::Working).await;
    assert!(!accept(&world, keyed("changed my mind")).await.is_replay);
}

#[tokio::test]
async fn a_bulk_request_that_names_a_key_is_done_once_and_answered_alike() {
    let world = World::with(quota(100, Duration::from_secs(60))).await;
    let request = BulkRequest {
        session: session_id(1).into(),
        recipients: [&*request(1, "").to, "nobody", &*request(2, "").to].map(Into::into).into(),
        content: Content::text("hello all"),
        batch_size: 10,
        priority: Priority::Normal,
        metadata: None,
        timing: Timing::default(),
        idempotency_key: key("k"),
    };
    let first = world.gateway.send_bulk(tenant_id(1), request.clone()).await.unwrap();
    world.work().await;
    let again = world.gateway.send_bulk(tenant_id(1), request.clone()).await.unwrap();
    assert!(again.is_replay && !first.is_replay);
    let BulkAccepted { batch, rejected, .. } = again;
    assert_eq!((batch, &rejected[..]), (first.batch, &first.rejected[..]));
    assert_eq!(rejected.len(), 1);
    world.work().await;
    assert_eq!(world.delivered().len(), 2);

    let other = BulkRequest { batch_size: 9, ..request };
    let refused = world.gateway.send_bulk(tenant_id(1), other).await;
    assert!(matches!(refused, Err(GatewayError::IdempotencyKeyReused)));
    // The same key of a single message is another.
    assert!(!accept(&world, keyed("hello")).await.is_replay);
}

#[tokio::test]
async fn a_bulk_request_whose_node_died_is_answered_alike_after_its_time_too() {
    let world = World::new().await;
    world.gateway.set_pii(tenant_id(1), PiiPolicy::Refuse).await.unwrap();
    let told = |to: u64, name: &str| BulkRecipient {
        to: request(to, "").to,
        variables: [("name".to_owned(), name.to_owned())].into(),
    };
    let expires_at = Some(world.clock.now().plus(Duration::from_secs(60)));
    let request = BulkRequest {
        session: session_id(1).into(),
        recipients: vec![told(1, "Ann"), told(2, "ben@example.com"), told(1, "Ann")],
        content: Content::text("Dear {{name}}"),
        batch_size: 10,
        priority: Priority::Normal,
        metadata: None,
        timing: Timing { expires_at, ..Timing::default() },
        idempotency_key: key("k"),
    };
    // It is kept, and nobody comes to say so.
    world.queue.when_told(|| panic!("killed"));
    let (gateway, asked) = (world.gateway.clone(), request.clone());
    let killed = tokio::spawn(async move { gateway.send_bulk(tenant_id(1), asked).await }).await;
    assert!(killed.unwrap_err().is_panic());

    world.clock.advance(Duration::from_secs(120));
    let world = world.restart();
    let again = world.gateway.send_bulk(tenant_id(1), request.clone()).await.unwrap();
    assert!(again.is_replay);
    assert_eq!((again.batch.accepted, again.batch.rejected), (1, 2));
    let rejected: Vec<_> = again.rejected.iter().map(|it| (it.index, &*it.code)).collect();
    assert_eq!(rejected, [(1, "pii-refused"), (2, "duplicate-recipient")]);
}

#[tokio::test]
async fn the_same_said_again_at_once_is_refused_and_names_the_first() {
    let world = World::with(quota(3, Duration::from_secs(60))).await;
    let first = accept(&world, request(1, "hello")).await;
    assert_eq!(first.quota.unwrap().remaining, 2);
    world.work().await;
    world.clock.advance(Duration::from_millis(9_999));
    let refused = world.try_send(request(1, "hello")).await;
    let id = first.message.id;
    assert!(matches!(refused, Err(GatewayError::DuplicateMessage { first }) if first == id));
    // It took nothing of the quota.
    let other = accept(&world, request(1, "Hello")).await;
    assert_eq!(other.quota.unwrap().remaining, 1);
    world.clock.advance(Duration::from_millis(1));
    accept(&world, request(1, "hello")).await;
    world.work().await;
    assert_eq!(world.delivered(), ["hello", "Hello", "hello"]);
}

#[tokio::test]
async fn what_may_repeat_and_what_goes_to_others_does() {
    let world = World::new().await;
    world.send(1, "hello").await;
    world.send(2, "hello").await;
    accept(&world, SendRequest { allow_duplicate: true, ..request(1, "hello") }).await;
    world.work().await;
    assert_eq!(world.delivered().len(), 3);

    let never = Settings { duplicate_window: Duration::ZERO, ..Settings::default() };
    let world = World::with(never).await;
    world.send(1, "hello").await;
    world.send(1, "hello").await;
}

#[tokio::test]
async fn another_key_makes_no_other_message_of_the_same() {
    let world = World::new().await;
    let first = accept(&world, keyed("hello")).await;
    let refused = world.try_send(SendRequest { idempotency_key: key("l"), ..keyed("hello") }).await;
    let id = first.message.id;
    assert!(matches!(refused, Err(GatewayError::DuplicateMessage { first }) if first == id));
}
