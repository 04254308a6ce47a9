//! What somebody does to the audit log behind the gateway's back stays in sight.

mod support;

use messaging_core::conformance::build::{audit_event, tenant_id};
use messaging_core::domain::audit::{AuditEvent, Chain, ChainEnds};
use messaging_core::ports::audit_log::AuditLog;
use support::{Database, count};

/// Who removes where a chain ends removes it from no look at all of them: neither the platform's, which
/// is the first, nor a tenant's; nor the others.
#[tokio::test]
async fn a_chain_without_its_end_is_told_of() {
    let tenant = Chain::Tenant(tenant_id(1));
    for removed in [Chain::Platform, tenant] {
        let database = Database::new().await;
        let store = database.store().await;
        let of_platform = AuditEvent { chain: Chain::Platform, ..audit_event(1) };
        store.append(&[of_platform, audit_event(1)]).await.unwrap();
        let mut connection = database.connection().await;
        sqlx::query("DELETE FROM audit_chains WHERE chain = $1")
            .bind(removed.id())
            .execute(&mut connection)
            .await
            .unwrap();
        assert_eq!(count(&mut connection, "SELECT count(*) FROM audit_chains").await, 1);
        assert_eq!(store.chains(None, 9).await.unwrap(), [Chain::Platform, tenant]);
        assert_eq!(store.chains(None, 1).await.unwrap(), [Chain::Platform]);
        assert_eq!(store.chains(Some(Chain::Platform), 9).await.unwrap(), [tenant]);
        assert_eq!(store.walk(removed, 0, 9).await.unwrap().len(), 1);
        let ends = store.ends(removed).await.unwrap();
        assert_eq!(ends, ChainEnds::default(), "there is nothing it could be held against");
        store.close().await;
    }
}
