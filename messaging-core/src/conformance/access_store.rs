//! How every store of API keys and refresh tokens must behave.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use crate::conformance::build::{api_key, api_key_id, at, family_id, tenant_id, token_family};
use crate::domain::access::{ApiKey, Rotation, SecretDigest, TokenFamily};
use crate::domain::portion::PortionBy;
use crate::domain::tenant::{Permission, Rights, Role};
use crate::ports::access_store::AccessStore;
use crate::ports::store_error::StoreError;

/// Calls the given macro with the name of every behavior of
/// [`AccessStore`](crate::ports::access_store::AccessStore). Each is a function of this module that
/// takes an empty store.
#[macro_export]
macro_rules! for_each_access_store_behavior {
    ($test:ident) => {
        $test!(gives_back_a_key_as_it_was_given);
        $test!(refuses_a_second_key_of_one_id);
        $test!(lists_the_newest_keys_first);
        $test!(hides_keys_from_other_tenants);
        $test!(revokes_a_key_once);
        $test!(remembers_the_latest_use_of_a_key);
        $test!(gives_back_a_family_as_it_was_given);
        $test!(spends_each_refresh_token_once);
        $test!(lets_one_of_many_that_come_at_once_go_on);
        $test!(ends_a_family_of_which_a_spent_token_comes_back);
        $test!(knows_no_token_that_was_not_given);
        $test!(lets_no_token_of_a_family_that_has_ended_go_on);
    };
}

async fn add(store: &dyn AccessStore, ns: impl IntoIterator<Item = u64>) {
    for n in ns {
        store.insert_key(&api_key(n)).await.unwrap();
    }
}

/// With everything that is known of it, or with as little as there may be.
pub async fn gives_back_a_key_as_it_was_given(store: &dyn AccessStore) {
    let full = ApiKey {
        name: "the shop's \0 own: é😀".to_owned(),
        rights: Rights {
            role: Role::Admin,
            scope: Some(vec![Permission::SendMessages, Permission::ReadContent]),
        },
        digest: SecretDigest([255; 32]),
        expires_at: Some(at(9)),
        revoked_at: Some(at(7)),
        last_used_at: Some(at(8)),
        ..api_key(1)
    };
    let empty = Rights { role: Role::Owner, scope: Some(vec![]) };
    for given in [full, ApiKey { rights: empty, ..api_key(2) }, api_key(3)] {
        store.insert_key(&given).await.unwrap();
        assert_eq!(store.key(given.id).await.unwrap(), Some(given.clone()));
        assert_eq!(store.find_key(given.tenant, given.id).await.unwrap(), Some(given));
    }
    assert_eq!(store.key(api_key_id(4)).await.unwrap(), None);
}

/// The first stays as it is.
pub async fn refuses_a_second_key_of_one_id(store: &dyn AccessStore) {
    add(store, [1]).await;
    let second = ApiKey { tenant: tenant_id(2), name: "second".to_owned(), ..api_key(1) };
    let refused = store.insert_key(&second).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }));
    assert_eq!(store.key(api_key_id(1)).await.unwrap(), Some(api_key(1)));
}

/// By page and by cursor, those that were revoked among them.
pub async fn lists_the_newest_keys_first(store: &dyn AccessStore) {
    add(store, 1..=5).await;
    store.revoke_key(tenant_id(1), api_key_id(4), at(9)).await.unwrap().unwrap();
    let list = async |portion| {
        let page = store.list_keys(tenant_id(1), portion).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|key| key.id).collect();
        (ids, page.total, page.has_more)
    };
    let ids = |ns: &[u64]| ns.iter().copied().map(api_key_id).collect::<Vec<_>>();
    assert_eq!(list(PortionBy::Page { page: 1, limit: 2 }).await, (ids(&[5, 4]), 5, true));
    assert_eq!(list(PortionBy::Page { page: 3, limit: 2 }).await, (ids(&[1]), 5, false));
    let older = PortionBy::OlderThan { last: api_key_id(4), limit: 2 };
    assert_eq!(list(older).await, (ids(&[3, 2]), 5, true));
}

/// Nothing asked for one tenant finds or changes another's.
pub async fn hides_keys_from_other_tenants(store: &dyn AccessStore) {
    add(store, [1]).await;
    let (other, id) = (tenant_id(2), api_key_id(1));
    assert_eq!(store.find_key(other, id).await.unwrap(), None);
    assert_eq!(store.revoke_key(other, id, at(9)).await.unwrap(), None);
    let page = store.list_keys(other, PortionBy::Page { page: 1, limit: 9 }).await.unwrap();
    assert_eq!((page.items, page.total), (vec![], 0));
    assert_eq!(store.key(id).await.unwrap(), Some(api_key(1)));
}

/// A second time changes nothing.
pub async fn revokes_a_key_once(store: &dyn AccessStore) {
    add(store, [1, 2]).await;
    let revoked = Some(ApiKey { revoked_at: Some(at(5)), ..api_key(1) });
    for n in [5, 6] {
        let given = store.revoke_key(tenant_id(1), api_key_id(1), at(n)).await.unwrap();
        assert_eq!(given, revoked);
    }
    assert_eq!(store.key(api_key_id(1)).await.unwrap(), revoked);
    assert_eq!(store.key(api_key_id(2)).await.unwrap(), Some(api_key(2)));
    assert_eq!(store.revoke_key(tenant_id(1), api_key_id(3), at(5)).await.unwrap(), None);
}

/// Clocks of nodes differ: what comes late is not the latest.
pub async fn remembers_the_latest_use_of_a_key(store: &dyn AccessStore) {
    add(store, [1]).await;
    for (n, latest) in [(5, 5), (9, 9), (7, 9)] {
        store.touch_key(api_key_id(1), at(n)).await.unwrap();
        let kept = store.key(api_key_id(1)).await.unwrap().unwrap();
        assert_eq!(kept, ApiKey { last_used_at: Some(at(latest)), ..api_key(1) });
    }
    store.touch_key(api_key_id(2), at(5)).await.unwrap();
}

/// A second one of its id is refused.
pub async fn gives_back_a_family_as_it_was_given(store: &dyn AccessStore) {
    let revoked = TokenFamily { latest: 7, revoked_at: Some(at(3)), ..token_family(2) };
    for given in [token_family(1), revoked] {
        store.insert_family(&given).await.unwrap();
        assert_eq!(store.family(given.id).await.unwrap(), Some(given.clone()));
        let refused = store.insert_family(&given).await.unwrap_err();
        assert!(matches!(refused, StoreError::Conflict { .. }));
    }
    assert_eq!(store.family(family_id(3)).await.unwrap(), None);
}

/// Each makes the next one, which ends later.
pub async fn spends_each_refresh_token_once(store: &dyn AccessStore) {
    store.insert_family(&token_family(1)).await.unwrap();
    for n in 0..3 {
        let until = at(1_000_000 + n);
        let next = TokenFamily { latest: n + 1, expires_at: until, ..token_family(1) };
        let rotated = store.rotate(family_id(1), n, until, at(n)).await.unwrap();
        assert_eq!(rotated, Rotation::Next(next.clone()));
        assert_eq!(store.family(family_id(1)).await.unwrap(), Some(next));
    }
}

/// One goes on, and the others show that there is a copy.
pub async fn lets_one_of_many_that_come_at_once_go_on(store: &dyn AccessStore) {
    store.insert_family(&token_family(1)).await.unwrap();
    let all = (0..20).map(|_| store.rotate(family_id(1), 0, at(1_000_000), at(1)));
    let answers = futures::future::join_all(all).await;
    let next = |answer: &Result<_, _>| matches!(answer, Ok(Rotation::Next(_)));
    assert_eq!(answers.iter().filter(|answer| next(answer)).count(), 1);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(store.family(family_id(1)).await.unwrap().unwrap().revoked_at, Some(at(1)));
}

/// Nobody can tell who has the copy, so neither goes on.
pub async fn ends_a_family_of_which_a_spent_token_comes_back(store: &dyn AccessStore) {
    store.insert_family(&token_family(1)).await.unwrap();
    store.insert_family(&token_family(2)).await.unwrap();
    let until = at(1_000_000);
    store.rotate(family_id(1), 0, until, at(1)).await.unwrap();
    assert_eq!(store.rotate(family_id(1), 0, until, at(2)).await.unwrap(), Rotation::Replayed);
    assert_eq!(store.rotate(family_id(1), 1, until, at(3)).await.unwrap(), Rotation::Ended);
    assert_eq!(store.family(family_id(1)).await.unwrap().unwrap().revoked_at, Some(at(2)));
    // Another's goes on.
    let other = store.rotate(family_id(2), 0, until, at(3)).await.unwrap();
    assert!(matches!(other, Rotation::Next(_)));
}

/// Nor does it change anything to show one.
pub async fn knows_no_token_that_was_not_given(store: &dyn AccessStore) {
    store.insert_family(&token_family(1)).await.unwrap();
    let until = at(1_000_000);
    for number in [1, 2, u64::MAX] {
        let answer = store.rotate(family_id(1), number, until, at(1)).await.unwrap();
        assert_eq!(answer, Rotation::Ended);
    }
    assert_eq!(store.rotate(family_id(2), 0, until, at(1)).await.unwrap(), Rotation::Ended);
    assert_eq!(store.family(family_id(1)).await.unwrap(), Some(token_family(1)));
}

/// Whether it was revoked or its time is over. The first revocation stands.
pub async fn lets_no_token_of_a_family_that_has_ended_go_on(store: &dyn AccessStore) {
    for n in 1..=2 {
        store.insert_family(&token_family(n)).await.unwrap();
    }
    store.revoke_family(family_id(1), at(5)).await.unwrap();
    store.revoke_family(family_id(1), at(6)).await.unwrap();
    store.revoke_family(family_id(3), at(6)).await.unwrap();
    assert_eq!(store.family(family_id(1)).await.unwrap().unwrap().revoked_at, Some(at(5)));
    let until = at(9_000_000);
    assert_eq!(store.rotate(family_id(1), 0, until, at(7)).await.unwrap(), Rotation::Ended);
    let end = token_family(2).expires_at;
    assert_eq!(store.rotate(family_id(2), 0, until, end).await.unwrap(), Rotation::Ended);
    assert_eq!(store.family(family_id(2)).await.unwrap(), Some(token_family(2)));
}
