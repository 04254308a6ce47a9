//! The promises of delivery, tried on real processes while everything goes wrong at once: the server
//! is killed, or its nodes, their PostgreSQL, their Redis and the ways to them are; WAHA loses answers,
//! cuts connections, fails, and reports twice and out of order. Judged by what arrived at the simulated
//! WAHA, and by what the API says of it.
//!
//! `scripts/trial` runs the same with the full numbers. All that goes wrong at some instant follows
//! from a seed; how fast processes are does not, so a seed repeats the faults and not the outcome.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "in a test, to fail is to tell, and the figures are told as well"
)]

#[path = "nodes/balancer.rs"]
mod balancer;
#[path = "trial/embedded.rs"]
mod embedded;
#[path = "trial/judge.rs"]
mod judge;
#[path = "trial/nodes.rs"]
mod nodes;
#[path = "process/mod.rs"]
mod process;
#[path = "trial/scale.rs"]
mod scale;
#[path = "trial/traffic.rs"]
mod traffic;
#[path = "trial/wahas.rs"]
mod wahas;
#[path = "trial/witness.rs"]
mod witness;

use scale::Scale;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded() {
    // As many as keep each session busy for three windows.
    let scale = Scale::of("embedded", 60, 4);
    embedded::run(&scale).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes() {
    let scale = Scale::of("nodes", 60, 4);
    nodes::run(&scale).await;
}
