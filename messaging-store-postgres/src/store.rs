//! One schema of a database, and the connections to it.

use std::sync::Arc;

use messaging_core::domain::id::TenantId;
use messaging_core::ports::store_error::StoreError;
use sqlx::PgPool;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPoolOptions, Postgres};

use crate::error::store_error;
use crate::inbox_store::{Applies, Keeps};
use crate::message_store::{Changes, Inserts, Loads, Orders};
use crate::migrate::migrate;
use crate::open_error::OpenError;
use crate::options::PostgresOptions;
use crate::session_store::{Finds, OwnFinds};
use crate::tenant_role;
use crate::together::{Together, WriteStatistics};

/// Half of them for what is asked for a tenant, and no caller may keep all others waiting.
const MIN_CONNECTIONS: u32 = 4;

/// Every store port on one schema of a PostgreSQL database, for any number of nodes.
///
/// Clones share the connections.
#[derive(Clone)]
pub struct PostgresStore(Arc<Parts>);

struct Parts {
    /// Connections that see everything.
    pool: PgPool,
    /// Connections that see one tenant's rows.
    of_tenants: PgPool,
    inserts: Together<Inserts>,
    changes: Together<Changes>,
    keeps: Together<Keeps>,
    applies: Together<Applies>,
    loads: Together<Loads>,
    orders: Together<Orders>,
    finds: Together<Finds>,
    own_finds: Together<OwnFinds>,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects, makes the schema where there is none, and brings it to the newest version; several
    /// nodes may do so at once. A schema that a newer version of this program has brought further
    /// is used as it is: each step leaves what the version before needs.
    ///
    /// # Errors
    /// [`OpenError`] says whether the server cannot be reached, refuses, or the schema cannot be
    /// made.
    pub async fn open(url: &str, options: &PostgresOptions) -> Result<Self, OpenError> {
        migrate(url, options).await?;
        let connect = options.connect(url)?;
        let connections = options.connections.max(MIN_CONNECTIONS);
        let pools = || {
            PgPoolOptions::new()
                .acquire_timeout(options.acquire_timeout)
                .max_connections(connections.div_ceil(2))
        };
        let pool = pools().connect_with(connect.clone()).await.map_err(OpenError::of)?;
        let of_tenants = tenant_role::pool(pools(), connect, &options.schema);
        let limit = options.answer_timeout;
        Ok(Self(Arc::new(Parts {
            inserts: Together::new(Inserts(pool.clone()), limit),
            changes: Together::new(Changes(pool.clone()), limit),
            keeps: Together::new(Keeps(pool.clone()), limit),
            applies: Together::new(Applies(pool.clone()), limit),
            loads: Together::new(Loads(pool.clone()), limit),
            orders: Together::new(Orders(pool.clone()), limit),
            finds: Together::new(Finds(pool.clone()), limit),
            own_finds: Together::new(OwnFinds(of_tenants.clone()), limit),
            pool,
            of_tenants,
        })))
    }

    /// What has been written since the store was opened.
    pub fn write_statistics(&self) -> WriteStatistics {
        let parts = &self.0;
        parts.inserts.statistics()
            + parts.changes.statistics()
            + parts.keeps.statistics()
            + parts.applies.statistics()
    }

    /// Closes all connections once what is under way is done. Calls made afterwards, through any
    /// clone, are [`Unavailable`](StoreError::Unavailable).
    pub async fn close(&self) {
        self.0.of_tenants.close().await;
        self.0.pool.close().await;
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// A connection that sees this tenant's rows and no others.
    pub(crate) async fn of_tenant(
        &self,
        tenant: TenantId,
    ) -> Result<PoolConnection<Postgres>, StoreError> {
        let mut connection = self.0.of_tenants.acquire().await.map_err(store_error)?;
        tenant_role::see_only(&mut connection, tenant).await.map_err(store_error)?;
        Ok(connection)
    }

    pub(crate) fn inserts(&self) -> &Together<Inserts> {
        &self.0.inserts
    }

    pub(crate) fn changes(&self) -> &Together<Changes> {
        &self.0.changes
    }

    pub(crate) fn keeps(&self) -> &Together<Keeps> {
        &self.0.keeps
    }

    pub(crate) fn applies(&self) -> &Together<Applies> {
        &self.0.applies
    }

    pub(crate) fn loads(&self) -> &Together<Loads> {
        &self.0.loads
    }

    pub(crate) fn orders(&self) -> &Together<Orders> {
        &self.0.orders
    }

    pub(crate) fn finds(&self) -> &Together<Finds> {
        &self.0.finds
    }

    pub(crate) fn own_finds(&self) -> &Together<OwnFinds> {
        &self.0.own_finds
    }
}

pub(crate) fn closed() -> StoreError {
    StoreError::unavailable("the store is closed")
}
