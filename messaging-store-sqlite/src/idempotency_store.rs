//! Keys of requests on SQLite.

use async_trait::async_trait;
use messaging_core::domain::fingerprint::RequestHash;
use messaging_core::domain::idempotency::ScopedKey;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::idempotency_store::{Begun, IdempotencyStore, KnownKey, Undertaking};
use messaging_core::ports::store_error::StoreError;
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::column::Id;
use crate::error::Fault;
use crate::store::SqliteStore;

fn find(connection: &Connection, key: &ScopedKey) -> Result<Option<KnownKey>, Fault> {
    let found = connection
        .prepare_cached(
            "SELECT request, subject, lease_until, expires_at, answer FROM idempotency_keys
             WHERE tenant = ?1 AND digest = ?2",
        )?
        .query_row((key.tenant.bytes(), key.digest), |row| {
            Ok(KnownKey {
                request: RequestHash(row.get(0)?),
                subject: Uuid::from_bytes(row.get(1)?),
                lease_until: Timestamp::from_micros(row.get(2)?),
                expires_at: Timestamp::from_micros(row.get(3)?),
                answer: row.get(4)?,
            })
        })
        .optional()?;
    Ok(found)
}

fn begin(connection: &Connection, asked: &Undertaking, now: Timestamp) -> Result<Begun, Fault> {
    let (known, begun) = match find(connection, &asked.key)? {
        None => (KnownKey::from(asked), Begun::New),
        Some(mut known) => {
            let begun = known.go_on(asked, now);
            (known, begun)
        }
    };
    if matches!(begun, Begun::New | Begun::TakenOver { .. }) {
        connection
            .prepare_cached(
                "REPLACE INTO idempotency_keys (
                     tenant, digest, request, subject, lease_until, expires_at
                 ) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                asked.key.tenant.bytes(),
                asked.key.digest,
                known.request.0,
                known.subject.as_bytes(),
                known.lease_until.as_micros(),
                known.expires_at.as_micros(),
            ))?;
    }
    Ok(begun)
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
