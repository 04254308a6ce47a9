//! The parts that keys are split into, and which part a session belongs to.

use messaging_core::domain::id::SessionId;

/// The parts that keys are split into. All keys of a part share a hash tag, so that they lie on one
/// node of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Partitions {
    tags: Vec<String>,
    channel: String,
}

impl Partitions {
    /// So many parts.
    pub(crate) fn new(prefix: &str, count: u16) -> Self {
        // The count is part of the name: what was kept under another count is not mixed in.
        let tags = (0..count).map(|number| format!("{{{prefix}:{number}/{count}}}")).collect();
        Self { tags, channel: format!("{prefix}:{count}:wake") }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.tags.len()
    }

    /// Where processes tell each other that a part has changed.
    pub(crate) fn channel(&self) -> &str {
        &self.channel
    }

    /// What the keys of a part begin with.
    pub(crate) fn tag(&self, partition: usize) -> &str {
        self.tags.get(partition).map_or("", String::as_str)
    }

    /// The part that a session belongs to.
    pub(crate) fn of_session(&self, session: SessionId) -> usize {
        let (high, low) = session.0.as_u64_pair();
        self.of_number(high ^ low.rotate_left(32))
    }

    /// The part that a number belongs to.
    pub(crate) fn of_number(&self, number: u64) -> usize {
        // Every node and every version must come to the same: no hash of the standard library
        // promises that. This is the finalizer of SplitMix64.
        let mixed = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let mixed = mixed ^ (mixed >> 31);
        ((u128::from(mixed) * self.tags.len() as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use messaging_core::domain::id::uuid_v7;
    use messaging_core::domain::timestamp::Timestamp;

    use super::*;

    #[test]
    fn sessions_spread_over_the_parts() {
        let partitions = Partitions::new("x", 16);
        let mut counts = [0; 16];
        for n in 0..16_000 {
            let id = uuid_v7(Timestamp::from_millis(1_780_000_000_000 + n), n as u64);
            counts[partitions.of_session(SessionId(id))] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_session_stays_where_it_is_in_every_version() {
        let partitions = Partitions::new("x", 16);
        let of = |n| partitions.of_number(n);
        assert_eq!([of(0), of(1), of(2), of(u64::MAX)], [0, 5, 13, 11]);
        assert_eq!(partitions.tag(3), "{x:3/16}");
    }
}
