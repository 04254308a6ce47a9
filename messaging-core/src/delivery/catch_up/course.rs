//! Reading one session.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::vitals::{self, Ears};
use super::{CaughtUp, PAGES_A_SESSION, Stopped};
use crate::domain::failure::{Failure, FailureCode};
use crate::domain::filter::{MessageFilter, Portion};
use crate::domain::id::ProviderMessageId;
use crate::domain::message::applied::ChangeEffect;
use crate::domain::message::{Direction, Message, MessageRef, StatusChange};
use crate::domain::session::WatchedSession;
use crate::domain::status::{Status, StatusEvent};
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::ports::observer::Observation;
use crate::ports::provider_history::{HistoryCursor, HistoryQuery, HistoryRecord, Remembered};
use crate::ports::session_control::ProviderError;

/// What is younger may be on its way as a webhook, with more than is remembered: a file's address.
pub(super) const YOUNG: Duration = Duration::from_secs(30);

/// How far behind the latest message that was read a reading begins: some come late, and of those
/// that we sent it shows how far they got meanwhile.
const OVERLAP: Duration = Duration::from_secs(600);

/// How far back what we sent is looked through where webhooks may have been lost: it is often read
/// hours later.
const ACKS_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// How far back a session is read that was never read.
const FIRST_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// How often it is looked after messages that nobody has acknowledged.
const LOOK_AFTER_EVERY: Duration = Duration::from_secs(300);

/// At what age a message that nobody has acknowledged is asked about, once it is too old to be among
/// those that each reading shows.
const ASK_AT: [Duration; 4] = [
    Duration::from_secs(15 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(4 * 3600),
    Duration::from_secs(16 * 3600),
];

/// How many of each age are asked about at a time.
const ASKED_TOGETHER: u32 = 10;

/// How far this node has come with a session.
#[derive(Default)]
pub(super) struct Course {
    is_connected: bool,
    /// Not to be read before.
    due_at: Option<Timestamp>,
    /// Whether webhooks may have been lost since the reading before.
    is_after_outage: bool,
    reading: Option<Reading>,
    ears: Ears,
    /// When it was last looked after messages that nobody has acknowledged.
    looked_after_at: Option<Timestamp>,
}

/// A reading that is not at its end.
struct Reading {
    since: Timestamp,
    own_only: bool,
    cursor: Option<HistoryCursor>,
    /// When its first portion was asked for. What was written later, in a chat that had been read by
    /// then, it has not seen.
    began: Timestamp,
    /// When the latest of what was read was written.
    latest: Option<Timestamp>,
    leaves_young: bool,
}

impl Course {
    /// When it is, or was, to be read; `None` where that is later than `now`.
    pub(super) fn due_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.due_at.filter(|at| self.is_connected && *at <= now)
    }

    /// Whether a reading has not come to its end, and may go on at once.
    pub(super) fn has_more(&self) -> bool {
        self.reading.is_some()
    }

    pub(super) fn put_off(&mut self, until: Timestamp) {
        self.due_at = Some(until);
    }

    pub(super) fn is_connected(&mut self, has_restarted: bool, now: Timestamp) {
        if has_restarted || !self.is_connected {
            *self = Self {
                is_connected: true,
                due_at: Some(now),
                is_after_outage: true,
                ..Self::default()
            };
        }
    }

    pub(super) fn is_not_connected(&mut self) {
        *self = Self::default();
    }

    /// Reads on; gives how many portions were read.
    pub(super) async fn read(
        &mut self,
        gateway: &Gateway,
        session: &WatchedSession,
        every: Duration,
        done: &mut CaughtUp,
    ) -> Result<usize, Stopped> {
        let ports = gateway.ports();
        for read in 1..=PAGES_A_SESSION {
            let now = ports.clock.now();
            let reading = self.reading.get_or_insert_with(|| Reading::all_of(session, now));
            if reading.cursor.is_none() {
                reading.began = now;
            }
            let Reading { since, own_only, .. } = *reading;
            let query = HistoryQuery { since, own_only, after: reading.cursor.as_ref() };
            let page = ports.history.read(&session.place, query).await;
            let page = page.map_err(Stopped::Provider)?;
            let (settled, young): (Vec<_>, Vec<_>) =
                page.records.into_iter().partition(|record| record.at.plus(YOUNG) <= now);
            reading.leaves_young |= !young.is_empty();
            reading.latest = settled.iter().map(|record| record.at).chain(reading.latest).max();
            take(gateway, session, &settled, &mut self.ears, done).await?;
            reading.cursor = page.next;
            if reading.cursor.is_none() && self.end_reading(gateway, session, every, done).await? {
                return Ok(read);
            }
        }
        self.due_at = Some(ports.clock.now());
        Ok(PAGES_A_SESSION)
    }

    /// Comes to the end of a reading; tells whether no other follows at once.
    async fn end_reading(
        &mut self,
        gateway: &Gateway,
        session: &WatchedSession,
        every: Duration,
        done: &mut CaughtUp,
    ) -> Result<bool, Stopped> {
        let ports = gateway.ports();
        let now = ports.clock.now();
        let Some(ended) = &self.reading else { return Ok(true) };
        let (own_only, latest, leaves_young) = (ended.own_only, ended.latest, ended.leaves_young);
        // A reading may take hours, where the provider is away in the middle of it.
        let until = latest.map(|latest| latest.min(ended.began));
        if let (false, Some(until)) = (own_only, until)
            && session.read_until.is_none_or(|known| known < until)
        {
            ports.sessions.record_read(session.id, until).await?;
        }
        if !own_only {
            self.ears.read_to(latest);
        }
        self.reading = None;
        if self.is_after_outage && !own_only {
            self.reading = Some(Reading { leaves_young, ..Reading::own_of(session, now) });
            return Ok(false);
        }
        let is_after_outage = std::mem::take(&mut self.is_after_outage);
        // What was left for its webhook is soon looked for, where that may have been lost.
        let wait = if is_after_outage && leaves_young { every.min(YOUNG) } else { every };
        self.due_at = Some(now.plus(wait));
        if is_after_outage {
            // What was missed has its reason.
            self.ears.excuse();
        } else {
            let is_deaf = self.ears.judge();
            vitals::record_ears(gateway, session, is_deaf, now).await?;
        }
        self.look_after(gateway, session, now, done).await?;
        Ok(true)
    }

    /// Asks about messages that nobody has acknowledged for long.
    async fn look_after(
        &mut self,
        gateway: &Gateway,
        session: &WatchedSession,
        now: Timestamp,
        done: &mut CaughtUp,
    ) -> Result<(), Stopped> {
        let ports = gateway.ports();
        let Some(before) = self.looked_after_at else {
            self.looked_after_at = Some(now);
            return Ok(());
        };
        if now.since(before) < LOOK_AFTER_EVERY {
            return Ok(());
        }
        self.looked_after_at = Some(now);
        for age in ASK_AT {
            let filter = MessageFilter {
                session: Some(session.id),
                direction: Some(Direction::Outbound),
                status: Some(Status::Sent),
                from: Some(before.minus(age)),
                to: Some(now.minus(age)),
                ..MessageFilter::default()
            };
            let portion = Portion::Page { page: 1, limit: ASKED_TOGETHER };
            let unconfirmed = ports.messages.list(session.tenant, &filter, portion).await?.messages;
            let mut told = Vec::new();
            for message in &unconfirmed {
                let (Some(to), Some(id)) = (&message.to, &message.provider_message_id) else {
                    continue;
                };
                match ports.history.recall(&session.place, to, id).await {
                    Ok(found) => told.extend(found),
                    Err(ProviderError::Unavailable) => {
                        return Err(Stopped::Provider(ProviderError::Unavailable));
                    }
                    // Of this one it tells nothing.
                    Err(_) => {}
                }
            }
            take(gateway, session, &told, &mut self.ears, done).await?;
        }
        vitals::listen(gateway, session, now).await.map_err(Stopped::Store)
    }
}

impl Reading {
    fn all_of(session: &WatchedSession, now: Timestamp) -> Self {
        let since = match session.read_until {
            Some(until) => until.minus(OVERLAP),
            None => now.minus(FIRST_WITHIN),
        };
        Self::new(session, since, false, now)
    }

    fn own_of(session: &WatchedSession, now: Timestamp) -> Self {
        Self::new(session, now.minus(ACKS_WITHIN), true, now)
    }

    fn new(session: &WatchedSession, since: Timestamp, own_only: bool, now: Timestamp) -> Self {
        // What was there before the session was ours is not.
        let since = since.max(session.created_at);
        Self { since, own_only, cursor: None, began: now, latest: None, leaves_young: false }
    }
}

/// Takes in what of these says something new.
async fn take(
    gateway: &Gateway,
    session: &WatchedSession,
    records: &[HistoryRecord],
    ears: &mut Ears,
    done: &mut CaughtUp,
) -> Result<(), Stopped> {
    if records.is_empty() {
        return Ok(());
    }
    let ids: Vec<ProviderMessageId> = records.iter().map(|record| record.id.clone()).collect();
    let known = gateway.ports().messages.known_at_provider(session.id, &ids).await?;
    // By the id that each has now: one that was sent anew is not moved by what became of it before.
    let mut by_id: BTreeMap<&ProviderMessageId, &Message> = BTreeMap::new();
    for message in &known {
        by_id.extend(message.provider_message_id.as_ref().map(|id| (id, message)));
    }
    let now = gateway.ports().clock.now();
    let (mut messages, mut receipts) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for record in records {
        let HistoryRecord { id, at, what, .. } = record;
        if !seen.insert(id) {
            continue;
        }
        match (what, by_id.get(id)) {
            (Remembered::Received, Some(_)) => ears.heard(*at),
            (Remembered::Received, None) => messages.push((format!("read:message:{id}"), record)),
            (Remembered::Sent(Some(event)), Some(message)) => {
                if is_news(message, *event, now) {
                    receipts.push((format!("read:{event}:{id}"), record));
                } else if matches!(message.status, Status::Delivered | Status::Read) {
                    ears.heard(*at);
                }
            }
            // Sent from the telephone itself, or by an attempt whose id is not known yet.
            (Remembered::Sent(_), _) => {}
        }
    }
    let told = |(key, record): &(String, &HistoryRecord)| (key.clone(), record.report.clone());
    for (is_message, told_of) in [(true, &messages), (false, &receipts)] {
        if told_of.is_empty() {
            continue;
        }
        let taken = gateway.take_in(session, told_of.iter().map(told).collect()).await?;
        if let (true, Some(first)) = (taken > 0, told_of.iter().map(|(_, record)| record.at).min())
        {
            ears.missed(taken, first);
        }
        let taken = taken as u64;
        match is_message {
            true => done.messages += taken,
            false => done.receipts += taken,
        }
        if taken > 0 {
            let (messages, receipts) = if is_message { (taken, 0) } else { (0, taken) };
            tracing::info!(
                session.id = %session.id, messages, receipts,
                "session {} was caught up with", session.id
            );
            gateway.observe(Observation::CaughtUp { messages, receipts });
        }
    }
    Ok(())
}

/// Whether what became of a message is more than is known of it.
fn is_news(message: &Message, event: StatusEvent, now: Timestamp) -> bool {
    // An error is about one attempt. One that is sent anew may still have the id of the one before.
    if event == StatusEvent::Bounce && message.status != Status::Sent {
        return false;
    }
    let mut change = StatusChange::new(MessageRef::Id(message.id), event, now);
    if event == StatusEvent::Bounce {
        change.failure = Some(Failure::new(FailureCode::DeliveryError));
    }
    matches!(message.clone().apply(&change), ChangeEffect::Moved { .. })
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::conformance::build::{at, message};

    fn sent(status: Status) -> Message {
        Message { status, sent_at: Some(at(100_000)), attempts: 1, generation: 1, ..message(1) }
    }

    #[track_caller]
    fn check(status: Status, event: StatusEvent, expected: bool) {
        let news = is_news(&sent(status), event, at(200_000));
        assert_eq!(news, expected, "{event} of one {status}");
    }

    #[test]
    fn only_what_moves_a_message_is_news() {
        check(Status::Sent, StatusEvent::Accept, false);
        check(Status::Sent, StatusEvent::Deliver, true);
        check(Status::Delivered, StatusEvent::Deliver, false);
        check(Status::Delivered, StatusEvent::Read, true);
        check(Status::Read, StatusEvent::Deliver, false);
        check(Status::Sending, StatusEvent::Accept, true);
        check(Status::Sent, StatusEvent::Bounce, true);
        check(Status::Delivered, StatusEvent::Bounce, false);
    }

    #[test]
    fn an_error_of_an_earlier_attempt_is_no_news() {
        check(Status::Sending, StatusEvent::Bounce, false);
        check(Status::Retry, StatusEvent::Bounce, false);
    }

    #[test]
    fn a_session_is_read_from_where_it_was_read_to_but_not_from_before_it_was_ours() {
        let watched = |created: u64, read_until: Option<u64>| WatchedSession {
            created_at: at(created),
            read_until: read_until.map(at),
            ..vitals::tests::watched()
        };
        let since = |session: &WatchedSession| Reading::all_of(session, at(200_000_000)).since;
        assert_eq!(since(&watched(0, Some(100_000_000))), at(99_400_000));
        assert_eq!(since(&watched(99_900_000, Some(100_000_000))), at(99_900_000));
        assert_eq!(since(&watched(0, None)), at(200_000_000 - 24 * 3_600_000));
        assert_eq!(since(&watched(190_000_000, None)), at(190_000_000));
    }
}
