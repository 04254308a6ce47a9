//! Wrapped keys on PostgreSQL.

use async_trait::async_trait;
use messaging_core::domain::id::TenantId;
use messaging_core::ports::key_provider::WrappedKey;
use messaging_core::ports::key_store::{KeptKey, KeyStore, Wrapping};
use messaging_core::ports::store_error::{BoxError, StoreError};
use uuid::Uuid;

use crate::error::store_error;
use crate::named::{BadColumn, Stored, decode_all, instant, named, small};
use crate::store::PostgresStore;

struct KeyRow {
    tenant: Uuid,
    purpose: String,
    version: i32,
    wrapped_by: String,
    wrapped: Vec<u8>,
    created_at: i64,
}

impl Stored for KeyRow {
    type Value = KeptKey;
    const ENTITY: &'static str = "key";

    fn id(&self) -> Uuid {
        self.tenant
    }

    fn read(self) -> Result<KeptKey, BoxError> {
        Ok(KeptKey {
            tenant: (!self.tenant.is_nil()).then_some(TenantId(self.tenant)),
            purpose: named(&self.purpose)?,
            version: u32::try_from(self.version).map_err(|_| BadColumn("version"))?,
            wrapped: WrappedKey { by: self.wrapped_by, bytes: self.wrapped },
            created_at: instant(self.created_at)?,
        })
    }
}

fn owner(tenant: Option<TenantId>) -> Uuid {
    tenant.map_or(Uuid::nil(), |tenant| tenant.0)
}

#[async_trait]
impl KeyStore for PostgresStore {
    async fn keys(&self, tenant: Option<TenantId>) -> Result<Vec<KeptKey>, StoreError> {
        let rows = sqlx::query_as!(
            KeyRow,
            "SELECT tenant, purpose, version, wrapped_by, wrapped, created_at FROM wrapped_keys
             WHERE tenant = $1 ORDER BY purpose, version",
            owner(tenant),
        )
        .fetch_all(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        decode_all(rows)
    }

    async fn add_key(&self, key: &KeptKey) -> Result<bool, StoreError> {
        let added = sqlx::query!(
            "INSERT INTO wrapped_keys (tenant, purpose, version, wrapped_by, wrapped, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            owner(key.tenant),
            key.purpose.as_str(),
            small(key.version),
            key.wrapped.by,
            key.wrapped.bytes,
            key.created_at.as_micros(),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(added.rows_affected() > 0)
    }

    async fn keys_wrapped_otherwise(
        &self,
        by: &str,
        limit: u32,
    ) -> Result<Vec<KeptKey>, StoreError> {
        let rows = sqlx::query_as!(
            KeyRow,
            "SELECT tenant, purpose, version, wrapped_by, wrapped, created_at FROM wrapped_keys
             WHERE wrapped_by <> $1 LIMIT $2",
            by,
            i64::from(limit),
        )
        .fetch_all(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        decode_all(rows)
    }

    async fn wrapping(&self, by: &str) -> Result<Wrapping, StoreError> {
        let counted = sqlx::query!(
            r#"SELECT count(*) FILTER (WHERE wrapped_by = $1) AS "done!", count(*) AS "total!"
             FROM wrapped_keys"#,
            by,
        )
        .fetch_one(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        let (done, total) = (counted.done.unsigned_abs(), counted.total.unsigned_abs());
        Ok(Wrapping { done, total })
    }

    async fn rewrap_key(&self, key: &KeptKey, before: &str) -> Result<bool, StoreError> {
        let changed = sqlx::query!(
            "UPDATE wrapped_keys SET wrapped_by = $5, wrapped = $6
             WHERE tenant = $1 AND purpose = $2 AND version = $3 AND wrapped_by = $4",
            owner(key.tenant),
            key.purpose.as_str(),
            small(key.version),
            before,
            key.wrapped.by,
            key.wrapped.bytes,
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(changed.rows_affected() > 0)
    }

    async fn shred_keys(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let gone = sqlx::query!("DELETE FROM wrapped_keys WHERE tenant = $1", tenant.0)
            .execute(&mut *self.connections().acquire().await?)
            .await
            .map_err(store_error)?;
        Ok(gone.rows_affected())
    }
}
