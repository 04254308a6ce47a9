//! The history of messages, and of the attempts made through a session.

use messaging_core::domain::id::SessionId;
use messaging_core::domain::message::{Message, MessageEvent};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::{BoxError, StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::connections::Connections;
use crate::error::store_error;
use crate::named::{BadColumn, Stored, decode_all, failure, instant, named};

struct Line {
    message: Uuid,
    at: i64,
    event: Option<String>,
    status: String,
    attempts: i32,
    failure_code: Option<String>,
    failure_detail: Option<String>,
}

impl Stored for Line {
    type Value = MessageEvent;
    const ENTITY: &'static str = "history of message";

    fn id(&self) -> Uuid {
        self.message
    }

    fn read(self) -> Result<MessageEvent, BoxError> {
        Ok(MessageEvent {
            at: instant(self.at)?,
            event: self.event.as_deref().map(named).transpose()?,
            status: named(&self.status)?,
            attempts: u32::try_from(self.attempts).map_err(|_| BadColumn("attempts"))?,
            failure: failure(self.failure_code, self.failure_detail)?,
        })
    }
}

/// The history of a message, oldest first.
pub(super) async fn of(
    connection: &mut PgConnection,
    message: &Message,
) -> Result<Vec<MessageEvent>, StoreError> {
    let rows = sqlx::query_as!(
        Line,
        "SELECT message, at, event, status, attempts, failure_code, failure_detail
         FROM message_events WHERE message = $1 ORDER BY number",
        message.id.0,
    )
    .fetch_all(connection)
    .await
    .map_err(store_error)?;
    let mut lines = decode_all(rows)?;
    // What has happened to nothing yet says by itself how it came into being.
    if lines.is_empty() {
        lines.push(MessageEvent::first_of(message));
    }
    Ok(lines)
}

/// When attempts through this session ended since then; those under way end now.
pub(super) async fn attempts(
    connections: &Connections,
    session: SessionId,
    since: Timestamp,
    now: Timestamp,
) -> Result<Vec<Timestamp>, StoreError> {
    let at = sqlx::query_scalar!(
        r#"
        SELECT at AS "at!" FROM attempts WHERE session = $1 AND at >= $2
        UNION ALL
        SELECT $3 FROM messages WHERE session = $1 AND status = 'sending'
        ORDER BY 1
        "#,
        session.0,
        since.as_micros(),
        now.as_micros(),
    )
    .fetch_all(&mut *connections.acquire().await?)
    .await
    .map_err(store_error)?;
    Ok(at.into_iter().map(Timestamp::from_micros).collect())
}
