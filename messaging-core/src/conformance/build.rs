//! Complete values with defaults, for tests to change one thing of.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::access::{ApiKey, SecretDigest, TokenFamily};
use crate::domain::address::Address;
use crate::domain::audit::{ActorKind, AuditEvent, Chain};
use crate::domain::batch::Batch;
use crate::domain::content::Content;
use crate::domain::id::{
    ApiKeyId, BatchId, InboxId, MessageId, OptOutId, SessionId, TenantId, TokenFamilyId, uuid_v7,
};
use crate::domain::inbox::InboxEntry;
use crate::domain::message::{Direction, Message, Priority};
use crate::domain::new_chats::NewChats;
use crate::domain::opt_out::{OptOut, OptOutSource};
use crate::domain::pii::PiiPolicy;
use crate::domain::server::{KeptServer, ServerKey};
use crate::domain::session::{OnRateLimit, ProviderSession, Session, SessionHealth, SessionStatus};
use crate::domain::status::Status;
use crate::domain::tenant::{OnUnknown, Rights, Role, Tenant};
use crate::domain::tenant_life::TenantLimits;
use crate::domain::timestamp::Timestamp;

/// `millis` after the instant at which tests begin, 2026-01-01T00:00:00Z.
pub fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000).plus(Duration::from_millis(millis))
}

/// The `n`th id; ids sort by `n`.
fn nth(n: u64) -> Uuid {
    uuid_v7(at(n), n)
}

/// The `n`th tenant's id.
pub fn tenant_id(n: u64) -> TenantId {
    TenantId(nth(n))
}

/// The `n`th session's id.
pub fn session_id(n: u64) -> SessionId {
    SessionId(nth(n))
}

/// The `n`th message's id.
pub fn message_id(n: u64) -> MessageId {
    MessageId(nth(n))
}

/// The `n`th bulk request's id.
pub fn batch_id(n: u64) -> BatchId {
    BatchId(nth(n))
}

/// The `n`th kept webhook's id.
pub fn inbox_id(n: u64) -> InboxId {
    InboxId(nth(n))
}

/// Something the first tenant's owner did in the `n`th millisecond.
pub fn audit_event(n: u64) -> AuditEvent {
    AuditEvent {
        chain: Chain::Tenant(tenant_id(1)),
        at: at(n),
        actor_kind: ActorKind::Token,
        actor: format!("owner {}", n % 3),
        role: Some("owner".to_owned()),
        action: if n % 2 == 1 { "create_session" } else { "send_message" }.to_owned(),
        target_kind: Some("session".to_owned()),
        target: Some(session_id(n).to_string()),
        source: Some("192.0.2.7".to_owned()),
        status: 201,
        code: None,
        request: Some(format!("request-{n}")),
    }
}

/// The id of the `n`th entry of a list of those who want no messages.
pub fn opt_out_id(n: u64) -> OptOutId {
    OptOutId(nth(n))
}

/// The `n`th API key's id.
pub fn api_key_id(n: u64) -> ApiKeyId {
    ApiKeyId(nth(n))
}

/// The `n`th family's id.
pub fn family_id(n: u64) -> TokenFamilyId {
    TokenFamilyId(nth(n))
}

/// An owner's key of the first tenant, that does not end.
pub fn api_key(n: u64) -> ApiKey {
    ApiKey {
        id: api_key_id(n),
        tenant: tenant_id(1),
        name: format!("key {n}"),
        rights: Rights::of(Role::Owner),
        digest: SecretDigest([7; 32]),
        created_at: at(n),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

/// A family of the first tenant's first key, whose first token is good for a quarter of an hour.
pub fn token_family(n: u64) -> TokenFamily {
    TokenFamily {
        id: family_id(n),
        tenant: tenant_id(1),
        key: api_key_id(1),
        latest: 0,
        created_at: at(0),
        expires_at: at(900_000),
        revoked_at: None,
    }
}

/// The `n`th person's address.
pub fn address(n: u64) -> Address {
    Address::from_stored(&format!("+55119{n:08}"))
}

/// The `n`th tenant.
pub fn tenant(n: u64) -> Tenant {
    let name = format!("tenant-{n}");
    let on_unknown = OnUnknown::DeadLetter;
    let pii = PiiPolicy::Off;
    Tenant {
        id: tenant_id(n),
        name,
        suspension: None,
        on_unknown,
        pii,
        limits: TenantLimits::default(),
        deletion: None,
        created_at: at(n),
    }
}

/// A server of the provider's, which may hold five sessions.
pub fn server(n: u64) -> KeptServer {
    KeptServer {
        name: format!("server-{n}"),
        url: format!("http://waha-{n}:3000"),
        api_key: Some(ServerKey(format!("key-of-server-{n}"))),
        capacity: Some(5),
        draining: false,
        created_at: at(n),
        updated_at: at(n),
    }
}

/// The `n`th session, of tenant 1, working.
pub fn session(n: u64) -> Session {
    Session {
        id: session_id(n),
        tenant: tenant_id(1),
        name: format!("session-{n}"),
        place: ProviderSession { server: "default".into(), name: format!("waha-{n}") },
        adopted: false,
        status: SessionStatus::Working,
        status_at: at(0),
        own_address: Some(address(9_000_000 + n)),
        on_rate_limit: OnRateLimit::Reject,
        new_chats: NewChats::default(),
        health: SessionHealth::Ok,
        health_since: None,
        suspension: None,
        tenant_suspension: None,
        webhook_secrets: None,
        created_at: at(n),
        updated_at: at(n),
    }
}

/// The `n`th message: a queued text from tenant 1 through session 1 to person 1.
pub fn message(n: u64) -> Message {
    Message {
        id: message_id(n),
        tenant: tenant_id(1),
        session: session_id(1),
        batch: None,
        direction: Direction::Outbound,
        from: Some(address(9_000_001)),
        to: Some(address(1)),
        content: Content::text(format!("text {n}")),
        alias: None,
        sealed: None,
        redaction: None,
        priority: Priority::Normal,
        metadata: None,
        status: Status::Queued,
        attempts: 0,
        generation: 0,
        held: false,
        due_at: at(n),
        expires_at: None,
        failure: None,
        provider_message_id: None,
        created_at: at(n),
        updated_at: at(n),
        sent_at: None,
        delivered_at: None,
        read_at: None,
        failed_at: None,
    }
}

/// The `n`th message: a text that person 1 sent to session 1 of tenant 1.
pub fn inbound(n: u64) -> Message {
    Message {
        direction: Direction::Inbound,
        from: Some(address(1)),
        to: Some(address(9_000_001)),
        status: Status::Received,
        provider_message_id: Some(crate::domain::id::ProviderMessageId(format!("3A{n:018X}"))),
        ..message(n)
    }
}

/// The `n`th bulk request, of tenant 1 through session 1, two messages at a time.
pub fn batch(n: u64) -> Batch {
    Batch {
        id: batch_id(n),
        tenant: tenant_id(1),
        session: session_id(1),
        batch_size: 2,
        accepted: 5,
        rejected: 0,
        send_at: None,
        suspension: None,
        created_at: at(n),
        cancelled_at: None,
    }
}

/// The `n`th entry of tenant 1's list of those who want no messages: the `n`th person.
pub fn opt_out(n: u64) -> OptOut {
    OptOut {
        id: opt_out_id(n),
        tenant: tenant_id(1),
        address: address(n),
        since: at(n),
        source: OptOutSource::Api,
        words: None,
        message: None,
        note: None,
    }
}

/// The `n`th kept webhook, about session 1 of tenant 1.
pub fn inbox_entry(n: u64) -> InboxEntry {
    InboxEntry {
        id: inbox_id(n),
        tenant: tenant_id(1),
        session: session_id(1),
        event: "message.any".into(),
        key: format!("evt_{n}"),
        payload: format!("{{\"n\":{n}}}").into_bytes(),
        received_at: at(n),
        attempts: 0,
        due_at: at(n),
        has_effect: true,
    }
}
