//! Reading what WAHA writes. It is JavaScript, and cuts texts where it likes: half of an emoji stands as
//! an escape that is no character (`\ud83d`), which JSON allows (RFC 8259, section 8.2) and Rust's texts
//! do not. Only that half is lost.

use serde::de::DeserializeOwned;

const REPLACEMENT: &[u8] = b"\\ufffd";

/// Reads a value; halves of characters become U+FFFD.
///
/// # Errors
/// Where it is no JSON, or no such value.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    match serde_json::from_slice(json) {
        Err(error) => match mended(json) {
            Some(mended) => serde_json::from_slice(&mended),
            None => Err(error),
        },
        read => read,
    }
}

/// The same with each half replaced; `None` where there is none.
fn mended(json: &[u8]) -> Option<Vec<u8>> {
    let mut mended = json.to_vec();
    let mut at = 0;
    let mut has_changed = false;
    // In JSON a backslash stands in texts alone, always with what it escapes behind it.
    while at < json.len() {
        if json[at] != b'\\' {
            at += 1;
            continue;
        }
        let long = REPLACEMENT.len();
        at += match unit(json, at) {
            Some(0xD800..=0xDBFF) if matches!(unit(json, at + long), Some(0xDC00..=0xDFFF)) => {
                2 * long
            }
            Some(0xD800..=0xDFFF) => {
                mended[at..at + long].copy_from_slice(REPLACEMENT);
                has_changed = true;
                long
            }
            Some(_) => long,
            None => 2,
        };
    }
    has_changed.then_some(mended)
}

/// The UTF-16 code unit that is escaped here.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..)?.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        assert_eq!(read::<String>(json.as_bytes()).unwrap(), expected, "{json}");
    }

    #[test]
    fn half_a_character_is_lost_and_nothing_else() {
        check(r#""x \ud83d y""#, "x \u{FFFD} y");
        check(r#""x \uD83D""#, "x \u{FFFD}");
        check(r#""\ude00 y""#, "\u{FFFD} y");
        check(r#""\ud83d\ud83d\ude00""#, "\u{FFFD}😀");
        check(r#""\ude00\ud83d""#, "\u{FFFD}\u{FFFD}");
        check(r#""\ud83d\n\u0041""#, "\u{FFFD}\nA");
        check(r#""\ud83d \\ud83d \ud83d\\ude00""#, "\u{FFFD} \\ud83d \u{FFFD}\\ude00");
    }

    #[test]
    fn what_is_whole_stays_as_it_is() {
        check(r#""\ud83d\ude00 é \\ud83d""#, "😀 é \\ud83d");
        assert_eq!(mended(br#"{"a":"\ud83d\ude00"}"#), None);
    }

    #[test]
    fn what_is_no_json_is_none() {
        for json in [
            "",
            "\\",
            "\"\\ud8",
            "\"\\ud83d",
            r#""\ud83""#,
            r#""\uzzzz""#,
            "{\"a\":\"\\ud83d\"",
            "\\ud83d",
        ] {
            assert!(read::<serde_json::Value>(json.as_bytes()).is_err(), "{json}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics_and_what_is_read_without_is_read_alike(json in r#"["\\ud83dDe0 {}:a1]{0,40}"#) {
            let plain = serde_json::from_str::<serde_json::Value>(&json);
            let read = read::<serde_json::Value>(json.as_bytes());
            if let Ok(plain) = plain {
                proptest::prop_assert_eq!(read.unwrap(), plain);
            }
        }
    }
}
