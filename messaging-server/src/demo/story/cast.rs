//! Who is written to in the story, and how each of them should end.

use messaging_core::domain::failure::FailureCode;
use messaging_core::domain::message::{Direction, Message};
use messaging_core::domain::status::Status;
use waha_client::simulator::{Arrival, ContentKind, Fault, Inbound, RecipientScript};

/// At this number WhatsApp asks for fewer messages, twice.
pub(super) const BUSY: &str = "+12025550142";
/// This number is not on WhatsApp.
pub(super) const MISSING: &str = "+12025550199";
/// WAHA refuses messages to this number for good.
pub(super) const REFUSED: &str = "+12025550166";
/// A message to this number goes out, but WAHA's answer is lost.
pub(super) const ANSWER_LOST: &str = "+12025550117";

/// How many messages come in.
pub(super) const INBOUND: usize = 2;

/// What the simulator does with the numbers that are special.
pub(super) fn scripts() -> [(&'static str, RecipientScript); 4] {
    [
        (BUSY, RecipientScript::times(Fault::RateOverlimit, 2)),
        (MISSING, RecipientScript::missing()),
        (REFUSED, RecipientScript::always(Fault::Invalid)),
        (ANSWER_LOST, RecipientScript::times(Fault::AnswerLost, 1)),
    ]
}

/// What comes in.
pub(super) fn inbound() -> [Inbound; INBOUND] {
    let mut picture = Inbound::media("819012345678", ContentKind::Image);
    picture.text = Some("A picture back".to_owned());
    [Inbound::text("34612345678", "Hello back!"), picture]
}

/// What ended otherwise than it should; what arrived at the simulator counts too.
pub(super) fn unexpected(messages: &[Message], arrivals: &[Arrival]) -> Vec<String> {
    let mut wrong: Vec<String> = messages.iter().filter_map(difference).collect();
    let copies = arrivals
        .iter()
        .filter(|it| it.outcome.is_accepted() && it.chat_id.starts_with(&ANSWER_LOST[1..]))
        .count();
    if copies != 1 {
        wrong.push(format!("the message whose answer was lost went out {copies} times"));
    }
    wrong
}

fn difference(message: &Message) -> Option<String> {
    let to = message.to.as_ref().map_or("", |to| to.as_str());
    let read = |attempts| (Status::Read, Some(attempts), None);
    let (status, attempts, failure) = match (message.direction, to) {
        (Direction::Inbound, _) => (Status::Received, Some(0), None),
        (_, BUSY) => read(3),
        // Whether what is refused before it is sent was an attempt does not matter here.
        (_, MISSING) => (Status::Failed, None, Some(FailureCode::NotOnWhatsapp)),
        (_, REFUSED) => (Status::Failed, Some(1), Some(FailureCode::ProviderRejected)),
        _ => read(1),
    };
    let failed_for = message.failure.as_ref().map(|failure| failure.code);
    let as_expected = message.status == status
        && attempts.is_none_or(|attempts| message.attempts == attempts)
        && (status != Status::Failed || failed_for == failure);
    let (body, is, after) = (&message.content.body, message.status, message.attempts);
    (!as_expected).then(|| format!("{body:?} is {is} after {after} attempts, not {status}"))
}
