//! Nodes that must not run beside each other on one PostgreSQL, as processes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "command/mod.rs"]
mod command;

use command::Place;
use test_services::{Postgres, Redis};
use waha_client::simulator::{DEFAULT_API_KEY, Simulator, SimulatorConfig};

const SECRET: &str = "0b7e1d9a4c5f48f2a6d3e8b1c7f09a52";

fn place(waha: &Simulator, postgres: &str) -> Place {
    Place::new()
        .with("WAHA_BASE_URL", waha.base_url())
        .with("WAHA_API_KEY", DEFAULT_API_KEY)
        .with("JWT_SECRET", SECRET)
        .with("ENCRYPTION_KEY", &SECRET.repeat(2))
        .with("WAHA_WEBHOOK_SECRET", SECRET)
        .with("DATABASE_URL", postgres)
}

async fn waha() -> Simulator {
    Simulator::start(SimulatorConfig::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_redis_runs_beside_no_other_whichever_comes_first() {
    let (waha, postgres, redis) = (waha().await, Postgres::start().await, Redis::start().await);
    let alone = place(&waha, &postgres.url());
    let among = place(&waha, &postgres.url()).with("REDIS_URL", &redis.url());
    let mut first = alone.start(&["serve"]);
    first.address().await;
    let refused = among.run(&["serve"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("a node without Redis runs on this schema"), "{refused:?}");
    let refused = alone.run(&["serve"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("another node runs on this schema"), "{refused:?}");
    first.signal("TERM").await;
    assert_eq!(first.left().await, Some(0));

    let (mut one, mut two) = (among.start(&["serve"]), among.start(&["serve"]));
    one.address().await;
    two.address().await;
    let refused = alone.run(&["serve"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("several need Redis (REDIS_URL)"), "{refused:?}");
    for node in [&mut one, &mut two] {
        node.signal("TERM").await;
        assert_eq!(node.left().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_finds_its_place_taken_stops_and_says_why() {
    let (waha, postgres) = (waha().await, Postgres::start().await);
    postgres.sql("CREATE ROLE first LOGIN CREATEROLE").await;
    postgres.sql("ALTER DATABASE postgres OWNER TO first").await;
    let here = place(&waha, &postgres.url().replace("postgres@", "first@"));
    let mut first = here.start(&["serve"]);
    first.address().await;
    // A restart of the server is survived.
    postgres.cut_connections().await;
    first.logged("this node has its place in PostgreSQL again").await;
    // While it cannot come back, another one starts.
    postgres.sql("ALTER ROLE first CONNECTION LIMIT 0").await;
    postgres.cut_connections().await;
    let there = place(&waha, &postgres.url());
    let mut second = there.start(&["serve"]);
    second.address().await;
    postgres.sql("ALTER ROLE first CONNECTION LIMIT -1").await;
    let said = first.logged("stopping: another node runs on this schema of PostgreSQL").await;
    assert!(said.contains("ERROR"), "{said}");
    assert_eq!(first.left().await, Some(1));
    second.signal("TERM").await;
    assert_eq!(second.left().await, Some(0));
}
