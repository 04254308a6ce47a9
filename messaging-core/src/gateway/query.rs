//! Looking at messages and counting them.

use crate::domain::filter::{
    MAX_PAGE_LIMIT, MIN_DIGITS, MessageFilter, MessagePage, Portion, number_sought,
};
use crate::domain::id::{MessageId, TenantId};
use crate::domain::message::{Message, MessageEvent};
use crate::domain::statistics::{Statistics, StatisticsRange};
use crate::domain::timestamp::Timestamp;
use crate::gateway::error::GatewayError;
use crate::gateway::pacing::Pacing;
use crate::gateway::{Gateway, SessionRef};

/// The longest text that may be searched for, in characters.
const MAX_SEARCH_CHARS: usize = 256;

impl Gateway {
    /// One message and, while it waits, why.
    ///
    /// # Errors
    /// [`GatewayError::MessageNotFound`], also for another tenant's.
    pub async fn find_message(
        &self,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<(Message, Option<Pacing>), GatewayError> {
        let found = self.ports().messages.find(tenant, id).await?;
        let message = found.ok_or(GatewayError::MessageNotFound)?;
        let pacing = self.pacing(&message).await;
        Ok((self.shown_one(message).await?, pacing))
    }

    /// The messages a filter lets through, newest first. `session` takes the place of the filter's
    /// own.
    ///
    /// # Errors
    /// - [`GatewayError::Invalid`] where the dates are reversed or the portion is out of bounds; its
    ///   pointers are the names of the query's parameters.
    /// - [`GatewayError::SessionNotFound`] where the tenant has no such session.
    pub async fn list_messages(
        &self,
        tenant: TenantId,
        session: Option<&SessionRef>,
        mut filter: MessageFilter,
        portion: Portion,
    ) -> Result<MessagePage, GatewayError> {
        check_dates(filter.from, filter.to)?;
        let (page, limit) = match portion {
            Portion::Page { page, limit } => (page, limit),
            Portion::OlderThan { limit, .. } => (1, limit),
        };
        check_portion(Some(page), limit)?;
        if filter.search.as_ref().is_some_and(|text| text.chars().count() > MAX_SEARCH_CHARS) {
            let detail = format!("may have at most {MAX_SEARCH_CHARS} characters");
            return Err(GatewayError::invalid("/search", detail));
        }
        let search = filter.search.as_deref();
        if !self.settings().finds_words && search.is_some_and(|it| number_sought(it).is_none()) {
            let detail = format!(
                "must be a telephone number or its last digits, {MIN_DIGITS} at least: this \
                 deployment finds messages by nothing else"
            );
            return Err(GatewayError::invalid("/search", detail));
        }
        if let Some(session) = session {
            filter.session = Some(self.session(tenant, session).await?.id);
        }
        let mut page = self.ports().messages.list(tenant, &filter, portion).await?;
        self.shown(tenant, &mut page.messages).await?;
        Ok(page)
    }

    /// What happened to one message, oldest first.
    ///
    /// # Errors
    /// [`GatewayError::MessageNotFound`], also for another tenant's.
    pub async fn message_events(
        &self,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<Vec<MessageEvent>, GatewayError> {
        let events = self.ports().messages.events(tenant, id).await?;
        events.ok_or(GatewayError::MessageNotFound)
    }

    /// Counts over the messages created in a range. `session` takes the place of the range's own.
    ///
    /// # Errors
    /// [`GatewayError::Invalid`] where the dates are reversed; [`GatewayError::SessionNotFound`].
    pub async fn statistics(
        &self,
        tenant: TenantId,
        session: Option<&SessionRef>,
        mut range: StatisticsRange,
    ) -> Result<Statistics, GatewayError> {
        check_dates(range.from, range.to)?;
        if let Some(session) = session {
            range.session = Some(self.session(tenant, session).await?.id);
        }
        Ok(self.ports().messages.statistics(tenant, &range).await?)
    }
}

pub(super) fn check_portion(page: Option<u32>, limit: u32) -> Result<(), GatewayError> {
    if page == Some(0) {
        return Err(GatewayError::invalid("/page", "must be at least 1"));
    }
    if !(1..=MAX_PAGE_LIMIT).contains(&limit) {
        let detail = format!("must lie within 1 and {MAX_PAGE_LIMIT}");
        return Err(GatewayError::invalid("/limit", detail));
    }
    Ok(())
}

fn check_dates(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<(), GatewayError> {
    match (from, to) {
        (Some(from), Some(to)) if from > to => {
            Err(GatewayError::invalid("/fromDate", "must not be later than toDate"))
        }
        _ => Ok(()),
    }
}
