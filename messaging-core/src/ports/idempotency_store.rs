//! The truth about requests that callers may repeat.

use async_trait::async_trait;
use uuid::Uuid;

use crate::domain::fingerprint::RequestHash;
use crate::domain::idempotency::ScopedKey;
use crate::domain::timestamp::Timestamp;
use crate::ports::store_error::StoreError;

/// A request that somebody is about to do, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undertaking {
    /// What the caller named it by.
    pub key: ScopedKey,
    /// What the request says.
    pub request: RequestHash,
    /// The id of what the request makes, drawn beforehand: whoever does the request in place of
    /// another makes the same thing, not a second one.
    pub subject: Uuid,
    /// Until when nobody else does it. Tells one who does it from the next, whose lease ends later.
    pub lease_until: Timestamp,
    /// Until when the key is kept.
    pub expires_at: Timestamp,
}

/// What is known of a key when a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nothing: go ahead.
    New,
    /// Somebody is doing it.
    Running {
        /// When it may be taken over.
        until: Timestamp,
    },
    /// Somebody began and did not come to an end that is known: go ahead in his place.
    TakenOver {
        /// The id drawn by whoever began.
        subject: Uuid,
    },
    /// It is done.
    Done {
        /// What was answered, as [`finish`](IdempotencyStore::finish) was given it.
        answer: Vec<u8>,
    },
    /// The key stands for another request.
    Mismatch,
}

/// What a store has of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// What the request says.
    pub request: RequestHash,
    /// The id of what it makes.
    pub subject: Uuid,
    /// Until when whoever does it is left to.
    pub lease_until: Timestamp,
    /// Until when the key is kept.
    pub expires_at: Timestamp,
    /// What was answered, once it is done.
    pub answer: Option<Vec<u8>>,
}

impl From<&Undertaking> for KnownKey {
    /// What is known of a key once this began.
    fn from(begun: &Undertaking) -> Self {
        let Undertaking { request, subject, lease_until, expires_at, .. } = *begun;
        Self { request, subject, lease_until, expires_at, answer: None }
    }
}

impl KnownKey {
    /// What becomes of a request whose key is known: the one rule that every store applies. Where it
    /// goes ahead ([`Begun::New`], [`Begun::TakenOver`]) this is changed and to be written back.
    pub fn go_on(&mut self, asked: &Undertaking, now: Timestamp) -> Begun {
        if self.expires_at <= now {
            *self = Self::from(asked);
            return Begun::New;
        }
        if self.request != asked.request {
            return Begun::Mismatch;
        }
        if let Some(answer) = self.answer.clone() {
            return Begun::Done { answer };
        }
        if self.lease_until > now {
            return Begun::Running { until: self.lease_until };
        }
        self.lease_until = asked.lease_until;
        Begun::TakenOver { subject: self.subject }
    }
}

/// The truth about requests that callers may repeat, by the keys they name. Atomic, durable and
/// without a clock, as [`MessageStore`](crate::ports::message_store::MessageStore). A key is gone at
/// its `expires_at`, though the store may hold it until its
/// [`Upkeep`](crate::ports::upkeep::Upkeep).
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Begins a request at `now`, unless its key says otherwise. Of several who begin with one key
    /// at once, one goes ahead. Who takes over has the lease asked for, and the key keeps its
    /// subject and its end.
    async fn begin(&self, undertaking: &Undertaking, now: Timestamp) -> Result<Begun, StoreError>;

    /// Keeps what was answered, for as long as the key is kept. The first answer counts; nothing
    /// happens where the key stands for another subject by now, or for nothing.
    async fn finish(&self, undertaking: &Undertaking, answer: &[u8]) -> Result<(), StoreError>;

    /// Nothing came of it: the key stands for nothing any more. Nothing happens where somebody
    /// else has the lease by now, or an answer is kept.
    async fn forget(&self, undertaking: &Undertaking) -> Result<(), StoreError>;

    /// Nobody knows what came of it: the lease ends `now`. Nothing happens where somebody else has
    /// the lease by now.
    async fn leave(&self, undertaking: &Undertaking, now: Timestamp) -> Result<(), StoreError>;
}
