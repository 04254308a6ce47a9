//! How every idempotency store must behave.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use uuid::Uuid;

use crate::conformance::build::{at, tenant_id};
use crate::domain::fingerprint::RequestHash;
use crate::domain::idempotency::ScopedKey;
use crate::ports::idempotency_store::{Begun, IdempotencyStore, Undertaking};
use crate::ports::upkeep::Upkeep;

/// Calls the given macro with the name of every behavior of
/// [`IdempotencyStore`](crate::ports::idempotency_store::IdempotencyStore). Each is a function of
/// this module that takes an empty store, and its upkeep.
#[macro_export]
macro_rules! for_each_idempotency_store_behavior {
    ($test:ident) => {
        $test!(lets_a_new_key_go_ahead);
        $test!(keeps_others_out_while_one_is_at_work);
        $test!(hands_a_request_over_when_its_lease_has_ended);
        $test!(hands_a_request_over_once);
        $test!(hands_over_what_was_left_at_once);
        $test!(gives_the_first_answer_again);
        $test!(keeps_an_answer_of_any_size);
        $test!(keeps_no_answer_to_something_else);
        $test!(lets_a_forgotten_key_go_ahead_anew);
        $test!(lets_nobody_end_the_turn_of_another);
        $test!(forgets_nothing_that_is_answered);
        $test!(refuses_a_key_for_another_request);
        $test!(tells_keys_of_tenants_and_operations_apart);
        $test!(lets_an_expired_key_go_ahead_anew);
        $test!(keeps_what_has_not_expired);
        $test!(lets_one_go_ahead_however_many_try);
        $test!(hands_over_to_one_however_many_try);
    };
}

const LEASE: u64 = 30;

/// Key `n` of tenant 1, undertaken at millisecond `from`, to make thing `subject`.
fn undertaking(n: u8, subject: u128, from: u64) -> Undertaking {
    Undertaking {
        key: ScopedKey { tenant: tenant_id(1), digest: [n; 32] },
        request: RequestHash([7; 32]),
        subject: Uuid::from_u128(subject),
        lease_until: at(from + LEASE),
        expires_at: at(from + 1000),
    }
}

/// Begins it at millisecond `from`.
async fn begin(store: &dyn IdempotencyStore, n: u8, subject: u128, from: u64) -> Begun {
    store.begin(&undertaking(n, subject, from), at(from)).await.unwrap()
}

fn taken_over(subject: u128) -> Begun {
    Begun::TakenOver { subject: Uuid::from_u128(subject) }
}

fn done(answer: &[u8]) -> Begun {
    Begun::Done { answer: answer.to_vec() }
}

/// Of a key that nobody named nothing is known.
pub async fn lets_a_new_key_go_ahead(store: &dyn IdempotencyStore, _: &dyn Upkeep) {
    assert_eq!(begin(store, 1, 1, 0).await, Begun::New);
    assert_eq!(begin(store, 2, 2, 0).await, Begun::New);
}

/// Until the lease ends nobody else does it.
pub async fn keeps_others_out_while_one_is_at_work(store: &dyn IdempotencyStore, _: &dyn Upkeep) {
    begin(store, 1, 1, 0).await;
    assert_eq!(begin(store, 1, 2, 0).await, Begun::Running { until: at(LEASE) });
    assert_eq!(begin(store, 1, 2, LEASE - 1).await, Begun::Running { until: at(LEASE) });
}

/// Whoever comes after the lease goes on with what the first would have made, under a lease of his
/// own.
pub async fn hands_a_request_over_when_its_lease_has_ended(
    store: &dyn IdempotencyStore,
    _: &dyn Upkeep,
) {
    begin(store, 1, 1, 0).await;
    assert_eq!(begin(store, 1, 2, LEASE).await, taken_over(1));
    assert_eq!(begin(store, 1, 3, LEASE + 1).await, Begun::Running { until: at(2 * LEASE) });
    assert_eq!(begin(store, 1, 4, 2 * LEASE).await, taken_over(1));
}

/// Of two who would take it over the second finds the first at work.
pub async fn hands_a_request_over_once(store: &dyn IdempotencyStore, _: &dyn Upkeep) {
    begin(store, 1, 1, 0).await;
    assert_eq!(begin(store, 1, 2, LEASE).await, taken_over(1));
    assert_eq!(begin(store, 1, 3, LEASE).await, Begun::Running { until: at(2 * LEASE) });
}

/// What is left is taken over without waiting for the lease.
pub async fn hands_over_what_was_left_at_once(store: &dyn IdempotencyStore, _: &dyn Upkeep) {
    begin(store, 1, 1, 0).await;
    store.leave(&undertaking(1, 1, 0), at(2)).await.unwrap();
    assert_eq!(begin(store, 1, 2, 2).await, taken_over(1));
    assert_eq!(begin(store, 1, 3, 3).await, Begun::Running { until: at(2 + LEASE) });
}

/// What is done is answered alike from then on, by whomever it was done.
pub async fn gives_the_first_answer_again(store: &dyn IdempotencyStore, _: &dyn Upkeep) {
    begin(store, 1, 1, 0).await;
    begin(store, 1, 2, LEASE).await;
    // Whoever was too slow still did it.
    store.finish(&undertaking(1, 1, 0), b"first").await.unwrap();
    store.finish(&undertaking(1, 1, LEASE), b"second").await.unwrap();
    assert_eq!(begin(store, 1, 3, LEASE + 1).await, done(b"first"));
    assert_eq!(begin(store, 1, 4, 999).await, done(b"first"));
}

/// An answer may be empty, and may hold anything.
pub async fn keeps_an_answer_of_any_size(store: &dyn IdempotencyStore, _: &dyn Upkeep) {
    let long: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for (n, answer) in [(1, &[][..]), (2, &long)] {
        begin(store, n, 1, 0).await;
        store.finish(&undertaking(n, 1, 0), answer).await.unwrap();
        assert!(begin(store, n, 2, 1).await == done(answer));
    }
}

/// An answer about another subject, or to a key that is gone, is not kept.
pub async fn keeps_no_answer_to_something_else(store: &dyn IdempotencyStore, _: &dyn Upkeep) {
    store.finish(&undertaking(1, 1, 0), b"to nothing").await.unwrap();
    assert_eq!(begin(store, 1, 1, 0).await, Begun::New);
    store.finish(&undertaking(1, 2, 0), b"of another").await.unwrap();
    assert_eq!(begin(store, 1, 3, 1).await, Begun::Running { until: at(LEASE) });
}

/// What came to nothing was never asked for.
pub async fn lets_a_forgotten_key_go_ahead_anew(store: &dyn IdempotencyStore, _: &dyn Upkeep) {
    begin(store, 1, 1, 0).await;
    store.forget(&undertaking(1, 1, 0)).await.unwrap();
    let other = Undertaking { request: RequestHash([8; 32]), ..undertaking(1, 2, 1) };
    assert_eq!(store.begin(&other, at(1)).await.unwrap(), Begun::New);
    // Of what is gone nothing can be forgotten or left.
    store.forget(&undertaking(2, 1, 0)).await.unwrap();
    store.leave(&undertaking(2, 1, 0), at(1)).await.unwrap();
    assert_eq!(begin(store, 2, 2, 2).await, Begun::New);
}

/// Whoever lost his lease neither forgets nor leaves what another has taken over.
pub async fn lets_nobody_end_the_turn_of_another(store: &dyn IdempotencyStore, _: &dyn Upkeep) {
    begin(store, 1, 1, 0).await;
    begin(store, 1, 2, LEASE).await;
    store.forget(&undertaking(1, 1, 0)).await.unwrap();
    store.leave(&undertaking(1, 1, 0), at(LEASE + 1)).await.unwrap();
    assert_eq!(begin(store, 1, 3, LEASE + 2).await, Begun::Running { until: at(2 * LEASE) });
}

/// What is answered stays so.
pub async fn forgets_nothing_that_is_answered(store: &dyn IdempotencyStore, _: &dyn Upkeep) {
    begin(store, 1, 1, 0).await;
    store.finish(&undertaking(1, 1, 0), b"answer").await.unwrap();
    store.forget(&undertaking(1, 1, 0)).await.unwrap();
    store.leave(&undertaking(1, 1, 0), at(1)).await.unwrap();
    assert_eq!(begin(store, 1, 2, 2).await, done(b"answer"));
}

/// A key stands for one request, whether that is at work, left or done.
pub async fn refuses_a_key_for_another_request(store: &dyn IdempotencyStore, _: &dyn Upkeep) {
    begin(store, 1, 1, 0).await;
    let other = |from| Undertaking { request: RequestHash([8; 32]), ..undertaking(1, 2, from) };
    assert_eq!(store.begin(&other(1), at(1)).await.unwrap(), Begun::Mismatch);
    assert_eq!(store.begin(&other(LEASE), at(LEASE)).await.unwrap(), Begun::Mismatch);
    store.finish(&undertaking(1, 1, 0), b"answer").await.unwrap();
    assert_eq!(store.begin(&other(99), at(99)).await.unwrap(), Begun::Mismatch);
    assert_eq!(begin(store, 1, 3, 100).await, done(b"answer"));
}

/// What one tenant, or one operation, names so is nothing to another.
pub async fn tells_keys_of_tenants_and_operations_apart(
    store: &dyn IdempotencyStore,
    _: &dyn Upkeep,
) {
    begin(store, 1, 1, 0).await;
    let key = ScopedKey { tenant: tenant_id(2), digest: [1; 32] };
    let of_another = Undertaking { key, ..undertaking(1, 2, 0) };
    assert_eq!(store.begin(&of_another, at(0)).await.unwrap(), Begun::New);
    store.finish(&of_another, b"his").await.unwrap();
    store.finish(&undertaking(1, 1, 0), b"mine").await.unwrap();
    assert_eq!(store.begin(&of_another, at(1)).await.unwrap(), done(b"his"));
    assert_eq!(begin(store, 1, 1, 1).await, done(b"mine"));
}

/// A key that has expired is gone, whether or not it was removed: also for another request.
pub async fn lets_an_expired_key_go_ahead_anew(store: &dyn IdempotencyStore, upkeep: &dyn Upkeep) {
    for n in [1, 2] {
        begin(store, n, 1, 0).await;
        store.finish(&undertaking(n, 1, 0), b"old").await.unwrap();
    }
    let other = Undertaking { request: RequestHash([8; 32]), ..undertaking(1, 2, 1000) };
    assert_eq!(store.begin(&other, at(1000)).await.unwrap(), Begun::New);
    assert_eq!(store.begin(&other, at(1001)).await.unwrap(), Begun::Running { until: at(1030) });
    // Whoever undertook it before has nothing to say about it any more.
    store.finish(&undertaking(1, 1, 0), b"late").await.unwrap();
    store.forget(&undertaking(1, 1, 0)).await.unwrap();
    assert_eq!(store.begin(&other, at(1030)).await.unwrap(), taken_over(2));
    upkeep.upkeep(at(1000)).await.unwrap();
    assert_eq!(begin(store, 2, 3, 1000).await, Begun::New);
}

/// The upkeep takes away what has expired and nothing else.
pub async fn keeps_what_has_not_expired(store: &dyn IdempotencyStore, upkeep: &dyn Upkeep) {
    begin(store, 1, 1, 0).await;
    begin(store, 2, 2, 0).await;
    store.finish(&undertaking(2, 2, 0), b"answer").await.unwrap();
    upkeep.upkeep(at(999)).await.unwrap();
    assert_eq!(begin(store, 1, 3, 999).await, taken_over(1));
    assert_eq!(begin(store, 2, 3, 999).await, done(b"answer"));
}

/// Of those who begin at once one goes ahead.
pub async fn lets_one_go_ahead_however_many_try(store: &dyn IdempotencyStore, _: &dyn Upkeep) {
    let tries = (0..16).map(|subject| begin(store, 1, subject, 0));
    let begun = futures::future::join_all(tries).await;
    assert_eq!(begun.iter().filter(|each| **each == Begun::New).count(), 1);
    let running = Begun::Running { until: at(LEASE) };
    assert_eq!(begun.iter().filter(|each| **each == running).count(), 15, "{begun:?}");
}

/// Of those who would take over at once one does, of many keys at once.
pub async fn hands_over_to_one_however_many_try(store: &dyn IdempotencyStore, _: &dyn Upkeep) {
    for n in 0..4 {
        begin(store, n, n.into(), 0).await;
    }
    let tries = (0..32).map(|n| begin(store, n % 4, 99, LEASE));
    let begun = futures::future::join_all(tries).await;
    for n in 0..4 {
        assert_eq!(begun.iter().filter(|each| **each == taken_over(n)).count(), 1, "{begun:?}");
    }
    let running = Begun::Running { until: at(2 * LEASE) };
    assert_eq!(begun.iter().filter(|each| **each == running).count(), 28, "{begun:?}");
}
