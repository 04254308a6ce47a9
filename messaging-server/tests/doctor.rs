//! The real binary is asked what is wrong, with everything well and with one thing that is not.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "command/mod.rs"]
mod command;

use std::fs;
use std::net::TcpListener;

use command::{Outcome, Place};
use messaging_core::conformance::build;
use messaging_core::ports::session_store::SessionStore;
use messaging_store_sqlite::{SqliteOptions, SqliteStore};
use test_services::{Postgres, Redis};
use waha_client::simulator::{DEFAULT_API_KEY, SeededSession, Simulator, SimulatorConfig};

const SECRET: &str = "0b7e1d9a4c5f48f2a6d3e8b1c7f09a52";
/// Where nothing listens.
const NOWHERE: &str = "127.0.0.1:1";

async fn waha() -> Simulator {
    let config = SimulatorConfig::default().with_session(SeededSession::working("main"));
    Simulator::start(config).await.unwrap()
}

/// A place whose WAHA is this one.
fn place(waha: &Simulator) -> Place {
    Place::new().with("WAHA_BASE_URL", waha.base_url()).with("WAHA_API_KEY", DEFAULT_API_KEY)
}

/// The same with secrets of its own, as several nodes need them.
fn shared(waha: &Simulator, postgres: &str, redis: &str) -> Place {
    place(waha)
        .with("JWT_SECRET", SECRET)
        .with("ENCRYPTION_KEY", &SECRET.repeat(2))
        .with("WAHA_WEBHOOK_SECRET", SECRET)
        .with("DATABASE_URL", postgres)
        .with("REDIS_URL", redis)
}

/// Nothing is wrong.
#[track_caller]
fn all_is_well(outcome: &Outcome) {
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert!(outcome.out.lines().all(|line| line.starts_with("ok  ")), "{}", outcome.out);
    assert_eq!(outcome.err, "");
}

/// This is said, and the command leaves with the status that goes with what is said.
#[track_caller]
fn check(outcome: &Outcome, line: &str) {
    let said = outcome.out.lines().any(|said| said.starts_with(line));
    assert!(said, "no {line:?} in {}", outcome.out);
    let has_problem = outcome.out.lines().any(|said| said.starts_with("problem"));
    assert_eq!(outcome.code, Some(i32::from(has_problem)), "{outcome:#?}");
}

fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

#[tokio::test]
async fn with_the_embedded_store_all_is_well_before_the_first_start_and_nothing_is_made() {
    let waha = waha().await;
    let place = place(&waha);
    let outcome = place.run(&["doctor"]).await;
    all_is_well(&outcome);
    let subjects: Vec<_> =
        outcome.out.lines().filter_map(|line| line.get(9..)?.split(':').next()).collect();
    let mut in_order = subjects.clone();
    in_order.dedup();
    let expected =
        ["configuration", "address", "data directory", "embedded store", "Redis", "WAHA default"];
    assert_eq!(in_order[..6], expected);
    assert_eq!(fs::read_dir(place.dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn all_is_well_beside_a_service_that_runs() {
    let waha = waha().await;
    let place = place(&waha).with("PORT", &free_port());
    let mut server = place.start(&["serve"]);
    server.address().await;
    let outcome = place.run(&["doctor"]).await;
    all_is_well(&outcome);
    check(&outcome, "ok       address: the service runs at 127.0.0.1:");
    check(&outcome, "ok       webhooks: this service answers at http://127.0.0.1:");
    server.signal("TERM").await;
    assert_eq!(server.left().await, Some(0));
}

#[tokio::test]
async fn with_postgresql_and_redis_all_is_well_once_the_schema_is_made() {
    let (waha, postgres, redis) = (waha().await, Postgres::start().await, Redis::start().await);
    let place = shared(&waha, &postgres.url(), &redis.url());
    let before = place.run(&["doctor"]).await;
    check(&before, "warning  PostgreSQL: there is no schema messaging yet: `migrate`");
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'messaging'";
    assert_eq!(postgres.sql(schemas).await, "0");
    place.line(&["migrate"]).await;
    all_is_well(&place.run(&["doctor"]).await);

    let newer = "INSERT INTO messaging._sqlx_migrations
        (version, description, success, checksum, execution_time) VALUES (999999, '', true, '', 0)";
    postgres.sql(newer).await;
    let outcome = place.run(&["doctor"]).await;
    check(
        &outcome,
        "warning  PostgreSQL: schema messaging has version 999999 and this program only",
    );
}

#[tokio::test]
async fn a_cluster_is_well_and_is_not_taken_for_a_server() {
    let (waha, postgres) = (waha().await, test_services::variable("TEST_POSTGRES_URL"));
    let nodes = test_services::variable("TEST_REDIS_CLUSTER_URLS");
    let outcome = shared(&waha, &postgres, &nodes).run(&["doctor"]).await;
    check(&outcome, "ok       Redis: the cluster serves all 16384 slots, by 3 primaries");
    let redis = outcome.out.lines().filter(|line| line.contains("  Redis: "));
    assert!(redis.into_iter().all(|line| line.starts_with("ok")), "{}", outcome.out);

    let one = nodes.split(',').next().unwrap();
    let outcome = shared(&waha, &postgres, one).run(&["doctor"]).await;
    assert!(outcome.out.contains("belongs to a cluster: set REDIS_CLUSTER"), "{}", outcome.out);

    let alone = test_services::variable("TEST_REDIS_URL");
    let outcome =
        shared(&waha, &postgres, &alone).with("REDIS_CLUSTER", "true").run(&["doctor"]).await;
    check(&outcome, "problem  Redis: what answers is no Redis Cluster");
}

#[tokio::test]
async fn a_database_that_may_lose_what_was_accepted_is_a_problem() {
    // The server that tests share need not outlive a power cut.
    let postgres = test_services::variable("TEST_POSTGRES_URL");
    let redis = test_services::variable("TEST_REDIS_URL");
    let place = shared(&waha().await, &postgres, &redis).with("DB_SCHEMA", "doctor_looks");
    let outcome = place.run(&["doctor"]).await;
    check(&outcome, "problem  PostgreSQL: fsync is off: what is accepted may be lost");
    check(&outcome, "warning  PostgreSQL: there is no schema doctor_looks yet");
}

#[tokio::test]
async fn a_schema_that_cannot_be_made_is_named_with_the_rule() {
    let postgres = test_services::variable("TEST_POSTGRES_URL");
    let place = shared(&waha().await, &postgres, "");
    let outcome = place.with("DB_SCHEMA", "pg_messages").run(&["doctor"]).await;
    check(
        &outcome,
        "problem  configuration: DB_SCHEMA is \"pg_messages\": expected 1 to 56 lower-case letters",
    );
}

#[tokio::test]
async fn without_redis_only_one_node_may_run() {
    let postgres = test_services::variable("TEST_POSTGRES_URL");
    let place = shared(&waha().await, &postgres, "");
    let outcome = place.run(&["doctor"]).await;
    check(&outcome, "warning  PostgreSQL: without Redis exactly one node may run");
}

#[tokio::test]
async fn a_wrong_password_or_database_of_postgresql_is_named() {
    let (waha, postgres) = (waha().await, Postgres::start().await);
    postgres.sql("CREATE ROLE messaging LOGIN PASSWORD 'the right one'").await;
    postgres
        .sql(
            "DO $$ BEGIN EXECUTE format('COPY (VALUES (%L), (%L)) TO %L',
                'host all postgres 127.0.0.1/32 trust',
                'host all all 127.0.0.1/32 scram-sha-256', current_setting('hba_file')); END $$",
        )
        .await;
    postgres.sql("SELECT pg_reload_conf()").await;
    let redis = test_services::variable("TEST_REDIS_URL");
    let wrong = postgres.url().replace("postgres@", "messaging:hunter2@");
    let outcome = shared(&waha, &wrong, &redis).run(&["doctor"]).await;
    let refused = outcome.out.lines().find(|line| line.starts_with("problem  PostgreSQL:"));
    assert!(refused.unwrap().contains("the user or the password is wrong"), "{}", outcome.out);
    assert!(!outcome.out.contains("hunter2"), "{}", outcome.out);

    let missing = format!("{}_missing", postgres.url());
    let outcome = shared(&waha, &missing, &redis).run(&["doctor"]).await;
    assert!(outcome.out.contains("there is no such database"), "{}", outcome.out);
    assert_eq!(outcome.code, Some(1));
}

#[tokio::test]
async fn all_that_is_down_is_reported_at_once_and_no_secret_is() {
    let secrets = ["hunter2", "hunter3", "hunter4", SECRET, "hunter5-hunter5"];
    let servers = format!(
        r#"[{{"name":"eu-1","url":"http://{NOWHERE}","apiKey":"hunter4"}},
            {{"name":"eu-2","url":"http://{NOWHERE}"}}]"#
    );
    let place = Place::new()
        .with("DATABASE_URL", &format!("postgres://me:hunter2@{NOWHERE}/db?password=hunter2"))
        .with("REDIS_URL", &format!("redis://:hunter3@{NOWHERE}"))
        .with("WAHA_SERVERS", &servers)
        .with("JWT_SECRET", SECRET)
        .with("ENCRYPTION_KEY", &SECRET.repeat(2))
        .with("WAHA_WEBHOOK_SECRET", "hunter5-hunter5")
        .with("WAHA_API_KEY", "changeme")
        .with("PUBLIC_URL", &format!("http://{NOWHERE}"));
    let outcome = place.run(&["doctor"]).await;
    check(&outcome, "problem  configuration: WAHA_API_KEY holds a placeholder");
    check(&outcome, "problem  PostgreSQL: 127.0.0.1:1/db: PostgreSQL cannot be reached");
    check(&outcome, "problem  Redis: 127.0.0.1:1: Redis cannot be reached (connection refused)");
    check(&outcome, "problem  WAHA eu-1: nothing answers at http://127.0.0.1:1");
    check(&outcome, "problem  WAHA eu-2: nothing answers at http://127.0.0.1:1");
    check(&outcome, "warning  webhooks: nothing answers at http://127.0.0.1:1");
    let without_host = "postgres://:hunter2@";
    let unreadable = place.with("DATABASE_URL", without_host).with("LOG_FORMAT", "xml");
    let unreadable = unreadable.run(&["doctor"]).await;
    check(&unreadable, "problem  configuration: DATABASE_URL holds something else (not shown)");
    check(&unreadable, "problem  configuration: LOG_FORMAT is \"xml\"");
    for outcome in [outcome, unreadable] {
        for secret in secrets {
            let shown = outcome.out.contains(secret) || outcome.err.contains(secret);
            assert!(!shown, "{secret} in {outcome:#?}");
        }
    }
}

#[tokio::test]
async fn what_redis_is_set_to_is_looked_at() {
    let (waha, redis) = (waha().await, Redis::start().await);
    let postgres = test_services::variable("TEST_POSTGRES_URL");
    let place = shared(&waha, &postgres, &redis.url());
    redis.ask(&["config", "set", "maxmemory-policy", "allkeys-lru"]).await;
    redis.ask(&["replicaof", "127.0.0.1", "1"]).await;
    let outcome = place.run(&["doctor"]).await;
    let said = |part: &str| assert!(outcome.out.contains(part), "no {part} in {}", outcome.out);
    said("has maxmemory-policy allkeys-lru: when its memory is full");
    said("is a replica and takes no changes");
    redis.ask(&["config", "set", "requirepass", "a password of its own"]).await;
    let outcome = place.run(&["doctor"]).await;
    assert!(outcome.out.contains("correct the password in REDIS_URL"), "{}", outcome.out);
    assert_eq!(outcome.code, Some(1));
}

#[tokio::test]
async fn a_waha_that_refuses_the_key_is_told_from_one_that_wants_one() {
    let waha = waha().await;
    let outcome = place(&waha).with("WAHA_API_KEY", "hunter2").run(&["doctor"]).await;
    check(&outcome, &format!("problem  WAHA default: {} refuses the key", waha.base_url()));
    assert!(!outcome.out.contains("hunter2"), "{}", outcome.out);
    let outcome = place(&waha).with("WAHA_API_KEY", "").run(&["doctor"]).await;
    check(&outcome, &format!("problem  WAHA default: {} asks for a key", waha.base_url()));
    // Something else answers where WAHA should, and where the service should.
    let place = place(&waha).with("PORT", &free_port());
    let mut server = place.start(&["serve"]);
    let base = server.address().await;
    let outcome = place.with("WAHA_BASE_URL", &base).with("PUBLIC_URL", waha.base_url());
    let outcome = outcome.run(&["doctor"]).await;
    check(&outcome, &format!("problem  WAHA default: what answers at {base} is no WAHA"));
    check(&outcome, &format!("warning  webhooks: what answers at {}/health", waha.base_url()));
}

#[tokio::test]
async fn an_old_waha_and_sessions_it_does_not_know_are_warned_of() {
    let version = "2025.1.1".to_owned();
    let waha = Simulator::start(SimulatorConfig { version, ..SimulatorConfig::default() });
    let waha = waha.await.unwrap();
    let place = place(&waha);
    let file = place.dir.path().join("data/messaging.db");
    fs::create_dir(place.dir.path().join("data")).unwrap();
    let store = SqliteStore::open(&file, SqliteOptions::default()).unwrap();
    for (n, server) in [(1, "default"), (2, "gone")] {
        let mut session = build::session(n);
        session.place.server = server.to_owned();
        session.place.name = format!("lost-{n}");
        store.insert(&session).await.unwrap();
    }
    store.close().await;
    let outcome = place.run(&["doctor"]).await;
    check(&outcome, &format!("warning  WAHA default: {} is version 2025.1.1", waha.base_url()));
    check(&outcome, "warning  WAHA default: does not know 1 of 1 sessions kept here (lost-1)");
    check(&outcome, "warning  WAHA gone: 1 of the sessions kept here are on this server");
    assert_eq!(outcome.code, Some(0));
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_named() {
    let waha = waha().await;
    let place = place(&waha).with("DATA_DIR", "./a-file/data");
    fs::write(place.dir.path().join("a-file"), "").unwrap();
    let outcome = place.run(&["doctor"]).await;
    check(&outcome, "problem  data directory: ./a-file/data cannot be made, as ./a-file is a file");
}

#[cfg(unix)]
#[tokio::test]
async fn a_secret_that_others_can_read_and_a_file_of_another_program_are_named() {
    use std::os::unix::fs::PermissionsExt;
    let waha = waha().await;
    let place = place(&waha);
    place.line(&["tenant", "create", "acme"]).await;
    all_is_well(&place.run(&["doctor"]).await);
    let secret = place.dir.path().join("data/jwt_secret");
    fs::set_permissions(secret, fs::Permissions::from_mode(0o644)).unwrap();
    let file = place.dir.path().join("data/messaging.db");
    fs::write(&file, "Dear diary, ".repeat(1000)).unwrap();
    let outcome = place.run(&["doctor"]).await;
    check(&outcome, "problem  data directory: ./data/jwt_secret can be read by others");
    let foreign = outcome.out.lines().find(|line| line.starts_with("problem  embedded store:"));
    assert!(foreign.unwrap().contains("is not a file of this store"), "{}", outcome.out);
}

#[tokio::test]
async fn a_port_that_another_program_has_is_told_from_our_own() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    taken.set_nonblocking(true).unwrap();
    let port = taken.local_addr().unwrap().port();
    // It answers, but not as we do.
    let waha = waha().await;
    let others = waha.address().port().to_string();
    let outcome = place(&waha).with("PORT", &others).run(&["doctor"]).await;
    check(&outcome, &format!("problem  address: 127.0.0.1:{others} is taken by another program"));
    // It does not even answer.
    let outcome = place(&waha).with("PORT", &port.to_string()).run(&["doctor"]).await;
    check(&outcome, &format!("problem  address: 127.0.0.1:{port} is taken by another program"));
}
