//! How what is counted is looked up.

use std::hash::{BuildHasher, RandomState};

use crate::ports::rate_limiter::RateKey;

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
    pub(super) fn hash(&self, key: RateKey) -> u64 {
        let ((high, low), kind) = match key {
            RateKey::Admission(session) => (session.0.as_u64_pair(), 0),
            RateKey::Sending(session) => (session.0.as_u64_pair(), 1),
            RateKey::WebhookSource(source) => ((0, source), 2),
            RateKey::Tenant(tenant) => (tenant.0.as_u64_pair(), 3),
            RateKey::WebhookSession(session) => (session.0.as_u64_pair(), 5),
            RateKey::AuthSource(source) => ((0, source), 6),
            // The session is in the recipient's key already.
            RateKey::Recipient(_, recipient) => ((0, recipient.0), 4),
        };
        let mixed = fold(high ^ self.0[0], low ^ self.0[1]);
        fold(mixed ^ kind, self.0[2] | 1)
    }
}

/// Both halves of the product, one over the other: every bit of the factors tells in all of it.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}
