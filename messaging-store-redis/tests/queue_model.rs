//! Whatever happens to it, the queue on Redis does what the queue in memory does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, to fail is to tell")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use messaging_core::conformance::build::{at, message_id, session_id, tenant_id};
use messaging_core::conformance::entropy::SeededEntropy;
use messaging_core::domain::address::RecipientKey;
use messaging_core::domain::id::{MessageId, SessionId};
use messaging_core::domain::message::{Priority, QueueItem};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::domain::urgency::Lane;
use messaging_core::memory::queue::MemoryQueue;
use messaging_core::ports::entropy::Entropy;
use messaging_core::ports::queue::{Claim, HeldBy, Pause, PauseScope, Queue, Standing};
use messaging_store_redis::RedisQueue;

const SESSIONS: u64 = 5;
const MESSAGES: u64 = 60;
const STEPS: u64 = 1500;
const LEASE: Duration = Duration::from_millis(40);

/// More than there are sessions: what is left over depends on whose turn it is, which is nobody's
/// business here.
const ALL: usize = 100;

/// The `n`th message's id; all were accepted within twenty minutes.
fn id(n: u64) -> MessageId {
    message_id(n * 20_000)
}

/// The `n`th message. Everything but the lane and the due time follows from `n`, in no simple pattern.
fn item(n: u64, lane: Lane, due_at: Timestamp) -> QueueItem {
    let session = n * 7 % SESSIONS;
    QueueItem {
        message: id(n),
        tenant: tenant_id(session % 2),
        session: session_id(session),
        recipient: RecipientKey(n * 5 % 3),
        priority: Priority::ALL[(n * 11 % 13 % 3) as usize],
        lane,
        due_at,
    }
}

struct Both {
    redis: RedisQueue,
    memory: MemoryQueue,
    /// Claims of the same messages, by both, good or stale.
    claims: Vec<(Claim, Claim)>,
    now: Timestamp,
}

impl Both {
    async fn claim(&mut self) {
        let theirs = self.redis.claim(ALL, LEASE, self.now).await.unwrap();
        let ours = self.memory.claim(ALL, LEASE, self.now).await.unwrap();
        assert_eq!(theirs.next_due, ours.next_due);
        let by_message = |claims: &[Claim]| -> BTreeMap<MessageId, Claim> {
            claims.iter().map(|claim| (claim.item.message, *claim)).collect()
        };
        let (theirs, ours) = (by_message(&theirs.items), by_message(&ours.items));
        let items = |claims: &BTreeMap<MessageId, Claim>| -> Vec<(QueueItem, Timestamp)> {
            claims.values().map(|claim| (claim.item, claim.lease_until)).collect()
        };
        assert_eq!(items(&theirs), items(&ours));
        self.claims.extend(theirs.into_values().zip(ours.into_values()));
    }

    async fn compare(&self) {
        assert_eq!(self.redis.depth().await.unwrap(), self.memory.depth().await.unwrap());
        let sessions: Vec<SessionId> = (0..SESSIONS).map(session_id).collect();
        for session in &sessions {
            let ours = self.memory.session_depth(*session).await.unwrap();
            assert_eq!(self.redis.session_depth(*session).await.unwrap(), ours);
        }
        let holds = |pause: Option<Pause>| pause.filter(|pause| pause.until > self.now);
        let known = |standings: Vec<Standing>| -> Vec<Standing> {
            let known = standings.into_iter().map(|standing| Standing {
                pause: holds(standing.pause),
                new_chats_pause: holds(standing.new_chats_pause),
                ..standing
            });
            known.collect()
        };
        let ours = known(self.memory.standings(&sessions).await.unwrap());
        assert_eq!(known(self.redis.standings(&sessions).await.unwrap()), ours);
        for n in 0..MESSAGES {
            let item = item(n, Lane::Known, at(0));
            let ours = self.memory.position(&item).await.unwrap();
            let theirs = self.redis.position(&item).await.unwrap();
            // A pause whose time is over may still be named.
            let known = |position: Option<messaging_core::ports::queue::Position>| {
                position.map(|position| messaging_core::ports::queue::Position {
                    pause: position.pause.filter(|pause| pause.until > self.now),
                    ..position
                })
            };
            assert_eq!(known(theirs), known(ours), "message {n}");
        }
    }

    async fn step(&mut self, draw: &impl Fn(u64) -> u64) {
        let session = session_id(draw(SESSIONS));
        let later = |now: Timestamp, below| now.plus(Duration::from_millis(draw(below)));
        let scope = PauseScope::ALL[draw(2) as usize];
        match draw(26) {
            0..8 => {
                let lane = || if draw(3) == 0 { Lane::Known } else { Lane::New };
                let items: Vec<QueueItem> = (0..=draw(3))
                    .map(|_| item(draw(MESSAGES), lane(), later(self.now, 1 + draw(2) * 50)))
                    .collect();
                self.redis.push(&items).await.unwrap();
                self.memory.push(&items).await.unwrap();
            }
            8..13 => {
                // Mostly a moment, and seldom as long as it takes to be more urgent.
                self.now = later(self.now, if draw(12) == 0 { 400_000 } else { 20 });
                self.claim().await;
            }
            13 => {
                let until = later(self.now, 60);
                let pause = Pause { until, why: HeldBy::Rate };
                self.redis.pause(session, scope, pause).await.unwrap();
                self.memory.pause(session, scope, pause).await.unwrap();
            }
            14 => {
                self.redis.resume(session, scope).await.unwrap();
                self.memory.resume(session, scope).await.unwrap();
            }
            15 => {
                let ids: Vec<MessageId> = (0..=draw(3)).map(|_| id(draw(MESSAGES))).collect();
                self.redis.forget(session, &ids).await.unwrap();
                self.memory.forget(session, &ids).await.unwrap();
            }
            24 | 25 => {
                let recipient = RecipientKey(draw(3));
                self.redis.open_chat(session, recipient).await.unwrap();
                self.memory.open_chat(session, recipient).await.unwrap();
            }
            what => {
                if self.claims.is_empty() {
                    return;
                }
                // Mostly one of the latest.
                let reach = (self.claims.len() as u64).min(1 + draw(20));
                let nth = self.claims.len() - 1 - usize::try_from(draw(reach)).unwrap();
                let (theirs, ours) = self.claims[nth];
                match what {
                    16..20 => {
                        let good = self.memory.complete(&ours).await.unwrap();
                        assert_eq!(self.redis.complete(&theirs).await.unwrap(), good);
                    }
                    20..22 => {
                        let at = later(self.now, 60);
                        let why = HeldBy::ALL[draw(HeldBy::ALL.len() as u64) as usize];
                        let good = self.memory.retry_at(&ours, at, why).await.unwrap();
                        assert_eq!(self.redis.retry_at(&theirs, at, why).await.unwrap(), good);
                    }
                    _ => {
                        let good = self.memory.renew(&[ours], LEASE, self.now).await.unwrap();
                        let renewed = self.redis.renew(&[theirs], LEASE, self.now).await.unwrap();
                        assert_eq!(renewed, good);
                    }
                }
            }
        }
    }

    /// Whatever is left comes out, each once.
    async fn drain(mut self) {
        while self.memory.depth().await.unwrap() > 0 {
            self.claims.clear();
            self.claim().await;
            for (theirs, ours) in &self.claims {
                assert!(self.memory.complete(ours).await.unwrap());
                assert!(self.redis.complete(theirs).await.unwrap());
            }
            self.now = self.now.plus(Duration::from_millis(7));
        }
        self.compare().await;
    }
}

async fn compare(test: &str, seed: u64, partitions: u16) {
    let entropy = SeededEntropy::new(seed);
    let draw = |below: u64| entropy.next_u64() % below;
    let connection = support::single(test, partitions).await;
    let redis = RedisQueue::new(&connection);
    let mut both =
        Both { redis, memory: MemoryQueue::new(), claims: Vec::new(), now: at(MESSAGES * 20_000) };
    for step in 0..STEPS {
        both.step(&draw).await;
        if step % 10 == 0 {
            both.compare().await;
        }
    }
    both.drain().await;
    // The pauses that are left end as well, and then there is nothing.
    support::assert_nothing_is_left(test, &["meta", "tenants", "idle", "sessions"]).await;
}

#[tokio::test]
async fn redis_does_what_memory_does_in_one_partition() {
    for seed in 1..=4 {
        compare(&format!("queue_model_{seed}"), seed, 1).await;
    }
}

#[tokio::test]
async fn redis_does_what_memory_does_in_many_partitions() {
    for seed in 11..=14 {
        compare(&format!("queue_model_{seed}"), seed, 4).await;
    }
}
