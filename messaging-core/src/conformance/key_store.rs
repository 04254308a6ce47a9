//! How every store of wrapped keys must behave.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use futures::future::join_all;

use crate::conformance::build::{at, tenant_id};
use crate::domain::id::TenantId;
use crate::ports::key_provider::WrappedKey;
use crate::ports::key_store::{KeptKey, KeyPurpose, KeyStore, Wrapping};

/// Calls the given macro with the name of every behavior of
/// [`KeyStore`](crate::ports::key_store::KeyStore). Each is a function of this module that takes an
/// empty store.
#[macro_export]
macro_rules! for_each_key_store_behavior {
    ($test:ident) => {
        $test!(gives_back_keys_by_purpose_and_version);
        $test!(keeps_the_first_of_two_keys_of_one_version);
        $test!(keeps_one_key_however_many_add_it);
        $test!(wraps_a_key_anew_once);
        $test!(tells_what_is_wrapped_otherwise);
        $test!(shreds_the_keys_of_one_tenant);
    };
}

fn wrapped(by: &str, byte: u8) -> WrappedKey {
    WrappedKey { by: by.to_owned(), bytes: vec![byte, 0, 255] }
}

fn key(tenant: Option<u64>, purpose: KeyPurpose, version: u32) -> KeptKey {
    let byte = u8::try_from(version).unwrap();
    let tenant = tenant.map(tenant_id);
    KeptKey { tenant, purpose, version, wrapped: wrapped("one", byte), created_at: at(7) }
}

async fn add(store: &dyn KeyStore, keys: &[KeptKey]) {
    for key in keys {
        assert!(store.add_key(key).await.unwrap());
    }
}

async fn of(store: &dyn KeyStore, tenant: Option<TenantId>) -> Vec<KeptKey> {
    store.keys(tenant).await.unwrap()
}

/// Each owner's own, as they were given.
pub async fn gives_back_keys_by_purpose_and_version(store: &dyn KeyStore) {
    let content = |version| key(Some(1), KeyPurpose::Content, version);
    let search = key(Some(1), KeyPurpose::Search, 1);
    let theirs = key(Some(2), KeyPurpose::Content, 1);
    let own = key(None, KeyPurpose::Pseudonym, 1);
    add(store, &[content(2), search.clone(), theirs.clone(), content(10), own.clone(), content(1)])
        .await;
    assert_eq!(of(store, Some(tenant_id(1))).await, [content(1), content(2), content(10), search]);
    assert_eq!(of(store, Some(tenant_id(2))).await, [theirs]);
    assert_eq!(of(store, None).await, [own]);
    assert_eq!(of(store, Some(tenant_id(3))).await, []);
}

/// Nothing that encrypts already is replaced.
pub async fn keeps_the_first_of_two_keys_of_one_version(store: &dyn KeyStore) {
    for tenant in [Some(1), None] {
        let first = key(tenant, KeyPurpose::Content, 1);
        let second = KeptKey { wrapped: wrapped("two", 9), ..first.clone() };
        assert!(store.add_key(&first).await.unwrap());
        assert!(!store.add_key(&second).await.unwrap());
        assert_eq!(of(store, tenant.map(tenant_id)).await, [first]);
    }
}

/// Also where they do so at once.
pub async fn keeps_one_key_however_many_add_it(store: &dyn KeyStore) {
    let many: Vec<_> = (0..8)
        .map(|n| KeptKey { wrapped: wrapped("one", n), ..key(Some(1), KeyPurpose::Content, 1) })
        .collect();
    let added = join_all(many.iter().map(|key| store.add_key(key))).await;
    let kept: Vec<_> =
        many.iter().zip(added).filter(|(_, is_kept)| *is_kept.as_ref().unwrap()).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(of(store, Some(tenant_id(1))).await, [kept[0].0.clone()]);
}

/// Of two that wrap it at once, one.
pub async fn wraps_a_key_anew_once(store: &dyn KeyStore) {
    let first = key(Some(1), KeyPurpose::Content, 1);
    let second = KeptKey { wrapped: wrapped("two", 2), ..first.clone() };
    let third = KeptKey { wrapped: wrapped("three", 3), ..first.clone() };
    add(store, std::slice::from_ref(&first)).await;
    assert!(store.rewrap_key(&second, "one").await.unwrap());
    assert!(!store.rewrap_key(&third, "one").await.unwrap());
    assert!(!store.rewrap_key(&key(Some(2), KeyPurpose::Content, 1), "one").await.unwrap());
    assert_eq!(of(store, Some(tenant_id(1))).await, [second]);
}

/// Whosesoever they are.
pub async fn tells_what_is_wrapped_otherwise(store: &dyn KeyStore) {
    assert_eq!(store.wrapping("one").await.unwrap(), Wrapping::default());
    let other = KeptKey { wrapped: wrapped("two", 1), ..key(Some(1), KeyPurpose::Search, 1) };
    let own = KeptKey { wrapped: wrapped("two", 1), ..key(None, KeyPurpose::Pseudonym, 1) };
    add(store, &[key(Some(1), KeyPurpose::Content, 1), other.clone(), own.clone()]).await;
    assert_eq!(store.wrapping("one").await.unwrap(), Wrapping { done: 1, total: 3 });
    assert_eq!(store.wrapping("none").await.unwrap(), Wrapping { done: 0, total: 3 });
    let mut found = store.keys_wrapped_otherwise("one", 10).await.unwrap();
    found.sort_by_key(|key| key.tenant);
    assert_eq!(found, [own, other]);
    assert_eq!(store.keys_wrapped_otherwise("one", 1).await.unwrap().len(), 1);
}

/// And no others.
pub async fn shreds_the_keys_of_one_tenant(store: &dyn KeyStore) {
    let theirs = key(Some(2), KeyPurpose::Content, 1);
    let own = key(None, KeyPurpose::Pseudonym, 1);
    add(store, &[theirs.clone(), own.clone()]).await;
    add(store, &[key(Some(1), KeyPurpose::Content, 1), key(Some(1), KeyPurpose::Search, 1)]).await;
    assert_eq!(store.shred_keys(tenant_id(1)).await.unwrap(), 2);
    assert_eq!(store.shred_keys(tenant_id(1)).await.unwrap(), 0);
    assert_eq!(of(store, Some(tenant_id(1))).await, []);
    assert_eq!(of(store, Some(tenant_id(2))).await, [theirs]);
    assert_eq!(of(store, None).await, [own]);
}
