//! A queue and a limiter that are away keep nobody from being accepted, and lose nothing.

#![allow(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::sync::Arc;
use std::time::Duration;

use messaging_core::conformance::build::{session, tenant_id};
use messaging_core::delivery::clock_watch::{Agreement, ClockWatch};
use messaging_core::delivery::retelling::Retelling;
use messaging_core::domain::content::Content;
use messaging_core::domain::idempotency::IdempotencyKey;
use messaging_core::domain::inbox::Kept;
use messaging_core::domain::message::Priority;
use messaging_core::domain::status::Status;
use messaging_core::gateway::bulk::BulkRequest;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::send::{SendRequest, Timing};
use messaging_core::ports::clock::Clock;
use messaging_core::ports::queue::Queue;

use world::{World, quota, request};

const MINUTE: Duration = Duration::from_secs(60);

impl World {
    fn set_away(&self, away: bool) {
        self.queue.set_away(away);
        self.limiter.set_away(away);
    }

    /// What goes on by itself after a fault, recovery apart.
    async fn go_on(&self) {
        let retelling = Retelling::new(self.gateway.clone());
        assert!(retelling.run_once().await.is_ok());
        self.work_for(MINUTE).await;
    }
}

#[tokio::test]
async fn a_message_is_accepted_and_sent_when_they_are_back() {
    let world = World::new().await;
    world.set_away(true);
    let accepted = world.gateway.send(tenant_id(1), request(1, "a")).await.unwrap();
    assert_eq!(accepted.quota, None, "nobody knows what is left");
    assert_eq!(world.witness.faults(), ["limiter", "queue"]);
    assert_eq!(world.status(accepted.message.id).await, Status::Queued);
    world.set_away(false);
    world.go_on().await;
    assert_eq!(world.delivered(), ["a"]);
}

#[tokio::test]
async fn a_bulk_request_is_accepted_and_sent_when_they_are_back() {
    let world = World::new().await;
    world.set_away(true);
    let request = BulkRequest {
        session: session(1).id.into(),
        recipients: [1, 2].map(|n| request(n, "").to.as_str().into()).into(),
        content: Content::text("b"),
        batch_size: 10,
        priority: Priority::Normal,
        metadata: None,
        timing: Timing::default(),
        idempotency_key: None,
    };
    world.gateway.send_bulk(tenant_id(1), request).await.unwrap();
    assert_eq!(world.witness.faults(), ["limiter", "queue"]);
    world.set_away(false);
    world.go_on().await;
    assert_eq!(world.delivered(), ["b", "b"]);
}

#[tokio::test]
async fn what_the_queue_was_not_told_it_is_told_from_the_first_on() {
    let world = World::new().await;
    let retelling = Retelling::new(world.gateway.clone());
    world.send(1, "known").await;
    world.queue.set_away(true);
    for n in 2..5 {
        world.send(n, "untold").await;
    }
    assert!(retelling.run_once().await.is_err(), "it is still away");
    world.queue.set_away(false);
    world.send(5, "known").await;
    assert_eq!(retelling.run_once().await.unwrap(), 4);
    assert_eq!(retelling.run_once().await.unwrap(), 0);
    world.work().await;
    assert_eq!(world.delivered().len(), 5);
}

#[tokio::test]
async fn a_webhook_is_kept() {
    let world = World::new().await;
    world.set_away(true);
    let kept = world.webhook("k1 waha-1 other").await;
    assert_eq!(kept.unwrap(), Kept::New);
    assert_eq!(world.witness.faults(), ["limiter"]);
}

#[tokio::test]
async fn what_was_accepted_meanwhile_counts_afterwards() {
    let world = World::with(quota(2, MINUTE)).await;
    world.limiter.set_away(true);
    for n in 0..3 {
        world.send(n, "a").await;
    }
    // Its server is another now.
    world.limiter.set_away(false);
    world.limiter.forget();
    let refused = world.try_send(request(9, "one too many")).await;
    assert!(matches!(refused, Err(GatewayError::RateLimited { .. })), "{refused:?}");
}

#[tokio::test]
async fn what_was_kept_is_not_refused_where_the_limiter_goes_away_meanwhile() {
    let world = World::new().await;
    let limiter = Arc::clone(&world.limiter);
    world.queue.when_told(move || limiter.set_away(true));
    let accepted = world.gateway.send(tenant_id(1), request(1, "a")).await.unwrap();
    assert_eq!(world.witness.faults(), ["limiter"]);
    assert_eq!(world.status(accepted.message.id).await, Status::Queued);
}

#[tokio::test]
async fn nothing_is_sent_on_a_count_that_nobody_knows() {
    let world = World::new().await;
    world.send(1, "a").await;
    world.limiter.set_away(true);
    world.work().await;
    assert_eq!(world.delivered(), [""; 0]);
    assert_eq!(world.witness.faults(), ["limiter"]);
    world.limiter.set_away(false);
    world.work_for(MINUTE).await;
    assert_eq!(world.delivered(), ["a"]);
}

#[tokio::test]
async fn what_the_provider_answered_is_kept_where_the_limiter_goes_away_meanwhile() {
    let world = World::new().await;
    let message = world.send(1, "a").await;
    let limiter = Arc::clone(&world.limiter);
    world.witness.when(Status::Sending, move || limiter.set_away(true));
    world.work().await;
    assert_eq!(world.status(message.id).await, Status::Sent);
    assert_eq!(world.witness.faults(), ["limiter"]);
}

#[tokio::test]
async fn nothing_is_sent_while_the_clock_differs_from_the_limiters() {
    let world = World::new().await;
    let watch = ClockWatch::new(world.gateway.clone());
    let second = Duration::from_secs(1);
    let message = world.send(1, "a").await;
    let now = world.clock.now();
    world.limiter.set_time(Some(now.plus(second)));
    assert_eq!(watch.run_once().await, Agreement::Behind(second));
    world.limiter.set_time(Some(now.minus(second)));
    assert_eq!(watch.run_once().await, Agreement::Ahead(second));
    world.work().await;
    assert_eq!(world.status(message.id).await, Status::Queued);
    assert!(!world.gateway.health().await.clock_agrees);
    assert_eq!(world.witness.faults(), ["clock"]);

    world.limiter.set_time(Some(now.plus(world.gateway.settings().clock_skew / 2)));
    assert_eq!(watch.run_once().await, Agreement::Agrees);
    world.work().await;
    assert_eq!(world.status(message.id).await, Status::Sent);
}

#[tokio::test]
async fn nothing_is_accepted_by_a_clock_that_differs_from_the_limiters() {
    let world = World::new().await;
    let watch = ClockWatch::new(world.gateway.clone());
    let now = world.clock.now();
    world.limiter.set_time(Some(now.minus(60 * MINUTE)));
    assert_eq!(watch.run_once().await, Agreement::Ahead(60 * MINUTE));
    let refused = world.try_send(request(1, "a")).await.unwrap_err();
    assert_eq!(refused.code(), "clock-wrong");
    let keyed = IdempotencyKey::parse("k").unwrap();
    let keyed = SendRequest { idempotency_key: Some(keyed), ..request(1, "a") };
    assert_eq!(world.try_send(keyed.clone()).await.unwrap_err().code(), "clock-wrong");
    let many = BulkRequest {
        session: session(1).id.into(),
        recipients: [2, 3].map(|to| request(to, "").to.as_str().into()).into(),
        content: Content::text("b"),
        batch_size: 10,
        priority: Priority::Normal,
        metadata: None,
        timing: Timing::default(),
        idempotency_key: None,
    };
    let refused = world.gateway.send_bulk(tenant_id(1), many.clone()).await.unwrap_err();
    assert_eq!(refused.code(), "clock-wrong");
    assert!(!world.gateway.is_ready().await);

    world.limiter.set_time(Some(now));
    assert_eq!(watch.run_once().await, Agreement::Agrees);
    assert!(world.gateway.is_ready().await);
    world.try_send(keyed).await.unwrap();
    world.gateway.send_bulk(tenant_id(1), many).await.unwrap();
    assert_eq!(world.queue.depth().await.unwrap(), 3);
}

#[tokio::test]
async fn a_clock_that_was_wrong_stays_so_while_nobody_can_tell() {
    let world = World::new().await;
    let watch = ClockWatch::new(world.gateway.clone());
    world.limiter.set_time(Some(world.clock.now().plus(MINUTE)));
    assert_eq!(watch.run_once().await, Agreement::Behind(MINUTE));
    world.limiter.set_away(true);
    assert_eq!(watch.run_once().await, Agreement::Unknown);
    assert!(!world.gateway.health().await.clock_agrees);
}
