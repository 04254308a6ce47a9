//! Ids that sort in the order they were drawn in.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use uuid::Uuid;

use crate::domain::id::{ProviderMessageId, provider_message_id, uuid_v7};
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::entropy::Entropy;

/// Draws ids together with the instant they stand for. No two instants drawn from one source are
/// the same and none is earlier than the one before, even when the clock is set back: the order
/// of ids is the order of acceptance.
pub(crate) struct IdSource {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    last_micros: AtomicI64,
}

impl IdSource {
    pub(crate) fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, last_micros: AtomicI64::new(0) }
    }

    pub(crate) fn draw(&self) -> (Timestamp, Uuid) {
        let now = self.clock.now().as_micros();
        let mut drawn = now;
        let advance = |last: i64| {
            drawn = now.max(last + 1);
            Some(drawn)
        };
        // The closure always gives a value, so this cannot fail.
        let _ = self.last_micros.fetch_update(Ordering::SeqCst, Ordering::SeqCst, advance);
        let at = Timestamp::from_micros(drawn);
        (at, uuid_v7(at, self.entropy.next_u64()))
    }

    pub(crate) fn provider_message_id(&self) -> ProviderMessageId {
        provider_message_id([self.entropy.next_u64(), self.entropy.next_u64()])
    }
}
