//! Texts in an address. The framework reads bytes that are no text as if a character could not be
//! shown, and would search for that one.

use crate::api::problem::{FieldProblem, Problem, kind};

/// The parameters that may hold any text. All others have a form of their own, and what is no text
/// does not have it.
const TEXTS: [&str; 3] = ["search", "campaignId", "sessionId"];

/// Refuses an address whose texts are none, or hold U+0000, which no text has that somebody writes.
pub(super) fn check(query: Option<&str>) -> Result<(), Problem> {
    let mut problems = Vec::new();
    for pair in query.unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded(name);
        let Some(name) = TEXTS.into_iter().find(|text| text.as_bytes() == name) else { continue };
        let detail = match String::from_utf8(decoded(value)) {
            Ok(text) if text.contains('\0') => "must not have the character U+0000",
            Ok(_) => continue,
            Err(_) => "must be text in UTF-8",
        };
        problems.push(FieldProblem::in_address(name, detail));
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Problem::new(&kind::INVALID_REQUEST).with_errors(problems))
}

/// The bytes that stand behind the signs of an address (`%20`; others than those of an escape stand
/// for themselves).
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) if both(*high, *low).is_some() => {
                bytes.extend(both(*high, *low));
                rest = after;
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
    }
    bytes
}

/// The byte of two hexadecimal digits.
fn both(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_bytes_and_others_stay() {
        for (text, expected) in [
            ("", &b""[..]),
            ("a+b%20c", b"a b c"),
            ("%C3%a9%fF", b"\xC3\xA9\xFF"),
            ("100%", b"100%"),
            ("%1", b"%1"),
            ("%zz%2", b"%zz%2"),
            ("%%41", b"%A"),
        ] {
            assert_eq!(decoded(text), expected, "{text}");
        }
    }
}
