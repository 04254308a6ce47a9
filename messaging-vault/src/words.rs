//! By which words a message is found.

use std::collections::BTreeSet;

use messaging_core::domain::address::Address;
use messaging_core::domain::content::Content;
use messaging_core::domain::filter::{MIN_DIGITS, number_sought};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// The most words of one text that it is found by. A text of the longest that may be sent has fewer,
/// unless it is made to have more.
const MAX_WORDS: usize = 1024;

/// A text's words as they are compared: as Unicode divides texts into words (UAX 29), without what is
/// no letter or digit, whatever the case, the width and the marks on letters.
pub(crate) fn of_text(text: &str) -> BTreeSet<String> {
    let plain = if text.is_ascii() { text.to_ascii_lowercase() } else { folded(text) };
    let letters = |word: &str| word.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let words = plain.unicode_words().take(MAX_WORDS).map(letters);
    words.filter(|word: &String| !word.is_empty()).collect()
}

/// A text in lower case, without marks on letters, in one form of those that Unicode takes for alike.
fn folded(text: &str) -> String {
    let bare = |letter: &char| !is_combining_mark(*letter);
    let mut plain = String::with_capacity(text.len());
    for letter in text.nfkd().filter(bare).flat_map(char::to_lowercase) {
        match letter {
            // The same letter at a word's end, and one whose capitals are two.
            'ς' => plain.push('σ'),
            'ß' => plain.push_str("ss"),
            letter => plain.push(letter),
        }
    }
    // Again: what is in lower case can have another form yet.
    plain.nfkd().filter(bare).collect()
}

/// The digits of a number, or of a chat's id.
pub(crate) fn digits(address: &Address) -> String {
    let name = address.as_str().split('@').next().unwrap_or_default();
    name.chars().filter(char::is_ascii_digit).collect()
}

/// The last four, five, … of these digits, to all of them.
pub(crate) fn endings(digits: &str) -> impl Iterator<Item = &str> {
    (MIN_DIGITS..=digits.len()).filter_map(|n| digits.get(digits.len() - n..))
}

/// What a content is found by: its text and what else it shows.
pub(crate) fn of_content(content: &Content) -> BTreeSet<String> {
    of_text(&content.body)
}

/// The words of what is searched for; empty where it has none.
pub(crate) fn of_search(text: &str) -> BTreeSet<String> {
    match number_sought(text) {
        Some(digits) => BTreeSet::from([digits]),
        None => of_text(text),
    }
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
        check(of_text("Straße STRASSE ﬁne １２３"), &["123", "fine", "strasse"]);
        check(of_text("İstanbul ΣΊΣΥΦΟΣ Σίσυφος"), &["istanbul", "σισυφοσ"]);
        check(of_text("ﾃｽﾄ テスト e\u{301}te\u{301} été ＯＲＤＥＲ"), &["ete", "order", "テスト"]);
        check(of_text("hid\u{AD}den"), &["hidden"]);
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
        let found = |address| {
            let digits = digits(&Address::from_stored(address));
            endings(&digits).map(str::to_owned).collect()
        };
        check(
            found("+4915112345"),
            &["112345", "12345", "15112345", "2345", "4915112345", "5112345", "915112345"],
        );
        check(found("123@lid"), &[]);
        check(found("12345@g.us"), &["12345", "2345"]);
    }

    #[test]
    fn what_looks_like_a_number_is_searched_for_as_one() {
        check(of_search("+49 (151) 12-345"), &["4915112345"]);
        check(of_search("12345"), &["12345"]);
        check(of_search("123"), &["123"]);
        check(of_search("order 12345"), &["12345", "order"]);
    }
}
