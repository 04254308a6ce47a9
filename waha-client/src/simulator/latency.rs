//! How long something takes: always the same, or anything within a range.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A fixed or random pause. In JSON `{"minMs":10,"maxMs":50}`, or just a number of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Latency {
    min: Duration,
    max: Duration,
}

impl Latency {
    /// No pause at all.
    pub const NONE: Self = Self { min: Duration::ZERO, max: Duration::ZERO };

    /// Always the same pause.
    #[must_use]
    pub const fn fixed(pause: Duration) -> Self {
        Self { min: pause, max: pause }
    }

    /// Always the same pause, in milliseconds.
    #[must_use]
    pub const fn millis(pause_ms: u64) -> Self {
        Self::fixed(Duration::from_millis(pause_ms))
    }

    /// Any pause from `min` to `max`, all equally likely.
    #[must_use]
    pub fn range(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min) }
    }

    /// The shortest pause.
    #[must_use]
    pub const fn min(self) -> Duration {
        self.min
    }

    /// The longest pause.
    #[must_use]
    pub const fn max(self) -> Duration {
        self.max
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Fixed(u64),
    Range {
        #[serde(rename = "minMs")]
        min_ms: u64,
        #[serde(rename = "maxMs")]
        max_ms: u64,
    },
}

impl From<Written> for Latency {
    fn from(written: Written) -> Self {
        match written {
            Written::Fixed(pause_ms) => Self::millis(pause_ms),
            Written::Range { min_ms, max_ms } => {
                Self::range(Duration::from_millis(min_ms), Duration::from_millis(max_ms))
            }
        }
    }
}

impl From<Latency> for Written {
    fn from(latency: Latency) -> Self {
        let whole_ms = |pause: Duration| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        Self::Range { min_ms: whole_ms(latency.min), max_ms: whole_ms(latency.max) }
    }
}

/// Durations in JSON as whole milliseconds.
pub(super) mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::simulator) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(in crate::simulator) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_number_is_a_fixed_pause() {
        assert_eq!(serde_json::from_str::<Latency>("25").unwrap(), Latency::millis(25));
    }

    #[test]
    fn a_range_is_read_back_as_written() {
        let range = Latency::range(Duration::from_millis(5), Duration::from_millis(9));
        let json = serde_json::to_string(&range).unwrap();
        assert_eq!(json, r#"{"minMs":5,"maxMs":9}"#);
        assert_eq!(serde_json::from_str::<Latency>(&json).unwrap(), range);
    }
}
