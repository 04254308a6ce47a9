//! What sessions go through: starting, QR codes, signing in, stopping, failing and coming back.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::events::Event;
use super::session::Session;
use super::world::{State, World};
use crate::wire::{SessionConfig, SessionInfo, SessionStatus};

impl State {
    /// Takes a session out of what it does by itself and gives it a new life to lead.
    fn new_run(&mut self, name: &str, parent: &CancellationToken) -> Option<CancellationToken> {
        let session = self.sessions.get_mut(name)?;
        session.run.cancel();
        session.run = parent.child_token();
        Some(session.run.clone())
    }
}

impl World {
    /// Adds a session, or returns false if the name is taken.
    pub(super) fn create_session(
        self: &Arc<Self>,
        name: &str,
        phone: Option<&str>,
        config: SessionConfig,
    ) -> bool {
        let mut state = self.state();
        if state.sessions.contains_key(name) {
            return false;
        }
        let mut session = Session::new(name, phone, &state.knobs);
        session.configure(config, &self.config.webhooks);
        state.sessions.insert(name.to_owned(), session);
        true
    }

    /// Enters a status and tells the webhooks. With a `run` only if that was not ended meanwhile.
    fn enter(
        self: &Arc<Self>,
        name: &str,
        status: SessionStatus,
        qr: Option<String>,
        run: Option<&CancellationToken>,
    ) {
        let (origin, event) = {
            let mut state = self.state();
            // Runs are ended under the same lock, so an ended one cannot slip through here.
            if run.is_some_and(CancellationToken::is_cancelled) {
                return;
            }
            let Some(session) = state.sessions.get_mut(name) else { return };
            if status == SessionStatus::Working {
                session.is_paired = true;
            }
            session.qr = qr;
            session.enter(status, self.clock.now_ms());
            let event = Event::of_status(session);
            (state.origin(name), event)
        };
        tracing::debug!(session = name, %status, "session status");
        if let Some(origin) = origin {
            self.emit(&origin, &[event]);
        }
    }

    /// Starts a session, whatever it did before.
    pub(super) fn launch(self: &Arc<Self>, name: &str) {
        let Some(run) = self.state().new_run(name, &self.shutdown) else { return };
        self.enter(name, SessionStatus::Starting, None, Some(&run));
        let (world, name) = (Arc::clone(self), name.to_owned());
        tokio::spawn(async move {
            tokio::select! {
                () = run.cancelled() => {}
                () = world.live(&name, &run) => {}
            }
        });
    }

    async fn live(self: &Arc<Self>, name: &str, run: &CancellationToken) {
        tokio::time::sleep(self.config.times.starting).await;
        let is_paired = self.state().sessions.get(name).is_some_and(|session| session.is_paired);
        if !is_paired && !self.wait_for_scan(name, run).await {
            self.enter(name, SessionStatus::Failed, None, Some(run));
            return;
        }
        self.enter(name, SessionStatus::Working, None, Some(run));
    }

    /// Shows one QR code after another; true once it is time to scan one by itself.
    async fn wait_for_scan(self: &Arc<Self>, name: &str, run: &CancellationToken) -> bool {
        let mut auto_scan = self.knobs().auto_scan();
        for code in 0..self.config.limits.qr_codes {
            let qr = format!("2@{},{}", self.dice.token(44), self.dice.token(44));
            self.enter(name, SessionStatus::ScanQrCode, Some(qr), Some(run));
            let times = &self.config.times;
            let valid = if code == 0 { times.first_qr } else { times.next_qr };
            match auto_scan {
                Some(left) if left <= valid => {
                    tokio::time::sleep(left).await;
                    return true;
                }
                _ => tokio::time::sleep(valid).await,
            }
            auto_scan = auto_scan.map(|left| left.saturating_sub(valid));
        }
        false
    }

    /// Signs a session in that shows a QR code; false if it does not.
    pub(super) fn scan(self: &Arc<Self>, name: &str) -> bool {
        let run = {
            let mut state = self.state();
            let is_waiting = state
                .sessions
                .get(name)
                .is_some_and(|session| session.status() == SessionStatus::ScanQrCode);
            if !is_waiting {
                return false;
            }
            state.new_run(name, &self.shutdown)
        };
        self.enter(name, SessionStatus::Working, None, run.as_ref());
        true
    }

    /// Puts a session into a status and leaves it there; false if there is no such session.
    pub(super) fn force_status(self: &Arc<Self>, name: &str, status: SessionStatus) -> bool {
        let Some(run) = self.state().new_run(name, &self.shutdown) else { return false };
        let qr =
            (status == SessionStatus::ScanQrCode).then(|| format!("2@{}", self.dice.token(88)));
        self.enter(name, status, qr, Some(&run));
        true
    }

    pub(super) fn stop_session(self: &Arc<Self>, name: &str) {
        let is_running = self
            .state()
            .sessions
            .get(name)
            .is_some_and(|session| session.status() != SessionStatus::Stopped);
        if is_running {
            self.force_status(name, SessionStatus::Stopped);
        }
    }

    /// Forgets the account; a running session starts again, to be paired anew.
    pub(super) fn log_out(self: &Arc<Self>, name: &str) {
        let is_running = {
            let mut state = self.state();
            let Some(session) = state.sessions.get_mut(name) else { return };
            session.is_paired = false;
            session.status() != SessionStatus::Stopped
        };
        if is_running {
            self.launch(name);
        }
    }

    pub(super) fn delete_session(self: &Arc<Self>, name: &str) {
        self.stop_session(name);
        let removed = self.state().sessions.remove(name);
        if let Some(session) = removed {
            session.run.cancel();
        }
    }

    /// Replaces a session's configuration; a running one starts again.
    pub(super) fn reconfigure(self: &Arc<Self>, name: &str, config: SessionConfig) {
        let is_running = {
            let mut state = self.state();
            let Some(session) = state.sessions.get_mut(name) else { return };
            session.configure(config, &self.config.webhooks);
            session.status() != SessionStatus::Stopped
        };
        if is_running {
            self.launch(name);
        }
    }

    /// FAILED, and by itself back to STARTING and on, as WEBJS does.
    pub(super) fn flap(self: &Arc<Self>, name: &str, down: Duration) -> bool {
        let Some(run) = self.state().new_run(name, &self.shutdown) else { return false };
        self.enter(name, SessionStatus::Failed, None, Some(&run));
        let (world, name) = (Arc::clone(self), name.to_owned());
        tokio::spawn(async move {
            tokio::select! {
                () = run.cancelled() => {}
                () = tokio::time::sleep(down) => world.launch(&name),
            }
        });
        true
    }

    /// The WAHA process dies and comes back: what it had in memory is lost, its sessions start
    /// again.
    pub(super) fn restart_process(self: &Arc<Self>) {
        let running: Vec<String> = {
            let mut state = self.state();
            state.process.cancel();
            state.process = self.next_process();
            // Never the same value twice, however fast restarts follow each other.
            state.started_at_ms = self.clock.now_ms().max(state.started_at_ms + 1);
            let sessions = state.sessions.values_mut();
            sessions
                .filter(|session| session.status() != SessionStatus::Stopped)
                .map(|session| {
                    session.is_zombie = false;
                    session.name.to_string()
                })
                .collect()
        };
        for name in running {
            self.launch(&name);
        }
    }

    pub(super) fn summary(&self, name: &str) -> Option<SessionInfo> {
        self.state().sessions.get(name).map(Session::summary)
    }
}
