//! Sealing anew what is kept: with a tenant's new key, or for the first time; and wrapping keys anew.

use std::sync::Arc;

use messaging_core::domain::address::Address;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::id::{MessageId, OptOutId, TenantId};
use messaging_core::domain::message::Message;
use messaging_core::domain::portion::PortionBy;
use messaging_core::ports::key_provider::SecretKey;
use messaging_core::ports::key_store::Wrapping;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::store_error::StoreError;

use crate::vault::{Vault, rewrap};

/// How many messages or keys are taken at once.
const AT_ONCE: u32 = 100;

/// Seals anew what a store keeps, in small steps, while others work with it.
pub struct Sealer {
    vault: Arc<Vault>,
    /// The store itself, not one that opens what it gives.
    messages: Arc<dyn MessageStore>,
    opt_outs: Arc<dyn OptOutStore>,
}

/// How far sealing one tenant's messages has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many were looked at.
    pub seen: u64,
    /// How many of those were sealed anew.
    pub sealed: u64,
    /// How many there are.
    pub total: u64,
    /// From where the next step goes on; `None` once all were looked at.
    pub next: Option<MessageId>,
}

impl Sealer {
    /// Of these stores themselves, not of those that seal and open.
    pub fn new(
        vault: Arc<Vault>,
        messages: Arc<dyn MessageStore>,
        opt_outs: Arc<dyn OptOutStore>,
    ) -> Self {
        Self { vault, messages, opt_outs }
    }

    /// The next step through a tenant's messages, from the newest to the oldest: those that are not
    /// sealed with its newest key are. Begin with `None`.
    ///
    /// # Errors
    /// [`StoreError`]: what was done stays done, and the step can be repeated.
    pub async fn step(
        &self,
        tenant: TenantId,
        so_far: Option<Progress>,
    ) -> Result<Progress, StoreError> {
        let so_far = so_far.unwrap_or_default();
        let portion = match so_far.next {
            None => Portion::Page { page: 1, limit: AT_ONCE },
            Some(message) => Portion::OlderThan { message, limit: AT_ONCE },
        };
        let page = self.messages.list(tenant, &MessageFilter::default(), portion).await?;
        let newest = self.vault.keys(tenant).await?.current();
        let mut anew: Vec<(Option<u32>, Message)> = Vec::new();
        for kept in &page.messages {
            let key = kept.sealed.as_ref().map(|sealed| sealed.key);
            if key == Some(newest) && self.has_keyed_alias(kept) {
                continue;
            }
            let mut open = self.vault.open_message(kept.clone()).await?;
            // As the gateway names whom it is exchanged with from now on.
            if let Some(peer) = open.peer() {
                open.alias = self.vault.pseudonyms().recipient(open.session, peer);
            }
            anew.push((key, self.vault.seal_message(&open).await?));
        }
        let sealed = if anew.is_empty() { 0 } else { self.messages.reseal(&anew).await? };
        let seen = so_far.seen + page.messages.len() as u64;
        let last = page.messages.last().map(|message| message.id);
        Ok(Progress {
            seen,
            sealed: so_far.sealed + sealed,
            total: page.total,
            next: last.filter(|_| page.has_more),
        })
    }

    /// A sealed message's alias never changes by itself.
    fn has_keyed_alias(&self, kept: &Message) -> bool {
        kept.peer().is_none_or(|peer| matches!(peer, Address::Sealed(_)))
    }

    /// Seals all of a tenant's list of who wants no messages with its newest key. Gives how many
    /// entries there are.
    ///
    /// # Errors
    /// [`StoreError`]: what was done stays done.
    pub async fn seal_opt_outs(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let mut count = 0;
        let mut last: Option<OptOutId> = None;
        loop {
            let portion = match last {
                None => PortionBy::Page { page: 1, limit: AT_ONCE },
                Some(last) => PortionBy::OlderThan { last, limit: AT_ONCE },
            };
            let page = self.opt_outs.list(tenant, portion).await?;
            for kept in &page.items {
                let open = self.vault.open_opt_out(kept.clone()).await?;
                match self.opt_outs.reseal(&self.vault.seal_opt_out(&open).await?).await {
                    // They opted out again since anything is sealed: one entry is enough.
                    Ok(_) | Err(StoreError::Conflict { .. }) => count += 1,
                    Err(error) => return Err(error),
                }
            }
            last = page.items.last().map(|entry| entry.id);
            if !page.has_more {
                return Ok(count);
            }
        }
    }

    /// Wraps some of the keys that are wrapped in an earlier key of the provider's in its current one.
    /// Gives how many are wrapped in that, of how many: repeat it until it is all.
    ///
    /// # Errors
    /// [`StoreError`]: what was done stays done.
    pub async fn rewrap_keys(&self) -> Result<Wrapping, StoreError> {
        let parts = self.vault.parts();
        let current = parts.provider.current();
        for kept in parts.keys.keys_wrapped_otherwise(current, AT_ONCE).await? {
            let wrapped = rewrap(parts, &kept).await?;
            parts.keys.rewrap_key(&wrapped, &kept.wrapped.by).await?;
        }
        parts.keys.wrapping(current).await
    }
}

/// Reads a key of 256 bits: 64 hexadecimal digits, or base64 with padding.
pub fn parse_key(text: &str) -> Option<SecretKey> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let text = text.trim();
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes = if is_hex {
        let digits = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        (0..64).step_by(2).map(digits).collect::<Option<Vec<u8>>>()?
    } else {
        STANDARD.decode(text).ok()?
    };
    Some(SecretKey::new(Box::new(bytes.try_into().ok()?)))
}
