//! API keys and refresh tokens, on PostgreSQL.

use async_trait::async_trait;
use messaging_core::domain::access::{ApiKey, Rotation, SecretDigest, TokenFamily};
use messaging_core::domain::id::{ApiKeyId, TenantId, TokenFamilyId};
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::tenant::{Permission, Rights};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::access_store::AccessStore;
use messaging_core::ports::store_error::{BoxError, StoreError};
use uuid::Uuid;

use crate::error::store_error;
use crate::named::{
    BadColumn, Stored, bounds, count, decode_all, instant, named, optional_instant,
};
use crate::store::PostgresStore;
use crate::text;

struct KeyRow {
    id: Uuid,
    tenant: Uuid,
    name: String,
    role: String,
    scope: Option<String>,
    digest: Vec<u8>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl Stored for KeyRow {
    type Value = ApiKey;
    const ENTITY: &'static str = "API key";

    fn id(&self) -> Uuid {
        self.id
    }

    fn read(self) -> Result<ApiKey, BoxError> {
        let scope = self.scope.as_deref().map(Permission::read_list);
        Ok(ApiKey {
            id: ApiKeyId(self.id),
            tenant: TenantId(self.tenant),
            name: text::given(self.name),
            rights: Rights { role: named(&self.role)?, scope },
            digest: SecretDigest(self.digest.try_into().map_err(|_| BadColumn("digest"))?),
            created_at: instant(self.created_at)?,
            expires_at: optional_instant(self.expires_at)?,
            revoked_at: optional_instant(self.revoked_at)?,
            last_used_at: optional_instant(self.last_used_at)?,
        })
    }
}

struct FamilyRow {
    id: Uuid,
    tenant: Uuid,
    api_key: Uuid,
    latest: i64,
    created_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
}

impl Stored for FamilyRow {
    type Value = TokenFamily;
    const ENTITY: &'static str = "token family";

    fn id(&self) -> Uuid {
        self.id
    }

    fn read(self) -> Result<TokenFamily, BoxError> {
        Ok(TokenFamily {
            id: TokenFamilyId(self.id),
            tenant: TenantId(self.tenant),
            key: ApiKeyId(self.api_key),
            latest: count(self.latest, "latest")?,
            created_at: instant(self.created_at)?,
            expires_at: instant(self.expires_at)?,
            revoked_at: optional_instant(self.revoked_at)?,
        })
    }
}

#[async_trait]
impl AccessStore for PostgresStore {
    async fn insert_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let added = sqlx::query!(
            "INSERT INTO api_keys (id, tenant, name, role, scope, digest, created_at, expires_at,
                 revoked_at, last_used_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
            key.id.0,
            key.tenant.0,
            &*text::kept(&key.name),
            key.rights.role.as_str(),
            key.rights.scope.as_deref().map(Permission::write_list),
            &key.digest.0[..],
            key.created_at.as_micros(),
            key.expires_at.map(Timestamp::as_micros),
            key.revoked_at.map(Timestamp::as_micros),
            key.last_used_at.map(Timestamp::as_micros),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        match added.rows_affected() {
            0 => Err(StoreError::Conflict { entity: "API key" }),
            _ => Ok(()),
        }
    }

    async fn key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let found = sqlx::query_as!(
            KeyRow,
            "SELECT id, tenant, name, role, scope, digest, created_at, expires_at, revoked_at,
                 last_used_at
             FROM api_keys WHERE id = $1",
            id.0,
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        found.map(Stored::decode).transpose()
    }

    async fn find_key(&self, tenant: TenantId, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let found = sqlx::query_as!(
            KeyRow,
            "SELECT id, tenant, name, role, scope, digest, created_at, expires_at, revoked_at,
                 last_used_at
             FROM api_keys WHERE tenant = $1 AND id = $2",
            tenant.0,
            id.0,
        )
        .fetch_optional(&mut *self.of_tenant(tenant).await?)
        .await
        .map_err(store_error)?;
        found.map(Stored::decode).transpose()
    }

    async fn list_keys(
        &self,
        tenant: TenantId,
        portion: PortionBy<ApiKeyId>,
    ) -> Result<Page<ApiKey>, StoreError> {
        let mut connection = self.of_tenant(tenant).await?;
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "keys!" FROM api_keys WHERE tenant = $1"#,
            tenant.0,
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(store_error)?;
        let (limit, skipped) = bounds(&portion);
        let rows = sqlx::query_as!(
            KeyRow,
            "SELECT id, tenant, name, role, scope, digest, created_at, expires_at, revoked_at,
                 last_used_at
             FROM api_keys WHERE tenant = $1 AND id < $2
             ORDER BY id DESC LIMIT $3 OFFSET $4",
            tenant.0,
            portion.last().map_or(Uuid::max(), |last| last.0),
            limit,
            skipped,
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
        let total = count(total, "keys")
            .map_err(|source| StoreError::corrupt(KeyRow::ENTITY, tenant, source))?;
        Ok(Page::of(decode_all(rows)?, total, portion.limit()))
    }

    async fn revoke_key(
        &self,
        tenant: TenantId,
        id: ApiKeyId,
        at: Timestamp,
    ) -> Result<Option<ApiKey>, StoreError> {
        let revoked = sqlx::query_as!(
            KeyRow,
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3)
             WHERE tenant = $1 AND id = $2
             RETURNING id, tenant, name, role, scope, digest, created_at, expires_at, revoked_at,
                 last_used_at",
            tenant.0,
            id.0,
            at.as_micros(),
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        revoked.map(Stored::decode).transpose()
    }

    async fn touch_key(&self, id: ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE api_keys SET last_used_at = $2
             WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
            id.0,
            at.as_micros(),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn insert_family(&self, family: &TokenFamily) -> Result<(), StoreError> {
        let added = sqlx::query!(
            "INSERT INTO token_families
                 (id, tenant, api_key, latest, created_at, expires_at, revoked_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            family.id.0,
            family.tenant.0,
            family.key.0,
            i64::try_from(family.latest).unwrap_or(i64::MAX),
            family.created_at.as_micros(),
            family.expires_at.as_micros(),
            family.revoked_at.map(Timestamp::as_micros),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        match added.rows_affected() {
            0 => Err(StoreError::Conflict { entity: "token family" }),
            _ => Ok(()),
        }
    }

    async fn family(&self, id: TokenFamilyId) -> Result<Option<TokenFamily>, StoreError> {
        let found = sqlx::query_as!(
            FamilyRow,
            "SELECT id, tenant, api_key, latest, created_at, expires_at, revoked_at
             FROM token_families WHERE id = $1",
            id.0,
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        found.map(Stored::decode).transpose()
    }

    async fn rotate(
        &self,
        id: TokenFamilyId,
        number: u64,
        until: Timestamp,
        at: Timestamp,
    ) -> Result<Rotation, StoreError> {
        // No token has a number that a column cannot hold.
        let Ok(number) = i64::try_from(number) else { return Ok(Rotation::Ended) };
        // Whoever waits for the row looks at the condition again when its turn has come, and finds
        // its number spent: in one statement, so that nothing comes between.
        let next = sqlx::query_as!(
            FamilyRow,
            "UPDATE token_families SET
                 latest = CASE WHEN latest = $2 THEN latest + 1 ELSE latest END,
                 expires_at = CASE WHEN latest = $2 THEN $3 ELSE expires_at END,
                 revoked_at = CASE WHEN latest = $2 THEN NULL ELSE $4::bigint END
             WHERE id = $1 AND latest >= $2 AND revoked_at IS NULL AND expires_at > $4
             RETURNING id, tenant, api_key, latest, created_at, expires_at, revoked_at",
            id.0,
            number,
            until.as_micros(),
            at.as_micros(),
        )
        .fetch_optional(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(match next.map(Stored::decode).transpose()? {
            None => Rotation::Ended,
            Some(family) if family.revoked_at.is_some() => Rotation::Replayed,
            Some(family) => Rotation::Next(family),
        })
    }

    async fn revoke_family(&self, id: TokenFamilyId, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE token_families SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
            id.0,
            at.as_micros(),
        )
        .execute(&mut *self.connections().acquire().await?)
        .await
        .map_err(store_error)?;
        Ok(())
    }
}
