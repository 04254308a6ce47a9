//! Why a database could not be opened as a store.

use messaging_core::ports::store_error::BoxError;
use sqlx::migrate::MigrateError;

use crate::error::reason;
use crate::schema_name::SCHEMA_RULE;

/// Why a database could not be opened as a store. Holds no address and no password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The address is none of PostgreSQL.
    #[error("not an address of PostgreSQL, such as postgres://user:password@host:5432/database")]
    Address,
    /// The name of the schema is none.
    #[error("{0:?} is no name of a schema: expected {SCHEMA_RULE}")]
    Schema(String),
    /// Nothing answers.
    #[error("PostgreSQL cannot be reached")]
    Unreachable(#[source] BoxError),
    /// The server refuses the user, the password or the database.
    #[error("PostgreSQL refuses the connection: {reason} (SQLSTATE {code})")]
    Refused {
        /// The class of the refusal, for people.
        reason: &'static str,
        /// The code of the refusal.
        code: String,
    },
    /// What answers is a pooler, such as PgBouncer, that does not keep what belongs to a connection:
    /// prepared statements and settings.
    #[error(
        "a connection pooler is in the way (SQLSTATE {code}): connect to PostgreSQL itself, or pool \
         sessions and not transactions"
    )]
    Pooler {
        /// The code of the refusal.
        code: String,
    },
    /// The role that tenants are served under is missing, and the user may not make it.
    #[error("the role {role} is missing; somebody who may must run: {statements}")]
    Role {
        /// Its name.
        role: String,
        /// What makes it.
        statements: String,
    },
    /// The schema could not be brought to the newest version; it is as it was before the step.
    #[error("the schema could not be brought to its newest version")]
    Migration(#[source] BoxError),
}

impl OpenError {
    pub(crate) fn of(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(refusal) = &error else {
            return match error {
                sqlx::Error::Configuration(_) => Self::Address,
                error => Self::Unreachable(Box::new(error)),
            };
        };
        let code = refusal.code().unwrap_or_default().into_owned();
        match code.as_str() {
            // A prepared statement that is not there, or is there already; a setting at the start
            // of a connection that the pooler does not know.
            "26000" | "42P05" | "08P01" => Self::Pooler { code },
            "28P01" | "28000" | "3D000" | "42501" | "53300" | "57P03" => {
                Self::Refused { reason: reason(&code).unwrap_or_default(), code }
            }
            _ => Self::Unreachable(Box::new(error)),
        }
    }
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => match Self::of(error) {
                Self::Unreachable(source) => Self::Migration(source),
                refused => refused,
            },
            error => Self::Migration(Box::new(error)),
        }
    }
}
