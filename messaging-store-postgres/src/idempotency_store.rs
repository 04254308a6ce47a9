//! Keys of requests on PostgreSQL.

use std::collections::HashMap;

use async_trait::async_trait;
use messaging_core::domain::fingerprint::RequestHash;
use messaging_core::domain::id::TenantId;
use messaging_core::domain::idempotency::ScopedKey;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::idempotency_store::{Begun, IdempotencyStore, KnownKey, Undertaking};
use messaging_core::ports::store_error::{BoxError, StoreError};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::error::store_error;
use crate::named::{BadColumn, instant};
use crate::store::PostgresStore;
use crate::together::{Fault, Work};

/// Requests that many callers begin.
pub(crate) struct Begins;

/// Requests that many callers have done.
pub(crate) struct Finishes;

/// Undertakings on their way to becoming rows, column by column.
#[derive(Default)]
struct Rows {
    tenants: Vec<Uuid>,
    digests: Vec<Vec<u8>>,
    requests: Vec<Vec<u8>>,
    subjects: Vec<Uuid>,
    leases: Vec<i64>,
    ends: Vec<i64>,
}

impl Rows {
    /// Of these, in the order of their keys, so that two transactions never wait for one another.
    fn of<'a>(undertakings: impl Iterator<Item = &'a Undertaking>) -> Self {
        let mut sorted: Vec<_> = undertakings.collect();
        sorted.sort_by_key(|each| each.key);
        let mut rows = Self::default();
        for each in sorted {
            rows.tenants.push(each.key.tenant.0);
            rows.digests.push(each.key.digest.to_vec());
            rows.requests.push(each.request.0.to_vec());
            rows.subjects.push(each.subject);
            rows.leases.push(each.lease_until.as_micros());
            rows.ends.push(each.expires_at.as_micros());
        }
        rows
    }
}

#[async_trait]
impl Work for Begins {
    type Request = (Undertaking, Timestamp);
    type Answer = Begun;

    async fn run(
        connection: &mut PgConnection,
        requests: &[(Undertaking, Timestamp)],
    ) -> Result<(Vec<Begun>, u64), Fault> {
        // Of several that begin with one key the first goes ahead.
        let mut first = HashMap::new();
        for (index, (asked, _)) in requests.iter().enumerate() {
            first.entry(asked.key).or_insert(index);
        }
        let mut transaction = connection.begin().await?;
        let rows = Rows::of(first.values().map(|index| &requests[*index].0));
        let new = insert(&mut transaction, &rows).await?;
        let mut statements = 3;
        let mut known = HashMap::new();
        if new.len() < requests.len() {
            known = lock(&mut transaction, &rows).await?;
            statements += 1;
        }
        let mut changed = HashMap::new();
        let mut begun = Vec::with_capacity(requests.len());
        for (index, (asked, now)) in requests.iter().enumerate() {
            if new.contains(&asked.key) && first.get(&asked.key) == Some(&index) {
                begun.push(Begun::New);
                continue;
            }
            // One that was forgotten in this very moment is free at once.
            let Some(known) = known.get_mut(&asked.key) else {
                begun.push(Begun::Running { until: *now });
                continue;
            };
            let answer = known.go_on(asked, *now);
            if matches!(answer, Begun::New | Begun::TakenOver { .. }) {
                let renewed = Undertaking { subject: known.subject, ..*asked };
                changed.insert(asked.key, Undertaking { expires_at: known.expires_at, ..renewed });
            }
            begun.push(answer);
        }
        if !changed.is_empty() {
            renew(&mut transaction, &Rows::of(changed.values())).await?;
            statements += 1;
        }
        transaction.commit().await?;
        Ok((begun, statements))
    }
}

/// Writes those whose key nobody has named. Gives their keys.
async fn insert(connection: &mut PgConnection, rows: &Rows) -> Result<Vec<ScopedKey>, Fault> {
    let new = sqlx::query!(
        "INSERT INTO idempotency_keys (
             tenant, digest, request, subject, lease_until, expires_at
         )
         SELECT * FROM unnest(
             $1::uuid[], $2::bytea[], $3::bytea[], $4::uuid[], $5::bigint[], $6::bigint[]
         )
         ON CONFLICT DO NOTHING
         RETURNING tenant, digest",
        &rows.tenants,
        &rows.digests,
        &rows.requests,
        &rows.subjects,
        &rows.leases,
        &rows.ends,
    )
    .fetch_all(connection)
    .await?;
    new.into_iter().map(|row| key(row.tenant, &row.digest)).collect()
}

/// What is known of these keys, which nobody else changes meanwhile.
async fn lock(
    connection: &mut PgConnection,
    rows: &Rows,
) -> Result<HashMap<ScopedKey, KnownKey>, Fault> {
    let found = sqlx::query!(
        "SELECT tenant, digest, request, subject, lease_until, expires_at, answer
         FROM idempotency_keys
         WHERE (tenant, digest) IN (SELECT * FROM unnest($1::uuid[], $2::bytea[]))
         ORDER BY tenant, digest FOR UPDATE",
        &rows.tenants,
        &rows.digests,
    )
    .fetch_all(connection)
    .await?;
    let known = found.into_iter().map(|row| {
        let key = key(row.tenant, &row.digest)?;
        let at = |micros| instant(micros).map_err(|error| corrupt(row.tenant, error));
        let digest =
            row.request.try_into().map_err(|_| corrupt(row.tenant, BadColumn("request").into()))?;
        let known = KnownKey {
            request: RequestHash(digest),
            subject: row.subject,
            lease_until: at(row.lease_until)?,
            expires_at: at(row.expires_at)?,
            answer: row.answer,
        };
        Ok((key, known))
    });
    known.collect()
}

/// Writes back who has them now.
async fn renew(connection: &mut PgConnection, rows: &Rows) -> Result<(), Fault> {
    sqlx::query!(
        "UPDATE idempotency_keys AS kept
         SET request = new.request, subject = new.subject, lease_until = new.lease_until,
             expires_at = new.expires_at, answer = NULL
         FROM unnest(
             $1::uuid[], $2::bytea[], $3::bytea[], $4::uuid[], $5::bigint[], $6::bigint[]
         ) AS new (tenant, digest, request, subject, lease_until, expires_at)
         WHERE kept.tenant = new.tenant AND kept.digest = new.digest",
        &rows.tenants,
        &rows.digests,
        &rows.requests,
        &rows.subjects,
        &rows.leases,
        &rows.ends,
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn key(tenant: Uuid, digest: &[u8]) -> Result<ScopedKey, Fault> {
    let digest = digest.try_into().map_err(|_| corrupt(tenant, BadColumn("digest").into()))?;
    Ok(ScopedKey { tenant: TenantId(tenant), digest })
}

fn corrupt(tenant: Uuid, source: BoxError) -> StoreError {
    StoreError::corrupt("idempotency key of tenant", tenant, source)
}

#[async_trait]
impl Work for Finishes {
    type Request = (Undertaking, Vec<u8>);
    type Answer = ();

    async fn run(
        connection: &mut PgConnection,
        requests: &[(Undertaking, Vec<u8>)],
    ) -> Result<(Vec<()>, u64), Fault> {
        let mut sorted: Vec<_> = requests.iter().collect();
        sorted.sort_by_key(|(done, _)| done.key);
        let rows = Rows::of(sorted.iter().map(|(done, _)| done));
        let answers: Vec<&[u8]> = sorted.iter().map(|(_, answer)| &answer[..]).collect();
        sqlx::query!(
            "UPDATE idempotency_keys AS kept SET answer = new.answer
             FROM unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::bytea[])
                 AS new (tenant, digest, subject, answer)
             WHERE kept.tenant = new.tenant AND kept.digest = new.digest
                 AND kept.subject = new.subject AND kept.answer IS NULL",
            &rows.tenants,
            &rows.digests,
            &rows.subjects,
            &answers as &[&[u8]],
        )
        .execute(connection)
        .await?;
        Ok((vec![(); requests.len()], 1))
    }
}

#[async_trait]
impl IdempotencyStore for PostgresStore {
    async fn begin(&self, undertaking: &Undertaking, now: Timestamp) -> Result<Begun, StoreError> {
        self.begins().ask((*undertaking, now)).await
    }

    async fn finish(&self, undertaking: &Undertaking, answer: &[u8]) -> Result<(), StoreError> {
        self.finishes().ask((*undertaking, answer.to_vec())).await
    }

    async fn forget(&self, undertaking: &Undertaking) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM idempotency_keys
             WHERE tenant = $1 AND digest = $2 AND subject = $3 AND lease_until = $4
                 AND answer IS NULL",
            undertaking.key.tenant.0,
            &undertaking.key.digest[..],
            undertaking.subject,
            undertaking.lease_until.as_micros(),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn leave(&self, undertaking: &Undertaking, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE idempotency_keys SET lease_until = $5
             WHERE tenant = $1 AND digest = $2 AND subject = $3 AND lease_until = $4
                 AND answer IS NULL",
            undertaking.key.tenant.0,
            &undertaking.key.digest[..],
            undertaking.subject,
            undertaking.lease_until.as_micros(),
            now.as_micros(),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(())
    }
}
