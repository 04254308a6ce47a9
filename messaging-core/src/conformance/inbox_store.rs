//! How every inbox store must behave.
//!
//! An inbox changes messages and sessions, so each behavior takes those stores of the same adapter
//! too.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

mod applying;
mod keeping;

pub use self::applying::*;
pub use self::keeping::*;

use crate::conformance::build::{at, inbox_id};
use crate::domain::id::InboxId;
use crate::domain::inbox::{Applied, InboxEffect};
use crate::ports::inbox_store::InboxStore;

/// Calls the given macro with the name of every behavior of
/// [`InboxStore`](crate::ports::inbox_store::InboxStore). Each is a function of this module
/// that takes the inbox, the messages and the sessions of one empty store.
#[macro_export]
macro_rules! for_each_inbox_store_behavior {
    ($test:ident) => {
        $test!(gives_back_a_webhook_as_it_came);
        $test!(tells_a_repeat_from_what_is_new);
        $test!(tells_apart_the_same_key_of_another_session_or_event);
        $test!(answers_for_each_webhook_in_the_order_given);
        $test!(keeps_as_many_webhooks_as_are_given);
        $test!(keeps_a_webhook_once_however_many_bring_it);
        $test!(knows_a_repeat_of_what_is_no_longer_in_line);
        $test!(keeps_what_has_no_effect_as_applied);
        $test!(gives_what_is_due_in_order_of_id);
        $test!(gives_no_more_than_are_asked_for);
        $test!(tells_when_the_next_is_due);
        $test!(defers_a_webhook_and_counts_the_attempt);
        $test!(sets_aside_what_cannot_be_applied);
        $test!(defers_nothing_that_is_applied_or_unknown);
        $test!(counts_what_waits_and_what_is_dead);

        $test!(is_done_with_a_webhook_that_is_applied);
        $test!(keeps_a_message_that_came_in);
        $test!(opens_a_chat_with_a_message_that_came_in);
        $test!(keeps_a_message_once_though_two_webhooks_tell_of_it);
        $test!(keeps_a_message_once_however_many_tell_of_it_at_once);
        $test!(keeps_messages_apart_by_session_and_provider_id);
        $test!(knows_a_message_that_was_sent_from_here);
        $test!(moves_the_message_an_ack_names);
        $test!(records_a_late_ack);
        $test!(is_done_with_what_a_message_refuses);
        $test!(leaves_a_webhook_that_names_no_known_message);
        $test!(matches_no_message_of_another_session);
        $test!(applies_a_webhook_once);
        $test!(applies_a_webhook_once_however_many_try);
        $test!(applies_nothing_that_was_never_kept);
        $test!(applies_each_webhook_in_the_order_given);
        $test!(records_the_state_of_the_webhooks_session);
        $test!(ignores_an_older_state_of_a_session);
        $test!(is_done_with_the_state_of_a_session_that_is_gone);
        $test!(follows_messages_of_a_session_that_is_gone);
    };
}

/// What is due `millis` after tests begin.
async fn due_ids(inbox: &dyn InboxStore, millis: u64) -> Vec<InboxId> {
    let due = inbox.due(at(millis), 1000).await.unwrap();
    due.iter().map(|entry| entry.id).collect()
}

/// Gives the `n`th webhook its effect.
async fn effect(inbox: &dyn InboxStore, n: u64, effect: InboxEffect) -> Applied {
    let applied = inbox.apply(&[(inbox_id(n), effect)]).await.unwrap();
    assert_eq!(applied.len(), 1);
    applied.into_iter().next().unwrap()
}

/// It took effect without moving a message.
fn done() -> Applied {
    Applied::Done(None)
}
