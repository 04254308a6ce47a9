//! Applying webhooks that were kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::delivery::shift::Shift;
use crate::delivery::{PAUSE_AFTER_FAULT, rest};
use crate::domain::failure::{Failure, FailureCode};
use crate::domain::id::{InboxId, MessageId, OptOutId, TenantId};
use crate::domain::inbox::{
    Applied, InboxEffect, InboxEntry, InboxVerdict, ProviderEvent, ProviderMessage,
};
use crate::domain::message::{Direction, Message, MessageRef, Priority, StatusChange};
use crate::domain::opt_out::words::Said;
use crate::domain::opt_out::{OptOut, OptOutSource, Return, Wish};
use crate::domain::pii::{self, PiiPolicy};
use crate::domain::retry::RetryPolicy;
use crate::domain::status::{Status, StatusEvent};
use crate::domain::timestamp::Timestamp;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::gateway::send::accepted;
use crate::ports::duty_roster::Duty;
use crate::ports::observer::{InboxResult, ListChange, Observation};

/// How many webhooks are applied together.
const PORTION: u32 = 256;

/// How long the message an ack belongs to may take to become known: the ack may be here before
/// the answer of the send that it belongs to. Most that never find theirs are of messages sent from
/// the telephone itself.
const MATCH_WITHIN: Duration = Duration::from_secs(600);

/// How long to wait for it, by the number of looks.
const MATCH_AGAIN: RetryPolicy = RetryPolicy {
    base: Duration::from_millis(250),
    factor: 2.0,
    cap: Duration::from_secs(60),
    max_attempts: u32::MAX,
};

/// How often a webhook is tried that the store refuses, before somebody must look.
const MAX_TRIES: u32 = 10;

/// The longest time between two looks for webhooks that nobody applies: their node is gone, or what
/// they are about was not known yet.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Gives kept webhooks their effect: each node those it keeps, and one of them what is left over.
pub struct InboxProcessor {
    gateway: Gateway,
    /// When it was looked last whether anything is left over, and all of it was seen.
    looked: Mutex<Option<Timestamp>>,
}

impl InboxProcessor {
    /// A processor for this gateway's webhooks.
    pub fn new(gateway: Gateway) -> Self {
        Self { gateway, looked: Mutex::default() }
    }

    /// Applies one portion of what this node has kept and, where there is nothing or it was not looked
    /// for lately, one of what is left over and due; tells how many it looked at.
    ///
    /// # Errors
    /// [`GatewayError::Unavailable`] where the store does not answer; nothing is lost by it.
    pub async fn run_once(&self) -> Result<usize, GatewayError> {
        match self.apply_fresh().await? {
            applied if applied > 0 && !self.is_time_to_look() => Ok(applied),
            applied => Ok(applied + self.apply_left_over().await?),
        }
    }

    /// Whether what is left over has its turn, however much comes in. Of more than one portion that is
    /// every other.
    fn is_time_to_look(&self) -> bool {
        let now = self.gateway.ports().clock.now();
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back puts nothing off.
        looked.is_none_or(|at| now < at || now.since(at) >= LOOK_EVERY)
    }

    fn note_look(&self, at: Timestamp) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    async fn apply_fresh(&self) -> Result<usize, GatewayError> {
        let entries = self.gateway.inner.fresh.take(PORTION as usize);
        self.apply(&entries).await?;
        Ok(entries.len())
    }

    async fn apply_left_over(&self) -> Result<usize, GatewayError> {
        let ports = self.gateway.ports();
        let now = ports.clock.now();
        let entries = ports.inbox.due(now, PORTION).await?;
        self.apply(&entries).await?;
        if entries.len() < PORTION as usize {
            self.note_look(now);
        }
        Ok(entries.len())
    }

    async fn apply(&self, entries: &[InboxEntry]) -> Result<(), GatewayError> {
        if entries.is_empty() {
            return Ok(());
        }
        let ports = self.gateway.ports();
        let mut effects = Vec::with_capacity(entries.len());
        let mut verdicts = Vec::new();
        let mut to_empty: BTreeMap<TenantId, Vec<InboxId>> = BTreeMap::new();
        for entry in entries {
            if entry.is_sealed() {
                // Another node may have the key, or this one once it begins anew.
                tracing::error!(inbox.id = %entry.id, "webhook {} cannot be opened", entry.id);
                self.gateway.observe(Observation::Fault { what: "key" });
                verdicts.push((entry.id, self.again(entry)));
                self.observe(InboxResult::Deferred, entry);
                continue;
            }
            let redacts = self.gateway.pii_policy(entry.tenant).await? == PiiPolicy::Redact;
            match ports.decoder.decode(&entry.payload) {
                Ok(event) => {
                    if redacts {
                        to_empty.entry(entry.tenant).or_default().push(entry.id);
                    }
                    effects.push((entry, self.effect(entry, event, redacts)));
                }
                Err(error) => {
                    tracing::warn!(
                        inbox.id = %entry.id, event = %entry.event, %error,
                        "webhook {} cannot be read", entry.id
                    );
                    verdicts.push((entry.id, InboxVerdict::Dead));
                    self.observe(InboxResult::Dead, entry);
                }
            }
        }
        let calls: Vec<(InboxId, InboxEffect)> =
            effects.iter().map(|(entry, effect)| (entry.id, effect.clone())).collect();
        match ports.inbox.apply(&calls).await {
            Ok(applied) => {
                for ((entry, effect), applied) in effects.iter().zip(applied) {
                    verdicts.extend(self.follow(entry, effect, applied).await?);
                }
            }
            // One of them may be what the store refuses; the others must not wait for it.
            Err(_) => {
                for (entry, effect) in &effects {
                    verdicts.extend(self.apply_alone(entry, effect).await?);
                }
            }
        }
        if !verdicts.is_empty() {
            ports.inbox.defer(&verdicts).await?;
        }
        // What they say is kept with their messages, redacted. Those still to be applied keep it, and so
        // do those that somebody must look at.
        let dead: BTreeSet<InboxId> = verdicts
            .iter()
            .filter(|(_, verdict)| *verdict == InboxVerdict::Dead)
            .map(|(id, _)| *id)
            .collect();
        for (tenant, mut ids) in to_empty {
            ids.retain(|id| !dead.contains(id));
            ports.persons.erase_webhooks(tenant, &ids).await?;
        }
        Ok(())
    }

    async fn apply_alone(
        &self,
        entry: &InboxEntry,
        effect: &InboxEffect,
    ) -> Result<Option<(InboxId, InboxVerdict)>, GatewayError> {
        let ports = self.gateway.ports();
        match ports.inbox.apply(&[(entry.id, effect.clone())]).await {
            Ok(mut applied) => match applied.pop() {
                Some(applied) => self.follow(entry, effect, applied).await,
                None => Ok(None),
            },
            Err(error) => match GatewayError::from(error) {
                unavailable @ GatewayError::Unavailable(_) => Err(unavailable),
                error if entry.attempts + 1 >= MAX_TRIES => {
                    tracing::error!(inbox.id = %entry.id, %error, "webhook {} is left", entry.id);
                    self.observe(InboxResult::Dead, entry);
                    Ok(Some((entry.id, InboxVerdict::Dead)))
                }
                _ => Ok(Some((entry.id, self.again(entry)))),
            },
        }
    }

    /// What an event means for what is stored.
    fn effect(&self, entry: &InboxEntry, event: ProviderEvent, redacts: bool) -> InboxEffect {
        let by_provider = |id| MessageRef::Provider(entry.session, id);
        match event {
            ProviderEvent::Message(message) if message.from_me => {
                // The echo of a send of ours, or something sent from the telephone itself.
                let message = by_provider(message.id);
                let at = entry.received_at;
                InboxEffect::Change(StatusChange::new(message, StatusEvent::Accept, at))
            }
            ProviderEvent::Message(message) => {
                let mut message = Box::new(self.inbound(entry, message));
                let wish = self.wish(entry, &message);
                if redacts {
                    pii::mask_content(&mut message.content);
                }
                match wish {
                    Some(wish) => InboxEffect::ReceiveWish(message, wish),
                    None => InboxEffect::Receive(message),
                }
            }
            ProviderEvent::Receipt { id, event } => {
                let mut change = StatusChange::new(by_provider(id), event, entry.received_at);
                if event == StatusEvent::Bounce {
                    change.failure = Some(Failure::new(FailureCode::DeliveryError));
                }
                InboxEffect::Change(change)
            }
            ProviderEvent::Session { status, at, own_address } => {
                // A provider whose clock is ahead must not outrun what we ask of it later.
                let at = at.unwrap_or(entry.received_at).min(entry.received_at);
                InboxEffect::Session { status, at, own_address }
            }
            ProviderEvent::Error => {
                self.gateway.observe(Observation::ProviderReportedError);
                InboxEffect::Nothing
            }
            ProviderEvent::Other => InboxEffect::Nothing,
        }
    }

    /// What a message that came in says of messages to its sender, where it says nothing else.
    fn wish(&self, entry: &InboxEntry, message: &Message) -> Option<Wish> {
        // Who writes to a group, or a channel, does not speak for all.
        let address = message.from.as_ref().filter(|from| from.is_person())?.line();
        if message.content.attachment.is_some() {
            return None;
        }
        let said = self.gateway.settings().opt_out_words.read(&message.content.body)?;
        // When it was said: webhooks overtake one another. But no later than it was heard.
        let at = message.sent_at.unwrap_or(entry.received_at).min(entry.received_at);
        let tenant = entry.tenant;
        Some(match said {
            Said::Leave(words) => Wish::Leave(Box::new(OptOut {
                id: OptOutId(message.id.0),
                tenant,
                address,
                since: at,
                source: OptOutSource::Reply,
                words: Some(words),
                message: Some(message.id),
                note: None,
            })),
            Said::Return(_) => Wish::Return(Return { tenant, address, at }),
        })
    }

    /// What follows from what somebody said.
    async fn follow_wish(&self, message: &Message, wish: &Wish) {
        let (change, source) = match wish {
            Wish::Leave(_) => (ListChange::Added, OptOutSource::Reply),
            Wish::Return(_) => (ListChange::Removed, OptOutSource::Reply),
        };
        self.gateway.observe(Observation::OptOut { change, source });
        tracing::info!(
            message.id = %message.id, %change,
            "message {} changes who wants messages", message.id
        );
        if let Wish::Leave(opt_out) = wish {
            self.gateway.inner.empty_lists.forget(&opt_out.tenant);
            let ended = self.gateway.end_what_waits_for(opt_out.tenant, &opt_out.address).await;
            // What was not ended now the worker ends when it comes to it.
            if let Err(error) = ended {
                tracing::warn!(%error, message.id = %message.id, "messages wait to be ended");
                self.gateway.observe(Observation::Fault { what: "store" });
            }
        }
    }

    fn inbound(&self, entry: &InboxEntry, message: ProviderMessage) -> Message {
        let (at, id) = self.gateway.inner.ids.draw();
        Message {
            id: MessageId(id),
            tenant: entry.tenant,
            session: entry.session,
            batch: None,
            direction: Direction::Inbound,
            alias: self.gateway.settings().pseudonyms.recipient(entry.session, &message.peer),
            sealed: None,
            redaction: None,
            from: Some(message.peer),
            to: message.own,
            content: message.content,
            priority: Priority::Normal,
            metadata: None,
            status: Status::Received,
            attempts: 0,
            generation: 0,
            held: false,
            due_at: at,
            expires_at: None,
            failure: None,
            provider_message_id: Some(message.id),
            created_at: at,
            updated_at: at,
            sent_at: message.at,
            delivered_at: None,
            read_at: None,
            failed_at: None,
        }
    }

    /// What follows from an effect that was, or was not, applied.
    async fn follow(
        &self,
        entry: &InboxEntry,
        effect: &InboxEffect,
        applied: Applied,
    ) -> Result<Option<(InboxId, InboxVerdict)>, GatewayError> {
        let result = match (&applied, effect) {
            (Applied::Done(_), InboxEffect::Nothing) => InboxResult::Ignored,
            (Applied::Done(_), _) => InboxResult::Applied,
            (Applied::Known, _) => InboxResult::Known,
            (Applied::Unmatched, _) => {
                let now = self.gateway.ports().clock.now();
                let waits = now.since(entry.received_at) < MATCH_WITHIN;
                let (result, verdict) = if waits {
                    (InboxResult::Deferred, self.again(entry))
                } else {
                    (InboxResult::Unmatched, InboxVerdict::Unmatched)
                };
                self.observe(result, entry);
                return Ok(Some((entry.id, verdict)));
            }
        };
        self.observe(result, entry);
        match (applied, effect) {
            (
                Applied::Done(_),
                InboxEffect::Receive(message) | InboxEffect::ReceiveWish(message, _),
            ) => {
                tracing::info!(
                    message.id = %message.id, session.id = %message.session,
                    "message {} was received", message.id
                );
                self.gateway.observe(accepted(message));
                if let Some(chat) = message.open_chat() {
                    self.gateway.chat_opened(chat.session, chat.recipient).await;
                }
                if let InboxEffect::ReceiveWish(_, wish) = effect {
                    self.follow_wish(message, wish).await;
                }
            }
            (Applied::Done(Some(message)), InboxEffect::Change(change)) => {
                tracing::info!(
                    message.id = %message.id, message.status = %message.status,
                    "message {} is {}", message.id, message.status
                );
                self.gateway.observe(Observation::Receipt {
                    event: change.event,
                    since_accepted: message.updated_at.since(message.created_at),
                });
                // That it was sent is news: whoever began the attempt may have died with it, and those
                // behind it need not wait until somebody takes it up.
                if message.sent_at == Some(change.at) {
                    let queue = &self.gateway.ports().queue;
                    let told = queue.forget(message.session, &[message.id]).await;
                    self.gateway.queued(told);
                }
            }
            (Applied::Done(_), InboxEffect::Session { .. }) => {
                self.gateway.inner.directory.forget(|known| known.id == entry.session);
                let session = self.gateway.ports().sessions.find_any(entry.session).await?;
                if let Some(session) = session {
                    self.gateway.follow_status(&session).await;
                }
            }
            _ => {}
        }
        Ok(None)
    }

    fn again(&self, entry: &InboxEntry) -> InboxVerdict {
        let wait = MATCH_AGAIN.wait(entry.attempts + 1, 1.0);
        InboxVerdict::RetryAt(self.gateway.ports().clock.now().plus(wait))
    }

    fn observe(&self, result: InboxResult, entry: &InboxEntry) {
        let since_received = self.gateway.ports().clock.now().since(entry.received_at);
        self.gateway.observe(Observation::Inbox { result, since_received });
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        let mut shift = Shift::new(self.gateway.clone(), Duty::Inbox, LOOK_EVERY);
        while !stop.is_cancelled() {
            let wait = match self.pass(&mut shift).await {
                Ok(None) => continue,
                Ok(Some(wait)) => wait,
                Err(error) => {
                    tracing::error!(%error, "webhooks wait to be applied");
                    self.gateway.observe(Observation::Fault { what: "store" });
                    rest(PAUSE_AFTER_FAULT, &stop).await;
                    continue;
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.gateway.inner.fresh.added() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        shift.end().await;
    }

    /// Applies some; where there was nothing, says how long to wait.
    async fn pass(&self, shift: &mut Shift) -> Result<Option<Duration>, GatewayError> {
        let is_busy = self.apply_fresh().await? > 0;
        if is_busy && !self.is_time_to_look() {
            return Ok(None);
        }
        if !shift.is_ours().await {
            self.note_look(self.gateway.ports().clock.now());
            return Ok((!is_busy).then_some(LOOK_EVERY));
        }
        if self.apply_left_over().await? > 0 || is_busy {
            return Ok(None);
        }
        Ok(Some(self.until_due().await))
    }

    async fn until_due(&self) -> Duration {
        let ports = self.gateway.ports();
        match ports.inbox.next_due().await {
            Ok(Some(due)) => due.since(ports.clock.now()).min(LOOK_EVERY),
            Ok(None) | Err(_) => LOOK_EVERY,
        }
    }
}
