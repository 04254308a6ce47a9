//! Three nodes over PostgreSQL and Redis, all of which things happen to, and to the ways between them.

use std::sync::Arc;
use std::time::Duration;

use test_services::{Gate, Postgres, Redis};
use tokio::time::Instant;

use crate::balancer::Balancer;
use crate::judge::{self, Trial};
use crate::process::{Installation, Server};
use crate::scale::{Dice, Scale};
use crate::traffic::{Traffic, open_accounts};
use crate::wahas;
use crate::witness::Witness;

const NODES: usize = 3;

/// How long a queue that has forgotten everything takes to learn it anew: a term of whoever has to
/// tell it and has died, and a round.
const LEARNING: Duration = Duration::from_secs(25);

/// How long after its acceptance a message is in its place in the queue, should its node die before
/// it tells the queue of it.
const KNOWN: Duration = LEARNING;

/// What is done.
#[derive(Debug, Clone, Copy)]
enum Misfortune {
    NodeKilled,
    /// For longer than its leases last.
    NodePaused,
    /// In immediate mode, as by a power cut.
    PostgresRestarted,
    RedisKilled,
    RedisEmptied,
    PostgresSlow,
    RedisSlow,
    PostgresCut,
    RedisCut,
}

/// What is done in each round, in whatever order.
const ROUND: [Misfortune; 10] = [
    Misfortune::NodeKilled,
    Misfortune::NodeKilled,
    Misfortune::NodePaused,
    Misfortune::PostgresRestarted,
    Misfortune::RedisKilled,
    Misfortune::RedisEmptied,
    Misfortune::PostgresSlow,
    Misfortune::RedisSlow,
    Misfortune::PostgresCut,
    Misfortune::RedisCut,
];

impl Misfortune {
    fn name(self) -> &'static str {
        match self {
            Self::NodeKilled => "kills",
            Self::NodePaused => "pauses",
            Self::PostgresRestarted => "PostgreSQL restarted",
            Self::RedisKilled => "Redis killed",
            Self::RedisEmptied => "Redis emptied",
            Self::PostgresSlow => "PostgreSQL slow",
            Self::RedisSlow => "Redis slow",
            Self::PostgresCut => "PostgreSQL cut",
            Self::RedisCut => "Redis cut",
        }
    }
}

struct Fleet {
    postgres: Postgres,
    postgres_gate: Gate,
    redis: Redis,
    redis_gate: Gate,
    balancer: Balancer,
    installations: Vec<Installation>,
    nodes: Vec<Server>,
    /// Who sleeps, and until when.
    paused: Option<(usize, Instant)>,
    witness: Arc<Witness>,
}

pub(crate) async fn run(scale: &Scale) {
    let _told = scale.told_on_failure();
    let wahas = wahas::start(scale).await;
    let mut fleet = Fleet::start(scale, &wahas).await;
    let base = format!("http://{}", fleet.balancer.address);
    let token = fleet.nodes[0].token.clone();
    let accounts = open_accounts(&fleet.nodes[0], scale, &wahas).await;
    let mut traffic = Traffic::start(&base, &token, scale, &accounts);
    let watch = tokio::spawn({
        let (witness, base, token) = (Arc::clone(&fleet.witness), base.clone(), token.clone());
        async move { witness.watch(&base, &token).await }
    });
    let dice = scale.dice(2);
    loop {
        for misfortune in dice.shuffled(ROUND.to_vec()) {
            tokio::time::sleep(dice.time(Duration::ZERO, scale.shortest() / 12)).await;
            fleet.befall(misfortune, &dice).await;
        }
        let enough = scale.messages * wahas.len() * 7 / 10;
        if traffic.is_over() && judge::arrived(&wahas) >= enough {
            break;
        }
    }
    fleet.wake_up().await;
    traffic.end().await;
    let trial = Trial {
        scale,
        wahas: &wahas,
        record: &traffic.record,
        witness: &fleet.witness,
        server: &fleet.nodes[0],
        known: KNOWN,
        learning: LEARNING,
    };
    trial.settle().await;
    watch.abort();
    trial.judge().await;
    for node in &fleet.nodes {
        node.kill().await;
    }
    for waha in wahas {
        waha.simulator.shutdown().await;
    }
}

impl Fleet {
    async fn start(scale: &Scale, wahas: &[wahas::Waha]) -> Self {
        let (postgres, redis) = (Postgres::start().await, Redis::start().await);
        let postgres_gate = Gate::before(postgres.port()).await;
        let redis_gate = Gate::before(redis.port()).await;
        let balancer = Balancer::start().await;
        let database = format!("postgres://postgres@127.0.0.1:{}/postgres", postgres_gate.port());
        let mut settings = wahas::settings(scale, wahas);
        settings.extend([
            ("DATABASE_URL", database),
            ("REDIS_URL", format!("redis://127.0.0.1:{}", redis_gate.port())),
            (
                "ENCRYPTION_KEY",
                "0b7e1d9a4c5f48f2a6d3e8b1c7f09a520b7e1d9a4c5f48f2a6d3e8b1c7f09a52".to_owned(),
            ),
            ("JWT_SECRET", "a-jwt-secret-that-all-nodes-share-for-tests".to_owned()),
            ("PUBLIC_URL", format!("http://{}", balancer.address)),
        ]);
        let (mut installations, mut nodes) = (Vec::<Installation>::new(), Vec::new());
        for _ in 0..NODES {
            let mut installation = Installation::new(wahas[0].simulator.base_url());
            installation.settings.clone_from(&settings);
            if let Some(first) = installations.first() {
                installation.share_token(first);
            }
            nodes.push(installation.start().await);
            balancer.add(installation.port());
            installations.push(installation);
        }
        let (paused, witness) = (None, Arc::default());
        Self {
            postgres,
            postgres_gate,
            redis,
            redis_gate,
            balancer,
            installations,
            nodes,
            paused,
            witness,
        }
    }

    async fn befall(&mut self, misfortune: Misfortune, dice: &Dice) {
        if self.paused.is_some_and(|(_, until)| until <= Instant::now()) {
            self.wake_up().await;
        }
        // Drawn whatever it is for, so that the next draws do not depend on this.
        let lasting = dice.time(Duration::from_millis(500), Duration::from_secs(4));
        let drawn = dice.below(NODES);
        let asleep = self.paused.map(|(node, _)| node);
        let node = if asleep == Some(drawn) { (drawn + 1) % NODES } else { drawn };
        self.witness.note(misfortune.name());
        let began = Witness::now();
        match misfortune {
            Misfortune::NodeKilled => {
                self.nodes[node].kill().await;
                tokio::time::sleep(lasting).await;
                self.nodes[node] = self.installations[node].start().await;
            }
            Misfortune::NodePaused => {
                self.wake_up().await;
                self.nodes[node].signal("STOP").await;
                // A health check would say so.
                self.balancer.set_in(self.installations[node].port(), false);
                // A lease lasts 15 seconds.
                self.paused = Some((node, Instant::now() + Duration::from_secs(16) + lasting));
            }
            Misfortune::PostgresRestarted => {
                self.postgres.stop_immediately().await;
                tokio::time::sleep(lasting).await;
                self.postgres.start_again().await;
            }
            Misfortune::RedisKilled => {
                self.redis.kill().await;
                tokio::time::sleep(lasting).await;
                self.redis.start_again().await;
                self.witness.forgot_since(began);
            }
            Misfortune::RedisEmptied => {
                self.redis.flush_all().await;
                self.witness.forgot_since(began);
            }
            Misfortune::PostgresSlow => slow_down(&self.postgres_gate, lasting).await,
            Misfortune::RedisSlow => slow_down(&self.redis_gate, lasting).await,
            Misfortune::PostgresCut => self.postgres_gate.cut(),
            Misfortune::RedisCut => self.redis_gate.cut(),
        }
    }

    /// Lets whoever sleeps go on, once it has slept for long enough.
    async fn wake_up(&mut self) {
        if let Some((node, until)) = self.paused.take() {
            tokio::time::sleep_until(until).await;
            self.nodes[node].signal("CONT").await;
            self.balancer.set_in(self.installations[node].port(), true);
        }
    }
}

/// Everything that comes through the gate comes late for a while, and then at once.
async fn slow_down(gate: &Gate, lasting: Duration) {
    gate.slow_down(lasting / 20);
    tokio::time::sleep(lasting).await;
    gate.slow_down(Duration::ZERO);
}
