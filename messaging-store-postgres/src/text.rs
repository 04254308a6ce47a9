//! Text that PostgreSQL can hold, and that a search takes literally.
//!
//! PostgreSQL takes every character but U+0000, and what a search looks at has U+0001 between its
//! parts. Both are written as a mark, a character of Unicode's private use area, and one or more
//! others of these; so are the mark and those others themselves. None of such a row of characters
//! begins another one, and none of them stands in a text for itself. So what is searched for, which
//! is written in the same way, is found where it stands and nowhere else.

use std::borrow::Cow;

const MARK: char = '\u{F8FF}';
const FIRST: char = '\u{F8FE}';
const SECOND: char = '\u{F8FD}';
const MORE: char = '\u{F8FC}';
const SEPARATOR: char = '\u{1}';

/// How the characters are written that cannot stand for themselves, after the mark.
const WRITTEN: [(char, &[char]); 6] = [
    ('\0', &[FIRST]),
    (MARK, &[SECOND]),
    (FIRST, &[MORE, FIRST]),
    (SECOND, &[MORE, SECOND]),
    (MORE, &[MORE, MORE, FIRST]),
    (SEPARATOR, &[MORE, MORE, SECOND]),
];

/// The text as it is kept.
pub(crate) fn kept(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', SEPARATOR, MORE, SECOND, FIRST, MARK]) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match WRITTEN.iter().find(|(special, _)| *special == character) {
            Some((_, written)) => {
                kept.push(MARK);
                kept.extend(*written);
            }
            None => kept.push(character),
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
    let mut rest = kept.chars();
    while let Some(character) = rest.next() {
        if character != MARK {
            given.push(character);
            continue;
        }
        let after = rest.as_str();
        let found = WRITTEN.iter().find_map(|(special, written)| {
            let mut left = after.chars();
            written.iter().all(|each| left.next() == Some(*each)).then_some((*special, left))
        });
        match found {
            Some((special, left)) => {
                given.push(special);
                rest = left;
            }
            // Nothing that was written here.
            None => given.push(MARK),
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_none_holds_a_nul() {
        for text in texts().iter().map(String::as_str).chain(["", "plain", "é\0😀", "a\0b\0"]) {
            let kept = kept(text).into_owned();
            assert!(!kept.contains(['\0', '\u{1}']), "{text:?}");
            assert_eq!(given(kept), text, "{text:?}");
        }
    }

    #[test]
    fn a_part_of_a_text_is_found_in_it_and_nothing_else_is() {
        let texts = texts();
        for text in &texts {
            for part in &texts {
                let found = kept(text).contains(&*kept(part));
                assert_eq!(found, text.contains(part.as_str()), "{part:?} in {text:?}");
            }
        }
    }

    /// Every text of up to three characters that mean something here, or do not.
    fn texts() -> Vec<String> {
        let alphabet = ['\0', '\u{1}', '\u{F8FC}', '\u{F8FD}', '\u{F8FE}', '\u{F8FF}', 'a'];
        let mut texts = vec![String::new()];
        for length in 0..3 {
            let longest: Vec<_> =
                texts.iter().filter(|text| text.chars().count() == length).cloned().collect();
            for text in longest {
                texts.extend(alphabet.iter().map(|each| format!("{text}{each}")));
            }
        }
        texts
    }
}
