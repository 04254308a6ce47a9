//! When, and in what order, messages are tried, kept in Redis.
//!
//! # Keys
//!
//! All keys of a partition begin with `{prefix:number/count}`, the part in braces being what a Redis
//! Cluster chooses the node by; a session belongs to one partition, by a hash of its id. All ids are
//! bytes, in keys as well: scripts would have to make other strings of them for each message.
//!
//! | key ends with | type | holds |
//! |---|---|---|
//! | `:items` | hash | of each message, by its id: when it is due, its recipient and priority, what it was put back for, and the token of a claim whose lease has ended |
//! | `:line:<session>` | sorted set | a session's messages by priority and id; below 0 those that may leave, by priority, the instant for those that may then, infinity for those behind another to the same recipient |
//! | `:opening:<session>` | sorted set | the same of those that would open a chat; what waits behind one of these is in line |
//! | `:heads` | hash | of each session and recipient: the message that leaves first, and whether it would open the chat |
//! | `:behind:<session>` | sorted set | by recipient, those that wait for another to leave first |
//! | `:sessions` | hash | of each session: its tenant, where it stands, its pauses, and what is handed out under which claim until when |
//! | `:turns` | sorted set | sessions something can be claimed of, by turn |
//! | `:tenants` | sorted set | tenants with sessions in turn, by the last turn given out |
//! | `:timers` | sorted set | sessions something can be claimed of then: a lease, a pause or a wait ends |
//! | `:idle` | sorted set | paused sessions without messages, by the end of the pause |
//! | `:meta` | hash | the turn served last, the latest instant known, what those who wait were told, and the number of the last change |
//!
//! None of them expires: what is done is deleted. Of all partitions together there is
//! `{prefix}:partitions`, a string that says how many are in use, for half a minute at a time. The
//! channel `prefix:count:wake` tells processes that wait which partition has news.
//!
//! # How a claim finds its partitions
//!
//! Every answer to a process carries the state of the partition: how many sessions are in turn, the
//! next of them with their tenants, and when others will be. From these the process takes turns
//! between tenants over all partitions, and claims by name; so a claim asks only partitions that have
//! something, in one round trip each. Where others were faster, the partition hands out what is next
//! by its own order. A partition that was heard to have news, or of which an instant has come, is
//! asked for its state first.

mod change;
mod known;
mod listener;
mod rotation;
mod shared;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};
use messaging_core::domain::address::RecipientKey;
use messaging_core::domain::id::{MessageId, SessionId};
use messaging_core::domain::message::QueueItem;
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::queue::{
    Claim, Claims, HeldBy, MAX_POSITION, Pause, PauseScope, Position, Queue, QueueError, Standing,
};
use redis::{Cmd, Value};

use crate::connection::RedisConnection;
use crate::fault::RedisFault;
use crate::lane::Lane;
use crate::queue::change::{Change, Ends, Pushes};
use crate::queue::known::Ask;
use crate::queue::shared::{MOST, Shared};

/// How often one claim asks at the most: for the state of partitions, and then for messages, of
/// which others may have been handed some, or so many have become due at once that it takes more
/// than one call to put them in order.
const ROUNDS: usize = 16;

/// Of how many sessions one call tells how they stand.
const SESSIONS_AT_ONCE: usize = 64;

/// A [`Queue`] in Redis, for any number of processes.
///
/// Each call is one round trip for each partition it concerns; what is pushed, completed or put back
/// at the same time shares one.
pub struct RedisQueue {
    shared: Arc<Shared>,
    /// One of each for each lane of the connection.
    pushes: Vec<Lane<Change<Pushes>>>,
    ends: Vec<Lane<Change<Ends>>>,
    /// The instant of the latest claim, in microseconds.
    latest: AtomicI64,
}

impl RedisQueue {
    /// A queue on this connection. Must be called within a Tokio runtime, in which it listens for
    /// news for as long as it lives.
    pub fn new(connection: &RedisConnection) -> Self {
        let shared = Arc::new(Shared::new(connection));
        listener::start(&shared);
        let lanes = connection.lanes();
        Self {
            pushes: (0..lanes).map(|_| Lane::new(Change::new(&shared))).collect(),
            ends: (0..lanes).map(|_| Lane::new(Change::new(&shared))).collect(),
            latest: AtomicI64::new(0),
            shared,
        }
    }

    async fn end(
        &self,
        claim: &Claim,
        retry_at: Option<(Timestamp, HeldBy)>,
    ) -> Result<bool, QueueError> {
        let partition = self.shared.partition_of(claim.item.session);
        let end = change::Request { partition, body: wire::end(claim, retry_at) };
        Ok(self.ends[partition % self.ends.len()].ask(end).await?)
    }

    async fn hold(
        &self,
        session: SessionId,
        scope: PauseScope,
        until: Timestamp,
        why: HeldBy,
    ) -> Result<(), QueueError> {
        let until = until.as_micros().to_string();
        let (why, scope) = (why as u8, scope as u8);
        let arguments = [
            session.0.as_bytes().to_vec(),
            until.into(),
            why.to_string().into(),
            scope.to_string().into(),
        ];
        let partition = self.shared.partition_of(session);
        self.shared.change(partition, &self.shared.scripts.hold, &arguments).await?;
        Ok(())
    }

    /// Asks partitions, all at once. Gives what they hand out, and what went wrong where none
    /// answered.
    async fn ask(
        &self,
        asks: Vec<Ask>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Claim>, RedisFault> {
        let answers =
            join_all(asks.into_iter().map(|ask| self.shared.claim(ask, until, now))).await;
        let (mut claims, mut fault, mut answered) = (Vec::new(), None, false);
        for answer in answers {
            match answer {
                Ok(of_one) => {
                    answered = true;
                    claims.extend(of_one);
                }
                Err(error) => fault = Some(error),
            }
        }
        fault.filter(|_| !answered).map_or(Ok(claims), Err)
    }
}

#[async_trait]
impl Queue for RedisQueue {
    async fn push(&self, items: &[QueueItem]) -> Result<(), QueueError> {
        // Of a message that is there twice, the first, but for what the second knows of its chat: which
        // of two goes arrives first is not clear.
        let mut places = HashMap::with_capacity(items.len());
        let mut first: Vec<QueueItem> = Vec::with_capacity(items.len());
        for item in items {
            let place = *places.entry(item.message).or_insert(first.len());
            match first.get_mut(place) {
                Some(known) => known.lane = known.lane.min(item.lane),
                None => first.push(*item),
            }
        }
        let pushed = first.iter().map(|item| {
            let partition = self.shared.partition_of(item.session);
            let push = change::Request { partition, body: wire::item(item) };
            self.pushes[partition % self.pushes.len()].ask(push)
        });
        // All are waited for, also where one fails.
        for pushed in join_all(pushed).await {
            pushed?;
        }
        Ok(())
    }

    async fn claim(
        &self,
        max: usize,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claims, QueueError> {
        self.latest.store(now.as_micros(), Ordering::Relaxed);
        // A claim is its claimer's alone at least for as long as this call takes.
        let until = now.plus(lease.max(Duration::from_micros(1)));
        let mut items = Vec::new();
        // What is heard meanwhile is a change since.
        let version = self.shared.known().version();
        for round in 0..ROUNDS {
            let asks = self.shared.known().plan(max - items.len(), now, round == 0);
            if asks.is_empty() {
                break;
            }
            match self.ask(asks, until, now).await {
                Ok(claims) => items.extend(claims),
                Err(_) if !items.is_empty() => break,
                Err(fault) => return Err(fault.into()),
            }
        }
        let next_due = self.shared.known().next_due(items.len() < max, now);
        Ok(Claims { items, next_due, version })
    }

    async fn renew(
        &self,
        claims: &[Claim],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<bool>, QueueError> {
        let mut parts: Vec<Vec<usize>> = vec![Vec::new(); self.shared.partitions()];
        for (nth, claim) in claims.iter().enumerate() {
            parts[self.shared.partition_of(claim.item.session)].push(nth);
        }
        let until = now.plus(lease).as_micros().to_string();
        let mut renewed = vec![false; claims.len()];
        let calls = parts.iter().enumerate().flat_map(|(partition, of_part)| {
            of_part.chunks(MOST).map(move |chunk| (partition, chunk))
        });
        let answers = try_join_all(calls.map(|(partition, chunk)| {
            let claims = chunk.iter().map(|nth| wire::renewal(&claims[*nth]));
            let arguments: Vec<_> = std::iter::once(until.clone().into()).chain(claims).collect();
            async move {
                let answer =
                    self.shared.change(partition, &self.shared.scripts.renew, &arguments).await?;
                wire::flags(&answer, chunk.len()).map(|flags| (chunk, flags))
            }
        }))
        .await?;
        for (chunk, flags) in answers {
            for (nth, flag) in chunk.iter().zip(flags) {
                renewed[*nth] = flag;
            }
        }
        Ok(renewed)
    }

    async fn complete(&self, claim: &Claim) -> Result<bool, QueueError> {
        self.end(claim, None).await
    }

    async fn retry_at(
        &self,
        claim: &Claim,
        at: Timestamp,
        why: HeldBy,
    ) -> Result<bool, QueueError> {
        self.end(claim, Some((at, why))).await
    }

    async fn pause(
        &self,
        session: SessionId,
        scope: PauseScope,
        pause: Pause,
    ) -> Result<(), QueueError> {
        // 0 is no pause; one until the epoch is over in any case.
        let until = pause.until.max(Timestamp::from_micros(1));
        self.hold(session, scope, until, pause.why).await
    }

    async fn resume(&self, session: SessionId, scope: PauseScope) -> Result<(), QueueError> {
        self.hold(session, scope, Timestamp::EPOCH, HeldBy::Ready).await
    }

    async fn open_chat(
        &self,
        session: SessionId,
        recipient: RecipientKey,
    ) -> Result<(), QueueError> {
        let arguments = [session.0.as_bytes().to_vec(), recipient.0.to_be_bytes().to_vec()];
        let partition = self.shared.partition_of(session);
        self.shared.change(partition, &self.shared.scripts.open, &arguments).await?;
        Ok(())
    }

    async fn forget(&self, session: SessionId, messages: &[MessageId]) -> Result<(), QueueError> {
        let partition = self.shared.partition_of(session);
        for chunk in messages.chunks(MOST) {
            let ids = chunk.iter().map(|id| id.0.as_bytes().to_vec());
            let arguments: Vec<_> =
                std::iter::once(session.0.as_bytes().to_vec()).chain(ids).collect();
            self.shared.change(partition, &self.shared.scripts.forget, &arguments).await?;
        }
        Ok(())
    }

    async fn position(&self, item: &QueueItem) -> Result<Option<Position>, QueueError> {
        let arguments = [
            item.session.0.as_bytes().to_vec(),
            item.message.0.as_bytes().to_vec(),
            item.recipient.0.to_be_bytes().to_vec(),
            MAX_POSITION.to_string().into(),
            self.latest.load(Ordering::Relaxed).to_string().into(),
        ];
        let partition = self.shared.partition_of(item.session);
        let answer = self.shared.run(partition, &self.shared.scripts.position, &arguments).await?;
        Ok(wire::position(&answer)?)
    }

    async fn standings(&self, sessions: &[SessionId]) -> Result<Vec<Standing>, QueueError> {
        let mut parts: Vec<Vec<usize>> = vec![Vec::new(); self.shared.partitions()];
        for (nth, session) in sessions.iter().enumerate() {
            parts[self.shared.partition_of(*session)].push(nth);
        }
        let calls = parts.iter().enumerate().flat_map(|(partition, of_part)| {
            of_part.chunks(SESSIONS_AT_ONCE).map(move |chunk| (partition, chunk))
        });
        let answers = try_join_all(calls.map(|(partition, chunk)| {
            let ids: Vec<_> = chunk.iter().map(|nth| sessions[*nth].0.as_bytes()).collect();
            async move {
                let script = &self.shared.scripts.standings;
                let answer = self.shared.run(partition, script, &ids).await?;
                wire::standings(&answer, chunk.len()).map(|standings| (chunk, standings))
            }
        }))
        .await?;
        let mut all = vec![Standing::default(); sessions.len()];
        for (chunk, standings) in answers {
            for (nth, standing) in chunk.iter().zip(standings) {
                all[*nth] = standing;
            }
        }
        Ok(all)
    }

    async fn session_depth(&self, session: SessionId) -> Result<u64, QueueError> {
        let arguments = [session.0.as_bytes()];
        let partition = self.shared.partition_of(session);
        let answer = self.shared.run(partition, &self.shared.scripts.depth, &arguments).await?;
        Ok(wire::count(&answer)?)
    }

    async fn depth(&self) -> Result<u64, QueueError> {
        let partitions = self.shared.connection.partitions();
        let depths = (0..partitions.count()).map(|partition| async move {
            let mut command = Cmd::new();
            command.arg("HLEN").arg(format!("{}:items", partitions.tag(partition)));
            let answer: Value = self.shared.connection.send(partition, &command).await?;
            wire::count(&answer)
        });
        Ok(try_join_all(depths).await?.into_iter().sum())
    }

    async fn changed(&self, version: u64) {
        let mut versions = self.shared.versions();
        // The sender lives as long as `self`, so the wait cannot end otherwise.
        let _ = versions.wait_for(|current| *current != version).await;
    }
}
