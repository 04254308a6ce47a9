//! Text that PostgreSQL can hold: it takes every character but U+0000.
//!
//! That one is written as two characters of Unicode's private use area, and the first of these, so
//! that nothing is mistaken, as two as well. A search says its text in the same way.

use std::borrow::Cow;

const MARK: char = '\u{F8FF}';
const NUL: char = '\u{F8FE}';
const ITSELF: char = '\u{F8FD}';

/// The text as it is kept.
pub(crate) fn kept(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => kept.extend([MARK, NUL]),
            MARK => kept.extend([MARK, ITSELF]),
            other => kept.push(other),
        }
    }
    Cow::Owned(kept)
}

/// The text as it was given.
pub(crate) fn given(kept: String) -> String {
    if !kept.contains(MARK) {
        return kept;
    }
    let mut given = String::with_capacity(kept.len());
    let mut characters = kept.chars();
    while let Some(character) = characters.next() {
        match character {
            MARK if characters.next() == Some(NUL) => given.push('\0'),
            other => given.push(other),
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_none_holds_a_nul() {
        for text in ["", "plain", "\0", "a\0b\0", "\u{F8FF}", "\u{F8FF}\0\u{F8FE}\u{F8FD}", "é\0😀"]
        {
            let kept = kept(text).into_owned();
            assert!(!kept.contains('\0'), "{text:?}");
            assert_eq!(given(kept), text, "{text:?}");
        }
    }
}
