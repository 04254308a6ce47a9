//! What goes on by itself: sending, recovering, applying webhooks, watching sessions.
//!
//! Each duty is a `run_once`, which does one pass, never waits for time to pass and says what it
//! did, and a loop of a few lines around it. Tests call the passes; [`Delivery`] runs the loops.

pub mod catch_up;
pub mod clock_watch;
pub mod inbox;
pub mod recovery;
pub mod retelling;
pub mod session_watch;
mod shift;
pub mod timetable;
mod upkeep;
pub mod worker;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::delivery::catch_up::CatchUp;
use crate::delivery::clock_watch::ClockWatch;
use crate::delivery::inbox::InboxProcessor;
use crate::delivery::recovery::Recovery;
use crate::delivery::retelling::Retelling;
use crate::delivery::session_watch::SessionWatch;
use crate::delivery::timetable::Timetable;
use crate::delivery::worker::Worker;
use crate::gateway::Gateway;

/// How long a loop waits after its store or queue failed.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(1);

/// How the work that goes on by itself is done.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// Whether this node sends, and takes its turn in what one node does for all. One that does
    /// not still applies the webhooks it keeps, and tells the queue what it could not be told.
    pub sends: bool,
    /// How many messages may be under way at a time, each of another session.
    pub concurrency: usize,
    /// How often messages are looked for that the queue does not know.
    pub recovery_interval: Duration,
    /// How often the provider is asked how its sessions are.
    pub watch_interval: Duration,
    /// How often each session's latest messages are read from the provider while nothing special
    /// happens.
    pub catch_up_interval: Duration,
    /// How often the store is given its upkeep.
    pub upkeep_interval: Duration,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            sends: true,
            concurrency: 64,
            recovery_interval: Duration::from_secs(5),
            watch_interval: Duration::from_secs(15),
            catch_up_interval: Duration::from_secs(60),
            upkeep_interval: Duration::from_secs(5),
        }
    }
}

/// The tasks of a gateway that send and receive, until they are stopped.
pub struct Delivery {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Delivery {
    /// Starts everything on the current tokio runtime.
    pub fn start(gateway: &Gateway, settings: &DeliverySettings) -> Self {
        let delivery = Self { stop: CancellationToken::new(), tasks: TaskTracker::new() };
        let DeliverySettings { sends, concurrency, .. } = *settings;
        let &DeliverySettings { recovery_interval, watch_interval, upkeep_interval, .. } = settings;

        let inbox = InboxProcessor::new(gateway.clone());
        delivery.spawn(|stop| inbox.run(stop));
        let clock_watch = ClockWatch::new(gateway.clone());
        delivery.spawn(|stop| clock_watch.run(stop));
        let retelling = Retelling::new(gateway.clone());
        delivery.spawn(|stop| retelling.run(stop));
        if !sends {
            return delivery;
        }
        let worker = Arc::new(Worker::new(gateway.clone()));
        delivery.spawn(|stop| worker.run(concurrency, stop));
        let recovery = Recovery::new(gateway.clone());
        delivery.spawn(|stop| recovery.run(recovery_interval, stop));
        let watch = SessionWatch::new(gateway.clone());
        delivery.spawn(|stop| watch.run(watch_interval, stop));
        let catch_up = CatchUp::new(gateway.clone(), settings.catch_up_interval);
        delivery.spawn(|stop| catch_up.run(stop));
        let timetable = Timetable::new(gateway.clone());
        delivery.spawn(|stop| timetable.run(stop));
        delivery.spawn(|stop| upkeep::run(gateway.clone(), upkeep_interval, stop));
        delivery
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        task: impl FnOnce(CancellationToken) -> F,
    ) {
        self.tasks.spawn(task(self.stop.clone()));
    }

    /// Takes up nothing new, waits until what is under way has come to its end, and leaves.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Waits for `duration`, or less when it is time to stop. Tells whether to go on.
async fn rest(duration: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = tokio::time::sleep(duration) => true,
    }
}
