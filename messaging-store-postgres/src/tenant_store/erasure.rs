//! Letting go of all that is a tenant's.

use messaging_core::domain::id::TenantId;
use messaging_core::domain::timestamp::Timestamp;
use sqlx::PgConnection;

/// Nobody is believed in its name any more.
async fn forget_access(connection: &mut PgConnection, id: TenantId) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM api_keys WHERE tenant = $1", id.0).execute(&mut *connection).await?;
    sqlx::query!("DELETE FROM token_families WHERE tenant = $1", id.0)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

pub(super) async fn begin(
    connection: &mut PgConnection,
    id: TenantId,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    let begun = sqlx::query!(
        "UPDATE tenants SET deleting_since = $2, suspended_at = $2, suspended_until = NULL,
             suspension_reason = NULL
         WHERE id = $1 AND deleting_since IS NULL",
        id.0,
        at.as_micros(),
    )
    .execute(&mut *connection)
    .await?;
    if begun.rows_affected() == 0 {
        return Ok(());
    }
    // In a statement after the lock, which so sees all sessions made under it.
    sqlx::query!(
        "UPDATE sessions SET tenant_suspended_at = $2, tenant_suspended_until = NULL,
             tenant_suspension_reason = NULL
         WHERE tenant = $1",
        id.0,
        at.as_micros(),
    )
    .execute(&mut *connection)
    .await?;
    forget_access(connection, id).await
}

/// Whether it is being deleted; nobody else erases anything of it then, or makes a session, until the
/// transaction ends.
async fn is_leaving(connection: &mut PgConnection, id: TenantId) -> Result<bool, sqlx::Error> {
    let found = sqlx::query_scalar!(
        "SELECT id FROM tenants WHERE id = $1 AND deleting_since IS NOT NULL FOR UPDATE",
        id.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.is_some())
}

pub(super) async fn erase(
    connection: &mut PgConnection,
    id: TenantId,
    limit: u32,
) -> Result<u64, sqlx::Error> {
    if !is_leaving(connection, id).await? {
        return Ok(0);
    }
    let mut gone = messages(connection, id, limit).await?;
    if gone == 0 {
        gone = of_sessions(connection, id, limit).await?;
    }
    if gone == 0 {
        gone = webhooks(connection, id, limit).await?;
    }
    if gone == 0 {
        gone = the_rest(connection, id, limit).await?;
    }
    if gone > 0 {
        sqlx::query!(
            "UPDATE tenants SET erased = erased + $2 WHERE id = $1",
            id.0,
            i64::try_from(gone).unwrap_or(i64::MAX),
        )
        .execute(connection)
        .await?;
    }
    Ok(gone)
}

/// Messages, whatever their status, with what each says and what happened to it.
async fn messages(
    connection: &mut PgConnection,
    id: TenantId,
    limit: u32,
) -> Result<u64, sqlx::Error> {
    let some = sqlx::query_scalar!(
        "SELECT id FROM messages WHERE tenant = $1 ORDER BY id LIMIT $2",
        id.0,
        i64::from(limit),
    )
    .fetch_all(&mut *connection)
    .await?;
    if some.is_empty() {
        return Ok(0);
    }
    sqlx::query_scalar!(
        r#"
        WITH locked AS (
            SELECT id FROM messages WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE
        ), gone AS (
            -- The second says the same once more, where it lets months be passed over.
            DELETE FROM messages m USING locked WHERE m.id = locked.id AND m.id = ANY($1)
            RETURNING m.id
        ), said AS (
            DELETE FROM message_contents c USING gone
            WHERE c.message = gone.id AND c.message = ANY($1)
        ), told AS (
            DELETE FROM message_events e USING gone
            WHERE e.message = gone.id AND e.message = ANY($1)
        )
        SELECT count(*) AS "gone!" FROM gone
        "#,
        &some,
    )
    .fetch_one(connection)
    .await
    .map(i64::unsigned_abs)
}

/// What is known of the tenant's sessions: those it has, and those by which its messages are counted,
/// which it had.
async fn of_sessions(
    connection: &mut PgConnection,
    id: TenantId,
    limit: u32,
) -> Result<u64, sqlx::Error> {
    let own = sqlx::query_scalar!(
        r#"SELECT id AS "session!" FROM sessions WHERE tenant = $1
         UNION SELECT session FROM message_counts WHERE tenant = $1
         UNION SELECT session FROM message_count_changes WHERE tenant = $1"#,
        id.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    let limit = i64::from(limit);
    let attempts = sqlx::query!(
        "DELETE FROM attempts WHERE (session, at) IN (
             SELECT session, at FROM attempts WHERE session = ANY($1::uuid[]) LIMIT $2
         )",
        &own,
        limit,
    )
    .execute(&mut *connection)
    .await?;
    let provider_ids = sqlx::query!(
        "DELETE FROM provider_ids WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM provider_ids WHERE session = ANY($1::uuid[]) LIMIT $2
         ))",
        &own,
        limit,
    )
    .execute(&mut *connection)
    .await?;
    let keys = sqlx::query!(
        "DELETE FROM inbox_keys WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM inbox_keys WHERE session = ANY($1::uuid[]) LIMIT $2
         ))",
        &own,
        limit,
    )
    .execute(&mut *connection)
    .await?;
    let chats = sqlx::query!(
        "DELETE FROM chats WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM chats WHERE session = ANY($1::uuid[]) LIMIT $2
         ))",
        &own,
        limit,
    )
    .execute(&mut *connection)
    .await?;
    let all = [attempts, provider_ids, keys, chats];
    Ok(all.iter().map(sqlx::postgres::PgQueryResult::rows_affected).sum())
}

/// Webhooks, those that are still to be applied too, and what tells their repeats: one that comes in when
/// its session is gone is found by nothing else.
async fn webhooks(
    connection: &mut PgConnection,
    id: TenantId,
    limit: u32,
) -> Result<u64, sqlx::Error> {
    let limit = i64::from(limit);
    let over = sqlx::query_scalar!(
        r#"
        WITH own AS (
            SELECT id FROM inbox WHERE tenant = $1 AND status <> 'pending'
            ORDER BY id LIMIT $2 FOR UPDATE
        ), gone AS (
            DELETE FROM inbox i USING own WHERE i.id = own.id
            RETURNING i.session, i.event, i.key
        ), known AS (
            DELETE FROM inbox_keys k USING gone
            WHERE k.session = gone.session AND k.event = gone.event AND k.key = gone.key
        )
        SELECT count(*) AS "gone!" FROM gone
        "#,
        id.0,
        limit,
    )
    .fetch_one(&mut *connection)
    .await?;
    let pending = sqlx::query_scalar!(
        r#"
        WITH own AS (
            SELECT id FROM inbox WHERE tenant = $1 AND status = 'pending'
            ORDER BY id LIMIT $2 FOR UPDATE
        ), gone AS (
            DELETE FROM inbox i USING own WHERE i.id = own.id
            RETURNING i.session, i.event, i.key
        ), known AS (
            DELETE FROM inbox_keys k USING gone
            WHERE k.session = gone.session AND k.event = gone.event AND k.key = gone.key
        )
        SELECT count(*) AS "gone!" FROM gone
        "#,
        id.0,
        limit,
    )
    .fetch_one(&mut *connection)
    .await?;
    Ok((over + pending).unsigned_abs())
}

/// What names the tenant by itself; its sessions go last.
async fn the_rest(
    connection: &mut PgConnection,
    id: TenantId,
    limit: u32,
) -> Result<u64, sqlx::Error> {
    let limit = i64::from(limit);
    let batches = sqlx::query!(
        "DELETE FROM batches WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM batches WHERE tenant = $1 LIMIT $2
         ))",
        id.0,
        limit,
    )
    .execute(&mut *connection)
    .await?;
    let opt_outs = sqlx::query!(
        "DELETE FROM opt_outs WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM opt_outs WHERE tenant = $1 LIMIT $2
         ))",
        id.0,
        limit,
    )
    .execute(&mut *connection)
    .await?;
    let keys = sqlx::query!(
        "DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM idempotency_keys WHERE tenant = $1 LIMIT $2
         ))",
        id.0,
        limit,
    )
    .execute(&mut *connection)
    .await?;
    let counts = sqlx::query!(
        "DELETE FROM message_counts WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM message_counts WHERE tenant = $1 LIMIT $2
         ))",
        id.0,
        limit,
    )
    .execute(&mut *connection)
    .await?;
    let changes = sqlx::query!(
        "DELETE FROM message_count_changes WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM message_count_changes WHERE tenant = $1 LIMIT $2
         ))",
        id.0,
        limit,
    )
    .execute(&mut *connection)
    .await?;
    let all = [batches, opt_outs, keys, counts, changes];
    let gone: u64 = all.iter().map(sqlx::postgres::PgQueryResult::rows_affected).sum();
    if gone > 0 {
        return Ok(gone);
    }
    let sessions = sqlx::query!(
        "DELETE FROM sessions WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM sessions WHERE tenant = $1 LIMIT $2
         ))",
        id.0,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(sessions.rows_affected())
}

pub(super) async fn remove(
    connection: &mut PgConnection,
    id: TenantId,
) -> Result<bool, sqlx::Error> {
    if !is_leaving(connection, id).await? {
        return Ok(false);
    }
    let logged =
        sqlx::query_scalar!("SELECT seq FROM audit_entries WHERE chain = $1 LIMIT 1", id.0)
            .fetch_optional(&mut *connection)
            .await?;
    if logged.is_some() {
        return Ok(false);
    }
    forget_access(connection, id).await?;
    sqlx::query!("DELETE FROM audit_chains WHERE chain = $1", id.0)
        .execute(&mut *connection)
        .await?;
    // Should one have been made while it was leaving.
    sqlx::query!("DELETE FROM wrapped_keys WHERE tenant = $1", id.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM retention_rules WHERE tenant = $1", id.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM tenants WHERE id = $1", id.0).execute(connection).await?;
    Ok(true)
}
