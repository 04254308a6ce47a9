//! How much personal data is found, and how much else is taken for it, on a labelled set.
//!
//! The set is made up: numbers with right check digits in short sentences of several languages, and
//! what looks like them and is none. It says how the rules do on what they were made for, and on
//! what they are known to miss; what people really write, they meet elsewhere.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::ops::Range;

use messaging_core::domain::pii::{self, Pii, PiiKind, PiiPolicy};
use proptest::prelude::*;

const SET: &str = include_str!("data/personal_data.txt");

/// A line without its labels, and what they say.
fn labelled(line: &str) -> (String, Vec<(Range<usize>, PiiKind)>) {
    let line = line.replace("\\n", "\n");
    let (mut text, mut labels, mut rest) = (String::new(), Vec::new(), line.as_str());
    while let Some((before, behind)) = rest.split_once("{{") {
        let (label, after) = behind.split_once("}}").unwrap();
        let (kind, value) = label.split_once(':').unwrap();
        text.push_str(before);
        labels.push((text.len()..text.len() + value.len(), PiiKind::from_name(kind).unwrap()));
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
    (text, labels)
}

#[derive(Default)]
struct Score {
    right: u32,
    wrong: u32,
    missed: u32,
}

impl Score {
    fn precision(&self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.wrong).max(1))
    }

    fn recall(&self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.missed).max(1))
    }
}

#[test]
fn what_is_found_is_measured() {
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    let mut faults = Vec::new();
    for line in SET.lines() {
        let (text, labels) = labelled(line);
        let found: Vec<_> = pii::find(&text).into_iter().map(|it| (it.span, it.kind)).collect();
        for label in &labels {
            let score = scores.entry(label.1.as_str()).or_default();
            if found.contains(label) {
                score.right += 1;
            } else {
                score.missed += 1;
                faults.push(format!("missed {}: {line}", label.1));
            }
        }
        for (span, kind) in found.iter().filter(|it| !labels.contains(it)) {
            scores.entry(kind.as_str()).or_default().wrong += 1;
            faults.push(format!("taken for {kind}: {:?} in {line}", &text[span.clone()]));
        }
    }
    let mut all = Score::default();
    for (kind, score) in &scores {
        println!("{kind}: precision {:.3}, recall {:.3}", score.precision(), score.recall());
        all.right += score.right;
        all.wrong += score.wrong;
        all.missed += score.missed;
    }
    println!("all: precision {:.3}, recall {:.3}", all.precision(), all.recall());
    println!("{}", faults.join("\n"));
    assert_eq!(scores.len(), PiiKind::ALL.len());
    assert!(all.right >= 200, "{} of the set are found", all.right);
    for (kind, score) in &scores {
        assert!(score.precision() >= 0.95, "{kind}: precision {:.3}", score.precision());
        assert!(score.recall() >= 0.90, "{kind}: recall {:.3}", score.recall());
    }
    assert!(all.precision() >= 0.97 && all.recall() >= 0.95);
}

fn check_sound(text: &str) {
    let found = pii::find(text);
    let mut end = 0;
    for Pii { span, .. } in &found {
        assert!(span.start >= end && span.start < span.end, "{found:?} in {text:?}");
        assert!(text.get(span.clone()).is_some(), "{span:?} cuts a character of {text:?}");
        end = span.end;
    }
    assert_eq!(pii::masked(text) == text, found.is_empty(), "{text:?}");
}

proptest! {
    #[test]
    fn any_text_is_searched(text in any::<String>()) {
        check_sound(&text);
    }

    #[test]
    fn texts_full_of_what_data_is_made_of_are_searched(
        text in "[0-9 .:@+()/a-fA-Z\u{a0}é-]{0,200}"
    ) {
        check_sound(&text);
    }
}

/// Whatever is repeated in them. How the time grows with the text is not shown here.
#[test]
fn long_texts_of_what_data_is_made_of_are_searched() {
    for piece in
        ["1", "1 ", "12 ", "1.", "a@", "a.", "@", "::", "1:", "DE1", "+1 ", "(1) ", "A1", "é1 "]
    {
        check_sound(&piece.repeat(20_000));
    }
}

#[test]
fn policies_have_their_names() {
    let names: Vec<_> = PiiPolicy::ALL.iter().map(|policy| policy.as_str()).collect();
    assert_eq!(names, ["off", "mask", "redact", "refuse"]);
}
