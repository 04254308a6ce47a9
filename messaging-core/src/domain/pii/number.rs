//! Numbers that are written in groups of digits: cards, telephones, and what states number people by.

use std::ops::Range;

use super::{PiiKind, begins_word, ends_word, is_named, national};
use crate::domain::phone::{PhoneNumber, PhoneValidation};

/// How many groups one number has at the most: French ones are written in seven.
const MOST_GROUPS: usize = 8;

/// How many digits one number has at the most.
const MOST_DIGITS: usize = 19;

/// Digits that stand together.
#[derive(Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
    /// What stands between it and the group before, where that is one of what numbers are grouped
    /// with; else it begins a run.
    before: Option<u8>,
}

/// A number as it is written.
pub(super) struct Written<'a> {
    pub(super) text: &'a str,
    /// Whether digits stand before it, or go on behind it, as they do within it.
    is_part: bool,
    /// Whether digits stand before it.
    follows: bool,
    /// Where it begins, without a sign or a bracket.
    pub(super) start: usize,
    /// Its digits.
    pub(super) digits: &'a [u8],
    /// How many digits each group has.
    pub(super) groups: &'a [usize],
    /// What stands between the groups.
    pub(super) separators: &'a [u8],
}

pub(super) fn find(text: &str) -> Vec<(Range<usize>, PiiKind)> {
    let groups = groups(text);
    let (mut found, mut next) = (Vec::new(), 0);
    while next < groups.len() {
        match longest(text, &groups[next..]) {
            Some((count, span, kind)) => {
                found.push((span, kind));
                next += count;
            }
            None => next += 1,
        }
    }
    found
}

fn groups(text: &str) -> Vec<Group> {
    let bytes = text.as_bytes();
    let (mut groups, mut at): (Vec<Group>, usize) = (Vec::new(), 0);
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        let before = groups.last().and_then(|last| separator(&bytes[last.end..start]));
        groups.push(Group { start, end: at, before });
    }
    groups
}

/// What numbers are grouped with. A closing bracket may have a space behind it.
fn separator(between: &[u8]) -> Option<u8> {
    match between {
        [one @ (b' ' | b'-' | b'.' | b'/')] => Some(*one),
        b") " | b")" | b" (" | b")-" => Some(b')'),
        // A narrow or unbreakable space.
        [0xC2, 0xA0] | [0xE2, 0x80, 0xAF] => Some(b' '),
        _ => None,
    }
}

/// The number of the most groups that begins with the first: how many it has, where it is and what.
fn longest(text: &str, groups: &[Group]) -> Option<(usize, Range<usize>, PiiKind)> {
    let first = groups.first()?;
    let bytes = text.as_bytes();
    let (mut digits, mut lengths, mut separators) = (Vec::new(), Vec::new(), Vec::new());
    let mut best = None;
    for (index, group) in groups.iter().take(MOST_GROUPS).enumerate() {
        match (index, group.before) {
            (0, _) => {}
            (_, Some(separator)) => separators.push(separator),
            (_, None) => break,
        }
        let length = group.end - group.start;
        if digits.len() + length > MOST_DIGITS {
            break;
        }
        digits.extend(&bytes[group.start..group.end]);
        lengths.push(length);
        // Digits that go on, with or without a letter, are not the end of a number.
        if !ends_word(text, group.end) {
            continue;
        }
        // What goes on in the same way is a part of something longer.
        let goes_on = groups
            .get(index + 1)
            .is_some_and(|next| next.before.is_some() && next.before.as_ref() == separators.last());
        let written = Written {
            text,
            is_part: first.before.is_some() || goes_on,
            follows: first.before.is_some() && first.before != Some(b')'),
            start: first.start,
            digits: &digits,
            groups: &lengths,
            separators: &separators,
        };
        if let Some((start, kind)) = kind(&written) {
            best = Some((index + 1, start..group.end, kind));
        }
    }
    best
}

/// What a number is, and where it begins with what belongs to it.
fn kind(written: &Written<'_>) -> Option<(usize, PiiKind)> {
    let Written { text, start, .. } = *written;
    let bytes = text.as_bytes();
    let plus = start.checked_sub(1).filter(|at| bytes[*at] == b'+');
    let bracket = start.checked_sub(1).filter(|at| bytes[*at] == b'(');
    if plus.is_none() && begins_word(text, start) {
        if is_card(written) {
            return Some((start, PiiKind::Card));
        }
        if !written.is_part && national::is_one(written) {
            return Some((start, PiiKind::NationalId));
        }
    }
    let begin = plus.or(bracket).unwrap_or(start);
    let is_phone = begins_word(text, begin) && is_phone(written, plus.is_some(), bracket.is_some());
    is_phone.then_some((begin, PiiKind::Phone))
}

fn is_card(written: &Written<'_>) -> bool {
    let digits = written.digits;
    let grouped = matches!(
        written.groups,
        [_] | [4, 4, 4, 4] | [4, 4, 4, 4, 1..=3] | [4, 6, 5] | [4, 6, 4] | [4, 4, 4, 1]
    );
    let spaced = written.separators.windows(2).all(|pair| pair[0] == pair[1])
        && written.separators.first().is_none_or(|it| matches!(it, b' ' | b'-'));
    grouped && spaced && is_issued(digits) && luhn(digits) && !same(digits)
}

/// Whether a card's issuer gives out numbers that begin so, of this length.
fn is_issued(digits: &[u8]) -> bool {
    let Some(first) = digits.get(..4) else { return false };
    let first = first.iter().fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    match digits.len() {
        13 => first / 1000 == 4,
        14 => matches!(first, 3000..=3059 | 3600..=3699 | 3800..=3999),
        15 => matches!(first / 100, 34 | 37),
        16 => matches!(
            first,
            4000..=4999 | 5100..=5599 | 2221..=2720 | 6011 | 6440..=6599 | 3528..=3589 | 6200..=6299
                | 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763
        ),
        17 | 18 => matches!(first, 6200..=6299),
        19 => matches!(first, 4000..=4999 | 6200..=6299 | 6011 | 6440..=6599),
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match (place % 2, digit) {
                (1, 5..) => digit * 2 - 9,
                (1, _) => digit * 2,
                _ => digit,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether all digits are one.
pub(super) fn same(digits: &[u8]) -> bool {
    digits.windows(2).all(|pair| pair[0] == pair[1])
}

/// Words before telephone numbers, in the languages of opt-out words.
const CALLS: &[&str] = &[
    "tel",
    "phone",
    "call",
    "mobile",
    "cell",
    "whatsapp",
    "sms",
    "fax",
    "ring",
    "number",
    "nummer",
    "número",
    "numero",
    "numéro",
    "telefon",
    "teléfono",
    "telefone",
    "handy",
    "mobil",
    "anruf",
    "ruf",
    "llam",
    "celular",
    "móvil",
    "liga",
    "appel",
    "portable",
    "chiama",
    "cellulare",
    "bel ",
    "telpon",
    "hubungi",
    "ara",
    "cep",
    "फ़ोन",
    "फोन",
    "कॉल",
    "هاتف",
    "جوال",
    "اتصل",
];

fn is_phone(written: &Written<'_>, plus: bool, bracket: bool) -> bool {
    let Written { text, start, follows, digits, groups, separators, .. } = *written;
    if groups.iter().any(|length| *length > 15) || same(digits) || groups == [3, 2, 4] {
        return false;
    }
    let digits = std::str::from_utf8(digits).unwrap_or_default();
    let international = |digits: &str| {
        (8..=15).contains(&digits.len())
            && PhoneNumber::parse(&format!("+{digits}"), PhoneValidation::E164).is_ok()
    };
    if plus {
        return international(digits);
    }
    if follows {
        return false;
    }
    if let Some(digits) = digits.strip_prefix("00") {
        return groups[0] <= 5 && international(digits);
    }
    if looks_like_a_date(groups, separators) {
        return false;
    }
    let count = digits.len();
    let american = count == 10
        && matches!(groups, [3, 3, 4])
        && digits.as_bytes()[0] >= b'2'
        && digits.as_bytes()[3] >= b'2'
        && !separators.contains(&b'/');
    // (11) 98888-7777: an area in brackets.
    let area = bracket
        && (9..=12).contains(&count)
        && (1..=5).contains(&groups[0])
        && separators.first() == Some(&b')');
    let trunk = digits.starts_with('0')
        && (9..=12).contains(&count)
        && groups.len() >= 2
        && groups[0] >= 2
        && groups[1..].iter().all(|length| *length >= 2);
    let named = (7..=15).contains(&count)
        && groups.iter().all(|length| *length >= 2)
        && is_named(text, start, CALLS);
    american
        || area
        || (trunk && !separators.contains(&b'/'))
        || named
        || (trunk && groups.len() == 2 && separators == [b'/'])
}

fn looks_like_a_date(groups: &[usize], separators: &[u8]) -> bool {
    let same = separators.windows(2).all(|pair| pair[0] == pair[1]);
    same && matches!(
        groups,
        [4, 2, 2] | [2, 2, 4] | [4, 2] | [2, 4] | [1, 2, 4] | [2, 1, 4] | [1, 1, 4]
    )
}
