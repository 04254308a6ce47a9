//! Wrapping keys that are at hand: from the environment or a file.

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use messaging_core::ports::entropy::Entropy;
use messaging_core::ports::key_provider::{KeyError, KeyProvider, SecretKey, WrappedKey};
use secrecy::ExposeSecret;

use crate::cipher::{Cipher, DoesNotOpen};

/// Wraps keys with AES-256-GCM in keys that it was given.
pub struct LocalKeys {
    /// The one that wraps first; those before it unwrap.
    keys: Vec<(String, Cipher)>,
    entropy: Box<dyn Entropy>,
}

impl LocalKeys {
    /// What its keys are called, the one that wraps first.
    pub fn names(&self) -> Vec<&str> {
        self.keys.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Wraps in `current`; unwraps what is wrapped in any of `previous` as well.
    ///
    /// # Errors
    /// [`DoesNotOpen`] where a key cannot be used.
    pub fn new(
        current: &SecretKey,
        previous: &[SecretKey],
        entropy: impl Entropy,
    ) -> Result<Self, DoesNotOpen> {
        let keys = [current].into_iter().chain(previous);
        let keys = keys.map(|key| Ok((name(key), Cipher::new(key)?))).collect::<Result<_, _>>()?;
        Ok(Self { keys, entropy: Box::new(entropy) })
    }
}

/// What a key is called: the beginning of its SHA-256, which tells one from another and nothing else.
fn name(key: &SecretKey) -> String {
    let digest = digest(&SHA256, key.expose_secret());
    digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for LocalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.keys.iter().map(|(name, _)| name).collect();
        f.debug_tuple("LocalKeys").field(&names).finish()
    }
}

#[async_trait]
impl KeyProvider for LocalKeys {
    fn current(&self) -> &str {
        self.keys.first().map_or("", |(name, _)| name)
    }

    async fn wrap(&self, key: &SecretKey, context: &[u8]) -> Result<WrappedKey, KeyError> {
        let by = self.current().to_owned();
        let Some((_, cipher)) = self.keys.first() else { return Err(KeyError::Unknown { by }) };
        match cipher.seal(self.entropy.as_ref(), context, key.expose_secret()) {
            Ok(bytes) => Ok(WrappedKey { by, bytes }),
            Err(DoesNotOpen) => Err(KeyError::Wrong { by }),
        }
    }

    async fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<SecretKey, KeyError> {
        let by = || wrapped.by.clone();
        let known = self.keys.iter().find(|(name, _)| *name == wrapped.by);
        let (_, cipher) = known.ok_or_else(|| KeyError::Unknown { by: by() })?;
        let opened = cipher.open(context, &wrapped.bytes);
        let key = opened.ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        Ok(SecretKey::new(Box::new(key.ok_or_else(|| KeyError::Wrong { by: by() })?)))
    }
}

#[cfg(test)]
mod tests {
    use messaging_core::ports::entropy::SystemEntropy;

    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey::new(Box::new([byte; 32]))
    }

    fn keys(current: u8, previous: &[u8]) -> LocalKeys {
        let previous: Vec<_> = previous.iter().map(|byte| key(*byte)).collect();
        LocalKeys::new(&key(current), &previous, SystemEntropy).unwrap()
    }

    #[tokio::test]
    async fn a_key_unwraps_with_the_one_it_was_wrapped_in_though_another_wraps_now() {
        let wrapped = keys(1, &[]).wrap(&key(9), b"here").await.unwrap();
        for provider in [keys(1, &[]), keys(2, &[1]), keys(2, &[3, 1])] {
            let unwrapped = provider.unwrap(&wrapped, b"here").await.unwrap();
            assert_eq!(unwrapped.expose_secret(), &[9; 32]);
        }
        let missing = keys(2, &[3]).unwrap(&wrapped, b"here").await.unwrap_err();
        assert!(matches!(missing, KeyError::Unknown { by } if by == wrapped.by));
        let moved = keys(1, &[]).unwrap(&wrapped, b"there").await.unwrap_err();
        assert!(matches!(moved, KeyError::Wrong { .. }));
    }

    #[test]
    fn debug_shows_what_keys_are_called_and_not_what_they_are() {
        let shown = format!("{:?}", keys(1, &[2]));
        assert!(shown.starts_with("LocalKeys([\"72cd6e8422c4\", "), "{shown}");
    }
}
