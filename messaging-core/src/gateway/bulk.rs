//! Accepting one text for many recipients, following it, taking it back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::address::Address;
use crate::domain::batch::{Batch, BatchProgress, MAX_BATCH_SIZE, MAX_RECIPIENTS};
use crate::domain::content::Content;
use crate::domain::fingerprint::{Fingerprinter, RequestHash};
use crate::domain::id::{BatchId, SessionId, TenantId, instant_of_v7};
use crate::domain::idempotency::{IdempotencyKey, Operation};
use crate::domain::message::Priority;
use crate::domain::pii::{self, PiiPolicy};
use crate::domain::portion::{Page, PortionBy};
use crate::domain::template::Template;
use crate::domain::timestamp::Timestamp;
use crate::gateway::error::{GatewayError, InvalidField};
use crate::gateway::once;
use crate::gateway::send::{Draft, Timing, accepted};
use crate::gateway::{Gateway, SessionRef, Settings, query, validation};
use crate::ports::observer::Observation;
use crate::ports::store_error::StoreError;

/// How many recipients are looked at before others get their turn.
const AT_A_TIME: usize = 64;

/// One content for many recipients.
#[derive(Debug, Clone)]
pub struct BulkRequest {
    /// Through which of the tenant's sessions.
    pub session: SessionRef,
    /// To whom, one message each, in this order; 1 to 10 000. A recipient named twice is refused
    /// the second time.
    pub recipients: Vec<BulkRecipient>,
    /// What. Its text may name [variables](crate::domain::template::Template) of the recipients.
    pub content: Content,
    /// How many of these messages may be in the queue at a time, 1 to 100.
    pub batch_size: u32,
    /// What leaves first.
    pub priority: Priority,
    /// The caller's own data, an object, put on every message.
    pub metadata: Option<serde_json::Value>,
    /// When, at the earliest and at the latest.
    pub timing: Timing,
    /// What the caller names the request by, so that it can be repeated without sending twice.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl BulkRequest {
    /// Stands for all of it but its key.
    fn hash(&self) -> RequestHash {
        let Self {
            session,
            recipients,
            content,
            batch_size,
            priority,
            metadata,
            timing,
            idempotency_key: _,
        } = self;
        let recipients: Vec<_> =
            recipients.iter().map(|each| (&each.to, &each.variables)).collect();
        let read = Fingerprinter::default()
            .session(session)
            .value(&recipients)
            .content(content)
            .value(batch_size)
            .text(priority.as_str())
            .value(metadata)
            .value(&(timing.send_at, timing.expires_at));
        RequestHash(read.finish())
    }
}

/// One of many, and what is said to it alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BulkRecipient {
    /// A number in international form, or a chat id as an inbound message names it.
    pub to: String,
    /// What the names in the text stand for.
    pub variables: BTreeMap<String, String>,
}

impl std::fmt::Debug for BulkRecipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BulkRecipient(hidden)")
    }
}

impl From<&str> for BulkRecipient {
    /// One to whom the text says nothing of its own.
    fn from(to: &str) -> Self {
        Self { to: to.to_owned(), variables: BTreeMap::new() }
    }
}

/// A bulk request that was accepted, in whole or in part.
#[derive(Debug, Clone)]
pub struct BulkAccepted {
    /// The request; its messages are on durable storage.
    pub batch: Batch,
    /// The recipients that were refused, in the order of the request.
    pub rejected: Vec<RejectedRecipient>,
    /// Whether the request was done before, and this says again what was answered then.
    pub is_replay: bool,
}

/// What of an answer does not follow from its request.
#[derive(Serialize, Deserialize)]
struct Answer {
    id: BatchId,
    session: SessionId,
    accepted: u32,
    rejected: Vec<Rejection>,
}

/// A recipient that was refused, but for what the request has of it.
#[derive(Serialize, Deserialize)]
struct Rejection {
    index: usize,
    code: String,
    detail: String,
}

impl Answer {
    fn of(accepted: &BulkAccepted) -> Self {
        let rejected = accepted.rejected.iter().map(|each| Rejection {
            index: each.index,
            code: each.code.clone().into_owned(),
            detail: each.detail.clone(),
        });
        Self {
            id: accepted.batch.id,
            session: accepted.batch.session,
            accepted: accepted.batch.accepted,
            rejected: rejected.collect(),
        }
    }
}

/// A recipient of a bulk request that was refused.
#[derive(Clone, PartialEq, Eq)]
pub struct RejectedRecipient {
    /// Where in the request, from 0.
    pub index: usize,
    /// As the request has it.
    pub to: String,
    /// Why: `invalid-phone`, `invalid-request`, `duplicate-recipient`, `missing-variable`,
    /// `message-too-long` once its variables are filled in, or `opted-out`.
    pub code: Cow<'static, str>,
    /// Why, for people.
    pub detail: String,
}

impl std::fmt::Debug for RejectedRecipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RejectedRecipient")
            .field("index", &self.index)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// Whom a message goes to, and what it says.
type Told = (Address, Content);

/// Who of a request is sent to, and who is not.
type Checked = (Vec<Told>, Vec<RejectedRecipient>);

impl Gateway {
    /// Accepts a message for each recipient that can be sent to, and lists the others. They are
    /// paced by the session's quota, never refused for it.
    ///
    /// # Errors
    /// As [`Gateway::send`], except for the session's quota; [`GatewayError::Invalid`] of
    /// `/recipients` where not one of them can be sent to.
    pub async fn send_bulk(
        &self,
        tenant: TenantId,
        request: BulkRequest,
    ) -> Result<BulkAccepted, GatewayError> {
        let result = self.send_bulk_once(tenant, request).await;
        if let Err(error) = &result {
            self.observe(Observation::Refused { code: error.code() });
        }
        result
    }

    async fn send_bulk_once(
        &self,
        tenant: TenantId,
        request: BulkRequest,
    ) -> Result<BulkAccepted, GatewayError> {
        self.check_clock()?;
        let drawn = self.inner.ids.draw();
        let Some(key) = &request.idempotency_key else {
            return self.try_send_bulk(tenant, &request, drawn).await;
        };
        let (operation, hash) =
            (Operation::SendBulk, self.settings().pseudonyms.request(request.hash()));
        let turn = match self.take_turn(tenant, operation, key, hash, drawn.1).await? {
            once::Asked::Anew(turn) => turn,
            once::Asked::Before(answer) => return Ok(answer_again(tenant, &request, answer)),
        };
        let ended = match &turn {
            once::Turn::First(_) => self.try_send_bulk(tenant, &request, drawn).await,
            once::Turn::Again(_) => {
                self.send_what_is_left_of(tenant, &request, turn.subject()).await
            }
        };
        self.end_turn(&turn, &ended, Answer::of).await;
        ended
    }

    /// Takes over from somebody who may have come to the end.
    async fn send_what_is_left_of(
        &self,
        tenant: TenantId,
        request: &BulkRequest,
        subject: Uuid,
    ) -> Result<BulkAccepted, GatewayError> {
        match self.ports().messages.find_batch(tenant, BatchId(subject)).await? {
            Some(kept) => self.bulk_kept_by_another(request, kept.batch).await,
            None => self.try_send_bulk(tenant, request, (instant_of_v7(subject), subject)).await,
        }
    }

    /// Answers for somebody who kept the request under the same key. Where he did not come to telling
    /// the queue, `Recovery` does.
    async fn bulk_kept_by_another(
        &self,
        request: &BulkRequest,
        batch: Batch,
    ) -> Result<BulkAccepted, GatewayError> {
        let refuses_pii = self.pii_policy(batch.tenant).await? == PiiPolicy::Refuse;
        let accepted_at = Some(batch.created_at);
        let check = |refuses| self.check_bulk(batch.tenant, request, accepted_at, refuses);
        let mut checked = check(refuses_pii).await;
        // What the tenant wanted then may not be what it wants now: how many were refused tells.
        let is_as_then = |checked: &Checked| checked.1.len() as u64 == u64::from(batch.rejected);
        if !checked.as_ref().is_ok_and(is_as_then)
            && let Ok(otherwise) = check(!refuses_pii).await
            && (is_as_then(&otherwise) || checked.is_err())
        {
            checked = Ok(otherwise);
        }
        let (_, rejected) = checked?;
        Ok(BulkAccepted { batch, rejected, is_replay: true })
    }

    async fn try_send_bulk(
        &self,
        tenant: TenantId,
        request: &BulkRequest,
        (created_at, id): (Timestamp, Uuid),
    ) -> Result<BulkAccepted, GatewayError> {
        self.admit_tenant(tenant).await?;
        let pii = self.pii_policy(tenant).await?;
        let refuses_pii = pii == PiiPolicy::Refuse;
        let (recipients, rejected) = self.check_bulk(tenant, request, None, refuses_pii).await?;
        let session = self.working_session(tenant, &request.session).await?;
        self.check_backlog(&session).await?;

        let batch = Batch {
            id: BatchId(id),
            tenant,
            session: session.id,
            batch_size: request.batch_size,
            accepted: u32::try_from(recipients.len()).unwrap_or(u32::MAX),
            rejected: u32::try_from(rejected.len()).unwrap_or(u32::MAX),
            send_at: request.timing.send_at,
            suspension: None,
            created_at,
            cancelled_at: None,
        };
        let lets_in = batch.lets_in(self.ports().clock.now());
        let mut messages = Vec::with_capacity(recipients.len());
        for (to, content) in recipients {
            let mut message = self.draft(Draft {
                drawn: self.inner.ids.draw(),
                tenant,
                session: session.id,
                from: session.own_address.clone(),
                to,
                content,
                priority: request.priority,
                metadata: request.metadata.clone(),
                batch: Some(batch.id),
                timing: request.timing,
                pii,
            });
            message.held = !lets_in || messages.len() >= request.batch_size as usize;
            messages.push(message);
        }
        match self.ports().messages.insert_batch(&batch, &messages).await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) if request.idempotency_key.is_some() => {
                let kept = self.find_bulk(tenant, batch.id).await?;
                return self.bulk_kept_by_another(request, kept.batch).await;
            }
            Err(error) => {
                self.observe(Observation::Fault { what: "store" });
                return Err(error.into());
            }
        }
        self.enqueue(messages.iter()).await;
        for message in &messages {
            self.observe(accepted(message));
        }
        Ok(BulkAccepted { batch, rejected, is_replay: false })
    }

    /// Who of a request is sent to, and who is not; of one that was accepted before, as it was then.
    async fn check_bulk(
        &self,
        tenant: TenantId,
        request: &BulkRequest,
        accepted_at: Option<Timestamp>,
        refuses_pii: bool,
    ) -> Result<Checked, GatewayError> {
        let invalid = |pointer, detail| InvalidField::new(pointer, "invalid-request", detail);
        let mut wrong = validation::content(&request.content, self.settings());
        wrong.extend(validation::metadata(request.metadata.as_ref()));
        if accepted_at.is_none() {
            wrong.extend(validation::timing(request.timing, self.ports().clock.now()));
        }
        if !(1..=MAX_BATCH_SIZE).contains(&request.batch_size) {
            wrong.push(invalid("/batchSize", format!("must lie within 1 and {MAX_BATCH_SIZE}")));
        }
        if !(1..=MAX_RECIPIENTS).contains(&request.recipients.len()) {
            let detail = format!("must name 1 to {MAX_RECIPIENTS} recipients");
            wrong.push(invalid("/recipients", detail));
        }
        if !wrong.is_empty() {
            return Err(GatewayError::Invalid(wrong));
        }

        let mut seen = std::collections::HashSet::new();
        let (mut good, mut rejected) = (Vec::new(), Vec::new());
        let body = Template::of(&request.content.body);
        for (index, recipient) in request.recipients.iter().enumerate() {
            if index % AT_A_TIME == AT_A_TIME - 1 {
                tokio::task::yield_now().await;
            }
            let pointer = format!("/recipients/{index}");
            let to = &recipient.to;
            let read = validation::recipient(&pointer, to, self.settings().phone_validation);
            let read = read.and_then(|address| {
                let content = filled(
                    &pointer,
                    &body,
                    &request.content,
                    &recipient.variables,
                    self.settings(),
                )?;
                if refuses_pii {
                    check_pii(&pointer, &content)?;
                }
                if !seen.insert(address.line()) {
                    let detail = "is named before in the same request";
                    return Err(InvalidField::new(&pointer, "duplicate-recipient", detail));
                }
                Ok((address, content))
            });
            match read {
                Ok(recipient) => good.push((index, recipient)),
                Err(refusal) => rejected.push((index, refusal)),
            }
        }
        let addresses: Vec<_> = good.iter().map(|(_, (to, _))| to.clone()).collect();
        let opted_out = self.who_opted_out(tenant, &addresses, accepted_at).await?;
        let mut willing = Vec::with_capacity(good.len());
        for ((index, recipient), opted_out) in good.into_iter().zip(opted_out) {
            if opted_out {
                let pointer = format!("/recipients/{index}");
                let refusal = InvalidField::new(&pointer, "opted-out", "has opted out");
                rejected.push((index, refusal));
            } else {
                willing.push(recipient);
            }
        }
        rejected.sort_by_key(|(index, _)| *index);
        let good = willing;
        if good.is_empty() {
            let fields = rejected.into_iter().map(|(_, refusal)| refusal).take(100).collect();
            return Err(GatewayError::Invalid(fields));
        }
        let rejected = rejected.into_iter().map(|(index, refusal)| RejectedRecipient {
            index,
            to: request.recipients[index].to.clone(),
            code: refusal.code.into(),
            detail: refusal.detail,
        });
        Ok((good, rejected.collect()))
    }

    /// How far a bulk request has come.
    ///
    /// # Errors
    /// [`GatewayError::BatchNotFound`], also for another tenant's.
    pub async fn find_bulk(
        &self,
        tenant: TenantId,
        id: BatchId,
    ) -> Result<BatchProgress, GatewayError> {
        let found = self.ports().messages.find_batch(tenant, id).await?;
        found.ok_or(GatewayError::BatchNotFound)
    }

    /// A tenant's bulk requests, newest first.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`], whose pointers are the names of the query's parameters.
    pub async fn list_bulks(
        &self,
        tenant: TenantId,
        portion: PortionBy<BatchId>,
    ) -> Result<Page<BatchProgress>, GatewayError> {
        query::check_portion(portion.page(), portion.limit())?;
        Ok(self.ports().messages.batches(tenant, portion).await?)
    }

    /// Cancels what of a bulk request still waits. What is under way goes on.
    ///
    /// # Errors
    /// [`GatewayError::BatchNotFound`], also for another tenant's.
    pub async fn cancel_bulk(
        &self,
        tenant: TenantId,
        id: BatchId,
    ) -> Result<BatchProgress, GatewayError> {
        let now = self.ports().clock.now();
        let cancelled = self.ports().messages.cancel_batch(tenant, id, now).await?;
        let cancelled = cancelled.ok_or(GatewayError::BatchNotFound)?;
        let progress = self.find_bulk(tenant, id).await?;
        // The worker would find each cancelled too; this only spares it the look.
        self.queued(self.ports().queue.forget(progress.batch.session, &cancelled).await);
        Ok(progress)
    }

    /// Lets in as many of a bulk request's messages as it has room for.
    pub(crate) async fn refill_bulk(&self, batch: BatchId) -> Result<usize, GatewayError> {
        let now = self.ports().clock.now();
        let released = self.ports().messages.release_from_batch(batch, now).await?;
        let count = released.len();
        self.tell_queue(released).await;
        Ok(count)
    }
}

/// Refuses what is said to one recipient where it has personal data in it.
fn check_pii(pointer: &str, content: &Content) -> Result<(), InvalidField> {
    let kinds = pii::kinds_in(content);
    if kinds.is_empty() {
        return Ok(());
    }
    let detail = GatewayError::PiiRefused { kinds }.to_string();
    Err(InvalidField::new(pointer, "pii-refused", detail))
}

/// What is said to one recipient.
fn filled(
    pointer: &str,
    body: &Template<'_>,
    content: &Content,
    variables: &BTreeMap<String, String>,
    settings: &Settings,
) -> Result<Content, InvalidField> {
    let body = body
        .fill(variables)
        .map_err(|error| InvalidField::new(pointer, "missing-variable", error.to_string()))?;
    let content = Content { body, attachment: content.attachment.clone() };
    match validation::content(&content, settings).into_iter().next() {
        None => Ok(content),
        Some(wrong) => {
            let detail = format!("its text {}", wrong.detail);
            Err(InvalidField::new(pointer, wrong.code, detail))
        }
    }
}

/// What was answered when the request was done, whatever became of its messages since.
fn answer_again(tenant: TenantId, request: &BulkRequest, answer: Answer) -> BulkAccepted {
    let to = |index: usize| {
        request.recipients.get(index).map(|recipient| recipient.to.clone()).unwrap_or_default()
    };
    let rejected = answer.rejected.into_iter().map(|Rejection { index, code, detail }| {
        RejectedRecipient { index, to: to(index), code: code.into(), detail }
    });
    let rejected: Vec<_> = rejected.collect();
    let batch = Batch {
        id: answer.id,
        tenant,
        session: answer.session,
        batch_size: request.batch_size,
        accepted: answer.accepted,
        rejected: u32::try_from(rejected.len()).unwrap_or(u32::MAX),
        send_at: request.timing.send_at,
        suspension: None,
        created_at: instant_of_v7(answer.id.0),
        cancelled_at: None,
    };
    BulkAccepted { batch, rejected, is_replay: true }
}
