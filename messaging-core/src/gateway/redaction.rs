//! Taking personal data from what is kept of messages that need not be sent any more.

use crate::domain::pii;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;

/// How many messages are redacted in one step.
const AT_ONCE: u32 = 200;

/// How many steps one pass takes at the most.
const STEPS: u32 = 50;

impl Gateway {
    /// Takes personal data from what is kept of the messages of tenants that want it so
    /// ([`PiiPolicy::Redact`](pii::PiiPolicy::Redact)), where they need not be sent any more, as much as
    /// one pass may. Tells how many it redacted.
    ///
    /// # Errors
    /// Where the store cannot be used; what is redacted by then stays so, and the next pass goes on.
    pub async fn redact_said(&self) -> Result<u64, GatewayError> {
        let store = &self.ports().messages;
        let mut count = 0;
        for _ in 0..STEPS {
            let mut messages = store.redactable(AT_ONCE).await?;
            let found = messages.len();
            for message in &mut messages {
                pii::mask_content(&mut message.content);
            }
            // In order of id, as whoever changes messages locks them.
            messages.sort_unstable_by_key(|message| message.id);
            let redacted = store.redact(&messages).await?;
            count += redacted;
            // What cannot be redacted, since it cannot be opened, must not keep this going.
            if found < AT_ONCE as usize || redacted == 0 {
                break;
            }
        }
        Ok(count)
    }
}
