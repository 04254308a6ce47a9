//! How to use a database.

use std::time::Duration;

/// How to use a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresOptions {
    /// The schema that everything is kept in, of lower-case letters, digits and `_`. Nothing
    /// outside it is touched, but for the extension `pg_trgm` where the database lacks it.
    pub schema: String,
    /// How many connections there may be.
    pub connections: u32,
    /// How long a call waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement may take before the server ends it.
    pub statement_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            schema: "messaging".into(),
            connections: 16,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
        }
    }
}
