//! How every tenant store must behave.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use crate::conformance::build::{at, tenant, tenant_id};
use crate::domain::pii::PiiPolicy;
use crate::domain::portion::PortionBy;
use crate::domain::suspension::Suspension;
use crate::domain::tenant::{OnUnknown, Tenant};
use crate::domain::tenant_life::{Deletion, TenantFilter, TenantLimits, TenantStatus};
use crate::ports::store_error::StoreError;
use crate::ports::tenant_store::TenantStore;

/// Calls the given macro with the name of every behavior of
/// [`TenantStore`](crate::ports::tenant_store::TenantStore). Each is a function of this module
/// that takes an empty store.
#[macro_export]
macro_rules! for_each_tenant_store_behavior {
    ($test:ident) => {
        $test!(gives_back_a_tenant_by_id_and_by_name);
        $test!(finds_no_tenant_where_none_is);
        $test!(lists_tenants_in_order_of_id);
        $test!(refuses_a_tenant_whose_id_is_taken);
        $test!(refuses_a_tenant_whose_name_is_taken);
        $test!(inserts_a_tenant_once_however_many_try);
        $test!(suspends_and_resumes_a_tenant);
        $test!(keeps_what_a_tenant_wants_of_unknown_outcomes);
        $test!(keeps_what_a_tenant_wants_of_personal_data);
        $test!(keeps_how_much_a_tenant_may_do);
        $test!(gives_tenants_in_portions_newest_first);
        $test!(takes_tenants_by_name_and_by_how_they_stand);
        $test!(begins_to_delete_a_tenant_once);
        $test!(lets_a_tenant_go_that_is_being_deleted_and_no_other);
    };
}

#[track_caller]
fn assert_conflict(result: &Result<(), StoreError>) {
    assert!(matches!(result, Err(StoreError::Conflict { .. })), "no conflict: {result:?}");
}

/// A tenant is found by its id and by its whole name.
pub async fn gives_back_a_tenant_by_id_and_by_name(store: &dyn TenantStore) {
    let odd = Tenant { name: "Ünïcode & 'Söhne' 100%".into(), ..tenant(2) };
    for each in [tenant(1), odd] {
        store.insert(&each).await.unwrap();
        assert_eq!(store.find(each.id).await.unwrap().as_ref(), Some(&each));
        assert_eq!(store.find_named(&each.name).await.unwrap(), Some(each));
    }
}

/// What is not there is not found, and that is no error.
pub async fn finds_no_tenant_where_none_is(store: &dyn TenantStore) {
    assert_eq!(store.list().await.unwrap(), []);
    store.insert(&tenant(11)).await.unwrap();
    assert_eq!(store.find(tenant_id(1)).await.unwrap(), None);
    for name in ["", "tenant-1", "tenant-111", "tenant-__", "tenant-%"] {
        assert_eq!(store.find_named(name).await.unwrap(), None, "{name}");
    }
}

/// All tenants are listed, in order of id, whenever they were inserted.
pub async fn lists_tenants_in_order_of_id(store: &dyn TenantStore) {
    for n in [3, 1, 2] {
        store.insert(&tenant(n)).await.unwrap();
    }
    assert_eq!(store.list().await.unwrap(), [1, 2, 3].map(tenant));
}

/// Of two tenants of one id the first stays.
pub async fn refuses_a_tenant_whose_id_is_taken(store: &dyn TenantStore) {
    store.insert(&tenant(1)).await.unwrap();
    let other = Tenant { name: "other".into(), created_at: at(99), ..tenant(1) };
    assert_conflict(&store.insert(&other).await);
    assert_eq!(store.list().await.unwrap(), [tenant(1)]);
    assert_eq!(store.find_named("other").await.unwrap(), None);
}

/// Of two tenants of one name the first stays.
pub async fn refuses_a_tenant_whose_name_is_taken(store: &dyn TenantStore) {
    store.insert(&tenant(1)).await.unwrap();
    let other = Tenant { name: tenant(1).name, ..tenant(2) };
    assert_conflict(&store.insert(&other).await);
    assert_eq!(store.list().await.unwrap(), [tenant(1)]);
    assert_eq!(store.find(tenant_id(2)).await.unwrap(), None);
}

/// Of callers that insert the same name at once one succeeds.
pub async fn inserts_a_tenant_once_however_many_try(store: &dyn TenantStore) {
    let tenants: Vec<Tenant> =
        (1..=16).map(|n| Tenant { name: "same".into(), ..tenant(n) }).collect();
    let tries = futures::future::join_all(tenants.iter().map(|each| store.insert(each))).await;
    assert_eq!(tries.iter().filter(|each| each.is_ok()).count(), 1);
    assert_eq!(store.list().await.unwrap().len(), 1);
}

/// What becomes of unknown outcomes is kept from the beginning, and changed of one tenant alone.
pub async fn keeps_what_a_tenant_wants_of_unknown_outcomes(store: &dyn TenantStore) {
    let resending = Tenant { on_unknown: OnUnknown::Resend, ..tenant(2) };
    for each in [tenant(1), resending.clone()] {
        store.insert(&each).await.unwrap();
    }
    for on_unknown in [OnUnknown::Resend, OnUnknown::DeadLetter] {
        let expected = Some(Tenant { on_unknown, ..tenant(1) });
        assert_eq!(store.set_on_unknown(tenant_id(1), on_unknown).await.unwrap(), expected);
        assert_eq!(store.find(tenant_id(1)).await.unwrap(), expected);
        assert_eq!(store.find_named(&tenant(1).name).await.unwrap(), expected);
    }
    assert_eq!(store.list().await.unwrap(), [tenant(1), resending]);
    assert_eq!(store.set_on_unknown(tenant_id(3), OnUnknown::Resend).await.unwrap(), None);
}

/// What becomes of personal data is kept from the beginning, and changed of one tenant alone.
pub async fn keeps_what_a_tenant_wants_of_personal_data(store: &dyn TenantStore) {
    let masked = Tenant { pii: PiiPolicy::Mask, ..tenant(2) };
    for each in [tenant(1), masked.clone()] {
        store.insert(&each).await.unwrap();
    }
    for pii in PiiPolicy::ALL.iter().copied() {
        let expected = Some(Tenant { pii, ..tenant(1) });
        assert_eq!(store.set_pii(tenant_id(1), pii).await.unwrap(), expected);
        assert_eq!(store.find(tenant_id(1)).await.unwrap(), expected);
        assert_eq!(store.find(tenant_id(2)).await.unwrap().as_ref(), Some(&masked));
    }
    assert_eq!(store.set_pii(tenant_id(3), PiiPolicy::Refuse).await.unwrap(), None);
}

/// A tenant is stopped, for another time, and goes on.
pub async fn suspends_and_resumes_a_tenant(store: &dyn TenantStore) {
    store.insert(&tenant(1)).await.unwrap();
    let for_ever = Suspension { since: at(5), until: None, reason: None };
    let for_a_time =
        Suspension { until: Some(at(9)), reason: Some("why".into()), ..for_ever.clone() };
    for suspension in [Some(for_ever), Some(for_a_time), None] {
        let expected = Some(Tenant { suspension: suspension.clone(), ..tenant(1) });
        assert_eq!(store.suspend(tenant_id(1), suspension).await.unwrap(), expected);
        assert_eq!(store.find(tenant_id(1)).await.unwrap(), expected);
    }
    assert_eq!(store.suspend(tenant_id(2), None).await.unwrap(), None);
}

/// How much it may do is kept from the beginning, and changed of one tenant alone.
pub async fn keeps_how_much_a_tenant_may_do(store: &dyn TenantStore) {
    let limits =
        |requests_per_minute, max_waiting| TenantLimits { requests_per_minute, max_waiting };
    let limited = |n, limits| Tenant { limits, ..tenant(n) };
    let other = limited(2, limits(Some(7), None));
    for each in [limited(1, limits(Some(u32::MAX), Some(u32::MAX))), other.clone()] {
        store.insert(&each).await.unwrap();
        assert_eq!(store.find(each.id).await.unwrap(), Some(each));
    }
    for wanted in [limits(Some(1), None), limits(None, Some(2)), limits(None, None)] {
        let expected = Some(limited(1, wanted));
        assert_eq!(store.set_limits(tenant_id(1), wanted).await.unwrap(), expected);
        assert_eq!(store.find(tenant_id(1)).await.unwrap(), expected);
        assert_eq!(store.find(tenant_id(2)).await.unwrap().as_ref(), Some(&other));
    }
    assert_eq!(store.set_limits(tenant_id(3), TenantLimits::default()).await.unwrap(), None);
}

/// By page, or on from one that was seen.
pub async fn gives_tenants_in_portions_newest_first(store: &dyn TenantStore) {
    for n in 1..=5 {
        store.insert(&tenant(n)).await.unwrap();
    }
    let all = TenantFilter::default();
    for (portion, expected, has_more) in [
        (PortionBy::Page { page: 1, limit: 2 }, vec![5, 4], true),
        (PortionBy::Page { page: 3, limit: 2 }, vec![1], false),
        (PortionBy::Page { page: 4, limit: 2 }, vec![], false),
        (PortionBy::OlderThan { last: tenant_id(3), limit: 1 }, vec![2], true),
        (PortionBy::OlderThan { last: tenant_id(3), limit: 2 }, vec![2, 1], false),
    ] {
        let found = store.page(&all, at(0), portion).await.unwrap();
        assert_eq!(found.items, expected.into_iter().map(tenant).collect::<Vec<_>>());
        assert_eq!((found.total, found.has_more), (5, has_more));
    }
}

/// A part of a name means itself, and a stop that is over none.
pub async fn takes_tenants_by_name_and_by_how_they_stand(store: &dyn TenantStore) {
    let stopped = |n, until| Tenant {
        name: format!("100%_{n}"),
        suspension: Some(Suspension { since: at(1), until, reason: None }),
        ..tenant(n)
    };
    for each in [tenant(1), stopped(2, None), stopped(3, Some(at(50))), tenant(4)] {
        store.insert(&each).await.unwrap();
        store.suspend(each.id, each.suspension).await.unwrap();
    }
    store.begin_deletion(tenant_id(4), at(2)).await.unwrap();
    let named = |name: &str| TenantFilter { name: Some(name.to_owned()), status: None };
    let standing = |status| TenantFilter { name: None, status: Some(status) };
    let both = TenantFilter { status: Some(TenantStatus::Suspended), ..named("3") };
    for (filter, millis, expected) in [
        (named("%_"), 0, vec![3, 2]),
        (named("nant-1"), 0, vec![1]),
        (named("NANT"), 0, vec![]),
        (standing(TenantStatus::Active), 49, vec![1]),
        (standing(TenantStatus::Suspended), 49, vec![3, 2]),
        (standing(TenantStatus::Active), 50, vec![3, 1]),
        (standing(TenantStatus::Suspended), 50, vec![2]),
        (standing(TenantStatus::Deleting), 50, vec![4]),
        (both.clone(), 49, vec![3]),
        (both, 50, vec![]),
    ] {
        let portion = PortionBy::Page { page: 1, limit: 10 };
        let found = store.page(&filter, at(millis), portion).await.unwrap();
        let ids: Vec<_> = found.items.iter().map(|tenant| tenant.id).collect();
        let expected: Vec<_> = expected.into_iter().map(tenant_id).collect();
        assert_eq!((found.total, ids), (expected.len() as u64, expected), "{filter:?}");
    }
}

/// Since when it is so stays; it is stopped and cannot be resumed.
pub async fn begins_to_delete_a_tenant_once(store: &dyn TenantStore) {
    store.insert(&tenant(1)).await.unwrap();
    store.insert(&tenant(2)).await.unwrap();
    assert_eq!(store.deleting().await.unwrap(), []);
    let expected = Tenant {
        deletion: Some(Deletion { since: at(5), erased: 0 }),
        suspension: Some(Suspension { since: at(5), until: None, reason: None }),
        ..tenant(1)
    };
    for millis in [5, 6] {
        let begun = store.begin_deletion(tenant_id(1), at(millis)).await.unwrap();
        assert_eq!(begun.as_ref(), Some(&expected));
    }
    assert_eq!(store.suspend(tenant_id(1), None).await.unwrap(), None);
    assert_eq!(store.deleting().await.unwrap(), [expected]);
    assert_eq!(store.find(tenant_id(2)).await.unwrap(), Some(tenant(2)));
    assert_eq!(store.begin_deletion(tenant_id(3), at(5)).await.unwrap(), None);
}

/// Its id and its name are free then.
pub async fn lets_a_tenant_go_that_is_being_deleted_and_no_other(store: &dyn TenantStore) {
    for n in [1, 2] {
        store.insert(&tenant(n)).await.unwrap();
    }
    store.begin_deletion(tenant_id(1), at(5)).await.unwrap();
    for (n, went) in [(1, true), (1, false), (2, false), (3, false)] {
        assert_eq!(store.erase(tenant_id(n), 10).await.unwrap(), 0, "{n}");
        assert_eq!(store.let_go(tenant_id(n)).await.unwrap(), went, "{n}");
    }
    assert_eq!(store.list().await.unwrap(), [tenant(2)]);
    assert_eq!(store.find_named(&tenant(1).name).await.unwrap(), None);
    store.insert(&tenant(1)).await.unwrap();
}
