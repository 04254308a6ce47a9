//! Taking personal data from what is kept of messages that need not be sent any more.

use crate::domain::pii;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::ports::observer::Observation;

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
        // What cannot be opened stays as it is, and must not keep others from being redacted.
        let mut shut = 0;
        for _ in 0..STEPS {
            let limit = AT_ONCE.saturating_add(shut);
            let mut messages = store.redactable(limit).await?;
            let found = messages.len();
            messages.retain(|message| !message.is_sealed());
            shut = u32::try_from(found - messages.len()).unwrap_or(u32::MAX);
            for message in &mut messages {
                pii::mask_content(&mut message.content);
            }
            // In order of id, as whoever changes messages locks them.
            messages.sort_unstable_by_key(|message| message.id);
            count += store.redact(&messages).await?;
            if found < limit as usize {
                break;
            }
        }
        if shut > 0 {
            tracing::error!(messages = shut, "messages cannot be opened, nor redacted therefore");
            self.observe(Observation::Fault { what: "key" });
        }
        Ok(count)
    }
}
