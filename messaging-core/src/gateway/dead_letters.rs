//! What becomes of messages that failed: they are tried again, or left so.

use crate::domain::filter::{MAX_PAGE_LIMIT, MessageFilter, Portion};
use crate::domain::id::{MessageId, TenantId};
use crate::domain::message::{ChangeOutcome, Message, MessageRef, StatusChange};
use crate::domain::status::{Status, StatusEvent};
use crate::gateway::cancel::moved;
use crate::gateway::error::GatewayError;
use crate::gateway::{Gateway, SessionRef};

/// The most failed messages that one call tries again or discards.
pub const MAX_DEAD_LETTERS: u32 = 1000;

/// How many pages one call reads at the most: the last one of a list is seldom full.
const MOST_ROUNDS: u32 = 2 * MAX_DEAD_LETTERS / MAX_PAGE_LIMIT;

/// Failed messages of one tenant.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    /// Through this session; takes the place of the filter's own.
    pub session: Option<SessionRef>,
    /// What must hold. Its status is ignored.
    pub filter: MessageFilter,
    /// How many at the most: 1 to [`MAX_DEAD_LETTERS`]. Those accepted first go first.
    pub limit: u32,
}

/// How far a call came that moved failed messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// How many it moved.
    pub count: u32,
    /// How many there still are that the filter lets through.
    pub remaining: u64,
}

impl Gateway {
    /// Queues a failed message again, with all its attempts before it. It leaves behind what was
    /// accepted after it only where that has left already: its place is that of its acceptance.
    ///
    /// # Errors
    /// - [`GatewayError::MessageNotFound`], also for another tenant's.
    /// - [`GatewayError::WrongStatus`] where it has not failed, or was erased since.
    /// - [`GatewayError::OptedOut`] where its recipient wants no messages by now.
    pub async fn replay(&self, tenant: TenantId, id: MessageId) -> Result<Message, GatewayError> {
        // One that opts out in this very moment the worker finds out, and what many dead letters
        // bring.
        let (found, _) = self.find_message(tenant, id).await?;
        if let (Status::Failed, Some(to)) = (found.status, &found.to)
            && self.has_opted_out(tenant, to).await?
        {
            return Err(GatewayError::OptedOut);
        }
        let message = self.change_owned(tenant, id, StatusEvent::Replay, "replayed").await?;
        self.enqueue(std::iter::once(&message)).await;
        Ok(self.shown_done(message).await)
    }

    /// Leaves a failed message as it is: it is `discarded`, and no dead letter any more.
    ///
    /// # Errors
    /// As [`replay`](Self::replay).
    pub async fn discard(&self, tenant: TenantId, id: MessageId) -> Result<Message, GatewayError> {
        let message = self.change_owned(tenant, id, StatusEvent::Discard, "discarded").await?;
        Ok(self.shown_done(message).await)
    }

    /// Queues many failed messages again. What has been queued stays so where a later part of the
    /// call fails: to ask again goes on from there.
    ///
    /// # Errors
    /// As [`list_messages`](Self::list_messages), and [`GatewayError::Invalid`] for the limit.
    pub async fn replay_many(
        &self,
        tenant: TenantId,
        which: DeadLetters,
    ) -> Result<Moved, GatewayError> {
        self.move_many(tenant, which, StatusEvent::Replay).await
    }

    /// Discards many failed messages, as [`replay_many`](Self::replay_many) queues them.
    ///
    /// # Errors
    /// As [`replay_many`](Self::replay_many).
    pub async fn discard_many(
        &self,
        tenant: TenantId,
        which: DeadLetters,
    ) -> Result<Moved, GatewayError> {
        self.move_many(tenant, which, StatusEvent::Discard).await
    }

    async fn move_many(
        &self,
        tenant: TenantId,
        which: DeadLetters,
        event: StatusEvent,
    ) -> Result<Moved, GatewayError> {
        let DeadLetters { session, filter, limit } = which;
        if !(1..=MAX_DEAD_LETTERS).contains(&limit) {
            let detail = format!("must lie within 1 and {MAX_DEAD_LETTERS}");
            return Err(GatewayError::invalid("/limit", detail));
        }
        let filter = MessageFilter { status: Some(Status::Failed), ..filter };
        let list = |portion| self.list_messages(tenant, session.as_ref(), filter.clone(), portion);
        let mut remaining = list(Portion::Page { page: 1, limit: 1 }).await?.total;
        let (mut count, mut passed) = (0, 0);
        // Lists begin with the newest, so this begins with their last page. Where others move the
        // same messages a page may have none; nobody is kept here for that. Pages of which none can be
        // moved are passed over.
        for _ in 0..MOST_ROUNDS {
            let last = remaining.div_ceil(u64::from(MAX_PAGE_LIMIT));
            if count == limit || last <= passed {
                break;
            }
            let page = u32::try_from(last - passed).unwrap_or(u32::MAX);
            let found = list(Portion::Page { page, limit: MAX_PAGE_LIMIT }).await?;
            let ids = found.messages.iter().rev().map(|message| message.id);
            let oldest: Vec<_> = ids.take((limit - count) as usize).collect();
            let moved = self.move_failed(tenant, &oldest, event).await?;
            count += moved;
            passed += u64::from(moved == 0 && !oldest.is_empty());
            remaining = found.total.saturating_sub(moved.into());
        }
        Ok(Moved { count, remaining })
    }

    /// Moves those of these that have failed. Gives how many.
    async fn move_failed(
        &self,
        tenant: TenantId,
        ids: &[MessageId],
        event: StatusEvent,
    ) -> Result<u32, GatewayError> {
        let now = self.ports().clock.now();
        let changes: Vec<_> = ids
            .iter()
            .map(|id| StatusChange {
                due_at: Some(now),
                ..StatusChange::new(MessageRef::Owned(tenant, *id), event, now)
            })
            .collect();
        let mut queued = Vec::new();
        let mut count = 0;
        for outcome in self.ports().messages.change(&changes).await? {
            if let ChangeOutcome::Moved { from, message } = outcome {
                self.observe(moved(from, &message));
                count += 1;
                if message.status.is_waiting() {
                    queued.push(*message);
                }
            }
        }
        self.enqueue(queued.iter()).await;
        Ok(count)
    }
}
