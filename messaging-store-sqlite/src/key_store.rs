//! Wrapped keys in SQLite.

use async_trait::async_trait;
use messaging_core::domain::id::TenantId;
use messaging_core::ports::key_provider::WrappedKey;
use messaging_core::ports::key_store::{KeptKey, KeyStore, Wrapping};
use messaging_core::ports::store_error::{BoxError, StoreError};
use rusqlite::Row;
use uuid::Uuid;

use crate::column::{BadColumn, Id, Stored, decode_all, instant, named};
use crate::person_store::for_good;
use crate::store::SqliteStore;

/// What [`KeptKey`] is read from, in the order of [`Stored::read`].
macro_rules! key_columns {
    () => {
        "tenant, purpose, version, wrapped_by, wrapped, created_at"
    };
}

impl Stored for KeptKey {
    const ENTITY: &'static str = "key";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        let tenant = match row.get_ref(0)?.as_blob()? {
            [] => None,
            bytes => Some(TenantId(Uuid::from_slice(bytes).map_err(|_| BadColumn("tenant"))?)),
        };
        Ok(Self {
            tenant,
            purpose: named(row, 1)?,
            version: row.get(2)?,
            wrapped: WrappedKey { by: row.get(3)?, bytes: row.get(4)? },
            created_at: instant(row, 5)?,
        })
    }
}

fn owner(tenant: Option<&TenantId>) -> &[u8] {
    tenant.map_or(&[], |tenant| tenant.bytes())
}

#[async_trait]
impl KeyStore for SqliteStore {
    async fn keys(&self, tenant: Option<TenantId>) -> Result<Vec<KeptKey>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                key_columns!(),
                " FROM wrapped_keys WHERE tenant = ?1 ORDER BY purpose, version"
            ))?;
            decode_all(statement.query([owner(tenant.as_ref())])?)
        })
        .await
    }

    async fn add_key(&self, key: &KeptKey) -> Result<bool, StoreError> {
        let key = key.clone();
        self.write(move |connection| {
            let added = connection
                .prepare_cached(concat!(
                    "INSERT INTO wrapped_keys (",
                    key_columns!(),
                    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING"
                ))?
                .execute((
                    owner(key.tenant.as_ref()),
                    key.purpose.as_str(),
                    key.version,
                    &key.wrapped.by,
                    &key.wrapped.bytes,
                    key.created_at.as_micros(),
                ))?;
            Ok(added > 0)
        })
        .await
    }

    async fn keys_wrapped_otherwise(
        &self,
        by: &str,
        limit: u32,
    ) -> Result<Vec<KeptKey>, StoreError> {
        let by = by.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                key_columns!(),
                " FROM wrapped_keys WHERE wrapped_by <> ?1 LIMIT ?2"
            ))?;
            decode_all(statement.query((by.as_str(), limit))?)
        })
        .await
    }

    async fn wrapping(&self, by: &str) -> Result<Wrapping, StoreError> {
        let by = by.to_owned();
        self.read(move |connection| {
            let (done, total): (i64, i64) = connection
                .prepare_cached(
                    "SELECT count(*) FILTER (WHERE wrapped_by = ?1), count(*) FROM wrapped_keys",
                )?
                .query_row([by.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Wrapping { done: done.unsigned_abs(), total: total.unsigned_abs() })
        })
        .await
    }

    async fn rewrap_key(&self, key: &KeptKey, before: &str) -> Result<bool, StoreError> {
        let (key, before) = (key.clone(), before.to_owned());
        self.write(move |connection| {
            let changed = connection
                .prepare_cached(
                    "UPDATE wrapped_keys SET wrapped_by = ?5, wrapped = ?6
                     WHERE tenant = ?1 AND purpose = ?2 AND version = ?3 AND wrapped_by = ?4",
                )?
                .execute((
                    owner(key.tenant.as_ref()),
                    key.purpose.as_str(),
                    key.version,
                    before.as_str(),
                    &key.wrapped.by,
                    &key.wrapped.bytes,
                ))?;
            Ok(changed > 0)
        })
        .await
    }

    async fn shred_keys(&self, tenant: TenantId) -> Result<u64, StoreError> {
        self.write(move |connection| {
            for_good(connection, || {
                let gone = connection
                    .prepare_cached("DELETE FROM wrapped_keys WHERE tenant = ?1")?
                    .execute([tenant.bytes()])?;
                Ok(gone as u64)
            })
        })
        .await
    }
}
