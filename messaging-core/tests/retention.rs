//! What tenants want to be kept no longer goes, in small steps.
#![expect(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod world;

use std::time::Duration;

use messaging_core::conformance::build::{at, audit_event, message, message_id, tenant_id};
use messaging_core::domain::audit::{ActorKind, Chain};
use messaging_core::domain::message::Message;
use messaging_core::domain::retention::RetentionRules;
use messaging_core::domain::status::Status;
use messaging_core::gateway::error::GatewayError;
use messaging_core::ports::audit_log::AuditLog;
use messaging_core::ports::message_store::MessageStore;
use world::World;

const DAY: Duration = Duration::from_secs(86_400);

fn rules(messages: Option<Duration>, audit: Option<Duration>) -> RetentionRules {
    RetentionRules { messages, webhooks: None, audit }
}

async fn is_kept(world: &World, n: u64) -> bool {
    MessageStore::find(&*world.store, tenant_id(1), message_id(n)).await.unwrap().is_some()
}

#[tokio::test]
async fn what_is_older_than_a_tenant_wants_goes_and_nothing_else() {
    let world = World::new().await;
    let day = |n: u64| n * 86_400_000;
    for n in [1, day(1), day(2)] {
        let over = Message { status: Status::Read, created_at: at(n), ..message(n) };
        MessageStore::insert(&*world.store, &[over]).await.unwrap();
        AuditLog::append(&*world.store, &[audit_event(n)]).await.unwrap();
    }
    let waiting = message(2);
    MessageStore::insert(&*world.store, &[waiting]).await.unwrap();
    world.clock.advance(DAY * 3);

    assert!(!world.gateway.enforce_retention().await.unwrap());
    assert!(is_kept(&world, 1).await, "without a rule nothing goes");
    world.gateway.set_retention(tenant_id(1), rules(Some(DAY * 2), Some(DAY))).await.unwrap();
    assert!(!world.gateway.enforce_retention().await.unwrap());
    assert!(!is_kept(&world, 1).await);
    assert!(is_kept(&world, 2).await, "it waits");
    // Three days and ten seconds have passed.
    assert!(!is_kept(&world, day(1)).await && is_kept(&world, day(2)).await);
    let chain = Chain::Tenant(tenant_id(1));
    let report = world.gateway.verify_audit(chain, None).await.unwrap();
    assert_eq!((report.findings, report.anchor.seq), (vec![], 3));
    // What went is told of where the tenant lets go of nothing.
    let told = AuditLog::walk(&*world.store, Chain::Platform, 0, 9).await.unwrap();
    let told: Vec<_> = told.into_iter().map(|entry| entry.event).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].actor_kind, told[0].action.as_str()), (ActorKind::System, "retention"));
    assert_eq!(told[0].target_kind.as_deref(), Some("audit-anchor"));
    assert_eq!(told[0].target, Some(format!("{} {}", tenant_id(1), report.anchor)));
}

#[tokio::test]
async fn one_pass_does_no_more_than_it_may() {
    let world = World::new().await;
    let all: Vec<_> = (1..=25_000).map(audit_event).collect();
    AuditLog::append(&*world.store, &all).await.unwrap();
    world.gateway.set_retention(tenant_id(1), rules(None, Some(DAY))).await.unwrap();
    world.clock.advance(DAY * 2);
    assert!(world.gateway.enforce_retention().await.unwrap());
    let chain = Chain::Tenant(tenant_id(1));
    assert_eq!(AuditLog::ends(&*world.store, chain).await.unwrap().anchor.seq, 20_000);
    assert!(!world.gateway.enforce_retention().await.unwrap());
    assert_eq!(AuditLog::ends(&*world.store, chain).await.unwrap().anchor.seq, 25_000);
}

#[tokio::test]
async fn nothing_is_kept_for_less_than_a_day() {
    let world = World::new().await;
    let short = rules(Some(DAY - Duration::from_secs(1)), None);
    let refused = world.gateway.set_retention(tenant_id(1), short).await.unwrap_err();
    assert!(matches!(refused, GatewayError::Invalid(_)));
    assert!(world.gateway.retention(tenant_id(1)).await.unwrap().is_empty());
}
