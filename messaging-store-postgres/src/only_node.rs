//! Being the only node: for a queue and limits that are in one process' memory.

use messaging_core::ports::store_error::StoreError;
use sqlx::{Connection, PgConnection};

use crate::error::store_error;
use crate::store::PostgresStore;

/// What the only node locks, together with the schema.
const ONLY_NODE: i32 = 0x6f6e_6c79;

/// The right to be a schema's only node, until this is dropped or the connection is lost.
#[derive(Debug)]
pub struct OnlyNode {
    // The lock is the connection's, and ends with it.
    _connection: PgConnection,
}

impl PostgresStore {
    /// Becomes the schema's only node, which whoever keeps its queue or its limits to itself must
    /// be; `None` where another node is that already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the server does not answer.
    pub async fn become_only_node(&self) -> Result<Option<OnlyNode>, StoreError> {
        let mut connection =
            PgConnection::connect_with(&self.connections().options()).await.map_err(store_error)?;
        let is_ours = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_lock($1, hashtext(current_schema())) AS "is_ours!""#,
            ONLY_NODE,
        )
        .fetch_one(&mut connection)
        .await
        .map_err(store_error)?;
        Ok(is_ours.then_some(OnlyNode { _connection: connection }))
    }
}
