//! Personal data in texts: what is found, by form and check digits, and what becomes of it.
//!
//! Everything is found in one pass over the text for each kind, with a bound on how far each looks
//! ahead and back, so the time taken grows with the text and no faster, whatever is in it.

mod email;
mod iban;
mod ip;
mod national;
mod number;

use std::borrow::Cow;
use std::ops::Range;

use crate::domain::content::{Attachment, Content};
use crate::domain::message::Redaction;
use crate::named::named_enum;

named_enum! {
    /// What becomes of personal data in a tenant's texts.
    pub enum PiiPolicy {
        /// Nothing.
        Off = "off",
        /// Texts are kept and sent as they are, and shown with what kind of data stood there in its
        /// place.
        Mask = "mask",
        /// As [`Mask`](Self::Mask), and what is shown is all that is kept: of what is received at once,
        /// of what is sent as soon as it need not be sent any more.
        Redact = "redact",
        /// A text to be sent that has any is refused; those received are shown masked.
        Refuse = "refuse",
    }
}

named_enum! {
    /// A kind of personal data.
    pub enum PiiKind {
        /// An e-mail address.
        Email = "email",
        /// A telephone number.
        Phone = "phone",
        /// The number of a payment card.
        Card = "card",
        /// The number of a bank account (ISO 13616).
        Iban = "iban",
        /// The address of a computer.
        IpAddress = "ip-address",
        /// The number by which a state knows a person.
        NationalId = "national-id",
    }
}

/// Personal data in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pii {
    /// Where, in bytes.
    pub span: Range<usize>,
    /// What it is.
    pub kind: PiiKind,
}

/// All personal data in a text, in order; none overlaps another.
pub fn find(text: &str) -> Vec<Pii> {
    let mut found = Vec::new();
    // Surest first: of two that overlap the first counts. A card's number has the form of a
    // telephone's, and an IBAN has both within.
    for (kind, spans) in [
        (PiiKind::Iban, iban::find(text)),
        (PiiKind::Email, email::find(text)),
        (PiiKind::IpAddress, ip::find(text)),
        (PiiKind::NationalId, national::find_with_letters(text)),
    ] {
        found.extend(spans.into_iter().map(|span| (span, kind)));
    }
    found.extend(number::find(text));
    let mut kept = Vec::with_capacity(found.len());
    // By where they begin, then by how sure they are, which a stable sort keeps.
    found.sort_by_key(|(span, kind)| (span.start, rank(*kind), usize::MAX - span.end));
    // A sweep: of each group that overlaps, the surest, then what does not overlap that.
    let mut group: Vec<(Range<usize>, PiiKind)> = Vec::new();
    let mut reach = 0;
    for (span, kind) in found {
        if span.start >= reach {
            settle(&mut group, &mut kept);
        }
        reach = reach.max(span.end);
        group.push((span, kind));
    }
    settle(&mut group, &mut kept);
    kept
}

/// Keeps of spans that overlap the surest, and those beside it.
fn settle(group: &mut Vec<(Range<usize>, PiiKind)>, kept: &mut Vec<Pii>) {
    group.sort_by_key(|(span, kind)| (rank(*kind), span.start, usize::MAX - span.end));
    let mut chosen: std::collections::BTreeMap<usize, (usize, PiiKind)> = Default::default();
    for (span, kind) in group.drain(..) {
        let before = chosen.range(..span.end).next_back();
        if before.is_none_or(|(_, (end, _))| *end <= span.start) {
            chosen.insert(span.start, (span.end, kind));
        }
    }
    kept.extend(chosen.into_iter().map(|(start, (end, kind))| Pii { span: start..end, kind }));
}

fn rank(kind: PiiKind) -> u8 {
    match kind {
        PiiKind::Iban => 0,
        PiiKind::Email => 1,
        PiiKind::Card => 2,
        PiiKind::NationalId => 3,
        PiiKind::IpAddress => 4,
        PiiKind::Phone => 5,
    }
}

/// The text with the kind of each personal datum in its place, such as `[email]`.
pub fn masked(text: &str) -> Cow<'_, str> {
    let found = find(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut from) = (String::with_capacity(text.len()), 0);
    for Pii { span, kind } in found {
        shown.push_str(text.get(from..span.start).unwrap_or_default());
        shown.push('[');
        shown.push_str(kind.as_str());
        shown.push(']');
        from = span.end;
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(shown)
}

/// The texts of a content in which personal data is looked for. A contact card is left out: what it
/// says is what it is sent for.
fn texts(content: &mut Content) -> Vec<&mut String> {
    let mut texts = vec![&mut content.body];
    match &mut content.attachment {
        Some(Attachment::Media(media)) => texts.extend(&mut media.filename),
        Some(Attachment::Location(place)) => texts.extend(&mut place.title),
        Some(Attachment::Poll(poll)) => {
            texts.push(&mut poll.question);
            texts.extend(&mut poll.options);
        }
        Some(Attachment::Contact(_) | Attachment::Unsupported) | None => {}
    }
    texts
}

/// Masks all texts of a content.
pub fn mask_content(content: &mut Content) {
    for text in texts(content) {
        if let Cow::Owned(masked) = masked(text) {
            *text = masked;
        }
    }
}

/// Whether personal data is to be taken from what is kept of a content that is to be sent.
pub fn redaction(policy: PiiPolicy, content: &Content) -> Option<Redaction> {
    (policy == PiiPolicy::Redact && !kinds_in(content).is_empty()).then_some(Redaction::Due)
}

/// The kinds of personal data in the texts of a content, each once, in order.
pub fn kinds_in(content: &Content) -> Vec<PiiKind> {
    let mut content = content.clone();
    let found = texts(&mut content).into_iter().flat_map(|text| find(text));
    let mut kinds: Vec<PiiKind> = found.map(|pii| pii.kind).collect();
    kinds.sort_by_key(|kind| rank(*kind));
    kinds.dedup();
    kinds
}

/// Whether nothing that belongs to a word stands before `at`.
fn begins_word(text: &str, at: usize) -> bool {
    !text
        .get(..at)
        .is_some_and(|before| before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Whether nothing that belongs to a word stands at `at`.
fn ends_word(text: &str, at: usize) -> bool {
    !text.get(at..).is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// How many bytes before a number are searched for a word that says what it is.
const CONTEXT: usize = 40;

/// Whether one of these words, in lower case, stands shortly before `at`, on the same line.
fn is_named(text: &str, at: usize, words: &[&str]) -> bool {
    let mut from = at.saturating_sub(CONTEXT);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let before = text.get(from..at).unwrap_or_default().to_lowercase();
    let line = before.rsplit('\n').next().unwrap_or_default();
    // A word, or the beginning of a compound, but nothing from the middle of another word.
    words.iter().any(|word| line.match_indices(word).any(|(found, _)| begins_word(line, found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(masked(text), expected);
    }

    #[test]
    fn each_kind_is_masked() {
        check("write to jo.doe+x@mail.example.com.", "write to [email].");
        check("call +14155550123 now", "call [phone] now");
        check("card 4111 1111 1111 1111, thanks", "card [card], thanks");
        check("IBAN DE89 3704 0044 0532 0130 00!", "IBAN [iban]!");
        check("from 203.0.113.7 and 2001:db8::7", "from [ip-address] and [ip-address]");
        check("CPF 529.982.247-25", "CPF [national-id]");
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        for text in ["", "Hello!", "order 1234567890", "12:30:45 on 2026-05-01", "a@b", "v1.2.3.4"]
        {
            check(text, text);
        }
    }

    #[test]
    fn of_what_overlaps_the_surest_counts() {
        let found = find("GB82 WEST 1234 5698 7654 32 and 4111-1111-1111-1111");
        let kinds: Vec<_> = found.iter().map(|pii| pii.kind).collect();
        assert_eq!(kinds, [PiiKind::Iban, PiiKind::Card]);
    }

    #[test]
    fn kinds_are_told_once_and_values_never() {
        let content = Content::text("a@example.com, b@example.com, +14155550123");
        assert_eq!(kinds_in(&content), [PiiKind::Email, PiiKind::Phone]);
    }
}
