//! Keys by which callers repeat a request without doing it twice.

use std::fmt;
use std::time::Duration;

use crate::domain::fingerprint::Fingerprinter;
use crate::domain::id::TenantId;
use crate::named::named_enum;

/// For how long a key is kept, from the first request that named it.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);

/// The most characters a key may have.
pub const MAX_KEY_CHARS: usize = 255;

/// What a caller names a request by, so that repeating it does nothing more. Debug does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to {MAX_KEY_CHARS} characters of visible ASCII")]
pub struct InvalidIdempotencyKey;

impl IdempotencyKey {
    /// Reads a key: 1 to 255 visible characters of ASCII.
    ///
    /// # Errors
    /// [`InvalidIdempotencyKey`], whose text repeats nothing of the input.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidIdempotencyKey> {
        let text = text.into();
        let is_key = (1..=MAX_KEY_CHARS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key { Ok(Self(text)) } else { Err(InvalidIdempotencyKey) }
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(hidden)")
    }
}

named_enum! {
    /// What is asked for with a key. The same key may name another request of another operation.
    pub enum Operation {
        /// One message.
        Send = "send",
        /// A bulk request.
        SendBulk = "send-bulk",
    }
}

/// A key within its tenant and operation, as a store knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopedKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Stands for the operation and the key: a SHA-256.
    pub digest: [u8; 32],
}

impl ScopedKey {
    /// The tenant's key for an operation.
    pub fn of(tenant: TenantId, operation: Operation, key: &IdempotencyKey) -> Self {
        let digest = Fingerprinter::default().text(operation.as_str()).text(&key.0).finish();
        Self { tenant, digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_short_and_visible() {
        for good in ["a", "b1f0c7de-2a55-4f6b-9a3c-7d1e90c4aa10", "~!\"", &"k".repeat(255)] {
            assert!(IdempotencyKey::parse(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a\n", "é", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(bad), Err(InvalidIdempotencyKey), "{bad}");
        }
    }

    #[test]
    fn debug_does_not_show_a_key() {
        let shown = format!("{:?}", IdempotencyKey::parse("order-17").unwrap());
        assert_eq!(shown, "IdempotencyKey(hidden)");
    }

    #[test]
    fn a_key_stands_for_one_request_of_each_tenant_and_operation() {
        let of = |tenant, operation, key| {
            let tenant = TenantId(uuid::Uuid::from_u128(tenant));
            ScopedKey::of(tenant, operation, &IdempotencyKey::parse(key).unwrap())
        };
        let one = of(1, Operation::Send, "k");
        assert_eq!(one, of(1, Operation::Send, "k"));
        assert_ne!(one, of(1, Operation::Send, "l"));
        assert_ne!(one, of(1, Operation::SendBulk, "k"));
        assert_ne!(one, of(2, Operation::Send, "k"));
    }
}
