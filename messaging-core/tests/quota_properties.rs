//! Whatever is asked for, and whenever it happens, no window holds more events than the quota.

use std::collections::BTreeMap;
use std::time::Duration;

use messaging_core::conformance::build::{at, session_id};
use messaging_core::domain::quota::{Decision, Quota, gcra};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::memory::rate_limiter::MemoryRateLimiter;
use messaging_core::ports::rate_limiter::{Permit, RateKey, Reservation};
use proptest::prelude::*;

/// What becomes of a permit.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// The event happens after `latency` and is settled `late` after that.
    Settled { latency: u64, late: u64 },
    /// The event happens after `latency`, within the term, and nobody says so.
    Unsettled { latency: u64 },
    /// Nothing happens.
    Released { latency: u64 },
}

const TERM: Duration = Duration::from_millis(50);

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => (0..40_u64, 0..10_u64).prop_map(|(latency, late)| Fate::Settled { latency, late }),
        1 => (0..50_u64).prop_map(|latency| Fate::Unsettled { latency }),
        1 => (0..50_u64).prop_map(|latency| Fate::Released { latency }),
    ]
}

fn quota() -> impl Strategy<Value = Quota> {
    (1..6_u32, 1..100_u64)
        .prop_map(|(limit, window)| Quota { limit, window: Duration::from_millis(window) })
}

/// The most events in any window that begins with one of them, its end not included.
fn most_in_a_window(events: &mut [Timestamp], window: Duration) -> usize {
    events.sort_unstable();
    let within = |first: usize| {
        let end = events[first].plus(window);
        events[first..].iter().take_while(|event| **event < end).count()
    };
    (0..events.len()).map(within).max().unwrap_or(0)
}

fn settle_until(
    limiter: &MemoryRateLimiter,
    ends: &mut BTreeMap<(u64, u64), (Permit, Option<Timestamp>)>,
    now: u64,
) {
    while let Some(end) = ends.first_entry().filter(|end| end.key().0 <= now) {
        match end.remove() {
            (permit, Some(at)) => limiter.settle_now(permit, at),
            (permit, None) => limiter.release_now(permit),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_window_holds_more_than_the_quota(
        quota in quota(),
        asked in prop::collection::vec((0..15_u64, fate()), 1..300),
    ) {
        let limiter = MemoryRateLimiter::new();
        let key = RateKey::Sending(session_id(1));
        limiter.prime_now(key, &[]);
        let mut events = Vec::new();
        let mut ends = BTreeMap::new();
        let mut now = 0;
        for (pause, fate) in asked {
            now += pause;
            settle_until(&limiter, &mut ends, now);
            let asked = limiter.reserve_now(key, quota, at(now).plus(TERM), at(now));
            let Reservation::Granted { permit, .. } = asked else { continue };
            match fate {
                Fate::Settled { latency, late } => {
                    events.push(at(now + latency));
                    // What the settler knows is that the answer has come.
                    let end = now + latency + late;
                    ends.insert((end, permit.id), (permit, Some(at(end))));
                }
                Fate::Unsettled { latency } => events.push(at(now + latency)),
                Fate::Released { latency } => {
                    ends.insert((now + latency, permit.id), (permit, None));
                }
            }
        }
        prop_assert!(most_in_a_window(&mut events, quota.window) <= quota.limit as usize);
    }

    #[test]
    fn what_is_refused_is_granted_when_foretold_and_not_before(
        quota in quota(),
        asked in prop::collection::vec((0..15_u64, 0..40_u64), 1..100),
    ) {
        let limiter = MemoryRateLimiter::new();
        let key = RateKey::Sending(session_id(1));
        limiter.prime_now(key, &[]);
        let ask = |now: Timestamp| limiter.reserve_now(key, quota, now.plus(TERM), now);
        let mut now = at(0);
        for (pause, latency) in asked {
            now = now.plus(Duration::from_millis(pause));
            match ask(now) {
                Reservation::Granted { permit, .. } => {
                    limiter.settle_now(permit, now.plus(Duration::from_millis(latency)));
                }
                Reservation::Limited { retry_after } => {
                    prop_assert!(retry_after > Duration::ZERO);
                    let then = now.plus(retry_after);
                    let before = ask(then.minus(Duration::from_micros(1)));
                    prop_assert!(matches!(before, Reservation::Limited { .. }), "{before:?}");
                    let granted = ask(then);
                    prop_assert!(matches!(granted, Reservation::Granted { .. }), "{granted:?}");
                    now = then;
                }
                Reservation::Spaced { .. } => prop_assert!(false, "no spacing was asked for"),
                Reservation::Unprimed { .. } => prop_assert!(false, "primed at the beginning"),
            }
        }
    }

    #[test]
    fn gcra_lets_through_a_burst_and_what_refills_meanwhile(
        quota in quota(),
        pauses in prop::collection::vec(0..30_000_u64, 1..300),
    ) {
        let mut cell = Timestamp::EPOCH;
        let mut now = at(0);
        let mut admitted: Vec<Timestamp> = Vec::new();
        for pause in pauses {
            now = now.plus(Duration::from_micros(pause));
            let (decision, next) = gcra(cell, quota, now);
            cell = next;
            if matches!(decision, Decision::Allowed { .. }) {
                admitted.push(now);
            }
        }
        for (nth, first) in admitted.iter().enumerate() {
            for (more, last) in admitted[nth..].iter().enumerate() {
                let refilled = last.since(*first).as_micros() * u128::from(quota.limit)
                    / quota.window.as_micros();
                prop_assert!(more as u128 <= u128::from(quota.limit) + refilled);
            }
        }
    }
}
