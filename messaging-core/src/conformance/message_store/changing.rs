//! A change is applied where the message's status allows it, to that message and attempt only.

use super::{begin, changed, found, history, moved, on};
use crate::conformance::build::{at, inbound, message, message_id, session_id, tenant_id};
use crate::domain::id::ProviderMessageId;
use crate::domain::message::{ChangeOutcome, Message, MessageRef, StatusChange};
use crate::domain::status::{Status, StatusEvent, Transition, transition};
use crate::ports::message_store::MessageStore;

/// Every event does to every status what the transition says, and nothing else.
pub async fn does_to_every_status_what_the_transition_says(store: &dyn MessageStore) {
    let mut n = 0;
    for status in Status::ALL {
        for event in StatusEvent::ALL {
            n += 1;
            let one = Message { status: *status, attempts: 1, generation: 1, ..message(n) };
            store.insert(std::slice::from_ref(&one)).await.unwrap();
            let outcome = changed(store, on(n, *event, 500_000)).await;
            let (after, lines) = (found(store, n).await, history(store, n).await.len());
            match transition(*status, *event) {
                Transition::To(to) => {
                    assert_eq!(after.status, to, "{event} on {status}");
                    let expected = ChangeOutcome::Moved { from: *status, message: Box::new(after) };
                    assert_eq!((outcome, lines), (expected, 2), "{event} on {status}");
                }
                Transition::Keep => {
                    assert_eq!((outcome, lines), (ChangeOutcome::Kept, 2), "{event} on {status}");
                    assert_eq!(after.status, *status);
                }
                Transition::Refuse => {
                    let refused = ChangeOutcome::Refused(*status);
                    assert_eq!((outcome, lines), (refused, 1), "{event} on {status}");
                    assert_eq!(after, one, "{event} on {status}");
                }
            }
        }
    }
}

/// Each change has its outcome, in the order given, whatever becomes of the others.
pub async fn gives_one_outcome_for_each_change_in_order(store: &dyn MessageStore) {
    store.insert(&[message(1), message(2), message(3)]).await.unwrap();
    moved(store, on(3, StatusEvent::Deliver, 10)).await;
    let changes = [
        on(2, StatusEvent::Begin, 20),
        on(9, StatusEvent::Begin, 20),
        on(3, StatusEvent::Accept, 20),
        on(1, StatusEvent::Replay, 20),
        on(1, StatusEvent::Cancel, 20),
    ];
    let outcomes = store.change(&changes).await.unwrap();
    let now = |n| async move { Box::new(found(store, n).await) };
    let expected = [
        ChangeOutcome::Moved { from: Status::Queued, message: now(2).await },
        ChangeOutcome::NotFound,
        ChangeOutcome::Kept,
        ChangeOutcome::Refused(Status::Queued),
        ChangeOutcome::Moved { from: Status::Queued, message: now(1).await },
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(store.change(&[]).await.unwrap(), []);
}

/// Changes to one message within one call take effect one after the other, and each outcome
/// shows the message as that change left it.
pub async fn changes_one_message_in_the_order_given(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    let events = [StatusEvent::Begin, StatusEvent::Defer, StatusEvent::Begin, StatusEvent::Accept];
    let changes: Vec<StatusChange> =
        (10..).zip(events).map(|(millis, event)| on(1, event, millis)).collect();
    let statuses: Vec<(Status, Status, u32)> = store
        .change(&changes)
        .await
        .unwrap()
        .into_iter()
        .map(|outcome| match outcome {
            ChangeOutcome::Moved { from, message } => (from, message.status, message.attempts),
            other => panic!("every change moves the message, not {other:?}"),
        })
        .collect();
    let expected = [
        (Status::Queued, Status::Sending, 1),
        (Status::Sending, Status::Retry, 1),
        (Status::Retry, Status::Sending, 2),
        (Status::Sending, Status::Sent, 2),
    ];
    assert_eq!(statuses, expected);
    assert_eq!(found(store, 1).await.status, Status::Sent);
}

/// One call takes as many changes as are given.
pub async fn makes_as_many_changes_as_are_given(store: &dyn MessageStore) {
    let messages: Vec<Message> = (1..=600).map(message).collect();
    store.insert(&messages).await.unwrap();
    let changes: Vec<StatusChange> = (1..=600).map(|n| on(n, StatusEvent::Cancel, 1000)).collect();
    let outcomes = store.change(&changes).await.unwrap();
    let ids: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            ChangeOutcome::Moved { message, .. } => Some(message.id),
            _ => None,
        })
        .collect();
    assert!(ids == messages.iter().map(|message| Some(message.id)).collect::<Vec<_>>());
}

/// Of many workers that begin the same attempt at once one does, and the others are refused.
pub async fn begins_an_attempt_only_once(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    let first = [begin(1, 0, 10)];
    let tries = futures::future::join_all((0..16).map(|_| store.change(&first))).await;
    let (mut begun, mut refused) = (0, 0);
    for outcomes in tries {
        match outcomes.unwrap().as_slice() {
            [ChangeOutcome::Moved { from: Status::Queued, .. }] => begun += 1,
            [ChangeOutcome::Refused(Status::Sending)] => refused += 1,
            other => panic!("neither begun nor refused: {other:?}"),
        }
    }
    assert_eq!((begun, refused), (1, 15));
    let after = found(store, 1).await;
    assert_eq!((after.attempts, after.generation), (1, 1));
    assert_eq!(history(store, 1).await.len(), 2);
}

/// Callers whose changes overlap in opposite order neither wait for each other for ever nor lose
/// a change.
pub async fn survives_changes_that_overlap_in_opposite_order(store: &dyn MessageStore) {
    let messages: Vec<Message> = (1..=20).map(message).collect();
    store.insert(&messages).await.unwrap();
    let up: Vec<StatusChange> = (1..=20).map(|n| begin(n, 0, 100)).collect();
    let down: Vec<StatusChange> = up.iter().rev().cloned().collect();
    let calls = (0..8).map(|call| store.change(if call % 2 == 0 { &up } else { &down }));
    let begun = futures::future::join_all(calls)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .filter(|outcome| matches!(outcome, ChangeOutcome::Moved { .. }))
        .count();
    assert_eq!(begun, 20);
    for n in 1..=20 {
        assert_eq!(found(store, n).await.generation, 1);
    }
}

/// Without a generation a message found `sending` can be taken up again, as a new attempt.
pub async fn takes_an_attempt_up_again(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    moved(store, on(1, StatusEvent::Begin, 10)).await;
    let again = moved(store, begin(1, 1, 20)).await;
    assert_eq!((again.status, again.attempts, again.generation), (Status::Sending, 2, 2));
}

/// The end of an attempt is refused once another has begun, and accepted for the latest.
pub async fn refuses_the_end_of_an_earlier_attempt(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    moved(store, begin(1, 0, 10)).await;
    moved(store, begin(1, 1, 20)).await;
    let before = found(store, 1).await;
    let ends = [
        StatusEvent::Accept,
        StatusEvent::Defer,
        StatusEvent::Hold,
        StatusEvent::Fail,
        StatusEvent::Deliver,
    ];
    for event in ends {
        let stale = StatusChange { generation: Some(1), ..on(1, event, 30) };
        assert_eq!(changed(store, stale).await, ChangeOutcome::Refused(Status::Sending));
    }
    assert_eq!(found(store, 1).await, before);
    assert_eq!(history(store, 1).await.len(), 3);
    let latest = StatusChange { generation: Some(2), ..on(1, StatusEvent::Accept, 40) };
    assert_eq!(moved(store, latest).await.status, Status::Sent);
}

/// Also what would only be recorded is refused when it is about an earlier attempt.
pub async fn refuses_a_late_event_of_an_earlier_attempt(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    for change in [begin(1, 0, 10), begin(1, 1, 20), on(1, StatusEvent::Deliver, 30)] {
        moved(store, change).await;
    }
    let late = |generation| StatusChange {
        generation: Some(generation),
        ..on(1, StatusEvent::Accept, 40)
    };
    assert_eq!(changed(store, late(1)).await, ChangeOutcome::Refused(Status::Delivered));
    assert_eq!(changed(store, late(2)).await, ChangeOutcome::Kept);
    assert_eq!(history(store, 1).await.len(), 5);
}

/// An attempt that did not count is still told from the next: generations only rise.
pub async fn counts_generations_that_do_not_count_as_attempts(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    for generation in 0..3 {
        moved(store, begin(1, generation, 10)).await;
        moved(store, on(1, StatusEvent::Hold, 20)).await;
    }
    let after = found(store, 1).await;
    assert_eq!((after.status, after.attempts, after.generation), (Status::Retry, 0, 3));
    assert_eq!(changed(store, begin(1, 2, 30)).await, ChangeOutcome::Refused(Status::Retry));
}

/// A tenant changes its own messages and nobody else's.
pub async fn changes_only_the_tenants_own_message(store: &dyn MessageStore) {
    let of_another = Message { tenant: tenant_id(2), ..message(2) };
    store.insert(&[message(1), of_another.clone()]).await.unwrap();
    let cancel = |n| {
        let owned = MessageRef::Owned(tenant_id(1), message_id(n));
        StatusChange::new(owned, StatusEvent::Cancel, at(10))
    };
    assert_eq!(changed(store, cancel(2)).await, ChangeOutcome::NotFound);
    assert_eq!(store.find(tenant_id(2), message_id(2)).await.unwrap(), Some(of_another));
    assert_eq!(store.events(tenant_id(2), message_id(2)).await.unwrap().unwrap().len(), 1);
    assert_eq!(moved(store, cancel(1)).await.status, Status::Cancelled);
    assert_eq!(changed(store, cancel(9)).await, ChangeOutcome::NotFound);
}

fn acked(session: u64, id: &str) -> StatusChange {
    let provider = MessageRef::Provider(session_id(session), ProviderMessageId(id.into()));
    StatusChange::new(provider, StatusEvent::Deliver, at(50))
}

/// An ack finds an outbound message by the id it was given, or was learnt, at the provider.
pub async fn finds_the_message_an_ack_names(store: &dyn MessageStore) {
    let inserted =
        Message { provider_message_id: Some(ProviderMessageId("A".into())), ..message(1) };
    store.insert(&[inserted, message(2), message(3)]).await.unwrap();
    let named = |change, id: &str| StatusChange {
        provider_message_id: Some(ProviderMessageId(id.into())),
        ..change
    };
    moved(store, named(begin(2, 0, 10), "B")).await;
    moved(store, begin(3, 0, 10)).await;
    assert_eq!(changed(store, acked(1, "C")).await, ChangeOutcome::NotFound);
    moved(store, named(on(3, StatusEvent::Accept, 20), "C")).await;
    for (n, id) in [(1, "A"), (2, "B"), (3, "C")] {
        let after = moved(store, acked(1, id)).await;
        assert_eq!((after.id, after.status), (message_id(n), Status::Delivered));
    }
    assert_eq!(changed(store, acked(1, "D")).await, ChangeOutcome::NotFound);
}

/// The same id in another session is another message.
pub async fn tells_apart_the_same_provider_id_in_two_sessions(store: &dyn MessageStore) {
    let id = Some(ProviderMessageId("A".into()));
    let here = Message { provider_message_id: id.clone(), ..message(1) };
    let there = Message { session: session_id(2), provider_message_id: id, ..message(2) };
    store.insert(&[here, there]).await.unwrap();
    assert_eq!(changed(store, acked(3, "A")).await, ChangeOutcome::NotFound);
    assert_eq!(moved(store, acked(2, "A")).await.id, message_id(2));
    assert_eq!(found(store, 1).await.status, Status::Queued);
}

/// What came in is not what an ack is about.
pub async fn changes_no_inbound_message_by_its_provider_id(store: &dyn MessageStore) {
    let received =
        Message { provider_message_id: Some(ProviderMessageId("A".into())), ..inbound(1) };
    store.insert(std::slice::from_ref(&received)).await.unwrap();
    assert_eq!(changed(store, acked(1, "A")).await, ChangeOutcome::NotFound);
    assert_eq!(found(store, 1).await, received);
}

/// A message that was given another id at the provider no longer answers to the former.
pub async fn forgets_a_provider_id_that_was_replaced(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    for (generation, id) in [(0, "A"), (1, "B")] {
        let id = Some(ProviderMessageId(id.into()));
        moved(store, StatusChange { provider_message_id: id, ..begin(1, generation, 10) }).await;
    }
    assert_eq!(found(store, 1).await.provider_message_id, Some(ProviderMessageId("B".into())));
    assert_eq!(changed(store, acked(1, "A")).await, ChangeOutcome::NotFound);
    assert_eq!(moved(store, acked(1, "B")).await.id, message_id(1));
}
