//! What becomes of a message of which nobody can tell whether it was sent, as its tenant wants it.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use futures::FutureExt;
use messaging_core::conformance::build::{self, tenant_id};
use messaging_core::conformance::provider::Script;
use messaging_core::domain::failure::FailureCode;
use messaging_core::domain::message::Message;
use messaging_core::domain::status::Status;
use messaging_core::domain::tenant::OnUnknown;
use messaging_core::gateway::error::GatewayError;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::transport::LaterReason;

use world::World;

/// Long enough for every attempt.
const LONG: Duration = Duration::from_secs(3600);

/// A world whose provider takes no ids, and whose tenant wants this.
async fn wanting(on_unknown: OnUnknown) -> World {
    let world = World::new().await;
    world.provider.take_no_ids();
    let tenant = world.gateway.set_on_unknown(tenant_id(1), on_unknown).await.unwrap();
    assert_eq!(tenant.on_unknown, on_unknown);
    world
}

#[tokio::test]
async fn by_default_it_fails_as_such() {
    let world = wanting(OnUnknown::DeadLetter).await;
    world.provider.script([Script::LoseRequest]);
    let message = world.send(1, "hello").await;
    world.work_for(LONG).await;
    let failed = world.message(message.id).await;
    assert_eq!((failed.status, failed.attempts), (Status::Failed, 1));
    assert_eq!(failed.failure.map(|failure| failure.code), Some(FailureCode::OutcomeUnknown));
}

#[tokio::test]
async fn where_the_tenant_wants_it_sent_again_it_is() {
    let world = wanting(OnUnknown::Resend).await;
    world.provider.script([Script::LoseRequest]);
    let message = world.send(1, "hello").await;
    world.work_for(LONG).await;
    let sent = world.message(message.id).await;
    assert_eq!((sent.status, sent.attempts, sent.failure), (Status::Sent, 2, None));
    assert_eq!(world.delivered(), ["hello"]);
}

#[tokio::test]
async fn it_is_sent_again_as_often_as_any_other_and_then_fails_as_such() {
    let world = wanting(OnUnknown::Resend).await;
    world.provider.script(std::iter::repeat_n(Script::LoseRequest, 100));
    let message = world.send(1, "hello").await;
    world.work_for(LONG).await;
    let failed = world.message(message.id).await;
    assert_eq!((failed.status, failed.attempts), (Status::Failed, 5));
    assert_eq!(failed.failure.map(|failure| failure.code), Some(FailureCode::OutcomeUnknown));
}

#[tokio::test]
async fn what_is_found_is_not_sent_again() {
    let world = wanting(OnUnknown::Resend).await;
    world.provider.script([Script::LoseRequest]);
    let message = world.send(1, "hello").await;
    world.work().await;
    assert_eq!(world.status(message.id).await, Status::Retry);
    // The request that nobody found arrives late, under whatever id.
    world.clock.advance(Duration::from_millis(1));
    world.provider.arrive_late(&message);
    world.work_for(LONG).await;
    assert_eq!(world.status(message.id).await, Status::Sent);
    assert_eq!(world.provider.arrivals().len(), 1);
}

#[tokio::test]
async fn another_message_that_says_the_same_is_not_taken_for_it() {
    let world = wanting(OnUnknown::Resend).await;
    world.provider.script([Script::LoseRequest]);
    let first = world.send(1, "hello").await;
    world.work().await;
    assert_eq!(world.status(first.id).await, Status::Retry);
    // The same to the same person by way of another message, which is known by its id.
    world.clock.advance(Duration::from_millis(1));
    world.provider.arrive_late(&first);
    let other = Message {
        status: Status::Sent,
        provider_message_id: Some(world.provider.arrivals()[0].id.clone()),
        ..build::message(77)
    };
    MessageStore::insert(&*world.store, &[other]).await.unwrap();
    world.work_for(LONG).await;
    assert_eq!(world.status(first.id).await, Status::Sent);
    assert_eq!(world.provider.arrivals().len(), 2);
}

#[tokio::test]
async fn nothing_is_unknown_of_what_was_put_off_before_it_was_sent_wherever_the_node_dies() {
    for reason in [LaterReason::Overloaded, LaterReason::Failed, LaterReason::MediaUnavailable] {
        let world = wanting(OnUnknown::DeadLetter).await;
        world.provider.put_off([reason]);
        let message = world.send(1, "hello").await;
        // As soon as anybody could know that an attempt was begun.
        world.witness.when(Status::Sending, || resume_unwind(Box::new("the node dies")));
        assert!(AssertUnwindSafe(world.work()).catch_unwind().await.is_err());
        let mut world = world.restart();
        world.recovery.run_once().await.unwrap();
        world.work_for(LONG).await;
        let sent = world.message(message.id).await;
        assert_eq!((sent.status, sent.attempts, sent.failure), (Status::Sent, 2, None));
        assert_eq!(world.delivered(), ["hello"]);
    }
}

#[tokio::test]
async fn of_a_tenant_that_is_not_there_nothing_is_said() {
    let world = World::new().await;
    let refused = world.gateway.set_on_unknown(tenant_id(9), OnUnknown::Resend).await;
    assert!(matches!(refused, Err(GatewayError::TenantNotFound)));
}
