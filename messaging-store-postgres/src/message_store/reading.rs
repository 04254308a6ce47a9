//! Messages that many callers ask for at once, in one statement.

use std::collections::HashMap;

use async_trait::async_trait;
use messaging_core::domain::id::MessageId;
use messaging_core::domain::message::{Message, QueueItem};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::message_store::row::{MessageRow, query_messages};
use crate::message_store::waiting;
use crate::named::Stored;
use crate::together::{Fault, Work};

/// Messages by their ids.
pub(crate) struct Loads;

#[async_trait]
impl Work for Loads {
    type Request = Vec<MessageId>;
    type Answer = Vec<Message>;

    async fn run(
        connection: &mut PgConnection,
        requests: &[Vec<MessageId>],
    ) -> Result<(Vec<Vec<Message>>, u64), Fault> {
        let ids: Vec<Uuid> = requests.iter().flatten().map(|id| id.0).collect();
        let rows: Vec<MessageRow> = query_messages!(
            "FROM messages m JOIN message_contents c ON c.message = m.id \
             WHERE m.id = ANY($1::uuid[]) AND c.message = ANY($1)",
            &ids
        )
        .fetch_all(connection)
        .await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in rows {
            let message = row.decode()?;
            found.insert(message.id, message);
        }
        let answer = |ids: &Vec<MessageId>| {
            let mut ids = ids.clone();
            ids.sort_unstable();
            ids.dedup();
            ids.iter().filter_map(|id| found.get(id).cloned()).collect()
        };
        Ok((requests.iter().map(answer).collect(), 1))
    }
}

/// What must leave before messages.
pub(crate) struct Orders;

#[async_trait]
impl Work for Orders {
    type Request = Vec<MessageId>;
    type Answer = Vec<(MessageId, QueueItem)>;

    async fn run(
        connection: &mut PgConnection,
        requests: &[Vec<MessageId>],
    ) -> Result<(Vec<Self::Answer>, u64), Fault> {
        let ids: Vec<Uuid> = requests.iter().flatten().map(|id| id.0).collect();
        let behind = waiting::behind(connection, &ids).await?;
        let behind: HashMap<_, _> = behind.into_iter().collect();
        let answer = |ids: &Vec<MessageId>| {
            ids.iter().filter_map(|id| Some((*id, *behind.get(id)?))).collect()
        };
        Ok((requests.iter().map(answer).collect(), 1))
    }
}
