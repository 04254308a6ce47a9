//! The keys at hand, and what is done with them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use messaging_core::domain::id::TenantId;
use messaging_core::domain::pseudonym::Pseudonyms;
use messaging_core::domain::sealed::Trapdoor;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::clock::Clock;
use messaging_core::ports::entropy::Entropy;
use messaging_core::ports::key_provider::{KeyError, KeyProvider, SecretKey};
use messaging_core::ports::key_store::{KeptKey, KeyPurpose, KeyStore, Wrapping};
use messaging_core::ports::store_error::StoreError;
use secrecy::ExposeSecret;

use crate::cipher::{Cipher, DoesNotOpen, draw_key};

/// For how long a tenant's keys are taken for all it has: so long after a rotation, nodes may still
/// seal with the key before.
pub const KEYS_BELIEVED_FOR: Duration = Duration::from_secs(60);

/// How soon a tenant's keys are looked for again that could not be read.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What is sealed, and what it is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is sealed from now on; what was sealed before is read.
    Plain,
    /// All is sealed. Messages are found by the last digits of a number.
    Numbers,
    /// All is sealed. Messages are found by their words as well.
    Words,
}

/// What a vault is made of.
pub struct Parts {
    /// Where wrapped keys are kept.
    pub keys: Arc<dyn KeyStore>,
    /// Who wraps them.
    pub provider: Arc<dyn KeyProvider>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where keys and nonces are drawn from.
    pub entropy: Arc<dyn Entropy>,
}

/// Why a vault cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The deployment's keys cannot be unwrapped, so nothing that is sealed could be read.
    #[error("the keys that are kept cannot be unwrapped: {0}")]
    Key(#[from] KeyError),
    /// They cannot be read, or new ones be kept.
    #[error("the keys cannot be read")]
    Store(#[from] StoreError),
}

impl From<DoesNotOpen> for VaultError {
    fn from(_: DoesNotOpen) -> Self {
        Self::Key(KeyError::Wrong { by: String::new() })
    }
}

/// Seals and opens with keys of which each tenant has its own.
pub struct Vault {
    parts: Parts,
    mode: Mode,
    /// With the key, whether anything is sealed now or was before.
    keyed: Pseudonyms,
    pseudonyms: Pseudonyms,
    /// For what belongs to no tenant, or is written where the tenant is not known.
    own: Cipher,
    known: RwLock<HashMap<TenantId, Known>>,
}

struct Known {
    keys: Arc<TenantKeys>,
    read_at: Timestamp,
}

/// What a tenant's contents are sealed with and found by.
pub(crate) struct TenantKeys {
    content: BTreeMap<u32, Cipher>,
    search: SecretKey,
}

impl TenantKeys {
    /// The version that seals now.
    pub(crate) fn current(&self) -> u32 {
        self.content.last_key_value().map_or(0, |(version, _)| *version)
    }

    fn cipher(&self, version: u32) -> Result<&Cipher, DoesNotOpen> {
        self.content.get(&version).ok_or(DoesNotOpen)
    }

    /// Stands for a word of the tenant's.
    pub(crate) fn trapdoor(&self, word: &str) -> Trapdoor {
        Trapdoor(self.tag(b"word\0", word))
    }

    /// Stands for a campaign of the tenant's.
    pub(crate) fn campaign(&self, name: &str) -> String {
        let tag = self.tag(b"campaign\0", name);
        tag.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// BLAKE3 with a key, which for a word is one step where HMAC-SHA256 is two of more work each: each
    /// message has ten endings of a number and more.
    fn tag(&self, what: &[u8], text: &str) -> [u8; 32] {
        let (key, length) = (self.search.expose_secret(), what.len() + text.len());
        let mut short = [0; 64];
        let said = match short.get_mut(..length) {
            Some(said) => {
                let (before, after) = said.split_at_mut(what.len());
                before.copy_from_slice(what);
                after.copy_from_slice(text.as_bytes());
                blake3::keyed_hash(key, said)
            }
            None => blake3::keyed_hash(key, &[what, text.as_bytes()].concat()),
        };
        *said.as_bytes()
    }
}

/// Where a sealed text stands, so that it opens nowhere else.
pub(crate) struct Place<'a> {
    /// Which field of what.
    pub(crate) field: &'static str,
    pub(crate) tenant: TenantId,
    /// Which row.
    pub(crate) row: &'a [u8],
}

impl Place<'_> {
    fn bytes(&self, version: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(self.field.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(self.tenant.0.as_bytes());
        bytes.extend_from_slice(&version.to_be_bytes());
        bytes.extend_from_slice(self.row);
        bytes
    }
}

fn context(tenant: Option<TenantId>, purpose: KeyPurpose, version: u32) -> Vec<u8> {
    let tenant = tenant.map_or_else(uuid::Uuid::nil, |tenant| tenant.0);
    let mut bytes = format!("key {purpose} {version}\0").into_bytes();
    bytes.extend_from_slice(tenant.as_bytes());
    bytes
}

impl Vault {
    /// Whether something was ever sealed with keys that are kept here.
    ///
    /// # Errors
    /// [`StoreError`] where they cannot be read.
    pub async fn is_in_use(keys: &dyn KeyStore) -> Result<bool, StoreError> {
        Ok(!keys.keys(None).await?.is_empty())
    }

    /// Unwraps the deployment's keys, which are made where there are none.
    ///
    /// # Errors
    /// [`VaultError::Key`] where the provider has not the key that they, or those of any tenant, are
    /// wrapped in: better to learn that now than with each message.
    pub async fn open(parts: Parts, mode: Mode) -> Result<Arc<Self>, VaultError> {
        let pseudonym = own_key(&parts, KeyPurpose::Pseudonym).await?;
        let own = Cipher::new(&own_key(&parts, KeyPurpose::Content).await?)?;
        check_wrappings(&parts).await?;
        let keyed = Pseudonyms::keyed(*pseudonym.expose_secret());
        let pseudonyms = match mode {
            Mode::Plain => Pseudonyms::default(),
            Mode::Numbers | Mode::Words => keyed.clone(),
        };
        Ok(Arc::new(Self { parts, mode, keyed, pseudonyms, own, known: RwLock::default() }))
    }

    /// What stands for people and contents in stores and queues.
    pub fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    /// What stands for people in what is sealed, whether or not anything is sealed now.
    pub(crate) fn keyed(&self) -> &Pseudonyms {
        &self.keyed
    }

    /// What the key is called that keys are wrapped in now.
    pub fn wrapping_key(&self) -> &str {
        self.parts.provider.current()
    }

    /// How many keys are wrapped in that, of how many.
    ///
    /// # Errors
    /// [`StoreError`] where they cannot be read.
    pub async fn wrapping(&self) -> Result<Wrapping, StoreError> {
        self.parts.keys.wrapping(self.wrapping_key()).await
    }

    /// The versions of a tenant's keys for contents; the last seals. Empty before anything was.
    ///
    /// # Errors
    /// [`StoreError`] where they cannot be read.
    pub async fn versions(&self, tenant: TenantId) -> Result<Vec<u32>, StoreError> {
        let kept = self.parts.keys.keys(Some(tenant)).await?;
        let content = kept.iter().filter(|key| key.purpose == KeyPurpose::Content);
        Ok(content.map(|key| key.version).collect())
    }

    /// What is sealed, and what it is found by.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Whether what is written is sealed.
    pub(crate) fn seals(&self) -> bool {
        self.mode != Mode::Plain
    }

    /// A tenant's keys, which are made where there are none.
    pub(crate) async fn keys(&self, tenant: TenantId) -> Result<Arc<TenantKeys>, StoreError> {
        match self.known_keys(tenant, None).await? {
            Some(keys) => Ok(keys),
            None => self.make_keys(tenant).await,
        }
    }

    /// A tenant's keys, among them that of this version; `None` where it has none at all.
    pub(crate) async fn known_keys(
        &self,
        tenant: TenantId,
        version: Option<u32>,
    ) -> Result<Option<Arc<TenantKeys>>, StoreError> {
        let now = self.parts.clock.now();
        let kept = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.get(&tenant).map(|known| (Arc::clone(&known.keys), known.read_at))
        };
        let has = |keys: &TenantKeys| version.is_none_or(|it| keys.content.contains_key(&it));
        let kept = kept.filter(|(keys, _)| has(keys));
        if let Some((keys, read_at)) = &kept
            // A clock that was set back makes nothing young again.
            && *read_at <= now
            && now.since(*read_at) < KEYS_BELIEVED_FOR
        {
            return Ok(Some(Arc::clone(keys)));
        }
        match (self.read_keys(tenant, now).await, kept) {
            // What it had, it has: a key may be wrapped in one that this node is not told of yet.
            (Err(error), Some((keys, _))) => {
                tracing::warn!(%error, %tenant, "a tenant's keys cannot be read: those of before are used");
                let read_at = now.minus(KEYS_BELIEVED_FOR.saturating_sub(LOOK_AGAIN_AFTER));
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                // Not those that were read, or shredded, meanwhile.
                if let Some(known) = known.get_mut(&tenant)
                    && Arc::ptr_eq(&known.keys, &keys)
                {
                    known.read_at = read_at;
                }
                Ok(Some(keys))
            }
            (read, _) => read,
        }
    }

    fn remember(&self, tenant: TenantId, keys: &Arc<TenantKeys>, read_at: Timestamp) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(tenant, Known { keys: Arc::clone(keys), read_at });
    }

    /// The tenant's keys as they are kept now, whatever was believed.
    pub(crate) async fn newest_keys(
        &self,
        tenant: TenantId,
    ) -> Result<Arc<TenantKeys>, StoreError> {
        match self.read_keys(tenant, self.parts.clock.now()).await? {
            Some(keys) => Ok(keys),
            None => self.make_keys(tenant).await,
        }
    }

    async fn read_keys(
        &self,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<Option<Arc<TenantKeys>>, StoreError> {
        let mut content = BTreeMap::new();
        let mut search = None;
        for kept in self.parts.keys.keys(Some(tenant)).await? {
            let key = unwrap(&self.parts, &kept).await?;
            match kept.purpose {
                KeyPurpose::Content => {
                    let cipher =
                        Cipher::new(&key).map_err(|error| unusable(&kept, error.into()))?;
                    content.insert(kept.version, cipher);
                }
                KeyPurpose::Search => search = Some(key),
                KeyPurpose::Pseudonym => {}
            }
        }
        let Some(search) = search.filter(|_| !content.is_empty()) else {
            // Somebody shredded them: they must serve nobody again.
            self.forget(tenant);
            return Ok(None);
        };
        let keys = Arc::new(TenantKeys { content, search });
        self.remember(tenant, &keys, now);
        Ok(Some(keys))
    }

    async fn make_keys(&self, tenant: TenantId) -> Result<Arc<TenantKeys>, StoreError> {
        for purpose in [KeyPurpose::Search, KeyPurpose::Content] {
            add_key(&self.parts, Some(tenant), purpose, 1).await?;
        }
        let read = self.read_keys(tenant, self.parts.clock.now()).await?;
        read.ok_or_else(|| StoreError::corrupt("key", tenant, DoesNotOpen))
    }

    /// Gives a tenant a new key, which seals from now on. Gives its version.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be kept.
    pub async fn rotate(&self, tenant: TenantId) -> Result<u32, StoreError> {
        let now = self.parts.clock.now();
        let next = match self.read_keys(tenant, now).await? {
            Some(keys) => keys.current() + 1,
            None => return Ok(self.make_keys(tenant).await?.current()),
        };
        // Should somebody else do so at once, one new key is enough.
        add_key(&self.parts, Some(tenant), KeyPurpose::Content, next).await?;
        let keys = self.read_keys(tenant, now).await?;
        Ok(keys.map_or(next, |keys| keys.current()))
    }

    /// Forgets a tenant's keys, for ever: what they sealed cannot be read by anybody. Other nodes may
    /// remember them for [`KEYS_BELIEVED_FOR`].
    ///
    /// # Errors
    /// [`StoreError`] where that cannot be kept.
    pub async fn shred(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.parts.keys.shred_keys(tenant).await?;
        self.forget(tenant);
        Ok(())
    }

    pub(crate) fn forget(&self, tenant: TenantId) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }

    /// Seals a text of a tenant's with the key that seals now.
    pub(crate) fn seal(
        &self,
        keys: &TenantKeys,
        place: &Place<'_>,
        text: &[u8],
    ) -> Result<(u32, Vec<u8>), DoesNotOpen> {
        let version = keys.current();
        let cipher = keys.cipher(version)?;
        Ok((version, cipher.seal(self.parts.entropy.as_ref(), &place.bytes(version), text)?))
    }

    /// Opens what was sealed with a key of this version.
    pub(crate) fn open_with(
        keys: &TenantKeys,
        place: &Place<'_>,
        version: u32,
        sealed: &[u8],
    ) -> Result<Vec<u8>, DoesNotOpen> {
        keys.cipher(version)?.open(&place.bytes(version), sealed)
    }

    /// Seals what belongs to no tenant.
    pub(crate) fn seal_own(&self, field: &str, text: &str) -> Result<Vec<u8>, DoesNotOpen> {
        self.own.seal(self.parts.entropy.as_ref(), field.as_bytes(), text.as_bytes())
    }

    /// Opens it.
    pub(crate) fn open_own(&self, field: &str, sealed: &[u8]) -> Result<String, DoesNotOpen> {
        let text = self.own.open(field.as_bytes(), sealed)?;
        String::from_utf8(text).map_err(|_| DoesNotOpen)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// The deployment's own key for something, which is made where there is none.
async fn own_key(parts: &Parts, purpose: KeyPurpose) -> Result<SecretKey, VaultError> {
    let find = async || {
        let kept = parts.keys.keys(None).await?;
        Ok::<_, StoreError>(kept.into_iter().find(|key| key.purpose == purpose))
    };
    let kept = match find().await? {
        Some(kept) => kept,
        None => {
            add_key(parts, None, purpose, 1).await?;
            // Of two nodes that start at once, both take the one that was first.
            find().await?.ok_or_else(|| StoreError::corrupt("key", purpose, DoesNotOpen))?
        }
    };
    let context = context(kept.tenant, kept.purpose, kept.version);
    Ok(parts.provider.unwrap(&kept.wrapped, &context).await?)
}

/// Whether the provider has every key that any key is wrapped in. One key of each name is tried, and
/// none where all are wrapped in the current one.
async fn check_wrappings(parts: &Parts) -> Result<(), VaultError> {
    let current = parts.provider.current();
    let Wrapping { done, total } = parts.keys.wrapping(current).await?;
    let others = u32::try_from(total.saturating_sub(done)).unwrap_or(u32::MAX);
    if others == 0 {
        return Ok(());
    }
    let mut tried = BTreeSet::new();
    for kept in parts.keys.keys_wrapped_otherwise(current, others).await? {
        if !tried.contains(&kept.wrapped.by) {
            let context = context(kept.tenant, kept.purpose, kept.version);
            match parts.provider.unwrap(&kept.wrapped, &context).await {
                // A tenant's own trouble: its key was changed, and others need not suffer for it.
                Ok(_) | Err(KeyError::Wrong { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            tried.insert(kept.wrapped.by);
        }
    }
    Ok(())
}

pub(crate) async fn add_key(
    parts: &Parts,
    tenant: Option<TenantId>,
    purpose: KeyPurpose,
    version: u32,
) -> Result<bool, StoreError> {
    let key = draw_key(parts.entropy.as_ref());
    let wrapped = parts.provider.wrap(&key, &context(tenant, purpose, version)).await;
    let wrapped = wrapped.map_err(StoreError::unavailable)?;
    let created_at = parts.clock.now();
    parts.keys.add_key(&KeptKey { tenant, purpose, version, wrapped, created_at }).await
}

pub(crate) async fn unwrap(parts: &Parts, kept: &KeptKey) -> Result<SecretKey, StoreError> {
    let context = context(kept.tenant, kept.purpose, kept.version);
    let unwrapped = parts.provider.unwrap(&kept.wrapped, &context).await;
    unwrapped.map_err(|error| unusable(kept, error))
}

/// The key wrapped anew in the provider's current one.
pub(crate) async fn rewrap(parts: &Parts, kept: &KeptKey) -> Result<KeptKey, StoreError> {
    let key = unwrap(parts, kept).await?;
    let context = context(kept.tenant, kept.purpose, kept.version);
    let wrapped = parts.provider.wrap(&key, &context).await.map_err(StoreError::unavailable)?;
    Ok(KeptKey { wrapped, ..kept.clone() })
}

impl From<DoesNotOpen> for KeyError {
    fn from(_: DoesNotOpen) -> Self {
        Self::Wrong { by: String::new() }
    }
}

fn unusable(kept: &KeptKey, error: KeyError) -> StoreError {
    match error {
        KeyError::Unavailable(source) => StoreError::Unavailable(source),
        // It is not lost: somebody has it, and will tell this node.
        unknown @ KeyError::Unknown { .. } => StoreError::unavailable(unknown),
        other => {
            let whose = kept.tenant.map_or_else(|| "of the deployment".into(), |it| it.to_string());
            StoreError::corrupt("key", whose, other)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks that are kept were made so: otherwise made, nothing of before would be found.
    #[test]
    fn a_word_stands_for_its_keyed_hash_however_long_it_is() {
        let search = SecretKey::new(Box::new([7; 32]));
        let keys = TenantKeys { content: BTreeMap::new(), search };
        for length in 0..200 {
            let word = "w".repeat(length);
            let expected = blake3::keyed_hash(&[7; 32], format!("word\0{word}").as_bytes());
            assert_eq!(keys.trapdoor(&word).0, *expected.as_bytes(), "{length}");
        }
    }
}
