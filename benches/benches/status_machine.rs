//! How long does it take to decide what an event does to a message?

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use messaging_core::domain::status::{Status, StatusEvent, transition};

/// Every event on every status, once: 110 decisions.
fn every_transition(c: &mut Criterion) {
    let decisions = Status::ALL.len() * StatusEvent::ALL.len();
    let mut group = c.benchmark_group("status");
    group.throughput(Throughput::Elements(decisions as u64));
    group.bench_function("every_transition", |b| {
        b.iter(|| {
            for status in Status::ALL {
                for event in StatusEvent::ALL {
                    black_box(transition(black_box(*status), black_box(*event)));
                }
            }
        });
    });
    group.finish();
}

/// The way of a message that is tried twice, delivered and read.
fn one_life(c: &mut Criterion) {
    use StatusEvent::{Accept, Begin, Defer, Deliver, Read};
    let events = [Begin, Defer, Begin, Accept, Deliver, Read, Deliver];
    c.bench_function("status/one_life", |b| {
        b.iter(|| {
            black_box(events).into_iter().fold(Status::Queued, |status, event| {
                match transition(status, event) {
                    messaging_core::domain::status::Transition::To(next) => next,
                    _ => status,
                }
            })
        });
    });
}

criterion_group!(benches, every_transition, one_life);
criterion_main!(benches);
