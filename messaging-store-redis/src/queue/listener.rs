//! Hearing what other processes changed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt;
use redis::{Client, Msg, RedisResult};
use tokio::time::{Instant, interval_at, sleep, timeout};

use crate::fault::RedisFault;
use crate::queue::shared::Shared;

/// How often the connection is tried, and all partitions are thought to have news: should ever a
/// word get lost, whoever waits for it finds out by then.
const CHECK: Duration = Duration::from_secs(10);

/// How long an answer to that may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before connecting anew, and how long when that has failed often.
const PAUSE: Duration = Duration::from_millis(100);
const LONG_PAUSE: Duration = Duration::from_secs(2);

/// Listens in a task of its own for as long as somebody has the queue.
pub(super) fn start(shared: &Arc<Shared>) {
    tokio::spawn(listen(
        Arc::downgrade(shared),
        shared.connection.servers().to_vec(),
        shared.connection.partitions().channel().to_owned(),
    ));
}

async fn listen(shared: Weak<Shared>, servers: Vec<Client>, channel: String) {
    let mut pause = PAUSE;
    // A word said at any node of a cluster is heard at all of them.
    for server in servers.iter().cycle() {
        match hear(&shared, server, &channel).await {
            Ok(()) => pause = PAUSE,
            Err(_) => pause = (pause * 2).min(LONG_PAUSE),
        }
        let Some(shared) = shared.upgrade() else { return };
        shared.known().hear_of_all();
        drop(shared);
        sleep(pause).await;
    }
}

/// Listens until the connection, or the queue, is gone. An error where it did not come to that.
async fn hear(shared: &Weak<Shared>, server: &Client, channel: &str) -> RedisResult<()> {
    let connected = async {
        let mut connection = server.get_async_pubsub().await?;
        connection.subscribe(channel).await?;
        RedisResult::Ok(connection)
    };
    let (mut sink, mut words) =
        timeout(PATIENCE, connected).await.map_err(std::io::Error::from)??.split();
    // What happened before was not heard.
    if !with(shared, Shared::hear_of_all) {
        return Ok(());
    }
    let mut check = interval_at(Instant::now() + CHECK, CHECK);
    loop {
        let goes_on = tokio::select! {
            word = words.next() => match word {
                Some(word) => with(shared, |shared| shared.hear(&word)),
                None => return Ok(()),
            },
            _ = check.tick() => {
                let answer = timeout(PATIENCE, sink.ping::<redis::Value>()).await;
                if !matches!(answer, Ok(Ok(_))) {
                    return Ok(());
                }
                agree(shared).await;
                with(shared, Shared::hear_of_all)
            }
        };
        if !goes_on {
            return Ok(());
        }
    }
}

/// Says again how many partitions there are; Redis may have lost it, and others may have come.
async fn agree(shared: &Weak<Shared>) {
    let connection = shared.upgrade().map(|shared| shared.connection.clone());
    let Some(connection) = connection else { return };
    if let Err(fault @ RedisFault::OtherPartitions(_)) = connection.agree().await {
        tracing::error!(error = %fault, "messages are counted, and may be sent, twice");
    }
}

/// Does something with the queue. Tells whether there still is one.
fn with(shared: &Weak<Shared>, so: impl FnOnce(&Shared)) -> bool {
    shared.upgrade().inspect(|shared| so(shared)).is_some()
}

impl Shared {
    fn hear_of_all(&self) {
        self.known().hear_of_all();
    }

    /// A word is who changed (8 bytes) which partition (2).
    fn hear(&self, word: &Msg) {
        let word = word.get_payload_bytes();
        // What this process changes itself, it is answered.
        if let Some((caller, [high, low])) = word.split_first_chunk::<8>()
            && *caller != self.caller
        {
            self.known().hear(usize::from(u16::from_be_bytes([*high, *low])));
        }
    }
}
