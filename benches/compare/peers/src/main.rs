//! Peers in Rust: how many jobs a second a worker that does nothing takes from a queue that was
//! filled before. `peers bullmq|apalis-redis|apalis-postgres COUNT`; prints a line of JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use apalis::prelude::*;
use apalis_postgres::{PgPool, PostgresStorage};
use apalis_redis::RedisStorage;
use futures::stream::{self, StreamExt};
use tokio::sync::Notify;

const CONCURRENCY: usize = 100;

type Job = String;

fn job() -> Job {
    "Your parcel is on its way. ".repeat(9)
}

/// Counts jobs, and rings when there were enough.
#[derive(Clone, Default)]
struct Done(Arc<(AtomicU64, Notify)>);

impl Done {
    fn one(&self, enough: u64) {
        if self.0.0.fetch_add(1, Ordering::Relaxed) + 1 == enough {
            self.0.1.notify_one();
        }
    }
}

fn url(name: &str) -> Result<String> {
    Ok(std::env::var(name)?)
}

async fn bullmq(count: u64) -> Result<Duration> {
    let connection = bullmq::options::RedisConnectionOptions::new().url(url("REDIS_URL")?);
    let options = bullmq::QueueOptions { connection: connection.clone(), ..Default::default() };
    let queue = bullmq::Queue::with_options("peer", options).await?;
    let adding = stream::iter(0..count).map(|_| async { queue.add("send", job()).await });
    adding.buffer_unordered(64).for_each(|added| async { drop(added.expect("it is added")) }).await;
    let done = Done::default();
    let counted = done.clone();
    let options =
        bullmq::WorkerOptions { connection, concurrency: CONCURRENCY, ..Default::default() };
    let began = Instant::now();
    let work = move |_, _| {
        let done = counted.clone();
        async move {
            done.one(count);
            Ok(serde_json::Value::Null)
        }
    };
    let _worker = bullmq::Worker::with_options("peer", work, options).await?;
    done.0.1.notified().await;
    Ok(began.elapsed())
}

async fn work(_: Job, done: Data<(Done, u64)>) -> Result<(), BoxDynError> {
    let (done, enough) = &*done;
    done.one(*enough);
    Ok(())
}

async fn apalis_redis(count: u64) -> Result<Duration> {
    let config = apalis_redis::Config::default().batch_size(CONCURRENCY);
    let connection = apalis_redis::connect(url("REDIS_URL")?).await?;
    let mut storage = RedisStorage::<Job, _>::new(connection).with_config(config);
    for _ in 0..count {
        storage.push(job()).await?;
    }
    let done = Done::default();
    let worker = WorkerBuilder::new("peer")
        .backend(storage)
        .data((done.clone(), count))
        .concurrency(CONCURRENCY)
        .parallelize(tokio::spawn)
        .build(work);
    let began = Instant::now();
    tokio::select! {
        () = done.0.1.notified() => Ok(began.elapsed()),
        ended = worker.run() => anyhow::bail!("its worker ended: {ended:?}"),
    }
}

async fn apalis_postgres(count: u64) -> Result<Duration> {
    let pool = PgPool::connect(&url("DATABASE_URL")?).await?;
    PostgresStorage::setup(&pool).await?;
    let config = apalis_postgres::Config::default().queue("peer").batch_size(CONCURRENCY);
    let mut storage = PostgresStorage::<Job>::new(&pool).with_config(config);
    let mut left = count;
    while left > 0 {
        let some = left.min(1000);
        storage.push_stream(&mut stream::iter((0..some).map(|_| job()))).await?;
        left -= some;
    }
    let done = Done::default();
    let worker = WorkerBuilder::new("peer")
        .backend(storage)
        .data((done.clone(), count))
        .concurrency(CONCURRENCY)
        .parallelize(tokio::spawn)
        .build(work);
    let began = Instant::now();
    tokio::select! {
        () = done.0.1.notified() => Ok(began.elapsed()),
        ended = worker.run() => anyhow::bail!("its worker ended: {ended:?}"),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [peer, count] = arguments.as_slice() else { anyhow::bail!("peers PEER COUNT") };
    let count = count.parse()?;
    let took = match peer.as_str() {
        "bullmq" => bullmq(count).await?,
        "apalis-redis" => apalis_redis(count).await?,
        _ => apalis_postgres(count).await?,
    };
    println!(r#"{{"rate": {}}}"#, count as f64 / took.as_secs_f64());
    Ok(())
}
