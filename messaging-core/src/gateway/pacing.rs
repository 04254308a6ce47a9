//! Why a message waits, and until when.

use std::time::Duration;

use crate::domain::batch::Batch;
use crate::domain::id::{BatchId, TenantId};
use crate::domain::message::Message;
use crate::domain::status::Status;
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::ports::queue::{HeldBy, Position};

/// Why a message waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// What holds it.
    pub held_by: HeldBy,
    /// Until when, where that is known.
    pub until: Option<Timestamp>,
    /// How many messages of its session leave before it, counted to 10 000.
    pub ahead: u64,
    /// When it is likely to leave.
    pub estimated_send_at: Timestamp,
}

impl Gateway {
    /// Why a message waits; `None` for one that does not.
    pub(super) async fn pacing(&self, message: &Message) -> Option<Pacing> {
        if !matches!(message.status, Status::Queued | Status::Retry | Status::Sending) {
            return None;
        }
        let now = self.ports().clock.now();
        let position = match message.queue_item() {
            // A queue that cannot be asked tells nothing; the message itself is still told of.
            Some(item) => self.ports().queue.position(&item).await.ok().flatten(),
            None => None,
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
        let ahead = position.map_or(0, |position| position.ahead);
        let estimated_send_at = until.map_or(now, |until| until.max(now));
        let estimated_send_at = self.estimate(ahead, estimated_send_at);
        Some(Pacing { held_by, until, ahead, estimated_send_at })
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

    /// When a message is likely to leave with so many before it: the quota's worth at once, then
    /// as many again with each window.
    pub(super) fn estimate(&self, ahead: u64, from: Timestamp) -> Timestamp {
        let quota = self.settings().session_quota;
        let windows = u32::try_from(ahead / u64::from(quota.limit.max(1))).unwrap_or(u32::MAX);
        let wait = quota.window.checked_mul(windows).unwrap_or(Duration::MAX);
        from.plus(wait)
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
        _ if position.due_at > now => (position.why, Some(position.due_at)),
        _ if position.ahead > 0 => (HeldBy::Queue, None),
        _ => (HeldBy::Ready, None),
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::conformance::build::{at, message};
    use crate::domain::urgency::Lane;
    use crate::ports::queue::Pause;

    const IDLE: fn() -> Position = || Position {
        ahead: 0,
        due_at: at(0),
        why: HeldBy::Retry,
        lane: Lane::Known,
        pause: None,
        claimed: false,
    };

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
        let spaced = Position { due_at: at(3000), why: HeldBy::Recipient, ..IDLE() };
        check(Some(spaced), (HeldBy::Recipient, Some(at(3000))));
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
