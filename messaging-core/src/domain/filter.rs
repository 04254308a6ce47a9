//! Which messages a caller asks for, and in what portions.

use crate::domain::address::Address;
use crate::domain::failure::FailureCode;
use crate::domain::id::{BatchId, MessageId, SessionId};
use crate::domain::message::{Direction, Message};
use crate::domain::sealed::Trapdoor;
use crate::domain::status::Status;
use crate::domain::timestamp::Timestamp;

/// The most messages one page may hold.
pub const MAX_PAGE_LIMIT: u32 = 100;

/// Conditions that must all hold; a condition that is `None` always does.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Through this session.
    pub session: Option<SessionId>,
    /// Of this bulk request.
    pub batch: Option<BatchId>,
    /// Going this way.
    pub direction: Option<Direction>,
    /// In this status.
    pub status: Option<Status>,
    /// With this reason of what went wrong.
    pub failure: Option<FailureCode>,
    /// Created at or after.
    pub from: Option<Timestamp>,
    /// Created at or before.
    pub to: Option<Timestamp>,
    /// Whose body, sender or recipient contains this text, in whatever case (of ASCII letters).
    pub search: Option<String>,
    /// The words of `search`, for messages that are sealed: those let through that have them all.
    /// Without any, none is.
    pub words: Vec<Trapdoor>,
    /// Whose metadata has this text as its `campaignId`.
    pub campaign: Option<String>,
}

impl MessageFilter {
    /// Whether all conditions hold for a message; what a store in a query language has to say in
    /// its own words.
    pub fn admits(&self, message: &Message) -> bool {
        self.session.is_none_or(|session| session == message.session)
            && self.batch.is_none_or(|batch| message.batch == Some(batch))
            && self.direction.is_none_or(|direction| direction == message.direction)
            && self.status.is_none_or(|status| status == message.status)
            && self
                .failure
                .is_none_or(|code| message.failure.as_ref().is_some_and(|it| it.code == code))
            && self.from.is_none_or(|from| from <= message.created_at)
            && self.to.is_none_or(|to| message.created_at <= to)
            && self.campaign.as_deref().is_none_or(|name| campaign(message) == Some(name))
            && self.search.as_deref().is_none_or(|text| match &message.sealed {
                Some(sealed) => sealed.terms.have_all(message.id, &self.words),
                None => mentions(message, text),
            })
    }
}

fn campaign(message: &Message) -> Option<&str> {
    message.metadata.as_ref()?.get("campaignId")?.as_str()
}

fn mentions(message: &Message, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let addresses = message.from.iter().chain(&message.to).map(Address::as_str);
    addresses
        .chain([message.content.body.as_str()])
        .any(|each| each.to_ascii_lowercase().contains(&text))
}

impl std::fmt::Debug for MessageFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageFilter").finish_non_exhaustive()
    }
}

/// Which portion of the messages, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portion {
    /// The `page`th page, from 1; inserts may shift it.
    Page {
        /// From 1.
        page: u32,
        /// How many a page.
        limit: u32,
    },
    /// What is older than the message named; inserts do not shift it.
    OlderThan {
        /// The last message seen.
        message: MessageId,
        /// How many at the most.
        limit: u32,
    },
}

/// One portion of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct MessagePage {
    /// Newest first.
    pub messages: Vec<Message>,
    /// How many there are in all.
    pub total: u64,
    /// Whether there are older ones behind the last.
    pub has_more: bool,
}

/// The fewest of a number's last digits by which what is sealed is found.
pub const MIN_DIGITS: usize = 4;

/// The digits of a text that is meant as a telephone number, or as the end of one: at least
/// [`MIN_DIGITS`], and besides them nothing but what people write between them. Digits as wide as
/// ideographs are digits.
pub fn number_sought(text: &str) -> Option<String> {
    let narrow = |c: char| match u32::from(c) {
        wide @ 0xFF01..=0xFF5E => char::from_u32(wide - 0xFEE0).unwrap_or(c),
        0x3000 => ' ',
        _ => c,
    };
    let text: String = text.chars().map(narrow).collect();
    let is_of_number =
        |c: char| c.is_ascii_digit() || matches!(c, ' ' | '+' | '-' | '(' | ')' | '.' | '/');
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (digits.len() >= MIN_DIGITS && text.chars().all(is_of_number)).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_sought_with_what_people_write_between_its_digits() {
        let check = |text, expected| assert_eq!(number_sought(text).as_deref(), expected, "{text}");
        check("+49 (151) 12-345", Some("4915112345"));
        check("2345", Some("2345"));
        check("＋４９　１５１", Some("49151"));
        for none in ["", "234", "order 12345", "12345x", "+-() ./", "१२३४५"] {
            check(none, None);
        }
    }
}
