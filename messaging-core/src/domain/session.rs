//! A WhatsApp account as the gateway knows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::address::Address;
use crate::domain::id::{SessionId, TenantId};
use crate::domain::new_chats::{NewChats, NewChatsPatch};
use crate::domain::suspension::Suspension;
use crate::domain::timestamp::Timestamp;
use crate::domain::webhook_secret::WebhookSecrets;
use crate::named::named_enum;

named_enum! {
    /// Whether an account can send, as its provider says.
    pub enum SessionStatus {
        /// Not running.
        Stopped = "stopped",
        /// Coming up.
        Starting = "starting",
        /// Waits for somebody to scan its QR code.
        ScanQr = "scan_qr_code",
        /// Waits for a passkey.
        PasskeyRequired = "passkey_required",
        /// Waits for a passkey to be confirmed.
        PasskeyConfirmationRequired = "passkey_confirmation_required",
        /// Connected: the only state that sends.
        Working = "working",
        /// Broken; somebody must look.
        Failed = "failed",
        /// The provider has not told yet.
        Unknown = "unknown",
    }
}

named_enum! {
    /// What becomes of a single message over its session's quota.
    pub enum OnRateLimit {
        /// It is refused; the caller may try again later.
        Reject = "reject",
        /// It is accepted and waits.
        Queue = "queue",
    }
}

named_enum! {
    /// What becomes of a single message while the session's server cannot be used.
    pub enum OnUnavailable {
        /// It is accepted and waits.
        Accept = "accept",
        /// It is refused; the caller may try again later.
        Reject = "reject",
    }
}

named_enum! {
    /// Whether a connected account does what it should.
    pub enum SessionHealth {
        /// As far as anybody can tell.
        Ok = "ok",
        /// Nothing that it sends is acknowledged.
        Silent = "silent",
        /// Its webhooks do not reach us.
        Deaf = "deaf",
    }
}

/// One WhatsApp account, owned by one tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Ours.
    pub id: SessionId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The tenant's name for it, unique among the tenant's sessions.
    pub name: String,
    /// Where it lives at the provider; owned by one tenant at a time.
    pub place: ProviderSession,
    /// Whether it was there before us: deleting it here then leaves it there.
    pub adopted: bool,
    /// Whether it can send.
    pub status: SessionStatus,
    /// When `status` was true, as the provider told; what is older is not applied.
    pub status_at: Timestamp,
    /// The account's own address, once known.
    pub own_address: Option<Address>,
    /// What becomes of single messages over the quota.
    pub on_rate_limit: OnRateLimit,
    /// What limits the chats that it opens.
    pub new_chats: NewChats,
    /// Whether it does what it should, while it is connected.
    pub health: SessionHealth,
    /// Since when it does not.
    pub health_since: Option<Timestamp>,
    /// Whether somebody stopped it.
    pub suspension: Option<Suspension>,
    /// Whether somebody stopped its tenant. Not kept with the session, but with the tenant.
    pub tenant_suspension: Option<Suspension>,
    /// What the provider signs its webhooks with; `None` for what it signs those of all with.
    pub webhook_secrets: Option<WebhookSecrets>,
    /// When it was made here.
    pub created_at: Timestamp,
    /// When anything about it changed last.
    pub updated_at: Timestamp,
}

impl Session {
    /// What stops it at `now`, should anything: of its own suspension and its tenant's the one that
    /// ends later.
    pub fn stopped_by(&self, now: Timestamp) -> Option<&Suspension> {
        let both = [&self.suspension, &self.tenant_suspension];
        let holding = both.into_iter().flatten().filter(|each| each.holds(now));
        holding.max_by_key(|each| each.until.unwrap_or(Timestamp::MAX))
    }
}

/// A session as whoever reads what its webhooks should have told sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedSession {
    /// Ours.
    pub id: SessionId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Where it lives at the provider.
    pub place: ProviderSession,
    /// Whether it can send.
    pub status: SessionStatus,
    /// Whether it does what it should.
    pub health: SessionHealth,
    /// When the latest of its messages that was read was written: up to there nothing is missing.
    /// `None` before the first.
    pub read_until: Option<Timestamp>,
    /// When it was made here.
    pub created_at: Timestamp,
}

/// Where an account lives at the provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProviderSession {
    /// Which of the provider's servers.
    pub server: String,
    /// The provider's own name for the session.
    pub name: String,
}

/// How many sessions of each status are on each of the provider's servers, by its name.
pub type Census = BTreeMap<(String, SessionStatus), u64>;

/// What a tenant may change about a session; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionPatch {
    /// Another name.
    pub name: Option<String>,
    /// What becomes of single messages over the quota.
    pub on_rate_limit: Option<OnRateLimit>,
    /// What limits the chats that it opens.
    pub new_chats: NewChatsPatch,
}
