//! How ids, instants and names are read from columns, and what becomes of those that cannot be.

use messaging_core::domain::audit::ActorKind;
use messaging_core::domain::content::ContentKind;
use messaging_core::domain::failure::{Failure, FailureCode};
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
use uuid::Uuid;

use crate::text;

/// A column holds what the program never writes there. Says which one, and not what it holds.
#[derive(Debug, thiserror::Error)]
#[error("column {0} holds what it never should")]
pub(crate) struct BadColumn(pub(crate) &'static str);

/// A row of a known shape.
pub(crate) trait Stored: Sized {
    /// What it becomes.
    type Value;
    /// What that is called in errors.
    const ENTITY: &'static str;

    /// The id that names the row in errors.
    fn id(&self) -> Uuid;

    /// Reads the row.
    fn read(self) -> Result<Self::Value, BoxError>;

    /// Reads the row, or says which one cannot be read.
    fn decode(self) -> Result<Self::Value, StoreError> {
        let id = self.id();
        self.read().map_err(|source| StoreError::corrupt(Self::ENTITY, id, source))
    }
}

/// Reads all rows.
pub(crate) fn decode_all<R: Stored>(rows: Vec<R>) -> Result<Vec<R::Value>, StoreError> {
    rows.into_iter().map(Stored::decode).collect()
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

/// The variant of this name.
pub(crate) fn named<T: Named>(name: &str) -> Result<T, BoxError> {
    Ok(T::of(name).ok_or(BadColumn(T::COLUMN))?)
}

/// The instant of a column.
pub(crate) fn instant(micros: i64) -> Result<Timestamp, BoxError> {
    let at = Timestamp::from_micros(micros);
    // An instant out of range would otherwise pass for another one.
    if at.as_micros() == micros { Ok(at) } else { Err(BadColumn("of an instant").into()) }
}

/// The instant of a column that may be empty.
pub(crate) fn optional_instant(micros: Option<i64>) -> Result<Option<Timestamp>, BoxError> {
    micros.map(instant).transpose()
}

/// The failure of two columns.
pub(crate) fn failure(
    code: Option<String>,
    detail: Option<String>,
) -> Result<Option<Failure>, BoxError> {
    let Some(code) = code else { return Ok(None) };
    Ok(Some(Failure { code: named(&code)?, detail: detail.map(text::given) }))
}

/// A number that is never negative.
pub(crate) fn count<N: TryFrom<i64>>(number: i64, column: &'static str) -> Result<N, BoxError> {
    N::try_from(number).map_err(|_| BadColumn(column).into())
}

/// How many rows are asked for, one more than a portion has, and how many are passed over before.
pub(crate) fn bounds<Id>(portion: &PortionBy<Id>) -> (i64, i64) {
    let skipped = i64::try_from(portion.skipped()).unwrap_or(i64::MAX);
    (i64::from(portion.limit()) + 1, skipped)
}

/// A number of the program as the column that cannot hold all of them takes it.
pub(crate) fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// JSON as it was given.
pub(crate) fn json<T: serde::de::DeserializeOwned>(
    text: Option<String>,
    column: &'static str,
) -> Result<Option<T>, BoxError> {
    // The parser's own error would repeat what it stumbled over.
    Ok(text.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| BadColumn(column))?)
}

/// The suspension of three columns: since when, until when, why.
pub(crate) fn suspension(
    since: Option<i64>,
    until: Option<i64>,
    reason: Option<String>,
) -> Result<Option<Suspension>, BoxError> {
    let Some(since) = since else { return Ok(None) };
    let until = optional_instant(until)?;
    Ok(Some(Suspension { since: instant(since)?, until, reason: reason.map(text::given) }))
}

/// What the three columns of a suspension are to hold.
pub(crate) fn suspension_columns(
    suspension: Option<&Suspension>,
) -> (Option<i64>, Option<i64>, Option<String>) {
    let since = suspension.map(|it| it.since.as_micros());
    let until = suspension.and_then(|it| it.until).map(Timestamp::as_micros);
    let reason = suspension.and_then(|it| it.reason.as_deref());
    (since, until, reason.map(|reason| text::kept(reason).into_owned()))
}
