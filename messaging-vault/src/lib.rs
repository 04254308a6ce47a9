//! Encryption at rest for any store of `messaging-core`.
//!
//! [`SealedMessages`], [`SealedInbox`], [`SealedOptOuts`], [`SealedSessions`], [`SealedServers`],
//! [`SealedPersons`] and [`SealedIdempotency`] each wrap a store of the port they implement. The store inside keeps what
//! messages say, whom they go to and come from, their metadata, webhooks, answers and who opted out
//! encrypted, and works as before: order, chats and repeats are told by keyed pseudonyms, and search by
//! keyed marks of words and of a number's last digits. [`ShreddedTenants`] has a tenant's keys destroyed
//! when it is deleted.
//!
//! ```
//! use std::sync::Arc;
//!
//! use messaging_core::memory::store::MemoryStore;
//! use messaging_core::ports::clock::SystemClock;
//! use messaging_core::ports::entropy::SystemEntropy;
//! use messaging_core::ports::key_provider::SecretKey;
//! use messaging_vault::{LocalKeys, Mode, Parts, SealedMessages, Vault};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let from_your_secret_store = [7; 32];
//! let store = Arc::new(MemoryStore::new());
//! let wrapping_key = SecretKey::new(Box::new(from_your_secret_store));
//! let parts = Parts {
//!     keys: store.clone(),
//!     provider: Arc::new(LocalKeys::new(&wrapping_key, &[], SystemEntropy)?),
//!     clock: Arc::new(SystemClock),
//!     entropy: Arc::new(SystemEntropy),
//! };
//! let vault = Vault::open(parts, Mode::Words).await?;
//! let messages = SealedMessages::new(store, vault.clone());
//! // Give `messages` to the gateway as its store, and `vault.pseudonyms()` with its settings.
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! - **Envelopes.** Each tenant has a data key of its own (AES-256-GCM), which is kept wrapped in a key
//!   that a [`KeyProvider`] has: [`LocalKeys`], or your key management service. Whoever has the
//!   database alone can read nothing; without a tenant's data key ([`Vault::shred`]) nobody can.
//! - **In its place.** What is encrypted is bound to its tenant, its row and its field, and opens
//!   nowhere else.
//! - **Rotation.** [`Vault::rotate`] gives a tenant a new data key and [`Sealer`] encrypts anew what is
//!   kept; [`Sealer::rewrap_keys`] wraps all keys in the provider's new one. Both go on beside all
//!   else.
//! - **Search.** A message is marked with its words, each mark made of the word, a key of the tenant's
//!   and the message's id. So marks of different messages do not show that they have a word in common.
//!
//! [`KeyProvider`]: messaging_core::ports::key_provider::KeyProvider

mod blob;
mod cipher;
mod idempotency;
mod inbox;
mod local_keys;
mod messages;
mod opt_outs;
mod persons;
mod sealing;
mod servers;
mod sessions;
mod tenants;
mod vault;
mod words;

pub use cipher::DoesNotOpen;
pub use idempotency::SealedIdempotency;
pub use inbox::SealedInbox;
pub use local_keys::LocalKeys;
pub use messages::SealedMessages;
pub use opt_outs::SealedOptOuts;
pub use persons::SealedPersons;
pub use sealing::{Progress, Sealer, Stores, parse_key};
pub use servers::SealedServers;
pub use sessions::SealedSessions;
pub use tenants::ShreddedTenants;
pub use vault::{KEYS_BELIEVED_FOR, Mode, Parts, Vault, VaultError};
