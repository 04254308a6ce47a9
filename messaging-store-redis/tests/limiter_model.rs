//! Whatever is asked, Redis and the limiter in memory answer the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, to fail is to tell")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use messaging_core::conformance::build::{at, session_id};
use messaging_core::conformance::entropy::SeededEntropy;
use messaging_core::domain::address::RecipientKey;
use messaging_core::domain::quota::Quota;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::memory::rate_limiter::MemoryRateLimiter;
use messaging_core::ports::entropy::Entropy;
use messaging_core::ports::rate_limiter::{Permit, RateKey, RateLimiter, Reservation};
use messaging_store_redis::RedisRateLimiter;

const KEYS: u64 = 3;
const STEPS: u64 = 3000;

struct Both {
    redis: RedisRateLimiter,
    memory: MemoryRateLimiter,
    /// What was granted by both, and until when.
    permits: Vec<(Permit, Permit, Timestamp)>,
    /// What Redis answered last where nobody had primed.
    tickets: BTreeMap<RateKey, u64>,
}

impl Both {
    async fn reserve(
        &mut self,
        key: RateKey,
        quota: Quota,
        spacing: Option<(RateKey, Quota)>,
        until: Timestamp,
        now: Timestamp,
    ) {
        let limiters: [&dyn RateLimiter; 2] = [&self.redis, &self.memory];
        let [of_redis, of_memory] = limiters.map(|limiter| async move {
            match spacing {
                Some(spacing) => limiter.reserve_spaced(key, quota, spacing, until, now).await,
                None => limiter.reserve(key, quota, until, now).await,
            }
        });
        match (of_redis.await.unwrap(), of_memory.await.unwrap()) {
            (
                Reservation::Granted { permit: theirs, remaining: left },
                Reservation::Granted { permit: ours, remaining },
            ) => {
                assert_eq!(left, remaining);
                self.permits.push((theirs, ours, until));
            }
            (Reservation::Unprimed { ticket }, Reservation::Unprimed { .. }) => {
                self.tickets.insert(key, ticket);
            }
            (theirs, ours) => assert_eq!(theirs, ours),
        }
    }
}

async fn compare(test: &str, seed: u64) {
    let entropy = SeededEntropy::new(seed);
    let draw = |below: u64| entropy.next_u64() % below;
    let redis = RedisRateLimiter::new(&support::single(test, 2).await);
    let mut both = Both {
        redis,
        memory: MemoryRateLimiter::new(),
        permits: Vec::new(),
        tickets: BTreeMap::new(),
    };
    let mut now = at(100_000);
    for _ in 0..STEPS {
        now = now.plus(Duration::from_millis(draw(300)));
        if draw(200) == 0 {
            // By less than a window: Redis does not note when a term ends, and so does not take
            // what it was for back to now.
            now = now.minus(Duration::from_secs(draw(7)));
        }
        let nth = draw(KEYS);
        let session = session_id(nth);
        let key = RateKey::Sending(session);
        match draw(20) {
            0 => {
                let done: Vec<_> =
                    (0..draw(4)).map(|_| now.minus(Duration::from_millis(draw(9000)))).collect();
                let begun_until: Vec<_> =
                    (0..draw(3)).map(|_| now.plus(Duration::from_millis(draw(12_000)))).collect();
                // Only who has asked has a ticket.
                if let Some(ticket) = both.tickets.get(&key) {
                    both.redis.prime_begun(key, *ticket, &done, &begun_until).await.unwrap();
                    both.memory.prime_begun_now(key, &done, &begun_until);
                }
            }
            1..10 => {
                let limit = 2 + u32::try_from(draw(6)).unwrap();
                let quota = Quota { limit, window: Duration::from_secs(8) };
                let until = now.plus(Duration::from_millis(draw(12_000)));
                // A recipient's key says of which session it is one.
                let to = RateKey::Recipient(session, RecipientKey(nth * 3 + draw(3)));
                let apart = Quota { limit: 1, window: Duration::from_secs(1) };
                let spacing = (draw(2) == 0).then_some((to, apart));
                both.reserve(key, quota, spacing, until, now).await;
            }
            10..13 => {
                let quota = Quota { limit: 4, window: Duration::from_secs(3) };
                let of_redis = both.redis.admit(RateKey::WebhookSource(1), quota, now).await;
                let of_memory = both.memory.admit_now(RateKey::WebhookSource(1), quota, now);
                assert_eq!(of_redis.unwrap(), of_memory);
            }
            what => {
                // A permit whose term has ended is an event for the one and still a permit for
                // the other; both may be.
                both.permits.retain(|(_, _, until)| *until > now);
                if both.permits.is_empty() {
                    continue;
                }
                let nth = usize::try_from(draw(both.permits.len() as u64)).unwrap();
                let (theirs, ours, _) = both.permits.swap_remove(nth);
                if what < 18 {
                    both.redis.settle(theirs, now).await.unwrap();
                    both.memory.settle_now(ours, now);
                } else {
                    both.redis.release(theirs).await.unwrap();
                    both.memory.release_now(ours);
                }
            }
        }
    }
}

#[tokio::test]
async fn redis_counts_as_memory_does() {
    for seed in 1..=5 {
        compare(&format!("limiter_model_{seed}"), seed).await;
    }
}
