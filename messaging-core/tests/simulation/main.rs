//! Small worlds in which everything goes wrong at once: the real gateway and delivery on adapters in
//! memory, several nodes, a provider that loses, delays and repeats, and a time that only runs when
//! nobody has anything to do. All of it follows from a seed, so what one seed breaks it breaks again.
//!
//! `SIMULATION_SEEDS=10000` says how many seeds to try (and `SIMULATION_FROM` the first);
//! `SIMULATION_SEED=17` tries one and tells what happens in it.
#![allow(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

mod backend;
mod dice;
mod fleet;
mod host;
mod judge;
mod plan;
mod sim;
mod story;
mod waha;
#[path = "../world/words.rs"]
mod words;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use judge::{Verdict, judge};
use story::World;

/// How many seeds are tried where nobody says.
const SEEDS: u64 = 200;

/// Lets one world happen.
fn with_world<T>(seed: u64, told: bool, ask: impl AsyncFnOnce(World) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async { ask(story::play(seed, told).await).await })
}

/// Lets one world happen and judges it.
fn try_seed(seed: u64, told: bool) -> Verdict {
    with_world(seed, told, async |world| judge(&world).await)
}

/// What happened in one world, for comparison.
fn retold(seed: u64) -> String {
    with_world(seed, false, async |world| {
        format!("{:?} {:?}", world.promised.lock().unwrap().accepted, world.waha.arrivals())
    })
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap())
}

#[test]
fn every_promise_is_kept_whatever_goes_wrong() {
    if let Some(seed) = number("SIMULATION_SEED") {
        return try_seed(seed, true).unwrap();
    }
    let first = number("SIMULATION_FROM").unwrap_or(0);
    let end = first + number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(first);
    let broken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    if let Err(broke) = try_seed(seed, false) {
                        broken.lock().unwrap().push((seed, broke));
                    }
                }
            });
        }
    });
    let mut broken = broken.into_inner().unwrap();
    broken.sort();
    let told: Vec<String> = broken.iter().map(|(seed, broke)| format!("{seed}: {broke}")).collect();
    assert!(
        broken.is_empty(),
        "{} of {} seeds broke a promise:\n{}\nTo see one again:\n\
         SIMULATION_SEED={} cargo test -p messaging-core --test simulation -- --nocapture",
        broken.len(),
        end - first,
        told[..told.len().min(20)].join("\n"),
        broken[0].0,
    );
}

#[test]
fn a_seed_tells_the_same_story_each_time() {
    for seed in 0..20 {
        assert_eq!(retold(seed), retold(seed), "seed {seed}");
    }
}
