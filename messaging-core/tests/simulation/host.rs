//! A process, as its ports see it: it can die or stand still wherever it waits for one of them.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::clock::Clock;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::sim::Sim;

pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) sim: Arc<Sim>,
    dead: AtomicBool,
    pub(crate) died: Notify,
    /// It is to come to an end of its own.
    pub(crate) asked_to_leave: Notify,
    frozen_until: Mutex<Instant>,
    /// By how much its clock is wrong, in microseconds.
    offset: AtomicI64,
}

impl Host {
    pub(crate) fn new(name: String, sim: Arc<Sim>) -> Self {
        Self {
            name,
            sim,
            dead: AtomicBool::new(false),
            died: Notify::new(),
            asked_to_leave: Notify::new(),
            frozen_until: Mutex::new(Instant::now()),
            offset: AtomicI64::new(0),
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.dead.load(Ordering::Relaxed)
    }

    pub(crate) fn kill(&self) {
        if !self.dead.swap(true, Ordering::Relaxed) {
            self.sim.note(|| format!("{} dies", self.name));
            self.died.notify_one();
        }
    }

    pub(crate) fn set_clock(&self, offset_millis: i64) {
        self.sim.note(|| format!("{}'s clock is off by {offset_millis} ms", self.name));
        self.offset.store(offset_millis * 1000, Ordering::Relaxed);
    }

    /// Where a process may die, stand still, or take its time. Nobody leaves here once it is dead.
    pub(crate) async fn pass(&self) {
        let sim = &self.sim;
        sim.count_step();
        if sim.goes_wrong(sim.plan.crash) {
            self.kill();
        }
        if sim.goes_wrong(sim.plan.freeze) {
            let lasting = sim.dice.millis(5_000, 60_000);
            sim.note(|| format!("{} stands still for {lasting:?}", self.name));
            *self.frozen_until.lock().unwrap() = Instant::now() + lasting;
        }
        if sim.goes_wrong(sim.plan.slow) {
            sim.wait(1, 50).await;
        }
        loop {
            if !self.is_alive() {
                std::future::pending::<()>().await;
            }
            let until = *self.frozen_until.lock().unwrap();
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// Makes a call that may be refused, or done and said to have failed.
    pub(crate) async fn call<T, E>(
        &self,
        [fails, lies]: [f64; 2],
        is_away: impl Fn() -> bool,
        error: impl Fn() -> E,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.pass().await;
        if is_away() || self.sim.goes_wrong(fails) {
            // Who finds nobody there does not find out at once.
            tokio::time::sleep(Duration::from_millis(1)).await;
            return Err(error());
        }
        let answer = call.await;
        self.pass().await;
        if self.sim.goes_wrong(lies) { Err(error()) } else { answer }
    }
}

impl Clock for Host {
    fn now(&self) -> Timestamp {
        let true_micros = self.sim.now().as_micros();
        Timestamp::from_micros(true_micros + self.offset.load(Ordering::Relaxed))
    }
}
