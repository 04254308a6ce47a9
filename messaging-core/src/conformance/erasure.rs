//! How every store must let go of all that is a tenant's, and of nothing else.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::time::Duration;

use crate::conformance::build::{
    api_key, api_key_id, at, audit_event, batch, family_id, inbox_entry, message, message_id,
    opt_out, session, session_id, tenant, tenant_id, token_family,
};
use crate::domain::access::{ApiKey, TokenFamily};
use crate::domain::audit::{AuditEvent, Chain, ChainEnds};
use crate::domain::batch::Batch;
use crate::domain::fingerprint::RequestHash;
use crate::domain::id::TenantId;
use crate::domain::idempotency::ScopedKey;
use crate::domain::inbox::{InboxEntry, Kept};
use crate::domain::message::{Message, MessageRef, QueueItem, StatusChange};
use crate::domain::opt_out::OptOut;
use crate::domain::retention::RetentionRules;
use crate::domain::session::Session;
use crate::domain::statistics::StatisticsRange;
use crate::domain::status::{Status, StatusEvent};
use crate::domain::timestamp::Timestamp;
use crate::ports::access_store::AccessStore;
use crate::ports::audit_log::AuditLog;
use crate::ports::idempotency_store::{IdempotencyStore, Undertaking};
use crate::ports::inbox_store::{InboxDepth, InboxStore};
use crate::ports::key_provider::WrappedKey;
use crate::ports::key_store::{KeptKey, KeyPurpose, KeyStore};
use crate::ports::message_store::MessageStore;
use crate::ports::opt_out_store::OptOutStore;
use crate::ports::retention_store::RetentionStore;
use crate::ports::session_store::SessionStore;
use crate::ports::tenant_store::TenantStore;

/// Every store port that this suite asks.
pub trait Whole:
    TenantStore
    + MessageStore
    + SessionStore
    + InboxStore
    + AuditLog
    + RetentionStore
    + AccessStore
    + OptOutStore
    + IdempotencyStore
    + KeyStore
{
}

impl<S> Whole for S where
    S: TenantStore
        + MessageStore
        + SessionStore
        + InboxStore
        + AuditLog
        + RetentionStore
        + AccessStore
        + OptOutStore
        + IdempotencyStore
        + KeyStore
{
}

/// Calls the given macro with the name of every behavior. Each is a function of this module that takes
/// an empty store.
#[macro_export]
macro_rules! for_each_erasure_behavior {
    ($test:ident) => {
        $test!(erases_all_of_one_tenant_in_steps);
        $test!(erases_nothing_of_a_tenant_that_stays);
        $test!(keeps_a_tenant_whose_log_has_entries);
        $test!(shreds_the_keys_of_one_tenant_before_its_rows_go);
        $test!(lets_go_of_a_key_that_was_made_late);
        $test!(lets_go_of_a_webhook_that_came_in_late);
    };
}

const DAYS: Duration = Duration::from_secs(90_000);

/// Two tenants that have something of everything that belongs to one: five messages in a bulk request,
/// two webhooks, a session, somebody who opted out, a key and what was given for it, a request that may
/// be repeated, an entry of the audit log, a key that contents are sealed with.
pub async fn fill<S: Whole>(store: &S) {
    for n in [1, 2] {
        let owner = tenant_id(n);
        TenantStore::insert(store, &tenant(n)).await.unwrap();
        let own = Session { tenant: owner, name: "main".into(), ..session(n) };
        SessionStore::insert(store, &own).await.unwrap();
        let batch = Batch { tenant: owner, session: own.id, ..batch(n) };
        let all = [Status::Queued, Status::Retry, Status::Sending, Status::Sent, Status::Failed];
        let messages = all.into_iter().enumerate().map(|(i, status)| Message {
            tenant: owner,
            session: own.id,
            batch: Some(batch.id),
            status,
            ..message(n * 100 + i as u64)
        });
        let messages: Vec<_> = messages.collect();
        store.insert_batch(&batch, &messages).await.unwrap();
        let first = MessageRef::Id(message_id(n * 100));
        let begin = StatusChange::new(first, StatusEvent::Begin, at(9));
        store.change(&[begin]).await.unwrap();
        for i in 0..2 {
            let each = inbox_entry(n * 100 + i);
            let each = InboxEntry { tenant: owner, session: own.id, ..each };
            assert_eq!(store.keep(&[each]).await.unwrap().len(), 1);
        }
        store.add(&OptOut { tenant: owner, ..opt_out(n) }).await.unwrap();
        store.insert_key(&ApiKey { tenant: owner, ..api_key(n) }).await.unwrap();
        let family = TokenFamily { tenant: owner, key: api_key_id(n), ..token_family(n) };
        store.insert_family(&family).await.unwrap();
        let request = Undertaking {
            key: ScopedKey { tenant: owner, digest: [7; 32] },
            request: RequestHash([7; 32]),
            subject: own.id.0,
            lease_until: at(100),
            expires_at: at(1000),
        };
        store.begin(&request, at(0)).await.unwrap();
        let event = AuditEvent { chain: Chain::Tenant(owner), ..audit_event(n) };
        store.append(&[event]).await.unwrap();
        let rules = RetentionRules { audit: Some(DAYS), ..RetentionRules::default() };
        store.set_rules(owner, rules).await.unwrap();
        assert!(store.add_key(&data_key(n)).await.unwrap());
    }
}

fn data_key(n: u64) -> KeptKey {
    let wrapped = WrappedKey { by: "one".into(), bytes: vec![7; 60] };
    let (tenant, purpose) = (Some(tenant_id(n)), KeyPurpose::Content);
    KeptKey { tenant, purpose, version: 1, wrapped, created_at: at(1) }
}

/// Lets go of all of the first tenant.
pub async fn let_go<S: Whole>(store: &S) {
    let chain = Chain::Tenant(tenant_id(1));
    store.begin_deletion(tenant_id(1), at(5)).await.unwrap();
    erase_all(store, tenant_id(1)).await;
    AuditLog::forget(store, chain, Timestamp::MAX, 10).await.unwrap();
    assert!(store.let_go(tenant_id(1)).await.unwrap());
}

async fn erase_all<S: Whole>(store: &S, id: TenantId) -> u64 {
    let mut gone = 0;
    loop {
        match store.erase(id, 2).await.unwrap() {
            0 => return gone,
            some => gone += some,
        }
    }
}

async fn is_there<S: Whole>(store: &S, n: u64) -> bool {
    let (owner, mut there) = (tenant_id(n), Vec::new());
    for i in 0..5 {
        let id = message_id(n * 100 + i);
        there.push(MessageStore::find(store, owner, id).await.unwrap().is_some());
        there.push(store.events(owner, id).await.unwrap().is_some());
    }
    there.push(SessionStore::find_any(store, session_id(n)).await.unwrap().is_some());
    let range = StatisticsRange::default();
    there.push(store.statistics(owner, &range).await.unwrap().total > 0);
    assert!(there.iter().all(|each| *each == there[0]), "{there:?}");
    there[0]
}

/// Waiting, being sent, over; with webhooks still to be applied. The other tenant's stays, and what is
/// gone may come anew.
pub async fn erases_all_of_one_tenant_in_steps<S: Whole>(store: &S) {
    fill(store).await;
    store.begin_deletion(tenant_id(1), at(5)).await.unwrap();
    let (key, family) = (store.key(api_key_id(1)).await, store.family(family_id(1)).await);
    assert_eq!((key.unwrap(), family.unwrap()), (None, None));
    assert!(store.key(api_key_id(2)).await.unwrap().is_some());
    assert!(store.erase(tenant_id(1), 2).await.unwrap() <= 8);
    let gone = erase_all(store, tenant_id(1)).await;
    let erased = TenantStore::find(store, tenant_id(1)).await.unwrap().unwrap();
    let erased = erased.deletion.unwrap().erased;
    assert!(erased > gone && erased >= 8, "{erased} in all, {gone} then");
    assert!(!is_there(store, 1).await);
    assert!(is_there(store, 2).await);
    let waiting: Vec<QueueItem> = store.pending(None, 100).await.unwrap();
    assert!(waiting.iter().all(|item| item.tenant == tenant_id(2)) && !waiting.is_empty());
    assert_eq!(store.depth().await.unwrap(), InboxDepth { pending: 2, ..InboxDepth::default() });
    let chain = Chain::Tenant(tenant_id(1));
    assert_eq!(AuditLog::forget(store, chain, Timestamp::MAX, 10).await.unwrap(), 1);
    assert!(store.let_go(tenant_id(1)).await.unwrap());
    assert_eq!(store.rules(tenant_id(1)).await.unwrap(), RetentionRules::default());
    assert_ne!(store.rules(tenant_id(2)).await.unwrap(), RetentionRules::default());
}

/// Whoever asks for it.
pub async fn erases_nothing_of_a_tenant_that_stays<S: Whole>(store: &S) {
    fill(store).await;
    assert_eq!(erase_all(store, tenant_id(1)).await, 0);
    assert!(!store.let_go(tenant_id(1)).await.unwrap());
    assert!(is_there(store, 1).await);
}

/// The log goes from its oldest end, as always; then the tenant does.
pub async fn keeps_a_tenant_whose_log_has_entries<S: Whole>(store: &S) {
    fill(store).await;
    store.begin_deletion(tenant_id(1), at(5)).await.unwrap();
    erase_all(store, tenant_id(1)).await;
    assert!(!store.let_go(tenant_id(1)).await.unwrap());
    assert!(TenantStore::find(store, tenant_id(1)).await.unwrap().is_some());
    let_go(store).await;
    let ends = store.ends(Chain::Tenant(tenant_id(1))).await.unwrap();
    assert_eq!(ends, ChainEnds::default());
}

/// What they sealed is still there.
pub async fn shreds_the_keys_of_one_tenant_before_its_rows_go<S: Whole>(store: &S) {
    fill(store).await;
    store.begin_deletion(tenant_id(1), at(5)).await.unwrap();
    for _ in 0..2 {
        store.shred(tenant_id(1)).await.unwrap();
        assert_eq!(store.keys(Some(tenant_id(1))).await.unwrap(), []);
    }
    assert_eq!(store.keys(Some(tenant_id(2))).await.unwrap(), [data_key(2)]);
    assert!(is_there(store, 1).await);
}

/// By what was under way.
pub async fn lets_go_of_a_key_that_was_made_late<S: Whole>(store: &S) {
    fill(store).await;
    store.begin_deletion(tenant_id(1), at(5)).await.unwrap();
    store.shred(tenant_id(1)).await.unwrap();
    assert!(store.add_key(&data_key(1)).await.unwrap());
    let_go(store).await;
    assert_eq!(store.keys(Some(tenant_id(1))).await.unwrap(), []);
    assert_eq!(store.keys(Some(tenant_id(2))).await.unwrap(), [data_key(2)]);
}

/// When its session was gone already. Nothing remembers that it came in.
pub async fn lets_go_of_a_webhook_that_came_in_late<S: Whole>(store: &S) {
    fill(store).await;
    store.begin_deletion(tenant_id(1), at(5)).await.unwrap();
    erase_all(store, tenant_id(1)).await;
    let late = [true, false].map(|has_effect| InboxEntry {
        tenant: tenant_id(1),
        session: session_id(1),
        has_effect,
        ..inbox_entry(if has_effect { 150 } else { 151 })
    });
    for _ in 0..2 {
        assert_eq!(store.keep(&late).await.unwrap(), [Kept::New; 2]);
        assert!(erase_all(store, tenant_id(1)).await > 0);
    }
    assert!(is_there(store, 2).await);
}
