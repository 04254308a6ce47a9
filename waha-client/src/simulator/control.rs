//! Turning the simulator's knobs from Rust; `/simulator` offers the same over HTTP.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

use super::arrivals::Arrival;
use super::deliveries::Delivery;
use super::directory;
use super::door::DoorCommand;
use super::events::Event;
use super::faults::FaultRule;
use super::inbound::{Inbound, InboundReceipt};
use super::knobs::{Knobs, RecipientScript};
use super::posts::{WebhookCounts, WebhookPost};
use super::world::World;
use super::{SeededSession, Simulator};
use crate::wire::{MessageCapping, ReachoutTimelock, SessionStatus};

impl World {
    /// Sets up the sessions of the configuration.
    pub(super) fn seed(self: &Arc<Self>) {
        for session in &self.config.sessions {
            self.add_session(session);
        }
    }

    pub(super) fn add_session(self: &Arc<Self>, seeded: &SeededSession) -> bool {
        let (name, phone) = (&seeded.name, seeded.phone.as_deref());
        if !self.create_session(name, phone, seeded.config.clone()) {
            return false;
        }
        match seeded.status {
            SessionStatus::Stopped => {}
            // From here the QR codes go their way by themselves.
            SessionStatus::ScanQrCode | SessionStatus::Starting => self.launch(name),
            status => {
                self.force_status(name, status);
            }
        }
        true
    }

    pub(super) fn turn_knobs(&self, turn: impl FnOnce(&mut Knobs)) {
        let mut state = self.state();
        let mut knobs = (*state.knobs).clone();
        turn(&mut knobs);
        state.knobs = Arc::new(knobs.normalised());
    }

    /// Back to how it started: sessions, knobs and memory.
    pub(super) fn reset(self: &Arc<Self>) {
        {
            let mut state = self.state();
            state.process.cancel();
            state.process = self.next_process();
            for (_, session) in std::mem::take(&mut state.sessions) {
                session.run.cancel();
            }
            state.knobs = Arc::new(self.config.knobs.clone().normalised());
            state.messages.clear();
            state.arrivals.clear();
            state.posts.clear();
            state.keys.keys.clear();
        }
        self.seed();
    }

    /// Stops listening, and returns when nobody can connect any more.
    pub(super) async fn shut_door(&self, reopen_after: Option<Duration>) {
        let (shut, is_shut) = oneshot::channel();
        if self.door.send(DoorCommand::Shut { reopen_after, shut }).is_ok() {
            let _ = is_shut.await;
        }
    }

    pub(super) async fn open_door(&self) {
        let (open, is_open) = oneshot::channel();
        if self.door.send(DoorCommand::Open { open }).is_ok() {
            let _ = is_open.await;
        }
    }

    pub(super) fn deliveries(&self) -> Vec<Delivery> {
        let state = self.state();
        let delivered = state.messages.all().filter(|message| message.is_delivery());
        delivered.map(Delivery::from).collect()
    }

    pub(super) fn set_zombie(&self, session: &str, is_zombie: bool) -> bool {
        let mut state = self.state();
        let found = state.sessions.get_mut(session);
        found.map(|session| session.is_zombie = is_zombie).is_some()
    }

    pub(super) fn forbid_new_chats(&self, session: &str, forbidden: bool) -> bool {
        let mut state = self.state();
        let found = state.sessions.get_mut(session);
        found.map(|session| session.may_not_start_chats = forbidden).is_some()
    }

    pub(super) fn lock_new_chats(&self, session: &str, ends: Option<Value>) -> bool {
        let mut state = self.state();
        let Some(session) = state.sessions.get_mut(session) else { return false };
        session.me.reachout_timelock =
            ends.map(|ends| ReachoutTimelock { is_active: true, ends: Some(ends) });
        true
    }

    pub(super) fn cap_new_chats(&self, session: &str, capping: Option<MessageCapping>) -> bool {
        let mut state = self.state();
        let found = state.sessions.get_mut(session);
        found.map(|session| session.me.message_capping = capping).is_some()
    }

    pub(super) fn raise_event(self: &Arc<Self>, session: &str, name: &str, payload: Value) -> bool {
        let origin = self.state().origin(session);
        origin.map(|origin| self.emit(&origin, &[Event::new(name, payload)])).is_some()
    }
}

impl Simulator {
    /// How it behaves at present.
    #[must_use]
    pub fn knobs(&self) -> Knobs {
        (*self.world.knobs()).clone()
    }

    /// Changes how it behaves.
    pub fn turn_knobs(&self, turn: impl FnOnce(&mut Knobs)) {
        self.world.turn_knobs(turn);
    }

    /// Lets something go wrong with sends. Of several rules that fit, the oldest applies.
    pub fn add_fault(&self, rule: FaultRule) {
        self.turn_knobs(|knobs| knobs.faults.push(rule));
    }

    /// Lets all go well again, but for what scripts say of single recipients.
    pub fn clear_faults(&self) {
        self.turn_knobs(|knobs| knobs.faults.clear());
    }

    /// Says how one number behaves; the number may be written in any way.
    pub fn script_recipient(&self, number: &str, script: RecipientScript) {
        let number = directory::script_key(number);
        self.turn_knobs(|knobs| {
            knobs.recipients.insert(number, script);
        });
    }

    /// Adds a session; false if the name is taken.
    pub fn add_session(&self, session: &SeededSession) -> bool {
        self.world.add_session(session)
    }

    /// The status of a session; `None` if there is none of that name.
    #[must_use]
    pub fn status(&self, session: &str) -> Option<SessionStatus> {
        self.world.state().sessions.get(session).map(|session| session.status())
    }

    /// Waits until a session is in a status; false if there is no such session. Set a time limit.
    pub async fn wait_for_status(&self, session: &str, status: SessionStatus) -> bool {
        let watched =
            self.world.state().sessions.get(session).map(|session| session.status.subscribe());
        match watched {
            Some(mut watched) => watched.wait_for(|now| *now == status).await.is_ok(),
            None => false,
        }
    }

    /// Scans a session's QR code; false if it shows none.
    pub fn scan(&self, session: &str) -> bool {
        self.world.scan(session)
    }

    /// Puts a session into a status and leaves it there; false if there is no such session.
    pub fn set_status(&self, session: &str, status: SessionStatus) -> bool {
        self.world.force_status(session, status)
    }

    /// Lets a session fail and come back by itself, as WEBJS does; false if there is none.
    pub fn flap(&self, session: &str, down: Duration) -> bool {
        self.world.flap(session, down)
    }

    /// Makes a session look WORKING while nothing happens any more: sends are accepted, but no
    /// ack and no event follows. False if there is no such session.
    pub fn set_zombie(&self, session: &str, is_zombie: bool) -> bool {
        self.world.set_zombie(session, is_zombie)
    }

    /// Forbids one session to start new chats (`463`); false if there is no such session.
    pub fn forbid_new_chats(&self, session: &str, forbidden: bool) -> bool {
        self.world.forbid_new_chats(session, forbidden)
    }

    /// Has a session tell that WhatsApp lets it open no chats until then (a time as WAHA writes it), or
    /// that it does again; false if there is no such session.
    pub fn lock_new_chats(&self, session: &str, ends: Option<Value>) -> bool {
        self.world.lock_new_chats(session, ends)
    }

    /// Has a session tell how many chats it may open, or nothing of it; false if there is no such
    /// session.
    pub fn cap_new_chats(&self, session: &str, capping: Option<MessageCapping>) -> bool {
        self.world.cap_new_chats(session, capping)
    }

    /// Lets a message come in; `None` if there is no such session or it ignores such chats.
    pub fn receive(&self, session: &str, inbound: &Inbound) -> Option<InboundReceipt> {
        self.world.inject(session, inbound)
    }

    /// Acknowledges a sent message by hand; false if there is none of that id.
    pub fn acknowledge(&self, session: &str, raw_id: &str, level: i64) -> bool {
        self.world.acknowledge_now(session, raw_id, level)
    }

    /// Sends any event to a session's webhooks that want it; false if it has no events to send.
    pub fn raise_event(&self, session: &str, name: &str, payload: Value) -> bool {
        self.world.raise_event(session, name, payload)
    }

    /// Every send that arrived, in order, as far as it is remembered.
    #[must_use]
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals_after(0)
    }

    /// The sends that arrived after the one with this sequence number.
    #[must_use]
    pub fn arrivals_after(&self, sequence: u64) -> Vec<Arrival> {
        self.world.state().arrivals.after(sequence, usize::MAX)
    }

    /// How many sends ever arrived.
    #[must_use]
    pub fn arrival_count(&self) -> u64 {
        self.world.state().arrivals.total()
    }

    /// The messages sent through the API that WhatsApp has, oldest first: what recipients see.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.world.deliveries()
    }

    /// The latest attempts to post webhooks.
    #[must_use]
    pub fn webhook_posts(&self) -> Vec<WebhookPost> {
        self.world.state().posts.all()
    }

    /// What became of the webhooks so far.
    #[must_use]
    pub fn webhook_counts(&self) -> WebhookCounts {
        self.world.state().posts.counts
    }

    /// How many webhooks wait to be posted or repeated.
    #[must_use]
    pub fn waiting_webhooks(&self) -> usize {
        self.world.waiting_webhooks.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The WAHA process dies and comes back after `downtime`: connections are cut, undelivered
    /// webhooks lost, sessions start again, and `startTimestamp` is a new one.
    pub async fn restart(&self, downtime: Duration) {
        self.world.shut_door(None).await;
        self.world.restart_process();
        super::clock::pause(downtime).await;
        self.world.open_door().await;
    }

    /// Stops listening, until [`Self::listen_again`]: connecting is refused.
    pub async fn stop_listening(&self) {
        self.world.shut_door(None).await;
    }

    /// Listens again, at the same port.
    pub async fn listen_again(&self) {
        self.world.open_door().await;
    }

    /// Stops listening for a time. Returns once connecting is refused.
    pub async fn unreachable_for(&self, time: Duration) {
        self.world.shut_door(Some(time)).await;
    }

    /// Back to how it started: sessions, knobs and memory.
    pub fn reset(&self) {
        self.world.reset();
    }
}
