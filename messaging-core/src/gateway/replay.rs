//! Trying a failed message again.

use crate::domain::id::{MessageId, TenantId};
use crate::domain::message::Message;
use crate::domain::status::StatusEvent;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;

impl Gateway {
    /// Queues a failed message again, with all its attempts before it. It leaves behind what was
    /// accepted after it only where that has left already: its place is that of its acceptance.
    ///
    /// # Errors
    /// - [`GatewayError::MessageNotFound`], also for another tenant's.
    /// - [`GatewayError::WrongStatus`] where it has not failed.
    pub async fn replay(&self, tenant: TenantId, id: MessageId) -> Result<Message, GatewayError> {
        let message = self.change_owned(tenant, id, StatusEvent::Replay, "replayed").await?;
        self.enqueue(std::iter::once(&message)).await;
        Ok(message)
    }
}
