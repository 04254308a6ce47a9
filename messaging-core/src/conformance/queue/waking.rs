//! Whoever waits for something to claim is woken, and no change is missed.

use std::sync::Mutex;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use tokio::sync::Notify;

use super::{
    assert_nothing_is_due, claim, claim_one, complete, item, of_session, push, retry_at, to_one,
};
use crate::conformance::build::{at, message_id, session_id};
use crate::domain::message::QueueItem;
use crate::domain::urgency::Lane;
use crate::ports::queue::{HeldBy, Pause, PauseScope, Queue};

/// How long a test waits for what must come, before it fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for a change since `version`, which must come.
async fn changes(queue: &dyn Queue, version: u64) {
    let waited = tokio::time::timeout(PATIENCE, queue.changed(version)).await;
    assert!(waited.is_ok(), "nobody was woken");
}

/// Waits while something happens, and fails when that wakes nobody. Having begun to wait before
/// must not make a difference, so both are tried.
async fn wakes(queue: &dyn Queue, happens: impl Future<Output = ()>) {
    let version = assert_nothing_is_due(queue, at(0)).await.version;
    let mut waiting = Box::pin(changes(queue, version));
    let woken_without_need = (&mut waiting).now_or_never().is_some();
    happens.await;
    if !woken_without_need {
        waiting.await;
    }
    changes(queue, version).await;
}

/// There is something to claim.
pub async fn wakes_when_a_message_is_pushed(queue: &dyn Queue) {
    wakes(queue, push(queue, &[item(1)])).await;
}

/// There will be something to claim before the waiting one would have come by itself.
pub async fn wakes_when_a_message_to_come_is_pushed(queue: &dyn Queue) {
    push(queue, &[QueueItem { due_at: at(2000), ..item(1) }]).await;
    wakes(queue, push(queue, &[QueueItem { due_at: at(1000), ..item(2) }])).await;
    assert_eq!(assert_nothing_is_due(queue, at(0)).await.next_due, Some(at(1000)));
}

/// The session's next can leave.
pub async fn wakes_when_a_completed_message_makes_way(queue: &dyn Queue) {
    push(queue, &[item(1), item(2)]).await;
    let claimed = claim_one(queue, at(0)).await;
    wakes(queue, complete(queue, &claimed)).await;
}

/// It will be due before the end of its lease.
pub async fn wakes_when_a_message_is_put_back(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let claimed = claim_one(queue, at(0)).await;
    wakes(queue, retry_at(queue, &claimed, at(1000))).await;
    assert_eq!(assert_nothing_is_due(queue, at(0)).await.next_due, Some(at(1000)));
}

/// The session can go on.
pub async fn wakes_when_a_session_is_resumed(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let pause = Pause { until: at(1000), why: HeldBy::Session };
    queue.pause(session_id(1), PauseScope::Session, pause).await.unwrap();
    wakes(queue, async { queue.resume(session_id(1), PauseScope::Session).await.unwrap() }).await;
}

/// The new chats can go on.
pub async fn wakes_when_new_chats_are_resumed(queue: &dyn Queue) {
    push(queue, &[QueueItem { lane: Lane::New, ..item(1) }]).await;
    let pause = Pause { until: at(1000), why: HeldBy::NewChats };
    queue.pause(session_id(1), PauseScope::NewChats, pause).await.unwrap();
    let resume = async { queue.resume(session_id(1), PauseScope::NewChats).await.unwrap() };
    wakes(queue, resume).await;
}

/// It is no longer held with the new ones.
pub async fn wakes_when_a_chat_is_opened(queue: &dyn Queue) {
    push(queue, &[QueueItem { lane: Lane::New, ..item(1) }]).await;
    let pause = Pause { until: at(1000), why: HeldBy::NewChats };
    queue.pause(session_id(1), PauseScope::NewChats, pause).await.unwrap();
    let open = async { queue.open_chat(session_id(1), item(1).recipient).await.unwrap() };
    wakes(queue, open).await;
    assert_eq!(claim_one(queue, at(0)).await.item, item(1));
}

/// The session can go on earlier than was foretold.
pub async fn wakes_when_a_pause_is_cut_short(queue: &dyn Queue) {
    push(queue, &[item(1)]).await;
    let until = |millis| Pause { until: at(millis), why: HeldBy::Session };
    queue.pause(session_id(1), PauseScope::Session, until(2000)).await.unwrap();
    wakes(queue, async {
        queue.pause(session_id(1), PauseScope::Session, until(1000)).await.unwrap();
    })
    .await;
}

/// The one behind it can leave.
pub async fn wakes_when_a_forgotten_message_makes_way(queue: &dyn Queue) {
    push(queue, &[QueueItem { due_at: at(1000), ..to_one(1) }, to_one(2)]).await;
    wakes(queue, async { queue.forget(session_id(1), &[message_id(1)]).await.unwrap() }).await;
}

/// A change between the claim and the waiting is not lost, nor are those of long ago.
pub async fn wakes_at_once_for_what_happened_before(queue: &dyn Queue) {
    let first = claim(queue, 1, at(0)).await.version;
    push(queue, &[item(1)]).await;
    changes(queue, first).await;
    let claimed = claim(queue, 1, at(0)).await;
    push(queue, &[of_session(2, 2)]).await;
    changes(queue, claimed.version).await;
    changes(queue, first).await;
}

/// Not only one of them.
pub async fn wakes_everybody_who_waits(queue: &dyn Queue) {
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let version = claim(queue, 1, at(0)).await.version;
        waiting.push(changes(queue, version));
    }
    let mut waiting = Box::pin(join_all(waiting));
    let woken_without_need = (&mut waiting).now_or_never().is_some();
    push(queue, &[item(1)]).await;
    if !woken_without_need {
        waiting.await;
    }
}

/// Workers that come only for changes get all there is, each message once.
pub async fn gives_every_message_to_exactly_one_of_many_workers(queue: &dyn Queue) {
    const MESSAGES: u64 = 200;
    let items: Vec<QueueItem> = (0..MESSAGES).map(|n| of_session(n % 7, n)).collect();
    let done = Mutex::new(Vec::new());
    let all_done = Notify::new();
    let working = join_all((0..8).map(|_| async {
        loop {
            let claims = claim(queue, 3, at(0)).await;
            for claimed in &claims.items {
                tokio::task::yield_now().await;
                complete(queue, claimed).await;
                let mut done = done.lock().unwrap();
                done.push(claimed.item.message);
                if done.len() == items.len() {
                    all_done.notify_one();
                }
            }
            if claims.items.is_empty() {
                queue.changed(claims.version).await;
            }
        }
    }));
    let pushing = async {
        for chunk in items.chunks(10) {
            push(queue, chunk).await;
            tokio::task::yield_now().await;
        }
        all_done.notified().await;
    };
    let all = tokio::time::timeout(PATIENCE, async {
        tokio::select! {
            _ = working => {}
            () = pushing => {}
        }
    });
    assert!(all.await.is_ok(), "some were never handed out");
    let mut done = done.into_inner().unwrap();
    done.sort_unstable();
    assert_eq!(done, items.iter().map(|item| item.message).collect::<Vec<_>>());
    assert_eq!(queue.depth().await.unwrap(), 0);
}
