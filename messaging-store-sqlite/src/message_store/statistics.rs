//! Counts over a tenant's messages.

use std::collections::HashMap;

use messaging_core::domain::content::ContentKind;
use messaging_core::domain::id::{SessionId, TenantId};
use messaging_core::domain::message::Direction;
use messaging_core::domain::statistics::{Percentiles, Statistics, StatisticsRange};
use messaging_core::domain::status::Status;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::store_error::BoxError;
use rusqlite::{Connection, Row};

use crate::column::{self, Id, Stored, decode, instant, named, optional_instant};
use crate::error::Fault;

/// What of a message is counted.
#[derive(PartialEq, Eq, Hash)]
struct Counted {
    session: SessionId,
    direction: Direction,
    status: Status,
    kind: ContentKind,
}

struct CountedRow {
    counted: Counted,
    created_at: Timestamp,
    sent_at: Option<Timestamp>,
}

impl Stored for CountedRow {
    const ENTITY: &'static str = "message";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        Ok(Self {
            counted: Counted {
                session: column::id(row, 1)?,
                direction: named(row, 2)?,
                status: named(row, 3)?,
                kind: named(row, 4)?,
            },
            created_at: instant(row, 5)?,
            sent_at: optional_instant(row, 6)?,
        })
    }
}

/// Counts in one pass over the rows, each looked at once.
pub(super) fn count(
    connection: &Connection,
    tenant: TenantId,
    range: &StatisticsRange,
) -> Result<Statistics, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT id, session, direction, status, kind, created_at, sent_at
         FROM messages INDEXED BY messages_of_tenant
         WHERE tenant = ?1 AND created_at BETWEEN ?2 AND ?3 AND (?4 IS NULL OR session = ?4)",
    )?;
    let mut rows = statement.query((
        tenant.bytes(),
        range.from.unwrap_or(Timestamp::EPOCH).as_micros(),
        range.to.unwrap_or(Timestamp::MAX).as_micros(),
        range.session.as_ref().map(Id::bytes),
    ))?;
    let mut counts: HashMap<Counted, u64> = HashMap::new();
    let mut seconds_to_sent = Vec::new();
    while let Some(row) = rows.next()? {
        let row: CountedRow = decode(row)?;
        *counts.entry(row.counted).or_default() += 1;
        let to_sent = row.sent_at.map(|sent_at| sent_at.since(row.created_at).as_secs_f64());
        seconds_to_sent.extend(to_sent);
    }
    let mut statistics =
        Statistics { time_to_sent: Percentiles::of(&mut seconds_to_sent), ..Statistics::default() };
    for (counted, count) in counts {
        statistics.total += count;
        *statistics.by_status.entry(counted.status).or_default() += count;
        *statistics.by_direction.entry(counted.direction).or_default() += count;
        *statistics.by_kind.entry(counted.kind).or_default() += count;
        *statistics.by_session.entry(counted.session).or_default() += count;
        if counted.direction == Direction::Outbound {
            *statistics.outbound_by_status.entry(counted.status).or_default() += count;
        }
    }
    Ok(statistics)
}
