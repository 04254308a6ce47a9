//! PostgreSQL, Redis and Redis Cluster as processes that a test owns: it may kill, stop, empty and
//! restart them as it likes. They listen on free ports of 127.0.0.1, keep their files in a directory
//! that is removed, and end with the value that stands for them.
//!
//! Beside them, what damages a file of SQLite as no store would.
//!
//! The programs themselves are found, and where missing installed, by `scripts/with-services`, under
//! which such tests run.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, to fail is to tell"
)]

mod cluster;
mod gate;
mod postgres;
mod process;
mod redis;
mod sqlite;

pub use cluster::RedisCluster;
pub use gate::{Gate, Passage};
pub use postgres::Postgres;
pub use redis::Redis;
pub use sqlite::damage;

/// The value of a variable that `scripts/with-services` sets.
///
/// # Panics
/// Where the variable is not set, with a sentence that says how to run the test.
#[must_use]
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run this test as `scripts/with-services cargo test …`")
    })
}
