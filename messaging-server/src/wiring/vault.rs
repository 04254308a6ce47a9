//! The vault that the configuration asks for, and the key it is opened with.

use std::sync::Arc;

use messaging_core::ports::clock::Clock;
use messaging_core::ports::entropy::{Entropy, SystemEntropy};
use messaging_core::ports::key_provider::{KeyError, SecretKey};
use messaging_core::ports::key_store::KeyStore;
use messaging_core::ports::store_error::StoreError;
use messaging_vault::{DoesNotOpen, LocalKeys, Mode, Parts, Vault, VaultError};
use secrecy::{ExposeSecret, SecretString};

use crate::config::encryption::{self, KEPT_KEY};
use crate::config::{Config, kept_secret};
use crate::wiring::BuildError;

/// Why what is encrypted cannot be read. Said before anything is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptionError {
    /// There is no key.
    #[error(
        "the database is encrypted with the key {wanted}, and there is none here: give it as \
         ENCRYPTION_KEY or ENCRYPTION_KEY_FILE{kept}. Without it nothing in there can be read"
    )]
    Missing {
        /// What the key is called.
        wanted: String,
        /// Where it was kept, should it have been drawn.
        kept: String,
    },
    /// The key is another.
    #[error(
        "the database is encrypted with the key {wanted}, which is not here ({here}): give it as \
         ENCRYPTION_KEY, or add it to ENCRYPTION_PREVIOUS_KEYS where another is to take its place. \
         Without it nothing in there can be read"
    )]
    Wrong {
        /// What the key is called.
        wanted: String,
        /// What those are called that are here.
        here: String,
    },
    /// It is the right key, and what it opens was changed.
    #[error(
        "the keys in the database do not open with the key {0}: they were changed; go back to a copy"
    )]
    Damaged(String),
    /// The text in the file is no key.
    #[error("{0} holds no key of 32 bytes: go back to a copy of it")]
    NoKey(String),
    /// A key cannot be used.
    #[error("a key cannot be used")]
    Unusable(#[from] DoesNotOpen),
    /// The keys in the database cannot be read.
    #[error("the keys in the database cannot be read")]
    Store(#[source] StoreError),
}

/// Opens the vault; `None` where nothing is to be encrypted, nothing ever was, and there is no key.
pub(super) async fn open(
    config: &Config,
    keys: &Arc<dyn KeyStore>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Result<Option<Arc<Vault>>, BuildError> {
    let settings = &config.encryption;
    let own = keys.keys(None).await.map_err(EncryptionError::Store)?;
    // With a key at hand nothing is encrypted either, but what other nodes encrypt is read.
    if settings.mode == Mode::Plain && own.is_empty() && settings.key.is_none() {
        return Ok(None);
    }
    // A key that was drawn is not forgotten because another was set.
    let file = config.data_dir.join(KEPT_KEY).display().to_string();
    let is_kept = config.postgres.is_none() && kept_secret::is_kept(&config.data_dir, KEPT_KEY)?;
    let may_draw = config.postgres.is_none() && (is_kept || own.is_empty());
    let kept = if is_kept || (settings.key.is_none() && may_draw) {
        Some(kept_secret::load_or_draw(&config.data_dir, KEPT_KEY, entropy.as_ref())?)
    } else {
        None
    };
    let read = |secret: &SecretString| {
        let key = encryption::key(secret.expose_secret());
        key.ok_or_else(|| EncryptionError::NoKey(file.clone()))
    };
    let given = settings.key.iter().chain(&kept);
    let all: Vec<SecretKey> =
        given.chain(&settings.previous).map(read).collect::<Result<_, _>>()?;
    let wanted = || own.first().map(|key| key.wrapped.by.clone()).unwrap_or_default();
    let Some((current, previous)) = all.split_first().filter(|_| {
        // What may still be wrapped in an earlier key is no key to wrap in.
        settings.key.is_some() || kept.is_some()
    }) else {
        let kept = if config.postgres.is_none() {
            format!(", or put back {file}, which it was kept in")
        } else {
            String::new()
        };
        return Err(EncryptionError::Missing { wanted: wanted(), kept }.into());
    };
    let provider =
        LocalKeys::new(current, previous, SystemEntropy).map_err(EncryptionError::from)?;
    let here = provider.names().join(", ");
    let parts = Parts {
        keys: Arc::clone(keys),
        provider: Arc::new(provider),
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
    };
    match Vault::open(parts, settings.mode).await {
        Ok(vault) => Ok(Some(vault)),
        Err(VaultError::Key(KeyError::Unknown { by })) => {
            Err(EncryptionError::Wrong { wanted: by, here }.into())
        }
        Err(VaultError::Key(KeyError::Wrong { by })) => Err(EncryptionError::Damaged(by).into()),
        Err(VaultError::Key(error)) => {
            Err(EncryptionError::Store(StoreError::unavailable(error)).into())
        }
        Err(VaultError::Store(error)) => Err(EncryptionError::Store(error).into()),
        Err(error) => Err(EncryptionError::Store(StoreError::unavailable(error)).into()),
    }
}
