//! What a vault made of a message, as a store keeps it without being able to read it.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::domain::address::PersonKey;
use crate::domain::id::MessageId;

/// What sealed bytes begin with where nothing beside them says that they are. No JSON does.
pub const SEALED_BYTES: u8 = 1;

/// A message's addresses, content and metadata, encrypted. Debug shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which of the tenant's keys opens it.
    pub key: u32,
    /// What is encrypted, with all that its opener needs but the key.
    pub bytes: Vec<u8>,
    /// By which words it is found.
    pub terms: Terms,
    /// Stands for who is on the other side, among all that the tenant exchanges messages with.
    pub person: Option<PersonKey>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("key", &self.key).finish_non_exhaustive()
    }
}

/// How many bytes of a mark are kept. Among a million messages of three hundred words each, one that
/// lacks a word is found by it once in sixty thousand million searches.
const MARK_BYTES: usize = 8;

/// Room for the endings of a number and a few words.
const USUAL_MARKS: usize = 16;

/// Stands for one word of one tenant: what a search is made with. Whoever has it can tell which
/// messages have the word, and no other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trapdoor(pub [u8; 32]);

impl Trapdoor {
    /// What a message that has the word is marked with: the first bytes of the SHA-256 of trapdoor
    /// and id. Two messages with one word have different marks, so marks do not tell which words are
    /// frequent.
    pub fn mark(&self, message: MessageId) -> [u8; MARK_BYTES] {
        self.mark_of(message.0.as_bytes())
    }

    /// The same of an id's 16 bytes.
    pub fn mark_of(&self, message: &[u8]) -> [u8; MARK_BYTES] {
        let digest = Sha256::new().chain_update(self.0).chain_update(message).finalize();
        let mut mark = [0; MARK_BYTES];
        mark.copy_from_slice(&digest[..MARK_BYTES]);
        mark
    }
}

impl fmt::Debug for Trapdoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trapdoor(hidden)")
    }
}

/// The marks of all words of a message, eight bytes each, sorted: their order tells nothing of that
/// of the words.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Terms(Vec<u8>);

impl Terms {
    /// The marks of a message that has these words.
    pub fn of(message: MessageId, words: impl IntoIterator<Item = Trapdoor>) -> Self {
        let mut marks = Vec::with_capacity(USUAL_MARKS);
        marks.extend(words.into_iter().map(|word| word.mark(message)));
        marks.sort_unstable();
        marks.dedup();
        Self(marks.concat())
    }

    /// As a store kept them.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// As a store keeps them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the message has these words, all of them, and there are any.
    pub fn have_all(&self, message: MessageId, words: &[Trapdoor]) -> bool {
        !words.is_empty() && words.iter().all(|word| has(&self.0, &word.mark(message)))
    }
}

/// Whether a mark is among others.
pub fn has(marks: &[u8], mark: &[u8; MARK_BYTES]) -> bool {
    marks.chunks_exact(MARK_BYTES).any(|each| each == mark)
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Terms(hidden)")
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::conformance::build::message_id;

    #[test]
    fn a_message_is_found_by_each_of_its_words_and_no_other() {
        let word = |n| Trapdoor([n; 32]);
        let terms = Terms::of(message_id(1), [word(1), word(2), word(1)]);
        assert_eq!(terms.as_bytes().len(), 2 * MARK_BYTES);
        assert!(terms.have_all(message_id(1), &[word(1)]));
        assert!(terms.have_all(message_id(1), &[word(2), word(1)]));
        assert!(!terms.have_all(message_id(1), &[word(1), word(3)]));
        assert!(!terms.have_all(message_id(1), &[]));
        // The same words mark another message in another way.
        assert!(!terms.have_all(message_id(2), &[word(1)]));
    }

    #[test]
    fn debug_shows_nothing_that_is_sealed() {
        let terms = Terms::of(message_id(1), [Trapdoor([7; 32])]);
        let sealed = Sealed { key: 3, bytes: vec![42; 8], terms, person: None };
        assert_eq!(format!("{sealed:?}"), "Sealed { key: 3, .. }");
        assert_eq!(
            format!("{:?}{:?}", sealed.terms, Trapdoor([7; 32])),
            "Terms(hidden)Trapdoor(hidden)"
        );
    }
}
