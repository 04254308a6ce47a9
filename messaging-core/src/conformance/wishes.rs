//! How every inbox store must follow what people say of messages to them.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use crate::conformance::build::{
    address, at, inbound, inbox_entry, inbox_id, message_id, opt_out, tenant_id,
};
use crate::domain::inbox::{Applied, InboxEffect};
use crate::domain::opt_out::words::WordList;
use crate::domain::opt_out::{OptOut, OptOutRef, OptOutSource, Return, Wish};
use crate::ports::inbox_store::InboxStore;
use crate::ports::message_store::MessageStore;
use crate::ports::opt_out_store::OptOutStore;

/// Calls the given macro with the name of every behavior of an
/// [`InboxStore`](crate::ports::inbox_store::InboxStore) that concerns the
/// [`OptOutStore`](crate::ports::opt_out_store::OptOutStore) of the same adapter. Each is a function
/// of this module that takes the inbox, the messages and the opt-outs of one empty store.
#[macro_export]
macro_rules! for_each_wish_behavior {
    ($test:ident) => {
        $test!(puts_who_wishes_so_on_the_list_with_the_message);
        $test!(follows_no_wish_of_a_message_that_is_known);
        $test!(leaves_an_entry_as_it_is_that_is_wished_for_again);
        $test!(takes_who_wishes_so_from_the_list);
        $test!(leaves_on_the_list_whom_the_tenant_put_there);
        $test!(leaves_on_the_list_who_said_so_later);
        $test!(follows_wishes_in_the_order_given);
        $test!(follows_a_wish_once_however_many_try);
        $test!(follows_wishes_of_many_at_once);
    };
}

fn leave(n: u64) -> OptOut {
    OptOut {
        source: OptOutSource::Reply,
        words: Some(WordList::English),
        message: Some(message_id(n)),
        address: address(1),
        ..opt_out(n)
    }
}

/// What the `n`th message does, by which person 1 wants no more.
fn leaves(n: u64) -> InboxEffect {
    InboxEffect::ReceiveWish(Box::new(inbound(n)), Wish::Leave(Box::new(leave(n))))
}

/// What the `n`th message does, by which person 1 wants messages again.
fn returns(n: u64) -> InboxEffect {
    let back = Return { tenant: tenant_id(1), address: address(1), at: at(n) };
    InboxEffect::ReceiveWish(Box::new(inbound(n)), Wish::Return(back))
}

async fn keep(inbox: &dyn InboxStore, ns: impl IntoIterator<Item = u64>) {
    let entries: Vec<_> = ns.into_iter().map(inbox_entry).collect();
    inbox.keep(&entries).await.unwrap();
}

async fn apply(inbox: &dyn InboxStore, n: u64, effect: InboxEffect) -> Applied {
    inbox.apply(&[(inbox_id(n), effect)]).await.unwrap().pop().unwrap()
}

async fn listed(opt_outs: &dyn OptOutStore) -> Option<OptOut> {
    opt_outs.find(tenant_id(1), &OptOutRef::Address(address(1))).await.unwrap()
}

/// Both, in one step.
pub async fn puts_who_wishes_so_on_the_list_with_the_message(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    opt_outs: &dyn OptOutStore,
) {
    keep(inbox, [5]).await;
    assert_eq!(apply(inbox, 5, leaves(5)).await, Applied::Done(None));
    assert_eq!(listed(opt_outs).await, Some(leave(5)));
    let kept = messages.find(tenant_id(1), message_id(5)).await.unwrap();
    assert_eq!(kept, Some(inbound(5)));
    assert_eq!(opt_outs.opted_out(tenant_id(2), &[address(1)]).await.unwrap(), [false]);
}

/// Another webhook about the same message does not bring back what was taken from the list since.
pub async fn follows_no_wish_of_a_message_that_is_known(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    opt_outs: &dyn OptOutStore,
) {
    keep(inbox, [5, 6]).await;
    apply(inbox, 5, leaves(5)).await;
    opt_outs.remove(tenant_id(1), &OptOutRef::Address(address(1))).await.unwrap();
    assert_eq!(apply(inbox, 6, leaves(5)).await, Applied::Known);
    assert_eq!(apply(inbox, 5, leaves(5)).await, Applied::Known);
    assert_eq!(listed(opt_outs).await, None);
}

/// Who is on the list is there since the first time.
pub async fn leaves_an_entry_as_it_is_that_is_wished_for_again(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    opt_outs: &dyn OptOutStore,
) {
    keep(inbox, [5, 6]).await;
    apply(inbox, 5, leaves(5)).await;
    assert_eq!(apply(inbox, 6, leaves(6)).await, Applied::Done(None));
    assert_eq!(listed(opt_outs).await, Some(leave(5)));
}

/// What the person said itself it takes back.
pub async fn takes_who_wishes_so_from_the_list(
    inbox: &dyn InboxStore,
    messages: &dyn MessageStore,
    opt_outs: &dyn OptOutStore,
) {
    keep(inbox, [5, 6, 7]).await;
    apply(inbox, 5, leaves(5)).await;
    assert_eq!(apply(inbox, 6, returns(6)).await, Applied::Done(None));
    assert_eq!(listed(opt_outs).await, None);
    assert!(messages.find(tenant_id(1), message_id(6)).await.unwrap().is_some());
    // Who is not on the list is no trouble.
    assert_eq!(apply(inbox, 7, returns(7)).await, Applied::Done(None));
}

/// What the tenant put there the tenant takes away.
pub async fn leaves_on_the_list_whom_the_tenant_put_there(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    opt_outs: &dyn OptOutStore,
) {
    opt_outs.add(&opt_out(1)).await.unwrap();
    keep(inbox, [5]).await;
    apply(inbox, 5, returns(5)).await;
    assert_eq!(listed(opt_outs).await, Some(opt_out(1)));
}

/// Webhooks may come out of order.
pub async fn leaves_on_the_list_who_said_so_later(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    opt_outs: &dyn OptOutStore,
) {
    keep(inbox, [5, 6]).await;
    apply(inbox, 6, leaves(6)).await;
    apply(inbox, 5, returns(5)).await;
    assert_eq!(listed(opt_outs).await, Some(leave(6)));
}

/// One call may bring several of one person.
pub async fn follows_wishes_in_the_order_given(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    opt_outs: &dyn OptOutStore,
) {
    keep(inbox, 5..=9).await;
    let effects = [(inbox_id(5), leaves(5)), (inbox_id(6), returns(6)), (inbox_id(7), leaves(7))];
    assert_eq!(inbox.apply(&effects).await.unwrap(), vec![Applied::Done(None); 3]);
    assert_eq!(listed(opt_outs).await, Some(leave(7)));
    let effects = [(inbox_id(8), leaves(8)), (inbox_id(9), returns(9))];
    inbox.apply(&effects).await.unwrap();
    assert_eq!(listed(opt_outs).await, None);
}

/// Several nodes may be at the same webhook.
pub async fn follows_a_wish_once_however_many_try(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    opt_outs: &dyn OptOutStore,
) {
    keep(inbox, [5]).await;
    let tries = (0..10).map(|_| apply(inbox, 5, leaves(5)));
    let answers = futures::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|it| **it == Applied::Done(None)).count(), 1);
    assert_eq!(listed(opt_outs).await, Some(leave(5)));
}

/// Of many people, some of whom want one thing and some the other.
pub async fn follows_wishes_of_many_at_once(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    opt_outs: &dyn OptOutStore,
) {
    keep(inbox, 1..=40).await;
    let wish = |n: u64| {
        let person = address(n % 20);
        match n {
            1..=20 => Wish::Leave(Box::new(OptOut { address: person, ..leave(n) })),
            _ if n.is_multiple_of(2) => {
                Wish::Return(Return { tenant: tenant_id(1), address: person, at: at(n) })
            }
            _ => Wish::Leave(Box::new(OptOut { address: person, ..leave(n) })),
        }
    };
    let effect = |n| (inbox_id(n), InboxEffect::ReceiveWish(Box::new(inbound(n)), wish(n)));
    let first: Vec<_> = (1..=20).map(effect).collect();
    let (even, odd): (Vec<_>, Vec<_>) = (21..=40).rev().partition(|n| n % 2 == 0);
    inbox.apply(&first).await.unwrap();
    let (even, odd): (Vec<_>, Vec<_>) =
        (even.into_iter().map(effect).collect(), odd.into_iter().map(effect).collect());
    let (one, other) = tokio::join!(inbox.apply(&even), inbox.apply(&odd));
    one.unwrap();
    other.unwrap();
    let all: Vec<_> = (0..20).map(address).collect();
    let told = opt_outs.opted_out(tenant_id(1), &all).await.unwrap();
    let expected: Vec<_> = (0..20).map(|n| n % 2 == 1).collect();
    assert_eq!(told, expected);
}
