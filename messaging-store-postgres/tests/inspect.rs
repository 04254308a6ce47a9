//! A database is looked at without being changed.

#[path = "support/mod.rs"]
mod support;

use messaging_core::conformance::build;
use messaging_core::ports::clock::SystemClock;
use messaging_core::ports::session_store::SessionStore;
use messaging_store_postgres::{
    Inspection, MINIMUM_VERSION, OpenError, PostgresOptions, Presence, inspect,
};
use support::{Database, count};

async fn found(url: &str) -> Result<Inspection, OpenError> {
    inspect(url, &PostgresOptions::default(), &SystemClock).await
}

#[tokio::test]
async fn an_empty_database_is_seen_as_one_and_left_so() {
    let database = Database::new().await;
    let found = found(&database.url).await.unwrap();
    assert!(found.server_number >= MINIMUM_VERSION);
    assert!(found.server.starts_with(&(found.server_number / 10_000).to_string()));
    assert_eq!((found.version, found.schema), (0, Presence::ToBeMade));
    assert!(found.places.is_empty());
    let mut connection = database.connection().await;
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'messaging'";
    assert_eq!(count(&mut connection, schemas).await, 0);
}

#[tokio::test]
async fn a_database_in_use_has_all_it_needs() {
    let database = Database::new().await;
    let store = database.store().await;
    let session = build::session(1);
    store.insert(&session).await.unwrap();
    let found = found(&database.url).await.unwrap();
    assert_eq!((found.version, found.schema), (found.known, Presence::There));
    assert_eq!(found.role, ("messaging_tenant".to_owned(), Presence::There));
    assert_eq!(found.places, [session.place]);
    assert!(!found.is_standby);
    assert!(found.connections > 0);
    // The servers that tests share need not outlive a power cut.
    assert_eq!(found.not_durable, ["fsync"]);
    // It is this machine's own clock.
    assert!(found.clock.at_least().as_millis() < 250, "{:?}", found.clock);
    store.close().await;
}

#[tokio::test]
async fn a_user_without_privileges_is_told_what_is_missing() {
    let database = Database::new().await;
    let mut connection = database.connection().await;
    let user = format!("nobody_{}", std::process::id());
    for statement in [
        format!("CREATE ROLE {user} LOGIN"),
        "DO $$ BEGIN EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()); \
         EXECUTE format('GRANT CONNECT ON DATABASE %I TO PUBLIC', current_database()); END $$"
            .to_owned(),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
    let url = database.url.replace("postgres@", &format!("{user}@"));
    let options = PostgresOptions { schema: "not_there".into(), ..PostgresOptions::default() };
    let found = inspect(&url, &options, &SystemClock).await.unwrap();
    assert_eq!(found.schema, Presence::Forbidden);
    assert_eq!(found.role, ("not_there_tenant".to_owned(), Presence::Forbidden));
}

#[tokio::test]
async fn a_schema_of_somebody_else_is_forbidden() {
    let database = Database::new().await;
    database.store().await.close().await;
    let mut connection = database.connection().await;
    let user = format!("stranger_{}", std::process::id());
    let create = format!("CREATE ROLE {user} LOGIN");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
    let url = database.url.replace("postgres@", &format!("{user}@"));
    let found = found(&url).await.unwrap();
    assert_eq!((found.version, found.schema), (0, Presence::Forbidden));
    assert_eq!(found.role.1, Presence::Forbidden);
}

#[tokio::test]
async fn what_cannot_be_reached_is_told_from_what_refuses() {
    let database = Database::new().await;
    let nowhere = "postgres://postgres@127.0.0.1:1/postgres";
    assert!(matches!(found(nowhere).await, Err(OpenError::Unreachable(_))));
    let missing = format!("{}_missing", database.url);
    let error = found(&missing).await.unwrap_err();
    assert!(matches!(&error, OpenError::Refused { code, .. } if code == "3D000"), "{error:?}");
}
