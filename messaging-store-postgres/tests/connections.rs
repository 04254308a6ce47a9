//! What becomes of a store whose server has few connections, or none.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::error::Error;
use std::time::Duration;

use futures::future::join_all;
use messaging_core::conformance::build::{message, message_id, tenant_id};
use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::ports::clock::SystemClock;
use messaging_core::ports::message_store::MessageStore;
use messaging_core::ports::session_store::SessionStore;
use messaging_core::ports::store_error::StoreError;
use messaging_store_postgres::{OpenError, PostgresOptions, PostgresStore, inspect};
use sqlx::{AssertSqlSafe, PgConnection};
use support::{Database, count};

/// A database whose owner may have so many connections.
struct Small {
    owner: String,
    url: String,
    options: PostgresOptions,
    beside: PgConnection,
}

impl Small {
    async fn new(limit: u32) -> Self {
        let database = Database::new().await;
        let name = database.url.rsplit_once('/').unwrap().1;
        let owner = format!("{name}_few");
        let schema = format!("{name}_few");
        let mut beside = database.connection().await;
        for statement in [
            format!("DROP ROLE IF EXISTS {owner}"),
            format!("CREATE ROLE {owner} LOGIN CREATEROLE"),
            format!("ALTER DATABASE {name} OWNER TO {owner}"),
        ] {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut beside).await.unwrap();
        }
        let url = database.url.replace("postgres://postgres@", &format!("postgres://{owner}@"));
        let options = PostgresOptions {
            schema,
            acquire_timeout: Duration::from_millis(300),
            ..PostgresOptions::default()
        };
        let mut small = Self { owner, url, options, beside };
        small.may_have(i64::from(limit)).await;
        small
    }

    async fn run(&mut self, statement: String) {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.beside).await.unwrap();
    }

    async fn may_have(&mut self, limit: i64) {
        self.run(format!("ALTER ROLE {} CONNECTION LIMIT {limit}", self.owner)).await;
    }

    async fn cut_all(&mut self) {
        let cut = format!(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '{}'",
            self.owner
        );
        self.run(cut).await;
    }

    async fn open(&self) -> Result<PostgresStore, OpenError> {
        PostgresStore::open(&self.url, &self.options).await
    }
}

/// An error with its causes, as the log has it.
fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A store that may have sixteen and gets four works with those.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_gives_few_connections_is_made_do_with() {
    let mut small = Small::new(4).await;
    small.options.acquire_timeout = Duration::from_secs(10);
    let store = small.open().await.unwrap();
    for round in 0..5 {
        let calls = (0..40).map(async |n| {
            let n = round * 40 + n;
            MessageStore::insert(&store, &[message(n)]).await.unwrap();
            let (all, portion) = (MessageFilter::default(), Portion::Page { page: 1, limit: 5 });
            MessageStore::list(&store, tenant_id(1), &all, portion).await.unwrap();
            assert!(
                MessageStore::find(&store, tenant_id(1), message_id(n)).await.unwrap().is_some()
            );
            assert_eq!(store.pending(None, 1).await.unwrap().len(), 1);
        });
        join_all(calls).await;
    }
    store.ping().await.unwrap();
    let shortage = store.shortage().await.unwrap().unwrap();
    // One may have been given up meanwhile: a place was free for a moment, and then another's.
    let given_up = shortage.wanted - 11;
    assert!(given_up <= 1 && shortage.free <= given_up, "{shortage:?}");
    assert_eq!(shortage.connections, 4);
    let told = format!("this node may need {} more", shortage.wanted);
    assert!(shortage.to_string().contains(&told), "{shortage}");
    store.close().await;
}

#[tokio::test]
async fn a_server_with_room_for_all_is_no_shortage() {
    let small = Small::new(40).await;
    let store = small.open().await.unwrap();
    assert_eq!(store.shortage().await.unwrap(), None);
    let found = inspect(&small.url, &small.options, &SystemClock).await.unwrap();
    assert_eq!((found.connections, found.free_connections), (40, 36));
    store.close().await;
}

/// Many who come at once need not wait for others to come for each connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_connections_are_opened_as_may_be_used() {
    let mut small = Small::new(40).await;
    small.options.acquire_timeout = Duration::from_secs(30);
    let store = small.open().await.unwrap();
    small.run(format!("BEGIN; LOCK TABLE {}.sessions", small.options.schema)).await;
    let calls = join_all((0..7).map(|_| SessionStore::list(&store, tenant_id(1))));
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let unlocked = async {
        while count(&mut small.beside, waiting).await < 7 {
            // What is seen of others stays the same within a transaction, otherwise.
            small.run("SELECT pg_stat_clear_snapshot()".to_owned()).await;
        }
        small.run("COMMIT".to_owned()).await;
    };
    let both = async { tokio::join!(calls, unlocked) };
    let (listed, ()) = tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
    assert!(listed.iter().all(Result::is_ok));
    store.close().await;
}

/// A node that started has what it needs; one that has not says so and does not start.
#[tokio::test]
async fn a_store_that_cannot_have_the_least_it_needs_is_not_opened_and_says_why() {
    let small = Small::new(3).await;
    let refused = small.open().await.unwrap_err();
    assert!(matches!(&refused, OpenError::Refused { code, .. } if code == "53300"), "{refused:?}");
}

#[tokio::test]
async fn a_store_without_connections_is_not_ready_and_says_why() {
    let mut small = Small::new(10).await;
    let store = small.open().await.unwrap();
    store.ping().await.unwrap();
    small.may_have(0).await;
    small.cut_all().await;
    for refused in [
        store.ping().await.map(|()| 0),
        MessageStore::insert(&store, &[message(1)]).await.map(|()| 0),
        MessageStore::find(&store, tenant_id(1), message_id(1)).await.map(|_| 0),
        store.pending(None, 1).await.map(|all| all.len()),
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)));
        let said = in_full(&refused);
        assert!(said.contains("there are too many connections (SQLSTATE 53300)"), "{said}");
        assert!(!said.contains(&small.owner), "{said}");
    }
    small.may_have(10).await;
    store.ping().await.unwrap();
    store.close().await;
}

/// All that is asked for a tenant is asked on connections of their own.
#[tokio::test]
async fn a_store_that_cannot_ask_for_tenants_is_not_ready_and_says_why() {
    let mut small = Small::new(40).await;
    let store = small.open().await.unwrap();
    store.ping().await.unwrap();
    small.run(format!("REVOKE {0}_tenant FROM {1}", small.options.schema, small.owner)).await;
    small.cut_all().await;
    let refused = store.ping().await.unwrap_err();
    // What writes works.
    MessageStore::insert(&store, &[message(1)]).await.unwrap();
    let said = in_full(&refused);
    assert!(said.contains("SQLSTATE"), "{said}");
    small.run(format!("GRANT {0}_tenant TO {1}", small.options.schema, small.owner)).await;
    store.ping().await.unwrap();
    store.close().await;
}
