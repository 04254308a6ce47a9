//! When a message is said to leave, compared with when it does.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use messaging_core::conformance::build::{address, session, tenant_id};
use messaging_core::conformance::provider::Script;
use messaging_core::domain::content::Content;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::id::MessageId;
use messaging_core::domain::message::{Message, Priority};
use messaging_core::domain::session::{OnRateLimit, SessionStatus};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::bulk::BulkRequest;
use messaging_core::gateway::pacing::Pacing;
use messaging_core::gateway::send::{SendRequest, Timing};
use messaging_core::gateway::suspension::Stop;
use messaging_core::ports::clock::Clock;
use messaging_core::ports::queue::HeldBy;
use messaging_core::ports::transport::{Later, LaterReason, SendOutcome};

use world::{World, quota, request};

const MINUTE: Duration = Duration::from_secs(60);

/// A foretelling: of which message, when it was asked for, and what was said.
type Foretold = (MessageId, Timestamp, Timestamp);

async fn twenty_a_minute() -> World {
    World::with(quota(20, MINUTE)).await
}

fn queued(to: u64) -> SendRequest {
    SendRequest { on_rate_limit: Some(OnRateLimit::Queue), ..request(to, &format!("m{to}")) }
}

/// Accepts a message for the `n`th person and notes when it is said to leave.
async fn accept(world: &World, n: u64, foretold: &mut Vec<Foretold>) -> Message {
    let accepted = world.gateway.send(tenant_id(1), queued(n)).await.unwrap();
    let said = (accepted.message.id, world.clock.now(), accepted.estimated_send_at);
    foretold.push(said);
    accepted.message
}

async fn pacing(world: &World, id: MessageId) -> Option<Pacing> {
    world.gateway.find_message(tenant_id(1), id).await.unwrap().1
}

/// Lets the worker work for as long, and asks every few seconds when each message leaves.
async fn work_and_ask(
    world: &World,
    span: Duration,
    messages: &[MessageId],
    foretold: &mut Vec<Foretold>,
) {
    let end = world.clock.now().plus(span);
    while world.clock.now() < end {
        world.work_for(Duration::from_secs(7)).await;
        for id in messages {
            let Some(pacing) = pacing(world, *id).await else { continue };
            foretold.push((*id, world.clock.now(), pacing.estimated_send_at.unwrap()));
        }
    }
}

/// Everything foretold came true within 20 % of the wait, or a second.
async fn assert_foretold(world: &World, foretold: &[Foretold]) {
    let mut sent = BTreeMap::new();
    for (id, asked_at, said) in foretold {
        let left_at = match sent.get(id) {
            Some(at) => *at,
            None => world.message(*id).await.sent_at.unwrap(),
        };
        sent.insert(*id, left_at);
        let wait = left_at.since(*asked_at);
        let off = said.since(left_at).max(left_at.since(*said));
        let allowed = wait.mul_f64(0.2).max(Duration::from_secs(1));
        assert!(off <= allowed, "{wait:?} before it left it was foretold wrong by {off:?}");
    }
}

#[tokio::test]
async fn a_hundred_messages_leave_when_they_are_said_to() {
    let world = twenty_a_minute().await;
    let mut foretold = Vec::new();
    let mut ids = Vec::new();
    for n in 1..=100 {
        ids.push(accept(&world, n, &mut foretold).await.id);
    }
    work_and_ask(&world, 6 * MINUTE, &ids, &mut foretold).await;
    assert_eq!(world.delivered().len(), 100);
    assert!(foretold.len() > 1000, "only {} were asked", foretold.len());
    assert_foretold(&world, &foretold).await;
}

#[tokio::test]
async fn what_is_accepted_into_a_steady_queue_leaves_when_it_is_said_to() {
    let world = twenty_a_minute().await;
    let (mut foretold, mut ids) = (Vec::new(), Vec::new());
    let mut person = 0;
    // A session that sends now and then, so that its window is used unevenly; then a crowd.
    for _ in 0..15 {
        person += 1;
        ids.push(accept(&world, person, &mut foretold).await.id);
        world.work_for(Duration::from_secs(4)).await;
    }
    for crowd in [10, 30, 3, 40, 1] {
        for _ in 0..crowd {
            person += 1;
            ids.push(accept(&world, person, &mut foretold).await.id);
        }
        work_and_ask(&world, Duration::from_secs(35), &ids, &mut foretold).await;
    }
    work_and_ask(&world, 5 * MINUTE, &ids, &mut foretold).await;
    assert_eq!(world.delivered().len(), ids.len());
    assert_foretold(&world, &foretold).await;
}

#[tokio::test]
async fn what_a_bulk_request_holds_back_comes_after_what_is_queued_and_what_is_before_it() {
    let world = twenty_a_minute().await;
    let bulk = BulkRequest {
        session: session(1).id.into(),
        recipients: (1..=100).map(|n| address(n).as_str().into()).collect(),
        content: Content::text("hello all"),
        batch_size: 10,
        priority: Priority::Normal,
        metadata: None,
        timing: Timing::default(),
        idempotency_key: None,
    };
    world.gateway.send_bulk(tenant_id(1), bulk).await.unwrap();
    let listed = world.store.pending(None, 1000).await.unwrap();
    assert_eq!(listed.len(), 10);
    let (filter, portion) = (MessageFilter::default(), Portion::Page { page: 1, limit: 100 });
    let all = world.gateway.list_messages(tenant_id(1), None, filter, portion).await.unwrap();
    let ids: Vec<MessageId> = all.messages.iter().rev().map(|message| message.id).collect();
    let last = pacing(&world, ids[99]).await.unwrap();
    assert_eq!((last.held_by, last.ahead), (HeldBy::Bulk, 99));
    let mut foretold = Vec::new();
    work_and_ask(&world, 6 * MINUTE, &ids, &mut foretold).await;
    assert_eq!(world.delivered().len(), 100);
    assert_foretold(&world, &foretold).await;
}

#[tokio::test]
async fn whatever_holds_a_message_says_until_when_and_the_message_leaves_then() {
    let world = twenty_a_minute().await;
    let all: Vec<MessageId> = {
        let mut ids = Vec::new();
        for n in 1..=30 {
            ids.push(accept(&world, n, &mut Vec::new()).await.id);
        }
        ids
    };
    world.work().await;
    world.clock.advance(Duration::from_secs(2));
    let last = pacing(&world, all[29]).await.unwrap();
    let began = world.clock.now().minus(Duration::from_secs(2));
    let freed = began.plus(Duration::from_millis(60_250));
    assert_eq!((last.held_by, last.until, last.ahead), (HeldBy::Rate, Some(freed), 9));
    assert_eq!(last.estimated_send_at, Some(freed));

    // Stopped for as long as somebody says, and then for ever.
    let until = world.clock.now().plus(10 * MINUTE);
    let stop = Stop { until: Some(until), reason: None };
    world.gateway.suspend_session(tenant_id(1), &session(1).id.into(), stop).await.unwrap();
    world.work_for(MINUTE).await;
    let last = pacing(&world, all[29]).await.unwrap();
    assert_eq!((last.held_by, last.until), (HeldBy::Suspended, Some(until)));
    assert_eq!(last.estimated_send_at, Some(until));
    let mut foretold = Vec::new();
    accept(&world, 31, &mut foretold).await;
    assert_eq!(foretold[0].2, until, "of one that is accepted meanwhile");
    let stop = Stop { until: None, reason: None };
    world.gateway.suspend_session(tenant_id(1), &session(1).id.into(), stop).await.unwrap();
    let last = pacing(&world, all[29]).await.unwrap();
    assert_eq!((last.held_by, last.until), (HeldBy::Suspended, None));
    assert_eq!(last.estimated_send_at, None);

    world.gateway.resume_session(tenant_id(1), &session(1).id.into()).await.unwrap();
    world.provider.set_session(&session(1).place, SessionStatus::Stopped);
    world.watch.run_once().await.unwrap();
    let recheck = world.clock.now().plus(Duration::from_secs(15));
    let last = pacing(&world, all[29]).await.unwrap();
    assert_eq!((last.held_by, last.until), (HeldBy::Session, Some(recheck)));
    assert_eq!(last.estimated_send_at, Some(recheck));
}

#[tokio::test]
async fn one_in_retry_leaves_when_its_next_attempt_is_due_and_not_before_the_quota_allows_it() {
    let world = twenty_a_minute().await;
    let later = Later { reason: LaterReason::Overloaded, after: Some(Duration::from_secs(30)) };
    world.provider.script([Script::Answer(SendOutcome::TryLater(later))]);
    let first = accept(&world, 1, &mut Vec::new()).await.id;
    world.work().await;
    let due = world.clock.now().plus(Duration::from_secs(30));
    let waiting = pacing(&world, first).await.unwrap();
    assert_eq!((waiting.held_by, waiting.until), (HeldBy::Retry, Some(due)));
    assert_eq!(waiting.estimated_send_at, Some(due));
}
