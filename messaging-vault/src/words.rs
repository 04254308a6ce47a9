//! By which words a message is found.

use std::collections::BTreeSet;

use messaging_core::domain::address::Address;
use messaging_core::domain::content::Content;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// The fewest of a number's last digits by which it is found.
pub const MIN_DIGITS: usize = 4;

/// The most words of one text that it is found by. A text of the longest that may be sent has fewer,
/// unless it is made to have more.
const MAX_WORDS: usize = 1024;

/// A text's words as they are compared: as Unicode divides texts into words (UAX 29), without what is
/// no letter or digit, whatever the case, the width and the marks on letters.
pub(crate) fn of_text(text: &str) -> BTreeSet<String> {
    text.unicode_words().take(MAX_WORDS).map(normal).filter(|word| !word.is_empty()).collect()
}

fn normal(word: &str) -> String {
    // Twice: what is in lower case can have another form yet.
    let plain = word.nfkd().filter(|letter| !is_combining_mark(*letter));
    let lower: String = plain.flat_map(char::to_lowercase).collect();
    lower.nfkd().filter(|letter| letter.is_alphanumeric()).collect()
}

/// The last four, five, … digits of a number, to all of them; the digits of a chat's id likewise.
pub(crate) fn of_address(address: &Address) -> BTreeSet<String> {
    let text = address.as_str();
    let name = text.split('@').next().unwrap_or_default();
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    (MIN_DIGITS..=digits.len())
        .filter_map(|n| digits.get(digits.len() - n..))
        .map(str::to_owned)
        .collect()
}

/// What a content is found by: its text and what else it shows.
pub(crate) fn of_content(content: &Content) -> BTreeSet<String> {
    of_text(&content.body)
}

/// The words of what is searched for; empty where it has none.
pub(crate) fn of_search(text: &str) -> BTreeSet<String> {
    match number(text) {
        Some(digits) => BTreeSet::from([digits]),
        None => of_text(text),
    }
}

/// The digits of a text that is meant as a number, or a part of one.
pub fn number(text: &str) -> Option<String> {
    let is_of_number =
        |c: char| c.is_ascii_digit() || matches!(c, ' ' | '+' | '-' | '(' | ')' | '.' | '/');
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (digits.len() >= MIN_DIGITS && text.chars().all(is_of_number)).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: BTreeSet<String>, expected: &[&str]) {
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn words_are_the_same_whatever_their_case_width_and_marks() {
        check(of_text("Olá, OLA! olà"), &["ola"]);
        check(of_text("Straße ﬁne １２３"), &["123", "fine", "straße"]);
        check(of_text("İstanbul ΣΊΣΥΦΟΣ"), &["istanbul", "σισυφοσ"]);
        check(of_text("don't stop—now"), &["dont", "now", "stop"]);
        check(of_text("a@b.example 3.14"), &["314", "a", "bexample"]);
    }

    #[test]
    fn what_is_written_without_spaces_is_found_by_its_parts() {
        check(of_text("你好"), &["你", "好"]);
    }

    #[test]
    fn what_has_no_letters_and_digits_has_no_words() {
        check(of_text(" \u{202E}\u{200B}… 😀 --"), &[]);
        check(of_search("?!"), &[]);
    }

    #[test]
    fn a_number_is_found_by_its_last_digits() {
        let address = Address::from_stored("+4915112345");
        check(
            of_address(&address),
            &["12345", "112345", "15112345", "2345", "4915112345", "5112345", "915112345"]
                .map(|it| it)
                .into_iter()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>()
                .as_slice(),
        );
        check(of_address(&Address::from_stored("123@lid")), &[]);
        check(of_address(&Address::from_stored("12345@g.us")), &["12345", "2345"]);
    }

    #[test]
    fn what_looks_like_a_number_is_searched_for_as_one() {
        check(of_search("+49 (151) 12-345"), &["4915112345"]);
        check(of_search("12345"), &["12345"]);
        check(of_search("123"), &["123"]);
        check(of_search("order 12345"), &["12345", "order"]);
    }
}
