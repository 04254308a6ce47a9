//! A bulk request of the largest size keeps nobody else waiting.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::time::Duration;

use messaging_core::conformance::build::{address, session, session_id, tenant, tenant_id};
use messaging_core::domain::content::Content;
use messaging_core::domain::message::Priority;
use messaging_core::domain::session::Session;
use messaging_core::domain::status::Status;
use messaging_core::gateway::bulk::BulkRequest;
use messaging_core::gateway::send::{SendRequest, Timing};
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::tenant_store::TenantStore;

use world::World;

/// A world without a quota to speak of, in which tenant 2 has session 2, and tenant 1 session 3 as
/// well.
async fn world_of_two() -> World {
    let world = World::with(world::quota(1_000_000, Duration::from_secs(60))).await;
    TenantStore::insert(&*world.store, &tenant(2)).await.unwrap();
    for added in [Session { tenant: tenant_id(2), ..session(2) }, session(3)] {
        world.provider.set_session(&added.place, added.status);
        SessionStore::insert(&*world.store, &added).await.unwrap();
    }
    world
}

fn largest(batch_size: u32) -> BulkRequest {
    BulkRequest {
        session: session_id(1).into(),
        recipients: (0..10_000).map(|n| address(n).as_str().into()).collect(),
        content: Content::text("an offer"),
        batch_size,
        priority: Priority::High,
        metadata: None,
        timing: Timing::default(),
        idempotency_key: None,
    }
}

/// What of the bulk request leaves before a message that is accepted when so many of it have left.
async fn sends_before(world: &World, after: usize, tenant: u64, through: u64) -> usize {
    for _ in 0..after {
        assert_eq!(world.worker.run_once(1).await.unwrap().claimed, 1);
    }
    let before = world.provider.arrivals().len();
    let single = SendRequest {
        allow_duplicate: true,
        ..SendRequest::text(session_id(through), address(5).as_str(), "a code")
    };
    let single = world.gateway.send(tenant_id(tenant), single).await.unwrap().message;
    for _ in 0..10 {
        if world.status(single.id).await == Status::Sent {
            break;
        }
        assert_eq!(world.worker.run_once(1).await.unwrap().claimed, 1);
    }
    let arrivals = world.provider.arrivals();
    let last = arrivals.last().unwrap();
    assert_eq!(last.content.body, "a code");
    arrivals.len() - before - 1
}

#[tokio::test]
async fn a_bulk_of_10_000_never_delays_another_tenants_single_message_by_more_than_one_send() {
    for batch_size in [1, 100] {
        let world = world_of_two().await;
        world.gateway.send_bulk(tenant_id(1), largest(batch_size)).await.unwrap();
        for after in [0, 1, 7, 120] {
            let sends = sends_before(&world, after, 2, 2).await;
            assert!(sends <= 1, "{sends} sends of the bulk request left first");
        }
    }
}

#[tokio::test]
async fn a_bulk_of_10_000_delays_a_message_through_another_session_by_no_more_than_one_send() {
    let world = world_of_two().await;
    world.gateway.send_bulk(tenant_id(1), largest(100)).await.unwrap();
    for after in [0, 1, 7, 120] {
        let sends = sends_before(&world, after, 1, 3).await;
        assert!(sends <= 1, "{sends} sends of the bulk request left first");
    }
}

#[tokio::test]
async fn a_bulk_of_10_000_that_waits_holds_up_nobody_elses_messages() {
    let world = world_of_two().await;
    let accepted = world.gateway.send_bulk(tenant_id(1), largest(100)).await.unwrap();
    world.gateway.suspend_bulk(tenant_id(1), accepted.batch.id, Default::default()).await.unwrap();
    for (tenant, through) in [(2, 2), (1, 3), (1, 1)] {
        assert_eq!(sends_before(&world, 0, tenant, through).await, 0);
    }
}
