//! What says the same as another a moment ago is not kept.

use super::{assert_conflict, found};
use crate::conformance::build::{at, message, message_id, tenant_id};
use crate::domain::fingerprint::Fingerprint;
use crate::domain::insertion::{Distinct, Inserted, Insertion};
use crate::domain::message::{MessageRef, StatusChange};
use crate::domain::status::StatusEvent;
use crate::ports::message_store::MessageStore;

/// Message `n`, which says `what` at millisecond `from`; the same is a repeat for ten of them.
fn saying(what: u8, n: u64, from: u64) -> Insertion {
    let distinct =
        Distinct { fingerprint: Fingerprint([what; 16]), at: at(from), until: at(from + 10) };
    Insertion { message: message(n), distinct: Some(distinct) }
}

async fn insert(store: &dyn MessageStore, insertions: &[Insertion]) -> Vec<Inserted> {
    store.insert_distinct(insertions).await.unwrap()
}

async fn is_kept(store: &dyn MessageStore, n: u64) -> bool {
    let found = store.find(tenant_id(1), message_id(n)).await.unwrap();
    let known = store.events(tenant_id(1), message_id(n)).await.unwrap();
    assert_eq!(found.is_some(), known.is_some());
    found.is_some()
}

fn repeats(n: u64) -> Inserted {
    Inserted::Repeats(message_id(n))
}

/// The same, said again within its time, is named as a repeat and leaves nothing behind; what
/// became of the first does not matter.
pub async fn names_the_message_that_another_repeats(store: &dyn MessageStore) {
    assert_eq!(insert(store, &[saying(1, 1, 0)]).await, [Inserted::Kept]);
    assert_eq!(insert(store, &[saying(1, 2, 9)]).await, [repeats(1)]);
    let cancel = StatusChange::new(MessageRef::Id(message_id(1)), StatusEvent::Cancel, at(9));
    store.change(&[cancel]).await.unwrap();
    assert_eq!(insert(store, &[saying(1, 3, 9)]).await, [repeats(1)]);
    assert!(!is_kept(store, 2).await && !is_kept(store, 3).await);
    assert_eq!(found(store, 1).await.id, message_id(1));
    // A clock that is behind says it no less again.
    assert_eq!(insert(store, &[saying(1, 4, 0)]).await, [repeats(1)]);
}

/// After its time the same may be said again, and from then on that is what is repeated.
pub async fn keeps_what_is_said_again_later(store: &dyn MessageStore) {
    insert(store, &[saying(1, 1, 0)]).await;
    assert_eq!(insert(store, &[saying(1, 2, 10)]).await, [Inserted::Kept]);
    assert_eq!(insert(store, &[saying(1, 3, 11)]).await, [repeats(2)]);
    // A repeat does not make the time longer.
    assert_eq!(insert(store, &[saying(1, 4, 20)]).await, [Inserted::Kept]);
}

/// Who says something else, or need not be distinct, repeats nobody, and is repeated by nobody.
pub async fn keeps_what_need_not_be_distinct(store: &dyn MessageStore) {
    let said = insert(store, &[saying(1, 1, 0), saying(2, 2, 0)]).await;
    assert_eq!(said, [Inserted::Kept, Inserted::Kept]);
    assert_eq!(insert(store, &[message(3).into()]).await, [Inserted::Kept]);
    store.insert(&[message(4)]).await.unwrap();
    assert_eq!(insert(store, &[saying(1, 5, 1)]).await, [repeats(1)]);
}

/// One that repeats another takes none of those beside it along, and of two in one call that say the
/// same the second is the repeat.
pub async fn refuses_a_repeat_alone(store: &dyn MessageStore) {
    insert(store, &[saying(1, 1, 0)]).await;
    let said = insert(
        store,
        &[saying(2, 2, 1), saying(1, 3, 1), saying(2, 4, 1), message(5).into(), saying(1, 6, 1)],
    )
    .await;
    let kept = Inserted::Kept;
    assert_eq!(said, [kept, repeats(1), repeats(2), kept, repeats(1)]);
    for (n, is_there) in [(2, true), (3, false), (4, false), (5, true), (6, false)] {
        assert_eq!(is_kept(store, n).await, is_there, "{n}");
    }
}

/// A message that is kept already is a conflict, not its own repeat, and leaves what was said as it
/// was; so does any other conflict.
pub async fn takes_no_message_for_its_own_repeat(store: &dyn MessageStore) {
    insert(store, &[saying(1, 1, 0)]).await;
    let again = store.insert_distinct(&[saying(1, 1, 1)]).await;
    assert_conflict(&again.map(|_| ()));
    let beside = store.insert_distinct(&[saying(2, 2, 1), saying(3, 1, 1)]).await;
    assert_conflict(&beside.map(|_| ()));
    assert!(!is_kept(store, 2).await);
    assert_eq!(insert(store, &[saying(2, 3, 2)]).await, [Inserted::Kept]);
    assert_eq!(insert(store, &[saying(1, 4, 9)]).await, [repeats(1)]);
}

/// Of those who say the same at once one is kept, and the others are told which.
pub async fn keeps_one_of_those_who_say_the_same_at_once(store: &dyn MessageStore) {
    let said: Vec<_> = (0..32).map(|n| [saying(u8::try_from(n % 2).unwrap(), n, 0)]).collect();
    let tries = said.iter().map(|insertions| store.insert_distinct(insertions));
    let inserted = futures::future::join_all(tries).await;
    let inserted: Vec<Inserted> = inserted.into_iter().flat_map(Result::unwrap).collect();
    for what in 0..2 {
        let own = inserted.iter().enumerate().skip(what).step_by(2);
        let kept: Vec<usize> =
            own.clone().filter(|(_, it)| **it == Inserted::Kept).map(|(n, _)| n).collect();
        let [first] = kept[..] else { panic!("{kept:?} say the same") };
        let first = repeats(first as u64);
        assert_eq!(own.filter(|(_, it)| **it == first).count(), 15, "{inserted:?}");
    }
}

/// One call has as many as one likes.
pub async fn keeps_as_many_distinct_ones_as_are_given(store: &dyn MessageStore) {
    let many: Vec<Insertion> = (1..=600)
        .map(|n| {
            let said = saying(0, n, 0);
            let mut fingerprint = Fingerprint([0; 16]);
            fingerprint.0[..8].copy_from_slice(&n.to_be_bytes());
            let distinct = said.distinct.map(|distinct| Distinct { fingerprint, ..distinct });
            Insertion { distinct, ..said }
        })
        .collect();
    assert!(insert(store, &many).await.iter().all(|each| *each == Inserted::Kept));
    let again = many.iter().enumerate().map(|(n, first)| Insertion {
        message: message(1000 + n as u64),
        distinct: first.distinct,
    });
    let again: Vec<_> = again.collect();
    let expected = (1..=600).map(repeats);
    assert_eq!(insert(store, &again).await, expected.collect::<Vec<_>>());
}
