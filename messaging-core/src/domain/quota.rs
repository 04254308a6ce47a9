//! How often something may happen: old state and the time in, a decision and the new state out.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::timestamp::Timestamp;

/// By how much later than it says a call may come: whoever made it stood still meanwhile, or its
/// connection did. Such a call must not pass for a clock that has gone back, which would forget what
/// was counted.
pub const CALLS_ARE_LATE_BY: Duration = Duration::from_secs(300);

/// At most `limit` within any `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many; at least 1.
    pub limit: u32,
    /// Within how long; more than zero.
    pub window: Duration,
}

/// The answer to a request for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Yes, and so many more would be allowed now.
    Allowed {
        /// How many more.
        remaining: u32,
    },
    /// No; the earliest that the same request can be allowed is then.
    Limited {
        /// How long to wait.
        retry_after: Duration,
    },
}

/// An exact sliding window: the instants of the last events, and the reservations for events
/// whose instant is not known yet.
///
/// A reservation counts as if its event could happen at any time until it is settled or its term
/// ends; only then does its window begin. So the events themselves keep the quota in *any* window,
/// however long each took. (A token bucket of the same size lets almost twice as many through
/// between two refills.)
#[derive(Debug, Clone, Default)]
pub struct SlidingWindow {
    /// The earliest first.
    events: VecDeque<Timestamp>,
    /// The one whose term ends first first.
    reservations: VecDeque<Reserved>,
}

#[derive(Debug, Clone, Copy)]
struct Reserved {
    id: u64,
    until: Timestamp,
}

impl SlidingWindow {
    /// Reserves one event under the name `id`, to be settled or released before `until`.
    pub fn reserve(&mut self, quota: Quota, id: u64, until: Timestamp, now: Timestamp) -> Decision {
        self.expire(quota, now);
        let used = self.used();
        if used < quota.limit {
            self.hold(id, until);
            return Decision::Allowed { remaining: quota.limit - used - 1 };
        }
        Decision::Limited { retry_after: self.free_at(quota, used).since(now) }
    }

    /// Reserves one event whatever the quota: somebody else had the right to it.
    pub fn hold(&mut self, id: u64, until: Timestamp) {
        let place = self.reservations.partition_point(|reserved| reserved.until <= until);
        self.reservations.insert(place, Reserved { id, until });
    }

    /// The reservation's event happened at `at`. Unknown names are ignored.
    pub fn settle(&mut self, id: u64, at: Timestamp) {
        if self.release(id) {
            self.record(at);
        }
    }

    /// The reservation's event did not happen. Tells whether there was such a reservation.
    pub fn release(&mut self, id: u64) -> bool {
        let place = self.reservations.iter().position(|reserved| reserved.id == id);
        place.is_some_and(|place| self.reservations.remove(place).is_some())
    }

    /// An event happened at `at`, without a reservation.
    pub fn record(&mut self, at: Timestamp) {
        let place = self.events.partition_point(|event| *event <= at);
        self.events.insert(place, at);
    }

    /// How many more would be allowed at `now`, and how long until one is.
    pub fn state(&mut self, quota: Quota, now: Timestamp) -> (u32, Duration) {
        self.expire(quota, now);
        let used = self.used();
        if used < quota.limit {
            return (quota.limit - used, Duration::ZERO);
        }
        (0, self.free_at(quota, used).since(now))
    }

    /// Whether nothing counts any more at `now`.
    pub fn is_idle(&mut self, quota: Quota, now: Timestamp) -> bool {
        self.expire(quota, now);
        self.events.is_empty() && self.reservations.is_empty()
    }

    fn used(&self) -> u32 {
        u32::try_from(self.events.len() + self.reservations.len()).unwrap_or(u32::MAX)
    }

    fn expire(&mut self, quota: Quota, now: Timestamp) {
        // A term that ended unsettled: the event may have happened at its very end.
        while let Some(ended) = self.reservations.pop_front_if(|first| first.until <= now) {
            self.record(ended.until);
        }
        // Events lie in the past. Where the clock has gone back by more than clocks can disagree,
        // all that is known is that they happened before now; else they would count for as long
        // as the clock went back.
        let horizon = now.plus(quota.window).plus(CALLS_ARE_LATE_BY);
        while self.events.back().is_some_and(|event| *event > horizon) {
            self.events.pop_back();
            self.record(now);
        }
        while self.events.front().is_some_and(|event| event.plus(quota.window) <= now) {
            self.events.pop_front();
        }
    }

    /// When enough of what counts has left the window for one more.
    fn free_at(&self, quota: Quota, used: u32) -> Timestamp {
        let mut events = self.events.iter().copied().peekable();
        let mut terms = self.reservations.iter().map(|reserved| reserved.until).peekable();
        let mut leaves = None;
        for _ in 0..=used - quota.limit {
            leaves = match (events.peek(), terms.peek()) {
                (Some(event), Some(term)) if term < event => terms.next(),
                (Some(_), _) => events.next(),
                (None, _) => terms.next(),
            };
        }
        leaves.map_or(Timestamp::MAX, |at| at.plus(quota.window))
    }
}

/// When the `n`th next thing, from 0, can be done, where these were done, oldest first, and each
/// that follows is done as soon as the quota allows it, the first at `now`.
pub fn nth_permit(quota: Quota, done: &[Timestamp], n: u64, now: Timestamp) -> Timestamp {
    let limit = usize::try_from(quota.limit.max(1)).unwrap_or(usize::MAX);
    let counted = done.iter().filter(|at| at.plus(quota.window) > now).count().min(limit);
    let counted = &done[done.len() - counted..];
    let free = (limit - counted.len()) as u64;
    let Some(waiting) = n.checked_sub(free) else { return now };
    // Each takes the place of one that leaves the window: of those counted, and then of those that
    // are done now.
    let rounds = u32::try_from(waiting / limit as u64).unwrap_or(u32::MAX).saturating_add(1);
    let place = usize::try_from(waiting % limit as u64).ok().and_then(|place| counted.get(place));
    let window = quota.window.checked_mul(rounds).unwrap_or(Duration::MAX);
    place.copied().unwrap_or(now).plus(window)
}

/// The generic cell rate algorithm: `limit` at once, refilled evenly over the window. Cheaper than
/// a [`SlidingWindow`] (one instant), and lets up to twice the limit through in one window: fit for
/// protecting ourselves, not for a promise to others.
///
/// Takes the cell's theoretical arrival time and gives back the decision and the new one. A cell
/// whose time has passed is as good as a new one.
pub fn gcra(cell: Timestamp, quota: Quota, now: Timestamp) -> (Decision, Timestamp) {
    let limit = i64::from(quota.limit.max(1));
    let interval = refill_micros(quota);
    let burst = interval.saturating_mul(limit);
    let now = now.as_micros();
    // A cell further ahead than a burst can bring it comes from a clock that has gone back.
    let cell = cell.as_micros().clamp(now, now.saturating_add(burst));
    let ahead = (cell - now).saturating_add(interval);
    if ahead > burst {
        let wait = u64::try_from(ahead - burst).unwrap_or(0);
        let retry_after = Duration::from_micros(wait);
        return (Decision::Limited { retry_after }, Timestamp::from_micros(cell));
    }
    let remaining = u32::try_from((burst - ahead) / interval).unwrap_or(u32::MAX);
    (Decision::Allowed { remaining }, Timestamp::from_micros(now.saturating_add(ahead)))
}

/// How long [`gcra`] takes to refill one.
pub fn refill_interval(quota: Quota) -> Duration {
    Duration::from_micros(refill_micros(quota).unsigned_abs())
}

fn refill_micros(quota: Quota) -> i64 {
    // Not `as_micros`: its 128 bits cost as much as the rest.
    let micros = quota.window.as_secs().saturating_mul(1_000_000);
    let window = micros.saturating_add(u64::from(quota.window.subsec_micros()));
    // Rounded up, so that the rate is kept and the burst is the limit.
    let interval = window.div_ceil(u64::from(quota.limit.max(1)));
    i64::try_from(interval).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { limit: 3, window: Duration::from_secs(60) };

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + secs * 1000)
    }

    fn allowed(remaining: u32) -> Decision {
        Decision::Allowed { remaining }
    }

    fn limited(secs: u64) -> Decision {
        Decision::Limited { retry_after: Duration::from_secs(secs) }
    }

    #[test]
    fn the_window_slides() {
        let mut window = SlidingWindow::default();
        for (second, remaining) in [(0, 2), (10, 1), (50, 0)] {
            let id = second as u64;
            assert_eq!(window.reserve(QUOTA, id, at(500), at(second)), allowed(remaining));
            window.settle(id, at(second));
        }
        assert_eq!(window.reserve(QUOTA, 9, at(500), at(59)), limited(1));
        assert_eq!(window.reserve(QUOTA, 9, at(500), at(60)), allowed(0));
        assert_eq!(window.reserve(QUOTA, 10, at(500), at(60)), limited(10));
    }

    #[test]
    fn a_reservation_counts_until_it_is_settled() {
        let mut window = SlidingWindow::default();
        for id in 0..3 {
            window.reserve(QUOTA, id, at(1000), at(0));
        }
        assert_eq!(window.reserve(QUOTA, 3, at(1000), at(500)), limited(560));
        window.settle(0, at(500));
        assert_eq!(window.reserve(QUOTA, 3, at(1000), at(559)), limited(1));
        assert_eq!(window.reserve(QUOTA, 3, at(1000), at(560)), allowed(0));
    }

    #[test]
    fn a_reservation_nobody_settles_counts_for_its_term_and_one_window() {
        let mut window = SlidingWindow::default();
        for id in 0..3 {
            window.reserve(QUOTA, id, at(10), at(0));
        }
        assert_eq!(window.reserve(QUOTA, 3, at(100), at(69)), limited(1));
        assert_eq!(window.reserve(QUOTA, 3, at(100), at(70)), allowed(2));
    }

    #[test]
    fn a_released_reservation_does_not_count() {
        let mut window = SlidingWindow::default();
        for id in 0..3 {
            window.reserve(QUOTA, id, at(10), at(0));
        }
        assert!(window.release(1));
        assert!(!window.release(1));
        assert_eq!(window.reserve(QUOTA, 3, at(10), at(0)), allowed(0));
    }

    #[test]
    fn a_smaller_quota_waits_for_as_many_as_are_too_many() {
        let mut window = SlidingWindow::default();
        for second in 0..3 {
            window.record(at(second));
        }
        let one = Quota { limit: 1, ..QUOTA };
        assert_eq!(window.reserve(one, 3, at(10), at(10)), limited(52));
    }

    #[test]
    fn the_nth_permit_takes_the_place_of_one_that_leaves_the_window() {
        let done = [at(0), at(50), at(55)];
        let nth = |done: &[Timestamp], n| nth_permit(QUOTA, done, n, at(70)).since(at(0)).as_secs();
        // The first has left the window already.
        assert_eq!([0, 1, 2, 3, 4].map(|n| nth(&done, n)), [70, 110, 115, 130, 170]);
        assert_eq!([0, 2, 3, 8, 9].map(|n| nth(&[], n)), [70, 70, 130, 190, 250]);
        let full = [at(60), at(61), at(62)];
        assert_eq!([0, 1, 2, 3].map(|n| nth(&full, n)), [120, 121, 122, 180]);
        // Of more than the quota allows the latest count.
        let many = [at(20), at(60), at(61), at(62)];
        assert_eq!(nth(&many, 0), 120);
        assert_eq!(nth_permit(QUOTA, &[], u64::MAX, at(0)), Timestamp::MAX);
    }

    #[test]
    fn the_nth_permit_comes_when_the_window_grants_it() {
        let mut window = SlidingWindow::default();
        let done: Vec<Timestamp> = [3, 17, 40].map(at).into();
        done.iter().for_each(|each| window.record(*each));
        let mut now = at(50);
        for n in 0..10 {
            while let Decision::Limited { retry_after } = window.reserve(QUOTA, n, now, now) {
                now = now.plus(retry_after);
            }
            window.settle(n, now);
            assert_eq!(nth_permit(QUOTA, &done, n, at(50)), now, "{n}");
        }
    }

    #[test]
    fn gcra_gives_a_burst_and_then_one_an_interval() {
        let mut cell = Timestamp::EPOCH;
        let mut decide = |secs| {
            let (decision, next) = gcra(cell, QUOTA, at(secs));
            cell = next;
            decision
        };
        assert_eq!(decide(0), allowed(2));
        assert_eq!(decide(0), allowed(1));
        assert_eq!(decide(0), allowed(0));
        assert_eq!(decide(0), limited(20));
        assert_eq!(decide(20), allowed(0));
        assert_eq!(decide(100), allowed(2));
    }

    #[test]
    fn gcra_gives_no_more_than_the_limit_at_once_also_where_it_does_not_divide_the_window() {
        let quota = Quota { limit: 700_000, window: Duration::from_secs(1) };
        let (decision, next) = gcra(Timestamp::EPOCH, quota, at(0));
        assert_eq!(decision, allowed(699_999));
        assert_eq!(next.since(at(0)), Duration::from_micros(2));
    }

    #[test]
    fn a_clock_that_goes_back_limits_no_longer_than_a_window() {
        let mut window = SlidingWindow::default();
        for _ in 0..3 {
            window.record(at(10_000));
        }
        assert_eq!(window.reserve(QUOTA, 1, at(10), at(0)), limited(60));
        assert_eq!(window.reserve(QUOTA, 1, at(70), at(60)), allowed(2));
        let (decision, _) = gcra(at(10_000), QUOTA, at(0));
        assert_eq!(decision, limited(20));
    }

    #[test]
    fn a_call_that_comes_late_forgets_nothing() {
        let mut window = SlidingWindow::default();
        for _ in 0..3 {
            window.record(at(300));
        }
        assert_eq!(window.reserve(QUOTA, 1, at(10), at(0)), limited(360));
        assert_eq!(window.reserve(QUOTA, 1, at(310), at(301)), limited(59));
    }

    #[test]
    fn clocks_that_disagree_a_little_do_not_shorten_the_window() {
        let mut window = SlidingWindow::default();
        for _ in 0..3 {
            window.record(at(2));
        }
        assert_eq!(window.reserve(QUOTA, 1, at(10), at(0)), limited(62));
        assert_eq!(window.reserve(QUOTA, 1, at(70), at(61)), limited(1));
    }
}
