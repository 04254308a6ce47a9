//! Which messages an address asks for.

use messaging_core::domain::filter::{MessageFilter, Portion};
use messaging_core::domain::id::TenantId;
use messaging_core::gateway::{Gateway, SessionRef};

use super::message::MessageList;
use crate::api::cursor::Cursor;
use crate::api::problem::Problem;
use crate::api::sight::Sight;

/// How many messages a page has, where the request does not say.
pub(in crate::api) fn default_limit() -> u32 {
    20
}

/// The parameters of a list.
pub(in crate::api) struct ListQuery {
    pub(in crate::api) session: Option<String>,
    pub(in crate::api) filter: MessageFilter,
    pub(in crate::api) page: Option<u32>,
    pub(in crate::api) limit: u32,
    pub(in crate::api) cursor: Option<Cursor>,
}

impl ListQuery {
    /// Asks the gateway for the portion. A cursor takes the place of a page.
    pub(in crate::api) async fn list(
        self,
        gateway: &Gateway,
        tenant: TenantId,
        sight: Sight,
    ) -> Result<MessageList, Problem> {
        sight.look_for(self.filter.search.as_ref())?;
        sight.look_for(self.filter.campaign.as_ref())?;
        let limit = self.limit;
        let (page, portion) = match self.cursor {
            Some(Cursor(message)) => (None, Portion::OlderThan { message, limit }),
            None => {
                let page = self.page.unwrap_or(1);
                (Some(page), Portion::Page { page, limit })
            }
        };
        let session = self.session.as_deref().map(SessionRef::from);
        let found = gateway.list_messages(tenant, session.as_ref(), self.filter, portion).await?;
        Ok(MessageList::new(found, page, limit, sight))
    }
}
