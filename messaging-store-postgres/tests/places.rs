//! Nodes that must not work beside each other find out.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use messaging_store_postgres::{Place, PostgresOptions, PostgresStore, Standing};
use support::{Database, count};

/// The backends that hold a place, by the number that its locks have.
macro_rules! holders {
    ($what:literal) => {
        concat!(
            "SELECT ",
            $what,
            " FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 1869507705 AND \
             database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    };
}

/// The server learns a moment later that a connection is gone.
async fn eventually_takes(store: &PostgresStore, standing: Standing) -> Place {
    let taking = async {
        loop {
            if let Some(place) = store.take_place(standing).await.unwrap() {
                return place;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), taking).await.unwrap()
}

/// Ends what holds a place, and waits until it is ended.
async fn cut(database: &Database) {
    let mut beside = database.connection().await;
    sqlx::raw_sql(holders!("pg_terminate_backend(pid, 10000)")).execute(&mut beside).await.unwrap();
}

#[tokio::test]
async fn whoever_works_alone_is_the_only_one() {
    let database = Database::new().await;
    let (one, two) = (database.store().await, database.store().await);
    let alone = one.take_place(Standing::Alone).await.unwrap().unwrap();
    assert!(two.take_place(Standing::Alone).await.unwrap().is_none());
    assert!(two.take_place(Standing::Among).await.unwrap().is_none());
    drop(alone);
    let among = eventually_takes(&two, Standing::Among).await;
    let other = one.take_place(Standing::Among).await.unwrap().unwrap();
    assert!(one.take_place(Standing::Alone).await.unwrap().is_none());
    drop((among, other));
    eventually_takes(&one, Standing::Alone).await;
}

#[tokio::test]
async fn nodes_on_schemas_of_their_own_are_not_in_each_others_way() {
    let database = Database::new().await;
    let options = PostgresOptions { schema: "second".into(), ..PostgresOptions::default() };
    let second = PostgresStore::open(&database.url, &options).await.unwrap();
    let one = database.store().await.take_place(Standing::Alone).await.unwrap();
    let two = second.take_place(Standing::Alone).await.unwrap();
    assert!(one.is_some() && two.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_was_lost_is_taken_again() {
    let database = Database::new().await;
    let store = database.store().await;
    let mut place = store.take_place(Standing::Alone).await.unwrap().unwrap();
    let watching = tokio::spawn(async move { place.watch().await });
    let mut beside = database.connection().await;
    for _ in 0..2 {
        cut(&database).await;
        let again = async { while count(&mut beside, holders!("count(*)")).await != 1 {} };
        tokio::time::timeout(Duration::from_secs(30), again).await.unwrap();
        assert!(!watching.is_finished());
        assert!(store.take_place(Standing::Alone).await.unwrap().is_none());
    }
    watching.abort();
}

/// Also where the server has not noticed that the connection is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_cannot_reach_what_holds_its_place_ends_it() {
    let database = Database::new().await;
    let network = support::Network::before(&database.url).await;
    let store = PostgresStore::open(&network.url, &PostgresOptions::default()).await.unwrap();
    let mut place = store.take_place(Standing::Alone).await.unwrap().unwrap();
    let mut beside = database.connection().await;
    let holder = holders!("pid::bigint");
    let before = count(&mut beside, holder).await;
    let watching = tokio::spawn(async move { place.watch().await });
    network.fall_silent_for_those_before();
    let again = async {
        loop {
            let now: Option<i64> =
                sqlx::query_scalar(holder).fetch_optional(&mut beside).await.unwrap();
            if now.is_some_and(|now| now != before) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again).await.unwrap();
    assert!(!watching.is_finished());
    watching.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_finds_its_place_taken_is_told() {
    for (ours, theirs) in [
        (Standing::Alone, Standing::Alone),
        (Standing::Alone, Standing::Among),
        (Standing::Among, Standing::Alone),
    ] {
        let database = Database::new().await;
        let (store, other) = (database.store().await, database.store().await);
        let mut place = store.take_place(ours).await.unwrap().unwrap();
        cut(&database).await;
        let _taken = eventually_takes(&other, theirs).await;
        let told = tokio::time::timeout(Duration::from_secs(30), place.watch()).await;
        assert!(told.is_ok(), "{ours:?} {theirs:?}");
    }
}
