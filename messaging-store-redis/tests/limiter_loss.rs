//! A limiter whose Redis was emptied grants nobody a fresh quota.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, to fail is to tell")]

mod support;

use std::time::Duration;

use messaging_core::conformance::build::{at, session_id};
use messaging_core::domain::quota::Quota;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::rate_limiter::{Permit, RateKey, RateLimiter, Reservation};
use messaging_store_redis::RedisRateLimiter;
use support::{lose_everything, single};

const QUOTA: Quota = Quota { limit: 3, window: Duration::from_secs(60) };

fn key() -> RateKey {
    RateKey::Sending(session_id(1))
}

async fn limiter(test: &str) -> RedisRateLimiter {
    let limiter = RedisRateLimiter::new(&single(test, 4).await);
    limiter.prime(key(), &[]).await.unwrap();
    limiter
}

async fn reserve(limiter: &RedisRateLimiter, now: Timestamp) -> Reservation {
    limiter.reserve(key(), QUOTA, now.plus(Duration::from_secs(30)), now).await.unwrap()
}

async fn permit(limiter: &RedisRateLimiter, now: Timestamp) -> Permit {
    match reserve(limiter, now).await {
        Reservation::Granted { permit, .. } => permit,
        refused => panic!("not granted: {refused:?}"),
    }
}

async fn remaining(limiter: &RedisRateLimiter, now: Timestamp) -> u32 {
    match reserve(limiter, now).await {
        Reservation::Granted { remaining, .. } => remaining,
        refused => panic!("not granted: {refused:?}"),
    }
}

#[tokio::test]
async fn what_was_lost_is_asked_for() {
    let limiter = limiter("what_was_lost").await;
    let permit = permit(&limiter, at(0)).await;
    limiter.settle(permit, at(10)).await.unwrap();
    lose_everything("what_was_lost").await;
    assert_eq!(reserve(&limiter, at(20)).await, Reservation::Unprimed);
    limiter.prime(key(), &[at(10)]).await.unwrap();
    assert_eq!(remaining(&limiter, at(30)).await, 1);
}

#[tokio::test]
async fn what_is_settled_after_the_loss_counts_before_and_after_the_priming() {
    let limiter = limiter("settled_after").await;
    let (early, late) = (permit(&limiter, at(0)).await, permit(&limiter, at(1)).await);
    lose_everything("settled_after").await;
    limiter.settle(early, at(10)).await.unwrap();
    assert_eq!(reserve(&limiter, at(20)).await, Reservation::Unprimed);
    limiter.prime(key(), &[]).await.unwrap();
    limiter.settle(late, at(30)).await.unwrap();
    assert_eq!(remaining(&limiter, at(40)).await, 0);
    let retry_after = QUOTA.window - Duration::from_millis(30);
    assert_eq!(reserve(&limiter, at(40)).await, Reservation::Limited { retry_after });
}

#[tokio::test]
async fn what_is_released_after_the_loss_takes_nothing_away() {
    let limiter = limiter("released_after").await;
    let lost = permit(&limiter, at(0)).await;
    lose_everything("released_after").await;
    limiter.release(lost).await.unwrap();
    limiter.prime(key(), &[at(5), at(6)]).await.unwrap();
    limiter.release(lost).await.unwrap();
    assert_eq!(remaining(&limiter, at(10)).await, 0);
}
