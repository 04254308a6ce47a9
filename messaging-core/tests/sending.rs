//! From request to receipt, all in memory, time moved by hand.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use messaging_core::conformance::build::{address, message, session, session_id, tenant_id};
use messaging_core::conformance::provider::Script;
use messaging_core::domain::content::{Attachment, Content, Media, MediaKind, MediaSource};
use messaging_core::domain::failure::{Failure, FailureCode};
use messaging_core::domain::filter::MessageFilter;
use messaging_core::domain::message::{Message, MessageRef, Priority, StatusChange};
use messaging_core::domain::quota::Quota;
use messaging_core::domain::session::{OnRateLimit, SessionStatus};
use messaging_core::domain::status::{Status, StatusEvent};
use messaging_core::gateway::dead_letters::{DeadLetters, Moved};
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::send::SendRequest;
use messaging_core::ports::clock::Clock;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::queue::{HeldBy, Queue};
use messaging_core::ports::rate_limiter::RateKey;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::transport::{
    Envelope, Later, LaterReason, Route, SendOutcome, Transport,
};

use world::{World, quota, request};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn later(reason: LaterReason) -> Script {
    Script::Answer(SendOutcome::TryLater(Later { reason, after: None }))
}

fn file() -> Content {
    Content {
        body: "a picture".into(),
        attachment: Some(Attachment::Media(Media {
            kind: MediaKind::Image,
            source: MediaSource::Url("https://example.com/a.png".into()),
            mimetype: None,
            filename: None,
        })),
    }
}

#[tokio::test]
async fn an_accepted_message_is_sent_once() {
    let world = World::new().await;
    let message = world.send(1, "hello").await;
    assert_eq!(message.status, Status::Queued);
    assert_eq!(world.provider.arrivals().len(), 0);
    world.work().await;
    let sent = world.message(message.id).await;
    assert_eq!((sent.status, sent.attempts), (Status::Sent, 1));
    assert_eq!(world.delivered(), ["hello"]);
    assert_eq!(sent.provider_message_id, Some(world.provider.arrivals()[0].id.clone()));
}

#[tokio::test]
async fn messages_to_one_recipient_leave_in_the_order_accepted() {
    let world = World::new().await;
    for n in 0..10 {
        world.send(1, &n.to_string()).await;
    }
    world.work().await;
    assert_eq!(world.delivered(), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[tokio::test]
async fn the_urgent_leave_first() {
    let world = World::new().await;
    for (to, priority) in [(1, Priority::Low), (2, Priority::Normal), (3, Priority::High)] {
        let request = SendRequest { priority, ..request(to, priority.as_str()) };
        world.try_send(request).await.unwrap();
    }
    world.work().await;
    assert_eq!(world.delivered(), ["high", "normal", "low"]);
}

#[tokio::test]
async fn a_message_in_retry_keeps_its_place_and_holds_up_nobody_else() {
    let world = World::new().await;
    world.provider.script([later(LaterReason::Failed)]);
    world.send(1, "first").await;
    world.send(1, "second").await;
    world.send(2, "to another").await;
    world.work().await;
    assert_eq!(world.delivered(), ["to another"]);
    world.work_for(MINUTE).await;
    assert_eq!(world.delivered(), ["to another", "first", "second"]);
}

#[tokio::test]
async fn a_failed_attempt_is_repeated_five_times_and_then_the_message_fails() {
    let world = World::new().await;
    world.provider.script(std::iter::repeat_n(later(LaterReason::Failed), 9));
    let message = world.send(1, "hello").await;
    world.work_for(10 * MINUTE).await;
    let failed = world.message(message.id).await;
    assert_eq!((failed.status, failed.attempts), (Status::Failed, 5));
    assert_eq!(failed.failure, Some(Failure::new(FailureCode::ProviderError)));
    assert!(failed.failed_at.is_some());
}

#[tokio::test]
async fn a_replayed_message_has_all_its_attempts_again() {
    let world = World::new().await;
    world.provider.script(std::iter::repeat_n(later(LaterReason::Failed), 5));
    let message = world.send(1, "hello").await;
    world.work_for(10 * MINUTE).await;
    assert_eq!(world.status(message.id).await, Status::Failed);
    let replayed = world.gateway.replay(tenant_id(1), message.id).await.unwrap();
    assert_eq!((replayed.status, replayed.attempts), (Status::Queued, 0));
    world.work().await;
    assert_eq!(world.status(message.id).await, Status::Sent);
    let again = world.gateway.replay(tenant_id(1), message.id).await;
    assert!(matches!(again, Err(GatewayError::WrongStatus { status: Status::Sent, .. })));
}

#[tokio::test]
async fn a_rejected_message_fails_at_once_with_the_reason() {
    let world = World::new().await;
    let failure = Failure::new(FailureCode::ProviderRejected);
    world.provider.script([Script::Answer(SendOutcome::Rejected(failure.clone()))]);
    let message = world.send(1, "hello").await;
    world.work().await;
    let failed = world.message(message.id).await;
    assert_eq!((failed.status, failed.attempts), (Status::Failed, 1));
    assert_eq!(failed.failure, Some(failure));
}

#[tokio::test]
async fn a_number_without_whatsapp_fails_without_an_attempt() {
    let world = World::new().await;
    world.provider.set_absent(&address(1));
    let message = world.send(1, "hello").await;
    world.work().await;
    let failed = world.message(message.id).await;
    assert_eq!((failed.status, failed.attempts), (Status::Failed, 0));
    assert_eq!(failed.failure, Some(Failure::new(FailureCode::NotOnWhatsapp)));
}

#[tokio::test]
async fn an_unreachable_provider_holds_the_session_and_uses_no_attempt() {
    let world = World::new().await;
    world.provider.set_unreachable(true);
    let message = world.send(1, "hello").await;
    world.work_for(5 * MINUTE).await;
    let held = world.message(message.id).await;
    assert!(held.status.is_waiting(), "{:?}", held.status);
    assert_eq!(held.attempts, 0);
    let (_, pacing) = world.gateway.find_message(tenant_id(1), message.id).await.unwrap();
    assert_eq!(pacing.map(|pacing| pacing.held_by), Some(HeldBy::Breaker));
    world.provider.set_unreachable(false);
    world.work_for(MINUTE).await;
    assert_eq!(world.status(message.id).await, Status::Sent);
}

#[tokio::test]
async fn a_connection_that_fails_at_the_call_uses_no_attempt() {
    let world = World::new().await;
    world.provider.script(std::iter::repeat_n(later(LaterReason::Unreachable), 7));
    let message = world.send(1, "hello").await;
    world.work_for(5 * MINUTE).await;
    let sent = world.message(message.id).await;
    assert_eq!((sent.status, sent.attempts), (Status::Sent, 1));
}

#[tokio::test]
async fn a_session_that_is_not_connected_is_held_until_it_is() {
    let world = World::new().await;
    let message = world.send(1, "hello").await;
    world.provider.set_session(&session(1).place, SessionStatus::Starting);
    world.work_for(MINUTE).await;
    let held = world.message(message.id).await;
    assert_eq!((held.status.is_waiting(), held.attempts), (true, 0));
    let (_, pacing) = world.gateway.find_message(tenant_id(1), message.id).await.unwrap();
    assert_eq!(pacing.map(|pacing| pacing.held_by), Some(HeldBy::Session));

    world.provider.set_session(&session(1).place, SessionStatus::Working);
    assert_eq!(world.watch.run_once().await.unwrap().changed, 1);
    world.work().await;
    assert_eq!(world.status(message.id).await, Status::Sent);
}

#[tokio::test]
async fn a_session_that_is_not_connected_refuses_new_messages() {
    let world = World::new().await;
    world.provider.set_session(&session(1).place, SessionStatus::ScanQr);
    world.watch.run_once().await.unwrap();
    let refused = world.try_send(request(1, "hello")).await;
    let status = SessionStatus::ScanQr;
    assert!(matches!(refused, Err(GatewayError::SessionNotWorking { status: s }) if s == status));
}

/// Sessions are looked up once a second: what another node finds out is seen then.
#[tokio::test]
async fn a_session_that_another_node_saw_disconnect_is_refused_a_second_later() {
    let world = World::new().await;
    world.send(1, "hello").await;
    let (stopped, now) = (SessionStatus::Stopped, world.clock.now());
    world.store.record_status(session(1).id, stopped, now, None).await.unwrap();
    assert!(world.try_send(request(1, "hello again")).await.is_ok());
    world.clock.advance(Duration::from_secs(1));
    let refused = world.try_send(request(1, "hello")).await;
    assert!(
        matches!(refused, Err(GatewayError::SessionNotWorking { status }) if status == stopped)
    );
    // What can send again is seen at once.
    let (working, now) = (SessionStatus::Working, world.clock.now());
    world.store.record_status(session(1).id, working, now, None).await.unwrap();
    assert!(world.try_send(request(1, "back again")).await.is_ok());
}

#[tokio::test]
async fn a_worker_that_slept_through_its_lease_sends_nothing() {
    // Before its attempt is committed, and after it.
    for begun in [false, true] {
        let world = World::new().await;
        let clock = world.clock.clone();
        let sleep = move || clock.advance(10 * MINUTE);
        if begun {
            world.witness.when(Status::Sending, sleep);
        } else {
            world.provider.meanwhile(sleep);
        }
        let message = world.send(1, "hello").await;
        assert_eq!(world.worker.run_once(1).await.unwrap().claimed, 1);
        assert_eq!(world.delivered(), [""; 0]);
        let waiting = world.message(message.id).await;
        let expected = if begun { Status::Retry } else { Status::Queued };
        assert_eq!((waiting.status, waiting.attempts), (expected, 0));
        world.work().await;
        assert_eq!(world.delivered(), ["hello"]);
        assert_eq!(world.status(message.id).await, Status::Sent);
    }
}

#[tokio::test]
async fn a_slow_attempt_keeps_its_message_as_long_as_it_is_renewed() {
    let world = World::new().await;
    world.provider.script([Script::Hang { sent: true }]);
    let message = world.send(1, "hello").await;
    let mut slow = Box::pin(world.worker.run_once(1));
    assert!(futures::poll!(&mut slow).is_pending());
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(10));
        world.worker.renew_leases().await;
        world.work().await;
        assert_eq!(world.status(message.id).await, Status::Sending);
    }
    // The process dies: nobody goes on with it.
    drop(slow);
    world.clock.advance(Duration::from_secs(10));
    world.work().await;
    assert_eq!(world.status(message.id).await, Status::Sending);
    world.clock.advance(Duration::from_secs(10));
    world.work().await;
    assert_eq!(world.status(message.id).await, Status::Sent);
    assert_eq!(world.delivered(), ["hello"]);
}

#[tokio::test]
async fn a_message_that_is_completed_is_not_renewed() {
    let world = World::new().await;
    world.send(1, "first").await;
    let (completions, renewals) =
        (world.queue.completions.write().await, world.queue.renewals.write().await);
    let mut sending = Box::pin(world.worker.run_once(1));
    assert!(futures::poll!(&mut sending).is_pending());
    let mut renewing = Box::pin(world.worker.renew_leases());
    assert!(futures::poll!(&mut renewing).is_pending());
    drop(completions);
    sending.await.unwrap();
    drop(renewals);
    renewing.await;
    // Taken as under way, it would hold up what comes after it until its lease ends.
    world.send(1, "second").await;
    world.work().await;
    assert_eq!(world.delivered(), ["first", "second"]);
}

#[tokio::test]
async fn a_lost_answer_is_found_and_not_sent_twice() {
    for content in [Content::text("hello"), file()] {
        let world = World::new().await;
        world.provider.script([Script::LoseAnswer]);
        let message = world.try_send(SendRequest { content, ..request(1, "") }).await.unwrap();
        world.work_for(10 * MINUTE).await;
        assert_eq!(world.status(message.id).await, Status::Sent);
        assert_eq!(world.provider.arrivals().len(), 1);
    }
}

#[tokio::test]
async fn a_lost_request_is_repeated_with_the_same_id() {
    let world = World::new().await;
    world.provider.script([Script::LoseRequest]);
    let message = world.send(1, "hello").await;
    world.work().await;
    let waiting = world.message(message.id).await;
    assert_eq!(waiting.status, Status::Retry);
    world.work_for(MINUTE).await;
    let sent = world.message(message.id).await;
    assert_eq!((sent.status, sent.attempts), (Status::Sent, 2));
    assert_eq!(sent.provider_message_id, waiting.provider_message_id);
    assert_eq!(Some(&world.provider.arrivals()[0].id), sent.provider_message_id.as_ref());
}

#[tokio::test]
async fn where_nobody_can_tell_and_no_id_is_taken_the_message_fails_as_unknown() {
    let world = World::new().await;
    world.provider.script([Script::LoseRequest]);
    let message = world.try_send(SendRequest { content: file(), ..request(1, "") }).await.unwrap();
    world.work_for(MINUTE).await;
    let failed = world.message(message.id).await;
    assert_eq!(failed.status, Status::Failed);
    assert_eq!(failed.failure.map(|failure| failure.code), Some(FailureCode::OutcomeUnknown));
    assert_eq!(world.provider.arrivals().len(), 0);
}

/// Some engines answer a send with nothing. Without the id nobody would tell that it failed after all.
#[tokio::test]
async fn a_send_that_is_answered_without_its_id_is_followed_all_the_same() {
    let world = World::new().await;
    world.provider.script([Script::AnswerEmpty]);
    let message = world.try_send(SendRequest { content: file(), ..request(1, "") }).await.unwrap();
    world.work().await;
    let sent = world.message(message.id).await;
    assert_eq!((sent.status, sent.attempts), (Status::Sent, 1));
    let id = world.provider.arrivals()[0].id.clone();
    assert_eq!(sent.provider_message_id.as_ref(), Some(&id));
    let place = session(1).place.name;
    world.webhook(&format!("k1 {place} error {}", id.as_str())).await.unwrap();
    assert_eq!(world.status(message.id).await, Status::Failed);
}

#[tokio::test]
async fn what_was_accepted_before_a_crash_is_sent_after_it() {
    let world = World::new().await;
    let message = world.send(1, "hello").await;
    let mut world = world.restart();
    world.work().await;
    assert_eq!(world.status(message.id).await, Status::Queued);
    assert_eq!(world.recovery.run_once().await.unwrap().told, 1);
    world.work().await;
    assert_eq!(world.status(message.id).await, Status::Sent);
    world.recovery.run_once().await.unwrap();
    world.work_for(MINUTE).await;
    assert_eq!(world.provider.arrivals().len(), 1);
}

/// After the first time, a large backlog is gone through a part at a time.
#[tokio::test]
async fn a_large_backlog_is_told_at_once_and_looked_through_at_leisure() {
    let mut world = World::new().await;
    let backlog: Vec<_> = (1..=25_000).map(message).collect();
    MessageStore::insert(&*world.store, &backlog).await.unwrap();
    let first = world.recovery.run_once().await.unwrap();
    assert_eq!((first.told, first.complete, world.recovery.is_urgent()), (20_000, false, true));
    let second = world.recovery.run_once().await.unwrap();
    assert_eq!((second.told, second.complete, world.recovery.is_urgent()), (5_000, true, false));
    let third = world.recovery.run_once().await.unwrap();
    assert_eq!((third.told, third.complete, world.recovery.is_urgent()), (20_000, false, false));
}

#[tokio::test]
async fn a_queue_that_forgot_does_not_change_the_order() {
    let world = World::new().await;
    for n in 0..5 {
        world.send(1, &n.to_string()).await;
    }
    // The queue of the next process knows only what comes after, until it is told.
    world.clock.advance(Duration::from_secs(1));
    let world = world.restart();
    for n in 5..8 {
        world.send(1, &n.to_string()).await;
    }
    world.send(2, "to another").await;
    world.work().await;
    let mut delivered = world.delivered();
    delivered.retain(|body| body != "to another");
    assert_eq!(delivered, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(world.delivered().len(), 9);
}

#[tokio::test]
async fn a_message_found_sending_after_a_crash_is_looked_up_first() {
    for arrived in [true, false] {
        let world = World::new().await;
        let message = world.send(1, "hello").await;
        // The process dies between the provider's answer and its own commit.
        let mut world = crash_while_sending(world, arrived).await;
        assert_eq!(world.status(message.id).await, Status::Sending);
        world.recovery.run_once().await.unwrap();
        world.work_for(10 * MINUTE).await;
        assert_eq!(world.status(message.id).await, Status::Sent);
        assert_eq!(world.provider.arrivals().len(), 1, "arrived before: {arrived}");
    }
}

/// A message whose attempt nobody ended holds those behind it back until its lease ends; but not once a
/// webhook has told that it was sent.
#[tokio::test]
async fn what_a_webhook_settles_keeps_nobody_waiting() {
    let world = World::new().await;
    let first = world.send(1, "first").await;
    let mut world = crash_while_sending(world, true).await;
    world.send(1, "second").await;
    world.recovery.run_once().await.unwrap();
    world.work().await;
    assert_eq!(world.delivered(), ["first"]);
    let id = world.message(first.id).await.provider_message_id.unwrap();
    let place = session(1).place.name;
    world.webhook(&format!("k1 {place} delivered {}", id.as_str())).await.unwrap();
    assert_eq!(world.status(first.id).await, Status::Delivered);
    world.work_for(Duration::from_secs(1)).await;
    assert_eq!(world.delivered(), ["first", "second"]);
}

/// Nor does what is settled between recovery's look at the store and its word to the queue.
#[tokio::test]
async fn what_is_settled_while_the_queue_is_told_keeps_nobody_waiting() {
    let world = World::new().await;
    let first = world.send(1, "first").await;
    let mut world = crash_while_sending(world, true).await;
    world.send(1, "second").await;
    let (store, at) = (Arc::clone(&world.store), world.clock.now());
    let delivered = StatusChange::new(MessageRef::Id(first.id), StatusEvent::Deliver, at);
    world.queue.when_told(move || {
        store.change(&[delivered]).now_or_never().unwrap().unwrap();
    });
    world.recovery.run_once().await.unwrap();
    assert_eq!(world.status(first.id).await, Status::Delivered);
    world.work_for(Duration::from_secs(1)).await;
    assert_eq!(world.delivered(), ["first", "second"]);
}

/// Nor does what an ack settles while its attempt is put off, be it before that is on disk or before the
/// queue is told.
#[tokio::test]
async fn what_is_settled_while_it_is_put_back_keeps_nobody_waiting() {
    let put_off = Later { reason: LaterReason::Overloaded, after: Some(10 * MINUTE) };
    for status in [Status::Sending, Status::Retry] {
        let world = World::new().await;
        world.provider.script([Script::Answer(SendOutcome::TryLater(put_off.clone()))]);
        let first = world.send(1, "first").await;
        world.send(1, "second").await;
        let (store, queue) = (Arc::clone(&world.store), Arc::clone(&world.queue));
        let at = world.clock.now();
        world.witness.when(status, move || {
            let delivered = StatusChange::new(MessageRef::Id(first.id), StatusEvent::Deliver, at);
            store.change(&[delivered]).now_or_never().unwrap().unwrap();
            queue.forget(first.session, &[first.id]).now_or_never().unwrap().unwrap();
        });
        world.work_for(5 * Duration::from_secs(1)).await;
        assert_eq!(world.status(first.id).await, Status::Delivered);
        assert_eq!(world.delivered(), ["second"], "settled while it was {status}");
    }
}

/// Kills the process while it waits for the provider's answer.
async fn crash_while_sending(world: World, sent: bool) -> World {
    world.provider.script([Script::Hang { sent }]);
    tokio::select! {
        biased;
        _ = world.worker.run_once(1) => unreachable!("the provider never answers"),
        () = std::future::ready(()) => {}
    }
    world.restart()
}

/// What a process that died had asked for may be sent as late as the provider takes.
#[tokio::test]
async fn the_quota_holds_where_what_was_under_way_is_sent_after_a_restart() {
    let world = World::with(quota(2, MINUTE)).await;
    let first = world.send(1, "first").await;
    let mut world = crash_while_sending(world, false).await;
    for n in 2..6 {
        let on_rate_limit = Some(OnRateLimit::Queue);
        world.try_send(SendRequest { on_rate_limit, ..request(n, "after") }).await.unwrap();
    }
    world.recovery.run_once().await.unwrap();
    world.work().await;
    let late = Duration::from_secs(10);
    world.work_for(late).await;
    world.provider.arrive_late(&first);
    world.work_for(10 * MINUTE).await;
    let times: Vec<_> = world.provider.arrivals().into_iter().map(|it| it.at).collect();
    assert!(times.len() >= 5, "{times:?}");
    for three in times.windows(3) {
        assert!(three[2].since(three[0]) > MINUTE, "{times:?}");
    }
}

#[tokio::test]
async fn a_session_never_sends_more_than_its_quota_in_any_window() {
    let world = World::with(quota(5, MINUTE)).await;
    for n in 0..23 {
        let request = SendRequest {
            on_rate_limit: Some(OnRateLimit::Queue),
            ..request(n % 4, &n.to_string())
        };
        world.try_send(request).await.unwrap();
        world.clock.advance(Duration::from_millis(700));
        world.work().await;
    }
    world.work_for(10 * MINUTE).await;
    let times: Vec<_> = world.provider.arrivals().iter().map(|it| it.at).collect();
    assert_eq!(times.len(), 23);
    for six in times.windows(6) {
        assert!(six[5].since(six[0]) > MINUTE, "{six:?}");
    }
}

#[tokio::test]
async fn the_quota_holds_across_a_restart() {
    let world = World::with(quota(3, MINUTE)).await;
    for n in 0..3 {
        world.send(n, "before").await;
    }
    world.work().await;
    let mut world = world.restart();
    for n in 0..3 {
        let on_rate_limit = Some(OnRateLimit::Queue);
        world.try_send(SendRequest { on_rate_limit, ..request(n, "after") }).await.unwrap();
    }
    world.recovery.run_once().await.unwrap();
    world.work_for(Duration::from_secs(59)).await;
    assert_eq!(world.provider.arrivals().len(), 3);
    world.work_for(Duration::from_secs(2)).await;
    assert_eq!(world.provider.arrivals().len(), 6);
}

#[tokio::test]
async fn a_message_over_the_quota_is_refused_or_waits_as_asked() {
    let world = World::with(quota(2, MINUTE)).await;
    world.send(1, "one").await;
    world.clock.advance(Duration::from_secs(10));
    world.send(1, "two").await;
    let refused = world.try_send(request(1, "three")).await;
    let Err(GatewayError::RateLimited { retry_after, .. }) = refused else {
        panic!("not refused: {refused:?}");
    };
    assert_eq!(retry_after, Duration::from_secs(50));
    let on_rate_limit = Some(OnRateLimit::Queue);
    world.try_send(SendRequest { on_rate_limit, ..request(1, "four") }).await.unwrap();
    world.clock.advance(retry_after);
    world.send(1, "five").await;
    world.work_for(5 * MINUTE).await;
    assert_eq!(world.delivered(), ["one", "two", "four", "five"]);
}

#[tokio::test]
async fn a_cancelled_message_is_not_sent() {
    let world = World::new().await;
    let message = world.send(1, "hello").await;
    let cancelled = world.gateway.cancel(tenant_id(1), message.id).await.unwrap();
    assert_eq!(cancelled.status, Status::Cancelled);
    world.work().await;
    assert_eq!(world.provider.arrivals().len(), 0);
    let again = world.gateway.cancel(tenant_id(1), message.id).await;
    assert!(matches!(again, Err(GatewayError::WrongStatus { .. })));
}

#[tokio::test]
async fn a_message_of_a_deleted_session_fails_with_the_reason() {
    let world = World::new().await;
    let message = world.send(1, "hello").await;
    let session = session_id(1).into();
    world.gateway.delete_session(tenant_id(1), &session, false).await.unwrap();
    world.work().await;
    let failed = world.message(message.id).await;
    assert_eq!(failed.failure, Some(Failure::new(FailureCode::SessionGone)));
}

#[tokio::test]
async fn another_tenants_session_is_as_unknown_as_one_that_does_not_exist() {
    let world = World::new().await;
    let mine = SessionStore::find(&*world.store, tenant_id(1), session_id(1)).await.unwrap();
    assert!(mine.is_some());
    for session in [session_id(1), session_id(99)] {
        let request = SendRequest::text(session, address(1).as_str(), "hello");
        let refused = world.gateway.send(tenant_id(2), request).await;
        assert!(matches!(refused, Err(GatewayError::SessionNotFound)));
    }
}

#[tokio::test]
async fn everything_wrong_with_a_request_is_named_at_once() {
    let world = World::new().await;
    let request = SendRequest {
        metadata: Some(serde_json::json!("not an object")),
        ..SendRequest::text(session_id(1), "12345", "")
    };
    let Err(GatewayError::Invalid(fields)) = world.try_send(request).await else {
        panic!("accepted");
    };
    let pointers: Vec<&str> = fields.iter().map(|field| field.pointer.as_str()).collect();
    assert_eq!(pointers, ["/to", "/body", "/metadata"]);
    assert_eq!(world.clock.now(), messaging_core::conformance::build::at(10_000));
}

#[tokio::test]
async fn a_restart_does_not_give_the_quota_back() {
    let world = World::with(quota(2, MINUTE)).await;
    world.send(1, "one").await;
    world.clock.advance(Duration::from_secs(10));
    world.send(1, "two").await;
    let on_rate_limit = Some(OnRateLimit::Queue);
    world.try_send(SendRequest { on_rate_limit, ..request(1, "queued") }).await.unwrap();
    let world = world.restart();
    let refused = world.try_send(request(1, "three")).await;
    let Err(GatewayError::RateLimited { retry_after, .. }) = refused else {
        panic!("not refused: {refused:?}");
    };
    assert!(retry_after.abs_diff(Duration::from_secs(50)) < Duration::from_secs(1));
    world.clock.advance(retry_after);
    world.send(1, "four").await;
}

#[tokio::test]
async fn a_limiter_that_forgets_everything_gives_nobody_a_fresh_quota() {
    let world = World::with(quota(3, MINUTE)).await;
    for n in 0..2 {
        world.send(n, "before").await;
    }
    world.work().await;
    world.limiter.forget();
    world.clock.advance(Duration::from_secs(10));
    world.send(3, "after").await;
    let refused = world.try_send(request(4, "refused")).await;
    assert!(matches!(refused, Err(GatewayError::RateLimited { .. })), "{refused:?}");
    let on_rate_limit = Some(OnRateLimit::Queue);
    for n in 5..10 {
        world.try_send(SendRequest { on_rate_limit, ..request(n, "after") }).await.unwrap();
        world.limiter.forget();
        world.work().await;
    }
    assert_eq!(world.provider.arrivals().len(), 3);
    world.work_for(5 * MINUTE).await;
    let times: Vec<_> = world.provider.arrivals().into_iter().map(|it| it.at).collect();
    assert_eq!(times.len(), 8);
    for four in times.windows(4) {
        assert!(four[3].since(four[0]) > MINUTE, "{four:?}");
    }
}

/// As a limiter that lost its counts is told of what was begun, which this was not yet.
#[tokio::test]
async fn who_took_long_to_get_ready_asks_for_the_right_to_send_anew() {
    let world = World::with(quota(1, MINUTE)).await;
    world.send(1, "hello").await;
    let (clock, limiter) = (world.clock.clone(), world.limiter.clone());
    world.provider.meanwhile(move || {
        clock.advance(2 * SECOND);
        let quota = Quota { limit: 1, window: MINUTE };
        limiter.begin_anew_with_another(RateKey::Sending(session(1).id), quota, clock.now());
    });
    world.work().await;
    assert_eq!(world.delivered(), [""; 0]);
    world.work_for(2 * MINUTE).await;
    assert_eq!(world.delivered(), ["hello"]);
}

#[tokio::test(start_paused = true)]
async fn a_limiter_that_cannot_be_told_of_a_send_is_told_again() {
    let world = World::with(quota(1, MINUTE)).await;
    world.limiter.go_deaf_to(3);
    world.send(1, "one").await;
    let on_rate_limit = Some(OnRateLimit::Queue);
    world.try_send(SendRequest { on_rate_limit, ..request(1, "two") }).await.unwrap();
    world.work().await;
    assert_eq!(world.delivered(), ["one"]);
    // Else it would count from when it could have been sent at the latest.
    world.work_for(MINUTE + SECOND).await;
    assert_eq!(world.delivered(), ["one", "two"]);
}

/// Fails a message as WhatsApp does when it had accepted it.
async fn bounced(world: &World) -> Message {
    let message = world.send(1, "one").await;
    world.work().await;
    let id = world.message(message.id).await.provider_message_id.unwrap();
    world.webhook(&format!("e1 waha-1 error {}", id.0)).await.unwrap();
    assert_eq!(world.status(message.id).await, Status::Failed);
    message
}

#[tokio::test]
async fn a_message_that_bounced_is_sent_anew_when_it_is_replayed() {
    let world = World::new().await;
    let message = bounced(&world).await;
    world.gateway.replay(tenant_id(1), message.id).await.unwrap();
    world.work().await;
    assert_eq!(world.delivered(), ["one", "one"], "under an id that WhatsApp does not know yet");
    assert_eq!(world.status(message.id).await, Status::Sent);
}

#[tokio::test]
async fn a_message_of_unknown_end_is_looked_for_when_it_is_replayed() {
    let world = World::new().await;
    world.provider.script((0..5).map(|_| Script::LoseRequest));
    let message = world.send(1, "one").await;
    world.work_for(Duration::from_secs(600)).await;
    assert_eq!(world.status(message.id).await, Status::Failed);
    // It comes at last, whoever let it lie.
    let id = world.message(message.id).await.provider_message_id.unwrap();
    let (place, to, content) = (session(1).place, address(1), Content::text("one"));
    let envelope = Envelope { session: &place, to: &to, content: &content };
    let route = Route { chat: to.as_str().to_owned(), takes_id: true };
    world.provider.send(envelope, &route, Some(&id)).await;
    world.gateway.replay(tenant_id(1), message.id).await.unwrap();
    world.work().await;
    assert_eq!(world.provider.arrivals().len(), 1);
    assert_eq!(world.status(message.id).await, Status::Sent);
}

fn failed(n: u64) -> Message {
    let failure = Some(Failure::new(FailureCode::ProviderError));
    Message { status: Status::Failed, failure, ..message(n) }
}

fn dead_letters(limit: u32) -> DeadLetters {
    DeadLetters { session: None, filter: MessageFilter::default(), limit }
}

#[tokio::test]
async fn many_dead_letters_are_tried_again_in_the_order_of_their_acceptance() {
    let world = World::new().await;
    let theirs = Message { tenant: tenant_id(2), ..failed(999) };
    let kept: Vec<_> = (1..=250).map(failed).chain([theirs.clone()]).collect();
    MessageStore::insert(world.store.as_ref(), &kept).await.unwrap();
    let some = world.gateway.replay_many(tenant_id(1), dead_letters(120)).await.unwrap();
    assert_eq!(some, Moved { count: 120, remaining: 130 });
    for n in 1..=250 {
        let expected = if n <= 120 { Status::Queued } else { Status::Failed };
        assert_eq!(world.status(message(n).id).await, expected, "{n}");
    }
    assert_eq!(world.queue.depth().await.unwrap(), 120);
    let rest = world.gateway.replay_many(tenant_id(1), dead_letters(1000)).await.unwrap();
    assert_eq!(rest, Moved { count: 130, remaining: 0 });
    let none = world.gateway.replay_many(tenant_id(1), dead_letters(1000)).await.unwrap();
    assert_eq!(none, Moved { count: 0, remaining: 0 });
    assert_eq!(world.status(theirs.id).await, Status::Failed, "another tenant's");
}

#[tokio::test]
async fn what_is_discarded_is_left_for_good() {
    let world = World::new().await;
    let unknown = Some(Failure::new(FailureCode::OutcomeUnknown));
    let kept = [failed(1), Message { failure: unknown.clone(), ..failed(2) }, failed(3)];
    MessageStore::insert(world.store.as_ref(), &kept).await.unwrap();
    let filter = MessageFilter { failure: Some(FailureCode::ProviderError), ..Default::default() };
    let which = DeadLetters { filter, ..dead_letters(1) };
    let moved = world.gateway.discard_many(tenant_id(1), which).await.unwrap();
    assert_eq!(moved, Moved { count: 1, remaining: 1 });
    assert_eq!(world.status(message(1).id).await, Status::Discarded);
    let discarded = world.gateway.discard(tenant_id(1), message(2).id).await.unwrap();
    assert_eq!((discarded.status, discarded.failure), (Status::Discarded, unknown));
    for id in [message(1).id, message(2).id] {
        let refused = world.gateway.replay(tenant_id(1), id).await;
        assert!(matches!(refused, Err(GatewayError::WrongStatus { .. })), "{refused:?}");
    }
    assert_eq!(world.queue.depth().await.unwrap(), 0);
    assert_eq!(world.status(message(3).id).await, Status::Failed);
}
