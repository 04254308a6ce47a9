//! One text for many recipients: in portions, in order, and able to be taken back.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::time::Duration;

use messaging_core::conformance::build::{address, session_id, tenant_id};
use messaging_core::conformance::provider::Script;
use messaging_core::domain::content::Content;
use messaging_core::domain::message::Priority;
use messaging_core::domain::status::Status;
use messaging_core::gateway::bulk::{BulkAccepted, BulkRecipient, BulkRequest};
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::send::Timing;
use messaging_core::ports::transport::{Later, LaterReason, SendOutcome};

use world::{World, quota};

fn bulk(recipients: &[String], batch_size: u32) -> BulkRequest {
    BulkRequest {
        session: session_id(1).into(),
        recipients: recipients.iter().map(|to| to.as_str().into()).collect(),
        content: Content::text("hello all"),
        batch_size,
        priority: Priority::Normal,
        metadata: None,
        timing: Timing::default(),
        idempotency_key: None,
    }
}

fn people(count: u64) -> Vec<String> {
    (0..count).map(|n| address(n).as_str().to_owned()).collect()
}

async fn accept(world: &World, request: BulkRequest) -> BulkAccepted {
    world.gateway.send_bulk(tenant_id(1), request).await.unwrap()
}

async fn in_queue(world: &World) -> u64 {
    world.gateway.health().await.queue_depth.unwrap()
}

#[tokio::test]
async fn everybody_gets_one_message_in_the_order_of_the_request() {
    let world = World::with(quota(1000, Duration::from_secs(60))).await;
    accept(&world, bulk(&people(25), 10)).await;
    world.work().await;
    let chats: Vec<String> = world.provider.arrivals().into_iter().map(|it| it.chat).collect();
    assert_eq!(chats, people(25));
}

#[tokio::test]
async fn no_more_than_the_batch_size_are_in_the_queue_at_a_time() {
    let world = World::with(quota(1000, Duration::from_secs(60))).await;
    let accepted = accept(&world, bulk(&people(25), 10)).await;
    let mut depths = vec![in_queue(&world).await];
    while world.worker.run_once(1).await.unwrap().claimed > 0 {
        depths.push(in_queue(&world).await);
    }
    assert_eq!(depths.iter().max(), Some(&10));
    assert_eq!(depths.len(), 26);
    let progress = world.gateway.find_bulk(tenant_id(1), accepted.batch.id).await.unwrap();
    assert_eq!(progress.by_status, [(Status::Sent, 25)].into());
}

#[tokio::test]
async fn one_in_retry_does_not_hold_up_the_rest() {
    let world = World::with(quota(1000, Duration::from_secs(60))).await;
    let later = Later { reason: LaterReason::Failed, after: Some(Duration::from_secs(600)) };
    world.provider.script([Script::Answer(SendOutcome::TryLater(later))]);
    accept(&world, bulk(&people(5), 2)).await;
    world.work().await;
    assert_eq!(world.provider.arrivals().len(), 4);
}

#[tokio::test]
async fn the_bad_are_listed_and_the_good_are_sent() {
    let world = World::new().await;
    let mut recipients = people(2);
    recipients.insert(1, "123".into());
    recipients.push(recipients[0].clone());
    let accepted = accept(&world, bulk(&recipients, 10)).await;
    let rejected: Vec<_> = accepted.rejected.iter().map(|it| (it.index, &*it.code)).collect();
    assert_eq!(rejected, [(1, "invalid-phone"), (3, "duplicate-recipient")]);
    assert_eq!((accepted.batch.accepted, accepted.batch.rejected), (2, 2));
    world.work().await;
    assert_eq!(world.provider.arrivals().len(), 2);
}

#[tokio::test]
async fn a_bulk_of_only_bad_recipients_is_refused_naming_each() {
    let world = World::new().await;
    let request = bulk(&["1".into(), "+1".into()], 10);
    let Err(GatewayError::Invalid(fields)) = world.gateway.send_bulk(tenant_id(1), request).await
    else {
        panic!("accepted");
    };
    let pointers: Vec<&str> = fields.iter().map(|field| field.pointer.as_str()).collect();
    assert_eq!(pointers, ["/recipients/0", "/recipients/1"]);
}

#[tokio::test]
async fn sizes_out_of_bounds_are_refused_naming_the_field() {
    let world = World::new().await;
    for (request, pointer) in [
        (bulk(&people(1), 0), "/batchSize"),
        (bulk(&people(1), 101), "/batchSize"),
        (bulk(&[], 10), "/recipients"),
        (bulk(&people(10_001), 10), "/recipients"),
    ] {
        match world.gateway.send_bulk(tenant_id(1), request).await {
            Err(GatewayError::Invalid(fields)) => assert_eq!(fields[0].pointer, pointer),
            other => panic!("{pointer}: {other:?}"),
        }
    }
    accept(&world, bulk(&people(1), 1)).await;
    accept(&world, bulk(&people(10_000), 100)).await;
}

#[tokio::test]
async fn a_cancelled_bulk_sends_no_more() {
    let world = World::with(quota(3, Duration::from_secs(60))).await;
    let accepted = accept(&world, bulk(&people(10), 2)).await;
    world.work().await;
    let id = accepted.batch.id;
    let progress = world.gateway.cancel_bulk(tenant_id(1), id).await.unwrap();
    assert_eq!(progress.by_status, [(Status::Sent, 3), (Status::Cancelled, 7)].into());
    assert!(progress.batch.cancelled_at.is_some());
    world.work_for(Duration::from_secs(600)).await;
    assert_eq!(world.provider.arrivals().len(), 3);
    assert_eq!(in_queue(&world).await, 0);
}

#[tokio::test]
async fn a_bulk_cut_short_by_a_crash_goes_on_after_it() {
    let world = World::with(quota(1000, Duration::from_secs(60))).await;
    accept(&world, bulk(&people(9), 3)).await;
    world.worker.run_once(1).await.unwrap();
    let mut world = world.restart();
    world.recovery.run_once().await.unwrap();
    world.work().await;
    assert_eq!(world.provider.arrivals().len(), 9);
}

#[tokio::test]
async fn a_bulk_is_paced_by_the_sessions_quota_and_never_refused_for_it() {
    let world = World::with(quota(5, Duration::from_secs(60))).await;
    accept(&world, bulk(&people(12), 10)).await;
    world.work().await;
    assert_eq!(world.provider.arrivals().len(), 5);
    world.work_for(Duration::from_secs(180)).await;
    assert_eq!(world.provider.arrivals().len(), 12);
}

#[tokio::test]
async fn another_tenants_bulk_is_not_found() {
    let world = World::new().await;
    let id = accept(&world, bulk(&people(1), 1)).await.batch.id;
    let found = world.gateway.find_bulk(tenant_id(2), id).await;
    assert!(matches!(found, Err(GatewayError::BatchNotFound)));
    let cancelled = world.gateway.cancel_bulk(tenant_id(2), id).await;
    assert!(matches!(cancelled, Err(GatewayError::BatchNotFound)));
}

fn named(n: u64, name: &str) -> BulkRecipient {
    let variables = [("name".to_owned(), name.to_owned())].into();
    BulkRecipient { to: address(n).as_str().to_owned(), variables }
}

#[tokio::test]
async fn each_recipient_is_called_by_its_name_and_one_without_is_refused() {
    let world = World::new().await;
    let recipients = vec![named(1, "Ann"), address(2).as_str().into(), named(3, &"x".repeat(4096))];
    let content = Content::text("Dear {{name}}");
    let request = BulkRequest { recipients, content, ..bulk(&[], 10) };
    let accepted = accept(&world, request).await;
    let rejected: Vec<_> = accepted.rejected.iter().map(|it| (it.index, &*it.code)).collect();
    assert_eq!(rejected, [(1, "missing-variable"), (2, "message-too-long")]);
    assert_eq!(accepted.rejected[0].detail, "lacks the variable name");
    world.work().await;
    assert_eq!(world.delivered(), ["Dear Ann"]);
}
