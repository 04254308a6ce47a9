//! A transport of your own: here one that writes messages on a notice board, where anybody would
//! plug in SMS, e-mail or another WhatsApp provider. The tests below run the suite that every
//! transport of this project runs; the core is not touched.
//!
//! ```sh
//! cargo run -p examples --example write_your_own_transport
//! cargo test -p examples --example write_your_own_transport
//! ```

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use messaging_core::domain::address::Address;
use messaging_core::domain::content::Content;
use messaging_core::domain::failure::{Failure, FailureCode};
use messaging_core::domain::id::ProviderMessageId;
use messaging_core::domain::session::ProviderSession;
use messaging_core::ports::transport::{
    Envelope, Found, Later, LaterReason, Lookup, Preparation, Route, SendOutcome, Transport,
};

/// A board with a place for each message id: pinning the same id twice leaves one note.
#[derive(Default)]
struct NoticeBoard {
    notes: Mutex<BTreeMap<ProviderMessageId, String>>,
    trouble: Mutex<Trouble>,
}

/// What may be wrong with the board; tests bring it about.
#[derive(Default, Clone, Copy, PartialEq)]
enum Trouble {
    #[default]
    None,
    /// The next note is pinned, but whoever brings it is not told.
    AnswerLost,
    /// The board is covered.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the suite brings it about"))]
    Closed,
    /// There is no way to the board.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the suite brings it about"))]
    NoWay,
}

impl NoticeBoard {
    fn later(&self) -> Option<Later> {
        let reason = match *lock(&self.trouble) {
            Trouble::None | Trouble::AnswerLost => return None,
            Trouble::Closed => LaterReason::SessionNotWorking,
            Trouble::NoWay => LaterReason::Unreachable,
        };
        Some(Later { reason, after: None })
    }
}

#[async_trait]
impl Transport for NoticeBoard {
    async fn prepare<'a>(&self, envelope: Envelope<'a>) -> Preparation {
        match (self.later(), envelope.to) {
            (Some(later), _) => Preparation::TryLater(later),
            // Only people can read; groups do not stand before a board.
            (None, Address::Chat(_) | Address::Sealed(_)) => {
                Preparation::Rejected(Failure::new(FailureCode::NotOnWhatsapp))
            }
            (None, Address::Phone(phone)) => {
                let chat = phone.as_str().to_owned();
                Preparation::Ready(Route { chat, takes_id: true })
            }
        }
    }

    async fn send<'a>(
        &self,
        envelope: Envelope<'a>,
        _route: &Route,
        id: Option<&'a ProviderMessageId>,
    ) -> SendOutcome {
        if let Some(later) = self.later() {
            return SendOutcome::TryLater(later);
        }
        let Some(id) = id else {
            return SendOutcome::Rejected(Failure::new(FailureCode::NotSupported));
        };
        lock(&self.notes).insert(id.clone(), envelope.content.body.clone());
        let trouble = std::mem::take(&mut *lock(&self.trouble));
        if trouble == Trouble::AnswerLost {
            return SendOutcome::Unknown;
        }
        SendOutcome::Accepted { id: Some(id.clone()) }
    }

    async fn find_sent<'a>(&self, lookup: Lookup<'a>) -> Found {
        match (self.later(), lookup.id) {
            (Some(later), _) => Found::TryLater(later),
            (None, Some(id)) if lock(&self.notes).contains_key(id) => Found::Sent(id.clone()),
            (None, _) => Found::Absent,
        }
    }

    fn longest_attempt(&self) -> Duration {
        Duration::from_secs(1)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is what the example shows")]
async fn main() {
    let board = NoticeBoard::default();
    let session = ProviderSession { server: "hall".into(), name: "left wall".into() };
    let (to, content) = (Address::from_stored("+5511988887777"), Content::text("Lost: one glove"));
    let envelope = Envelope { session: &session, to: &to, content: &content };
    if let Preparation::Ready(route) = board.prepare(envelope).await {
        let id = ProviderMessageId("note-1".into());
        let outcome = board.send(envelope, &route, Some(&id)).await;
        println!("{outcome:?}; the board has {} note", lock(&board.notes).len());
    }
}

#[cfg(test)]
mod tests {
    use messaging_core::conformance::build::{address, at};
    use messaging_core::conformance::transport::{self, TransportFixture};
    use messaging_core::domain::timestamp::Timestamp;

    use super::*;

    #[async_trait]
    impl TransportFixture for NoticeBoard {
        fn transport(&self) -> &dyn Transport {
            self
        }

        fn session(&self) -> ProviderSession {
            ProviderSession { server: "hall".into(), name: "left wall".into() }
        }

        fn reachable(&self) -> Address {
            address(1)
        }

        fn absent(&self) -> Address {
            Address::from_stored("120363041234567890@g.us")
        }

        fn now(&self) -> Timestamp {
            at(0)
        }

        async fn delivered(&self) -> usize {
            lock(&self.notes).len()
        }

        async fn lose_next_answer(&self) {
            *lock(&self.trouble) = Trouble::AnswerLost;
        }

        async fn disconnect(&self) {
            *lock(&self.trouble) = Trouble::Closed;
        }

        async fn become_unreachable(&self) {
            *lock(&self.trouble) = Trouble::NoWay;
        }
    }

    macro_rules! behavior {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                transport::$name(&NoticeBoard::default()).await;
            }
        };
    }
    messaging_core::for_each_transport_behavior!(behavior);
}
