//! How every message store must behave.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a suite fails by panicking"
)]

mod batches;
mod changing;
mod chats;
mod counting;
mod following;
mod inserting;
mod listing;
mod reading;
mod recording;
mod redacting;
mod repeating;
mod scheduling;
mod sealing;
mod searching;
mod working;

pub use self::batches::*;
pub use self::changing::*;
pub use self::chats::*;
pub use self::counting::*;
pub use self::following::*;
pub use self::inserting::*;
pub use self::listing::*;
pub use self::reading::*;
pub use self::recording::*;
pub use self::redacting::*;
pub use self::repeating::*;
pub use self::scheduling::*;
pub use self::sealing::*;
pub use self::searching::*;
pub use self::working::*;

use crate::conformance::build::{at, message_id, tenant_id};
use crate::domain::message::{ChangeOutcome, Message, MessageEvent, MessageRef, StatusChange};
use crate::domain::status::StatusEvent;
use crate::ports::message_store::MessageStore;
use crate::ports::store_error::StoreError;

/// Calls the given macro with the name of every behavior of
/// [`MessageStore`](crate::ports::message_store::MessageStore). Each is a function of this module
/// that takes an empty store.
#[macro_export]
macro_rules! for_each_message_store_behavior {
    ($test:ident) => {
        $test!(gives_back_what_was_inserted);
        $test!(gives_back_every_kind_of_content);
        $test!(gives_back_metadata_as_it_came);
        $test!(gives_back_every_code_status_and_priority);
        $test!(gives_back_every_form_of_address);
        $test!(gives_back_instants_to_the_microsecond);
        $test!(gives_back_what_is_sealed);
        $test!(finds_what_is_sealed_by_all_of_its_words);
        $test!(knows_whom_a_sealed_message_goes_to);
        $test!(seals_what_is_kept_and_nothing_else_about_it);
        $test!(seals_nothing_over_what_somebody_sealed_meanwhile);
        $test!(knows_a_chat_by_its_new_name_and_since_when_it_is_open);
        $test!(names_what_is_to_be_redacted_once_nobody_will_send_it);
        $test!(redacts_what_is_to_be_and_nothing_else_about_it);
        $test!(sends_nothing_again_that_was_redacted);
        $test!(seals_nothing_over_what_was_redacted_meanwhile);
        $test!(inserts_as_many_as_are_given);
        $test!(begins_a_history_with_the_insert);
        $test!(refuses_a_message_that_is_kept_already);
        $test!(inserts_all_messages_or_none);
        $test!(refuses_an_id_given_twice);
        $test!(inserts_a_message_once_however_many_try);
        $test!(finds_nothing_where_nothing_is);
        $test!(names_the_message_that_another_repeats);
        $test!(keeps_what_is_said_again_later);
        $test!(keeps_what_need_not_be_distinct);
        $test!(refuses_a_repeat_alone);
        $test!(takes_no_message_for_its_own_repeat);
        $test!(keeps_one_of_those_who_say_the_same_at_once);
        $test!(keeps_as_many_distinct_ones_as_are_given);
        $test!(hides_a_message_from_other_tenants);
        $test!(loads_messages_of_every_tenant);
        $test!(loads_as_many_as_are_asked_for);
        $test!(answers_a_ping);
        $test!(finds_messages_by_their_ids_at_the_provider);
        $test!(finds_by_an_id_at_the_provider_the_message_that_has_it_now);
        $test!(counts_what_a_batch_holds_back_before_a_message);

        $test!(does_to_every_status_what_the_transition_says);
        $test!(gives_one_outcome_for_each_change_in_order);
        $test!(changes_one_message_in_the_order_given);
        $test!(makes_as_many_changes_as_are_given);
        $test!(begins_an_attempt_only_once);
        $test!(survives_changes_that_overlap_in_opposite_order);
        $test!(takes_an_attempt_up_again);
        $test!(refuses_the_end_of_an_earlier_attempt);
        $test!(refuses_a_late_event_of_an_earlier_attempt);
        $test!(counts_generations_that_do_not_count_as_attempts);
        $test!(changes_only_the_tenants_own_message);
        $test!(finds_the_message_an_ack_names);
        $test!(tells_apart_the_same_provider_id_in_two_sessions);
        $test!(changes_no_inbound_message_by_its_provider_id);
        $test!(forgets_a_provider_id_that_was_replaced);

        $test!(counts_an_attempt_when_it_begins);
        $test!(keeps_why_and_until_when_a_message_is_deferred);
        $test!(uncounts_an_attempt_that_is_held);
        $test!(leaves_what_a_change_does_not_name);
        $test!(keeps_reason_and_due_time_only_where_they_belong);
        $test!(records_when_each_status_was_reached);
        $test!(records_the_instants_a_status_implies);
        $test!(records_when_and_why_a_message_failed);
        $test!(takes_the_failure_away_once_the_message_is_sent);
        $test!(records_a_late_event_and_changes_nothing);
        $test!(believes_what_proves_the_sending);
        $test!(learns_from_a_late_event_what_was_not_known);
        $test!(begins_anew_with_a_replay);
        $test!(holds_nothing_back_that_has_moved);
        $test!(never_turns_back_when_a_message_changed);
        $test!(tells_the_whole_history_in_order);

        $test!(lists_the_newest_first);
        $test!(lists_nothing_where_nothing_is);
        $test!(lists_page_by_page);
        $test!(knows_where_a_list_ends);
        $test!(lists_on_from_a_message);
        $test!(keeps_its_place_behind_a_cursor);
        $test!(lists_only_the_tenants_own_messages);
        $test!(filters_by_each_condition_alone);
        $test!(filters_by_all_conditions_together);
        $test!(filters_by_creation_with_both_ends_included);
        $test!(filters_by_the_present_status);
        $test!(lists_portions_of_what_a_filter_lets_through);

        $test!(searches_body_sender_and_recipient);
        $test!(searches_captions);
        $test!(searches_messages_without_sender_or_recipient);
        $test!(searches_in_either_case);
        $test!(searches_special_characters_as_they_are);
        $test!(searches_control_and_private_characters_as_they_are);
        $test!(searches_text_of_any_script);
        $test!(filters_by_campaign);
        $test!(searches_only_the_tenants_own_messages);

        $test!(counts_nothing_where_nothing_is);
        $test!(counts_by_status_direction_kind_and_session);
        $test!(counts_how_long_messages_took_to_be_sent);
        $test!(counts_within_a_range_with_both_ends_included);
        $test!(counts_only_the_tenants_own_messages);
        $test!(counts_what_one_would_count_by_hand);

        $test!(gives_back_a_batch_and_its_messages);
        $test!(keeps_a_batch_without_messages);
        $test!(inserts_a_batch_of_the_largest_size);
        $test!(inserts_a_batch_and_all_its_messages_or_nothing);
        $test!(refuses_a_batch_that_is_kept_already);
        $test!(counts_where_the_messages_of_a_batch_stand);
        $test!(hides_a_batch_from_other_tenants);
        $test!(releases_as_many_as_the_size_says);
        $test!(releases_the_next_once_one_is_past_sending);
        $test!(never_releases_more_than_the_size);
        $test!(releases_no_more_when_many_ask_at_once);
        $test!(releases_each_batch_by_itself);
        $test!(cancels_what_of_a_batch_still_waits);
        $test!(releases_nothing_of_a_cancelled_batch);
        $test!(cancels_a_batch_once);
        $test!(cancels_what_has_come_back_since);
        $test!(cancels_or_begins_but_not_both);
        $test!(names_the_batches_that_hold_messages_back);
        $test!(names_no_batch_that_has_let_all_in);
        $test!(gives_back_a_batch_alone);
        $test!(releases_nothing_before_its_time);
        $test!(holds_back_what_of_a_suspended_batch_waits);
        $test!(releases_nothing_of_a_suspended_batch);
        $test!(suspends_and_resumes_only_the_tenants_own_batch);

        $test!(counts_why_messages_of_a_batch_failed);
        $test!(counts_no_reason_of_what_has_not_failed);
        $test!(counts_the_failures_of_each_batch_by_itself);
        $test!(lists_the_newest_batches_first);
        $test!(lists_batches_on_from_one);
        $test!(lists_only_the_tenants_own_batches);
        $test!(finds_what_waits_for_somebody);
        $test!(finds_only_what_waits);
        $test!(finds_no_more_than_are_asked_for_of_what_waits);

        $test!(releases_a_scheduled_message_when_it_is_due);
        $test!(releases_those_due_first_before_others);
        $test!(names_what_is_overdue_in_order);
        $test!(names_nothing_overdue_that_does_not_wait);

        $test!(opens_a_chat_with_the_message_that_is_sent);
        $test!(opens_no_chat_with_what_is_not_sent);
        $test!(opens_a_chat_with_what_proves_the_sending);
        $test!(opens_a_chat_with_what_may_have_been_sent);
        $test!(opens_a_chat_once);
        $test!(counts_a_chat_that_is_perhaps_being_opened);

        $test!(names_what_a_queue_ought_to_know);
        $test!(names_nothing_that_its_batch_holds_back);
        $test!(names_what_is_pending_page_by_page);
        $test!(gives_what_is_pending_as_a_queue_takes_it);
        $test!(names_a_message_while_it_can_be_sent);
        $test!(names_what_must_leave_before_a_message);
        $test!(names_nothing_before_what_others_may_not_hold_up);
        $test!(counts_attempts_when_they_ended);
        $test!(counts_attempts_from_an_instant_on);
        $test!(counts_every_attempt_of_a_message);
        $test!(counts_no_attempt_that_was_held);
        $test!(counts_an_attempt_under_way_at_present);
        $test!(counts_nothing_that_ended_no_attempt);
        $test!(counts_attempts_of_one_session);
        $test!(counts_an_attempt_that_an_ack_ended);
    };
}

/// The change that `event` makes to the `n`th message, `millis` after tests begin.
fn on(n: u64, event: StatusEvent, millis: u64) -> StatusChange {
    StatusChange::new(MessageRef::Id(message_id(n)), event, at(millis))
}

/// The beginning of an attempt at the `n`th message, of which `generation` were begun before.
fn begin(n: u64, generation: u32, millis: u64) -> StatusChange {
    StatusChange { generation: Some(generation), ..on(n, StatusEvent::Begin, millis) }
}

async fn changed(store: &dyn MessageStore, change: StatusChange) -> ChangeOutcome {
    let outcomes = store.change(&[change]).await.unwrap();
    assert_eq!(outcomes.len(), 1);
    outcomes.into_iter().next().unwrap()
}

/// Makes a change that must move its message, and gives the message after.
async fn moved(store: &dyn MessageStore, change: StatusChange) -> Message {
    let event = change.event;
    match changed(store, change).await {
        ChangeOutcome::Moved { message, .. } => *message,
        other => panic!("{event} does not move the message: {other:?}"),
    }
}

/// The `n`th message, of tenant 1, as it is kept.
async fn found(store: &dyn MessageStore, n: u64) -> Message {
    store.find(tenant_id(1), message_id(n)).await.unwrap().expect("the message is kept")
}

/// The history of the `n`th message, of tenant 1.
async fn history(store: &dyn MessageStore, n: u64) -> Vec<MessageEvent> {
    store.events(tenant_id(1), message_id(n)).await.unwrap().expect("the message is kept")
}

#[track_caller]
fn assert_conflict(result: &Result<(), StoreError>) {
    assert!(matches!(result, Err(StoreError::Conflict { .. })), "no conflict: {result:?}");
}
