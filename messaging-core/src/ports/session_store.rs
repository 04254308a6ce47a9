//! The truth about sessions.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::address::Address;
use crate::domain::id::{SessionId, TenantId};
use crate::domain::new_chats::Restriction;
use crate::domain::server::{Placing, Room};
use crate::domain::session::{
    Census, ProviderSession, Session, SessionHealth, SessionPatch, SessionStatus, WatchedSession,
};
use crate::domain::suspension::Suspension;
use crate::domain::timestamp::Timestamp;
use crate::domain::webhook_secret::WebhookSecrets;
use crate::ports::store_error::StoreError;

/// The truth about sessions. Atomic, durable and without a clock, as
/// [`MessageStore`](super::message_store::MessageStore).
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Keeps a new session, but for what is kept with its tenant. Nothing of it was read yet, and it
    /// is well.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] of `session name` where the tenant has one of this name, of
    /// `session place` where its place at the provider is taken, by whomever; of `session` where
    /// its id is.
    async fn insert(&self, session: &Session) -> Result<(), StoreError>;

    /// Keeps a new session as [`insert`](Self::insert) does, where its server has room for it as
    /// [`Room::judge`] says, or nothing of it. Of many that come at once, from whatever node, no more
    /// are kept than there is room for; and none on a server that is being forgotten.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    async fn place(&self, session: &Session, room: Room) -> Result<Placing, StoreError>;

    /// Looks up one tenant's session.
    async fn find(&self, tenant: TenantId, id: SessionId) -> Result<Option<Session>, StoreError>;

    /// Looks up one tenant's session by its name.
    async fn find_named(&self, tenant: TenantId, name: &str)
    -> Result<Option<Session>, StoreError>;

    /// One tenant's sessions, in order of id.
    async fn list(&self, tenant: TenantId) -> Result<Vec<Session>, StoreError>;

    /// Changes one tenant's session; `None` when the tenant has none of that id.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] of `session name` where the name is taken.
    async fn patch(
        &self,
        tenant: TenantId,
        id: SessionId,
        patch: &SessionPatch,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError>;

    /// Stops one tenant's session, or ends that; `None` when the tenant has none of that id.
    async fn suspend(
        &self,
        tenant: TenantId,
        id: SessionId,
        suspension: Option<Suspension>,
    ) -> Result<Option<Session>, StoreError>;

    /// Records what WhatsApp restricts a session's new chats to, or that it does no more; `None` where
    /// there is no such session.
    async fn restrict(
        &self,
        id: SessionId,
        restriction: Option<Restriction>,
    ) -> Result<Option<Session>, StoreError>;

    /// Sets what the webhooks of one tenant's session are signed with; `None` when the tenant has none
    /// of that id.
    async fn set_webhook_secrets(
        &self,
        tenant: TenantId,
        id: SessionId,
        secrets: &WebhookSecrets,
    ) -> Result<Option<Session>, StoreError>;

    /// Puts `after` in the place of what a session's webhooks are signed with, unless that is no longer
    /// `before`. Tells whether it was.
    async fn replace_webhook_secrets(
        &self,
        id: SessionId,
        before: &WebhookSecrets,
        after: &WebhookSecrets,
    ) -> Result<bool, StoreError>;

    /// Forgets one tenant's session and its chats, so that its name and place are free; its messages stay. Tells
    /// whether it was there.
    async fn delete(&self, tenant: TenantId, id: SessionId) -> Result<bool, StoreError>;

    /// Looks up a session whoever owns it: for the worker and for webhooks.
    async fn find_any(&self, id: SessionId) -> Result<Option<Session>, StoreError>;

    /// The sessions of this name at the provider, over all its servers, in order of id.
    async fn find_placed(&self, name: &str) -> Result<Vec<Session>, StoreError>;

    /// All sessions with their places, in order of id: for the worker.
    async fn all_places(&self) -> Result<Vec<(SessionId, ProviderSession)>, StoreError>;

    /// How many sessions of each status are on each of the provider's servers, by its name; those
    /// of which there are none are left out.
    async fn census(&self) -> Result<Census, StoreError>;

    /// All sessions as whoever catches up sees them, in order of id.
    async fn watched(&self) -> Result<Vec<WatchedSession>, StoreError>;

    /// Records up to when a session's messages were read, unless that is known of a later instant.
    async fn record_read(&self, id: SessionId, until: Timestamp) -> Result<(), StoreError>;

    /// Records how a session is, since `since`, and tells whether it was otherwise before. One that
    /// was so already is so since then.
    async fn record_health(
        &self,
        id: SessionId,
        health: SessionHealth,
        since: Timestamp,
    ) -> Result<bool, StoreError>;

    /// How many sessions are how; those of which there are none are left out.
    async fn health_census(&self) -> Result<BTreeMap<SessionHealth, u64>, StoreError>;

    /// Records a session's state, and its own address where given, unless a later state (by `at`)
    /// is known: then nothing changes. Gives the session where its status changed.
    async fn record_status(
        &self,
        id: SessionId,
        status: SessionStatus,
        at: Timestamp,
        own_address: Option<Address>,
    ) -> Result<Option<Session>, StoreError>;
}
