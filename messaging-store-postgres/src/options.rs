//! How to use a database.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::open_error::OpenError;
use crate::schema_name::is_schema_name;

/// How to use a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresOptions {
    /// The schema that everything is kept in; see [`SCHEMA_RULE`](crate::SCHEMA_RULE). Nothing
    /// outside it is touched, but for the role `<schema>_tenant`.
    pub schema: String,
    /// How many connections there may be; four at the least.
    pub connections: u32,
    /// How long a call waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement may take before the server ends it.
    pub statement_timeout: Duration,
    /// How long an answer is waited for, where many callers share a transaction: a server that went
    /// away without a word says nothing for ever. What was asked for may have been done.
    pub answer_timeout: Duration,
    /// How long what is over is kept, `None` for ever: [`Upkeep`] drops a month once all of it is
    /// older and nothing in it waits any more.
    ///
    /// [`Upkeep`]: messaging_core::ports::upkeep::Upkeep
    pub retention: Option<Duration>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            schema: "messaging".into(),
            connections: 16,
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(10),
            retention: None,
        }
    }
}

impl PostgresOptions {
    pub(crate) fn connect(&self, url: &str) -> Result<PgConnectOptions, OpenError> {
        if !is_schema_name(&self.schema) {
            return Err(OpenError::Schema(self.schema.clone()));
        }
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(OpenError::Address);
        }
        let connect = PgConnectOptions::from_str(url).map_err(|_| OpenError::Address)?;
        Ok(connect.application_name("messaging").options([
            ("search_path", self.schema.clone()),
            ("statement_timeout", self.statement_timeout.as_millis().to_string()),
            // A node that was stopped in the middle of a transaction must not hold its locks for ever.
            ("idle_in_transaction_session_timeout", "10s".to_owned()),
            ("default_transaction_isolation", "read committed".to_owned()),
            ("jit", "off".to_owned()),
            ("client_min_messages", "warning".to_owned()),
        ]))
    }
}
