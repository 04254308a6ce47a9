//! How every queue must behave.
//!
//! Each behavior begins with an empty queue. All instants are passed in; only the behaviors about
//! waking up have a limit in real time, to fail instead of hanging.

#![expect(clippy::unwrap_used, reason = "a behavior fails by panicking")]

mod fairness;
mod holding;
mod lanes;
mod leases;
mod order;
mod position;
mod waking;

use std::time::Duration;

pub use fairness::*;
pub use holding::*;
pub use lanes::*;
pub use leases::*;
pub use order::*;
pub use position::*;
pub use waking::*;

use crate::conformance::build::{at, message_id, session_id, tenant_id};
use crate::domain::address::RecipientKey;
use crate::domain::id::MessageId;
use crate::domain::message::{Priority, QueueItem};
use crate::domain::timestamp::Timestamp;
use crate::domain::urgency::Lane;
use crate::ports::queue::{Claim, Claims, HeldBy, Queue};

/// Calls `$test!` with the name of every behavior.
#[macro_export]
macro_rules! for_each_queue_behavior {
    ($test:ident) => {
        $test!(hands_out_nothing_when_empty);
        $test!(hands_out_what_was_pushed);
        $test!(hands_out_the_more_urgent_first);
        $test!(hands_out_the_first_accepted_of_equals_first);
        $test!(takes_who_waited_long_for_more_urgent);
        $test!(lets_nobody_wait_for_ever);
        $test!(keeps_the_order_to_one_recipient_whatever_its_age);
        $test!(hands_out_at_most_as_many_as_asked_for);
        $test!(hands_out_one_of_a_session_at_a_time);
        $test!(waits_until_a_message_is_due);
        $test!(holds_up_nobody_for_a_message_that_is_not_due);
        $test!(keeps_the_order_to_one_recipient);
        $test!(keeps_the_place_of_a_message_in_retry);
        $test!(holds_the_less_urgent_behind_a_message_in_retry);
        $test!(lets_a_more_urgent_one_overtake_a_message_in_retry);
        $test!(gives_a_message_pushed_late_its_place_by_acceptance);
        $test!(tells_recipients_of_different_sessions_apart);
        $test!(leaves_a_waiting_message_as_it_is_when_pushed_again);
        $test!(leaves_a_claimed_message_as_it_is_when_pushed_again);
        $test!(leaves_a_message_in_retry_as_it_is_when_pushed_again);
        $test!(takes_a_message_twice_in_one_push_as_one);
        $test!(takes_a_completed_message_as_a_new_one);
        $test!(hands_out_again_what_was_not_completed_in_time);
        $test!(keeps_the_place_of_a_message_whose_lease_ended);
        $test!(ignores_a_claim_whose_message_was_handed_out_again);
        $test!(takes_a_late_claim_while_nobody_else_got_the_message);
        $test!(takes_the_end_of_a_claim_once);
        $test!(ignores_a_claim_of_an_unknown_message);
        $test!(goes_on_with_a_claim_that_is_renewed);
        $test!(goes_on_with_a_late_claim_while_nobody_else_got_the_message);
        $test!(does_not_go_on_with_what_was_handed_out_again);
        $test!(does_not_go_on_beside_another_of_the_session);
        $test!(learns_what_is_under_way_by_renewing);
        $test!(learns_what_is_under_way_although_it_was_pushed_again);
        $test!(hands_out_nothing_of_a_paused_session);
        $test!(pauses_a_session_without_messages);
        $test!(keeps_a_pause_when_the_last_message_is_gone);
        $test!(lets_the_second_of_two_pauses_stand);
        $test!(ends_a_pause_by_resuming);
        $test!(waits_for_the_later_of_pause_and_due_time);
        $test!(leaves_what_is_handed_out_to_its_claimer_in_a_pause);
        $test!(forgets_what_waits);
        $test!(forgets_nothing_that_is_handed_out);
        $test!(lets_those_behind_a_forgotten_message_leave);
        $test!(hands_out_open_chats_before_new_ones);
        $test!(tells_the_lane_of_what_is_handed_out);
        $test!(keeps_the_order_to_one_recipient_in_either_lane);
        $test!(opens_a_chat);
        $test!(opens_a_chat_whatever_its_first_does);
        $test!(takes_a_chat_for_open_as_soon_as_a_push_says_so);
        $test!(holds_only_what_would_open_a_chat);
        $test!(waits_for_the_first_lane_that_goes_on);
        $test!(lets_new_chats_go_on_while_the_session_does);
        $test!(pauses_a_session_and_its_new_chats_apart);
        $test!(pauses_new_chats_without_messages);
        $test!(leaves_a_new_chat_that_is_handed_out_to_its_claimer);
        $test!(keeps_a_chat_new_while_nothing_is_known_of_it);
        $test!(tells_which_pause_holds_a_new_chat);
        $test!(tells_how_sessions_stand);
        $test!(tells_which_message_of_a_session_is_the_oldest);
        $test!(serves_tenants_in_turn);
        $test!(serves_a_newcomer_before_a_backlog);
        $test!(serves_a_newcomer_while_all_workers_are_busy_with_a_flood);
        $test!(serves_tenants_alike_whatever_their_sessions);
        $test!(serves_the_sessions_of_a_tenant_in_turn);
        $test!(counts_those_ahead);
        $test!(counts_those_ahead_by_age_and_lane);
        $test!(counts_what_stands_before_the_first_to_the_same_recipient);
        $test!(counts_no_further_than_the_limit);
        $test!(tells_where_a_message_in_retry_stands);
        $test!(tells_what_a_message_was_put_back_for);
        $test!(tells_what_pause_a_message_waits_for);
        $test!(knows_no_position_of_an_unknown_message);
        $test!(counts_its_messages);
        $test!(wakes_when_a_message_is_pushed);
        $test!(wakes_when_a_message_to_come_is_pushed);
        $test!(wakes_when_a_completed_message_makes_way);
        $test!(wakes_when_a_message_is_put_back);
        $test!(wakes_when_a_session_is_resumed);
        $test!(wakes_when_new_chats_are_resumed);
        $test!(wakes_when_a_chat_is_opened);
        $test!(wakes_when_a_pause_is_cut_short);
        $test!(wakes_when_a_forgotten_message_makes_way);
        $test!(wakes_at_once_for_what_happened_before);
        $test!(wakes_everybody_who_waits);
        $test!(gives_every_message_to_exactly_one_of_many_workers);
    };
}

/// How long claims of these tests last.
const LEASE: Duration = Duration::from_secs(30);

/// What stands for the `n`th message: of tenant 1 and session 1, to a recipient of its own, due at
/// the beginning.
pub fn item(n: u64) -> QueueItem {
    QueueItem {
        message: message_id(n),
        tenant: tenant_id(1),
        session: session_id(1),
        recipient: RecipientKey(n),
        priority: Priority::Normal,
        lane: Lane::Known,
        due_at: at(0),
    }
}

/// The same, to one recipient.
fn to_one(n: u64) -> QueueItem {
    QueueItem { recipient: RecipientKey(u64::MAX), ..item(n) }
}

/// The same, of another session of the same tenant.
fn of_session(session: u64, n: u64) -> QueueItem {
    QueueItem { session: session_id(session), ..item(n) }
}

async fn push(queue: &dyn Queue, items: &[QueueItem]) {
    queue.push(items).await.unwrap();
}

async fn claim(queue: &dyn Queue, max: usize, now: Timestamp) -> Claims {
    let claims = queue.claim(max, LEASE, now).await.unwrap();
    assert!(claims.items.len() <= max);
    claims
}

/// Claims one; fails when there is none.
#[track_caller]
fn only(claims: &Claims) -> Claim {
    assert_eq!(claims.items.len(), 1, "one message is to be handed out: {claims:?}");
    claims.items[0]
}

async fn claim_one(queue: &dyn Queue, now: Timestamp) -> Claim {
    only(&claim(queue, 1, now).await)
}

async fn complete(queue: &dyn Queue, claim: &Claim) {
    assert!(queue.complete(claim).await.unwrap(), "the claim is good");
}

async fn retry_at(queue: &dyn Queue, claim: &Claim, at: Timestamp) {
    assert!(queue.retry_at(claim, at, HeldBy::Retry).await.unwrap(), "the claim is good");
}

/// Claims and completes, one by one, as long as something is due.
async fn drain(queue: &dyn Queue, now: Timestamp) -> Vec<MessageId> {
    let mut order = Vec::new();
    while let Some(claimed) = claim(queue, 1, now).await.items.first() {
        order.push(claimed.item.message);
        complete(queue, claimed).await;
    }
    order
}

fn ids<const N: usize>(numbers: [u64; N]) -> Vec<MessageId> {
    numbers.map(message_id).to_vec()
}

async fn assert_nothing_is_due(queue: &dyn Queue, now: Timestamp) -> Claims {
    let claims = claim(queue, 100, now).await;
    assert!(claims.items.is_empty(), "nothing is to be handed out: {claims:?}");
    claims
}
