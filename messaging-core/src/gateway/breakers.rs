//! The provider's servers, as far as this node has heard of them: which are called, and which
//! sessions wait for one that is not.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::domain::breaker::{Breaker, BreakerPolicy, BreakerState, Heard, Leave};
use crate::domain::id::SessionId;
use crate::domain::session::SessionStatus;
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::gateway::directory::Asked;
use crate::gateway::error::GatewayError;
use crate::gateway::sessions::RECHECK_AFTER;
use crate::ports::queue::PauseScope;

/// How long what was heard of a server is believed when somebody asks before a message is accepted.
const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// How long a session that is let go to probe may take to do so before another is.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// The breakers of this node, by server. Every node has its own: what one cannot reach another
/// perhaps can.
#[derive(Default)]
pub(crate) struct Breakers {
    servers: Mutex<BTreeMap<String, Server>>,
    /// One has opened.
    opened: Notify,
}

struct Server {
    breaker: Breaker,
    /// The sessions that are paused for it.
    held: BTreeSet<SessionId>,
    /// The one that was let go to probe last.
    last_let_go: Option<SessionId>,
    /// When it answered last.
    heard_at: Option<Timestamp>,
    /// When it last gave no sign of life to somebody who asked before a message was accepted.
    silent_at: Option<Timestamp>,
}

impl Server {
    fn new(policy: BreakerPolicy) -> Self {
        Self {
            breaker: Breaker::new(policy),
            held: BTreeSet::new(),
            last_let_go: None,
            heard_at: None,
            silent_at: None,
        }
    }

    /// The next of those held, in turn.
    fn next_to_let_go(&mut self) -> Option<SessionId> {
        let behind = self.last_let_go.map_or(Bound::Unbounded, Bound::Excluded);
        let mut next = self.held.range((behind, Bound::Unbounded));
        let next = next.next().or_else(|| self.held.first()).copied();
        self.last_let_go = next;
        next
    }
}

/// What a change of a breaker asks for.
#[must_use]
struct Aftermath {
    /// Where it stands now, where that is news.
    news: Option<BreakerState>,
    /// The sessions that may go on.
    released: BTreeSet<SessionId>,
}

/// The right to call a server for a session. What its calls come to is told to it.
pub(crate) struct Passage<'a> {
    gateway: &'a Gateway,
    server: &'a str,
    /// Whether it is the one that probes, and has heard nothing yet.
    probes: AtomicBool,
}

/// How a session may call its server.
pub(crate) enum Passing<'a> {
    /// Go on.
    Passed(Passage<'a>),
    /// Not before then, unless it is let go before.
    Held(Timestamp),
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if *self.probes.get_mut() {
            self.gateway.breaker(self.server, |server| server.breaker.give_up_probe());
        }
    }
}

impl Passage<'_> {
    /// A call came to this.
    pub(crate) async fn hear(&self, heard: Heard) {
        let probes = self.probes.swap(false, Ordering::Relaxed);
        let ports = self.gateway.ports();
        if heard == Heard::Answer {
            let now = ports.clock.now();
            self.gateway.breaker(self.server, |server| server.heard_at = Some(now));
        }
        let drawn = ports.entropy.next_unit();
        self.gateway
            .change_breaker(self.server, |breaker, now| match probes {
                true => breaker.hear_probe(heard, now, drawn),
                false => breaker.hear(heard, now, drawn),
            })
            .await;
    }
}

impl Gateway {
    /// Where the breaker of each of the provider's servers stands on this node, by the server's name.
    pub async fn breaker_states(&self) -> Vec<(String, BreakerState)> {
        let state = |name: String| {
            let state = self.breaker_state(&name);
            (name, state)
        };
        self.server_names().await.into_iter().map(state).collect()
    }

    /// Where the breaker of one stands; that of one that was never called is closed.
    pub(crate) fn breaker_state(&self, name: &str) -> BreakerState {
        let servers = self.breakers();
        servers.get(name).map_or(BreakerState::Closed, |server| server.breaker.state())
    }

    /// Forgets what was heard of a server that is none any more.
    pub(crate) fn forget_breaker(&self, name: &str) {
        self.breakers().remove(name);
    }

    /// Asks to call a server for a session, which is to be paused where it may not.
    pub(crate) async fn pass<'a>(&'a self, session: SessionId, server: &'a str) -> Passing<'a> {
        for _ in 0..2 {
            let now = self.ports().clock.now();
            let leave = self.breaker(server, |server| {
                let leave = server.breaker.ask(now);
                match leave {
                    Leave::Wait(_) => server.held.insert(session),
                    _ => server.held.remove(&session),
                };
                leave
            });
            let probes = match leave {
                Leave::Call => false,
                Leave::Probe { ping: false } => true,
                Leave::Probe { ping: true } => {
                    self.ping_probed(server).await;
                    continue;
                }
                // Others let it go before that, unless their node dies.
                Leave::Wait(until) => return Passing::Held(until.plus(RECHECK_AFTER)),
            };
            return Passing::Passed(Passage { gateway: self, server, probes: probes.into() });
        }
        // Another was faster.
        self.breaker(server, |server| server.held.insert(session));
        Passing::Held(self.ports().clock.now().plus(RECHECK_AFTER))
    }

    /// How long a session whose server was just heard nothing of is to wait, and whether that is
    /// because its breaker is open.
    pub(crate) fn after_silence(&self, session: SessionId, server: &str) -> Silence {
        let now = self.ports().clock.now();
        self.breaker(server, |server| match server.breaker.state() {
            BreakerState::Closed => Silence::Times(server.breaker.failures_in_a_row().max(1)),
            _ => {
                server.held.insert(session);
                let until = server.breaker.open_until(now).unwrap_or(now);
                Silence::Until(until.plus(RECHECK_AFTER))
            }
        })
    }

    /// Whether a session that was paused for its server must wait no more: the breaker closed while
    /// it was paused.
    pub(crate) fn is_free(&self, session: SessionId, server: &str) -> bool {
        self.breaker(server, |server| !server.held.contains(&session))
    }

    /// Refuses where the server cannot be used at present, as far as is known, or found out by
    /// asking for a sign of life.
    pub(crate) async fn check_server(&self, name: &str) -> Result<(), GatewayError> {
        let now = self.ports().clock.now();
        let is_fresh = |at: Timestamp| at <= now && now.since(at) < BELIEVED_FOR;
        let (open_until, is_heard, is_silent) = self.breaker(name, |server| {
            let (heard, silent) = (server.heard_at, server.silent_at);
            let is_silent = silent > heard && silent.is_some_and(is_fresh);
            (server.breaker.open_until(now), heard.is_some_and(is_fresh), is_silent)
        });
        if let Some(until) = open_until {
            return Err(GatewayError::ServerUnavailable { retry_after: until.since(now) });
        }
        let is_there = !is_silent && (is_heard || self.ports().control.ping(name).await.is_ok());
        if is_there && !is_heard {
            self.breaker(name, |server| server.heard_at = Some(now));
        }
        if !is_there && !is_silent {
            self.breaker(name, |server| server.silent_at = Some(now));
        }
        match is_there {
            true => Ok(()),
            false => Err(GatewayError::ServerUnavailable { retry_after: BELIEVED_FOR }),
        }
    }

    /// Probes the servers that it is time for, or lets a session go that will. Gives when to do so
    /// again.
    pub(crate) async fn probe_servers(&self) -> Option<Timestamp> {
        let names: Vec<String> = self.breakers().keys().cloned().collect();
        for name in names {
            let now = self.ports().clock.now();
            if !self.breaker(&name, |server| server.breaker.wants_probe(now)) {
                continue;
            }
            if self.breaker(&name, |server| server.breaker.state()) == BreakerState::Open {
                let leave = self.breaker(&name, |server| server.breaker.ask(now));
                if leave == (Leave::Probe { ping: true }) {
                    self.ping_probed(&name).await;
                }
            }
            let is_half_open =
                self.breaker(&name, |server| server.breaker.state()) == BreakerState::HalfOpen;
            if is_half_open {
                self.let_one_go(&name).await;
            }
        }
        let now = self.ports().clock.now();
        let servers = self.breakers();
        let due = servers.values().filter_map(|server| match server.breaker.state() {
            BreakerState::Closed => None,
            BreakerState::Open => Some(server.breaker.open_until(now).unwrap_or(now)),
            BreakerState::HalfOpen => Some(now.plus(PROBE_TIME)),
        });
        due.min()
    }

    /// Returns once a breaker has opened since this was asked last.
    pub(crate) async fn breaker_opened(&self) {
        self.inner.breakers.opened.notified().await;
    }

    /// Lets one of the sessions go that wait for a server that gave a sign of life; where none does,
    /// nobody is left to try it.
    async fn let_one_go(&self, name: &str) {
        while let Some(session) = self.breaker(name, Server::next_to_let_go) {
            let queue = &self.ports().queue;
            let depth = self.queued(queue.session_depth(session).await);
            if depth == Some(0) || self.may_not_send(session).await {
                // It would not come to call the server. Where it has something to send later, it
                // asks again.
                self.breaker(name, |server| server.held.remove(&session));
                if depth == Some(0) {
                    self.queued(queue.resume(session, PauseScope::Session).await);
                }
                continue;
            }
            self.queued(queue.resume(session, PauseScope::Session).await);
            return;
        }
        self.change_breaker(name, |breaker, _| breaker.close()).await;
    }

    /// Whether something else than its server holds a session, as far as the store can tell.
    async fn may_not_send(&self, session: SessionId) -> bool {
        let now = self.ports().clock.now();
        match self.look_up(Asked::Any(session)).await {
            Ok(Some(session)) => {
                session.status != SessionStatus::Working || session.stopped_by(now).is_some()
            }
            Ok(None) | Err(_) => false,
        }
    }

    /// Asks a server for a sign of life, for whoever probes it.
    async fn ping_probed(&self, name: &str) {
        let probe = Probe { gateway: self, server: name, is_over: false };
        let came = self.ports().control.ping(name).await.is_ok();
        let drawn = self.ports().entropy.next_unit();
        probe.end();
        self.change_breaker(name, |breaker, now| breaker.hear_ping(came, now, drawn)).await;
    }

    fn breakers(&self) -> MutexGuard<'_, BTreeMap<String, Server>> {
        // Nothing panics while holding it, and a breaker is never half changed.
        self.inner.breakers.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn breaker<T>(&self, name: &str, act: impl FnOnce(&mut Server) -> T) -> T {
        let mut servers = self.breakers();
        if let Some(server) = servers.get_mut(name) {
            return act(server);
        }
        let policy = self.settings().breaker;
        act(servers.entry(name.to_owned()).or_insert_with(|| Server::new(policy)))
    }

    /// Changes a breaker, says so, and lets go who waited for it where it closes.
    async fn change_breaker(&self, name: &str, change: impl FnOnce(&mut Breaker, Timestamp)) {
        let now = self.ports().clock.now();
        let Aftermath { news, released } = self.breaker(name, |server| {
            let before = server.breaker.state();
            change(&mut server.breaker, now);
            let after = server.breaker.state();
            let released = match after {
                BreakerState::Closed => std::mem::take(&mut server.held),
                _ => BTreeSet::new(),
            };
            Aftermath { news: (before != after).then_some(after), released }
        });
        match news {
            Some(BreakerState::Open) => {
                tracing::warn!(
                    waha.server = name,
                    "WAHA server {name} fails: it is left alone for a while, and its sessions wait"
                );
                self.inner.breakers.opened.notify_one();
            }
            Some(BreakerState::HalfOpen) => tracing::info!(
                waha.server = name,
                "WAHA server {name} gives a sign of life: it is tried with one message at a time"
            ),
            Some(BreakerState::Closed) => tracing::info!(
                waha.server = name,
                sessions = released.len(),
                "WAHA server {name} works again"
            ),
            None => {}
        }
        let queue = &self.ports().queue;
        let resumed = released.into_iter().map(|session| async move {
            self.queued(queue.resume(session, PauseScope::Session).await);
        });
        futures::future::join_all(resumed).await;
    }
}

/// How long a session waits for a server that was heard nothing of.
pub(crate) enum Silence {
    /// By the number of times in a row.
    Times(u32),
    /// Until then, as long as the breaker is not closed before.
    Until(Timestamp),
}

/// A sign of life that is waited for; who stops waiting leaves the place to another.
struct Probe<'a> {
    gateway: &'a Gateway,
    server: &'a str,
    is_over: bool,
}

impl Probe<'_> {
    fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.gateway.breaker(self.server, |server| server.breaker.give_up_probe());
        }
    }
}
