//! What all parts of a simulation share: its time, its chances, and whether things still go wrong.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use messaging_core::conformance::build::at;
use messaging_core::domain::timestamp::Timestamp;
use tokio::time::Instant;

use crate::dice::Dice;
use crate::plan::Plan;

pub(crate) struct Sim {
    pub(crate) dice: Dice,
    pub(crate) plan: Plan,
    start: Instant,
    calm: AtomicBool,
    /// Whether to say what happens.
    told: bool,
    steps: AtomicU64,
}

/// How many calls the nodes of one simulation may make: more say that somebody runs in a circle.
const MOST_STEPS: u64 = 1_000_000;

impl Sim {
    pub(crate) fn new(seed: u64, told: bool) -> Self {
        let dice = Dice::new(seed);
        let plan = Plan::draw(&dice);
        Self {
            dice,
            plan,
            start: Instant::now(),
            calm: AtomicBool::new(false),
            told,
            steps: AtomicU64::new(0),
        }
    }

    /// The true time, which no node knows.
    pub(crate) fn now(&self) -> Timestamp {
        at(1_000_000).plus(self.start.elapsed())
    }

    /// Whether something goes wrong that does so `share` of the time.
    pub(crate) fn goes_wrong(&self, share: f64) -> bool {
        share > 0.0 && !self.is_calm() && self.dice.chance(share)
    }

    /// Somebody makes a call. Ends those who do nothing else.
    pub(crate) fn count_step(&self) {
        let steps = self.steps.fetch_add(1, Ordering::Relaxed);
        assert!(steps < MOST_STEPS, "somebody runs in a circle");
    }

    /// Whether somebody ran in a circle.
    pub(crate) fn is_endless(&self) -> bool {
        self.steps.load(Ordering::Relaxed) >= MOST_STEPS
    }

    /// Nothing goes wrong any more.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Waits for a time from `first` to `last`, in milliseconds.
    pub(crate) async fn wait(&self, first: u64, last: u64) {
        tokio::time::sleep(self.dice.millis(first, last)).await;
    }

    #[expect(clippy::print_stderr, reason = "whoever replays a seed wants to see what happens")]
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        if self.told {
            let at: Duration = self.start.elapsed();
            eprintln!("{:>9.3} {}", at.as_secs_f64(), what());
        }
    }
}
