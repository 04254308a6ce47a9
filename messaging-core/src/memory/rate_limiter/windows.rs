//! A table from key to its sliding window.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::domain::quota::{Decision, Quota, SlidingWindow};
use crate::domain::timestamp::Timestamp;
use crate::memory::rate_limiter::shards::Sweep;
use crate::ports::rate_limiter::{Permit, RateKey, Reservation};

/// How long to keep what was primed and never asked for: nobody has said of what window.
const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// The sliding windows of some keys.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// Only of keys that were primed.
    windows: HashMap<RateKey, Window>,
    /// Kept when nothing of a key counts any more: what is known to be nothing is known.
    primed: HashSet<RateKey>,
    last_id: u64,
}

#[derive(Debug, Default)]
struct Window {
    counted: SlidingWindow,
    /// As last asked for.
    quota: Option<Quota>,
}

impl Windows {
    /// Reserves one.
    pub(super) fn reserve(
        &mut self,
        key: RateKey,
        quota: Quota,
        until: Timestamp,
        now: Timestamp,
    ) -> Reservation {
        let window = match self.windows.get_mut(&key) {
            Some(window) => window,
            None if self.primed.contains(&key) => self.windows.entry(key).or_default(),
            None => return Reservation::Unprimed { ticket: 0 },
        };
        self.last_id += 1;
        let id = self.last_id;
        window.quota = Some(quota);
        match window.counted.reserve(quota, id, until, now) {
            Decision::Allowed { remaining } => {
                Reservation::Granted { permit: Permit { key, id }, remaining }
            }
            Decision::Limited { retry_after } => Reservation::Limited { retry_after },
        }
    }

    /// The thing was done.
    pub(super) fn settle(&mut self, permit: Permit, at: Timestamp) {
        if let Some(window) = self.windows.get_mut(&permit.key) {
            window.counted.settle(permit.id, at);
        }
    }

    /// The thing was not done.
    pub(super) fn release(&mut self, permit: Permit) {
        if let Some(window) = self.windows.get_mut(&permit.key) {
            window.counted.release(permit.id);
        }
    }

    /// Counts what was done or begun before, the first time that it is told.
    pub(super) fn prime(&mut self, key: RateKey, done: &[Timestamp], begun_until: &[Timestamp]) {
        if self.primed.insert(key) && !(done.is_empty() && begun_until.is_empty()) {
            let window = self.windows.entry(key).or_default();
            done.iter().for_each(|at| window.counted.record(*at));
            for until in begun_until {
                self.last_id += 1;
                window.counted.hold(self.last_id, *until);
            }
        }
    }

    /// How many keys there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }
}

impl Sweep for Windows {
    fn sweep(&mut self, now: Timestamp) {
        let unknown = Quota { limit: 1, window: LONGEST_WINDOW };
        self.windows
            .retain(|_, window| !window.counted.is_idle(window.quota.unwrap_or(unknown), now));
        if self.windows.len() < self.windows.capacity() / 8 {
            self.windows.shrink_to(self.windows.len() * 2);
        }
    }

    fn extent(&self) -> usize {
        self.windows.capacity()
    }
}
