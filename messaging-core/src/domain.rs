//! What the gateway talks about: plain data and the rules it obeys, without I/O and without a clock.

pub mod address;
pub mod batch;
pub mod clock_offset;
pub mod content;
pub mod failure;
pub mod filter;
pub mod fingerprint;
pub mod id;
pub mod idempotency;
pub mod inbox;
pub mod insertion;
pub mod message;
pub mod opt_out;
pub mod phone;
pub mod portion;
pub mod quota;
pub mod retry;
pub mod session;
pub mod statistics;
pub mod status;
pub mod suspension;
pub mod template;
pub mod tenant;
pub mod timestamp;
