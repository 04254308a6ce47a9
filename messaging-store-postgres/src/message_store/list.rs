//! A tenant's messages, filtered, in portions.
//!
//! The conditions of a filter are all in the text of a statement, and those that are not asked for
//! compare a parameter that is NULL. A tenant's connections plan each statement anew: only so does
//! the planner see which conditions there are, and which index serves them.

use std::time::Duration;

use messaging_core::domain::filter::{MessageFilter, MessagePage, Portion};
use messaging_core::domain::id::{TenantId, first_uuid_v7_at};
use messaging_core::ports::store_error::StoreError;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::error::store_error;
use crate::message_store::row::{MessageRow, query_messages};
use crate::message_store::statistics;
use crate::named::decode_all;
use crate::text;

/// A filter as statements take it.
struct Asked {
    session: Option<Uuid>,
    batch: Option<Uuid>,
    direction: Option<&'static str>,
    status: Option<&'static str>,
    failure: Option<&'static str>,
    from: Option<i64>,
    to: Option<i64>,
    /// The first id that can have been drawn then, and the first that cannot have been until then:
    /// what keeps a list to its months.
    from_id: Option<Uuid>,
    below_id: Option<Uuid>,
    campaign: Option<String>,
    /// What a text must be like, in lower case, as a pattern of LIKE.
    search: Option<String>,
    /// The words that a sealed message must have.
    words: Vec<Vec<u8>>,
}

impl Asked {
    fn by(filter: &MessageFilter) -> Self {
        Self {
            session: filter.session.map(|session| session.0),
            batch: filter.batch.map(|batch| batch.0),
            direction: filter.direction.map(|direction| direction.as_str()),
            status: filter.status.map(|status| status.as_str()),
            failure: filter.failure.map(|code| code.as_str()),
            from: filter.from.map(|from| from.as_micros()),
            to: filter.to.map(|to| to.as_micros()),
            from_id: filter.from.map(first_uuid_v7_at),
            below_id: filter.to.map(|to| first_uuid_v7_at(to.plus(Duration::from_millis(1)))),
            campaign: filter.campaign.as_deref().map(|name| text::kept(name).into_owned()),
            search: filter.search.as_deref().map(pattern),
            words: filter.words.iter().map(|word| word.0.to_vec()).collect(),
        }
    }

    /// Whether nothing is asked for besides a text.
    fn is_only_searched(&self) -> bool {
        let Self { session, batch, direction, status, failure, from, to, campaign, .. } = self;
        let is_named = session.is_some() || batch.is_some() || campaign.is_some();
        !is_named
            && failure.is_none()
            && direction.is_none()
            && status.is_none()
            && from.is_none()
            && to.is_none()
    }

    /// Whether the counts that are kept tell how many there are.
    fn is_counted(&self) -> bool {
        self.batch.is_none()
            && self.campaign.is_none()
            && self.failure.is_none()
            && self.search.is_none()
    }
}

/// The pattern of texts that contain this one, whose characters all stand for themselves.
fn pattern(search: &str) -> String {
    let text = search.to_ascii_lowercase();
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text::kept(&text).chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// One portion of a tenant's messages, newest first, and how many there are in all.
pub(super) async fn list(
    connection: &mut PgConnection,
    tenant: TenantId,
    filter: &MessageFilter,
    portion: Portion,
) -> Result<MessagePage, StoreError> {
    let asked = Asked::by(filter);
    let (limit, offset, older_than) = match portion {
        Portion::Page { page, limit } => {
            (limit, i64::from(page.saturating_sub(1)) * i64::from(limit), None)
        }
        Portion::OlderThan { message, limit } => (limit, 0, Some(message.0)),
    };
    let below = older_than.into_iter().chain(asked.below_id).min();
    // One more than asked for tells whether there are older ones.
    let window = Window { below, limit: i64::from(limit) + 1, offset };
    let (total, rows) = if let Some(search) = &asked.search {
        let found = if asked.is_only_searched() {
            find_texts(connection, tenant, &asked, search, window).await
        } else {
            find_among(connection, tenant, &asked, search, window).await
        };
        let Found { total, ids } = found.map_err(store_error)?;
        (u64::try_from(total).unwrap_or_default(), rows_of(connection, tenant, &ids).await)
    } else {
        let total = if asked.is_counted() {
            statistics::total(connection, tenant, filter).await?
        } else {
            count(connection, tenant, &asked).await?
        };
        (total, page(connection, tenant, &asked, window).await)
    };
    let mut messages = decode_all(rows.map_err(store_error)?)?;
    let has_more = messages.len() > limit as usize;
    messages.truncate(limit as usize);
    Ok(MessagePage { messages, total, has_more })
}

struct Window {
    /// Only ids below this one.
    below: Option<Uuid>,
    limit: i64,
    offset: i64,
}

async fn page(
    connection: &mut PgConnection,
    tenant: TenantId,
    asked: &Asked,
    window: Window,
) -> Result<Vec<MessageRow>, sqlx::Error> {
    query_messages!(
        "FROM (
             SELECT * FROM messages
             WHERE tenant = $1 AND ($2::uuid IS NULL OR session = $2)
                 AND ($3::uuid IS NULL OR batch = $3) AND ($4::text IS NULL OR direction = $4)
                 AND ($5::text IS NULL OR status = $5)
                 AND ($6::bigint IS NULL OR created_at >= $6)
                 AND ($7::bigint IS NULL OR created_at <= $7)
                 AND ($8::text IS NULL OR campaign = $8) AND ($9::uuid IS NULL OR id < $9)
                 AND ($12::uuid IS NULL OR id >= $12)
                 AND ($13::text IS NULL OR failure_code = $13)
             ORDER BY id DESC LIMIT $10 OFFSET $11
         ) AS m
         JOIN message_contents c ON c.message = m.id
         ORDER BY m.id DESC",
        tenant.0,
        asked.session,
        asked.batch,
        asked.direction,
        asked.status,
        asked.from,
        asked.to,
        asked.campaign.as_deref(),
        window.below,
        window.limit,
        window.offset,
        asked.from_id,
        asked.failure,
    )
    .fetch_all(connection)
    .await
}

/// What a search found: how many messages, and the ids of one portion of them.
struct Found {
    total: i64,
    ids: Vec<Uuid>,
}

/// Finds a text in all of a tenant's messages.
async fn find_texts(
    connection: &mut PgConnection,
    tenant: TenantId,
    asked: &Asked,
    search: &str,
    window: Window,
) -> Result<Found, sqlx::Error> {
    sqlx::query_as!(
        Found,
        r#"
        WITH found AS MATERIALIZED (
            SELECT message AS id FROM message_contents WHERE tenant = $1 AND beginning LIKE $2
            UNION ALL
            SELECT message FROM message_contents
            WHERE tenant = $1 AND is_long AND NOT beginning LIKE $2
                AND searchable(sender, recipient, body) LIKE $2
            UNION ALL
            SELECT message FROM message_contents
            WHERE tenant = $1 AND sealed_under IS NOT NULL AND length(terms) <= 2000
                AND cardinality($6::bytea[]) > 0 AND is_marked(terms, message, $6)
            UNION ALL
            SELECT message FROM message_contents
            WHERE tenant = $1 AND length(terms) > 2000
                AND cardinality($6) > 0 AND is_marked(terms, message, $6)
        )
        SELECT (SELECT count(*) FROM found) AS "total!", ARRAY(
            SELECT id FROM found WHERE $3::uuid IS NULL OR id < $3
            ORDER BY id DESC LIMIT $4 OFFSET $5
        ) AS "ids!"
        "#,
        tenant.0,
        search,
        window.below,
        window.limit,
        window.offset,
        &asked.words,
    )
    .fetch_one(connection)
    .await
}

/// Finds a text in those of a tenant's messages that have what else is asked for.
async fn find_among(
    connection: &mut PgConnection,
    tenant: TenantId,
    asked: &Asked,
    search: &str,
    window: Window,
) -> Result<Found, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    // Where several conditions go together (a session is one tenant's), the planner expects far too
    // few, and would look for each of them in all texts.
    sqlx::query!("SET LOCAL enable_nestloop = off").execute(&mut *transaction).await?;
    let found = sqlx::query_as!(
        Found,
        r#"
        WITH found AS MATERIALIZED (
            SELECT m.id FROM (
                SELECT message AS id FROM message_contents
                WHERE tenant = $1 AND beginning LIKE $9
                    AND ($10::uuid IS NULL OR message >= $10)
                    AND ($11::uuid IS NULL OR message < $11)
                UNION ALL
                SELECT message FROM message_contents
                WHERE tenant = $1 AND is_long AND NOT beginning LIKE $9
                    AND searchable(sender, recipient, body) LIKE $9
                    AND ($10::uuid IS NULL OR message >= $10)
                    AND ($11::uuid IS NULL OR message < $11)
                UNION ALL
                SELECT message FROM message_contents
                WHERE tenant = $1 AND sealed_under IS NOT NULL AND length(terms) <= 2000
                    AND cardinality($16::bytea[]) > 0 AND is_marked(terms, message, $16)
                    AND ($10::uuid IS NULL OR message >= $10)
                    AND ($11::uuid IS NULL OR message < $11)
                UNION ALL
                SELECT message FROM message_contents
                WHERE tenant = $1 AND length(terms) > 2000
                    AND cardinality($16) > 0 AND is_marked(terms, message, $16)
                    AND ($10::uuid IS NULL OR message >= $10)
                    AND ($11::uuid IS NULL OR message < $11)
            ) AS texts
            JOIN messages m ON m.id = texts.id
            WHERE m.tenant = $1 AND ($2::uuid IS NULL OR m.session = $2)
                AND ($3::uuid IS NULL OR m.batch = $3) AND ($4::text IS NULL OR m.direction = $4)
                AND ($5::text IS NULL OR m.status = $5)
                AND ($6::bigint IS NULL OR m.created_at >= $6)
                AND ($7::bigint IS NULL OR m.created_at <= $7)
                AND ($8::text IS NULL OR m.campaign = $8)
                AND ($15::text IS NULL OR m.failure_code = $15)
                AND ($10::uuid IS NULL OR m.id >= $10) AND ($11::uuid IS NULL OR m.id < $11)
        )
        SELECT (SELECT count(*) FROM found) AS "total!", ARRAY(
            SELECT id FROM found WHERE $12::uuid IS NULL OR id < $12
            ORDER BY id DESC LIMIT $13 OFFSET $14
        ) AS "ids!"
        "#,
        tenant.0,
        asked.session,
        asked.batch,
        asked.direction,
        asked.status,
        asked.from,
        asked.to,
        asked.campaign.as_deref(),
        search,
        asked.from_id,
        asked.below_id,
        window.below,
        window.limit,
        window.offset,
        asked.failure,
        &asked.words,
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(found)
}

async fn rows_of(
    connection: &mut PgConnection,
    tenant: TenantId,
    ids: &[Uuid],
) -> Result<Vec<MessageRow>, sqlx::Error> {
    query_messages!(
        "FROM messages m JOIN message_contents c ON c.message = m.id
         WHERE m.tenant = $1 AND m.id = ANY($2::uuid[]) ORDER BY m.id DESC",
        tenant.0,
        ids,
    )
    .fetch_all(connection)
    .await
}

async fn count(
    connection: &mut PgConnection,
    tenant: TenantId,
    asked: &Asked,
) -> Result<u64, StoreError> {
    let total = sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "total!" FROM messages
        WHERE tenant = $1 AND ($2::uuid IS NULL OR session = $2)
            AND ($3::uuid IS NULL OR batch = $3) AND ($4::text IS NULL OR direction = $4)
            AND ($5::text IS NULL OR status = $5)
            AND ($6::bigint IS NULL OR created_at >= $6)
            AND ($7::bigint IS NULL OR created_at <= $7) AND ($8::text IS NULL OR campaign = $8)
            AND ($9::uuid IS NULL OR id >= $9) AND ($10::uuid IS NULL OR id < $10)
            AND ($11::text IS NULL OR failure_code = $11)
        "#,
        tenant.0,
        asked.session,
        asked.batch,
        asked.direction,
        asked.status,
        asked.from,
        asked.to,
        asked.campaign.as_deref(),
        asked.from_id,
        asked.below_id,
        asked.failure,
    )
    .fetch_one(connection)
    .await
    .map_err(store_error)?;
    Ok(u64::try_from(total).unwrap_or_default())
}
