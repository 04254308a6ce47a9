//! What a message costs, from its acceptance to its being read, counted where it is paid: the
//! statements that PostgreSQL runs, and the scripts that Redis runs (a round trip each). The table in
//! docs/scaling.md is held against it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "process/mod.rs"]
mod process;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use process::{Installation, Server, eventually};
use serde_json::json;
use test_services::{Postgres, Redis};
use waha_client::simulator::{Simulator, SimulatorConfig};

const SESSIONS: usize = 64;

struct Bench {
    postgres: Postgres,
    redis: Redis,
    simulator: Simulator,
    server: Server,
    sessions: Vec<String>,
}

/// Statements and scripts for each message.
#[derive(Debug, Clone, Copy)]
struct Cost {
    statements: f64,
    scripts: f64,
}

/// How many texts were written: no two are the same.
static TEXTS: AtomicU64 = AtomicU64::new(0);

impl Bench {
    async fn start(partitions: u16) -> Self {
        let (postgres, redis) = tokio::join!(Postgres::start(), Redis::start());
        postgres.sql("CREATE EXTENSION pg_stat_statements").await;
        let mut config = SimulatorConfig::default();
        config.knobs.auto_scan_ms = Some(10);
        config.times.starting = Duration::from_millis(10);
        let simulator = Simulator::start(config).await.unwrap();
        let mut installation = Installation::new(simulator.base_url());
        installation.settings.extend([
            ("DATABASE_URL", postgres.url()),
            ("REDIS_URL", redis.url()),
            ("QUEUE_PARTITIONS", partitions.to_string()),
            (
                "ENCRYPTION_KEY",
                "0b7e1d9a4c5f48f2a6d3e8b1c7f09a520b7e1d9a4c5f48f2a6d3e8b1c7f09a52".to_owned(),
            ),
            ("JWT_SECRET", "a-jwt-secret-that-is-long-enough-for-tests".to_owned()),
        ]);
        let server = installation.start().await;
        let mut sessions = Vec::new();
        for n in 0..SESSIONS {
            let created = server.post("/sessions", &json!({"name": format!("s{n}")})).await;
            sessions.push(created["id"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned());
        }
        eventually("the sessions work", Duration::from_secs(60), async || {
            let listed = server.get("/sessions").await;
            let sessions = listed["data"].as_array().unwrap();
            sessions.iter().all(|session| session["status"] == "working")
        })
        .await;
        Self { postgres, redis, simulator, server, sessions }
    }

    /// Sends `count` messages, `at_once` at a time, each through another session, and waits until
    /// all are read.
    async fn send(&self, count: usize, at_once: usize) {
        let read = self.read().await + count as u64;
        let (client, base, token) = self.server.caller();
        let senders = (0..at_once).map(|sender| {
            let (client, base, token) = (client.clone(), base.clone(), token.clone());
            let session = self.sessions[sender % SESSIONS].clone();
            async move {
                for n in (sender..count).step_by(at_once) {
                    let to = format!("+55119{:08}", n % 1000);
                    let text = format!("hello {}", TEXTS.fetch_add(1, Ordering::Relaxed));
                    let body = json!({"sessionId": session, "to": to, "body": text});
                    let sent = client.post(format!("{base}/messages/send")).bearer_auth(&token);
                    assert_eq!(sent.json(&body).send().await.unwrap().status(), 202);
                }
            }
        });
        futures::future::join_all(senders).await;
        eventually("all are read", Duration::from_secs(60), async || self.read().await >= read)
            .await;
    }

    /// How many messages were read. Asked of the database, so that asking is not counted.
    async fn read(&self) -> u64 {
        let query = "SELECT count(*) FROM messaging.messages WHERE status = 'read'";
        self.postgres.sql(query).await.trim().parse().unwrap()
    }

    async fn counted(&self) -> (f64, f64) {
        let statements = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements
            WHERE query NOT LIKE '%messaging.messages%' AND query NOT LIKE '%pg_stat_statements%'";
        let statements = self.postgres.sql(statements).await.trim().parse().unwrap();
        let commands = self.redis.ask(&["INFO", "commandstats"]).await;
        let scripts = commands
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")?.split(',').next())
            .map_or(0.0, |calls| calls.parse().unwrap());
        (statements, scripts)
    }

    async fn cost(&self, count: usize, at_once: usize) -> Cost {
        // The first has to prime the limiter, and to prepare statements.
        self.send(SESSIONS, at_once).await;
        let before = self.counted().await;
        self.send(count, at_once).await;
        let after = self.counted().await;
        let count = count as f64;
        Cost { statements: (after.0 - before.0) / count, scripts: (after.1 - before.1) / count }
    }

    async fn stop(self) {
        self.server.kill().await;
        self.simulator.shutdown().await;
    }
}

/// What docs/scaling.md says of a row of its table: numbers at 1 and at 64 senders.
fn documented(row: &str) -> (f64, f64) {
    let page = include_str!("../../docs/scaling.md");
    let line = page.lines().find(|line| line.starts_with(&format!("| {row} |"))).unwrap();
    let mut numbers = line.split('|').skip(2).map(|cell| cell.trim().parse().unwrap_or(f64::NAN));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// The table is a bound, and not a loose one.
fn check(what: &str, measured: f64, documented: f64) {
    assert!(measured <= documented, "{what}: {measured:.2}, and the table says {documented}");
    assert!(measured > documented * 0.25, "{what}: {measured:.2}; the table may say less");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_costs_what_the_table_says() {
    let bench = Bench::start(1).await;
    let alone = bench.cost(64, 1).await;
    let together = bench.cost(1280, 64).await;
    eprintln!("alone {alone:.1?}, together {together:.1?}");
    let (statements_alone, statements_together) = documented("SQL statements");
    let (scripts_alone, scripts_together) = documented("Redis round trips");
    check("statements alone", alone.statements, statements_alone);
    check("statements together", together.statements, statements_together);
    check("round trips alone", alone.scripts, scripts_alone);
    check("round trips together", together.scripts, scripts_together);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_costs_no_more_over_many_partitions() {
    let bench = Bench::start(64).await;
    let alone = bench.cost(64, 1).await;
    eprintln!("64 partitions: alone {alone:.1?}");
    check("round trips alone, 64 partitions", alone.scripts, documented("Redis round trips").0);
    bench.stop().await;
}

/// How many messages wait beside those that are counted: 30 000, or what `BACKLOG` says.
fn backlog() -> u64 {
    std::env::var("BACKLOG").map_or(30_000, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_costs_no_more_beside_a_large_backlog() {
    let backlog = backlog();
    let bench = Bench::start(1).await;
    bench.send(SESSIONS, 64).await;
    // Due later than the test lasts.
    bench
        .postgres
        .sql(&format!(
            "INSERT INTO messaging.messages (id, tenant, session, direction, recipient_key,
                 priority, kind, status, attempts, generation, held_by_batch, due_at, created_at,
                 updated_at)
             SELECT (lpad(to_hex(1800000000000 + n), 12, '0') || '70008000000000000000')::uuid,
                 m.tenant, m.session, 'outbound', n, 'low', 'text', 'queued', 0, 0, false,
                 4000000000000000, m.created_at, m.created_at
             FROM (SELECT * FROM messaging.messages LIMIT 1) AS m, generate_series(1, {backlog}) AS n",
        ))
        .await;
    let patience = Duration::from_millis(60_000 + backlog);
    eventually("the queue knows the backlog", patience, async || {
        let metrics = bench.server.text("/metrics").await;
        metrics.lines().any(|line| {
            line.strip_prefix("messaging_queue_messages ")
                .is_some_and(|depth| depth.parse::<f64>().unwrap() >= backlog as f64)
        })
    })
    .await;
    let alone = bench.cost(64, 1).await;
    eprintln!("beside a backlog of {backlog}: {alone:.1?}");
    check("statements beside a backlog", alone.statements, documented("SQL statements").0 + 2.0);
    check("round trips beside a backlog", alone.scripts, documented("Redis round trips").0 + 1.0);
    bench.stop().await;
}
