//! A list holds what the filter lets through, newest first, in portions that join without a gap.

use std::time::Duration;

use serde_json::json;

use crate::conformance::build::{
    at, batch_id, inbound, message, message_id, session_id, tenant_id,
};
use crate::domain::failure::{Failure, FailureCode};
use crate::domain::filter::{MessageFilter, MessagePage, Portion};
use crate::domain::id::MessageId;
use crate::domain::message::{Direction, Message};
use crate::domain::status::Status;
use crate::ports::message_store::MessageStore;

fn all() -> MessageFilter {
    MessageFilter::default()
}

fn page(page: u32, limit: u32) -> Portion {
    Portion::Page { page, limit }
}

fn older_than(n: u64, limit: u32) -> Portion {
    Portion::OlderThan { message: message_id(n), limit }
}

async fn listed(store: &dyn MessageStore, filter: &MessageFilter, portion: Portion) -> MessagePage {
    store.list(tenant_id(1), filter, portion).await.unwrap()
}

fn ids(page: &MessagePage) -> Vec<MessageId> {
    page.messages.iter().map(|message| message.id).collect()
}

fn nth(ns: impl IntoIterator<Item = u64>) -> Vec<MessageId> {
    ns.into_iter().map(message_id).collect()
}

/// Asserts which of tenant 1's messages a filter lets through, newest first.
#[track_caller]
fn assert_lists(found: &MessagePage, expected: &[u64], what: &str) {
    assert_eq!(ids(found), nth(expected.iter().copied()), "{what}");
    assert_eq!(found.total, expected.len() as u64, "{what}");
    assert!(!found.has_more, "{what}");
}

async fn check(store: &dyn MessageStore, filter: MessageFilter, expected: &[u64], what: &str) {
    assert_lists(&listed(store, &filter, page(1, 100)).await, expected, what);
    assert_lists(&listed(store, &filter, older_than(1_000_000, 100)).await, expected, what);
}

async fn insert(store: &dyn MessageStore, ns: impl IntoIterator<Item = u64>) {
    let messages: Vec<Message> = ns.into_iter().map(message).collect();
    store.insert(&messages).await.unwrap();
}

/// The newest stands first, in whatever order they were inserted, each as it stands.
pub async fn lists_the_newest_first(store: &dyn MessageStore) {
    insert(store, [2, 5, 1]).await;
    insert(store, [4, 3]).await;
    let expected: Vec<Message> = [5, 4, 3, 2, 1].map(message).into();
    let found = listed(store, &all(), page(1, 10)).await;
    assert_eq!(found, MessagePage { messages: expected, total: 5, has_more: false });
}

/// Where there is nothing the list is empty, and that is no error.
pub async fn lists_nothing_where_nothing_is(store: &dyn MessageStore) {
    let nothing = MessagePage { messages: Vec::new(), total: 0, has_more: false };
    assert_eq!(listed(store, &all(), page(1, 10)).await, nothing);
    assert_eq!(listed(store, &all(), older_than(5, 10)).await, nothing);
}

/// Pages join without a gap, each with the total and whether more follows.
pub async fn lists_page_by_page(store: &dyn MessageStore) {
    insert(store, 1..=7).await;
    let pages = [(1, vec![7, 6, 5], true), (2, vec![4, 3, 2], true), (3, vec![1], false)];
    for (number, expected, has_more) in pages {
        let found = listed(store, &all(), page(number, 3)).await;
        assert_eq!((ids(&found), found.total), (nth(expected), 7), "page {number}");
        assert_eq!(found.has_more, has_more, "page {number}");
    }
}

/// A page that ends with the last message has nothing behind it; one past the end is empty and
/// still tells the total.
pub async fn knows_where_a_list_ends(store: &dyn MessageStore) {
    insert(store, 1..=6).await;
    let last = listed(store, &all(), page(2, 3)).await;
    assert_eq!((ids(&last), last.has_more), (nth([3, 2, 1]), false));
    for number in [3, u32::MAX] {
        let past = listed(store, &all(), page(number, 100)).await;
        assert_eq!(past, MessagePage { messages: Vec::new(), total: 6, has_more: false });
    }
}

/// A cursor goes on behind the message it names, whether or not that is (still) to be listed.
pub async fn lists_on_from_a_message(store: &dyn MessageStore) {
    insert(store, (1..=7).filter(|n| *n != 4)).await;
    let first = listed(store, &all(), older_than(7, 2)).await;
    assert_eq!((ids(&first), first.total, first.has_more), (nth([6, 5]), 6, true));
    let second = listed(store, &all(), older_than(4, 2)).await;
    assert_eq!((ids(&second), second.total, second.has_more), (nth([3, 2]), 6, true));
    let third = listed(store, &all(), older_than(2, 2)).await;
    assert_eq!((ids(&third), third.total, third.has_more), (nth([1]), 6, false));
    let end = listed(store, &all(), older_than(1, 2)).await;
    assert_eq!((ids(&end), end.total, end.has_more), (nth([]), 6, false));
}

/// What is inserted meanwhile neither repeats nor hides anything behind a cursor.
pub async fn keeps_its_place_behind_a_cursor(store: &dyn MessageStore) {
    insert(store, 1..=6).await;
    let mut seen = ids(&listed(store, &all(), page(1, 2)).await);
    for newer in [10, 11] {
        insert(store, [newer]).await;
        let cursor = Portion::OlderThan { message: *seen.last().unwrap(), limit: 2 };
        seen.extend(ids(&listed(store, &all(), cursor).await));
    }
    assert_eq!(seen, nth([6, 5, 4, 3, 2, 1]));
}

/// No list holds or counts another tenant's messages.
pub async fn lists_only_the_tenants_own_messages(store: &dyn MessageStore) {
    let of_another = |n| Message { tenant: tenant_id(2), ..message(n) };
    store.insert(&[message(1), of_another(2), message(3), of_another(4)]).await.unwrap();
    check(store, all(), &[3, 1], "own").await;
    let through = MessageFilter { session: Some(session_id(1)), ..all() };
    check(store, through, &[3, 1], "through a session").await;
    let of_nobody = store.list(tenant_id(3), &all(), page(1, 10)).await.unwrap();
    assert_eq!((of_nobody.messages.len(), of_nobody.total), (0, 0));
}

/// Six messages, of which each filter lets some through.
async fn insert_various(store: &dyn MessageStore) {
    let messages = [
        Message { session: session_id(2), ..message(1) },
        Message { batch: Some(batch_id(1)), status: Status::Sent, ..message(2) },
        Message { batch: Some(batch_id(2)), ..message(3) },
        inbound(4),
        Message {
            status: Status::Sent,
            session: session_id(2),
            failure: Some(Failure::new(FailureCode::DeliveryError)),
            ..message(5)
        },
        Message {
            session: session_id(2),
            batch: Some(batch_id(1)),
            status: Status::Sent,
            metadata: Some(json!({ "campaignId": "spring" })),
            failure: Some(Failure::new(FailureCode::OutcomeUnknown)),
            ..message(6)
        },
    ];
    store.insert(&messages).await.unwrap();
}

/// Each condition stands alone.
pub async fn filters_by_each_condition_alone(store: &dyn MessageStore) {
    insert_various(store).await;
    check(store, all(), &[6, 5, 4, 3, 2, 1], "none").await;
    let session = Some(session_id(2));
    check(store, MessageFilter { session, ..all() }, &[6, 5, 1], "session").await;
    let batch = Some(batch_id(1));
    check(store, MessageFilter { batch, ..all() }, &[6, 2], "batch").await;
    let direction = Some(Direction::Outbound);
    check(store, MessageFilter { direction, ..all() }, &[6, 5, 3, 2, 1], "outbound").await;
    let direction = Some(Direction::Inbound);
    check(store, MessageFilter { direction, ..all() }, &[4], "inbound").await;
    let status = Some(Status::Sent);
    check(store, MessageFilter { status, ..all() }, &[6, 5, 2], "status").await;
    let failure = Some(FailureCode::DeliveryError);
    check(store, MessageFilter { failure, ..all() }, &[5], "failure").await;
    let campaign = Some("spring".into());
    check(store, MessageFilter { campaign, ..all() }, &[6], "campaign").await;
    let search = Some("text 3".into());
    check(store, MessageFilter { search, ..all() }, &[3], "search").await;
    let session = Some(session_id(9));
    check(store, MessageFilter { session, ..all() }, &[], "unknown session").await;
    let batch = Some(batch_id(9));
    check(store, MessageFilter { batch, ..all() }, &[], "unknown batch").await;
}

/// Of several conditions all must hold.
pub async fn filters_by_all_conditions_together(store: &dyn MessageStore) {
    insert_various(store).await;
    let every = MessageFilter {
        session: Some(session_id(2)),
        batch: Some(batch_id(1)),
        direction: Some(Direction::Outbound),
        status: Some(Status::Sent),
        failure: Some(FailureCode::OutcomeUnknown),
        from: Some(at(6)),
        to: Some(at(6)),
        search: Some("TEXT".into()),
        words: Vec::new(),
        campaign: Some("spring".into()),
    };
    check(store, every.clone(), &[6], "all").await;
    let but_one = [
        MessageFilter { session: Some(session_id(1)), ..every.clone() },
        MessageFilter { batch: Some(batch_id(2)), ..every.clone() },
        MessageFilter { direction: Some(Direction::Inbound), ..every.clone() },
        MessageFilter { status: Some(Status::Read), ..every.clone() },
        MessageFilter { failure: Some(FailureCode::DeliveryError), ..every.clone() },
        MessageFilter { from: Some(at(7)), to: None, ..every.clone() },
        MessageFilter { from: None, to: Some(at(5)), ..every.clone() },
        MessageFilter { search: Some("nothing".into()), ..every.clone() },
        MessageFilter { campaign: Some("autumn".into()), ..every.clone() },
    ];
    for filter in but_one {
        check(store, filter, &[], "all but one").await;
    }
    let some = MessageFilter { status: Some(Status::Sent), session: Some(session_id(2)), ..all() };
    check(store, some, &[6, 5], "two").await;
}

/// Both ends of a time range are within it, to the microsecond.
pub async fn filters_by_creation_with_both_ends_included(store: &dyn MessageStore) {
    insert(store, [10, 20, 30, 40]).await;
    let range = |from, to| MessageFilter { from, to, ..all() };
    let instant = Duration::from_micros(1);
    check(store, range(Some(at(20)), Some(at(30))), &[30, 20], "ends").await;
    check(store, range(Some(at(20).plus(instant)), None), &[40, 30], "from").await;
    check(store, range(None, Some(at(30).minus(instant))), &[20, 10], "to").await;
    check(store, range(Some(at(20)), Some(at(20))), &[20], "one instant").await;
    check(store, range(Some(at(30)), Some(at(20))), &[], "backwards").await;
    check(store, range(Some(at(21)), Some(at(29))), &[], "between").await;
}

/// A filter shows a message where it stands now, not where it stood.
pub async fn filters_by_the_present_status(store: &dyn MessageStore) {
    insert(store, [1, 2]).await;
    super::moved(store, super::begin(1, 0, 10)).await;
    let standing = |status| MessageFilter { status: Some(status), ..all() };
    check(store, standing(Status::Queued), &[2], "queued").await;
    check(store, standing(Status::Sending), &[1], "sending").await;
}

/// Pages and cursors count what the filter lets through, not what it leaves out.
pub async fn lists_portions_of_what_a_filter_lets_through(store: &dyn MessageStore) {
    let even_sent = (1..=10).map(|n| {
        let status = if n % 2 == 0 { Status::Sent } else { Status::Queued };
        Message { status, ..message(n) }
    });
    store.insert(&even_sent.collect::<Vec<_>>()).await.unwrap();
    let sent = MessageFilter { status: Some(Status::Sent), ..all() };
    let first = listed(store, &sent, page(1, 2)).await;
    assert_eq!((ids(&first), first.total, first.has_more), (nth([10, 8]), 5, true));
    let behind = listed(store, &sent, older_than(8, 2)).await;
    assert_eq!((ids(&behind), behind.total, behind.has_more), (nth([6, 4]), 5, true));
    let last = listed(store, &sent, older_than(4, 2)).await;
    assert_eq!((ids(&last), last.total, last.has_more), (nth([2]), 5, false));
}
