//! How every tenant store must behave.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use crate::conformance::build::{at, tenant, tenant_id};
use crate::domain::pii::PiiPolicy;
use crate::domain::suspension::Suspension;
use crate::domain::tenant::{OnUnknown, Tenant};
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
