//! Why a message waits, and until when.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::batch::Batch;
use crate::domain::id::{BatchId, SessionId, TenantId};
use crate::domain::message::Message;
use crate::domain::quota::{Quota, nth_permit};
use crate::domain::status::Status;
use crate::domain::timestamp::Timestamp;
use crate::gateway::{Gateway, Settings};
use crate::ports::queue::{HeldBy, MAX_POSITION, Position};

/// How long it is believed when a session sent latest.
const SENDS_BELIEVED_FOR: Duration = Duration::from_secs(1);

/// Of how many sessions that is remembered; then it begins anew.
const SENDS_KNOWN: usize = 10_000;

/// Why a message waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// What holds it.
    pub held_by: HeldBy,
    /// Until when, where that is known.
    pub until: Option<Timestamp>,
    /// How many messages of its session leave before it, counted to 10 000.
    pub ahead: u64,
    /// When it is likely to leave; `None` where nobody knows until when it is stopped.
    pub estimated_send_at: Option<Timestamp>,
}

impl Gateway {
    /// Why a message waits; `None` for one that does not.
    pub(super) async fn pacing(&self, message: &Message) -> Option<Pacing> {
        if !matches!(message.status, Status::Queued | Status::Retry | Status::Sending) {
            return None;
        }
        let ports = self.ports();
        let now = ports.clock.now();
        let position = match message.queue_item() {
            // A queue that cannot be asked tells nothing; the message itself is still told of.
            Some(item) if !message.held => ports.queue.position(&item).await.ok().flatten(),
            _ => None,
        };
        let (held_by, until) = match message.batch.filter(|_| message.held) {
            Some(batch) => self.held_by_bulk(message.tenant, batch, now).await,
            None => match held_by(message, position, now) {
                // The pause is shorter than what it is for.
                (HeldBy::Suspended, _) => {
                    (HeldBy::Suspended, self.stopped_until(message, now).await)
                }
                other => other,
            },
        };
        let ahead = match position {
            Some(position) => position.ahead,
            None => self.ahead_of_held(message).await,
        };
        let estimated_send_at = match (held_by, until) {
            (HeldBy::Suspended, None) => None,
            _ if position.is_some_and(|position| position.claimed) => Some(now),
            // It waits by itself; those before it do not wait with it.
            (HeldBy::Retry | HeldBy::Scheduled, Some(until))
                if message.batch.is_none() || held_by == HeldBy::Retry =>
            {
                Some(self.estimate(message.session, ahead, now, now).await.max(until))
            }
            // The whole session, or bulk request, waits.
            (_, until) => {
                let from = until.map_or(now, |until| until.max(now));
                Some(self.estimate(message.session, ahead, from, now).await)
            }
        };
        Some(Pacing { held_by, until, ahead, estimated_send_at })
    }

    /// How many messages of its session leave before one that the queue does not know: all that it
    /// knows, and of its bulk request those that are held back before it.
    async fn ahead_of_held(&self, message: &Message) -> u64 {
        let ports = self.ports();
        let queued = ports.queue.session_depth(message.session).await.unwrap_or(0);
        let held = match message.batch.filter(|_| message.held) {
            Some(batch) => ports.messages.held_before(batch, message.id).await.unwrap_or(0),
            None => 0,
        };
        queued.saturating_add(held).min(MAX_POSITION)
    }

    /// Until when the message's session is stopped, where that is known.
    async fn stopped_until(&self, message: &Message, now: Timestamp) -> Option<Timestamp> {
        let session = self.ports().sessions.find_any(message.session).await.ok().flatten()?;
        session.stopped_by(now)?.until
    }

    async fn held_by_bulk(
        &self,
        tenant: TenantId,
        batch: BatchId,
        now: Timestamp,
    ) -> (HeldBy, Option<Timestamp>) {
        // A store that cannot be asked tells nothing; the message itself is still told of.
        let batch = self.ports().messages.batch(tenant, batch).await.ok().flatten();
        match batch {
            Some(Batch { suspension: Some(suspension), .. }) if suspension.holds(now) => {
                (HeldBy::Suspended, suspension.until)
            }
            Some(Batch { send_at: Some(at), .. }) if at > now => (HeldBy::Scheduled, Some(at)),
            _ => (HeldBy::Bulk, None),
        }
    }

    /// When a message is likely to leave with so many before it, of which the first leaves at `from`:
    /// as the session's quota allows, of which its latest sends have used some.
    pub(super) async fn estimate(
        &self,
        session: SessionId,
        ahead: u64,
        from: Timestamp,
        now: Timestamp,
    ) -> Timestamp {
        let Settings { session_quota: Quota { limit, window }, clock_skew, .. } = *self.settings();
        let quota = Quota { limit, window: window + clock_skew };
        let sends = self.latest_sends(session, quota, now).await;
        nth_permit(quota, &sends, ahead, from)
    }

    /// When a session sent within its window, as the store has it, or had it a moment ago: many may
    /// ask about one session at once.
    async fn latest_sends(
        &self,
        session: SessionId,
        quota: Quota,
        now: Timestamp,
    ) -> Arc<[Timestamp]> {
        if let Some(sends) = self.inner.latest_sends.get(session, now) {
            return sends;
        }
        let since = now.minus(quota.window);
        let sends = self.ports().messages.attempts_since(session, since, now).await;
        // A store that cannot be asked makes the estimate worse, and no more.
        let sends: Arc<[Timestamp]> = sends.unwrap_or_default().into();
        self.inner.latest_sends.remember(session, &sends, now);
        sends
    }
}

/// When sessions sent latest, as it was found a moment ago.
#[derive(Default)]
pub(crate) struct LatestSends(Mutex<HashMap<SessionId, Sends>>);

/// When it was found, and what.
type Sends = (Timestamp, Arc<[Timestamp]>);

impl LatestSends {
    fn get(&self, session: SessionId, now: Timestamp) -> Option<Arc<[Timestamp]>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, sends) = known.get(&session)?;
        let is_fresh = *at <= now && now.since(*at) < SENDS_BELIEVED_FOR;
        is_fresh.then(|| Arc::clone(sends))
    }

    fn remember(&self, session: SessionId, sends: &Arc<[Timestamp]>, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= SENDS_KNOWN {
            known.clear();
        }
        known.insert(session, (now, Arc::clone(sends)));
    }
}

fn held_by(
    message: &Message,
    position: Option<Position>,
    now: Timestamp,
) -> (HeldBy, Option<Timestamp>) {
    if message.held {
        return (HeldBy::Scheduled, Some(message.due_at));
    }
    let Some(position) = position else { return (HeldBy::Queue, None) };
    match position.pause {
        _ if position.claimed => (HeldBy::Ready, None),
        Some(pause) if pause.until > now => (pause.why, Some(pause.until)),
        _ if position.due_at > now => (HeldBy::Retry, Some(position.due_at)),
        _ if position.ahead > 0 => (HeldBy::Queue, None),
        _ => (HeldBy::Ready, None),
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::conformance::build::{at, message};
    use crate::ports::queue::Pause;

    const IDLE: fn() -> Position =
        || Position { ahead: 0, due_at: at(0), pause: None, claimed: false };

    #[track_caller]
    fn check(position: Option<Position>, expected: (HeldBy, Option<Timestamp>)) {
        assert_eq!(held_by(&message(1), position, at(1000)), expected);
    }

    #[test]
    fn the_first_thing_in_the_way_is_the_reason() {
        let rate = Pause { until: at(5000), why: HeldBy::Rate };
        check(None, (HeldBy::Queue, None));
        check(Some(IDLE()), (HeldBy::Ready, None));
        check(Some(Position { ahead: 3, ..IDLE() }), (HeldBy::Queue, None));
        check(Some(Position { due_at: at(3000), ..IDLE() }), (HeldBy::Retry, Some(at(3000))));
        let paused = Position { pause: Some(rate), ahead: 3, ..IDLE() };
        check(Some(paused), (HeldBy::Rate, Some(at(5000))));
        check(Some(Position { claimed: true, ..paused }), (HeldBy::Ready, None));
    }

    #[test]
    fn a_message_whose_time_has_not_come_says_so() {
        let held = Message { held: true, due_at: at(5000), ..message(1) };
        assert_eq!(held_by(&held, None, at(0)), (HeldBy::Scheduled, Some(at(5000))));
    }

    #[test]
    fn a_pause_that_is_over_is_no_reason() {
        let over = Pause { until: at(1000), why: HeldBy::Session };
        check(Some(Position { pause: Some(over), ..IDLE() }), (HeldBy::Ready, None));
    }
}
