//! How every store of who wants no messages must behave.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use crate::conformance::build::{address, at, message_id, opt_out, opt_out_id, tenant_id};
use crate::domain::address::{Address, Alias};
use crate::domain::id::{OptOutId, TenantId};
use crate::domain::opt_out::words::WordList;
use crate::domain::opt_out::{OptOut, OptOutRef, OptOutSource};
use crate::domain::portion::{Page, PortionBy};
use crate::ports::opt_out_store::OptOutStore;
use crate::ports::store_error::StoreError;

/// Calls the given macro with the name of every behavior of
/// [`OptOutStore`](crate::ports::opt_out_store::OptOutStore). Each is a function of this module that
/// takes an empty store.
#[macro_export]
macro_rules! for_each_opt_out_store_behavior {
    ($test:ident) => {
        $test!(gives_back_an_opt_out_as_it_was_given);
        $test!(keeps_the_first_of_two_of_one_address);
        $test!(keeps_one_however_many_add_it);
        $test!(finds_an_opt_out_by_id_and_by_address);
        $test!(removes_an_opt_out_by_either_name);
        $test!(takes_up_again_who_was_removed);
        $test!(tells_of_many_at_once_who_wants_no_messages);
        $test!(tells_of_ten_thousand_at_once);
        $test!(lists_the_newest_opt_outs_first);
        $test!(lists_opt_outs_on_from_one);
        $test!(hides_opt_outs_from_other_tenants);
        $test!(takes_an_opt_out_in_another_form);
    };
}

fn by_address(n: u64) -> OptOutRef {
    OptOutRef::Address(address(n))
}

fn by_id(n: u64) -> OptOutRef {
    OptOutRef::Id(opt_out_id(n))
}

async fn add(store: &dyn OptOutStore, ns: impl IntoIterator<Item = u64>) {
    for n in ns {
        assert_eq!(store.add(&opt_out(n)).await.unwrap(), (opt_out(n), true));
    }
}

async fn found(store: &dyn OptOutStore, entry: &OptOutRef) -> Option<OptOut> {
    store.find(tenant_id(1), entry).await.unwrap()
}

/// With everything that is known of it, or with as little as there may be.
pub async fn gives_back_an_opt_out_as_it_was_given(store: &dyn OptOutStore) {
    let full = OptOut {
        source: OptOutSource::Reply,
        words: Some(WordList::Turkish),
        message: Some(message_id(7)),
        note: Some("wrote \0 twice: é😀\u{1}\u{F8FF}".to_owned()),
        ..opt_out(1)
    };
    let chat = OptOut { address: Address::from_stored("199887766554433@lid"), ..opt_out(2) };
    for given in [full, chat, opt_out(3)] {
        assert_eq!(store.add(&given).await.unwrap(), (given.clone(), true));
        assert_eq!(found(store, &OptOutRef::Id(given.id)).await, Some(given));
    }
}

/// A second one changes nothing, and is answered with the first.
pub async fn keeps_the_first_of_two_of_one_address(store: &dyn OptOutStore) {
    add(store, [1]).await;
    let second = OptOut { address: address(1), note: Some("again".into()), ..opt_out(2) };
    assert_eq!(store.add(&second).await.unwrap(), (opt_out(1), false));
    assert_eq!(store.add(&opt_out(1)).await.unwrap(), (opt_out(1), false));
    assert_eq!(found(store, &by_id(2)).await, None);
    assert_eq!(found(store, &by_address(1)).await, Some(opt_out(1)));
}

/// Of many that come at once one is first, and the others are told of it.
pub async fn keeps_one_however_many_add_it(store: &dyn OptOutStore) {
    let all: Vec<_> = (1..=20).map(|n| OptOut { address: address(1), ..opt_out(n) }).collect();
    let answers = futures::future::join_all(all.iter().map(|each| store.add(each))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|(_, is_new)| *is_new).count(), 1);
    let kept = found(store, &by_address(1)).await.unwrap();
    assert!(answers.iter().all(|(each, _)| *each == kept));
}

/// An id or an address that is not there names nothing.
pub async fn finds_an_opt_out_by_id_and_by_address(store: &dyn OptOutStore) {
    add(store, [1, 2]).await;
    assert_eq!(found(store, &by_id(2)).await, Some(opt_out(2)));
    assert_eq!(found(store, &by_address(2)).await, Some(opt_out(2)));
    assert_eq!(found(store, &by_id(3)).await, None);
    assert_eq!(found(store, &by_address(3)).await, None);
}

/// Whoever removes it gets it, once.
pub async fn removes_an_opt_out_by_either_name(store: &dyn OptOutStore) {
    add(store, [1, 2, 3]).await;
    for (entry, n) in [(by_id(1), 1), (by_address(2), 2)] {
        assert_eq!(store.remove(tenant_id(1), &entry).await.unwrap(), Some(opt_out(n)));
        assert_eq!(store.remove(tenant_id(1), &entry).await.unwrap(), None);
    }
    let all = [address(1), address(2), address(3)];
    assert_eq!(store.opted_out(tenant_id(1), &all).await.unwrap(), [false, false, true]);
}

/// An address is free once its entry is gone.
pub async fn takes_up_again_who_was_removed(store: &dyn OptOutStore) {
    add(store, [1]).await;
    store.remove(tenant_id(1), &by_address(1)).await.unwrap();
    let anew = OptOut { address: address(1), ..opt_out(2) };
    assert_eq!(store.add(&anew).await.unwrap(), (anew.clone(), true));
    assert_eq!(found(store, &by_address(1)).await, Some(anew));
}

/// In the order asked for, each as often as it is asked for.
pub async fn tells_of_many_at_once_who_wants_no_messages(store: &dyn OptOutStore) {
    add(store, [2, 4]).await;
    let asked = [4, 1, 2, 4, 3].map(address);
    let told = store.opted_out(tenant_id(1), &asked).await.unwrap();
    assert_eq!(told, [true, false, true, true, false]);
    assert!(store.opted_out(tenant_id(1), &[]).await.unwrap().is_empty());
}

/// As many as one bulk request may have.
pub async fn tells_of_ten_thousand_at_once(store: &dyn OptOutStore) {
    add(store, [1, 5000, 10_000]).await;
    let asked: Vec<_> = (1..=10_000).map(address).collect();
    let told = store.opted_out(tenant_id(1), &asked).await.unwrap();
    let listed = told.iter().zip(1..).filter(|(told, _)| **told).map(|(_, n)| n);
    assert_eq!(listed.collect::<Vec<u64>>(), [1, 5000, 10_000]);
}

async fn listed(
    store: &dyn OptOutStore,
    tenant: TenantId,
    portion: PortionBy<OptOutId>,
) -> (Vec<OptOutId>, u64, bool) {
    let Page { items, total, has_more } = store.list(tenant, portion).await.unwrap();
    (items.iter().map(|entry| entry.id).collect(), total, has_more)
}

fn nth(ns: &[u64]) -> Vec<OptOutId> {
    ns.iter().map(|n| opt_out_id(*n)).collect()
}

/// Page by page, and nothing behind the last.
pub async fn lists_the_newest_opt_outs_first(store: &dyn OptOutStore) {
    add(store, 1..=5).await;
    let page = |page| PortionBy::Page { page, limit: 2 };
    for (number, ns, has_more) in
        [(1, &[5, 4][..], true), (2, &[3, 2], true), (3, &[1], false), (4, &[], false)]
    {
        let told = listed(store, tenant_id(1), page(number)).await;
        assert_eq!(told, (nth(ns), 5, has_more));
    }
    let all = store.list(tenant_id(1), PortionBy::Page { page: 1, limit: 9 }).await.unwrap();
    assert_eq!(all.items, [5, 4, 3, 2, 1].map(opt_out));
}

/// Whoever goes on from the last one sees each once, also where that one is gone.
pub async fn lists_opt_outs_on_from_one(store: &dyn OptOutStore) {
    add(store, 1..=4).await;
    let behind = |n| PortionBy::OlderThan { last: opt_out_id(n), limit: 2 };
    store.remove(tenant_id(1), &by_id(4)).await.unwrap();
    add(store, [5]).await;
    assert_eq!(listed(store, tenant_id(1), behind(4)).await, (nth(&[3, 2]), 4, true));
    assert_eq!(listed(store, tenant_id(1), behind(2)).await, (nth(&[1]), 4, false));
}

/// Each tenant has a list of its own, and what is on one says nothing on another.
pub async fn hides_opt_outs_from_other_tenants(store: &dyn OptOutStore) {
    add(store, [1]).await;
    let other = tenant_id(2);
    for entry in [by_id(1), by_address(1)] {
        assert_eq!(store.find(other, &entry).await.unwrap(), None);
        assert_eq!(store.remove(other, &entry).await.unwrap(), None);
    }
    assert_eq!(store.opted_out(other, &[address(1)]).await.unwrap(), [false]);
    let portion = PortionBy::Page { page: 1, limit: 9 };
    assert_eq!(listed(store, other, portion).await, (vec![], 0, false));
    let theirs = OptOut { tenant: other, address: address(1), since: at(9), ..opt_out(2) };
    assert_eq!(store.add(&theirs).await.unwrap(), (theirs.clone(), true));
    assert_eq!(listed(store, other, portion).await, (nth(&[2]), 1, false));
    store.remove(other, &by_address(1)).await.unwrap();
    assert_eq!(found(store, &by_address(1)).await, Some(opt_out(1)));
}

/// The entry is found by its new address and no more by the old.
pub async fn takes_an_opt_out_in_another_form(store: &dyn OptOutStore) {
    add(store, [1, 2]).await;
    let sealed = Address::Sealed(Alias::new(7, "=="));
    let other = OptOut { address: sealed.clone(), note: Some("note".into()), ..opt_out(1) };
    assert!(store.reseal(&OptOut { since: at(99), ..other.clone() }).await.unwrap());
    assert_eq!(found(store, &by_id(1)).await, Some(other.clone()));
    assert_eq!(found(store, &OptOutRef::Address(sealed.clone())).await, Some(other));
    let asked = [address(1), sealed.clone(), address(2)];
    assert_eq!(store.opted_out(tenant_id(1), &asked).await.unwrap(), [false, true, true]);
    let taken = OptOut { address: sealed, ..opt_out(2) };
    let refused = store.reseal(&taken).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { entity: "opt-out" }), "{refused}");
    assert!(!store.reseal(&opt_out(3)).await.unwrap());
    assert!(!store.reseal(&OptOut { tenant: tenant_id(2), ..opt_out(2) }).await.unwrap());
}
