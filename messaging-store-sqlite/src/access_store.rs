//! API keys and refresh tokens, on SQLite.

use async_trait::async_trait;
use messaging_core::domain::access::{ApiKey, Rotation, SecretDigest, TokenFamily};
use messaging_core::domain::id::{ApiKeyId, TenantId, TokenFamilyId};
use messaging_core::domain::portion::{Page, PortionBy};
use messaging_core::domain::tenant::{Permission, Rights};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::access_store::AccessStore;
use messaging_core::ports::store_error::{BoxError, StoreError};
use rusqlite::{Connection, Row};

use crate::column::{
    self, BadColumn, Id, Stored, decode_all, decode_first, instant, named, optional_instant,
};
use crate::error::Fault;
use crate::store::SqliteStore;

/// What [`ApiKey`] is read from, in the order of [`Stored::read`].
macro_rules! key_columns {
    () => {
        "id, tenant, name, role, scope, digest, created_at, expires_at, revoked_at, last_used_at"
    };
}

/// What [`TokenFamily`] is read from, in the order of [`Stored::read`].
macro_rules! family_columns {
    () => {
        "id, tenant, api_key, latest, created_at, expires_at, revoked_at"
    };
}

impl Stored for ApiKey {
    const ENTITY: &'static str = "API key";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        let scope: Option<String> = row.get(4)?;
        Ok(Self {
            id: column::id(row, 0)?,
            tenant: column::id(row, 1)?,
            name: row.get(2)?,
            rights: Rights {
                role: named(row, 3)?,
                scope: scope.as_deref().map(Permission::read_list),
            },
            digest: SecretDigest(row.get(5)?),
            created_at: instant(row, 6)?,
            expires_at: optional_instant(row, 7)?,
            revoked_at: optional_instant(row, 8)?,
            last_used_at: optional_instant(row, 9)?,
        })
    }
}

impl Stored for TokenFamily {
    const ENTITY: &'static str = "token family";

    fn read(row: &Row<'_>) -> Result<Self, BoxError> {
        let latest: i64 = row.get(3)?;
        Ok(Self {
            id: column::id(row, 0)?,
            tenant: column::id(row, 1)?,
            key: column::id(row, 2)?,
            latest: u64::try_from(latest).map_err(|_| BadColumn("latest"))?,
            created_at: instant(row, 4)?,
            expires_at: instant(row, 5)?,
            revoked_at: optional_instant(row, 6)?,
        })
    }
}

fn key(connection: &Connection, id: ApiKeyId) -> Result<Option<ApiKey>, Fault> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        key_columns!(),
        " FROM api_keys WHERE id = ?1"
    ))?;
    decode_first(statement.query([id.bytes()])?)
}

fn family(connection: &Connection, id: TokenFamilyId) -> Result<Option<TokenFamily>, Fault> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        family_columns!(),
        " FROM token_families WHERE id = ?1"
    ))?;
    decode_first(statement.query([id.bytes()])?)
}

fn revoke(connection: &Connection, id: TokenFamilyId, at: Timestamp) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "UPDATE token_families SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
        )?
        .execute((id.bytes(), at.as_micros()))?;
    Ok(())
}

#[async_trait]
impl AccessStore for SqliteStore {
    async fn insert_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.write(move |connection| {
            let added = connection
                .prepare_cached(concat!(
                    "INSERT INTO api_keys (",
                    key_columns!(),
                    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING"
                ))?
                .execute((
                    key.id.bytes(),
                    key.tenant.bytes(),
                    &key.name,
                    key.rights.role.as_str(),
                    key.rights.scope.as_deref().map(Permission::write_list),
                    key.digest.0,
                    key.created_at.as_micros(),
                    key.expires_at.map(Timestamp::as_micros),
                    key.revoked_at.map(Timestamp::as_micros),
                    key.last_used_at.map(Timestamp::as_micros),
                ))?;
            match added {
                0 => Err(StoreError::Conflict { entity: "API key" }.into()),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        self.read(move |connection| key(connection, id)).await
    }

    async fn find_key(&self, tenant: TenantId, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let found = AccessStore::key(self, id).await?;
        Ok(found.filter(|key| key.tenant == tenant))
    }

    async fn list_keys(
        &self,
        tenant: TenantId,
        portion: PortionBy<ApiKeyId>,
    ) -> Result<Page<ApiKey>, StoreError> {
        self.read(move |connection| {
            let total: i64 = connection
                .prepare_cached("SELECT count(*) FROM api_keys WHERE tenant = ?1")?
                .query_row([tenant.bytes()], |row| row.get(0))?;
            let mut statement = connection.prepare_cached(concat!(
                "SELECT ",
                key_columns!(),
                " FROM api_keys WHERE tenant = ?1 AND id < ?2
                 ORDER BY id DESC LIMIT ?3 OFFSET ?4"
            ))?;
            let (limit, skipped) = column::bounds(&portion);
            let last = portion.last().map_or(&column::LAST, |last| last.bytes());
            let found = decode_all(statement.query((tenant.bytes(), last, limit, skipped))?)?;
            Ok(Page::of(found, total.unsigned_abs(), portion.limit()))
        })
        .await
    }

    async fn revoke_key(
        &self,
        tenant: TenantId,
        id: ApiKeyId,
        at: Timestamp,
    ) -> Result<Option<ApiKey>, StoreError> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE api_keys SET revoked_at = ?3
                     WHERE tenant = ?1 AND id = ?2 AND revoked_at IS NULL",
                )?
                .execute((tenant.bytes(), id.bytes(), at.as_micros()))?;
            Ok(key(connection, id)?.filter(|key| key.tenant == tenant))
        })
        .await
    }

    async fn touch_key(&self, id: ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE api_keys SET last_used_at = ?2
                     WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
                )?
                .execute((id.bytes(), at.as_micros()))?;
            Ok(())
        })
        .await
    }

    async fn insert_family(&self, family: &TokenFamily) -> Result<(), StoreError> {
        let family = family.clone();
        self.write(move |connection| {
            let added = connection
                .prepare_cached(concat!(
                    "INSERT INTO token_families (",
                    family_columns!(),
                    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING"
                ))?
                .execute((
                    family.id.bytes(),
                    family.tenant.bytes(),
                    family.key.bytes(),
                    i64::try_from(family.latest).unwrap_or(i64::MAX),
                    family.created_at.as_micros(),
                    family.expires_at.as_micros(),
                    family.revoked_at.map(Timestamp::as_micros),
                ))?;
            match added {
                0 => Err(StoreError::Conflict { entity: "token family" }.into()),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn family(&self, id: TokenFamilyId) -> Result<Option<TokenFamily>, StoreError> {
        self.read(move |connection| family(connection, id)).await
    }

    async fn rotate(
        &self,
        id: TokenFamilyId,
        number: u64,
        until: Timestamp,
        at: Timestamp,
    ) -> Result<Rotation, StoreError> {
        self.write(move |connection| {
            // Nobody else writes meanwhile.
            let known = family(connection, id)?.filter(|family| family.is_good(at));
            let Some(family) = known.filter(|family| number <= family.latest) else {
                return Ok(Rotation::Ended);
            };
            if number < family.latest {
                revoke(connection, id, at)?;
                return Ok(Rotation::Replayed);
            }
            connection
                .prepare_cached(
                    "UPDATE token_families SET latest = latest + 1, expires_at = ?2 WHERE id = ?1",
                )?
                .execute((id.bytes(), until.as_micros()))?;
            let latest = family.latest + 1;
            Ok(Rotation::Next(TokenFamily { latest, expires_at: until, ..family }))
        })
        .await
    }

    async fn revoke_family(&self, id: TokenFamilyId, at: Timestamp) -> Result<(), StoreError> {
        self.write(move |connection| revoke(connection, id, at)).await
    }
}
