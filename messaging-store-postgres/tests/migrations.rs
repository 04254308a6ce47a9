//! Several nodes over one schema, of several versions, in a database that is not theirs alone.

mod support;

use std::time::Duration;

use futures::future::join_all;
use messaging_core::conformance::build::tenant;
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::ports::clock::SystemClock;
use messaging_core::ports::message_store;
use messaging_core::ports::store_error::StoreError;
use messaging_core::ports::tenant_store::TenantStore;
use messaging_store_postgres::{
    OpenError, PostgresOptions, PostgresStore, Presence, SCHEMA_RULE, inspect, migrate,
};
use sqlx::Connection;
use support::{Database, count};

const TABLES_OF_OTHERS: &str = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('messaging', 'pg_catalog', \
     'information_schema')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_make_one_schema() {
    let database = Database::new().await;
    let opened = join_all((0..6).map(|_| database.store())).await;
    for (n, store) in (1..).zip(&opened) {
        store.insert(&tenant(n)).await.unwrap();
    }
    assert_eq!(opened[0].list().await.unwrap().len(), 6);
    let migrated = migrate(&database.url, &PostgresOptions::default()).await.unwrap();
    assert_eq!(migrated.from, migrated.to);
}

#[tokio::test]
async fn a_database_is_shared_with_whatever_else_is_in_it() {
    let database = Database::new().await;
    let mut connection = database.connection().await;
    let before =
        "CREATE TABLE public.messages (id int); CREATE TABLE public._sqlx_migrations (n int)";
    sqlx::raw_sql(before).execute(&mut connection).await.unwrap();
    let store = database.store().await;
    store.insert(&tenant(1)).await.unwrap();
    assert_eq!(count(&mut connection, TABLES_OF_OTHERS).await, 2);
    assert_eq!(count(&mut connection, "SELECT count(*) FROM public._sqlx_migrations").await, 0);
}

#[tokio::test]
async fn deployments_in_schemas_of_their_own_do_not_meet() {
    let database = Database::new().await;
    let ours = database.store().await;
    let options = PostgresOptions { schema: "second".into(), ..PostgresOptions::default() };
    let second = PostgresStore::open(&database.url, &options).await.unwrap();
    ours.insert(&tenant(1)).await.unwrap();
    assert_eq!(second.list().await.unwrap(), []);
}

/// While nodes are replaced one by one, those of the version before work on the new schema.
#[tokio::test]
async fn a_schema_of_a_newer_version_is_used_as_it_is() {
    let database = Database::new().await;
    let newest = migrate(&database.url, &PostgresOptions::default()).await.unwrap().to;
    let mut connection = database.connection().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
                 execution_time) VALUES (999, 'of the future', true, '', 0); \
                 ALTER TABLE messages ADD COLUMN of_the_future text";
    sqlx::raw_sql(newer).execute(&mut connection).await.unwrap();
    assert!(newest < 999);
    let store = database.store().await;
    store.insert(&tenant(1)).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_opened_says_why_and_shows_no_password() {
    let database = Database::new().await;
    let open = async |url: &str, schema: &str| {
        let options = PostgresOptions { schema: schema.into(), ..PostgresOptions::default() };
        PostgresStore::open(url, &options).await.unwrap_err()
    };
    let address = open("mysql://me:secret@localhost/messages", "messaging").await;
    assert!(matches!(address, OpenError::Address), "{address}");
    let schema = open(&database.url, "Messages; DROP TABLE").await;
    assert!(matches!(schema, OpenError::Schema(_)), "{schema}");
    let missing = open(&format!("{}_not", database.url), "messaging").await;
    assert!(matches!(missing, OpenError::Refused { .. }), "{missing}");
    let nobody = open("postgres://me:secret@127.0.0.1:1/messages", "messaging").await;
    assert!(matches!(nobody, OpenError::Unreachable(_)), "{nobody}");
    for error in [address, schema, missing, nobody] {
        let error = anyhow_text(&error);
        assert!(!error.contains("secret"), "{error}");
    }
}

/// Whoever brings the schema up to date takes the time it needs, whatever limits statements have
/// otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_may_take_longer_than_a_statement() {
    let database = Database::new().await;
    let mut other = database.connection().await;
    let name = database.url.rsplit_once('/').unwrap().1;
    for setting in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
        let limit = format!("ALTER DATABASE {name} SET {setting} = '100ms'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(limit)).execute(&mut other).await.unwrap();
    }
    // Another node is at it, for longer than a statement may take.
    let lock = "SET lock_timeout = 0; SET statement_timeout = 0; \
                SELECT pg_advisory_lock(x'6d657373616769'::bigint * 256 + x'6e'::int)";
    sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
    let options = PostgresOptions {
        statement_timeout: Duration::from_millis(100),
        ..PostgresOptions::default()
    };
    let at_it = async {
        sqlx::raw_sql("SELECT pg_sleep(0.5); SELECT pg_advisory_unlock_all()")
            .execute(&mut other)
            .await
            .unwrap();
    };
    let (migrated, ()) = tokio::join!(migrate(&database.url, &options), at_it);
    assert_eq!(migrated.unwrap().from, 0);
    // What is asked afterwards has its limit again.
    let store = PostgresStore::open(&database.url, &options).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE tenants").execute(&mut other).await.unwrap();
    let refused = store.insert(&tenant(1)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}

/// Words of SQL are names as good as any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_may_be_called_like_a_word_of_sql() {
    let database = Database::new().await;
    for schema in ["user", "order", "select", "s".repeat(56).as_str()] {
        let options = PostgresOptions { schema: schema.into(), ..PostgresOptions::default() };
        let store = PostgresStore::open(&database.url, &options).await.unwrap();
        store.insert(&tenant(1)).await.unwrap();
        message_store::MessageStore::ping(&store).await.unwrap();
        let all = MessageFilter::default();
        let portion = Portion::Page { page: 1, limit: 1 };
        message_store::MessageStore::list(&store, tenant(1).id, &all, portion).await.unwrap();
        store.close().await;
        let again = migrate(&database.url, &options).await.unwrap();
        assert_eq!(again.from, again.to, "{schema}");
        let found = inspect(&database.url, &options, &SystemClock).await.unwrap();
        assert_eq!((found.version, found.schema), (again.to, Presence::There), "{schema}");
    }
}

#[tokio::test]
async fn a_schema_that_postgresql_could_not_hold_is_refused_with_the_rule() {
    let database = Database::new().await;
    let too_long = "s".repeat(57);
    for schema in ["", "Messages", "pg_messages", "information_schema", "1st", "a-b", &too_long] {
        let options = PostgresOptions { schema: schema.into(), ..PostgresOptions::default() };
        let refused = migrate(&database.url, &options).await.unwrap_err();
        assert!(matches!(refused, OpenError::Schema(_)), "{refused}");
        assert!(refused.to_string().contains(SCHEMA_RULE), "{refused}");
    }
}

/// Who may not make roles is told what somebody else must run.
#[tokio::test]
async fn a_role_that_cannot_be_made_is_named_with_what_makes_it() {
    let database = Database::new().await;
    let mut connection = database.connection().await;
    let name = database.url.rsplit_once('/').unwrap().1;
    let owner = format!("{name}_owner");
    let make = format!("CREATE ROLE {owner} LOGIN; ALTER DATABASE {name} OWNER TO {owner}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut connection).await.unwrap();
    let url = database.url.replace("postgres://postgres@", &format!("postgres://{owner}@"));
    let schema = format!("{name}_s");
    let options = PostgresOptions { schema: schema.clone(), ..PostgresOptions::default() };
    let refused = migrate(&url, &options).await.unwrap_err();
    let OpenError::Role { role, statements } = refused else { panic!("{refused}") };
    assert_eq!(role, format!("{schema}_tenant"));
    assert!(statements.contains(&format!("GRANT {role} TO {owner}")), "{statements}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
    let store = PostgresStore::open(&url, &options).await.unwrap();
    store.insert(&tenant(1)).await.unwrap();
    let drop = format!("ALTER DATABASE {name} OWNER TO postgres");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
}

/// An error with all its causes, as a person reads it.
fn anyhow_text(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(each) = cause {
        text = format!("{text}: {each} {each:?}");
        cause = each.source();
    }
    text
}
