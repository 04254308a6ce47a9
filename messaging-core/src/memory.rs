//! Adapters in memory: the queue and the limiter of the embedded mode, and a store for tests and
//! first steps.

pub mod duty_roster;
pub mod queue;
pub mod rate_limiter;
pub mod store;
