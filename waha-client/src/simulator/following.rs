//! What becomes of messages after their acceptance: acknowledgements, by script or by hand.

use std::sync::Arc;

use super::clock::pause;
use super::directory;
use super::events::Event;
use super::knobs::AckStep;
use super::messages::StoredMessage;
use super::world::World;
use crate::engine::Engine;
use crate::wire::SessionStatus;

/// Who reads along in a group, so that its acks have somebody to come from.
const READERS: [&str; 2] = ["12025550101@c.us", "12025550102@c.us"];

impl World {
    /// Lets a message go through its script.
    pub(super) fn follow(self: &Arc<Self>, message: &StoredMessage, script: Vec<AckStep>) {
        if script.is_empty() {
            return;
        }
        let world = Arc::clone(self);
        let (session, sequence) = (Arc::clone(&message.session), message.sequence);
        tokio::spawn(async move {
            let steps = async {
                for step in script {
                    pause(world.dice.delay(step.delay)).await;
                    if world.dice.happens(step.chance) {
                        world.acknowledge(&session, sequence, step.level).await;
                    }
                }
            };
            tokio::select! {
                () = world.shutdown.cancelled() => {}
                () = steps => {}
            }
        });
    }

    /// An acknowledgement comes from WhatsApp. While the session is away it waits there.
    async fn acknowledge(self: &Arc<Self>, session: &str, sequence: u64, level: i64) {
        let Some(mut status) = self.state().sessions.get(session).map(|it| it.status.subscribe())
        else {
            return;
        };
        if status.wait_for(|status| *status == SessionStatus::Working).await.is_ok() {
            self.announce_ack(session, sequence, level);
        }
    }

    /// An acknowledgement by hand; false if there is no such message of the session's own.
    pub(super) fn acknowledge_now(
        self: &Arc<Self>,
        session: &str,
        raw_id: &str,
        level: i64,
    ) -> bool {
        let sequence = self
            .state()
            .messages
            .find(session, raw_id)
            .filter(|message| message.from_me)
            .map(|message| message.sequence);
        sequence.is_some_and(|sequence| self.announce_ack(session, sequence, level))
    }

    fn announce_ack(self: &Arc<Self>, session: &str, sequence: u64, level: i64) -> bool {
        let (origin, view, message, tells_groups) = {
            let mut guard = self.state();
            let state = &mut *guard;
            let Some(owner) = state.sessions.get(session) else { return false };
            let engine = state.knobs.engine;
            if owner.is_zombie || (engine == Engine::Gows && level == 1) {
                return true;
            }
            let me = owner.me.clone();
            let webjs = owner.config.webjs.as_ref();
            let tells_groups = engine.takes_message_id()
                || webjs.and_then(|webjs| webjs.tags_events_on) == Some(true);
            let Some(message) = state.messages.by_sequence_mut(sequence) else { return false };
            // The store only goes forward; the event is sent as scripted, news or not.
            message.acknowledge(level);
            let message = message.clone();
            (state.origin(session), self.view(state, me), message, tells_groups)
        };
        let Some(origin) = origin else { return true };
        let now_ms = self.clock.now_ms();
        if directory::is_group(&message.chat) && level >= 2 {
            for reader in READERS.iter().filter(|_| tells_groups) {
                let participant = Some((*reader).to_owned());
                let message = StoredMessage { participant, ..message.clone() };
                self.emit(&origin, &[Event::of_ack(&view, &message, level, now_ms)]);
            }
        } else {
            self.emit(&origin, &[Event::of_ack(&view, &message, level, now_ms)]);
        }
        true
    }
}
