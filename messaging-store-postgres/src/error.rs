//! The one place where an error of PostgreSQL becomes one of ours.

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
#[error("PostgreSQL refuses with SQLSTATE {0}")]
struct Refused(String);

/// What is there already, by the constraint that says so.
fn repeated(constraint: &str) -> &'static str {
    match constraint {
        "received_once" => "received message",
        "batches_id" => "bulk request",
        "tenants_id" => "tenant",
        "tenants_name" => "tenant name",
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
    let code = error.as_database_error().and_then(|refusal| refusal.code());
    // serialization_failure, deadlock_detected
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

/// One error, told to everybody who shared a transaction.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
struct Shared(Arc<StoreError>);

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
