//! No tenant waits for another, however much that one has waiting.

#![allow(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::time::Duration;

use messaging_core::conformance::build::{
    address, at, message, session, session_id, tenant, tenant_id,
};
use messaging_core::domain::message::Message;
use messaging_core::domain::session::{Session, SessionStatus};
use messaging_core::domain::status::Status;
use messaging_core::gateway::send::SendRequest;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::queue::Queue;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::tenant_store::TenantStore;

use world::{World, quota};

const FLOOD: u64 = 100_000;
const SESSIONS: u64 = 50;
const WORKERS: usize = 8;

/// Tenant 1 has a hundred thousand messages waiting over fifty sessions, and all workers are busy with
/// them. Tenant 2 has session 51, and nothing waiting.
async fn flooded() -> World {
    let mut world = World::with(quota(1_000_000, Duration::from_secs(60))).await;
    TenantStore::insert(&*world.store, &tenant(2)).await.unwrap();
    for n in 2..=SESSIONS + 1 {
        let owner = if n > SESSIONS { tenant_id(2) } else { tenant_id(1) };
        let session = Session { tenant: owner, ..session(n) };
        SessionStore::insert(&*world.store, &session).await.unwrap();
        world.provider.set_session(&session.place, SessionStatus::Working);
    }
    let flood: Vec<Message> = (0..FLOOD)
        .map(|n| Message {
            session: session_id(1 + n % SESSIONS),
            to: Some(address(n)),
            due_at: at(0),
            created_at: at(0),
            ..message(n)
        })
        .collect();
    for part in flood.chunks(1000) {
        MessageStore::insert(&*world.store, part).await.unwrap();
    }
    while !world.recovery.run_once().await.unwrap().complete {}
    assert_eq!(world.queue.depth().await.unwrap(), FLOOD);
    world
}

#[tokio::test]
async fn one_message_passes_a_flood_within_as_many_dispatches_as_there_are_workers() {
    let world = flooded().await;
    for _ in 0..10 {
        assert_eq!(world.worker.run_once(WORKERS).await.unwrap().claimed, WORKERS);
    }
    for round in 0..3 {
        let before = world.provider.arrivals().len();
        let to = address(round);
        let request = SendRequest::text(session_id(SESSIONS + 1), to.as_str(), "one");
        let accepted = world.gateway.send(tenant_id(2), request).await.unwrap();
        assert_eq!(world.worker.run_once(WORKERS).await.unwrap().claimed, WORKERS);
        assert_eq!(world.status(accepted.message.id).await, Status::Sent);
        assert_eq!(world.provider.arrivals().len(), before + WORKERS);
    }
}
