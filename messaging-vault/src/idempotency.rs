//! A store of requests that callers may repeat that cannot read what they were answered.

use std::sync::Arc;

use async_trait::async_trait;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::idempotency_store::{Begun, IdempotencyStore, Undertaking};
use messaging_core::ports::store_error::StoreError;

use crate::blob;
use crate::vault::{Place, Vault};

/// Keeps answers sealed in any store.
pub struct SealedIdempotency {
    inner: Arc<dyn IdempotencyStore>,
    vault: Arc<Vault>,
}

/// By the key: whoever asks again has drawn another subject.
fn place(undertaking: &Undertaking) -> Place<'_> {
    Place { field: "answer", tenant: undertaking.key.tenant, row: &undertaking.key.digest }
}

impl SealedIdempotency {
    /// Keeps them in `inner`.
    pub fn new(inner: Arc<dyn IdempotencyStore>, vault: Arc<Vault>) -> Self {
        Self { inner, vault }
    }
}

#[async_trait]
impl IdempotencyStore for SealedIdempotency {
    async fn begin(&self, undertaking: &Undertaking, now: Timestamp) -> Result<Begun, StoreError> {
        match self.inner.begin(undertaking, now).await? {
            Begun::Done { answer } => {
                let answer = blob::open(&self.vault, &place(undertaking), answer).await?;
                Ok(Begun::Done { answer })
            }
            other => Ok(other),
        }
    }

    async fn finish(&self, undertaking: &Undertaking, answer: &[u8]) -> Result<(), StoreError> {
        if !self.vault.seals() {
            return self.inner.finish(undertaking, answer).await;
        }
        let sealed = blob::seal(&self.vault, &place(undertaking), answer.to_vec()).await?;
        self.inner.finish(undertaking, &sealed).await
    }

    async fn forget(&self, undertaking: &Undertaking) -> Result<(), StoreError> {
        self.inner.forget(undertaking).await
    }

    async fn leave(&self, undertaking: &Undertaking, now: Timestamp) -> Result<(), StoreError> {
        self.inner.leave(undertaking, now).await
    }
}
