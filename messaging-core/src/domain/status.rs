//! The states of a message and the one function that moves it from one to the next.

use crate::named::named_enum;

named_enum! {
    /// Where a message stands.
    pub enum Status {
        /// Accepted and kept; not tried yet.
        Queued = "queued",
        /// An attempt has been committed and may be under way.
        Sending = "sending",
        /// An attempt did not succeed; another will follow.
        Retry = "retry",
        /// The provider has accepted it.
        Sent = "sent",
        /// It has reached the recipient's device.
        Delivered = "delivered",
        /// The recipient has opened it.
        Read = "read",
        /// It will not be sent unless it is replayed.
        Failed = "failed",
        /// It failed, and somebody decided to leave it so.
        Discarded = "discarded",
        /// The tenant took it back before it was sent.
        Cancelled = "cancelled",
        /// Its time had passed before it could be sent.
        Expired = "expired",
        /// It came in.
        Received = "received",
    }
}

named_enum! {
    /// What can happen to a message.
    pub enum StatusEvent {
        /// An attempt begins (or, found `sending` after a crash, is taken up again).
        Begin = "begin",
        /// The provider has it: its answer or its first ack says so.
        Accept = "accept",
        /// The attempt did not succeed and counts; another will follow.
        Defer = "defer",
        /// Nothing was sent and the attempt does not count; another will follow.
        Hold = "hold",
        /// It cannot be sent.
        Fail = "fail",
        /// An ack: it reached the device.
        Deliver = "deliver",
        /// An ack: it was opened.
        Read = "read",
        /// An ack: the provider reports an error after it had accepted.
        Bounce = "bounce",
        /// The tenant takes it back.
        Cancel = "cancel",
        /// Its time has passed.
        Expire = "expire",
        /// Somebody wants a failed one tried again.
        Replay = "replay",
        /// Somebody leaves a failed one as it is.
        Discard = "discard",
    }
}

/// What an event does to a message in some status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The message moves.
    To(Status),
    /// True, but late or repeated: worth recording, and changes nothing.
    Keep,
    /// Cannot be: nothing is changed and nothing recorded.
    Refuse,
}

impl Status {
    /// Whether the message is still to be sent.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Queued | Self::Retry)
    }

    /// Those of a message to be sent in which what it says need not be known any more.
    pub const SAID: [Self; 6] =
        [Self::Sent, Self::Delivered, Self::Read, Self::Discarded, Self::Cancelled, Self::Expired];

    /// Whether nothing that the gateway does by itself will change the message any more.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Read
                | Self::Failed
                | Self::Discarded
                | Self::Cancelled
                | Self::Expired
                | Self::Received
        )
    }
}

impl StatusEvent {
    /// The status this event leads to wherever it moves a message at all.
    pub fn target(self) -> Status {
        match self {
            Self::Begin => Status::Sending,
            Self::Accept => Status::Sent,
            Self::Defer | Self::Hold => Status::Retry,
            Self::Fail | Self::Bounce => Status::Failed,
            Self::Deliver => Status::Delivered,
            Self::Read => Status::Read,
            Self::Cancel => Status::Cancelled,
            Self::Expire => Status::Expired,
            Self::Replay => Status::Queued,
            Self::Discard => Status::Discarded,
        }
    }

    /// The statuses from which this event moves a message.
    ///
    /// For stores that compare and set in one statement.
    pub fn sources(self) -> impl Iterator<Item = Status> {
        Status::ALL
            .iter()
            .copied()
            .filter(move |from| matches!(transition(*from, self), Transition::To(_)))
    }
}

/// What `event` does to a message that is in status `from`.
///
/// Status never goes backwards, with two exceptions: a message that is tried goes between
/// `sending` and `retry`, and a failed one is `queued` again by a replay. An ack proves that the
/// provider has the message, so it moves one that waits (its attempt's answer was lost) as well, and
/// one that was given up or taken back while nobody knew whether it had been sent.
pub fn transition(from: Status, event: StatusEvent) -> Transition {
    use Status::{
        Cancelled, Delivered, Discarded, Expired, Failed, Queued, Read, Received, Retry, Sending,
        Sent,
    };
    let moves = match event {
        StatusEvent::Begin => matches!(from, Queued | Retry | Sending),
        StatusEvent::Accept => {
            matches!(from, Queued | Retry | Sending | Failed | Discarded | Cancelled | Expired)
        }
        StatusEvent::Defer | StatusEvent::Hold => matches!(from, Sending),
        StatusEvent::Fail => matches!(from, Queued | Retry | Sending),
        StatusEvent::Deliver => {
            matches!(
                from,
                Queued | Retry | Sending | Sent | Failed | Discarded | Cancelled | Expired
            )
        }
        StatusEvent::Read => {
            matches!(
                from,
                Queued
                    | Retry
                    | Sending
                    | Sent
                    | Delivered
                    | Failed
                    | Discarded
                    | Cancelled
                    | Expired
            )
        }
        StatusEvent::Bounce => matches!(from, Retry | Sending | Sent),
        StatusEvent::Cancel | StatusEvent::Expire => matches!(from, Queued | Retry),
        StatusEvent::Replay | StatusEvent::Discard => matches!(from, Failed),
    };
    if moves {
        return Transition::To(event.target());
    }
    let tells_what_happened = matches!(
        event,
        StatusEvent::Accept
            | StatusEvent::Defer
            | StatusEvent::Fail
            | StatusEvent::Deliver
            | StatusEvent::Read
            | StatusEvent::Bounce
    );
    let was_tried =
        matches!(from, Sent | Delivered | Read | Failed | Discarded | Cancelled | Expired);
    match from {
        Received => Transition::Refuse,
        _ if tells_what_happened && was_tried => Transition::Keep,
        _ => Transition::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every status against every event: `-` is refused, `=` is kept as it is.
    const TABLE: &str = "
                begin    accept  defer   hold    fail    deliver    read  bounce  cancel     expire   replay   discard
    queued      sending  sent    -       -       failed  delivered  read  -       cancelled  expired  -        -
    sending     sending  sent    retry   retry   failed  delivered  read  failed  -          -        -        -
    retry       sending  sent    -       -       failed  delivered  read  failed  cancelled  expired  -        -
    sent        -        =       =       -       =       delivered  read  failed  -          -        -        -
    delivered   -        =       =       -       =       =          read  =       -          -        -        -
    read        -        =       =       -       =       =          =     =       -          -        -        -
    failed      -        sent    =       -       =       delivered  read  =       -          -        queued   discarded
    discarded   -        sent    =       -       =       delivered  read  =       -          -        -        -
    cancelled   -        sent    =       -       =       delivered  read  =       -          -        -        -
    expired     -        sent    =       -       =       delivered  read  =       -          -        -        -
    received    -        -       -       -       -       -          -     -       -          -        -        -
    ";

    #[test]
    fn every_event_does_to_every_status_what_the_table_says() {
        let mut rows = TABLE.lines().filter(|line| !line.trim().is_empty());
        let events: Vec<StatusEvent> = rows
            .next()
            .unwrap()
            .split_whitespace()
            .map(|name| StatusEvent::from_name(name).unwrap())
            .collect();
        assert_eq!(events, StatusEvent::ALL);
        let mut statuses = Vec::new();
        for row in rows {
            let mut cells = row.split_whitespace();
            let from = Status::from_name(cells.next().unwrap()).unwrap();
            statuses.push(from);
            for (event, cell) in events.iter().zip(cells.by_ref()) {
                let expected = match cell {
                    "-" => Transition::Refuse,
                    "=" => Transition::Keep,
                    name => Transition::To(Status::from_name(name).unwrap()),
                };
                assert_eq!(transition(from, *event), expected, "{event} on {from}");
            }
        }
        assert_eq!(statuses, Status::ALL);
    }

    #[test]
    fn an_event_always_leads_to_the_same_status() {
        for event in StatusEvent::ALL {
            for from in event.sources() {
                assert_eq!(transition(from, *event), Transition::To(event.target()));
            }
        }
    }

    #[test]
    fn no_sequence_of_acks_goes_backwards() {
        let rank = |status| match status {
            Status::Sent => 1,
            Status::Delivered => 2,
            Status::Read => 3,
            _ => 0,
        };
        let acks = [StatusEvent::Accept, StatusEvent::Deliver, StatusEvent::Read];
        for first in acks {
            for second in acks {
                let one = first.target();
                if let Transition::To(two) = transition(one, second) {
                    assert!(rank(two) > rank(one), "{first} then {second}");
                }
            }
        }
    }

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!(Status::from_name("SENT"), Some(Status::Sent));
        assert_eq!(Status::from_name("nonsense"), None);
    }
}
