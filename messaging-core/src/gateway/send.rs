//! Accepting one message.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::address::Address;
use crate::domain::content::Content;
use crate::domain::filter::{MessageFilter, Portion};
use crate::domain::fingerprint::{Fingerprint, Fingerprinter, RequestHash};
use crate::domain::id::{BatchId, MessageId, SessionId, TenantId, instant_of_v7};
use crate::domain::idempotency::{IdempotencyKey, Operation};
use crate::domain::insertion::{Distinct, Inserted, Insertion};
use crate::domain::message::{Direction, Message, Priority};
use crate::domain::pii::{self, PiiPolicy};
use crate::domain::quota::Quota;
use crate::domain::session::{OnRateLimit, OnUnavailable, Session, SessionStatus};
use crate::domain::status::Status;
use crate::domain::timestamp::Timestamp;
use crate::gateway::directory::Asked;
use crate::gateway::error::GatewayError;
use crate::gateway::once;
use crate::gateway::{Gateway, SessionRef, validation};
use crate::ports::observer::Observation;
use crate::ports::rate_limiter::{Permit, RateKey, Reservation};
use crate::ports::store_error::StoreError;

/// How many messages are read together when a session's quota is counted after a restart.
const PRIMING_PORTION: u32 = 1000;

/// How often a limiter that has forgotten a session is told of it before the request is refused.
const PRIMINGS: usize = 3;

/// What a caller wants sent.
#[derive(Debug, Clone)]
pub struct SendRequest {
    /// Through which of the tenant's sessions.
    pub session: SessionRef,
    /// To whom: a number in international form, or a chat id as an inbound message names it.
    pub to: String,
    /// What.
    pub content: Content,
    /// What leaves first.
    pub priority: Priority,
    /// The caller's own data, an object, given back as it came.
    pub metadata: Option<serde_json::Value>,
    /// What to do over the session's quota; `None` for what the session says.
    pub on_rate_limit: Option<OnRateLimit>,
    /// What to do while the session's server cannot be used.
    pub on_unavailable: OnUnavailable,
    /// When, at the earliest and at the latest.
    pub timing: Timing,
    /// Whether the same may be said to the same recipient again at once.
    pub allow_duplicate: bool,
    /// What the caller names the request by, so that it can be repeated without sending twice.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// When a message is to be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// Not before: at most a year ahead. What is scheduled holds up nothing that is not, and does
    /// not count against the quota of single messages when it is accepted.
    pub send_at: Option<Timestamp>,
    /// Not from then on: what has not been sent by then is expired.
    pub expires_at: Option<Timestamp>,
}

impl SendRequest {
    /// A plain text of normal priority.
    pub fn text(
        session: impl Into<SessionRef>,
        to: impl Into<String>,
        body: impl Into<String>,
    ) -> Self {
        Self {
            session: session.into(),
            to: to.into(),
            content: Content::text(body),
            priority: Priority::Normal,
            metadata: None,
            on_rate_limit: None,
            on_unavailable: OnUnavailable::Accept,
            allow_duplicate: false,
            idempotency_key: None,
            timing: Timing::default(),
        }
    }

    /// Stands for all of it but its key.
    fn hash(&self) -> RequestHash {
        let Self {
            session,
            to,
            content,
            priority,
            metadata,
            on_rate_limit,
            allow_duplicate,
            on_unavailable,
            timing,
            idempotency_key: _,
        } = self;
        let read = Fingerprinter::default()
            .session(session)
            .text(to)
            .content(content)
            .text(priority.as_str())
            .value(metadata)
            .value(on_rate_limit)
            .value(allow_duplicate)
            .value(&(timing.send_at, timing.expires_at));
        // As before there was such a choice, for those who do not make it.
        let read = match on_unavailable {
            OnUnavailable::Accept => read,
            chosen => read.text(chosen.as_str()),
        };
        RequestHash(read.finish())
    }
}

impl Fingerprinter {
    pub(super) fn session(self, session: &SessionRef) -> Self {
        match session {
            SessionRef::Id(id) => self.bytes(id.0.as_bytes()),
            SessionRef::Name(name) => self.text(name),
        }
    }
}

/// A message that was accepted: it is on durable storage.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The message.
    pub message: Message,
    /// When it is likely to leave.
    pub estimated_send_at: Timestamp,
    /// What is left of the session's quota; `None` while the limiter cannot count.
    pub quota: Option<QuotaState>,
    /// Whether the request was done before, and this says again what was answered then.
    pub is_replay: bool,
}

/// What of an answer does not follow from its request.
#[derive(Serialize, Deserialize)]
struct Answer {
    id: MessageId,
    session: SessionId,
    from: Option<String>,
    estimated_send_at: i64,
}

impl Answer {
    fn of(accepted: &Accepted) -> Self {
        let Accepted { message, estimated_send_at, .. } = accepted;
        Self {
            id: message.id,
            session: message.session,
            from: message.from.as_ref().map(|from| from.as_str().to_owned()),
            estimated_send_at: estimated_send_at.as_micros(),
        }
    }
}

/// What is left of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaState {
    /// The quota.
    pub quota: Quota,
    /// How many more would be accepted now.
    pub remaining: u32,
    /// How long until one more is accepted (when none is left), else until all are.
    pub reset_after: Duration,
}

impl Gateway {
    /// Accepts one message. When this returns `Ok`, the message is on durable storage and will be
    /// sent, or end as failed with a reason.
    ///
    /// # Errors
    /// - [`GatewayError::Invalid`] names every field that is wrong.
    /// - [`GatewayError::SessionNotFound`], also for another tenant's session.
    /// - [`GatewayError::SessionNotWorking`] while the session is not connected.
    /// - [`GatewayError::RateLimited`] over the session's quota, unless asked to queue;
    ///   [`GatewayError::TenantRateLimited`] and [`GatewayError::QueueFull`] likewise.
    /// - [`GatewayError::OptedOut`] where the recipient is on the tenant's list of those who want no
    ///   messages.
    /// - [`GatewayError::PiiRefused`] where it has personal data in it and the tenant wants none sent.
    /// - [`GatewayError::DuplicateMessage`] where the same was said to the same recipient within
    ///   [`Settings::duplicate_window`](crate::gateway::Settings::duplicate_window).
    /// - [`GatewayError::IdempotencyKeyReused`] and [`GatewayError::IdempotencyInFlight`] of a
    ///   request that names a key.
    /// - [`GatewayError::ClockWrong`] while this node's clock is found to be wrong.
    /// - [`GatewayError::ServerUnavailable`] where the request asks for that.
    /// - [`GatewayError::Unavailable`] where the store cannot keep it: nothing was accepted, or, of
    ///   a request that names a key, what was is found by making it again.
    pub async fn send(
        &self,
        tenant: TenantId,
        request: SendRequest,
    ) -> Result<Accepted, GatewayError> {
        let result = self.send_once(tenant, request).await;
        match result {
            Ok(accepted) => {
                let message = self.shown_done(accepted.message).await;
                Ok(Accepted { message, ..accepted })
            }
            Err(error) => {
                self.observe(Observation::Refused { code: error.code() });
                Err(error)
            }
        }
    }

    async fn send_once(
        &self,
        tenant: TenantId,
        request: SendRequest,
    ) -> Result<Accepted, GatewayError> {
        self.check_clock()?;
        let drawn = self.inner.ids.draw();
        let Some(key) = &request.idempotency_key else {
            return self.try_send(tenant, request, drawn).await;
        };
        let hash = self.settings().pseudonyms.request(request.hash());
        let turn = match self.take_turn(tenant, Operation::Send, key, hash, drawn.1).await? {
            once::Asked::Anew(turn) => turn,
            once::Asked::Before(answer) => return self.answer_again(tenant, request, &answer),
        };
        let ended = match &turn {
            once::Turn::First(_) => self.try_send(tenant, request, drawn).await,
            once::Turn::Again(_) => self.send_what_is_left(tenant, request, turn.subject()).await,
        };
        self.end_turn(&turn, &ended, Answer::of).await;
        ended
    }

    /// Takes over from somebody who may have come to the end.
    async fn send_what_is_left(
        &self,
        tenant: TenantId,
        request: SendRequest,
        subject: Uuid,
    ) -> Result<Accepted, GatewayError> {
        match self.ports().messages.find(tenant, MessageId(subject)).await? {
            Some(message) => {
                let answer = Answer {
                    id: message.id,
                    session: message.session,
                    from: message.from.as_ref().map(|from| from.as_str().to_owned()),
                    estimated_send_at: self.tell_of_kept(&message).await.as_micros(),
                };
                self.answer_again(tenant, request, &answer)
            }
            None => self.try_send(tenant, request, (instant_of_v7(subject), subject)).await,
        }
    }

    /// Answers for somebody who kept the message meanwhile, under the same key.
    async fn kept_by_another(&self, message: Message) -> Result<Accepted, GatewayError> {
        let kept = self.ports().messages.find(message.tenant, message.id).await?;
        let kept = kept.ok_or(GatewayError::Taken { what: "message" })?;
        let estimated_send_at = self.tell_of_kept(&kept).await;
        Ok(Accepted { message, estimated_send_at, quota: None, is_replay: true })
    }

    /// Tells the queue of a message, in place of whoever kept it and may not have come to that. Gives
    /// when it is likely to leave.
    async fn tell_of_kept(&self, message: &Message) -> Timestamp {
        if matches!(message.status, Status::Queued | Status::Retry) {
            self.enqueue(std::iter::once(message)).await;
        }
        let estimated = self.pacing(message).await.and_then(|pacing| pacing.estimated_send_at);
        estimated.unwrap_or_else(|| self.ports().clock.now())
    }

    /// What was answered when the request was done, whatever became of the message since.
    fn answer_again(
        &self,
        tenant: TenantId,
        request: SendRequest,
        answer: &Answer,
    ) -> Result<Accepted, GatewayError> {
        let draft = Draft {
            drawn: (instant_of_v7(answer.id.0), answer.id.0),
            tenant,
            session: answer.session,
            from: answer.from.as_deref().map(Address::from_stored),
            to: self.check_message(&request, None)?,
            content: request.content,
            priority: request.priority,
            metadata: request.metadata,
            batch: None,
            timing: request.timing,
            pii: PiiPolicy::Off,
        };
        Ok(Accepted {
            message: self.draft(draft),
            estimated_send_at: Timestamp::from_micros(answer.estimated_send_at),
            quota: None,
            is_replay: true,
        })
    }

    async fn try_send(
        &self,
        tenant: TenantId,
        request: SendRequest,
        drawn: (Timestamp, Uuid),
    ) -> Result<Accepted, GatewayError> {
        let (to, session, pii) = match self.check_request(tenant, &request).await {
            Ok(checked) => checked,
            Err(error) => {
                // What is refused counts as well.
                self.admit_tenant(tenant).await?;
                return Err(error);
            }
        };
        if request.on_unavailable == OnUnavailable::Reject {
            self.check_server(&session.place.server).await?;
        }
        let now = self.ports().clock.now();
        let is_scheduled = request.timing.send_at.is_some_and(|at| at > now);
        let (admitted, waiting, willing, reserved) = tokio::join!(
            self.admit_tenant(tenant),
            self.check_backlog(&session),
            self.check_willing(tenant, &to),
            async {
                if is_scheduled {
                    Ok((None, None))
                } else {
                    self.reserve_admission(&session, now).await
                }
            },
        );
        let (permit, quota) = reserved?;
        let waiting = match admitted.and(willing).and(waiting) {
            Ok(waiting) => waiting,
            Err(error) => {
                self.release(permit).await;
                return Err(error);
            }
        };
        let on_rate_limit = request.on_rate_limit.unwrap_or(session.on_rate_limit);
        if let (
            None,
            Some(QuotaState { quota, reset_after: retry_after, .. }),
            OnRateLimit::Reject,
        ) = (permit, quota, on_rate_limit)
        {
            return Err(GatewayError::RateLimited { quota, retry_after });
        }

        let distinct = self.distinct(&request, session.id, &to, now);
        let is_keyed = request.idempotency_key.is_some();
        let draft = Draft {
            drawn,
            tenant: session.tenant,
            session: session.id,
            from: session.own_address.clone(),
            to,
            content: request.content,
            priority: request.priority,
            metadata: request.metadata,
            batch: None,
            timing: request.timing,
            pii,
        };
        let insertion = Insertion { message: self.draft(draft), distinct };
        let inserted =
            self.ports().messages.insert_distinct(std::slice::from_ref(&insertion)).await;
        let message = insertion.message;
        match inserted {
            Ok(inserted) => {
                if let [Inserted::Repeats(first)] = inserted[..] {
                    self.release(permit).await;
                    return Err(GatewayError::DuplicateMessage { first });
                }
            }
            Err(StoreError::Conflict { .. }) if is_keyed => {
                self.release(permit).await;
                return self.kept_by_another(message).await;
            }
            Err(error) => {
                self.release(permit).await;
                self.observe(Observation::Fault { what: "store" });
                return Err(error.into());
            }
        }
        // The message is kept, whatever the queue and the limiter say.
        tokio::join!(self.enqueue(std::iter::once(&message)), self.settle(permit, now));
        self.observe(accepted(&message));
        let over_quota = permit.is_none().then_some(quota).flatten();
        // Of one that is stopped until further notice, when it would leave.
        let stopped_until = session.stopped_by(now).and_then(|suspension| suspension.until);
        let from = stopped_until.unwrap_or(now);
        let estimated_send_at = match over_quota {
            _ if is_scheduled => message.due_at,
            // What was accepted is about what was sent.
            Some(over_quota) if waiting == 0 => from.max(now.plus(over_quota.reset_after)),
            None if waiting == 0 => from,
            _ => self.estimate(session.id, waiting, from, now).await,
        };
        Ok(Accepted { message, estimated_send_at, quota, is_replay: false })
    }

    /// What the message must not repeat, where anything.
    fn distinct(
        &self,
        request: &SendRequest,
        session: SessionId,
        to: &Address,
        now: Timestamp,
    ) -> Option<Distinct> {
        let window = self.settings().duplicate_window;
        (!request.allow_duplicate && !window.is_zero()).then(|| Distinct {
            fingerprint: self.settings().pseudonyms.fingerprint(Fingerprint::of(
                session,
                to,
                &request.content,
            )),
            at: now,
            until: now.plus(window),
        })
    }

    /// Should the recipient opt out in this very moment, the worker finds it out.
    async fn check_willing(&self, tenant: TenantId, to: &Address) -> Result<(), GatewayError> {
        match self.is_to_be_refused(tenant, to).await? {
            true => Err(GatewayError::OptedOut),
            false => Ok(()),
        }
    }

    async fn release(&self, permit: Option<Permit>) {
        if let Some(permit) = permit {
            self.counted(self.ports().limiter.release(permit).await);
        }
    }

    async fn settle(&self, permit: Option<Permit>, at: Timestamp) {
        if let Some(permit) = permit {
            self.counted(self.ports().limiter.settle(permit, at).await);
        }
    }

    /// The right to have one more accepted for the session, if any, and what is left of its quota.
    /// Neither where the limiter cannot count: then the message waits for it, accepted.
    async fn reserve_admission(
        &self,
        session: &Session,
        now: Timestamp,
    ) -> Result<(Option<Permit>, Option<QuotaState>), GatewayError> {
        let quota = self.settings().session_quota;
        let key = RateKey::Admission(session.id);
        for _ in 0..PRIMINGS {
            let answer =
                self.ports().limiter.reserve(key, quota, now.plus(quota.window), now).await;
            match self.counted(answer) {
                Some(Reservation::Granted { permit, remaining }) => {
                    let state = QuotaState { quota, remaining, reset_after: quota.window };
                    return Ok((Some(permit), Some(state)));
                }
                Some(Reservation::Limited { retry_after }) => {
                    let state = QuotaState { quota, remaining: 0, reset_after: retry_after };
                    return Ok((None, Some(state)));
                }
                // Asked for nothing to be spaced.
                Some(Reservation::Spaced { .. }) | None => return Ok((None, None)),
                Some(Reservation::Unprimed { ticket }) => {
                    self.prime_admission(session, ticket, now).await?;
                }
            }
        }
        // It forgets faster than it is told.
        self.observe(Observation::Fault { what: "limiter" });
        Ok((None, None))
    }

    /// Tells a limiter that has forgotten a session, or never knew it, of the messages that were
    /// accepted for it: neither a restart of ours nor one of the limiter's gives the quota back.
    async fn prime_admission(
        &self,
        session: &Session,
        ticket: u64,
        now: Timestamp,
    ) -> Result<(), GatewayError> {
        let quota = self.settings().session_quota;
        let filter = MessageFilter {
            session: Some(session.id),
            direction: Some(Direction::Outbound),
            from: Some(now.minus(quota.window)),
            ..MessageFilter::default()
        };
        let mut accepted = Vec::new();
        let mut portion = Portion::Page { page: 1, limit: PRIMING_PORTION };
        loop {
            let page = self.ports().messages.list(session.tenant, &filter, portion).await?;
            // Bulk requests do not count, nor does what is scheduled.
            let single =
                page.messages.iter().filter(|message| message.batch.is_none() && !message.held);
            accepted.extend(single.map(|message| message.created_at));
            match page.messages.last() {
                Some(last) if page.has_more => {
                    portion = Portion::OlderThan { message: last.id, limit: PRIMING_PORTION };
                }
                _ => break,
            }
        }
        // The first of them had the permits; what came over the quota was asked to queue.
        let permits = usize::try_from(quota.limit).unwrap_or(usize::MAX);
        let counted: Vec<Timestamp> = accepted.into_iter().rev().take(permits).collect();
        // Where it cannot be told, it cannot be asked again either.
        let key = RateKey::Admission(session.id);
        self.counted(self.ports().limiter.prime(key, ticket, &counted).await);
        Ok(())
    }

    async fn check_request(
        &self,
        tenant: TenantId,
        request: &SendRequest,
    ) -> Result<(Address, Arc<Session>, PiiPolicy), GatewayError> {
        let to = self.check_message(request, Some(self.ports().clock.now()))?;
        let session = self.working_session(tenant, &request.session).await?;
        let pii = self.check_pii(tenant, &request.content).await?;
        Ok((to, session, pii))
    }

    /// Everything about a message that can be judged without asking anybody; its times by `now`,
    /// where they are to be judged.
    fn check_message(
        &self,
        request: &SendRequest,
        now: Option<Timestamp>,
    ) -> Result<Address, GatewayError> {
        let mut wrong = Vec::new();
        let to = validation::recipient("/to", &request.to, self.settings().phone_validation)
            .map_err(|field| wrong.push(field));
        wrong.extend(validation::content(&request.content, self.settings()));
        wrong.extend(validation::metadata(request.metadata.as_ref()));
        wrong.extend(now.into_iter().flat_map(|now| validation::timing(request.timing, now)));
        match to {
            Ok(to) if wrong.is_empty() => Ok(to),
            _ => Err(GatewayError::Invalid(wrong)),
        }
    }

    pub(super) async fn working_session(
        &self,
        tenant: TenantId,
        session: &SessionRef,
    ) -> Result<Arc<Session>, GatewayError> {
        let session = self.look_up(Asked::Own(tenant, session.clone())).await?;
        let session = session.ok_or(GatewayError::SessionNotFound)?;
        if session.status == SessionStatus::Working {
            return Ok(session);
        }
        Err(GatewayError::SessionNotWorking { status: session.status })
    }

    /// How many messages of the session wait, as far as the queue can tell, unless they are too
    /// many.
    pub(super) async fn check_backlog(&self, session: &Session) -> Result<u64, GatewayError> {
        let depth = self.queued(self.ports().queue.session_depth(session.id).await);
        let waiting = depth.unwrap_or_default();
        if waiting >= self.settings().max_waiting {
            return Err(GatewayError::QueueFull);
        }
        Ok(waiting)
    }

    pub(super) fn draft(&self, draft: Draft) -> Message {
        let (at, id) = draft.drawn;
        // Not the id's instant, which runs ahead of a clock that was set back.
        let now = self.ports().clock.now();
        let due_at = draft.timing.send_at.unwrap_or(now).max(now);
        Message {
            id: MessageId(id),
            tenant: draft.tenant,
            session: draft.session,
            batch: draft.batch,
            direction: Direction::Outbound,
            from: draft.from,
            alias: self.settings().pseudonyms.recipient(draft.session, &draft.to),
            sealed: None,
            to: Some(draft.to),
            redaction: pii::redaction(draft.pii, &draft.content),
            content: draft.content,
            priority: draft.priority,
            metadata: draft.metadata,
            status: Status::Queued,
            attempts: 0,
            generation: 0,
            held: due_at > now,
            due_at,
            expires_at: draft.timing.expires_at,
            failure: None,
            provider_message_id: None,
            created_at: at,
            updated_at: at,
            sent_at: None,
            delivered_at: None,
            read_at: None,
            failed_at: None,
        }
    }
}

/// What of a new message is not the same for all.
pub(super) struct Draft {
    /// Its id and the instant that it was drawn at.
    pub(super) drawn: (Timestamp, Uuid),
    pub(super) tenant: TenantId,
    pub(super) session: SessionId,
    pub(super) from: Option<Address>,
    pub(super) to: Address,
    pub(super) content: Content,
    pub(super) priority: Priority,
    pub(super) metadata: Option<serde_json::Value>,
    pub(super) batch: Option<BatchId>,
    pub(super) timing: Timing,
    /// What the tenant wants to become of personal data in it.
    pub(super) pii: PiiPolicy,
}

/// What there is to count about a message that was accepted or received.
pub(crate) fn accepted(message: &Message) -> Observation {
    let peer = match message.direction {
        Direction::Outbound => &message.to,
        Direction::Inbound => &message.from,
    };
    Observation::Accepted {
        direction: message.direction,
        kind: message.content.kind(),
        priority: message.priority,
        calling_code: peer.as_ref().and_then(|peer| peer.phone()?.calling_code()),
    }
}
