//! A bulk request says why it waits, until when, and when it is likely to be done.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::time::Duration;

use messaging_core::conformance::build::{address, at, session_id, tenant_id};
use messaging_core::conformance::provider::Script;
use messaging_core::domain::batch::BatchProgress;
use messaging_core::domain::content::Content;
use messaging_core::domain::failure::FailureCode;
use messaging_core::domain::id::BatchId;
use messaging_core::domain::message::Priority;
use messaging_core::domain::portion::PortionBy;
use messaging_core::domain::session::SessionStatus;
use messaging_core::domain::status::Status;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::bulk::BulkRequest;
use messaging_core::gateway::bulk_pacing::BulkPacing;
use messaging_core::gateway::send::Timing;
use messaging_core::gateway::suspension::Stop;
use messaging_core::ports::queue::HeldBy;
use messaging_core::ports::transport::{Later, LaterReason, SendOutcome};

use world::World;

const MINUTE: Duration = Duration::from_secs(60);

/// A minute, and what the nodes' clocks may differ by.
const WINDOW: Duration = Duration::from_millis(60_250);

async fn accept(world: &World, count: u64, batch_size: u32, timing: Timing) -> BatchId {
    let request = BulkRequest {
        session: session_id(1).into(),
        recipients: (0..count).map(|n| address(n).as_str().into()).collect(),
        content: Content::text("hello all"),
        batch_size,
        priority: Priority::Normal,
        metadata: None,
        timing,
        idempotency_key: None,
    };
    world.gateway.send_bulk(tenant_id(1), request).await.unwrap().batch.id
}

async fn progress(world: &World, id: BatchId) -> BatchProgress {
    world.gateway.find_bulk(tenant_id(1), id).await.unwrap()
}

async fn pacing(world: &World, id: BatchId) -> Option<BulkPacing> {
    world.gateway.bulk_pacing(&progress(world, id).await).await.unwrap()
}

#[track_caller]
fn assert_held(pacing: Option<BulkPacing>, why: HeldBy, until: Option<Timestamp>) {
    let pacing = pacing.expect("it waits");
    assert_eq!((pacing.held_by, pacing.until), (why, until));
}

fn minutes(world: &World, minutes: u32) -> Timestamp {
    messaging_core::ports::clock::Clock::now(&*world.clock).plus(MINUTE * minutes)
}

#[tokio::test]
async fn one_that_goes_on_is_ready_and_knows_its_end() {
    let world = World::with(world::quota(10, MINUTE)).await;
    let id = accept(&world, 25, 5, Timing::default()).await;
    let told = pacing(&world, id).await.unwrap();
    assert_eq!((told.held_by, told.until, told.waiting), (HeldBy::Ready, None, 25));
    // Ten at once, ten in the second minute, and the last five in the third.
    assert_eq!(told.estimated_end_at, minutes(&world, 0).plus(2 * WINDOW));
}

#[tokio::test]
async fn one_that_is_done_or_taken_back_waits_for_nothing() {
    let world = World::with(world::quota(100, MINUTE)).await;
    let id = accept(&world, 3, 5, Timing::default()).await;
    world.work().await;
    assert_eq!(pacing(&world, id).await, None);
    let id = accept(&world, 3, 5, Timing::default()).await;
    world.gateway.cancel_bulk(tenant_id(1), id).await.unwrap();
    assert_eq!(pacing(&world, id).await, None);
}

#[tokio::test]
async fn one_that_is_paused_says_until_when() {
    let world = World::with(world::quota(10, MINUTE)).await;
    let id = accept(&world, 25, 5, Timing::default()).await;
    let until = minutes(&world, 30);
    let stop = Stop { until: Some(until), reason: None };
    world.gateway.suspend_bulk(tenant_id(1), id, stop).await.unwrap();
    let told = pacing(&world, id).await;
    assert_held(told, HeldBy::Suspended, Some(until));
    assert_eq!(told.unwrap().estimated_end_at, until.plus(2 * WINDOW));
    world.gateway.suspend_bulk(tenant_id(1), id, Stop::default()).await.unwrap();
    assert_held(pacing(&world, id).await, HeldBy::Suspended, None);
    world.gateway.resume_bulk(tenant_id(1), id).await.unwrap();
    assert_held(pacing(&world, id).await, HeldBy::Ready, None);
}

#[tokio::test]
async fn one_whose_time_has_not_come_is_scheduled() {
    let world = World::new().await;
    let at = minutes(&world, 90);
    let id = accept(&world, 3, 5, Timing { send_at: Some(at), expires_at: None }).await;
    assert_held(pacing(&world, id).await, HeldBy::Scheduled, Some(at));
    world.clock.advance(MINUTE * 90);
    // Its time has come, and it is about to be let in.
    assert_held(pacing(&world, id).await, HeldBy::Bulk, None);
    world.gateway.resume_bulk(tenant_id(1), id).await.unwrap();
    assert_held(pacing(&world, id).await, HeldBy::Ready, None);
}

#[tokio::test]
async fn one_whose_session_is_stopped_says_so() {
    let world = World::new().await;
    let id = accept(&world, 3, 5, Timing::default()).await;
    let until = minutes(&world, 10);
    let stop = Stop { until: Some(until), reason: None };
    world.gateway.suspend_session(tenant_id(1), &session_id(1).into(), stop).await.unwrap();
    assert_held(pacing(&world, id).await, HeldBy::Suspended, Some(until));
    world.gateway.resume_session(tenant_id(1), &session_id(1).into()).await.unwrap();
    world.gateway.suspend_tenant(tenant_id(1), Stop::default()).await.unwrap();
    assert_held(pacing(&world, id).await, HeldBy::Suspended, None);
}

#[tokio::test]
async fn one_whose_session_does_not_work_says_so() {
    let world = World::new().await;
    let id = accept(&world, 3, 5, Timing::default()).await;
    let (status, now) = (SessionStatus::ScanQr, minutes(&world, 0));
    world.store.record_status(session_id(1), status, now, None).await.unwrap();
    assert_held(pacing(&world, id).await, HeldBy::Session, None);
}

#[tokio::test]
async fn one_that_is_out_of_quota_says_until_when() {
    let world = World::with(world::quota(10, MINUTE)).await;
    let id = accept(&world, 25, 5, Timing::default()).await;
    world.work().await;
    assert_eq!(progress(&world, id).await.by_status[&Status::Sent], 10);
    let told = pacing(&world, id).await.unwrap();
    assert_eq!(told.held_by, HeldBy::Rate);
    let until = told.until.unwrap();
    assert!(until > at(0).plus(MINUTE) && until <= minutes(&world, 1).plus(Duration::from_secs(1)));
    assert_eq!(told.waiting, 15);
    // Fifteen more: ten when the quota is there again, and five a minute after.
    assert_eq!(told.estimated_end_at, until.plus(WINDOW));
}

#[tokio::test]
async fn one_whose_provider_cannot_be_reached_says_so() {
    let world = World::new().await;
    let id = accept(&world, 3, 5, Timing::default()).await;
    world.provider.set_unreachable(true);
    world.work().await;
    let told = pacing(&world, id).await.unwrap();
    assert_eq!(told.held_by, HeldBy::Provider);
    assert!(told.until.is_some());
}

#[tokio::test]
async fn one_that_has_no_room_for_more_waits_for_what_is_under_way() {
    let world = World::with(world::quota(100, MINUTE)).await;
    let later = Later { reason: LaterReason::Failed, after: Some(Duration::from_secs(600)) };
    world.provider.script([Script::Answer(SendOutcome::TryLater(later.clone()))]);
    world.provider.script([Script::Answer(SendOutcome::TryLater(later))]);
    let id = accept(&world, 5, 2, Timing::default()).await;
    world.work().await;
    let by_status = [(Status::Queued, 3), (Status::Retry, 2)].into();
    assert_eq!(progress(&world, id).await.by_status, by_status);
    assert_held(pacing(&world, id).await, HeldBy::Bulk, None);
}

#[tokio::test]
async fn one_whose_last_messages_are_tried_again_says_when() {
    let world = World::with(world::quota(100, MINUTE)).await;
    let later = Later { reason: LaterReason::Failed, after: Some(Duration::from_secs(600)) };
    world.provider.script([Script::Answer(SendOutcome::TryLater(later))]);
    let id = accept(&world, 3, 5, Timing::default()).await;
    world.work().await;
    let told = pacing(&world, id).await.unwrap();
    assert_eq!((told.held_by, told.waiting), (HeldBy::Retry, 1));
    assert!(told.until.unwrap() >= minutes(&world, 10));
}

#[tokio::test]
async fn why_messages_failed_is_counted_and_all_requests_are_listed() {
    let world = World::with(world::quota(100, MINUTE)).await;
    world.provider.set_absent(&address(1));
    world.provider.set_absent(&address(2));
    let first = accept(&world, 4, 5, Timing::default()).await;
    world.work().await;
    let second = accept(&world, 2, 5, Timing::default()).await;
    let counted = progress(&world, first).await;
    assert_eq!(counted.failures, [(FailureCode::NotOnWhatsapp, 2)].into());
    let portion = PortionBy::Page { page: 1, limit: 10 };
    let listed = world.gateway.list_bulks(tenant_id(1), portion).await.unwrap();
    let ids: Vec<_> = listed.items.iter().map(|it| it.batch.id).collect();
    assert_eq!((ids, listed.total, listed.has_more), (vec![second, first], 2, false));
    assert_eq!(listed.items[1], counted);
    assert!(
        world
            .gateway
            .list_bulks(tenant_id(1), PortionBy::Page { page: 0, limit: 1 })
            .await
            .is_err()
    );
}
