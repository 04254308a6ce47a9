//! A table from key to one instant, as small and as fast as the millions of keys of a busy
//! deployment want it.

use crate::domain::timestamp::Timestamp;
use crate::memory::rate_limiter::key::{Hashed, Hashing, PlainKey};
use crate::memory::rate_limiter::shards::Sweep;

/// The fewest slots of a table that holds anything.
const MIN_SLOTS: usize = 8;

/// A hash table with open addressing and linear probing, between 60 and 80 % full while it grows:
/// 30 to 40 bytes a key. Nothing is ever taken out but by building the table anew, without what
/// no longer counts.
#[derive(Debug, Default)]
pub(super) struct Cells {
    slots: Box<[Slot]>,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    id: [u64; 2],
    /// The instant, and in the two lowest bits the kind of key.
    stamp: u64,
}

/// More than the stamp of the last instant there is.
const EMPTY: u64 = u64::MAX;

impl Slot {
    fn new(key: PlainKey, arrival: Timestamp) -> Self {
        let micros = u64::try_from(arrival.as_micros()).unwrap_or(0);
        Self { id: key.id, stamp: micros << 2 | u64::from(key.kind) }
    }

    fn key(self) -> PlainKey {
        PlainKey { id: self.id, kind: (self.stamp & 3) as u8 }
    }

    fn arrival(self) -> Timestamp {
        Timestamp::from_micros((self.stamp >> 2).cast_signed())
    }

    /// Whether it makes a difference at `now`: an instant that has passed is as good as none.
    fn counts(self, now: Timestamp) -> bool {
        self.stamp != EMPTY && self.arrival() > now
    }
}

impl Cells {
    /// Gives a key's instant, the epoch where there is none, and takes the new one.
    pub(super) fn update<R>(
        &mut self,
        hashed: Hashed,
        now: Timestamp,
        hashing: &Hashing,
        decide: impl FnOnce(Timestamp) -> (R, Timestamp),
    ) -> R {
        if let Some(slot) = self.find(hashed).filter(|slot| slot.stamp != EMPTY) {
            let (result, arrival) = decide(slot.arrival());
            *slot = Slot::new(hashed.key, arrival);
            return result;
        }
        let (result, arrival) = decide(Timestamp::EPOCH);
        if (self.len + 1) * 5 > self.slots.len() * 4 {
            self.rebuild(now, hashing);
        }
        if let Some(slot) = self.find(hashed) {
            *slot = Slot::new(hashed.key, arrival);
            self.len += 1;
        }
        result
    }

    /// How many keys there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How much memory they take.
    #[cfg(test)]
    pub(super) fn size_bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }

    /// The slot of a key: its own, or the empty one that it would get.
    fn find(&mut self, hashed: Hashed) -> Option<&mut Slot> {
        let mut at = self.home(hashed.hash)?;
        loop {
            let slot = self.slots[at];
            if slot.stamp == EMPTY || slot.key() == hashed.key {
                return Some(&mut self.slots[at]);
            }
            // There is always an empty slot, so this ends.
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
    }

    fn home(&self, hash: u64) -> Option<usize> {
        let scaled = u128::from(hash) * self.slots.len() as u128;
        (!self.slots.is_empty()).then_some((scaled >> 64) as usize)
    }

    fn rebuild(&mut self, now: Timestamp, hashing: &Hashing) {
        let live = self.slots.iter().filter(|slot| slot.counts(now)).count();
        // Five thirds of what it holds: 60 % full.
        let slots = (live * 5 / 3 + 1).max(MIN_SLOTS);
        let empty = vec![Slot { id: [0; 2], stamp: EMPTY }; slots].into_boxed_slice();
        let old = std::mem::replace(&mut self.slots, empty);
        self.len = live;
        for slot in old.into_iter().filter(|slot| slot.counts(now)) {
            let key = slot.key();
            if let Some(place) = self.find(Hashed { key, hash: hashing.hash_plain(key) }) {
                *place = slot;
            }
        }
    }
}

impl Sweep for Cells {
    /// Builds the table anew, and smaller, once half of it no longer counts.
    fn sweep(&mut self, now: Timestamp, hashing: &Hashing) {
        let live = self.slots.iter().filter(|slot| slot.counts(now)).count();
        if self.slots.len() > MIN_SLOTS && live < self.len / 2 {
            self.rebuild(now, hashing);
        }
    }

    fn extent(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::build::{at, session_id, tenant_id};
    use crate::ports::rate_limiter::RateKey;

    fn next(cells: &mut Cells, hashing: &Hashing, n: u64, to: Timestamp) -> Timestamp {
        next_of(cells, hashing, RateKey::Tenant(tenant_id(n)), to)
    }

    fn next_of(cells: &mut Cells, hashing: &Hashing, key: RateKey, to: Timestamp) -> Timestamp {
        cells.update(hashing.hash(key), at(0), hashing, |kept| (kept, to))
    }

    #[test]
    fn every_key_keeps_its_own_instant_while_the_table_grows_and_shrinks() {
        let (mut cells, hashing) = (Cells::default(), Hashing::default());
        for n in 0..1000 {
            assert_eq!(next(&mut cells, &hashing, n, at(n + 1)), Timestamp::EPOCH);
        }
        for n in 0..1000 {
            assert_eq!(next(&mut cells, &hashing, n, at(n + 1)), at(n + 1));
        }
        let before = cells.size_bytes();
        cells.sweep(at(900), &hashing);
        assert_eq!(cells.len(), 100);
        assert!(cells.size_bytes() * 5 < before);
        for n in 900..1000 {
            assert_eq!(next(&mut cells, &hashing, n, at(n + 1)), at(n + 1));
        }
        assert_eq!(next(&mut cells, &hashing, 1, at(1)), Timestamp::EPOCH);
    }

    #[test]
    fn kinds_of_keys_are_told_apart_wherever_they_meet() {
        let (mut cells, hashing) = (Cells::default(), Hashing::default());
        let kinds = [RateKey::Admission, RateKey::Sending];
        for n in 0..1000 {
            for (kind, key) in kinds.iter().enumerate() {
                let to = at(n * 10 + 1 + kind as u64);
                assert_eq!(next_of(&mut cells, &hashing, key(session_id(n)), to), Timestamp::EPOCH);
            }
        }
        for n in 0..1000 {
            for (kind, key) in kinds.iter().enumerate() {
                let kept = at(n * 10 + 1 + kind as u64);
                assert_eq!(next_of(&mut cells, &hashing, key(session_id(n)), kept), kept);
            }
        }
    }

    #[test]
    fn the_last_instant_there_is_can_be_kept() {
        let (mut cells, hashing) = (Cells::default(), Hashing::default());
        next(&mut cells, &hashing, 1, Timestamp::MAX);
        assert_eq!(next(&mut cells, &hashing, 1, at(0)), Timestamp::MAX);
    }
}
