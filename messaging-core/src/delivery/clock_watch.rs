//! Finding out that this node's clock is wrong.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::delivery::rest;
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::ports::observer::Observation;

/// How often the clocks are compared.
const EVERY: Duration = Duration::from_secs(5);

/// Compares this node's clock with that of the limiter, which all nodes share.
///
/// A limiter counts by the instants its callers tell it. Where their clocks differ by more than
/// [`clock_skew`](crate::gateway::Settings::clock_skew), a window of one is not that of another, and
/// more than the quota could be sent. So a node that is further off than half of that, as another
/// may be off the other way, sends nothing until it agrees again. Nor does it accept messages: they
/// would get their place, and the time at which they are due, by its clock.
pub struct ClockWatch {
    gateway: Gateway,
}

/// What the comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The clocks agree, or nobody else's clock matters.
    Agrees,
    /// This node's clock is ahead by so much at least.
    Ahead(Duration),
    /// This node's clock is behind by so much at least.
    Behind(Duration),
    /// The limiter could not be asked. What was found before stands.
    Unknown,
}

impl ClockWatch {
    /// Watches the clock of this gateway.
    pub fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }

    /// Compares once. While the clock is found to be wrong, this gateway accepts no messages, and
    /// its workers send nothing.
    pub async fn run_once(&self) -> Agreement {
        let ports = self.gateway.ports();
        let before = ports.clock.now();
        let asked = self.gateway.counted(ports.limiter.time().await);
        let after = ports.clock.now();
        let Some(theirs) = asked else { return Agreement::Unknown };
        let tolerance = self.gateway.settings().clock_skew / 2;
        let agreement =
            theirs.map_or(Agreement::Agrees, |theirs| compare(before, theirs, after, tolerance));
        let is_off = agreement != Agreement::Agrees;
        let was_off = self.gateway.inner.clock_is_off.swap(is_off, Ordering::Relaxed);
        match agreement {
            Agreement::Ahead(by) | Agreement::Behind(by) => {
                let which =
                    if matches!(agreement, Agreement::Ahead(_)) { "ahead" } else { "behind" };
                tracing::error!(
                    clock.off_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX),
                    "this node's clock is {which} of the rate limiter's by {by:?}: it accepts and sends \
                     nothing"
                );
                self.gateway.observe(Observation::Fault { what: "clock" });
            }
            Agreement::Agrees if was_off => {
                tracing::info!("this node's clock agrees with the rate limiter's again");
            }
            Agreement::Agrees | Agreement::Unknown => {}
        }
        agreement
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        loop {
            self.run_once().await;
            if !rest(EVERY, &stop).await {
                return;
            }
        }
    }
}

/// Their clock was read at some instant between the two.
fn compare(
    before: Timestamp,
    theirs: Timestamp,
    after: Timestamp,
    tolerance: Duration,
) -> Agreement {
    let (ahead, behind) = (before.since(theirs), theirs.since(after));
    if ahead > tolerance {
        Agreement::Ahead(ahead)
    } else if behind > tolerance {
        Agreement::Behind(behind)
    } else {
        Agreement::Agrees
    }
}
