//! Sessions that many callers ask for at once, in one statement: every message and every webhook
//! names one.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use messaging_core::domain::id::{SessionId, TenantId};
use messaging_core::domain::session::Session;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::named::Stored;
use crate::session_store::row::{SessionRow, query_sessions};
use crate::tenant_role;
use crate::text;
use crate::together::{Fault, Work};

/// Sessions by their ids, whoever owns them.
pub(crate) struct Finds;

#[async_trait]
impl Work for Finds {
    type Request = SessionId;
    type Answer = Option<Session>;

    async fn run(
        connection: &mut PgConnection,
        ids: &[SessionId],
    ) -> Result<(Vec<Option<Session>>, u64), Fault> {
        let asked: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows: Vec<SessionRow> =
            query_sessions!("SELECT", "FROM sessions s WHERE s.id = ANY($1::uuid[])", &asked)
                .fetch_all(connection)
                .await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in rows {
            let session = row.decode()?;
            found.insert(session.id, session);
        }
        Ok((ids.iter().map(|id| found.get(id).cloned()).collect(), 1))
    }
}

/// What a tenant calls one of its sessions by.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Called {
    Id(SessionId),
    Name(String),
}

/// Sessions that tenants ask for: a statement for each tenant that does, as one that sees no other.
pub(crate) struct OwnFinds;

#[async_trait]
impl Work for OwnFinds {
    type Request = (TenantId, Called);
    type Answer = Option<Session>;

    async fn run(
        connection: &mut PgConnection,
        requests: &[(TenantId, Called)],
    ) -> Result<(Vec<Option<Session>>, u64), Fault> {
        let mut by_tenant: BTreeMap<TenantId, Vec<&Called>> = BTreeMap::new();
        for (tenant, called) in requests {
            by_tenant.entry(*tenant).or_default().push(called);
        }
        let statements = 2 * by_tenant.len() as u64;
        let mut found = HashMap::new();
        for (tenant, called) in by_tenant {
            let (mut ids, mut names) = (Vec::new(), Vec::new());
            for each in called {
                match each {
                    Called::Id(id) => ids.push(id.0),
                    Called::Name(name) => names.push(text::kept(name).into_owned()),
                }
            }
            tenant_role::see_only(connection, tenant).await?;
            let rows: Vec<SessionRow> = query_sessions!(
                "SELECT",
                "FROM sessions s WHERE s.tenant = $1 \
                 AND (s.id = ANY($2::uuid[]) OR s.name = ANY($3::text[]))",
                tenant.0,
                &ids,
                &names
            )
            .fetch_all(&mut *connection)
            .await?;
            for row in rows {
                let session = row.decode()?;
                found.insert((tenant, Called::Name(session.name.clone())), session.clone());
                found.insert((tenant, Called::Id(session.id)), session);
            }
        }
        Ok((requests.iter().map(|asked| found.get(asked).cloned()).collect(), statements))
    }
}
