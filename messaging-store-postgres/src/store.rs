//! One schema of a database, and the connections to it.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use messaging_core::domain::id::TenantId;
use messaging_core::ports::store_error::StoreError;

use crate::audit_log::Appends;
use crate::connections::{Connections, Lent};
use crate::error::store_error;
use crate::idempotency_store::{Begins, Finishes};
use crate::inbox_store::{Applies, Keeps};
use crate::message_store::chats::Opens;
use crate::message_store::{Changes, Inserts, Loads, Orders};
use crate::migrate::migrate;
use crate::open_error::OpenError;
use crate::opt_out_store::Looks;
use crate::options::PostgresOptions;
use crate::session_store::{Finds, OwnFinds};
use crate::tenant_role;
use crate::together::{Together, WriteStatistics};

/// One stands for the node, half of the others are for what is asked for a tenant, and no caller may
/// keep all others waiting.
const MIN_CONNECTIONS: u32 = 4;

/// Every store port on one schema of a PostgreSQL database, for any number of nodes.
///
/// Clones share the connections.
#[derive(Clone)]
pub struct PostgresStore(Arc<Parts>);

struct Parts {
    /// Connections that see everything.
    all: Connections,
    /// Connections that see one tenant's rows.
    of_tenants: Connections,
    /// Whether it answered when it was last asked.
    is_well: AtomicBool,
    /// How long it keeps what is over.
    retention: Option<Duration>,
    begins: Together<Begins>,
    finishes: Together<Finishes>,
    inserts: Together<Inserts>,
    changes: Together<Changes>,
    keeps: Together<Keeps>,
    applies: Together<Applies>,
    loads: Together<Loads>,
    orders: Together<Orders>,
    opens: Together<Opens>,
    looks: Together<Looks>,
    appends: Together<Appends>,
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
        let most = options.connections.max(MIN_CONNECTIONS);
        let for_tenants = (most - 1) / 2;
        let for_all = most - 1 - for_tenants;
        let as_tenants = tenant_role::options(connect.clone(), &options.schema);
        // Every statement of theirs has an index. Of a month that has just begun PostgreSQL knows
        // nothing, and would keep to plans that read it from end to end while it grows.
        let connect = connect.options([("enable_seqscan", "off")]);
        let patience = options.acquire_timeout;
        let all = Connections::open(connect, for_all, patience).await?;
        let of_tenants = Connections::open(as_tenants, for_tenants, patience).await?;
        let limit = options.answer_timeout;
        Ok(Self(Arc::new(Parts {
            begins: Together::new(&all, limit),
            finishes: Together::new(&all, limit),
            inserts: Together::new(&all, limit),
            changes: Together::new(&all, limit),
            keeps: Together::new(&all, limit),
            applies: Together::new(&all, limit),
            loads: Together::new(&all, limit),
            orders: Together::new(&all, limit),
            opens: Together::new(&all, limit),
            looks: Together::new(&all, limit),
            appends: Together::new(&all, limit),
            finds: Together::new(&all, limit),
            own_finds: Together::new(&of_tenants, limit),
            all,
            is_well: AtomicBool::new(true),
            retention: options.retention,
            of_tenants,
        })))
    }

    /// What has been written since the store was opened.
    pub fn write_statistics(&self) -> WriteStatistics {
        let parts = &self.0;
        parts.begins.statistics()
            + parts.finishes.statistics()
            + parts.inserts.statistics()
            + parts.changes.statistics()
            + parts.keeps.statistics()
            + parts.applies.statistics()
    }

    /// Closes all connections once what is under way is done. Calls made afterwards, through any
    /// clone, are [`Unavailable`](StoreError::Unavailable).
    pub async fn close(&self) {
        self.0.of_tenants.close().await;
        self.0.all.close().await;
    }

    /// How many connections may come to those that are open.
    pub(crate) fn may_open(&self) -> u32 {
        self.0.all.may_open() + self.0.of_tenants.may_open()
    }

    /// Connections that see one tenant's rows.
    pub(crate) fn connections_of_tenants(&self) -> &Connections {
        &self.0.of_tenants
    }

    /// Says in the log when the server cannot be used any more, and when it can again.
    pub(crate) fn tell(&self, answer: &Result<(), StoreError>) {
        match answer {
            Err(error) if self.0.is_well.swap(false, Ordering::Relaxed) => {
                let reason = error.source().map(ToString::to_string).unwrap_or_default();
                tracing::error!(reason, "PostgreSQL cannot be used");
            }
            Ok(()) if !self.0.is_well.swap(true, Ordering::Relaxed) => {
                tracing::info!("PostgreSQL can be used again");
            }
            _ => {}
        }
    }

    /// How long it keeps what is over; for ever where it does not say.
    pub(crate) fn retention(&self) -> Option<Duration> {
        self.0.retention
    }

    /// Connections that see everything.
    pub(crate) fn connections(&self) -> &Connections {
        &self.0.all
    }

    /// A connection that sees this tenant's rows and no others.
    pub(crate) async fn of_tenant(&self, tenant: TenantId) -> Result<Lent, StoreError> {
        let mut connection = self.0.of_tenants.acquire().await?;
        tenant_role::see_only(&mut connection, tenant).await.map_err(store_error)?;
        Ok(connection)
    }

    pub(crate) fn begins(&self) -> &Together<Begins> {
        &self.0.begins
    }

    pub(crate) fn finishes(&self) -> &Together<Finishes> {
        &self.0.finishes
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

    pub(crate) fn opens(&self) -> &Together<Opens> {
        &self.0.opens
    }

    pub(crate) fn orders(&self) -> &Together<Orders> {
        &self.0.orders
    }

    pub(crate) fn looks(&self) -> &Together<Looks> {
        &self.0.looks
    }

    pub(crate) fn appends(&self) -> &Together<Appends> {
        &self.0.appends
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
