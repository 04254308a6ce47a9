//! A queue whose Redis was emptied, killed or cut off goes on: what was handed out is not good any
//! more unless it is renewed, and whoever waits is woken.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, to fail is to tell")]

use std::collections::BTreeSet;
use std::time::Duration;

use messaging_core::conformance::build::{at, message_id, session_id};
use messaging_core::conformance::queue::item;
use messaging_core::domain::address::RecipientKey;
use messaging_core::domain::message::QueueItem;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::domain::urgency::Lane;
use messaging_core::ports::queue::{Claim, Claims, HeldBy, Queue};
use messaging_store_redis::{RedisConnection, RedisOptions, RedisQueue};
use test_services::Redis;

const LEASE: Duration = Duration::from_secs(30);

/// How long is waited for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

fn of_session(session: u64, n: u64) -> QueueItem {
    QueueItem { session: session_id(session), ..item(n) }
}

async fn queue(redis: &Redis, partitions: u16) -> RedisQueue {
    let mut options = RedisOptions::single(redis.url());
    options.partitions = partitions;
    RedisQueue::new(&RedisConnection::connect(&options).await.unwrap())
}

/// Claims until there is something, as a worker does that goes on after an error.
async fn claim_some(queue: &RedisQueue, mut now: Timestamp) -> Vec<Claim> {
    let waiting = async {
        loop {
            match queue.claim(100, LEASE, now).await {
                Ok(Claims { items, next_due, version }) if items.is_empty() => match next_due {
                    Some(due) if due < now.plus(LEASE) => now = due,
                    _ => queue.changed(version).await,
                },
                Ok(claims) => return claims.items,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap()
}

/// Pushes until it succeeds.
async fn push(queue: &RedisQueue, items: &[QueueItem]) {
    let pushing = async {
        while queue.push(items).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, pushing).await.unwrap();
}

#[tokio::test]
async fn claims_of_before_are_not_good_and_tokens_stay_apart() {
    let redis = Redis::start().await;
    let queue = queue(&redis, 4).await;
    push(&queue, &[item(1)]).await;
    let before = claim_some(&queue, at(0)).await[0];
    redis.flush_all().await;
    assert!(!queue.complete(&before).await.unwrap());
    assert!(!queue.retry_at(&before, at(0), HeldBy::Retry).await.unwrap());
    push(&queue, &[item(1)]).await;
    let after = claim_some(&queue, at(0)).await[0];
    assert_ne!(before.token, after.token);
    assert!(!queue.complete(&before).await.unwrap());
    assert!(queue.complete(&after).await.unwrap());
    assert_eq!(queue.depth().await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_renewed_is_under_way_again() {
    let redis = Redis::start().await;
    let queue = queue(&redis, 4).await;
    push(&queue, &[item(1), item(2)]).await;
    let claim = claim_some(&queue, at(0)).await[0];
    redis.flush_all().await;
    // Recovery tells it both, whichever is faster.
    push(&queue, &[item(2)]).await;
    assert_eq!(queue.renew(&[claim], LEASE, at(10)).await.unwrap(), [true]);
    push(&queue, &[item(1)]).await;
    assert!(queue.claim(100, LEASE, at(20)).await.unwrap().items.is_empty());
    assert!(queue.complete(&claim).await.unwrap());
    assert_eq!(claim_some(&queue, at(20)).await[0].item, item(2));
}

#[tokio::test]
async fn another_process_is_woken_and_gets_what_was_pushed() {
    let redis = Redis::start().await;
    let (here, there) = (queue(&redis, 16).await, queue(&redis, 16).await);
    for n in 0..20 {
        let waiting = claim_some(&there, at(n));
        let pushed = [of_session(n, n)];
        let (claims, ()) = tokio::join!(waiting, push(&here, &pushed));
        assert_eq!(claims[0].item, of_session(n, n));
        assert!(here.complete(&claims[0]).await.unwrap());
    }
}

#[tokio::test]
async fn a_server_that_was_killed_and_comes_back_empty_is_used_again() {
    let mut redis = Redis::start().await;
    let (here, there) = (queue(&redis, 4).await, queue(&redis, 4).await);
    push(&here, &[item(1)]).await;
    let lost = claim_some(&there, at(0)).await[0];
    redis.kill().await;
    assert!(here.push(&[item(2)]).await.is_err());
    assert!(there.complete(&lost).await.is_err());
    redis.start_again().await;
    // Whoever waits is woken, also where its connection was cut.
    let pushed = [of_session(3, 3)];
    let (claims, ()) = tokio::join!(claim_some(&there, at(1)), push(&here, &pushed));
    assert_eq!(claims[0].item, of_session(3, 3));
    assert_ne!(claims[0].token, lost.token);
    assert!(!there.complete(&lost).await.unwrap());
    assert!(there.complete(&claims[0]).await.unwrap());
}

/// Whatever it was, the same messages come out once they are pushed again, and in order to each recipient.
#[tokio::test]
async fn what_was_dropped_of_new_chats_is_put_right_when_they_are_pushed_again() {
    const DROP: &str = "for _, key in ipairs(redis.call('KEYS', '*')) do \
        if string.find(key, ARGV[1], 1, true) then redis.call('DEL', key) end end return 0";
    let redis = Redis::start().await;
    let kinds = ["items", "line", "opening", "heads", "behind", "sessions", "turns", "timers"];
    for (nth, kind) in kinds.into_iter().enumerate() {
        let queue = queue(&redis, 1).await;
        let new = |n: u64, to| QueueItem {
            lane: Lane::New,
            recipient: RecipientKey(to),
            ..of_session(nth as u64, n)
        };
        let all = [new(1, 1), new(2, 1), new(3, 3), of_session(nth as u64, 4)];
        push(&queue, &all).await;
        redis.ask(&["eval", DROP, "0", &format!(":{kind}")]).await;
        push(&queue, &all).await;
        let mut order = Vec::new();
        while order.len() < all.len() {
            let claim = claim_some(&queue, at(10)).await[0];
            order.push(claim.item.message);
            assert!(queue.complete(&claim).await.unwrap(), "{kind}");
        }
        let place = |n| order.iter().position(|message| *message == message_id(n));
        assert!(place(1) < place(2), "{kind}: {order:?}");
        assert_eq!(queue.depth().await.unwrap(), 0, "{kind}");
        assert_eq!(queue.session_depth(session_id(nth as u64)).await.unwrap(), 0, "{kind}");
    }
}

#[tokio::test]
async fn nothing_is_lost_for_good_when_redis_is_emptied_in_the_middle() {
    const MESSAGES: u64 = 600;
    let redis = Redis::start().await;
    let queue = queue(&redis, 16).await;
    let mut open: BTreeSet<u64> = (0..MESSAGES).collect();
    let mut passes = 0;
    while !open.is_empty() {
        // What the store says waits is pushed over and over, as recovery does.
        let waiting: Vec<QueueItem> = open.iter().map(|n| of_session(n % 9, *n)).collect();
        push(&queue, &waiting).await;
        let claims = claim_some(&queue, at(passes)).await;
        let sessions: BTreeSet<_> = claims.iter().map(|claim| claim.item.session).collect();
        assert_eq!(sessions.len(), claims.len(), "one of a session at a time");
        if passes % 7 == 3 {
            redis.flush_all().await;
        }
        for claim in claims {
            // The store knows what was sent, whatever the queue says.
            queue.complete(&claim).await.unwrap();
            open.retain(|n| of_session(n % 9, *n).message != claim.item.message);
        }
        passes += 1;
    }
    while !queue.claim(100, LEASE, at(passes)).await.unwrap().items.is_empty() {
        passes += 1;
    }
    assert_eq!(queue.depth().await.unwrap(), 0);
}
