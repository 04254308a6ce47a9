//! What a change leaves on the message and in its history.

use super::{begin, changed, found, history, moved, on};
use crate::conformance::build::{at, batch_id, message};
use crate::domain::failure::{Failure, FailureCode};
use crate::domain::id::ProviderMessageId;
use crate::domain::message::{ChangeOutcome, Message, MessageEvent, StatusChange};
use crate::domain::status::{Status, StatusEvent};
use crate::ports::message_store::MessageStore;

fn reason(code: FailureCode) -> Option<Failure> {
    Some(Failure::with_detail(code, "as told"))
}

/// An attempt counts when it begins.
pub async fn counts_an_attempt_when_it_begins(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    let id = Some(ProviderMessageId("A".into()));
    let begun =
        moved(store, StatusChange { provider_message_id: id.clone(), ..begin(1, 0, 10) }).await;
    let expected = Message {
        status: Status::Sending,
        attempts: 1,
        generation: 1,
        provider_message_id: id,
        updated_at: at(10),
        ..message(1)
    };
    assert_eq!(begun, expected);
    assert_eq!(found(store, 1).await, expected);
}

/// An attempt that did not succeed still counts, and says why and when the next is due.
pub async fn keeps_why_and_until_when_a_message_is_deferred(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    moved(store, begin(1, 0, 10)).await;
    let defer = StatusChange {
        failure: reason(FailureCode::ProviderOverloaded),
        due_at: Some(at(900)),
        ..on(1, StatusEvent::Defer, 20)
    };
    moved(store, defer).await;
    let expected = Message {
        status: Status::Retry,
        attempts: 1,
        generation: 1,
        failure: reason(FailureCode::ProviderOverloaded),
        due_at: at(900),
        updated_at: at(20),
        ..message(1)
    };
    assert_eq!(found(store, 1).await, expected);
}

/// An attempt that reached nobody is taken back from the count, but not from the generations.
pub async fn uncounts_an_attempt_that_is_held(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    moved(store, begin(1, 0, 10)).await;
    let hold = StatusChange {
        failure: reason(FailureCode::SessionNotWorking),
        due_at: Some(at(900)),
        ..on(1, StatusEvent::Hold, 20)
    };
    moved(store, hold).await;
    let expected = Message {
        status: Status::Retry,
        attempts: 0,
        generation: 1,
        failure: reason(FailureCode::SessionNotWorking),
        due_at: at(900),
        updated_at: at(20),
        ..message(1)
    };
    assert_eq!(found(store, 1).await, expected);
}

/// What a change does not name stays as it is.
pub async fn leaves_what_a_change_does_not_name(store: &dyn MessageStore) {
    let before = Message {
        failure: reason(FailureCode::ProviderError),
        provider_message_id: Some(ProviderMessageId("A".into())),
        due_at: at(77),
        ..message(1)
    };
    store.insert(&[before]).await.unwrap();
    for event in [StatusEvent::Begin, StatusEvent::Defer, StatusEvent::Begin, StatusEvent::Fail] {
        let after = moved(store, on(1, event, 100)).await;
        assert_eq!(after.failure, reason(FailureCode::ProviderError), "{event}");
        assert_eq!(after.provider_message_id, Some(ProviderMessageId("A".into())), "{event}");
        assert_eq!(after.due_at, at(77), "{event}");
    }
}

/// A reason belongs to what went wrong, a due time to what is tried (again); with any other event
/// they are not kept on the message.
pub async fn keeps_reason_and_due_time_only_where_they_belong(store: &dyn MessageStore) {
    let cases = [
        (StatusEvent::Begin, Status::Queued, false, true),
        (StatusEvent::Accept, Status::Sending, false, false),
        (StatusEvent::Defer, Status::Sending, true, true),
        (StatusEvent::Hold, Status::Sending, true, true),
        (StatusEvent::Fail, Status::Sending, true, false),
        (StatusEvent::Deliver, Status::Sent, false, false),
        (StatusEvent::Read, Status::Sent, false, false),
        (StatusEvent::Bounce, Status::Sent, true, false),
        (StatusEvent::Cancel, Status::Queued, false, false),
        (StatusEvent::Expire, Status::Queued, false, false),
        (StatusEvent::Replay, Status::Failed, false, true),
        (StatusEvent::Discard, Status::Failed, false, false),
    ];
    for (n, (event, from, keeps_reason, keeps_due)) in (1..).zip(cases) {
        store.insert(&[Message { status: from, ..message(n) }]).await.unwrap();
        let change = StatusChange {
            failure: reason(FailureCode::ProviderRejected),
            due_at: Some(at(900)),
            ..on(n, event, 100)
        };
        let after = moved(store, change).await;
        assert_eq!(after.failure.is_some(), keeps_reason, "{event}");
        assert_eq!(after.due_at == at(900), keeps_due, "{event}");
        let told = history(store, n).await.pop().unwrap().failure;
        assert_eq!(told, reason(FailureCode::ProviderRejected), "{event}");
    }
}

/// Each status has the instant it was reached at.
pub async fn records_when_each_status_was_reached(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    moved(store, begin(1, 0, 10)).await;
    let sent = moved(store, on(1, StatusEvent::Accept, 20)).await;
    assert_eq!((sent.sent_at, sent.delivered_at, sent.updated_at), (Some(at(20)), None, at(20)));
    let delivered = moved(store, on(1, StatusEvent::Deliver, 30)).await;
    assert_eq!((delivered.delivered_at, delivered.read_at), (Some(at(30)), None));
    moved(store, on(1, StatusEvent::Read, 40)).await;
    let read = found(store, 1).await;
    assert_eq!(read.sent_at, Some(at(20)));
    assert_eq!(read.delivered_at, Some(at(30)));
    assert_eq!(read.read_at, Some(at(40)));
    assert_eq!((read.failed_at, read.updated_at), (None, at(40)));
}

/// What skips a status has reached it at that instant: what is read was delivered and sent.
pub async fn records_the_instants_a_status_implies(store: &dyn MessageStore) {
    store.insert(&[message(1), message(2), message(3)]).await.unwrap();
    moved(store, begin(1, 0, 10)).await;
    let read = moved(store, on(1, StatusEvent::Read, 30)).await;
    assert_eq!([read.sent_at, read.delivered_at, read.read_at], [Some(at(30)); 3]);

    let delivered = moved(store, on(2, StatusEvent::Deliver, 30)).await;
    assert_eq!([delivered.sent_at, delivered.delivered_at], [Some(at(30)); 2]);
    assert_eq!(delivered.read_at, None);

    moved(store, begin(3, 0, 10)).await;
    moved(store, on(3, StatusEvent::Accept, 20)).await;
    let skipped = moved(store, on(3, StatusEvent::Read, 30)).await;
    assert_eq!(skipped.sent_at, Some(at(20)));
    assert_eq!([skipped.delivered_at, skipped.read_at], [Some(at(30)); 2]);
}

/// A message that failed says when and why, whether before or after the provider took it.
pub async fn records_when_and_why_a_message_failed(store: &dyn MessageStore) {
    store.insert(&[message(1), message(2)]).await.unwrap();
    let fail = StatusChange {
        failure: reason(FailureCode::NotOnWhatsapp),
        ..on(1, StatusEvent::Fail, 20)
    };
    moved(store, fail).await;
    let failed = found(store, 1).await;
    assert_eq!((failed.failed_at, failed.sent_at), (Some(at(20)), None));
    assert_eq!(failed.failure, reason(FailureCode::NotOnWhatsapp));

    moved(store, begin(2, 0, 10)).await;
    moved(store, on(2, StatusEvent::Accept, 20)).await;
    let bounce = StatusChange {
        failure: reason(FailureCode::DeliveryError),
        ..on(2, StatusEvent::Bounce, 30)
    };
    moved(store, bounce).await;
    let bounced = found(store, 2).await;
    assert_eq!((bounced.failed_at, bounced.sent_at), (Some(at(30)), Some(at(20))));
    assert_eq!(bounced.failure, reason(FailureCode::DeliveryError));
}

/// What was sent after all has no failure any more.
pub async fn takes_the_failure_away_once_the_message_is_sent(store: &dyn MessageStore) {
    for (n, event) in (1..).zip([StatusEvent::Accept, StatusEvent::Deliver, StatusEvent::Read]) {
        let failure = reason(FailureCode::ProviderError);
        let retried = Message { status: Status::Sending, failure, ..message(n) };
        store.insert(&[retried]).await.unwrap();
        assert_eq!(moved(store, on(n, event, 10)).await.failure, None, "{event}");
    }
}

/// A late or repeated event is recorded and leaves the message as it was.
pub async fn records_a_late_event_and_changes_nothing(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    moved(store, begin(1, 0, 10)).await;
    moved(store, on(1, StatusEvent::Accept, 20)).await;
    let read = moved(store, on(1, StatusEvent::Read, 30)).await;
    let late = [
        StatusEvent::Accept,
        StatusEvent::Deliver,
        StatusEvent::Read,
        StatusEvent::Bounce,
        StatusEvent::Fail,
        StatusEvent::Defer,
    ];
    for event in late {
        let told = StatusChange {
            failure: reason(FailureCode::ProviderError),
            due_at: Some(at(900)),
            provider_message_id: read.provider_message_id.clone(),
            ..on(1, event, 40)
        };
        assert_eq!(changed(store, told).await, ChangeOutcome::Kept, "{event}");
    }
    assert_eq!(found(store, 1).await, read);
    let lines = history(store, 1).await;
    let recorded: Vec<_> = lines[4..].iter().map(|line| (line.event, line.status)).collect();
    assert_eq!(recorded, late.map(|event| (Some(event), Status::Read)));
}

/// What proves the sending of a message that was given up, or taken back, moves it there.
pub async fn believes_what_proves_the_sending(store: &dyn MessageStore) {
    store.insert(&[message(1), message(2), message(3)]).await.unwrap();
    let failure = reason(FailureCode::OutcomeUnknown);
    moved(store, StatusChange { failure, ..on(1, StatusEvent::Fail, 20) }).await;
    moved(store, on(2, StatusEvent::Cancel, 20)).await;
    moved(store, on(3, StatusEvent::Expire, 20)).await;
    for (n, event, status) in [
        (1, StatusEvent::Accept, Status::Sent),
        (2, StatusEvent::Deliver, Status::Delivered),
        (3, StatusEvent::Read, Status::Read),
    ] {
        let after = moved(store, on(n, event, 30)).await;
        assert_eq!((after.status, after.failure, after.failed_at), (status, None, None));
        assert_eq!(after.sent_at, Some(at(30)));
    }
}

/// A late acceptance of a message that the provider has failed since tells its id there and that it
/// was sent.
pub async fn learns_from_a_late_event_what_was_not_known(store: &dyn MessageStore) {
    store.insert(&[message(1), message(2)]).await.unwrap();
    let learnt = |n, event, id: &str| StatusChange {
        provider_message_id: Some(ProviderMessageId(id.into())),
        ..on(n, event, 30)
    };
    moved(store, begin(1, 0, 10)).await;
    let failure = reason(FailureCode::DeliveryError);
    moved(store, StatusChange { failure, ..on(1, StatusEvent::Bounce, 20) }).await;
    assert_eq!(changed(store, learnt(1, StatusEvent::Accept, "A")).await, ChangeOutcome::Kept);
    let late = found(store, 1).await;
    assert_eq!((late.status, late.failed_at), (Status::Failed, Some(at(20))));
    assert_eq!(late.sent_at, Some(at(30)));
    assert_eq!(late.provider_message_id, Some(ProviderMessageId("A".into())));

    // What is known stays, and a late failure proves no sending.
    assert_eq!(changed(store, learnt(1, StatusEvent::Accept, "B")).await, ChangeOutcome::Kept);
    assert_eq!(found(store, 1).await, late);
    moved(store, on(2, StatusEvent::Cancel, 20)).await;
    assert_eq!(changed(store, on(2, StatusEvent::Fail, 30)).await, ChangeOutcome::Kept);
    assert_eq!(found(store, 2).await.sent_at, None);
}

/// A replayed message begins anew: no attempts, no failure but that its end is unknown. Its id at the provider and its
/// generations go on, since an ack or an end of its former attempts may still come.
pub async fn begins_anew_with_a_replay(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    let id = Some(ProviderMessageId("A".into()));
    moved(store, StatusChange { provider_message_id: id.clone(), ..begin(1, 0, 10) }).await;
    moved(store, on(1, StatusEvent::Accept, 20)).await;
    let failure = reason(FailureCode::DeliveryError);
    moved(store, StatusChange { failure, ..on(1, StatusEvent::Bounce, 30) }).await;
    let replay = StatusChange { due_at: Some(at(900)), ..on(1, StatusEvent::Replay, 40) };
    moved(store, replay).await;
    let expected = Message {
        generation: 1,
        provider_message_id: id,
        due_at: at(900),
        updated_at: at(40),
        ..message(1)
    };
    assert_eq!(found(store, 1).await, expected);

    moved(store, begin(1, 1, 50)).await;
    let failure = reason(FailureCode::OutcomeUnknown);
    let fail = StatusChange { failure: failure.clone(), ..on(1, StatusEvent::Fail, 60) };
    let failed = moved(store, fail).await;
    assert_eq!((failed.attempts, failed.failed_at), (1, Some(at(60))));
    assert_eq!(moved(store, on(1, StatusEvent::Replay, 70)).await.failure, failure);
}

/// What is held by its bulk request and fails or is taken back is no longer held, also after a
/// replay: somebody asked for this one.
pub async fn holds_nothing_back_that_has_moved(store: &dyn MessageStore) {
    let held = Message { batch: Some(batch_id(1)), held: true, ..message(1) };
    store.insert(&[held]).await.unwrap();
    assert!(!moved(store, on(1, StatusEvent::Fail, 10)).await.held);
    assert!(!moved(store, on(1, StatusEvent::Replay, 20)).await.held);
    assert!(!found(store, 1).await.held);
}

/// An event whose instant lies before the last change does not turn the message's time back.
pub async fn never_turns_back_when_a_message_changed(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    moved(store, begin(1, 0, 50)).await;
    let delivered = moved(store, on(1, StatusEvent::Deliver, 40)).await;
    assert_eq!((delivered.delivered_at, delivered.updated_at), (Some(at(40)), at(50)));
}

/// The history tells each event with the status, the attempts and the reason of that time, in the
/// order they were recorded.
pub async fn tells_the_whole_history_in_order(store: &dyn MessageStore) {
    store.insert(&[message(1)]).await.unwrap();
    let steps = [
        (StatusEvent::Begin, 10, Status::Sending, 1, None),
        (StatusEvent::Defer, 20, Status::Retry, 1, reason(FailureCode::ProviderError)),
        (StatusEvent::Begin, 30, Status::Sending, 2, None),
        (StatusEvent::Hold, 40, Status::Retry, 1, reason(FailureCode::SessionNotWorking)),
        (StatusEvent::Begin, 50, Status::Sending, 2, None),
        (StatusEvent::Read, 60, Status::Read, 2, None),
        // Two at one instant, and one told late.
        (StatusEvent::Deliver, 60, Status::Read, 2, None),
        (StatusEvent::Accept, 55, Status::Read, 2, None),
    ];
    for (event, millis, _, _, failure) in &steps {
        let change = StatusChange { failure: failure.clone(), ..on(1, *event, *millis) };
        changed(store, change).await;
    }
    let first =
        MessageEvent { at: at(1), event: None, status: Status::Queued, attempts: 0, failure: None };
    let lines = steps.into_iter().map(|(event, millis, status, attempts, failure)| MessageEvent {
        at: at(millis),
        event: Some(event),
        status,
        attempts,
        failure,
    });
    let expected: Vec<MessageEvent> = [first].into_iter().chain(lines).collect();
    assert_eq!(history(store, 1).await, expected);
}
