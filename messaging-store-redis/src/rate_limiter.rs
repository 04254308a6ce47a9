//! Counting in Redis how often something may happen.

mod request;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use messaging_core::domain::quota::{Decision, Quota};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::rate_limiter::{
    Permit, RateKey, RateLimiter, RateLimiterError, Reservation,
};
use redis::{Value, from_redis_value};

use crate::connection::RedisConnection;
use crate::fault::RedisFault;
use crate::lane::{Lane, Work};
use crate::rate_limiter::request::{Answer, Asked, Request};
use crate::script::Script;

/// A [`RateLimiter`] in Redis, for any number of processes.
///
/// Each call is one round trip; calls made at the same time share one.
pub struct RedisRateLimiter {
    connection: RedisConnection,
    /// One for each lane of the connection.
    lanes: Vec<Lane<Counting>>,
    /// Names for the lives of windows.
    lives: Lives,
    time: Script,
}

struct Counting {
    connection: RedisConnection,
    lane: usize,
    script: Arc<Script>,
}

#[derive(Default)]
struct Lives {
    hasher: RandomState,
    next: AtomicU64,
}

impl Lives {
    /// A name that is most likely nobody else's. Zero is none.
    fn name(&self) -> u32 {
        let drawn = self.hasher.hash_one(self.next.fetch_add(1, Ordering::Relaxed)) >> 32;
        (drawn as u32).max(1)
    }
}

impl RedisRateLimiter {
    /// A limiter on this connection.
    pub fn new(connection: &RedisConnection) -> Self {
        let script = Arc::new(Script::new(include_str!("scripts/limiter.lua")));
        let lane = |lane| {
            let (connection, script) = (connection.clone(), Arc::clone(&script));
            Lane::new(Counting { connection, lane, script })
        };
        Self {
            connection: connection.clone(),
            lanes: (0..connection.lanes()).map(lane).collect(),
            lives: Lives::default(),
            time: Script::new("return redis.call('TIME')"),
        }
    }

    async fn ask(&self, key: RateKey, body: request::Body) -> Result<Answer, RateLimiterError> {
        self.ask_both(key, body, None).await
    }

    /// Asks about a key, and about another of the same partition.
    async fn ask_both(
        &self,
        key: RateKey,
        body: request::Body,
        beside: Option<(RateKey, request::Body)>,
    ) -> Result<Answer, RateLimiterError> {
        let partitions = self.connection.partitions();
        let partition = match key {
            RateKey::Admission(session)
            | RateKey::Sending(session)
            | RateKey::WebhookSession(session)
            | RateKey::Recipient(session, _) => partitions.of_session(session),
            RateKey::WebhookSource(source) | RateKey::AuthSource(source) => {
                partitions.of_number(source)
            }
            RateKey::Tenant(tenant) => {
                let (high, low) = tenant.0.as_u64_pair();
                partitions.of_number(high ^ low.rotate_left(32))
            }
        };
        let tag = partitions.tag(partition);
        let request = Request {
            asked: Asked::new(tag, key, &body),
            beside: beside.map(|(key, body)| Asked::new(tag, key, &body)),
        };
        // With one lane, the remainder is 0.
        let lane = &self.lanes[partition % self.lanes.len()];
        let answer = lane.ask(request).await?;
        Ok(answer.ok_or(RedisFault::Answer)?)
    }
}

/// What was answered to whoever wanted to reserve.
fn reservation(
    key: RateKey,
    quota: Quota,
    now: Timestamp,
    answer: Answer,
) -> Result<Reservation, RateLimiterError> {
    match answer {
        Answer::Granted { id, remaining } => {
            Ok(Reservation::Granted { permit: Permit { key, id }, remaining })
        }
        Answer::Limited { counts_at } => {
            let retry_after = counts_at.plus(quota.window).since(now);
            Ok(Reservation::Limited { retry_after })
        }
        Answer::Unprimed { life } => Ok(Reservation::Unprimed { ticket: life.into() }),
        Answer::Refused { retry_after } => Ok(Reservation::Spaced { retry_after }),
        Answer::Admitted { .. } | Answer::Done => Err(RedisFault::Answer.into()),
    }
}

#[async_trait]
impl Work for Counting {
    type Request = Request;
    type Answer = Option<Answer>;

    const MOST: usize = 64;
    const AT_ONCE: usize = 2;

    async fn run(&self, requests: &[Request]) -> Result<Vec<Option<Answer>>, RedisFault> {
        let asked = || requests.iter().flat_map(|it| std::iter::once(&it.asked).chain(&it.beside));
        let keys: Vec<&[u8]> = asked().map(|it| it.key.as_bytes()).collect();
        let bodies: Vec<&[u8]> = asked().map(|it| &*it.body).collect();
        let answer = self.script.run(&self.connection, self.lane, &keys, &bodies).await?;
        let Value::Array(answers) = answer else {
            return Err(RedisFault::Answer);
        };
        let mut rest = &*answers;
        let mut read = Vec::with_capacity(requests.len());
        for request in requests {
            let (own, others) =
                rest.split_at_checked(request.answers()).ok_or(RedisFault::Answer)?;
            read.push(request.read(own));
            rest = others;
        }
        Ok(read)
    }
}

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    async fn reserve(
        &self,
        key: RateKey,
        quota: Quota,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Reservation, RateLimiterError> {
        let life = self.lives.name();
        let answer = self.ask(key, request::Body::Reserve { quota, until, now, life }).await?;
        reservation(key, quota, now, answer)
    }

    async fn reserve_spaced(
        &self,
        key: RateKey,
        quota: Quota,
        (other, apart): (RateKey, Quota),
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Reservation, RateLimiterError> {
        let life = self.lives.name();
        let asked = request::Body::Reserve { quota, until, now, life };
        let beside = request::Body::AdmitBeside { quota: apart, now };
        let answer = self.ask_both(key, asked, Some((other, beside))).await?;
        reservation(key, quota, now, answer)
    }

    async fn settle(&self, permit: Permit, at: Timestamp) -> Result<(), RateLimiterError> {
        self.ask(permit.key, request::Body::Settle { id: permit.id, at }).await.map(|_| ())
    }

    async fn release(&self, permit: Permit) -> Result<(), RateLimiterError> {
        self.ask(permit.key, request::Body::Release { id: permit.id }).await.map(|_| ())
    }

    async fn prime_begun(
        &self,
        key: RateKey,
        ticket: u64,
        done: &[Timestamp],
        begun_until: &[Timestamp],
    ) -> Result<(), RateLimiterError> {
        let begun = begun_until.iter().map(|until| (*until, true));
        let mut entries: Vec<_> = done.iter().map(|at| (*at, false)).chain(begun).collect();
        entries.sort_unstable();
        // No ticket of ours is larger.
        let life = u32::try_from(ticket).unwrap_or_default();
        self.ask(key, request::Body::Prime { life, entries }).await.map(|_| ())
    }

    async fn time(&self) -> Result<Option<Timestamp>, RateLimiterError> {
        // By a script with a key: of a cluster, all must ask the same node.
        let key = [self.connection.partitions().tag(0)];
        let answer = self.time.run(&self.connection, 0, &key, &[""; 0]).await?;
        let (seconds, micros): (i64, i64) =
            from_redis_value(answer).map_err(|_| RedisFault::Answer)?;
        Ok(Some(Timestamp::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros))))
    }

    async fn admit(
        &self,
        key: RateKey,
        quota: Quota,
        now: Timestamp,
    ) -> Result<Decision, RateLimiterError> {
        match self.ask(key, request::Body::Admit { quota, now }).await? {
            Answer::Admitted { remaining } => Ok(Decision::Allowed { remaining }),
            Answer::Refused { retry_after } => Ok(Decision::Limited { retry_after }),
            _ => Err(RedisFault::Answer.into()),
        }
    }
}
