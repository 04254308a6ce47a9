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
    first(words(&plain(text)))
}

fn plain(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { folded(text) }
}

fn words(plain: &str) -> impl Iterator<Item = String> {
    // What marks are left belong to their letters.
    let is_letter = |it: &char| it.is_alphanumeric() || is_combining_mark(*it);
    plain.unicode_words().map(move |word| word.chars().filter(is_letter).collect())
}

/// As many different words as are kept.
fn first(words: impl Iterator<Item = String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for word in words.filter(|word| !word.is_empty()) {
        if found.len() >= MAX_WORDS {
            break;
        }
        found.insert(word);
    }
    found
}

/// What has the form of a number, without what people write between its digits, as [`number_sought`]
/// reads it where it is searched for: `2024-05-01`, `10 000`. What is written without spaces counts by
/// itself, and with its neighbours.
fn run_together(plain: &str) -> impl Iterator<Item = String> {
    let is_of_number =
        |c: char| c.is_ascii_digit() || matches!(c, ' ' | '+' | '-' | '(' | ')' | '.' | '/');
    let runs = plain.split(move |c| !is_of_number(c)).filter(|run| run.len() > MIN_DIGITS);
    runs.flat_map(|run| run.split(' ').chain([run])).filter_map(number_sought)
}

/// Whether a mark on a letter makes another letter of it: vowel signs of Indic and neighbouring scripts,
/// and the voicing of kana. Those of Latin, Greek, Cyrillic, Hebrew and Arabic letters people leave out.
fn is_part_of_letter(mark: char) -> bool {
    matches!(u32::from(mark),
        0x0900..=0x1AAF | 0x1B00..=0x1CCF | 0x3099..=0x309A | 0xA800..=0xABFF | 0x1_1000..=0x1_1FFF)
}

/// A text in lower case, without marks on letters, in one form of those that Unicode takes for alike.
fn folded(text: &str) -> String {
    let bare = |letter: &char| !is_combining_mark(*letter) || is_part_of_letter(*letter);
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

/// What a content is found by: the words of its text, and what of it is searched for as a number.
pub(crate) fn of_content(content: &Content) -> BTreeSet<String> {
    let plain = plain(&content.body);
    first(words(&plain).chain(run_together(&plain)))
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
    fn marks_that_make_another_letter_tell_words_apart() {
        assert_ne!(of_text("दिन"), of_text("दान"));
        assert_ne!(of_text("かき"), of_text("がき"));
        assert_ne!(of_text("หน้า"), of_text("หนา"));
        assert_eq!(of_text("ｶﾞｷ"), of_text("ガキ"));
        // Which people leave out.
        assert_eq!(of_text("שָׁלוֹם كَتَبَ"), of_text("שלום كتب"));
        assert_eq!(of_text("ёлка ώρα"), of_text("елка ωρα"));
    }

    #[test]
    fn words_that_are_repeated_take_no_place_of_others() {
        let text = format!("{}last", "a ".repeat(3 * MAX_WORDS));
        check(of_content(&Content::text(text)), &["a", "last"]);
        let many: String = (0..2 * MAX_WORDS).map(|n| format!("w{n} ")).collect();
        assert_eq!(of_content(&Content::text(many)).len(), MAX_WORDS);
    }

    #[test]
    fn what_has_the_form_of_a_number_is_found_run_together() {
        let of = |text| of_content(&Content::text(text));
        check(of("due 2024-05-01."), &["01", "05", "2024", "20240501", "due"]);
        check(of("１０\u{3000}０００ x 5-6"), &["000", "10", "10000", "5", "6", "x"]);
        check(of("1-2 3"), &["1", "2", "3"]);
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
