//! The queue and the rate limiter of `messaging-core` on Redis, Valkey or Redis Cluster.

mod connection;
mod fault;
mod inspect;
mod lane;
mod options;
mod partition;
mod queue;
mod rate_limiter;
mod script;

pub use connection::RedisConnection;
pub use fault::RedisFault;
pub use inspect::{Cluster, Inspection, Node, Version, inspect};
pub use options::RedisOptions;
pub use queue::RedisQueue;
pub use rate_limiter::RedisRateLimiter;
