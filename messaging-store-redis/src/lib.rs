//! The queue and the rate limiter of `messaging-core` on Redis, Valkey or Redis Cluster.
