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
    prime(&limiter, &[]).await;
    limiter
}

/// Asks for the key, which is not primed, and primes it.
async fn prime(limiter: &RedisRateLimiter, done: &[Timestamp]) {
    let ticket = ticket(limiter).await;
    limiter.prime(key(), ticket, done).await.unwrap();
}

async fn ticket(limiter: &RedisRateLimiter) -> u64 {
    match reserve(limiter, at(0)).await {
        Reservation::Unprimed { ticket } => ticket,
        other => panic!("primed already: {other:?}"),
    }
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
    prime(&limiter, &[at(10)]).await;
    assert_eq!(remaining(&limiter, at(30)).await, 1);
}

#[tokio::test]
async fn what_is_settled_after_the_loss_counts_before_and_after_the_priming() {
    let limiter = limiter("settled_after").await;
    let (early, late) = (permit(&limiter, at(0)).await, permit(&limiter, at(1)).await);
    lose_everything("settled_after").await;
    limiter.settle(early, at(10)).await.unwrap();
    prime(&limiter, &[]).await;
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
    prime(&limiter, &[at(5), at(6)]).await;
    limiter.release(lost).await.unwrap();
    assert_eq!(remaining(&limiter, at(10)).await, 0);
}

#[tokio::test]
async fn what_was_found_out_before_a_loss_primes_nothing_after_it() {
    let limiter = RedisRateLimiter::new(&single("found_out_before", 4).await);
    let before = ticket(&limiter).await;
    lose_everything("found_out_before").await;
    limiter.prime(key(), before, &[]).await.unwrap();
    let after = ticket(&limiter).await;
    assert_ne!(after, before);
    limiter.prime(key(), before, &[]).await.unwrap();
    assert_eq!(ticket(&limiter).await, after);
    limiter.prime(key(), after, &[at(5)]).await.unwrap();
    assert_eq!(remaining(&limiter, at(10)).await, 1);
}

#[tokio::test]
async fn what_is_settled_between_two_lives_has_no_name_that_a_ticket_could_have() {
    let limiter = limiter("no_name").await;
    let lost = permit(&limiter, at(0)).await;
    lose_everything("no_name").await;
    limiter.settle(lost, at(10)).await.unwrap();
    limiter.prime(key(), 0, &[]).await.unwrap();
    let after = ticket(&limiter).await;
    assert_ne!(after, 0);
    limiter.prime(key(), after, &[]).await.unwrap();
    assert_eq!(remaining(&limiter, at(20)).await, 1);
}
