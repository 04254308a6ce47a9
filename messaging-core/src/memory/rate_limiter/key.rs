//! What is counted, in the form in which it is looked up.

use std::hash::{BuildHasher, RandomState};

use crate::ports::rate_limiter::RateKey;

/// A key as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlainKey {
    pub(super) id: [u64; 2],
    /// From 0 to 4.
    pub(super) kind: u8,
}

/// A key and its hash.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hashed {
    pub(super) key: PlainKey,
    pub(super) hash: u64,
}

/// How keys are hashed, differently in each limiter.
///
/// Ids are 128 bits that are mostly random already, so two multiplications spread them well
/// enough, at a fraction of the cost of a hash for keys of any kind.
#[derive(Debug)]
pub(super) struct Hashing([u64; 3]);

impl Default for Hashing {
    fn default() -> Self {
        let random = RandomState::new();
        Self([0, 1, 2].map(|n: u64| random.hash_one(n)))
    }
}

impl Hashing {
    /// Hashes what is counted.
    pub(super) fn hash(&self, key: RateKey) -> Hashed {
        let ((high, low), kind) = match key {
            RateKey::Admission(session) => (session.0.as_u64_pair(), 0),
            RateKey::Sending(session) => (session.0.as_u64_pair(), 1),
            RateKey::WebhookSource(source) => ((0, source), 2),
            RateKey::Tenant(tenant) => (tenant.0.as_u64_pair(), 3),
            // The session is in the recipient's key already.
            RateKey::Recipient(_, recipient) => ((0, recipient.0), 4),
        };
        let key = PlainKey { id: [high, low], kind };
        Hashed { key, hash: self.hash_plain(key) }
    }

    /// The hash of a key.
    pub(super) fn hash_plain(&self, key: PlainKey) -> u64 {
        let mixed = fold(key.id[0] ^ self.0[0], key.id[1] ^ self.0[1]);
        fold(mixed ^ u64::from(key.kind), self.0[2] | 1)
    }
}

/// Both halves of the product, one over the other: every bit of the factors tells in all of it.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}
