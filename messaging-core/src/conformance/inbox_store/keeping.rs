//! A webhook is kept once, and stands in line until it is applied or set aside.

use std::collections::BTreeSet;

use super::{done, due_ids, effect};
use crate::conformance::build::{at, inbox_entry, inbox_id, session_id, tenant_id};
use crate::domain::inbox::{Applied, InboxEffect, InboxEntry, InboxVerdict, Kept};
use crate::ports::inbox_store::{InboxDepth, InboxStore};
use crate::ports::message_store::MessageStore;
use crate::ports::session_store::SessionStore;

async fn keep(inbox: &dyn InboxStore, ns: impl IntoIterator<Item = u64>) {
    let entries: Vec<InboxEntry> = ns.into_iter().map(inbox_entry).collect();
    let kept = inbox.keep(&entries).await.unwrap();
    assert_eq!(kept, vec![Kept::New; entries.len()]);
}

/// A repeat of the `n`th webhook as the provider sends it: ours are only id and instants.
fn repeat_of(n: u64, id: u64) -> InboxEntry {
    InboxEntry { id: inbox_id(id), received_at: at(id), due_at: at(id), ..inbox_entry(n) }
}

async fn depth(inbox: &dyn InboxStore) -> (u64, u64) {
    let InboxDepth { pending, dead } = inbox.depth().await.unwrap();
    (pending, dead)
}

/// A webhook is given back as it came, byte for byte.
pub async fn gives_back_a_webhook_as_it_came(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    let odd = InboxEntry {
        tenant: tenant_id(2),
        session: session_id(3),
        event: "session.status".into(),
        key: "evt_'Ü%".into(),
        payload: (0..=255).collect(),
        received_at: at(5),
        attempts: 2,
        ..inbox_entry(2)
    };
    let empty = InboxEntry { payload: Vec::new(), ..inbox_entry(3) };
    let entries = [inbox_entry(1), odd, empty];
    assert_eq!(inbox.keep(&entries).await.unwrap(), [Kept::New; 3]);
    assert_eq!(inbox.due(at(1000), 10).await.unwrap(), entries);
}

/// A repeat is told from what is new, and changes nothing, though it come with another id.
pub async fn tells_a_repeat_from_what_is_new(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, [1]).await;
    let other = InboxEntry { payload: b"other".to_vec(), ..repeat_of(1, 7) };
    for again in [inbox_entry(1), repeat_of(1, 5), repeat_of(1, 6), other] {
        assert_eq!(inbox.keep(&[again]).await.unwrap(), [Kept::Repeat]);
    }
    assert_eq!(inbox.due(at(1000), 10).await.unwrap(), [inbox_entry(1)]);
}

/// The same key under another session or event is another webhook; so is a key of other letters.
pub async fn tells_apart_the_same_key_of_another_session_or_event(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    let entries = [
        inbox_entry(1),
        InboxEntry { session: session_id(2), ..repeat_of(1, 2) },
        InboxEntry { event: "message.ack".into(), ..repeat_of(1, 3) },
        InboxEntry { key: "EVT_1".into(), ..repeat_of(1, 4) },
        InboxEntry { key: "evt_1 ".into(), ..repeat_of(1, 5) },
        InboxEntry { key: "evt_".into(), event: "message.any1".into(), ..repeat_of(1, 6) },
    ];
    assert_eq!(inbox.keep(&entries).await.unwrap(), [Kept::New; 6]);
    assert_eq!(inbox.due(at(1000), 10).await.unwrap().len(), 6);
}

/// Each webhook has its own answer, in the order given; of two in one call the first is new.
pub async fn answers_for_each_webhook_in_the_order_given(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, [2]).await;
    let entries =
        [inbox_entry(1), repeat_of(2, 5), inbox_entry(3), repeat_of(1, 6), repeat_of(3, 7)];
    let expected = [Kept::New, Kept::Repeat, Kept::New, Kept::Repeat, Kept::Repeat];
    assert_eq!(inbox.keep(&entries).await.unwrap(), expected);
    assert_eq!(due_ids(inbox, 1000).await, [1, 2, 3].map(inbox_id));
    assert_eq!(inbox.keep(&[]).await.unwrap(), []);
}

/// One call keeps as many as are given.
pub async fn keeps_as_many_webhooks_as_are_given(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, 1..=600).await;
    assert_eq!(depth(inbox).await, (600, 0));
}

/// Of many that bring the same webhook at once one is new.
pub async fn keeps_a_webhook_once_however_many_bring_it(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    let entries: Vec<[InboxEntry; 1]> = (1..=16).map(|id| [repeat_of(1, id)]).collect();
    let calls = entries.iter().map(|entry| inbox.keep(entry));
    let kept = futures::future::join_all(calls).await.into_iter().flat_map(Result::unwrap);
    assert_eq!(kept.filter(|each| *each == Kept::New).count(), 1);
    assert_eq!(depth(inbox).await, (1, 0));
}

/// A repeat is a repeat whatever has become of the first.
pub async fn knows_a_repeat_of_what_is_no_longer_in_line(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, 1..=3).await;
    assert_eq!(effect(inbox, 1, InboxEffect::Nothing).await, done());
    let verdicts = [(inbox_id(2), InboxVerdict::Unmatched), (inbox_id(3), InboxVerdict::Dead)];
    inbox.defer(&verdicts).await.unwrap();
    for n in 1..=3 {
        assert_eq!(inbox.keep(&[repeat_of(n, n + 10)]).await.unwrap(), [Kept::Repeat]);
    }
    assert_eq!(depth(inbox).await, (0, 1));
}

/// What means nothing is kept once, as all is, and stands in no line.
pub async fn keeps_what_has_no_effect_as_applied(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    let idle = InboxEntry { has_effect: false, ..inbox_entry(1) };
    let kept = inbox.keep(&[idle.clone(), inbox_entry(2)]).await.unwrap();
    assert_eq!(kept, [Kept::New; 2]);
    assert_eq!(due_ids(inbox, 1000).await, [inbox_id(2)]);
    assert_eq!(depth(inbox).await, (1, 0));
    assert_eq!(inbox.keep(&[idle, repeat_of(1, 5)]).await.unwrap(), [Kept::Repeat; 2]);
    assert_eq!(effect(inbox, 1, InboxEffect::Nothing).await, Applied::Known);
    assert_eq!(due_ids(inbox, 1000).await, [inbox_id(2)]);
}

/// What is due by now is given in order of id, whatever the order of being due.
pub async fn gives_what_is_due_in_order_of_id(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    let due = |n, millis| InboxEntry { due_at: at(millis), ..inbox_entry(n) };
    inbox.keep(&[due(4, 10), due(1, 30), due(3, 20), due(2, 40)]).await.unwrap();
    assert_eq!(due_ids(inbox, 9).await, []);
    assert_eq!(due_ids(inbox, 10).await, [inbox_id(4)]);
    assert_eq!(due_ids(inbox, 30).await, [1, 3, 4].map(inbox_id));
    assert_eq!(due_ids(inbox, 40).await, [1, 2, 3, 4].map(inbox_id));
}

/// No more are given than are asked for, and those not due take no place.
pub async fn gives_no_more_than_are_asked_for(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, 3..=6).await;
    inbox.keep(&[InboxEntry { due_at: at(900), ..inbox_entry(1) }]).await.unwrap();
    let given = inbox.due(at(100), 2).await.unwrap();
    assert_eq!(given, [inbox_entry(3), inbox_entry(4)]);
    // To look is not to take.
    assert_eq!(inbox.due(at(100), 2).await.unwrap(), given);
}

/// The store knows when the next is due, past or to come.
pub async fn tells_when_the_next_is_due(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    assert_eq!(inbox.next_due().await.unwrap(), None);
    let due = |n, millis| InboxEntry { due_at: at(millis), ..inbox_entry(n) };
    inbox.keep(&[due(1, 300), due(2, 100), due(3, 200)]).await.unwrap();
    assert_eq!(inbox.next_due().await.unwrap(), Some(at(100)));
    effect(inbox, 2, InboxEffect::Nothing).await;
    assert_eq!(inbox.next_due().await.unwrap(), Some(at(200)));
    inbox.defer(&[(inbox_id(3), InboxVerdict::RetryAt(at(900)))]).await.unwrap();
    assert_eq!(inbox.next_due().await.unwrap(), Some(at(300)));
    inbox.defer(&[(inbox_id(1), InboxVerdict::Dead)]).await.unwrap();
    assert_eq!(inbox.next_due().await.unwrap(), Some(at(900)));
    inbox.defer(&[(inbox_id(3), InboxVerdict::Unmatched)]).await.unwrap();
    assert_eq!(inbox.next_due().await.unwrap(), None);
}

/// What is to be tried again is due then, and each try counts.
pub async fn defers_a_webhook_and_counts_the_attempt(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, [1, 2]).await;
    for (attempts, millis) in [(1, 500), (2, 700)] {
        inbox.defer(&[(inbox_id(1), InboxVerdict::RetryAt(at(millis)))]).await.unwrap();
        assert_eq!(due_ids(inbox, millis - 1).await, [inbox_id(2)]);
        let expected = InboxEntry { attempts, due_at: at(millis), ..inbox_entry(1) };
        assert_eq!(inbox.due(at(millis), 1).await.unwrap(), [expected]);
    }
    assert_eq!(depth(inbox).await, (2, 0));
}

/// What is set aside is not due any more; only what somebody must look at is counted as dead.
pub async fn sets_aside_what_cannot_be_applied(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, 1..=4).await;
    let verdicts = [
        (inbox_id(1), InboxVerdict::Unmatched),
        (inbox_id(2), InboxVerdict::Dead),
        (inbox_id(3), InboxVerdict::RetryAt(at(50))),
    ];
    inbox.defer(&verdicts).await.unwrap();
    assert_eq!(due_ids(inbox, 1000).await, [3, 4].map(inbox_id));
    assert_eq!(depth(inbox).await, (2, 1));
}

/// What is applied or was never kept is left alone by a verdict.
pub async fn defers_nothing_that_is_applied_or_unknown(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    keep(inbox, [1]).await;
    effect(inbox, 1, InboxEffect::Nothing).await;
    let verdicts = [InboxVerdict::RetryAt(at(5)), InboxVerdict::Dead, InboxVerdict::Unmatched];
    for verdict in verdicts {
        inbox.defer(&[(inbox_id(1), verdict), (inbox_id(9), verdict)]).await.unwrap();
        assert_eq!(due_ids(inbox, 1000).await, []);
        assert_eq!(depth(inbox).await, (0, 0));
    }
    inbox.defer(&[]).await.unwrap();
}

/// The depth counts what waits and what is dead, and nothing else.
pub async fn counts_what_waits_and_what_is_dead(
    inbox: &dyn InboxStore,
    _: &dyn MessageStore,
    _: &dyn SessionStore,
) {
    assert_eq!(depth(inbox).await, (0, 0));
    keep(inbox, 1..=6).await;
    assert_eq!(depth(inbox).await, (6, 0));
    let dead: BTreeSet<u64> = [2, 3].into();
    for n in &dead {
        inbox.defer(&[(inbox_id(*n), InboxVerdict::Dead)]).await.unwrap();
    }
    effect(inbox, 1, InboxEffect::Nothing).await;
    assert_eq!(depth(inbox).await, (3, dead.len() as u64));
}
