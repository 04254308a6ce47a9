//! Who is served when many wait.

use super::{claim, complete, item, push};
use crate::conformance::build::{at, session_id, tenant_id};
use crate::domain::id::{SessionId, TenantId};
use crate::domain::message::QueueItem;
use crate::ports::queue::Queue;

/// Messages of one tenant, spread over some of its sessions. Numbers begin at the tenant's
/// number times 10 000, so that tenants share neither sessions nor messages.
fn backlog(tenant: u64, sessions: u64, messages: u64) -> Vec<QueueItem> {
    let of = |n| QueueItem {
        tenant: tenant_id(tenant),
        session: session_id(tenant * 10_000 + n % sessions),
        ..item(tenant * 10_000 + n)
    };
    (0..messages).map(of).collect()
}

/// Claims and completes one by one, and gives the tenants and sessions served.
async fn served(queue: &dyn Queue, claims: usize) -> Vec<(TenantId, SessionId)> {
    let mut served = Vec::new();
    for _ in 0..claims {
        for claimed in claim(queue, 1, at(0)).await.items {
            served.push((claimed.item.tenant, claimed.item.session));
            complete(queue, &claimed).await;
        }
    }
    served
}

/// One message of one tenant does not wait for a thousand of another.
pub async fn serves_tenants_in_turn(queue: &dyn Queue) {
    push(queue, &backlog(1, 50, 1000)).await;
    push(queue, &backlog(2, 1, 1)).await;
    let claims = claim(queue, 2, at(0)).await;
    let tenants: Vec<_> = claims.items.iter().map(|claimed| claimed.item.tenant).collect();
    assert!(tenants.contains(&tenant_id(2)), "{tenants:?}");
}

/// Nor does it when the backlog is being worked off already.
pub async fn serves_a_newcomer_before_a_backlog(queue: &dyn Queue) {
    push(queue, &backlog(1, 50, 1000)).await;
    served(queue, 25).await;
    push(queue, &backlog(2, 1, 1)).await;
    let next = served(queue, 2).await;
    assert!(next.iter().any(|(tenant, _)| *tenant == tenant_id(2)), "{next:?}");
}

/// Of two tenants each has every second turn, so the first that a worker gets done with makes room for
/// the newcomer, or the second.
pub async fn serves_a_newcomer_while_all_workers_are_busy_with_a_flood(queue: &dyn Queue) {
    const WORKERS: usize = 8;
    for chunk in backlog(1, 50, 5000).chunks(1000) {
        push(queue, chunk).await;
    }
    let mut busy = Vec::new();
    for _ in 0..WORKERS {
        busy.extend(claim(queue, 1, at(0)).await.items);
    }
    push(queue, &backlog(2, 1, 1)).await;
    let mut dispatched = Vec::new();
    for claimed in &busy {
        complete(queue, claimed).await;
        dispatched.extend(claim(queue, 1, at(0)).await.items);
    }
    assert_eq!(dispatched.len(), WORKERS);
    let to_newcomer = dispatched.iter().filter(|claimed| claimed.item.tenant == tenant_id(2));
    assert_eq!(to_newcomer.count(), 1);
}

/// More sessions do not make a larger share, in one claim or in many.
pub async fn serves_tenants_alike_whatever_their_sessions(queue: &dyn Queue) {
    push(queue, &backlog(1, 50, 1000)).await;
    push(queue, &backlog(2, 5, 100)).await;
    push(queue, &backlog(3, 1, 100)).await;
    let first_of =
        |tenants: &[TenantId], n| tenants.iter().filter(|tenant| **tenant == tenant_id(n)).count();
    let one_by_one: Vec<_> =
        served(queue, 30).await.into_iter().map(|(tenant, _)| tenant).collect();
    assert_eq!([1, 2, 3].map(|n| first_of(&one_by_one, n)), [10, 10, 10]);
    let claims = claim(queue, 9, at(0)).await;
    let at_once: Vec<_> = claims.items.iter().map(|claimed| claimed.item.tenant).collect();
    assert_eq!([1, 2, 3].map(|n| first_of(&at_once, n)), [4, 4, 1]);
}

/// A session with a long line does not hold up its tenant's others.
pub async fn serves_the_sessions_of_a_tenant_in_turn(queue: &dyn Queue) {
    push(queue, &backlog(1, 1, 100)).await;
    let sessions: Vec<SessionId> = (1..5).map(session_id).collect();
    for n in 1..5 {
        push(queue, &[QueueItem { session: session_id(n), ..item(n) }]).await;
        push(queue, &[QueueItem { session: session_id(n), ..item(100 + n) }]).await;
    }
    let first_round = served(queue, 5).await;
    let second_round = served(queue, 5).await;
    for round in [first_round, second_round] {
        for session in &sessions {
            let times = round.iter().filter(|(_, served)| served == session).count();
            assert_eq!(times, 1, "{session} in {round:?}");
        }
    }
}
