//! No table of PostgreSQL holds anything of a tenant that was let go.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use messaging_core::conformance::build::{at, session_id, tenant_id};
use messaging_core::conformance::erasure;
use messaging_core::ports::upkeep::Upkeep;
use sqlx::{AssertSqlSafe, PgConnection};
use support::Database;

/// The columns that this condition takes.
async fn columns(connection: &mut PgConnection, condition: &str) -> Vec<(String, String)> {
    let query = format!(
        "SELECT table_name::text, column_name::text FROM information_schema.columns
         WHERE table_schema = 'messaging' AND {condition} ORDER BY 1, 2"
    );
    sqlx::query_as(AssertSqlSafe(query)).fetch_all(connection).await.unwrap()
}

/// Every column in which one of these ids stands, in whatever form a text of it would show.
async fn places(connection: &mut PgConnection, ids: &[uuid::Uuid]) -> Vec<String> {
    let mut found = Vec::new();
    let ids = ids.iter().map(|id| format!("'%{id}%'")).collect::<Vec<_>>().join(", ");
    for (table, column) in columns(connection, "true").await {
        let query = format!(
            "SELECT count(*) FROM messaging.{table} WHERE \"{column}\"::text LIKE ANY(ARRAY[{ids}])"
        );
        let count: i64 =
            sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut *connection).await.unwrap();
        if count > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    found
}

/// Every table there is that names a tenant is filled before, so one that comes new is not forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_table_holds_a_tenant_that_was_let_go() {
    let database = Database::new().await;
    let store = database.store().await;
    erasure::fill(&store).await;
    // Some of what is counted is added up, and some is not.
    store.upkeep(at(0)).await.unwrap();
    let mut connection = database.connection().await;
    let of = |n| [tenant_id(n).0, session_id(n).0];
    let before = places(&mut connection, &of(1)).await;
    let tables =
        "column_name IN ('tenant', 'chain') AND table_name !~ '_[0-9]{4}_[0-9]{2}$|_other$'";
    for (table, column) in columns(&mut connection, tables).await {
        if table == "message_count_changes" {
            continue;
        }
        assert!(before.contains(&format!("{table}.{column}")), "{table} is filled with nothing");
    }
    let others = places(&mut connection, &of(2)).await;
    erasure::let_go(&store).await;
    assert_eq!(places(&mut connection, &of(1)).await, [""; 0]);
    assert_eq!(places(&mut connection, &of(2)).await, others);
    store.close().await;
}
