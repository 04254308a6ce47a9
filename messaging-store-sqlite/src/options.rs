//! How the store uses its file and its threads.

use std::time::Duration;

/// How the store uses its file and its threads. The defaults suit one gateway on one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqliteOptions {
    /// How long to wait for a lock that another process holds before the call is given up as
    /// [`Unavailable`](messaging_core::ports::store_error::StoreError::Unavailable).
    pub busy_timeout: Duration,
    /// How many threads read, each with a connection of its own; at least one is started.
    pub readers: usize,
    /// How many calls may wait for the writer, and as many for the readers. A call that finds no
    /// room waits for it without using a thread.
    pub queue_capacity: usize,
    /// How many calls one transaction may serve.
    pub group_limit: usize,
    /// How much of the file the writer keeps in memory, in KiB; each reader keeps a quarter.
    pub cache_kib: u32,
    /// How large the file may become, in bytes; `None` leaves it to the disk. What no longer fits
    /// is [`Unavailable`](messaging_core::ports::store_error::StoreError::Unavailable).
    pub max_size_bytes: Option<u64>,
    /// How long what is over is kept, `None` for ever: [`Upkeep`] removes a month, a few rows at a
    /// time, once all of it is older and nothing in it waits any more. The file becomes no smaller;
    /// what is free in it is used again.
    ///
    /// [`Upkeep`]: messaging_core::ports::upkeep::Upkeep
    pub retention: Option<Duration>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            busy_timeout: Duration::from_secs(5),
            readers: 4,
            queue_capacity: 1024,
            group_limit: 256,
            cache_kib: 64 * 1024,
            max_size_bytes: None,
            retention: None,
        }
    }
}
