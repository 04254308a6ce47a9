//! Chats in which something was said.

use std::collections::HashSet;

use async_trait::async_trait;
use messaging_core::domain::address::RecipientKey;
use messaging_core::domain::id::SessionId;
use messaging_core::domain::message::OpenChat;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::connections::Connections;
use crate::error::store_error;
use crate::together::{Fault, Work};

fn key(recipient: RecipientKey) -> i64 {
    recipient.0.cast_signed()
}

/// Chats that are to be open, column by column.
#[derive(Default)]
pub(crate) struct OpenChats {
    pub(crate) sessions: Vec<Uuid>,
    pub(crate) recipients: Vec<i64>,
    pub(crate) opened_at: Vec<i64>,
    pub(crate) by_us: Vec<bool>,
}

impl OpenChats {
    /// One more, unless there is none.
    pub(crate) fn add(&mut self, chat: Option<OpenChat>, at: Timestamp) {
        let Some(OpenChat { session, recipient, by_us }) = chat else { return };
        self.sessions.push(session.0);
        self.recipients.push(key(recipient));
        self.opened_at.push(at.as_micros());
        self.by_us.push(by_us);
    }

    /// Opens those that are not open yet. Tells how many statements it took.
    pub(crate) async fn write(&self, connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
        if self.sessions.is_empty() {
            return Ok(0);
        }
        // In order, so that two transactions never wait for one another; of two of one chat the first.
        sqlx::query!(
            "INSERT INTO chats (session, recipient, opened_at, by_us)
             SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bool[])
                 AS row (session, recipient, opened_at, by_us)
             ORDER BY session, recipient, opened_at
             ON CONFLICT DO NOTHING",
            &self.sessions,
            &self.recipients,
            &self.opened_at,
            &self.by_us,
        )
        .execute(connection)
        .await?;
        Ok(1)
    }
}

/// Has a chat go by another name, unless there is one of that.
pub(crate) async fn rename(
    connection: &mut PgConnection,
    session: SessionId,
    before: RecipientKey,
    after: RecipientKey,
) -> Result<(), sqlx::Error> {
    if before == after {
        return Ok(());
    }
    sqlx::query!(
        "WITH old AS (
             DELETE FROM chats WHERE session = $1 AND recipient = $2
             RETURNING session, opened_at, by_us
         )
         INSERT INTO chats (session, recipient, opened_at, by_us)
         SELECT session, $3, opened_at, by_us FROM old
         ON CONFLICT DO NOTHING",
        session.0,
        key(before),
        key(after),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Which chats are open, for many callers.
pub(crate) struct Opens;

#[async_trait]
impl Work for Opens {
    type Request = Vec<(SessionId, RecipientKey)>;
    type Answer = Vec<(SessionId, RecipientKey)>;

    async fn run(
        connection: &mut PgConnection,
        requests: &[Vec<(SessionId, RecipientKey)>],
    ) -> Result<(Vec<Self::Answer>, u64), Fault> {
        let chats = requests.iter().flatten();
        let (sessions, recipients): (Vec<Uuid>, Vec<i64>) =
            chats.map(|(session, recipient)| (session.0, key(*recipient))).unzip();
        let rows = sqlx::query!(
            "SELECT c.session, c.recipient
             FROM unnest($1::uuid[], $2::bigint[]) AS asked (session, recipient)
             JOIN chats c USING (session, recipient)",
            &sessions,
            &recipients,
        )
        .fetch_all(connection)
        .await?;
        let open: HashSet<(Uuid, i64)> =
            rows.into_iter().map(|row| (row.session, row.recipient)).collect();
        let answer = |chats: &Vec<(SessionId, RecipientKey)>| {
            let is_open =
                |(session, to): &&(SessionId, RecipientKey)| open.contains(&(session.0, key(*to)));
            chats.iter().filter(is_open).copied().collect()
        };
        Ok((requests.iter().map(answer).collect(), 1))
    }
}

/// When a session opened chats since then; what perhaps does, now.
pub(super) async fn opened(
    connections: &Connections,
    session: SessionId,
    since: Timestamp,
    but: RecipientKey,
    now: Timestamp,
) -> Result<Vec<Timestamp>, StoreError> {
    let at = sqlx::query_scalar!(
        r#"
        SELECT opened_at AS "at!" FROM chats WHERE session = $1 AND opened_at >= $2 AND by_us
        UNION ALL
        SELECT $4 FROM (
            SELECT recipient_key FROM messages WHERE session = $1 AND status = 'sending'
            UNION
            SELECT recipient_key FROM messages
            WHERE session = $1 AND status = 'retry' AND failure_code = 'outcome-unknown'
        ) AS perhaps
        WHERE recipient_key <> $3 AND NOT EXISTS (
            SELECT FROM chats c WHERE c.session = $1 AND c.recipient = perhaps.recipient_key
        )
        ORDER BY 1
        "#,
        session.0,
        since.as_micros(),
        key(but),
        now.as_micros(),
    )
    .fetch_all(&mut *connections.acquire().await?)
    .await
    .map_err(store_error)?;
    Ok(at.into_iter().map(Timestamp::from_micros).collect())
}
