//! Reading what webhooks should have told: the provider has them in memory only, and gives up.

mod course;
mod vitals;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::delivery::catch_up::course::Course;
use crate::delivery::rest;
use crate::delivery::shift::Shift;
use crate::domain::id::SessionId;
use crate::domain::session::{SessionStatus, WatchedSession};
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::ports::duty_roster::Duty;
use crate::ports::observer::Observation;
use crate::ports::session_control::ProviderError;

/// How often it is looked which sessions are to be read.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How many portions are read from a server in one pass: what is read is read beside what is sent.
const PAGES_A_PASS: usize = 40;

/// How many of them from one session: a long history holds nobody up.
const PAGES_A_SESSION: usize = 4;

/// After so many sessions in a row that cannot be read, a server is left alone for a while.
const FAILURES_A_PASS: usize = 3;

/// How long what cannot be read is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(15);

/// Reads each session's messages since the latest that was read, and takes in what no webhook told:
/// after this program's own downtime, after a session was not connected, after a restart of the
/// provider, and else now and then.
///
/// What is read takes the way of webhooks, under keys of its own, and only where it says something
/// new; so it does no harm to read twice.
pub struct CatchUp {
    gateway: Gateway,
    every: Duration,
    servers: BTreeMap<String, ServerCourse>,
}

/// What one pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CaughtUp {
    /// How many messages that came in no webhook had told of.
    pub messages: u64,
    /// How many messages of ours had got further than any webhook had told.
    pub receipts: u64,
    /// How many sessions, or servers, could not be read.
    pub failures: u64,
    /// Whether there is more to read at once.
    pub has_more: bool,
}

impl CaughtUp {
    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.receipts += other.receipts;
        self.failures += other.failures;
        self.has_more |= other.has_more;
    }
}

/// Why a session was not read to the end.
enum Stopped {
    /// The provider did not answer, or would not.
    Provider(ProviderError),
    /// The store did not.
    Store(GatewayError),
}

impl<E: Into<GatewayError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

impl CatchUp {
    /// Catches up with this gateway's sessions, and reads each `every` so often.
    pub fn new(gateway: Gateway, every: Duration) -> Self {
        Self { gateway, every, servers: BTreeMap::new() }
    }

    /// Reads a portion of what is to be read. The first pass takes every session for one that
    /// something may have been missed of.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`] where the store does not answer; what was not taken in is read
    /// again.
    pub async fn run_once(&mut self) -> Result<CaughtUp, GatewayError> {
        let ports = self.gateway.ports();
        let watched = ports.sessions.watched().await?;
        let names = self.gateway.server_names().await.into_iter();
        let mut known = std::mem::take(&mut self.servers);
        self.servers =
            names.map(|name| (name.clone(), known.remove(&name).unwrap_or_default())).collect();
        let (gateway, every) = (&self.gateway, self.every);
        let passes = self.servers.iter_mut().map(|(name, course)| {
            let here = watched.iter().filter(|session| session.place.server == *name).collect();
            course.pass(gateway, every, name, here)
        });
        let mut all = CaughtUp::default();
        let mut failed = None;
        for done in futures::future::join_all(passes).await {
            match done {
                Ok(done) => all.add(done),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(all), Err)
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut shift = Shift::new(self.gateway.clone(), Duty::CatchUp, LOOK_EVERY);
        loop {
            if shift.is_ours().await {
                match shift.hold_during(self.run_once()).await {
                    Ok(done) if done.has_more && !stop.is_cancelled() => continue,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::error!(%error, "what webhooks missed will be read again");
                        self.gateway.observe(Observation::Fault { what: "store" });
                    }
                }
            } else {
                // Whoever takes the duty up knows of no session what was missed.
                self.servers.clear();
            }
            if !rest(LOOK_EVERY, &stop).await {
                return shift.end().await;
            }
        }
    }
}

/// One of the provider's servers, as far as this node has read it.
#[derive(Default)]
struct ServerCourse {
    started_at: Option<Timestamp>,
    left_alone_until: Option<Timestamp>,
    sessions: BTreeMap<SessionId, Course>,
}

impl ServerCourse {
    async fn pass(
        &mut self,
        gateway: &Gateway,
        every: Duration,
        server: &str,
        here: Vec<&WatchedSession>,
    ) -> Result<CaughtUp, GatewayError> {
        let now = gateway.ports().clock.now();
        let mut done = CaughtUp::default();
        if here.is_empty() || self.left_alone_until.is_some_and(|until| now < until) {
            return Ok(done);
        }
        self.left_alone_until = None;
        let has_restarted = match gateway.ports().history.started_at(server).await {
            Ok(at) => self.started_at.replace(at).is_some_and(|before| before != at),
            Err(ProviderError::Unavailable) => {
                self.leave_alone(gateway, now, &mut done);
                return Ok(done);
            }
            // It does not tell: whether it was restarted is not known.
            Err(_) => false,
        };
        if has_restarted {
            tracing::info!(server, "was restarted: what its webhooks lost is read");
        }
        self.look_at(gateway, &here, has_restarted, now).await?;
        let mut due: Vec<(Timestamp, &WatchedSession)> = here
            .iter()
            .filter_map(|session| Some((self.sessions.get(&session.id)?.due_at(now)?, *session)))
            .collect();
        // Whoever has waited longest comes first, and a long history goes on behind the others.
        due.sort_by_key(|(at, session)| (*at, session.id));
        let (mut pages, mut failures) = (0, 0);
        for (_, session) in due {
            if pages >= PAGES_A_PASS {
                done.has_more = true;
                break;
            }
            let Some(course) = self.sessions.get_mut(&session.id) else { continue };
            match course.read(gateway, session, every, &mut done).await {
                Ok(read) => {
                    pages += read;
                    failures = 0;
                    done.has_more |= course.has_more();
                }
                Err(Stopped::Store(error)) => return Err(error),
                Err(Stopped::Provider(error)) => {
                    tracing::debug!(session.id = %session.id, %error, "a session cannot be read");
                    course.put_off(gateway.ports().clock.now().plus(LEFT_ALONE));
                    if error != ProviderError::Unavailable {
                        done.failures += 1;
                        continue;
                    }
                    gateway.observe(Observation::Fault { what: "provider" });
                    done.failures += 1;
                    failures += 1;
                    if failures >= FAILURES_A_PASS {
                        self.left_alone_until = Some(now.plus(LEFT_ALONE));
                        break;
                    }
                }
            }
        }
        Ok(done)
    }

    fn leave_alone(&mut self, gateway: &Gateway, now: Timestamp, done: &mut CaughtUp) {
        gateway.observe(Observation::Fault { what: "provider" });
        self.left_alone_until = Some(now.plus(LEFT_ALONE));
        done.failures += 1;
        done.has_more = false;
    }

    /// Sees which sessions there are, and of which something may have been missed.
    async fn look_at(
        &mut self,
        gateway: &Gateway,
        here: &[&WatchedSession],
        has_restarted: bool,
        now: Timestamp,
    ) -> Result<(), GatewayError> {
        let mut known = std::mem::take(&mut self.sessions);
        for session in here {
            let mut course = known.remove(&session.id).unwrap_or_default();
            if session.status == SessionStatus::Working {
                course.is_connected(has_restarted, now);
            } else {
                course.is_not_connected();
                // That it is not connected says enough.
                vitals::record_well(gateway, session, now).await?;
            }
            self.sessions.insert(session.id, course);
        }
        Ok(())
    }
}
