//! Whether a connected session does what it should.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::filter::{MessageFilter, Portion};
use crate::domain::message::{Direction, Message};
use crate::domain::session::{SessionHealth, WatchedSession};
use crate::domain::status::Status;
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::ports::observer::Observation;

/// After so many things in a row that no webhook told, a session is deaf.
const DEAF_AFTER: usize = 3;

/// After so many messages in a row that nobody acknowledges, a session is silent, ...
const SILENT_AFTER: usize = 5;

/// ... where they went to at least so many people: one telephone may be off.
const TO_SEVERAL: usize = 3;

/// How long an acknowledgement may take before its lack says anything.
const ACKED_WITHIN: Duration = Duration::from_secs(300);

/// How far back is looked for messages that nobody has acknowledged.
const LOOK_BACK: Duration = Duration::from_secs(24 * 3600);

/// Whether what is read from the provider had been told by webhooks.
#[derive(Debug, Default)]
pub(super) struct Ears {
    /// When the latest was written that had been read when this reading began; `None` before the
    /// first: then nobody can say what should have been told.
    read_before: Option<Timestamp>,
    /// Whether this reading found something that a webhook had told.
    heard: bool,
    /// How much in a row no webhook told, and since when.
    missed: usize,
    missed_since: Option<Timestamp>,
}

impl Ears {
    /// A reading came to its end, whose latest was written at `latest`.
    pub(super) fn read_to(&mut self, latest: Option<Timestamp>) {
        self.read_before = self.read_before.max(latest);
    }

    /// What was missed has its reason.
    pub(super) fn excuse(&mut self) {
        *self = Self { read_before: self.read_before, ..Self::default() };
    }

    /// What was written at `at` is known already.
    pub(super) fn heard(&mut self, at: Timestamp) {
        // What had been read before is known from then.
        self.heard |= self.read_before.is_some_and(|before| before < at);
    }

    /// So much was not known, the oldest written at `at`.
    pub(super) fn missed(&mut self, count: usize, at: Timestamp) {
        self.missed += count;
        self.missed_since = Some(self.missed_since.map_or(at, |since| since.min(at)));
    }

    /// At the end of a reading: whether the session is deaf, and since when; `None` where that cannot
    /// be told.
    pub(super) fn judge(&mut self) -> Option<Option<Timestamp>> {
        if std::mem::take(&mut self.heard) {
            (self.missed, self.missed_since) = (0, None);
            return Some(None);
        }
        (self.missed >= DEAF_AFTER).then_some(self.missed_since)
    }
}

/// Whether nobody acknowledges what a session sends, and since when. `sent` is what nobody has,
/// newest first; `acked` the latest that somebody has. `None` where that cannot be told.
fn silence(
    sent: &[Message],
    acked: Option<Timestamp>,
    now: Timestamp,
) -> Option<Option<Timestamp>> {
    let overdue = sent.iter().filter_map(|message| Some((message, message.sent_at?)));
    let overdue = overdue.filter(|(_, sent_at)| sent_at.plus(ACKED_WITHIN) <= now);
    let run: Vec<_> = overdue.take(SILENT_AFTER).collect();
    let since = run.iter().map(|(_, sent_at)| *sent_at).min();
    let people: BTreeSet<&str> =
        run.iter().filter_map(|(message, _)| Some(message.to.as_ref()?.as_str())).collect();
    if run.len() < SILENT_AFTER || people.len() < TO_SEVERAL {
        // Too few to say that it is; an ack says that it is not.
        return acked.map(|_| None);
    }
    Some(since.filter(|since| acked.is_none_or(|acked| acked < *since)))
}

/// Looks whether what a session sent is acknowledged.
pub(super) async fn listen(
    gateway: &Gateway,
    session: &WatchedSession,
    now: Timestamp,
) -> Result<(), GatewayError> {
    if session.health == SessionHealth::Deaf {
        return Ok(());
    }
    let latest = async |status, limit| {
        let filter = MessageFilter {
            session: Some(session.id),
            direction: Some(Direction::Outbound),
            status: Some(status),
            from: Some(now.minus(LOOK_BACK)),
            ..MessageFilter::default()
        };
        let portion = Portion::Page { page: 1, limit };
        gateway.ports().messages.list(session.tenant, &filter, portion).await
    };
    let sent = latest(Status::Sent, 20).await?.messages;
    if sent.len() < SILENT_AFTER && session.health == SessionHealth::Ok {
        return Ok(());
    }
    let mut acked = None;
    for status in [Status::Delivered, Status::Read] {
        let found = latest(status, 1).await?.messages;
        acked = acked.max(found.first().and_then(|message| message.sent_at));
    }
    match silence(&sent, acked, now) {
        Some(Some(since)) => record(gateway, session, SessionHealth::Silent, since).await,
        Some(None) => record(gateway, session, SessionHealth::Ok, now).await,
        None => Ok(()),
    }
}

/// Records whether a session is deaf, where that can be told.
pub(super) async fn record_ears(
    gateway: &Gateway,
    session: &WatchedSession,
    is_deaf: Option<Option<Timestamp>>,
    now: Timestamp,
) -> Result<(), GatewayError> {
    match is_deaf {
        Some(Some(since)) => record(gateway, session, SessionHealth::Deaf, since).await,
        Some(None) if session.health == SessionHealth::Deaf => {
            record(gateway, session, SessionHealth::Ok, now).await
        }
        _ => Ok(()),
    }
}

/// Records that nothing is to be said of a session.
pub(super) async fn record_well(
    gateway: &Gateway,
    session: &WatchedSession,
    now: Timestamp,
) -> Result<(), GatewayError> {
    record(gateway, session, SessionHealth::Ok, now).await
}

async fn record(
    gateway: &Gateway,
    session: &WatchedSession,
    health: SessionHealth,
    since: Timestamp,
) -> Result<(), GatewayError> {
    if session.health == health
        || !gateway.ports().sessions.record_health(session.id, health, since).await?
    {
        return Ok(());
    }
    gateway.inner.directory.forget(|known| known.id == session.id);
    gateway.observe(Observation::Health { health });
    match health {
        SessionHealth::Ok => {
            tracing::info!(session.id = %session.id, "session {} is well", session.id);
        }
        SessionHealth::Silent => tracing::warn!(
            session.id = %session.id,
            "session {} is silent: connected, and nothing that it sends is acknowledged", session.id
        ),
        SessionHealth::Deaf => tracing::warn!(
            session.id = %session.id,
            "session {} is deaf: its webhooks do not reach us", session.id
        ),
    }
    Ok(())
}

#[cfg(all(test, feature = "testing"))]
pub(super) mod tests {
    use super::*;
    use crate::conformance::build::{address, at, message, session};

    pub(in crate::delivery::catch_up) fn watched() -> WatchedSession {
        let session = session(1);
        WatchedSession {
            id: session.id,
            tenant: session.tenant,
            place: session.place,
            status: session.status,
            health: SessionHealth::Ok,
            read_until: None,
            created_at: session.created_at,
        }
    }

    fn sent(count: u64, people: u64) -> Vec<Message> {
        let one = |n: u64| Message {
            status: Status::Sent,
            to: Some(address(n % people)),
            sent_at: Some(at(n * 1000)),
            ..message(n)
        };
        (1..=count).rev().map(one).collect()
    }

    const LATER: u64 = 10_000_000;

    #[test]
    fn five_messages_to_several_people_that_nobody_acknowledges_are_silence() {
        assert_eq!(silence(&sent(5, 3), None, at(LATER)), Some(Some(at(1000))));
        assert_eq!(silence(&sent(9, 3), None, at(LATER)), Some(Some(at(5000))));
        assert_eq!(silence(&sent(4, 3), None, at(LATER)), None);
        assert_eq!(silence(&sent(5, 2), None, at(LATER)), None);
    }

    #[test]
    fn an_ack_may_take_five_minutes() {
        assert_eq!(silence(&sent(5, 3), None, at(304_999)), None);
        assert_eq!(silence(&sent(5, 3), None, at(305_000)), Some(Some(at(1000))));
    }

    #[test]
    fn an_ack_among_them_ends_the_silence() {
        assert_eq!(silence(&sent(5, 3), Some(at(999)), at(LATER)), Some(Some(at(1000))));
        assert_eq!(silence(&sent(5, 3), Some(at(3500)), at(LATER)), Some(None));
        assert_eq!(silence(&[], Some(at(1)), at(LATER)), Some(None));
    }

    #[test]
    fn three_things_in_a_row_that_no_webhook_told_make_a_session_deaf() {
        let mut ears = Ears::default();
        ears.read_to(Some(at(0)));
        ears.missed(2, at(20));
        assert_eq!(ears.judge(), None);
        ears.missed(1, at(40));
        assert_eq!(ears.judge(), Some(Some(at(20))));
        ears.heard(at(50));
        assert_eq!(ears.judge(), Some(None));
        ears.missed(2, at(60));
        assert_eq!(ears.judge(), None);
        ears.excuse();
        ears.missed(2, at(70));
        assert_eq!(ears.judge(), None);
    }

    #[test]
    fn what_was_read_before_proves_no_hearing() {
        let mut ears = Ears::default();
        ears.missed(3, at(150));
        // Before the first reading nobody can say.
        ears.heard(at(160));
        assert_eq!(ears.judge(), Some(Some(at(150))));
        ears.read_to(Some(at(150)));
        ears.heard(at(150));
        assert_eq!(ears.judge(), Some(Some(at(150))));
        ears.heard(at(151));
        assert_eq!(ears.judge(), Some(None));
    }
}
