//! What the parts of the queue share: the connection, the scripts, and what is known.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use messaging_core::domain::id::SessionId;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::queue::Claim;
use redis::Value;
use tokio::sync::watch;

use crate::connection::RedisConnection;
use crate::fault::RedisFault;
use crate::queue::known::{Ask, Known};
use crate::queue::wire;
use crate::script::Script;

/// How many messages one call of a script is about at the most, so that others wait for it no longer
/// than a few milliseconds.
pub(super) const MOST: usize = 256;

/// How many sessions in turn a partition lists in its answers, where there are several partitions.
const LISTED: u16 = 16;

/// What the parts of the queue share.
pub(super) struct Shared {
    pub(super) connection: RedisConnection,
    pub(super) scripts: Scripts,
    /// Tells this process from others.
    pub(super) caller: [u8; 8],
    /// What every call about a partition begins with.
    heads: Vec<Vec<u8>>,
    known: Mutex<Known>,
    versions: watch::Receiver<u64>,
    /// What the tokens of the next claims begin with.
    tokens: AtomicU64,
}

/// The scripts of the queue.
pub(super) struct Scripts {
    pub(super) push: Script,
    pub(super) finish: Script,
    pub(super) renew: Script,
    pub(super) hold: Script,
    pub(super) open: Script,
    pub(super) forget: Script,
    pub(super) position: Script,
    pub(super) depth: Script,
    pub(super) standings: Script,
    claim: Script,
}

macro_rules! script {
    ($name:literal) => {
        Script::new(concat!(
            include_str!("../scripts/queue/partition.lua"),
            "\n",
            include_str!(concat!("../scripts/queue/", $name, ".lua"))
        ))
    };
}

impl Scripts {
    fn new() -> Self {
        Self {
            push: script!("push"),
            finish: script!("finish"),
            renew: script!("renew"),
            hold: script!("hold"),
            open: script!("open"),
            forget: script!("forget"),
            position: script!("position"),
            depth: script!("depth"),
            standings: script!("standings"),
            claim: script!("claim"),
        }
    }
}

impl Shared {
    pub(super) fn new(connection: &RedisConnection) -> Self {
        let partitions = connection.partitions();
        let random = RandomState::new();
        let caller = random.hash_one(0_u8).to_be_bytes();
        let listed = if partitions.count() == 1 { 0 } else { LISTED };
        let head = |partition: usize| {
            let mut head = caller.to_vec();
            head.extend_from_slice(&u16::try_from(partition).unwrap_or(u16::MAX).to_be_bytes());
            head.extend_from_slice(&listed.to_be_bytes());
            head.extend_from_slice(partitions.channel().as_bytes());
            head
        };
        let known = Known::new(partitions.count());
        Self {
            connection: connection.clone(),
            scripts: Scripts::new(),
            caller,
            heads: (0..partitions.count()).map(head).collect(),
            versions: known.versions(),
            known: Mutex::new(known),
            // Redis may forget which tokens it has seen, and several processes draw them.
            tokens: AtomicU64::new(random.hash_one(1_u8)),
        }
    }

    /// How many partitions there are.
    pub(super) fn partitions(&self) -> usize {
        self.heads.len()
    }

    /// The partition that a session belongs to.
    pub(super) fn partition_of(&self, session: SessionId) -> usize {
        self.connection.partitions().of_session(session)
    }

    /// What is known of the partitions.
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics under this lock, and what it guards is right after every line, or thought
        // to be news.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to learn that more is known.
    pub(super) fn versions(&self) -> watch::Receiver<u64> {
        self.versions.clone()
    }

    /// Runs a script about a partition.
    pub(super) async fn run(
        &self,
        partition: usize,
        script: &Script,
        arguments: &[impl AsRef<[u8]>],
    ) -> Result<Value, RedisFault> {
        let head: &[u8] = &self.heads[partition];
        let all: Vec<&[u8]> =
            std::iter::once(head).chain(arguments.iter().map(AsRef::as_ref)).collect();
        let key = self.connection.partitions().tag(partition);
        script.run(&self.connection, partition, &[key], &all).await
    }

    /// Runs a script that may change a partition, and takes note of the state that it answers.
    pub(super) async fn change(
        &self,
        partition: usize,
        script: &Script,
        arguments: &[impl AsRef<[u8]>],
    ) -> Result<Value, RedisFault> {
        let answer = self.run(partition, script, arguments).await;
        self.note(partition, answer, None, None)
    }

    /// Has a partition hand out messages.
    pub(super) async fn claim(
        &self,
        ask: Ask,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Claim>, RedisFault> {
        let tokens = self.tokens.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut arguments = vec![
            now.as_micros().to_string().into_bytes(),
            until.as_micros().to_string().into_bytes(),
            ask.most.to_string().into_bytes(),
            tokens[2..].to_vec(),
        ];
        arguments.extend(ask.sessions.iter().map(wire::Standing::name));
        let answer = self.run(ask.partition, &self.scripts.claim, &arguments).await;
        let answer = self.note(ask.partition, answer, Some(&ask), Some(now))?;
        wire::claims(&answer, until)
    }

    fn note(
        &self,
        partition: usize,
        answer: Result<Value, RedisFault>,
        ask: Option<&Ask>,
        now: Option<Timestamp>,
    ) -> Result<Value, RedisFault> {
        let noted = answer.and_then(|answer| {
            let state = wire::state_of(&answer)?;
            self.known().learn(partition, &state, ask);
            Ok(answer)
        });
        if noted.is_err() {
            self.known().doubt(partition, now);
        }
        noted
    }
}
