//! The one place where an error of PostgreSQL becomes one of ours.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use messaging_core::ports::store_error::StoreError;

/// What an error means to a store's caller. Names constraints and codes, and repeats no value.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    if let sqlx::Error::Database(refusal) = &error
        && refusal.is_unique_violation()
    {
        return StoreError::Conflict { entity: repeated(refusal.constraint().unwrap_or_default()) };
    }
    match &error {
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::Decode(_) => StoreError::corrupt("row", "of unknown id", error),
        // Its text would repeat the values of the row that it is about.
        sqlx::Error::Database(refusal) => {
            StoreError::unavailable(Refused(refusal.code().unwrap_or_default().into_owned()))
        }
        _ => StoreError::unavailable(error),
    }
}

/// What the server said no with.
#[derive(Debug, thiserror::Error)]
#[error("PostgreSQL refuses: {}", in_words(.0))]
struct Refused(String);

/// A code of the server for people. Its own text would repeat values.
pub(crate) fn in_words(code: &str) -> String {
    match reason(code) {
        Some(reason) => format!("{reason} (SQLSTATE {code})"),
        None => format!("SQLSTATE {code}"),
    }
}

/// What those codes mean that an operator can do something about.
pub(crate) fn reason(code: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" | "28000" => "the user or the password is wrong",
        "3D000" => "there is no such database",
        "42501" => "the user lacks a privilege",
        "53100" => "its disk is full",
        "53200" => "it is out of memory",
        "53300" => "there are too many connections",
        "55P03" => "a lock was not to be had in time",
        "57014" => "the statement took too long",
        "57P01" | "57P02" => "it is being stopped",
        "57P03" => "it is starting or stopping",
        "25006" => "it takes no changes, as a standby does",
        _ => return None,
    })
}

/// What is there already, by the constraint that says so.
fn repeated(constraint: &str) -> &'static str {
    match constraint {
        "received_once" => "received message",
        "batches_id" => "bulk request",
        "opt_outs_pkey" => "opt-out",
        "tenants_id" => "tenant",
        "tenants_name" => "tenant name",
        "servers_name" => "server name",
        "sessions_id" => "session",
        "sessions_name" => "session name",
        "sessions_place" => "session place",
        // The others are of partitions, each of which has its own.
        other if other.starts_with("messages_") => "message",
        other if other.starts_with("inbox_") => "inbox entry",
        _ => "row",
    }
}

/// Whether the same work, done again, may succeed at once: another transaction was in the way.
pub(crate) fn is_passing(error: &sqlx::Error) -> bool {
    // A message that was received meanwhile is known the next time.
    let constraint = error.as_database_error().and_then(|refusal| refusal.constraint());
    // serialization_failure, deadlock_detected
    constraint == Some("received_once") || has_code(error, &["40001", "40P01"])
}

/// Whether the server refused with one of these SQLSTATEs.
pub(crate) fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(|refusal| refusal.code());
    code.is_some_and(|code| codes.contains(&&*code))
}

/// Whether a lock was not to be had in time.
pub(crate) fn is_locked(error: &sqlx::Error) -> bool {
    // lock_not_available
    has_code(error, &["55P03"])
}

/// What led to one error, told to everybody who shared a transaction.
#[derive(Debug, Clone)]
struct Shared(Arc<StoreError>);

impl Shared {
    fn cause(&self) -> &(dyn Error + 'static) {
        match &*self.0 {
            StoreError::Unavailable(source) | StoreError::Corrupt { source, .. } => &**source,
            error => error,
        }
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause())
    }
}

impl Error for Shared {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause().source()
    }
}

/// As many copies of an error as there are callers to be told.
pub(crate) fn shared(error: StoreError) -> impl Fn() -> StoreError {
    let error = Arc::new(error);
    move || match &*error {
        StoreError::Conflict { entity } => StoreError::Conflict { entity },
        StoreError::Corrupt { entity, id, .. } => {
            StoreError::corrupt(entity, id, Shared(Arc::clone(&error)))
        }
        _ => StoreError::unavailable(Shared(Arc::clone(&error))),
    }
}
