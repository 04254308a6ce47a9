//! The second wall between tenants: a query that forgot its condition shows nothing of others.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use messaging_core::conformance::build::{
    address, api_key, at, audit_event, batch, message, message_id, opt_out, session, tenant_id,
};
use messaging_core::domain::access::ApiKey;
use messaging_core::domain::audit::{AuditEvent, AuditFilter, Chain};
use messaging_core::domain::batch::Batch;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::message::{Message, MessageRef, StatusChange};
use messaging_core::domain::opt_out::{OptOut, OptOutRef};
use messaging_core::domain::portion::PortionBy;
use messaging_core::domain::session::{ProviderSession, Session};
use messaging_core::domain::statistics::StatisticsRange;
use messaging_core::domain::status::StatusEvent;
use messaging_core::ports::access_store::AccessStore;
use messaging_core::ports::audit_log::AuditLog;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::opt_out_store::OptOutStore;
use messaging_core::ports::person_store::PersonStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::store_error::StoreError;
use messaging_core::ports::upkeep::Upkeep;
use messaging_store_postgres::PostgresStore;
use sqlx::PgConnection;
use support::{Database, count};

/// Everything a tenant may look at.
const TABLES: [&str; 11] = [
    "SELECT count(*) FROM messages",
    "SELECT count(*) FROM message_contents",
    "SELECT count(*) FROM message_events",
    "SELECT count(*) FROM message_counts",
    "SELECT count(*) FROM message_count_changes",
    "SELECT count(*) FROM batches",
    "SELECT count(*) FROM sessions",
    "SELECT count(*) FROM opt_outs",
    "SELECT count(*) FROM audit_entries",
    "SELECT count(*) FROM audit_chains",
    "SELECT count(*) FROM api_keys",
];

/// One message, bulk request, session and opt-out for each of two tenants, and something in every table.
async fn two_tenants(store: &PostgresStore) {
    for n in 1..=2 {
        let tenant = tenant_id(n);
        let place = ProviderSession { server: "default".into(), name: format!("place {n}") };
        let session = Session { tenant, place, name: format!("{n}"), ..session(n) };
        SessionStore::insert(store, &session).await.unwrap();
        let batch = Batch { tenant, ..batch(n) };
        let message = Message { tenant, batch: Some(batch.id), ..message(n) };
        store.insert_batch(&batch, &[message]).await.unwrap();
        OptOutStore::add(store, &OptOut { tenant, ..opt_out(n) }).await.unwrap();
        let event = AuditEvent { chain: Chain::Tenant(tenant), ..audit_event(n) };
        AuditLog::append(store, &[event]).await.unwrap();
        store.insert_key(&ApiKey { tenant, ..api_key(n) }).await.unwrap();
    }
    store.upkeep(at(0)).await.unwrap();
    for n in 1..=2 {
        let begin = StatusChange::new(MessageRef::Id(message_id(n)), StatusEvent::Begin, at(9));
        store.change(&[begin]).await.unwrap();
    }
}

async fn run(connection: &mut PgConnection, statement: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(connection).await.unwrap();
}

#[tokio::test]
async fn without_any_condition_a_tenant_sees_its_own_rows_alone() {
    let database = Database::new().await;
    let store = database.store().await;
    two_tenants(&store).await;
    let mut connection = database.connection().await;
    let mut all = Vec::new();
    for table in TABLES {
        all.push(count(&mut connection, table).await);
    }
    assert!(all.iter().all(|rows| *rows >= 2), "something for each tenant: {all:?}");

    run(&mut connection, "SET ROLE messaging_tenant".to_owned()).await;
    for table in TABLES {
        assert_eq!(count(&mut connection, table).await, 0, "of no tenant: {table}");
    }
    for n in 1..=2 {
        run(&mut connection, format!("SET messaging.tenant = '{}'", tenant_id(n))).await;
        for (table, all) in TABLES.iter().zip(&all) {
            assert_eq!(count(&mut connection, table).await, all / 2, "{table}");
        }
    }
}

/// Each call for a tenant fails where the role may not see what it asks for, and works otherwise:
/// so it is under the role that it asks.
#[tokio::test]
async fn what_is_asked_for_a_tenant_is_asked_under_its_role() {
    let database = Database::new().await;
    let store = database.store().await;
    two_tenants(&store).await;
    let (tenant, id) = (tenant_id(1), message_id(1));
    let everything = async || {
        let page = Portion::Page { page: 1, limit: 10 };
        let search = MessageFilter { search: Some("a".into()), ..MessageFilter::default() };
        let unavailable = |error: StoreError| matches!(error, StoreError::Unavailable(_));
        [
            MessageStore::find(&store, tenant, id).await.err().map(unavailable),
            MessageStore::list(&store, tenant, &search, page).await.err().map(unavailable),
            MessageStore::list(&store, tenant, &MessageFilter::default(), page)
                .await
                .err()
                .map(unavailable),
            store.events(tenant, id).await.err().map(unavailable),
            store.statistics(tenant, &StatisticsRange::default()).await.err().map(unavailable),
            store.find_batch(tenant, batch(1).id).await.err().map(unavailable),
            store
                .batches(tenant, PortionBy::Page { page: 1, limit: 9 })
                .await
                .err()
                .map(unavailable),
            OptOutStore::find(&store, tenant, &OptOutRef::Id(opt_out(1).id))
                .await
                .err()
                .map(unavailable),
            OptOutStore::list(&store, tenant, PortionBy::Page { page: 1, limit: 9 })
                .await
                .err()
                .map(unavailable),
            AuditLog::list(&store, Chain::Tenant(tenant), &AuditFilter::default(), None, 9)
                .await
                .err()
                .map(unavailable),
            store.walk(Chain::Tenant(tenant), 0, 9).await.err().map(unavailable),
            store.ends(Chain::Tenant(tenant)).await.err().map(unavailable),
            store.messages_with(tenant, &address(1), None, 9).await.err().map(unavailable),
            store.find_key(tenant, api_key(1).id).await.err().map(unavailable),
            store
                .list_keys(tenant, PortionBy::Page { page: 1, limit: 9 })
                .await
                .err()
                .map(unavailable),
            SessionStore::find(&store, tenant, session(1).id).await.err().map(unavailable),
            SessionStore::find_named(&store, tenant, "1").await.err().map(unavailable),
            SessionStore::list(&store, tenant).await.err().map(unavailable),
        ]
    };
    assert_eq!(everything().await, [None; 18]);
    let mut connection = database.connection().await;
    let revoke = "REVOKE SELECT ON ALL TABLES IN SCHEMA messaging FROM messaging_tenant";
    run(&mut connection, revoke.to_owned()).await;
    assert_eq!(everything().await, [Some(true); 18]);
    // The worker's own calls are not a tenant's.
    assert_eq!(store.load(&[id]).await.unwrap().len(), 1);
}
