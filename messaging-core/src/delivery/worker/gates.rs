//! What holds one message, or those like it, while the rest of its session goes on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::delivery::worker::{Next, Worker};
use crate::domain::address::RecipientKey;
use crate::domain::message::{Message, QueueItem};
use crate::domain::new_chats::DAY;
use crate::domain::quota::Quota;
use crate::domain::session::Session;
use crate::domain::timestamp::Timestamp;
use crate::domain::urgency::Lane;
use crate::gateway::error::GatewayError;
use crate::gateway::sessions::RECHECK_AFTER;
use crate::ports::observer::Observation;
use crate::ports::queue::{HeldBy, Pause, PauseScope};
use crate::ports::rate_limiter::RateKey;

/// How many recipients are remembered before those are forgotten that matter no more.
const REMEMBERED: usize = 10_000;

/// When this node was last answered for a send to each recipient, for as long as it matters.
#[derive(Default)]
pub(super) struct Answered(Mutex<HashMap<RecipientKey, Timestamp>>);

impl Answered {
    /// A send was answered. What is older than `spacing` matters no more.
    pub(super) fn note(&self, recipient: RecipientKey, at: Timestamp, spacing: Duration) {
        // Nothing panics while holding it, and a map is never half changed.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.retain(|_, answered| answered.plus(spacing) > at);
        }
        known.insert(recipient, at);
    }

    fn of(&self, recipient: RecipientKey) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&recipient).copied()
    }
}

impl Worker {
    /// Holds what would open a chat, where its session may open none at present.
    pub(super) async fn hold_new_chat(
        &self,
        message: &Message,
        item: &QueueItem,
        session: &Session,
    ) -> Result<Option<Next>, GatewayError> {
        let ports = self.gateway.ports();
        let now = ports.clock.now();
        let limits = self.gateway.new_chat_limits(session);
        let restricted = session.new_chats.restricted(now);
        if item.lane == Lane::Known || (restricted.is_none() && !limits.any()) {
            return Ok(None);
        }
        if self.gateway.is_chat_open(item).await {
            // It was opened since the message was accepted.
            self.gateway.queued(ports.queue.open_chat(session.id, item.recipient).await);
            return Ok(None);
        }
        if let Some(restriction) = restricted {
            return self.pause_new_chats(session, HeldBy::Restricted, restriction.until).await;
        }
        // It may have opened its chat already, and counts as if it had: to hold it back as well would
        // keep others of its kind, and itself, waiting for ever.
        if message.may_be_out() {
            return Ok(None);
        }
        // Nodes' clocks may differ by as much.
        let skew = self.gateway.settings().clock_skew;
        let since = now.minus(DAY + skew);
        let recipient = item.recipient;
        // What may have been sent counts at present: a moment later than what was, to be told from it.
        let present = now.plus(Duration::from_micros(1));
        let opened = ports.messages.chats_opened(session.id, since, recipient, present).await?;
        let next_after = |opened: &[Timestamp]| {
            let next = limits.next_opening(session.id, opened, now.minus(skew));
            next.map(|at| at.plus(skew))
        };
        let Some(until) = next_after(&opened) else { return Ok(None) };
        // Where nothing but what may have been sent is in the way, that must come to its end: only this
        // message waits, and looks again soon.
        let surely: Vec<_> = opened.iter().copied().filter(|at| *at <= now).collect();
        if next_after(&surely).is_none() {
            let why = HeldBy::NewChats;
            self.gateway.observe(Observation::Held { why });
            let again = until.min(now.plus(RECHECK_AFTER)).max(now.plus(skew));
            return Ok(Some(Next::Again(again, why)));
        }
        self.pause_new_chats(session, HeldBy::NewChats, until).await
    }

    /// Holds all that would open chats through a session, and leaves the message in its place.
    async fn pause_new_chats(
        &self,
        session: &Session,
        why: HeldBy,
        until: Timestamp,
    ) -> Result<Option<Next>, GatewayError> {
        let ports = self.gateway.ports();
        let now = ports.clock.now();
        let until = until.max(now.plus(self.gateway.settings().clock_skew));
        self.gateway.observe(Observation::Held { why });
        let pause = Pause { until, why };
        let told = ports.queue.pause(session.id, PauseScope::NewChats, pause).await;
        // Not paused: the message itself must wait, or it would be claimed again at once.
        let at = if told.is_ok() { now } else { until };
        Ok(Some(Next::Again(at, why)))
    }

    /// When a recipient to whom something was sent a moment ago may be sent something again, as far as
    /// this node knows by itself.
    pub(super) fn spaced_until(&self, recipient: RecipientKey) -> Option<Timestamp> {
        let spacing = self.gateway.settings().recipient_spacing;
        let now = self.gateway.ports().clock.now();
        let next = self.answered.of(recipient)?.plus(spacing);
        // A clock that was set back makes nobody wait for longer than usual.
        (next > now && next <= now.plus(spacing)).then_some(next)
    }

    /// What is counted of messages to a recipient, over all nodes, and how far apart they must be;
    /// `None` where they may follow at once.
    pub(super) fn spacing(
        &self,
        session: &Session,
        recipient: RecipientKey,
    ) -> Option<(RateKey, Quota)> {
        let window = self.gateway.settings().recipient_spacing;
        let quota = Quota { limit: 1, window };
        (!window.is_zero()).then_some((RateKey::Recipient(session.id, recipient), quota))
    }

    /// Puts a message back whose recipient was sent another a moment ago. Nobody else waits for it.
    pub(super) fn space_out(&self, until: Timestamp) -> Next {
        let why = HeldBy::Recipient;
        self.gateway.observe(Observation::Held { why });
        // To a queue that was asked by a node whose clock is ahead, a shorter wait is none: the message
        // would be handed out again at once.
        let now = self.gateway.ports().clock.now();
        Next::Again(until.max(now.plus(self.gateway.settings().clock_skew)), why)
    }
}
