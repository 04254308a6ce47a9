//! Keys of requests on SQLite.

use async_trait::async_trait;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::idempotency_store::{Begun, IdempotencyStore, Undertaking};
use messaging_core::ports::store_error::StoreError;
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::column::Id;
use crate::error::Fault;
use crate::store::SqliteStore;

/// What is known of a key.
struct Known {
    request: [u8; 32],
    subject: [u8; 16],
    lease_until: Timestamp,
    answer: Option<Vec<u8>>,
}

fn find(
    connection: &Connection,
    asked: &Undertaking,
    now: Timestamp,
) -> Result<Option<Known>, Fault> {
    let found = connection
        .prepare_cached(
            "SELECT request, subject, lease_until, answer FROM idempotency_keys
             WHERE tenant = ?1 AND digest = ?2 AND expires_at > ?3",
        )?
        .query_row((asked.key.tenant.bytes(), asked.key.digest, now.as_micros()), |row| {
            Ok(Known {
                request: row.get(0)?,
                subject: row.get(1)?,
                lease_until: Timestamp::from_micros(row.get(2)?),
                answer: row.get(3)?,
            })
        })
        .optional()?;
    Ok(found)
}

fn begin(connection: &Connection, asked: &Undertaking, now: Timestamp) -> Result<Begun, Fault> {
    let Some(known) = find(connection, asked, now)? else {
        // In place of one that has expired.
        connection
            .prepare_cached(
                "REPLACE INTO idempotency_keys (
                     tenant, digest, request, subject, lease_until, expires_at
                 ) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                asked.key.tenant.bytes(),
                asked.key.digest,
                asked.request.0,
                asked.subject.as_bytes(),
                asked.lease_until.as_micros(),
                asked.expires_at.as_micros(),
            ))?;
        return Ok(Begun::New);
    };
    if known.request != asked.request.0 {
        return Ok(Begun::Mismatch);
    }
    if let Some(answer) = known.answer {
        return Ok(Begun::Done { answer });
    }
    if known.lease_until > now {
        return Ok(Begun::Running { until: known.lease_until });
    }
    connection
        .prepare_cached(
            "UPDATE idempotency_keys SET lease_until = ?3 WHERE tenant = ?1 AND digest = ?2",
        )?
        .execute((asked.key.tenant.bytes(), asked.key.digest, asked.lease_until.as_micros()))?;
    Ok(Begun::TakenOver { subject: Uuid::from_bytes(known.subject) })
}

#[async_trait]
impl IdempotencyStore for SqliteStore {
    async fn begin(&self, undertaking: &Undertaking, now: Timestamp) -> Result<Begun, StoreError> {
        let asked = *undertaking;
        self.write(move |connection| begin(connection, &asked, now)).await
    }

    async fn finish(&self, undertaking: &Undertaking, answer: &[u8]) -> Result<(), StoreError> {
        let (done, answer) = (*undertaking, answer.to_vec());
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE idempotency_keys SET answer = ?4
                     WHERE tenant = ?1 AND digest = ?2 AND subject = ?3 AND answer IS NULL",
                )?
                .execute((
                    done.key.tenant.bytes(),
                    done.key.digest,
                    done.subject.as_bytes(),
                    &answer,
                ))?;
            Ok(())
        })
        .await
    }

    async fn forget(&self, undertaking: &Undertaking) -> Result<(), StoreError> {
        let held = *undertaking;
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "DELETE FROM idempotency_keys
                     WHERE tenant = ?1 AND digest = ?2 AND subject = ?3 AND lease_until = ?4
                         AND answer IS NULL",
                )?
                .execute((
                    held.key.tenant.bytes(),
                    held.key.digest,
                    held.subject.as_bytes(),
                    held.lease_until.as_micros(),
                ))?;
            Ok(())
        })
        .await
    }

    async fn leave(&self, undertaking: &Undertaking, now: Timestamp) -> Result<(), StoreError> {
        let held = *undertaking;
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE idempotency_keys SET lease_until = ?5
                     WHERE tenant = ?1 AND digest = ?2 AND subject = ?3 AND lease_until = ?4
                         AND answer IS NULL",
                )?
                .execute((
                    held.key.tenant.bytes(),
                    held.key.digest,
                    held.subject.as_bytes(),
                    held.lease_until.as_micros(),
                    now.as_micros(),
                ))?;
            Ok(())
        })
        .await
    }
}
