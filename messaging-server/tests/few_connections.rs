//! Nodes on a PostgreSQL that has too few connections for them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "command/mod.rs"]
mod command;

use command::Place;
use test_services::{Postgres, Redis};
use waha_client::simulator::{DEFAULT_API_KEY, Simulator, SimulatorConfig};

const SECRET: &str = "0b7e1d9a4c5f48f2a6d3e8b1c7f09a52";

/// A database whose owner may have nine connections, and a place that uses it.
async fn nine() -> (Postgres, Redis, Simulator, Place) {
    let (postgres, redis) = (Postgres::start().await, Redis::start().await);
    let waha = Simulator::start(SimulatorConfig::default()).await.unwrap();
    postgres.sql("CREATE ROLE few LOGIN CREATEROLE CONNECTION LIMIT 9").await;
    postgres.sql("ALTER DATABASE postgres OWNER TO few").await;
    let place = Place::new()
        .with("WAHA_BASE_URL", waha.base_url())
        .with("WAHA_API_KEY", DEFAULT_API_KEY)
        .with("JWT_SECRET", SECRET)
        .with("ENCRYPTION_KEY", &SECRET.repeat(2))
        .with("WAHA_WEBHOOK_SECRET", SECRET)
        .with("DATABASE_URL", &postgres.url().replace("postgres@", "few@"))
        .with("REDIS_URL", &redis.url());
    (postgres, redis, waha, place)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_finds_too_few_connections_says_so_at_the_start_and_so_does_doctor() {
    let (_postgres, _redis, _waha, place) = nine().await;
    let outcome = place.run(&["doctor"]).await;
    assert!(
        outcome.out.contains(
            "problem  PostgreSQL: 9 connections, of which a node takes 16 (DB_CONNECTIONS): not \
             enough for one"
        ),
        "{}",
        outcome.out
    );
    let mut first = place.start(&["serve"]);
    let said = first.logged("PostgreSQL has 9 connections for this user").await;
    assert!(said.contains("WARN") && said.contains("lower DB_CONNECTIONS"), "{said}");
    first.address().await;
    // There is not even the least for another one.
    let second = place.run(&["serve"]).await;
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.err.contains("there are too many connections (SQLSTATE 53300)"), "{second:?}");
    first.signal("TERM").await;
    assert_eq!(first.left().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_loses_its_connections_is_not_ready_and_names_the_cause() {
    let (postgres, _redis, _waha, place) = nine().await;
    let place = place.with("DB_CONNECTIONS", "8");
    let mut node = place.start(&["serve"]);
    let base = node.address().await;
    let ready = async || {
        let answer = reqwest::get(format!("{base}/health/ready")).await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(ready().await, 200);
    postgres.sql("ALTER ROLE few CONNECTION LIMIT 0").await;
    postgres.cut_connections().await;
    assert_eq!(ready().await, 503);
    node.logged("there are too many connections (SQLSTATE 53300)").await;
    postgres.sql("ALTER ROLE few CONNECTION LIMIT 9").await;
    assert_eq!(ready().await, 200);
    node.signal("TERM").await;
    assert_eq!(node.left().await, Some(0));
}
