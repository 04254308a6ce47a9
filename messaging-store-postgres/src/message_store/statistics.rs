//! Counts over a tenant's messages.

use messaging_core::domain::filter::MessageFilter;
use messaging_core::domain::id::{SessionId, TenantId};
use messaging_core::domain::message::Direction;
use messaging_core::domain::statistics::{Percentiles, Statistics, StatisticsRange};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::{BoxError, StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::store_error;
use crate::message_store::hours::Hours;
use crate::named::{BadColumn, count as number, named};

/// What a count is called in errors, with its tenant's id.
const ENTITY: &str = "message counts of tenant";

struct Counted {
    session: Uuid,
    direction: String,
    kind: String,
    status: String,
    messages: i64,
}

impl Counted {
    fn add_to(&self, statistics: &mut Statistics) -> Result<(), BoxError> {
        let (status, direction) = (named(&self.status)?, named(&self.direction)?);
        let messages: u64 = number(self.messages, "messages")?;
        statistics.total += messages;
        *statistics.by_status.entry(status).or_default() += messages;
        *statistics.by_direction.entry(direction).or_default() += messages;
        *statistics.by_kind.entry(named(&self.kind)?).or_default() += messages;
        *statistics.by_session.entry(SessionId(self.session)).or_default() += messages;
        if direction == Direction::Outbound {
            *statistics.outbound_by_status.entry(status).or_default() += messages;
        }
        Ok(())
    }
}

/// Counts: whole hours have been added up already, what is left at both ends is looked at.
pub(super) async fn count(
    connection: &mut PgConnection,
    tenant: TenantId,
    range: &StatisticsRange,
) -> Result<Statistics, StoreError> {
    let hours = Hours::between(range.from, range.to);
    let session = range.session.map(|session| session.0);
    let counted = sqlx::query_as!(
        Counted,
        r#"
        SELECT session AS "session!", direction AS "direction!", kind AS "kind!",
            status AS "status!", sum(messages)::bigint AS "messages!"
        FROM (
            SELECT session, direction, kind, status, messages
            FROM message_counts WHERE tenant = $1 AND hour >= $3 AND hour < $4
            UNION ALL
            SELECT session, direction, kind, status, messages
            FROM message_count_changes WHERE tenant = $1 AND hour >= $3 AND hour < $4
            UNION ALL
            SELECT session, direction, kind, status, 1
            FROM messages WHERE tenant = $1 AND created_at >= $5 AND created_at < $6
            UNION ALL
            SELECT session, direction, kind, status, 1
            FROM messages WHERE tenant = $1 AND created_at >= $7 AND created_at < $8
        ) AS parts
        WHERE $2::uuid IS NULL OR session = $2
        GROUP BY session, direction, kind, status
        HAVING sum(messages) <> 0
        "#,
        tenant.0,
        session,
        hours.first,
        hours.end,
        hours.left_from,
        hours.left_until,
        hours.right_from,
        hours.right_until,
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(store_error)?;
    let mut statistics = Statistics {
        time_to_sent: time_to_sent(connection, tenant, range).await?,
        ..Statistics::default()
    };
    for each in counted {
        each.add_to(&mut statistics)
            .map_err(|source| StoreError::corrupt(ENTITY, tenant, source))?;
    }
    Ok(statistics)
}

async fn time_to_sent(
    connection: &mut PgConnection,
    tenant: TenantId,
    range: &StatisticsRange,
) -> Result<Option<Percentiles>, StoreError> {
    let ranked = sqlx::query!(
        r#"
        WITH times AS (
            SELECT array_agg(sent_at - created_at ORDER BY sent_at - created_at) AS micros
            FROM messages
            WHERE tenant = $1 AND created_at >= $2 AND created_at <= $3
                AND ($4::uuid IS NULL OR session = $4) AND sent_at IS NOT NULL
        )
        SELECT micros[(cardinality(micros) * 50 + 99) / 100] AS p50,
            micros[(cardinality(micros) * 95 + 99) / 100] AS p95
        FROM times
        "#,
        tenant.0,
        range.from.unwrap_or(Timestamp::EPOCH).as_micros(),
        range.to.unwrap_or(Timestamp::MAX).as_micros(),
        range.session.map(|session| session.0),
    )
    .fetch_one(connection)
    .await
    .map_err(store_error)?;
    // Exact below 2^53 microseconds.
    let seconds = |micros: i64| micros.max(0) as f64 / 1e6;
    Ok(ranked
        .p50
        .zip(ranked.p95)
        .map(|(p50, p95)| Percentiles { p50: seconds(p50), p95: seconds(p95) }))
}

/// How many messages a filter lets through that asks for nothing but what is counted.
pub(super) async fn total(
    connection: &mut PgConnection,
    tenant: TenantId,
    filter: &MessageFilter,
) -> Result<u64, StoreError> {
    let hours = Hours::between(filter.from, filter.to);
    let total = sqlx::query_scalar!(
        r#"
        SELECT coalesce(sum(messages), 0)::bigint AS "total!"
        FROM (
            SELECT session, direction, status, messages
            FROM message_counts WHERE tenant = $1 AND hour >= $5 AND hour < $6
            UNION ALL
            SELECT session, direction, status, messages
            FROM message_count_changes WHERE tenant = $1 AND hour >= $5 AND hour < $6
            UNION ALL
            SELECT session, direction, status, 1
            FROM messages WHERE tenant = $1 AND created_at >= $7 AND created_at < $8
            UNION ALL
            SELECT session, direction, status, 1
            FROM messages WHERE tenant = $1 AND created_at >= $9 AND created_at < $10
        ) AS parts
        WHERE ($2::uuid IS NULL OR session = $2) AND ($3::text IS NULL OR direction = $3)
            AND ($4::text IS NULL OR status = $4)
        "#,
        tenant.0,
        filter.session.map(|session| session.0),
        filter.direction.map(|direction| direction.as_str()),
        filter.status.map(|status| status.as_str()),
        hours.first,
        hours.end,
        hours.left_from,
        hours.left_until,
        hours.right_from,
        hours.right_until,
    )
    .fetch_one(connection)
    .await
    .map_err(store_error)?;
    u64::try_from(total).map_err(|_| StoreError::corrupt(ENTITY, tenant, BadColumn("messages")))
}
