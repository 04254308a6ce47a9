//! What is done is not answered as if it were not, whatever fails behind it.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use messaging_core::conformance::build::{session_id, tenant_id};
use messaging_core::conformance::provider::Script;
use messaging_core::domain::content::Content;
use messaging_core::domain::failure::{Failure, FailureCode};
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::message::Priority;
use messaging_core::domain::status::Status;
use messaging_core::gateway::bulk::BulkRequest;
use messaging_core::gateway::error::GatewayError;
use messaging_core::gateway::send::Timing;
use messaging_core::gateway::{Gateway, Ports};
use messaging_core::ports::message_store::{MessageStore, MockMessageStore};
use messaging_core::ports::store_error::StoreError;
use messaging_core::ports::tenant_store::{MockTenantStore, TenantStore};
use messaging_core::ports::transport::SendOutcome;

use world::{World, request};

const CARD: &str = "my card is 4111 1111 1111 1111";

fn away() -> StoreError {
    StoreError::unavailable("away")
}

/// The world's gateway, which cannot ask what tenants want once something was done: then nobody has
/// asked for it within the last second either.
fn forgetting_tenants(world: &World) -> (Gateway, Arc<AtomicBool>) {
    let is_away = Arc::new(AtomicBool::new(false));
    let (store, away_now) = (Arc::clone(&world.store), Arc::clone(&is_away));
    let mut tenants = MockTenantStore::new();
    tenants.expect_find().returning(move |id| match away_now.load(Ordering::Relaxed) {
        true => Err(away()),
        false => TenantStore::find(&*store, id).now_or_never().unwrap(),
    });
    let ports = Ports { tenants: Arc::new(tenants), ..world.ports.clone() };
    (Gateway::new(ports, world.gateway.settings().clone()), is_away)
}

#[tokio::test]
async fn what_was_accepted_is_answered_and_masked_where_nobody_knows_what_its_tenant_wants() {
    let world = World::new().await;
    let (gateway, is_away) = forgetting_tenants(&world);
    let clock = Arc::clone(&world.clock);
    world.queue.when_told(move || {
        clock.advance(Duration::from_secs(2));
        is_away.store(true, Ordering::Relaxed);
    });
    let accepted = gateway.send(tenant_id(1), request(1, CARD)).await.unwrap();
    assert!(!accepted.message.content.body.contains("4111 1111"), "{:?}", accepted.message.content);
    assert_eq!(world.message(accepted.message.id).await.content.body, CARD);
    assert_eq!(world.witness.faults(), ["store"]);
    world.work().await;
    assert_eq!(world.delivered(), [CARD]);
}

#[tokio::test]
async fn so_is_what_was_taken_back_tried_again_or_left() {
    let world = World::new().await;
    let (gateway, is_away) = forgetting_tenants(&world);
    let refused = || {
        let failure = Failure::new(FailureCode::ProviderRejected);
        Script::Answer(SendOutcome::Rejected(failure))
    };
    world.provider.script([refused(), refused()]);
    let replayed = world.send(1, CARD).await;
    let discarded = world.send(2, CARD).await;
    world.work().await;
    let cancelled = world.send(3, CARD).await;
    let clock = Arc::clone(&world.clock);
    world.queue.when_told(move || {
        clock.advance(Duration::from_secs(2));
        is_away.store(true, Ordering::Relaxed);
    });
    let answers = [
        (gateway.replay(tenant_id(1), replayed.id).await, Status::Queued),
        (gateway.discard(tenant_id(1), discarded.id).await, Status::Discarded),
        (gateway.cancel(tenant_id(1), cancelled.id).await, Status::Cancelled),
    ];
    for (answer, status) in answers {
        let message = answer.unwrap();
        assert_eq!(message.status, status);
        assert!(!message.content.body.contains("4111 1111"), "{:?}", message.content);
    }
    // Where nothing is done, it is said that nobody knows.
    let asked = gateway.find_message(tenant_id(1), cancelled.id).await;
    assert!(matches!(asked, Err(GatewayError::Unavailable(_))), "{asked:?}");
}

#[tokio::test]
async fn what_was_taken_back_is_answered_where_others_are_not_let_in_for_it() {
    let mut world = World::new().await;
    let people = [1, 2].map(|n| request(n, "").to.as_str().into());
    let bulk = BulkRequest {
        session: session_id(1).into(),
        recipients: people.into(),
        content: Content::text("hello all"),
        batch_size: 1,
        priority: Priority::Normal,
        metadata: None,
        timing: Timing::default(),
        idempotency_key: None,
    };
    world.gateway.send_bulk(tenant_id(1), bulk).await.unwrap();
    let portion = Portion::Page { page: 1, limit: 10 };
    let listed = world.gateway.list_messages(tenant_id(1), None, MessageFilter::default(), portion);
    let first = listed.await.unwrap().messages.into_iter().find(|message| !message.held).unwrap();

    let mut messages = MockMessageStore::new();
    let store = Arc::clone(&world.store);
    messages
        .expect_change()
        .returning(move |changes| MessageStore::change(&*store, changes).now_or_never().unwrap());
    messages.expect_release_from_batch().returning(|_, _| Err(away()));
    let ports = Ports { messages: Arc::new(messages), ..world.ports.clone() };
    let gateway = Gateway::new(ports, world.gateway.settings().clone());
    let cancelled = gateway.cancel(tenant_id(1), first.id).await.unwrap();
    assert_eq!(cancelled.status, Status::Cancelled);
    assert_eq!(world.witness.faults(), ["store"]);

    world.recovery.run_once().await.unwrap();
    world.work().await;
    assert_eq!(world.delivered(), ["hello all"]);
}
