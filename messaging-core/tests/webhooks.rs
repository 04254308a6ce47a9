//! Webhooks repeated, reordered, early and forged: the same result.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::time::Duration;

use messaging_core::conformance::build::{address, session, tenant_id};
use messaging_core::conformance::provider::Script;
use messaging_core::domain::content::Content;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::id::ProviderMessageId;
use messaging_core::domain::inbox::Kept;
use messaging_core::domain::message::{Direction, Message};
use messaging_core::domain::session::SessionStatus;
use messaging_core::domain::status::Status;
use messaging_core::gateway::error::GatewayError;
use messaging_core::ports::webhook_verifier::SignatureError;

use world::{World, request};

async fn sent(world: &World) -> (Message, ProviderMessageId) {
    let message = world.send(1, "hello").await;
    world.work().await;
    let message = world.message(message.id).await;
    let id = message.provider_message_id.clone().unwrap();
    (message, id)
}

fn place() -> String {
    session(1).place.name
}

async fn received(world: &World) -> Vec<Message> {
    let filter = MessageFilter { direction: Some(Direction::Inbound), ..Default::default() };
    let portion = Portion::Page { page: 1, limit: 100 };
    world.gateway.list_messages(tenant_id(1), None, filter, portion).await.unwrap().messages
}

#[tokio::test]
async fn acks_move_a_message_forward() {
    let world = World::new().await;
    let (message, id) = sent(&world).await;
    for (event, status) in [("delivered", Status::Delivered), ("read", Status::Read)] {
        world.clock.advance(Duration::from_secs(1));
        let kept = world.webhook(&format!("{event} {} {event} {id}", place())).await.unwrap();
        assert_eq!(kept, Kept::New);
        assert_eq!(world.status(message.id).await, status);
    }
    let read = world.message(message.id).await;
    assert!(read.sent_at < read.delivered_at && read.delivered_at < read.read_at);
}

#[tokio::test]
async fn acks_in_any_order_and_however_often_come_to_the_same() {
    for order in [["delivered", "read"], ["read", "delivered"]] {
        let world = World::new().await;
        let (message, id) = sent(&world).await;
        for (n, event) in order.iter().chain(&order).enumerate() {
            world.webhook(&format!("{n} {} {event} {id}", place())).await.unwrap();
        }
        assert_eq!(world.status(message.id).await, Status::Read, "{order:?}");
    }
}

#[tokio::test]
async fn a_repeat_is_acknowledged_and_has_no_effect() {
    let world = World::new().await;
    let words = format!("k1 {} text 3A01 hi", place());
    assert_eq!(world.webhook(&words).await.unwrap(), Kept::New);
    assert_eq!(world.webhook(&words).await.unwrap(), Kept::Repeat);
    assert_eq!(received(&world).await.len(), 1);
}

#[tokio::test]
async fn the_same_message_under_two_events_is_kept_once() {
    let world = World::new().await;
    for key in ["k1", "k2"] {
        world.webhook(&format!("{key} {} text 3A01 hi", place())).await.unwrap();
    }
    let received = received(&world).await;
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].content, Content::text("hi"));
    assert_eq!((received[0].status, &received[0].from), (Status::Received, &Some(address(1))));
}

#[tokio::test]
async fn an_ack_that_comes_before_the_answer_of_its_send_is_not_lost() {
    let world = World::new().await;
    let message = world.send(1, "hello").await;
    // The provider has the message and says so, before its answer arrives here.
    world.provider.script([Script::LoseAnswer]);
    let words = format!("early {} delivered 3EB0NOTYETKNOWN", place());
    world.webhook(&words).await.unwrap();
    assert_eq!(world.store.depth().await.unwrap().pending, 1);

    world.work().await;
    let id = world.message(message.id).await.provider_message_id.unwrap();
    let words = format!("early2 {} delivered {id}", place());
    world.webhook(&words).await.unwrap();
    assert_eq!(world.status(message.id).await, Status::Delivered);
}

#[tokio::test]
async fn an_unmatched_ack_is_looked_at_again_and_left_after_ten_minutes() {
    let world = World::new().await;
    world.webhook(&format!("k1 {} delivered 3A99", place())).await.unwrap();
    let mut looks = 0;
    while world.store.depth().await.unwrap().pending > 0 {
        let due = world.store.next_due().await.unwrap().unwrap();
        world.clock.set(due);
        assert_eq!(world.inbox.run_once().await.unwrap(), 1);
        looks += 1;
        assert!(looks < 100, "it is never left");
    }
    assert!(looks > 5, "looked at only {looks} times");
}

#[tokio::test]
async fn what_is_not_believed_is_not_kept() {
    let world = World::new().await;
    let words = format!("k1 {} text 3A01 hi", place());
    let none: &[(&str, &str)] = &[];
    let wrong: &[(&str, &str)] = &[("password", "guess")];
    for (headers, reason) in [(none, SignatureError::Missing), (wrong, SignatureError::Mismatch)] {
        let refused = world.keep_with(&headers, &words).await;
        assert!(matches!(refused, Err(GatewayError::Signature(told)) if told == reason));
    }
    assert_eq!(world.inbox.run_once().await.unwrap(), 0);
    assert_eq!(received(&world).await, []);
}

#[tokio::test]
async fn what_nobody_owns_is_refused() {
    let world = World::new().await;
    let refused = world.keep("k1 nobody text 3A01 hi").await;
    assert!(matches!(refused, Err(GatewayError::SessionNotFound)));
}

#[tokio::test]
async fn a_webhook_that_cannot_be_read_does_not_hold_up_the_next() {
    let world = World::new().await;
    world.keep(&format!("k1 {} poison", place())).await.unwrap();
    world.keep(&format!("k2 {} text 3A01 hi", place())).await.unwrap();
    world.inbox.run_once().await.unwrap();
    assert_eq!(received(&world).await.len(), 1);
    let depth = world.store.depth().await.unwrap();
    assert_eq!((depth.pending, depth.dead), (0, 1));
}

#[tokio::test]
async fn an_event_of_an_unknown_kind_is_kept_and_does_nothing() {
    let world = World::new().await;
    assert_eq!(world.webhook(&format!("k1 {} whatever", place())).await.unwrap(), Kept::New);
    let depth = world.store.depth().await.unwrap();
    assert_eq!((depth.pending, depth.dead), (0, 0));
}

#[tokio::test]
async fn what_another_node_keeps_is_left_to_it_and_taken_up_when_it_does_nothing() {
    let world = World::new().await;
    world.keep(&format!("k1 {} text 3A01 hi", place())).await.unwrap();
    let world = world.restart();
    assert_eq!(world.inbox.run_once().await.unwrap(), 0);
    assert_eq!(received(&world).await, []);
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.inbox.run_once().await.unwrap(), 1);
    assert_eq!(received(&world).await.len(), 1);
}

#[tokio::test]
async fn a_session_that_stops_holds_its_messages_and_lets_them_go_when_it_works() {
    let world = World::new().await;
    let message = world.send(1, "hello").await;
    world.webhook(&format!("k1 {} status stopped", place())).await.unwrap();
    let refused = world.try_send(request(1, "no")).await;
    let stopped = SessionStatus::Stopped;
    assert!(
        matches!(refused, Err(GatewayError::SessionNotWorking { status }) if status == stopped)
    );
    world.work().await;
    assert_eq!(world.status(message.id).await, Status::Queued);
    world.clock.advance(Duration::from_secs(1));
    world.webhook(&format!("k2 {} status working", place())).await.unwrap();
    world.work().await;
    assert_eq!(world.status(message.id).await, Status::Sent);
}

#[tokio::test]
async fn an_error_reported_after_the_acceptance_fails_the_message() {
    let world = World::new().await;
    let (message, id) = sent(&world).await;
    world.webhook(&format!("k1 {} error {id}", place())).await.unwrap();
    assert_eq!(world.status(message.id).await, Status::Failed);
    // What is delivered stays delivered.
    world.clock.advance(Duration::from_secs(10));
    let (message, id) = sent(&world).await;
    world.webhook(&format!("k2 {} delivered {id}", place())).await.unwrap();
    world.webhook(&format!("k3 {} error {id}", place())).await.unwrap();
    assert_eq!(world.status(message.id).await, Status::Delivered);
}

#[tokio::test]
async fn one_source_that_sends_too_many_is_told_to_wait() {
    let mut settings = messaging_core::gateway::Settings::default();
    settings.webhook_quota.limit = 2;
    let world = World::with(settings).await;
    for key in ["k1", "k2"] {
        world.keep(&format!("{key} {} whatever", place())).await.unwrap();
    }
    let refused = world.keep(&format!("k3 {} whatever", place())).await;
    assert!(matches!(refused, Err(GatewayError::WebhookRateLimited { .. })));
}

#[tokio::test]
async fn an_event_that_means_nothing_is_kept_once_and_waits_for_nothing() {
    let world = World::new().await;
    let body = format!("e1 {} other", place());
    assert_eq!(world.keep(&body).await.unwrap(), Kept::New);
    assert_eq!(world.gateway.inbox_depth().await.unwrap().pending, 0);
    assert_eq!(world.keep(&body).await.unwrap(), Kept::Repeat);
}

/// Those of a node that died, while others come in without end.
#[tokio::test]
async fn what_is_left_over_is_applied_however_much_comes_in() {
    let world = World::new().await;
    world.keep(&format!("left {} text left hello", place())).await.unwrap();
    // Who keeps it dies, and another goes on.
    let world = world.restart();
    for n in 0..20 {
        world.keep(&format!("n{n} {} text in-{n} again", place())).await.unwrap();
        assert!(world.inbox.run_once().await.unwrap() > 0);
        world.clock.advance(Duration::from_millis(500));
    }
    let bodies: Vec<_> = received(&world).await.into_iter().map(|it| it.content.body).collect();
    assert_eq!(bodies.len(), 21);
    assert!(bodies.contains(&"hello".to_owned()));
}
