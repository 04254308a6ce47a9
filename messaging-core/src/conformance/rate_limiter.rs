//! How every rate limiter must behave.
//!
//! Each behavior begins with a limiter that knows nothing of any key. All instants are passed in, so
//! nothing here depends on how fast it runs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a behavior fails by panicking")]

use std::time::Duration;

use futures::future::join_all;

use crate::conformance::build::{at, session_id, tenant_id};
use crate::domain::address::RecipientKey;
use crate::domain::quota::{Decision, Quota};
use crate::domain::timestamp::Timestamp;
use crate::ports::rate_limiter::{Permit, RateKey, RateLimiter, Reservation};

/// Calls `$test!` with the name of every behavior.
#[macro_export]
macro_rules! for_each_rate_limiter_behavior {
    ($test:ident) => {
        $test!(grants_as_many_as_the_quota_allows);
        $test!(tells_to_the_microsecond_when_the_next_is_granted);
        $test!(lets_the_window_slide_event_by_event);
        $test!(counts_from_the_instant_of_settling);
        $test!(counts_a_permit_that_is_not_settled_yet);
        $test!(counts_an_unsettled_permit_as_used_when_its_term_ends);
        $test!(does_not_count_what_was_released);
        $test!(takes_the_end_of_a_permit_once);
        $test!(ignores_a_permit_it_does_not_know);
        $test!(counts_nothing_for_a_refusal);
        $test!(keeps_the_quota_when_instants_come_out_of_order);
        $test!(limits_no_longer_than_a_window_when_the_clock_goes_back);
        $test!(forgets_nothing_for_a_call_that_comes_late);
        $test!(follows_a_change_of_the_quota);
        $test!(grants_nothing_of_a_key_before_it_is_primed);
        $test!(counts_what_was_done_before);
        $test!(counts_what_was_done_before_in_whatever_order);
        $test!(counts_what_was_begun_before_until_its_term_ends_and_a_window_longer);
        $test!(tells_its_own_permits_from_what_was_begun_before);
        $test!(believes_the_first_priming_alone);
        $test!(believes_one_of_many_primings_at_once);
        $test!(does_not_count_what_was_done_long_before);
        $test!(counts_each_key_for_itself);
        $test!(grants_exactly_the_quota_to_many_at_once);
        $test!(admits_a_burst_and_then_evenly);
        $test!(admits_no_more_than_the_limit_after_a_long_rest);
        $test!(counts_no_admission_for_a_refusal);
        $test!(counts_admissions_of_each_key_for_itself);
        $test!(admits_exactly_the_quota_to_many_at_once);
        $test!(spaces_what_it_grants);
        $test!(counts_a_refusal_neither_in_the_window_nor_as_spaced);
        $test!(has_a_clock_that_goes_on_or_none);
    };
}

/// Three a minute.
const QUOTA: Quota = Quota { limit: 3, window: Duration::from_secs(60) };

/// Long enough for no term to end by itself.
const TERM: Duration = Duration::from_secs(24 * 60 * 60);

fn key() -> RateKey {
    RateKey::Sending(session_id(1))
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The ticket of a key that is not primed.
async fn ticket(limiter: &dyn RateLimiter, key: RateKey) -> u64 {
    match reserve(limiter, key, at(0)).await {
        Reservation::Unprimed { ticket } => ticket,
        other => panic!("primed already: {other:?}"),
    }
}

/// Tells what was done before.
async fn prime_with(limiter: &dyn RateLimiter, key: RateKey, done: &[Timestamp]) {
    let ticket = ticket(limiter, key).await;
    limiter.prime(key, ticket, done).await.unwrap();
}

/// Tells that nothing was done before.
async fn prime(limiter: &dyn RateLimiter, key: RateKey) {
    prime_with(limiter, key, &[]).await;
}

async fn reserve(limiter: &dyn RateLimiter, key: RateKey, now: Timestamp) -> Reservation {
    limiter.reserve(key, QUOTA, now.plus(TERM), now).await.unwrap()
}

/// Reserves one, which must be granted with so many left.
async fn take_permit(limiter: &dyn RateLimiter, now: Timestamp, expected: u32) -> Permit {
    match reserve(limiter, key(), now).await {
        Reservation::Granted { permit, remaining } => {
            assert_eq!((permit.key, remaining), (key(), expected));
            permit
        }
        refused => panic!("not granted: {refused:?}"),
    }
}

/// The same, without ever settling it.
async fn granted(limiter: &dyn RateLimiter, now: Timestamp, expected: u32) {
    let _ = take_permit(limiter, now, expected).await;
}

/// Reserves one and settles it at once.
async fn done(limiter: &dyn RateLimiter, now: Timestamp, expected: u32) {
    let permit = take_permit(limiter, now, expected).await;
    limiter.settle(permit, now).await.unwrap();
}

/// Reserves one, which must be refused for so long.
async fn limited(limiter: &dyn RateLimiter, now: Timestamp, expected: Duration) {
    let retry_after = expected;
    assert_eq!(reserve(limiter, key(), now).await, Reservation::Limited { retry_after });
}

/// And tells after each how many are left.
pub async fn grants_as_many_as_the_quota_allows(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    for remaining in [2, 1, 0] {
        done(limiter, at(0), remaining).await;
    }
    limited(limiter, at(0), secs(60)).await;
}

/// The window is closed at its beginning and open at its end.
pub async fn tells_to_the_microsecond_when_the_next_is_granted(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    let first = at(0).plus(Duration::from_micros(1));
    for remaining in [2, 1, 0] {
        done(limiter, first, remaining).await;
    }
    let free = first.plus(QUOTA.window);
    let moment = Duration::from_micros(1);
    limited(limiter, free.minus(secs(1)), secs(1)).await;
    limited(limiter, free.minus(moment), moment).await;
    granted(limiter, free, 2).await;
}

/// Each event leaves the window alone: no two bursts meet where windows do.
pub async fn lets_the_window_slide_event_by_event(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    for (millis, remaining) in [(0, 2), (30_000, 1), (59_000, 0)] {
        done(limiter, at(millis), remaining).await;
    }
    limited(limiter, at(59_000), secs(1)).await;
    done(limiter, at(60_000), 0).await;
    limited(limiter, at(60_000), secs(30)).await;
    done(limiter, at(90_000), 0).await;
    limited(limiter, at(90_000), secs(29)).await;
    done(limiter, at(119_000), 0).await;
    limited(limiter, at(119_000), secs(1)).await;
    granted(limiter, at(500_000), 2).await;
}

/// However long ago it was reserved, and whatever was settled before it.
pub async fn counts_from_the_instant_of_settling(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    let first = take_permit(limiter, at(0), 2).await;
    let second = take_permit(limiter, at(1000), 1).await;
    let third = take_permit(limiter, at(2000), 0).await;
    limiter.settle(third, at(3000)).await.unwrap();
    limiter.settle(first, at(50_000)).await.unwrap();
    limiter.settle(second, at(20_000)).await.unwrap();
    limited(limiter, at(50_000), secs(13)).await;
    done(limiter, at(63_000), 0).await;
    limited(limiter, at(63_000), secs(17)).await;
    done(limiter, at(80_000), 0).await;
    limited(limiter, at(80_000), secs(30)).await;
}

/// It could be used at any time until its term ends, so it counts for as long, and a window more.
pub async fn counts_a_permit_that_is_not_settled_yet(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    granted(limiter, at(0), 2).await;
    done(limiter, at(0), 1).await;
    done(limiter, at(0), 0).await;
    granted(limiter, at(60_000), 1).await;
    granted(limiter, at(3_600_000), 0).await;
    limited(limiter, at(3_600_000), TERM - secs(3600) + QUOTA.window).await;
}

/// As when its holder has died.
pub async fn counts_an_unsettled_permit_as_used_when_its_term_ends(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    for (until_ms, now_ms) in [(30_000, 0), (10_000, 1000), (20_000, 2000)] {
        let reserved = limiter.reserve(key(), QUOTA, at(until_ms), at(now_ms)).await.unwrap();
        assert!(matches!(reserved, Reservation::Granted { .. }));
    }
    limited(limiter, at(5000), secs(65)).await;
    limited(limiter, at(69_999), Duration::from_millis(1)).await;
    granted(limiter, at(70_000), 0).await;
    limited(limiter, at(70_000), secs(10)).await;
    granted(limiter, at(80_000), 0).await;
    granted(limiter, at(90_000), 0).await;
}

/// At once.
pub async fn does_not_count_what_was_released(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    granted(limiter, at(0), 2).await;
    let released = take_permit(limiter, at(0), 1).await;
    granted(limiter, at(0), 0).await;
    limiter.release(released).await.unwrap();
    done(limiter, at(1), 0).await;
    limited(limiter, at(1), secs(60)).await;
}

/// What was settled cannot be released, nor settled again, nor the other way round.
pub async fn takes_the_end_of_a_permit_once(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    let permit = take_permit(limiter, at(0), 2).await;
    limiter.settle(permit, at(0)).await.unwrap();
    limiter.settle(permit, at(1000)).await.unwrap();
    limiter.release(permit).await.unwrap();
    let released = take_permit(limiter, at(2000), 1).await;
    limiter.release(released).await.unwrap();
    limiter.settle(released, at(2000)).await.unwrap();
    granted(limiter, at(59_999), 1).await;
    granted(limiter, at(60_000), 1).await;
}

/// As when it has ended.
pub async fn ignores_a_permit_it_does_not_know(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    let known = take_permit(limiter, at(0), 2).await;
    let other = Permit { key: RateKey::Sending(session_id(2)), ..known };
    let unknown = Permit { id: known.id.wrapping_add(1), ..known };
    for permit in [other, unknown] {
        limiter.settle(permit, at(0)).await.unwrap();
        limiter.release(permit).await.unwrap();
    }
    granted(limiter, at(0), 1).await;
}

/// However often it is asked.
pub async fn counts_nothing_for_a_refusal(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    for remaining in [2, 1, 0] {
        done(limiter, at(0), remaining).await;
    }
    for second in 0..60 {
        limited(limiter, at(second * 1000), secs(60 - second)).await;
    }
    granted(limiter, at(60_000), 2).await;
}

/// As with callers at once, or clocks that disagree a little.
pub async fn keeps_the_quota_when_instants_come_out_of_order(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    done(limiter, at(1000), 2).await;
    done(limiter, at(900), 1).await;
    done(limiter, at(1100), 0).await;
    limited(limiter, at(800), Duration::from_millis(60_100)).await;
    limited(limiter, at(60_899), Duration::from_millis(1)).await;
    granted(limiter, at(60_900), 0).await;
}

/// What was done must have been before now, whatever it says; what is under way may still be.
pub async fn limits_no_longer_than_a_window_when_the_clock_goes_back(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    for remaining in [2, 1] {
        done(limiter, at(10_000_000), remaining).await;
    }
    granted(limiter, at(10_000_000), 0).await;
    limited(limiter, at(0), secs(60)).await;
    limited(limiter, at(59_000), secs(1)).await;
    done(limiter, at(60_000), 1).await;
    done(limiter, at(60_000), 0).await;
    limited(limiter, at(60_000), secs(60)).await;
}

/// As that of a node that stood still while it was under way.
pub async fn forgets_nothing_for_a_call_that_comes_late(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    for remaining in [2, 1, 0] {
        done(limiter, at(300_000), remaining).await;
    }
    limited(limiter, at(0), secs(360)).await;
    limited(limiter, at(301_000), secs(59)).await;
}

/// What was done under the old one still counts.
pub async fn follows_a_change_of_the_quota(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    for (millis, remaining) in [(0, 2), (1000, 1), (2000, 0)] {
        done(limiter, at(millis), remaining).await;
    }
    let ask = |limit, now| limiter.reserve(key(), Quota { limit, ..QUOTA }, now, now);
    let retry_after = secs(60);
    assert_eq!(ask(1, at(2000)).await.unwrap(), Reservation::Limited { retry_after });
    let granted = ask(5, at(2000)).await.unwrap();
    assert!(matches!(granted, Reservation::Granted { remaining: 1, .. }), "{granted:?}");
}

/// However often it is asked, and whatever it was told of others.
pub async fn grants_nothing_of_a_key_before_it_is_primed(limiter: &dyn RateLimiter) {
    for other in [RateKey::Admission(session_id(1)), RateKey::Sending(session_id(2))] {
        prime(limiter, other).await;
    }
    for _ in 0..2 {
        ticket(limiter, key()).await;
    }
    prime(limiter, key()).await;
    granted(limiter, at(0), 2).await;
}

/// Beside what is done afterwards.
pub async fn counts_what_was_done_before(limiter: &dyn RateLimiter) {
    prime_with(limiter, key(), &[at(0), at(10_000)]).await;
    done(limiter, at(20_000), 0).await;
    limited(limiter, at(20_000), secs(40)).await;
    limited(limiter, at(59_000), secs(1)).await;
    done(limiter, at(60_000), 0).await;
    limited(limiter, at(60_000), secs(10)).await;
}

/// Nor does it matter whether there were more than the quota.
pub async fn counts_what_was_done_before_in_whatever_order(limiter: &dyn RateLimiter) {
    prime_with(limiter, key(), &[at(3000), at(1000), at(4000), at(2000)]).await;
    limited(limiter, at(5000), secs(57)).await;
    granted(limiter, at(62_000), 0).await;
    limited(limiter, at(62_000), secs(1)).await;
}

/// The term may be longer than the window, as that of a permit.
pub async fn counts_what_was_begun_before_until_its_term_ends_and_a_window_longer(
    limiter: &dyn RateLimiter,
) {
    let ticket = ticket(limiter, key()).await;
    limiter.prime_begun(key(), ticket, &[at(0)], &[at(100_000), at(90_000)]).await.unwrap();
    limited(limiter, at(1000), secs(59)).await;
    done(limiter, at(60_000), 0).await;
    limited(limiter, at(119_000), secs(1)).await;
    done(limiter, at(120_000), 0).await;
    limited(limiter, at(120_000), secs(30)).await;
    granted(limiter, at(150_000), 0).await;
    limited(limiter, at(150_000), secs(10)).await;
    granted(limiter, at(160_000), 0).await;
}

/// Whoever ends one of its own, ends that one.
pub async fn tells_its_own_permits_from_what_was_begun_before(limiter: &dyn RateLimiter) {
    let ticket = ticket(limiter, key()).await;
    limiter.prime_begun(key(), ticket, &[], &[at(30_000)]).await.unwrap();
    let own = take_permit(limiter, at(0), 1).await;
    limiter.release(own).await.unwrap();
    done(limiter, at(0), 1).await;
    done(limiter, at(0), 0).await;
    limited(limiter, at(0), secs(60)).await;
    granted(limiter, at(60_000), 1).await;
    granted(limiter, at(60_000), 0).await;
    limited(limiter, at(60_000), secs(30)).await;
}

/// What a second one tells may have been counted meanwhile.
pub async fn believes_the_first_priming_alone(limiter: &dyn RateLimiter) {
    let ticket = ticket(limiter, key()).await;
    limiter.prime(key(), ticket, &[at(0)]).await.unwrap();
    limiter.prime(key(), ticket, &[at(0), at(1000)]).await.unwrap();
    done(limiter, at(2000), 1).await;
    limiter.prime(key(), ticket, &[at(0), at(2000)]).await.unwrap();
    granted(limiter, at(2000), 0).await;
    limiter.prime(key(), ticket, &[]).await.unwrap();
    limited(limiter, at(2000), secs(58)).await;
}

/// As from several nodes that begin together.
pub async fn believes_one_of_many_primings_at_once(limiter: &dyn RateLimiter) {
    let ticket = ticket(limiter, key()).await;
    join_all((0..16).map(|_| async {
        tokio::task::yield_now().await;
        limiter.prime(key(), ticket, &[at(0), at(1000)]).await.unwrap();
    }))
    .await;
    granted(limiter, at(2000), 0).await;
    limited(limiter, at(2000), secs(58)).await;
}

/// A window later it does not matter.
pub async fn does_not_count_what_was_done_long_before(limiter: &dyn RateLimiter) {
    prime_with(limiter, key(), &[at(0), at(1000), at(50_000)]).await;
    granted(limiter, at(61_000), 1).await;
}

/// Both kinds and ids make the key.
pub async fn counts_each_key_for_itself(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    for remaining in [2, 1, 0] {
        done(limiter, at(0), remaining).await;
    }
    limited(limiter, at(0), secs(60)).await;
    let others = [
        RateKey::Admission(session_id(1)),
        RateKey::WebhookSource(1),
        RateKey::WebhookSession(session_id(1)),
        RateKey::AuthSource(1),
        RateKey::Tenant(tenant_id(1)),
        RateKey::Sending(session_id(2)),
    ];
    for other in others {
        prime(limiter, other).await;
        let reserved = reserve(limiter, other, at(0)).await;
        assert!(matches!(reserved, Reservation::Granted { remaining: 2, .. }), "{reserved:?}");
    }
}

/// Neither more nor fewer.
pub async fn grants_exactly_the_quota_to_many_at_once(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    let quota = Quota { limit: 20, window: QUOTA.window };
    let reserved = join_all((0..64).map(|_| async {
        tokio::task::yield_now().await;
        limiter.reserve(key(), quota, at(0).plus(TERM), at(0)).await.unwrap()
    }))
    .await;
    let mut permits: Vec<u64> = reserved
        .iter()
        .filter_map(|reserved| match reserved {
            Reservation::Granted { permit, .. } => Some(permit.id),
            Reservation::Limited { .. }
            | Reservation::Spaced { .. }
            | Reservation::Unprimed { .. } => None,
        })
        .collect();
    permits.sort_unstable();
    permits.dedup();
    assert_eq!(permits.len(), 20, "{reserved:?}");
}

async fn admit(limiter: &dyn RateLimiter, key: RateKey, now: Timestamp) -> Decision {
    limiter.admit(key, QUOTA, now).await.unwrap()
}

async fn assert_admits(limiter: &dyn RateLimiter, now: Timestamp, remaining: u32) {
    assert_eq!(admit(limiter, key(), now).await, Decision::Allowed { remaining });
}

async fn assert_refuses(limiter: &dyn RateLimiter, now: Timestamp, retry_after: Duration) {
    assert_eq!(admit(limiter, key(), now).await, Decision::Limited { retry_after });
}

/// The limit at once, and from then on one each `window / limit`.
pub async fn admits_a_burst_and_then_evenly(limiter: &dyn RateLimiter) {
    for remaining in [2, 1, 0] {
        assert_admits(limiter, at(0), remaining).await;
    }
    assert_refuses(limiter, at(0), secs(20)).await;
    for interval in 1..10 {
        let now = at(interval * 20_000);
        assert_refuses(limiter, now.minus(Duration::from_micros(1)), Duration::from_micros(1))
            .await;
        assert_admits(limiter, now, 0).await;
        assert_refuses(limiter, now, secs(20)).await;
    }
}

/// What was not used does not add up.
pub async fn admits_no_more_than_the_limit_after_a_long_rest(limiter: &dyn RateLimiter) {
    assert_admits(limiter, at(0), 2).await;
    for remaining in [2, 1, 0] {
        assert_admits(limiter, at(3_600_000), remaining).await;
    }
    assert_refuses(limiter, at(3_600_000), secs(20)).await;
}

/// However often it is asked.
pub async fn counts_no_admission_for_a_refusal(limiter: &dyn RateLimiter) {
    for remaining in [2, 1, 0] {
        assert_admits(limiter, at(0), remaining).await;
    }
    for second in 0..20 {
        assert_refuses(limiter, at(second * 1000), secs(20 - second)).await;
    }
    assert_admits(limiter, at(20_000), 0).await;
}

/// Both kinds and ids make the key.
pub async fn counts_admissions_of_each_key_for_itself(limiter: &dyn RateLimiter) {
    for remaining in [2, 1, 0] {
        assert_admits(limiter, at(0), remaining).await;
    }
    let others = [
        RateKey::Admission(session_id(1)),
        RateKey::WebhookSource(1),
        RateKey::WebhookSession(session_id(1)),
        RateKey::AuthSource(1),
        RateKey::Tenant(tenant_id(1)),
        RateKey::Sending(session_id(2)),
    ];
    for other in others {
        assert_eq!(admit(limiter, other, at(0)).await, Decision::Allowed { remaining: 2 });
    }
}

/// Neither more nor fewer.
pub async fn admits_exactly_the_quota_to_many_at_once(limiter: &dyn RateLimiter) {
    let quota = Quota { limit: 20, window: QUOTA.window };
    let decisions = join_all((0..64).map(|_| async {
        tokio::task::yield_now().await;
        limiter.admit(key(), quota, at(0)).await.unwrap()
    }))
    .await;
    let allowed = decisions.iter().filter(|decision| matches!(decision, Decision::Allowed { .. }));
    assert_eq!(allowed.count(), 20, "{decisions:?}");
}

/// Asks for a permit and for a place after the last to the same recipient, five seconds apart.
async fn reserve_spaced(limiter: &dyn RateLimiter, to: u64, now: Timestamp) -> Reservation {
    let apart = Quota { limit: 1, window: secs(5) };
    let spacing = (RateKey::Recipient(session_id(1), RecipientKey(to)), apart);
    limiter.reserve_spaced(key(), QUOTA, spacing, now.plus(TERM), now).await.unwrap()
}

/// A permit, but not too soon after the last of the same recipient.
pub async fn spaces_what_it_grants(limiter: &dyn RateLimiter) {
    let unprimed = reserve_spaced(limiter, 1, at(0)).await;
    assert!(matches!(unprimed, Reservation::Unprimed { .. }), "{unprimed:?}");
    prime(limiter, key()).await;
    let granted = |answer| matches!(answer, Reservation::Granted { .. });
    assert!(granted(reserve_spaced(limiter, 1, at(0)).await));
    assert!(granted(reserve_spaced(limiter, 2, at(1000)).await));
    let spaced = reserve_spaced(limiter, 1, at(2000)).await;
    assert_eq!(spaced, Reservation::Spaced { retry_after: secs(3) });
    assert!(granted(reserve_spaced(limiter, 1, at(5000)).await));
}

/// Whatever one of the two refuses, the other has not counted.
pub async fn counts_a_refusal_neither_in_the_window_nor_as_spaced(limiter: &dyn RateLimiter) {
    prime(limiter, key()).await;
    let granted = |answer| matches!(answer, Reservation::Granted { .. });
    assert!(granted(reserve_spaced(limiter, 1, at(0)).await));
    for millis in 1..10 {
        let spaced = reserve_spaced(limiter, 1, at(millis)).await;
        assert!(matches!(spaced, Reservation::Spaced { .. }), "{spaced:?}");
    }
    // None of those took from the window.
    let settled = take_permit(limiter, at(10), 1).await;
    limiter.settle(settled, at(10)).await.unwrap();
    let settled = take_permit(limiter, at(11), 0).await;
    limiter.settle(settled, at(11)).await.unwrap();
    for second in 50..60 {
        let limited = reserve_spaced(limiter, 2, at(second * 1000)).await;
        assert!(matches!(limited, Reservation::Limited { .. }), "{limited:?}");
    }
    // And none of these as something sent to the recipient.
    assert!(granted(reserve_spaced(limiter, 2, at(60_010)).await));
}

/// One that is asked the time tells it again and again, and never an earlier one.
pub async fn has_a_clock_that_goes_on_or_none(limiter: &dyn RateLimiter) {
    let mut last = limiter.time().await.unwrap();
    for _ in 0..10 {
        let next = limiter.time().await.unwrap();
        assert_eq!(last.is_some(), next.is_some());
        assert!(last <= next, "{last:?} {next:?}");
        last = next;
    }
}
