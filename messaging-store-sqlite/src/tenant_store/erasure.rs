//! Letting go of all that is a tenant's.

use messaging_core::domain::id::TenantId;
use messaging_core::domain::tenant::Tenant;
use messaging_core::domain::timestamp::Timestamp;
use rusqlite::{Connection, params};

use crate::column::{Id, decode_first};
use crate::error::Fault;
use crate::inbox_store::remove_with_keys;
use crate::person_store::for_good;
use crate::tenant_store::erasure::Step::{Rows, Webhooks};

/// A statement by which some of a tenant's rows go.
enum Step {
    Rows(&'static str),
    /// Also what tells their repeats, whether or not their session is there still.
    Webhooks(&'static str),
}

/// What is let go of, of the tenant in ?1 and at most ?2 rows at a time: each only where nothing is left
/// of those before it. Histories go with their messages; sessions, by which the last but one are found,
/// go last.
const STEPS: &[Step] = &[
    Rows("DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE tenant = ?1 LIMIT ?2)"),
    Webhooks(
        "DELETE FROM inbox WHERE id IN (
             SELECT id FROM inbox WHERE tenant = ?1 AND status <> 'pending' LIMIT ?2
         )
         RETURNING session, event, key",
    ),
    Webhooks(
        "DELETE FROM inbox WHERE id IN (
             SELECT id FROM inbox WHERE tenant = ?1 AND status = 'pending' LIMIT ?2
         )
         RETURNING session, event, key",
    ),
    Rows("DELETE FROM batches WHERE id IN (SELECT id FROM batches WHERE tenant = ?1 LIMIT ?2)"),
    Rows(
        "DELETE FROM opt_outs WHERE (tenant, address) IN (
             SELECT tenant, address FROM opt_outs WHERE tenant = ?1 LIMIT ?2
         )",
    ),
    Rows(
        "DELETE FROM idempotency_keys WHERE (tenant, digest) IN (
             SELECT tenant, digest FROM idempotency_keys WHERE tenant = ?1 LIMIT ?2
         )",
    ),
    Rows(
        "DELETE FROM inbox_keys WHERE (session, event, key) IN (
             SELECT k.session, k.event, k.key FROM sessions s JOIN inbox_keys k ON k.session = s.id
             WHERE s.tenant = ?1 LIMIT ?2
         )",
    ),
    Rows(
        "DELETE FROM chats WHERE (session, recipient) IN (
             SELECT c.session, c.recipient FROM sessions s JOIN chats c ON c.session = s.id
             WHERE s.tenant = ?1 LIMIT ?2
         )",
    ),
    Rows("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE tenant = ?1 LIMIT ?2)"),
];

fn find(connection: &Connection, id: TenantId) -> Result<Option<Tenant>, Fault> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        tenant_columns!(),
        " FROM tenants WHERE id = ?1"
    ))?;
    decode_first(statement.query([id.bytes()])?)
}

fn is_leaving(connection: &Connection, id: TenantId) -> Result<bool, Fault> {
    let mut statement = connection
        .prepare_cached("SELECT 1 FROM tenants WHERE id = ?1 AND deleting_since IS NOT NULL")?;
    Ok(statement.exists([id.bytes()])?)
}

/// Nobody is believed in its name any more.
fn forget_access(connection: &Connection, id: TenantId) -> Result<(), Fault> {
    connection.prepare_cached("DELETE FROM api_keys WHERE tenant = ?1")?.execute([id.bytes()])?;
    connection
        .prepare_cached("DELETE FROM token_families WHERE tenant = ?1")?
        .execute([id.bytes()])?;
    Ok(())
}

pub(super) fn begin(
    connection: &Connection,
    id: TenantId,
    at: Timestamp,
) -> Result<Option<Tenant>, Fault> {
    let begun = connection
        .prepare_cached(
            "UPDATE tenants SET deleting_since = ?2, suspended_at = ?2, suspended_until = NULL,
                 suspension_reason = NULL
             WHERE id = ?1 AND deleting_since IS NULL",
        )?
        .execute(params![id.bytes(), at.as_micros()])?;
    if begun > 0 {
        forget_access(connection, id)?;
    }
    find(connection, id)
}

pub(super) fn erase(connection: &Connection, id: TenantId, limit: u32) -> Result<u64, Fault> {
    if !is_leaving(connection, id)? {
        return Ok(0);
    }
    for step in STEPS {
        let which = params![id.bytes(), limit];
        let gone = for_good(connection, || match step {
            Rows(step) => Ok(connection.prepare_cached(step)?.execute(which)? as u64),
            Webhooks(step) => remove_with_keys(connection, step, which),
        })?;
        if gone > 0 {
            connection
                .prepare_cached("UPDATE tenants SET erased = erased + ?2 WHERE id = ?1")?
                .execute(params![id.bytes(), i64::try_from(gone).unwrap_or(i64::MAX)])?;
            return Ok(gone);
        }
    }
    Ok(0)
}

pub(super) fn remove(connection: &Connection, id: TenantId) -> Result<bool, Fault> {
    let is_logged = connection
        .prepare_cached("SELECT 1 FROM audit_entries WHERE chain = ?1 LIMIT 1")?
        .exists([id.bytes()])?;
    if is_logged || !is_leaving(connection, id)? {
        return Ok(false);
    }
    forget_access(connection, id)?;
    for last in [
        "DELETE FROM audit_chains WHERE chain = ?1",
        "DELETE FROM wrapped_keys WHERE tenant = ?1",
        "DELETE FROM retention_rules WHERE tenant = ?1",
        "DELETE FROM tenants WHERE id = ?1",
    ] {
        connection.prepare_cached(last)?.execute([id.bytes()])?;
    }
    Ok(true)
}
