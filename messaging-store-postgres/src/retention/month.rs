//! The months that there are partitions of.

use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::StoreError;
use sqlx::PgConnection;

use crate::connections::Connections;
use crate::error::store_error;

/// A month of some tables.
pub(super) struct Month {
    /// As the tables have it in their names: `2026_01`.
    pub(super) name: String,
    /// Its first microsecond.
    pub(super) begins_at: i64,
    /// The first microsecond after it.
    pub(super) ends_at: i64,
    /// Its partitions of these tables.
    pub(super) tables: Vec<String>,
}

/// The beginning of the month in which this is.
pub(super) async fn beginning(connections: &Connections, at: Timestamp) -> Result<i64, StoreError> {
    sqlx::query_scalar!(
        r#"
        SELECT (extract(epoch FROM date_trunc('month', to_timestamp($1::bigint / 1e6)
            AT TIME ZONE 'UTC')) * 1000000)::bigint AS "micros!"
        "#,
        at.as_micros(),
    )
    .fetch_one(&mut *connections.acquire().await?)
    .await
    .map_err(store_error)
}

/// The months that end before this, of which these tables have partitions; the oldest first.
pub(super) async fn before(
    connection: &mut PgConnection,
    parents: &[&str],
    ends_at: i64,
) -> Result<Vec<Month>, StoreError> {
    sqlx::query_as!(
        Month,
        r#"
        SELECT name AS "name!", begins_at AS "begins_at!", ends_at AS "ends_at!",
            array_agg(relname) AS "tables!"
        FROM (
            SELECT c.relname::text, n.name,
                (extract(epoch FROM since) * 1000000)::bigint AS begins_at,
                (extract(epoch FROM since + interval '1 month') * 1000000)::bigint AS ends_at
            FROM unnest($1::text[]) AS parent
            JOIN pg_inherits i ON i.inhparent = to_regclass(parent)
            JOIN pg_class c ON c.oid = i.inhrelid
            CROSS JOIN LATERAL (
                SELECT substring(c.relname FROM '_(\d{4}_\d{2})$') AS name
            ) AS n
            CROSS JOIN LATERAL (SELECT to_date(n.name, 'YYYY_MM')::timestamp AS since) AS s
        ) AS partitions
        WHERE ends_at <= $2
        GROUP BY name, begins_at, ends_at
        ORDER BY begins_at
        "#,
        parents as &[&str],
        ends_at,
    )
    .fetch_all(connection)
    .await
    .map_err(store_error)
}
