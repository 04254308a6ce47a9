//! A table from key to one instant, as small and as fast as the millions of keys of a busy
//! deployment want it: whoever asks takes no lock, and changes nothing but its own key's slot.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::timestamp::Timestamp;
use crate::memory::rate_limiter::key::Hashing;
use crate::ports::rate_limiter::RateKey;

/// How many tables: building one anew keeps nobody else waiting, and is soon done.
const SHARDS: usize = 128;

/// The fewest slots of a table.
const MIN_SLOTS: usize = 8;

/// The fewest calls of a thread between two sweeps that it sets off.
const MIN_CALLS: usize = 64;

/// A slot's key where it has none, and where it will get none any more.
const FREE: u64 = 0;
const CLOSED: u64 = u64::MAX;

/// A slot's instant where it has moved to another table. Later than the last instant there is.
const MOVED: u64 = u64::MAX;

thread_local! {
    static SEEN: RefCell<Seen> = const { RefCell::new(Seen::of(0)) };
}

/// Numbers limiters.
static LAST: AtomicUsize = AtomicUsize::new(0);

/// The tables that a thread has seen last: to look a table up, nobody writes to what others read.
struct Seen {
    /// Of which limiter.
    limiter: usize,
    tables: Vec<Option<Arc<Table>>>,
    /// How many calls this thread makes until it sweeps a table.
    calls_left: usize,
}

impl Seen {
    const fn of(limiter: usize) -> Self {
        Self { limiter, tables: Vec::new(), calls_left: MIN_CALLS }
    }
}

/// Instants by key, in tables found by hash.
///
/// A key is known by 64 bits of its hash, which nobody outside can guess: of a million keys, two
/// share an instant once in forty million runs.
#[derive(Debug)]
pub(super) struct Cells {
    number: usize,
    hashing: Hashing,
    shards: Box<[Shard]>,
    sweep_next: AtomicUsize,
}

/// A table; locked by whoever builds it anew, or has seen that it was.
#[derive(Debug)]
struct Shard(Mutex<Arc<Table>>);

/// A hash table with open addressing and linear probing, between 60 and 80 % full while it grows:
/// 20 to 27 bytes a key. Nothing is ever taken out but by building the table anew, without what
/// no longer counts.
#[derive(Debug)]
struct Table {
    slots: Box<[Slot]>,
    used: AtomicUsize,
}

#[derive(Debug, Default)]
struct Slot {
    key: AtomicU64,
    /// In microseconds; the epoch for a new key.
    instant: AtomicU64,
}

/// Where a key is.
enum Place<'a> {
    Here(&'a Slot),
    /// The table has no room for it.
    Full,
    /// The table is being built anew.
    Elsewhere,
}

impl Default for Cells {
    fn default() -> Self {
        let shard = |_| Shard(Mutex::new(Arc::new(Table::new(MIN_SLOTS))));
        Self {
            number: LAST.fetch_add(1, Ordering::Relaxed) + 1,
            hashing: Hashing::default(),
            shards: (0..SHARDS).map(shard).collect(),
            sweep_next: AtomicUsize::new(0),
        }
    }
}

impl Cells {
    /// Has `decide` turn a key's instant, the epoch where there is none, into the next. It is asked
    /// again where another was faster.
    pub(super) fn update<R>(
        &self,
        key: RateKey,
        now: Timestamp,
        decide: impl Fn(Timestamp) -> (R, Timestamp),
    ) -> R {
        let hash = self.hashing.hash(key).clamp(FREE + 1, CLOSED - 1);
        // The low bits: a table finds its way by the high ones.
        let index = hash as usize % SHARDS;
        SEEN.with_borrow_mut(|seen| {
            if seen.limiter != self.number {
                *seen = Seen::of(self.number);
                seen.tables.resize_with(SHARDS, || None);
            }
            self.count_call(seen, now);
            let shard = &self.shards[index];
            loop {
                let table = seen.tables[index].get_or_insert_with(|| Arc::clone(&shard.lock()));
                match table.place(hash) {
                    Place::Here(slot) => {
                        if let Some(result) = slot.update(&decide) {
                            return result;
                        }
                    }
                    Place::Full => shard.build(table, now),
                    Place::Elsewhere => {}
                }
                seen.tables[index] = None;
            }
        })
    }

    /// After as many calls as a table has slots, the next table in turn is swept. So all are swept,
    /// also those that are never asked again, and sweeping costs each call a constant.
    fn count_call(&self, seen: &mut Seen, now: Timestamp) {
        if seen.calls_left > 0 {
            seen.calls_left -= 1;
            return;
        }
        let next = self.sweep_next.fetch_add(1, Ordering::Relaxed) % SHARDS;
        seen.calls_left = self.shards[next].sweep(now).max(MIN_CALLS);
    }

    /// How many keys there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().used.load(Ordering::Relaxed)).sum()
    }

    /// How much memory they take.
    #[cfg(test)]
    pub(super) fn size_bytes(&self) -> usize {
        self.shards.iter().map(|shard| size_of_val(&*shard.lock().slots)).sum()
    }
}

impl Shard {
    /// The table that counts, once it is built.
    fn lock(&self) -> MutexGuard<'_, Arc<Table>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Builds the table anew, unless somebody has since it was seen: with what counts at `now`, an
    /// instant that has passed being as good as none.
    fn build(&self, seen: &Arc<Table>, now: Timestamp) {
        let mut current = self.lock();
        if !Arc::ptr_eq(&current, seen) {
            return;
        }
        let live: Vec<(u64, u64)> =
            seen.slots.iter().filter_map(Slot::take).filter(|(_, at)| counts(*at, now)).collect();
        // Five thirds of what it holds: 60 % full.
        let table = Table::new((live.len() * 5 / 3 + 1).max(MIN_SLOTS));
        for (key, instant) in live {
            if let Place::Here(slot) = table.place(key) {
                slot.instant.store(instant, Ordering::Relaxed);
            }
        }
        *current = Arc::new(table);
    }

    /// Builds the table anew, and smaller, once half of it no longer counts. Gives its size.
    fn sweep(&self, now: Timestamp) -> usize {
        let table = Arc::clone(&self.lock());
        let of_slot = |slot: &&Slot| counts(slot.instant.load(Ordering::Relaxed), now);
        let live = table.slots.iter().filter(of_slot).count();
        if table.slots.len() > MIN_SLOTS && live < table.used.load(Ordering::Relaxed) / 2 {
            self.build(&table, now);
        }
        table.slots.len()
    }
}

impl Table {
    fn new(slots: usize) -> Self {
        let slots = (0..slots).map(|_| Slot::default()).collect();
        Self { slots, used: AtomicUsize::new(0) }
    }

    /// The slot of a key, which it gets where it has none.
    fn place(&self, key: u64) -> Place<'_> {
        let mut at = ((u128::from(key) * self.slots.len() as u128) >> 64) as usize;
        for _ in 0..self.slots.len() {
            let slot = &self.slots[at];
            match slot.key.load(Ordering::Acquire) {
                found if found == key => return Place::Here(slot),
                CLOSED => return Place::Elsewhere,
                FREE => {
                    if let Some(place) = self.settle(slot, key) {
                        return place;
                    }
                }
                _ => {}
            }
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
        Place::Full
    }

    /// Gives a key a slot that was free; `None` where another key has got it.
    #[cold]
    fn settle<'a>(&self, slot: &'a Slot, key: u64) -> Option<Place<'a>> {
        if (self.used.load(Ordering::Relaxed) + 1) * 5 > self.slots.len() * 4 {
            return Some(Place::Full);
        }
        match slot.key.compare_exchange(FREE, key, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                self.used.fetch_add(1, Ordering::Relaxed);
                Some(Place::Here(slot))
            }
            Err(CLOSED) => Some(Place::Elsewhere),
            Err(other) if other == key => Some(Place::Here(slot)),
            Err(_) => None,
        }
    }
}

impl Slot {
    /// `None` where it has moved.
    fn update<R>(&self, decide: impl Fn(Timestamp) -> (R, Timestamp)) -> Option<R> {
        let mut known = self.instant.load(Ordering::Acquire);
        while known != MOVED {
            let (result, next) = decide(Timestamp::from_micros(known.cast_signed()));
            let next = u64::try_from(next.as_micros()).unwrap_or(0);
            match self.instant.compare_exchange_weak(
                known,
                next,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(result),
                Err(other) => known = other,
            }
        }
        None
    }

    /// Takes out what it holds, for good.
    fn take(&self) -> Option<(u64, u64)> {
        match self.key.compare_exchange(FREE, CLOSED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => None,
            Err(key) => Some((key, self.instant.swap(MOVED, Ordering::AcqRel))),
        }
    }
}

fn counts(instant: u64, now: Timestamp) -> bool {
    Timestamp::from_micros(instant.cast_signed()) > now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::build::{at, session_id, tenant_id};

    /// Gives the instant that was kept, and keeps another.
    fn next(cells: &Cells, n: u64, to: Timestamp) -> Timestamp {
        next_of(cells, RateKey::Tenant(tenant_id(n)), to)
    }

    fn next_of(cells: &Cells, key: RateKey, to: Timestamp) -> Timestamp {
        cells.update(key, at(0), |kept| (kept, to))
    }

    #[test]
    fn every_key_keeps_its_own_instant_while_the_tables_grow_and_shrink() {
        let cells = Cells::default();
        for n in 0..100_000 {
            assert_eq!(next(&cells, n, at(n + 1)), Timestamp::EPOCH);
        }
        for n in 0..100_000 {
            assert_eq!(next(&cells, n, at(n + 1)), at(n + 1));
        }
        let before = cells.size_bytes();
        for shard in &cells.shards {
            shard.sweep(at(90_000));
        }
        assert_eq!(cells.len(), 10_000);
        assert!(cells.size_bytes() * 5 < before);
        for n in 90_000..100_000 {
            assert_eq!(next(&cells, n, at(n + 1)), at(n + 1));
        }
        assert_eq!(next(&cells, 1, at(1)), Timestamp::EPOCH);
    }

    #[test]
    fn kinds_of_keys_are_told_apart() {
        let cells = Cells::default();
        let kinds = [RateKey::Admission, RateKey::Sending];
        for kept in [false, true] {
            for n in 0..1000 {
                for (kind, key) in kinds.iter().enumerate() {
                    let to = at(n * 10 + 1 + kind as u64);
                    let expected = if kept { to } else { Timestamp::EPOCH };
                    assert_eq!(next_of(&cells, key(session_id(n)), to), expected);
                }
            }
        }
    }

    #[test]
    fn the_last_instant_there_is_can_be_kept() {
        let cells = Cells::default();
        next(&cells, 1, Timestamp::MAX);
        assert_eq!(next(&cells, 1, at(0)), Timestamp::MAX);
    }

    /// Threads add to the same instants while the tables are built anew under them: nothing that was
    /// added is lost.
    #[test]
    fn no_change_is_lost_while_tables_are_built_anew() {
        const THREADS: u64 = 4;
        const ROUNDS: u64 = 20;
        const KEYS: u64 = 3000;
        let cells = Cells::default();
        let add = |kept: Timestamp| {
            let micros = kept.as_micros().max(at(1).as_micros());
            ((), Timestamp::from_micros(micros + 1))
        };
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for n in (0..ROUNDS).flat_map(|_| 0..KEYS) {
                        cells.update(RateKey::Tenant(tenant_id(n)), at(0), add);
                        if n % 100 == 0 {
                            let shard = &cells.shards[n as usize / 100 % SHARDS];
                            let table = Arc::clone(&shard.lock());
                            shard.build(&table, at(0));
                        }
                    }
                });
            }
        });
        let expected = at(1).plus(std::time::Duration::from_micros(THREADS * ROUNDS));
        for n in 0..KEYS {
            assert_eq!(next(&cells, n, at(1)), expected, "key {n}");
        }
    }
}
