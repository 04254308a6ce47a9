//! What was looked up a moment ago.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::timestamp::Timestamp;

/// For how long what was looked up is believed without another look: so long may go unseen what
/// another node has changed. What this node changes is seen at once.
pub const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// Of how many it is remembered at the most.
const CAPACITY: usize = 10_000;

/// What was looked up a moment ago, or is to be believed for a while.
pub(crate) struct Recent<K, V>(Mutex<Known<K, V>>);

struct Known<K, V> {
    entries: BTreeMap<K, Entry<V>>,
    /// How often something was changed here.
    changes: u64,
}

struct Entry<V> {
    from: Timestamp,
    until: Timestamp,
    value: V,
}

impl<V> Entry<V> {
    fn is_good(&self, now: Timestamp) -> bool {
        // A clock that was set back makes nothing young again.
        self.from <= now && now < self.until
    }
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Known { entries: BTreeMap::new(), changes: 0 }))
    }
}

impl<K: Ord, V: Clone> Recent<K, V> {
    fn lock(&self) -> MutexGuard<'_, Known<K, V>> {
        // Nothing panics while holding it, and a map is never half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of this; else how many changes there have been before it is looked up.
    pub(crate) fn get(&self, key: &K, now: Timestamp) -> Result<V, u64> {
        let known = self.lock();
        let entry = known.entries.get(key).filter(|entry| entry.is_good(now));
        entry.map(|entry| entry.value.clone()).ok_or(known.changes)
    }

    /// Remembers what was looked up at `now`, unless something was changed here since there were so
    /// many `changes`.
    pub(crate) fn remember(&self, key: K, value: V, now: Timestamp, changes: u64) {
        let mut known = self.lock();
        if known.changes == changes {
            known.put(key, Entry { from: now, until: now.plus(BELIEVED_FOR), value });
        }
    }

    /// What is to be believed until then, whatever is looked up.
    pub(crate) fn hold(&self, key: K, value: V, now: Timestamp, until: Timestamp) {
        self.lock().put(key, Entry { from: now, until, value });
    }

    /// Changes what is known of this, where anything is, without making it young again.
    pub(crate) fn update(&self, key: &K, change: impl FnOnce(&mut V)) {
        if let Some(entry) = self.lock().entries.get_mut(key) {
            change(&mut entry.value);
        }
    }

    /// It was changed.
    pub(crate) fn forget(&self, key: &K) {
        let mut known = self.lock();
        known.changes += 1;
        known.entries.remove(key);
    }

    /// Such as this were changed.
    pub(crate) fn forget_such(&self, such: impl Fn(&V) -> bool) {
        let mut known = self.lock();
        known.changes += 1;
        known.entries.retain(|_, entry| !such(&entry.value));
    }
}

impl<K: Ord, V> Known<K, V> {
    fn put(&mut self, key: K, entry: Entry<V>) {
        if self.entries.len() >= CAPACITY {
            self.entries.retain(|_, kept| kept.is_good(entry.from));
        }
        if self.entries.len() >= CAPACITY {
            // Whoever asks for so many is not to fill the memory; the others are looked up again.
            self.entries.clear();
        }
        self.entries.insert(key, entry);
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::conformance::build::at;

    #[test]
    fn what_was_looked_up_is_believed_for_a_second_by_whatever_clock() {
        let recent = Recent::default();
        recent.remember(1, "one", at(5000), 0);
        assert_eq!(recent.get(&1, at(5999)), Ok("one"));
        assert_eq!(recent.get(&1, at(6000)), Err(0));
        assert_eq!(recent.get(&1, at(4999)), Err(0));
        assert_eq!(recent.get(&2, at(5000)), Err(0));
    }

    #[test]
    fn what_was_looked_up_before_a_change_is_not_remembered_after_it() {
        let recent = Recent::default();
        let Err(changes) = recent.get(&1, at(0)) else { return };
        recent.forget(&1);
        recent.remember(1, "old", at(0), changes);
        assert_eq!(recent.get(&1, at(0)), Err(1));
        recent.update(&1, |value| *value = "old");
        assert_eq!(recent.get(&1, at(0)), Err(1));
        recent.remember(1, "new", at(0), 1);
        recent.update(&1, |value| *value = "newer");
        assert_eq!(recent.get(&1, at(999)), Ok("newer"));
        assert_eq!(recent.get(&1, at(1000)), Err(1));
        recent.remember(2, "other", at(0), 1);
        recent.forget_such(|value| *value == "newer");
        recent.remember(1, "newer", at(0), 1);
        assert_eq!((recent.get(&1, at(0)), recent.get(&2, at(0))), (Err(2), Ok("other")));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let recent = Recent::default();
        for n in 0..3 * CAPACITY {
            recent.hold(n, (), at(0), at(1000));
            assert!(recent.lock().entries.len() <= CAPACITY);
        }
        recent.hold(0, (), at(1000), at(2000));
        recent.hold(1, (), at(1000), at(2000));
        assert_eq!(recent.get(&0, at(1000)), Ok(()));
    }
}
