//! Statistics are what one would count by hand.

use std::collections::BTreeMap;

use super::{begin, moved, on};
use crate::conformance::build::{at, inbound, message, message_id, session_id, tenant_id};
use crate::conformance::entropy::SeededEntropy;
use crate::domain::content::{Attachment, Content, Media, MediaKind, MediaSource};
use crate::domain::id::TenantId;
use crate::domain::message::{Direction, Message, MessageRef, StatusChange};
use crate::domain::statistics::{Percentiles, Statistics, StatisticsRange};
use crate::domain::status::{Status, StatusEvent};
use crate::domain::timestamp::Timestamp;
use crate::ports::entropy::Entropy;
use crate::ports::message_store::MessageStore;

async fn counted(store: &dyn MessageStore, range: StatisticsRange) -> Statistics {
    store.statistics(tenant_id(1), &range).await.unwrap()
}

/// Asserts that two counts are equal, and their times but for rounding.
#[track_caller]
fn assert_same(mut counted: Statistics, mut expected: Statistics, what: &str) {
    match (counted.time_to_sent.take(), expected.time_to_sent.take()) {
        (None, None) => {}
        (Some(one), Some(other)) => {
            assert!((one.p50 - other.p50).abs() < 1e-6, "{what}: {one:?} is not {other:?}");
            assert!((one.p95 - other.p95).abs() < 1e-6, "{what}: {one:?} is not {other:?}");
        }
        (one, other) => panic!("{what}: {one:?} is not {other:?}"),
    }
    assert_eq!(counted, expected, "{what}");
}

/// Of nothing there is nothing to count.
pub async fn counts_nothing_where_nothing_is(store: &dyn MessageStore) {
    assert_eq!(counted(store, StatisticsRange::default()).await, Statistics::default());
}

/// Counts leave out what there is none of, and tell out from in.
pub async fn counts_by_status_direction_kind_and_session(store: &dyn MessageStore) {
    let unsupported = Content { body: String::new(), attachment: Some(Attachment::Unsupported) };
    let elsewhere = Message { session: session_id(2), content: unsupported, ..inbound(4) };
    store.insert(&[message(1), message(2), inbound(3), elsewhere]).await.unwrap();
    moved(store, begin(2, 0, 10)).await;
    let statistics = counted(store, StatisticsRange::default()).await;
    let names = |counts: &[(&str, u64)]| -> BTreeMap<String, u64> {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    assert_eq!(statistics.total, 4);
    let expected = names(&[("queued", 1), ("sending", 1), ("received", 2)]);
    assert_eq!(by_name(&statistics.by_status), expected);
    assert_eq!(by_name(&statistics.by_direction), names(&[("outbound", 2), ("inbound", 2)]));
    assert_eq!(by_name(&statistics.by_kind), names(&[("text", 3), ("unsupported", 1)]));
    assert_eq!(statistics.by_session, [(session_id(1), 3), (session_id(2), 1)].into());
    let expected = names(&[("queued", 1), ("sending", 1)]);
    assert_eq!(by_name(&statistics.outbound_by_status), expected);
    assert_eq!(statistics.time_to_sent, None);
}

fn by_name<K: ToString>(counts: &BTreeMap<K, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(key, count)| (key.to_string(), *count)).collect()
}

/// The times to sent are of messages that occurred: of twenty, the tenth and the nineteenth.
pub async fn counts_how_long_messages_took_to_be_sent(store: &dyn MessageStore) {
    // Not in the order of their times, and one that was never sent.
    for n in (1..=20).rev() {
        store.insert(&[message(n)]).await.unwrap();
        moved(store, on(n, StatusEvent::Deliver, n + n * 1500)).await;
    }
    store.insert(&[message(21)]).await.unwrap();
    let expected = Statistics {
        time_to_sent: Some(Percentiles { p50: 15.0, p95: 28.5 }),
        ..counted(store, StatisticsRange::default()).await
    };
    assert_same(counted(store, StatisticsRange::default()).await, expected, "of twenty");
}

/// Both ends of the range are within it, and the session narrows it down.
pub async fn counts_within_a_range_with_both_ends_included(store: &dyn MessageStore) {
    let elsewhere = Message { session: session_id(2), ..message(30) };
    store.insert(&[message(10), message(20), elsewhere, message(40)]).await.unwrap();
    let cases = [
        (None, None, None, 4),
        (Some(at(20)), Some(at(30)), None, 2),
        (Some(at(21)), None, None, 2),
        (None, Some(at(29)), None, 2),
        (Some(at(20)), None, Some(session_id(1)), 2),
        (None, None, Some(session_id(2)), 1),
        (None, None, Some(session_id(3)), 0),
        (Some(at(31)), Some(at(39)), None, 0),
    ];
    for (from, to, session, total) in cases {
        let statistics = counted(store, StatisticsRange { from, to, session }).await;
        assert_eq!(statistics.total, total, "from {from:?} to {to:?} through {session:?}");
        assert_eq!(statistics.by_session.values().sum::<u64>(), total);
    }
}

/// No tenant's messages are counted for another.
pub async fn counts_only_the_tenants_own_messages(store: &dyn MessageStore) {
    let of_another = Message { tenant: tenant_id(2), sent_at: Some(at(9)), ..message(2) };
    store.insert(&[message(1), of_another]).await.unwrap();
    let statistics = counted(store, StatisticsRange::default()).await;
    assert_eq!((statistics.total, statistics.time_to_sent), (1, None));
    let range = StatisticsRange { session: Some(session_id(1)), ..StatisticsRange::default() };
    assert_eq!(counted(store, range).await.total, 1);
    let of_nobody = store.statistics(tenant_id(3), &StatisticsRange::default()).await.unwrap();
    assert_eq!(of_nobody, Statistics::default());
}

/// After a long history of all kinds of events, counts are what one counts by hand.
pub async fn counts_what_one_would_count_by_hand(store: &dyn MessageStore) {
    let messages = live_through(store, &SeededEntropy::new(7)).await;
    let ranges = [
        StatisticsRange::default(),
        StatisticsRange { from: Some(at(50)), ..StatisticsRange::default() },
        StatisticsRange { to: Some(at(200)), ..StatisticsRange::default() },
        StatisticsRange { session: Some(session_id(2)), ..StatisticsRange::default() },
        StatisticsRange { from: Some(at(90)), to: Some(at(91)), session: Some(session_id(1)) },
    ];
    for tenant in [tenant_id(1), tenant_id(2)] {
        for range in ranges {
            let counted = store.statistics(tenant, &range).await.unwrap();
            let expected = count_by_hand(&messages, tenant, &range);
            assert_same(counted, expected, &format!("{tenant} {range:?}"));
        }
    }
}

/// Inserts 300 messages of two tenants, lets a thousand things happen to them, and gives them as
/// they stand in the end.
async fn live_through(store: &dyn MessageStore, entropy: &SeededEntropy) -> Vec<Message> {
    let up_to = |n| entropy.next_u64() % n;
    let picture = Attachment::Media(Media {
        kind: MediaKind::Image,
        source: MediaSource::Missing,
        mimetype: None,
        filename: None,
    });
    let mut messages = Vec::new();
    for n in 1..=300 {
        let made = if up_to(4) == 0 { inbound(n) } else { message(n) };
        let attachment = (up_to(3) == 0).then(|| picture.clone());
        messages.push(Message {
            tenant: tenant_id(1 + up_to(2)),
            session: session_id(1 + up_to(3)),
            content: Content { attachment, ..made.content },
            ..made
        });
    }
    store.insert(&messages).await.unwrap();
    let mut changes = Vec::new();
    for step in 0..1000 {
        let message = MessageRef::Id(message_id(1 + up_to(300)));
        let event = StatusEvent::ALL[up_to(StatusEvent::ALL.len() as u64) as usize];
        changes.push(StatusChange::new(message, event, at(1000 + step * 37 + up_to(30))));
    }
    store.change(&changes).await.unwrap();
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    store.load(&ids).await.unwrap()
}

fn count_by_hand(messages: &[Message], tenant: TenantId, range: &StatisticsRange) -> Statistics {
    let within = |created: Timestamp| {
        range.from.is_none_or(|from| created >= from) && range.to.is_none_or(|to| created <= to)
    };
    let counted: Vec<&Message> = messages
        .iter()
        .filter(|message| message.tenant == tenant && within(message.created_at))
        .filter(|message| range.session.is_none_or(|session| session == message.session))
        .collect();
    fn tally<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, u64> {
        keys.fold(BTreeMap::new(), |mut counts, key| {
            *counts.entry(key).or_default() += 1;
            counts
        })
    }
    let seconds: Vec<f64> = counted
        .iter()
        .filter_map(|message| Some(message.sent_at?.since(message.created_at).as_secs_f64()))
        .collect();
    // The smallest value that enough of the values do not exceed.
    let percentile = |percent: usize| {
        let enough = |value: f64| {
            seconds.iter().filter(|each| **each <= value).count() * 100 >= seconds.len() * percent
        };
        seconds.iter().copied().filter(|value| enough(*value)).reduce(f64::min)
    };
    let outbound = counted.iter().filter(|message| message.direction == Direction::Outbound);
    let outbound_by_status: BTreeMap<Status, u64> = tally(outbound.map(|message| message.status));
    Statistics {
        total: counted.len() as u64,
        by_status: tally(counted.iter().map(|message| message.status)),
        by_direction: tally(counted.iter().map(|message| message.direction)),
        by_kind: tally(counted.iter().map(|message| message.content.kind())),
        by_session: tally(counted.iter().map(|message| message.session)),
        outbound_by_status,
        time_to_sent: percentile(50).zip(percentile(95)).map(|(p50, p95)| Percentiles { p50, p95 }),
    }
}
