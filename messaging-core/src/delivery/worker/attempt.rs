//! What is done with one message that was handed out: gate, intend, send, settle.

use std::time::Duration;

use crate::delivery::PAUSE_AFTER_FAULT;
use crate::delivery::worker::{Next, Worker};
use crate::domain::breaker::Heard;
use crate::domain::failure::{Failure, FailureCode};
use crate::domain::id::ProviderMessageId;
use crate::domain::message::{ChangeOutcome, Message, MessageRef, QueueItem, StatusChange};
use crate::domain::quota::Quota;
use crate::domain::retry::NextStep;
use crate::domain::session::{Session, SessionStatus};
use crate::domain::status::{Status, StatusEvent};
use crate::domain::tenant::OnUnknown;
use crate::domain::timestamp::Timestamp;
use crate::domain::urgency::Lane;
use crate::gateway::breakers::{Passage, Passing};
use crate::gateway::cancel::moved;
use crate::gateway::directory::Asked;
use crate::gateway::error::GatewayError;
use crate::gateway::sessions::RECHECK_AFTER;
use crate::ports::observer::Observation;
use crate::ports::queue::{Claim, HeldBy};
use crate::ports::rate_limiter::{Permit, RateKey, Reservation};
use crate::ports::transport::{
    Envelope, Found, Later, LaterReason, Lookup, Preparation, Route, SendOutcome,
};

/// How soon an attempt must be begun, in the store, after the right to it was given: a limiter that loses
/// its counts is told of what was begun and of nothing else.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);

/// How old a right may be for an attempt to be begun with it: else it is asked for anew, which leaves
/// to the store what is left of [`BEGIN_WITHIN`].
const FRESH_FOR: Duration = Duration::from_secs(1);

/// How long to wait before the limiter is told again of a send that it could not be told of.
const SETTLE_AGAIN: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// How often a limiter that has forgotten a session is told of it before the session waits.
const PRIMINGS: usize = 3;

/// What an attempt is made with.
struct Attempt<'a> {
    session: &'a Session,
    passage: &'a Passage<'a>,
    envelope: Envelope<'a>,
    route: &'a Route,
    right: Right,
}

/// The right to send once, for a while.
#[derive(Clone, Copy)]
struct Right {
    permit: Permit,
    /// When it was asked for.
    asked: Timestamp,
    /// When the call must have begun for the permit to cover it.
    call_by: Timestamp,
}

/// How an attempt ends for the message.
struct End {
    event: StatusEvent,
    provider_message_id: Option<ProviderMessageId>,
    failure: Option<Failure>,
    due_at: Option<Timestamp>,
}

impl End {
    fn accepted(id: Option<ProviderMessageId>) -> Self {
        Self { event: StatusEvent::Accept, provider_message_id: id, failure: None, due_at: None }
    }

    fn expired() -> Self {
        Self { event: StatusEvent::Expire, ..Self::accepted(None) }
    }

    fn opted_out() -> Self {
        Self::failed(Failure::new(FailureCode::OptedOut))
    }

    fn failed(failure: Failure) -> Self {
        Self {
            event: StatusEvent::Fail,
            provider_message_id: None,
            failure: Some(failure),
            due_at: None,
        }
    }
}

impl Worker {
    /// Carries one message as far as it will go.
    pub(super) async fn attempt(&self, claim: &Claim) -> Result<Next, GatewayError> {
        let ports = self.gateway.ports();
        let id = [claim.item.message];
        let (loaded, behind) = tokio::join!(ports.messages.load(&id), ports.messages.behind(&id));
        let Some(message) = loaded?.pop() else { return Ok(Next::Done) };
        if let (true, Some((_, first))) = (message.status.is_waiting(), behind?.pop()) {
            return Ok(self.let_first(first).await);
        }
        let next = self.carry(&message, claim).await?;
        if let (Next::Done, Some(batch)) = (&next, message.batch) {
            self.gateway.refill_bulk(batch).await?;
        }
        Ok(next)
    }

    /// Tells the queue of a message that must leave before the one that was handed out: it has
    /// forgotten, or was never told.
    async fn let_first(&self, first: QueueItem) -> Next {
        let ports = self.gateway.ports();
        let first_in_lane = self.gateway.in_lanes(vec![first]).await;
        let told = self.gateway.queued(ports.queue.push(&first_in_lane).await);
        let now = ports.clock.now();
        let at = match told {
            Some(()) => now.max(first.due_at),
            None => now.plus(PAUSE_AFTER_FAULT),
        };
        Next::Again(at, HeldBy::Queue)
    }

    /// Gives back what was not used. Where that cannot be told, it counts as used.
    async fn release(&self, permit: Permit) {
        self.gateway.counted(self.gateway.ports().limiter.release(permit).await);
    }

    async fn carry(&self, message: &Message, claim: &Claim) -> Result<Next, GatewayError> {
        let ports = self.gateway.ports();
        let to_be_sent = matches!(message.status, Status::Queued | Status::Retry | Status::Sending);
        let Some(to) = message.to.as_ref().filter(|_| to_be_sent && !message.held) else {
            return Ok(Next::Done);
        };
        let now = ports.clock.now();
        if message.status.is_waiting() && message.expires_at.is_some_and(|at| at <= now) {
            return self.end(message, End::expired()).await;
        }
        if message.is_sealed() {
            // Another node may have the key, or this one once it begins anew.
            tracing::error!(message.id = %message.id, "message {} cannot be opened", message.id);
            self.gateway.observe(Observation::Fault { what: "key" });
            let again = now.plus(RECHECK_AFTER);
            let again = message.expires_at.map_or(again, |end| again.min(end));
            return Ok(Next::Again(again, HeldBy::Retry));
        }
        let Some(session) = self.gateway.look_up(Asked::Any(message.session)).await? else {
            let code = match message.status {
                Status::Sending => FailureCode::OutcomeUnknown,
                _ => FailureCode::SessionGone,
            };
            return self.end(message, End::failed(Failure::new(code))).await;
        };
        if session.status != SessionStatus::Working {
            return self.hold(session.id, HeldBy::Session, RECHECK_AFTER).await;
        }
        if let Some(suspension) = session.stopped_by(now) {
            // Should it be resumed by somebody who cannot tell the queue, that is seen then.
            let until = suspension.until.map_or(Duration::MAX, |until| until.since(now));
            let wait = until.min(RECHECK_AFTER);
            return self.hold(session.id, HeldBy::Suspended, wait).await;
        }
        if message.status != Status::Sending {
            if let Some(next) = self.hold_new_chat(message, &claim.item, &session).await? {
                return Ok(next);
            }
            if let Some(until) = self.spaced_until(claim.item.recipient) {
                return Ok(self.space_out(until));
            }
        }
        let passage = match self.gateway.pass(session.id, &session.place.server).await {
            Passing::Passed(passage) => passage,
            Passing::Held(until) => return self.hold_for_breaker(&session, until).await,
        };
        let envelope = Envelope { session: &session.place, to, content: &message.content };
        if message.status == Status::Sending {
            return self.take_up(message, &session, &passage, envelope).await;
        }
        let spacing = self.spacing(&session, claim.item.recipient);
        let (reserved, opted_out) = tokio::join!(
            self.reserve(&session, spacing),
            self.gateway.has_opted_out(message.tenant, to)
        );
        let right = match (reserved?, opted_out) {
            (Ok(right), Ok(false)) => right,
            (reserved, opted_out) => {
                if let Ok(right) = reserved {
                    self.release(right.permit).await;
                }
                return match (opted_out?, reserved) {
                    (false, Err(limited)) => Ok(limited),
                    _ => self.end(message, End::opted_out()).await,
                };
            }
        };
        match self.prepare(message, &passage, envelope).await {
            Preparation::Ready(route) => {
                if may_have_been_sent(message)
                    && let Some(next) =
                        self.look_again(message, &session, &passage, envelope, &route).await?
                {
                    self.release(right.permit).await;
                    return Ok(next);
                }
                let right = match self.renew(&session, right).await? {
                    Ok(right) => right,
                    Err(limited) => return Ok(limited),
                };
                let (session, passage, route) = (&session, &passage, &route);
                let attempt = Attempt { session, passage, envelope, route, right };
                self.send(message, attempt, claim).await
            }
            Preparation::Rejected(failure) => {
                self.release(right.permit).await;
                self.end(message, End::failed(failure)).await
            }
            Preparation::TryLater(later) => {
                self.release(right.permit).await;
                match later.reason {
                    LaterReason::Unreachable => self.hold_unreachable(&session).await,
                    LaterReason::SessionNotWorking => self.hold_disconnected(&session).await,
                    // It may be this recipient alone that the provider stumbles over, so it
                    // must come to an end some time: the attempt counts.
                    LaterReason::Overloaded
                    | LaterReason::Failed
                    | LaterReason::MediaUnavailable => self.put_off(message, &later, claim).await,
                }
            }
        }
    }

    /// Finds out how the message will go.
    async fn prepare(
        &self,
        message: &Message,
        passage: &Passage<'_>,
        envelope: Envelope<'_>,
    ) -> Preparation {
        let prepared = self.gateway.ports().transport.prepare(envelope).await;
        if let Preparation::TryLater(later) = &prepared {
            Self::hear_failure(passage, later.reason, message).await;
        }
        prepared
    }

    /// Looks whether a message was sent.
    async fn find_sent(
        &self,
        message: &Message,
        passage: &Passage<'_>,
        lookup: Lookup<'_>,
    ) -> Found {
        let found = self.gateway.ports().transport.find_sent(lookup).await;
        if let Found::TryLater(later) = &found {
            Self::hear_failure(passage, later.reason, message).await;
        }
        found
    }

    /// What a call came to that does not send. Its success tells nothing: a server whose sends all
    /// fail may well answer questions.
    async fn hear_failure(passage: &Passage<'_>, reason: LaterReason, message: &Message) {
        match heard(reason, message) {
            None | Some(Heard::Answer) => {}
            Some(failure) => passage.hear(failure).await,
        }
    }

    /// Tells the limiter that something was done. One that has lost its counts since may know it from
    /// nobody else, so one that cannot be told is told again.
    async fn settle_permit(&self, permit: Permit, at: Timestamp) {
        let limiter = &self.gateway.ports().limiter;
        for pause in SETTLE_AGAIN {
            if self.gateway.counted(limiter.settle(permit, at).await).is_some() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
        self.gateway.counted(limiter.settle(permit, at).await);
    }

    /// A right that was given a moment ago, or another in its place. The recipient is not counted again.
    async fn renew(
        &self,
        session: &Session,
        right: Right,
    ) -> Result<Result<Right, Next>, GatewayError> {
        if self.gateway.ports().clock.now() <= right.asked.plus(FRESH_FOR) {
            return Ok(Ok(right));
        }
        self.release(right.permit).await;
        self.reserve(session, None).await
    }

    /// The right to send once through the session, and to the recipient that `spacing` is for, or how
    /// long it must wait. Both at once: what its session's quota holds back must not be held back for
    /// having been counted as sent to its recipient as well, or less urgent messages leave first.
    async fn reserve(
        &self,
        session: &Session,
        spacing: Option<(RateKey, Quota)>,
    ) -> Result<Result<Right, Next>, GatewayError> {
        let ports = self.gateway.ports();
        let settings = self.gateway.settings();
        let Quota { limit, window } = settings.session_quota;
        let quota = Quota { limit, window: window + settings.clock_skew };
        let key = RateKey::Sending(session.id);
        for _ in 0..PRIMINGS {
            let now = ports.clock.now();
            // Whatever else becomes of the call, it is over by then, or not begun.
            let call_by = now.plus(BEGIN_WITHIN);
            let until = call_by.plus(ports.transport.longest_attempt());
            let answer = match spacing {
                Some(spacing) => {
                    ports.limiter.reserve_spaced(key, quota, spacing, until, now).await
                }
                None => ports.limiter.reserve(key, quota, until, now).await,
            };
            let Some(reservation) = self.gateway.counted(answer) else { break };
            match reservation {
                Reservation::Granted { permit, remaining } => {
                    let used = f64::from(limit.saturating_sub(remaining));
                    let share = used / f64::from(limit.max(1));
                    self.gateway.observe(Observation::QuotaUsed { share });
                    return Ok(Ok(Right { permit, asked: now, call_by }));
                }
                Reservation::Limited { retry_after } => {
                    self.gateway.observe(Observation::QuotaUsed { share: 1.0 });
                    return Ok(Err(self.hold(session.id, HeldBy::Rate, retry_after).await?));
                }
                Reservation::Spaced { retry_after } => {
                    return Ok(Err(self.space_out(now.plus(retry_after))));
                }
                Reservation::Unprimed { ticket } => self.prime(session.id, ticket).await?,
            }
        }
        // It cannot be asked, or forgets faster than it is told. Nothing is sent on a count that
        // may be wrong.
        Ok(Err(self.hold(session.id, HeldBy::Rate, PAUSE_AFTER_FAULT).await?))
    }

    /// Commits the attempt, makes it, and settles what came of it.
    async fn send(
        &self,
        message: &Message,
        attempt: Attempt<'_>,
        claim: &Claim,
    ) -> Result<Next, GatewayError> {
        let Attempt { session, passage, envelope, route, right } = attempt;
        let Right { permit, call_by, .. } = right;
        let ports = self.gateway.ports();
        let id = self.provider_id(message, route);
        let now = ports.clock.now();
        let Some(lease_until) = self.leases.lease_of(claim, now) else {
            self.release(permit).await;
            return Ok(Next::Again(now, HeldBy::Retry));
        };
        let begun = match self.begin(message, id.clone(), lease_until).await {
            Ok(Some(begun)) => begun,
            // Cancelled meanwhile, or another worker's.
            Ok(None) => {
                self.release(permit).await;
                return Ok(Next::Done);
            }
            Err(error) => {
                self.release(permit).await;
                return Err(error);
            }
        };
        let began = ports.clock.now();
        // Whoever slept since it was handed the message, in a process that was stopped or behind a
        // store that did not answer, may no longer be the only one that has it, and no longer have
        // the right to send.
        if began > call_by || self.leases.lease_of(claim, began).is_none() {
            self.release(permit).await;
            self.end_held(&begun, FailureCode::LeaseLost).await?;
            return Ok(Next::Again(began, HeldBy::Retry));
        }
        let outcome = ports.transport.send(envelope, route, id.as_ref()).await;
        let answered = ports.clock.now();
        self.gateway
            .observe(Observation::Attempt { outcome: name(&outcome), took: answered.since(began) });
        let reached_nobody = matches!(
            outcome,
            SendOutcome::TryLater(Later { reason: LaterReason::Unreachable, .. })
        );
        let counted = async {
            if reached_nobody {
                self.release(permit).await;
            } else {
                // Counted from the answer: whenever the request arrived, it was not later.
                // What was answered counts, whether or not the limiter can be told.
                self.settle_permit(permit, answered).await;
            }
        };
        let heard = match &outcome {
            SendOutcome::Accepted { .. } | SendOutcome::Rejected(_) => Some(Heard::Answer),
            SendOutcome::TryLater(later) => heard(later.reason, message),
            SendOutcome::Unknown => Some(Heard::Failure(message.id.0.as_u128())),
        };
        if let Some(heard) = heard {
            passage.hear(heard).await;
        }
        let lookup = Lookup { envelope, route, id: id.as_ref(), since: began };
        if !reached_nobody {
            let spacing = self.gateway.settings().recipient_spacing;
            if !spacing.is_zero() {
                self.answered.note(claim.item.recipient, answered, spacing);
            }
        }
        let opens = matches!(outcome, SendOutcome::Accepted { .. }) && claim.item.lane == Lane::New;
        let next =
            tokio::join!(self.settle(&begun, session, passage, outcome, lookup), counted).0?;
        if opens {
            self.gateway.chat_opened(session.id, claim.item.recipient).await;
        }
        Ok(next)
    }

    /// What came of an attempt.
    async fn settle(
        &self,
        begun: &Message,
        session: &Session,
        passage: &Passage<'_>,
        outcome: SendOutcome,
        lookup: Lookup<'_>,
    ) -> Result<Next, GatewayError> {
        match outcome {
            SendOutcome::Accepted { id: None } => {
                // It went out; but nobody tells of a message whose id is not known, nor that it failed.
                let id = match self.find_sent(begun, passage, lookup).await {
                    Found::Sent(id) => Some(id),
                    Found::Absent | Found::CannotTell | Found::TryLater(_) => None,
                };
                self.end(begun, End::accepted(id)).await
            }
            SendOutcome::Accepted { id } => self.end(begun, End::accepted(id)).await,
            SendOutcome::Rejected(failure) => {
                if failure.code == FailureCode::AccountRestricted {
                    self.gateway.new_chat_refused(session).await?;
                }
                self.end(begun, End::failed(failure)).await
            }
            SendOutcome::TryLater(later) => match later.reason {
                LaterReason::Unreachable => {
                    self.end_held(begun, FailureCode::ProviderUnreachable).await?;
                    self.hold_unreachable(session).await
                }
                LaterReason::SessionNotWorking => {
                    self.end_held(begun, FailureCode::SessionNotWorking).await?;
                    self.hold_disconnected(session).await
                }
                LaterReason::Overloaded | LaterReason::Failed | LaterReason::MediaUnavailable => {
                    self.end_later(begun, &later).await
                }
            },
            SendOutcome::Unknown => self.look_up(begun, session, passage, lookup).await,
        }
    }

    /// Takes up a message whose attempt somebody began and did not end: this process before it
    /// died, or a worker whose lease ran out.
    async fn take_up(
        &self,
        message: &Message,
        session: &Session,
        passage: &Passage<'_>,
        envelope: Envelope<'_>,
    ) -> Result<Next, GatewayError> {
        match self.prepare(message, passage, envelope).await {
            Preparation::Ready(route) => {
                let id = message.provider_message_id.as_ref();
                let since = message.updated_at;
                let lookup = Lookup { envelope, route: &route, id, since };
                self.look_up(message, session, passage, lookup).await
            }
            Preparation::Rejected(failure) => self.end(message, End::failed(failure)).await,
            Preparation::TryLater(later) => self.hold_for(session, later.reason).await,
        }
    }

    /// Decides about an attempt whose end is not known: found, it was sent; not found, it is
    /// repeated where a repeat with the same id cannot become a second message, or where the tenant
    /// wants it all the same, and else fails.
    async fn look_up(
        &self,
        message: &Message,
        session: &Session,
        passage: &Passage<'_>,
        lookup: Lookup<'_>,
    ) -> Result<Next, GatewayError> {
        let repeatable = lookup.route.takes_id && lookup.id.is_some();
        match self.find_sent(message, passage, lookup).await {
            Found::Sent(id) => self.end(message, End::accepted(Some(id))).await,
            Found::Absent | Found::CannotTell if repeatable => {
                self.end_retry(message, FailureCode::OutcomeUnknown, None).await
            }
            Found::Absent | Found::CannotTell => {
                let tenant = self.gateway.ports().tenants.find(session.tenant).await?;
                if tenant.is_some_and(|tenant| tenant.on_unknown == OnUnknown::Resend) {
                    return self.end_retry(message, FailureCode::OutcomeUnknown, None).await;
                }
                let failure = Failure::with_detail(
                    FailureCode::OutcomeUnknown,
                    "the message may have been sent; WAHA cannot tell",
                );
                self.end(message, End::failed(failure)).await
            }
            Found::TryLater(later) => self.hold_for(session, later.reason).await,
        }
    }

    /// Looks for an earlier attempt right before another, which may have arrived late; `None` where
    /// the message is to be sent.
    async fn look_again(
        &self,
        message: &Message,
        session: &Session,
        passage: &Passage<'_>,
        envelope: Envelope<'_>,
        route: &Route,
    ) -> Result<Option<Next>, GatewayError> {
        let id = message.provider_message_id.as_ref();
        let lookup = Lookup { envelope, route, id, since: message.created_at };
        match self.find_sent(message, passage, lookup).await {
            // Found by what it says: another may have said the same.
            Found::Sent(found) if id.is_none() && self.is_anothers(message, &found).await? => {
                Ok(None)
            }
            Found::Sent(id) => self.end(message, End::accepted(Some(id))).await.map(Some),
            Found::Absent | Found::CannotTell => Ok(None),
            Found::TryLater(later) => self.hold_for(session, later.reason).await.map(Some),
        }
    }

    /// Whether another message is known under this id.
    async fn is_anothers(
        &self,
        message: &Message,
        id: &ProviderMessageId,
    ) -> Result<bool, GatewayError> {
        let ids = std::slice::from_ref(id);
        let known = self.gateway.ports().messages.known_at_provider(message.session, ids).await?;
        Ok(known.iter().any(|known| known.id != message.id))
    }

    async fn hold_for(&self, session: &Session, reason: LaterReason) -> Result<Next, GatewayError> {
        match reason {
            LaterReason::SessionNotWorking => self.hold_disconnected(session).await,
            LaterReason::Unreachable
            | LaterReason::Overloaded
            | LaterReason::Failed
            | LaterReason::MediaUnavailable => self.hold_unreachable(session).await,
        }
    }

    /// Holds a session that the provider says is not connected, and learns what it is instead.
    async fn hold_disconnected(&self, session: &Session) -> Result<Next, GatewayError> {
        let id = session.id;
        // What the provider says now decides; should it not answer, the watch will ask again.
        match self.gateway.refresh_session(session.clone()).await {
            Ok(_) | Err(GatewayError::ProviderUnavailable) => {}
            Err(error) => return Err(error),
        }
        self.hold(id, HeldBy::Session, RECHECK_AFTER).await
    }

    /// The id to send under. The one of an earlier attempt is kept: should that attempt have
    /// arrived after all, this one becomes the same message. Not where it is known to have failed
    /// and is replayed: WhatsApp would take what it has seen under that id for the same again.
    fn provider_id(&self, message: &Message, route: &Route) -> Option<ProviderMessageId> {
        if !route.takes_id {
            return None;
        }
        let is_repeat = message.status == Status::Retry || is_unknown(message);
        let earlier = message.provider_message_id.clone().filter(|_| is_repeat);
        Some(earlier.unwrap_or_else(|| self.gateway.inner.ids.provider_message_id()))
    }

    /// Commits that an attempt begins; `None` where the message is not there to be sent any more.
    async fn begin(
        &self,
        message: &Message,
        id: Option<ProviderMessageId>,
        lease_until: Timestamp,
    ) -> Result<Option<Message>, GatewayError> {
        let outcomes = self.change(&[self.beginning(message, id, lease_until)]).await?;
        Ok(match outcomes.into_iter().next() {
            Some(ChangeOutcome::Moved { message, .. }) => Some(*message),
            _ => None,
        })
    }

    /// That an attempt begins.
    fn beginning(
        &self,
        message: &Message,
        id: Option<ProviderMessageId>,
        lease_until: Timestamp,
    ) -> StatusChange {
        let now = self.gateway.ports().clock.now();
        let mut change = StatusChange::new(MessageRef::Id(message.id), StatusEvent::Begin, now);
        change.generation = Some(message.generation);
        change.provider_message_id = id;
        // Should a queue forget that the message is being sent and be told of it again, it waits
        // for as long as it may still be this worker's.
        change.due_at = Some(lease_until);
        change
    }

    /// Has an attempt count that was over before anything was sent. Begun and ended at once: whoever
    /// found it begun would have to take it for one that may have been sent.
    async fn put_off(
        &self,
        message: &Message,
        later: &Later,
        claim: &Claim,
    ) -> Result<Next, GatewayError> {
        let begins = self.beginning(message, None, claim.lease_until);
        let end = self.not_now(message.attempts + 1, code_of(later.reason), later.after);
        let next = next_after(&end);
        let ends =
            StatusChange { generation: Some(message.generation + 1), ..self.ending(message, end) };
        match self.change(&[begins, ends]).await?.first() {
            Some(ChangeOutcome::Moved { .. }) => Ok(next),
            _ => Ok(Next::Done),
        }
    }

    /// Ends an attempt that reached nobody and does not count.
    async fn end_held(&self, begun: &Message, code: FailureCode) -> Result<(), GatewayError> {
        let now = self.gateway.ports().clock.now();
        let end = End {
            event: StatusEvent::Hold,
            provider_message_id: None,
            failure: Some(Failure::new(code)),
            due_at: Some(now),
        };
        self.end(begun, end).await.map(|_| ())
    }

    /// Ends an attempt that did not succeed and may be repeated.
    async fn end_later(&self, begun: &Message, later: &Later) -> Result<Next, GatewayError> {
        self.end_retry(begun, code_of(later.reason), later.after).await
    }

    /// Puts a message back for its next attempt, or fails it after its last.
    async fn end_retry(
        &self,
        begun: &Message,
        code: FailureCode,
        asked: Option<Duration>,
    ) -> Result<Next, GatewayError> {
        self.end(begun, self.not_now(begun.attempts, code, asked)).await
    }

    /// How the last of so many attempts ends that did not succeed.
    fn not_now(&self, attempts: u32, code: FailureCode, asked: Option<Duration>) -> End {
        let ports = self.gateway.ports();
        let drawn = ports.entropy.next_unit();
        let failure = Failure::new(code);
        match self.gateway.settings().retry.after_attempt(attempts, drawn, asked) {
            NextStep::GiveUp => End::failed(failure),
            NextStep::RetryAfter(wait) => End {
                event: StatusEvent::Defer,
                provider_message_id: None,
                failure: Some(failure),
                due_at: Some(ports.clock.now().plus(wait)),
            },
        }
    }

    /// Ends an attempt. Only one that is put back so is to be tried again: an ack may have been faster.
    async fn end(&self, message: &Message, end: End) -> Result<Next, GatewayError> {
        let next = next_after(&end);
        match self.change(&[self.ending(message, end)]).await?.first() {
            Some(ChangeOutcome::Moved { .. }) => return Ok(next),
            Some(ChangeOutcome::Refused(status)) => tracing::warn!(
                message.id = %message.id,
                message.status = %status,
                "the end of an attempt of message {} came too late", message.id
            ),
            _ => {}
        }
        Ok(Next::Done)
    }

    /// That an attempt ends so.
    fn ending(&self, message: &Message, end: End) -> StatusChange {
        let now = self.gateway.ports().clock.now();
        let mut change = StatusChange::new(MessageRef::Id(message.id), end.event, now);
        change.generation = Some(message.generation);
        change.provider_message_id = end.provider_message_id;
        change.failure = end.failure.map(|failure| failure.after(message.failure.as_ref()));
        change.due_at = end.due_at;
        change
    }

    /// Makes changes to one message, all or none.
    async fn change(&self, changes: &[StatusChange]) -> Result<Vec<ChangeOutcome>, GatewayError> {
        let outcomes = self.gateway.ports().messages.change(changes).await?;
        for outcome in &outcomes {
            let ChangeOutcome::Moved { from, message } = outcome else { continue };
            tracing::info!(
                message.id = %message.id,
                message.status = %message.status,
                message.attempts = message.attempts,
                failure.code = message.failure.as_ref().map(|failure| failure.code.as_str()),
                "message {} is {}", message.id, message.status
            );
            self.gateway.observe(moved(*from, message));
        }
        Ok(outcomes)
    }
}

/// What becomes of the claim of a message whose attempt ends so.
fn next_after(end: &End) -> Next {
    match (end.event, end.due_at) {
        (StatusEvent::Defer, Some(due_at)) => Next::Again(due_at, HeldBy::Retry),
        _ => Next::Done,
    }
}

/// What a message that was put off is said to wait for.
fn code_of(reason: LaterReason) -> FailureCode {
    match reason {
        LaterReason::Overloaded => FailureCode::ProviderOverloaded,
        LaterReason::Unreachable => FailureCode::ProviderUnreachable,
        LaterReason::SessionNotWorking => FailureCode::SessionNotWorking,
        LaterReason::Failed => FailureCode::ProviderError,
        LaterReason::MediaUnavailable => FailureCode::MediaUnavailable,
    }
}

/// What a server that puts a message off has told of itself; nothing, where it was not called.
fn heard(reason: LaterReason, message: &Message) -> Option<Heard> {
    match reason {
        LaterReason::Unreachable => Some(Heard::Silence),
        LaterReason::Failed => Some(Heard::Failure(message.id.0.as_u128())),
        LaterReason::SessionNotWorking | LaterReason::Overloaded => Some(Heard::Answer),
        LaterReason::MediaUnavailable => None,
    }
}

/// Whether an earlier attempt, of whose end nobody knows, may have been the one.
fn may_have_been_sent(message: &Message) -> bool {
    // Without an id only one that is sent again because its tenant wants that, and that is in retry.
    let is_found = message.provider_message_id.is_some() || message.status == Status::Retry;
    is_found && is_unknown(message)
}

fn is_unknown(message: &Message) -> bool {
    message.failure.as_ref().is_some_and(Failure::is_unknown)
}

fn name(outcome: &SendOutcome) -> &'static str {
    match outcome {
        SendOutcome::Accepted { .. } => "accepted",
        SendOutcome::Rejected(_) => "rejected",
        SendOutcome::TryLater(_) => "try_later",
        SendOutcome::Unknown => "unknown",
    }
}
