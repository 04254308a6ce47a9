//! How ids, instants and names are kept in columns, and what becomes of those that cannot be read.

use messaging_core::domain::address::Address;
use messaging_core::domain::audit::ActorKind;
use messaging_core::domain::content::ContentKind;
use messaging_core::domain::failure::{Failure, FailureCode};
use messaging_core::domain::id::{
    ApiKeyId, BatchId, InboxId, MessageId, OptOutId, SessionId, TenantId, TokenFamilyId,
};
use messaging_core::domain::message::{Direction, Priority, Redaction};
use messaging_core::domain::opt_out::OptOutSource;
use messaging_core::domain::opt_out::words::WordList;
use messaging_core::domain::pii::PiiPolicy;
use messaging_core::domain::portion::PortionBy;
use messaging_core::domain::session::{OnRateLimit, SessionHealth, SessionStatus};
use messaging_core::domain::status::{Status, StatusEvent};
use messaging_core::domain::suspension::Suspension;
use messaging_core::domain::tenant::{OnUnknown, Role};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::key_store::KeyPurpose;
use messaging_core::ports::store_error::{BoxError, StoreError};
use rusqlite::types::ValueRef;
use rusqlite::{Row, Rows};
use uuid::Uuid;

use crate::error::Fault;

/// A column holds what the program never writes there. Says which one, and not what it holds.
#[derive(Debug, thiserror::Error)]
#[error("column {0} holds what it never should")]
pub(crate) struct BadColumn(pub(crate) &'static str);

/// A value that one row holds, its id in the first column.
pub(crate) trait Stored: Sized {
    /// What the row is, in errors.
    const ENTITY: &'static str;

    /// Reads the row.
    fn read(row: &Row<'_>) -> Result<Self, BoxError>;
}

/// Reads a row, or says which one cannot be read.
pub(crate) fn decode<T: Stored>(row: &Row<'_>) -> Result<T, Fault> {
    T::read(row).map_err(|source| StoreError::corrupt(T::ENTITY, id_of(row), source).into())
}

/// Reads all rows.
pub(crate) fn decode_all<T: Stored>(mut rows: Rows<'_>) -> Result<Vec<T>, Fault> {
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(decode(row)?);
    }
    Ok(all)
}

/// Reads the only row, where there is one.
pub(crate) fn decode_first<T: Stored>(mut rows: Rows<'_>) -> Result<Option<T>, Fault> {
    rows.next()?.map(decode).transpose()
}

/// The id in the first column, as far as it can be told.
fn id_of(row: &Row<'_>) -> String {
    match row.get_ref(0) {
        Ok(ValueRef::Blob(bytes)) => {
            Uuid::from_slice(bytes).map_or_else(|_| "of bad id".into(), |id| id.to_string())
        }
        _ => "of bad id".into(),
    }
}

impl Stored for MessageId {
    const ENTITY: &'static str = "message";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(id(row, 0)?)
    }
}

/// An id as its column keeps it.
pub(crate) trait Id: Sized {
    /// The sixteen bytes.
    fn bytes(&self) -> &[u8; 16];
    /// The id of these bytes.
    fn of(bytes: [u8; 16]) -> Self;
}

macro_rules! ids {
    ($($id:ident),*) => {
        $(impl Id for $id {
            fn bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            fn of(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        })*
    };
}

ids!(TenantId, SessionId, MessageId, BatchId, InboxId, OptOutId, ApiKeyId, TokenFamilyId);

/// Behind every id there is.
pub(crate) const LAST: [u8; 16] = [0xFF; 16];

/// The id in a column.
pub(crate) fn id<T: Id>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    row.get(column).map(T::of)
}

/// The id in a column that may be empty.
pub(crate) fn optional_id<T: Id>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(T::of))
}

/// An enum whose names are kept.
pub(crate) trait Named: Sized {
    /// What a column of these is called in errors.
    const COLUMN: &'static str;
    /// The variant of this name.
    fn of(name: &str) -> Option<Self>;
}

macro_rules! named {
    ($($name:ident in $column:literal),* $(,)?) => {
        $(impl Named for $name {
            const COLUMN: &'static str = $column;

            fn of(name: &str) -> Option<Self> {
                Self::from_name(name)
            }
        })*
    };
}

named!(
    Status in "status",
    StatusEvent in "event",
    Direction in "direction",
    Priority in "priority",
    ContentKind in "kind",
    FailureCode in "failure_code",
    SessionStatus in "status",
    SessionHealth in "health",
    OnUnknown in "on_unknown",
    PiiPolicy in "pii",
    Redaction in "redaction",
    OnRateLimit in "on_rate_limit",
    OptOutSource in "source",
    WordList in "words",
    KeyPurpose in "purpose",
    ActorKind in "actor_kind",
    Role in "role",
);

/// The variant whose name is in a column.
pub(crate) fn named<T: Named>(row: &Row<'_>, column: usize) -> Result<T, BoxError> {
    let name = row.get_ref(column)?.as_str().map_err(|_| BadColumn(T::COLUMN))?;
    Ok(T::of(name).ok_or(BadColumn(T::COLUMN))?)
}

/// The variant whose name is in a column that may be empty.
pub(crate) fn optional_named<T: Named>(
    row: &Row<'_>,
    column: usize,
) -> Result<Option<T>, BoxError> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => named(row, column).map(Some),
    }
}

/// The instant in a column.
pub(crate) fn instant(row: &Row<'_>, column: usize) -> Result<Timestamp, BoxError> {
    checked(row.get(column)?)
}

/// The instant in a column that may be empty.
pub(crate) fn optional_instant(
    row: &Row<'_>,
    column: usize,
) -> Result<Option<Timestamp>, BoxError> {
    row.get::<_, Option<i64>>(column)?.map(checked).transpose()
}

fn checked(micros: i64) -> Result<Timestamp, BoxError> {
    let at = Timestamp::from_micros(micros);
    // An instant out of range would otherwise pass for another one.
    if at.as_micros() == micros { Ok(at) } else { Err(BadColumn("of an instant").into()) }
}

/// The address in a column that may be empty.
pub(crate) fn optional_address(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Address>> {
    Ok(row.get_ref(column)?.as_str_or_null()?.map(Address::from_stored))
}

/// How many rows are asked for, one more than a portion has, and how many are passed over before.
pub(crate) fn bounds<Id>(portion: &PortionBy<Id>) -> (i64, i64) {
    let skipped = i64::try_from(portion.skipped()).unwrap_or(i64::MAX);
    (i64::from(portion.limit()) + 1, skipped)
}

/// The failure in two columns, its code first.
pub(crate) fn failure(row: &Row<'_>, column: usize) -> Result<Option<Failure>, BoxError> {
    let Some(code) = optional_named(row, column)? else {
        return Ok(None);
    };
    Ok(Some(Failure { code, detail: row.get(column + 1)? }))
}

/// The suspension in three columns: since when, until when, why.
pub(crate) fn suspension(row: &Row<'_>, column: usize) -> Result<Option<Suspension>, BoxError> {
    let Some(since) = optional_instant(row, column)? else {
        return Ok(None);
    };
    let until = optional_instant(row, column + 1)?;
    Ok(Some(Suspension { since, until, reason: row.get(column + 2)? }))
}

/// What the three columns of a suspension are to hold.
pub(crate) fn suspension_columns(
    suspension: Option<&Suspension>,
) -> (Option<i64>, Option<i64>, Option<&str>) {
    let since = suspension.map(|it| it.since.as_micros());
    let until = suspension.and_then(|it| it.until).map(Timestamp::as_micros);
    (since, until, suspension.and_then(|it| it.reason.as_deref()))
}
