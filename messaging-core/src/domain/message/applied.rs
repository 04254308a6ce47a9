//! What an event does to a message: the one rule that every store applies.

use crate::domain::failure::{Failure, FailureCode};
use crate::domain::message::{Message, MessageEvent, OpenChat, Redaction, StatusChange};
use crate::domain::status::{Status, StatusEvent, Transition, transition};

/// What [`Message::apply`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeEffect {
    /// The message moved and is to be written back.
    Moved {
        /// The status before.
        from: Status,
        /// Whether this ended an attempt that counts against the session's quota. What a store
        /// answers [`attempts_since`](crate::ports::message_store::MessageStore::attempts_since)
        /// from.
        ends_attempt: bool,
        /// The chat that this opened, unless it was open before.
        opens: Option<OpenChat>,
        /// What to add to the message's history.
        line: MessageEvent,
    },
    /// The message stands where it stood, but may know more than before and is to be written back.
    Kept {
        /// The chat that it turns out to have opened, unless it was open before.
        opens: Option<OpenChat>,
        /// What to add to the message's history.
        line: MessageEvent,
    },
    /// Nothing was changed and nothing is to be recorded.
    Refused(Status),
}

impl Message {
    /// Applies `change` to this message, whichever message it names, as
    /// [`MessageStore::change`](crate::ports::message_store::MessageStore::change) describes it.
    pub fn apply(&mut self, change: &StatusChange) -> ChangeEffect {
        let from = self.status;
        let had_opened = self.open_chat().is_some();
        let is_of_latest_attempt =
            change.generation.is_none_or(|generation| generation == self.generation);
        let transition = match transition(from, change.event) {
            // That the provider has accepted it came before the provider's error, not after it.
            Transition::To(_) if change.event == StatusEvent::Accept && self.has_bounced() => {
                Transition::Keep
            }
            // What it said, or to whom it was to go, is not known any more.
            Transition::To(_)
                if change.event == StatusEvent::Replay
                    && (self.redaction == Some(Redaction::Done) || self.to.is_none()) =>
            {
                Transition::Refuse
            }
            other => other,
        };
        match transition {
            Transition::To(to) if is_of_latest_attempt => {
                self.move_to(to, change);
                let ends_attempt = from == Status::Sending && change.event != StatusEvent::Hold;
                let opens = self.open_chat().filter(|_| !had_opened);
                ChangeEffect::Moved { from, ends_attempt, opens, line: self.line_about(change) }
            }
            Transition::Keep if is_of_latest_attempt => {
                self.learn_from(change);
                let opens = self.open_chat().filter(|_| !had_opened);
                ChangeEffect::Kept { opens, line: self.line_about(change) }
            }
            Transition::To(_) | Transition::Keep | Transition::Refuse => {
                ChangeEffect::Refused(from)
            }
        }
    }

    fn has_bounced(&self) -> bool {
        matches!(self.status, Status::Failed | Status::Discarded)
            && self.failure.as_ref().is_some_and(|it| it.code == FailureCode::DeliveryError)
    }

    fn move_to(&mut self, to: Status, change: &StatusChange) {
        self.status = to;
        // What has moved is past being held back.
        self.held = false;
        // Providers' clocks differ from ours, and their events come late.
        self.updated_at = self.updated_at.max(change.at);
        if change.provider_message_id.is_some() {
            self.provider_message_id.clone_from(&change.provider_message_id);
        }
        match change.event {
            StatusEvent::Begin => {
                self.generation += 1;
                self.attempts += 1;
            }
            StatusEvent::Hold => self.attempts = self.attempts.saturating_sub(1),
            StatusEvent::Accept | StatusEvent::Deliver | StatusEvent::Read => {
                self.failure = None;
                self.failed_at = None;
                self.reach(to, change);
            }
            StatusEvent::Fail | StatusEvent::Bounce => {
                self.failed_at = self.failed_at.or(Some(change.at));
            }
            StatusEvent::Replay => {
                self.attempts = 0;
                // Of an end that nobody knew, it is still to be found out before it is repeated.
                self.failure = self.failure.take().filter(Failure::is_unknown);
                self.sent_at = None;
                self.failed_at = None;
            }
            StatusEvent::Defer
            | StatusEvent::Cancel
            | StatusEvent::Expire
            | StatusEvent::Discard => {}
        }
        if matches!(
            change.event,
            StatusEvent::Defer | StatusEvent::Hold | StatusEvent::Fail | StatusEvent::Bounce
        ) && change.failure.is_some()
        {
            self.failure.clone_from(&change.failure);
        }
        if let (
            StatusEvent::Begin | StatusEvent::Defer | StatusEvent::Hold | StatusEvent::Replay,
            Some(due_at),
        ) = (change.event, change.due_at)
        {
            self.due_at = due_at;
        }
    }

    /// Sets the instant of `to` and of all that it implies, where they are not known.
    fn reach(&mut self, to: Status, change: &StatusChange) {
        self.sent_at = self.sent_at.or(Some(change.at));
        if matches!(to, Status::Delivered | Status::Read) {
            self.delivered_at = self.delivered_at.or(Some(change.at));
        }
        if to == Status::Read {
            self.read_at = self.read_at.or(Some(change.at));
        }
    }

    /// Takes from a late event what the message does not know yet.
    fn learn_from(&mut self, change: &StatusChange) {
        if self.provider_message_id.is_none() && change.provider_message_id.is_some() {
            self.provider_message_id.clone_from(&change.provider_message_id);
            self.updated_at = self.updated_at.max(change.at);
        }
        let proves_sent =
            matches!(change.event, StatusEvent::Accept | StatusEvent::Deliver | StatusEvent::Read);
        if proves_sent && self.sent_at.is_none() {
            self.sent_at = Some(change.at);
            self.updated_at = self.updated_at.max(change.at);
        }
    }

    fn line_about(&self, change: &StatusChange) -> MessageEvent {
        MessageEvent {
            at: change.at,
            event: Some(change.event),
            status: self.status,
            attempts: self.attempts,
            failure: change.failure.clone(),
        }
    }
}

impl MessageEvent {
    /// The first line of a new message's history.
    pub fn first_of(message: &Message) -> Self {
        Self {
            at: message.created_at,
            event: None,
            status: message.status,
            attempts: message.attempts,
            failure: message.failure.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::Address;
    use crate::domain::content::Content;
    use crate::domain::id::{MessageId, ProviderMessageId, SessionId, TenantId};
    use crate::domain::message::{Direction, MessageRef, Priority};
    use crate::domain::timestamp::Timestamp;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn message(status: Status) -> Message {
        Message {
            id: MessageId(uuid::Uuid::nil()),
            tenant: TenantId(uuid::Uuid::nil()),
            session: SessionId(uuid::Uuid::nil()),
            batch: None,
            direction: Direction::Outbound,
            from: None,
            to: Some(Address::from_stored("+14155552671")),
            content: Content::text("hello"),
            alias: None,
            sealed: None,
            redaction: None,
            priority: Priority::Normal,
            metadata: None,
            status,
            attempts: 1,
            generation: 1,
            held: false,
            due_at: at(0),
            expires_at: None,
            failure: Some(Failure::new(FailureCode::ProviderError)),
            provider_message_id: None,
            created_at: at(0),
            updated_at: at(0),
            sent_at: None,
            delivered_at: None,
            read_at: None,
            failed_at: None,
        }
    }

    fn change(event: StatusEvent) -> StatusChange {
        StatusChange::new(MessageRef::Id(MessageId(uuid::Uuid::nil())), event, at(9))
    }

    #[test]
    fn leaving_sending_ends_an_attempt_unless_it_was_held() {
        for event in StatusEvent::ALL {
            for from in event.sources() {
                let effect = message(from).apply(&change(*event));
                let ends = from == Status::Sending && *event != StatusEvent::Hold;
                assert!(
                    matches!(effect, ChangeEffect::Moved { ends_attempt, .. } if ends_attempt == ends),
                    "{event} on {from}"
                );
            }
        }
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        for event in StatusEvent::ALL {
            for from in Status::ALL {
                let (mut one, before) = (message(*from), message(*from));
                let stale = StatusChange { generation: Some(0), ..change(*event) };
                assert_eq!(one.apply(&stale), ChangeEffect::Refused(*from));
                assert_eq!(one, before);
            }
        }
    }

    #[test]
    fn what_was_erased_is_not_tried_again_and_can_be_left_so() {
        let mut erased = Message { to: None, ..message(Status::Failed) };
        let refused = erased.clone().apply(&change(StatusEvent::Replay));
        assert_eq!(refused, ChangeEffect::Refused(Status::Failed));
        let discarded = erased.apply(&change(StatusEvent::Discard));
        assert!(matches!(discarded, ChangeEffect::Moved { .. }));
    }

    #[test]
    fn a_message_that_was_sent_has_no_failure() {
        for event in [StatusEvent::Accept, StatusEvent::Deliver, StatusEvent::Read] {
            let mut one = message(Status::Sending);
            one.apply(&change(event));
            assert_eq!((one.failure, one.sent_at), (None, Some(at(9))), "{event}");
        }
    }

    #[test]
    fn a_late_event_fills_only_what_is_empty() {
        let learnt = StatusChange {
            provider_message_id: Some(ProviderMessageId("3EB0".into())),
            ..change(StatusEvent::Accept)
        };
        let bounced = Some(Failure::new(FailureCode::DeliveryError));
        let mut one = Message { failure: bounced, ..message(Status::Failed) };
        assert!(matches!(one.apply(&learnt), ChangeEffect::Kept { .. }));
        assert_eq!((one.status, one.sent_at), (Status::Failed, Some(at(9))));
        assert_eq!(one.provider_message_id, learnt.provider_message_id);

        let other = StatusChange {
            provider_message_id: Some(ProviderMessageId("3EB1".into())),
            at: at(10),
            ..learnt.clone()
        };
        let before = one.clone();
        one.apply(&other);
        assert_eq!(one, before);
    }

    #[test]
    fn time_does_not_go_back_with_a_provider_whose_clock_is_behind() {
        let mut one = Message { updated_at: at(20), ..message(Status::Sending) };
        one.apply(&change(StatusEvent::Deliver));
        assert_eq!((one.updated_at, one.delivered_at), (at(20), Some(at(9))));
    }
}
