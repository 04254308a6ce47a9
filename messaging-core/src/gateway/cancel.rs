//! Taking a message back before it is sent.

use crate::domain::id::{MessageId, TenantId};
use crate::domain::message::{ChangeOutcome, Message, MessageRef, StatusChange};
use crate::domain::status::StatusEvent;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::ports::observer::Observation;

impl Gateway {
    /// Cancels a message that waits. Gives the message as it stands then.
    ///
    /// # Errors
    /// - [`GatewayError::MessageNotFound`], also for another tenant's.
    /// - [`GatewayError::WrongStatus`] where it does not wait any more.
    pub async fn cancel(&self, tenant: TenantId, id: MessageId) -> Result<Message, GatewayError> {
        let message = self.change_owned(tenant, id, StatusEvent::Cancel, "cancelled").await?;
        self.queued(self.ports().queue.forget(message.session, &[id]).await);
        // It is taken back, whatever becomes of those that it made room for: recovery lets them in.
        if let Some(batch) = message.batch
            && let Err(error) = self.refill_bulk(batch).await
        {
            tracing::warn!(%error, message.id = %id, "what message {id} made room for waits");
            self.observe(Observation::Fault { what: "store" });
        }
        Ok(self.shown_done(message).await)
    }

    /// Makes one change in a tenant's name, to one of its own messages.
    pub(super) async fn change_owned(
        &self,
        tenant: TenantId,
        id: MessageId,
        event: StatusEvent,
        wanted: &'static str,
    ) -> Result<Message, GatewayError> {
        let now = self.ports().clock.now();
        let mut change = StatusChange::new(MessageRef::Owned(tenant, id), event, now);
        change.due_at = Some(now);
        let outcomes = self.ports().messages.change(&[change]).await?;
        match outcomes.into_iter().next() {
            Some(ChangeOutcome::Moved { from, message }) => {
                self.observe(moved(from, &message));
                Ok(*message)
            }
            Some(ChangeOutcome::Refused(status)) => {
                Err(GatewayError::WrongStatus { status, wanted })
            }
            // None of these events is ever only kept.
            Some(ChangeOutcome::Kept | ChangeOutcome::NotFound) | None => {
                Err(GatewayError::MessageNotFound)
            }
        }
    }
}

/// What there is to count about a message that moved.
pub(crate) fn moved(from: crate::domain::status::Status, message: &Message) -> Observation {
    Observation::Moved {
        from,
        to: message.status,
        direction: message.direction,
        since_accepted: message.updated_at.since(message.created_at),
        failure: message.failure.as_ref().map(|failure| failure.code),
    }
}
