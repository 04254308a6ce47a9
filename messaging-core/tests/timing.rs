//! Messages are sent neither before their time nor after it, and nothing that somebody stopped is sent.
#![allow(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::time::Duration;

use messaging_core::conformance::build::{address, session_id, tenant_id};
use messaging_core::delivery::timetable::{Timed, Timetable};
use messaging_core::domain::content::Content;
use messaging_core::domain::message::{Message, Priority};
use messaging_core::domain::status::Status;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::bulk::BulkRequest;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::pacing::Pacing;
use messaging_core::gateway::send::{SendRequest, Timing};
use messaging_core::gateway::suspension::Stop;
use messaging_core::ports::clock::Clock;
use messaging_core::ports::queue::HeldBy;
use world::{World, request};

const MINUTE: Duration = Duration::from_secs(60);

fn timed(to: u64, body: &str, timing: Timing) -> SendRequest {
    SendRequest { timing, ..request(to, body) }
}

fn at(at: Timestamp) -> Timing {
    Timing { send_at: Some(at), expires_at: None }
}

fn until(at: Timestamp) -> Timing {
    Timing { send_at: None, expires_at: Some(at) }
}

/// Lets the timetable and the worker do all they can without time passing.
async fn work(world: &World) -> Timed {
    let kept = Timetable::new(world.gateway.clone()).run_once().await.unwrap();
    world.work().await;
    kept
}

async fn pacing(world: &World, message: &Message) -> Pacing {
    world.gateway.find_message(tenant_id(1), message.id).await.unwrap().1.unwrap()
}

#[tokio::test]
async fn a_scheduled_message_leaves_at_its_time_and_holds_up_nobody() {
    let world = World::new().await;
    let send_at = world.clock.now().plus(MINUTE);
    let accepted = world.gateway.send(tenant_id(1), timed(1, "later", at(send_at))).await.unwrap();
    assert_eq!(accepted.estimated_send_at, send_at);
    let later = accepted.message;
    world.send(1, "now").await;
    assert_eq!(work(&world).await, Timed::default());
    assert_eq!(world.delivered(), ["now"]);
    let held = pacing(&world, &later).await;
    assert_eq!((held.held_by, held.until), (HeldBy::Scheduled, Some(send_at)));
    assert_eq!(held.estimated_send_at, Some(send_at));

    world.clock.set(send_at);
    assert_eq!(work(&world).await, Timed { released: 1, expired: 0 });
    assert_eq!(world.delivered(), ["now", "later"]);
}

#[tokio::test]
async fn scheduled_messages_do_not_use_up_the_quota_of_those_sent_now() {
    let world = World::with(world::quota(1, MINUTE)).await;
    let send_at = world.clock.now().plus(MINUTE * 60);
    for n in 0..3 {
        world.try_send(timed(1, &format!("later-{n}"), at(send_at))).await.unwrap();
    }
    world.send(1, "now").await;
}

#[tokio::test]
async fn a_scheduled_message_can_be_taken_back() {
    let world = World::new().await;
    let send_at = world.clock.now().plus(MINUTE);
    let later = world.try_send(timed(1, "later", at(send_at))).await.unwrap();
    world.gateway.cancel(tenant_id(1), later.id).await.unwrap();
    world.clock.set(send_at);
    assert_eq!(work(&world).await, Timed::default());
    assert_eq!(world.delivered(), [""; 0]);
}

#[tokio::test]
async fn a_message_that_waited_too_long_is_expired_and_not_sent() {
    let world = World::with(world::quota(1, MINUTE)).await;
    let expires_at = world.clock.now().plus(Duration::from_secs(30));
    world.send(1, "first").await;
    let mut waits = timed(2, "code", until(expires_at));
    waits.on_rate_limit = Some(messaging_core::domain::session::OnRateLimit::Queue);
    let code = world.try_send(waits).await.unwrap();
    work(&world).await;
    world.clock.set(expires_at);
    assert_eq!(work(&world).await, Timed { released: 0, expired: 1 });
    world.work_for(MINUTE * 5).await;
    assert_eq!(world.delivered(), ["first"]);
    assert_eq!(world.status(code.id).await, Status::Expired);
}

#[tokio::test]
async fn the_worker_sends_nothing_after_its_time_though_nobody_looked_at_the_timetable() {
    let world = World::new().await;
    let expires_at = world.clock.now().plus(MINUTE);
    let code = world.try_send(timed(1, "code", until(expires_at))).await.unwrap();
    world.clock.set(expires_at);
    world.work().await;
    assert_eq!(world.delivered(), [""; 0]);
    assert_eq!(world.status(code.id).await, Status::Expired);
}

#[tokio::test]
async fn times_that_make_no_sense_are_refused_by_name() {
    let world = World::new().await;
    let now = world.clock.now();
    let soon = now.plus(MINUTE);
    let refused = [
        (until(now), "/expiresAt"),
        (Timing { send_at: Some(soon), expires_at: Some(soon) }, "/expiresAt"),
        (at(now.plus(Duration::from_secs(400 * 24 * 3600))), "/sendAt"),
    ];
    for (timing, field) in refused {
        let error = world.try_send(timed(1, "x", timing)).await.unwrap_err();
        let GatewayError::Invalid(wrong) = error else { panic!("{error}") };
        assert_eq!(wrong.iter().map(|it| it.pointer.as_str()).collect::<Vec<_>>(), [field]);
    }
    // What was to be sent by now is sent now.
    world.try_send(timed(1, "x", at(now.minus(MINUTE)))).await.unwrap();
    world.work().await;
    assert_eq!(world.delivered(), ["x"]);
}

fn stop(until: Option<Timestamp>) -> Stop {
    Stop { until, reason: Some("complaints".into()) }
}

#[tokio::test]
async fn a_stopped_session_sends_nothing_and_loses_nothing() {
    let world = World::new().await;
    let message = world.send(1, "one").await;
    let session = &session_id(1).into();
    let stopped = world.gateway.suspend_session(tenant_id(1), session, stop(None)).await.unwrap();
    assert_eq!(stopped.suspension.unwrap().reason.as_deref(), Some("complaints"));
    world.send(1, "two").await;
    world.work_for(MINUTE * 10).await;
    assert_eq!(world.delivered(), [""; 0]);
    assert_eq!(pacing(&world, &message).await.held_by, HeldBy::Suspended);
    assert_eq!(world.message(message.id).await.attempts, 0);
    world.gateway.resume_session(tenant_id(1), session).await.unwrap();
    world.work().await;
    assert_eq!(world.delivered(), ["one", "two"]);
}

#[tokio::test]
async fn a_stop_for_a_time_ends_by_itself() {
    let world = World::new().await;
    let end = world.clock.now().plus(MINUTE);
    let message = world.send(1, "one").await;
    world.gateway.suspend_tenant(tenant_id(1), stop(Some(end))).await.unwrap();
    assert_eq!(world.try_send(request(1, "two")).await.unwrap_err().code(), "tenant-suspended");
    world.work_for(Duration::from_secs(59)).await;
    assert_eq!(world.delivered(), [""; 0]);
    let held = pacing(&world, &message).await;
    assert_eq!((held.held_by, held.until), (HeldBy::Suspended, Some(end)));
    world.work_for(Duration::from_secs(2)).await;
    assert_eq!(world.delivered(), ["one"]);
}

#[tokio::test]
async fn a_stopped_tenant_goes_on_when_it_is_resumed() {
    let world = World::new().await;
    world.send(1, "one").await;
    world.gateway.suspend_tenant(tenant_id(1), stop(None)).await.unwrap();
    world.work_for(MINUTE * 10).await;
    assert_eq!(world.delivered(), [""; 0]);
    world.gateway.resume_tenant(tenant_id(1)).await.unwrap();
    world.work().await;
    assert_eq!(world.delivered(), ["one"]);
}

fn bulk(people: u64, timing: Timing) -> BulkRequest {
    let recipients = (1..=people).map(|n| address(n).as_str().into());
    BulkRequest {
        session: session_id(1).into(),
        recipients: recipients.collect(),
        content: Content::text("all"),
        batch_size: 2,
        priority: Priority::Normal,
        metadata: None,
        timing,
        idempotency_key: None,
    }
}

#[tokio::test]
async fn a_stopped_bulk_request_waits_and_goes_on() {
    let world = World::with(world::quota(2, MINUTE)).await;
    let accepted = world.gateway.send_bulk(tenant_id(1), bulk(5, Timing::default())).await.unwrap();
    let id = accepted.batch.id;
    world.work().await;
    assert_eq!(world.delivered().len(), 2);
    world.gateway.suspend_bulk(tenant_id(1), id, stop(None)).await.unwrap();
    world.work_for(MINUTE * 5).await;
    assert_eq!(world.delivered().len(), 2);
    let progress = world.gateway.resume_bulk(tenant_id(1), id).await.unwrap();
    assert_eq!(progress.by_status.get(&Status::Queued), Some(&3));
    world.work_for(MINUTE * 5).await;
    assert_eq!(world.delivered().len(), 5);
}

#[tokio::test]
async fn a_scheduled_bulk_request_begins_at_its_time() {
    let mut world = World::new().await;
    let send_at = world.clock.now().plus(MINUTE);
    world.gateway.send_bulk(tenant_id(1), bulk(3, at(send_at))).await.unwrap();
    world.recovery.run_once().await.unwrap();
    world.work().await;
    assert_eq!(world.delivered(), [""; 0]);
    world.clock.set(send_at);
    world.recovery.run_once().await.unwrap();
    world.work().await;
    assert_eq!(world.delivered().len(), 3);
}
