//! How every store must let go of what a tenant wants to be kept no longer.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::time::Duration;

use crate::conformance::build::{
    at, batch, inbox_entry, inbox_id, message, message_id, session_id, tenant_id,
};
use crate::domain::id::{MessageId, ProviderMessageId};
use crate::domain::inbox::{InboxEntry, InboxVerdict, Kept};
use crate::domain::message::{Direction, Message};
use crate::domain::retention::RetentionRules;
use crate::domain::statistics::StatisticsRange;
use crate::domain::status::Status;
use crate::ports::inbox_store::InboxStore;
use crate::ports::message_store::MessageStore;
use crate::ports::retention_store::RetentionStore;

/// Calls the given macro with the name of every behavior of
/// [`RetentionStore`](crate::ports::retention_store::RetentionStore). Each is a function of this module
/// that takes an empty store, three times.
#[macro_export]
macro_rules! for_each_retention_store_behavior {
    ($test:ident) => {
        $test!(gives_back_rules_as_they_were_set);
        $test!(tells_who_has_rules);
        $test!(forgets_the_oldest_messages_first);
        $test!(forgets_no_message_that_is_still_to_be_sent);
        $test!(forgets_no_other_tenants_messages);
        $test!(counts_what_was_forgotten_no_longer);
        $test!(takes_up_anew_what_was_forgotten);
        $test!(forgets_the_oldest_webhooks_first);
        $test!(forgets_no_webhook_that_is_still_to_be_applied);
    };
}

type Messages<'a> = &'a dyn MessageStore;
type Inbox<'a> = &'a dyn InboxStore;
type Rules<'a> = &'a dyn RetentionStore;

const DAY: Duration = Duration::from_secs(86_400);

fn over(n: u64) -> Message {
    Message { status: Status::Read, ..message(n) }
}

async fn kept(messages: Messages<'_>, ns: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let mut kept = Vec::new();
    for n in ns {
        let found = messages.find(tenant_id(1), message_id(n)).await.unwrap();
        let events = messages.events(tenant_id(1), message_id(n)).await.unwrap();
        assert_eq!(found.is_some(), events.is_some());
        kept.extend(found.map(|_| n));
    }
    kept
}

/// Kind by kind, and taken away.
pub async fn gives_back_rules_as_they_were_set(_: Messages<'_>, _: Inbox<'_>, rules: Rules<'_>) {
    let none = RetentionRules::default();
    assert_eq!(rules.rules(tenant_id(1)).await.unwrap(), none);
    for given in [
        RetentionRules { messages: Some(DAY), webhooks: Some(2 * DAY), audit: Some(3 * DAY) },
        RetentionRules { messages: Some(9 * DAY), ..none },
        RetentionRules { audit: Some(DAY), ..none },
        none,
    ] {
        rules.set_rules(tenant_id(1), given).await.unwrap();
        assert_eq!(rules.rules(tenant_id(1)).await.unwrap(), given);
        assert_eq!(rules.rules(tenant_id(2)).await.unwrap(), none);
    }
}

/// In order of id, on from any; whoever has none is not among them.
pub async fn tells_who_has_rules(_: Messages<'_>, _: Inbox<'_>, rules: Rules<'_>) {
    let of = |n: u64| RetentionRules {
        messages: Some(DAY * u32::try_from(n).unwrap_or(1)),
        ..RetentionRules::default()
    };
    for n in [3, 1, 2] {
        rules.set_rules(tenant_id(n), of(n)).await.unwrap();
    }
    rules.set_rules(tenant_id(2), RetentionRules::default()).await.unwrap();
    let expected = [1, 3].map(|n| (tenant_id(n), of(n)));
    assert_eq!(rules.ruled(None, 9).await.unwrap(), expected);
    assert_eq!(rules.ruled(None, 1).await.unwrap(), expected[..1]);
    assert_eq!(rules.ruled(Some(tenant_id(1)), 9).await.unwrap(), expected[1..]);
    assert_eq!(rules.ruled(Some(tenant_id(3)), 9).await.unwrap(), []);
}

/// With their histories, as many as are asked for, and none that is young enough.
pub async fn forgets_the_oldest_messages_first(
    messages: Messages<'_>,
    _: Inbox<'_>,
    rules: Rules<'_>,
) {
    messages.insert(&(1..=9).map(over).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(rules.forget_messages(tenant_id(1), at(7), 4).await.unwrap(), 4);
    assert_eq!(kept(messages, 1..=9).await, [5, 6, 7, 8, 9]);
    assert_eq!(rules.forget_messages(tenant_id(1), at(7), 4).await.unwrap(), 2);
    assert_eq!(rules.forget_messages(tenant_id(1), at(7), 4).await.unwrap(), 0);
    assert_eq!(kept(messages, 1..=9).await, [7, 8, 9]);
}

/// However old, and whatever holds it back; those behind it go.
pub async fn forgets_no_message_that_is_still_to_be_sent(
    messages: Messages<'_>,
    _: Inbox<'_>,
    rules: Rules<'_>,
) {
    let held =
        Message { status: Status::Queued, batch: Some(batch(1).id), held: true, ..message(4) };
    let all = [
        Message { status: Status::Queued, ..message(1) },
        Message { status: Status::Retry, ..message(2) },
        Message { status: Status::Sending, ..message(3) },
        held,
        over(5),
        Message { status: Status::Failed, ..message(6) },
    ];
    messages.insert_batch(&batch(1), &all).await.unwrap();
    assert_eq!(rules.forget_messages(tenant_id(1), at(99), 2).await.unwrap(), 2);
    assert_eq!(rules.forget_messages(tenant_id(1), at(99), 2).await.unwrap(), 0);
    assert_eq!(kept(messages, 1..=6).await, [1, 2, 3, 4]);
}

/// As old as they may be.
pub async fn forgets_no_other_tenants_messages(
    messages: Messages<'_>,
    _: Inbox<'_>,
    rules: Rules<'_>,
) {
    let theirs = Message { tenant: tenant_id(2), session: session_id(2), ..over(1) };
    messages.insert(&[theirs.clone(), over(2)]).await.unwrap();
    assert_eq!(rules.forget_messages(tenant_id(1), at(9), 9).await.unwrap(), 1);
    assert_eq!(messages.find(tenant_id(2), message_id(1)).await.unwrap(), Some(theirs));
}

/// As if they had never been.
pub async fn counts_what_was_forgotten_no_longer(
    messages: Messages<'_>,
    _: Inbox<'_>,
    rules: Rules<'_>,
) {
    messages.insert(&[over(1), over(2), over(3)]).await.unwrap();
    rules.forget_messages(tenant_id(1), at(3), 9).await.unwrap();
    let counted = messages.statistics(tenant_id(1), &StatisticsRange::default()).await.unwrap();
    assert_eq!(counted.by_status.values().sum::<u64>(), 1);
}

/// What is known of it at the provider goes, too.
pub async fn takes_up_anew_what_was_forgotten(
    messages: Messages<'_>,
    _: Inbox<'_>,
    rules: Rules<'_>,
) {
    let name = ProviderMessageId("3EB01".into());
    let received = Message {
        direction: Direction::Inbound,
        status: Status::Received,
        provider_message_id: Some(name.clone()),
        ..message(1)
    };
    messages.insert(std::slice::from_ref(&received)).await.unwrap();
    rules.forget_messages(tenant_id(1), at(9), 9).await.unwrap();
    let known = messages.known_at_provider(session_id(1), &[name]).await.unwrap();
    assert!(known.is_empty());
    messages.insert(std::slice::from_ref(&received)).await.unwrap();
    let found: Option<MessageId> =
        messages.find(tenant_id(1), message_id(1)).await.unwrap().map(|found| found.id);
    assert_eq!(found, Some(message_id(1)));
}

async fn put_aside(inbox: Inbox<'_>, entries: &[InboxEntry]) {
    inbox.keep(entries).await.unwrap();
    let dead: Vec<_> = entries.iter().map(|entry| (entry.id, InboxVerdict::Dead)).collect();
    inbox.defer(&dead).await.unwrap();
}

/// What comes again afterwards is new; another tenant's stay.
pub async fn forgets_the_oldest_webhooks_first(
    _: Messages<'_>,
    inbox: Inbox<'_>,
    rules: Rules<'_>,
) {
    let theirs = InboxEntry { tenant: tenant_id(2), session: session_id(2), ..inbox_entry(2) };
    put_aside(inbox, &[inbox_entry(1), theirs.clone(), inbox_entry(3), inbox_entry(4)]).await;
    assert_eq!(rules.forget_webhooks(tenant_id(1), at(4), 1).await.unwrap(), 1);
    assert_eq!(inbox.depth().await.unwrap().dead, 3);
    assert_eq!(rules.forget_webhooks(tenant_id(1), at(4), 9).await.unwrap(), 1);
    assert_eq!(rules.forget_webhooks(tenant_id(1), at(4), 9).await.unwrap(), 0);
    assert_eq!(inbox.depth().await.unwrap().dead, 2);
    let again = [1, 3, 4].map(|n| InboxEntry { id: inbox_id(n + 10), ..inbox_entry(n) });
    assert_eq!(inbox.keep(&again).await.unwrap(), [Kept::New, Kept::New, Kept::Repeat]);
    assert_eq!(inbox.keep(&[theirs]).await.unwrap(), [Kept::Repeat]);
}

/// However old.
pub async fn forgets_no_webhook_that_is_still_to_be_applied(
    _: Messages<'_>,
    inbox: Inbox<'_>,
    rules: Rules<'_>,
) {
    inbox.keep(&[inbox_entry(1)]).await.unwrap();
    put_aside(inbox, &[inbox_entry(2)]).await;
    assert_eq!(rules.forget_webhooks(tenant_id(1), at(9), 1).await.unwrap(), 1);
    assert_eq!(inbox.due(at(9), 9).await.unwrap(), [inbox_entry(1)]);
    assert_eq!(inbox.keep(&[inbox_entry(1)]).await.unwrap(), [Kept::Repeat]);
}
