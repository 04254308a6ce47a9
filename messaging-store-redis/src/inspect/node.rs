//! One server.

use std::fmt;

use messaging_core::domain::clock_offset::ClockOffset;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::clock::Clock;
use redis::InfoDict;
use redis::aio::MultiplexedConnection;

use crate::fault::RedisFault;

/// How often the server's clock is read: of several answers the fastest tells most.
const CLOCK_READINGS: usize = 3;

/// What one server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its version.
    pub version: Version,
    /// Whether it takes changes, and does not only follow another server.
    pub is_primary: bool,
    /// Whether it belongs to a Redis Cluster.
    pub is_in_cluster: bool,
    /// What it does when its memory is full, such as `noeviction`; empty where it does not say.
    pub memory_policy: String,
    /// Its clock, and how long it took to answer.
    pub clock: ClockOffset,
}

/// Which version of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Whether it is Valkey, all of whose versions work.
    pub is_valkey: bool,
    /// Its number, for people; empty where it does not say.
    pub number: String,
}

impl Version {
    /// The oldest Redis that works.
    pub const MINIMUM: (u32, u32) = (6, 2);

    /// Whether it is new enough; `None` where the number cannot be read.
    pub fn is_supported(&self) -> Option<bool> {
        if self.is_valkey {
            return Some(true);
        }
        let mut parts = self.number.split('.').map(str::parse);
        let number = (parts.next()?.ok()?, parts.next()?.ok()?);
        Some(number >= Self::MINIMUM)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.is_valkey { "Valkey" } else { "Redis" };
        write!(f, "{name} {}", self.number)
    }
}

impl Node {
    pub(super) async fn ask(
        connection: &mut MultiplexedConnection,
        clock: &dyn Clock,
    ) -> Result<Self, RedisFault> {
        let info: InfoDict = redis::cmd("INFO").query_async(connection).await?;
        let mut best = clock_reading(connection, clock).await?;
        for _ in 1..CLOCK_READINGS {
            let next = clock_reading(connection, clock).await?;
            if next.round_trip() < best.round_trip() {
                best = next;
            }
        }
        Ok(Self::of(&info, best))
    }

    fn of(info: &InfoDict, clock: ClockOffset) -> Self {
        let text = |name: &str| info.get::<String>(name).unwrap_or_default();
        let is_valkey = text("server_name") == "valkey" || info.contains_key(&"valkey_version");
        // Valkey still claims a version of Redis for those who ask for one.
        let number = text(if is_valkey { "valkey_version" } else { "redis_version" });
        Self {
            version: Version { is_valkey, number },
            is_primary: text("role") != "slave",
            is_in_cluster: text("redis_mode") == "cluster" || text("cluster_enabled") == "1",
            memory_policy: text("maxmemory_policy"),
            clock,
        }
    }
}

async fn clock_reading(
    connection: &mut MultiplexedConnection,
    clock: &dyn Clock,
) -> Result<ClockOffset, RedisFault> {
    let asked = clock.now();
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(connection).await?;
    let shown = Timestamp::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros));
    Ok(ClockOffset::measured(asked, shown, clock.now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(info: &str) -> Node {
        let at = Timestamp::EPOCH;
        Node::of(&InfoDict::new(info), ClockOffset::measured(at, at, at))
    }

    #[test]
    fn versions_are_told_apart() {
        let version = |info: &str| {
            let version = node(info).version;
            (version.to_string(), version.is_supported())
        };
        assert_eq!(version("redis_version:7.0.15"), ("Redis 7.0.15".into(), Some(true)));
        assert_eq!(version("redis_version:6.2.0"), ("Redis 6.2.0".into(), Some(true)));
        assert_eq!(version("redis_version:6.0.16"), ("Redis 6.0.16".into(), Some(false)));
        assert_eq!(version("redis_version:next"), ("Redis next".into(), None));
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0";
        assert_eq!(version(valkey), ("Valkey 8.1.0".into(), Some(true)));
    }

    #[test]
    fn a_replica_and_a_cluster_are_known() {
        let replica = node("role:slave\r\nredis_mode:cluster\r\nmaxmemory_policy:allkeys-lru");
        assert!(!replica.is_primary && replica.is_in_cluster);
        assert_eq!(replica.memory_policy, "allkeys-lru");
        let alone = node("role:master\r\nredis_mode:standalone\r\ncluster_enabled:0");
        assert!(alone.is_primary && !alone.is_in_cluster);
    }
}
